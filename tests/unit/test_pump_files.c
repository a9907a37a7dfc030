/* Pumps that move files between a socket and the disk: with a disk, a kernel and a peer that misbehave.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "stream/disk_chores.h"
#include "stream/part_file.h"
#include "stream/pump.h"
#include "worker.h"

#include "../support/purple_env.h"

#define HANG_SECONDS 60
#define SHA256 (1u << BS_HASH_SHA256)
#define NONE (-1)

/* Faults of the disk and of the kernel, in all threads but the event loop's. */
static pthread_t main_thread;
static gint short_bytes;               /* what one call moves at most; 0: as much as it likes */
static gint interrupted_every;         /* so many calls; 0: never */
static gint no_sendfile;               /* an errno */
static gint write_fails_at = NONE;     /* a place in the file ... */
static gint read_fails_at = NONE;      /* ... and one for reading */
static gint sends_nothing_from = NONE; /* sendfile() fails there, with ... */
static gint fault_code;                /* ... this, as do the others */
static gint sync_code;                 /* of fsync() */
static gint calls;                     /* of any of them */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static gboolean disk_stalls;
static guint stalled; /* threads */

static void *
libc(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);

    g_assert(function != NULL);
    return function;
}

static gboolean
in_worker(void)
{
    return !pthread_equal(pthread_self(), main_thread);
}

static gboolean
is_interrupted(void)
{
    gint every = g_atomic_int_get(&interrupted_every);

    if (!in_worker() || every == 0 || g_atomic_int_add(&calls, 1) % every != 0)
        return FALSE;
    errno = EINTR;
    return TRUE;
}

static gboolean
fails_at(const gint *place, off_t offset)
{
    gint at = g_atomic_int_get(place);

    if (!in_worker() || at == NONE || offset < at)
        return FALSE;
    errno = g_atomic_int_get(&fault_code);
    return TRUE;
}

static size_t
shortened(size_t count)
{
    gint most = g_atomic_int_get(&short_bytes);

    return in_worker() && most != 0 ? MIN(count, (size_t)most) : count;
}

/* Up to the place where something fails. */
static size_t
cut_before(const gint *place, off_t offset, size_t count)
{
    gint at = g_atomic_int_get(place);

    return in_worker() && at != NONE && offset < at ? MIN(count, (size_t)(at - offset)) : count;
}

static void
wait_for_disk(void)
{
    if (!in_worker())
        return;
    pthread_mutex_lock(&gate);
    stalled++;
    pthread_cond_broadcast(&gate_moved);
    while (disk_stalls)
        pthread_cond_wait(&gate_moved, &gate);
    stalled--;
    pthread_mutex_unlock(&gate);
}

ssize_t
pread(int fd, void *bytes, size_t count, off_t offset)
{
    ssize_t (*real)(int, void *, size_t, off_t) = libc("pread");

    wait_for_disk();
    if (is_interrupted() || fails_at(&read_fails_at, offset))
        return -1;
    return real(fd, bytes, cut_before(&read_fails_at, offset, shortened(count)), offset);
}

ssize_t
pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off_t) = libc("pwrite");

    wait_for_disk();
    if (is_interrupted() || fails_at(&write_fails_at, offset))
        return -1;
    return real(fd, bytes, cut_before(&write_fails_at, offset, shortened(count)), offset);
}

ssize_t
sendfile(int socket, int fd, off_t *offset, size_t count)
{
    ssize_t (*real)(int, int, off_t *, size_t) = libc("sendfile");

    wait_for_disk();
    if (is_interrupted() || fails_at(&sends_nothing_from, *offset))
        return -1;
    if (g_atomic_int_get(&no_sendfile) != 0) {
        errno = g_atomic_int_get(&no_sendfile);
        return -1;
    }
    return real(socket, fd, offset, cut_before(&sends_nothing_from, *offset, shortened(count)));
}

ssize_t
send(int fd, const void *bytes, size_t count, int flags)
{
    ssize_t (*real)(int, const void *, size_t, int) = libc("send");

    return is_interrupted() ? -1 : real(fd, bytes, shortened(count), flags);
}

ssize_t
recv(int fd, void *bytes, size_t count, int flags)
{
    ssize_t (*real)(int, void *, size_t, int) = libc("recv");

    return is_interrupted() ? -1 : real(fd, bytes, shortened(count), flags);
}

