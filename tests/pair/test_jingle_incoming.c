/* Files from clients that speak Jingle file transfer: one script, run against each of them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jingle_peers.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "socks5/listener.h"
#include "transfer/jingle_xml.h"

static Pair *pair;
static Services *services;
static JinglePeer *peer;

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
    bs_test_hurry(10);
    services = services_new();
    pair = pair_new_scripted();
    pair->filter = filter;
}

static void
teardown(void)
{
    jingle_peer_free(peer);
    peer = NULL;
    pair_free(pair);
    services_free(services);
    bs_test_hurry(1);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static void
meet(int number)
{
    peer = jingle_peer_new(pair, &jingle_clients[number], services);
}

/* The client of that number offers its file, and alice accepts. */
static void
begin(int number, guint places)
{
    meet(number);
    jingle_peer_offer(peer, places);
    jingle_peer_take_answer(peer);
}

static gboolean
has_hash(void)
{
    return !(peer->hash_time & (JINGLE_HASH_TOO_LATE | JINGLE_HASH_NEVER));
}

static void
check_end(BsEndReason reason)
{
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, reason);
    ck_assert(pair->a.named != pair->a.discarded);
    ck_assert_uint_eq(script_not_taken(&peer->script), 0);
    ck_assert_uint_eq(pair->unclaimed, 0);
}

/* Psi waits without limit for alice's word that she has the file. */
static void
check_arrived(guint64 length)
{
    jingle_peer_take(peer, "session-info");
    ck_assert_str_eq(jingle_peer_take_end(peer), "success");
    jingle_peer_tell_hash(peer, JINGLE_HASH_TOO_LATE);
    check_end(has_hash() ? BS_END_DELIVERED : BS_END_UNVERIFIED);
    ck_assert(pair_has_whole_file(&pair->a, length));
    ck_assert_uint_eq(pair->a.started, 1);
}

/* Whoever tells no hash is waited for, and that is not what is tested here. */
static void
do_not_wait_for_hash(void)
{
    if (!has_hash())
        bs_test_hurry(100);
}

static void
send_all(void)
{
    do_not_wait_for_hash();
    script_send_file(&peer->script, 0, JINGLE_FILE_LENGTH);
    shutdown(peer->script.fd, SHUT_WR);
    jingle_peer_tell_hash(peer, JINGLE_HASH_PROMISED);
    jingle_peer_tell_hash(peer, JINGLE_HASH_LATE);
    check_arrived(JINGLE_FILE_LENGTH);
}

static void
send_all_in_band(void)
{
    do_not_wait_for_hash();
    script_send_blocks(&peer->script, 0, JINGLE_FILE_LENGTH);
    script_close(&peer->script);
    jingle_peer_tell_hash(peer, JINGLE_HASH_PROMISED);
    jingle_peer_tell_hash(peer, JINGLE_HASH_LATE);
    check_arrived(JINGLE_FILE_LENGTH);
    ck_assert(pair->a.route.in_band);
}

/* Alice has dialled the peer, which has reached nothing of hers. */
static void
let_alice_in(void)
{
    jingle_peer_let_in(peer);
    jingle_peer_say_no_way(peer);
}

START_TEST(over_our_address)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    send_all();
    ck_assert(!pair->a.route.dialled_by_us);
}
END_TEST

/* The peer closes the connection, rejects what alice proposes, and what it does not reject it never begins.
 */
static void
be_killed(void)
{
    close(peer->script.fd);
    peer->script.fd = -1;
    jingle_peer_reject_proposal(peer);
    bs_test_hurry(1000);
    ck_assert(jingle_peer_take_proposal(peer));
    ck_assert_str_eq(jingle_peer_take_end(peer), "connectivity-error");
    check_end(BS_END_NO_ROUTE);
}

START_TEST(over_its_address)
{
    begin(_i, JINGLE_AT_HOME);
    let_alice_in();
    if (peer->client->kills_dial) {
        be_killed();
        return;
    }
    send_all();
    ck_assert(pair->a.route.dialled_by_us);
}
END_TEST

