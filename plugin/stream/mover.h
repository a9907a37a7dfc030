/* The work inside the pump: one portion of a file at a time, without waiting.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_MOVER_H
#define BS_MOVER_H

#include "stream/bytes.h"
#include "stream/digest.h"
#include "stream/speed_limit.h"

typedef enum {
    BS_MOVE_MOVED,        /* there may be more to do at once */
    BS_MOVE_WAITS_SOCKET, /* for the connection */
    BS_MOVE_WAITS_WAKE,   /* for the source or sink */
    BS_MOVE_WAITS_LIMIT,  /* as the limit of speed demands */
    BS_MOVE_COMPLETE,     /* all bytes are through */
    BS_MOVE_FAILED,       /* with an error */
} BsMove;

/* Lives inside its pump, which closes the socket; all is borrowed but the buffer and the digest. */
typedef struct {
    int fd;           /* -1 once the connection was closed, be it inside the source's or sink's own call */
    BsSource *source; /* NULL when receiving */
    BsSink *sink;     /* NULL when sending */
    guint64 length;   /* BS_SIZE_UNKNOWN: until the peer ends its half */
    guint8 *buffer;
    gsize start;   /* the buffer's bytes from here ... */
    gsize end;     /* ... to here still have to go */
    guint64 taken; /* bytes that came into the buffer */
    guint64 moved; /* bytes that left it */
    BsDigest *digest;
    BsSpeedShare share;
    guint wait_ms;    /* so long, with BS_MOVE_WAITS_LIMIT */
    gboolean stirred; /* set whenever something moved, or only we kept it from moving */
} BsMover;

/* `digest` (taken) is that of the bytes before. */
void bs_mover_init(BsMover *mover, int fd, BsSource *source, BsSink *sink, guint64 length, BsDigest *digest);
void bs_mover_clear(BsMover *mover);

/* Moves up to one buffer's worth of bytes. `error` is set with BS_MOVE_FAILED only. If the socket
 * was closed inside, what is returned means nothing, but `error` may be set. */
BsMove bs_mover_move(BsMover *mover, GError **error);

/* An error of the connection, from an errno. */
void bs_mover_set_connection_error(GError **error, int code);

#endif
