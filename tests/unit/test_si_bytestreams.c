/* Bytestreams for stream initiation as everybody speaks them: one side offers streamhosts, the other dials.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/si_bytestreams.h"

#include <check.h>
#include <prefs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "purple_env.h"
#include "router_service.h"
#include "si_ends.h"
#include "socks5/listener.h"
#include "socks5/port_mapping.h"
#include "stanza/xml.h"
#include "transport/si_bytestreams_hosts.h"
#include "transport/si_bytestreams_xml.h"

#define QUERY "<query xmlns='" BS_NS_BYTESTREAMS "' sid='" SI_SID "'%s>%s</query>"
#define HOST "<streamhost jid='%s' host='%s' port='%u'/>"
#define USED QUERY_WITH("<streamhost-used jid='%s'/>")
#define QUERY_WITH(inside) "<query xmlns='" BS_NS_BYTESTREAMS "' sid='" SI_SID "'>" inside "</query>"
#define BAD_PORT 1u

static SiEnd *const alice = &si_ends[0];
static SiEnd *const bob = &si_ends[1];

static BsReaches *reaches; /* what alice has learned */

static void
set_up(void)
{
    si_ends_setup();
    reaches = bs_reaches_new();
    alice->context.reaches = reaches;
}

static void
tear_down(void)
{
    si_ends_teardown();
    bs_reaches_free(reaches);
}

static BsReach
reach_of_bob(void)
{
    return bs_reaches_get(reaches, bob->jid);
}

static void
begin_both(void)
{
    si_end_begin(alice);
    si_end_begin(bob);
}

/* Takes the direct streamhosts out of the queries that pass. */
static gboolean
without_direct(SiEnd *from, xmlnode *stanza)
{
    const xmlnode *query = bs_si_query_element(stanza);
    xmlnode *next;

    (void)from;
    for (xmlnode *node = query != NULL ? bs_xml_first_element(query) : NULL; node != NULL; node = next) {
        next = bs_xml_next_element(node);
        if (strcmp(node->name, "streamhost") == 0 && strchr(xmlnode_get_attrib(node, "jid"), '@') != NULL)
            xmlnode_free(node);
    }
    return TRUE;
}

/* Two of ours. */

START_TEST(a_direct_connection_either_way)
{
    begin_both();
    si_end_start(bob);
    si_end_start(alice);
    si_run_until(alice->connected && bob->connected);
    ck_assert_int_eq(alice->route.type, BS_CANDIDATE_DIRECT);
    ck_assert(!alice->route.dialled_by_us);
    ck_assert(bob->route.dialled_by_us);
    ck_assert_str_eq(alice->route.host, bob->route.host);
    ck_assert_uint_eq(alice->route.port, bob->route.port);
    ck_assert_int_eq(reach_of_bob(),
                     bs_si_host_is_near(alice->route.host) ? BS_REACH_NEAR : BS_REACH_UNKNOWN);
    si_send_all(&si_ends[_i], 200001);
    ck_assert_uint_eq(alice->failed + bob->failed, 0);
    ck_assert_uint_eq(alice->connected + bob->connected, 2);
    ck_assert_uint_eq(bs_listener_port(), 0);
}
END_TEST

START_TEST(streamhosts_may_come_early)
{
    begin_both();
    si_end_start(alice);
    si_settle();
    ck_assert_uint_eq(bob->connected, 0);
    si_end_start(bob);
    si_run_until(alice->connected && bob->connected);
    si_send_all(alice, 5000);
}
END_TEST

START_TEST(over_a_proxy_of_the_requester)
{
    si_proxy = proxy_service_new("proxy.one.test");
    si_end_find_proxies(alice);
    si_filter = without_direct;
    begin_both();
    si_end_start(bob);
    si_end_start(alice);
    si_run_until(alice->connected && bob->connected);
    ck_assert_int_eq(alice->route.type, BS_CANDIDATE_PROXY);
    ck_assert_int_eq(bob->route.type, BS_CANDIDATE_PROXY);
    ck_assert_uint_eq(si_proxy->activations, 1);
    si_send_all(alice, 50000);
    ck_assert(!si_proxy->early);
}
END_TEST

START_TEST(a_proxy_that_does_not_activate)
{
    static const ProxyManner manners[] = {PROXY_REFUSES_ACTIVATION, PROXY_IGNORES_ACTIVATION};

    si_proxy = proxy_service_new("proxy.one.test");
    si_end_find_proxies(alice);
    si_proxy->manner = manners[_i];
    si_filter = without_direct;
    begin_both();
    si_end_start(bob);
    si_end_start(alice);
    si_run_until(alice->failed);
    ck_assert_uint_eq(alice->connected, 0);
}
END_TEST