/* Gajim, as the sender, can only use the connection that it dialled itself. */
START_TEST(over_the_better_of_both)
{
    int accepted;

    begin(_i, JINGLE_AT_HOME);
    jingle_peer_let_in(peer);
    accepted = peer->script.fd;
    jingle_peer_dial(peer, FALSE);
    ck_assert_uint_ne(peer->own_choice, peer->alices_choice);
    if (!jingle_peer_own_dial_wins(peer)) {
        ck_assert(!peer->client->kills_dial);
        close(peer->script.fd);
        peer->script.fd = accepted;
    } else {
        close(accepted);
        if (peer->client->forgets_choice)
            jingle_peer_take_no_way(peer);
    }
    send_all();
    ck_assert(pair->a.route.dialled_by_us != jingle_peer_own_dial_wins(peer));
}
END_TEST

START_TEST(over_its_proxy)
{
    begin(_i, JINGLE_AT_PROXY);
    jingle_peer_take_used(peer);
    jingle_peer_say_no_way(peer);
    jingle_peer_use_own_proxy(peer);
    send_all();
    ck_assert_int_eq(pair->a.route.type, BS_CANDIDATE_PROXY);
}
END_TEST

static void
go_over_our_proxy(int number)
{
    services_give_proxies(&pair->a, 1);
    begin(number, JINGLE_NOWHERE);
    jingle_peer_dial(peer, TRUE);
    jingle_peer_take_no_way(peer);
    jingle_peer_take_report(peer, "activated");
    send_all();
    ck_assert_int_eq(pair->a.route.type, BS_CANDIDATE_PROXY);
    ck_assert_uint_eq(services->proxies[0]->activations, 1);
}

START_TEST(over_our_proxy)
{
    go_over_our_proxy(_i);
}
END_TEST

/* As most servers call theirs. */
START_TEST(over_our_proxy_that_has_a_name)
{
    services_use_names(services);
    go_over_our_proxy(_i);
}
END_TEST

/* The peer does nothing any more, and is given up. */
static void
wait_in_vain(void)
{
    ck_assert_str_eq(jingle_peer_take_end(peer), "connectivity-error");
    check_end(BS_END_NO_ROUTE);
}

/* Who does not say so is waited for, and then told; and some do not even hear that. */
START_TEST(when_its_proxy_does_not_work)
{
    begin(_i, JINGLE_AT_PROXY);
    jingle_peer_take_used(peer);
    if (!peer->client->says_proxy_error)
        bs_test_hurry(50);
    jingle_peer_say_no_way(peer);
    if (peer->client->says_proxy_error) {
        jingle_peer_give_up_own_proxy(peer);
    } else {
        jingle_peer_take_report(peer, "proxy-error");
        if (!peer->client->heeds_proxy_error) {
            wait_in_vain();
            return;
        }
        bs_test_hurry(10);
    }
    if (jingle_peer_go_on(peer)) {
        script_open(&peer->script, peer->client->open);
        send_all_in_band();
    } else {
        check_end(BS_END_NO_ROUTE);
    }
}
END_TEST

/* Who heeds our word on it goes on in another way; the others wait. */
START_TEST(when_our_proxy_does_not_work)
{
    const xmlnode *report;

    services_give_proxies(&pair->a, 1);
    begin(_i, JINGLE_NOWHERE);
    services->proxies[0]->manner = PROXY_REFUSES_ACTIVATION;
    if (!peer->client->heeds_proxy_error)
        bs_test_hurry(50);
    jingle_peer_dial(peer, TRUE);
    jingle_peer_take_no_way(peer);
    report = jingle_peer_take_report(peer, "proxy-error");
    ck_assert((bs_jingle_attrib(report, "cid") != NULL) == peer->client->proxy_error_cid);
    if (!peer->client->heeds_proxy_error) {
        wait_in_vain();
    } else if (jingle_peer_go_on(peer)) {
        script_open(&peer->script, peer->client->open);
        send_all_in_band();
    } else {
        check_end(BS_END_NO_ROUTE);
    }
}
END_TEST

START_TEST(in_band_from_the_start)
{
    begin(_i, JINGLE_IN_BAND);
    if (!peer->client->opens_early)
        script_open(&peer->script, peer->client->open);
    send_all_in_band();
}
END_TEST

