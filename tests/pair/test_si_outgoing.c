/* Our files to clients that speak stream initiation: one script, run against each of them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "si_peers.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/stream_initiation.h"

#define BOTH (1u << BS_SI_BYTESTREAMS | 1u << BS_SI_IN_BAND)
#define ONLY_IN_BAND (1u << BS_SI_IN_BAND)
#define STANZA_ERROR(name)                                                                                   \
    "<error type='cancel'><" name " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"

static Pair *pair;
static Services *services;
static SiPeer *peer;

static StanzaFate
filter(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)the_pair;
    (void)number;
    return services_take(services, from, stanza) ? FATE_IS_LOST : FATE_ARRIVES;
}

static void
setup(void)
{
    /* What alice waits for at the end is not what is tested here. */
    bs_test_hurry(5);
    services = services_new();
    pair = pair_new_scripted();
    pair->filter = filter;
}

static void
teardown(void)
{
    si_peer_free(peer);
    peer = NULL;
    pair_free(pair);
    services_free(services);
    bs_test_hurry(1);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

/* Alice offers her file to the client of that number, which takes the offer. */
static const xmlnode *
offer_to(int number)
{
    peer = si_peer_new(pair, &si_clients[number]);
    pair_offer_by_si(&pair->a, "f", SI_FILE_LENGTH);
    return si_peer_take_offer(peer, BOTH);
}

static void
begin(int number, guint methods)
{
    si_peer_accept(peer, offer_to(number), methods, 0, 0);
}

static const xmlnode *
take_alices_hosts(void)
{
    const xmlnode *request = script_take(&peer->script, "set", "query");

    ck_assert_ptr_nonnull(
        bs_xml_child(xmlnode_get_child(request, "query"), "fast", "http://affinix.com/jabber/stream"));
    return request;
}

/* The peer has dialled alice. */
static void
connect_to_alice(void)
{
    const xmlnode *request = take_alices_hosts();

    if (peer->client->fast) {
        si_peer_tell_hosts(peer, SI_HOST_DEAD);
        script_take(&peer->script, "error", NULL);
    }
    si_peer_dial(peer, request);
}

/* In the fast mode alice has to say which connection it is. */
static void
take_choice(void)
{
    guint8 byte;

    if (!peer->client->fast)
        return;
    script_receive_bytes(peer->script.fd, &byte, 1);
    ck_assert_uint_eq(byte, '\r');
}

static void
check_end(BsEndReason reason)
{
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, reason);
    ck_assert_uint_eq(script_not_taken(&peer->script), 0);
}

/* No client says whether the file is whole. */
static void
check_sent(gboolean in_band)
{
    check_end(BS_END_UNVERIFIED);
    ck_assert_uint_eq(pair->a.started, 1);
    ck_assert(pair->a.route.in_band == in_band);
}

static void
hang_up(void)
{
    close(peer->script.fd);
    peer->script.fd = -1;
}

/* Psi hangs up only when alice has ended her half. */
static void
receive_bytes(guint64 offset, guint64 length)
{
    script_receive_file(&peer->script, offset, length);
    script_wait_for_end(&peer->script);
    hang_up();
    check_sent(FALSE);
}

static void
receive_in_band(guint64 offset, guint64 length)
{
    script_take_open(&peer->script);
    script_take_blocks(&peer->script, offset, length);
    script_take_close(&peer->script);
    check_sent(TRUE);
}

START_TEST(directly)
{
    begin(_i, BOTH);
    connect_to_alice();
    take_choice();
    receive_bytes(0, SI_FILE_LENGTH);
}
END_TEST

START_TEST(to_a_peer_that_hangs_up_first)
{
    begin(_i, BOTH);
    connect_to_alice();
    take_choice();
    script_receive_file(&peer->script, 0, SI_FILE_LENGTH);
    hang_up();
    check_sent(FALSE);
}
END_TEST

/* Also in the fast mode, where the peer has no streamhost: then nothing has to be chosen. */
START_TEST(directly_to_a_peer_without_streamhosts)
{
    begin(_i, BOTH);
    si_peer_dial(peer, take_alices_hosts());
    receive_bytes(0, SI_FILE_LENGTH);
}
END_TEST

START_TEST(over_the_peers_streamhost_in_the_fast_mode)
{
    const xmlnode *request;

    begin(_i, BOTH);
    request = take_alices_hosts();
    if (peer->client->fast) {
        si_peer_tell_hosts(peer, SI_HOST_LIVE);
        si_peer_let_in(peer);
        si_check_used(script_take(&peer->script, "result", "query"), pair->b.jid);
        si_peer_say_no_way(peer, request);
        take_choice();
    } else {
        si_peer_dial(peer, request);
    }
    receive_bytes(0, SI_FILE_LENGTH);
}
END_TEST

