/* When a transport finds no way, or the connection that it found dies: two endpoints go on in the same
 * session, in the end in-band. SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "pair.h"
#include "purple_env.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/ibb_xml.h"
#include "transport/s5b_xml.h"

#define LENGTH 10000

static Pair *pair;
static guint struck;    /* the stanza on which something happens */
static StanzaFate fate; /* ... to it */
static Side *canceller; /* ... or who gives up there */
static guint cuts;      /* how many connections are to be cut */
static guint started_before_cut;
static guint proposals; /* transport-replace, as the filter saw them */
static GRand *dice;

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new();
    cuts = started_before_cut = proposals = 0;
}

static void
teardown(void)
{
    pair_free(pair);
    bs_test_hurry(1);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

/* No candidate arrives: neither can reach the other. */
static void
block_socks5(Pair *the_pair, xmlnode *stanza)
{
    const xmlnode *jingle = bs_jingle_element(stanza);
    xmlnode *transport = (xmlnode *)bs_jingle_transport(bs_jingle_first_content(jingle));
    xmlnode *candidate;

    (void)the_pair;
    proposals += bs_jingle_action(jingle) == BS_JINGLE_ACTION_TRANSPORT_REPLACE;
    while (transport != NULL && (candidate = bs_xml_child(transport, "candidate", BS_NS_S5B)) != NULL)
        xmlnode_free(candidate);
}

static StanzaFate
blocked(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)number;
    (void)from;
    block_socks5(the_pair, stanza);
    return FATE_ARRIVES;
}

static StanzaFate
blocked_and_one_struck(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)from;
    block_socks5(the_pair, stanza);
    return number == struck ? fate : FATE_ARRIVES;
}

static StanzaFate
blocked_and_all_struck(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)number;
    (void)from;
    block_socks5(the_pair, stanza);
    return fate;
}

static StanzaFate
blocked_and_struck_at_random(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)number;
    (void)from;
    block_socks5(the_pair, stanza);
    return g_rand_int_range(dice, 0, 10) > 0 ? FATE_ARRIVES : (StanzaFate)g_rand_int_range(dice, 0, 4);
}

static gboolean
cancel(gpointer data)
{
    Side *side = data;

    if (side->transfer != NULL)
        bs_transfer_cancel(g_steal_pointer(&side->transfer));
    return FALSE;
}

static StanzaFate
blocked_and_cancelled(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)from;
    block_socks5(the_pair, stanza);
    if (number == struck)
        g_timeout_add_full(G_PRIORITY_HIGH, 0, cancel, canceller, NULL);
    return FATE_ARRIVES;
}

static StanzaFate
count_proposals(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)the_pair;
    (void)number;
    (void)from;
    proposals += bs_jingle_action(bs_jingle_element(stanza)) == BS_JINGLE_ACTION_TRANSPORT_REPLACE;
    return FATE_ARRIVES;
}

static void
check_delivered(const Side *from, guint64 length, gboolean in_band)
{
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_DELIVERED);
    ck_assert_int_eq(pair->b.reason, BS_END_DELIVERED);
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_uint_eq(pair->b.ended, 1);
    ck_assert(pair_has_whole_file(from->peer, length));
    ck_assert_int_eq(pair->a.route.in_band, in_band);
    ck_assert_int_eq(pair->b.route.in_band, in_band);
}

/* Whatever happened: an end on each side that saw the transfer, and nothing between a whole file and none. */
static void
check_that_it_ended(void)
{
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_uint_eq(pair->b.ended, pair->b.offers);
    if (pair->b.named)
        ck_assert(pair_has_whole_file(&pair->b, LENGTH));
    if (pair->a.reason == BS_END_DELIVERED)
        ck_assert(pair->b.named);
}

START_TEST(in_band_is_the_last_rung)
{
    Side *from = _i ? &pair->b : &pair->a;

    pair->filter = blocked;
    pair_offer(from, "file", 300001);
    check_delivered(from, 300001, TRUE);
    ck_assert_uint_eq(proposals, 1);
    ck_assert_uint_eq(pair->a.started, 1);
}
END_TEST

START_TEST(an_empty_file_goes_in_band)
{
    pair->filter = blocked;
    pair_offer(&pair->a, "file", 0);
    check_delivered(&pair->a, 0, TRUE);
}
END_TEST

START_TEST(several_go_in_band_at_once)
{
    pair->filter = blocked;
    for (guint i = 0; i < 3; i++)
        pair_offer(&pair->a, "file", 20000);
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 3);
    ck_assert_uint_eq(pair->b.ended, 3);
    ck_assert_int_eq(pair->a.reason, BS_END_DELIVERED);
    ck_assert_uint_eq(pair->b.received->len, 60000);
}
END_TEST

START_TEST(slowness_does_no_harm)
{
    pair->filter = blocked;
    pair->latency_ms = 100;
    pair_offer(&pair->a, "file", LENGTH);
    check_delivered(&pair->a, LENGTH, TRUE);
}
END_TEST

START_TEST(every_stanza_comes_twice)
{
    fate = FATE_ARRIVES_TWICE;
    pair->filter = blocked_and_all_struck;
    pair_offer(&pair->a, "file", LENGTH);
    check_delivered(&pair->a, LENGTH, TRUE);
}
END_TEST

