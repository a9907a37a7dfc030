/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/ibb_window.h"

#define MS 1000

/* Little enough for the slowest server. */
#define INITIAL_BYTES 1024

/* What we may add to the smallest delay: at AIM the window stays as it is, at TOO_MUCH it shrinks at once,
 * and the first growth ends at ENOUGH. */
#define ENOUGH (40 * MS)
#define AIM (75 * MS)
#define TOO_MUCH (100 * MS)

/* At the beginning the window grows by this part of what was acknowledged; by less on long ways, where the
 * answer to what was too much comes late. */
#define GROWTH 0.5
#define LONG_WAY (100.0 * MS)

/* Later it grows by one block in each round, but no more than this part of itself. */
#define STEADY_GROWTH 8

/* The smallest delay is forgotten after one or two of these: a way may become longer. At each end the window
 * is made small for a moment, so that the new smallest delay has nothing of our own in it. */
#define EPOCH (30 * G_USEC_PER_SEC)

#define FIRST_PAUSE_MS 500
#define REFUSALS_MAX 7

static void
set_bytes(BsIbbWindow *window, double bytes)
{
    double max = (double)(BS_IBB_WINDOW_BLOCKS_MAX * window->block_size);

    window->bytes = CLAMP(bytes, MIN(BS_IBB_BLOCK_MIN, max), max);
}

void
bs_ibb_window_init(BsIbbWindow *window, gsize block_size)
{
    BsIbbWindow fresh = {
        .block_size = block_size,
        .searching = TRUE,
    };

    *window = fresh;
    set_bytes(window, INITIAL_BYTES);
}

gsize
bs_ibb_window_room(const BsIbbWindow *window, gsize outstanding)
{
    gsize bytes = (gsize)window->bytes;
    gsize wanted = MIN(MAX(bytes / 4, BS_IBB_BLOCK_MIN), window->block_size);

    /* A block that fits only in part waits, rather than go out in pieces. */
    return outstanding + wanted <= bytes || outstanding == 0 ? wanted : 0;
}

static void
begin_epoch(BsIbbWindow *window, gint64 now)
{
    if (window->epoch_end != 0) {
        window->base = window->next_base;
        window->searching = TRUE;
        set_bytes(window, MIN(window->bytes / 4, (double)(4 * window->block_size)));
    }
    window->next_base = 0;
    window->epoch_end = now + EPOCH;
}

static void
learn_base(BsIbbWindow *window, gint64 delay)
{
    if (window->next_base == 0 || delay < window->next_base)
        window->next_base = delay;
    if (window->base == 0 || delay < window->base)
        window->base = delay;
}

/* The window at which the way that answers after `delay` would answer with AIM more than the smallest
 * delay. */
static double
right_size(const BsIbbWindow *window, gint64 delay)
{
    return window->bytes * (double)(window->base + AIM) / (double)delay;
}

static void
end_search(BsIbbWindow *window, gint64 delay)
{
    window->searching = FALSE;
    set_bytes(window, MIN(window->bytes, right_size(window, delay)));
}

/* Once for each way there and back. */
static void
decide(BsIbbWindow *window, gboolean was_full)
{
    gint64 delay = window->round_delays / window->round_count;
    gint64 ours = delay - window->base;

    if (window->searching && ours > ENOUGH)
        end_search(window, delay);
    else if (ours > AIM)
        set_bytes(window, right_size(window, delay));
    else if (!window->searching && ours < AIM * 3 / 4 && was_full)
        set_bytes(window, window->bytes + MIN((double)window->block_size, window->bytes / STEADY_GROWTH));
}

/* Nothing is on its way any more, because there was nothing to send: a whole window at once would be too much
 * for a server that has been idle. */
static void
begin_anew(BsIbbWindow *window)
{
    window->searching = TRUE;
    set_bytes(window, MIN(window->bytes / 2, (double)(4 * window->block_size)));
    window->round_end = 0;
}

void
bs_ibb_window_acknowledged(BsIbbWindow *window, gsize length, gsize outstanding, gint64 delay, gint64 now)
{
    gboolean was_full = (double)outstanding * 2 > window->bytes;

    delay = MAX(delay, 1);
    window->refusals = 0;
    if (now >= window->epoch_end)
        begin_epoch(window, now);
    learn_base(window, delay);
    window->round_delays += delay;
    window->round_count++;
    if (now >= window->round_end || (delay - window->base > TOO_MUCH && window->searching)) {
        decide(window, was_full);
        window->round_end = now + delay;
        window->round_delays = 0;
        window->round_count = 0;
    }
    if (window->searching && was_full && delay - window->base <= ENOUGH)
        set_bytes(window,
                  window->bytes + GROWTH * MIN(1.0, LONG_WAY / (double)window->base) * (double)length);
    if (length == outstanding && !was_full)
        begin_anew(window);
}

guint
bs_ibb_window_refused(BsIbbWindow *window)
{
    window->searching = FALSE;
    set_bytes(window, MIN(window->bytes / 2, (double)window->block_size));
    window->round_end = 0;
    window->round_delays = 0;
    window->round_count = 0;
    if (++window->refusals > REFUSALS_MAX)
        return 0;
    return FIRST_PAUSE_MS << (window->refusals - 1);
}
