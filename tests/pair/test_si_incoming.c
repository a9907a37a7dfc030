/* Files from clients that speak stream initiation: one script, run against each of them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "si_peers.h"
#include "socks5/listener.h"
#include "transfer/stream_initiation.h"

#define BOTH (1u << BS_SI_BYTESTREAMS | 1u << BS_SI_IN_BAND)
#define ONLY_IN_BAND (1u << BS_SI_IN_BAND)

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

/* The client of that number offers its file, and alice accepts. */
static void
begin(int number, guint methods)
{
    peer = si_peer_new(pair, &si_clients[number]);
    si_peer_offer(peer, methods);
    ck_assert_uint_eq(si_peer_take_agreement(peer),
                      methods & 1u << BS_SI_BYTESTREAMS ? BS_SI_BYTESTREAMS : BS_SI_IN_BAND);
}

/* In the fast mode alice offers streamhosts as well; the peer reaches none of them. */
static void
refuse_alices_hosts(void)
{
    if (peer->client->fast)
        si_peer_say_no_way(peer, script_take(&peer->script, "set", "query"));
}

/* Alice is connected to the peer's machine, and knows that it is this connection. */
static void
connect_to_peer(SiHosts hosts)
{
    si_peer_tell_hosts(peer, hosts);
    si_peer_let_in(peer);
    si_check_used(script_take(&peer->script, "result", "query"), pair->b.jid);
    refuse_alices_hosts();
    if (peer->client->fast)
        script_send_bytes(peer->script.fd, "\r", 1);
}

static void
check_end(BsEndReason reason)
{
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, reason);
    ck_assert(pair->a.named != pair->a.discarded);
    ck_assert_uint_eq(script_not_taken(&peer->script), 0);
}

static void
check_arrived(gboolean in_band)
{
    check_end(peer->client->hashes ? BS_END_DELIVERED : BS_END_UNVERIFIED);
    ck_assert(pair_has_whole_file(&pair->a, SI_FILE_LENGTH));
    ck_assert_uint_eq(pair->a.started, 1);
    ck_assert(pair->a.route.in_band == in_band);
}

static void
check_lost(BsEndReason reason)
{
    check_end(reason);
    ck_assert(pair->a.discarded);
}

static void
send_all_in_band(void)
{
    script_open(&peer->script, peer->client->open);
    script_send_blocks(&peer->script, 0, SI_FILE_LENGTH);
    script_close(&peer->script);
    check_arrived(TRUE);
}

START_TEST(directly)
{
    begin(_i, BOTH);
    connect_to_peer(SI_HOST_LIVE);
    script_send_file(&peer->script, 0, SI_FILE_LENGTH);
    check_arrived(FALSE);
    script_wait_for_end(&peer->script);
}
END_TEST

START_TEST(directly_past_a_dead_streamhost)
{
    begin(_i, BOTH);
    connect_to_peer(SI_HOST_DEAD_THEN_LIVE);
    script_send_file(&peer->script, 0, SI_FILE_LENGTH);
    shutdown(peer->script.fd, SHUT_WR);
    check_arrived(FALSE);
}
END_TEST

START_TEST(over_our_streamhost_in_the_fast_mode)
{
    begin(_i, BOTH);
    si_peer_tell_hosts(peer, SI_HOST_DEAD);
    if (peer->client->fast) {
        si_peer_dial(peer, script_take(&peer->script, "set", "query"));
        script_take(&peer->script, "error", NULL);
        script_send_bytes(peer->script.fd, "\r", 1);
        script_send_file(&peer->script, 0, SI_FILE_LENGTH);
        check_arrived(FALSE);
    } else {
        script_take(&peer->script, "error", NULL);
        ck_assert_uint_eq(script_not_taken(&peer->script), 0);
        ck_assert_uint_eq(bs_listener_port(), 0);
    }
}
END_TEST

START_TEST(over_its_proxy)
{
    begin(_i, BOTH);
    si_peer_tell_proxy(peer, services->proxies[1]);
    si_check_used(script_take(&peer->script, "result", "query"), services->proxies[1]->jid);
    refuse_alices_hosts();
    si_peer_use_own_proxy(peer, services->proxies[1]);
    if (peer->client->fast)
        script_send_bytes(peer->script.fd, "\r", 1);
    script_send_file(&peer->script, 0, SI_FILE_LENGTH);
    shutdown(peer->script.fd, SHUT_WR);
    check_arrived(FALSE);
    ck_assert_int_eq(pair->a.route.type, BS_CANDIDATE_PROXY);
}
END_TEST

