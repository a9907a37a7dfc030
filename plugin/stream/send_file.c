/* A worker's job: from the disk to a socket, without a copy where the kernel can, while a second reader
 * hashes the same pages. SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef HAVE_SENDFILE
#include <sys/sendfile.h>
#endif

#include "stream/bytes.h"
#include "stream/file_job.h"
#include "stream/mover.h"

/* What one call sends at most, so that progress is seen. */
#define PORTION_BYTES (1024 * 1024)
#define BUFFER_BYTES (128 * 1024)

/* How far either reader may be ahead of the other, so that the second one finds the pages in memory. */
#define APART_BYTES (8 * 1024 * 1024)

static void
set_read_error(GError **error, int code)
{
    g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_READ, g_strerror(code));
}

/* Bytes of a file that somebody writes to belong together only by chance. */
static gboolean
check_unchanged(const BsFileJob *job, GError **error)
{
    if (bs_disk_file_is_unchanged(job->file))
        return TRUE;
    bs_set_changed_error(error);
    return FALSE;
}

/* Reads at `place` of the file: how many bytes, or -1. None is an error as well. */
static gssize
read_at(const BsFileJob *job, guint8 *buffer, gsize size, guint64 place, GError **error)
{
    gssize count;

    do
        count = pread(bs_disk_file_fd(job->file), buffer, size, (off_t)place);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        set_read_error(error, errno);
    if (count == 0)
        bs_set_changed_error(error);
    return count > 0 ? count : -1;
}

/* The second reader. */

static gboolean
has_second_reader(const BsFileJob *job)
{
    BsHash hash;

    return bs_digest_strongest(job->digest, &hash) && job->start + job->length > 0;
}

/* Both read the same pages only if both begin with the first one: else neither waits for the other. */
static gboolean
goes_together(const BsFileJob *job)
{
    return job->start == 0;
}

/* Waits until the second reader may go on at `hashed`; FALSE if it is to stop. */
static gboolean
may_hash(BsFileJob *job, guint64 hashed)
{
    gboolean goes_on;

    pthread_mutex_lock(&job->lock);
    while (!job->second_ends && goes_together(job) && hashed >= job->moved + APART_BYTES)
        pthread_cond_wait(&job->advanced, &job->lock);
    goes_on = !job->second_ends;
    pthread_mutex_unlock(&job->lock);
    return goes_on && !bs_worker_is_stopped(job->worker);
}

static void
tell_hashed(BsFileJob *job, guint64 hashed, GError *error)
{
    pthread_mutex_lock(&job->lock);
    job->hashed = hashed;
    job->hash_error = error;
    pthread_cond_broadcast(&job->advanced);
    pthread_mutex_unlock(&job->lock);
}

static gpointer
hash_file(gpointer data)
{
    BsFileJob *job = data;
    g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
    GError *error = NULL;
    guint64 end = job->start + job->length;
    guint64 hashed = 0;

    while (error == NULL && hashed < end && may_hash(job, hashed)) {
        gssize count = read_at(job, buffer, (gsize)MIN(end - hashed, BUFFER_BYTES), hashed, &error);

        if (count > 0) {
            bs_digest_update(job->digest, buffer, (gsize)count);
            hashed += (guint64)count;
            tell_hashed(job, hashed, NULL);
        }
    }
    tell_hashed(job, hashed, error);
    return NULL;
}

/* The first one. */

/* Waits until the second reader has come near `sent`. FALSE if it failed, or all is to stop. */
static gboolean
may_send(BsFileJob *job, guint64 sent, GError **error)
{
    pthread_mutex_lock(&job->lock);
    while (has_second_reader(job) && goes_together(job) && job->hash_error == NULL &&
           sent >= job->hashed + APART_BYTES && !bs_worker_is_stopped(job->worker))
        pthread_cond_wait(&job->advanced, &job->lock);
    if (job->hash_error != NULL)
        g_propagate_error(error, g_steal_pointer(&job->hash_error));
    pthread_mutex_unlock(&job->lock);
    return *error == NULL && !bs_worker_is_stopped(job->worker);
}

