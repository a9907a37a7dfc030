/* A worker's job: from a socket to the disk, hashing on the way.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/bytes.h"
#include "stream/checkpoints.h"
#include "stream/file_job.h"
#include "stream/mover.h"
#include "stream/pump.h"

/* Large pieces cost the fewest calls, and still fit into a core's own cache: each byte is touched three
 * times. */
#define BUFFER_BYTES (1024 * 1024)

static gboolean
is_fault_of_file(const GError *error)
{
    return g_error_matches(error, BS_STREAM_ERROR, BS_STREAM_ERROR_WRITE) ||
           g_error_matches(error, BS_STREAM_ERROR, BS_STREAM_ERROR_NO_SPACE);
}

/* What stood behind the first byte does not belong to this file. */
static gboolean
cut_file(const BsFileJob *job, GError **error)
{
    int fd = bs_disk_file_fd(job->file);

    while (ftruncate(fd, (off_t)job->start) < 0) {
        if (errno == EINTR)
            continue;
        bs_set_write_error(error, errno);
        return FALSE;
    }
    return TRUE;
}

static gboolean
write_all(BsFileJob *job, const guint8 *bytes, gsize count, guint64 place, GError **error)
{
    int fd = bs_disk_file_fd(job->file);

    while (count > 0) {
        gssize written = pwrite(fd, bytes, count, (off_t)(job->start + place));

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            bs_set_write_error(error, written < 0 ? errno : EIO);
            return FALSE;
        }
        bs_file_job_advance(job, (guint64)written);
        bytes += written;
        place += (guint64)written;
        count -= (gsize)written;
    }
    return TRUE;
}

/* Waits for bytes and reads them: how many, 0 at the end, -1 when it failed or is to stop. */
static gssize
read_some(BsFileJob *job, guint8 *buffer, gsize size, GError **error)
{
    gsize allowed = bs_file_job_allowed(job, size);

    if (allowed == 0)
        return -1;
    do {
        gssize count;

        do
            count = recv(job->socket, buffer, allowed, MSG_DONTWAIT);
        while (count < 0 && errno == EINTR);
        if (count >= 0) {
            bs_speed_share_use(&job->share, (gsize)count);
            return count;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            bs_mover_set_connection_error(error, errno);
            return -1;
        }
    } while (bs_file_job_wait(job, POLLIN));
    return -1;
}

static gboolean
check_for_excess(const BsFileJob *job, GError **error)
{
    guint8 byte;

    if (recv(job->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
        return TRUE;
    g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_TOO_MUCH,
                        "More bytes arrived than were announced");
    return FALSE;
}

static gboolean
check_end(const BsFileJob *job, GError **error)
{
    if (job->length == BS_SIZE_UNKNOWN)
        return TRUE;
    g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_PEER_CLOSED,
                        "The connection was closed before the last byte");
    return FALSE;
}

/* `checkpoints` may be NULL. */
static gboolean
receive(BsFileJob *job, guint8 *buffer, BsCheckpoints *checkpoints, GError **error)
{
    guint64 taken = 0;

    while (taken < job->length) {
        gssize count = read_some(job, buffer, (gsize)MIN(job->length - taken, BUFFER_BYTES), error);

        if (count < 0 || bs_worker_is_stopped(job->worker))
            return FALSE;
        if (count == 0)
            return check_end(job, error);
        bs_file_job_stir(job);
        bs_digest_update(job->digest, buffer, (gsize)count);
        if (!write_all(job, buffer, (gsize)count, taken, error))
            return FALSE;
        taken += (guint64)count;
        if (checkpoints != NULL)
            bs_checkpoints_add(checkpoints, job->start + taken, job->digest, FALSE);
    }
    return check_for_excess(job, error);
}

/* What was hashed has been written as well, unless writing has failed. */
static void
receive_with_checkpoints(BsFileJob *job)
{
    g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
    BsCheckpoints *checkpoints =
        job->checkpoints != NULL ? bs_checkpoints_open(job->checkpoints, job->size) : NULL;

    receive(job, buffer, checkpoints, &job->error);
    if (checkpoints != NULL && job->moved > 0 && !is_fault_of_file(job->error))
        bs_checkpoints_add(checkpoints, job->start + job->moved, job->digest, TRUE);
    bs_checkpoints_close(checkpoints);
}

void
bs_file_job_receive(BsWorker *worker, gpointer data)
{
    BsFileJob *job = data;

    job->worker = worker;
    job->share.flow = BS_FLOW_IN;
    bs_disk_file_begin_writing(job->file);
    if (!bs_worker_is_stopped(worker) && cut_file(job, &job->error))
        receive_with_checkpoints(job);
    bs_disk_file_end_writing(job->file);
    g_clear_pointer(&job->file, bs_disk_file_unref);
}
