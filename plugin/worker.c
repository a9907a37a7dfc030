/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2() */
#endif
#include "worker.h"

#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

struct _BsWorker {
    gint references; /* the event loop's and the thread's */
    gint stopped;
    gint ended;

    /* Never changed once the thread runs. */
    BsWorkerWork work;
    gpointer job;
    GDestroyNotify free_job;
    int pipe[2];

    /* The event loop's. */
    GThread *thread;
    guint watch;
    BsWorkerNews news;
    gpointer data;
};

static pthread_mutex_t running_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t running_less = PTHREAD_COND_INITIALIZER;
static guint running;

static void
worker_free(BsWorker *worker)
{
    for (guint i = 0; i < 2; i++)
        if (worker->pipe[i] >= 0)
            close(worker->pipe[i]);
    g_free(worker);
}

static void
unref(BsWorker *worker)
{
    if (!g_atomic_int_dec_and_test(&worker->references))
        return;
    worker->free_job(worker->job);
    worker_free(worker);
}

static void
count_running(int change)
{
    pthread_mutex_lock(&running_lock);
    running += (guint)change;
    pthread_cond_broadcast(&running_less);
    pthread_mutex_unlock(&running_lock);
}

/* A pipe that is full has woken its reader already. */
void
bs_worker_tell(BsWorker *worker)
{
    gssize written;

    do
        written = write(worker->pipe[1], "", 1);
    while (written < 0 && errno == EINTR);
}

gboolean
bs_worker_is_stopped(BsWorker *worker)
{
    return g_atomic_int_get(&worker->stopped);
}

static gpointer
thread_main(gpointer data)
{
    BsWorker *worker = data;
    sigset_t all;

    /* Signals are the UI's; and sendfile() on a connection that is gone raises SIGPIPE. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    worker->work(worker, worker->job);
    g_atomic_int_set(&worker->ended, TRUE);
    bs_worker_tell(worker);
    unref(worker);
    count_running(-1);
    return NULL;
}

static void
news_came(gpointer data, int fd, PurpleInputCondition condition)
{
    BsWorker *worker = data;
    char bytes[64];
    gboolean ended;

    (void)condition;
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
    ended = g_atomic_int_get(&worker->ended);
    if (ended) {
        purple_input_remove(worker->watch);
        worker->watch = 0;
        g_thread_join(g_steal_pointer(&worker->thread));
    }
    if (worker->news != NULL)
        worker->news(worker, ended, worker->data);
}

BsWorker *
bs_worker_new(const char *name, BsWorkerWork work, gpointer job, GDestroyNotify free_job, BsWorkerNews news,
              gpointer data)
{
    BsWorker *worker = g_new0(BsWorker, 1);

    worker->references = 2;
    worker->work = work;
    worker->job = job;
    worker->free_job = free_job;
    worker->news = news;
    worker->data = data;
    count_running(1);
    if (pipe2(worker->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        worker->pipe[0] = worker->pipe[1] = -1;
    else
        worker->thread = g_thread_try_new(name, thread_main, worker, NULL);
    if (worker->thread == NULL) {
        count_running(-1);
        worker_free(worker);
        return NULL;
    }
    worker->watch = purple_input_add(worker->pipe[0], PURPLE_INPUT_READ, news_came, worker);
    return worker;
}

void
bs_worker_release(BsWorker *worker)
{
    if (worker == NULL)
        return;
    g_atomic_int_set(&worker->stopped, TRUE);
    if (worker->watch != 0)
        purple_input_remove(worker->watch);
    if (worker->thread != NULL)
        g_thread_unref(worker->thread);
    unref(worker);
}

guint
bs_workers_wait(guint milliseconds)
{
    struct timespec until;
    guint left;
    int code = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&running_lock);
    while (running > 0 && code == 0)
        code = pthread_cond_timedwait(&running_less, &running_lock, &until);
    left = running;
    pthread_mutex_unlock(&running_lock);
    return left;
}
