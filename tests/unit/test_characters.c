/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "characters.h"

#include <check.h>
#include <debug.h>
#include <stdlib.h>

#include "log.h"

static const gunichar hidden[] = {0x00,   0x0A,   0x7F,   0x85,   0xAD,   0x34F,  0x61C,  0x115F,
                                  0x180E, 0x200B, 0x200C, 0x200D, 0x200E, 0x2028, 0x202E, 0x2060,
                                  0x2066, 0x2800, 0x3164, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF9, 0xE0041};
static const gunichar shown[] = {' ',    'a',    '/',    0xA0,   0xE9,   0x301,  0x5D0,   0x621,
                                 0x3000, 0x4E00, 0xAC00, 0xE000, 0xFFFD, 0xFF41, 0x1F680, 0x20000};

START_TEST(what_nobody_sees_is_hidden)
{
    for (gsize i = 0; i < G_N_ELEMENTS(hidden); i++)
        ck_assert_msg(bs_character_is_hidden(hidden[i]), "U+%04X", hidden[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(shown); i++)
        ck_assert_msg(!bs_character_is_hidden(shown[i]), "U+%04X", shown[i]);
}
END_TEST

static char *last_line;

static void
keep_line(PurpleDebugLevel level, const char *category, const char *text)
{
    (void)level;
    (void)category;
    g_free(last_line);
    last_line = g_strdup(text);
}

static gboolean
is_enabled(PurpleDebugLevel level, const char *category)
{
    (void)level;
    (void)category;
    return TRUE;
}

START_TEST(a_line_in_the_debug_window_stays_one)
{
    static PurpleDebugUiOps ops = {.print = keep_line, .is_enabled = is_enabled};

    purple_debug_set_ui_ops(&ops);
    bs_log("ft1", "offered: \"%s\"", "a\nbytestreams: [ft2] ended\342\200\256 caf\303\251 \377");
    ck_assert_str_eq(last_line, "[ft1] offered: \"a<U+000A>bytestreams: [ft2] ended<U+202E> caf\303\251 "
                                "\357\277\275\"\n");
    bs_log_warning(NULL, "%s", "\200");
    ck_assert_str_eq(last_line, "\357\277\275\n");
    purple_debug_set_ui_ops(NULL);
    g_clear_pointer(&last_line, g_free);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("characters");
    TCase *tests = tcase_create("characters");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, what_nobody_sees_is_hidden);
    tcase_add_test(tests, a_line_in_the_debug_window_stays_one);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
