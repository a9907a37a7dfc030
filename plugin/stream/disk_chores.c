/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/disk_chores.h"

#include <eventloop.h>
#include <glib/gstdio.h>

#include "timer.h"
#include "worker.h"

/* The worker's, until it has ended. */
typedef struct {
    BsSink *sink; /* NULL when it has been thrown away, or left */
    GError *error;
    gint leaves; /* whoever stops it does not want it to be thrown away; atomic */
} FinishJob;

struct _BsFinish {
    BsSink *sink; /* until its turn has come, where the event loop has to do it */
    guint timer;
    BsWorker *worker;
    FinishJob *job;
    BsFinished finished;
    gpointer data;
};

static void
finish_on_disk(BsWorker *worker, gpointer data)
{
    FinishJob *job = data;
    BsSink *sink = job->sink;
    gboolean synced = sink->sync(sink, &job->error);

    if (synced && !bs_worker_is_stopped(worker) && sink->settle(sink, &job->error))
        return;
    job->sink = NULL;
    if (synced && g_atomic_int_get(&job->leaves))
        sink->leave(sink);
    else
        sink->discard(sink);
}

static void
free_job(gpointer data)
{
    FinishJob *job = data;

    /* It has got its name, and nobody is left to be told. */
    if (job->sink != NULL)
        job->sink->discard(job->sink);
    g_clear_error(&job->error);
    g_free(job);
}

static void
worker_news(BsWorker *worker, gboolean ended, gpointer data)
{
    BsFinish *finish = data;
    BsFinished finished = finish->finished;
    gpointer finished_data = finish->data;
    g_autoptr(GError) error = NULL;

    (void)worker;
    if (!ended)
        return;
    error = g_steal_pointer(&finish->job->error);
    if (error == NULL) {
        BsSink *sink = g_steal_pointer(&finish->job->sink);

        sink->finish(sink, &error);
    }
    bs_finish_cancel(finish);
    finished(error, finished_data);
}

static gboolean
turn_has_come(gpointer data)
{
    BsFinish *finish = data;
    BsFinished finished = finish->finished;
    gpointer finished_data = finish->data;
    BsSink *sink = g_steal_pointer(&finish->sink);
    g_autoptr(GError) error = NULL;

    finish->timer = 0;
    sink->finish(sink, &error);
    bs_finish_cancel(finish);
    finished(error, finished_data);
    return FALSE;
}

BsFinish *
bs_finish_new(BsSink *sink, BsFinished finished, gpointer data)
{
    BsFinish *finish = g_new0(BsFinish, 1);

    finish->finished = finished;
    finish->data = data;
    if (sink->lend != NULL) {
        finish->job = g_new0(FinishJob, 1);
        finish->job->sink = sink;
        finish->worker =
            bs_worker_new("bytestreams end", finish_on_disk, finish->job, free_job, worker_news, finish);
    }
    if (finish->worker == NULL) {
        g_clear_pointer(&finish->job, g_free);
        finish->sink = sink;
        finish->timer = purple_timeout_add(0, turn_has_come, finish);
    }
    return finish;
}

static void
stop(BsFinish *finish)
{
    bs_timer_clear(&finish->timer);
    bs_worker_release(finish->worker);
    g_free(finish);
}

void
bs_finish_cancel(BsFinish *finish)
{
    if (finish == NULL)
        return;
    if (finish->sink != NULL)
        bs_sink_discard(finish->sink);
    stop(finish);
}

void
bs_finish_leave(BsFinish *finish)
{
    if (finish->sink != NULL)
        bs_sink_leave(finish->sink);
    if (finish->job != NULL)
        g_atomic_int_set(&finish->job->leaves, TRUE);
    stop(finish);
}

static void
discard_on_disk(BsWorker *worker, gpointer sink)
{
    (void)worker;
    ((BsSink *)sink)->discard(sink);
}

static void
leave_on_disk(BsWorker *worker, gpointer sink)
{
    (void)worker;
    ((BsSink *)sink)->leave(sink);
}

static void
delete_on_disk(BsWorker *worker, gpointer path)
{
    (void)worker;
    g_unlink(path);
    g_free(path);
}

static void
close_on_disk(BsWorker *worker, gpointer source)
{
    (void)worker;
    ((BsSource *)source)->close(source);
}

static void
already_gone(gpointer job)
{
    (void)job;
}

/* FALSE if there can be no thread. */
static gboolean
do_on_disk(BsWorkerWork work, gpointer job)
{
    BsWorker *worker = bs_worker_new("bytestreams end", work, job, already_gone, NULL, NULL);

    bs_worker_release(worker);
    return worker != NULL;
}

void
bs_sink_discard(BsSink *sink)
{
    if (sink->lend == NULL || !do_on_disk(discard_on_disk, sink))
        sink->discard(sink);
}

void
bs_sink_leave(BsSink *sink)
{
    if (sink->lend == NULL || !do_on_disk(leave_on_disk, sink))
        sink->leave(sink);
}

void
bs_file_delete(const char *path)
{
    char *job = g_strdup(path);

    if (!do_on_disk(delete_on_disk, job))
        delete_on_disk(NULL, job);
}

void
bs_source_close(BsSource *source)
{
    if (source->lend == NULL || !do_on_disk(close_on_disk, source))
        source->close(source);
}
