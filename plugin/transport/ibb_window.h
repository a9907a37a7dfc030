/* How much of an in-band bytestream may be on its way unacknowledged: pure logic. It fills the way there and
 * back, and little more, so that chat messages do not queue behind a file, and a server that slows us down is
 * obeyed. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_IBB_WINDOW_H
#define BS_IBB_WINDOW_H

#include <glib.h>

/* The window is never larger than this many blocks. */
#define BS_IBB_WINDOW_BLOCKS_MAX 64

/* The smallest block that is sent unless there is no more to send: four of them, with the stanzas around
 * them, take less than 300 ms at 10 KB/s. */
#define BS_IBB_BLOCK_MIN 360

typedef enum {
    BS_IBB_ALONE,  /* one block at a time, each larger than the one before */
    BS_IBB_SEARCH, /* growing fast: what the way can take is not known yet */
    BS_IBB_STEADY, /* it is known, but may change */
    BS_IBB_TRIAL,  /* the window is smaller for a moment, to see whether the delay is due to it */
} BsIbbPhase;

/* What is all in here is private. Times are microseconds of a monotonic clock. */
typedef struct {
    gsize block_size;
    double bytes; /* the window: never below BS_IBB_BLOCK_MIN nor above the maximum */
    BsIbbPhase phase;
    gint64 own;          /* the delay of the way itself, with no queue of ours in it; 0: not known */
    double before_bytes; /* the window before it was changed ... */
    gint64 before_delay; /* ... and the delay that it had */
    gint64 round_begin;  /* only what was sent since then shows what the present window does */
    gint64 round_delays; /* the sum of these delays ... */
    guint round_count;   /* ... and how many they are */
    gsize round_bytes;   /* acknowledged of what was sent since then */
    guint refusals;      /* without an acknowledgement between them */
} BsIbbWindow;

/* A window for blocks of at most `block_size` bytes; it starts small. */
void bs_ibb_window_init(BsIbbWindow *window, gsize block_size);

/* How many bytes the next block may have when `outstanding` bytes are on their way; 0: wait for an
 * acknowledgement. Blocks get smaller where even a single whole one would hold up others. */
gsize bs_ibb_window_room(const BsIbbWindow *window, gsize outstanding);

/* A block of `length` bytes that was sent `delay` ago was acknowledged; `outstanding` bytes were on their way
 * until then, its own included. */
void bs_ibb_window_acknowledged(BsIbbWindow *window, gsize length, gsize outstanding, gint64 delay,
                                gint64 now);

/* A server or the peer wants us to wait (XEP-0047, 2.2): shrinks the window. Returns after how many
 * milliseconds to try the same block again; 0 if that has been tried often enough. */
guint bs_ibb_window_refused(BsIbbWindow *window);

#endif
