/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <eventloop.h>
#include <notify.h>
#include <prefs.h>
#include <stdlib.h>

#include "connector_run.h"
#include "purple_env.h"

START_TEST(the_only_one)
{
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    add(run, server, 1);
    bs_connector_start(run->connector);
    ck_assert(!run->told);
    wait_for_connected(run, server);
    assert_asked(server, FIRST_DST, NULL);
    bs_test_run_for(50);
    ck_assert_uint_eq(run->connected + run->exhausted, 1);
}
END_TEST

START_TEST(none_at_all)
{
    g_autoptr(Run) run = run_new();

    bs_connector_start(run->connector);
    ck_assert(!run->told);
    wait_for_exhausted(run);
    bs_connector_start(run->connector);
    ck_assert(!run->told);
    wait_for_exhausted(run);
}
END_TEST

START_TEST(nothing_before_the_start)
{
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    add(run, server, 1);
    bs_test_run_for(50);
    ck_assert(!run->told);
    ck_assert_uint_eq(server->connections, 0);
}
END_TEST

START_TEST(all_fail)
{
    g_autoptr(Server) refusing = server_new(REFUSE, 'r');
    g_autoptr(Server) garbage = server_new(GARBAGE, 'g');
    g_autoptr(Run) run = run_new();

    add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), 3);
    add(run, refusing, 2);
    add(run, garbage, 1);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    assert_asked(refusing, FIRST_DST, OTHER_DST);
    ck_assert_uint_gt(garbage->connections, 0);
    bs_test_run_for(50);
    ck_assert_uint_eq(run->exhausted, 1);
}
END_TEST

static gboolean
listen_again(gpointer data)
{
    server_listen(data);
    return FALSE;
}

/* With those of whom that is expected. */
START_TEST(one_who_listens_late)
{
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    server_deafen(server);
    add(run, server, 1);
    if (_i)
        bs_connector_redial_refused(run->connector);
    bs_connector_start(run->connector);
    if (_i) {
        purple_timeout_add(50, listen_again, server);
        wait_for_connected(run, server);
    } else {
        wait_for_exhausted(run);
        listen_again(server);
    }
}
END_TEST

/* That they may listen late holds up no other one, nor does it go on without end. */
START_TEST(who_never_listens)
{
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), 3);
    bs_connector_redial_refused(run->connector);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), 3);
    add(run, server, 1);
    wait_for_connected(run, server);
}
END_TEST

static const Behaviour choosy[] = {REFUSE_FIRST, CLOSE_FIRST};

START_TEST(the_other_dst_addr)
{
    g_autoptr(Server) server = server_new(choosy[_i], 'a');
    g_autoptr(Run) run = run_new();

    add(run, server, 1);
    bs_connector_start(run->connector);
    wait_for_connected(run, server);
    assert_asked(server, FIRST_DST, OTHER_DST);
    ck_assert_uint_eq(server->connections, 2);
}
END_TEST

START_TEST(a_proxy_is_asked_once)
{
    g_autoptr(Server) server = server_new(REFUSE_FIRST, 'p');
    g_autoptr(Run) run = run_new();

    add_port(run, BS_CANDIDATE_PROXY, 'p', server->port, 1);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    assert_asked(server, FIRST_DST, NULL);
}
END_TEST

START_TEST(one_dst_addr)
{
    static const char *const lists[][3] = {{FIRST_DST, NULL, NULL}, {FIRST_DST, FIRST_DST, NULL}};
    g_autoptr(Server) server = server_new(REFUSE, 'a');
    g_autoptr(Run) run = run_new_with(lists[_i]);

    add(run, server, 1);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    assert_asked(server, FIRST_DST, NULL);
}
END_TEST

START_TEST(the_best_first)
{
    g_autoptr(Server) worst = server_new(ACCEPT, 'w');
    g_autoptr(Server) best = server_new(ACCEPT, 'b');
    g_autoptr(Run) run = run_new();

    add(run, worst, 1);
    add(run, best, 2);
    bs_connector_start(run->connector);
    wait_for_connected(run, best);
}
END_TEST

START_TEST(order_of_attempts)
{
    g_autoptr(Server) proxy = server_new(SILENT, 'p');
    g_autoptr(Server) worst = server_new(SILENT, 'w');
    g_autoptr(Server) best = server_new(SILENT, 'b');
    g_autoptr(Run) run = run_new();

    add_port(run, BS_CANDIDATE_PROXY, 'p', proxy->port, 9);
    add(run, worst, 1);
    add(run, best, 2);
    bs_connector_start(run->connector);
    wait_for(&best->reached);
    wait_for(&worst->reached);
    wait_for(&proxy->reached);
    ck_assert_uint_lt(best->turn, worst->turn);
    ck_assert_uint_lt(worst->turn, proxy->turn);
    ck_assert(!run->told);
}
END_TEST

START_TEST(a_worse_one_after_grace)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) proxy = server_new(ACCEPT, 'p');
    g_autoptr(Run) run = run_new();

    add(run, silent, 2);
    add_port(run, BS_CANDIDATE_PROXY, 'p', proxy->port, 1);
    bs_connector_start(run->connector);
    wait_for_connected(run, proxy);
    wait_for(&silent->closed);
}
END_TEST

START_TEST(a_better_one_within_grace)
{
    g_autoptr(Server) better = server_new(HOLD, 'b');
    g_autoptr(Server) worse = server_new(ACCEPT, 'w');
    g_autoptr(Run) run = run_new();

    worse->releases = better;
    add(run, better, 2);
    add(run, worse, 1);
    bs_connector_start(run->connector);
    wait_for_connected(run, better);
    wait_for(&worse->closed);
}
END_TEST