START_TEST(over_our_proxy)
{
    const xmlnode *request;

    services_give_proxies(&pair->a, 1);
    begin(_i, BOTH);
    request = take_alices_hosts();
    if (peer->client->fast) {
        si_peer_tell_hosts(peer, SI_HOST_DEAD);
        script_take(&peer->script, "error", NULL);
    }
    si_peer_dial_proxy(peer, request, services->proxies[0]);
    take_choice();
    receive_bytes(0, SI_FILE_LENGTH);
    ck_assert_int_eq(pair->a.route.type, BS_CANDIDATE_PROXY);
    ck_assert_uint_eq(services->proxies[0]->activations, 1);
}
END_TEST

START_TEST(a_file_without_bytes)
{
    peer = si_peer_new(pair, &si_clients[_i]);
    pair_offer_by_si(&pair->a, "f", 0);
    si_peer_accept(peer, si_peer_take_offer(peer, BOTH), BOTH, 0, 0);
    connect_to_alice();
    take_choice();
    receive_bytes(0, 0);
}
END_TEST

START_TEST(a_file_without_bytes_in_band)
{
    peer = si_peer_new(pair, &si_clients[_i]);
    pair_offer_by_si(&pair->a, "f", 0);
    si_peer_accept(peer, si_peer_take_offer(peer, BOTH), ONLY_IN_BAND, 0, 0);
    receive_in_band(0, 0);
}
END_TEST

static void
take_once_more_in_band(void)
{
    ck_assert(pair->a.in_band_is_left);
    pair->a.ended = 0;
    pair_offer_by_si_in_band(&pair->a, "f", SI_FILE_LENGTH);
    si_peer_accept(peer, si_peer_take_offer(peer, ONLY_IN_BAND), ONLY_IN_BAND, 0, 0);
    receive_in_band(0, SI_FILE_LENGTH);
}

/* What becomes of alice's file when the peer has reached none of her streamhosts. */
static void
go_on_without_socks5(void)
{
    if (peer->client->falls_back) {
        receive_in_band(0, SI_FILE_LENGTH);
    } else {
        script_answer(&peer->script, script_take(&peer->script, "set", "open"), "error",
                      peer->client->not_opened);
        check_end(BS_END_NO_ROUTE);
        take_once_more_in_band();
    }
}

START_TEST(in_band_when_the_peer_cannot_connect)
{
    begin(_i, BOTH);
    si_peer_say_no_way(peer, take_alices_hosts());
    go_on_without_socks5();
}
END_TEST

/* The peer never tells what it has reached, and alice goes in-band. */
static void
refuse_in_band_without_a_word_before(int number, const char *error)
{
    const xmlnode *offer = offer_to(number);

    bs_test_hurry(1000);
    si_peer_accept(peer, offer, BOTH, 0, 0);
    take_alices_hosts();
    bs_test_hurry(5);
    script_answer(&peer->script, script_take(&peer->script, "set", "open"), "error", error);
    check_end(BS_END_NO_ROUTE);
}

/* gloox does so, unless who uses it thinks of it. */
START_TEST(in_band_when_the_peer_says_nothing_of_streamhosts)
{
    refuse_in_band_without_a_word_before(_i, STANZA_ERROR("feature-not-implemented"));
    take_once_more_in_band();
}
END_TEST

/* libpurple says nothing when its user has cancelled. */
START_TEST(a_peer_that_has_cancelled_without_a_word_is_not_asked_again)
{
    refuse_in_band_without_a_word_before(_i, STANZA_ERROR("item-not-found"));
    ck_assert(!pair->a.in_band_is_left);
}
END_TEST

/* As its user has cancelled, for whom there is no better word. */
START_TEST(a_peer_that_wants_no_connection_is_not_asked_again)
{
    begin(_i, BOTH);
    script_answer(&peer->script, take_alices_hosts(), "error", STANZA_ERROR("not-acceptable"));
    script_answer(&peer->script, script_take(&peer->script, "set", "open"), "error",
                  STANZA_ERROR("item-not-found"));
    check_end(BS_END_NO_ROUTE);
    ck_assert(!pair->a.in_band_is_left);
}
END_TEST

START_TEST(in_band_when_our_port_refuses_the_peer)
{
    const xmlnode *request;

    begin(_i, BOTH);
    request = take_alices_hosts();
    ck_assert_uint_ne(script_dial("0123456789012345678901234567890123456789", &peer->script.fd), 0);
    si_peer_say_no_way(peer, request);
    go_on_without_socks5();
}
END_TEST

