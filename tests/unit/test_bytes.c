/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/bytes.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "../support/purple_env.h"

static char *
file_with(const char *name, const char *contents)
{
    char *path = g_build_filename(bs_test_folder(), name, NULL);

    ck_assert(g_file_set_contents(path, contents, -1, NULL));
    return path;
}

static char *
read_all(BsSource *source, gsize at_once)
{
    GString *text = g_string_new(NULL);
    guint8 buffer[64];
    gssize count;
    g_autoptr(GError) error = NULL;

    while ((count = source->read(source, buffer, at_once, &error)) > 0)
        g_string_append_len(text, (const char *)buffer, count);
    ck_assert_int_eq(count, 0);
    ck_assert_ptr_null(error);
    return g_string_free(text, FALSE);
}

static void
assert_refused(const char *path)
{
    g_autoptr(GError) error = NULL;
    guint64 size = 0;

    ck_assert_ptr_null(bs_file_source_new(path, &size, &error));
    ck_assert(g_error_matches(error, BS_STREAM_ERROR, BS_STREAM_ERROR_READ));
    ck_assert_uint_gt(strlen(error->message), 0);
}

START_TEST(test_reads_whole_file)
{
    g_autofree char *path = file_with("whole", "The quick brown fox");
    guint64 size = 0;
    BsSource *source = bs_file_source_new(path, &size, NULL);
    g_autofree char *text = NULL;

    ck_assert_ptr_nonnull(source);
    ck_assert_uint_eq(size, 19);
    text = read_all(source, 5);
    ck_assert_str_eq(text, "The quick brown fox");
    source->close(source);
}
END_TEST

START_TEST(test_begins_at_offset)
{
    g_autofree char *path = file_with("offset", "The quick brown fox");
    BsSource *source = bs_file_source_new(path, NULL, NULL);
    g_autofree char *text = NULL;

    ck_assert_ptr_nonnull(source);
    ck_assert(source->seek(source, 10, NULL));
    text = read_all(source, 64);
    ck_assert_str_eq(text, "brown fox");
    source->close(source);
}
END_TEST

START_TEST(test_refuses_impossible_offset)
{
    g_autofree char *path = file_with("impossible", "x");
    BsSource *source = bs_file_source_new(path, NULL, NULL);
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_nonnull(source);
    ck_assert(!source->seek(source, G_MAXUINT64, &error));
    ck_assert(g_error_matches(error, BS_STREAM_ERROR, BS_STREAM_ERROR_READ));
    source->close(source);
}
END_TEST

START_TEST(test_empty_file)
{
    g_autofree char *path = file_with("empty", "");
    guint64 size = 7;
    BsSource *source = bs_file_source_new(path, &size, NULL);
    g_autofree char *text = NULL;

    ck_assert_ptr_nonnull(source);
    ck_assert_uint_eq(size, 0);
    text = read_all(source, 64);
    ck_assert_str_eq(text, "");
    source->close(source);
}
END_TEST

START_TEST(test_size_beyond_32_bits)
{
    g_autofree char *path = file_with("huge", "");
    guint64 size = 0;
    BsSource *source;
    guint8 byte = 1;

    ck_assert_int_eq(truncate(path, 5000000001), 0);
    source = bs_file_source_new(path, &size, NULL);
    ck_assert_ptr_nonnull(source);
    ck_assert_uint_eq(size, 5000000001u);
    ck_assert(source->seek(source, 5000000000u, NULL));
    ck_assert_int_eq(source->read(source, &byte, 1, NULL), 1);
    ck_assert_uint_eq(byte, 0);
    ck_assert_int_eq(source->read(source, &byte, 1, NULL), 0);
    source->close(source);
}
END_TEST

/* It is written to, becomes longer, becomes shorter. */
START_TEST(test_reads_nothing_of_a_changed_file)
{
    const struct utimbuf long_ago = {.actime = 1000000000, .modtime = 1000000000};
    g_autofree char *path = file_with("changed", "0123456789");
    g_autoptr(GError) error = NULL;
    guint8 bytes[4];
    BsSource *source;
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    ck_assert_int_eq(utime(path, &long_ago), 0);
    source = bs_file_source_new(path, NULL, NULL);
    ck_assert_ptr_nonnull(source);
    ck_assert_int_eq(source->read(source, bytes, 4, NULL), 4);
    if (_i < 2)
        ck_assert_int_eq(pwrite(fd, "news", 4, _i * 10), 4);
    else
        ck_assert_int_eq(ftruncate(fd, 6), 0);
    close(fd);
    ck_assert_int_eq(source->read(source, bytes, 4, &error), -1);
    ck_assert(g_error_matches(error, BS_STREAM_ERROR, BS_STREAM_ERROR_CHANGED));
    source->close(source);
}
END_TEST

START_TEST(test_refuses_what_is_no_file)
{
    g_autofree char *fifo = g_build_filename(bs_test_folder(), "fifo", NULL);
    g_autofree char *missing = g_build_filename(bs_test_folder(), "missing", NULL);

    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    assert_refused(fifo);
    assert_refused(missing);
    assert_refused(bs_test_folder());
    assert_refused("/dev/null");
    assert_refused("");
}
END_TEST

START_TEST(test_says_what_the_system_says)
{
    g_autofree char *missing = g_build_filename(bs_test_folder(), "missing", NULL);
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(bs_file_source_new(missing, NULL, &error));
    ck_assert_str_eq(error->message, g_strerror(ENOENT));
    g_clear_error(&error);
    ck_assert_ptr_null(bs_file_source_new(bs_test_folder(), NULL, &error));
    ck_assert_str_eq(error->message, g_strerror(EISDIR));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("bytes");
    TCase *tcase = tcase_create("file source");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, test_reads_whole_file);
    tcase_add_test(tcase, test_begins_at_offset);
    tcase_add_test(tcase, test_refuses_impossible_offset);
    tcase_add_test(tcase, test_empty_file);
    tcase_add_test(tcase, test_size_beyond_32_bits);
    tcase_add_loop_test(tcase, test_reads_nothing_of_a_changed_file, 0, 3);
    tcase_add_test(tcase, test_refuses_what_is_no_file);
    tcase_add_test(tcase, test_says_what_the_system_says);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
