/* One transport proposed in place of another, to a scripted peer or by it, and what becomes of the file.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "pair.h"
#include "purple_env.h"
#include "script_stanzas.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/ibb_xml.h"
#include "transport/s5b_xml.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define CONTENT(inner) "<content creator='initiator' name='a-file-offer'>" inner "</content>"
#define IN_BAND(size) "<transport xmlns='" BS_NS_JINGLE_IBB "' sid='stream' block-size='" size "'/>"
#define BOB "bob@two.test/b"

static Pair *pair;
static char *sid;        /* the session's */
static char *stream;     /* what alice calls the stream that she proposes */
static guint seen;       /* of the inbox */
static GByteArray *file; /* what alice has sent */

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new_scripted();
    seen = 0;
    file = g_byte_array_new();
}

static void
teardown(void)
{
    g_clear_pointer(&sid, g_free);
    g_clear_pointer(&stream, g_free);
    g_byte_array_unref(file);
    pair_free(pair);
    bs_test_hurry(1);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static void
check_answer(const char *action, const char *contents, const char *expected)
{
    g_autofree char *answer = script_jingle(pair, action, sid, contents);

    ck_assert_str_eq(answer, expected);
}

static void
check_iq(const char *payload, const char *expected)
{
    g_autofree char *answer = script_request(pair, &seen, BOB, payload);

    ck_assert_str_eq(answer, expected);
}

static const xmlnode *
expect_transport(const char *action)
{
    const xmlnode *stanza = script_expect(pair, action);
    const xmlnode *transport = bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(stanza)));

    ck_assert_ptr_nonnull(transport);
    return transport;
}

static void
check_end(BsEndReason reason)
{
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, reason);
}

static void
check_reason_told(BsJingleReason reason)
{
    const xmlnode *terminate = script_expect(pair, "session-terminate");

    ck_assert_ptr_nonnull(terminate);
    ck_assert_int_eq(bs_jingle_reason(bs_jingle_element(terminate)), reason);
}

/* Alice's file: SOCKS5 finds no way, and she proposes to go on in-band. */

static void
until_proposed_after(guint64 length, const char *report, const char *answer)
{
    const xmlnode *initiate;
    const xmlnode *transport;
    g_autofree char *socks = NULL;
    g_autofree char *accept = NULL;
    g_autofree char *info = NULL;

    pair_offer(&pair->a, "f", length);
    initiate = script_expect(pair, "session-initiate");
    transport = bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(initiate)));
    sid = g_strdup(bs_jingle_attrib(bs_jingle_element(initiate), "sid"));
    socks = g_strdup(bs_jingle_attrib(transport, "sid"));
    accept = g_strdup_printf(
        CONTENT("<description xmlns='" FT5 "'/><transport xmlns='" BS_NS_S5B "' sid='%s'/>"), socks);
    check_answer("session-accept", accept, "result");
    info =
        g_strdup_printf(CONTENT("<transport xmlns='" BS_NS_S5B "' sid='%s'>%s</transport>"), socks, report);
    check_answer("transport-info", info, answer);
    transport = expect_transport("transport-replace");
    ck_assert_str_eq(xmlnode_get_namespace((xmlnode *)transport), BS_NS_JINGLE_IBB);
    ck_assert_uint_eq(bs_ibb_block_size(transport), 4096);
    stream = g_strdup(bs_ibb_sid(transport));
}

static void
until_proposed(guint64 length)
{
    until_proposed_after(length, "<candidate-error/>", "result");
}

static void
answer_proposal(const char *stream_id, const char *block_size, const char *expected)
{
    g_autofree char *contents = g_strdup_printf(
        CONTENT("<transport xmlns='" BS_NS_JINGLE_IBB "' sid='%s' block-size='%s'/>"), stream_id, block_size);

    check_answer("transport-accept", contents, expected);
}

/* The next in-band stanza of alice's. */
static xmlnode *
next_in_band(BsIbbKind *kind)
{
    for (;;) {
        xmlnode *stanza = script_next(pair, &seen);
        const xmlnode *element = bs_ibb_element(stanza, kind);

        if (element == NULL)
            continue;
        ck_assert_str_eq(bs_ibb_sid(element), stream);
        return stanza;
    }
}

