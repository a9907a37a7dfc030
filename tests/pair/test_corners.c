/* Sessions where it is rarely busy: offers and answers that come twice, late, too often, or while somebody
 * leaves. SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "socks5/candidate.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/s5b_xml.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define TRANSPORT(inner) "<transport xmlns='" BS_NS_S5B "' sid='stream'>" inner "</transport>"
#define CONTENT(inner) "<content creator='initiator' name='c' senders='initiator'>" inner "</content>"
/* SHA-256 of "0123456789". */
#define OFFER                                                                                                \
    CONTENT("<description xmlns='" FT5 "'><file><name>f</name><size>10</size>"                               \
            "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII="    \
            "</hash></file></description>" TRANSPORT(""))

static Pair *pair;
static int fd;

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new_scripted();
    fd = -1;
}

static void
teardown(void)
{
    if (fd >= 0)
        close(fd);
    pair_free(pair);
    bs_test_hurry(1);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static void
check_answer(const char *action, const char *sid, const char *contents, const char *expected)
{
    g_autofree char *answer = script_jingle(pair, action, sid, contents);

    ck_assert_str_eq(answer, expected);
}

static void
ring(void)
{
    pair->a.user = USER_WAITS;
    check_answer("session-initiate", "s1", OFFER, "result");
    ck_assert_uint_eq(pair->a.offers, 1);
}

/* A request to alice of somebody's. */
static void
send_request_of(const char *from, const char *id, const char *action, const char *sid, const char *contents)
{
    g_autofree char *xml =
        g_strdup_printf("<iq type='set' id='%s' from='%s' to='alice@one.test/a'><jingle xmlns='" BS_NS_JINGLE
                        "' action='%s' sid='%s'>%s</jingle></iq>",
                        id, from, action, sid, contents);

    script_send(pair, xml);
}

/* What alice's latest stanza is: "result", "error", or an action. */
static const char *
latest_stanza(void)
{
    const xmlnode *stanza;
    const char *action;

    ck_assert_uint_gt(pair->b.inbox->len, 0);
    stanza = g_ptr_array_index(pair->b.inbox, pair->b.inbox->len - 1);
    action = bs_jingle_attrib(bs_jingle_element(stanza), "action");
    return action != NULL ? action : bs_jingle_attrib(stanza, "type");
}

static BsJingleReason
awaited_terminate(void)
{
    const xmlnode *terminate = script_expect(pair, "session-terminate");

    ck_assert_ptr_nonnull(terminate);
    return bs_jingle_reason(bs_jingle_element(terminate));
}

START_TEST(a_proxy_error_while_it_rings_changes_nothing)
{
    ring();
    check_answer("transport-info", "s1", CONTENT(TRANSPORT("<proxy-error/>")), "result");
    ck_assert_uint_eq(pair->a.ended, 0);
    pair_accept(&pair->a);
    ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
}
END_TEST

START_TEST(a_content_needs_no_creator)
{
    ring();
    check_answer("transport-info", "s1", "<content name='c'>" TRANSPORT("<candidate-error/>") "</content>",
                 "result");
    check_answer("transport-info", "s1", "<content name='d'>" TRANSPORT("<candidate-error/>") "</content>",
                 "bad-request");
    check_answer("transport-info", "s1",
                 "<content creator='responder' name='c'>" TRANSPORT("<candidate-error/>") "</content>",
                 "bad-request");
    ck_assert_uint_eq(pair->a.ended, 0);
}
END_TEST

/* As a server does that resumes a stream: the very same stanza once more. */
START_TEST(an_offer_that_was_declined_does_not_ring_again)
{
    pair->a.user = USER_DECLINES;
    for (guint i = 0; i < 2; i++) {
        send_request_of(pair->b.jid, "same", "session-initiate", "s1", OFFER);
        bs_test_run_for(50);
    }
    ck_assert_uint_eq(pair->a.offers, 1);
    ck_assert_str_eq(latest_stanza(), "result");
}
END_TEST

START_TEST(a_session_that_ended_does_not_begin_again)
{
    ring();
    check_answer("session-terminate", "s1", "<reason><cancel/></reason>", "result");
    check_answer("session-initiate", "s1", OFFER, "result");
    ck_assert_uint_eq(pair->a.offers, 1);
    ck_assert_uint_eq(pair->a.ended, 1);
}
END_TEST

START_TEST(sids_are_each_contacts_own)
{
    ring();
    check_answer("session-terminate", "s1", "<reason><cancel/></reason>", "result");
    send_request_of("carol@three.test/c", "c1", "session-initiate", "s1", OFFER);
    bs_test_run_for(50);
    ck_assert_uint_eq(pair->a.offers, 2);
    ck_assert_uint_eq(bs_endpoint_transfers(pair->a.endpoint), 1);
}
END_TEST

START_TEST(a_refused_request_that_comes_twice_is_refused_twice)
{
    ring();
    for (guint i = 0; i < 2; i++) {
        send_request_of(pair->b.jid, "same", "make-coffee", "s1", "");
        bs_test_run_for(50);
        ck_assert_str_eq(latest_stanza(), "error");
    }
}
END_TEST

/* The acknowledgement of session-accept is lost, and the peer goes on; only then does it nominate. */
START_TEST(whoever_writes_within_a_session_has_it)
{
    g_autofree char *dst_addr = bs_dst_addr("stream", pair->a.jid, pair->b.jid);
    g_autofree char *used = NULL;
    xmlnode *accept;

    ring();
    bs_test_hurry(30);
    pair_accept(&pair->a);
    accept = script_receive(pair);
    ck_assert_str_eq(latest_stanza(), "session-accept");
    bs_test_hurry(1);
    ck_assert_uint_eq(script_dial(dst_addr, &fd), 0);
    used = g_strdup_printf(CONTENT(TRANSPORT("<candidate-used cid='%s'/>")),
                           bs_jingle_attrib(xmlnode_get_child(bs_jingle_transport(bs_jingle_first_content(
                                                                  bs_jingle_element(accept))),
                                                              "candidate"),
                                            "cid"));
    check_answer("transport-info", "s1", used, "result");
    bs_test_run_for(3000);
    ck_assert_uint_eq(pair->a.ended, 0);
    script_send_bytes(fd, "0123456789", 10);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_DELIVERED);
}
END_TEST

