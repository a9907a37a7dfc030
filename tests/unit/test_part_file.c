/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/part_file.h"

#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../support/purple_env.h"

/* Faults of the disk: these definitions stand before libc's. */
static int rename_fault;
static int link_fault;
static int sync_fault;
static int write_fault;
static struct statvfs disk; /* no fragments: as it is */
static off_t file_bytes_max;
static long name_bytes_max;

int
fstatvfs(int fd, struct statvfs *info)
{
    int (*real)(int, struct statvfs *) = (int (*)(int, struct statvfs *))dlsym(RTLD_NEXT, "fstatvfs");

    if (disk.f_frsize == 0)
        return real(fd, info);
    *info = disk;
    return 0;
}

off_t
lseek(int fd, off_t offset, int whence)
{
    if (file_bytes_max > 0 && offset > file_bytes_max) {
        errno = EINVAL;
        return -1;
    }
    return syscall(SYS_lseek, fd, offset, whence);
}

long
fpathconf(int fd, int name)
{
    long (*real)(int, int) = (long (*)(int, int))dlsym(RTLD_NEXT, "fpathconf");

    return name_bytes_max != 0 ? name_bytes_max : real(fd, name);
}

int
renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags)
{
    if (rename_fault != 0) {
        errno = rename_fault;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

int
linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    if (link_fault != 0) {
        errno = link_fault;
        return -1;
    }
    return (int)syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
}

int
fsync(int fd)
{
    if (sync_fault != 0) {
        errno = sync_fault;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

ssize_t
write(int fd, const void *bytes, size_t count)
{
    if (write_fault != 0) {
        errno = write_fault;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, count);
}

/* A folder of each test's own. */
static char *folder;

static void
no_faults(void)
{
    rename_fault = link_fault = sync_fault = write_fault = 0;
    memset(&disk, 0, sizeof disk);
    file_bytes_max = 0;
    name_bytes_max = 0;
}

static void
set_up(void)
{
    static guint number;

    no_faults();
    folder = g_strdup_printf("%s/%u", bs_test_folder(), number++);
    ck_assert_int_eq(g_mkdir(folder, 0700), 0);
}

static void
tear_down(void)
{
    no_faults();
    g_clear_pointer(&folder, g_free);
}

static char *
in_folder(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static guint
files_in_folder(void)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    guint count = 0;

    ck_assert_ptr_nonnull(dir);
    while (g_dir_read_name(dir) != NULL)
        count++;
    g_dir_close(dir);
    return count;
}

static char *
only_name_in_folder(void)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    char *name = g_strdup(g_dir_read_name(dir));

    ck_assert_ptr_nonnull(name);
    ck_assert_ptr_null(g_dir_read_name(dir));
    g_dir_close(dir);
    return name;
}

static void
put(const char *name, const char *contents)
{
    g_autofree char *path = in_folder(name);

    ck_assert(g_file_set_contents(path, contents, -1, NULL));
}

static void
assert_contents(const char *name, const char *expected)
{
    g_autofree char *path = in_folder(name);
    g_autofree char *contents = NULL;

    ck_assert_msg(g_file_get_contents(path, &contents, NULL, NULL), "%s is not there", path);
    ck_assert_str_eq(contents, expected);
}

static BsSink *
sink_for(const char *name, gboolean replace)
{
    g_autofree char *target = in_folder(name);
    g_autoptr(GError) error = NULL;
    BsSink *sink = bs_part_file_new(target, replace, &error);

    ck_assert_msg(sink != NULL, "%s", error != NULL ? error->message : "no error");
    return sink;
}

static void
write_text(BsSink *sink, const char *text)
{
    gsize length = strlen(text);

    ck_assert_int_eq(sink->write(sink, (const guint8 *)text, length, NULL), (gssize)length);
}

/* Receives `contents` for `name`; the file must get the name `expected`. */
static void
receive(const char *name, gboolean replace, const char *contents, const char *expected)
{
    BsSink *sink = sink_for(name, replace);
    g_autofree char *expected_path = in_folder(expected);
    g_autofree char *final_name = NULL;
    g_autoptr(GError) error = NULL;

    bs_part_file_report_name(sink, &final_name);
    write_text(sink, contents);
    ck_assert_msg(sink->finish(sink, &error), "%s", error != NULL ? error->message : "no error");
    ck_assert_str_eq(final_name, expected_path);
    assert_contents(expected, contents);
}

static void
assert_cannot_finish(BsSink *sink, BsStreamError code)
{
    char *final_name = (char *)"untouched";
    g_autoptr(GError) error = NULL;

    bs_part_file_report_name(sink, &final_name);
    ck_assert(!sink->finish(sink, &error));
    ck_assert(g_error_matches(error, BS_STREAM_ERROR, (int)code));
    ck_assert_ptr_null(final_name);
}

static void
assert_cannot_begin(const char *target, BsStreamError code)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(bs_part_file_new(target, TRUE, &error));
    ck_assert(g_error_matches(error, BS_STREAM_ERROR, (int)code));
    g_clear_error(&error);
    ck_assert_ptr_null(bs_part_file_new(target, FALSE, &error));
    ck_assert(g_error_matches(error, BS_STREAM_ERROR, (int)code));
}

START_TEST(test_gets_its_name_at_the_end)
{
    BsSink *sink = sink_for("letter.txt", FALSE);
    g_autofree char *target = in_folder("letter.txt");
    g_autofree char *part = NULL;

    write_text(sink, "Dear ");
    write_text(sink, "Bob");
    ck_assert(!g_file_test(target, G_FILE_TEST_EXISTS));
    part = only_name_in_folder();
    ck_assert_msg(g_regex_match_simple("^\\.letter\\.txt\\.[a-z0-9]{6}\\.part$", part, 0, 0), "%s", part);
    ck_assert(sink->finish(sink, NULL));
    assert_contents("letter.txt", "Dear Bob");
    ck_assert_uint_eq(files_in_folder(), 1);
}
END_TEST

START_TEST(test_discard_leaves_nothing)
{
    BsSink *sink = sink_for("letter.txt", TRUE);

    write_text(sink, "Dear Bob");
    sink->discard(sink);
    ck_assert_uint_eq(files_in_folder(), 0);
}
END_TEST

START_TEST(test_empty_file)
{
    receive("empty", FALSE, "", "empty");
}
END_TEST

START_TEST(test_mode_follows_umask)
{
    mode_t old = umask(027);
    g_autofree char *path = in_folder("mode");
    struct stat info;

    receive("mode", FALSE, "x", "mode");
    umask(old);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 07777, 0640);
}
END_TEST

