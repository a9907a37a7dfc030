/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pump_files.h"

#include <check.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <utime.h>

#include "stream/disk_chores.h"
#include "stream/part_file.h"
#include "worker.h"

#include "disk_faults.h"
#include "purple_env.h"

#define HANG_SECONDS 60

Story sending[4];
Story receiving[4];
BsSource *source;
BsSink *sink;
static char *folder;
static guint descriptors;

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

char *
path_of(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static const struct utimbuf long_ago = {.actime = 1000000000, .modtime = 1000000000};

BsSource *
source_of(const char *name, gsize length)
{
    g_autofree char *path = path_of(name);
    GBytes *contents = contents_of(length, 0);
    BsSource *opened;

    ck_assert(g_file_set_contents(path, g_bytes_get_data(contents, NULL), (gssize)length, NULL));
    g_bytes_unref(contents);
    /* The clock of a file system may not tell two moments apart that follow each other closely. */
    ck_assert_int_eq(utime(path, &long_ago), 0);
    opened = bs_file_source_new(path, NULL, NULL);
    ck_assert_ptr_nonnull(opened);
    return opened;
}

BsSink *
sink_of(const char *name)
{
    g_autofree char *path = path_of(name);
    BsSink *created = bs_part_file_new(path, TRUE, NULL);

    ck_assert_ptr_nonnull(created);
    return created;
}

void
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

void
start_sending(Story *story, int fd, BsSource *from, guint64 length, guint hashes)
{
    story->pump = bs_pump_send("test", fd, from, length, hashes, &events, story);
}

void
start_receiving(Story *story, int fd, BsSink *to, guint64 length, guint hashes)
{
    story->pump = bs_pump_receive("test", fd, to, length, hashes, &events, story);
}

void
assert_complete(Story *story, guint64 length)
{
    ck_assert_msg(bs_test_run_until(&story->ended, HANG_SECONDS), "no end");
    ck_assert_msg(!story->failed, "failed: %d", story->code);
    ck_assert_uint_eq(bs_pump_moved(story->pump), length);
    ck_assert_uint_eq(story->last_moved, length);
}

void
assert_failed(Story *story, BsStreamError code)
{
    ck_assert_msg(bs_test_run_until(&story->ended, HANG_SECONDS), "no end");
    ck_assert(story->failed);
    ck_assert_int_eq(story->code, code);
}

void
clear(Story *story)
{
    Story none = {0};

    bs_pump_free(story->pump);
    *story = none;
}

void
wait_for_workers(void)
{
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
}

void
close_source(void)
{
    if (source != NULL)
        bs_source_close(g_steal_pointer(&source));
}

void
discard_sink(void)
{
    if (sink != NULL)
        bs_sink_discard(g_steal_pointer(&sink));
}

void
files_set_up(void)
{
    static guint number;

    disk_faults_none();
    folder = g_strdup_printf("%s/%u", bs_test_folder(), number++);
    ck_assert_int_eq(g_mkdir(folder, 0700), 0);
    descriptors = entries_of("/proc/self/fd");
}

void
files_tear_down(void)
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
    disk_faults_none();
    ck_assert_uint_eq(entries_of("/proc/self/fd"), descriptors);
    dir = g_dir_open(folder, 0, NULL);
    while ((name = g_dir_read_name(dir)) != NULL)
        ck_assert_msg(name[0] != '.', "%s was left", name);
    g_dir_close(dir);
    g_clear_pointer(&folder, g_free);
}

void
write_bytes(int fd, gsize count, guint8 seed)
{
    GBytes *contents = contents_of(count, seed);

    ck_assert_int_eq(send(fd, g_bytes_get_data(contents, NULL), count, MSG_NOSIGNAL | MSG_DONTWAIT),
                     (gssize)count);
    g_bytes_unref(contents);
}

gboolean
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

void
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

void
on_finished(const GError *error, gpointer data)
{
    Story *story = data;

    story->ended = TRUE;
    story->failed = error != NULL;
    story->code = error != NULL ? (BsStreamError)error->code : 0;
}

void
finish_sink(void)
{
    Story story = {0};

    bs_finish_new(g_steal_pointer(&sink), on_finished, &story);
    ck_assert(!story.ended);
    ck_assert(bs_test_run_until(&story.ended, HANG_SECONDS));
    ck_assert(!story.failed);
}