int
fsync(int fd)
{
    int (*real)(int) = libc("fsync");

    wait_for_disk();
    if (in_worker() && g_atomic_int_get(&sync_code) != 0) {
        errno = g_atomic_int_get(&sync_code);
        return -1;
    }
    return real(fd);
}

static void
stall_disk(void)
{
    pthread_mutex_lock(&gate);
    disk_stalls = TRUE;
    pthread_mutex_unlock(&gate);
}

static void
wake_disk(void)
{
    pthread_mutex_lock(&gate);
    disk_stalls = FALSE;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate);
}

static guint
threads_stalled(void)
{
    guint count;

    pthread_mutex_lock(&gate);
    count = stalled;
    pthread_mutex_unlock(&gate);
    return count;
}

static void
wait_for_stall(guint threads)
{
    gint64 deadline = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC;

    while (threads_stalled() < threads) {
        ck_assert_msg(g_get_monotonic_time() < deadline, "the disk is not asked");
        bs_test_run_for(1);
    }
}

/* The files. */

static guint8
byte_at(guint64 position, guint8 seed)
{
    return (guint8)(position * 31 + (position >> 8) * 7 + (position >> 16) + seed);
}

static GBytes *
contents_of(gsize length, guint8 seed)
{
    guint8 *bytes = g_malloc(length + 1);

    for (gsize i = 0; i < length; i++)
        bytes[i] = byte_at(i, seed);
    return g_bytes_new_take(bytes, length);
}

static char *folder;

static char *
path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static const struct utimbuf long_ago = {.actime = 1000000000, .modtime = 1000000000};

static BsSource *
source_of(const char *name, gsize length)
{
    g_autofree char *path = path_of(name);
    GBytes *contents = contents_of(length, 0);
    BsSource *source;

    ck_assert(g_file_set_contents(path, g_bytes_get_data(contents, NULL), (gssize)length, NULL));
    g_bytes_unref(contents);
    /* The clock of a file system may not tell two moments apart that follow each other closely. */
    ck_assert_int_eq(utime(path, &long_ago), 0);
    source = bs_file_source_new(path, NULL, NULL);
    ck_assert_ptr_nonnull(source);
    return source;
}

static BsSink *
sink_of(const char *name)
{
    g_autofree char *path = path_of(name);
    BsSink *sink = bs_part_file_new(path, TRUE, NULL);

    ck_assert_ptr_nonnull(sink);
    return sink;
}

static void
assert_file(const char *name, gsize from, gsize length, guint8 seed)
{
    g_autofree char *path = path_of(name);
    g_autofree char *arrived = NULL;
    GBytes *expected = contents_of(from + length, seed);
    gsize size;

    ck_assert_msg(g_file_get_contents(path, &arrived, &size, NULL), "%s is not there", name);
    ck_assert_uint_eq(size, length);
    ck_assert_int_eq(memcmp(arrived, (const char *)g_bytes_get_data(expected, NULL) + from, length), 0);
    g_bytes_unref(expected);
}

static guint
entries_of(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    guint count = 0;

    ck_assert_ptr_nonnull(dir);
    while (g_dir_read_name(dir) != NULL)
        count++;
    g_dir_close(dir);
    return count;
}

/* The pumps. */

typedef struct {
    BsPump *pump;
    gboolean ended;
    gboolean failed;
    BsStreamError code;
    guint64 last_moved;
    gboolean free_in_progress;
    gboolean free_in_done;
} Story;

static Story sending[4];
static Story receiving[4];
static BsSource *source;
static BsSink *sink;
static guint descriptors;

static void
on_progress(BsPump *pump, guint64 moved, gpointer data)
{
    Story *story = data;

    ck_assert(!story->ended);
    ck_assert_uint_eq(moved, bs_pump_moved(pump));
    ck_assert_uint_ge(moved, story->last_moved);
    story->last_moved = moved;
    if (story->free_in_progress)
        g_clear_pointer(&story->pump, bs_pump_free);
}

static void
on_done(BsPump *pump, const GError *error, gpointer data)
{
    Story *story = data;

    ck_assert_ptr_eq(pump, story->pump);
    ck_assert(!story->ended);
    story->ended = TRUE;
    story->failed = error != NULL;
    if (error != NULL) {
        ck_assert_uint_eq(error->domain, BS_STREAM_ERROR);
        story->code = (BsStreamError)error->code;
    }
    if (story->free_in_done)
        g_clear_pointer(&story->pump, bs_pump_free);
}