START_TEST(it_may_be_freed_inside_its_events)
{
    si_ends[_i].free_inside = TRUE;
    begin_both();
    si_end_start(bob);
    si_end_start(alice);
    si_run_until(alice->connected && bob->connected);
    ck_assert_ptr_null(si_ends[_i].transport);
    si_send_all(alice, 5000);
}
END_TEST

/* The other one either has what it needs by then, or hears of it. */
START_TEST(it_may_be_freed_at_every_stanza)
{
    SiEnd *freed = &si_ends[_i % 2];

    si_proxy = proxy_service_new("proxy.one.test");
    si_end_find_proxies(alice);
    if (_i >= 16)
        si_filter = without_direct;
    begin_both();
    si_end_free_transport_after(freed, (guint)_i % 16 / 2);
    bs_test_hurry(100);
    si_end_start(bob);
    si_end_start(alice);
    si_settle();
    bs_test_run_for(100);
    ck_assert_uint_eq(freed->failed, 0);
    ck_assert_uint_le(freed->peer->connected + freed->peer->failed, 1);
}
END_TEST

START_TEST(it_may_be_freed_after_any_while)
{
    begin_both();
    si_end_start(bob);
    si_end_start(alice);
    bs_test_run_for((guint)_i / 2);
    si_end_free_transport(&si_ends[_i % 2]);
    si_settle();
}
END_TEST

/* The requester against a scripted target. */

static void
begin_alice(void)
{
    si_end_begin(alice);
    si_end_start(alice);
    si_settle();
    ck_assert_ptr_nonnull(si_query_heard(bob));
}

START_TEST(the_query_is_as_everybody_reads_it)
{
    g_autoptr(BsSiQuery) query = NULL;
    g_autofree char *dstaddr = bs_dst_addr(SI_SID, alice->jid, bob->jid);

    begin_alice();
    query = bs_si_query_parse(si_query_heard(bob));
    ck_assert_ptr_nonnull(query);
    ck_assert_str_eq(query->dstaddr, dstaddr);
    ck_assert(query->fast);
    ck_assert(!query->udp);
    ck_assert_uint_gt(query->hosts->len, 0);
    ck_assert_uint_le(query->hosts->len, BS_SI_HOSTS_MAX);
    for (guint i = 0; i < query->hosts->len; i++) {
        const BsCandidate *host = g_ptr_array_index(query->hosts, i);

        ck_assert_str_eq(host->jid, alice->jid);
        ck_assert_uint_eq(host->port, bs_listener_port());
    }
}
END_TEST

static const struct {
    const char *type;
    const char *payload;
} useless_answers[] = {
    {"error", "<error type='cancel'><item-not-found xmlns='" BS_NS_STANZA_ERRORS "'/></error>"},
    {"error", "<error type='auth'><not-acceptable xmlns='" BS_NS_STANZA_ERRORS "'/></error>"},
    {"error", ""},
    {"result", ""},
    {"result", QUERY_WITH("")},
    {"result", QUERY_WITH("<streamhost-used/>")},
    {"result", QUERY_WITH("<streamhost-used jid='nobody.test'/>")},
    {"result", QUERY_WITH("<streamhost-used jid='bob@two.test/b'/>")},
    /* Ours; but nobody has connected. */
    {"result", QUERY_WITH("<streamhost-used jid='alice@one.test/a'/>")},
};

static gboolean
was_told_near(void)
{
    g_autoptr(BsSiQuery) query = bs_si_query_parse(si_query_heard(bob));

    return bs_si_hosts_have_near(query->hosts, query->hosts->len);
}

START_TEST(answers_without_a_connection)
{
    gboolean may_learn;

    bs_test_hurry(20);
    alice->free_inside = _i % 2;
    begin_alice();
    may_learn = _i == 0 && was_told_near();
    si_answer(bob, useless_answers[_i].type, "%s", useless_answers[_i].payload);
    si_run_until(alice->failed);
    si_settle();
    ck_assert_uint_eq(alice->failed, 1);
    ck_assert_uint_eq(alice->connected, 0);
    ck_assert_int_eq(reach_of_bob(), may_learn ? BS_REACH_FAR : BS_REACH_UNKNOWN);
}
END_TEST

START_TEST(who_is_elsewhere_is_told_no_private_address)
{
    bs_reaches_learn(reaches, bob->jid, BS_REACH_FAR);
    begin_alice();
    ck_assert(!was_told_near());
}
END_TEST

