/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>

#include "host/override.h"

static char functions[BS_OVERRIDE_SLOTS]; /* their addresses stand for functions of ours */
static char original, other, third;

static BsOverride
new_override(void)
{
    BsOverride override = {0};

    for (guint slot = 0; slot < BS_OVERRIDE_SLOTS; slot++)
        override.ours[slot] = &functions[slot];
    return override;
}

START_TEST(what_was_there_comes_back)
{
    BsOverride override = new_override();
    gpointer place = &original;

    for (int round = 0; round < 50; round++) {
        ck_assert(bs_override_take(&override, &place));
        ck_assert_ptr_eq(place, override.ours[override.slot]);
        ck_assert_ptr_eq(override.saved[override.slot], &original);
        ck_assert(bs_override_acts(&override, override.slot));
        bs_override_give_back(&override, &place);
        ck_assert_ptr_eq(place, &original);
    }
}
END_TEST

START_TEST(a_function_behind_another_passes_on_for_good)
{
    BsOverride override = new_override();
    gpointer place = &original;
    guint buried;

    ck_assert(bs_override_take(&override, &place));
    buried = override.slot;
    place = &other;
    bs_override_give_back(&override, &place);
    ck_assert_ptr_eq(place, &other);
    ck_assert(!bs_override_acts(&override, buried));

    /* Loaded again, it comes on top, and the one behind goes on passing on to the original. */
    ck_assert(bs_override_take(&override, &place));
    ck_assert_uint_ne(override.slot, buried);
    ck_assert_ptr_eq(override.saved[override.slot], &other);
    ck_assert_ptr_eq(override.saved[buried], &original);
    ck_assert(!bs_override_acts(&override, buried));
    bs_override_give_back(&override, &place);
    ck_assert_ptr_eq(place, &other);
    ck_assert_ptr_eq(override.saved[buried], &original);
}
END_TEST

START_TEST(our_own_function_is_never_saved)
{
    BsOverride override = new_override();
    gpointer place = &original;
    gpointer ours;

    ck_assert(bs_override_take(&override, &place));
    ours = place;
    place = &other;
    bs_override_give_back(&override, &place);
    place = ours; /* the other one has gone, and put back what it had found */
    ck_assert(bs_override_take(&override, &place));
    ck_assert_ptr_eq(place, ours);
    ck_assert_ptr_eq(override.saved[override.slot], &original);
    bs_override_give_back(&override, &place);
    ck_assert_ptr_eq(place, &original);
}
END_TEST

START_TEST(giving_back_twice_does_nothing)
{
    BsOverride override = new_override();
    gpointer place = &original;

    ck_assert(bs_override_take(&override, &place));
    bs_override_give_back(&override, &place);
    place = &third;
    bs_override_give_back(&override, &place);
    ck_assert_ptr_eq(place, &third);
}
END_TEST

START_TEST(when_all_are_behind_others_nothing_is_taken)
{
    BsOverride override = new_override();
    gpointer place = &original;

    for (guint slot = 0; slot < BS_OVERRIDE_SLOTS; slot++) {
        ck_assert(bs_override_take(&override, &place));
        place = slot % 2 ? &other : &third;
        bs_override_give_back(&override, &place);
    }
    ck_assert(!bs_override_take(&override, &place));
    ck_assert_ptr_eq(place, &other);
    for (guint slot = 0; slot < BS_OVERRIDE_SLOTS; slot++)
        ck_assert(!bs_override_acts(&override, slot));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("override");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, all);
    tcase_add_test(all, what_was_there_comes_back);
    tcase_add_test(all, a_function_behind_another_passes_on_for_good);
    tcase_add_test(all, our_own_function_is_never_saved);
    tcase_add_test(all, giving_back_twice_does_nothing);
    tcase_add_test(all, when_all_are_behind_others_nothing_is_taken);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
