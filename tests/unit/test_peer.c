/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <blist.h>
#include <check.h>

#include "host/peer_search.h"
#include "stanza/xml.h"
#include "stream/digest.h"
#include "support/purple_env.h"

#define OWN "anna@example.org/desk"
#define NS_DISCO_INFO "http://jabber.org/protocol/disco#info"
#define FILES "urn:xmpp:jingle:apps:file-transfer:5"
#define S5B "urn:xmpp:jingle:transports:s5b:1"
#define HANG_SECONDS 30

static BsIqLink *own_link;
static PurpleAccount *account;
static BsPeers *peers;
static GPtrArray *sent; /* xmlnode */

static gboolean found;
static char *found_jid;
static BsFound found_answer;

static void
keep_sent(xmlnode *stanza, gpointer data)
{
    (void)data;
    g_ptr_array_add(sent, xmlnode_copy(stanza));
}

static void
set_up(void)
{
    sent = g_ptr_array_new_with_free_func((GDestroyNotify)xmlnode_free);
    own_link = bs_iq_link_new(OWN, keep_sent, NULL);
    account = purple_account_new("anna@example.org/desk", "prpl-jabber");
    peers = bs_peers_new(own_link, account);
    found = FALSE;
    found_jid = NULL;
}

static void
tear_down(void)
{
    g_free(found_jid);
    bs_peers_free(peers);
    bs_iq_link_free(own_link);
    purple_account_destroy(account);
    g_ptr_array_unref(sent);
}

static void
answer(BsFound what, const char *jid, gpointer data)
{
    *(BsPeerSearch **)data = NULL;
    ck_assert(!found);
    found = TRUE;
    g_free(found_jid);
    found_jid = g_strdup(jid);
    found_answer = what;
}

static void
presence(const char *format, const char *jid)
{
    g_autofree char *text = g_strdup_printf(format, jid);
    xmlnode *node = xmlnode_from_str(text, -1);

    bs_peers_presence(peers, node);
    xmlnode_free(node);
}

#define AVAILABLE                                                                                            \
    "<presence xmlns='jabber:client' from='%s'><priority>5</priority>"                                       \
    "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v1'/></presence>"
#define CHANGED                                                                                              \
    "<presence xmlns='jabber:client' from='%s'><priority>5</priority>"                                       \
    "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v2'/></presence>"
#define GONE "<presence xmlns='jabber:client' from='%s' type='unavailable'/>"
#define OCCUPANT                                                                                             \
    "<presence xmlns='jabber:client' from='%s'><x xmlns='http://jabber.org/protocol/muc#user'/></presence>"

/* The request to `jid` that was sent last, or NULL. */
static xmlnode *
request_to(const char *jid)
{
    for (guint i = sent->len; i > 0; i--) {
        xmlnode *stanza = sent->pdata[i - 1];

        if (g_strcmp0(xmlnode_get_attrib(stanza, "to"), jid) == 0)
            return stanza;
    }
    return NULL;
}

static void
reply(const char *jid, const char *features)
{
    xmlnode *request = request_to(jid);
    g_autofree char *text = NULL;
    xmlnode *node;

    ck_assert_ptr_nonnull(request);
    ck_assert_ptr_nonnull(bs_xml_child(request, "query", NS_DISCO_INFO));
    text =
        g_strdup_printf("<iq xmlns='jabber:client' type='%s' id='%s' from='%s'><query xmlns='" NS_DISCO_INFO
                        "'>%s</query></iq>",
                        features != NULL ? "result" : "error", xmlnode_get_attrib(request, "id"), jid,
                        features != NULL ? features : "");
    node = xmlnode_from_str(text, -1);
    ck_assert(bs_iq_link_receive(own_link, node));
    xmlnode_free(node);
}

#define ABLE "<feature var='" FILES "'/><feature var='" S5B "'/>"
#define OLD_ABLE(version)                                                                                    \
    "<feature var='urn:xmpp:jingle:apps:file-transfer:" version "'/><feature var='" S5B "'/>"
