/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/part_file.h"

#include "pump_ends.h"
#include "purple_env.h"
#include "sockets.h"

#define HANG_SECONDS 60

/* From `giver` to `taker`, through two pumps. */
static void
move(guint64 length, gboolean tcp)
{
    int fds[2];

    if (tcp)
        tcp_pair(fds);
    else
        unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, length);
    start_receiving(&receiving, fds[1], &taker.sink, length);
    assert_complete(&receiving, length);
    assert_complete(&sending, length);
    ck_assert_uint_eq(taker.position, length);
    ck_assert_uint_eq(taker.wrong, 0);
    assert_digest(&sending, length);
    assert_digest(&receiving, length);
    clear(&sending);
    clear(&receiving);
}

static const guint64 lengths[] = {0, 1, 255, 65536, 262143, 262144, 262145, 1048576, 5000011};

START_TEST(test_whole_file)
{
    for (guint tcp = 0; tcp < 2; tcp++) {
        giver = fake_source(lengths[_i], &sending.pump);
        taker = fake_sink(&receiving.pump);
        move(lengths[_i], tcp != 0);
    }
}
END_TEST

START_TEST(test_only_the_length_is_sent)
{
    giver = fake_source(300000, &sending.pump);
    taker = fake_sink(&receiving.pump);
    move(270000, FALSE);
    ck_assert_uint_eq(giver.position, 270000);
}
END_TEST

START_TEST(test_short_reads)
{
    giver = fake_source(20000, &sending.pump);
    taker = fake_sink(&receiving.pump);
    giver.at_once = 7;
    move(20000, FALSE);
}
END_TEST

START_TEST(test_sink_takes_single_bytes)
{
    giver = fake_source(20000, &sending.pump);
    taker = fake_sink(&receiving.pump);
    taker.at_once = 1;
    move(20000, TRUE);
}
END_TEST

/* Both ends block again and again; they wake the pump inside their own call, or later. */
START_TEST(test_would_block)
{
    for (guint later = 0; later < 2; later++) {
        giver = fake_source(100000, &sending.pump);
        taker = fake_sink(&receiving.pump);
        giver.at_once = 3000;
        giver.blocks_at = taker.blocks_at = 0;
        giver.blocks_every = 7000;
        taker.at_once = 1000;
        taker.blocks_every = 2500;
        giver.wakes_inside = taker.wakes_inside = later == 0;
        giver.wakes_later = taker.wakes_later = later != 0;
        move(100000, FALSE);
        ck_assert_uint_gt(giver.blocks_at, 0);
        ck_assert_uint_gt(taker.blocks_at, 0);
    }
}
END_TEST

START_TEST(test_blocked_source_is_left_alone)
{
    int fds[2];
    guint calls;

    giver = fake_source(100, &sending.pump);
    unix_pair(fds);
    giver.blocks_at = 0;
    start_sending(&sending, fds[0], &giver.source, 100);
    bs_test_run_for(30);
    calls = giver.calls;
    ck_assert_uint_eq(calls, 1);
    bs_test_run_for(30);
    ck_assert_uint_eq(giver.calls, calls);
    ck_assert(!sending.ended);
    bs_pump_wake(sending.pump);
    ck_assert_uint_eq(giver.calls, calls);
    assert_complete(&sending, 100);
    bs_pump_wake(sending.pump);
    clear(&sending);
    close(fds[1]);
}
END_TEST

/* A peer that talks or ends its half must not make a pump busy that waits for its source. */
START_TEST(test_blocked_source_and_a_talking_peer)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(100, &sending.pump);
    tcp_pair(fds);
    giver.blocks_at = 0;
    start_sending(&sending, fds[0], &giver.source, 100);
    write_bytes(fds[1], 0, 5000);
    shutdown(fds[1], SHUT_WR);
    bs_test_run_for(30);
    ck_assert_uint_eq(giver.calls, 1);
    ck_assert(!sending.ended);
    bs_pump_wake(sending.pump);
    assert_complete(&sending, 100);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 101, &at_end), 100);
    ck_assert(at_end);
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_blocked_source_and_a_reset)
{
    int fds[2];

    giver = fake_source(100, &sending.pump);
    tcp_pair(fds);
    giver.blocks_at = 0;
    start_sending(&sending, fds[0], &giver.source, 100);
    bs_test_run_for(10);
    reset_connection(fds[1]);
    assert_failed(&sending, BS_STREAM_ERROR_CONNECTION);
    clear(&sending);
}
END_TEST

START_TEST(test_blocked_sink_holds_the_peer_back)
{
    int fds[2];

    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    taker.blocks_at = 10;
    taker.at_once = 10;
    start_receiving(&receiving, fds[1], &taker.sink, 3000);
    write_bytes(fds[0], 0, 3000);
    bs_test_run_for(30);
    ck_assert_uint_eq(taker.position, 10);
    bs_pump_wake(receiving.pump);
    assert_complete(&receiving, 3000);
    ck_assert_uint_eq(taker.wrong, 0);
    clear(&receiving);
    close(fds[0]);
}
END_TEST

