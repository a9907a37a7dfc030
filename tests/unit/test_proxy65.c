/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/proxy65.h"

#include <blist.h>
#include <check.h>
#include <prefs.h>
#include <stdlib.h>
#include <string.h>

#include "stanza/xml.h"
#include "support/proxy_service.h"
#include "support/purple_env.h"

#define OWN "me@home.test/pc"
#define DOMAIN "home.test"
#define PROXY "proxy.home.test"
#define OTHER "proxy.far.test"
#define NS_ITEMS "http://jabber.org/protocol/disco#items"
#define NS_INFO "http://jabber.org/protocol/disco#info"
#define NS_BYTESTREAMS "http://jabber.org/protocol/bytestreams"
#define HANG_SECONDS 60

static BsIqLink *own_link;
static PurpleAccount *account;
static BsProxies *proxies;
static ProxyService *service;
static ProxyService *other;
static ProxyService *more[BS_PROXIES_OFFERED_MAX + 3]; /* of one test */

/* What the server and PROXY answer instead of the right thing: what is inside <iq/>; "" is no answer. */
static const char *items_reply;
static const char *info_reply;
static const char *address_reply;
static gboolean at_once; /* the answers come before the request has returned */

static GPtrArray *asked; /* "JID namespace" of each request */
static GPtrArray *arriving;

static guint
count_asked(const char *jid, const char *xmlns)
{
    g_autofree char *wanted = g_strdup_printf("%s %s", jid, xmlns);
    guint count = 0;

    for (guint i = 0; i < asked->len; i++)
        count += strcmp(g_ptr_array_index(asked, i), wanted) == 0;
    return count;
}

static xmlnode *
scripted_answer(const xmlnode *iq, const char *inside)
{
    g_autofree char *text = NULL;
    const char *type = strstr(inside, "<error") != NULL ? "error" : "result";

    if (*inside == '\0')
        return NULL;
    text = g_strdup_printf("<iq xmlns='jabber:client' type='%s' id='%s' from='%s'>%s</iq>", type,
                           xmlnode_get_attrib((xmlnode *)iq, "id"), xmlnode_get_attrib((xmlnode *)iq, "to"),
                           inside);
    return xmlnode_from_str(text, -1);
}

static xmlnode *
answer_to(const xmlnode *iq, const char *to, const char *xmlns)
{
    static const char *const jids[] = {"rooms.home.test", PROXY, NULL};

    if (strcmp(to, DOMAIN) == 0)
        return items_reply != NULL ? scripted_answer(iq, items_reply) : proxy_service_items(DOMAIN, jids, iq);
    if (strcmp(to, OTHER) == 0)
        return proxy_service_answer(other, iq);
    for (guint i = 0; i < G_N_ELEMENTS(more); i++)
        if (more[i] != NULL && strcmp(to, more[i]->jid) == 0)
            return proxy_service_answer(more[i], iq);
    if (strcmp(to, PROXY) != 0)
        return scripted_answer(iq, "<query xmlns='" NS_INFO
                                   "'><identity category='conference' type='text'/></query>");
    if (strcmp(xmlns, NS_INFO) == 0 && info_reply != NULL)
        return scripted_answer(iq, info_reply);
    if (strcmp(xmlns, NS_BYTESTREAMS) == 0 && address_reply != NULL)
        return scripted_answer(iq, address_reply);
    return proxy_service_answer(service, iq);
}

static gboolean
deliver(gpointer data)
{
    xmlnode *answer = data;

    if (g_ptr_array_find(arriving, answer, NULL) && own_link != NULL)
        bs_iq_link_receive(own_link, answer);
    g_ptr_array_remove(arriving, answer);
    return FALSE;
}

static void
send_stanza(xmlnode *stanza, gpointer data)
{
    const char *to = xmlnode_get_attrib(stanza, "to");
    xmlnode *query = bs_xml_first_element(stanza);
    xmlnode *answer;

    (void)data;
    ck_assert_str_eq(xmlnode_get_attrib(stanza, "type"), "get");
    g_ptr_array_add(asked, g_strdup_printf("%s %s", to, xmlnode_get_namespace(query)));
    answer = answer_to(stanza, to, xmlnode_get_namespace(query));
    if (answer == NULL)
        return;
    if (at_once) {
        bs_iq_link_receive(own_link, answer);
        xmlnode_free(answer);
        return;
    }
    g_ptr_array_add(arriving, answer);
    g_idle_add(deliver, answer);
}

