/* How a pump ends, and how it fails.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/part_file.h"

#include "pump_ends.h"
#include "purple_env.h"
#include "sockets.h"

START_TEST(test_source_fails_midway)
{
    const GQuark domains[] = {BS_STREAM_ERROR, BS_STREAM_ERROR, G_FILE_ERROR};
    const BsStreamError codes[] = {BS_STREAM_ERROR_READ, BS_STREAM_ERROR_CHANGED, 0};
    const BsStreamError expected[] = {BS_STREAM_ERROR_READ, BS_STREAM_ERROR_CHANGED, BS_STREAM_ERROR_READ};
    gboolean at_end;
    int fds[2];

    giver = fake_source(100000, &sending.pump);
    unix_pair(fds);
    giver.at_once = 10000;
    giver.fails_at = 50000;
    giver.fails_with = domains[_i];
    giver.code = codes[_i];
    start_sending(&sending, fds[0], &giver.source, 100000);
    assert_failed(&sending, expected[_i]);
    ck_assert_str_eq(sending.message, "the source fails");
    ck_assert_uint_eq(bs_pump_moved(sending.pump), 50000);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 100000, &at_end), 50000);
    ck_assert(!bs_pump_flushed(sending.pump));
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_file_shrinks)
{
    g_autofree char *path = g_build_filename(bs_test_folder(), "shrinks", NULL);
    g_autofree char *contents = g_malloc0(2000000);
    BsSource *source;
    guint64 size;
    int fds[2];

    ck_assert(g_file_set_contents(path, contents, 2000000, NULL));
    source = bs_file_source_new(path, &size, NULL);
    ck_assert_ptr_nonnull(source);
    unix_pair(fds);
    start_sending(&sending, fds[0], source, size);
    bs_test_run_for(20);
    ck_assert(!sending.ended);
    ck_assert_int_eq(truncate(path, 1000), 0);
    while (!sending.ended) {
        char buffer[65536];

        if (recv(fds[1], buffer, sizeof buffer, MSG_DONTWAIT) == 0)
            break;
        bs_test_run_for(1);
    }
    assert_failed(&sending, BS_STREAM_ERROR_CHANGED);
    clear(&sending);
    close(fds[1]);
    source->close(source);
}
END_TEST

START_TEST(test_sink_fails_midway)
{
    const GQuark domains[] = {BS_STREAM_ERROR, BS_STREAM_ERROR, G_FILE_ERROR};
    const BsStreamError codes[] = {BS_STREAM_ERROR_WRITE, BS_STREAM_ERROR_NO_SPACE, 0};
    const BsStreamError expected[] = {BS_STREAM_ERROR_WRITE, BS_STREAM_ERROR_NO_SPACE, BS_STREAM_ERROR_WRITE};
    int fds[2];

    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    taker.at_once = 100;
    taker.fails_at = 500;
    taker.fails_with = domains[_i];
    taker.code = codes[_i];
    start_receiving(&receiving, fds[1], &taker.sink, 1000);
    write_bytes(fds[0], 0, 1000);
    assert_failed(&receiving, expected[_i]);
    ck_assert_str_eq(receiving.message, "the sink fails");
    ck_assert_uint_eq(bs_pump_moved(receiving.pump), 500);
    ck_assert(at_end_soon(fds[0]));
    clear(&receiving);
    close(fds[0]);
}
END_TEST

START_TEST(test_peer_closes_before_the_last_byte)
{
    int fds[2];

    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    write_bytes(fds[0], 0, 999);
    close(fds[0]);
    start_receiving(&receiving, fds[1], &taker.sink, 1000);
    assert_failed(&receiving, BS_STREAM_ERROR_PEER_CLOSED);
    ck_assert_uint_eq(taker.position, 999);
    ck_assert_uint_eq(receiving.progresses, 0);
    clear(&receiving);
}
END_TEST

START_TEST(test_peer_sends_too_much)
{
    int fds[2];

    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    write_bytes(fds[0], 0, 1001);
    start_receiving(&receiving, fds[1], &taker.sink, 1000);
    assert_failed(&receiving, BS_STREAM_ERROR_TOO_MUCH);
    ck_assert_uint_eq(taker.position, 1000);
    clear(&receiving);
    close(fds[0]);
}
END_TEST

START_TEST(test_reset_while_receiving)
{
    for (guint known = 0; known < 2; known++) {
        int fds[2];

        taker = fake_sink(&receiving.pump);
        tcp_pair(fds);
        start_receiving(&receiving, fds[1], &taker.sink, known != 0 ? 1000 : BS_SIZE_UNKNOWN);
        write_bytes(fds[0], 0, 100);
        bs_test_run_for(10);
        reset_connection(fds[0]);
        assert_failed(&receiving, BS_STREAM_ERROR_CONNECTION);
        clear(&receiving);
    }
}
END_TEST

START_TEST(test_reset_while_sending)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(NEVER, &sending.pump);
    tcp_pair(fds);
    start_sending(&sending, fds[0], &giver.source, NEVER - 1);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 100000, &at_end), 100000);
    ck_assert(!sending.ended);
    reset_connection(fds[1]);
    assert_failed(&sending, BS_STREAM_ERROR_CONNECTION);
    clear(&sending);
}
END_TEST

START_TEST(test_broken_pipe)
{
    int fds[2];

    giver = fake_source(100, &sending.pump);
    unix_pair(fds);
    close(fds[1]);
    start_sending(&sending, fds[0], &giver.source, 100);
    assert_failed(&sending, BS_STREAM_ERROR_CONNECTION);
    ck_assert_str_eq(sending.message, g_strerror(EPIPE));
    clear(&sending);
}
END_TEST

/* A peer that ends its own half at once still takes the whole file. */
START_TEST(test_half_close_is_no_end)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(6000000, &sending.pump);
    tcp_pair(fds);
    shutdown(fds[1], SHUT_WR);
    start_sending(&sending, fds[0], &giver.source, 6000000);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 6000001, &at_end), 6000000);
    ck_assert(at_end);
    assert_complete(&sending, 6000000);
    wait_until(bs_pump_peer_closed, sending.pump, "peer closed");
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_end_of_sending)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(1000, &sending.pump);
    tcp_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 1000);
    assert_complete(&sending, 1000);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 1001, &at_end), 1000);
    ck_assert(at_end);
    wait_until(bs_pump_flushed, sending.pump, "flushed");
    ck_assert(!bs_pump_peer_closed(sending.pump));
    write_bytes(fds[1], 0, 10);
    bs_test_run_for(10);
    ck_assert(!bs_pump_peer_closed(sending.pump));
    close(fds[1]);
    wait_until(bs_pump_peer_closed, sending.pump, "peer closed");
    ck_assert(!bs_pump_peer_reset(sending.pump));
    ck_assert(bs_pump_flushed(sending.pump));
    ck_assert_uint_eq(sending.ends, 1);
    clear(&sending);
}
END_TEST

