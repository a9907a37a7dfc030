/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2() */
#endif
#include "socks5/mapping_worker.h"

#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* After a mapping was lost a router is looked for again, every so many seconds. */
#define SEARCH_AGAIN_S 30

typedef struct {
    BsMappingNews kind;
    BsMappedPort mapped;
    char *why;
} News;

struct _BsMappingWorker {
    gint references; /* the event loop's and the thread's */

    /* Never changed once the thread runs. */
    const BsRouterProtocol *protocol;
    BsRouterPlaces places;
    guint16 port;
    int stop_pipe[2]; /* the thread's orders: something in it means to end */
    int news_pipe[2];

    GMutex lock; /* for what follows */
    GQueue news; /* News */
    gboolean ended;

    /* The event loop's. */
    GThread *thread;
    guint watch;
    gboolean stopped;
    BsMappingReport report;
    gpointer data;
};

/* All that have a thread. The event loop's. */
static GList *workers;

static void
news_free(gpointer item)
{
    News *news = item;

    g_free(news->why);
    g_free(news);
}

static void
close_pipe(const int ends[2])
{
    for (guint i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
}

static void
unref(BsMappingWorker *worker)
{
    if (!g_atomic_int_dec_and_test(&worker->references))
        return;
    close_pipe(worker->stop_pipe);
    close_pipe(worker->news_pipe);
    g_queue_clear_full(&worker->news, news_free);
    g_mutex_clear(&worker->lock);
    g_free((char *)worker->places.gateway);
    g_free((char *)worker->places.group);
    g_free(worker);
}

/* A pipe that is full has woken its reader already. */
static void
write_byte(int fd)
{
    gssize written;

    do
        written = write(fd, "", 1);
    while (written < 0 && errno == EINTR);
}

/* In the thread. */

static void
tell(BsMappingWorker *worker, BsMappingNews kind, const BsMappedPort *mapped, char *why)
{
    News *news = g_new0(News, 1);

    news->kind = kind;
    if (mapped != NULL)
        news->mapped = *mapped;
    news->why = why;
    g_mutex_lock(&worker->lock);
    g_queue_push_tail(&worker->news, news);
    g_mutex_unlock(&worker->lock);
    write_byte(worker->news_pipe[1]);
}

/* TRUE if it was told to stop meanwhile. */
static gboolean
sleep_unless_stopped(const BsMappingWorker *worker, guint seconds)
{
    gint64 until = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;

    return bs_router_wait(-1, worker->stop_pipe[0], until) == BS_ROUTER_STOPPED;
}

/* A mapping without an end is renewed as well: the router may have forgotten it when it was started anew. */
static guint
renewal_after(const BsMappedPort *mapped)
{
    guint lease = mapped->lease == 0 ? BS_ROUTER_LEASE_S : MIN(mapped->lease, BS_ROUTER_LEASE_S);

    return MAX(lease / 2, 1);
}

static gboolean
is_same(const BsMappedPort *one, const BsMappedPort *other)
{
    return one->port == other->port && strcmp(one->host, other->host) == 0 &&
           strcmp(one->local_host, other->local_host) == 0;
}

/* Maps the port and keeps it so, until it is told to stop or the router fails: then `*why` is set. Returns
 * TRUE if there was a mapping. */
static gboolean
keep_mapped(BsMappingWorker *worker, BsRouter *router, char **why)
{
    BsMappedPort told = {0};
    BsMappedPort now = {0};

    while (worker->protocol->map(router, worker->port, &now, why)) {
        if (!is_same(&told, &now))
            tell(worker, BS_MAPPING_MADE, &now, NULL);
        told = now;
        if (sleep_unless_stopped(worker, renewal_after(&now))) {
            worker->protocol->unmap(router, worker->port, &now);
            break;
        }
    }
    return told.port != 0;
}

static gboolean
find_and_map(BsMappingWorker *worker, char **why)
{
    BsRouter *router = worker->protocol->find(&worker->places, worker->stop_pipe[0], why);
    gboolean mapped = FALSE;

    if (router != NULL) {
        mapped = keep_mapped(worker, router, why);
        worker->protocol->free(router);
    }
    return mapped;
}

static void
work(BsMappingWorker *worker)
{
    gboolean ever = FALSE;
    gboolean stopped;

    do {
        char *why = NULL;
        gboolean mapped = find_and_map(worker, &why);

        stopped = sleep_unless_stopped(worker, 0);
        if (mapped && !stopped)
            tell(worker, BS_MAPPING_LOST, NULL, g_steal_pointer(&why));
        else if (!ever && !stopped)
            tell(worker, BS_MAPPING_NEVER, NULL, g_steal_pointer(&why));
        g_free(why);
        ever = ever || mapped;
    } while (ever && !stopped && !sleep_unless_stopped(worker, SEARCH_AGAIN_S));
}

static gpointer
thread_main(gpointer data)
{
    BsMappingWorker *worker = data;
    sigset_t all;

    /* Signals are the UI's. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    work(worker);
    g_mutex_lock(&worker->lock);
    worker->ended = TRUE;
    g_mutex_unlock(&worker->lock);
    write_byte(worker->news_pipe[1]);
    unref(worker);
    return NULL;
}

/* In the event loop. */

static gboolean
has_ended(BsMappingWorker *worker)
{
    gboolean ended;

    g_mutex_lock(&worker->lock);
    ended = worker->ended;
    g_mutex_unlock(&worker->lock);
    return ended;
}

/* Of a thread that has not ended, nothing is kept but what the thread itself uses. */
static void
let_go(BsMappingWorker *worker)
{
    workers = g_list_remove(workers, worker);
    purple_input_remove(worker->watch);
    if (has_ended(worker))
        g_thread_join(worker->thread);
    else
        g_thread_unref(worker->thread);
    unref(worker);
}

static News *
next_news(BsMappingWorker *worker)
{
    News *news;

    g_mutex_lock(&worker->lock);
    news = g_queue_pop_head(&worker->news);
    g_mutex_unlock(&worker->lock);
    return news;
}

static void
news_came(gpointer data, int fd, PurpleInputCondition condition)
{
    BsMappingWorker *worker = data;
    char bytes[64];
    gboolean ended;
    News *news;

    (void)condition;
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
    ended = has_ended(worker);
    g_atomic_int_inc(&worker->references);
    while (!worker->stopped && (news = next_news(worker)) != NULL) {
        worker->stopped = news->kind == BS_MAPPING_NEVER;
        worker->report(worker, news->kind, &news->mapped, news->why, worker->data);
        news_free(news);
    }
    /* A report may have ended everything. */
    if (ended && g_list_find(workers, worker) != NULL)
        let_go(worker);
    unref(worker);
}

BsMappingWorker *
bs_mapping_worker_new(const BsRouterProtocol *protocol, const BsRouterPlaces *places, guint16 port,
                      BsMappingReport report, gpointer data)
{
    BsMappingWorker *worker = g_new0(BsMappingWorker, 1);

    worker->references = 2;
    worker->protocol = protocol;
    worker->places = *places;
    worker->places.gateway = g_strdup(places->gateway);
    worker->places.group = g_strdup(places->group);
    worker->port = port;
    worker->report = report;
    worker->data = data;
    worker->stop_pipe[0] = worker->stop_pipe[1] = worker->news_pipe[0] = worker->news_pipe[1] = -1;
    g_mutex_init(&worker->lock);
    if (pipe2(worker->stop_pipe, O_CLOEXEC | O_NONBLOCK) == 0 &&
        pipe2(worker->news_pipe, O_CLOEXEC | O_NONBLOCK) == 0)
        worker->thread = g_thread_try_new("bytestreams router", thread_main, worker, NULL);
    if (worker->thread == NULL) {
        worker->references = 1;
        unref(worker);
        return NULL;
    }
    worker->watch = purple_input_add(worker->news_pipe[0], PURPLE_INPUT_READ, news_came, worker);
    workers = g_list_prepend(workers, worker);
    return worker;
}

void
bs_mapping_worker_stop(BsMappingWorker *worker)
{
    worker->stopped = TRUE;
    write_byte(worker->stop_pipe[1]);
}

void
bs_mapping_workers_finish(guint milliseconds)
{
    gint64 until = g_get_monotonic_time() + (gint64)milliseconds * 1000;

    for (GList *link = workers; link != NULL; link = link->next)
        bs_mapping_worker_stop(link->data);
    while (workers != NULL) {
        BsMappingWorker *worker = workers->data;

        while (!has_ended(worker) && bs_router_wait(worker->news_pipe[0], -1, until) == BS_ROUTER_READY) {
            char bytes[64];

            while (read(worker->news_pipe[0], bytes, sizeof bytes) > 0)
                ;
        }
        if (!has_ended(worker))
            bs_log_warning(NULL, "%s does not take back port %u in time: left to itself",
                           worker->protocol->name, worker->port);
        let_go(worker);
    }
}
