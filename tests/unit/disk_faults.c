/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "disk_faults.h"

#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "purple_env.h"

#define HANG_SECONDS 60

DiskFaults faults = {
    .write_fails_at = NONE, .read_fails_at = NONE, .sends_nothing_from = NONE, .fault_code = EIO};

static pthread_t main_thread;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static gboolean disk_stalls;
static guint stalled; /* threads */

void
disk_faults_none(void)
{
    main_thread = pthread_self();
    faults = (DiskFaults){
        .write_fails_at = NONE, .read_fails_at = NONE, .sends_nothing_from = NONE, .fault_code = EIO};
}

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
    gint every = g_atomic_int_get(&faults.interrupted_every);

    if (!in_worker() || every == 0 || g_atomic_int_add(&faults.calls, 1) % every != 0)
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
    errno = g_atomic_int_get(&faults.fault_code);
    return TRUE;
}

static size_t
shortened(size_t count)
{
    gint most = g_atomic_int_get(&faults.short_bytes);

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
    if (is_interrupted() || fails_at(&faults.read_fails_at, offset))
        return -1;
    return real(fd, bytes, cut_before(&faults.read_fails_at, offset, shortened(count)), offset);
}

ssize_t
pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    ssize_t (*real)(int, const void *, size_t, off_t) = libc("pwrite");

    wait_for_disk();
    if (is_interrupted() || fails_at(&faults.write_fails_at, offset))
        return -1;
    return real(fd, bytes, cut_before(&faults.write_fails_at, offset, shortened(count)), offset);
}

ssize_t
sendfile(int socket, int fd, off_t *offset, size_t count)
{
    ssize_t (*real)(int, int, off_t *, size_t) = libc("sendfile");

    wait_for_disk();
    if (is_interrupted() || fails_at(&faults.sends_nothing_from, *offset))
        return -1;
    if (g_atomic_int_get(&faults.no_sendfile) != 0) {
        errno = g_atomic_int_get(&faults.no_sendfile);
        return -1;
    }
    return real(socket, fd, offset, cut_before(&faults.sends_nothing_from, *offset, shortened(count)));
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
    if (in_worker() && g_atomic_int_get(&faults.sync_code) != 0) {
        errno = g_atomic_int_get(&faults.sync_code);
        return -1;
    }
    return real(fd);
}

void
stall_disk(void)
{
    pthread_mutex_lock(&gate);
    disk_stalls = TRUE;
    pthread_mutex_unlock(&gate);
}

void
wake_disk(void)
{
    pthread_mutex_lock(&gate);
    disk_stalls = FALSE;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate);
}

guint
threads_stalled(void)
{
    guint count;

    pthread_mutex_lock(&gate);
    count = stalled;
    pthread_mutex_unlock(&gate);
    return count;
}

void
wait_for_stall(guint threads)
{
    gint64 deadline = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC;

    while (threads_stalled() < threads) {
        ck_assert_msg(g_get_monotonic_time() < deadline, "the disk is not asked");
        bs_test_run_for(1);
    }
}
