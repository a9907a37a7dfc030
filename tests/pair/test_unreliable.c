/* A pipe that drops, doubles, delays and reorders stanzas: every transfer ends, on both sides, and a file
 * that got its name is whole. SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "pair.h"
#include "purple_env.h"
#include "socks5/listener.h"

/* More stanzas than a whole transfer has. */
#define STANZAS 20
#define LENGTH 200000

static Pair *pair;
static guint struck;
static StanzaFate fate;
static GRand *dice;

static void
setup(void)
{
    bs_test_hurry(1000);
    pair = pair_new();
}

static void
teardown(void)
{
    pair_free(pair);
    bs_test_hurry(1);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static StanzaFate
strike_one(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)the_pair;
    (void)from;
    (void)stanza;
    return number == struck ? fate : FATE_ARRIVES;
}

static StanzaFate
strike_all(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)the_pair;
    (void)number;
    (void)from;
    (void)stanza;
    return fate;
}

static StanzaFate
strike_at_random(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)the_pair;
    (void)number;
    (void)from;
    (void)stanza;
    return g_rand_int_range(dice, 0, 3) > 0 ? FATE_ARRIVES : (StanzaFate)g_rand_int_range(dice, 0, 4);
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

START_TEST(one_stanza_is_lost)
{
    struck = (guint)_i;
    fate = FATE_IS_LOST;
    pair->filter = strike_one;
    pair_offer(&pair->a, "file", LENGTH);
    check_that_it_ended();
}
END_TEST

START_TEST(one_stanza_is_late)
{
    struck = (guint)_i;
    fate = FATE_ARRIVES_LATE;
    pair->filter = strike_one;
    pair_offer(&pair->a, "file", LENGTH);
    check_that_it_ended();
}
END_TEST

START_TEST(every_stanza_comes_twice)
{
    bs_test_hurry(1);
    fate = FATE_ARRIVES_TWICE;
    pair->filter = strike_all;
    pair_offer(&pair->a, "file", LENGTH);
    check_that_it_ended();
    ck_assert_int_eq(pair->a.reason, BS_END_DELIVERED);
    ck_assert_int_eq(pair->b.reason, BS_END_DELIVERED);
    ck_assert_uint_eq(pair->b.offers, 1);
    ck_assert(pair_has_whole_file(&pair->b, LENGTH));
}
END_TEST

START_TEST(everything_is_slow)
{
    bs_test_hurry(1);
    pair->latency_ms = 250;
    pair_offer(&pair->a, "file", LENGTH);
    check_that_it_ended();
    ck_assert_int_eq(pair->a.reason, BS_END_DELIVERED);
}
END_TEST

START_TEST(anything_may_happen)
{
    dice = g_rand_new_with_seed((guint32)_i);
    pair->filter = strike_at_random;
    pair_offer(&pair->a, "file", LENGTH);
    check_that_it_ended();
    g_rand_free(dice);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("unreliable");
    TCase *tcase = tcase_create("unreliable");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, one_stanza_is_lost, 0, STANZAS);
    tcase_add_loop_test(tcase, one_stanza_is_late, 0, STANZAS);
    tcase_add_test(tcase, every_stanza_comes_twice);
    tcase_add_test(tcase, everything_is_slow);
    tcase_add_loop_test(tcase, anything_may_happen, 0, 30);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