static void
set_up(void)
{
    bs_test_hurry(1);
    asked = g_ptr_array_new_with_free_func(g_free);
    arriving = g_ptr_array_new_with_free_func((GDestroyNotify)xmlnode_free);
    own_link = bs_iq_link_new(OWN, send_stanza, NULL);
    account = purple_account_new(OWN, "prpl-jabber");
    service = proxy_service_new(PROXY);
    other = proxy_service_new(OTHER);
    items_reply = info_reply = address_reply = NULL;
    at_once = FALSE;
}

static void
tear_down(void)
{
    g_clear_pointer(&proxies, bs_proxies_free);
    g_clear_pointer(&own_link, bs_iq_link_free);
    /* What was on its way is not for anybody any more. */
    while (arriving->len > 0)
        g_main_context_iteration(NULL, TRUE);
    g_ptr_array_unref(arriving);
    g_ptr_array_unref(asked);
    proxy_service_free(service);
    proxy_service_free(other);
    purple_account_destroy(account);
}

static void
begin(const char *setting)
{
    if (setting != NULL)
        purple_account_set_string(account, "ft_proxies", setting);
    proxies = bs_proxies_new(own_link, account);
}

static guint
count_offered(void)
{
    g_autoptr(GPtrArray) candidates = bs_proxies_gather(proxies, TRUE);

    return candidates->len;
}

static void
wait_for_offered(guint count)
{
    for (guint i = 0; i < HANG_SECONDS * 100 && count_offered() != count; i++)
        bs_test_run_for(10);
    ck_assert_uint_eq(count_offered(), count);
}

static void
wait_for_asked(const char *jid, const char *xmlns, guint count)
{
    for (guint i = 0; i < HANG_SECONDS * 100 && count_asked(jid, xmlns) < count; i++)
        bs_test_run_for(10);
    ck_assert_uint_ge(count_asked(jid, xmlns), count);
}

static void
wait_for_connections(const ProxyService *whose, guint count)
{
    for (guint i = 0; i < HANG_SECONDS * 100 && whose->connections < count; i++) {
        bs_test_run_for(10);
        bs_proxies_freshen(proxies);
    }
    ck_assert_uint_ge(whose->connections, count);
}

START_TEST(finds_the_proxy_of_the_server)
{
    g_autoptr(GPtrArray) ours = NULL;
    g_autoptr(GPtrArray) theirs = NULL;
    const BsCandidate *candidate;
    const BsCandidate *as_responder;

    at_once = _i == 1;
    begin(NULL);
    wait_for_offered(1);
    ck_assert_uint_eq(count_asked("rooms.home.test", NS_INFO), 1);
    ck_assert_uint_eq(count_asked("rooms.home.test", NS_BYTESTREAMS), 0);
    ours = bs_proxies_gather(proxies, TRUE);
    theirs = bs_proxies_gather(proxies, FALSE);
    candidate = g_ptr_array_index(ours, 0);
    as_responder = g_ptr_array_index(theirs, 0);
    ck_assert_int_eq(candidate->type, BS_CANDIDATE_PROXY);
    ck_assert_str_eq(candidate->jid, PROXY);
    ck_assert_str_eq(candidate->host, service->host);
    ck_assert_uint_eq(candidate->port, service->port);
    ck_assert_uint_eq(candidate->priority, bs_candidate_priority(BS_CANDIDATE_PROXY, TRUE, 0));
    ck_assert_uint_eq(as_responder->priority, bs_candidate_priority(BS_CANDIDATE_PROXY, FALSE, 0));
    ck_assert_str_ne(candidate->cid, as_responder->cid);
}
END_TEST

START_TEST(asks_those_of_the_setting)
{
    begin(_i == 0 ? OTHER "," PROXY : " " OTHER ",\n, " PROXY " ");
    wait_for_offered(2);
    ck_assert_uint_eq(count_asked(OTHER, NS_INFO), 0);
    /* The server names it too, and yet it is asked once. */
    ck_assert_uint_eq(count_asked(PROXY, NS_BYTESTREAMS), 1);
    ck_assert_uint_eq(count_asked("", NS_BYTESTREAMS), 0);
}
END_TEST

