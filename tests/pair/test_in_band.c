/* A scripted peer's file comes in-band, from the beginning or later: sizes, and blocks of all kinds.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

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
/* "0123456789" */
#define FILE                                                                                                 \
    "<description xmlns='" FT5 "'><file><name>f</name><size>10</size>"                                       \
    "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=</hash>"     \
    "</file></description>"
#define IN_BAND(size) "<transport xmlns='" BS_NS_JINGLE_IBB "' sid='stream' block-size='" size "'/>"
#define OPEN(size) "<open xmlns='" BS_NS_IBB "' sid='stream' block-size='" size "' stanza='iq'/>"
#define DATA(seq, text) "<data xmlns='" BS_NS_IBB "' sid='stream' seq='" seq "'>" text "</data>"
#define CLOSE "<close xmlns='" BS_NS_IBB "' sid='stream'/>"
#define BOB "bob@two.test/b"

static Pair *pair;
static char *sid;  /* the session's */
static guint seen; /* of the inbox */

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new_scripted();
    seen = 0;
}

static void
teardown(void)
{
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

static void
offer_in_band(const char *transport, guint agreed)
{
    g_autofree char *contents = g_strconcat("<content creator='initiator' name='a-file-offer' "
                                            "senders='initiator'>" FILE,
                                            transport, "</content>", NULL);
    const xmlnode *answer;

    sid = g_strdup("s1");
    check_answer("session-initiate", contents, "result");
    answer = expect_transport("session-accept");
    ck_assert_str_eq(bs_ibb_sid(answer), "stream");
    ck_assert_uint_eq(bs_ibb_block_size(answer), agreed);
}

static void
check_digits(void)
{
    check_end(BS_END_DELIVERED);
    ck_assert(pair->a.named);
    ck_assert_uint_eq(pair->a.received->len, 10);
    ck_assert(pair->a.route.in_band);
    check_reason_told(BS_JINGLE_SUCCESS);
}

/* What was on its way in the old stream when the peer proposed a new one is answered, and not by others. */
START_TEST(blocks_of_a_stream_that_was_replaced_are_refused)
{
    offer_in_band(IN_BAND("4096"), 4096);
    check_iq(OPEN("4096"), "result");
    check_iq(DATA("0", "MDEy"), "result");
    check_answer("transport-replace",
                 CONTENT("<transport xmlns='" BS_NS_JINGLE_IBB "' sid='other' block-size='4096'/>"),
                 "result");
    bs_test_run_for(20);
    check_iq(DATA("1", "MzQ1"), "item-not-found");
    check_iq(CLOSE, "result");
    ck_assert_uint_eq(pair->unclaimed, 0);
    ck_assert_uint_eq(pair->a.ended, 0);
    bs_transfer_cancel(g_steal_pointer(&pair->a.transfer));
    ck_assert(pair_settle(pair));
}
END_TEST

START_TEST(a_peer_may_begin_in_band)
{
    offer_in_band(IN_BAND("4096"), 4096);
    check_iq(OPEN("4096"), "result");
    check_iq(DATA("0", "MDEyMzQ1Njc="), "result");
    check_iq(DATA("1", "ODk="), "result");
    check_digits();
    /* It closes before it knows that the session is over; what else comes is too late. */
    check_iq(CLOSE, "result");
    check_iq(DATA("2", "MDEy"), "item-not-found");
}
END_TEST

START_TEST(blocks_may_come_in_messages)
{
    offer_in_band(IN_BAND("4096"), 4096);
    check_iq(OPEN("4096"), "result");
    script_send(pair, "<message from='" BOB "' to='alice@one.test/a' id='m0'>" DATA(
                          "0", "MDEyMzQ1Njc=") "<amp xmlns='http://jabber.org/protocol/amp'/></message>");
    script_send(pair, "<message from='carol@three.test/c' to='alice@one.test/a' id='m1'>" DATA(
                          "1", "eHg=") "</message>");
    script_send(pair,
                "<message from='" BOB "' to='alice@one.test/a' id='m2'>" DATA("1", "ODk=") "</message>");
    check_digits();
}
END_TEST

/* Sizes of blocks: what is described, what is then opened, and what is agreed on. */
static const struct {
    const char *transport;
    guint agreed;
    const char *open;
    const char *answer;
} sizes[] = {
    {IN_BAND("65535"), 4096, OPEN("4096"), "result"},
    {IN_BAND("65535"), 4096, OPEN("65535"), "resource-constraint"},
    {IN_BAND("65535"), 4096, OPEN("4097"), "resource-constraint"},
    {IN_BAND("100"), 100, OPEN("100"), "result"},
    {IN_BAND("100"), 100, OPEN("50"), "result"},
    {IN_BAND("100"), 100, OPEN("101"), "resource-constraint"},
    {IN_BAND("4096"), 4096, OPEN("0"), "bad-request"},
    {IN_BAND("4096"), 4096, OPEN("many"), "bad-request"},
    {IN_BAND("4096"), 4096, OPEN("65536"), "bad-request"},
};

START_TEST(the_smaller_size_is_agreed_on)
{
    offer_in_band(sizes[_i].transport, sizes[_i].agreed);
    check_iq(sizes[_i].open, sizes[_i].answer);
    if (strcmp(sizes[_i].answer, "result") != 0)
        check_iq(OPEN("10"), "result");
    check_iq(DATA("0", "MDEyMzQ1Njc4OQ=="), "result");
    check_digits();
}
END_TEST

static const char *const bad_transports[] = {
    "<transport xmlns='" BS_NS_JINGLE_IBB "' block-size='4096'/>",
    "<transport xmlns='" BS_NS_JINGLE_IBB "' sid='' block-size='4096'/>",
    "<transport xmlns='" BS_NS_JINGLE_IBB "' sid='stream'/>",
    IN_BAND("0"),
    IN_BAND("-1"),
    IN_BAND("65536"),
};

START_TEST(bad_descriptions_are_refused)
{
    g_autofree char *contents =
        g_strconcat("<content creator='initiator' name='c'>" FILE, bad_transports[_i], "</content>", NULL);

    sid = g_strdup("s1");
    check_answer("session-initiate", contents, "bad-request");
    ck_assert_uint_eq(pair->a.offers, 0);
}
END_TEST

START_TEST(a_stream_is_opened_once_and_by_its_peer)
{
    g_autofree char *answer = NULL;

    offer_in_band(IN_BAND("4096"), 4096);
    check_iq(DATA("0", "MDEy"), "item-not-found");
    answer = script_request(pair, &seen, "carol@three.test/c", OPEN("4096"));
    ck_assert_str_eq(answer, "feature-not-implemented");
    check_iq(OPEN("4096"), "result");
    check_iq(OPEN("4096"), "unexpected-request");
    check_iq(DATA("0", "MDEyMzQ1Njc4OQ=="), "result");
    check_digits();
}
END_TEST

/* As the second block of a stream of blocks of eight bytes. */
static const struct {
    const char *data;
    const char *answer;
    BsEndReason end;
} breaks[] = {
    {DATA("1", "eHg"), "bad-request", BS_END_CONNECTION_LOST},
    {DATA("1", "MDEyMzQ1Njc4"), "bad-request", BS_END_CONNECTION_LOST},
    {DATA("2", "ODk="), "unexpected-request", BS_END_CONNECTION_LOST},
    {DATA("0", "ODk="), "unexpected-request", BS_END_CONNECTION_LOST},
    {DATA("x", "ODk="), "bad-request", BS_END_CONNECTION_LOST},
    {CLOSE, "result", BS_END_CONNECTION_LOST},
    {DATA("1", "ODk5"), "result", BS_END_WRONG_SIZE},
};

START_TEST(what_breaks_a_stream)
{
    offer_in_band(IN_BAND("8"), 8);
    check_iq(OPEN("8"), "result");
    check_iq(DATA("0", "MDEyMzQ1Njc="), "result");
    bs_test_hurry(20);
    check_iq(breaks[_i].data, breaks[_i].answer);
    check_end(breaks[_i].end);
    ck_assert(pair->a.discarded && !pair->a.named);
    ck_assert_ptr_nonnull(script_expect(pair, "session-terminate"));
}
END_TEST

START_TEST(a_stream_that_nobody_opens_ends)
{
    bs_test_hurry(1000);
    offer_in_band(IN_BAND("4096"), 4096);
    check_end(BS_END_NO_ROUTE);
    check_reason_told(BS_JINGLE_CONNECTIVITY_ERROR);
}
END_TEST

START_TEST(the_peer_may_change_over_to_in_band)
{
    const xmlnode *answer;

    sid = g_strdup("s1");
    check_answer("session-initiate", CONTENT(FILE "<transport xmlns='" BS_NS_S5B "' sid='socks'/>"),
                 "result");
    ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
    check_answer("transport-info",
                 CONTENT("<transport xmlns='" BS_NS_S5B "' sid='socks'><candidate-error/></transport>"),
                 "result");
    check_answer("transport-replace", CONTENT(IN_BAND("1000")), "result");
    answer = expect_transport("transport-accept");
    ck_assert_str_eq(bs_ibb_sid(answer), "stream");
    ck_assert_uint_eq(bs_ibb_block_size(answer), 1000);
    check_iq(OPEN("1000"), "result");
    check_iq(DATA("0", "MDEyMzQ1Njc4OQ=="), "result");
    check_digits();
}
END_TEST

static void
add_cases(TCase *tcase)
{
    tcase_add_test(tcase, blocks_of_a_stream_that_was_replaced_are_refused);
    tcase_add_test(tcase, a_peer_may_begin_in_band);
    tcase_add_test(tcase, blocks_may_come_in_messages);
    tcase_add_loop_test(tcase, the_smaller_size_is_agreed_on, 0, G_N_ELEMENTS(sizes));
    tcase_add_loop_test(tcase, bad_descriptions_are_refused, 0, G_N_ELEMENTS(bad_transports));
    tcase_add_test(tcase, a_stream_is_opened_once_and_by_its_peer);
    tcase_add_loop_test(tcase, what_breaks_a_stream, 0, G_N_ELEMENTS(breaks));
    tcase_add_test(tcase, a_stream_that_nobody_opens_ends);
    tcase_add_test(tcase, the_peer_may_change_over_to_in_band);
}

int
main(void)
{
    Suite *suite = suite_create("in_band");
    TCase *tcase = tcase_create("in_band");
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