#define SI "<feature var='http://jabber.org/protocol/si/profile/file-transfer'/>"
#define SI_BY_SOCKS5 SI "<feature var='http://jabber.org/protocol/bytestreams'/>"
#define SI_IN_BAND SI "<feature var='http://jabber.org/protocol/ibb'/>"
#define HASH(name) "<feature var='urn:xmpp:hash-function-text-names:" name "'/>"
#define IN_BAND "<feature var='urn:xmpp:jingle:transports:ibb:1'/>"
#define ONLY_FILES "<feature var='" FILES "'/>"

static void
wait_until_sent(guint count)
{
    for (guint i = 0; i < HANG_SECONDS * 100 && sent->len < count; i++)
        bs_test_run_for(10);
    ck_assert_uint_eq(sent->len, count);
}

START_TEST(a_full_jid_stands_for_itself)
{
    BsPeerSearch *search = bs_peer_search(peers, "bob@example.org/x", answer, &search);

    wait_until_sent(1);
    reply("bob@example.org/x", ABLE);
    ck_assert(found);
    ck_assert_str_eq(found_jid, "bob@example.org/x");
    ck_assert_int_eq(found_answer, BS_FOUND_JINGLE);
}
END_TEST

static const struct {
    const char *features;
    BsPeerAbility ability;
    BsFound answer;
} ways[] = {
    {ABLE, BS_PEER_JINGLE, BS_FOUND_JINGLE},
    {ABLE SI_BY_SOCKS5, BS_PEER_JINGLE, BS_FOUND_JINGLE},
    {SI_BY_SOCKS5, BS_PEER_SI, BS_FOUND_SI},
    {SI_IN_BAND, BS_PEER_SI, BS_FOUND_SI},
    {ONLY_FILES SI_IN_BAND, BS_PEER_SI, BS_FOUND_SI},
    {ONLY_FILES IN_BAND, BS_PEER_JINGLE, BS_FOUND_JINGLE},
    {ONLY_FILES IN_BAND SI_BY_SOCKS5, BS_PEER_SI, BS_FOUND_SI},
    {OLD_ABLE("4"), BS_PEER_JINGLE, BS_FOUND_JINGLE},
    {OLD_ABLE("3"), BS_PEER_JINGLE, BS_FOUND_JINGLE},
    {"<feature var='urn:xmpp:jingle:apps:file-transfer:2'/><feature var='" S5B "'/>", BS_PEER_UNABLE,
     BS_FOUND_NONE_ABLE},
    {SI, BS_PEER_SI, BS_FOUND_SI},
    /* No way in which the bytes could go. */
    {ONLY_FILES, BS_PEER_UNABLE, BS_FOUND_NONE_ABLE},
    {"<feature var='http://jabber.org/protocol/bytestreams'/>", BS_PEER_UNABLE, BS_FOUND_NONE_ABLE},
    {"", BS_PEER_UNABLE, BS_FOUND_NONE_ABLE},
};

START_TEST(what_a_resource_announces_says_in_which_way)
{
    BsPeerSearch *search;

    presence(AVAILABLE, "bob@example.org/x");
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(1);
    reply("bob@example.org/x", ways[_i].features);
    ck_assert(found);
    ck_assert_int_eq(found_answer, ways[_i].answer);
    ck_assert((found_jid != NULL) == (ways[_i].ability != BS_PEER_UNABLE));
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org/x"), ways[_i].ability);
}
END_TEST

START_TEST(what_a_resource_announces_says_which_hashes_it_knows)
{
    BsPeerSearch *search;

    ck_assert_uint_eq(bs_peers_hashes_of(peers, "bob@example.org/x"), 0);
    presence(AVAILABLE, "bob@example.org/x");
    ck_assert_uint_eq(bs_peers_hashes_of(peers, "bob@example.org/x"), 0);
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(1);
    reply("bob@example.org/x", ABLE HASH("sha-1") HASH("sha-512") HASH("id-blake2b256") HASH("blake3"));
    ck_assert(found);
    ck_assert_uint_eq(bs_peers_hashes_of(peers, "bob@example.org/x"),
                      1u << BS_HASH_SHA1 | 1u << BS_HASH_SHA512 | 1u << BS_HASH_BLAKE2B_256);
    presence(CHANGED, "bob@example.org/x");
    ck_assert_uint_eq(bs_peers_hashes_of(peers, "bob@example.org/x"), 0);
}
END_TEST