START_TEST(a_target_that_never_answers)
{
    bs_test_hurry(1000);
    begin_alice();
    si_run_until(alice->failed);
}
END_TEST

/* The JIDs may stand in either order in what the target asks for, and the answer may come first. */
START_TEST(a_connection_before_or_after_its_answer)
{
    gboolean late = _i & 1;
    const char *first = _i & 2 ? bob->jid : alice->jid;
    const char *second = _i & 2 ? alice->jid : bob->jid;
    SiDial *dial = NULL;

    begin_alice();
    if (!late)
        dial = si_dial(bob, first, second);
    else
        si_answer(bob, "result", USED, alice->jid);
    si_settle();
    ck_assert_uint_eq(alice->connected, 0);
    if (late)
        dial = si_dial(bob, first, second);
    else
        si_answer(bob, "result", USED, alice->jid);
    si_run_until(alice->connected);
    bob->fd = dial->fd;
    dial->fd = -1;
    si_send_all(alice, 5000);
    si_dial_free(dial);
}
END_TEST

/* Of two connections it is the one that the target keeps. */
START_TEST(a_surplus_connection)
{
    SiDial *dials[2];

    begin_alice();
    for (guint i = 0; i < 2; i++)
        dials[i] = si_dial(bob, alice->jid, bob->jid);
    si_answer(bob, "result", USED, alice->jid);
    bs_test_run_for(20);
    shutdown(dials[_i]->fd, SHUT_RDWR);
    si_run_until(alice->connected);
    bob->fd = dials[!_i]->fd;
    dials[!_i]->fd = -1;
    si_send_all(alice, 5000);
    si_dial_free(dials[0]);
    si_dial_free(dials[1]);
}
END_TEST

/* The target against a scripted requester. */

static void
begin_bob(void)
{
    si_end_begin(bob);
    si_end_start(bob);
}

START_TEST(the_first_host_that_works)
{
    g_autofree char *outcome = NULL;
    SiHost *dead[3];
    SiHost *alive = si_host_new(FALSE);
    g_autoptr(GString) hosts = g_string_new("");
    g_autofree char *dst_addr = bs_dst_addr(SI_SID, alice->jid, bob->jid);
    const char *id;
    char byte;

    for (guint i = 0; i < G_N_ELEMENTS(dead); i++) {
        dead[i] = si_host_new(TRUE);
        g_string_append_printf(hosts, HOST, "alice@one.test/a", dead[i]->host, dead[i]->port);
    }
    g_string_append_printf(hosts, HOST, "alive@one.test/a", alive->host, alive->port);
    begin_bob();
    id = si_say(alice, QUERY, "", hosts->str);
    si_run_until(alive->fds->len > 0);
    /* Those before it are still being tried. */
    for (guint i = 0; i < G_N_ELEMENTS(dead); i++) {
        int fd = g_array_index(dead[i]->fds, int, 0);

        ck_assert_uint_eq(dead[i]->fds->len, 1);
        while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1)
            ;
        ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    }
    si_run_until(bob->connected && si_answer_heard(alice, id) != NULL);
    outcome = si_outcome_heard(alice, id);
    ck_assert_str_eq(outcome, "alive@one.test/a");
    ck_assert_str_eq(alive->dst_addr, dst_addr);
    ck_assert_int_eq(bob->route.type, BS_CANDIDATE_DIRECT);
    ck_assert_uint_eq(bob->route.port, alive->port);
    for (guint i = 0; i < G_N_ELEMENTS(dead); i++)
        si_host_free(dead[i]);
    si_host_free(alive);
}
END_TEST

/* In a room everybody is known by another JID than his own (XEP-0065, 7). */

#define ROOM_ALICE "room@rooms.test/Alice"
#define ROOM_BOB "room@rooms.test/Bob"

static void
enter_room(void)
{
    alice->context.own_jid = alice->name = ROOM_ALICE;
    bob->context.own_jid = bob->name = ROOM_BOB;
    alice->context.peer_jid = ROOM_BOB;
    bob->context.peer_jid = ROOM_ALICE;
}

START_TEST(occupants_of_a_room)
{
    enter_room();
    if (_i) {
        si_proxy = proxy_service_new("proxy.one.test");
        si_end_find_proxies(alice);
        si_filter = without_direct;
    }
    begin_both();
    si_end_start(bob);
    si_end_start(alice);
    si_run_until(alice->connected && bob->connected);
    ck_assert_int_eq(alice->route.type, _i ? BS_CANDIDATE_PROXY : BS_CANDIDATE_DIRECT);
    si_send_all(alice, 5000);
}
END_TEST

