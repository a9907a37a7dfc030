/* Our files to clients that speak Jingle file transfer: one script, run against each of them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jingle_peers.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"

/* More than fits into the kernel's buffers when nobody reads. */
#define LARGE_LENGTH (4 * 1024 * 1024)

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

/* Alice offers her file to the client of that number. */
static void
offer_to(int number, guint64 length)
{
    peer = jingle_peer_new(pair, &jingle_clients[number], services);
    jingle_peer_be_offered(peer, length, FALSE);
}

static void
begin(int number, guint places)
{
    offer_to(number, JINGLE_FILE_LENGTH);
    jingle_peer_accept(peer, places, 0);
}

static void
check_end(BsEndReason reason)
{
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, reason);
    ck_assert_uint_eq(script_not_taken(&peer->script), 0);
    ck_assert_uint_eq(pair->unclaimed, 0);
}

/* One that it could verify, if it does that. Swift knows only those of its own. */
static gboolean
hash_known_to(const JingleClient *client, const xmlnode *file)
{
    gboolean found = FALSE;

    for (xmlnode *node = bs_xml_first_element(file); node != NULL; node = bs_xml_next_element(node)) {
        BsHash hash;

        ck_assert(strcmp(node->name, "hash") == 0 &&
                  bs_hash_from_name(bs_jingle_attrib(node, "algo"), &hash));
        found |= strcmp(client->takes, "4") != 0 || (client->hashes & 1u << hash);
    }
    return found;
}

/* Psi waits without limit for alice's hash, which names the content. */
static void
take_checksum(void)
{
    const xmlnode *info = jingle_peer_take(peer, "session-info");
    const xmlnode *checksum = bs_xml_first_element(bs_jingle_element(info));

    ck_assert_str_eq(checksum->name, "checksum");
    ck_assert_str_eq(bs_jingle_attrib(checksum, "creator"), "initiator");
    ck_assert_str_eq(bs_jingle_attrib(checksum, "name"), peer->content);
    ck_assert(hash_known_to(peer->client, xmlnode_get_child(checksum, "file")));
}

static void
end_well(void)
{
    jingle_peer_say_received(peer);
    jingle_peer_terminate(peer, "success");
    check_end(BS_END_DELIVERED);
    ck_assert_uint_eq(pair->a.started, 1);
}

/* Alice's hash may have come by then. */
static void
end_at_once(void)
{
    jingle_peer_terminate(peer, "success");
    if (script_not_taken(&peer->script) > 0)
        take_checksum();
    check_end(BS_END_DELIVERED);
    ck_assert_uint_eq(pair->a.started, 1);
}

static void
receive_all(void)
{
    script_receive_file(&peer->script, 0, JINGLE_FILE_LENGTH);
    if (peer->client->ends_at_once) {
        end_at_once();
        return;
    }
    take_checksum();
    end_well();
}

static void
receive_all_in_band(void)
{
    script_take_open(&peer->script);
    script_take_blocks(&peer->script, 0, JINGLE_FILE_LENGTH);
    script_take_close(&peer->script);
    take_checksum();
    end_well();
    ck_assert(pair->a.route.in_band);
}

static void
cancel(void)
{
    ck_assert_ptr_nonnull(pair->a.transfer);
    bs_transfer_cancel(pair->a.transfer);
    pair->a.transfer = NULL;
    ck_assert_str_eq(jingle_peer_take_end(peer), "cancel");
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 0);
}

START_TEST(over_our_address)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    receive_all();
    ck_assert(!pair->a.route.dialled_by_us);
}
END_TEST

START_TEST(over_its_address)
{
    begin(_i, JINGLE_AT_HOME);
    jingle_peer_let_in(peer);
    jingle_peer_say_no_way(peer);
    receive_all();
    ck_assert(pair->a.route.dialled_by_us);
}
END_TEST

START_TEST(over_the_better_of_both)
{
    int accepted;

    begin(_i, JINGLE_AT_HOME);
    jingle_peer_let_in(peer);
    accepted = peer->script.fd;
    jingle_peer_dial(peer, FALSE);
    ck_assert_uint_ne(peer->own_choice, peer->alices_choice);
    if (!jingle_peer_own_dial_wins(peer)) {
        close(peer->script.fd);
        peer->script.fd = accepted;
    } else {
        close(accepted);
        if (peer->client->forgets_choice)
            jingle_peer_take_no_way(peer);
    }
    receive_all();
    ck_assert(pair->a.route.dialled_by_us != jingle_peer_own_dial_wins(peer));
}
END_TEST