/* Which stanzas there are up to the last block, with some to spare. */
#define STANZAS 56

START_TEST(one_stanza_is_lost)
{
    bs_test_hurry(1000);
    struck = (guint)_i;
    fate = FATE_IS_LOST;
    pair->filter = blocked_and_one_struck;
    pair_offer(&pair->a, "file", LENGTH);
    check_that_it_ended();
}
END_TEST

START_TEST(one_stanza_is_late)
{
    bs_test_hurry(50);
    struck = (guint)_i;
    fate = FATE_ARRIVES_LATE;
    pair->filter = blocked_and_one_struck;
    pair_offer(&pair->a, "file", LENGTH);
    check_that_it_ended();
}
END_TEST

START_TEST(anything_may_happen)
{
    bs_test_hurry(1000);
    dice = g_rand_new_with_seed((guint32)_i);
    pair->filter = blocked_and_struck_at_random;
    pair_offer(&pair->a, "file", LENGTH);
    check_that_it_ended();
    g_rand_free(dice);
}
END_TEST

START_TEST(it_can_be_cancelled_at_every_stanza)
{
    bs_test_hurry(20);
    canceller = _i % 2 ? &pair->a : &pair->b;
    struck = (guint)_i / 2;
    pair->filter = blocked_and_cancelled;
    pair_offer(&pair->a, "file", LENGTH);
    ck_assert(pair_settle(pair));
    if (canceller->peer->ended > 0 && !pair->b.named)
        ck_assert_int_eq(canceller->peer->reason, BS_END_CANCELLED);
    if (pair->b.named)
        ck_assert(pair_has_whole_file(&pair->b, LENGTH));
}
END_TEST

/* Ends all connections of this process to its own listener. */
static void
cut_connections(void)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;

        if (getpeername(fd, (struct sockaddr *)&address, &length) == 0 &&
            (address.ss_family == AF_INET || address.ss_family == AF_INET6))
            shutdown(fd, SHUT_RDWR);
    }
}

/* Cuts each connection over which something has come, until enough are cut. */
static gboolean
cut_what_moves(gpointer data)
{
    const Side *receiver = data;

    if (receiver->started == started_before_cut || receiver->received->len == 0)
        return TRUE;
    started_before_cut = receiver->started;
    cut_connections();
    return --cuts > 0;
}

static const struct {
    guint cuts;
    gboolean in_band;
} dying[] = {{1, FALSE}, {2, TRUE}};

START_TEST(a_connection_that_dies_is_replaced)
{
    const guint64 length = G_GUINT64_CONSTANT(8) << 20;
    Side *from = _i < 2 ? &pair->a : &pair->b;

    cuts = dying[_i % 2].cuts;
    pair->filter = count_proposals;
    g_timeout_add(1, cut_what_moves, from->peer);
    pair_offer(from, "file", length);
    check_delivered(from, length, dying[_i % 2].in_band);
    ck_assert_uint_eq(cuts, 0);
    ck_assert_uint_eq(proposals, dying[_i % 2].cuts);
    ck_assert_uint_eq(from->started, 1 + dying[_i % 2].cuts);
    ck_assert_uint_eq(from->peer->started, 1 + dying[_i % 2].cuts);
}
END_TEST

/* Between nomination and the first byte. */
static StanzaFate
cut_at_nomination(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    const xmlnode *transport = bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(stanza)));

    if (cuts > 0 && transport != NULL && bs_xml_child(transport, "candidate-used", BS_NS_S5B) != NULL) {
        cuts--;
        cut_connections();
    }
    return count_proposals(the_pair, number, from, stanza);
}

START_TEST(a_connection_that_dies_at_its_nomination_is_replaced)
{
    cuts = (guint)_i;
    pair->filter = cut_at_nomination;
    pair_offer(&pair->a, "file", LENGTH);
    ck_assert(pair_settle(pair));
    ck_assert_uint_lt(cuts, (guint)_i);
    ck_assert_int_eq(pair->a.reason, BS_END_DELIVERED);
    ck_assert_int_eq(pair->b.reason, BS_END_DELIVERED);
    ck_assert(pair_has_whole_file(&pair->b, LENGTH));
    ck_assert_uint_gt(proposals, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ladder");
    TCase *tcase = tcase_create("ladder");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, in_band_is_the_last_rung, 0, 2);
    tcase_add_test(tcase, an_empty_file_goes_in_band);
    tcase_add_test(tcase, several_go_in_band_at_once);
    tcase_add_test(tcase, slowness_does_no_harm);
    tcase_add_test(tcase, every_stanza_comes_twice);
    tcase_add_loop_test(tcase, one_stanza_is_lost, 0, STANZAS);
    tcase_add_loop_test(tcase, one_stanza_is_late, 0, STANZAS);
    tcase_add_loop_test(tcase, anything_may_happen, 0, 30);
    tcase_add_loop_test(tcase, it_can_be_cancelled_at_every_stanza, 0, 2 * STANZAS);
    tcase_add_loop_test(tcase, a_connection_that_dies_is_replaced, 0, 4);
    tcase_add_loop_test(tcase, a_connection_that_dies_at_its_nomination_is_replaced, 1, 4);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