START_TEST(an_occupant_does_not_tell_its_own_jid)
{
    const xmlnode *query;

    enter_room();
    begin_alice();
    query = si_query_heard(bob);
    for (xmlnode *node = bs_xml_first_element(query); node != NULL; node = bs_xml_next_element(node))
        if (strcmp(node->name, "streamhost") == 0)
            ck_assert_str_eq(xmlnode_get_attrib(node, "jid"), ROOM_ALICE);
}
END_TEST

/* As libpurple does it: it says nothing, and has its real JID in its streamhosts. */
START_TEST(an_occupant_that_does_not_say_what_to_ask_for)
{
    SiHost *host = si_host_new(FALSE);
    g_autofree char *hosts = g_strdup_printf(HOST, "alice@one.test/a", host->host, host->port);
    g_autofree char *dst_addr = bs_dst_addr(SI_SID, "alice@one.test/a", ROOM_BOB);

    enter_room();
    begin_bob();
    si_say(alice, QUERY, "", hosts);
    si_run_until(bob->connected);
    ck_assert_str_eq(host->dst_addr, dst_addr);
    si_host_free(host);
}
END_TEST

START_TEST(the_requester_says_what_to_ask_for)
{
    SiHost *host = si_host_new(FALSE);
    g_autofree char *hosts = g_strdup_printf(HOST, "alice@real.test/x", host->host, host->port);

    begin_bob();
    si_say(alice, QUERY, " dstaddr='416781edf1ae50bad01cb8509ba35b43952bc345'", hosts);
    si_run_until(bob->connected);
    ck_assert_str_eq(host->dst_addr, "416781edf1ae50bad01cb8509ba35b43952bc345");
    si_host_free(host);
}
END_TEST

static const struct {
    const char *attributes;
    const char *hosts;
    const char *outcome;
} useless_queries[] = {
    {"", "", "bad-request"},
    {"", "<streamhost/>", "bad-request"},
    {"", "<streamhost jid='a@b/c'/>", "bad-request"},
    {"", "<streamhost jid='a@b/c' zeroconf='_jabber.bytestreams'/>", "bad-request"},
    {"", "<streamhost host='127.0.0.1' port='1'/>", "bad-request"},
    {"", "<streamhost jid='a@b/c' host='127.0.0.1' port='70000'/>", "bad-request"},
    {"", "<streamhost jid='a@b/c' host='127.0.0.1' port='-1'/>", "bad-request"},
    {"", "<activate>a@b/c</activate>", "bad-request"},
    {" mode='udp'", "<streamhost jid='a@b/c' host='192.0.2.1' port='1'/>", "not-acceptable"},
    {"", "<streamhost jid='a@b/c' host='192.0.2.1' port='0'/>", "item-not-found"},
    {"", "<streamhost jid='a@b/c' host='0.0.0.0' port='5000'/>", "item-not-found"},
    {"", "<streamhost jid='a@b/c' host='224.0.0.1' port='5000'/>", "item-not-found"},
    {"", "<streamhost jid='a@b/c' host='255.255.255.255' port='5000'/>", "item-not-found"},
    {"", "<streamhost jid='a@b/c' host='fe80::1' port='5000'/>", "item-not-found"},
    {"", "<streamhost jid='a@b/c' host='not a name' port='5000'/>", "item-not-found"},
};

START_TEST(queries_that_lead_nowhere)
{
    g_autofree char *outcome = NULL;
    const char *id;

    bob->free_inside = _i % 2;
    begin_bob();
    id = si_say(alice, QUERY, useless_queries[_i].attributes, useless_queries[_i].hosts);
    si_run_until(bob->failed);
    si_settle();
    outcome = si_outcome_heard(alice, id);
    ck_assert_str_eq(outcome, useless_queries[_i].outcome);
    ck_assert_uint_eq(bob->failed, 1);
}
END_TEST

/* Nobody listens there. */
START_TEST(hosts_that_refuse)
{
    SiHost *host = si_host_new(FALSE);
    g_autofree char *hosts =
        g_strdup_printf(HOST HOST, alice->jid, host->host, host->port, alice->jid, host->host, BAD_PORT);
    g_autofree char *outcome = NULL;
    const char *id;

    si_host_free(host);
    begin_bob();
    id = si_say(alice, QUERY, "", hosts);
    si_run_until(bob->failed);
    si_settle();
    outcome = si_outcome_heard(alice, id);
    ck_assert_str_eq(outcome, "item-not-found");
}
END_TEST