START_TEST(those_of_the_setting_come_first)
{
    g_autoptr(GPtrArray) candidates = NULL;

    begin(OTHER);
    wait_for_offered(2);
    candidates = bs_proxies_gather(proxies, TRUE);
    ck_assert_str_eq(((BsCandidate *)g_ptr_array_index(candidates, 0))->jid, OTHER);
    ck_assert_uint_gt(((BsCandidate *)g_ptr_array_index(candidates, 0))->priority,
                      ((BsCandidate *)g_ptr_array_index(candidates, 1))->priority);
}
END_TEST

#define QUERY(ns, inner) "<query xmlns='" ns "'>" inner "</query>"
#define ERROR "<error type='cancel'><forbidden xmlns='" BS_NS_STANZA_ERRORS "'/></error>"
#define BARE_ITEM(attributes) QUERY(NS_ITEMS, "<item " attributes "/>")

/* Nobody is asked then. */
static const char *const bad_items[] = {
    ERROR,
    "<nothing xmlns='urn:example'/>",
    QUERY(NS_INFO, "<item jid='" PROXY "'/>"),
    QUERY(NS_ITEMS, ""),
    QUERY(NS_ITEMS, "text <item xmlns='urn:example' jid='" PROXY "'/>"),
    BARE_ITEM(""),
    BARE_ITEM("jid=''"),
    BARE_ITEM("jid='" PROXY "' node='a'"),
};

START_TEST(survives_bad_items)
{
    items_reply = bad_items[_i];
    begin(NULL);
    wait_for_asked(DOMAIN, NS_ITEMS, 1);
    bs_test_run_for(50);
    ck_assert_uint_eq(asked->len, 1);
    ck_assert_uint_eq(count_offered(), 0);
}
END_TEST

START_TEST(asks_a_bounded_number)
{
    GString *items = g_string_new("<query xmlns='" NS_ITEMS "'>");
    g_autofree char *text = NULL;

    for (guint i = 0; i < 500; i++)
        g_string_append_printf(items, "<item jid='s%u.home.test'/>", i);
    text = g_string_free(g_string_append(items, "</query>"), FALSE);
    items_reply = text;
    begin(NULL);
    wait_for_asked("s0.home.test", NS_INFO, 1);
    bs_test_run_for(50);
    ck_assert_uint_lt(asked->len, 50);
}
END_TEST

/* What is no proxy. */
static const char *const bad_infos[] = {
    ERROR,
    "<nothing xmlns='urn:example'/>",
    QUERY(NS_ITEMS, "<feature var='" NS_BYTESTREAMS "'/>"),
    QUERY(NS_INFO, ""),
    QUERY(NS_INFO, "<identity category='proxy'/><identity type='bytestreams'/>"),
    QUERY(NS_INFO, "<identity category='proxy' type='http'/><feature/>"),
};

START_TEST(survives_bad_infos)
{
    info_reply = bad_infos[_i];
    begin(NULL);
    wait_for_asked(PROXY, NS_INFO, 1);
    bs_test_run_for(50);
    ck_assert_uint_eq(count_asked(PROXY, NS_BYTESTREAMS), 0);
    ck_assert_uint_eq(count_offered(), 0);
}
END_TEST

START_TEST(a_feature_tells_a_proxy_as_well)
{
    info_reply = QUERY(NS_INFO, "<feature var='" NS_BYTESTREAMS "'/>");
    begin(NULL);
    wait_for_offered(1);
}
END_TEST

#define HOST(attributes) QUERY(NS_BYTESTREAMS, "<streamhost jid='" PROXY "' " attributes "/>")

