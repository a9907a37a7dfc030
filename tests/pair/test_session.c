/* The rules of XEP-0166 and XEP-0260, tried by a scripted peer: each request and its answer.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "socks5/candidate.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_file.h"
#include "transfer/jingle_xml.h"
#include "transport/s5b_xml.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define DESCRIPTION                                                                                          \
    "<description xmlns='" FT5 "'><file><name>f</name><size>10</size>"                                       \
    "<hash-used xmlns='urn:xmpp:hashes:2' algo='sha-256'/></file></description>"
#define TRANSPORT(inner) "<transport xmlns='" BS_NS_S5B "' sid='stream'>" inner "</transport>"
#define CONTENT(inner) "<content creator='initiator' name='c' senders='initiator'>" inner "</content>"
#define OFFER CONTENT(DESCRIPTION TRANSPORT(""))
#define REASON(name) "<reason><" name "/></reason>"

static Pair *pair;

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new_scripted();
}

static void
teardown(void)
{
    pair_free(pair);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static void
check_answer(const char *action, const char *sid, const char *contents, const char *expected)
{
    g_autofree char *answer = script_jingle(pair, action, sid, contents);

    ck_assert_msg(strcmp(answer, expected) == 0, "%s %s: %s instead of %s", action, contents, answer,
                  expected);
}

static const char *
reason_of(const xmlnode *terminate)
{
    return terminate != NULL ? bs_jingle_reason_name(bs_jingle_reason(bs_jingle_element(terminate)))
                             : "no terminate";
}

static void
ring(void)
{
    pair->a.user = USER_WAITS;
    check_answer("session-initiate", "s1", OFFER, "result");
    ck_assert_uint_eq(pair->a.offers, 1);
}

/* Offers that are refused, and how. */
static const struct {
    const char *contents;
    const char *answer;
    const char *reason; /* of the session-terminate that follows; NULL: none does */
} offers[] = {
    {CONTENT(DESCRIPTION), "bad-request", NULL},
    {CONTENT(DESCRIPTION "<transport xmlns='" BS_NS_S5B "'/>"), "bad-request", NULL},
    {"<content creator='initiator' senders='initiator'>" DESCRIPTION TRANSPORT("") "</content>",
     "bad-request", NULL},
    {"<content creator='responder' name='c'>" DESCRIPTION TRANSPORT("") "</content>", "bad-request", NULL},
    {CONTENT("<description xmlns='" FT5 "'/>" TRANSPORT("")), "bad-request", NULL},
    {CONTENT("<description xmlns='" FT5 "'><file><size>-1</size></file></description>" TRANSPORT("")),
     "bad-request", NULL},
    {CONTENT(DESCRIPTION "<transport xmlns='urn:example:pigeon' sid='stream'/>"), "result",
     "unsupported-transports"},
    {CONTENT(DESCRIPTION "<transport xmlns='" BS_NS_S5B "' sid='stream' mode='udp'/>"), "result",
     "unsupported-transports"},
    {"<content creator='initiator' name='c' senders='responder'>" DESCRIPTION TRANSPORT("") "</content>",
     "result", "failed-application"},
    {"<content creator='initiator' name='c' senders='none'>" DESCRIPTION TRANSPORT("") "</content>", "result",
     "incompatible-parameters"},
};

START_TEST(refuses_offers)
{
    check_answer("session-initiate", "s1", offers[_i].contents, offers[_i].answer);
    if (offers[_i].reason != NULL)
        ck_assert_str_eq(reason_of(script_expect(pair, "session-terminate")), offers[_i].reason);
    ck_assert_uint_eq(pair->a.offers, 0);
    check_answer("session-info", "s1", CONTENT(TRANSPORT("")), "item-not-found+unknown-session");
}
END_TEST

START_TEST(a_request_for_a_file_names_the_error)
{
    const xmlnode *reason;
    xmlnode *terminate;

    check_answer(
        "session-initiate", "s1",
        "<content creator='initiator' name='c' senders='responder'>" DESCRIPTION TRANSPORT("") "</content>",
        "result");
    terminate = script_expect(pair, "session-terminate");
    reason = bs_xml_child(bs_jingle_element(terminate), "reason", BS_NS_JINGLE);
    ck_assert_ptr_nonnull(bs_xml_child(reason, "file-not-available", BS_NS_FILE_ERRORS));
}
END_TEST

