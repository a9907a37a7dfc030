/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <pluginpref.h>
#include <prefs.h>
#include <string.h>

#include "preferences.h"
#include "support/purple_env.h"

#define SKIP_HASH "/plugins/core/bytestreams/bench_skip_hash"
#define TELL_ADDRESSES "/plugins/core/bytestreams/tell_addresses"

static void
set_up(void)
{
    bs_preferences_register();
}

static void
tear_down(void)
{
    purple_prefs_remove("/plugins/core/bytestreams");
}

START_TEST(addresses_are_told_to_everyone_by_default)
{
    ck_assert_int_eq(bs_preferences_tell_addresses(), BS_TELL_EVERYONE);
    ck_assert_str_eq(purple_prefs_get_string(TELL_ADDRESSES), "everyone");
}
END_TEST

START_TEST(what_the_user_chose_is_read)
{
    purple_prefs_set_string(TELL_ADDRESSES, "contacts");
    ck_assert_int_eq(bs_preferences_tell_addresses(), BS_TELL_CONTACTS);
    purple_prefs_set_string(TELL_ADDRESSES, "nobody");
    ck_assert_int_eq(bs_preferences_tell_addresses(), BS_TELL_NOBODY);
    purple_prefs_set_string(TELL_ADDRESSES, "everyone");
    ck_assert_int_eq(bs_preferences_tell_addresses(), BS_TELL_EVERYONE);
}
END_TEST

START_TEST(what_nobody_knows_tells_nobody)
{
    static const char *const values[] = {"", "Everyone", "someone", "everyone "};

    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        purple_prefs_set_string(TELL_ADDRESSES, values[i]);
        ck_assert_int_eq(bs_preferences_tell_addresses(), BS_TELL_NOBODY);
    }
    purple_prefs_remove(TELL_ADDRESSES);
    ck_assert_int_eq(bs_preferences_tell_addresses(), BS_TELL_NOBODY);
}
END_TEST

/* The plugin is loaded again. */
START_TEST(a_choice_outlives_registration)
{
    purple_prefs_set_string(TELL_ADDRESSES, "nobody");
    bs_preferences_register();
    ck_assert_int_eq(bs_preferences_tell_addresses(), BS_TELL_NOBODY);
}
END_TEST

/* Nobody should find it by chance: a file that was not hashed is not verified. */
START_TEST(only_a_hidden_preference_turns_hashes_off)
{
    PurplePluginPrefFrame *frame = bs_preferences_page()->get_plugin_pref_frame(NULL);

    ck_assert(bs_preferences_hashes_files());
    for (GList *item = purple_plugin_pref_frame_get_prefs(frame); item != NULL; item = item->next)
        ck_assert_str_ne(
            purple_plugin_pref_get_name(item->data) != NULL ? purple_plugin_pref_get_name(item->data) : "",
            SKIP_HASH);
    purple_plugin_pref_frame_destroy(frame);
    purple_prefs_set_bool(SKIP_HASH, TRUE);
    ck_assert(!bs_preferences_hashes_files());
}
END_TEST

/* A UI draws a field only if its preference exists with the right type, and sets what the field offers. */
START_TEST(each_choice_on_the_page_can_be_read_back)
{
    PurplePluginPrefFrame *frame = bs_preferences_page()->get_plugin_pref_frame(NULL);
    gboolean seen[BS_TELL_NOBODY + 1] = {FALSE};

    for (GList *item = purple_plugin_pref_frame_get_prefs(frame); item != NULL; item = item->next) {
        PurplePluginPref *pref = item->data;

        ck_assert_ptr_nonnull(purple_plugin_pref_get_label(pref));
        if (g_strcmp0(purple_plugin_pref_get_name(pref), TELL_ADDRESSES) != 0)
            continue;
        ck_assert_int_eq(purple_plugin_pref_get_type(pref), PURPLE_PLUGIN_PREF_CHOICE);
        ck_assert_int_eq(purple_prefs_get_type(TELL_ADDRESSES), PURPLE_PREF_STRING);
        for (GList *choice = purple_plugin_pref_get_choices(pref); choice != NULL;
             choice = choice->next->next) {
            ck_assert_str_ne(choice->data, "");
            purple_prefs_set_string(TELL_ADDRESSES, choice->next->data);
            ck_assert(!seen[bs_preferences_tell_addresses()]);
            seen[bs_preferences_tell_addresses()] = TRUE;
        }
    }
    for (gsize i = 0; i < G_N_ELEMENTS(seen); i++)
        ck_assert(seen[i]);
    purple_plugin_pref_frame_destroy(frame);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("preferences");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, all);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, addresses_are_told_to_everyone_by_default);
    tcase_add_test(all, what_the_user_chose_is_read);
    tcase_add_test(all, what_nobody_knows_tells_nobody);
    tcase_add_test(all, a_choice_outlives_registration);
    tcase_add_test(all, each_choice_on_the_page_can_be_read_back);
    tcase_add_test(all, only_a_hidden_preference_turns_hashes_off);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
