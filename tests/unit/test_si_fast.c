/* Bytestreams for stream initiation in Psi's "fast mode": the target offers streamhosts too, both dial, and
 * the requester says over which connection the file goes. SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <prefs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "purple_env.h"
#include "si_ends.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transport/si_bytestreams_xml.h"

#define QUERY "<query xmlns='" BS_NS_BYTESTREAMS "' sid='" SI_SID "'>%s</query>"
#define HOST "<streamhost jid='%s' host='%s' port='%u'/>"
#define PROXY "<streamhost jid='%s' host='%s' port='%u'><proxy xmlns='" BS_NS_FAST "'/></streamhost>"
#define FAST "<fast xmlns='" BS_NS_FAST "'/>"
#define USED "<query xmlns='" BS_NS_BYTESTREAMS "'><streamhost-used jid='%s'/></query>"
#define NOT_FOUND "<error type='cancel'><item-not-found xmlns='" BS_NS_STANZA_ERRORS "'/></error>"
#define NOT_ACCEPTABLE "<error type='cancel'><not-acceptable xmlns='" BS_NS_STANZA_ERRORS "'/></error>"
#define DEAD_PORT 1

static SiEnd *const alice = &si_ends[0];
static SiEnd *const bob = &si_ends[1];
static SiHost *hosts[3];

static SiHost *
new_host(guint index, gboolean silent)
{
    hosts[index] = si_host_new(silent);
    return hosts[index];
}

static void
setup(void)
{
    si_ends_setup();
    memset(hosts, 0, sizeof hosts);
}

static void
teardown(void)
{
    si_ends_teardown();
    for (guint i = 0; i < G_N_ELEMENTS(hosts); i++)
        if (hosts[i] != NULL)
            si_host_free(hosts[i]);
    purple_prefs_set_bool("/purple/network/ports_range_use", FALSE);
}

/* No port can be opened as long as it is so. */
static void
forbid_ports(gboolean forbid)
{
    purple_prefs_set_bool("/purple/network/ports_range_use", forbid);
    purple_prefs_set_int("/purple/network/ports_range_start", 70000);
    purple_prefs_set_int("/purple/network/ports_range_end", 70001);
}

static gssize
peek(int fd, char bytes[100])
{
    return recv(fd, bytes, 100, MSG_PEEK | MSG_DONTWAIT);
}

/* `text`, and nothing else, comes to the socket. */
static void
expect_text(int fd, const char *text)
{
    char bytes[100];

    if (*text == '\0')
        bs_test_run_for(100);
    else
        si_run_until(peek(fd, bytes) >= (gssize)strlen(text));
    ck_assert_int_eq(MAX(peek(fd, bytes), 0), (gssize)strlen(text));
    ck_assert_int_eq(memcmp(bytes, text, strlen(text)), 0);
}

static int
first_guest(const SiHost *host)
{
    return g_array_index(host->fds, int, 0);
}

static gboolean
is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Two of ours. */

START_TEST(only_the_target_can_listen)
{
    forbid_ports(TRUE);
    si_end_begin(alice);
    si_end_begin(bob);
    si_end_start(alice);
    ck_assert_uint_eq(bs_listener_port(), 0);
    forbid_ports(FALSE);
    si_end_start(bob);
    si_run_until(alice->connected && bob->connected);
    ck_assert(alice->route.dialled_by_us);
    ck_assert(!bob->route.dialled_by_us);
    ck_assert_str_eq(alice->route.host, bob->route.host);
    si_send_all(&si_ends[_i], 200001);
    ck_assert_uint_eq(alice->failed + bob->failed, 0);
    ck_assert_uint_eq(bs_listener_port(), 0);
}
END_TEST

START_TEST(only_the_target_has_a_proxy)
{
    si_proxy = proxy_service_new("proxy.one.test");
    si_end_find_proxies(bob);
    forbid_ports(TRUE);
    si_end_begin(alice);
    si_end_begin(bob);
    si_end_start(bob);
    si_end_start(alice);
    si_run_until(alice->connected && bob->connected);
    ck_assert_int_eq(alice->route.type, BS_CANDIDATE_PROXY);
    ck_assert_int_eq(bob->route.type, BS_CANDIDATE_PROXY);
    ck_assert_uint_eq(si_proxy->activations, 1);
    si_send_all(alice, 5000);
}
END_TEST

