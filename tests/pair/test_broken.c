/* The connection breaks once it is nominated, and a scripted peer goes on in the same session, or does not.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "script_stanzas.h"
#include "socks5/candidate.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/ibb_xml.h"
#include "transport/s5b_xml.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define CONTENT(inner) "<content creator='initiator' name='a-file-offer'>" inner "</content>"
#define SOCKS(inner) "<transport xmlns='" BS_NS_S5B "' sid='%s'>" inner "</transport>"
#define IN_BAND "<transport xmlns='" BS_NS_JINGLE_IBB "' sid='stream' block-size='4096'/>"
#define BOB "bob@two.test/b"
/* "0123456789" */
#define OFFER                                                                                                \
    CONTENT("<description xmlns='" FT5 "'><file><name>f</name><size>10</size><hash "                         \
            "xmlns='urn:xmpp:hashes:2' algo='sha-256'>hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=</hash>"   \
            "</file></description><transport xmlns='" BS_NS_S5B "' sid='socks'/>")

static Pair *pair;
static char *sid;  /* the session's */
static guint seen; /* of the inbox */
static int fd;

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new_scripted();
    seen = 0;
    fd = -1;
}

static void
teardown(void)
{
    if (fd >= 0)
        close(fd);
    g_clear_pointer(&sid, g_free);
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
check_iq(const char *payload)
{
    g_autofree char *answer = script_request(pair, &seen, BOB, payload);

    ck_assert_str_eq(answer, "result");
}

/* Formats `contents` around the id of a stream, and perhaps of a candidate. */
static void
check_result(const char *action, const char *contents, const char *stream, const char *cid)
{
    g_autoptr(GString) text = g_string_new(contents);

    g_string_replace(text, "%s", stream, 1);
    if (cid != NULL)
        g_string_replace(text, "%s", cid, 1);
    check_answer(action, text->str, "result");
}

/* Dials what `stanza` of alice's describes and nominates it. */
static void
dial_and_nominate(const xmlnode *stanza)
{
    const xmlnode *transport = bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(stanza)));
    const char *stream = bs_jingle_attrib(transport, "sid");
    g_autofree char *dst_addr = bs_dst_addr(stream, pair->a.jid, pair->b.jid);

    ck_assert_uint_eq(script_dial(dst_addr, &fd), 0);
    check_result("transport-info", CONTENT(SOCKS("<candidate-used cid='%s'/>")), stream,
                 bs_jingle_attrib(xmlnode_get_child(transport, "candidate"), "cid"));
    ck_assert_ptr_nonnull(script_expect(pair, "transport-info"));
}

static void
break_connection(void)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    fd = -1;
}

/* The next stanza of alice's with this action. It is not answered. */
static const xmlnode *
next_action(const char *action)
{
    const xmlnode *stanza;

    do
        stanza = script_next(pair, &seen);
    while (g_strcmp0(bs_jingle_attrib(bs_jingle_element(stanza), "action"), action) != 0);
    return stanza;
}

static const xmlnode *
transport_of(const xmlnode *stanza)
{
    return bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(stanza)));
}

static void
check_end(BsEndReason reason, BsJingleReason told)
{
    const xmlnode *terminate;

    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, reason);
    terminate = script_expect(pair, "session-terminate");
    ck_assert_ptr_nonnull(terminate);
    ck_assert_int_eq(bs_jingle_reason(bs_jingle_element(terminate)), told);
}

/* Alice receives: the peer's connection is nominated, and breaks before the first byte. She proposes another
 * one; returns that proposal. */
static const xmlnode *
until_alice_proposes(void)
{
    const xmlnode *proposal;

    sid = g_strdup("s1");
    check_answer("session-initiate", OFFER, "result");
    dial_and_nominate(script_expect(pair, "session-accept"));
    break_connection();
    proposal = next_action("transport-replace");
    ck_assert_str_eq(xmlnode_get_namespace((xmlnode *)transport_of(proposal)), BS_NS_S5B);
    return proposal;
}

