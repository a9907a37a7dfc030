/* The table of XEP-0260, 2.4, seen from both parties.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "transport/nomination.h"

static const BsReport none = {BS_REPORT_NONE, 0};
static const BsReport error = {BS_REPORT_ERROR, 0};
static const BsReport low = {BS_REPORT_USED, 100};
static const BsReport high = {BS_REPORT_USED, 200};

static const struct {
    const BsReport *initiators;
    const BsReport *responders;
    BsNominated for_initiator;
    BsNominated for_responder;
} rows[] = {
    {&none, &none, BS_NOMINATED_NOT_YET, BS_NOMINATED_NOT_YET},
    {&high, &none, BS_NOMINATED_NOT_YET, BS_NOMINATED_NOT_YET},
    {&none, &error, BS_NOMINATED_NOT_YET, BS_NOMINATED_NOT_YET},
    {&error, &error, BS_NOMINATED_NEITHER, BS_NOMINATED_NEITHER},
    {&error, &low, BS_NOMINATED_THEIR_CHOICE, BS_NOMINATED_OUR_CHOICE},
    {&low, &error, BS_NOMINATED_OUR_CHOICE, BS_NOMINATED_THEIR_CHOICE},
    {&high, &low, BS_NOMINATED_OUR_CHOICE, BS_NOMINATED_THEIR_CHOICE},
    {&low, &high, BS_NOMINATED_THEIR_CHOICE, BS_NOMINATED_OUR_CHOICE},
    {&high, &high, BS_NOMINATED_OUR_CHOICE, BS_NOMINATED_THEIR_CHOICE},
};

START_TEST(both_parties_agree)
{
    ck_assert_int_eq(bs_nominate(rows[_i].initiators, rows[_i].responders, TRUE), rows[_i].for_initiator);
    ck_assert_int_eq(bs_nominate(rows[_i].responders, rows[_i].initiators, FALSE), rows[_i].for_responder);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("nomination");
    TCase *tcase = tcase_create("nomination");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, both_parties_agree, 0, G_N_ELEMENTS(rows));
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