START_TEST(nobody_can_listen)
{
    forbid_ports(TRUE);
    si_end_begin(alice);
    si_end_begin(bob);
    si_end_start(bob);
    si_end_start(alice);
    si_run_until(alice->failed && bob->failed);
    ck_assert_uint_eq(alice->connected + bob->connected, 0);
}
END_TEST

START_TEST(it_may_be_freed_at_every_stanza)
{
    SiEnd *freed = &si_ends[_i % 2];

    forbid_ports(TRUE);
    si_end_begin(alice);
    si_end_begin(bob);
    bs_test_hurry(100);
    si_end_free_transport_after(freed, (guint)_i / 2);
    si_end_start(alice);
    forbid_ports(FALSE);
    si_end_start(bob);
    si_settle();
    bs_test_run_for(100);
    ck_assert_uint_eq(freed->failed, 0);
    ck_assert_uint_le(freed->peer->connected + freed->peer->failed, 1);
}
END_TEST

START_TEST(it_may_be_freed_after_any_while)
{
    forbid_ports(TRUE);
    si_end_begin(alice);
    si_end_begin(bob);
    si_end_start(alice);
    forbid_ports(FALSE);
    si_end_start(bob);
    bs_test_run_for((guint)_i / 2);
    si_end_free_transport(&si_ends[_i % 2]);
    si_settle();
}
END_TEST

START_TEST(it_may_be_freed_inside_its_events)
{
    si_ends[_i % 2].free_inside = TRUE;
    forbid_ports(TRUE);
    si_end_begin(alice);
    si_end_begin(bob);
    si_end_start(alice);
    forbid_ports(_i / 2 == 1);
    si_end_start(bob);
    si_run_until(alice->connected + alice->failed && bob->connected + bob->failed);
    ck_assert_uint_eq(alice->connected, _i / 2 == 0);
}
END_TEST

/* The requester against a scripted target, which answers as Psi does. */

static void
begin_alice(void)
{
    si_end_begin(alice);
    si_end_start(alice);
    si_settle();
}

/* Her connection is used; she says so on it, and to the target. */
START_TEST(the_requester_reaches_the_target)
{
    SiHost *host = new_host(0, FALSE);
    g_autofree char *offer = g_strdup_printf(HOST, bob->jid, host->host, host->port);
    g_autofree char *dst_addr = bs_dst_addr(SI_SID, bob->jid, alice->jid);
    g_autofree char *outcome = NULL;
    const char *id;

    begin_alice();
    id = si_say(bob, QUERY, offer);
    /* What the target says of her streamhosts does not matter any more. */
    if (_i == 1) {
        si_run_until(host->fds->len > 0);
        si_answer(bob, "error", NOT_FOUND);
    } else if (_i == 2) {
        si_answer(bob, "error", NOT_FOUND);
    }
    si_run_until(alice->connected);
    si_settle();
    outcome = si_outcome_heard(bob, id);
    ck_assert_str_eq(outcome, bob->jid);
    ck_assert_str_eq(host->dst_addr, dst_addr);
    expect_text(first_guest(host), "\r");
    ck_assert(alice->route.dialled_by_us);
    ck_assert_uint_eq(alice->route.port, host->port);
}
END_TEST