START_TEST(what_a_resource_announces_says_which_version_it_knows)
{
    BsPeerSearch *search;

    ck_assert_int_eq(bs_peers_version_of(peers, "bob@example.org/x"), BS_JINGLE_FILE_5);
    presence(AVAILABLE, "bob@example.org/x");
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(1);
    reply("bob@example.org/x", OLD_ABLE("4") OLD_ABLE("3"));
    ck_assert(found);
    ck_assert_int_eq(bs_peers_version_of(peers, "bob@example.org/x"), BS_JINGLE_FILE_4);
    presence(CHANGED, "bob@example.org/x");
    ck_assert_int_eq(bs_peers_version_of(peers, "bob@example.org/x"), BS_JINGLE_FILE_5);
}
END_TEST

START_TEST(a_gateways_contact_may_have_no_resource)
{
    BsPeerSearch *search;

    presence("<presence xmlns='jabber:client' from='%s'/>", "bob%example.net@gateway.example.org");
    search = bs_peer_search(peers, "bob%example.net@gateway.example.org", answer, &search);
    wait_until_sent(1);
    reply("bob%example.net@gateway.example.org", SI_IN_BAND);
    ck_assert(found);
    ck_assert_int_eq(found_answer, BS_FOUND_SI);
    ck_assert_str_eq(found_jid, "bob%example.net@gateway.example.org");
    ck_assert_int_eq(bs_peers_ability(peers, "bob%example.net@gateway.example.org"), BS_PEER_SI);
}
END_TEST

START_TEST(a_service_is_asked_itself)
{
    BsPeerSearch *search = bs_peer_search(peers, "files.example.org", answer, &search);

    wait_until_sent(1);
    reply("files.example.org", SI_BY_SOCKS5);
    ck_assert(found);
    ck_assert_int_eq(found_answer, BS_FOUND_SI);
    ck_assert_str_eq(found_jid, "files.example.org");
}
END_TEST

START_TEST(who_is_offline_is_not_said_to_be_unable)
{
    BsPeerSearch *search = bs_peer_search(peers, "bob@example.org", answer, &search);

    /* His server answers in his place. */
    wait_until_sent(1);
    reply("bob@example.org", "<feature var='http://jabber.org/protocol/pubsub'/>");
    ck_assert(found);
    ck_assert_int_eq(found_answer, BS_FOUND_NONE_ONLINE);

    found = FALSE;
    search = bs_peer_search(peers, "bob@example.org/x", answer, &search);
    wait_until_sent(2);
    reply("bob@example.org/x", NULL);
    ck_assert(found);
    ck_assert_int_eq(found_answer, BS_FOUND_NONE_ONLINE);
}
END_TEST

START_TEST(who_is_gone_is_forgotten_before_its_presence_tells)
{
    BsResources *resources = bs_peers_resources(peers);

    presence(AVAILABLE, "bob@example.org/a");
    presence(AVAILABLE, "bob@example.org/b");
    bs_resources_gone(resources, "bob@example.org/a");
    bs_resources_gone(resources, "bob@example.org");
    ck_assert_ptr_null(bs_resources_find(resources, "bob@example.org/a"));
    ck_assert_ptr_nonnull(bs_resources_find(resources, "bob@example.org/b"));
    presence(AVAILABLE, "bob@example.org/a");
    ck_assert_ptr_nonnull(bs_resources_find(resources, "bob@example.org/a"));
}
END_TEST

START_TEST(of_several_who_are_able_in_different_ways_all_are_told)
{
    BsPeerSearch *search;

    presence("<presence xmlns='jabber:client' from='%s'/>", "bob@example.org/a");
    presence(AVAILABLE, "bob@example.org/b");
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(2);
    reply("bob@example.org/a", ABLE);
    reply("bob@example.org/b", SI_IN_BAND);
    ck_assert(bs_test_run_until(&found, HANG_SECONDS));
    ck_assert_str_eq(found_jid, "bob@example.org/b");
    ck_assert_int_eq(found_answer, BS_FOUND_SI);
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_JINGLE);
}
END_TEST