static const BsPumpEvents events = {.progress = on_progress, .done = on_done};

static void
start_sending(Story *story, int fd, BsSource *from, guint64 length, guint hashes)
{
    story->pump = bs_pump_send("test", fd, from, length, hashes, &events, story);
}

static void
start_receiving(Story *story, int fd, BsSink *to, guint64 length, guint hashes)
{
    story->pump = bs_pump_receive("test", fd, to, length, hashes, &events, story);
}

static void
assert_complete(Story *story, guint64 length)
{
    ck_assert_msg(bs_test_run_until(&story->ended, HANG_SECONDS), "no end");
    ck_assert_msg(!story->failed, "failed: %d", story->code);
    ck_assert_uint_eq(bs_pump_moved(story->pump), length);
    ck_assert_uint_eq(story->last_moved, length);
}

static void
assert_failed(Story *story, BsStreamError code)
{
    ck_assert_msg(bs_test_run_until(&story->ended, HANG_SECONDS), "no end");
    ck_assert(story->failed);
    ck_assert_int_eq(story->code, code);
}

static void
clear(Story *story)
{
    Story none = {0};

    bs_pump_free(story->pump);
    *story = none;
}

static void
wait_for_workers(void)
{
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
}

static void
close_source(void)
{
    if (source != NULL)
        bs_source_close(g_steal_pointer(&source));
}

static void
discard_sink(void)
{
    if (sink != NULL)
        bs_sink_discard(g_steal_pointer(&sink));
}

static void
no_faults(void)
{
    short_bytes = interrupted_every = no_sendfile = sync_code = calls = 0;
    write_fails_at = read_fails_at = sends_nothing_from = NONE;
    fault_code = EIO;
}

static void
set_up(void)
{
    static guint number;

    main_thread = pthread_self();
    no_faults();
    folder = g_strdup_printf("%s/%u", bs_test_folder(), number++);
    ck_assert_int_eq(g_mkdir(folder, 0700), 0);
    descriptors = entries_of("/proc/self/fd");
}

/* Whatever happened: no thread, no descriptor and no unfinished file is left. */
static void
tear_down(void)
{
    GDir *dir;
    const char *name;

    wake_disk();
    for (guint i = 0; i < G_N_ELEMENTS(sending); i++) {
        clear(&sending[i]);
        clear(&receiving[i]);
    }
    close_source();
    discard_sink();
    wait_for_workers();
    no_faults();
    ck_assert_uint_eq(entries_of("/proc/self/fd"), descriptors);
    dir = g_dir_open(folder, 0, NULL);
    while ((name = g_dir_read_name(dir)) != NULL)
        ck_assert_msg(name[0] != '.', "%s was left", name);
    g_dir_close(dir);
    g_clear_pointer(&folder, g_free);
}

static void
unix_pair(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void
tcp_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&address, sizeof address), 0);
    fds[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[1], 0);
    close(listener);
}

/* Closes so that the other side is told of a reset. */
static void
reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(fd);
}

static void
write_bytes(int fd, gsize count, guint8 seed)
{
    GBytes *contents = contents_of(count, seed);

    ck_assert_int_eq(send(fd, g_bytes_get_data(contents, NULL), count, MSG_NOSIGNAL | MSG_DONTWAIT),
                     (gssize)count);
    g_bytes_unref(contents);
}

/* Reads `count` bytes, or to the end: TRUE then. */
static gboolean
read_bytes(int fd, guint64 count)
{
    gint64 deadline = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC;

    while (count > 0) {
        guint8 buffer[65536];
        gssize got = recv(fd, buffer, MIN(sizeof buffer, count), MSG_DONTWAIT);

        ck_assert_msg(g_get_monotonic_time() < deadline, "nothing more came");
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return TRUE;
        if (got < 0)
            bs_test_run_for(1);
        else
            count -= (guint64)got;
    }
    return FALSE;
}

static void
assert_digest(Story *story, gsize from, gsize end)
{
    g_autoptr(BsDigest) digest = bs_digest_new(SHA256);
    GBytes *contents = contents_of(end, 0);
    guint8 expected[BS_DIGEST_MAX];
    guint8 value[BS_DIGEST_MAX];

    bs_digest_update(digest, (const guint8 *)g_bytes_get_data(contents, NULL) + from, end - from);
    ck_assert(bs_digest_value(digest, BS_HASH_SHA256, expected));
    ck_assert(bs_digest_value(bs_pump_digest(story->pump), BS_HASH_SHA256, value));
    ck_assert_mem_eq(value, expected, bs_hash_length(BS_HASH_SHA256));
    g_bytes_unref(contents);
}

