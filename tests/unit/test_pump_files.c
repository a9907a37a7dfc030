/* Pumps that move files between a socket and the disk: with a disk, a kernel and a peer that misbehave.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stream/disk_chores.h"

#include "disk_faults.h"
#include "pump_files.h"
#include "purple_env.h"
#include "sockets.h"

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
    faults.short_bytes = 7;
    move(0, 30000, TRUE, SHA256);
    faults.short_bytes = 1000;
    move(0, 300000, FALSE, SHA256);
    faults.no_sendfile = EINVAL;
    move(0, 300000, FALSE, SHA256);
}
END_TEST

START_TEST(test_interrupted_calls)
{
    faults.short_bytes = 5000;
    faults.interrupted_every = 3 + 2 * _i;
    move(0, 1000000, TRUE, SHA256);
    faults.no_sendfile = ENOSYS;
    move(0, 1000000, TRUE, SHA256);
}
END_TEST

START_TEST(test_without_sendfile)
{
    const int codes[] = {EINVAL, ENOSYS, EOPNOTSUPP};

    faults.no_sendfile = codes[_i];
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
    faults.short_bytes = 1000;
    faults.write_fails_at = _i * 1000;
    faults.fault_code = codes[_i % 3];
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
    faults.read_fails_at = 1000;
    if (_i == 1)
        faults.sends_nothing_from = 1000;
    if (_i == 2)
        faults.no_sendfile = EINVAL;
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
    faults.short_bytes = 1000;
    start_receiving(&receiving[0], fds[1], sink, 100000, SHA256);
    if (after[_i] > 0)
        write_bytes(fds[0], after[_i], 0);
    while (bs_pump_moved(receiving[0].pump) < after[_i])
        bs_test_run_for(1);
    reset_connection(fds[0]);
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
    reset_connection(fds[1]);
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

static TCase *
moving_tests(void)
{
    TCase *tcase = tcase_create("moving");

    tcase_add_checked_fixture(tcase, files_set_up, files_tear_down);
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

    tcase_add_checked_fixture(tcase, files_set_up, files_tear_down);
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

int
main(void)
{
    Suite *suite = suite_create("pump_files");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, moving_tests());
    suite_add_tcase(suite, failing_tests());
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    bs_digest_init();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