static void
grant(const xmlnode *stanza)
{
    bs_iq_reply_result(pair->b.link, stanza, NULL);
}

static void
refuse(const xmlnode *stanza, const char *type, const char *condition)
{
    bs_iq_reply_error(pair->b.link, stanza, type, condition, NULL, NULL);
}

static guint
opened_size(const xmlnode *stanza)
{
    BsIbbKind kind;
    const xmlnode *element = bs_ibb_element(stanza, &kind);

    ck_assert_int_eq(kind, BS_IBB_OPEN);
    return bs_ibb_block_size(element);
}

static void
until_open(guint64 length, const char *block_size)
{
    BsIbbKind kind;

    until_proposed(length);
    answer_proposal(stream, block_size, "result");
    grant(next_in_band(&kind));
}

/* Takes all blocks of at most `size` bytes, until alice closes the stream. */
static void
take_all(gsize size)
{
    for (;;) {
        BsIbbKind kind;
        const xmlnode *stanza = next_in_band(&kind);
        g_autoptr(GByteArray) bytes = NULL;

        grant(stanza);
        if (kind == BS_IBB_CLOSE)
            return;
        bytes = bs_ibb_bytes(bs_ibb_element(stanza, &kind), size);
        ck_assert_ptr_nonnull(bytes);
        g_byte_array_append(file, bytes->data, bytes->len);
    }
}

static void
check_sent(guint64 length)
{
    ck_assert_uint_eq(file->len, length);
    for (guint64 i = 0; i < length; i++)
        ck_assert_uint_eq(file->data[i], pair_byte(i));
    check_answer("session-terminate", "<reason><success/></reason>", "result");
    check_end(BS_END_DELIVERED);
    ck_assert(pair->a.route.in_band);
}

/* Nothing of ours carries the file, so nobody waits for more. */
START_TEST(a_candidate_that_was_never_offered_is_none)
{
    until_proposed_after(10, "<candidate-used cid='never-offered'/>", "item-not-found");
    check_answer("session-terminate", "<reason><cancel/></reason>", "result");
    check_end(BS_END_CANCELLED);
}
END_TEST

START_TEST(the_peer_may_want_smaller_blocks)
{
    until_open(5000, _i ? "300" : "65535");
    take_all(_i ? 300 : 4096);
    check_sent(5000);
}
END_TEST

START_TEST(blocks_that_are_too_large_are_halved)
{
    guint size = 4096;
    BsIbbKind kind;

    until_proposed(5000);
    answer_proposal(stream, "4096", "result");
    for (guint i = 0; i < 3; i++, size /= 2) {
        const xmlnode *open = next_in_band(&kind);

        ck_assert_uint_eq(opened_size(open), size);
        refuse(open, "modify", "resource-constraint");
    }
    grant(next_in_band(&kind));
    take_all(size);
    check_sent(5000);
}
END_TEST

START_TEST(a_peer_that_opens_nothing_is_given_up)
{
    until_proposed(5000);
    answer_proposal(stream, "4096", "result");
    for (guint i = 0; pair->a.ended == 0 && i < 20; i++) {
        BsIbbKind kind;
        const xmlnode *stanza = next_in_band(&kind);

        ck_assert_uint_ge(opened_size(stanza), 256);
        refuse(stanza, _i ? "modify" : "cancel", _i ? "resource-constraint" : "not-acceptable");
        bs_test_run_for(20);
    }
    check_end(BS_END_NO_ROUTE);
    check_reason_told(BS_JINGLE_CONNECTIVITY_ERROR);
}
END_TEST

/* Answers to the proposal that are none; the right one may follow. */
START_TEST(a_wrong_acceptance_is_refused)
{
    until_proposed(5000);
    answer_proposal("another", "4096", "bad-request");
    answer_proposal(stream, "0", "bad-request");
    check_answer("transport-accept", CONTENT("<transport xmlns='" BS_NS_S5B "' sid='s'/>"), "bad-request");
    check_answer("transport-accept", CONTENT(""), "bad-request");
    answer_proposal(stream, "4096", "result");
    answer_proposal(stream, "4096", "unexpected-request+out-of-order");
    take_all(4096);
    check_sent(5000);
}
END_TEST

