/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/pump.h"

#include <errno.h>
#include <eventloop.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "log.h"
#include "stream/mover.h"
#include "timer.h"

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

struct _BsPump {
    char *id;
    BsMover mover;
    BsPumpEvents events;
    gpointer data;

    PumpState state;
    guint calls; /* of our functions on the stack */

    guint watch;
    PurpleInputFunction watch_function;
    guint kick; /* a timeout that continues the work */
    guint stall_timer;
    guint quiet_ticks;
    int unsent; /* in the kernel's buffer at the last tick */
    gint64 last_breath;
    gint64 last_progress;

    gboolean peer_closed;
    gboolean peer_reset;
    gsize discarded;
};

static void run(BsPump *pump);
static void watch_peer(BsPump *pump);

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
    pump->watch = purple_input_add(pump->mover.fd, condition, function, pump);
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
    bs_timer_clear(&pump->kick);
    bs_timer_clear(&pump->stall_timer);
}

static void
close_connection(BsPump *pump)
{
    int fd = pump->mover.fd;

    unwatch(pump);
    pump->mover.fd = -1;
    if (fd < 0)
        return;
    /* A resolver's child process may hold a copy, so that close() alone would not end the connection. */
    shutdown(fd, SHUT_RDWR);
    close(fd);
}

static void
release(BsPump *pump)
{
    bs_mover_clear(&pump->mover);
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
        pump->events.progress(pump, pump->mover.moved, pump->data);
}

/* The end; takes `error`. Must stand between enter() and leave(). */
static void
end_pump(BsPump *pump, GError *error)
{
    pump->state = PUMP_ENDED;
    stop_timers(pump);
    unwatch(pump);
    g_clear_pointer(&pump->mover.buffer, g_free);
    if (error != NULL) {
        bs_log_warning(pump->id, "%s ended after %" G_GUINT64_FORMAT " bytes: %s",
                       pump->mover.source != NULL ? "sending" : "receiving", pump->mover.moved,
                       error->message);
        close_connection(pump);
    } else {
        bs_log(pump->id, "%" G_GUINT64_FORMAT " bytes %s", pump->mover.moved,
               pump->mover.source != NULL ? "sent" : "received");
        if (pump->mover.source != NULL) {
            shutdown(pump->mover.fd, SHUT_WR);
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
    if (count < 0 && (code == EAGAIN || code == EWOULDBLOCK || code == EINTR))
        return;
    if (count > 0) {
        pump->discarded += (gsize)count;
        if (pump->discarded >= DISCARDED_BYTES_MAX)
            unwatch(pump);
        return;
    }
    unwatch(pump);
    pump->peer_closed = TRUE;
    pump->peer_reset = count < 0;
    /* The end alone may be that of the peer's half: whether it still takes bytes shows when some are sent. */
    if (count < 0 && pump->state == PUMP_RUNNING) {
        GError *error = NULL;

        bs_mover_set_connection_error(&error, code);
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

/* What the pump waits for until its next turn. */
static void
wait_for_turn(BsPump *pump, BsMove move, gint64 now)
{
    if (move == BS_MOVE_WAITS_WAKE) {
        if (pump->mover.source != NULL)
            watch_peer(pump);
        else
            unwatch(pump);
    } else if (now - pump->last_breath >= BREATH_EVERY_US) {
        pump->last_breath = now;
        unwatch(pump);
        kick_after(pump, BREATH_MS);
    } else if (move == BS_MOVE_MOVED) {
        unwatch(pump);
        kick_after(pump, 0);
    } else {
        watch_for(pump, pump->mover.source != NULL ? PURPLE_INPUT_WRITE : PURPLE_INPUT_READ, socket_ready);
    }
}

static void
run(BsPump *pump)
{
    guint64 limit = pump->mover.moved + TURN_BYTES;
    GError *error = NULL;
    BsMove move = BS_MOVE_MOVED;
    gint64 now;

    if (put_off(pump))
        return;
    enter(pump);
    for (guint i = 0; i < TURN_ROUNDS && move == BS_MOVE_MOVED && pump->mover.moved < limit; i++) {
        move = bs_mover_move(&pump->mover, &error);
        if (pump->state == PUMP_FREED)
            break;
    }
    now = g_get_monotonic_time();
    if (pump->state == PUMP_FREED) {
        g_clear_error(&error);
    } else if (move == BS_MOVE_COMPLETE || move == BS_MOVE_FAILED) {
        end_pump(pump, error);
    } else {
        wait_for_turn(pump, move, now);
        if (pump->mover.moved > 0 && now - pump->last_progress >= PROGRESS_EVERY_US)
            report_progress(pump, now);
    }
    leave(pump);
}

static int
bytes_unsent(const BsPump *pump)
{
    int unsent = -1;

    if (pump->mover.fd < 0 || ioctl(pump->mover.fd, SIOCOUTQ, &unsent) < 0)
        return -1;
    return unsent;
}

static gboolean
stall_tick(gpointer data)
{
    BsPump *pump = data;
    /* A full buffer in the kernel can take long before it has room again, and yet empty steadily. */
    int unsent = pump->mover.source != NULL ? bytes_unsent(pump) : 0;

    pump->quiet_ticks = pump->mover.stirred || unsent != pump->unsent ? 0 : pump->quiet_ticks + 1;
    pump->mover.stirred = FALSE;
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
pump_new(const char *id, const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = g_new0(BsPump, 1);

    pump->id = g_strdup(id);
    pump->events = *events;
    pump->data = data;
    pump->state = PUMP_RUNNING;
    pump->last_breath = g_get_monotonic_time();
    pump->stall_timer = purple_timeout_add_seconds(STALL_TICK_SECONDS, stall_tick, pump);
    kick_after(pump, 0);
    return pump;
}

BsPump *
bs_pump_send(const char *id, int fd, BsSource *source, guint64 length, guint hashes,
             const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = pump_new(id, events, data);

    bs_mover_init(&pump->mover, fd, source, NULL, length, hashes);
    return pump;
}

BsPump *
bs_pump_receive(const char *id, int fd, BsSink *sink, guint64 length, guint hashes,
                const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = pump_new(id, events, data);

    bs_mover_init(&pump->mover, fd, NULL, sink, length, hashes);
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
    return pump->mover.moved;
}

BsDigest *
bs_pump_digest(BsPump *pump)
{
    return pump->mover.digest;
}

int
bs_pump_unacknowledged(const BsPump *pump)
{
    return bytes_unsent(pump);
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

gboolean
bs_pump_peer_reset(const BsPump *pump)
{
    return pump->peer_reset;
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