START_TEST(over_its_proxy)
{
    begin(_i, JINGLE_AT_PROXY);
    jingle_peer_take_used(peer);
    jingle_peer_say_no_way(peer);
    jingle_peer_use_own_proxy(peer);
    receive_all();
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
    receive_all();
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

START_TEST(when_its_proxy_does_not_work)
{
    begin(_i, JINGLE_AT_PROXY);
    jingle_peer_take_used(peer);
    if (!peer->client->says_proxy_error)
        bs_test_hurry(50);
    jingle_peer_say_no_way(peer);
    if (peer->client->says_proxy_error)
        jingle_peer_give_up_own_proxy(peer);
    else
        jingle_peer_take_report(peer, "proxy-error");
    bs_test_hurry(10);
    if (jingle_peer_take_proposal(peer))
        receive_all_in_band();
    else if (peer->client->receives_otherwise == JINGLE_REJECTS)
        ck_assert_str_eq(jingle_peer_take_end(peer), "connectivity-error");
}
END_TEST

/* Alice's proxy refuses, she says so, and it is hers to propose what follows. */
START_TEST(when_our_proxy_does_not_work)
{
    services_give_proxies(&pair->a, 1);
    begin(_i, JINGLE_NOWHERE);
    services->proxies[0]->manner = PROXY_REFUSES_ACTIVATION;
    jingle_peer_dial(peer, TRUE);
    jingle_peer_take_no_way(peer);
    jingle_peer_take_report(peer, "proxy-error");
    if (jingle_peer_take_proposal(peer))
        receive_all_in_band();
    else if (peer->client->receives_otherwise == JINGLE_REJECTS)
        ck_assert_str_eq(jingle_peer_take_end(peer), "connectivity-error");
}
END_TEST

START_TEST(in_band_when_neither_reaches_the_other)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_say_no_way(peer);
    jingle_peer_take_no_way(peer);
    if (jingle_peer_take_proposal(peer)) {
        receive_all_in_band();
        return;
    }
    if (peer->client->receives_otherwise == JINGLE_REJECTS)
        ck_assert_str_eq(jingle_peer_take_end(peer), "connectivity-error");
    check_end(BS_END_NO_ROUTE);
}
END_TEST

static void
take_once_more_in_band(void)
{
    check_end(BS_END_NO_ROUTE);
    ck_assert(pair->a.in_band_is_left);
    pair->a.ended = 0;
    jingle_peer_be_offered(peer, JINGLE_FILE_LENGTH, TRUE);
    jingle_peer_accept(peer, JINGLE_IN_BAND, 0);
    receive_all_in_band();
}

/* Where the peer has left the session, but may take another one. */
START_TEST(in_band_in_a_new_session)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_say_no_way(peer);
    jingle_peer_take_no_way(peer);
    if (peer->client->receives_otherwise != JINGLE_ENDS)
        return;
    ck_assert(!jingle_peer_take_proposal(peer));
    take_once_more_in_band();
}
END_TEST

START_TEST(in_band_in_a_new_session_when_it_is_rejected_in_the_old_one)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_say_no_way(peer);
    jingle_peer_take_no_way(peer);
    if (!peer->client->rejects_in_band)
        return;
    jingle_peer_reject_in_band(peer);
    ck_assert_str_eq(jingle_peer_take_end(peer), "connectivity-error");
    take_once_more_in_band();
}
END_TEST

/* Gajim takes no other proposal than an in-band one. */
START_TEST(a_connection_that_breaks)
{
    offer_to(_i, LARGE_LENGTH);
    if (!peer->client->rejects_socks5)
        return;
    jingle_peer_accept(peer, JINGLE_NOWHERE, 0);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    close(peer->script.fd);
    peer->script.fd = -1;
    jingle_peer_reject_proposal(peer);
    ck_assert(jingle_peer_take_proposal(peer));
    script_take_open(&peer->script);
    script_take(&peer->script, "set", "data");
    ck_assert(pair->a.route.in_band);
    cancel();
}
END_TEST

START_TEST(a_file_without_bytes)
{
    offer_to(_i, 0);
    jingle_peer_accept(peer, JINGLE_NOWHERE, 0);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    script_wait_for_end(&peer->script);
    take_checksum();
    end_well();
}
END_TEST

/* Some clients only take what is there; Psi can go on where it stopped. */
START_TEST(from_the_middle)
{
    offer_to(_i, JINGLE_FILE_LENGTH);
    if (!peer->client->can_range)
        return;
    jingle_peer_accept(peer, JINGLE_NOWHERE, 12345);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    script_receive_file(&peer->script, 12345, JINGLE_FILE_LENGTH - 12345);
    script_wait_for_end(&peer->script);
    take_checksum();
    end_well();
}
END_TEST