START_TEST(a_content_is_removed_for_a_reason)
{
    ring();
    check_answer("content-remove", "s1", CONTENT("") "<reason><failed-transport/></reason>", "result");
    ck_assert_int_eq(awaited_terminate(), BS_JINGLE_FAILED_TRANSPORT);
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, BS_END_NO_ROUTE);
}
END_TEST

START_TEST(a_call_may_have_the_sid_of_a_file)
{
    ring();
    send_request_of("carol@three.test/c", "c1", "session-initiate", "s1",
                    "<content creator='initiator' name='voice'>"
                    "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"
                    "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/></content>");
    bs_test_run_for(50);
    ck_assert_uint_eq(pair->unclaimed, 1);
    ck_assert_uint_eq(pair->a.ended, 0);
}
END_TEST

START_TEST(what_others_do_over_socks5_is_theirs)
{
    send_request_of(
        "carol@three.test/c", "c1", "session-initiate", "s1",
        "<content creator='initiator' name='c'><description xmlns='urn:example:whiteboard'/>" TRANSPORT(
            "") "</content>");
    bs_test_run_for(50);
    ck_assert_uint_eq(pair->unclaimed, 1);
    ck_assert_uint_eq(pair->a.offers, 0);
}
END_TEST

/* Four hours, ten thousand times as fast. */
START_TEST(nothing_rings_for_ever)
{
    bs_test_hurry(10000);
    ring();
    ck_assert_int_eq(awaited_terminate(), BS_JINGLE_TIMEOUT);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_TIMEOUT);
}
END_TEST

START_TEST(one_contact_cannot_ring_more_often_with_many_resources)
{
    pair->a.user = USER_WAITS;
    for (guint i = 0; i < 12; i++) {
        g_autofree char *from = g_strdup_printf("bob@two.test/%u", i);
        g_autofree char *sid = g_strdup_printf("s%u", i);

        send_request_of(from, sid, "session-initiate", sid, OFFER);
    }
    bs_test_run_for(100);
    ck_assert_uint_eq(pair->a.offers, 10);
    ck_assert_str_eq(latest_stanza(), "error");
    send_request_of("carol@three.test/c", "c1", "session-initiate", "s1", OFFER);
    bs_test_run_for(50);
    ck_assert_uint_eq(pair->a.offers, 11);
}
END_TEST

/* An account of the test's own, whose owner leaves at bad moments. */
typedef struct {
    BsIqLink *link;
    BsEndpoint *endpoint;
    guint offers;
    guint ended;
} Account;