START_TEST(test_never_executable)
{
    mode_t old = umask(0);
    g_autofree char *path = in_folder("run.sh");
    struct stat info;

    receive("run.sh", FALSE, "#!/bin/sh\n", "run.sh");
    umask(old);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 07777, 0666);
}
END_TEST

START_TEST(test_replaces_only_when_told)
{
    put("a.txt", "old");
    receive("a.txt", TRUE, "new", "a.txt");
    ck_assert_uint_eq(files_in_folder(), 1);
    receive("a.txt", FALSE, "third", "a (1).txt");
    assert_contents("a.txt", "new");
    ck_assert_uint_eq(files_in_folder(), 2);
}
END_TEST

START_TEST(test_old_file_stands_until_the_end)
{
    BsSink *sink;

    put("a.txt", "old");
    sink = sink_for("a.txt", TRUE);
    write_text(sink, "new");
    assert_contents("a.txt", "old");
    sink->discard(sink);
    assert_contents("a.txt", "old");
    ck_assert_uint_eq(files_in_folder(), 1);
}
END_TEST

START_TEST(test_numbers_stand_before_the_extension)
{
    put("a.txt", "0");
    put("a (1).txt", "1");
    receive("a.txt", FALSE, "2", "a (2).txt");
    put("README", "0");
    receive("README", FALSE, "1", "README (1)");
    put(".hidden", "0");
    receive(".hidden", FALSE, "1", ".hidden (1)");
    put("Dr. Jekyll and Mr. Hyde", "0");
    receive("Dr. Jekyll and Mr. Hyde", FALSE, "1", "Dr. Jekyll and Mr. Hyde (1)");
    put("100%s%n.txt", "0");
    receive("100%s%n.txt", FALSE, "1", "100%s%n (1).txt");
}
END_TEST

START_TEST(test_two_at_once)
{
    BsSink *one = sink_for("a.txt", FALSE);
    BsSink *other = sink_for("a.txt", FALSE);

    write_text(one, "one");
    write_text(other, "other");
    ck_assert(other->finish(other, NULL));
    ck_assert(one->finish(one, NULL));
    assert_contents("a.txt", "other");
    assert_contents("a (1).txt", "one");
    ck_assert_uint_eq(files_in_folder(), 2);
}
END_TEST