static const char *const bad_addresses[] = {
    ERROR,
    "<nothing xmlns='urn:example'/>",
    QUERY(NS_INFO, "<streamhost jid='" PROXY "' host='192.0.2.1' port='7777'/>"),
    QUERY(NS_BYTESTREAMS, ""),
    QUERY(NS_BYTESTREAMS, "<streamhost xmlns='urn:example' host='192.0.2.1' port='7777'/>"),
    HOST("port='7777'"),
    HOST("host='' port='7777'"),
    HOST("host='192.0.2.1' port='0'"),
    HOST("host='192.0.2.1' port='65536'"),
    HOST("host='192.0.2.1' port='-1'"),
    HOST("host='192.0.2.1' port='x'"),
    HOST("host='0.0.0.0' port='7777'"),
    HOST("host='224.0.0.1' port='7777'"),
    HOST("host='fe80::1' port='7777'"),
    HOST("host='not a name' port='7777'"),
    HOST("host='127.1' port='7777'"),
};

/* It is set aside: nothing is dialled, and it is not asked again at the next offer. */
START_TEST(survives_bad_addresses)
{
    address_reply = bad_addresses[_i];
    begin(NULL);
    wait_for_asked(PROXY, NS_BYTESTREAMS, 1);
    bs_test_run_for(50);
    ck_assert_uint_eq(count_offered(), 0);
    bs_test_run_for(50);
    ck_assert_uint_eq(count_asked(PROXY, NS_BYTESTREAMS), 1);
}
END_TEST

START_TEST(takes_the_first_address_that_makes_sense)
{
    g_autofree char *text =
        g_strdup_printf(QUERY(NS_BYTESTREAMS, "<streamhost jid='x' host='0.0.0.0' port='1'/>"
                                              "<streamhost jid='another.test' host='%s' port='%u'/>"),
                        service->host, service->port);
    g_autoptr(GPtrArray) candidates = NULL;

    address_reply = text;
    begin(NULL);
    wait_for_offered(1);
    candidates = bs_proxies_gather(proxies, TRUE);
    ck_assert_str_eq(((BsCandidate *)g_ptr_array_index(candidates, 0))->jid, PROXY);
}
END_TEST

/* One that does not answer, or that nobody can connect to, holds up no other. */
START_TEST(a_bad_one_holds_up_no_other)
{
    switch (_i) {
    case 0:
        items_reply = "";
        break;
    case 1:
        info_reply = "";
        break;
    case 2:
        address_reply = "";
        break;
    case 3:
        proxy_service_kill(service);
        break;
    default:
        service->manner = PROXY_SAYS_NOTHING;
    }
    begin(OTHER);
    wait_for_offered(1);
}
END_TEST

START_TEST(a_silent_one_is_set_aside)
{
    bs_test_hurry(10);
    service->manner = PROXY_SAYS_NOTHING;
    begin(NULL);
    wait_for_connections(service, 1);
    bs_test_run_for(1500);
    ck_assert_uint_eq(count_offered(), 0);
    ck_assert_uint_eq(service->connections, 1);
}
END_TEST

START_TEST(offers_a_bounded_number)
{
    GString *setting = g_string_new(NULL);
    g_autofree char *text = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < G_N_ELEMENTS(more); i++) {
        g_ptr_array_add(names, g_strdup_printf("more%u.test", i));
        more[i] = proxy_service_new(g_ptr_array_index(names, i));
        g_string_append_printf(setting, "more%u.test,", i);
    }
    text = g_string_free(setting, FALSE);
    begin(text);
    for (guint i = 0; i < G_N_ELEMENTS(more); i++)
        wait_for_connections(more[i], 1);
    wait_for_offered(BS_PROXIES_OFFERED_MAX);
    bs_test_run_for(100);
    ck_assert_uint_eq(count_offered(), BS_PROXIES_OFFERED_MAX);
    for (guint i = 0; i < G_N_ELEMENTS(more); i++)
        g_clear_pointer(&more[i], proxy_service_free);
}
END_TEST

START_TEST(a_failed_one_is_tried_again_later)
{
    begin(NULL);
    wait_for_offered(1);
    bs_proxies_set_aside(proxies, "somebody.else.test", "a test");
    ck_assert_uint_eq(count_offered(), 1);
    bs_test_hurry(2000);
    bs_proxies_set_aside(proxies, PROXY, "a test");
    bs_test_hurry(1);
    ck_assert_uint_eq(count_offered(), 0);
    wait_for_offered(1);
    ck_assert_uint_eq(service->connections, 2);
}
END_TEST