START_TEST(a_better_one_fails_within_grace)
{
    g_autoptr(Server) better = server_new(HOLD, 'b');
    g_autoptr(Server) worse = server_new(ACCEPT, 'w');
    g_autoptr(Run) run = run_new();

    add(run, better, 2);
    add(run, worse, 1);
    bs_connector_start(run->connector);
    wait_for(&worse->requested);
    server_release(better, 2);
    wait_for_connected(run, worse);
}
END_TEST

START_TEST(an_equal_one_does_not_wait)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) equal = server_new(ACCEPT, 'e');
    g_autoptr(Run) run = run_new();

    add(run, silent, 1);
    add(run, equal, 1);
    bs_connector_start(run->connector);
    wait_for_connected(run, equal);
    wait_for(&silent->closed);
}
END_TEST

/* libpurple's proxy settings. */

static void
set_global_proxy(const char *type, const char *host, int port)
{
    purple_prefs_set_string("/purple/proxy/host", host);
    purple_prefs_set_int("/purple/proxy/port", port);
    purple_prefs_set_string("/purple/proxy/type", type);
}

START_TEST(through_the_users_proxy)
{
    g_autoptr(Server) relay = server_new(RELAY, 'r');
    g_autoptr(Run) run = run_new();
    g_autoptr(BsCandidate) candidate = bs_candidate_new(BS_CANDIDATE_DIRECT, "r", NULL, "192.0.2.1", 5000, 1);

    set_global_proxy("socks5", "127.0.0.1", relay->port);
    bs_connector_add(run->connector, candidate);
    bs_connector_start(run->connector);
    wait_for_connected(run, relay);
    assert_asked(relay, "192.0.2.1", FIRST_DST);
    set_global_proxy("none", "", 0);
}
END_TEST

/* An account's own settings go before the global ones, which would be of no use here. */
START_TEST(through_the_accounts_proxy)
{
    g_autoptr(Server) relay = server_new(RELAY, 'r');
    g_autoptr(Run) run = run_new();
    g_autoptr(BsCandidate) candidate = bs_candidate_new(BS_CANDIDATE_DIRECT, "r", NULL, "192.0.2.1", 5000, 1);
    PurpleAccount *account = purple_account_new("alice@one.test", "prpl-jabber");
    PurpleProxyInfo *proxy = purple_proxy_info_new();

    purple_proxy_info_set_type(proxy, PURPLE_PROXY_SOCKS5);
    purple_proxy_info_set_host(proxy, "127.0.0.1");
    purple_proxy_info_set_port(proxy, relay->port);
    purple_account_set_proxy_info(account, proxy);
    bs_connector_free(run->connector);
    run->connector = bs_connector_new("t1", account, both_dsts, &connector_events, run);
    bs_connector_add(run->connector, candidate);
    bs_connector_start(run->connector);
    wait_for_connected(run, relay);
    assert_asked(relay, "192.0.2.1", FIRST_DST);
    purple_account_destroy(account);
}
END_TEST

static guint messages;

static void *
count_message(PurpleNotifyMsgType type, const char *title, const char *primary, const char *secondary)
{
    (void)type;
    (void)title;
    (void)primary;
    (void)secondary;
    messages++;
    return &messages;
}

static void
close_message(PurpleNotifyType type, void *handle)
{
    (void)type;
    (void)handle;
}

static PurpleNotifyUiOps notify_ops = {.notify_message = count_message, .close_notify = close_message};

START_TEST(unusable_proxy_settings)
{
    g_autoptr(Run) run = run_new();

    messages = 0;
    purple_notify_set_ui_ops(&notify_ops);
    set_global_proxy("socks5", "127.0.0.1", 0);
    for (guint i = 1; i <= 5; i++)
        add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), i);
    bs_connector_start(run->connector);
    ck_assert(!run->told);
    wait_for_exhausted(run);
    ck_assert_uint_eq(messages, 0);
    set_global_proxy("none", "", 0);
    purple_notify_set_ui_ops(NULL);
}
END_TEST

static Suite *
connector_suite(void)
{
    Suite *suite = suite_create("connector");
    TCase *tests = tcase_create("connector");

    tcase_add_test(tests, the_only_one);
    tcase_add_test(tests, none_at_all);
    tcase_add_test(tests, nothing_before_the_start);
    tcase_add_test(tests, all_fail);
    tcase_add_loop_test(tests, one_who_listens_late, 0, 2);
    tcase_add_test(tests, who_never_listens);
    tcase_add_loop_test(tests, the_other_dst_addr, 0, G_N_ELEMENTS(choosy));
    tcase_add_test(tests, a_proxy_is_asked_once);
    tcase_add_loop_test(tests, one_dst_addr, 0, 2);
    tcase_add_test(tests, the_best_first);
    tcase_add_test(tests, order_of_attempts);
    tcase_add_test(tests, a_worse_one_after_grace);
    tcase_add_test(tests, a_better_one_within_grace);
    tcase_add_test(tests, a_better_one_fails_within_grace);
    tcase_add_test(tests, an_equal_one_does_not_wait);
    tcase_add_test(tests, through_the_users_proxy);
    tcase_add_test(tests, through_the_accounts_proxy);
    tcase_add_test(tests, unusable_proxy_settings);
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