START_TEST(test_gives_up_when_all_names_are_taken)
{
    put("a", "0");
    for (guint i = 1; i <= 999; i++) {
        g_autofree char *name = g_strdup_printf("a (%u)", i);
        g_autofree char *path = in_folder(name);
        FILE *file = fopen(path, "wx");

        ck_assert_ptr_nonnull(file);
        fclose(file);
    }
    assert_cannot_finish(sink_for("a", FALSE), BS_STREAM_ERROR_WRITE);
    ck_assert_uint_eq(files_in_folder(), 1000);
}
END_TEST

START_TEST(test_a_replaced_file_stays_private)
{
    g_autofree char *path = in_folder("secret");
    GStatBuf info;

    ck_assert(g_file_set_contents(path, "old", -1, NULL));
    ck_assert_int_eq(g_chmod(path, 0600), 0);
    receive("secret", TRUE, "new", "secret");
    ck_assert_int_eq(g_stat(path, &info), 0);
    ck_assert_int_eq(info.st_mode & 0777, 0600);
}
END_TEST

START_TEST(test_links_are_not_followed)
{
    g_autofree char *link = in_folder("link");
    g_autofree char *dangling = in_folder("dangling");
    g_autofree char *victim = in_folder("victim");

    put("victim", "precious");
    ck_assert_int_eq(symlink(victim, link), 0);
    ck_assert_int_eq(symlink("nowhere", dangling), 0);
    receive("link", FALSE, "new", "link (1)");
    receive("dangling", FALSE, "new", "dangling (1)");
    receive("link", TRUE, "new", "link");
    assert_contents("victim", "precious");
    ck_assert(!g_file_test(link, G_FILE_TEST_IS_SYMLINK));
}
END_TEST

/* File systems that cannot rename without replacing, and those that cannot link either. */
START_TEST(test_poor_file_systems)
{
    rename_fault = EINVAL;
    receive("a.txt", FALSE, "0", "a.txt");
    receive("a.txt", FALSE, "1", "a (1).txt");
    link_fault = EPERM;
    receive("b.txt", FALSE, "0", "b.txt");
    receive("b.txt", FALSE, "1", "b (1).txt");
    receive("a.txt", FALSE, "2", "a (2).txt");
    assert_contents("a.txt", "0");
    ck_assert_uint_eq(files_in_folder(), 5);
    sync_fault = EINVAL;
    receive("c.txt", FALSE, "0", "c.txt");
}
END_TEST

START_TEST(test_faults_at_the_end_leave_nothing)
{
    BsSink *sink = sink_for("a.txt", FALSE);

    sync_fault = EIO;
    assert_cannot_finish(sink, BS_STREAM_ERROR_WRITE);
    sync_fault = ENOSPC;
    assert_cannot_finish(sink_for("a.txt", TRUE), BS_STREAM_ERROR_NO_SPACE);
    sync_fault = 0;
    rename_fault = EACCES;
    assert_cannot_finish(sink_for("a.txt", FALSE), BS_STREAM_ERROR_WRITE);
    rename_fault = EINVAL;
    link_fault = EDQUOT;
    assert_cannot_finish(sink_for("a.txt", FALSE), BS_STREAM_ERROR_NO_SPACE);
    ck_assert_uint_eq(files_in_folder(), 0);
}
END_TEST

START_TEST(test_target_becomes_a_folder)
{
    BsSink *sink = sink_for("a", TRUE);
    g_autofree char *path = in_folder("a");

    ck_assert_int_eq(g_mkdir(path, 0700), 0);
    assert_cannot_finish(sink, BS_STREAM_ERROR_WRITE);
    ck_assert_uint_eq(files_in_folder(), 1);
    ck_assert_int_eq(g_rmdir(path), 0);
}
END_TEST

static void
assert_write_fails(int fault, BsStreamError code)
{
    BsSink *sink = sink_for("a.txt", TRUE);
    g_autoptr(GError) error = NULL;
    gssize count;

    write_text(sink, "some");
    write_fault = fault;
    count = sink->write(sink, (const guint8 *)"more", 4, &error);
    write_fault = 0;
    ck_assert_int_eq(count, -1);
    ck_assert(g_error_matches(error, BS_STREAM_ERROR, (int)code));
    ck_assert_str_eq(error->message, g_strerror(fault));
    sink->discard(sink);
    ck_assert_uint_eq(files_in_folder(), 0);
}