START_TEST(where_jingle_failed_the_other_way_is_asked_for_again)
{
    BsPeerSearch *search;

    presence(AVAILABLE, "bob@example.org/x");
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(1);
    reply("bob@example.org/x", ABLE);
    ck_assert_int_eq(found_answer, BS_FOUND_JINGLE);

    found = FALSE;
    search = bs_peer_search_without_jingle(peers, "bob@example.org/x", answer, &search);
    wait_until_sent(2);
    reply("bob@example.org/x", ABLE SI_BY_SOCKS5);
    ck_assert_int_eq(found_answer, BS_FOUND_SI);

    found = FALSE;
    search = bs_peer_search_without_jingle(peers, "bob@example.org/x", answer, &search);
    wait_until_sent(3);
    reply("bob@example.org/x", SI_BY_SOCKS5);
    ck_assert_int_eq(found_answer, BS_FOUND_SI);
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org/x"), BS_PEER_SI);

    found = FALSE;
    search = bs_peer_search_without_jingle(peers, "bob@example.org/x", answer, &search);
    wait_until_sent(4);
    reply("bob@example.org/x", ABLE);
    ck_assert_int_eq(found_answer, BS_FOUND_NONE_ABLE);
}
END_TEST

START_TEST(who_tells_no_hash_may_change_with_any_presence)
{
    BsPeerSearch *search;

    presence("<presence xmlns='jabber:client' from='%s'/>", "bob@example.org/x");
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(1);
    reply("bob@example.org/x", SI_IN_BAND);
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_SI);
    presence("<presence xmlns='jabber:client' from='%s'><show>away</show></presence>", "bob@example.org/x");
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_UNKNOWN);
}
END_TEST

START_TEST(who_lacks_a_feature_is_not_chosen)
{
    BsPeerSearch *search = bs_peer_search(peers, "bob@example.org/x", answer, &search);

    wait_until_sent(1);
    reply("bob@example.org/x", ONLY_FILES);
    ck_assert(found);
    ck_assert_ptr_null(found_jid);
    ck_assert_int_eq(found_answer, BS_FOUND_NONE_ABLE);
}
END_TEST

START_TEST(an_error_counts_as_not_able_but_is_not_remembered)
{
    BsPeerSearch *search;

    presence(AVAILABLE, "bob@example.org/x");
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(1);
    reply("bob@example.org/x", NULL);
    ck_assert(found);
    ck_assert_ptr_null(found_jid);
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_UNKNOWN);
}
END_TEST

START_TEST(the_only_able_resource_is_found_among_several)
{
    BsPeerSearch *search;

    presence(AVAILABLE, "bob@example.org/x");
    presence(AVAILABLE, "Bob@Example.org/y");
    presence(AVAILABLE, "bobby@example.org/z");
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(2);
    reply("bob@example.org/x", ONLY_FILES);
    ck_assert(!found);
    reply("Bob@Example.org/y", ABLE);
    ck_assert(found);
    ck_assert_str_eq(found_jid, "Bob@Example.org/y");
}
END_TEST

START_TEST(a_ui_without_dialogs_gets_the_one_with_the_highest_priority)
{
    BsPeerSearch *search;

    presence("<presence xmlns='jabber:client' from='%s'><priority>-1</priority></presence>",
             "bob@example.org/a");
    presence(AVAILABLE, "bob@example.org/b");
    presence("<presence xmlns='jabber:client' from='%s'/>", "bob@example.org/c");
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(3);
    reply("bob@example.org/a", ABLE);
    reply("bob@example.org/b", ABLE);
    reply("bob@example.org/c", ABLE);
    ck_assert(bs_test_run_until(&found, HANG_SECONDS));
    ck_assert_str_eq(found_jid, "bob@example.org/b");
}
END_TEST

START_TEST(what_was_learned_is_remembered_until_it_may_have_changed)
{
    BsPeerSearch *search;

    presence(AVAILABLE, "bob@example.org/x");
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_UNKNOWN);
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(1);
    reply("bob@example.org/x", ABLE);
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_JINGLE);
    ck_assert_int_eq(bs_peers_ability(peers, "BOB@example.org/x"), BS_PEER_JINGLE);

    presence(AVAILABLE, "bob@example.org/x");
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_JINGLE);
    presence(CHANGED, "bob@example.org/x");
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_UNKNOWN);
}
END_TEST