/* The client of that number is about to fail with SOCKS5. Timers keep the pace at which they are set. */
static void
begin_in_vain(int number)
{
    begin(number, BOTH);
    if (!peer->client->falls_back)
        bs_test_hurry(100);
}

/* What the peer does when alice has told it that she reached no streamhost. */
static void
go_on_without_socks5(void)
{
    script_take(&peer->script, "error", NULL);
    refuse_alices_hosts();
    if (peer->client->falls_back)
        send_all_in_band();
    else
        check_lost(BS_END_NO_ROUTE);
}

START_TEST(in_band_when_the_connection_is_refused)
{
    begin_in_vain(_i);
    si_peer_tell_hosts(peer, SI_HOST_DEAD);
    go_on_without_socks5();
}
END_TEST

START_TEST(in_band_when_socks5_refuses)
{
    begin_in_vain(_i);
    si_peer_tell_hosts(peer, SI_HOST_LIVE);
    script_accept(&peer->script);
    script_send_bytes(peer->script.fd, "\x05\xff", 2);
    go_on_without_socks5();
}
END_TEST

START_TEST(in_band_when_the_streamhost_is_silent)
{
    begin_in_vain(_i);
    si_peer_tell_hosts(peer, SI_HOST_LIVE);
    script_accept(&peer->script);
    go_on_without_socks5();
}
END_TEST

/* Also from a peer that does not go on by itself when SOCKS5 has failed. */
START_TEST(the_next_file_comes_in_band)
{
    begin_in_vain(_i);
    si_peer_tell_hosts(peer, SI_HOST_DEAD);
    go_on_without_socks5();
    ck_assert(pair->a.in_band_is_left != peer->client->falls_back);
    bs_test_hurry(5);
    pair->a.ended = pair->a.started = 0;
    pair->a.discarded = FALSE;
    si_peer_offer(peer, BOTH);
    if (peer->client->falls_back) {
        ck_assert_uint_eq(si_peer_take_agreement(peer), BS_SI_BYTESTREAMS);
        return;
    }
    ck_assert_uint_eq(si_peer_take_agreement(peer), BS_SI_IN_BAND);
    send_all_in_band();
}
END_TEST

/* The peer's user has cancelled, for which the fast mode has a word. */
START_TEST(the_next_file_after_one_that_was_cancelled)
{
    begin_in_vain(_i);
    if (!peer->client->fast)
        return;
    si_peer_tell_hosts(peer, SI_HOST_DEAD);
    script_take(&peer->script, "error", NULL);
    script_answer(
        &peer->script, script_take(&peer->script, "set", "query"), "error",
        "<error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>");
    check_lost(BS_END_NO_ROUTE);
    ck_assert(!pair->a.in_band_is_left);
    bs_test_hurry(5);
    si_peer_offer(peer, BOTH);
    ck_assert_uint_eq(si_peer_take_agreement(peer), BS_SI_BYTESTREAMS);
}
END_TEST

/* The peer has found no address of its own. */
START_TEST(in_band_without_any_streamhosts)
{
    begin(_i, BOTH);
    if (peer->client->falls_back)
        send_all_in_band();
}
END_TEST

START_TEST(in_band_where_nothing_else_is_offered)
{
    begin(_i, ONLY_IN_BAND);
    send_all_in_band();
}
END_TEST

START_TEST(a_wrong_hash_is_noticed)
{
    peer = si_peer_new(pair, &si_clients[_i]);
    peer->lies = TRUE;
    si_peer_offer(peer, BOTH);
    si_peer_take_agreement(peer);
    connect_to_peer(SI_HOST_LIVE);
    script_send_file(&peer->script, 0, SI_FILE_LENGTH);
    if (peer->client->hashes)
        check_lost(BS_END_DAMAGED);
    else
        check_arrived(FALSE);
}
END_TEST

