/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "timer.h"

#include <eventloop.h>

void
bs_timer_clear(guint *timer)
{
    guint id = *timer;

    *timer = 0;
    if (id != 0)
        purple_timeout_remove(id);
}