/* While an offer rings. */
static const struct {
    const char *action;
    const char *contents;
    const char *answer;
} requests[] = {
    {"session-info", "", "result"},
    {"session-info", "<ringing xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>",
     "feature-not-implemented+unsupported-info"},
    {"session-info", "<checksum xmlns='" FT5 "'/>", "bad-request"},
    {"session-info", "<received xmlns='" FT5 "' creator='initiator' name='c'/>",
     "unexpected-request+out-of-order"},
    {"session-accept", OFFER, "unexpected-request+out-of-order"},
    {"session-initiate", OFFER, "unexpected-request+out-of-order"},
    {"transport-info", "", "bad-request"},
    {"transport-info", CONTENT(""), "bad-request"},
    {"transport-info", "<content creator='initiator' name='other'>" TRANSPORT("") "</content>",
     "bad-request"},
    {"transport-info", CONTENT("<transport xmlns='" BS_NS_S5B "' sid='other'/>"), "item-not-found"},
    {"transport-info", CONTENT(TRANSPORT("<candidate-used/>")), "bad-request"},
    {"transport-info", CONTENT(TRANSPORT("<candidate-used cid='never-offered'/>")), "item-not-found"},
    {"transport-info", CONTENT(TRANSPORT("<activated cid='never-offered'/>")), "item-not-found"},
    {"transport-info",
     CONTENT(TRANSPORT("<candidate cid='x' host='192.0.2.7' jid='a@b' port='7' priority='7'/>")), "result"},
    {"transport-accept", OFFER, "unexpected-request+out-of-order"},
    {"transport-reject", OFFER, "unexpected-request+out-of-order"},
    {"content-accept", OFFER, "unexpected-request+out-of-order"},
    {"content-reject", OFFER, "unexpected-request+out-of-order"},
    {"content-modify", CONTENT(""), "feature-not-implemented+unsupported-info"},
    {"description-info", CONTENT(DESCRIPTION), "feature-not-implemented+unsupported-info"},
    {"security-info", CONTENT(""), "feature-not-implemented+unsupported-info"},
    {"content-remove", "<content creator='initiator' name='other'/>", "item-not-found"},
    {"content-add", "", "bad-request"},
    {"make-coffee", "", "bad-request"},
    {"", "", "bad-request"},
};

START_TEST(answers_requests)
{
    ring();
    check_answer(requests[_i].action, "s1", requests[_i].contents, requests[_i].answer);
    check_answer("session-info", "s1", "", "result");
    check_answer("session-terminate", "s1", REASON("cancel"), "result");
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_CANCELLED);
    check_answer("session-info", "s1", "", "item-not-found+unknown-session");
}
END_TEST

START_TEST(added_contents_that_are_no_files_are_rejected)
{
    xmlnode *reject;

    ring();
    check_answer("content-add", "s1",
                 "<content creator='initiator' name='more'>"
                 "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>" TRANSPORT("") "</content>",
                 "result");
    reject = script_expect(pair, "content-reject");
    ck_assert_ptr_nonnull(reject);
    ck_assert_str_eq(bs_jingle_attrib(bs_jingle_first_content(bs_jingle_element(reject)), "name"), "more");
    check_answer("session-info", "s1", "", "result");
}
END_TEST

START_TEST(other_transports_are_rejected)
{
    ring();
    check_answer("transport-replace", "s1", CONTENT("<transport xmlns='urn:example:pigeon' sid='t2'/>"),
                 "result");
    ck_assert_ptr_nonnull(script_expect(pair, "transport-reject"));
    check_answer("session-info", "s1", "", "result");
}
END_TEST

START_TEST(removing_the_only_content_ends_the_session)
{
    ring();
    check_answer("content-remove", "s1", CONTENT(""), "result");
    ck_assert_str_eq(reason_of(script_expect(pair, "session-terminate")), "cancel");
    ck_assert_uint_eq(pair->a.ended, 1);
    check_answer("session-info", "s1", "", "item-not-found+unknown-session");
}
END_TEST

