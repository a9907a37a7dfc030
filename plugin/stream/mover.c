/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/mover.h"

#include <errno.h>
#include <sys/socket.h>

#include "stream/pump.h"

#define BUFFER_BYTES (256 * 1024)

void
bs_mover_init(BsMover *mover, int fd, BsSource *source, BsSink *sink, guint64 length, BsDigest *digest)
{
    BsMover fresh = {.fd = fd, .source = source, .sink = sink, .length = length};

    *mover = fresh;
    mover->buffer = g_malloc(BUFFER_BYTES);
    mover->digest = digest;
    mover->share.flow = source != NULL ? BS_FLOW_OUT : BS_FLOW_IN;
}

void
bs_mover_clear(BsMover *mover)
{
    g_clear_pointer(&mover->buffer, g_free);
    g_clear_pointer(&mover->digest, bs_digest_free);
}

void
bs_mover_set_connection_error(GError **error, int code)
{
    g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_CONNECTION, g_strerror(code));
}

static gboolean
would_block(int code)
{
    return code == EAGAIN || code == EWOULDBLOCK;
}

/* What a source or sink says of its failure, as an error of this domain. */
static BsMove
own_side_failed(GError **error, GError *reason, BsStreamError code)
{
    if (reason->domain == BS_STREAM_ERROR) {
        g_propagate_error(error, reason);
    } else {
        g_set_error_literal(error, BS_STREAM_ERROR, code, reason->message);
        g_error_free(reason);
    }
    return BS_MOVE_FAILED;
}

static void
fill(BsMover *mover, gsize count)
{
    mover->start = 0;
    mover->end = count;
    mover->taken += count;
    bs_digest_update(mover->digest, mover->buffer, count);
}

static void
drain(BsMover *mover, gsize count)
{
    mover->start += count;
    mover->moved += count;
    mover->stirred = TRUE;
}

static gsize
wanted(const BsMover *mover)
{
    guint64 left = mover->length - mover->taken;

    return left < BUFFER_BYTES ? (gsize)left : BUFFER_BYTES;
}

static BsMove
read_source(BsMover *mover, GError **error)
{
    GError *reason = NULL;
    gssize count = mover->source->read(mover->source, mover->buffer, wanted(mover), &reason);

    if (count < 0)
        return reason != NULL ? own_side_failed(error, reason, BS_STREAM_ERROR_READ) : BS_MOVE_WAITS_WAKE;
    if (count == 0) {
        g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_CHANGED,
                            "The file is shorter than it was when it was offered");
        return BS_MOVE_FAILED;
    }
    fill(mover, (gsize)count);
    return BS_MOVE_MOVED;
}

/* How many bytes the limit of speed allows to move now; 0: none. */
static gsize
allowed(BsMover *mover, gsize count)
{
    gsize some = bs_speed_share_ask(&mover->share, count, &mover->wait_ms);

    mover->stirred |= some == 0;
    return some;
}

static BsMove
write_socket(BsMover *mover, GError **error)
{
    gsize some = allowed(mover, mover->end - mover->start);
    gssize count;

    if (some == 0)
        return BS_MOVE_WAITS_LIMIT;
    do
        count = send(mover->fd, mover->buffer + mover->start, some, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    if (count < 0 && would_block(errno))
        return BS_MOVE_WAITS_SOCKET;
    if (count < 0) {
        bs_mover_set_connection_error(error, errno);
        return BS_MOVE_FAILED;
    }
    bs_speed_share_use(&mover->share, (gsize)count);
    drain(mover, (gsize)count);
    return BS_MOVE_MOVED;
}

static BsMove
send_some(BsMover *mover, GError **error)
{
    if (mover->start == mover->end) {
        BsMove move;

        if (mover->taken == mover->length)
            return BS_MOVE_COMPLETE;
        move = read_source(mover, error);
        if (move != BS_MOVE_MOVED || mover->fd < 0)
            return move;
    }
    return write_socket(mover, error);
}

static BsMove
check_for_excess(BsMover *mover, GError **error)
{
    guint8 byte;

    if (recv(mover->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
        return BS_MOVE_COMPLETE;
    g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_TOO_MUCH,
                        "More bytes arrived than were announced");
    return BS_MOVE_FAILED;
}

static BsMove
read_socket(BsMover *mover, GError **error)
{
    gsize some = allowed(mover, wanted(mover));
    gssize count;

    if (some == 0)
        return BS_MOVE_WAITS_LIMIT;
    do
        count = recv(mover->fd, mover->buffer, some, MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    if (count < 0 && would_block(errno))
        return BS_MOVE_WAITS_SOCKET;
    if (count < 0) {
        bs_mover_set_connection_error(error, errno);
        return BS_MOVE_FAILED;
    }
    if (count == 0 && mover->length == BS_SIZE_UNKNOWN)
        return BS_MOVE_COMPLETE;
    if (count == 0) {
        g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_PEER_CLOSED,
                            "The connection was closed before the last byte");
        return BS_MOVE_FAILED;
    }
    bs_speed_share_use(&mover->share, (gsize)count);
    fill(mover, (gsize)count);
    mover->stirred = TRUE;
    return BS_MOVE_MOVED;
}

static BsMove
write_sink(BsMover *mover, GError **error)
{
    GError *reason = NULL;
    gssize count =
        mover->sink->write(mover->sink, mover->buffer + mover->start, mover->end - mover->start, &reason);

    if (count < 0)
        return reason != NULL ? own_side_failed(error, reason, BS_STREAM_ERROR_WRITE) : BS_MOVE_WAITS_WAKE;
    if (count == 0)
        return BS_MOVE_WAITS_WAKE;
    drain(mover, (gsize)count);
    return BS_MOVE_MOVED;
}

static BsMove
receive_some(BsMover *mover, GError **error)
{
    if (mover->start == mover->end) {
        BsMove move;

        if (mover->taken == mover->length)
            return check_for_excess(mover, error);
        move = read_socket(mover, error);
        if (move != BS_MOVE_MOVED)
            return move;
    }
    return write_sink(mover, error);
}

BsMove
bs_mover_move(BsMover *mover, GError **error)
{
    return mover->source != NULL ? send_some(mover, error) : receive_some(mover, error);
}