/* The same place twice is dialled once, and not every one of a thousand. */
START_TEST(too_many_hosts)
{
    SiHost *silent = si_host_new(TRUE);
    g_autoptr(GString) hosts = g_string_new("");
    g_autoptr(BsSiQuery) query = NULL;
    xmlnode *element;
    g_autofree char *text = NULL;

    for (guint i = 0; i < 1000; i++)
        g_string_append_printf(hosts, HOST, "alice@one.test/a", silent->host, silent->port);
    text = g_strdup_printf(QUERY, "", hosts->str);
    element = xmlnode_from_str(text, -1);
    query = bs_si_query_parse(element);
    ck_assert_uint_eq(query->hosts->len, BS_CANDIDATES_MAX);
    xmlnode_free(element);
    begin_bob();
    si_say(alice, QUERY, "", hosts->str);
    bs_test_run_for(700);
    ck_assert_uint_eq(silent->guests, 1);
    si_host_free(silent);
}
END_TEST

START_TEST(only_one_query)
{
    SiHost *silent = si_host_new(TRUE);
    g_autofree char *hosts = g_strdup_printf(HOST, alice->jid, silent->host, silent->port);
    g_autofree char *first = NULL;
    g_autofree char *outcome = NULL;
    const char *id;

    si_end_begin(bob);
    if (_i)
        si_end_start(bob);
    first = g_strdup(si_say(alice, QUERY, "", hosts));
    id = si_say(alice, QUERY, "", hosts);
    si_settle();
    outcome = si_outcome_heard(alice, id);
    ck_assert_str_eq(outcome, "not-acceptable");
    ck_assert_ptr_null(si_answer_heard(alice, first));
    si_host_free(silent);
}
END_TEST

START_TEST(others_are_not_taken)
{
    static const char *const others[] = {
        "<query xmlns='" BS_NS_BYTESTREAMS "' sid='another'/>",
        "<query xmlns='" BS_NS_BYTESTREAMS "'/>",
        "<query xmlns='http://jabber.org/protocol/disco#items' sid='" SI_SID "'/>",
        "<open xmlns='http://jabber.org/protocol/ibb' sid='" SI_SID "'/>",
    };
    g_autofree char *outcome = NULL;
    const char *id;

    begin_bob();
    id = si_say(alice, "%s", others[_i]);
    si_settle();
    /* The harness answers what nobody takes. */
    outcome = si_outcome_heard(alice, id);
    ck_assert_str_eq(outcome, "item-not-found");
    ck_assert_uint_eq(bob->failed, 0);
}
END_TEST

START_TEST(a_requester_that_tells_nothing)
{
    bs_test_hurry(1000);
    begin_bob();
    si_run_until(bob->failed);
}
END_TEST

/* There is no other way of telling that a user has changed his mind. */
START_TEST(a_cancelled_target_says_so)
{
    SiHost *silent = si_host_new(TRUE);
    g_autofree char *hosts = g_strdup_printf(HOST, alice->jid, silent->host, silent->port);
    g_autofree char *outcome = NULL;
    const char *id;

    begin_bob();
    id = si_say(alice, QUERY, "", hosts);
    si_settle();
    si_end_free_transport(bob);
    si_settle();
    outcome = si_outcome_heard(alice, id);
    ck_assert_str_eq(outcome, "not-acceptable");
    si_host_free(silent);
}
END_TEST

/* What a peer may learn. */

static BsDisclosure disclosure;

static BsDisclosure
policy(PurpleAccount *account, const char *peer)
{
    (void)account;
    (void)peer;
    return disclosure;
}

START_TEST(a_requester_that_may_tell_nothing)
{
    disclosure = BS_DISCLOSE_NOTHING;
    alice->context.disclosure = policy;
    si_end_begin(alice);
    ck_assert_uint_eq(bs_listener_port(), 0);
    si_end_start(alice);
    si_run_until(alice->failed);
    si_settle();
    ck_assert_uint_eq(bob->heard->len, 0);
}
END_TEST

/* What was opened at the offer is closed when the user has decided otherwise. */
START_TEST(a_requester_that_may_tell_nothing_any_more)
{
    disclosure = BS_DISCLOSE_ADDRESSES;
    alice->context.disclosure = policy;
    si_end_begin(alice);
    ck_assert_uint_ne(bs_listener_port(), 0);
    disclosure = BS_DISCLOSE_NOTHING;
    si_end_start(alice);
    ck_assert_uint_eq(bs_listener_port(), 0);
    si_run_until(alice->failed);
    ck_assert_uint_eq(bob->heard->len, 0);
}
END_TEST

