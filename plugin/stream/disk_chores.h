/* What takes as long as the disk does: ending sources and sinks, without holding the event loop. Those that
 * lend no file (see bytes.h) are ended in the event loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_DISK_CHORES_H
#define BS_DISK_CHORES_H

#include "stream/bytes.h"

typedef struct _BsFinish BsFinish;

/* The end of it: `error` is NULL if the file has its name. The BsFinish is gone already. */
typedef void (*BsFinished)(const GError *error, gpointer data);

/* Finishes `sink` (taken). `finished` is called once, from the event loop, after this has returned. */
BsFinish *bs_finish_new(BsSink *sink, BsFinished finished, gpointer data);

/* The file is not wanted any more: throws it away if it has not got its name yet. `finished` is not called.
 * NULL is allowed. */
void bs_finish_cancel(BsFinish *finish);

/* The same, but what has not got its name yet stays where it is. */
void bs_finish_leave(BsFinish *finish);

/* Throws `sink` (taken) away, leaves its file where it is, or closes `source` (taken), sooner or later. */
void bs_sink_discard(BsSink *sink);
void bs_sink_leave(BsSink *sink);
void bs_source_close(BsSource *source);

/* Deletes the file at `path`, sooner or later. */
void bs_file_delete(const char *path);

#endif
