/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/pump.h"

#include <errno.h>
#include <eventloop.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "log.h"

#define BUFFER_BYTES (256 * 1024)

/* What one call of the event loop may do at most. */
#define TURN_BYTES (1024 * 1024)
#define TURN_ROUNDS 256

/* A watch on a fast connection is always ready, and a UI that draws at a lower priority would never get to
 * it: this often, the pump leaves the loop alone for a moment. */
#define BREATH_EVERY_US (40 * 1000)
#define BREATH_MS 1

#define PROGRESS_EVERY_US (100 * 1000)

/* Nothing moved for this long is a stall. */
#define STALL_TICK_SECONDS 10
#define STALL_TICKS 12

/* A peer has nothing to say while it receives. More than this is not listened to. */
#define DISCARDED_BYTES_MAX (64 * 1024)

typedef enum {
    PUMP_RUNNING,
    PUMP_ENDED, /* `done` was called; a sending pump may still wait for the peer's end */
    PUMP_FREED, /* released when the last of its functions has returned */
} PumpState;

typedef enum {
    TURN_MOVED,        /* there may be more to do at once */
    TURN_WAITS_SOCKET, /* for the connection */
    TURN_WAITS_WAKE,   /* for the source or sink */
    TURN_COMPLETE,     /* all bytes are through */
    TURN_FAILED,       /* with an error */
} Turn;

struct _BsPump {
    char *id;
    int fd;
    BsSource *source; /* NULL when receiving */
    BsSink *sink;     /* NULL when sending */
    guint64 length;
    BsPumpEvents events;
    gpointer data;

    PumpState state;
    guint calls; /* of our functions on the stack */

    guint8 *buffer;
    gsize start;   /* the buffer's bytes from here ... */
    gsize end;     /* ... to here still have to go */
    guint64 taken; /* bytes that came into the buffer */
    guint64 moved; /* bytes that left it */
    BsDigest *digest;

    guint watch;
    PurpleInputFunction watch_function;
    guint kick; /* a timeout that continues the work */
    guint stall_timer;
    guint quiet_ticks;
    gboolean stirred; /* something moved since the last tick */
    int unsent;       /* in the kernel's buffer at the last tick */
    gint64 last_breath;
    gint64 last_progress;

    gboolean peer_closed;
    gsize discarded;
};

static void run(BsPump *pump);
static void watch_peer(BsPump *pump);

static void
set_connection_error(GError **error, int code)
{
    g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_CONNECTION, g_strerror(code));
}

static gboolean
would_block(int code)
{
    return code == EAGAIN || code == EWOULDBLOCK;
}

static void
unwatch(BsPump *pump)
{
    guint watch = pump->watch;

    pump->watch = 0;
    pump->watch_function = NULL;
    if (watch != 0)
        purple_input_remove(watch);
}

/* A pump watches its socket for one thing at a time. */
static void
watch_for(BsPump *pump, PurpleInputCondition condition, PurpleInputFunction function)
{
    if (pump->watch != 0 && pump->watch_function == function)
        return;
    unwatch(pump);
    pump->watch = purple_input_add(pump->fd, condition, function, pump);
    pump->watch_function = function;
}

static void
socket_ready(gpointer data, gint fd, PurpleInputCondition condition)
{
    (void)fd;
    (void)condition;
    run(data);
}

static gboolean
kicked(gpointer data)
{
    BsPump *pump = data;

    pump->kick = 0;
    run(pump);
    return FALSE;
}

static void
kick_after(BsPump *pump, guint milliseconds)
{
    if (pump->kick == 0)
        pump->kick = purple_timeout_add(milliseconds, kicked, pump);
}

static void
stop_timers(BsPump *pump)
{
    guint kick = pump->kick;
    guint stall_timer = pump->stall_timer;

    pump->kick = 0;
    pump->stall_timer = 0;
    if (kick != 0)
        purple_timeout_remove(kick);
    if (stall_timer != 0)
        purple_timeout_remove(stall_timer);
}

