/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/file_job.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TELL_EVERY_US (100 * 1000)

BsFileJob *
bs_file_job_new(int socket, BsDiskFile *file, guint64 start, guint64 length, BsDigest *digest)
{
    BsFileJob *job = g_new0(BsFileJob, 1);

    job->socket = socket;
    job->file = file;
    job->start = start;
    job->length = length;
    job->digest = digest;
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->advanced, NULL);
    return job;
}

void
bs_file_job_free(BsFileJob *job)
{
    if (job->socket >= 0) {
        /* A resolver's child process may hold a copy, so that close() alone would not end the connection. */
        shutdown(job->socket, SHUT_RDWR);
        close(job->socket);
    }
    bs_disk_file_unref(job->file);
    bs_digest_free(job->digest);
    g_free(job->checkpoints);
    g_free(job->buffer);
    g_clear_error(&job->error);
    g_clear_error(&job->hash_error);
    pthread_cond_destroy(&job->advanced);
    pthread_mutex_destroy(&job->lock);
    g_free(job);
}

void
bs_file_job_stir(BsFileJob *job)
{
    pthread_mutex_lock(&job->lock);
    job->stirred = TRUE;
    pthread_mutex_unlock(&job->lock);
}

void
bs_file_job_advance(BsFileJob *job, guint64 count)
{
    gint64 now = g_get_monotonic_time();

    pthread_mutex_lock(&job->lock);
    job->moved += count;
    job->stirred = TRUE;
    pthread_cond_broadcast(&job->advanced);
    pthread_mutex_unlock(&job->lock);
    if (now - job->told_at >= TELL_EVERY_US) {
        job->told_at = now;
        bs_worker_tell(job->worker);
    }
}

/* A worker is released together with its connection, which ends poll(). */
gboolean
bs_file_job_wait(BsFileJob *job, short events)
{
    struct pollfd ready = {.fd = job->socket, .events = events};

    if (!bs_worker_is_stopped(job->worker))
        (void)poll(&ready, 1, -1);
    return !bs_worker_is_stopped(job->worker);
}

gsize
bs_file_job_allowed(BsFileJob *job, gsize wanted)
{
    struct pollfd gone = {.fd = job->socket, .events = 0};
    guint wait_ms = 0;
    gsize allowed;

    while ((allowed = bs_speed_share_ask(&job->share, wanted, &wait_ms)) == 0) {
        int ends = poll(&gone, 1, (int)wait_ms);

        if (bs_worker_is_stopped(job->worker))
            return 0;
        /* What is left, or why there is nothing, is found out at once. */
        if (ends > 0)
            return wanted;
        bs_file_job_stir(job);
    }
    return allowed;
}

guint64
bs_file_job_moved(BsFileJob *job)
{
    guint64 moved;

    pthread_mutex_lock(&job->lock);
    moved = job->moved;
    pthread_mutex_unlock(&job->lock);
    return moved;
}

gboolean
bs_file_job_take_stirred(BsFileJob *job)
{
    gboolean stirred;

    pthread_mutex_lock(&job->lock);
    stirred = job->stirred;
    job->stirred = FALSE;
    pthread_mutex_unlock(&job->lock);
    return stirred;
}