/* Both have reached each other, or only the target has. */
START_TEST(the_target_reaches_the_requester)
{
    SiHost *host = new_host(0, TRUE);
    g_autofree char *offer =
        g_strdup_printf(HOST, bob->jid, host->host, _i ? host->port : (guint16)DEAD_PORT);
    g_autofree char *outcome = NULL;
    SiDial *connection;
    const char *id;

    begin_alice();
    id = si_say(bob, QUERY, offer);
    si_settle();
    connection = si_dial(bob, alice->jid, bob->jid);
    ck_assert_uint_eq(alice->connected, 0);
    si_answer(bob, "result", USED, alice->jid);
    si_run_until(alice->connected);
    si_settle();
    outcome = si_outcome_heard(bob, id);
    ck_assert_str_eq(outcome, _i ? "not-acceptable" : "item-not-found");
    expect_text(connection->fd, "\r");
    ck_assert(!alice->route.dialled_by_us);
    si_dial_free(connection);
}
END_TEST

/* Without streamhosts of the target nobody waits for a word. */
START_TEST(no_word_without_need)
{
    SiDial *connection;

    begin_alice();
    connection = si_dial(bob, alice->jid, bob->jid);
    si_answer(bob, "result", USED, alice->jid);
    si_run_until(alice->connected);
    si_settle();
    expect_text(connection->fd, "");
    si_dial_free(connection);
}
END_TEST

/* The target waits for a word even after a query that makes no sense. */
START_TEST(a_malformed_query_of_the_target)
{
    g_autofree char *outcome = NULL;
    SiDial *connection;
    const char *id;

    begin_alice();
    id = si_say(bob, QUERY, "<streamhost/>");
    si_settle();
    outcome = si_outcome_heard(bob, id);
    ck_assert_str_eq(outcome, "bad-request");
    connection = si_dial(bob, alice->jid, bob->jid);
    si_answer(bob, "result", USED, alice->jid);
    si_run_until(alice->connected);
    si_settle();
    expect_text(connection->fd, "\r");
    si_dial_free(connection);
}
END_TEST

START_TEST(neither_reaches_the_other)
{
    SiHost *host = new_host(0, FALSE);
    g_autofree char *offer = g_strdup_printf(HOST, bob->jid, host->host, (guint16)DEAD_PORT);
    const char *id;
    g_autofree char *outcome = NULL;

    begin_alice();
    id = si_say(bob, QUERY, offer);
    if (_i)
        si_settle();
    ck_assert_uint_eq(alice->failed, 0);
    si_answer(bob, "error", NOT_FOUND);
    si_run_until(alice->failed);
    si_settle();
    outcome = si_outcome_heard(bob, id);
    ck_assert_str_eq(outcome, "item-not-found");
    ck_assert_uint_eq(alice->failed, 1);
    ck_assert_uint_eq(alice->connected, 0);
}
END_TEST

/* A proxy of the target's is used when the target has given up ours, or does not answer for a while. */
START_TEST(a_proxy_of_the_target)
{
    SiHost *host = new_host(0, FALSE);
    g_autofree char *offer = g_strdup_printf(PROXY, "proxy.two.test", host->host, host->port);
    g_autofree char *dst_addr = bs_dst_addr(SI_SID, bob->jid, alice->jid);
    g_autofree char *outcome = NULL;
    const char *id;

    begin_alice();
    id = si_say(bob, QUERY, offer);
    if (_i) {
        si_run_until(host->fds->len > 0);
        ck_assert_uint_eq(alice->connected, 0);
        si_answer(bob, "error", NOT_FOUND);
    }
    si_run_until(alice->connected);
    si_settle();
    outcome = si_outcome_heard(bob, id);
    ck_assert_str_eq(outcome, "proxy.two.test");
    ck_assert_str_eq(host->dst_addr, dst_addr);
    ck_assert_int_eq(alice->route.type, BS_CANDIDATE_PROXY);
    expect_text(first_guest(host), "\r");
}
END_TEST

/* She is connected to the target's proxy; but the target then reaches her. */
START_TEST(a_direct_connection_beats_a_proxy)
{
    SiHost *host = new_host(0, FALSE);
    g_autofree char *offer = g_strdup_printf(PROXY, "proxy.two.test", host->host, host->port);
    SiDial *connection;

    begin_alice();
    si_say(bob, QUERY, offer);
    si_run_until(host->fds->len > 0);
    connection = si_dial(bob, alice->jid, bob->jid);
    si_answer(bob, "result", USED, alice->jid);
    si_run_until(alice->connected);
    ck_assert_int_eq(alice->route.type, BS_CANDIDATE_DIRECT);
    si_run_until(is_closed(first_guest(host)));
    si_dial_free(connection);
}
END_TEST