static gssize
send_copy(BsFileJob *job, gsize count, guint64 place, GError **error)
{
    gssize got;

    if (job->buffer == NULL)
        job->buffer = g_malloc(BUFFER_BYTES);
    got = read_at(job, job->buffer, MIN(count, BUFFER_BYTES), job->start + place, error);
    return got < 0 ? -1 : send(job->socket, job->buffer, (gsize)got, MSG_NOSIGNAL | MSG_DONTWAIT);
}

#ifdef HAVE_SENDFILE

/* Which of the two ends an error of sendfile() belongs to shows when the file is read. */
static void
blame_file(const BsFileJob *job, guint64 place, GError **error)
{
    int code = errno;
    guint8 byte;

    if (code == EPIPE || code == ECONNRESET)
        return;
    (void)read_at(job, &byte, 1, job->start + place, error);
    errno = code;
}

static gssize
send_portion(BsFileJob *job, gsize count, guint64 place, GError **error)
{
    off_t offset = (off_t)(job->start + place);
    gssize sent;

    if (job->copies)
        return send_copy(job, count, place, error);
    sent = sendfile(job->socket, bs_disk_file_fd(job->file), &offset, count);
    if (sent == 0) {
        bs_set_changed_error(error);
        return -1;
    }
    if (sent > 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return sent;
    if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) {
        job->copies = TRUE;
        return send_copy(job, count, place, error);
    }
    blame_file(job, place, error);
    return -1;
}

#else

static gssize
send_portion(BsFileJob *job, gsize count, guint64 place, GError **error)
{
    return send_copy(job, count, place, error);
}

#endif

/* The last portion of a changed file is kept back: a receiver that knows no hash would take it for whole. */
static gboolean
send_all(BsFileJob *job, GError **error)
{
    guint64 sent = 0;

    while (sent < job->length) {
        gsize allowed;
        gssize count;

        if (!may_send(job, sent, error))
            return FALSE;
        if (job->length - sent <= PORTION_BYTES && !check_unchanged(job, error))
            return FALSE;
        allowed = bs_file_job_allowed(job, (gsize)MIN(job->length - sent, PORTION_BYTES));
        if (allowed == 0)
            return FALSE;
        count = send_portion(job, allowed, sent, error);
        if (*error != NULL)
            return FALSE;
        if (count > 0) {
            sent += (guint64)count;
            bs_speed_share_use(&job->share, (gsize)count);
            bs_file_job_advance(job, (guint64)count);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!bs_file_job_wait(job, POLLOUT))
                return FALSE;
        } else if (errno != EINTR) {
            bs_mover_set_connection_error(error, errno);
            return FALSE;
        }
    }
    return TRUE;
}

static void
end_second_reader(BsFileJob *job, GThread *second, gboolean at_once)
{
    if (at_once) {
        pthread_mutex_lock(&job->lock);
        job->second_ends = TRUE;
        pthread_cond_broadcast(&job->advanced);
        pthread_mutex_unlock(&job->lock);
    }
    g_thread_join(second);
}

static void
send_and_hash(BsFileJob *job)
{
    GThread *second = NULL;
    gboolean sent;

    if (has_second_reader(job))
        second = g_thread_try_new("bytestreams hash", hash_file, job, NULL);
    sent = check_unchanged(job, &job->error) && send_all(job, &job->error);
    if (second != NULL)
        end_second_reader(job, second, !sent);
    if (job->error == NULL)
        job->error = g_steal_pointer(&job->hash_error);
    if (job->error == NULL && !bs_worker_is_stopped(job->worker))
        check_unchanged(job, &job->error);
}

void
bs_file_job_send(BsWorker *worker, gpointer data)
{
    BsFileJob *job = data;

    job->worker = worker;
    job->share.flow = BS_FLOW_OUT;
    send_and_hash(job);
    g_clear_pointer(&job->file, bs_disk_file_unref);
}