START_TEST(in_band_when_the_peer_names_no_streamhost)
{
    begin(_i, BOTH);
    script_answer(&peer->script, take_alices_hosts(), "result", "");
    go_on_without_socks5();
}
END_TEST

START_TEST(in_band_when_the_peer_names_another_streamhost)
{
    const xmlnode *request;

    begin(_i, BOTH);
    request = take_alices_hosts();
    script_answer(&peer->script, request, "result",
                  "<query xmlns='http://jabber.org/protocol/bytestreams'>"
                  "<streamhost-used jid='proxy.elsewhere.test'/></query>");
    go_on_without_socks5();
}
END_TEST

START_TEST(in_band_when_our_proxy_does_not_work)
{
    services_give_proxies(&pair->a, 1);
    begin(_i, BOTH);
    services->proxies[0]->manner = PROXY_REFUSES_ACTIVATION;
    if (peer->client->fast)
        return;
    si_peer_dial_proxy(peer, take_alices_hosts(), services->proxies[0]);
    go_on_without_socks5();
}
END_TEST

START_TEST(in_band_when_the_peer_wants_it)
{
    begin(_i, ONLY_IN_BAND);
    receive_in_band(0, SI_FILE_LENGTH);
}
END_TEST

START_TEST(a_part_is_sent_where_it_is_wanted)
{
    const guint64 offset = 12345;
    const xmlnode *offer = offer_to(_i);
    const char *part = peer->client->part;
    guint64 length = part != NULL && strstr(part, "{length}") != NULL ? 256 : SI_FILE_LENGTH - offset;

    si_peer_accept(peer, offer, BOTH, part != NULL ? offset : 0, part != NULL ? length : 0);
    connect_to_alice();
    take_choice();
    receive_bytes(part != NULL ? offset : 0, part != NULL ? length : SI_FILE_LENGTH);
}
END_TEST

START_TEST(a_part_is_sent_in_band)
{
    const xmlnode *offer = offer_to(_i);
    guint64 offset = peer->client->part != NULL ? 19000 : 0;

    si_peer_accept(peer, offer, ONLY_IN_BAND, offset, 0);
    receive_in_band(offset, SI_FILE_LENGTH - offset);
}
END_TEST

START_TEST(the_peers_user_declines)
{
    const xmlnode *offer = offer_to(_i);

    script_answer(&peer->script, offer, "error", peer->client->declined);
    check_end(BS_END_DECLINED);
}
END_TEST

START_TEST(an_answer_that_chooses_nothing_is_none)
{
    const xmlnode *offer = offer_to(_i);

    script_answer(&peer->script, offer, "result", "<si xmlns='http://jabber.org/protocol/si'/>");
    check_end(BS_END_UNSUPPORTED);
}
END_TEST

START_TEST(a_peer_that_breaks_off_is_noticed)
{
    begin(_i, BOTH);
    connect_to_alice();
    take_choice();
    script_receive_file(&peer->script, 0, 1000);
    /* With bytes unread, the connection is reset. */
    hang_up();
    check_end(BS_END_CONNECTION_LOST);
}
END_TEST

START_TEST(a_peer_that_breaks_off_in_band_is_noticed)
{
    begin(_i, ONLY_IN_BAND);
    script_take_open(&peer->script);
    script_answer(
        &peer->script, script_take(&peer->script, "set", "data"), "error",
        "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>");
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_CONNECTION_LOST);
}
END_TEST

START_TEST(a_peer_that_closes_the_in_band_stream_is_noticed)
{
    begin(_i, ONLY_IN_BAND);
    script_take_open(&peer->script);
    script_answer(&peer->script, script_take(&peer->script, "set", "data"), "result", "");
    script_close(&peer->script);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_CONNECTION_LOST);
}
END_TEST

/* Timers keep the pace at which they were set. */
START_TEST(a_peer_that_never_answers_is_given_up)
{
    bs_test_hurry(100000);
    offer_to(_i);
    check_end(BS_END_TIMEOUT);
}
END_TEST

START_TEST(a_peer_that_never_tells_of_its_streamhost_is_given_up)
{
    const xmlnode *offer = offer_to(_i);

    bs_test_hurry(1000);
    si_peer_accept(peer, offer, BOTH, 0, 0);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_NO_ROUTE);
    take_alices_hosts();
}
END_TEST

START_TEST(a_peer_that_never_opens_is_given_up)
{
    const xmlnode *offer = offer_to(_i);

    bs_test_hurry(1000);
    si_peer_accept(peer, offer, ONLY_IN_BAND, 0, 0);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_NO_ROUTE);
    script_take(&peer->script, "set", "open");
}
END_TEST