START_TEST(test_write_faults)
{
    assert_write_fails(ENOSPC, BS_STREAM_ERROR_NO_SPACE);
    assert_write_fails(EDQUOT, BS_STREAM_ERROR_NO_SPACE);
    assert_write_fails(EIO, BS_STREAM_ERROR_WRITE);
}
END_TEST

static void
set_disk(fsblkcnt_t blocks, fsblkcnt_t available)
{
    memset(&disk, 0, sizeof disk);
    disk.f_frsize = 512;
    disk.f_blocks = blocks;
    disk.f_bavail = available;
}

static void
assert_room(BsSink *sink, guint64 size, int fault)
{
    g_autoptr(GError) error = NULL;

    if (fault == 0) {
        ck_assert(bs_part_file_has_room(sink, size, &error));
        ck_assert_ptr_null(error);
    } else {
        ck_assert(!bs_part_file_has_room(sink, size, &error));
        ck_assert(g_error_matches(error, BS_STREAM_ERROR, BS_STREAM_ERROR_NO_SPACE));
        ck_assert_str_eq(error->message, g_strerror(fault));
    }
}

START_TEST(test_room_on_the_disk)
{
    BsSink *sink = sink_for("a.txt", FALSE);

    set_disk(100, 20);
    assert_room(sink, 0, 0);
    assert_room(sink, 20 * 512, 0);
    assert_room(sink, 20 * 512 + 1, ENOSPC);
    assert_room(sink, (guint64)1 << 40, ENOSPC);
    assert_room(sink, G_MAXUINT64 - 1, EFBIG);
    set_disk(100, 0);
    assert_room(sink, 0, 0);
    assert_room(sink, 1, ENOSPC);
    /* A file system that does not know. */
    set_disk(0, 0);
    assert_room(sink, 1, 0);
    set_disk(1000000, 1000000);
    file_bytes_max = 1000;
    assert_room(sink, 1000, 0);
    assert_room(sink, 1001, EFBIG);
    file_bytes_max = 0;
    write_text(sink, "text");
    assert_room(sink, 1000, 0);
    write_text(sink, " goes on");
    ck_assert(sink->finish(sink, NULL));
    assert_contents("a.txt", "text goes on");
}
END_TEST

START_TEST(test_what_is_there_already_needs_no_room)
{
    BsSink *sink = sink_for("a.txt", FALSE);
    g_autofree char *text = g_strnfill(1000000, 'x');

    write_text(sink, text);
    ck_assert(sink->sync(sink, NULL));
    set_disk(10000, 1);
    assert_room(sink, 1000000, 0);
    assert_room(sink, 2000000, ENOSPC);
    sink->discard(sink);
}
END_TEST

START_TEST(test_folder_vanishes)
{
    BsSink *sink = sink_for("a.txt", _i);
    g_autofree char *part = only_name_in_folder();
    g_autofree char *path = in_folder(part);

    write_text(sink, "text");
    ck_assert_int_eq(g_unlink(path), 0);
    ck_assert_int_eq(g_rmdir(folder), 0);
    write_text(sink, "more");
    assert_cannot_finish(sink, BS_STREAM_ERROR_WRITE);
    ck_assert(!g_file_test(folder, G_FILE_TEST_EXISTS));
}
END_TEST

START_TEST(test_short_names_only)
{
    g_autofree char *name = g_strnfill(140, 'x');
    g_autofree char *shorter = g_strndup(name, 139);
    g_autofree char *numbered = g_strconcat(shorter, " (1)", NULL);
    g_autofree char *part = NULL;
    g_autofree char *too_long = g_strnfill(144, 'x');
    g_autofree char *too_long_path = in_folder(too_long);
    BsSink *sink;

    name_bytes_max = 143;
    sink = sink_for(name, FALSE);
    part = only_name_in_folder();
    ck_assert_uint_le(strlen(part), 143);
    sink->discard(sink);
    receive(name, FALSE, "0", name);
    receive(name, FALSE, "1", numbered);
    assert_cannot_begin(too_long_path, BS_STREAM_ERROR_WRITE);
}
END_TEST

