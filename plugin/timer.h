/* Timers that know whether they run.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TIMER_H
#define BS_TIMER_H

#include <glib.h>

/* Stops the timer whose id (of purple_timeout_add) `*timer` holds, and sets that to 0; 0 means that none
 * runs. */
void bs_timer_clear(guint *timer);

#endif