static void
on_finished(const GError *error, gpointer data)
{
    Story *story = data;

    story->ended = TRUE;
    story->failed = error != NULL;
    story->code = error != NULL ? (BsStreamError)error->code : 0;
}

static void
finish_sink(void)
{
    Story story = {0};

    bs_finish_new(g_steal_pointer(&sink), on_finished, &story);
    ck_assert(!story.ended);
    ck_assert(bs_test_run_until(&story.ended, HANG_SECONDS));
    ck_assert(!story.failed);
}

/* A file of `length` bytes, from its byte `from` on, through two pumps. */
static void
move(gsize from, gsize length, gboolean tcp, guint hashes)
{
    int fds[2];

    source = source_of("from", length);
    sink = sink_of("to");
    if (from > 0)
        ck_assert(source->seek(source, from, NULL));
    if (tcp)
        tcp_pair(fds);
    else
        unix_pair(fds);
    start_sending(&sending[0], fds[0], source, length - from, hashes);
    start_receiving(&receiving[0], fds[1], sink, length - from, hashes);
    assert_complete(&receiving[0], length - from);
    assert_complete(&sending[0], length - from);
    if (hashes != 0) {
        assert_digest(&sending[0], 0, length);
        assert_digest(&receiving[0], from, length);
    }
    clear(&sending[0]);
    clear(&receiving[0]);
    close_source();
    finish_sink();
    assert_file("to", from, length - from, 0);
}

static const gsize lengths[] = {0, 1, 65536, 131071, 131073, 262144, 1048577, 9000011, 20000000};

START_TEST(test_whole_file)
{
    move(0, lengths[_i], TRUE, SHA256);
    move(0, lengths[_i], FALSE, SHA256);
    move(0, lengths[_i], TRUE, 0);
}
END_TEST

START_TEST(test_from_the_middle)
{
    move(123457, 3000000, TRUE, SHA256);
    move(2999999, 3000000, TRUE, SHA256);
    move(3000000, 3000000, TRUE, SHA256);
}
END_TEST

START_TEST(test_short_calls)
{
    short_bytes = 7;
    move(0, 30000, TRUE, SHA256);
    short_bytes = 1000;
    move(0, 300000, FALSE, SHA256);
    no_sendfile = EINVAL;
    move(0, 300000, FALSE, SHA256);
}
END_TEST

START_TEST(test_interrupted_calls)
{
    short_bytes = 5000;
    interrupted_every = 3 + 2 * _i;
    move(0, 1000000, TRUE, SHA256);
    no_sendfile = ENOSYS;
    move(0, 1000000, TRUE, SHA256);
}
END_TEST

START_TEST(test_without_sendfile)
{
    const int codes[] = {EINVAL, ENOSYS, EOPNOTSUPP};

    no_sendfile = codes[_i];
    move(0, 9000011, TRUE, SHA256);
    move(1000, 9000011, TRUE, 0);
}
END_TEST

START_TEST(test_four_at_once)
{
    const gsize length = 5000011;
    BsSource *sources[4];
    BsSink *sinks[4];
    int fds[2];

    for (guint i = 0; i < 4; i++) {
        g_autofree char *from = g_strdup_printf("from%u", i);
        g_autofree char *to = g_strdup_printf("to%u", i);

        sources[i] = source_of(from, length);
        sinks[i] = sink_of(to);
        tcp_pair(fds);
        start_sending(&sending[i], fds[0], sources[i], length, SHA256);
        start_receiving(&receiving[i], fds[1], sinks[i], length, SHA256);
    }
    for (guint i = 0; i < 4; i++) {
        g_autofree char *to = g_strdup_printf("to%u", i);

        assert_complete(&sending[i], length);
        assert_complete(&receiving[i], length);
        assert_digest(&receiving[i], 0, length);
        bs_source_close(sources[i]);
        sink = sinks[i];
        finish_sink();
        assert_file(to, 0, length, 0);
    }
}
END_TEST