START_TEST(hidden_addresses_and_a_proxy)
{
    si_proxy = proxy_service_new("proxy.one.test");
    si_end_find_proxies(alice);
    si_end_find_proxies(bob);
    disclosure = BS_DISCLOSE_NOTHING;
    alice->context.disclosure = policy;
    if (_i)
        bob->context.disclosure = policy;
    begin_both();
    si_end_start(bob);
    si_end_start(alice);
    ck_assert_uint_eq(bs_listener_port(), 0);
    si_run_until(alice->connected && bob->connected);
    ck_assert_int_eq(alice->route.type, BS_CANDIDATE_PROXY);
    si_send_all(alice, 5000);
}
END_TEST

/* Not even what calls itself a proxy. */
START_TEST(a_target_that_may_tell_nothing)
{
    SiHost *host = si_host_new(FALSE);
    g_autofree char *hosts = g_strdup_printf(HOST HOST, alice->jid, host->host, host->port, "proxy.one.test",
                                             host->host, host->port);
    g_autofree char *outcome = NULL;
    const char *id;

    disclosure = BS_DISCLOSE_NOTHING;
    bob->context.disclosure = policy;
    begin_bob();
    id = si_say(alice, QUERY, "", hosts);
    si_run_until(bob->failed);
    si_settle();
    outcome = si_outcome_heard(alice, id);
    ck_assert_str_eq(outcome, "item-not-found");
    ck_assert_uint_eq(host->guests, 0);
    ck_assert_uint_eq(bs_listener_port(), 0);
    si_host_free(host);
}
END_TEST

/* Before the user has accepted, nobody is dialled or asked. */
START_TEST(nothing_before_the_start)
{
    SiHost *host = si_host_new(FALSE);
    g_autofree char *hosts = g_strdup_printf(HOST, alice->jid, host->host, host->port);

    si_end_begin(bob);
    si_say(alice, QUERY, "", hosts);
    si_settle();
    ck_assert_uint_eq(host->guests, 0);
    ck_assert_uint_eq(bs_listener_port(), 0);
    ck_assert_uint_eq(alice->heard->len, 0);
    si_end_start(bob);
    si_run_until(bob->connected);
    si_host_free(host);
}
END_TEST

#ifdef HAVE_NATPMP
/* The router is asked when the offer goes out, and nobody waits for it afterwards. */
START_TEST(a_mapped_port)
{
    RouterService *router = router_service_new(ROUTER_SERVES, ROUTER_IS_NOT_THERE);
    g_autoptr(BsSiQuery) query = NULL;
    gboolean told = FALSE;

    bs_port_mapping_look_at(&router->places);
    purple_prefs_set_bool("/purple/network/map_ports", TRUE);
    si_end_begin(alice);
    if (_i)
        si_run_until(router->nat_pmp_mapped > 0);
    bs_test_run_for(_i ? 50 : 0);
    si_end_start(alice);
    si_settle();
    query = bs_si_query_parse(si_query_heard(bob));
    for (guint i = 0; i < query->hosts->len; i++)
        told |= strcmp(((const BsCandidate *)g_ptr_array_index(query->hosts, i))->host,
                       router->nat_pmp_outside) == 0;
    ck_assert_int_eq(told, _i);
    si_end_free_transport(alice);
    si_run_until(router->nat_pmp_removed == router->nat_pmp_mapped);
    bs_port_mapping_finish();
    bs_port_mapping_look_at(NULL);
    purple_prefs_set_bool("/purple/network/map_ports", FALSE);
    router_service_free(router);
}
END_TEST
#endif

/* Which of our places are told. */

#define SMALL 300000
#define LARGE 5000000

