/* What a worker that moves a file between a socket and the disk was given, and how far it is. Only the worker
 * and its helper touch it while they run, but for what the functions here say.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_FILE_JOB_H
#define BS_FILE_JOB_H

#include <pthread.h>

#include "stream/digest.h"
#include "stream/disk_file.h"
#include "stream/speed_limit.h"
#include "worker.h"

typedef struct {
    int socket; /* does not block */
    BsDiskFile *file;
    guint64 start;     /* the first byte's place in the file */
    guint64 length;    /* BS_SIZE_UNKNOWN: until the peer ends its half */
    BsDigest *digest;  /* sending: of the whole file up to the last byte that is sent; receiving: goes on */
    char *checkpoints; /* receiving: see checkpoints.h; NULL: there are none */
    guint64 size;      /* ... of the whole file */
    GError *error;     /* the end's; NULL if all bytes went through */

    BsWorker *worker;
    gint64 told_at; /* the event loop, of progress */
    BsSpeedShare share;
    guint8 *buffer;  /* sending: for copies, ... */
    gboolean copies; /* ... as the kernel cannot send this file without help */

    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t advanced;
    guint64 moved;  /* handed to the kernel or written to the file */
    guint64 hashed; /* sending: the second reader's place in the file ... */
    GError *hash_error;
    gboolean second_ends; /* ... which is to stop */
    gboolean stirred;     /* something has moved since this was asked for */
} BsFileJob;

/* Takes `socket`, `file` and `digest`. */
BsFileJob *bs_file_job_new(int socket, BsDiskFile *file, guint64 start, guint64 length, BsDigest *digest);
void bs_file_job_free(BsFileJob *job);

/* The work, for bs_worker_new(): sends (send_file.c), or receives (receive_file.c). Ends with `error` set
 * as bs_pump_send() and bs_pump_receive() say. */
void bs_file_job_send(BsWorker *worker, gpointer job);
void bs_file_job_receive(BsWorker *worker, gpointer job);

/* In the worker: `count` more bytes are through; the event loop hears of it now and then. */
void bs_file_job_advance(BsFileJob *job, guint64 count);

/* In the worker: the connection has shown that it is alive. */
void bs_file_job_stir(BsFileJob *job);

/* In the worker: waits until the socket is ready for `events` (of poll()). FALSE if it is to stop. */
gboolean bs_file_job_wait(BsFileJob *job, short events);

/* In the worker: waits as long as the limit of speed demands it. How many bytes, at most `wanted`, may be
 * moved then; 0 if it is to stop. */
gsize bs_file_job_allowed(BsFileJob *job, gsize wanted);

/* From anywhere. */
guint64 bs_file_job_moved(BsFileJob *job);

/* From the event loop: something has moved since it was last asked. */
gboolean bs_file_job_take_stirred(BsFileJob *job);

#endif