START_TEST(test_unknown_size)
{
    int fds[2];

    sink = sink_of("to");
    unix_pair(fds);
    start_receiving(&receiving[0], fds[1], sink, BS_SIZE_UNKNOWN, SHA256);
    write_bytes(fds[0], 50000, 0);
    close(fds[0]);
    assert_complete(&receiving[0], 50000);
    assert_digest(&receiving[0], 0, 50000);
    finish_sink();
    assert_file("to", 0, 50000, 0);
}
END_TEST

/* The disk is full at each write. */
START_TEST(test_full_disk)
{
    const int codes[] = {ENOSPC, EDQUOT, EIO};
    int fds[2];

    sink = sink_of("to");
    unix_pair(fds);
    short_bytes = 1000;
    write_fails_at = _i * 1000;
    fault_code = codes[_i % 3];
    start_receiving(&receiving[0], fds[1], sink, 20000, SHA256);
    write_bytes(fds[0], 20000, 0);
    assert_failed(&receiving[0], _i % 3 == 2 ? BS_STREAM_ERROR_WRITE : BS_STREAM_ERROR_NO_SPACE);
    ck_assert_uint_eq(bs_pump_moved(receiving[0].pump), (guint64)_i * 1000);
    ck_assert(read_bytes(fds[0], 1));
    close(fds[0]);
}
END_TEST

/* A file that cannot be read on, for either of its two readers. */
START_TEST(test_unreadable)
{
    int fds[2];

    source = source_of("from", 1000000);
    unix_pair(fds);
    read_fails_at = 1000;
    if (_i == 1)
        sends_nothing_from = 1000;
    if (_i == 2)
        no_sendfile = EINVAL;
    start_sending(&sending[0], fds[0], source, 1000000, _i == 0 ? SHA256 : 0);
    ck_assert(read_bytes(fds[1], 1000001));
    assert_failed(&sending[0], BS_STREAM_ERROR_READ);
    if (_i != 0)
        ck_assert_uint_eq(bs_pump_moved(sending[0].pump), 1000);
    close(fds[1]);
}
END_TEST

START_TEST(test_reset_while_receiving)
{
    const gsize after[] = {0, 1, 999, 1000, 1001, 65536, 99999};
    int fds[2];

    sink = sink_of("to");
    tcp_pair(fds);
    short_bytes = 1000;
    start_receiving(&receiving[0], fds[1], sink, 100000, SHA256);
    if (after[_i] > 0)
        write_bytes(fds[0], after[_i], 0);
    while (bs_pump_moved(receiving[0].pump) < after[_i])
        bs_test_run_for(1);
    reset(fds[0]);
    assert_failed(&receiving[0], BS_STREAM_ERROR_CONNECTION);
    ck_assert_uint_eq(bs_pump_moved(receiving[0].pump), after[_i]);
}
END_TEST

START_TEST(test_reset_while_sending)
{
    const gsize after[] = {0, 1, 65536, 1048576, 5000000, 9000000};
    int fds[2];

    source = source_of("from", 20000000);
    tcp_pair(fds);
    start_sending(&sending[0], fds[0], source, 20000000, SHA256);
    read_bytes(fds[1], after[_i]);
    reset(fds[1]);
    assert_failed(&sending[0], BS_STREAM_ERROR_CONNECTION);
    ck_assert_uint_lt(bs_pump_moved(sending[0].pump), 20000000);
}
END_TEST

START_TEST(test_too_few_and_too_many_bytes)
{
    int fds[2];

    sink = sink_of("to");
    unix_pair(fds);
    write_bytes(fds[0], 999, 0);
    close(fds[0]);
    start_receiving(&receiving[0], fds[1], sink, 1000, SHA256);
    assert_failed(&receiving[0], BS_STREAM_ERROR_PEER_CLOSED);
    clear(&receiving[0]);
    ck_assert(sink->restart(sink, 0, NULL));
    unix_pair(fds);
    write_bytes(fds[0], 1001, 0);
    start_receiving(&receiving[0], fds[1], sink, 1000, SHA256);
    assert_failed(&receiving[0], BS_STREAM_ERROR_TOO_MUCH);
    close(fds[0]);
}
END_TEST

/* It shrinks, it is written to, it grows. */
static void
change_file(guint how, gsize length)
{
    g_autofree char *path = path_of("from");
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (how == 0)
        ck_assert_int_eq(ftruncate(fd, (off_t)(length / 2)), 0);
    else
        ck_assert_int_eq(pwrite(fd, "news", 4, (off_t)(how == 1 ? length / 2 : length)), 4);
    close(fd);
}

