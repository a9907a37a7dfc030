/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/pump.h"

#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef HAVE_LINUX_SOCKIOS
#include <linux/sockios.h>
#endif

#include "log.h"
#include "stream/file_job.h"
#include "stream/mover.h"
#include "stream/peer_watch.h"
#include "timer.h"
#include "worker.h"

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

typedef enum {
    PUMP_RUNNING,
    PUMP_ENDED, /* `done` was called; a sending pump may still wait for the peer's end */
    PUMP_FREED, /* released when the last of its functions has returned */
} PumpState;

struct _BsPump {
    char *id;
    int fd; /* -1 once the connection is closed */
    gboolean sends;
    guint64 moved; /* as far as was told */
    BsPumpEvents events;
    gpointer data;

    PumpState state;
    guint calls; /* of our functions on the stack */

    /* A file on the disk is moved by a worker; what only the event loop may touch, by a mover in its turns.
     */
    BsWorker *worker;
    BsFileJob *job; /* the worker's, as are the socket and the digest */
    gboolean worker_ended;
    BsMover *mover;
    guint watch;

    guint kick; /* a timeout that continues the work */
    guint stall_timer;
    guint quiet_ticks;
    int unsent; /* in the kernel's buffer at the last tick */
    gint64 last_breath;
    gint64 last_progress;

    BsPeerWatch peer;
    int broken; /* the errno with which the peer ended; 0: it has not */
};

static void run(BsPump *pump);

static void
unwatch(BsPump *pump)
{
    guint watch = pump->watch;

    pump->watch = 0;
    if (watch != 0)
        purple_input_remove(watch);
    bs_peer_watch_stop(&pump->peer);
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
    int fd = pump->fd;

    unwatch(pump);
    pump->fd = -1;
    if (pump->mover != NULL)
        pump->mover->fd = -1;
    if (fd < 0)
        return;
    /* A resolver's child process may hold a copy, so that close() alone would not end the connection; and a
     * worker that waits for it must come back. */
    shutdown(fd, SHUT_RDWR);
    if (pump->worker != NULL)
        bs_worker_release(g_steal_pointer(&pump->worker));
    else
        close(fd);
}

static void
release(BsPump *pump)
{
    if (pump->mover != NULL)
        bs_mover_clear(pump->mover);
    g_free(pump->mover);
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
    if (pump->mover != NULL)
        g_clear_pointer(&pump->mover->buffer, g_free);
    if (error != NULL) {
        bs_log_warning(pump->id, "%s ended after %" G_GUINT64_FORMAT " bytes: %s",
                       pump->sends ? "sending" : "receiving", pump->moved, error->message);
        close_connection(pump);
    } else {
        bs_log(pump->id, "%" G_GUINT64_FORMAT " bytes %s", pump->moved, pump->sends ? "sent" : "received");
        if (pump->sends) {
            shutdown(pump->fd, SHUT_WR);
            bs_peer_watch_start(&pump->peer);
        }
        report_progress(pump, g_get_monotonic_time());
    }
    if (pump->state != PUMP_FREED)
        pump->events.done(pump, error, pump->data);
    g_clear_error(&error);
}

/* The end alone may be that of the peer's half: whether it still takes bytes shows when some are sent. */
static void
peer_ended(int code, gpointer data)
{
    BsPump *pump = data;

    pump->broken = code;
    if (code != 0 && pump->state == PUMP_RUNNING)
        run(pump);
}

/* What the pump waits for until its next turn. */
static void
wait_for_turn(BsPump *pump, BsMove move, gint64 now)
{
    if (move == BS_MOVE_WAITS_WAKE) {
        unwatch(pump);
        if (pump->sends)
            bs_peer_watch_start(&pump->peer);
    } else if (now - pump->last_breath >= BREATH_EVERY_US) {
        pump->last_breath = now;
        unwatch(pump);
        kick_after(pump, BREATH_MS);
    } else if (move == BS_MOVE_MOVED) {
        unwatch(pump);
        kick_after(pump, 0);
    } else if (pump->watch == 0) {
        bs_peer_watch_stop(&pump->peer);
        pump->watch = purple_input_add(pump->fd, pump->sends ? PURPLE_INPUT_WRITE : PURPLE_INPUT_READ,
                                       socket_ready, pump);
    }
}

/* In a turn of the event loop. */
static void
move_some(BsPump *pump)
{
    guint64 limit = pump->moved + TURN_BYTES;
    GError *error = NULL;
    BsMove move = BS_MOVE_MOVED;
    gint64 now;

    for (guint i = 0; i < TURN_ROUNDS && move == BS_MOVE_MOVED && pump->moved < limit; i++) {
        move = bs_mover_move(pump->mover, &error);
        pump->moved = pump->mover->moved;
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
        if (pump->moved > 0 && now - pump->last_progress >= PROGRESS_EVERY_US)
            report_progress(pump, now);
    }
}

static void
end_broken(BsPump *pump)
{
    GError *error = NULL;

    bs_mover_set_connection_error(&error, pump->broken);
    end_pump(pump, error);
}

