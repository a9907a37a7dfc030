/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/ibb_window.h"

#define MS 1000

/* Little enough for the slowest server. */
#define INITIAL_BYTES (2 * BS_IBB_BLOCK_MIN)

/* What we may add to the way's own delay: one block at a time gets larger up to ENOUGH; a window that adds
 * more than TOO_MUCH is put back to what adds GOOD. On long ways, where delays vary more, all are more. */
#define GOOD (40 * MS)
#define ENOUGH (50 * MS)
#define TOO_MUCH (75 * MS)
#define LONG_WAY (300 * MS)

/* A way that is just full shows no queue, however much the next window adds to it. So the fast growth goes no
 * further than to where that would be this much, and not to more than so many times the window. */
#define LEAP (150 * MS)
#define LEAP_MAX 4.0
#define LEAP_MIN 1.15

/* The part of a larger window that must come through more, if the way was not full. */
#define WORTH_IT 0.75

#define STEADY_GROWTH 1.125

/* A delay that stays above this part of what it was with twice the window is the way's own. It is more than a
 * half, so that of up to three streams that share a queue each sees that it is theirs. */
#define NOT_OURS 0.8
/* A single block cannot be held back behind others, and thus tells nothing of that: even half the window of a
 * trial has two. */
#define TRIAL_BYTES_MIN (4.0 * BS_IBB_BLOCK_MIN)

/* Of what a round sends, in windows, only the part between these is looked at: what comes first finds the
 * queue that the window before has left. */
#define ROUND_BEGIN 0.5
#define ROUND_END 0.9
#define TRIAL_BEGIN 1.0
#define TRIAL_END 1.5

#define FIRST_PAUSE_MS 500
#define REFUSALS_MAX 7

static void
set_bytes(BsIbbWindow *window, double bytes)
{
    double max = (double)(BS_IBB_WINDOW_BLOCKS_MAX * window->block_size);

    window->bytes = CLAMP(bytes, MIN(BS_IBB_BLOCK_MIN, max), max);
}

static void
begin_round(BsIbbWindow *window, gint64 now)
{
    window->round_begin = now;
    window->round_delays = 0;
    window->round_count = 0;
    window->round_bytes = 0;
}

static void
begin_alone(BsIbbWindow *window, double bytes, gint64 now)
{
    window->phase = BS_IBB_ALONE;
    set_bytes(window, MIN(bytes, (double)window->block_size));
    begin_round(window, now);
}

void
bs_ibb_window_init(BsIbbWindow *window, gsize block_size)
{
    BsIbbWindow fresh = {.block_size = block_size};

    *window = fresh;
    begin_alone(window, INITIAL_BYTES, 0);
}

gsize
bs_ibb_window_room(const BsIbbWindow *window, gsize outstanding)
{
    gsize bytes = (gsize)window->bytes;
    gsize part = window->phase == BS_IBB_ALONE ? bytes : bytes / 4;
    gsize wanted = MIN(MAX(part, BS_IBB_BLOCK_MIN), window->block_size);

    /* A block that fits only in part waits, rather than go out in pieces. */
    return outstanding + wanted <= bytes || outstanding == 0 ? wanted : 0;
}

static gint64
allowed(const BsIbbWindow *window, gint64 time)
{
    return MAX(time, window->own * time / LONG_WAY);
}

static double
leap_factor(const BsIbbWindow *window, gint64 delay)
{
    return MIN(LEAP_MAX, (double)(window->own + LEAP) / (double)delay);
}

static void
leap(BsIbbWindow *window, gint64 delay)
{
    double factor = leap_factor(window, delay);

    window->before_bytes = window->bytes;
    window->before_delay = delay;
    if (window->phase == BS_IBB_ALONE && window->bytes < (double)window->block_size) {
        set_bytes(window, MIN(window->bytes * MAX(factor, 2.0), (double)window->block_size));
    } else {
        window->phase = BS_IBB_SEARCH;
        set_bytes(window, window->bytes * factor);
    }
}

/* Where the way was not full, a larger window lets more through. */
static gboolean
was_worth_it(const BsIbbWindow *window, gint64 delay)
{
    double larger = window->bytes / window->before_bytes;
    double faster = larger * (double)window->before_delay / (double)delay;

    return larger > 1 && faster >= 1 + (larger - 1) * WORTH_IT;
}