START_TEST(a_stranger_does_not_reach_a_session)
{
    xmlnode *stanza;

    ring();
    script_send(pair, "<iq type='set' id='evil' from='mallory@two.test/m' to='alice@one.test/a'>"
                      "<jingle xmlns='" BS_NS_JINGLE "' action='session-terminate' sid='s1'/></iq>");
    stanza = script_receive(pair);
    ck_assert_str_eq(xmlnode_get_attrib(stanza, "type"), "error");
    ck_assert_str_eq(xmlnode_get_attrib(stanza, "to"), "mallory@two.test/m");
    ck_assert_ptr_nonnull(xmlnode_get_child_with_namespace(xmlnode_get_child(stanza, "error"),
                                                           "unknown-session", BS_NS_JINGLE_ERRORS));
    ck_assert_uint_eq(pair->a.ended, 0);
    check_answer("session-info", "s1", "", "result");
}
END_TEST

START_TEST(the_same_request_twice_is_done_once)
{
    const char *initiate =
        "<iq type='set' id='once' from='bob@two.test/b' to='alice@one.test/a'><jingle xmlns='" BS_NS_JINGLE
        "' action='transport-replace' sid='s1'>" CONTENT(
            "<transport xmlns='urn:example:pigeon' sid='t2'/>") "</jingle></iq>";
    guint rejects = 0;

    ring();
    script_send(pair, initiate);
    script_send(pair, initiate);
    bs_test_run_for(100);
    for (guint i = 0; i < pair->b.inbox->len; i++)
        rejects +=
            g_strcmp0(bs_jingle_attrib(bs_jingle_element(g_ptr_array_index(pair->b.inbox, i)), "action"),
                      "transport-reject") == 0;
    ck_assert_uint_eq(rejects, 1);
}
END_TEST

START_TEST(crossing_offers_under_one_sid_break_the_tie)
{
    xmlnode *initiate;
    g_autofree char *sid = NULL;

    pair_offer(&pair->a, "file", 10);
    initiate = script_expect(pair, "session-initiate");
    sid = g_strdup(bs_jingle_attrib(bs_jingle_element(initiate), "sid"));
    check_answer("session-initiate", sid, OFFER, "conflict+tie-break");
    ck_assert_uint_eq(pair->a.ended, 0);
}
END_TEST

/* Somebody else's Jingle, voice calls for one, passes. */
START_TEST(other_applications_pass)
{
    check_answer("session-initiate", "call",
                 "<content creator='initiator' name='voice'><description xmlns='urn:xmpp:jingle:apps:rtp:1'/>"
                 "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/></content>",
                 "feature-not-implemented");
    check_answer("session-terminate", "call", REASON("success"), "feature-not-implemented");
    ck_assert_uint_eq(pair->unclaimed, 2);
}
END_TEST

static const struct {
    const char *reason;
    BsEndReason end;
} refusals[] = {
    {REASON("decline"), BS_END_DECLINED},
    {REASON("busy"), BS_END_DECLINED},
    {REASON("cancel"), BS_END_CANCELLED},
    {REASON("unsupported-applications"), BS_END_UNSUPPORTED},
    {REASON("unsupported-transports"), BS_END_UNSUPPORTED},
    {REASON("failed-application"), BS_END_PEER_FAILED},
    {REASON("connectivity-error"), BS_END_NO_ROUTE},
    {REASON("gone"), BS_END_PEER_GONE},
    {REASON("timeout"), BS_END_TIMEOUT},
    {REASON("success"), BS_END_PEER_FAILED},
    {REASON("because"), BS_END_PEER_FAILED},
    {"<reason/>", BS_END_PEER_FAILED},
    {"", BS_END_PEER_FAILED},
};

START_TEST(understands_refusals)
{
    xmlnode *initiate;
    g_autofree char *sid = NULL;

    pair_offer(&pair->a, "file", 10);
    initiate = script_expect(pair, "session-initiate");
    sid = g_strdup(bs_jingle_attrib(bs_jingle_element(initiate), "sid"));
    check_answer("session-terminate", sid, refusals[_i].reason, "result");
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, refusals[_i].end);
}
END_TEST

