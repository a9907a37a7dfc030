/* Moves a file's bytes between a connection and a source or sink, hashing them on the way.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PUMP_H
#define BS_PUMP_H

#include "stream/bytes.h"
#include "stream/digest.h"

/* The size of a file that nobody announced. */
#define BS_SIZE_UNKNOWN G_MAXUINT64

typedef struct _BsPump BsPump;

typedef struct {
    /* `moved` bytes have been read from the source and handed to the kernel, or received and written to the
     * sink. At most some ten times a second. */
    void (*progress)(BsPump *pump, guint64 moved, gpointer data);
    /* The end, exactly once; `error` (BS_STREAM_ERROR) is NULL if all bytes went through. The pump does
     * nothing more and can be asked for its digest; it is not freed. May free the pump. */
    void (*done)(BsPump *pump, const GError *error, gpointer data);
} BsPumpEvents;

/* Sends `length` bytes of `source` from its current position over `fd`, then ends its half of the connection
 * (shutdown), so that nothing waits in a relay's buffers. Borrows `source`, takes `fd`. Less in the source
 * than `length` is BS_STREAM_ERROR_CHANGED. `hashes` (see bs_digest_new()) are of the source from its first
 * byte on, be it sent or not. `id`: the transfer's, for the debug window. */
BsPump *bs_pump_send(const char *id, int fd, BsSource *source, guint64 length, guint hashes,
                     const BsPumpEvents *events, gpointer data);

/* Receives `length` bytes over `fd` (BS_SIZE_UNKNOWN: until the peer ends its half) into `sink`. Borrows
 * `sink`, takes `fd`. A byte more that is already there when `length` is reached is BS_STREAM_ERROR_TOO_MUCH;
 * the end of the stream before it is BS_STREAM_ERROR_PEER_CLOSED. */
BsPump *bs_pump_receive(const char *id, int fd, BsSink *sink, guint64 length, guint hashes,
                        const BsPumpEvents *events, gpointer data);

/* The same of the rest of a file. `digest` (taken) is that of the bytes before. In the file `checkpoints`
 * (NULL: nowhere) it is kept how far the file is right (see checkpoints.h), of `size` bytes in all. */
BsPump *bs_pump_receive_rest(const char *id, int fd, BsSink *sink, guint64 length, BsDigest *digest,
                             const char *checkpoints, guint64 size, const BsPumpEvents *events,
                             gpointer data);

/* The source has bytes again, or the sink takes them again. */
void bs_pump_wake(BsPump *pump);

/* Bytes moved so far. */
guint64 bs_pump_moved(const BsPump *pump);

/* After `done`: the digest of all that was moved, and of what was before, owned by the pump. NULL if a disk
 * holds up what would know it. */
BsDigest *bs_pump_digest(BsPump *pump);

/* The same: bytes that the kernel here still holds because the peer's has not acknowledged them; -1 when the
 * connection is gone. */
int bs_pump_unacknowledged(const BsPump *pump);

/* After a `done` without error, for a sending pump: TRUE once the peer's kernel has acknowledged every byte.
 */
gboolean bs_pump_flushed(const BsPump *pump);

/* After a `done` without error, for a sending pump: TRUE once the peer has closed its half as well. */
gboolean bs_pump_peer_closed(const BsPump *pump);

/* The same: TRUE if it did not end in good order, as when it was closed with bytes that nobody had read. */
gboolean bs_pump_peer_reset(const BsPump *pump);

/* After a `done` without error, for a receiving pump: TRUE if more bytes have come since than were announced.
 */
gboolean bs_pump_has_excess(const BsPump *pump);

/* Ends it at once, at any moment, from inside its events too, without an event; closes the connection
 * (shutdown and close). NULL is allowed. */
void bs_pump_free(BsPump *pump);

#endif