static void
close_connection(BsPump *pump)
{
    int fd = pump->fd;

    unwatch(pump);
    pump->fd = -1;
    if (fd < 0)
        return;
    /* A resolver's child process may hold a copy, so that close() alone would not end the connection. */
    shutdown(fd, SHUT_RDWR);
    close(fd);
}

static void
release(BsPump *pump)
{
    bs_digest_free(pump->digest);
    g_free(pump->buffer);
    g_free(pump->id);
    g_free(pump);
}

static void
enter(BsPump *pump)
{
    pump->calls++;
}

static void
leave(BsPump *pump)
{
    if (--pump->calls == 0 && pump->state == PUMP_FREED)
        release(pump);
}

/* An event loop runs inside an event, or inside the source's or sink's own call: nothing may be done beneath
 * it. TRUE then; the work goes on later. */
static gboolean
put_off(BsPump *pump)
{
    if (pump->calls == 0 || pump->state != PUMP_RUNNING)
        return FALSE;
    unwatch(pump);
    kick_after(pump, BREATH_MS);
    return TRUE;
}

static void
report_progress(BsPump *pump, gint64 now)
{
    pump->last_progress = now;
    if (pump->events.progress != NULL)
        pump->events.progress(pump, pump->moved, pump->data);
}

/* The end; takes `error`. Must stand between enter() and leave(). */
static void
end_pump(BsPump *pump, GError *error)
{
    pump->state = PUMP_ENDED;
    stop_timers(pump);
    unwatch(pump);
    g_clear_pointer(&pump->buffer, g_free);
    if (error != NULL) {
        bs_log_warning(pump->id, "%s ended after %" G_GUINT64_FORMAT " bytes: %s",
                       pump->source != NULL ? "sending" : "receiving", pump->moved, error->message);
        close_connection(pump);
    } else {
        bs_log(pump->id, "%" G_GUINT64_FORMAT " bytes %s", pump->moved,
               pump->source != NULL ? "sent" : "received");
        if (pump->source != NULL) {
            shutdown(pump->fd, SHUT_WR);
            watch_peer(pump);
        }
        report_progress(pump, g_get_monotonic_time());
    }
    if (pump->state != PUMP_FREED)
        pump->events.done(pump, error, pump->data);
    g_clear_error(&error);
}

/* What the peer says while it should only listen: nothing is expected but its end. */
static void
peer_ready(gpointer data, gint fd, PurpleInputCondition condition)
{
    BsPump *pump = data;
    guint8 dust[4096];
    gssize count;
    int code;

    (void)condition;
    if (put_off(pump))
        return;
    count = recv(fd, dust, sizeof dust, MSG_DONTWAIT);
    code = errno;
    if (count < 0 && (would_block(code) || code == EINTR))
        return;
    if (count > 0) {
        pump->discarded += (gsize)count;
        if (pump->discarded >= DISCARDED_BYTES_MAX)
            unwatch(pump);
        return;
    }
    unwatch(pump);
    pump->peer_closed = TRUE;
    /* The end alone may be that of the peer's half: whether it still takes bytes shows when some are sent. */
    if (count < 0 && pump->state == PUMP_RUNNING) {
        GError *error = NULL;

        set_connection_error(&error, code);
        enter(pump);
        end_pump(pump, error);
        leave(pump);
    }
}

/* For a sending pump that has nothing to write. */
static void
watch_peer(BsPump *pump)
{
    if (pump->peer_closed || pump->discarded >= DISCARDED_BYTES_MAX)
        unwatch(pump);
    else
        watch_for(pump, PURPLE_INPUT_READ, peer_ready);
}

/* What a source or sink says of its failure, as an error of this domain. */
static Turn
own_side_failed(GError **error, GError *reason, BsStreamError code)
{
    if (reason->domain == BS_STREAM_ERROR) {
        g_propagate_error(error, reason);
    } else {
        g_set_error_literal(error, BS_STREAM_ERROR, code, reason->message);
        g_error_free(reason);
    }
    return TURN_FAILED;
}

static void
fill(BsPump *pump, gsize count)
{
    pump->start = 0;
    pump->end = count;
    pump->taken += count;
    bs_digest_update(pump->digest, pump->buffer, count);
}