/* A receiver that knows no hash sees that something is missing. */
START_TEST(test_file_changes)
{
    int fds[2];

    source = source_of("from", 20000000);
    unix_pair(fds);
    start_sending(&sending[0], fds[0], source, 20000000, _i < 3 ? SHA256 : 0);
    ck_assert(!read_bytes(fds[1], 1000000));
    change_file((guint)_i % 3, 20000000);
    ck_assert(read_bytes(fds[1], 19000000));
    assert_failed(&sending[0], BS_STREAM_ERROR_CHANGED);
    close(fds[1]);
}
END_TEST

START_TEST(test_file_has_changed_since_it_was_opened)
{
    int fds[2];

    source = source_of("from", 3000);
    change_file((guint)_i % 3, 3000);
    unix_pair(fds);
    start_sending(&sending[0], fds[0], source, 3000, _i < 3 ? SHA256 : 0);
    assert_failed(&sending[0], BS_STREAM_ERROR_CHANGED);
    ck_assert(read_bytes(fds[1], 1));
    close(fds[1]);
}
END_TEST

static gboolean
count_turn(gpointer data)
{
    ++*(guint *)data;
    return G_SOURCE_CONTINUE;
}

/* While the disk stalls the event loop goes on; a pump is freed without waiting for it, and the peer hears of
 * it at once. What the thread used goes when the disk comes back (tear_down). */
START_TEST(test_cancelled_while_the_disk_stalls)
{
    guint turns = 0;
    guint timer = g_timeout_add(1, count_turn, &turns);
    int fds[2];

    unix_pair(fds);
    stall_disk();
    if (_i == 0) {
        sink = sink_of("to");
        start_receiving(&receiving[0], fds[1], sink, 20000, SHA256);
        write_bytes(fds[0], 20000, 0);
    } else {
        source = source_of("from", 30000000);
        start_sending(&sending[0], fds[1], source, 30000000, _i == 1 ? SHA256 : 0);
    }
    wait_for_stall(_i == 1 ? 2 : 1);
    while (turns < 10)
        bs_test_run_for(1);
    g_source_remove(timer);
    clear(&sending[0]);
    clear(&receiving[0]);
    ck_assert_uint_ge(threads_stalled(), 1);
    ck_assert(read_bytes(fds[0], 20001));
    close(fds[0]);
    discard_sink();
    close_source();
    ck_assert_uint_ge(threads_stalled(), 1);
    ck_assert_uint_ge(bs_workers_wait(1), 1);
}
END_TEST

START_TEST(test_cancelled_while_the_peer_hangs)
{
    int fds[2];

    source = source_of("from", 30000000);
    sink = sink_of("to");
    for (guint tcp = 0; tcp < 2; tcp++) {
        if (tcp != 0)
            tcp_pair(fds);
        else
            unix_pair(fds);
        start_sending(&sending[0], fds[0], source, 30000000, SHA256);
        bs_test_run_for(20);
        clear(&sending[0]);
        ck_assert(read_bytes(fds[1], 30000000));
        close(fds[1]);
        unix_pair(fds);
        start_receiving(&receiving[0], fds[0], sink, 1000, SHA256);
        bs_test_run_for(5);
        clear(&receiving[0]);
        ck_assert(read_bytes(fds[1], 1));
        close(fds[1]);
    }
}
END_TEST

/* A worker that the disk holds up must not write into what the next one receives. */
START_TEST(test_begun_anew_while_the_disk_stalls)
{
    int fds[2];

    sink = sink_of("to");
    unix_pair(fds);
    stall_disk();
    start_receiving(&receiving[0], fds[1], sink, 200000, SHA256);
    write_bytes(fds[0], 100000, 99);
    wait_for_stall(1);
    clear(&receiving[0]);
    close(fds[0]);
    ck_assert(sink->restart(sink, 0, NULL));
    unix_pair(fds);
    start_receiving(&receiving[0], fds[1], sink, 50000, SHA256);
    write_bytes(fds[0], 50000, 0);
    bs_test_run_for(20);
    ck_assert(!receiving[0].ended);
    ck_assert_uint_eq(bs_pump_moved(receiving[0].pump), 0);
    wake_disk();
    assert_complete(&receiving[0], 50000);
    finish_sink();
    assert_file("to", 0, 50000, 0);
    close(fds[0]);
}
END_TEST

