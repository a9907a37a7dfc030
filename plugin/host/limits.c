/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/limits.h"

#include "preferences.h"
#include "stream/speed_limit.h"
#include "transfer/queue.h"

static void
carry(void)
{
    bs_queue_set_limit(bs_preferences_transfers_at_once());
    if (bs_speed_limit() != bs_preferences_speed_limit())
        bs_speed_limit_set(bs_preferences_speed_limit());
}

void
bs_limits_start(void)
{
    carry();
    bs_preferences_watch(carry);
}

void
bs_limits_stop(void)
{
    bs_preferences_watch(NULL);
}
