/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <string.h>

#include "host/notices.h"

#define LAST_REASON BS_END_NOT_BEGUN

static char *
end_sentence(BsEndReason reason, gboolean incoming, const char *alias, const char *file, const char *detail)
{
    g_autofree char *words = g_strdup(detail);
    BsEnd end = {.reason = reason, .detail = words};

    return bs_notice_of_end(&end, incoming, alias, file);
}

/* What goes on by itself says why it did not come to its end, and that nobody has to do anything. */
START_TEST(what_goes_on_says_so)
{
    for (int incoming = FALSE; incoming <= TRUE; incoming++) {
        BsEnd no_route = {.reason = BS_END_NO_ROUTE, .goes_on = TRUE};
        BsEnd lost = {.reason = BS_END_CONNECTION_LOST, .goes_on = TRUE};
        g_autofree char *never = bs_notice_of_end(&no_route, incoming, "Bob", "a.txt");
        g_autofree char *ended = bs_notice_of_end(&lost, incoming, "Bob", "a.txt");

        ck_assert_msg(strstr(never, "no connection") != NULL, "%s", never);
        ck_assert_msg(strstr(never, "both of you are online") != NULL, "%s", never);
        ck_assert_msg(strstr(ended, "the connection ended") != NULL, "%s", ended);
        ck_assert_msg(strstr(ended, "both of you are online") != NULL, "%s", ended);
    }
}
END_TEST

START_TEST(each_end_has_its_own_sentence)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (int incoming = FALSE; incoming <= TRUE; incoming++) {
        for (guint reason = 0; reason <= LAST_REASON; reason++) {
            char *text = end_sentence(reason, incoming, "Bob", "a.txt", NULL);

            ck_assert_msg(strstr(text, "a.txt") != NULL, "%s", text);
            ck_assert_msg(strstr(text, "Bob") != NULL, "%s", text);
            ck_assert_msg(strchr(text, '%') == NULL, "%s", text);
            ck_assert_msg(g_str_has_suffix(text, "."), "%s", text);
            ck_assert_msg(g_hash_table_add(seen, text), "said twice: %s", text);
        }
    }
}
END_TEST

START_TEST(each_local_notice_has_its_own_sentence)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint notice = 0; notice < BS_NOTICE_COUNT; notice++) {
        char *text = bs_notice_of(notice, "Bob", "a.txt", NULL);

        ck_assert_msg(strstr(text, "a.txt") != NULL, "%s", text);
        ck_assert_msg(strstr(text, "Bob") != NULL, "%s", text);
        ck_assert_msg(strchr(text, '%') == NULL, "%s", text);
        ck_assert_msg(g_hash_table_add(seen, text), "said twice: %s", text);
    }
}
END_TEST

START_TEST(the_reason_of_the_system_is_told)
{
    g_autofree char *text = end_sentence(BS_END_LOCAL_FILE, TRUE, "Bob", "a.txt", "No space left on device");
    g_autofree char *local = bs_notice_of(BS_NOTICE_UNREADABLE, "Bob", "a.txt", "Permission denied");

    ck_assert_ptr_nonnull(strstr(text, " (No space left on device)"));
    ck_assert_ptr_nonnull(strstr(local, " (Permission denied)"));
}
END_TEST

START_TEST(nothing_is_left_of_hostile_characters)
{
    /* A right-to-left override, an escape sequence, a new line, a byte that is no UTF-8, a directive. */
    g_autofree char *text = end_sentence(BS_END_CANCELLED, TRUE, "Eve\nBob cancelled",
                                         "a\xe2\x80\xaegpj\x1b[2J\xff%1$s%n.exe", NULL);

    ck_assert(g_utf8_validate(text, -1, NULL));
    ck_assert_ptr_null(strstr(text, "\xe2\x80\xae"));
    ck_assert_ptr_null(strchr(text, '\x1b'));
    ck_assert_ptr_null(strchr(text, '\n'));
    ck_assert_ptr_nonnull(strstr(text, "Eve Bob cancelled"));
    ck_assert_ptr_nonnull(strstr(text, "%1$s%n.exe"));
}
END_TEST

START_TEST(long_names_are_cut)
{
    g_autofree char *name = g_strnfill(10000, 'x');
    g_autofree char *text = end_sentence(BS_END_DELIVERED, FALSE, name, name, name);

    ck_assert_uint_lt(strlen(text), 600);
    ck_assert_ptr_nonnull(strstr(text, "…"));
}
END_TEST

START_TEST(missing_names_have_words_in_their_place)
{
    g_autofree char *text = end_sentence(BS_END_DELIVERED, TRUE, NULL, NULL, NULL);
    g_autofree char *invisible = end_sentence(BS_END_DELIVERED, TRUE, "\x01", "\xe2\x80\x8b", NULL);

    ck_assert_ptr_nonnull(strstr(text, "the contact"));
    ck_assert_ptr_nonnull(strstr(text, "the file"));
    ck_assert_str_eq(text, invisible);
}
END_TEST

START_TEST(a_route_is_told_apart_by_type_and_direction)
{
    BsRoute direct = {.type = BS_CANDIDATE_DIRECT};
    BsRoute relay = {.type = BS_CANDIDATE_PROXY};
    BsRoute in_band = {.in_band = TRUE};
    g_autofree char *sent = bs_notice_of_route(&direct, FALSE);
    g_autofree char *received = bs_notice_of_route(&direct, TRUE);
    g_autofree char *relayed = bs_notice_of_route(&relay, FALSE);
    g_autofree char *in_band_sent = bs_notice_of_route(&in_band, FALSE);
    g_autofree char *in_band_received = bs_notice_of_route(&in_band, TRUE);

    ck_assert_str_eq(sent, "Sent over a direct connection.");
    ck_assert_str_eq(received, "Received over a direct connection.");
    ck_assert_str_ne(sent, relayed);
    ck_assert_str_eq(in_band_sent, "Sent through the server.");
    ck_assert_str_eq(in_band_received, "Received through the server.");
}
END_TEST

START_TEST(options_of_a_choice_differ)
{
    g_autofree char *one = bs_notice_choose_option("desk", 5);
    g_autofree char *other = bs_notice_choose_option("phone\n", -1);

    ck_assert_str_eq(one, "desk (5)");
    ck_assert_str_eq(other, "phone (-1)");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("notices");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, all);
    tcase_add_test(all, what_goes_on_says_so);
    tcase_add_test(all, each_end_has_its_own_sentence);
    tcase_add_test(all, each_local_notice_has_its_own_sentence);
    tcase_add_test(all, the_reason_of_the_system_is_told);
    tcase_add_test(all, nothing_is_left_of_hostile_characters);
    tcase_add_test(all, long_names_are_cut);
    tcase_add_test(all, missing_names_have_words_in_their_place);
    tcase_add_test(all, a_route_is_told_apart_by_type_and_direction);
    tcase_add_test(all, options_of_a_choice_differ);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
