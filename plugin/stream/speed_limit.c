/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/speed_limit.h"

#include <pthread.h>

/* Pieces are small, so that bytes flow evenly, but not so small that they cost more than they carry. */
#define PIECES_PER_SECOND 20
#define PIECE_MIN 256
#define PIECE_MAX (1024 * 1024)

/* Who comes late, as threads do, may catch up so much. */
#define CATCH_UP_US (100 * 1000)
/* A limit that was changed is noticed after so long. */
#define WAIT_MAX_MS 250

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for what follows */
static guint64 limit;
static guint generation; /* of the limit */
static gint64 next_due[BS_FLOWS];

void
bs_speed_limit_set(guint64 bytes_per_second)
{
    gint64 now = g_get_monotonic_time();

    pthread_mutex_lock(&lock);
    limit = bytes_per_second;
    generation++;
    for (guint flow = 0; flow < BS_FLOWS; flow++)
        next_due[flow] = now;
    pthread_mutex_unlock(&lock);
}

guint64
bs_speed_limit(void)
{
    guint64 value;

    pthread_mutex_lock(&lock);
    value = limit;
    pthread_mutex_unlock(&lock);
    return value;
}

/* Who asks first is served first: each piece is due when those before it have taken their time. */
static void
reserve(BsSpeedShare *share, gsize wanted, gint64 now)
{
    gint64 *next = &next_due[share->flow];

    share->piece = (gsize)CLAMP(limit / PIECES_PER_SECOND, PIECE_MIN, PIECE_MAX);
    share->piece = MIN(share->piece, wanted);
    share->due = MAX(*next, now - CATCH_UP_US);
    *next = share->due + (gint64)(share->piece * G_USEC_PER_SEC / limit);
}

static gsize
ask_limited(BsSpeedShare *share, gsize wanted, guint *wait_ms)
{
    gint64 now = g_get_monotonic_time();

    if (share->generation != generation)
        share->piece = 0;
    share->generation = generation;
    if (share->piece == 0)
        reserve(share, wanted, now);
    if (now >= share->due)
        return MIN(wanted, share->piece);
    *wait_ms = (guint)MIN((share->due - now + 999) / 1000, WAIT_MAX_MS);
    return 0;
}

gsize
bs_speed_share_ask(BsSpeedShare *share, gsize wanted, guint *wait_ms)
{
    gsize allowed = wanted;

    pthread_mutex_lock(&lock);
    if (limit > 0 && wanted > 0)
        allowed = ask_limited(share, wanted, wait_ms);
    pthread_mutex_unlock(&lock);
    return allowed;
}

void
bs_speed_share_use(BsSpeedShare *share, gsize used)
{
    share->piece -= MIN(share->piece, used);
}