/* What the user is told of it. */
START_TEST(its_description_is_understood)
{
    const BsFileOffer *file;

    pair->a.user = USER_WAITS;
    peer = si_peer_new(pair, &si_clients[_i]);
    si_peer_offer(peer, BOTH);
    bs_test_run_for(50);
    file = bs_transfer_file(pair->a.transfer);
    ck_assert_str_eq(file->name, "f");
    ck_assert_uint_eq(file->size, SI_FILE_LENGTH);
    ck_assert_int_eq(file->date, peer->client->date != 0 ? peer->client->date : -1);
    ck_assert_pstr_eq(file->media_type, peer->client->media_type);
    ck_assert_pstr_eq(file->desc, peer->client->desc);
    ck_assert_uint_eq(file->hashes, peer->client->hashes ? 1u << BS_HASH_MD5 : 0);
    bs_transfer_decline(pair->a.transfer);
    pair->a.transfer = NULL;
}
END_TEST

/* Of the same file, offered again, only the rest is sent. */
static void
offer_again(int number, guint methods)
{
    pair->a.user = USER_WAITS;
    peer = si_peer_new(pair, &si_clients[number]);
    si_peer_offer(peer, methods);
    bs_test_run_for(50);
    pair_accept_rest(&pair->a, 12345, bs_transfer_hashes_for_rest(bs_transfer_file(pair->a.transfer)));
    si_peer_take_agreement(peer);
    ck_assert_uint_eq(peer->wanted_from, 12345);
}

/* Psi tells no hash: nothing that comes in parts is asked of it. */
static gboolean
can_send_rest(int number)
{
    return si_clients[number].part != NULL && si_clients[number].hashes;
}

START_TEST(from_the_middle)
{
    if (can_send_rest(_i)) {
        offer_again(_i, BOTH);
        connect_to_peer(SI_HOST_LIVE);
        script_send_file(&peer->script, 12345, SI_FILE_LENGTH - 12345);
        check_arrived(FALSE);
    } else {
        peer = si_peer_new(pair, &si_clients[_i]);
    }
}
END_TEST

START_TEST(from_the_middle_in_band)
{
    if (can_send_rest(_i)) {
        offer_again(_i, ONLY_IN_BAND);
        script_open(&peer->script, peer->client->open);
        script_send_blocks(&peer->script, 12345, SI_FILE_LENGTH - 12345);
        script_close(&peer->script);
        check_arrived(TRUE);
    } else {
        peer = si_peer_new(pair, &si_clients[_i]);
    }
}
END_TEST

static gboolean
begin_without_bytes(int number, guint methods)
{
    peer = si_peer_new(pair, &si_clients[number]);
    if (peer->client->empty_size == NULL)
        return FALSE;
    peer->empty = TRUE;
    pair->a.user = USER_WAITS;
    si_peer_offer(peer, methods);
    bs_test_run_for(50);
    ck_assert_uint_eq(bs_transfer_file(pair->a.transfer)->size, 0);
    pair_accept(&pair->a);
    si_peer_take_agreement(peer);
    return TRUE;
}

static void
check_empty(gboolean in_band)
{
    check_end(peer->client->hashes ? BS_END_DELIVERED : BS_END_UNVERIFIED);
    ck_assert(pair_has_whole_file(&pair->a, 0));
    ck_assert(pair->a.route.in_band == in_band);
}

START_TEST(a_file_without_bytes)
{
    if (!begin_without_bytes(_i, BOTH))
        return;
    connect_to_peer(SI_HOST_LIVE);
    shutdown(peer->script.fd, SHUT_WR);
    check_empty(FALSE);
}
END_TEST

START_TEST(a_file_without_bytes_in_band)
{
    if (!begin_without_bytes(_i, ONLY_IN_BAND))
        return;
    script_open(&peer->script, peer->client->open);
    script_close(&peer->script);
    check_empty(TRUE);
}
END_TEST

START_TEST(a_truncated_stream_is_noticed)
{
    begin(_i, BOTH);
    connect_to_peer(SI_HOST_LIVE);
    script_send_file(&peer->script, 0, SI_FILE_LENGTH - 1);
    shutdown(peer->script.fd, SHUT_RDWR);
    check_lost(BS_END_CONNECTION_LOST);
}
END_TEST

START_TEST(a_truncated_in_band_stream_is_noticed)
{
    begin(_i, ONLY_IN_BAND);
    script_open(&peer->script, peer->client->open);
    script_send_blocks(&peer->script, 0, SI_FILE_LENGTH - 1);
    script_close(&peer->script);
    check_lost(BS_END_CONNECTION_LOST);
}
END_TEST