static void
send_digits_in_band(void)
{
    check_iq("<open xmlns='" BS_NS_IBB "' sid='stream' block-size='4096' stanza='iq'/>");
    check_iq("<data xmlns='" BS_NS_IBB "' sid='stream' seq='0'>MDEyMzQ1Njc4OQ==</data>");
    check_end(BS_END_DELIVERED, BS_JINGLE_SUCCESS);
    ck_assert(pair->a.named && pair->a.route.in_band);
    ck_assert_uint_eq(pair->a.received->len, 10);
    ck_assert_uint_eq(pair->a.started, 2);
}

START_TEST(the_receiver_proposes_socks5_once_more)
{
    const xmlnode *proposal = until_alice_proposes();
    const char *stream = bs_jingle_attrib(transport_of(proposal), "sid");

    bs_iq_reply_result(pair->b.link, proposal, NULL);
    check_result("transport-accept", CONTENT(SOCKS("")), stream, NULL);
    check_result("transport-info", CONTENT(SOCKS("<candidate-error/>")), stream, NULL);
    /* No way is found, and the initiator goes on. */
    check_answer("transport-replace", CONTENT(IN_BAND), "result");
    next_action("transport-accept");
    send_digits_in_band();
}
END_TEST

/* The initiator's proposal stands, whichever was first. */
START_TEST(proposals_may_cross)
{
    const xmlnode *proposal = until_alice_proposes();
    g_autofree char *late =
        g_strdup_printf(CONTENT(SOCKS("")), bs_jingle_attrib(transport_of(proposal), "sid"));

    check_answer("transport-replace", CONTENT(IN_BAND), "result");
    next_action("transport-accept");
    if (_i)
        bs_iq_reply_error(pair->b.link, proposal, "cancel", "conflict", "tie-break", BS_NS_JINGLE_ERRORS);
    else
        check_answer("transport-accept", late, "unexpected-request+out-of-order");
    bs_test_run_for(20);
    ck_assert_uint_eq(pair->a.ended, 0);
    send_digits_in_band();
}
END_TEST

/* The refusal comes first, and what it announces after it. */
START_TEST(a_tie_is_broken_before_the_other_proposal_is_there)
{
    const xmlnode *proposal = until_alice_proposes();

    bs_iq_reply_error(pair->b.link, proposal, "cancel", "conflict", "tie-break", BS_NS_JINGLE_ERRORS);
    bs_test_run_for(20);
    ck_assert_uint_eq(pair->a.ended, 0);
    check_answer("transport-replace", CONTENT(IN_BAND), "result");
    next_action("transport-accept");
    send_digits_in_band();
}
END_TEST

START_TEST(a_peer_that_knows_no_replacing_ends_it)
{
    const xmlnode *proposal = until_alice_proposes();

    bs_iq_reply_error(pair->b.link, proposal, "cancel", "feature-not-implemented", NULL, NULL);
    check_end(BS_END_CONNECTION_LOST, BS_JINGLE_CONNECTIVITY_ERROR);
    ck_assert(pair->a.discarded && !pair->a.named);
}
END_TEST

/* Alice sends: the peer nominates its connection to her, takes some bytes or none, and breaks it. */
static void
until_broken(guint64 length, gsize taken)
{
    const xmlnode *initiate;
    g_autofree guint8 *bytes = g_malloc(taken + 1);

    pair_offer(&pair->a, "f", length);
    initiate = script_expect(pair, "session-initiate");
    sid = g_strdup(bs_jingle_attrib(bs_jingle_element(initiate), "sid"));
    check_result("session-accept", CONTENT("<description xmlns='" FT5 "'/>" SOCKS("")),
                 bs_jingle_attrib(transport_of(initiate), "sid"), NULL);
    dial_and_nominate(initiate);
    script_receive_bytes(fd, bytes, taken);
    break_connection();
}

