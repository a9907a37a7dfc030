/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <blist.h>
#include <check.h>
#include <conversation.h>
#include <prefs.h>
#include <proxy.h>
#include <string.h>

#include "host/disclosure.h"
#include "preferences.h"
#include "socks5/user_proxy.h"
#include "support/purple_env.h"

#define TELL_ADDRESSES "/plugins/core/bytestreams/tell_addresses"

static PurpleAccount *account;
static PurpleAccount *other_account;
static PurpleConversation *room;

static PurpleAccount *
new_account(const char *name)
{
    PurpleAccount *made = purple_account_new(name, "prpl-jabber");

    purple_accounts_add(made);
    return made;
}

static void
add_contact(PurpleAccount *owner, const char *jid)
{
    PurpleBuddy *buddy = purple_buddy_new(owner, jid, NULL);

    purple_blist_add_buddy(buddy, NULL, NULL, NULL);
}

static void
set_up(void)
{
    bs_preferences_register();
    account = new_account("anna@example.org/desk");
    other_account = new_account("anton@example.org/desk");
    add_contact(account, "ben@example.net");
    add_contact(other_account, "carl@example.net");
    add_contact(account, "room@rooms.example.net");
}

static void
tear_down(void)
{
    purple_account_set_connection(account, NULL);
    if (room != NULL)
        purple_conversation_destroy(g_steal_pointer(&room));
    purple_accounts_delete(account);
    purple_accounts_delete(other_account);
    purple_prefs_set_string("/purple/proxy/type", "none");
    purple_prefs_remove("/plugins/core/bytestreams");
}

/* Libpurple's own object says which type it has. */
static void
set_account_proxy(PurpleProxyType type)
{
    PurpleProxyInfo *proxy = purple_proxy_info_new();

    purple_proxy_info_set_type(proxy, type);
    purple_proxy_info_set_host(proxy, "127.0.0.1");
    purple_proxy_info_set_port(proxy, 9050);
    purple_account_set_proxy_info(account, proxy);
}

static const struct {
    const char *preference;
    const char *peer;
    BsDisclosure expected;
} table[] = {
    {"everyone", "ben@example.net/phone", BS_DISCLOSE_ADDRESSES},
    {"everyone", "stranger@example.com/x", BS_DISCLOSE_ADDRESSES},
    {"everyone", "room@rooms.example.net/nick", BS_DISCLOSE_ADDRESSES},
    {"contacts", "ben@example.net/phone", BS_DISCLOSE_ADDRESSES},
    {"contacts", "ben@example.net/another", BS_DISCLOSE_ADDRESSES},
    {"contacts", "stranger@example.com/x", BS_DISCLOSE_NOTHING},
    {"contacts", "ben@example.net.evil.example/phone", BS_DISCLOSE_NOTHING},
    {"contacts", "stranger@example.com/ben@example.net", BS_DISCLOSE_NOTHING},
    {"contacts", "carl@example.net/phone", BS_DISCLOSE_NOTHING}, /* another account's contact */
    {"contacts", "anna@example.org/laptop", BS_DISCLOSE_ADDRESSES},
    {"contacts", "room@rooms.example.net/nick", BS_DISCLOSE_NOTHING},
    {"nobody", "ben@example.net/phone", BS_DISCLOSE_NOTHING},
    {"nobody", "stranger@example.com/x", BS_DISCLOSE_NOTHING},
    {"nobody", "anna@example.org/laptop", BS_DISCLOSE_NOTHING},
    {"nonsense", "ben@example.net/phone", BS_DISCLOSE_NOTHING},
};

/* Who is in a room that we are in is none of our contacts, even if the room is. */
static void
enter_room(void)
{
    static PurpleConnection connection;

    purple_account_set_connection(account, &connection);
    room = purple_conversation_new(PURPLE_CONV_TYPE_CHAT, account, "room@rooms.example.net");
    ck_assert_ptr_nonnull(room);
}

START_TEST(whom_the_preference_allows)
{
    enter_room();
    purple_prefs_set_string(TELL_ADDRESSES, table[_i].preference);
    ck_assert_int_eq(bs_disclosure_to(account, table[_i].peer), table[_i].expected);
}
END_TEST

START_TEST(contacts_are_contacts_whatever_is_told)
{
    static const char *const preferences[] = {"everyone", "contacts", "nobody"};

    enter_room();
    for (gsize row = 0; row < G_N_ELEMENTS(table); row++) {
        if (strcmp(table[row].preference, "contacts") != 0)
            continue;
        purple_prefs_set_string(TELL_ADDRESSES, preferences[_i]);
        ck_assert(bs_disclosure_is_contact(account, table[row].peer) ==
                  (table[row].expected == BS_DISCLOSE_ADDRESSES));
    }
}
END_TEST

START_TEST(a_proxy_is_all_that_is_seen)
{
    static const PurpleProxyType types[] = {PURPLE_PROXY_HTTP, PURPLE_PROXY_SOCKS4, PURPLE_PROXY_SOCKS5,
                                            PURPLE_PROXY_TOR};

    enter_room();
    purple_prefs_set_string(TELL_ADDRESSES, table[_i].preference);
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        set_account_proxy(types[i]);
        ck_assert_int_eq(bs_disclosure_to(account, table[_i].peer),
                         MAX(table[_i].expected, BS_DISCLOSE_USER_PROXY));
    }
}
END_TEST