static void
swallow_stanza(xmlnode *stanza, gpointer data)
{
    (void)stanza;
    (void)data;
}

static void
account_leave(Account *account)
{
    bs_endpoint_free(g_steal_pointer(&account->endpoint));
    bs_iq_link_free(g_steal_pointer(&account->link));
}

static void
offered_to_leaver(BsEndpoint *endpoint, BsTransfer *transfer, gpointer data)
{
    Account *account = data;

    (void)endpoint;
    (void)transfer;
    account->offers++;
    account_leave(account);
}

static void
leaver_started(BsTransfer *transfer, const BsRoute *route, gpointer data)
{
    (void)transfer;
    (void)route;
    (void)data;
}

static void
leaver_progress(BsTransfer *transfer, guint64 moved, gpointer data)
{
    (void)transfer;
    (void)moved;
    (void)data;
}

static void
leaver_ended(BsTransfer *transfer, const BsEnd *end, gpointer data)
{
    Account *account = data;

    (void)transfer;
    (void)end;
    account->ended++;
    account_leave(account);
}

static const BsEndpointEvents leaver_events = {.offered = offered_to_leaver};
static const BsTransferEvents leaver_transfer_events = {
    .started = leaver_started, .progress = leaver_progress, .ended = leaver_ended};

static void
account_init(Account *account)
{
    account->link = bs_iq_link_new("dave@four.test/d", swallow_stanza, account);
    account->endpoint = bs_endpoint_new(account->link, NULL, &leaver_events, account);
}

START_TEST(an_account_may_leave_inside_an_offer)
{
    Account account = {0};
    xmlnode *initiate = xmlnode_from_str("<iq type='set' id='o' from='bob@two.test/b' to='dave@four.test/d'>"
                                         "<jingle xmlns='" BS_NS_JINGLE
                                         "' action='session-initiate' sid='s1'>" OFFER "</jingle></iq>",
                                         -1);

    account_init(&account);
    ck_assert(bs_endpoint_receive(account.endpoint, initiate));
    xmlnode_free(initiate);
    ck_assert_uint_eq(account.offers, 1);
    ck_assert_ptr_null(account.endpoint);
}
END_TEST

static gssize
read_nothing(BsSource *source, guint8 *buffer, gsize size, GError **error)
{
    (void)source;
    (void)buffer;
    (void)size;
    (void)error;
    return 0;
}

static void
close_nothing(BsSource *source)
{
    (void)source;
}

/* The transfer's own requests have no answer yet. */
START_TEST(an_account_may_leave_inside_an_end)
{
    Account account = {0};
    BsSource source = {.read = read_nothing, .close = close_nothing};
    g_autoptr(BsFileOffer) offer = pair_file("file", 10);

    bs_test_hurry(100);
    account_init(&account);
    bs_transfer_offer(account.endpoint, "bob@two.test/b", offer, &source, &leaver_transfer_events, &account);
    bs_endpoint_peer_unavailable(account.endpoint, "bob@two.test/b");
    for (guint i = 0; account.ended == 0 && i < 600; i++)
        bs_test_run_for(50);
    ck_assert_uint_eq(account.ended, 1);
    bs_test_run_for(1000);
    ck_assert_uint_eq(account.ended, 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("corners");
    TCase *tcase = tcase_create("corners");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_proxy_error_while_it_rings_changes_nothing);
    tcase_add_test(tcase, a_content_needs_no_creator);
    tcase_add_test(tcase, an_offer_that_was_declined_does_not_ring_again);
    tcase_add_test(tcase, a_session_that_ended_does_not_begin_again);
    tcase_add_test(tcase, sids_are_each_contacts_own);
    tcase_add_test(tcase, a_refused_request_that_comes_twice_is_refused_twice);
    tcase_add_test(tcase, whoever_writes_within_a_session_has_it);
    tcase_add_test(tcase, a_content_is_removed_for_a_reason);
    tcase_add_test(tcase, a_call_may_have_the_sid_of_a_file);
    tcase_add_test(tcase, what_others_do_over_socks5_is_theirs);
    tcase_add_test(tcase, nothing_rings_for_ever);
    tcase_add_test(tcase, one_contact_cannot_ring_more_often_with_many_resources);
    tcase_add_test(tcase, an_account_may_leave_inside_an_offer);
    tcase_add_test(tcase, an_account_may_leave_inside_an_end);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
