/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/queue.h"

#include <check.h>

#include "support/purple_env.h"

#define FILES 12

/* A file that asks for a place, and what its turn does. */
typedef struct {
    BsPlace *place;
    guint turn; /* the how manieth it was; 0: not yet */
    gboolean leaves;
    BsPlace **takes_along;
} File;

static BsQueue *queue;
static File files[FILES];
static guint turns;

static void
set_up(void)
{
    queue = NULL;
    turns = 0;
    memset(files, 0, sizeof files);
}

static void
tear_down(void)
{
    for (guint i = 0; i < FILES; i++)
        g_clear_pointer(&files[i].place, bs_place_free);
    g_clear_pointer(&queue, bs_queue_free);
}

static void
its_turn(gpointer data)
{
    File *file = data;

    ck_assert(!bs_place_waits(file->place));
    ck_assert_uint_eq(file->turn, 0);
    file->turn = ++turns;
    if (file->takes_along != NULL)
        g_clear_pointer(file->takes_along, bs_place_free);
    if (file->leaves)
        g_clear_pointer(&file->place, bs_place_free);
}

/* TRUE if it has its place at once. */
static gboolean
offer(guint number, const char *contact)
{
    files[number].place = bs_place_for_offer(queue, contact, its_turn, &files[number]);
    return !bs_place_waits(files[number].place);
}

static gboolean
accepted(guint number)
{
    files[number].place = bs_place_for_accepted(queue, its_turn, &files[number]);
    return !bs_place_waits(files[number].place);
}

static void
leave(guint number)
{
    g_clear_pointer(&files[number].place, bs_place_free);
}

/* Lets everybody have his turn who can. */
static void
go_on(void)
{
    bs_test_run_for(5);
}

START_TEST(as_many_as_the_limit_begin_and_the_rest_in_order)
{
    queue = bs_queue_new(2);
    ck_assert(accepted(0) && accepted(1));
    ck_assert_uint_eq(bs_place_number(files[0].place), 0);
    for (guint i = 2; i < 6; i++) {
        ck_assert(!accepted(i));
        ck_assert_uint_eq(bs_place_number(files[i].place), i - 1);
    }
    go_on();
    ck_assert_uint_eq(turns, 0);
    leave(1);
    ck_assert_uint_eq(turns, 0);
    go_on();
    ck_assert_uint_eq(turns, 1);
    ck_assert_uint_eq(files[2].turn, 1);
    leave(4);
    leave(0);
    leave(2);
    go_on();
    ck_assert_uint_eq(files[3].turn, 2);
    ck_assert_uint_eq(files[5].turn, 3);
}
END_TEST

START_TEST(unanswered_offers_count_for_their_contact_alone)
{
    queue = bs_queue_new(2);
    ck_assert(offer(0, "bob") && offer(1, "bob"));
    ck_assert(!offer(2, "bob"));
    ck_assert(offer(3, "carol"));
    ck_assert(accepted(4));
    /* One runs: of each contact one more offer is enough, and Bob has two. */
    ck_assert(!offer(5, "carol"));
    ck_assert(offer(6, "dave"));
    ck_assert(accepted(7));
    /* Nobody may begin now. */
    ck_assert(!offer(8, "eve"));
    leave(4);
    leave(7);
    go_on();
    ck_assert_uint_eq(files[2].turn, 0);
    ck_assert_uint_eq(files[5].turn, 1);
    ck_assert_uint_eq(files[8].turn, 2);
    leave(1);
    go_on();
    ck_assert_uint_eq(files[2].turn, 3);
}
END_TEST

START_TEST(an_accepted_offer_runs_at_once)
{
    queue = bs_queue_new(2);
    ck_assert(offer(0, "bob") && offer(1, "bob"));
    ck_assert(accepted(2) && accepted(3));
    bs_place_run(files[0].place);
    bs_place_run(files[1].place);
    bs_place_run(files[1].place);
    ck_assert(!accepted(4));
    /* Four run; there is room when one does. */
    leave(2);
    leave(3);
    go_on();
    ck_assert_uint_eq(turns, 0);
    leave(0);
    go_on();
    ck_assert_uint_eq(files[4].turn, 1);
}
END_TEST

