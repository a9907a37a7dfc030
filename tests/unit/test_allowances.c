/* The table of allowances: each row is complete, the code that it names makes use of it, and so does a test.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stanza/allowances.h"

/* A source file's text, the caller's. */
static char *
text_of(const char *folder, const char *file)
{
    const char *source = g_getenv("srcdir");
    g_autofree char *path = g_build_filename(source != NULL ? source : ".", folder, file, NULL);
    char *text = NULL;

    ck_assert_msg(g_file_get_contents(path, &text, NULL, NULL), "%s cannot be read", path);
    return text;
}

START_TEST(rows_are_complete)
{
    const BsAllowanceRow *row = bs_allowance((BsAllowance)_i);
    const char *const cells[] = {row->name,       row->clients, row->departure, row->reason,
                                 row->recognised, row->where,   row->test,      row->test_case};

    for (guint i = 0; i < G_N_ELEMENTS(cells); i++)
        ck_assert_msg(cells[i] != NULL && *cells[i] != '\0', "row %d", _i);
}
END_TEST

START_TEST(rows_are_used)
{
    const BsAllowanceRow *row = bs_allowance((BsAllowance)_i);
    g_autofree char *code = text_of("plugin", row->where);
    g_autofree char *use = g_strdup_printf("bs_allow(%s)", row->name);

    ck_assert_msg(strstr(code, use) != NULL, "%s does not use %s", row->where, row->name);
}
END_TEST

START_TEST(rows_are_tested)
{
    const BsAllowanceRow *row = bs_allowance((BsAllowance)_i);
    g_autofree char *test = text_of("tests", row->test);

    ck_assert_msg(strstr(test, row->test_case) != NULL, "%s has nothing for %s", row->test, row->name);
}
END_TEST

START_TEST(a_use_is_noticed)
{
    ck_assert(!bs_allowance_was_used(BS_ALLOW_REASON_WITH_UNDERSCORE));
    ck_assert(bs_allow(BS_ALLOW_REASON_WITH_UNDERSCORE));
    ck_assert(bs_allowance_was_used(BS_ALLOW_REASON_WITH_UNDERSCORE));
    ck_assert(!bs_allowance_was_used(BS_ALLOW_EITHER_ORDER));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("allowances");
    TCase *tcase = tcase_create("table");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, rows_are_complete, 0, BS_ALLOWANCE_COUNT);
    tcase_add_loop_test(tcase, rows_are_used, 0, BS_ALLOWANCE_COUNT);
    tcase_add_loop_test(tcase, rows_are_tested, 0, BS_ALLOWANCE_COUNT);
    tcase_add_test(tcase, a_use_is_noticed);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