START_TEST(test_begun_anew_is_cut)
{
    int fds[2];

    sink = sink_of("to");
    unix_pair(fds);
    start_receiving(&receiving[0], fds[1], sink, 100000, SHA256);
    write_bytes(fds[0], 90000, 99);
    close(fds[0]);
    assert_failed(&receiving[0], BS_STREAM_ERROR_PEER_CLOSED);
    clear(&receiving[0]);
    ck_assert(sink->restart(sink, 0, NULL));
    if (_i == 1) {
        unix_pair(fds);
        start_receiving(&receiving[0], fds[1], sink, 10, SHA256);
        write_bytes(fds[0], 10, 0);
        assert_complete(&receiving[0], 10);
        close(fds[0]);
    }
    finish_sink();
    assert_file("to", 0, _i == 1 ? 10 : 0, 0);
}
END_TEST

START_TEST(test_cancelled_at_every_moment)
{
    for (guint i = 0; i < 20; i++) {
        int fds[2];

        source = source_of("from", 3000000);
        sink = sink_of("to");
        tcp_pair(fds);
        start_sending(&sending[0], fds[0], source, 3000000, SHA256);
        start_receiving(&receiving[0], fds[1], sink, 3000000, SHA256);
        for (int turn = 0; turn < _i; turn++)
            g_main_context_iteration(NULL, FALSE);
        g_usleep((gulong)(i * 50));
        if (i % 3 != 0)
            clear(&sending[0]);
        if (i % 3 != 1)
            clear(&receiving[0]);
        g_main_context_iteration(NULL, FALSE);
        clear(&sending[0]);
        clear(&receiving[0]);
        close_source();
        discard_sink();
    }
}
END_TEST

START_TEST(test_freed_in_events)
{
    int fds[2];

    source = source_of("from", 3000000);
    sink = sink_of("to");
    tcp_pair(fds);
    sending[0].free_in_progress = receiving[0].free_in_progress = _i == 0;
    sending[0].free_in_done = receiving[0].free_in_done = _i == 1;
    start_sending(&sending[0], fds[0], source, 3000000, SHA256);
    start_receiving(&receiving[0], fds[1], sink, 3000000, SHA256);
    while (sending[0].pump != NULL || (receiving[0].pump != NULL && !receiving[0].ended))
        bs_test_run_for(1);
    ck_assert_int_eq(sending[0].ended, _i == 1);
}
END_TEST

/* The pump's ticks of some seconds, in milliseconds. */
static guint
hasty_timeout(guint seconds, GSourceFunc function, gpointer data)
{
    return g_timeout_add(seconds, function, data);
}

START_TEST(test_stall)
{
    PurpleEventLoopUiOps *usual = purple_eventloop_get_ui_ops();
    static PurpleEventLoopUiOps hasty;
    int fds[2];
    int others[2];

    hasty = *usual;
    hasty.timeout_add_seconds = hasty_timeout;
    purple_eventloop_set_ui_ops(&hasty);
    source = source_of("from", 30000000);
    sink = sink_of("to");
    tcp_pair(fds);
    unix_pair(others);
    start_sending(&sending[0], fds[0], source, 30000000, SHA256);
    start_receiving(&receiving[0], others[1], sink, 1000, SHA256);
    assert_failed(&sending[0], BS_STREAM_ERROR_STALLED);
    assert_failed(&receiving[0], BS_STREAM_ERROR_STALLED);
    purple_eventloop_set_ui_ops(usual);
    close(fds[1]);
    close(others[0]);
}
END_TEST

/* A disk that takes long to sync does not hold the event loop, and a file that is not wanted meanwhile gets
 * no name. */
START_TEST(test_finish_while_the_disk_stalls)
{
    g_autofree char *path = path_of("to");
    Story story = {0};
    BsFinish *finish;

    sink = sink_of("to");
    ck_assert_int_eq(sink->write(sink, (const guint8 *)"text", 4, NULL), 4);
    stall_disk();
    finish = bs_finish_new(g_steal_pointer(&sink), on_finished, &story);
    wait_for_stall(1);
    bs_test_run_for(10);
    ck_assert(!story.ended);
    if (_i == 1)
        bs_finish_cancel(finish);
    wake_disk();
    if (_i == 0)
        ck_assert(bs_test_run_until(&story.ended, HANG_SECONDS));
    wait_for_workers();
    bs_test_run_for(5);
    ck_assert_int_eq(story.ended, _i == 0);
    ck_assert(!story.failed);
    ck_assert_int_eq(g_file_test(path, G_FILE_TEST_EXISTS), _i == 0);
}
END_TEST