START_TEST(a_trial_counts_for_a_while)
{
    begin(NULL);
    wait_for_offered(1);
    for (guint i = 0; i < 10; i++) {
        bs_proxies_freshen(proxies);
        bs_test_run_for(5);
    }
    ck_assert_uint_eq(service->connections, 1);
}
END_TEST

START_TEST(an_old_trial_is_repeated)
{
    bs_test_hurry(100);
    begin(NULL);
    wait_for_connections(service, 1);
    wait_for_connections(service, 2);
}
END_TEST

START_TEST(searches_again_after_hours)
{
    /* Nobody answers: at this pace there is no time to. */
    items_reply = "";
    bs_test_hurry(36000);
    begin(NULL);
    wait_for_asked(DOMAIN, NS_ITEMS, 3);
}
END_TEST

START_TEST(follows_the_setting)
{
    begin("");
    wait_for_offered(1);
    purple_account_set_string(account, "ft_proxies", OTHER);
    wait_for_offered(2);
    purple_account_set_string(account, "ft_proxies", "");
    wait_for_offered(1);
    ck_assert_uint_eq(count_asked(DOMAIN, NS_ITEMS), 3);
}
END_TEST

/* A proxy that has moved is not offered at its new place before it was tried there. */
START_TEST(a_proxy_moves)
{
    g_autofree char *text = g_strdup_printf(HOST("host='%s' port='%u'"), other->host, other->port);

    begin("");
    wait_for_offered(1);
    other->manner = PROXY_SAYS_NOTHING;
    address_reply = text;
    purple_account_set_string(account, "ft_proxies", PROXY);
    wait_for_connections(other, 1);
    ck_assert_uint_eq(count_offered(), 0);
}
END_TEST

START_TEST(nothing_can_be_dialled)
{
    purple_prefs_set_string("/purple/proxy/host", "127.0.0.1");
    purple_prefs_set_int("/purple/proxy/port", 0);
    purple_prefs_set_string("/purple/proxy/type", "socks5");
    begin(NULL);
    wait_for_asked(PROXY, NS_BYTESTREAMS, 1);
    bs_test_run_for(50);
    ck_assert_uint_eq(count_offered(), 0);
    ck_assert_uint_eq(service->connections, 0);
    purple_prefs_set_string("/purple/proxy/type", "none");
}
END_TEST

/* After so many turns of the event loop. */
START_TEST(can_be_freed_at_any_moment)
{
    begin(OTHER);
    for (int i = 0; i < _i; i++)
        g_main_context_iteration(NULL, FALSE);
    g_clear_pointer(&proxies, bs_proxies_free);
    bs_test_run_for(20);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("proxy65");
    TCase *tests = tcase_create("proxy65");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, finds_the_proxy_of_the_server, 0, 2);
    tcase_add_loop_test(tests, asks_those_of_the_setting, 0, 2);
    tcase_add_test(tests, those_of_the_setting_come_first);
    tcase_add_loop_test(tests, survives_bad_items, 0, G_N_ELEMENTS(bad_items));
    tcase_add_test(tests, asks_a_bounded_number);
    tcase_add_loop_test(tests, survives_bad_infos, 0, G_N_ELEMENTS(bad_infos));
    tcase_add_test(tests, a_feature_tells_a_proxy_as_well);
    tcase_add_loop_test(tests, survives_bad_addresses, 0, G_N_ELEMENTS(bad_addresses));
    tcase_add_test(tests, takes_the_first_address_that_makes_sense);
    tcase_add_loop_test(tests, a_bad_one_holds_up_no_other, 0, 5);
    tcase_add_test(tests, a_silent_one_is_set_aside);
    tcase_add_test(tests, offers_a_bounded_number);
    tcase_add_test(tests, a_failed_one_is_tried_again_later);
    tcase_add_test(tests, a_trial_counts_for_a_while);
    tcase_add_test(tests, an_old_trial_is_repeated);
    tcase_add_test(tests, searches_again_after_hours);
    tcase_add_test(tests, follows_the_setting);
    tcase_add_test(tests, a_proxy_moves);
    tcase_add_test(tests, nothing_can_be_dialled);
    tcase_add_loop_test(tests, can_be_freed_at_any_moment, 0, 40);
    suite_add_tcase(suite, tests);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    purple_set_blist(purple_blist_new());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