START_TEST(the_global_proxy_counts_too)
{
    ck_assert(!bs_user_proxy_is_set(account));
    purple_prefs_set_string("/purple/proxy/type", "socks5");
    ck_assert_int_eq(bs_disclosure_to(account, "ben@example.net/phone"), BS_DISCLOSE_USER_PROXY);
    ck_assert(bs_user_proxy_is_set(NULL));
    set_account_proxy(PURPLE_PROXY_USE_GLOBAL);
    ck_assert_int_eq(bs_disclosure_to(account, "ben@example.net/phone"), BS_DISCLOSE_USER_PROXY);
    set_account_proxy(PURPLE_PROXY_NONE);
    ck_assert_int_eq(bs_disclosure_to(account, "ben@example.net/phone"), BS_DISCLOSE_ADDRESSES);
}
END_TEST

START_TEST(the_environments_proxy_counts_if_there_is_one)
{
    g_unsetenv("HTTP_PROXY");
    g_unsetenv("http_proxy");
    g_unsetenv("HTTPPROXY");
    set_account_proxy(PURPLE_PROXY_USE_ENVVAR);
    ck_assert_int_eq(bs_disclosure_to(account, "ben@example.net/phone"), BS_DISCLOSE_ADDRESSES);
    g_setenv("http_proxy", "http://proxy.example.org:3128/", TRUE);
    ck_assert_int_eq(bs_disclosure_to(account, "ben@example.net/phone"), BS_DISCLOSE_USER_PROXY);
    g_unsetenv("http_proxy");
}
END_TEST

/* What libpurple can dial through a proxy without looking anything up. */
static const struct {
    PurpleProxyType type;
    const char *host;
    guint16 port;
    const char *given; /* NULL: it is not dialled */
} dialled[] = {
    {PURPLE_PROXY_NONE, "name.example.org", 80, "name.example.org"},
    {PURPLE_PROXY_NONE, "2001:db8::1", 80, "2001:db8::1"},
    {PURPLE_PROXY_SOCKS5, "name.example.org", 80, "name.example.org"},
    {PURPLE_PROXY_SOCKS5, "2001:db8::1", 1080, "2001:db8::1"},
    {PURPLE_PROXY_TOR, "name.example.org", 1080, "name.example.org"},
    {PURPLE_PROXY_SOCKS4, "192.0.2.1", 80, "192.0.2.1"},
    {PURPLE_PROXY_SOCKS4, "name.example.org", 1080, NULL},
    {PURPLE_PROXY_SOCKS4, "2001:db8::1", 1080, NULL},
    {PURPLE_PROXY_SOCKS4, "::ffff:192.0.2.1", 1080, NULL},
    {PURPLE_PROXY_HTTP, "name.example.org", 1080, "name.example.org"},
    {PURPLE_PROXY_HTTP, "2001:db8::1", 1080, "[2001:db8::1]"},
    {PURPLE_PROXY_HTTP, "192.0.2.1", 80, NULL},
    {PURPLE_PROXY_USE_ENVVAR, "2001:db8::1", 1080, "[2001:db8::1]"},
    {PURPLE_PROXY_USE_ENVVAR, "192.0.2.1", 80, NULL},
};

START_TEST(nothing_is_looked_up_here)
{
    PurpleProxyInfo *settings = purple_proxy_info_new();
    g_autofree char *given = NULL;

    purple_proxy_info_set_type(settings, dialled[_i].type);
    given = bs_user_proxy_host(settings, dialled[_i].host);
    if (dialled[_i].given == NULL) {
        ck_assert_ptr_nonnull(bs_user_proxy_refusal(settings, dialled[_i].host, dialled[_i].port));
    } else {
        ck_assert_ptr_null(bs_user_proxy_refusal(settings, dialled[_i].host, dialled[_i].port));
        ck_assert_str_eq(given, dialled[_i].given);
    }
    purple_proxy_info_destroy(settings);
}
END_TEST

START_TEST(socks4_may_take_names)
{
    PurpleProxyInfo *settings = purple_proxy_info_new();

    purple_proxy_info_set_type(settings, PURPLE_PROXY_SOCKS4);
    purple_prefs_set_bool("/purple/proxy/socks4_remotedns", TRUE);
    ck_assert_ptr_null(bs_user_proxy_refusal(settings, "name.example.org", 1080));
    purple_prefs_set_bool("/purple/proxy/socks4_remotedns", FALSE);
    ck_assert_ptr_nonnull(bs_user_proxy_refusal(settings, "name.example.org", 1080));
    purple_proxy_info_destroy(settings);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("disclosure");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    /* There libpurple would ask the desktop for its proxy. */
    g_unsetenv("GNOME_DESKTOP_SESSION_ID");
    suite_add_tcase(suite, all);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_loop_test(all, whom_the_preference_allows, 0, G_N_ELEMENTS(table));
    tcase_add_loop_test(all, contacts_are_contacts_whatever_is_told, 0, 3);
    tcase_add_loop_test(all, a_proxy_is_all_that_is_seen, 0, G_N_ELEMENTS(table));
    tcase_add_test(all, the_global_proxy_counts_too);
    tcase_add_test(all, the_environments_proxy_counts_if_there_is_one);
    tcase_add_loop_test(all, nothing_is_looked_up_here, 0, G_N_ELEMENTS(dialled));
    tcase_add_test(all, socks4_may_take_names);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    purple_set_blist(purple_blist_new());
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
