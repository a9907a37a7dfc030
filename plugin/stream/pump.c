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
#include "stanza/allowances.h"
#include "stream/pump_internal.h"
#include "timer.h"

/* Nothing moved for this long is a stall. */
#define STALL_TICK_SECONDS 10
#define STALL_TICKS 12

/* With a low limit of speed, what the kernel takes in advance has arrived in the sender's eyes minutes before
 * it has in ours: it may take as much as comes in this time, or as it likes where that is more than this. */
#define BACKLOG_SECONDS 2
#define BACKLOG_MIN (16 * 1024)
#define BACKLOG_MAX (256 * 1024)

static void
stop_timers(BsPump *pump)
{
    bs_timer_clear(&pump->kick);
    bs_timer_clear(&pump->stall_timer);
}

/* Others take for a whole file what ends in good order, and the word that it was cancelled comes later. In
 * Linux this resets a connection, of which others may hold copies; elsewhere, and in-band, it does nothing.
 */
static void
reset_connection(int fd)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    (void)connect(fd, &nobody, sizeof nobody);
}

static void
close_connection(BsPump *pump)
{
    int fd = pump->fd;

    bs_pump_unwatch(pump);
    pump->fd = -1;
    if (pump->mover != NULL)
        pump->mover->fd = -1;
    if (fd < 0)
        return;
    if (pump->sends && !pump->all_sent && bs_allow(BS_ALLOW_WHOLE_WHEN_ENDED))
        reset_connection(fd);
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
    bs_digest_free(pump->digest);
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

void
bs_pump_report_progress(BsPump *pump, gint64 now)
{
    pump->last_progress = now;
    if (pump->events.progress != NULL)
        pump->events.progress(pump, pump->moved, pump->data);
}

void
bs_pump_end(BsPump *pump, GError *error)
{
    pump->state = PUMP_ENDED;
    stop_timers(pump);
    bs_pump_unwatch(pump);
    if (pump->mover != NULL)
        g_clear_pointer(&pump->mover->buffer, g_free);
    if (error != NULL) {
        bs_log_warning(pump->id, "%s ended after %" G_GUINT64_FORMAT " bytes: %s",
                       pump->sends ? "sending" : "receiving", pump->moved, error->message);
        close_connection(pump);
    } else {
        bs_log(pump->id, "%" G_GUINT64_FORMAT " bytes %s", pump->moved, pump->sends ? "sent" : "received");
        if (pump->sends) {
            pump->all_sent = TRUE;
            shutdown(pump->fd, SHUT_WR);
            bs_peer_watch_start(&pump->peer);
        }
        bs_pump_report_progress(pump, g_get_monotonic_time());
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
        bs_pump_run(pump);
}

static void
end_broken(BsPump *pump)
{
    GError *error = NULL;

    bs_mover_set_connection_error(&error, pump->broken);
    bs_pump_end(pump, error);
}

static void
hear_worker(BsPump *pump)
{
    pump->moved = bs_file_job_moved(pump->job);
    if (pump->worker_ended) {
        pump->digest = g_steal_pointer(&pump->job->digest);
        bs_pump_end(pump, g_steal_pointer(&pump->job->error));
    } else if (pump->moved > 0) {
        bs_pump_report_progress(pump, g_get_monotonic_time());
    }
}

void
bs_pump_run(BsPump *pump)
{
    if (bs_pump_put_off(pump))
        return;
    enter(pump);
    if (pump->worker != NULL)
        hear_worker(pump);
    else if (pump->broken != 0)
        end_broken(pump);
    else
        bs_pump_take_turn(pump);
    leave(pump);
}

static void
worker_news(BsWorker *worker, gboolean ended, gpointer data)
{
    BsPump *pump = data;

    (void)worker;
    pump->worker_ended = ended;
    bs_pump_run(pump);
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
    if (pump->quiet_ticks < STALL_TICKS || bs_pump_put_off(pump))
        return TRUE;
    pump->stall_timer = 0;
    enter(pump);
    bs_pump_end(pump, g_error_new_literal(BS_STREAM_ERROR, BS_STREAM_ERROR_STALLED, g_strerror(ETIMEDOUT)));
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

/* FALSE if there can be no thread; the job is gone then. */
static gboolean
start_worker(BsPump *pump, BsFileJob *job)
{
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

/* `digest` is taken. */
static void
start_mover(BsPump *pump, BsSource *source, BsSink *sink, guint64 length, BsDigest *digest)
{
    pump->mover = g_new(BsMover, 1);
    bs_mover_init(pump->mover, pump->fd, source, sink, length, digest);
    bs_pump_kick_after(pump, 0);
}

BsPump *
bs_pump_send(const char *id, int fd, BsSource *source, guint64 length, guint hashes,
             const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = pump_new(id, fd, TRUE, events, data);
    guint64 position = 0;
    BsDiskFile *file = source->lend != NULL ? source->lend(source, &position) : NULL;

    if (file == NULL ||
        !start_worker(pump, bs_file_job_new(fd, file, position, length, bs_digest_new(hashes))))
        /* In turns nothing is read that is not sent. */
        start_mover(pump, source, NULL, length, bs_digest_new(position == 0 ? hashes : 0));
    return pump;
}

static void
limit_backlog(int fd)
{
    guint64 backlog = bs_speed_limit() * BACKLOG_SECONDS;
    int size = (int)CLAMP(backlog, BACKLOG_MIN, BACKLOG_MAX);

    if (backlog > 0 && size < BACKLOG_MAX)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

BsPump *
bs_pump_receive_rest(const char *id, int fd, BsSink *sink, guint64 length, BsDigest *digest,
                     const char *checkpoints, guint64 size, const BsPumpEvents *events, gpointer data)
{
    BsPump *pump = pump_new(id, fd, FALSE, events, data);
    guint64 position = 0;
    BsDiskFile *file = sink->lend != NULL ? sink->lend(sink, &position) : NULL;
    g_autoptr(BsDigest) before = bs_digest_copy(digest);
    BsFileJob *job;

    limit_backlog(fd);
    if (file != NULL) {
        job = bs_file_job_new(fd, file, position, length, digest);
        job->checkpoints = g_strdup(checkpoints);
        job->size = size;
        if (start_worker(pump, job))
            return pump;
    } else {
        bs_digest_free(digest);
    }
    start_mover(pump, NULL, sink, length, g_steal_pointer(&before));
    return pump;
}

BsPump *
bs_pump_receive(const char *id, int fd, BsSink *sink, guint64 length, guint hashes,
                const BsPumpEvents *events, gpointer data)
{
    return bs_pump_receive_rest(id, fd, sink, length, bs_digest_new(hashes), NULL, BS_SIZE_UNKNOWN, events,
                                data);
}

void
bs_pump_wake(BsPump *pump)
{
    if (pump->state == PUMP_RUNNING && pump->mover != NULL)
        bs_pump_kick_after(pump, 0);
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
    return pump->mover != NULL ? pump->mover->digest : pump->digest;
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

gboolean
bs_pump_has_excess(const BsPump *pump)
{
    guint8 byte;

    return pump->fd >= 0 && recv(pump->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
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