/* A long delay need not be a queue of ours: the way may have become longer; others use it, too; and servers
 * with Nagle's algorithm, Prosody among them, hold back the end of a block, and each answer, until what they
 * sent before it has arrived. None of that becomes less with our window, so we look. */
static void
begin_trial(BsIbbWindow *window, gint64 delay)
{
    double right = window->bytes * (double)(window->own + allowed(window, GOOD)) / (double)delay;

    if (window->bytes < TRIAL_BYTES_MIN) {
        window->phase = BS_IBB_STEADY;
        set_bytes(window, TRIAL_BYTES_MIN);
        return;
    }
    window->phase = BS_IBB_TRIAL;
    window->before_bytes = window->bytes;
    window->before_delay = delay;
    set_bytes(window, MAX(TRIAL_BYTES_MIN / 2, MIN(window->bytes / 2, right)));
}

static void
end_trial(BsIbbWindow *window, gint64 delay)
{
    gint64 before = window->before_delay;

    if ((double)delay >= (double)before * NOT_OURS)
        window->own = delay;
    set_bytes(window, window->before_bytes);
    if (before - window->own <= allowed(window, ENOUGH)) {
        leap(window, before);
    } else {
        window->phase = BS_IBB_STEADY;
        set_bytes(window, window->bytes * (double)(window->own + allowed(window, GOOD)) / (double)before);
    }
}

static void
decide(BsIbbWindow *window, gint64 delay, gboolean was_full)
{
    switch (window->phase) {
    case BS_IBB_ALONE:
        if (delay - window->own > allowed(window, ENOUGH))
            begin_trial(window, delay);
        else if (was_full)
            leap(window, delay);
        break;
    case BS_IBB_SEARCH:
        if (was_worth_it(window, delay))
            window->own = MAX(window->own, MIN(window->before_delay, delay));
        if (leap_factor(window, delay) < LEAP_MIN)
            begin_trial(window, delay);
        else if (was_full)
            leap(window, delay);
        break;
    case BS_IBB_STEADY:
        if (delay - window->own > allowed(window, TOO_MUCH))
            begin_trial(window, delay);
        else if (was_full)
            set_bytes(window, window->bytes * STEADY_GROWTH);
        break;
    case BS_IBB_TRIAL:
        end_trial(window, delay);
        break;
    }
}

/* Delays vary: with a large window, one that is shorter may be chance. */
static void
learn_own(BsIbbWindow *window, gint64 delay)
{
    gboolean small = window->phase == BS_IBB_ALONE || window->phase == BS_IBB_TRIAL;

    if (window->own == 0)
        window->own = delay;
    else if (delay < window->own)
        window->own -= (window->own - delay) / (small ? 1 : 4);
}

static void
end_round(BsIbbWindow *window, gboolean was_full, gint64 now)
{
    gint64 delay = window->round_delays / window->round_count;

    learn_own(window, delay);
    decide(window, delay, was_full);
    begin_round(window, now);
}

void
bs_ibb_window_acknowledged(BsIbbWindow *window, gsize length, gsize outstanding, gint64 delay, gint64 now)
{
    gboolean on_trial = window->phase == BS_IBB_TRIAL;
    gboolean was_full = (double)outstanding * 2 > window->bytes;

    delay = MAX(delay, 1);
    window->refusals = 0;
    if (now - delay >= window->round_begin) {
        window->round_bytes += length;
        if ((double)window->round_bytes >= window->bytes * (on_trial ? TRIAL_BEGIN : ROUND_BEGIN)) {
            window->round_delays += delay;
            window->round_count++;
        }
    }
    if (length == outstanding && !was_full)
        /* Nothing is on its way any more, because there was nothing to send: a whole window at once would be
         * too much for a server that has been idle. */
        begin_alone(window, window->bytes / 2, now);
    else if ((double)window->round_bytes >= window->bytes * (on_trial ? TRIAL_END : ROUND_END))
        end_round(window, was_full, now);
}

guint
bs_ibb_window_refused(BsIbbWindow *window)
{
    window->phase = BS_IBB_STEADY;
    set_bytes(window, MIN(window->bytes / 2, (double)window->block_size));
    begin_round(window, 0);
    if (++window->refusals > REFUSALS_MAX)
        return 0;
    return FIRST_PAUSE_MS << (window->refusals - 1);
}