START_TEST(a_proposal_that_nobody_accepts_ends_the_session)
{
    bs_test_hurry(1000);
    until_proposed(5000);
    check_end(BS_END_NO_ROUTE);
    check_reason_told(BS_JINGLE_CONNECTIVITY_ERROR);
}
END_TEST

START_TEST(a_proposal_may_be_rejected)
{
    until_proposed(5000);
    check_answer("transport-reject", CONTENT("<transport xmlns='" BS_NS_JINGLE_IBB "'/>"), "result");
    check_end(BS_END_NO_ROUTE);
    check_reason_told(BS_JINGLE_CONNECTIVITY_ERROR);
}
END_TEST

START_TEST(of_two_proposals_the_initiators_stands)
{
    until_proposed(5000);
    check_answer("transport-replace", CONTENT(IN_BAND("4096")), "conflict+tie-break");
    answer_proposal(stream, "4096", "result");
    take_all(4096);
    check_sent(5000);
}
END_TEST

START_TEST(refused_blocks_are_sent_again)
{
    BsIbbKind kind;

    bs_test_hurry(10);
    until_open(20000, "1000");
    for (guint i = 0; i < 3; i++)
        refuse(next_in_band(&kind), "wait", "resource-constraint");
    take_all(1000);
    check_sent(20000);
}
END_TEST

/* The stream breaks when all of a small file has been handed to it, but not to the peer. */
START_TEST(what_the_peer_has_not_taken_is_not_sent)
{
    BsIbbKind kind;
    const xmlnode *stanza;

    bs_test_hurry(20);
    until_open(_i ? 5000 : 500, "4096");
    ck_assert_ptr_nonnull(script_expect(pair, "session-info"));
    stanza = next_in_band(&kind);
    ck_assert_int_eq(kind, BS_IBB_DATA);
    refuse(stanza, "cancel", "item-not-found");
    check_end(BS_END_CONNECTION_LOST);
    check_reason_told(BS_JINGLE_CONNECTIVITY_ERROR);
}
END_TEST

START_TEST(a_peer_that_closes_early_has_not_got_the_file)
{
    g_autofree char *close = NULL;
    BsIbbKind kind;

    bs_test_hurry(20);
    until_open(_i ? 100000 : 5000, "4096");
    ck_assert_ptr_nonnull(next_in_band(&kind));
    close = g_strdup_printf("<close xmlns='" BS_NS_IBB "' sid='%s'/>", stream);
    check_iq(close, "result");
    check_end(BS_END_CONNECTION_LOST);
}
END_TEST

static void
add_cases(TCase *tcase)
{
    tcase_add_loop_test(tcase, the_peer_may_want_smaller_blocks, 0, 2);
    tcase_add_test(tcase, a_candidate_that_was_never_offered_is_none);
    tcase_add_test(tcase, blocks_that_are_too_large_are_halved);
    tcase_add_loop_test(tcase, a_peer_that_opens_nothing_is_given_up, 0, 2);
    tcase_add_test(tcase, a_wrong_acceptance_is_refused);
    tcase_add_test(tcase, a_proposal_that_nobody_accepts_ends_the_session);
    tcase_add_test(tcase, a_proposal_may_be_rejected);
    tcase_add_test(tcase, of_two_proposals_the_initiators_stands);
    tcase_add_test(tcase, refused_blocks_are_sent_again);
    tcase_add_loop_test(tcase, what_the_peer_has_not_taken_is_not_sent, 0, 2);
    tcase_add_loop_test(tcase, a_peer_that_closes_early_has_not_got_the_file, 0, 2);
}

int
main(void)
{
    Suite *suite = suite_create("proposals");
    TCase *tcase = tcase_create("proposals");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    add_cases(tcase);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