START_TEST(from_the_middle_in_band)
{
    peer = jingle_peer_new(pair, &jingle_clients[_i], services);
    if (!peer->client->can_range)
        return;
    jingle_peer_be_offered(peer, JINGLE_FILE_LENGTH, TRUE);
    jingle_peer_accept(peer, JINGLE_IN_BAND, 12345);
    script_take_open(&peer->script);
    script_take_blocks(&peer->script, 12345, JINGLE_FILE_LENGTH - 12345);
    script_take_close(&peer->script);
    take_checksum();
    end_well();
}
END_TEST

/* Whoever closes the connection when it has all bytes, and says nothing, is not waited for. */
START_TEST(to_a_peer_that_says_nothing_at_the_end)
{
    begin(_i, JINGLE_NOWHERE);
    if (!peer->client->says_nothing)
        return;
    jingle_peer_dial(peer, FALSE);
    bs_test_hurry(100);
    jingle_peer_take_no_way(peer);
    script_receive_file(&peer->script, 0, JINGLE_FILE_LENGTH);
    script_wait_for_end(&peer->script);
    take_checksum();
    close(peer->script.fd);
    peer->script.fd = -1;
    ck_assert_str_eq(jingle_peer_take_end(peer), "success");
    check_end(BS_END_UNVERIFIED);
}
END_TEST

START_TEST(success_before_the_last_byte_is_none)
{
    offer_to(_i, LARGE_LENGTH);
    jingle_peer_accept(peer, JINGLE_NOWHERE, 0);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    jingle_peer_terminate(peer, "success");
    check_end(BS_END_PEER_FAILED);
}
END_TEST

/* What they say to a hash that does not agree: Gajim and others call it a success as well. */
START_TEST(a_damaged_file)
{
    begin(_i, JINGLE_NOWHERE);
    if (peer->client->damaged == NULL)
        return;
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    script_receive_file(&peer->script, 0, JINGLE_FILE_LENGTH);
    take_checksum();
    jingle_peer_end_for(peer, peer->client->damaged);
    check_end(BS_END_DAMAGED);
}
END_TEST

START_TEST(the_peers_user_declines)
{
    offer_to(_i, JINGLE_FILE_LENGTH);
    jingle_peer_terminate(peer, "decline");
    check_end(BS_END_DECLINED);
}
END_TEST

START_TEST(the_peer_cancels_while_bytes_move)
{
    begin(_i, JINGLE_AT_HOME);
    jingle_peer_let_in(peer);
    jingle_peer_terminate(peer, "cancel");
    check_end(BS_END_CANCELLED);
}
END_TEST

START_TEST(our_user_cancels_an_offer)
{
    offer_to(_i, JINGLE_FILE_LENGTH);
    cancel();
}
END_TEST

START_TEST(our_user_cancels_while_bytes_move)
{
    begin(_i, JINGLE_NOWHERE);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    cancel();
}
END_TEST

/* What ends in good order is a whole file for Dino, Psi and others, however much of it is there. */
START_TEST(what_is_cancelled_does_not_end_in_good_order)
{
    static guint8 bytes[64 * 1024];
    ssize_t got;

    offer_to(_i, LARGE_LENGTH);
    jingle_peer_accept(peer, JINGLE_NOWHERE, 0);
    jingle_peer_dial(peer, FALSE);
    jingle_peer_take_no_way(peer);
    script_receive_file(&peer->script, 0, 1000);
    cancel();
    do
        got = recv(peer->script.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    while (got > 0);
    ck_assert_int_eq(got, -1);
    ck_assert_int_eq(errno, ECONNRESET);
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
        when_its_proxy_does_not_work,
        when_our_proxy_does_not_work,
        over_our_address,
        over_its_address,
        over_the_better_of_both,
        over_its_proxy,
        over_our_proxy,
        over_our_proxy_that_has_a_name,
        in_band_when_neither_reaches_the_other,
        in_band_in_a_new_session,
        in_band_in_a_new_session_when_it_is_rejected_in_the_old_one,
        a_connection_that_breaks,
    };
    const TTest *const files[] = {
        a_file_without_bytes,
        from_the_middle,
        from_the_middle_in_band,
        to_a_peer_that_says_nothing_at_the_end,
        success_before_the_last_byte_is_none,
        a_damaged_file,
    };
    const TTest *const cancelled[] = {
        the_peers_user_declines,
        the_peer_cancels_while_bytes_move,
        our_user_cancels_an_offer,
        our_user_cancels_while_bytes_move,
        what_is_cancelled_does_not_end_in_good_order,
    };

    add_case(suite, "ways", ways, G_N_ELEMENTS(ways));
    add_case(suite, "files", files, G_N_ELEMENTS(files));
    add_case(suite, "cancelled", cancelled, G_N_ELEMENTS(cancelled));
}

int
main(void)
{
    Suite *suite = suite_create("jingle_outgoing");
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
