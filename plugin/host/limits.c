/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/limits.h"

#include "preferences.h"
#include "stream/speed_limit.h"

static BsQueue *queue;

static void
carry(void)
{
    bs_queue_set_limit(queue, bs_preferences_transfers_at_once());
    if (bs_speed_limit() != bs_preferences_speed_limit())
        bs_speed_limit_set(bs_preferences_speed_limit());
}

void
bs_limits_start(void)
{
    queue = bs_queue_new(bs_preferences_transfers_at_once());
    carry();
    bs_preferences_watch(carry);
}

void
bs_limits_stop(void)
{
    bs_preferences_watch(NULL);
    g_clear_pointer(&queue, bs_queue_free);
}

BsQueue *
bs_limits_queue(void)
{
    return queue;
}
