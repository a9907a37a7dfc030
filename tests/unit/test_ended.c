/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <string.h>

#include "support/purple_env.h"
#include "transfer/ended.h"

#define PEER "bob@example.org/x"
#define IBB "xmlns='http://jabber.org/protocol/ibb'"
#define S5B "xmlns='http://jabber.org/protocol/bytestreams'"

static BsEnded *ended;
static BsIqLink *own_link;
static GPtrArray *sent; /* char * */

static void
keep_sent(xmlnode *stanza, gpointer data)
{
    (void)data;
    g_ptr_array_add(sent, xmlnode_to_str(stanza, NULL));
}

static void
set_up(void)
{
    ended = bs_ended_new();
    own_link = bs_iq_link_new("anna@example.org/desk", keep_sent, NULL);
    sent = g_ptr_array_new_with_free_func(g_free);
}

static void
tear_down(void)
{
    bs_ended_free(ended);
    bs_iq_link_free(own_link);
    g_ptr_array_unref(sent);
}

static gboolean
receive(const char *text)
{
    xmlnode *stanza = xmlnode_from_str(text, -1);
    gboolean taken;

    ck_assert_ptr_nonnull(stanza);
    taken = bs_ended_receive(ended, own_link, stanza);
    xmlnode_free(stanza);
    return taken;
}

START_TEST(names_count_together_with_the_peer)
{
    bs_ended_add(ended, PEER, "one");
    ck_assert(bs_ended_has(ended, PEER, "one"));
    ck_assert(bs_ended_has(ended, "BOB@example.org/x", "one"));
    ck_assert(!bs_ended_has(ended, "bob@example.org/y", "one"));
    ck_assert(!bs_ended_has(ended, PEER, "two"));
}
END_TEST

START_TEST(the_oldest_are_forgotten)
{
    bs_ended_add(ended, PEER, "first");
    for (guint i = 0; i < 255; i++) {
        g_autofree char *sid = g_strdup_printf("%u", i);

        bs_ended_add(ended, PEER, sid);
    }
    ck_assert(bs_ended_has(ended, PEER, "first"));
    bs_ended_add(ended, PEER, "last");
    ck_assert(!bs_ended_has(ended, PEER, "first"));
    ck_assert(bs_ended_has(ended, PEER, "0"));
}
END_TEST

#define IQ(payload) "<iq xmlns='jabber:client' type='set' id='i' from='" PEER "'>" payload "</iq>"

/* `answer` is in what is sent; NULL: nothing is. */
static const struct {
    const char *stanza;
    gboolean taken;
    const char *answer;
} late[] = {
    {IQ("<close " IBB " sid='one'/>"), TRUE, "type='result'"},
    {IQ("<data " IBB " sid='one' seq='3'>AAAA</data>"), TRUE, "item-not-found"},
    {IQ("<open " IBB " sid='one' block-size='9'/>"), TRUE, "item-not-found"},
    {IQ("<query " S5B " sid='one'><streamhost jid='a@b/c' host='192.0.2.1' port='1'/></query>"), TRUE,
     "not-acceptable"},
    {"<message xmlns='jabber:client' from='" PEER "'><data " IBB " sid='one' seq='3'>AAAA</data></message>",
     TRUE, NULL},
    /* Somebody else's. */
    {IQ("<close " IBB " sid='two'/>"), FALSE, NULL},
    {IQ("<query " S5B " sid='two'/>"), FALSE, NULL},
    {IQ("<query " S5B "/>"), FALSE, NULL},
    {IQ("<query xmlns='urn:example' sid='one'/>"), FALSE, NULL},
    {"<iq xmlns='jabber:client' type='set' id='i' from='eve@example.org/x'><close " IBB " sid='one'/></iq>",
     FALSE, NULL},
    {"<iq xmlns='jabber:client' type='set' id='i'><close " IBB " sid='one'/></iq>", FALSE, NULL},
    {"<message xmlns='jabber:client' from='" PEER "'><body>one</body></message>", FALSE, NULL},
};

START_TEST(what_was_sent_too_late_is_kept_from_others)
{
    bs_ended_add(ended, PEER, "one");
    ck_assert_int_eq(receive(late[_i].stanza), late[_i].taken);
    ck_assert_uint_eq(sent->len, late[_i].answer != NULL ? 1 : 0);
    if (late[_i].answer != NULL) {
        const char *answer = sent->pdata[0];

        ck_assert_msg(strstr(answer, late[_i].answer) != NULL, "%s", answer);
        ck_assert_msg(strstr(answer, "to='" PEER "'") != NULL, "%s", answer);
    }
}
END_TEST

START_TEST(offers_of_one_sid_are_told_apart)
{
    bs_ended_add_offer(ended, PEER, "one", "iq1");
    bs_ended_add_offer(ended, PEER, "one", "iq1");
    ck_assert(bs_ended_has_offer(ended, PEER, "one", "iq1"));
    ck_assert(!bs_ended_has_offer(ended, PEER, "one", "iq2"));
    ck_assert(!bs_ended_has_offer(ended, PEER, "two", "iq1"));
    ck_assert(!bs_ended_has_offer(ended, "bob@example.org/y", "one", "iq1"));
    ck_assert(!bs_ended_has(ended, PEER, "one"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ended");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    bs_test_purple_start();
    suite_add_tcase(suite, all);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, names_count_together_with_the_peer);
    tcase_add_test(all, offers_of_one_sid_are_told_apart);
    tcase_add_test(all, the_oldest_are_forgotten);
    tcase_add_loop_test(all, what_was_sent_too_late_is_kept_from_others, 0, G_N_ELEMENTS(late));
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