/* Places of her own, said back to her, are not dialled: she would talk to herself. */
START_TEST(an_echo)
{
    g_autoptr(BsSiQuery) query = NULL;
    g_autofree char *offer = NULL;
    const BsCandidate *host;

    begin_alice();
    query = bs_si_query_parse(si_query_heard(bob));
    host = g_ptr_array_index(query->hosts, 0);
    offer = g_strdup_printf(HOST, bob->jid, host->host, host->port);
    si_say(bob, QUERY, offer);
    si_settle();
    si_answer(bob, "error", NOT_FOUND);
    si_run_until(alice->failed);
    ck_assert_uint_eq(alice->connected, 0);
}
END_TEST

/* The target says that it uses her proxy, and only then offers hosts of its own, of which none is any good:
 * she goes on with the one activation that she has begun. */
START_TEST(a_query_after_the_choice_of_a_proxy)
{
    SiHost *host = new_host(0, FALSE);
    g_autofree char *dead = g_strdup_printf(HOST, bob->jid, "127.0.0.1", (guint16)DEAD_PORT);
    g_autofree char *proxy = g_strdup_printf(PROXY, "proxy.two.test", host->host, host->port);

    si_proxy = proxy_service_new("proxy.one.test");
    si_end_find_proxies(alice);
    si_proxy->manner = PROXY_IGNORES_ACTIVATION;
    begin_alice();
    si_answer(bob, "result", USED, si_proxy->jid);
    si_run_until(si_proxy->activations == 1);
    si_say(bob, QUERY, _i ? proxy : dead);
    if (_i)
        si_run_until(host->fds->len > 0);
    bs_test_run_for(300);
    ck_assert_uint_eq(si_proxy->activations, 1);
}
END_TEST

START_TEST(a_query_before_hers_is_none)
{
    g_autofree char *outcome = NULL;
    const char *id;

    si_end_begin(alice);
    id = si_say(bob, QUERY, "<streamhost jid='bob@two.test/b' host='192.0.2.9' port='5'/>");
    si_settle();
    outcome = si_outcome_heard(bob, id);
    ck_assert_str_eq(outcome, "not-acceptable");
}
END_TEST

/* The target against a scripted requester, which decides as Psi does. */

static const char *
begin_bob(const char *offer)
{
    const char *id;

    si_end_begin(bob);
    si_end_start(bob);
    id = si_say(alice, QUERY, offer);
    si_settle();
    ck_assert_ptr_nonnull(si_query_heard(alice));
    return id;
}

static void
say_word(int fd, const char *word)
{
    ck_assert_int_eq(send(fd, word, strlen(word), MSG_NOSIGNAL), (gssize)strlen(word));
}

START_TEST(the_target_tells_its_hosts)
{
    g_autofree char *dstaddr = bs_dst_addr(SI_SID, bob->jid, alice->jid);
    g_autoptr(BsSiQuery) query = NULL;

    begin_bob(FAST);
    query = bs_si_query_parse(si_query_heard(alice));
    ck_assert_uint_gt(query->hosts->len, 0);
    ck_assert(!query->fast);
    ck_assert_str_eq(query->dstaddr, dstaddr);
}
END_TEST

/* Whatever the order of word and answer, and also if the word comes together with the first bytes. */
START_TEST(the_requester_chooses_its_own_connection)
{
    SiDial *connection;

    begin_bob(FAST);
    connection = si_dial(alice, bob->jid, alice->jid);
    if (_i == 0)
        si_answer(alice, "result", USED, bob->jid);
    si_settle();
    ck_assert_uint_eq(bob->connected, 0);
    say_word(connection->fd, _i == 2 ? "\rbytes" : "\r");
    si_run_until(bob->connected);
    if (_i != 2)
        say_word(connection->fd, "bytes");
    expect_text(bob->fd, "bytes");
    ck_assert(!bob->route.dialled_by_us);
    si_dial_free(connection);
}
END_TEST

