/* How much of an in-band bytestream may be on its way unacknowledged: pure logic. It fills the way there and
 * back, and little more, so that chat messages do not queue behind a file, and a server that slows us down is
 * obeyed. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_IBB_WINDOW_H
#define BS_IBB_WINDOW_H

#include <glib.h>

/* The window is never larger than this many blocks. */
#define BS_IBB_WINDOW_BLOCKS_MAX 64

/* What is all in here is private. Times are microseconds of a monotonic clock. */
typedef struct {
    gsize block_size;
    double bytes;       /* the window: never below BS_IBB_BLOCK_MIN nor above the maximum */
    gboolean searching; /* growing fast: the way's capacity is not known yet */
    gint64 base;        /* the smallest delay of late, 0: none seen ... */
    gint64 next_base;   /* ... and that of the present epoch, which is to follow it */
    gint64 epoch_end;
    gint64 round_end;    /* what is acknowledged until then was sent before the latest decision */
    gint64 round_delays; /* the sum of the delays since that decision ... */
    guint round_count;   /* ... and how many they are */
    guint refusals;      /* without an acknowledgement between them */
} BsIbbWindow;

/* The smallest block that is sent unless there is no more to send. */
#define BS_IBB_BLOCK_MIN 512

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