START_TEST(too_many_bytes_are_noticed)
{
    begin(_i, BOTH);
    connect_to_peer(SI_HOST_LIVE);
    script_send_file(&peer->script, 0, SI_FILE_LENGTH + 1);
    check_lost(BS_END_WRONG_SIZE);
}
END_TEST

START_TEST(a_peer_that_says_nothing_after_its_offer_is_given_up)
{
    bs_test_hurry(1000);
    begin(_i, _i % 2 == 0 ? BOTH : ONLY_IN_BAND);
    check_lost(BS_END_NOT_BEGUN);
}
END_TEST

static void
repeat_offer(const char *iq_id)
{
    g_autofree char *offer =
        script_fill(peer->client->offer, "sid", peer->script.sid, "size", " size='20000'", "hash", "",
                    "options", "<option><value>http://jabber.org/protocol/ibb</value></option>", NULL);
    g_autofree char *stanza = g_strdup_printf("<iq type='set' id='%s' from='%s' to='%s'>%s</iq>", iq_id,
                                              pair->b.jid, pair->a.jid, offer);

    script_send(pair, stanza);
    bs_test_run_for(20);
}

/* A server delivers the very same stanza once more (XEP-0198); another one is none of that stream. */
START_TEST(an_offer_that_comes_twice)
{
    pair->a.user = USER_WAITS;
    peer = si_peer_new(pair, &si_clients[_i]);
    si_peer_offer(peer, BOTH);
    bs_test_run_for(20);
    ck_assert_uint_eq(pair->a.offers, 1);
    repeat_offer(peer->script.asked);
    ck_assert_uint_eq(pair->b.inbox->len, 0);
    repeat_offer("another");
    ck_assert_ptr_nonnull(xmlnode_get_child(script_take(&peer->script, "error", "error"), "error/conflict"));
    pair_accept(&pair->a);
    si_peer_take_agreement(peer);
    repeat_offer(peer->script.asked);
    repeat_offer("another");
    ck_assert_ptr_nonnull(xmlnode_get_child(script_take(&peer->script, "error", "error"), "error/conflict"));
    ck_assert_uint_eq(pair->b.inbox->len, 3);
    ck_assert_uint_eq(pair->a.offers, 1);
    connect_to_peer(SI_HOST_LIVE);
    script_send_file(&peer->script, 0, SI_FILE_LENGTH);
    check_arrived(FALSE);
}
END_TEST

/* Whoever counts its streams begins anew when it is started again. */
START_TEST(a_sid_may_come_again_when_its_stream_has_ended)
{
    pair->a.user = USER_DECLINES;
    peer = si_peer_new(pair, &si_clients[_i]);
    si_peer_offer(peer, BOTH);
    script_take(&peer->script, "error", "error");
    repeat_offer(peer->script.asked);
    ck_assert_uint_eq(pair->a.offers, 1);
    repeat_offer("another");
    ck_assert_uint_eq(pair->a.offers, 2);
    script_take(&peer->script, "error", "error");
}
END_TEST

START_TEST(a_connection_without_bytes_is_given_up)
{
    begin(_i, BOTH);
    si_peer_tell_hosts(peer, SI_HOST_LIVE);
    si_peer_hear_request(peer);
    if (peer->client->fast) {
        si_peer_grant_request(peer);
        si_check_used(script_take(&peer->script, "result", "query"), pair->b.jid);
        refuse_alices_hosts();
        bs_test_run_for(50);
        bs_test_hurry(1000);
        script_send_bytes(peer->script.fd, "\r", 1);
    } else {
        bs_test_hurry(1000);
        si_peer_grant_request(peer);
        si_check_used(script_take(&peer->script, "result", "query"), pair->b.jid);
    }
    check_lost(BS_END_CONNECTION_LOST);
}
END_TEST

/* In the fast mode alice cannot know which connection it is before the peer says so. */
START_TEST(a_connection_that_is_never_chosen_is_given_up)
{
    begin(_i, BOTH);
    if (!peer->client->fast)
        return;
    bs_test_hurry(30);
    si_peer_tell_hosts(peer, SI_HOST_LIVE);
    si_peer_let_in(peer);
    si_check_used(script_take(&peer->script, "result", "query"), pair->b.jid);
    refuse_alices_hosts();
    check_lost(BS_END_NO_ROUTE);
}
END_TEST