START_TEST(nothing_is_known_of_who_went_offline)
{
    BsPeerSearch *search;

    presence(AVAILABLE, "bob@example.org/x");
    presence(AVAILABLE, "bob@example.org/y");
    search = bs_peer_search(peers, "bob@example.org/x", answer, &search);
    wait_until_sent(1);
    reply("bob@example.org/x", ABLE);
    presence(GONE, "bob@example.org/y");
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_JINGLE);
    presence(GONE, "bob@example.org"); /* a server may say it of all resources at once */
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_UNKNOWN);
}
END_TEST

START_TEST(all_known_and_none_able_is_unable)
{
    BsPeerSearch *search;

    presence(AVAILABLE, "bob@example.org/x");
    search = bs_peer_search(peers, "bob@example.org", answer, &search);
    wait_until_sent(1);
    reply("bob@example.org/x", ONLY_FILES);
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_UNABLE);
    presence(AVAILABLE, "bob@example.org/y");
    ck_assert_int_eq(bs_peers_ability(peers, "bob@example.org"), BS_PEER_UNKNOWN);
}
END_TEST

START_TEST(one_does_not_send_to_oneself)
{
    BsPeerSearch *search;

    presence(AVAILABLE, OWN);
    presence(AVAILABLE, "anna@example.org/phone");
    search = bs_peer_search(peers, "anna@example.org", answer, &search);
    wait_until_sent(1);
    reply("anna@example.org/phone", ABLE);
    ck_assert(found);
    ck_assert_str_eq(found_jid, "anna@example.org/phone");
}
END_TEST

START_TEST(rooms_occupants_are_not_collected)
{
    BsPeerSearch *search;

    presence(OCCUPANT, "room@conference.example.org/nick");
    search = bs_peer_search(peers, "room@conference.example.org", answer, &search);
    wait_until_sent(1);
    reply("room@conference.example.org", ONLY_FILES);
    ck_assert(found);
    ck_assert_ptr_null(found_jid);
    ck_assert_int_eq(found_answer, BS_FOUND_NONE_ONLINE);
}
END_TEST

START_TEST(a_cancelled_search_says_nothing)
{
    BsPeerSearch *early = bs_peer_search(peers, "bob@example.org/x", answer, &early);
    BsPeerSearch *late = bs_peer_search(peers, "bob@example.org/y", answer, &late);

    bs_peer_search_cancel(&early);
    ck_assert_ptr_null(early);
    bs_peer_search_cancel(&early);
    wait_until_sent(1);
    bs_peer_search_cancel(&late);
    reply("bob@example.org/y", ABLE);
    bs_test_run_for(50);
    ck_assert(!found);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("peer");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    bs_test_purple_start();
    purple_set_blist(purple_blist_new());
    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 4 * HANG_SECONDS);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, a_full_jid_stands_for_itself);
    tcase_add_loop_test(all, what_a_resource_announces_says_in_which_way, 0, G_N_ELEMENTS(ways));
    tcase_add_test(all, what_a_resource_announces_says_which_hashes_it_knows);
    tcase_add_test(all, what_a_resource_announces_says_which_version_it_knows);
    tcase_add_test(all, a_gateways_contact_may_have_no_resource);
    tcase_add_test(all, a_service_is_asked_itself);
    tcase_add_test(all, who_is_offline_is_not_said_to_be_unable);
    tcase_add_test(all, who_is_gone_is_forgotten_before_its_presence_tells);
    tcase_add_test(all, of_several_who_are_able_in_different_ways_all_are_told);
    tcase_add_test(all, where_jingle_failed_the_other_way_is_asked_for_again);
    tcase_add_test(all, who_tells_no_hash_may_change_with_any_presence);
    tcase_add_test(all, who_lacks_a_feature_is_not_chosen);
    tcase_add_test(all, an_error_counts_as_not_able_but_is_not_remembered);
    tcase_add_test(all, the_only_able_resource_is_found_among_several);
    tcase_add_test(all, a_ui_without_dialogs_gets_the_one_with_the_highest_priority);
    tcase_add_test(all, what_was_learned_is_remembered_until_it_may_have_changed);
    tcase_add_test(all, nothing_is_known_of_who_went_offline);
    tcase_add_test(all, all_known_and_none_able_is_unable);
    tcase_add_test(all, one_does_not_send_to_oneself);
    tcase_add_test(all, rooms_occupants_are_not_collected);
    tcase_add_test(all, a_cancelled_search_says_nothing);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