static const struct {
    const char *all; /* "type host", divided by commas */
    const char *outward;
    BsReach reach;
    guint64 size;
    const char *chosen; /* hosts */
} choices[] = {
    {"direct 2001:db8::1,direct 192.168.1.2,assisted 203.0.113.9,proxy relay.test", "192.168.1.2",
     BS_REACH_UNKNOWN, LARGE, "203.0.113.9 2001:db8::1 192.168.1.2 relay.test"},
    {"direct 2001:db8::1,direct 192.168.1.2,assisted 203.0.113.9,proxy relay.test", "192.168.1.2",
     BS_REACH_UNKNOWN, SMALL, "203.0.113.9 2001:db8::1 relay.test 192.168.1.2"},
    {"direct 192.168.1.2,proxy relay.test", "192.168.1.2", BS_REACH_UNKNOWN, G_MAXUINT64,
     "192.168.1.2 relay.test"},
    {"direct 192.168.1.2,proxy relay.test", "192.168.1.2", BS_REACH_NEAR, SMALL, "192.168.1.2 relay.test"},
    {"direct 192.168.1.2,proxy relay.test", "192.168.1.2", BS_REACH_FAR, LARGE, "relay.test"},
    {"direct 192.168.1.2,direct fd00::1", "192.168.1.2", BS_REACH_FAR, SMALL, ""},
    {"direct 2001:db8::1,direct 192.168.1.2,assisted 203.0.113.9", "192.168.1.2", BS_REACH_NEAR, LARGE,
     "192.168.1.2 203.0.113.9 2001:db8::1"},
    {"direct 192.168.1.2,proxy 192.168.1.1", "192.168.1.2", BS_REACH_UNKNOWN, SMALL,
     "192.168.1.2 192.168.1.1"},
    {"direct 172.17.0.1,direct 192.168.1.2,direct 192.168.122.1,direct fd00::1", "192.168.1.2",
     BS_REACH_UNKNOWN, LARGE, "192.168.1.2"},
    {"direct 192.168.1.2,direct 198.51.100.4,proxy relay.test", "198.51.100.4", BS_REACH_UNKNOWN, LARGE,
     "198.51.100.4 relay.test"},
    {"direct 192.168.1.2,direct 198.51.100.4,proxy relay.test", "198.51.100.77", BS_REACH_UNKNOWN, LARGE,
     "198.51.100.4 192.168.1.2 relay.test"},
    {"direct 2001:db8::1,direct 2001:db8::2,direct 10.0.0.2,direct 172.17.0.1,direct 192.168.122.1,direct "
     "fd00::1",
     NULL, BS_REACH_UNKNOWN, LARGE, "2001:db8::1 10.0.0.2 172.17.0.1"},
    {"direct 198.51.100.4,direct 198.51.100.5,direct 2001:db8::1,direct 10.0.0.2,direct fd00::1,proxy "
     "one.test,"
     "proxy two.test",
     NULL, BS_REACH_UNKNOWN, LARGE, "198.51.100.4 198.51.100.5 2001:db8::1 10.0.0.2 one.test"},
    {"direct 198.51.100.4,direct 198.51.100.5,direct 2001:db8::1,direct 10.0.0.2,proxy one.test,"
     "proxy two.test",
     NULL, BS_REACH_UNKNOWN, SMALL, "198.51.100.4 198.51.100.5 2001:db8::1 one.test two.test"},
    {"assisted 100.64.3.4,direct 192.168.1.2,proxy one.test,proxy two.test,proxy three.test", NULL,
     BS_REACH_UNKNOWN, LARGE, "192.168.1.2 one.test two.test"},
    {"assisted 100.64.3.4,direct fd00::1,proxy one.test", NULL, BS_REACH_UNKNOWN, LARGE,
     "100.64.3.4 one.test"},
    {"direct 127.0.0.1,direct ::1", "192.168.1.2", BS_REACH_UNKNOWN, LARGE, "127.0.0.1"},
    {"", NULL, BS_REACH_UNKNOWN, LARGE, ""},
};

START_TEST(the_likeliest_first)
{
    g_autoptr(GPtrArray) hosts = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
    g_auto(GStrv) all = g_strsplit(choices[_i].all, ",", -1);
    g_autoptr(GString) chosen = g_string_new("");
    const BsSiHostsHints hints = {
        .reach = choices[_i].reach,
        .outward = choices[_i].outward,
        .size = choices[_i].size,
    };

    for (guint i = 0; all[i] != NULL; i++) {
        g_auto(GStrv) words = g_strsplit(all[i], " ", 2);
        BsCandidateType type;

        ck_assert(bs_candidate_type_from_name(words[0], &type));
        g_ptr_array_add(hosts, bs_candidate_new(type, "c", "j", words[1], 5000, 1));
    }
    bs_si_hosts_choose(hosts, &hints);
    for (guint i = 0; i < hosts->len; i++)
        g_string_append_printf(chosen, "%s%s", i > 0 ? " " : "",
                               ((const BsCandidate *)g_ptr_array_index(hosts, i))->host);
    ck_assert_str_eq(chosen->str, choices[_i].chosen);
}
END_TEST

