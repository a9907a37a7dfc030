/* What a connector leaves alone once there is a connection, what comes while it runs, and how it ends.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "connector_run.h"
#include "purple_env.h"

START_TEST(only_above_leaves_nothing)
{
    g_autoptr(Server) server = server_new(SILENT, 's');
    g_autoptr(Run) run = run_new();

    add(run, server, 5);
    add_port(run, BS_CANDIDATE_PROXY, 'p', closed_port(), 4);
    bs_connector_start(run->connector);
    wait_for(&server->reached);
    bs_connector_only_above(run->connector, 5);
    ck_assert(!run->told);
    wait_for_exhausted(run);
    wait_for(&server->closed);
    bs_connector_only_above(run->connector, 6);
    bs_test_run_for(50);
    ck_assert_uint_eq(run->exhausted, 1);
}
END_TEST

START_TEST(only_above_leaves_a_better_one)
{
    g_autoptr(Server) better = server_new(HOLD, 'b');
    g_autoptr(Server) worse = server_new(HOLD, 'w');
    g_autoptr(Run) run = run_new();

    add(run, better, 6);
    add(run, worse, 5);
    bs_connector_start(run->connector);
    wait_for(&worse->requested);
    bs_connector_only_above(run->connector, 5);
    wait_for(&worse->closed);
    ck_assert(!run->told);
    server_release(better, 0);
    wait_for_connected(run, better);
}
END_TEST

START_TEST(only_above_takes_one_that_waits)
{
    g_autoptr(Server) better = server_new(HOLD, 'b');
    g_autoptr(Server) worse = server_new(ACCEPT, 'w');
    g_autoptr(Run) run = run_new();

    add(run, better, 6);
    add(run, worse, 5);
    bs_connector_start(run->connector);
    wait_for(&worse->requested);
    bs_test_run_for(20);
    if (run->connected == 1)
        return; /* a very slow machine: its grace is over */
    bs_connector_only_above(run->connector, 5);
    wait_for(&worse->closed);
    ck_assert(!run->told);
    server_release(better, 2);
    wait_for_exhausted(run);
}
END_TEST

/* The grace of one that was given up is not that of the next one. */
START_TEST(only_above_ends_the_grace)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) best = server_new(HOLD, 'b');
    g_autoptr(Server) middle = server_new(ACCEPT, 'm');
    g_autoptr(Server) worse = server_new(ACCEPT, 'w');
    g_autoptr(Run) run = run_new();

    add(run, silent, 7);
    add(run, worse, 5);
    bs_connector_start(run->connector);
    wait_for(&worse->requested);
    bs_test_run_for(20);
    if (run->connected == 1)
        return; /* as above */
    bs_connector_only_above(run->connector, 5);
    bs_test_run_for(400);
    ck_assert(!run->told);
    middle->releases = best;
    add(run, best, 8);
    add(run, middle, 6);
    wait_for_connected(run, best);
}
END_TEST

START_TEST(the_time_left)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) proxy = server_new(SILENT, 'p');
    g_autoptr(Run) run = run_new();
    guint at_first;

    ck_assert_uint_eq(bs_connector_time_left(run->connector), 0);
    add(run, silent, 6);
    at_first = bs_connector_time_left(run->connector);
    ck_assert_uint_gt(at_first, 0);
    bs_connector_start(run->connector);
    wait_for(&silent->reached);
    bs_test_run_for(at_first + 10);
    ck_assert_uint_eq(bs_connector_time_left(run->connector), 0);
    ck_assert(!run->told);
    add_port(run, BS_CANDIDATE_PROXY, 'p', proxy->port, 5);
    ck_assert_uint_gt(bs_connector_time_left(run->connector), 0);
    bs_connector_only_above(run->connector, 5);
    ck_assert_uint_eq(bs_connector_time_left(run->connector), 0);
}
END_TEST

START_TEST(only_above_before_the_start)
{
    g_autoptr(Server) worse = server_new(ACCEPT, 'w');
    g_autoptr(Server) better = server_new(ACCEPT, 'b');
    g_autoptr(Run) run = run_new();

    bs_connector_only_above(run->connector, 5);
    add(run, worse, 5);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    add(run, better, 6);
    wait_for_connected(run, better);
    ck_assert_uint_eq(worse->connections, 0);
}
END_TEST