START_TEST(a_peer_that_acknowledges_no_block_is_given_up)
{
    begin(_i, ONLY_IN_BAND);
    bs_test_hurry(1000);
    script_take_open(&peer->script);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_CONNECTION_LOST);
    script_take(&peer->script, "set", "data");
}
END_TEST

static void
cancel(void)
{
    ck_assert_ptr_nonnull(pair->a.transfer);
    bs_transfer_cancel(pair->a.transfer);
    pair->a.transfer = NULL;
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 0);
}

/* There is no word for it; an acceptance that comes too late leads nowhere. */
START_TEST(our_user_cancels_an_offer)
{
    const xmlnode *offer = offer_to(_i);

    cancel();
    si_peer_accept(peer, offer, BOTH, 0, 0);
    bs_test_run_for(50);
    ck_assert_uint_eq(script_not_taken(&peer->script), 0);
    ck_assert_uint_eq(bs_listener_port(), 0);
}
END_TEST

START_TEST(our_user_cancels_before_there_is_a_connection)
{
    begin(_i, BOTH);
    take_alices_hosts();
    cancel();
    ck_assert_uint_eq(bs_listener_port(), 0);
}
END_TEST

START_TEST(our_user_cancels_while_bytes_move)
{
    begin(_i, BOTH);
    connect_to_alice();
    take_choice();
    cancel();
    for (guint8 byte; recv(peer->script.fd, &byte, 1, 0) == 1;)
        continue;
    ck_assert_uint_eq(script_not_taken(&peer->script), 0);
}
END_TEST

START_TEST(our_user_cancels_in_band)
{
    begin(_i, ONLY_IN_BAND);
    script_take_open(&peer->script);
    script_take(&peer->script, "set", "data");
    cancel();
    script_take_close(&peer->script);
}
END_TEST

static void
add_case(Suite *suite, const char *name, const TTest *const *tests, guint count)
{
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (guint i = 0; i < count; i++)
        tcase_add_loop_test(tcase, tests[i], 0, SI_CLIENT_COUNT);
    suite_add_tcase(suite, tcase);
}

static void
add_cases(Suite *suite)
{
    const TTest *const direct[] = {
        directly,
        to_a_peer_that_hangs_up_first,
        directly_to_a_peer_without_streamhosts,
        over_the_peers_streamhost_in_the_fast_mode,
        over_our_proxy,
        a_file_without_bytes,
        a_part_is_sent_where_it_is_wanted,
        a_peer_that_breaks_off_is_noticed,
    };
    const TTest *const in_band[] = {
        in_band_when_the_peer_wants_it,
        a_file_without_bytes_in_band,
        a_part_is_sent_in_band,
        a_peer_that_breaks_off_in_band_is_noticed,
        a_peer_that_closes_the_in_band_stream_is_noticed,
        a_peer_that_never_opens_is_given_up,
        a_peer_that_acknowledges_no_block_is_given_up,
        our_user_cancels_in_band,
    };
    const TTest *const from_socks5_to_in_band[] = {
        in_band_when_the_peer_cannot_connect,
        in_band_when_the_peer_says_nothing_of_streamhosts,
        a_peer_that_has_cancelled_without_a_word_is_not_asked_again,
        a_peer_that_wants_no_connection_is_not_asked_again,
        in_band_when_our_port_refuses_the_peer,
        in_band_when_the_peer_names_no_streamhost,
        in_band_when_the_peer_names_another_streamhost,
        in_band_when_our_proxy_does_not_work,
    };
    const TTest *const answers[] = {
        the_peers_user_declines,
        an_answer_that_chooses_nothing_is_none,
        a_peer_that_never_answers_is_given_up,
        a_peer_that_never_tells_of_its_streamhost_is_given_up,
    };
    const TTest *const cancelled[] = {
        our_user_cancels_an_offer,
        our_user_cancels_before_there_is_a_connection,
        our_user_cancels_while_bytes_move,
    };

    add_case(suite, "direct", direct, G_N_ELEMENTS(direct));
    add_case(suite, "in_band", in_band, G_N_ELEMENTS(in_band));
    add_case(suite, "from_socks5_to_in_band", from_socks5_to_in_band, G_N_ELEMENTS(from_socks5_to_in_band));
    add_case(suite, "answers", answers, G_N_ELEMENTS(answers));
    add_case(suite, "cancelled", cancelled, G_N_ELEMENTS(cancelled));
}

int
main(void)
{
    Suite *suite = suite_create("si_outgoing");
    SRunner *runner = srunner_create(suite);
    int failed;

    add_cases(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