START_TEST(what_is_known_of_peers)
{
    bs_reaches_learn(reaches, "Bob@Example.org/x", BS_REACH_NEAR);
    bs_reaches_learn(reaches, "bob@example.org/y", BS_REACH_FAR);
    ck_assert_int_eq(bs_reaches_get(reaches, "bob@example.org/x"), BS_REACH_NEAR);
    ck_assert_int_eq(bs_reaches_get(reaches, "bob@example.org/y"), BS_REACH_FAR);
    ck_assert_int_eq(bs_reaches_get(reaches, "bob@example.org/X"), BS_REACH_UNKNOWN);
    bs_reaches_learn(reaches, "bob@example.org/x", BS_REACH_FAR);
    ck_assert_int_eq(bs_reaches_get(reaches, "bob@example.org/x"), BS_REACH_FAR);
    bs_reaches_forget(reaches, "bob@EXAMPLE.org/x");
    ck_assert_int_eq(bs_reaches_get(reaches, "bob@example.org/x"), BS_REACH_UNKNOWN);
    ck_assert_int_eq(bs_reaches_get(reaches, "bob@example.org/y"), BS_REACH_FAR);
    for (guint i = 0; i < 300; i++) {
        g_autofree char *jid = g_strdup_printf("peer%u@example.org/x", i);

        bs_reaches_learn(reaches, jid, BS_REACH_NEAR);
        ck_assert_int_eq(bs_reaches_get(reaches, jid), BS_REACH_NEAR);
    }
    ck_assert_int_eq(bs_reaches_get(reaches, "peer0@example.org/x"), BS_REACH_UNKNOWN);
    ck_assert_int_eq(bs_reaches_get(NULL, "bob@example.org/x"), BS_REACH_UNKNOWN);
    bs_reaches_learn(NULL, "bob@example.org/x", BS_REACH_NEAR);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("si_bytestreams");
    TCase *both = tcase_create("both");
    TCase *requester = tcase_create("requester");
    TCase *target = tcase_create("target");
    TCase *disclosing = tcase_create("disclosure");
    TCase *const tcases[] = {both, requester, target, disclosing};
    SRunner *runner = srunner_create(suite);
    int failed;

    for (guint i = 0; i < G_N_ELEMENTS(tcases); i++) {
        tcase_set_timeout(tcases[i], 120);
        tcase_add_checked_fixture(tcases[i], set_up, tear_down);
        suite_add_tcase(suite, tcases[i]);
    }
    tcase_add_loop_test(both, a_direct_connection_either_way, 0, 2);
    tcase_add_test(both, streamhosts_may_come_early);
    tcase_add_test(both, over_a_proxy_of_the_requester);
    tcase_add_loop_test(both, a_proxy_that_does_not_activate, 0, 2);
    tcase_add_loop_test(both, it_may_be_freed_inside_its_events, 0, 2);
    tcase_add_loop_test(both, it_may_be_freed_at_every_stanza, 0, 32);
    tcase_add_loop_test(both, it_may_be_freed_after_any_while, 0, 20);
    tcase_add_loop_test(both, the_likeliest_first, 0, G_N_ELEMENTS(choices));
    tcase_add_test(both, what_is_known_of_peers);
    tcase_add_test(requester, the_query_is_as_everybody_reads_it);
    tcase_add_loop_test(requester, answers_without_a_connection, 0, G_N_ELEMENTS(useless_answers));
    tcase_add_test(requester, who_is_elsewhere_is_told_no_private_address);
    tcase_add_test(requester, a_target_that_never_answers);
    tcase_add_loop_test(requester, a_connection_before_or_after_its_answer, 0, 4);
    tcase_add_loop_test(requester, a_surplus_connection, 0, 2);
    tcase_add_test(target, the_first_host_that_works);
    tcase_add_loop_test(both, occupants_of_a_room, 0, 2);
#ifdef HAVE_NATPMP
    tcase_add_loop_test(requester, a_mapped_port, 0, 2);
#endif
    tcase_add_test(requester, an_occupant_does_not_tell_its_own_jid);
    tcase_add_test(target, an_occupant_that_does_not_say_what_to_ask_for);
    tcase_add_test(target, the_requester_says_what_to_ask_for);
    tcase_add_loop_test(target, queries_that_lead_nowhere, 0, G_N_ELEMENTS(useless_queries));
    tcase_add_test(target, hosts_that_refuse);
    tcase_add_test(target, too_many_hosts);
    tcase_add_loop_test(target, only_one_query, 0, 2);
    tcase_add_loop_test(target, others_are_not_taken, 0, 4);
    tcase_add_test(target, a_requester_that_tells_nothing);
    tcase_add_test(target, a_cancelled_target_says_so);
    tcase_add_test(target, nothing_before_the_start);
    tcase_add_test(disclosing, a_requester_that_may_tell_nothing);
    tcase_add_test(disclosing, a_requester_that_may_tell_nothing_any_more);
    tcase_add_loop_test(disclosing, hidden_addresses_and_a_proxy, 0, 2);
    tcase_add_test(disclosing, a_target_that_may_tell_nothing);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