START_TEST(one_that_waits_can_run_without_its_turn)
{
    queue = bs_queue_new(1);
    ck_assert(accepted(0));
    ck_assert(!accepted(1) && !accepted(2));
    bs_place_run(files[1].place);
    ck_assert(!bs_place_waits(files[1].place));
    ck_assert_uint_eq(bs_place_number(files[2].place), 1);
    leave(0);
    go_on();
    ck_assert_uint_eq(turns, 0);
    leave(1);
    go_on();
    ck_assert_uint_eq(files[1].turn, 0);
    ck_assert_uint_eq(files[2].turn, 1);
}
END_TEST

START_TEST(nobody_gets_in_before_one_whose_turn_is_about_to_come)
{
    queue = bs_queue_new(1);
    ck_assert(accepted(0));
    ck_assert(!accepted(1));
    leave(0);
    ck_assert(!accepted(2));
    go_on();
    ck_assert_uint_eq(files[1].turn, 1);
    ck_assert_uint_eq(files[2].turn, 0);
}
END_TEST

START_TEST(places_may_be_given_back_inside_a_turn)
{
    queue = bs_queue_new(2);
    ck_assert(accepted(0) && accepted(1));
    for (guint i = 2; i < 8; i++)
        ck_assert(!accepted(i));
    files[2].leaves = TRUE;
    files[3].takes_along = &files[4].place;
    files[5].takes_along = &files[3].place;
    leave(0);
    leave(1);
    go_on();
    ck_assert_uint_eq(files[2].turn, 1);
    ck_assert_uint_eq(files[3].turn, 2);
    ck_assert_uint_eq(files[4].turn, 0);
    ck_assert_uint_eq(files[5].turn, 3);
    ck_assert_uint_eq(files[6].turn, 4);
    ck_assert_uint_eq(files[7].turn, 0);
}
END_TEST

START_TEST(a_higher_limit_lets_others_begin)
{
    queue = bs_queue_new(1);
    ck_assert(accepted(0));
    for (guint i = 1; i < 5; i++)
        ck_assert(!accepted(i));
    bs_queue_set_limit(queue, 3);
    go_on();
    ck_assert_uint_eq(turns, 2);
    bs_queue_set_limit(queue, 1);
    leave(0);
    leave(1);
    go_on();
    ck_assert_uint_eq(turns, 2);
    leave(2);
    go_on();
    ck_assert_uint_eq(files[3].turn, 3);
    bs_queue_set_limit(queue, 0);
    leave(3);
    go_on();
    ck_assert_uint_eq(files[4].turn, 4);
}
END_TEST

START_TEST(no_contact_is_flooded)
{
    guint offered = 0;

    queue = bs_queue_new(50);
    for (guint i = 0; i < FILES; i++)
        offered += offer(i, "bob");
    ck_assert_uint_eq(offered, 8);
    bs_place_run(files[0].place);
    bs_queue_set_limit(queue, 50);
    go_on();
    ck_assert_uint_eq(turns, 1);
}
END_TEST

START_TEST(a_queue_can_end_while_a_turn_is_about_to_come)
{
    queue = bs_queue_new(1);
    ck_assert(accepted(0));
    ck_assert(!accepted(1));
    leave(0);
    leave(1);
    g_clear_pointer(&queue, bs_queue_free);
    go_on();
    ck_assert_uint_eq(turns, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, all);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, as_many_as_the_limit_begin_and_the_rest_in_order);
    tcase_add_test(all, unanswered_offers_count_for_their_contact_alone);
    tcase_add_test(all, an_accepted_offer_runs_at_once);
    tcase_add_test(all, one_that_waits_can_run_without_its_turn);
    tcase_add_test(all, nobody_gets_in_before_one_whose_turn_is_about_to_come);
    tcase_add_test(all, places_may_be_given_back_inside_a_turn);
    tcase_add_test(all, a_higher_limit_lets_others_begin);
    tcase_add_test(all, no_contact_is_flooded);
    tcase_add_test(all, a_queue_can_end_while_a_turn_is_about_to_come);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