/* Both are connected to each other. */
START_TEST(the_word_decides)
{
    SiHost *host = new_host(0, FALSE);
    g_autofree char *offer = g_strdup_printf(HOST FAST, alice->jid, host->host, host->port);
    g_autofree char *outcome = NULL;
    SiDial *connection;
    const char *id;
    int chosen, other;

    id = begin_bob(offer);
    si_run_until(host->fds->len > 0);
    connection = si_dial(alice, bob->jid, alice->jid);
    si_settle();
    outcome = si_outcome_heard(alice, id);
    ck_assert_str_eq(outcome, alice->jid);
    ck_assert_uint_eq(bob->connected, 0);
    chosen = _i ? first_guest(host) : connection->fd;
    other = _i ? connection->fd : first_guest(host);
    say_word(chosen, "\rbytes");
    si_run_until(bob->connected && is_closed(other));
    expect_text(bob->fd, "bytes");
    ck_assert_int_eq(bob->route.dialled_by_us, _i);
    si_dial_free(connection);
}
END_TEST

/* That connection is worth nothing, but another one may still come. */
START_TEST(a_wrong_word)
{
    SiDial *connections[2];

    begin_bob(FAST);
    connections[0] = si_dial(alice, bob->jid, alice->jid);
    say_word(connections[0]->fd, "x\r");
    si_run_until(is_closed(connections[0]->fd));
    ck_assert_uint_eq(bob->connected + bob->failed, 0);
    connections[1] = si_dial(alice, bob->jid, alice->jid);
    say_word(connections[1]->fd, "\r");
    si_run_until(bob->connected);
    si_dial_free(connections[0]);
    si_dial_free(connections[1]);
}
END_TEST

/* The requester gives up: its connections go, and so do its answers. */
START_TEST(all_connections_are_lost)
{
    SiHost *host = new_host(0, FALSE);
    g_autofree char *offer = g_strdup_printf(HOST FAST, alice->jid, host->host, host->port);
    int fd;

    begin_bob(offer);
    si_run_until(host->fds->len > 0);
    si_answer(alice, "error", NOT_ACCEPTABLE);
    si_settle();
    ck_assert_uint_eq(bob->failed, 0);
    fd = first_guest(host);
    shutdown(fd, SHUT_RDWR);
    si_run_until(bob->failed);
    ck_assert_uint_eq(bob->connected, 0);
}
END_TEST

/* It is said to be there, and is not, or says nothing. */
START_TEST(a_requester_that_does_not_decide)
{
    SiHost *host = new_host(0, FALSE);
    g_autofree char *offer =
        _i ? g_strdup_printf(HOST FAST, alice->jid, host->host, host->port) : g_strdup(FAST);

    bs_test_hurry(100);
    begin_bob(offer);
    si_answer(alice, "result", USED, bob->jid);
    si_run_until(bob->failed);
    ck_assert_uint_eq(bob->connected, 0);
}
END_TEST

START_TEST(neither_reached_the_other)
{
    SiHost *host = new_host(0, FALSE);
    g_autofree char *offer = g_strdup_printf(HOST FAST, alice->jid, host->host, (guint16)DEAD_PORT);
    g_autofree char *outcome = NULL;
    const char *id = begin_bob(offer);

    si_run_until(si_answer_heard(alice, id) != NULL);
    outcome = si_outcome_heard(alice, id);
    ck_assert_str_eq(outcome, "item-not-found");
    ck_assert_uint_eq(bob->failed, 0);
    si_answer(alice, "error", NOT_FOUND);
    si_run_until(bob->failed);
}
END_TEST

