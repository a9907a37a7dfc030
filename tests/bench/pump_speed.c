/* How fast the pump is, compared with bare programs that do the same work: a file in memory goes over
 * loopback from one process to another. tests/bench/pump.py runs it.
 *
 *     pump_speed WAY[:HASH] FOLDER MIB [STALL_MS]
 *
 * WAY: kernel (sendfile, then recv and write), bare (the same, while a second thread hashes, and hashing
 * between recv and write), pump, pump-hash. HASH: sha-256 unless it is named. STALL_MS: the receiver's disk
 * takes so long for one write in the middle. Prints seconds, CPU seconds of both together, and for each side
 * how long its event loop was held at most, in microseconds of time and of CPU. SPDX-License-Identifier:
 * GPL-2.0-or-later */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <gcrypt.h>
#include <glib.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stream/part_file.h"
#include "stream/pump.h"

#define BUFFER_BYTES (256 * 1024)

typedef enum {
    KERNEL,
    BARE,
    PUMP,
    PUMP_HASH,
} Way;

static const char *const ways[] = {"kernel", "bare", "pump", "pump-hash"};

typedef struct {
    Way way;
    BsHash hash;
    char *from;
    char *to;
    guint64 length;
} Task;

/* What one side tells in the end. */
typedef struct {
    gint64 held_us;
    gint64 held_cpu_us;
    gboolean ok;
} Result;

static void
check(gboolean ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    _exit(1);
}

/* A disk that stalls once, in the middle of the file. */
static guint stall_ms;
static guint64 stall_at;

ssize_t
pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);

    if (real == NULL)
        real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    if (stall_ms > 0 && (guint64)offset >= stall_at) {
        g_usleep((gulong)stall_ms * 1000);
        stall_ms = 0;
    }
    return real(fd, bytes, count, offset);
}

/* The event loop, which is watched: what passes between two calls of poll() is spent in callbacks. */
static Result result;

static gint64
cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gint
watched_poll(GPollFD *fds, guint count, gint timeout)
{
    static gint64 woke;
    static gint64 woke_cpu;
    gint ready;

    if (woke != 0) {
        result.held_us = MAX(result.held_us, g_get_monotonic_time() - woke);
        result.held_cpu_us = MAX(result.held_cpu_us, cpu_us() - woke_cpu);
    }
    ready = g_poll(fds, count, timeout);
    woke = g_get_monotonic_time();
    woke_cpu = cpu_us();
    return ready;
}

typedef struct {
    PurpleInputFunction function;
    gpointer data;
} Watch;

static gboolean
watch_ready(GIOChannel *channel, GIOCondition condition, gpointer data)
{
    Watch *watch = data;

    watch->function(watch->data, g_io_channel_unix_get_fd(channel),
                    condition & G_IO_OUT ? PURPLE_INPUT_WRITE : PURPLE_INPUT_READ);
    return TRUE;
}

static guint
watch_add(int fd, PurpleInputCondition condition, PurpleInputFunction function, gpointer data)
{
    GIOChannel *channel = g_io_channel_unix_new(fd);
    Watch *watch = g_new(Watch, 1);
    guint id;

    watch->function = function;
    watch->data = data;
    id = g_io_add_watch_full(channel, G_PRIORITY_DEFAULT,
                             (condition & PURPLE_INPUT_READ ? G_IO_IN : G_IO_OUT) | G_IO_HUP | G_IO_ERR,
                             watch_ready, watch, g_free);
    g_io_channel_unref(channel);
    return id;
}

static PurpleEventLoopUiOps event_loop_ops = {
    .timeout_add = g_timeout_add,
    .timeout_remove = g_source_remove,
    .input_add = watch_add,
    .input_remove = g_source_remove,
    .timeout_add_seconds = g_timeout_add_seconds,
};

static void
pump_done(BsPump *pump, const GError *error, gpointer data)
{
    (void)pump;
    if (error != NULL)
        fprintf(stderr, "%s\n", error->message);
    result.ok = error == NULL;
    g_main_loop_quit(data);
}

static void
run_pump(const Task *task, int fd, gboolean sends)
{
    const BsPumpEvents events = {.done = pump_done};
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    guint hashes = task->way == PUMP_HASH ? 1u << task->hash : 0;
    BsSource *source = NULL;
    BsSink *sink = NULL;
    BsPump *pump;

    if (sends) {
        source = bs_file_source_new(task->from, NULL, NULL);
        pump = bs_pump_send("bench", fd, source, task->length, hashes, &events, loop);
    } else {
        sink = bs_part_file_new(task->to, TRUE, NULL);
        pump = bs_pump_receive("bench", fd, sink, task->length, hashes, &events, loop);
    }
    g_main_loop_run(loop);
    bs_pump_free(pump);
    if (sends)
        source->close(source);
    else
        result.ok = result.ok && sink->finish(sink, NULL);
    g_main_loop_unref(loop);
}

/* The bare programs. */

static gcry_md_hd_t
new_hash(const Task *task)
{
    static const int algorithms[BS_HASH_COUNT] = {
        [BS_HASH_SHA256] = GCRY_MD_SHA256,
        [BS_HASH_SHA512] = GCRY_MD_SHA512,
        [BS_HASH_BLAKE2B_512] = GCRY_MD_BLAKE2B_512,
    };
    gcry_md_hd_t hash;

    bs_digest_init();
    check(gcry_md_open(&hash, algorithms[task->hash], 0) == 0, "gcry_md_open");
    return hash;
}

