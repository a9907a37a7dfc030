/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <blist.h>
#include <check.h>
#include <conversation.h>
#include <prpl.h>

#include "host/room.h"
#include "support/purple_env.h"

#define ROOM "lounge@rooms.example.net"

static PurpleAccount *account;
static PurpleConversation *room;

static void
enter(const char *nick)
{
    purple_conv_chat_add_user(PURPLE_CONV_CHAT(room), nick, NULL, PURPLE_CBFLAGS_NONE, FALSE);
}

static void
set_up(void)
{
    static PurplePluginProtocolInfo protocol;
    static PurplePluginInfo info = {.extra_info = &protocol};
    static PurplePlugin prpl = {.info = &info};
    static PurpleConnection connection = {.prpl = &prpl};

    account = purple_account_new("anna@example.org/desk", "prpl-jabber");
    purple_accounts_add(account);
    connection.account = account;
    purple_account_set_connection(account, &connection);
    room = purple_conversation_new(PURPLE_CONV_TYPE_CHAT, account, ROOM);
    enter("Ben");
    enter("Änna B.");
    purple_conv_chat_set_nick(PURPLE_CONV_CHAT(room), "Änna B.");
}

static void
tear_down(void)
{
    purple_account_set_connection(account, NULL);
    purple_conversation_destroy(room);
    purple_accounts_delete(account);
}

START_TEST(occupants_know_us_by_our_name_there)
{
    g_autofree char *own = bs_room_own_jid(account, ROOM "/Ben");

    ck_assert(bs_room_has_occupant(account, ROOM "/Ben"));
    ck_assert_str_eq(own, ROOM "/Änna B.");
}
END_TEST

START_TEST(others_do_not)
{
    ck_assert(!bs_room_has_occupant(account, ROOM));
    ck_assert(!bs_room_has_occupant(account, "ben@example.net/phone"));
    ck_assert(!bs_room_has_occupant(NULL, ROOM "/Ben"));
    ck_assert_ptr_null(bs_room_own_jid(account, ROOM));
    ck_assert_ptr_null(bs_room_own_jid(account, "ben@example.net/phone"));
}
END_TEST

START_TEST(a_room_that_we_have_left_is_none)
{
    purple_conv_chat_left(PURPLE_CONV_CHAT(room));
    ck_assert(!bs_room_has_occupant(account, ROOM "/Ben"));
    ck_assert_ptr_null(bs_room_own_jid(account, ROOM "/Ben"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("room");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    bs_test_purple_start();
    purple_set_blist(purple_blist_new());
    suite_add_tcase(suite, all);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, occupants_know_us_by_our_name_there);
    tcase_add_test(all, others_do_not);
    tcase_add_test(all, a_room_that_we_have_left_is_none);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