START_TEST(in_band_when_neither_reaches_the_other)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_say_no_way(peer);
    jingle_peer_take_no_way(peer);
    /* Who is slow has time to acknowledge what alice says. */
    if (peer->client->sends_otherwise == JINGLE_NEVER_OPENS)
        bs_test_hurry(50);
    if (jingle_peer_go_on(peer)) {
        script_open(&peer->script, peer->client->open);
        send_all_in_band();
        return;
    }
    if (peer->client->sends_otherwise == JINGLE_NEVER_OPENS) {
        ck_assert_str_eq(jingle_peer_take_end(peer), "connectivity-error");
    }
    check_end(BS_END_NO_ROUTE);
}
END_TEST

/* By what we announce it knows that we take files in its way. */
START_TEST(its_way_is_announced)
{
    const char *const *features = bs_endpoint_features();

    meet(_i);
    for (const char *digit = peer->client->takes; *digit != '\0'; digit++) {
        g_autofree char *feature = g_strdup_printf("urn:xmpp:jingle:apps:file-transfer:%c", *digit);

        ck_assert_msg(g_strv_contains(features, feature), "%s: no %s", peer->client->name, feature);
    }
    ck_assert(g_strv_contains(features, "urn:xmpp:jingle:transports:s5b:1"));
    ck_assert(g_strv_contains(features, "urn:xmpp:jingle:transports:ibb:1"));
}
END_TEST

/* What the user is told of it. */
START_TEST(its_description_is_understood)
{
    const BsFileOffer *file;

    pair->a.user = USER_WAITS;
    meet(_i);
    jingle_peer_offer(peer, JINGLE_AT_HOME);
    bs_test_run_for(50);
    file = bs_transfer_file(pair->a.transfer);
    ck_assert_str_eq(file->name, "f");
    ck_assert_uint_eq(file->size, JINGLE_FILE_LENGTH);
    ck_assert_int_eq(file->date, peer->client->date != 0 ? peer->client->date : -1);
    ck_assert_pstr_eq(file->media_type, peer->client->media_type);
    ck_assert_pstr_eq(file->desc, peer->client->desc);
    ck_assert_uint_eq(file->hashes | file->hashes_promised,
                      peer->hash_time & (JINGLE_HASH_IN_OFFER | JINGLE_HASH_PROMISED) ? peer->client->hashes
                                                                                      : 0);
    jingle_peer_terminate(peer, "cancel");
}
END_TEST

/* Once for each time at which it may tell the hash. */
START_TEST(whenever_the_hash_comes)
{
    for (guint time = JINGLE_HASH_IN_OFFER; time <= JINGLE_HASH_NEVER; time <<= 1) {
        if (!(jingle_clients[_i].hash_times & time))
            continue;
        meet(_i);
        peer->hash_time = (JingleHash)time;
        jingle_peer_offer(peer, JINGLE_NOWHERE);
        jingle_peer_tell_hash(peer, JINGLE_HASH_EARLY);
        jingle_peer_take_answer(peer);
        jingle_peer_dial(peer, FALSE);
        jingle_peer_take_no_way(peer);
        send_all();
        teardown();
        setup();
    }
    meet(_i);
}
END_TEST

/* Once for each time, as well. */
START_TEST(a_wrong_hash_is_noticed)
{
    for (guint time = JINGLE_HASH_IN_OFFER; time <= JINGLE_HASH_LATE; time <<= 1) {
        if (!(jingle_clients[_i].hash_times & time))
            continue;
        meet(_i);
        peer->hash_time = (JingleHash)time;
        peer->lies = TRUE;
        jingle_peer_offer(peer, JINGLE_NOWHERE);
        jingle_peer_tell_hash(peer, JINGLE_HASH_EARLY);
        jingle_peer_take_answer(peer);
        jingle_peer_dial(peer, FALSE);
        jingle_peer_take_no_way(peer);
        script_send_file(&peer->script, 0, JINGLE_FILE_LENGTH);
        jingle_peer_tell_hash(peer, JINGLE_HASH_PROMISED);
        jingle_peer_tell_hash(peer, JINGLE_HASH_LATE);
        ck_assert_str_eq(jingle_peer_take_end(peer), "media-error");
        check_end(BS_END_DAMAGED);
        ck_assert(pair->a.discarded);
        teardown();
        setup();
    }
    meet(_i);
}
END_TEST

