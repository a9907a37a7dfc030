/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <pluginpref.h>
#include <prefs.h>
#include <string.h>

#include "preferences.h"
#include "support/purple_env.h"

#define SKIP_HASH "/plugins/core/bytestreams/bench_skip_hash"
#define AT_ONCE "/plugins/core/bytestreams/transfers_at_once"
#define SPEED "/plugins/core/bytestreams/speed_limit"
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

START_TEST(limits_have_their_defaults)
{
    ck_assert_uint_eq(bs_preferences_transfers_at_once(), 4);
    ck_assert_uint_eq(bs_preferences_speed_limit(), 0);
}
END_TEST

/* What is read of what stands there. */
static const struct {
    int value;
    guint at_once;
    guint64 speed;
} numbers[] = {
    {1, 1, 1024},    {50, 50, 51200},         {0, 1, 0},        {-7, 1, 0},
    {77, 50, 78848}, {G_MAXINT, 50, 1 << 30}, {G_MININT, 1, 0},
};

START_TEST(limits_are_read_within_their_bounds)
{
    purple_prefs_set_int(AT_ONCE, numbers[_i].value);
    purple_prefs_set_int(SPEED, numbers[_i].value);
    ck_assert_uint_eq(bs_preferences_transfers_at_once(), numbers[_i].at_once);
    ck_assert_uint_eq(bs_preferences_speed_limit(), numbers[_i].speed);
}
END_TEST

static guint changes;

static void
count_change(void)
{
    changes++;
}

START_TEST(who_watches_hears_of_each_change)
{
    changes = 0;
    bs_preferences_watch(count_change);
    purple_prefs_set_int(AT_ONCE, 9);
    purple_prefs_set_int(SPEED, 9);
    ck_assert_uint_eq(changes, 2);
    bs_preferences_watch(NULL);
    purple_prefs_set_int(AT_ONCE, 10);
    ck_assert_uint_eq(changes, 2);
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
        if (purple_plugin_pref_get_name(pref) != NULL)
            ck_assert(purple_prefs_exists(purple_plugin_pref_get_name(pref)));
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

/* Its window is 400 pixels wide, and labels and choices stand beside each other. */
START_TEST(what_there_is_to_choose_fits_into_pidgin_s_window)
{
    PurplePluginPrefFrame *frame = bs_preferences_page()->get_plugin_pref_frame(NULL);

    for (GList *item = purple_plugin_pref_frame_get_prefs(frame); item != NULL; item = item->next) {
        PurplePluginPref *pref = item->data;

        if (purple_plugin_pref_get_name(pref) == NULL)
            continue;
        ck_assert_int_le(g_utf8_strlen(purple_plugin_pref_get_label(pref), -1), 15);
        for (GList *choice = purple_plugin_pref_get_choices(pref); choice != NULL;
             choice = choice->next->next)
            ck_assert_int_le(g_utf8_strlen(choice->data, -1), 29);
    }
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
    tcase_add_test(all, limits_have_their_defaults);
    tcase_add_loop_test(all, limits_are_read_within_their_bounds, 0, G_N_ELEMENTS(numbers));
    tcase_add_test(all, who_watches_hears_of_each_change);
    tcase_add_test(all, each_choice_on_the_page_can_be_read_back);
    tcase_add_test(all, what_there_is_to_choose_fits_into_pidgin_s_window);
    tcase_add_test(all, only_a_hidden_preference_turns_hashes_off);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