START_TEST(an_in_band_stream_without_blocks_is_given_up)
{
    begin(_i, ONLY_IN_BAND);
    bs_test_hurry(1000);
    script_open(&peer->script, peer->client->open);
    check_lost(BS_END_CONNECTION_LOST);
}
END_TEST

START_TEST(our_user_declines)
{
    pair->a.user = USER_DECLINES;
    peer = si_peer_new(pair, &si_clients[_i]);
    si_peer_offer(peer, BOTH);
    ck_assert_ptr_nonnull(xmlnode_get_child(script_take(&peer->script, "error", "error"), "error/forbidden"));
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 0);
    ck_assert_uint_eq(bs_listener_port(), 0);
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

/* As libpurple says so. */
START_TEST(the_peers_user_cancels_with_a_close)
{
    begin(_i, BOTH);
    script_close(&peer->script);
    script_take(&peer->script, "result", NULL);
    check_lost(BS_END_CANCELLED);
}
END_TEST

START_TEST(our_user_cancels_before_there_is_a_connection)
{
    begin(_i, BOTH);
    cancel();
    si_peer_tell_hosts(peer, SI_HOST_LIVE);
    script_take(&peer->script, "error", NULL);
    ck_assert_uint_eq(pair->unclaimed, 0);
    ck_assert_uint_eq(script_not_taken(&peer->script), 0);
}
END_TEST

START_TEST(our_user_cancels_while_bytes_move)
{
    begin(_i, BOTH);
    connect_to_peer(SI_HOST_LIVE);
    script_send_file(&peer->script, 0, 1000);
    bs_test_run_for(50);
    cancel();
    script_wait_for_end(&peer->script);
    ck_assert(pair->a.discarded);
}
END_TEST

START_TEST(our_user_cancels_in_band)
{
    begin(_i, ONLY_IN_BAND);
    script_open(&peer->script, peer->client->open);
    script_send_blocks(&peer->script, 0, peer->client->block);
    cancel();
    script_take_close(&peer->script);
    ck_assert(pair->a.discarded);
    ck_assert_uint_eq(script_not_taken(&peer->script), 0);
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
        directly_past_a_dead_streamhost,
        over_our_streamhost_in_the_fast_mode,
        over_its_proxy,
        its_description_is_understood,
        from_the_middle,
        a_file_without_bytes,
        a_wrong_hash_is_noticed,
        a_truncated_stream_is_noticed,
        too_many_bytes_are_noticed,
    };
    const TTest *const in_band[] = {
        in_band_without_any_streamhosts,
        in_band_where_nothing_else_is_offered,
        from_the_middle_in_band,
        a_file_without_bytes_in_band,
        a_truncated_in_band_stream_is_noticed,
        an_in_band_stream_without_blocks_is_given_up,
        our_user_cancels_in_band,
    };
    const TTest *const from_socks5_to_in_band[] = {
        in_band_when_the_connection_is_refused,     in_band_when_socks5_refuses,
        in_band_when_the_streamhost_is_silent,      the_next_file_comes_in_band,
        the_next_file_after_one_that_was_cancelled,
    };
    const TTest *const silent[] = {
        a_peer_that_says_nothing_after_its_offer_is_given_up,
        a_connection_without_bytes_is_given_up,
        a_connection_that_is_never_chosen_is_given_up,
    };
    const TTest *const repeated[] = {
        an_offer_that_comes_twice,
        a_sid_may_come_again_when_its_stream_has_ended,
    };
    const TTest *const cancelled[] = {
        our_user_declines,
        the_peers_user_cancels_with_a_close,
        our_user_cancels_before_there_is_a_connection,
        our_user_cancels_while_bytes_move,
    };

    add_case(suite, "direct", direct, G_N_ELEMENTS(direct));
    add_case(suite, "in_band", in_band, G_N_ELEMENTS(in_band));
    add_case(suite, "from_socks5_to_in_band", from_socks5_to_in_band, G_N_ELEMENTS(from_socks5_to_in_band));
    add_case(suite, "silent", silent, G_N_ELEMENTS(silent));
    add_case(suite, "repeated", repeated, G_N_ELEMENTS(repeated));
    add_case(suite, "cancelled", cancelled, G_N_ELEMENTS(cancelled));
}

int
main(void)
{
    Suite *suite = suite_create("si_incoming");
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