START_TEST(a_file_without_bytes)
{
    meet(_i);
    peer->empty = TRUE;
    jingle_peer_offer(peer, JINGLE_NOWHERE);
    jingle_peer_take_answer(peer);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    do_not_wait_for_hash();
    shutdown(peer->script.fd, SHUT_WR);
    jingle_peer_tell_hash(peer, JINGLE_HASH_PROMISED);
    jingle_peer_tell_hash(peer, JINGLE_HASH_LATE);
    check_arrived(0);
}
END_TEST

START_TEST(too_many_bytes_are_noticed)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    script_send_file(&peer->script, 0, JINGLE_FILE_LENGTH + 1);
    ck_assert_str_eq(jingle_peer_take_end(peer), "media-error");
    check_end(BS_END_WRONG_SIZE);
}
END_TEST

/* Of the same file, offered again, only the rest is sent. */
static void
offer_again(int number, guint places)
{
    pair->a.user = USER_WAITS;
    meet(number);
    jingle_peer_offer(peer, places);
    bs_test_run_for(50);
    pair_accept_rest(&pair->a, 12345, bs_transfer_hashes_for_rest(bs_transfer_file(pair->a.transfer)));
    jingle_peer_take_answer(peer);
    ck_assert_uint_eq(peer->wanted_from, 12345);
}

START_TEST(from_the_middle)
{
    if (jingle_clients[_i].can_range) {
        offer_again(_i, JINGLE_NOWHERE);
        jingle_peer_dial(peer, FALSE);
        jingle_peer_take_no_way(peer);
        script_send_file(&peer->script, 12345, JINGLE_FILE_LENGTH - 12345);
        shutdown(peer->script.fd, SHUT_WR);
        check_arrived(JINGLE_FILE_LENGTH);
    } else {
        meet(_i);
    }
}
END_TEST

START_TEST(from_the_middle_in_band)
{
    if (jingle_clients[_i].can_range) {
        offer_again(_i, JINGLE_IN_BAND);
        if (!peer->client->opens_early)
            script_open(&peer->script, peer->client->open);
        script_send_blocks(&peer->script, 12345, JINGLE_FILE_LENGTH - 12345);
        script_close(&peer->script);
        check_arrived(JINGLE_FILE_LENGTH);
    } else {
        meet(_i);
    }
}
END_TEST

/* Gajim and others call a success what breaks off, and nobody sends the rest. */
START_TEST(a_truncated_file_is_noticed)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    script_send_file(&peer->script, 0, JINGLE_FILE_LENGTH - 1);
    shutdown(peer->script.fd, SHUT_RDWR);
    jingle_peer_take(peer, "transport-replace");
    jingle_peer_terminate(peer, "success");
    check_end(BS_END_PEER_FAILED);
    ck_assert(pair->a.discarded);
}
END_TEST

#define TAIL_LENGTH 5000

/* Its proxy is nominated, and has passed on all but the tail. Of those that wait for our word, its own
 * address tells who it is. */
static void
send_all_but_the_tail(int number)
{
    begin(number, JINGLE_NOWHERE | JINGLE_AT_PROXY);
    jingle_peer_take_used(peer);
    jingle_peer_say_no_way(peer);
    jingle_peer_use_own_proxy(peer);
    script_send_file(&peer->script, 0, JINGLE_FILE_LENGTH - TAIL_LENGTH);
    jingle_peer_tell_hash(peer, JINGLE_HASH_PROMISED);
}

static void
pass_tail_on(void)
{
    script_send_file(&peer->script, JINGLE_FILE_LENGTH - TAIL_LENGTH, TAIL_LENGTH);
    shutdown(peer->script.fd, SHUT_WR);
}

/* It closes the connection, at which the proxy passes on what it has, when it is told that the file is here.
 * The others close it by themselves, and are told nothing before. */
START_TEST(its_proxy_holds_the_tail)
{
    send_all_but_the_tail(_i);
    if (!peer->client->waits) {
        bs_test_run_for(500);
        ck_assert_uint_eq(script_not_taken(&peer->script), 0);
        do_not_wait_for_hash();
        pass_tail_on();
        jingle_peer_tell_hash(peer, JINGLE_HASH_LATE);
        check_arrived(JINGLE_FILE_LENGTH);
        return;
    }
    jingle_peer_take(peer, "session-info");
    pass_tail_on();
    ck_assert_str_eq(jingle_peer_take_end(peer), "success");
    check_end(BS_END_DELIVERED);
    ck_assert(pair_has_whole_file(&pair->a, JINGLE_FILE_LENGTH));
}
END_TEST

