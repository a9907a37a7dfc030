/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <dlfcn.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "stream/checkpoints.h"
#include "support/purple_env.h"
#include "worker.h"

#define HANG_SECONDS 60
#define MIB (1024 * 1024)
#define SHA256 (1u << BS_HASH_SHA256)
#define LENGTH (20 * MIB)

/* The disk: this definition stands before libc's. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static gboolean disk_stalls;

ssize_t
pread(int fd, void *buffer, size_t count, off_t offset)
{
    ssize_t (*real)(int, void *, size_t, off_t) =
        (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");

    pthread_mutex_lock(&gate);
    while (disk_stalls)
        pthread_cond_wait(&gate_moved, &gate);
    pthread_mutex_unlock(&gate);
    return real(fd, buffer, count, offset);
}

static void
set_disk(gboolean stalls)
{
    pthread_mutex_lock(&gate);
    disk_stalls = stalls;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate);
}

static char *folder;
static char *part;
static char *path; /* of the checkpoints */
static guint8 *bytes;

static gboolean told;
static guint64 length;
static BsDigest *digest;

static void
set_up(void)
{
    folder = g_dir_make_tmp("bytestreams-checkpoints-XXXXXX", NULL);
    part = g_build_filename(folder, "part", NULL);
    path = g_build_filename(folder, "checkpoints", NULL);
    bytes = g_malloc(LENGTH);
    for (gsize i = 0; i < LENGTH; i++)
        bytes[i] = (guint8)(i * 7 + i / 251);
    told = FALSE;
    digest = NULL;
    ck_assert(g_file_set_contents(part, (const char *)bytes, LENGTH, NULL));
}

static void
tear_down(void)
{
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    g_clear_pointer(&digest, bs_digest_free);
    g_unlink(part);
    g_unlink(path);
    g_rmdir(folder);
    g_free(part);
    g_free(path);
    g_free(folder);
    g_free(bytes);
}

/* As a worker does that writes in pieces of 1 MiB; the last one `until`. */
static void
take_notes(guint64 from, guint64 until, gboolean last)
{
    BsCheckpoints *checkpoints = bs_checkpoints_open(path, LENGTH);
    g_autoptr(BsDigest) running = bs_digest_new(SHA256);
    guint64 at = from;

    ck_assert_ptr_nonnull(checkpoints);
    bs_digest_update(running, bytes, from);
    while (at < until) {
        gsize count = MIN(MIB, until - at);

        bs_digest_update(running, bytes + at, count);
        at += count;
        bs_checkpoints_add(checkpoints, at, running, last && at == until);
    }
    bs_checkpoints_close(checkpoints);
}

static void
known(guint64 result, BsDigest *taken, gpointer data)
{
    ck_assert_ptr_eq(data, folder);
    ck_assert(!told);
    told = TRUE;
    length = result;
    digest = taken;
}

static void
look(void)
{
    BsPrefix *prefix = bs_prefix_new(part, path, SHA256, known, folder);

    ck_assert(!told);
    ck_assert_ptr_nonnull(prefix);
    ck_assert(bs_test_run_until(&told, HANG_SECONDS));
    ck_assert_ptr_nonnull(digest);
}

/* The digest goes on from there to that of the whole file. */
static void
check_goes_on(guint64 expected)
{
    g_autoptr(BsDigest) whole = bs_digest_new(SHA256);
    guint8 right[BS_DIGEST_MAX];
    guint8 value[BS_DIGEST_MAX];

    ck_assert_uint_eq(length, expected);
    bs_digest_update(whole, bytes, LENGTH);
    bs_digest_update(digest, bytes + length, LENGTH - length);
    ck_assert(bs_digest_value(whole, BS_HASH_SHA256, right));
    ck_assert(bs_digest_value(digest, BS_HASH_SHA256, value));
    ck_assert_mem_eq(value, right, bs_hash_length(BS_HASH_SHA256));
}

