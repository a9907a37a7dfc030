/* Pumps that are cancelled while the disk or the peer holds them up, and how what was received is finished.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stream/disk_chores.h"
#include "worker.h"

#include "disk_faults.h"
#include "pump_files.h"
#include "purple_env.h"
#include "sockets.h"

#define HANG_SECONDS 60

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
    faults.sync_code = _i == 0 ? EIO : 0;
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
ending_tests(void)
{
    TCase *tcase = tcase_create("ending");

    tcase_add_checked_fixture(tcase, files_set_up, files_tear_down);
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
    Suite *suite = suite_create("pump_files_ends");
    SRunner *runner = srunner_create(suite);
    int failed;

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