static void
drain(BsPump *pump, gsize count)
{
    pump->start += count;
    pump->moved += count;
    pump->stirred = TRUE;
}

static gsize
wanted(const BsPump *pump)
{
    guint64 left = pump->length - pump->taken;

    return left < BUFFER_BYTES ? (gsize)left : BUFFER_BYTES;
}

static Turn
read_source(BsPump *pump, GError **error)
{
    GError *reason = NULL;
    gssize count = pump->source->read(pump->source, pump->buffer, wanted(pump), &reason);

    if (count < 0)
        return reason != NULL ? own_side_failed(error, reason, BS_STREAM_ERROR_READ) : TURN_WAITS_WAKE;
    if (count == 0) {
        g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_CHANGED,
                            "The file is shorter than it was when it was offered");
        return TURN_FAILED;
    }
    fill(pump, (gsize)count);
    return TURN_MOVED;
}

static Turn
write_socket(BsPump *pump, GError **error)
{
    gssize count;

    do
        count =
            send(pump->fd, pump->buffer + pump->start, pump->end - pump->start, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    if (count < 0 && would_block(errno))
        return TURN_WAITS_SOCKET;
    if (count < 0) {
        set_connection_error(error, errno);
        return TURN_FAILED;
    }
    drain(pump, (gsize)count);
    return TURN_MOVED;
}

static Turn
send_some(BsPump *pump, GError **error)
{
    if (pump->start == pump->end) {
        Turn turn;

        if (pump->taken == pump->length)
            return TURN_COMPLETE;
        turn = read_source(pump, error);
        if (turn != TURN_MOVED || pump->state == PUMP_FREED)
            return turn;
    }
    return write_socket(pump, error);
}

static Turn
check_for_excess(BsPump *pump, GError **error)
{
    guint8 byte;

    if (recv(pump->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
        return TURN_COMPLETE;
    g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_TOO_MUCH,
                        "More bytes arrived than were announced");
    return TURN_FAILED;
}

static Turn
read_socket(BsPump *pump, GError **error)
{
    gssize count;

    do
        count = recv(pump->fd, pump->buffer, wanted(pump), MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    if (count < 0 && would_block(errno))
        return TURN_WAITS_SOCKET;
    if (count < 0) {
        set_connection_error(error, errno);
        return TURN_FAILED;
    }
    if (count == 0 && pump->length == BS_SIZE_UNKNOWN)
        return TURN_COMPLETE;
    if (count == 0) {
        g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_PEER_CLOSED,
                            "The connection was closed before the last byte");
        return TURN_FAILED;
    }
    fill(pump, (gsize)count);
    pump->stirred = TRUE;
    return TURN_MOVED;
}

static Turn
write_sink(BsPump *pump, GError **error)
{
    GError *reason = NULL;
    gssize count =
        pump->sink->write(pump->sink, pump->buffer + pump->start, pump->end - pump->start, &reason);

    if (count < 0)
        return reason != NULL ? own_side_failed(error, reason, BS_STREAM_ERROR_WRITE) : TURN_WAITS_WAKE;
    if (count == 0)
        return TURN_WAITS_WAKE;
    drain(pump, (gsize)count);
    return TURN_MOVED;
}

static Turn
receive_some(BsPump *pump, GError **error)
{
    if (pump->start == pump->end) {
        Turn turn;

        if (pump->taken == pump->length)
            return check_for_excess(pump, error);
        turn = read_socket(pump, error);
        if (turn != TURN_MOVED)
            return turn;
    }
    return write_sink(pump, error);
}

/* What the pump waits for until its next turn. */
static void
wait_for_turn(BsPump *pump, Turn turn, gint64 now)
{
    if (turn == TURN_WAITS_WAKE) {
        if (pump->source != NULL)
            watch_peer(pump);
        else
            unwatch(pump);
    } else if (now - pump->last_breath >= BREATH_EVERY_US) {
        pump->last_breath = now;
        unwatch(pump);
        kick_after(pump, BREATH_MS);
    } else if (turn == TURN_MOVED) {
        unwatch(pump);
        kick_after(pump, 0);
    } else {
        watch_for(pump, pump->source != NULL ? PURPLE_INPUT_WRITE : PURPLE_INPUT_READ, socket_ready);
    }
}

static void
run(BsPump *pump)
{
    guint64 limit = pump->moved + TURN_BYTES;
    GError *error = NULL;
    Turn turn = TURN_MOVED;
    gint64 now;

    if (put_off(pump))
        return;
    enter(pump);
    for (guint i = 0; i < TURN_ROUNDS && turn == TURN_MOVED && pump->moved < limit; i++) {
        turn = pump->source != NULL ? send_some(pump, &error) : receive_some(pump, &error);
        if (pump->state == PUMP_FREED)
            break;
    }
    now = g_get_monotonic_time();
    if (pump->state == PUMP_FREED) {
        g_clear_error(&error);
    } else if (turn == TURN_COMPLETE || turn == TURN_FAILED) {
        end_pump(pump, error);
    } else {
        wait_for_turn(pump, turn, now);
        if (now - pump->last_progress >= PROGRESS_EVERY_US)
            report_progress(pump, now);
    }
    leave(pump);
}

static int
bytes_unsent(const BsPump *pump)
{
    int unsent = -1;

    if (pump->fd < 0 || ioctl(pump->fd, SIOCOUTQ, &unsent) < 0)
        return -1;
    return unsent;
}

static gboolean
stall_tick(gpointer data)
{
    BsPump *pump = data;
    /* A full buffer in the kernel can take long before it has room again, and yet empty steadily. */
    int unsent = pump->source != NULL ? bytes_unsent(pump) : 0;

    pump->quiet_ticks = pump->stirred || unsent != pump->unsent ? 0 : pump->quiet_ticks + 1;
    pump->stirred = FALSE;
    pump->unsent = unsent;
    if (pump->quiet_ticks < STALL_TICKS || put_off(pump))
        return TRUE;
    pump->stall_timer = 0;
    enter(pump);
    end_pump(pump, g_error_new_literal(BS_STREAM_ERROR, BS_STREAM_ERROR_STALLED, g_strerror(ETIMEDOUT)));
    leave(pump);
    return FALSE;
}

static BsPump *
pump_new(const char *id, int fd, guint64 length, guint hashes, const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = g_new0(BsPump, 1);

    pump->id = g_strdup(id);
    pump->fd = fd;
    pump->length = length;
    pump->events = *events;
    pump->data = data;
    pump->state = PUMP_RUNNING;
    pump->buffer = g_malloc(BUFFER_BYTES);
    pump->digest = bs_digest_new(hashes);
    pump->last_breath = pump->last_progress = g_get_monotonic_time();
    pump->stall_timer = purple_timeout_add_seconds(STALL_TICK_SECONDS, stall_tick, pump);
    kick_after(pump, 0);
    return pump;
}

BsPump *
bs_pump_send(const char *id, int fd, BsSource *source, guint64 length, guint hashes,
             const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = pump_new(id, fd, length, hashes, events, data);

    pump->source = source;
    return pump;
}

BsPump *
bs_pump_receive(const char *id, int fd, BsSink *sink, guint64 length, guint hashes,
                const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = pump_new(id, fd, length, hashes, events, data);

    pump->sink = sink;
    return pump;
}

void
bs_pump_wake(BsPump *pump)
{
    if (pump->state == PUMP_RUNNING)
        kick_after(pump, 0);
}

guint64
bs_pump_moved(const BsPump *pump)
{
    return pump->moved;
}

BsDigest *
bs_pump_digest(BsPump *pump)
{
    return pump->digest;
}

gboolean
bs_pump_flushed(const BsPump *pump)
{
    return bytes_unsent(pump) == 0;
}

gboolean
bs_pump_peer_closed(const BsPump *pump)
{
    return pump->peer_closed;
}

void
bs_pump_free(BsPump *pump)
{
    if (pump == NULL || pump->state == PUMP_FREED)
        return;
    pump->state = PUMP_FREED;
    stop_timers(pump);
    close_connection(pump);
    if (pump->calls == 0)
        release(pump);
}