static gpointer
hash_file(gpointer data)
{
    const Task *task = data;
    g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
    int fd = open(task->from, O_RDONLY | O_CLOEXEC);
    gcry_md_hd_t hash = new_hash(task);
    gssize count;

    while ((count = read(fd, buffer, BUFFER_BYTES)) > 0)
        gcry_md_write(hash, buffer, (gsize)count);
    (void)gcry_md_read(hash, 0);
    gcry_md_close(hash);
    close(fd);
    return NULL;
}

static void
send_bare(const Task *task, int socket)
{
    int fd = open(task->from, O_RDONLY | O_CLOEXEC);
    GThread *second = task->way == BARE ? g_thread_new("hash", hash_file, (gpointer)task) : NULL;
    guint64 sent = 0;

    while (sent < task->length) {
        gssize count = sendfile(socket, fd, NULL, (gsize)(task->length - sent));

        check(count > 0, "sendfile");
        sent += (guint64)count;
    }
    shutdown(socket, SHUT_WR);
    if (second != NULL)
        g_thread_join(second);
    close(fd);
    result.ok = TRUE;
}

static void
receive_bare(const Task *task, int socket)
{
    g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
    int fd = open(task->to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    gcry_md_hd_t hash = new_hash(task);
    gssize count;

    while ((count = recv(socket, buffer, BUFFER_BYTES, 0)) > 0) {
        if (task->way == BARE)
            gcry_md_write(hash, buffer, (gsize)count);
        check(write(fd, buffer, (gsize)count) == count, "write");
    }
    check(count == 0, "recv");
    (void)gcry_md_read(hash, 0);
    gcry_md_close(hash);
    fsync(fd);
    close(fd);
    result.ok = TRUE;
}

/* One side, in a process of its own: begins when there is a byte in `start`. */
static void
run_side(const Task *task, gboolean sends, const struct sockaddr_in *address, int listener, int start,
         int end)
{
    char byte;
    int fd;

    g_main_context_set_poll_func(NULL, watched_poll);
    purple_eventloop_set_ui_ops(&event_loop_ops);
    if (sends)
        stall_ms = 0;
    check(read(start, &byte, 1) == 1, "read");
    if (sends) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(connect(fd, (const struct sockaddr *)address, sizeof *address) == 0, "connect");
    } else {
        fd = accept(listener, NULL, NULL);
        check(fd >= 0, "accept");
    }
    if (task->way >= PUMP)
        run_pump(task, fd, sends);
    else if (sends)
        send_bare(task, fd);
    else
        receive_bare(task, fd);
    check(write(end, &result, sizeof result) == sizeof result, "write");
}

static double
seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / G_USEC_PER_SEC;
}

static void
run(const Task *task)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rusage usage;
    Result results[2];
    gint64 began;
    int start[2];
    int sides[2][2];

    check(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0 &&
              getsockname(listener, (struct sockaddr *)&address, &length) == 0 && pipe(start) == 0,
          "listen");
    for (guint side = 0; side < 2; side++) {
        check(pipe(sides[side]) == 0, "pipe");
        if (fork() == 0) {
            run_side(task, side == 0, &address, listener, start[0], sides[side][1]);
            _exit(0);
        }
    }
    g_usleep(50000);
    began = g_get_monotonic_time();
    check(write(start[1], "gg", 2) == 2, "write");
    for (guint side = 0; side < 2; side++)
        if (read(sides[side][0], &results[side], sizeof results[side]) != sizeof results[side] ||
            !results[side].ok)
            exit(1);
    printf("%.4f", (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC);
    while (wait(NULL) > 0)
        ;
    getrusage(RUSAGE_CHILDREN, &usage);
    printf(" %.4f", seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime));
    for (guint side = 0; side < 2; side++)
        printf(" %" G_GINT64_FORMAT " %" G_GINT64_FORMAT, results[side].held_us, results[side].held_cpu_us);
    printf("\n");
}

int
main(int argc, char **argv)
{
    Task task = {.hash = BS_HASH_SHA256};
    g_auto(GStrv) words = g_strsplit(argc > 1 ? argv[1] : "", ":", 2);
    guint way = 0;

    while (argc >= 4 && way < G_N_ELEMENTS(ways) && g_strcmp0(words[0], ways[way]) != 0)
        way++;
    if (argc < 4 || way == G_N_ELEMENTS(ways) ||
        (words[1] != NULL && !bs_hash_from_name(words[1], &task.hash))) {
        fprintf(stderr, "Usage: %s kernel|bare|pump|pump-hash[:HASH] FOLDER MIB [STALL_MS]\n", argv[0]);
        return 2;
    }
    task.way = (Way)way;
    task.from = g_build_filename(argv[2], "from", NULL);
    task.to = g_build_filename(argv[2], "to", NULL);
    task.length = g_ascii_strtoull(argv[3], NULL, 10) * 1024 * 1024;
    stall_ms = argc > 4 ? (guint)g_ascii_strtoull(argv[4], NULL, 10) : 0;
    stall_at = task.length / 2;
    run(&task);
    return 0;
}
