/* The user's limit of speed. All transfers of a direction share one budget: what is sent, by all of them
 * together, stays below the limit, and what is received does as well; files' bytes are counted, not what
 * carries them. Each of those that want to move bytes has the same part, a small piece at a time; what one
 * cannot use, the others have.
 *
 * Everything here may be called from any thread. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_SPEED_LIMIT_H
#define BS_SPEED_LIMIT_H

#include <glib.h>

typedef enum {
    BS_FLOW_OUT,
    BS_FLOW_IN,
} BsFlow;

#define BS_FLOWS (BS_FLOW_IN + 1)

/* A running transfer's part in the budget; one thread's at a time. All but `flow` begins as 0. */
typedef struct {
    BsFlow flow;
    guint generation; /* of the limit under which this was given: */
    gsize piece;      /* so many bytes ... */
    gint64 due;       /* ... from this time on, in microseconds */
} BsSpeedShare;

/* In bytes a second; 0, as in the beginning: none. Takes effect at once, for what runs as well (within a
 * quarter of a second for one that waits). */
void bs_speed_limit_set(guint64 bytes_per_second);
guint64 bs_speed_limit(void);

/* How many bytes, at most `wanted`, may be moved now. 0: none, and is to be asked again after `*wait_ms`. */
gsize bs_speed_share_ask(BsSpeedShare *share, gsize wanted, guint *wait_ms);

/* So many of them were moved; the rest may still be. */
void bs_speed_share_use(BsSpeedShare *share, gsize used);

#endif