START_TEST(test_refuses_impossible_targets)
{
    g_autofree char *no_folder = in_folder("missing/a.txt");
    g_autofree char *slash = in_folder("a.txt/");
    g_autofree char *dots = in_folder("..");
    g_autofree char *long_name = g_strnfill(256, 'x');
    g_autofree char *too_long = in_folder(long_name);

    assert_cannot_begin(no_folder, BS_STREAM_ERROR_WRITE);
    assert_cannot_begin(slash, BS_STREAM_ERROR_WRITE);
    assert_cannot_begin(dots, BS_STREAM_ERROR_WRITE);
    assert_cannot_begin(folder, BS_STREAM_ERROR_WRITE);
    assert_cannot_begin("/", BS_STREAM_ERROR_WRITE);
    assert_cannot_begin("", BS_STREAM_ERROR_WRITE);
    assert_cannot_begin(too_long, BS_STREAM_ERROR_WRITE);
    ck_assert_uint_eq(files_in_folder(), 0);
}
END_TEST

START_TEST(test_says_that_it_is_a_folder)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(bs_part_file_new(folder, TRUE, &error));
    ck_assert_str_eq(error->message, g_strerror(EISDIR));
}
END_TEST

START_TEST(test_long_names)
{
    g_autofree char *stem = g_strnfill(251, 'x');
    g_autofree char *ascii = g_strconcat(stem, ".txt", NULL);
    g_autofree char *shorter = g_strndup(stem, 247);
    g_autofree char *numbered = g_strconcat(shorter, " (1).txt", NULL);
    GString *euros = g_string_new(NULL);
    g_autofree char *part = NULL;
    BsSink *sink;

    receive(ascii, FALSE, "0", ascii);
    receive(ascii, FALSE, "1", numbered);
    tear_down();
    set_up();
    for (guint i = 0; i < 85; i++)
        g_string_append(euros, "\342\202\254");
    sink = sink_for(euros->str, FALSE);
    part = only_name_in_folder();
    ck_assert(g_utf8_validate(part, -1, NULL));
    ck_assert_uint_ge(strlen(part), 250);
    ck_assert(sink->finish(sink, NULL));
    assert_contents(euros->str, "");
    g_string_free(euros, TRUE);
}
END_TEST

START_TEST(test_names_that_are_not_utf8)
{
    g_autofree char *name = g_strnfill(255, '\200');

    receive(name, FALSE, "0", name);
    receive("caf\351", FALSE, "0", "caf\351");
    receive("caf\351", FALSE, "1", "caf\351 (1)");
}
END_TEST

START_TEST(test_folder_is_moved_meanwhile)
{
    BsSink *sink = sink_for("a.txt", FALSE);
    g_autofree char *moved = g_strconcat(folder, "-moved", NULL);

    ck_assert_int_eq(g_rename(folder, moved), 0);
    write_text(sink, "text");
    ck_assert(sink->finish(sink, NULL));
    g_free(folder);
    folder = g_steal_pointer(&moved);
    assert_contents("a.txt", "text");
    ck_assert_uint_eq(files_in_folder(), 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("part_file");
    TCase *tcase = tcase_create("part file");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, test_gets_its_name_at_the_end);
    tcase_add_test(tcase, test_discard_leaves_nothing);
    tcase_add_test(tcase, test_empty_file);
    tcase_add_test(tcase, test_mode_follows_umask);
    tcase_add_test(tcase, test_never_executable);
    tcase_add_test(tcase, test_replaces_only_when_told);
    tcase_add_test(tcase, test_old_file_stands_until_the_end);
    tcase_add_test(tcase, test_numbers_stand_before_the_extension);
    tcase_add_test(tcase, test_two_at_once);
    tcase_add_test(tcase, test_gives_up_when_all_names_are_taken);
    tcase_add_test(tcase, test_a_replaced_file_stays_private);
    tcase_add_test(tcase, test_links_are_not_followed);
    tcase_add_test(tcase, test_poor_file_systems);
    tcase_add_test(tcase, test_faults_at_the_end_leave_nothing);
    tcase_add_test(tcase, test_target_becomes_a_folder);
    tcase_add_test(tcase, test_write_faults);
    tcase_add_test(tcase, test_room_on_the_disk);
    tcase_add_test(tcase, test_what_is_there_already_needs_no_room);
    tcase_add_loop_test(tcase, test_folder_vanishes, 0, 2);
    tcase_add_test(tcase, test_short_names_only);
    tcase_add_test(tcase, test_refuses_impossible_targets);
    tcase_add_test(tcase, test_says_that_it_is_a_folder);
    tcase_add_test(tcase, test_long_names);
    tcase_add_test(tcase, test_names_that_are_not_utf8);
    tcase_add_test(tcase, test_folder_is_moved_meanwhile);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