START_TEST(test_not_flushed_while_the_peer_does_not_take_it)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(1000, &sending.pump);
    unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 1000);
    assert_complete(&sending, 1000);
    ck_assert(!bs_pump_flushed(sending.pump));
    ck_assert_uint_eq(read_bytes(fds[1], 0, 1001, &at_end), 1000);
    ck_assert(bs_pump_flushed(sending.pump));
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_reset_after_the_end_is_no_error)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(1000, &sending.pump);
    tcp_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 1000);
    assert_complete(&sending, 1000);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 1001, &at_end), 1000);
    wait_until(bs_pump_flushed, sending.pump, "flushed");
    reset_connection(fds[1]);
    wait_until(bs_pump_peer_closed, sending.pump, "peer closed");
    ck_assert(bs_pump_peer_reset(sending.pump));
    ck_assert_uint_eq(sending.ends, 1);
    ck_assert(!sending.failed);
    ck_assert(bs_pump_flushed(sending.pump));
    clear(&sending);
}
END_TEST

START_TEST(test_flood_after_the_end)
{
    static const guint8 noise[4096];
    int small = 16384;
    guint64 flood = 0;
    int fds[2];

    giver = fake_source(10, &sending.pump);
    unix_pair(fds);
    ck_assert_int_eq(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    start_sending(&sending, fds[0], &giver.source, 10);
    assert_complete(&sending, 10);
    for (guint quiet = 0; quiet < 20;) {
        gssize count = send(fds[1], noise, sizeof noise, MSG_DONTWAIT | MSG_NOSIGNAL);

        quiet = count > 0 ? 0 : quiet + 1;
        flood += count > 0 ? (guint64)count : 0;
        ck_assert_uint_lt(flood, 1000000);
        if (count <= 0)
            bs_test_run_for(5);
    }
    ck_assert_uint_ge(flood, 64 * 1024);
    ck_assert(!bs_pump_peer_closed(sending.pump));
    ck_assert_uint_eq(sending.ends, 1);
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_something_where_nothing_was_announced)
{
    int fds[2];

    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    write_bytes(fds[0], 0, 1);
    start_receiving(&receiving, fds[1], &taker.sink, 0);
    assert_failed(&receiving, BS_STREAM_ERROR_TOO_MUCH);
    ck_assert_uint_eq(taker.position, 0);
    clear(&receiving);
    close(fds[0]);
}
END_TEST

START_TEST(test_freed_at_once)
{
    int fds[2];

    giver = fake_source(1000, &sending.pump);
    taker = fake_sink(&sending.pump);
    unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 1000);
    clear(&sending);
    ck_assert(at_end_soon(fds[1]));
    close(fds[1]);
    unix_pair(fds);
    start_receiving(&sending, fds[1], &taker.sink, 1000);
    clear(&sending);
    ck_assert(at_end_soon(fds[0]));
    close(fds[0]);
    bs_pump_free(NULL);
    bs_test_run_for(10);
    ck_assert_uint_eq(sending.ends, 0);
    ck_assert_uint_eq(giver.calls, 0);
}
END_TEST