static void
hear_worker(BsPump *pump)
{
    pump->moved = bs_file_job_moved(pump->job);
    if (pump->worker_ended)
        end_pump(pump, g_steal_pointer(&pump->job->error));
    else if (pump->moved > 0)
        report_progress(pump, g_get_monotonic_time());
}

static void
run(BsPump *pump)
{
    if (put_off(pump))
        return;
    enter(pump);
    if (pump->worker != NULL)
        hear_worker(pump);
    else if (pump->broken != 0)
        end_broken(pump);
    else
        move_some(pump);
    leave(pump);
}

static void
worker_news(BsWorker *worker, gboolean ended, gpointer data)
{
    BsPump *pump = data;

    (void)worker;
    pump->worker_ended = ended;
    run(pump);
}

static int
bytes_unsent(const BsPump *pump)
{
    int unsent = 0;

    if (pump->fd < 0)
        return -1;
#if defined(SIOCOUTQ)
    if (ioctl(pump->fd, SIOCOUTQ, &unsent) < 0)
        return -1;
#elif defined(FIONWRITE)
    if (ioctl(pump->fd, FIONWRITE, &unsent) < 0)
        return -1;
#endif
    return unsent;
}

static gboolean
has_stirred(BsPump *pump)
{
    gboolean stirred;

    if (pump->worker != NULL)
        return bs_file_job_take_stirred(pump->job);
    stirred = pump->mover->stirred;
    pump->mover->stirred = FALSE;
    return stirred;
}

static gboolean
stall_tick(gpointer data)
{
    BsPump *pump = data;
    /* A full buffer in the kernel can take long before it has room again, and yet empty steadily. */
    int unsent = pump->sends ? bytes_unsent(pump) : 0;

    pump->quiet_ticks = has_stirred(pump) || unsent != pump->unsent ? 0 : pump->quiet_ticks + 1;
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
pump_new(const char *id, int fd, gboolean sends, const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = g_new0(BsPump, 1);

    pump->id = g_strdup(id);
    pump->fd = fd;
    pump->sends = sends;
    pump->events = *events;
    pump->data = data;
    pump->state = PUMP_RUNNING;
    pump->peer.fd = fd;
    pump->peer.ended = peer_ended;
    pump->peer.data = pump;
    pump->last_breath = g_get_monotonic_time();
    pump->stall_timer = purple_timeout_add_seconds(STALL_TICK_SECONDS, stall_tick, pump);
    return pump;
}

/* FALSE if there can be no thread. Takes `file`. */
static gboolean
start_worker(BsPump *pump, BsDiskFile *file, guint64 position, guint64 length, guint hashes)
{
    BsFileJob *job = bs_file_job_new(pump->fd, file, position, length, hashes);

    pump->job = job;
    fcntl(pump->fd, F_SETFL, fcntl(pump->fd, F_GETFL) | O_NONBLOCK);
    pump->worker = bs_worker_new(pump->sends ? "bytestreams send" : "bytestreams recv",
                                 pump->sends ? bs_file_job_send : bs_file_job_receive, job,
                                 (GDestroyNotify)bs_file_job_free, worker_news, pump);
    if (pump->worker == NULL) {
        job->socket = -1;
        bs_file_job_free(job);
        pump->job = NULL;
    }
    return pump->worker != NULL;
}

static void
start_mover(BsPump *pump, BsSource *source, BsSink *sink, guint64 length, guint hashes)
{
    pump->mover = g_new(BsMover, 1);
    bs_mover_init(pump->mover, pump->fd, source, sink, length, hashes);
    kick_after(pump, 0);
}

BsPump *
bs_pump_send(const char *id, int fd, BsSource *source, guint64 length, guint hashes,
             const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = pump_new(id, fd, TRUE, events, data);
    guint64 position = 0;
    BsDiskFile *file = source->lend != NULL ? source->lend(source, &position) : NULL;

    if (file == NULL || !start_worker(pump, file, position, length, hashes))
        start_mover(pump, source, NULL, length, hashes);
    return pump;
}

BsPump *
bs_pump_receive(const char *id, int fd, BsSink *sink, guint64 length, guint hashes,
                const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = pump_new(id, fd, FALSE, events, data);
    guint64 position = 0;
    BsDiskFile *file = sink->lend != NULL ? sink->lend(sink, &position) : NULL;

    if (file == NULL || !start_worker(pump, file, position, length, hashes))
        start_mover(pump, NULL, sink, length, hashes);
    return pump;
}

void
bs_pump_wake(BsPump *pump)
{
    if (pump->state == PUMP_RUNNING && pump->mover != NULL)
        kick_after(pump, 0);
}

/* Inside an event, what that event is about. */
guint64
bs_pump_moved(const BsPump *pump)
{
    if (pump->worker != NULL && pump->state == PUMP_RUNNING && pump->calls == 0)
        return bs_file_job_moved(pump->job);
    return pump->moved;
}

BsDigest *
bs_pump_digest(BsPump *pump)
{
    return pump->worker != NULL ? pump->job->digest : pump->mover->digest;
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
    return pump->peer.closed;
}

gboolean
bs_pump_peer_reset(const BsPump *pump)
{
    return pump->broken != 0;
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
