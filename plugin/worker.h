/* A thread that does one job outside the event loop, and tells it news through a pipe that the loop watches.
 * It touches its job and nothing else: never libpurple, never what the event loop uses at the same time.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_WORKER_H
#define BS_WORKER_H

#include <glib.h>

typedef struct _BsWorker BsWorker;

/* The job, in the thread. It should return soon once bs_worker_is_stopped(). */
typedef void (*BsWorkerWork)(BsWorker *worker, gpointer job);

/* From the event loop: bs_worker_tell() was called, once or more often; or, with `ended`, the work is done
 * and the thread is gone, which comes exactly once and last. May release the worker. */
typedef void (*BsWorkerNews)(BsWorker *worker, gboolean ended, gpointer data);

/* Starts a thread. The job is taken: `free_job` is called when it has ended and the worker was released, in
 * the thread if it outlives its release. `news` may be NULL. NULL if there can be no thread: then the job is
 * still the caller's. */
BsWorker *bs_worker_new(const char *name, BsWorkerWork work, gpointer job, GDestroyNotify free_job,
                        BsWorkerNews news, gpointer data);

/* In the thread: wakes the event loop. */
void bs_worker_tell(BsWorker *worker);

/* In the thread or its helpers: TRUE once the worker was released. */
gboolean bs_worker_is_stopped(BsWorker *worker);

/* Tells it to stop and lets go of it, without waiting: no news come any more. A thread that a disk holds up
 * keeps what it uses until it comes back. NULL is allowed. */
void bs_worker_release(BsWorker *worker);

/* Waits until the threads of all workers have ended, `milliseconds` at most. Returns how many have not. */
guint bs_workers_wait(guint milliseconds);

#endif