START_TEST(test_freed_in_progress)
{
    gboolean nothing = FALSE;
    int fds[2];

    sending.free_in_progress = TRUE;
    receiving.free_in_progress = TRUE;
    giver = fake_source(NEVER, &sending.pump);
    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, _i == 0 ? NEVER - 1 : 10);
    start_receiving(&receiving, fds[1], &taker.sink, _i == 0 ? NEVER - 1 : 10);
    while (sending.pump != NULL && receiving.pump != NULL)
        bs_test_run_for(1);
    ck_assert(!bs_test_run_until(&nothing, 1));
    ck_assert_uint_eq(sending.ends + receiving.ends, _i == 0 ? 1 : 0);
    ck_assert_uint_ge(sending.progresses + receiving.progresses, 1);
    clear(&sending);
    clear(&receiving);
}
END_TEST

START_TEST(test_freed_in_done)
{
    int fds[2];

    sending.free_in_done = TRUE;
    receiving.free_in_done = TRUE;
    giver = fake_source(1000, &sending.pump);
    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 1000);
    start_receiving(&receiving, fds[1], &taker.sink, _i == 0 ? 1000 : 1001);
    wait_for_end(&sending);
    wait_for_end(&receiving);
    ck_assert(!sending.failed);
    ck_assert_int_eq(receiving.failed, _i != 0);
    ck_assert_ptr_null(sending.pump);
    ck_assert_ptr_null(receiving.pump);
    clear(&receiving);
}
END_TEST