START_TEST(added_while_it_runs)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    add(run, silent, 1);
    bs_connector_start(run->connector);
    wait_for(&silent->reached);
    add(run, server, 2);
    wait_for_connected(run, server);
    wait_for(&silent->closed);
}
END_TEST

START_TEST(added_after_the_end)
{
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), 1);
    ck_assert(!run->told);
    wait_for_exhausted(run);
    add(run, server, 1);
    wait_for_connected(run, server);
    add(run, server, 2);
    bs_connector_only_above(run->connector, 1);
    bs_connector_start(run->connector);
    bs_test_run_for(50);
    ck_assert_uint_eq(server->connections, 1);
    ck_assert_uint_eq(run->exhausted, 2);
}
END_TEST

START_TEST(too_many)
{
    g_autoptr(Server) best = server_new(REFUSE, 'b');
    g_autoptr(Server) last = server_new(ACCEPT, 'l');
    g_autoptr(Run) run = run_new();
    guint16 closed = closed_port();

    add(run, last, 1);
    for (guint i = 1; i < BS_CANDIDATES_MAX; i++)
        add_port(run, BS_CANDIDATE_DIRECT, 'c', closed, 10);
    add(run, best, 11);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    ck_assert_uint_gt(best->connections, 0);
    add(run, last, 12);
    wait_for_exhausted(run);
    ck_assert_uint_eq(last->connections, 0);
}
END_TEST

START_TEST(freed_inside_connected)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    run->frees_inside = TRUE;
    add(run, silent, 1);
    add(run, server, 2);
    bs_connector_start(run->connector);
    wait_for_connected(run, server);
    ck_assert_ptr_null(run->connector);
    bs_test_run_for(50);
}
END_TEST

START_TEST(freed_inside_exhausted)
{
    g_autoptr(Server) server = server_new(REFUSE, 'a');
    g_autoptr(Run) run = run_new();

    run->frees_inside = TRUE;
    switch (_i) {
    case 0:
        break;
    case 1:
        add(run, server, 1);
        break;
    case 2:
        add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), 1);
        break;
    }
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    ck_assert_ptr_null(run->connector);
    bs_test_run_for(50);
}
END_TEST

/* After so many turns of the event loop: before, between and after all that happens to an attempt. */
START_TEST(freed_at_any_moment)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    add(run, silent, 2);
    add(run, server, 1);
    bs_connector_start(run->connector);
    for (int i = 0; i < _i && !run->told; i++)
        g_main_context_iteration(NULL, TRUE);
    bs_connector_free(g_steal_pointer(&run->connector));
    run->told = FALSE;
    bs_test_run_for(20);
    ck_assert(!run->told);
    ck_assert(silent->connections == 0 || silent->closed);
}
END_TEST

START_TEST(freed_null)
{
    bs_connector_free(NULL);
}
END_TEST

START_TEST(the_deadline)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) held = server_new(HOLD, 'h');
    g_autoptr(Run) run = run_new();

    add(run, silent, 2);
    add(run, held, 1);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    wait_for(&silent->closed);
    wait_for(&held->closed);
    assert_asked(held, FIRST_DST, NULL);
}
END_TEST

static Suite *
connector_suite(void)
{
    Suite *suite = suite_create("connector_ends");
    TCase *tests = tcase_create("connector");

    tcase_add_test(tests, only_above_leaves_nothing);
    tcase_add_test(tests, only_above_leaves_a_better_one);
    tcase_add_test(tests, only_above_takes_one_that_waits);
    tcase_add_test(tests, only_above_ends_the_grace);
    tcase_add_test(tests, the_time_left);
    tcase_add_test(tests, only_above_before_the_start);
    tcase_add_test(tests, added_while_it_runs);
    tcase_add_test(tests, added_after_the_end);
    tcase_add_test(tests, too_many);
    tcase_add_test(tests, freed_inside_connected);
    tcase_add_loop_test(tests, freed_inside_exhausted, 0, 3);
    tcase_add_loop_test(tests, freed_at_any_moment, 0, 30);
    tcase_add_test(tests, freed_null);
    tcase_add_test(tests, the_deadline);
    suite_add_tcase(suite, tests);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(connector_suite());
    int failed;

    /* There libpurple would ask the desktop for its proxy. */
    g_unsetenv("GNOME_DESKTOP_SESSION_ID");
    bs_test_purple_start();
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