START_TEST(test_nothing_to_send)
{
    int fds[2];

    giver = fake_source(1000, &sending.pump);
    tcp_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 0);
    assert_complete(&sending, 0);
    ck_assert_uint_eq(giver.calls, 0);
    ck_assert(at_end_soon(fds[1]));
    ck_assert_uint_eq(sending.progresses, 1);
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_nothing_to_receive)
{
    int fds[2];

    taker = fake_sink(&receiving.pump);
    tcp_pair(fds);
    start_receiving(&receiving, fds[1], &taker.sink, 0);
    assert_complete(&receiving, 0);
    clear(&receiving);
    close(fds[0]);
}
END_TEST

START_TEST(test_unknown_size)
{
    const guint64 sizes[] = {0, 1, 1000000};
    int fds[2];

    giver = fake_source(sizes[_i], &sending.pump);
    taker = fake_sink(&receiving.pump);
    tcp_pair(fds);
    start_receiving(&receiving, fds[1], &taker.sink, BS_SIZE_UNKNOWN);
    start_sending(&sending, fds[0], &giver.source, sizes[_i]);
    assert_complete(&receiving, sizes[_i]);
    ck_assert_uint_eq(taker.wrong, 0);
    assert_digest(&receiving, sizes[_i]);
    clear(&sending);
    clear(&receiving);
}
END_TEST

static gboolean
count_idle(gpointer data)
{
    guint *count = data;

    ++*count;
    return G_SOURCE_CONTINUE;
}

/* GTK draws at a lower priority than that of sockets and timers: it must get its turn while two pumps never
 * wait. */
START_TEST(test_interface_stays_alive)
{
    gint64 deadline = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC;
    static guint drawn;
    guint idle = g_idle_add_full(G_PRIORITY_HIGH_IDLE + 20, count_idle, &drawn, NULL);
    int fds[2];

    giver = fake_source(NEVER, &sending.pump);
    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, NEVER - 1);
    start_receiving(&receiving, fds[1], &taker.sink, NEVER - 1);
    bs_test_run_for(300);
    drawn = 0;
    while (drawn < 3 && g_get_monotonic_time() < deadline)
        bs_test_run_for(10);
    ck_assert_uint_ge(drawn, 3);
    ck_assert_uint_gt(receiving.last_moved, 0);
    g_source_remove(idle);
    clear(&sending);
    clear(&receiving);
}
END_TEST

START_TEST(test_from_file_to_file)
{
    g_autofree char *from = g_build_filename(bs_test_folder(), "from", NULL);
    g_autofree char *to = g_build_filename(bs_test_folder(), "to", NULL);
    g_autofree char *arrived = NULL;
    g_autofree guint8 *contents = g_malloc(3000001);
    BsSource *source;
    BsSink *sink;
    guint64 size;
    gsize length;
    int fds[2];

    for (gsize i = 0; i < 3000001; i++)
        contents[i] = byte_at(i);
    ck_assert(g_file_set_contents(from, (char *)contents, 3000001, NULL));
    source = bs_file_source_new(from, &size, NULL);
    sink = bs_part_file_new(to, FALSE, NULL);
    ck_assert(source->seek(source, 1000, NULL));
    tcp_pair(fds);
    start_sending(&sending, fds[0], source, size - 1000);
    start_receiving(&receiving, fds[1], sink, size - 1000);
    assert_complete(&sending, size - 1000);
    assert_complete(&receiving, size - 1000);
    clear(&sending);
    clear(&receiving);
    source->close(source);
    ck_assert(sink->finish(sink, NULL));
    ck_assert(g_file_get_contents(to, &arrived, &length, NULL));
    ck_assert_uint_eq(length, size - 1000);
    ck_assert_mem_eq(arrived, contents + 1000, length);
}
END_TEST

static TCase *
moving_tests(void)
{
    TCase *tcase = tcase_create("moving");

    tcase_add_checked_fixture(tcase, NULL, pumps_tear_down);
    tcase_add_loop_test(tcase, test_whole_file, 0, G_N_ELEMENTS(lengths));
    tcase_add_test(tcase, test_only_the_length_is_sent);
    tcase_add_test(tcase, test_short_reads);
    tcase_add_test(tcase, test_sink_takes_single_bytes);
    tcase_add_test(tcase, test_would_block);
    tcase_add_test(tcase, test_blocked_source_is_left_alone);
    tcase_add_test(tcase, test_blocked_source_and_a_talking_peer);
    tcase_add_test(tcase, test_blocked_source_and_a_reset);
    tcase_add_test(tcase, test_blocked_sink_holds_the_peer_back);
    tcase_add_loop_test(tcase, test_unknown_size, 0, 3);
    tcase_add_test(tcase, test_nothing_to_send);
    tcase_add_test(tcase, test_nothing_to_receive);
    tcase_add_test(tcase, test_from_file_to_file);
    tcase_add_test(tcase, test_interface_stays_alive);
    return tcase;
}

int
main(void)
{
    Suite *suite = suite_create("pump");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, moving_tests());
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    bs_digest_init();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