/* The requester uses ours while we are still dialling: its query is answered nevertheless. */
START_TEST(dialling_ends_when_the_requester_decides)
{
    SiHost *host = new_host(0, TRUE);
    g_autofree char *offer = g_strdup_printf(HOST FAST, alice->jid, host->host, host->port);
    g_autofree char *outcome = NULL;
    SiDial *connection;
    const char *id = begin_bob(offer);

    connection = si_dial(alice, bob->jid, alice->jid);
    if (_i)
        si_answer(alice, "result", USED, bob->jid);
    else
        say_word(connection->fd, "\r");
    si_run_until(si_answer_heard(alice, id) != NULL);
    outcome = si_outcome_heard(alice, id);
    ck_assert_str_eq(outcome, "item-not-found");
    if (_i)
        say_word(connection->fd, "\r");
    si_run_until(bob->connected);
    si_dial_free(connection);
}
END_TEST

/* A proxy may have a node in its JID, and a client none. */
START_TEST(a_mark_tells_a_proxy)
{
    g_autofree char *text = g_strdup_printf("<query xmlns='" BS_NS_BYTESTREAMS "' sid='s'>%s</query>",
                                            _i == 0 ? "<streamhost jid='relay@two.test' host='192.0.2.1'/>"
                                                    : "<streamhost jid='relay@two.test' host='192.0.2.1'>"
                                                      "<proxy xmlns='" BS_NS_FAST "'/></streamhost>");
    xmlnode *element = xmlnode_from_str(text, -1);
    g_autoptr(BsSiQuery) query = bs_si_query_parse(element);

    xmlnode_free(element);
    ck_assert_ptr_nonnull(query);
    ck_assert_int_eq(((const BsCandidate *)g_ptr_array_index(query->hosts, 0))->type,
                     _i == 0 ? BS_CANDIDATE_DIRECT : BS_CANDIDATE_PROXY);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("si_fast");
    TCase *both = tcase_create("both");
    TCase *requester = tcase_create("requester");
    TCase *target = tcase_create("target");
    TCase *const tcases[] = {both, requester, target};
    SRunner *runner = srunner_create(suite);
    int failed;

    for (guint i = 0; i < G_N_ELEMENTS(tcases); i++) {
        tcase_set_timeout(tcases[i], 120);
        tcase_add_checked_fixture(tcases[i], setup, teardown);
        suite_add_tcase(suite, tcases[i]);
    }
    tcase_add_loop_test(both, only_the_target_can_listen, 0, 2);
    tcase_add_test(both, only_the_target_has_a_proxy);
    tcase_add_test(both, nobody_can_listen);
    tcase_add_loop_test(both, a_mark_tells_a_proxy, 0, 2);
    tcase_add_loop_test(both, it_may_be_freed_at_every_stanza, 0, 16);
    tcase_add_loop_test(both, it_may_be_freed_after_any_while, 0, 20);
    tcase_add_loop_test(both, it_may_be_freed_inside_its_events, 0, 4);
    tcase_add_loop_test(requester, the_requester_reaches_the_target, 0, 3);
    tcase_add_loop_test(requester, the_target_reaches_the_requester, 0, 2);
    tcase_add_test(requester, no_word_without_need);
    tcase_add_test(requester, a_malformed_query_of_the_target);
    tcase_add_loop_test(requester, neither_reaches_the_other, 0, 2);
    tcase_add_loop_test(requester, a_proxy_of_the_target, 0, 2);
    tcase_add_test(requester, a_direct_connection_beats_a_proxy);
    tcase_add_test(requester, an_echo);
    tcase_add_loop_test(requester, a_query_after_the_choice_of_a_proxy, 0, 2);
    tcase_add_test(requester, a_query_before_hers_is_none);
    tcase_add_test(target, the_target_tells_its_hosts);
    tcase_add_loop_test(target, the_requester_chooses_its_own_connection, 0, 3);
    tcase_add_loop_test(target, the_word_decides, 0, 2);
    tcase_add_test(target, a_wrong_word);
    tcase_add_test(target, all_connections_are_lost);
    tcase_add_loop_test(target, a_requester_that_does_not_decide, 0, 2);
    tcase_add_test(target, neither_reached_the_other);
    tcase_add_loop_test(target, dialling_ends_when_the_requester_decides, 0, 2);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
