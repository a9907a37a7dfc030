/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/file_name.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    const char *clean;
} Cleaning;

static const Cleaning cleanings[] = {
    {"holiday.jpg", "holiday.jpg"},
    {"../../etc/passwd", "_.._etc_passwd"},
    {"/etc/passwd", "_etc_passwd"},
    {"a/b\\c", "a_b_c"},
    {"..", "file"},
    {".", "file"},
    {"", "file"},
    {NULL, "file"},
    {" . . ", "file"},
    {"\342\200\256", "file"},
    {".bashrc", "bashrc"},
    {"...x", "x"},
    {"\001.x", "x"},
    {"\342\200\256.x", "x"},
    {". .x", "x"},
    {"x...", "x"},
    {"x. . ", "x"},
    {"x.txt .", "x.txt"},
    {"x .\342\200\217", "x"},
    {"two\nlines\t\177.txt", "twolines.txt"},
    {"c1\302\205.txt", "c1.txt"},
    {"a\342\200\250b\342\200\251c", "abc"},
    {"photo\342\200\256gpj.exe", "photogpj.exe"},
    {"\342\200\252\342\200\253\342\200\254\342\200\255\342\200\256a", "a"},
    {"a\342\201\246\342\201\247\342\201\250\342\201\251", "a"},
    {"a\342\200\216b\342\200\217c\330\234d", "abcd"},
    {"bill\342\200\213.p\302\255df\342\201\240", "bill.pdf"},
    {"\343\205\244a\357\273\277b\342\240\200c", "abc"},
    {"photo\342\200\215.jpg", "photo.jpg"},
    {"\342\235\244\357\270\217.jpg", "\342\235\244.jpg"},
    {"\333\214\342\200\214\330\256.txt", "\333\214\342\200\214\330\256.txt"},
    {"\333\214\342\200\214\342\200\213\330\256", "\333\214\330\256"},
    {"\342\200\213.bashrc", "bashrc"},
    {"CO\342\200\213N", "_CON"},
    {"CON", "_CON"},
    {"con.", "_con"},
    {"nul.txt", "_nul.txt"},
    {"nul.tar.gz", "_nul.tar.gz"},
    {"NUL .txt", "_NUL .txt"},
    {".nul", "_nul"},
    {"COM1.txt", "_COM1.txt"},
    {"lpt9", "_lpt9"},
    {"COM\302\271", "_COM\302\271"},
    {"Aux", "_Aux"},
    {"prn.c", "_prn.c"},
    {"conin$", "_conin$"},
    {"CONTACT.txt", "CONTACT.txt"},
    {"com10", "com10"},
    {"com", "com"},
    {"comx", "comx"},
    {"caf\351.txt", "caf\357\277\275.txt"},
    {"\"it's\" 1 < 2 > 0 : | ? *.txt", "\"it's\" 1 < 2 > 0 : | ? *.txt"},
    {"Gr\303\274\303\237e aus K\303\266ln.pdf", "Gr\303\274\303\237e aus K\303\266ln.pdf"},
    {"\360\237\221\251\342\200\215\360\237\232\200.png", "\360\237\221\251\342\200\215\360\237\232\200.png"},
    {"-rf", "-rf"},
    {"%s%n", "%s%n"},
};

START_TEST(test_clean_name)
{
    g_autofree char *clean = bs_file_name_clean(cleanings[_i].name);
    g_autofree char *again = bs_file_name_clean(clean);

    ck_assert_str_eq(clean, cleanings[_i].clean);
    ck_assert_str_eq(again, clean);
}
END_TEST

static void
assert_cut(const char *unit, guint times, const char *extension, gsize expected_length)
{
    GString *name = g_string_new(NULL);
    g_autofree char *valid_unit = g_utf8_make_valid(unit, -1);
    g_autofree char *clean = NULL;

    for (guint i = 0; i < times; i++)
        g_string_append(name, unit);
    g_string_append(name, extension);
    clean = bs_file_name_clean(name->str);
    ck_assert_uint_eq(strlen(clean), expected_length);
    ck_assert(g_utf8_validate(clean, -1, NULL));
    ck_assert(g_str_has_suffix(clean, extension));
    ck_assert(g_str_has_prefix(clean, valid_unit));
    g_string_free(name, TRUE);
}

START_TEST(test_clean_name_is_short)
{
    g_autofree char *spaces = g_strnfill(300, ' ');
    g_autofree char *spaced = g_strconcat("a", spaces, "b", NULL);
    g_autofree char *clean = bs_file_name_clean(spaced);

    assert_cut("x", 300, "", 200);
    assert_cut("x", 200, "", 200);
    assert_cut("x", 300, ".txt", 200);
    assert_cut("\342\202\254", 100, ".jpeg", 200);
    assert_cut("\342\202\254", 100, ".jpg", 199);
    assert_cut("\360\237\232\200", 75, ".png", 200);
    assert_cut("\377", 300, ".txt", 199);
    ck_assert_str_eq(clean, "a");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("file_name");
    TCase *tcase = tcase_create("file name");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, test_clean_name, 0, G_N_ELEMENTS(cleanings));
    tcase_add_test(tcase, test_clean_name_is_short);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