/* What was said too early is taken back. */
START_TEST(its_proxy_loses_the_tail)
{
    if (!jingle_clients[_i].waits) {
        meet(_i);
        return;
    }
    send_all_but_the_tail(_i);
    jingle_peer_take(peer, "session-info");
    shutdown(peer->script.fd, SHUT_RDWR);
    jingle_peer_reject_proposal(peer);
    jingle_peer_reject_in_band(peer);
    ck_assert_str_eq(jingle_peer_take_end(peer), "connectivity-error");
    check_end(BS_END_CONNECTION_LOST);
}
END_TEST

START_TEST(the_peer_cancels_its_offer)
{
    pair->a.user = USER_WAITS;
    meet(_i);
    jingle_peer_offer(peer, JINGLE_AT_HOME);
    jingle_peer_terminate(peer, "cancel");
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, BS_END_CANCELLED);
}
END_TEST

START_TEST(the_peer_cancels_while_bytes_move)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    script_send_file(&peer->script, 0, 1000);
    jingle_peer_terminate(peer, "cancel");
    check_end(BS_END_CANCELLED);
    script_wait_for_end(&peer->script);
}
END_TEST

START_TEST(our_user_declines)
{
    pair->a.user = USER_DECLINES;
    meet(_i);
    jingle_peer_offer(peer, JINGLE_AT_HOME);
    ck_assert_str_eq(jingle_peer_take_end(peer), "decline");
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 0);
    ck_assert_uint_eq(script_not_taken(&peer->script), 0);
}
END_TEST

static void
cancel(void)
{
    ck_assert_ptr_nonnull(pair->a.transfer);
    bs_transfer_cancel(pair->a.transfer);
    pair->a.transfer = NULL;
    ck_assert_str_eq(jingle_peer_take_end(peer), "cancel");
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 0);
    ck_assert(pair->a.discarded);
}

START_TEST(our_user_cancels_while_bytes_move)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    script_send_file(&peer->script, 0, 1000);
    cancel();
    script_wait_for_end(&peer->script);
}
END_TEST

START_TEST(our_user_cancels_in_band)
{
    begin(_i, JINGLE_IN_BAND);
    if (!peer->client->opens_early)
        script_open(&peer->script, peer->client->open);
    script_send_blocks(&peer->script, 0, peer->script.block);
    cancel();
}
END_TEST

static void
add_case(Suite *suite, const char *name, const TTest *const *tests, guint count)
{
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (guint i = 0; i < count; i++)
        tcase_add_loop_test(tcase, tests[i], 0, JINGLE_CLIENT_COUNT);
    suite_add_tcase(suite, tcase);
}

static void
add_cases(Suite *suite)
{
    const TTest *const ways[] = {
        over_our_address,
        over_its_address,
        over_the_better_of_both,
        over_its_proxy,
        over_our_proxy,
        over_our_proxy_that_has_a_name,
        when_its_proxy_does_not_work,
        when_our_proxy_does_not_work,
        in_band_from_the_start,
        in_band_when_neither_reaches_the_other,
    };
    const TTest *const files[] = {
        its_way_is_announced,     its_description_is_understood, from_the_middle,
        from_the_middle_in_band,  whenever_the_hash_comes,       a_wrong_hash_is_noticed,
        a_file_without_bytes,     too_many_bytes_are_noticed,    a_truncated_file_is_noticed,
        its_proxy_holds_the_tail, its_proxy_loses_the_tail,
    };
    const TTest *const cancelled[] = {
        the_peer_cancels_its_offer,        the_peer_cancels_while_bytes_move, our_user_declines,
        our_user_cancels_while_bytes_move, our_user_cancels_in_band,
    };

    add_case(suite, "ways", ways, G_N_ELEMENTS(ways));
    add_case(suite, "files", files, G_N_ELEMENTS(files));
    add_case(suite, "cancelled", cancelled, G_N_ELEMENTS(cancelled));
}

int
main(void)
{
    Suite *suite = suite_create("jingle_incoming");
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