/* Freed inside the source's or sink's own call, which then succeeds, fails, or blocks. */
START_TEST(test_freed_in_source_and_sink)
{
    int fds[2];

    giver = fake_source(100000, &sending.pump);
    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    giver.at_once = taker.at_once = 1000;
    giver.frees_at = 50000;
    taker.frees_at = 20000;
    if (_i == 1)
        giver.fails_at = 50000, taker.fails_at = 20000;
    if (_i == 2)
        giver.blocks_at = 50000, taker.blocks_at = 20000;
    start_sending(&sending, fds[0], &giver.source, 100000);
    while (sending.pump != NULL)
        bs_test_run_for(1);
    start_receiving(&receiving, fds[1], &taker.sink, 100000);
    while (receiving.pump != NULL)
        bs_test_run_for(1);
    bs_test_run_for(10);
    ck_assert_uint_eq(sending.ends + receiving.ends, 0);
    ck_assert_uint_le(giver.position, 51000);
    ck_assert_uint_le(taker.position, 21000);
}
END_TEST

/* A copy of the descriptor elsewhere (libpurple's resolver processes have one) must not keep the connection
 * open. */
START_TEST(test_free_ends_the_connection_despite_copies)
{
    int fds[2];
    int copy;

    taker = fake_sink(&receiving.pump);
    tcp_pair(fds);
    copy = dup(fds[1]);
    start_receiving(&receiving, fds[1], &taker.sink, 1000);
    bs_test_run_for(5);
    clear(&receiving);
    ck_assert(at_end_soon(fds[0]));
    ck_assert_int_lt(fcntl(fds[1], F_GETFD), 0);
    close(copy);
    close(fds[0]);
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

    giver = fake_source(NEVER, &sending.pump);
    taker = fake_sink(&receiving.pump);
    hasty = *usual;
    hasty.timeout_add_seconds = hasty_timeout;
    purple_eventloop_set_ui_ops(&hasty);
    unix_pair(fds);
    unix_pair(others);
    start_sending(&sending, fds[0], &giver.source, NEVER - 1);
    start_receiving(&receiving, others[1], &taker.sink, 1000);
    assert_failed(&sending, BS_STREAM_ERROR_STALLED);
    assert_failed(&receiving, BS_STREAM_ERROR_STALLED);
    ck_assert_str_eq(sending.message, g_strerror(ETIMEDOUT));
    purple_eventloop_set_ui_ops(usual);
    clear(&sending);
    clear(&receiving);
    close(fds[1]);
    close(others[0]);
}
END_TEST

static TCase *
failing_tests(void)
{
    TCase *tcase = tcase_create("failing");

    tcase_add_checked_fixture(tcase, NULL, pumps_tear_down);
    tcase_add_loop_test(tcase, test_source_fails_midway, 0, 3);
    tcase_add_test(tcase, test_file_shrinks);
    tcase_add_loop_test(tcase, test_sink_fails_midway, 0, 3);
    tcase_add_test(tcase, test_peer_closes_before_the_last_byte);
    tcase_add_test(tcase, test_peer_sends_too_much);
    tcase_add_test(tcase, test_something_where_nothing_was_announced);
    tcase_add_test(tcase, test_reset_while_receiving);
    tcase_add_test(tcase, test_reset_while_sending);
    tcase_add_test(tcase, test_broken_pipe);
    tcase_add_test(tcase, test_stall);
    return tcase;
}

static TCase *
ending_tests(void)
{
    TCase *tcase = tcase_create("ending");

    tcase_add_checked_fixture(tcase, NULL, pumps_tear_down);
    tcase_add_test(tcase, test_half_close_is_no_end);
    tcase_add_test(tcase, test_end_of_sending);
    tcase_add_test(tcase, test_not_flushed_while_the_peer_does_not_take_it);
    tcase_add_test(tcase, test_reset_after_the_end_is_no_error);
    tcase_add_test(tcase, test_flood_after_the_end);
    tcase_add_test(tcase, test_freed_at_once);
    tcase_add_loop_test(tcase, test_freed_in_progress, 0, 2);
    tcase_add_loop_test(tcase, test_freed_in_done, 0, 2);
    tcase_add_loop_test(tcase, test_freed_in_source_and_sink, 0, 3);
    tcase_add_test(tcase, test_free_ends_the_connection_despite_copies);
    return tcase;
}

int
main(void)
{
    Suite *suite = suite_create("pump_ends");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, failing_tests());
    suite_add_tcase(suite, ending_tests());
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    bs_digest_init();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