static const struct {
    const char *condition;
    BsEndReason end;
} errors[] = {
    {"service-unavailable", BS_END_UNSUPPORTED},   {"feature-not-implemented", BS_END_UNSUPPORTED},
    {"item-not-found", BS_END_PEER_GONE},          {"recipient-unavailable", BS_END_PEER_GONE},
    {"internal-server-error", BS_END_UNSUPPORTED}, {"policy-violation", BS_END_PEER_FAILED},
};

START_TEST(understands_errors)
{
    xmlnode *initiate;

    pair_offer(&pair->a, "file", 10);
    initiate = script_receive(pair);
    bs_iq_reply_error(pair->b.link, initiate, "cancel", errors[_i].condition, NULL, NULL);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, errors[_i].end);
}
END_TEST

START_TEST(an_offer_that_nobody_answers_ends)
{
    bs_test_hurry(1000);
    pair_offer(&pair->a, "file", 10);
    ck_assert_ptr_nonnull(script_receive(pair));
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_TIMEOUT);
}
END_TEST

static const char *const bad_accepts[] = {
    CONTENT(DESCRIPTION),
    CONTENT(TRANSPORT("")),
    CONTENT(DESCRIPTION TRANSPORT("")),
    CONTENT("<description xmlns='urn:xmpp:jingle:apps:file-transfer:4'><file/></description>" TRANSPORT("")),
    "",
};

/* A wrong name, sid, version, or a missing part: no other answer will come. */
START_TEST(malformed_acceptances_end_the_offer)
{
    xmlnode *initiate;
    g_autofree char *sid = NULL;

    pair_offer(&pair->a, "file", 10);
    initiate = script_expect(pair, "session-initiate");
    sid = g_strdup(bs_jingle_attrib(bs_jingle_element(initiate), "sid"));
    check_answer("session-accept", sid, bad_accepts[_i], "bad-request");
    ck_assert_str_eq(reason_of(script_expect(pair, "session-terminate")), "failed-application");
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, BS_END_UNSUPPORTED);
}
END_TEST

/* Something that was never offered, or the same once more. */
START_TEST(an_acceptance_of_more_than_was_offered_ends_the_offer)
{
    const xmlnode *jingle;
    g_autofree char *content = NULL;
    g_autofree char *contents = NULL;

    pair_offer(&pair->a, "file", 10);
    jingle = bs_jingle_element(script_expect(pair, "session-initiate"));
    content = xmlnode_to_str((xmlnode *)bs_jingle_first_content(jingle), NULL);
    contents = g_strconcat(content, _i ? content : CONTENT(DESCRIPTION TRANSPORT("")), NULL);
    check_answer("session-accept", bs_jingle_attrib(jingle, "sid"), contents, "bad-request");
    ck_assert_str_eq(reason_of(script_expect(pair, "session-terminate")), "failed-application");
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, BS_END_UNSUPPORTED);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("session");
    TCase *tcase = tcase_create("session");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, refuses_offers, 0, G_N_ELEMENTS(offers));
    tcase_add_test(tcase, a_request_for_a_file_names_the_error);
    tcase_add_loop_test(tcase, answers_requests, 0, G_N_ELEMENTS(requests));
    tcase_add_test(tcase, added_contents_that_are_no_files_are_rejected);
    tcase_add_test(tcase, other_transports_are_rejected);
    tcase_add_test(tcase, removing_the_only_content_ends_the_session);
    tcase_add_test(tcase, a_stranger_does_not_reach_a_session);
    tcase_add_test(tcase, the_same_request_twice_is_done_once);
    tcase_add_test(tcase, crossing_offers_under_one_sid_break_the_tie);
    tcase_add_test(tcase, other_applications_pass);
    tcase_add_loop_test(tcase, understands_refusals, 0, G_N_ELEMENTS(refusals));
    tcase_add_loop_test(tcase, understands_errors, 0, G_N_ELEMENTS(errors));
    tcase_add_test(tcase, an_offer_that_nobody_answers_ends);
    tcase_add_loop_test(tcase, malformed_acceptances_end_the_offer, 0, G_N_ELEMENTS(bad_accepts));
    tcase_add_loop_test(tcase, an_acceptance_of_more_than_was_offered_ends_the_offer, 0, 2);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