/* Takes the whole file in-band, from its first byte. */
static void
check_file_in_band(guint64 length)
{
    guint64 got = 0;

    while (got < length) {
        BsIbbKind kind = BS_IBB_CLOSE;
        const xmlnode *stanza = script_next(pair, &seen);
        const xmlnode *element = bs_ibb_element(stanza, &kind);
        g_autoptr(GByteArray) bytes = NULL;

        if (element == NULL)
            continue;
        bs_iq_reply_result(pair->b.link, stanza, NULL);
        if (kind != BS_IBB_DATA)
            continue;
        bytes = bs_ibb_bytes(element, 4096);
        ck_assert_ptr_nonnull(bytes);
        for (guint i = 0; i < bytes->len; i++)
            ck_assert_uint_eq(bytes->data[i], pair_byte(got + i));
        got += bytes->len;
    }
    ck_assert_uint_eq(got, length);
}

/* The receiver is asked to say how to go on. A small file has gone into the connection whole. */
START_TEST(the_sender_begins_anew)
{
    until_broken(10000, _i ? 5000 : 0);
    check_answer("transport-replace", CONTENT(IN_BAND), "result");
    next_action("transport-accept");
    ck_assert_uint_eq(pair->a.ended, 0);
    check_file_in_band(10000);
}
END_TEST

/* The receiver has not noticed, so the sender proposes; also when its kernel has taken everything, and the
 * peer's has not. */
START_TEST(the_sender_proposes_by_itself)
{
    bs_test_hurry(20);
    until_broken(_i ? 32 << 20 : 1 << 20, 100);
    next_action("transport-replace");
    ck_assert_uint_eq(pair->a.ended, 0);
}
END_TEST

START_TEST(the_sender_waits_for_the_receiver_and_ends)
{
    bs_test_hurry(50);
    until_broken(32 << 20, 5000);
    check_end(BS_END_CONNECTION_LOST, BS_JINGLE_CONNECTIVITY_ERROR);
}
END_TEST

/* A peer that never gets enough. */
START_TEST(replacing_has_an_end)
{
    guint accepted = 0;

    until_broken(10000, 100);
    for (guint i = 0; i < 12; i++) {
        const xmlnode *stanza;
        const char *action;

        check_answer("transport-replace", CONTENT(IN_BAND), "result");
        do {
            stanza = script_next(pair, &seen);
            action = bs_jingle_attrib(bs_jingle_element(stanza), "action");
        } while (g_strcmp0(action, "transport-accept") != 0 && g_strcmp0(action, "transport-reject") != 0);
        accepted += g_strcmp0(action, "transport-accept") == 0;
    }
    ck_assert_uint_gt(accepted, 0);
    ck_assert_uint_lt(accepted, 12);
    ck_assert_uint_eq(pair->a.ended, 0);
}
END_TEST

static void
leave(Side *side)
{
    bs_endpoint_free(g_steal_pointer(&side->endpoint));
    bs_iq_link_free(g_steal_pointer(&side->link));
}

/* While a proposal has no answer yet. */
START_TEST(an_account_may_leave_inside_an_end)
{
    until_alice_proposes();
    pair->a.on_ended = leave;
    g_free(script_jingle(pair, "session-terminate", sid, "<reason><gone/></reason>"));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_ptr_null(pair->a.link);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("broken");
    TCase *tcase = tcase_create("broken");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_receiver_proposes_socks5_once_more);
    tcase_add_loop_test(tcase, proposals_may_cross, 0, 2);
    tcase_add_test(tcase, a_tie_is_broken_before_the_other_proposal_is_there);
    tcase_add_test(tcase, a_peer_that_knows_no_replacing_ends_it);
    tcase_add_loop_test(tcase, the_sender_begins_anew, 0, 2);
    tcase_add_loop_test(tcase, the_sender_proposes_by_itself, 0, 2);
    tcase_add_test(tcase, the_sender_waits_for_the_receiver_and_ends);
    tcase_add_test(tcase, replacing_has_an_end);
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