START_TEST(test_finish_fails)
{
    g_autofree char *path = path_of("to");
    Story story = {0};

    sink = sink_of("to");
    sync_code = _i == 0 ? EIO : 0;
    if (_i == 1)
        ck_assert_int_eq(g_mkdir(path, 0700), 0);
    bs_finish_new(g_steal_pointer(&sink), on_finished, &story);
    ck_assert(bs_test_run_until(&story.ended, HANG_SECONDS));
    ck_assert(story.failed);
    ck_assert_int_eq(story.code, BS_STREAM_ERROR_WRITE);
}
END_TEST

/* A sink that lends no file is finished in the event loop, but not before it has been asked to. */
static guint finished;
static guint discarded;

static gboolean
lone_finish(BsSink *lone, GError **error)
{
    (void)lone;
    finished++;
    g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_WRITE, "no");
    return FALSE;
}

static void
lone_discard(BsSink *lone)
{
    (void)lone;
    discarded++;
}

START_TEST(test_finish_in_the_event_loop)
{
    BsSink lone = {.finish = lone_finish, .discard = lone_discard};
    Story story = {0};

    finished = discarded = 0;
    bs_finish_cancel(bs_finish_new(&lone, on_finished, &story));
    bs_finish_cancel(NULL);
    bs_test_run_for(5);
    ck_assert_uint_eq(discarded, 1);
    bs_finish_new(&lone, on_finished, &story);
    ck_assert_uint_eq(finished, 0);
    ck_assert(bs_test_run_until(&story.ended, HANG_SECONDS));
    ck_assert(story.failed);
    ck_assert_uint_eq(finished, 1);
    ck_assert_uint_eq(discarded, 1);
}
END_TEST

static TCase *
moving_tests(void)
{
    TCase *tcase = tcase_create("moving");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, test_whole_file, 0, G_N_ELEMENTS(lengths));
    tcase_add_test(tcase, test_from_the_middle);
    tcase_add_test(tcase, test_short_calls);
    tcase_add_loop_test(tcase, test_interrupted_calls, 0, 2);
    tcase_add_loop_test(tcase, test_without_sendfile, 0, 3);
    tcase_add_test(tcase, test_four_at_once);
    tcase_add_test(tcase, test_unknown_size);
    return tcase;
}

static TCase *
failing_tests(void)
{
    TCase *tcase = tcase_create("failing");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, test_full_disk, 0, 20);
    tcase_add_loop_test(tcase, test_unreadable, 0, 3);
    tcase_add_loop_test(tcase, test_reset_while_receiving, 0, 7);
    tcase_add_loop_test(tcase, test_reset_while_sending, 0, 6);
    tcase_add_test(tcase, test_too_few_and_too_many_bytes);
    tcase_add_loop_test(tcase, test_file_changes, 0, 6);
    tcase_add_loop_test(tcase, test_file_has_changed_since_it_was_opened, 0, 6);
    tcase_add_test(tcase, test_stall);
    return tcase;
}

static TCase *
ending_tests(void)
{
    TCase *tcase = tcase_create("ending");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, test_cancelled_while_the_disk_stalls, 0, 3);
    tcase_add_test(tcase, test_cancelled_while_the_peer_hangs);
    tcase_add_test(tcase, test_begun_anew_while_the_disk_stalls);
    tcase_add_loop_test(tcase, test_begun_anew_is_cut, 0, 2);
    tcase_add_loop_test(tcase, test_cancelled_at_every_moment, 0, 8);
    tcase_add_loop_test(tcase, test_freed_in_events, 0, 2);
    tcase_add_loop_test(tcase, test_finish_while_the_disk_stalls, 0, 2);
    tcase_add_loop_test(tcase, test_finish_fails, 0, 2);
    tcase_add_test(tcase, test_finish_in_the_event_loop);
    return tcase;
}

int
main(void)
{
    Suite *suite = suite_create("pump_files");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, moving_tests());
    suite_add_tcase(suite, failing_tests());
    suite_add_tcase(suite, ending_tests());
    srunner_set_fork_status(runner, CK_NOFORK);
    main_thread = pthread_self();
    bs_test_purple_start();
    bs_digest_init();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