static void
append(const char *text)
{
    FILE *file = fopen(path, "ab");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(a_worker_that_is_stopped_loses_nothing)
{
    take_notes(0, 7 * MIB + 123, TRUE);
    look();
    check_goes_on(7 * MIB + 123);
}
END_TEST

START_TEST(one_that_is_killed_loses_what_came_after_the_last_checkpoint)
{
    take_notes(0, 11 * MIB, FALSE);
    look();
    check_goes_on(8 * MIB);
}
END_TEST

START_TEST(a_disk_that_gives_nothing_is_not_waited_for)
{
    BsPrefix *prefix;

    take_notes(0, 5 * MIB, TRUE);
    set_disk(TRUE);
    bs_test_hurry(2000);
    prefix = bs_prefix_new(part, path, SHA256, known, folder);
    ck_assert_ptr_nonnull(prefix);
    ck_assert(bs_test_run_until(&told, HANG_SECONDS));
    bs_test_hurry(1);
    set_disk(FALSE);
    ck_assert_uint_eq(length, 0);
    ck_assert_ptr_null(digest);
}
END_TEST

/* It was told to stop, and has not come to it yet. */
START_TEST(a_worker_that_still_writes_is_waited_for)
{
    BsCheckpoints *checkpoints = bs_checkpoints_open(path, LENGTH);
    g_autoptr(BsDigest) running = bs_digest_new(SHA256);

    bs_prefix_new(part, path, SHA256, known, folder);
    bs_test_run_for(50);
    ck_assert(!told);
    bs_digest_update(running, bytes, 1000);
    bs_checkpoints_add(checkpoints, 1000, running, TRUE);
    bs_checkpoints_close(checkpoints);
    ck_assert(bs_test_run_until(&told, HANG_SECONDS));
    ck_assert_uint_eq(length, 1000);
}
END_TEST

START_TEST(several_runs_add_up)
{
    take_notes(0, 5 * MIB, TRUE);
    take_notes(5 * MIB, 13 * MIB, TRUE);
    look();
    check_goes_on(13 * MIB);
}
END_TEST

START_TEST(nothing_is_known_of_a_file_without_checkpoints)
{
    look();
    check_goes_on(0);
}
END_TEST

START_TEST(a_damaged_file_is_used_up_to_the_damage)
{
    const guint64 places[] = {0, 4 * MIB - 1, 4 * MIB, 9 * MIB};
    const guint64 right[] = {0, 0, 4 * MIB, 8 * MIB};
    FILE *file;

    take_notes(0, 16 * MIB, TRUE);
    file = fopen(part, "r+b");
    fseek(file, (long)places[_i], SEEK_SET);
    fputc(bytes[places[_i]] ^ 1, file);
    fclose(file);
    look();
    check_goes_on(right[_i]);
}
END_TEST

START_TEST(a_file_that_is_shorter_is_used_as_far_as_it_goes)
{
    take_notes(0, 16 * MIB, TRUE);
    ck_assert_int_eq(truncate(part, 10 * MIB), 0);
    look();
    check_goes_on(8 * MIB);
}
END_TEST

START_TEST(lines_that_are_none_do_not_count)
{
    const char *const lines[] = {
        "12582912 sha-256 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "12582912 sha-256\n",
        "-1 sha-256 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "99999999999999999999999 sha-256 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "12582912 sha-1024 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "12582912 sha-256 AAAA\n",
        "\n\n \x01\xff\n",
    };

    take_notes(0, 8 * MIB, FALSE);
    append(lines[_i]);
    look();
    check_goes_on(8 * MIB);
}
END_TEST

/* What is wrong stays so, whatever else agrees. */
START_TEST(a_wrong_hash_ends_it_there)
{
    take_notes(0, 8 * MIB, FALSE);
    append("9000000 sha-256 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    take_notes(8 * MIB, 16 * MIB, TRUE);
    look();
    check_goes_on(8 * MIB);
}
END_TEST

START_TEST(a_link_is_not_followed)
{
    g_autofree char *other = g_build_filename(folder, "other", NULL);

    take_notes(0, 8 * MIB, TRUE);
    ck_assert_int_eq(g_rename(part, other), 0);
    ck_assert_int_eq(symlink(other, part), 0);
    look();
    g_unlink(other);
    check_goes_on(0);
}
END_TEST

START_TEST(checkpoints_are_not_written_through_a_link)
{
    ck_assert_int_eq(symlink(part, path), 0);
    ck_assert_ptr_null(bs_checkpoints_open(path, LENGTH));
}
END_TEST

START_TEST(nobody_wants_to_know_any_more)
{
    BsPrefix *prefix;

    take_notes(0, LENGTH, TRUE);
    prefix = bs_prefix_new(part, path, SHA256, known, folder);
    bs_prefix_cancel(&prefix);
    ck_assert_ptr_null(prefix);
    bs_prefix_cancel(&prefix);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    bs_test_run_for(20);
    ck_assert(!told);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("checkpoints");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, a_worker_that_is_stopped_loses_nothing);
    tcase_add_test(all, one_that_is_killed_loses_what_came_after_the_last_checkpoint);
    tcase_add_test(all, a_disk_that_gives_nothing_is_not_waited_for);
    tcase_add_test(all, a_worker_that_still_writes_is_waited_for);
    tcase_add_test(all, several_runs_add_up);
    tcase_add_test(all, nothing_is_known_of_a_file_without_checkpoints);
    tcase_add_loop_test(all, a_damaged_file_is_used_up_to_the_damage, 0, 4);
    tcase_add_test(all, a_file_that_is_shorter_is_used_as_far_as_it_goes);
    tcase_add_loop_test(all, lines_that_are_none_do_not_count, 0, 7);
    tcase_add_test(all, a_wrong_hash_ends_it_there);
    tcase_add_test(all, a_link_is_not_followed);
    tcase_add_test(all, checkpoints_are_not_written_through_a_link);
    tcase_add_test(all, nobody_wants_to_know_any_more);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
