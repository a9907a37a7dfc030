/* Where a file's bytes come from and where they go to, for those who move them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_BYTES_H
#define BS_BYTES_H

#include <glib.h>

#include "stream/disk_file.h"

#define BS_STREAM_ERROR (bs_stream_error_quark())
GQuark bs_stream_error_quark(void);

typedef enum {
    BS_STREAM_ERROR_PEER_CLOSED, /* the peer closed before the last byte */
    BS_STREAM_ERROR_CONNECTION,  /* the connection broke */
    BS_STREAM_ERROR_TOO_MUCH,    /* more bytes than were announced */
    BS_STREAM_ERROR_READ,        /* the file here cannot be read */
    BS_STREAM_ERROR_CHANGED,     /* the file here is not what it was when it was opened */
    BS_STREAM_ERROR_WRITE,       /* the file here cannot be written */
    BS_STREAM_ERROR_NO_SPACE,    /* ... because there is not enough room for it */
    BS_STREAM_ERROR_STALLED,     /* nothing moved for too long */
} BsStreamError;

/* A file could not be written, from an errno: BS_STREAM_ERROR_NO_SPACE or _WRITE. */
void bs_set_write_error(GError **error, int code);

/* A file was changed after it was opened: BS_STREAM_ERROR_CHANGED. */
void bs_set_changed_error(GError **error);

/* Where the bytes of a file that is sent come from. One owner; ended by `close`. */
typedef struct _BsSource BsSource;
struct _BsSource {
    /* Reads up to `size` bytes. Returns how many; 0 at the end; -1 with `error` set when it failed, -1 with
     * `error` unset when there is nothing now: bs_pump_wake() is called when there is. */
    gssize (*read)(BsSource *source, guint8 *buffer, gsize size, GError **error);
    /* The next byte read is byte `offset` of the file. NULL where it cannot be done. */
    gboolean (*seek)(BsSource *source, guint64 offset, GError **error);
    /* For a worker: the file (a new reference), and at which of its bytes the next one is. A source that
     * lends it may be closed in a worker. NULL where bytes come by `read` alone, in the event loop. */
    BsDiskFile *(*lend)(BsSource *source, guint64 *position);
    /* Frees it. Called once. */
    void (*close)(BsSource *source);
};

/* Where the bytes of a file that is received go to. One owner; ended by `finish`, `discard` or `leave`,
 * whichever is first. */
typedef struct _BsSink BsSink;
struct _BsSink {
    /* Takes up to `size` bytes. Returns how many; -1 with `error` set when it failed; -1 with `error` unset
     * when it takes none now: bs_pump_wake() is called when it does. */
    gssize (*write)(BsSink *sink, const guint8 *buffer, gsize size, GError **error);
    /* The next byte written is byte `offset` of the file; forgets those from there on. NULL where it cannot
     * be done. */
    gboolean (*restart)(BsSink *sink, guint64 offset, GError **error);
    /* For a worker: the file (a new reference), and where its next byte goes; what is behind that is to be
     * cut off first. `sync`, `settle` and `discard` of a sink that lends it may be called in a worker, one at
     * a time. NULL where bytes go by `write` alone, in the event loop. */
    BsDiskFile *(*lend)(BsSink *sink, guint64 *position);
    /* The two parts of `finish` that may take long, ahead of it, where there are such: bringing all bytes to
     * the disk, and giving the file its name. After a failure, and after `sync`, the sink can still be thrown
     * away. */
    gboolean (*sync)(BsSink *sink, GError **error);
    gboolean (*settle)(BsSink *sink, GError **error);
    /* All bytes are there and agree with their hash: the file gets its name. Frees the sink, also on failure,
     * when nothing stays behind. */
    gboolean (*finish)(BsSink *sink, GError **error);
    /* The file is not wanted: removes what was written and frees the sink. */
    void (*discard)(BsSink *sink);
    /* It is not wanted now: leaves on the disk what was written and frees the sink. NULL where it cannot be
     * done. */
    void (*leave)(BsSink *sink);
};

/* A source that reads the regular file at `path`, as long as nobody writes to that
 * (BS_STREAM_ERROR_CHANGED). NULL with BS_STREAM_ERROR_READ when it cannot be opened, or
 * is not a regular file. `size` gets the file's size in bytes (may be NULL). */
BsSource *bs_file_source_new(const char *path, guint64 *size, GError **error);

#endif
