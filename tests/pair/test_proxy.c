/* Files over proxies: two endpoints that cannot reach each other, and proxies that serve them or do not.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"
#include "purple_env.h"
#include "services.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/s5b_xml.h"

#define SIZE 3000001
#define HANG_SECONDS 60

static Pair *pair;
static Services *services;

/* What the filter has seen. */
static guint offered;   /* proxies, in both descriptions */
static guint activated; /* reports of each kind */
static guint proxy_errors;
static guint directs[2]; /* direct candidates that each side told */

/* What the filter does. */
static gboolean with_direct; /* the direct candidates arrive as well */
static gboolean with_cid;    /* proxy-error gets one, as Psi sends it */
static gboolean errors_are_late;

static void
look_at_candidates(const xmlnode *transport, guint *direct)
{
    xmlnode *next;

    for (xmlnode *node = bs_xml_first_element(transport); node != NULL; node = next) {
        next = bs_xml_next_element(node);
        if (!bs_xml_is(node, "candidate", BS_NS_S5B))
            continue;
        if (strcmp(xmlnode_get_attrib(node, "type"), "proxy") == 0) {
            offered++;
            continue;
        }
        (*direct)++;
        if (!with_direct)
            xmlnode_free(node);
    }
}

static StanzaFate
filter(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    const xmlnode *transport = bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(stanza)));
    xmlnode *error;

    (void)the_pair;
    (void)number;
    if (services_take(services, from, stanza))
        return FATE_IS_LOST;
    if (transport == NULL)
        return FATE_ARRIVES;
    look_at_candidates(transport, &directs[from == &pair->b]);
    activated += bs_xml_child(transport, "activated", BS_NS_S5B) != NULL;
    error = bs_xml_child(transport, "proxy-error", BS_NS_S5B);
    if (error != NULL) {
        proxy_errors++;
        ck_assert_ptr_null(xmlnode_get_attrib(error, "cid"));
        if (with_cid)
            xmlnode_set_attrib(error, "cid", "whatever");
    }
    if (errors_are_late && bs_xml_child(transport, "candidate-error", BS_NS_S5B) != NULL)
        return FATE_ARRIVES_LATE;
    return FATE_ARRIVES;
}

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new();
    pair->filter = filter;
    services = services_new();
    offered = activated = proxy_errors = 0;
    directs[0] = directs[1] = 0;
    with_direct = with_cid = errors_are_late = FALSE;
}

static void
teardown(void)
{
    pair_free(pair);
    services_free(services);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static void
check_delivered(Side *from, Side *to)
{
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(from->reason, BS_END_DELIVERED);
    ck_assert_int_eq(to->reason, BS_END_DELIVERED);
    ck_assert(pair_has_whole_file(to, SIZE));
    ck_assert_uint_eq(pair->unclaimed, 0);
}

/* It went over a proxy of this service, which was activated once, and before the first byte. */
static void
check_route(const ProxyService *service)
{
    ck_assert_int_eq(pair->a.route.type, BS_CANDIDATE_PROXY);
    ck_assert_int_eq(pair->b.route.type, BS_CANDIDATE_PROXY);
    ck_assert_uint_eq(pair->a.route.port, service->port);
    ck_assert_uint_eq(pair->b.route.port, service->port);
    ck_assert_uint_eq(service->activations, 1);
    ck_assert(!service->early);
    ck_assert_uint_eq(activated, 1);
    ck_assert_uint_eq(proxy_errors, 0);
}

/* In both directions of the file: _i. */

static Side *
sender(int i)
{
    return i == 0 ? &pair->a : &pair->b;
}

START_TEST(over_the_initiators_proxy)
{
    Side *from = sender(_i);

    services_give_proxies(from, 1);
    pair_offer(from, "file", SIZE);
    check_delivered(from, from->peer);
    check_route(services->proxies[_i]);
}
END_TEST

START_TEST(over_the_responders_proxy)
{
    Side *from = sender(_i);

    services_give_proxies(from->peer, 1);
    pair_offer(from, "file", SIZE);
    check_delivered(from, from->peer);
    check_route(services->proxies[1 - _i]);
}
END_TEST

START_TEST(both_offer_a_proxy)
{
    services_give_proxies(&pair->a, 1);
    services_give_proxies(&pair->b, 1);
    pair_offer(sender(_i), "file", SIZE);
    check_delivered(sender(_i), sender(_i)->peer);
    ck_assert_uint_eq(offered, 2);
    check_route(services->proxies[0]->activations > 0 ? services->proxies[0] : services->proxies[1]);
    ck_assert_uint_eq(services->proxies[0]->activations + services->proxies[1]->activations, 1);
}
END_TEST

/* XEP-0260, 2.2: the responder does not offer what the initiator did. */
START_TEST(both_have_the_same_proxy)
{
    services->listed[1] = services->listed[0];
    services_give_proxies(&pair->a, 1);
    services_give_proxies(&pair->b, 1);
    pair_offer(sender(_i), "file", SIZE);
    check_delivered(sender(_i), sender(_i)->peer);
    ck_assert_uint_eq(offered, 1);
    check_route(services->proxies[0]);
}
END_TEST

START_TEST(a_direct_connection_is_better)
{
    with_direct = TRUE;
    services_give_proxies(&pair->a, 1);
    services_give_proxies(&pair->b, 1);
    pair_offer(sender(_i), "file", SIZE);
    check_delivered(sender(_i), sender(_i)->peer);
    ck_assert_int_eq(pair->a.route.type, BS_CANDIDATE_DIRECT);
    ck_assert_uint_eq(services->proxies[0]->activations + services->proxies[1]->activations, 0);
}
END_TEST

/* Only `activated` tells that the connection may be used, also where it comes before the other reports. */
START_TEST(activated_overtakes_the_report)
{
    Side *from = sender(_i);

    errors_are_late = TRUE;
    services_give_proxies(from, 1);
    pair_offer(from, "file", SIZE);
    check_delivered(from, from->peer);
    check_route(services->proxies[_i]);
}
END_TEST

static BsDisclosure
tells_nobody(PurpleAccount *account, const char *peer)
{
    (void)account;
    (void)peer;
    return BS_DISCLOSE_NOTHING;
}

/* Nobody is in the way of a direct connection, but the side that must not be seen takes its own proxy. */
START_TEST(a_hidden_side_uses_its_proxy)
{
    Side *from = sender(_i % 2);
    Side *hidden = sender(_i / 2);

    with_direct = TRUE;
    bs_endpoint_set_disclosure(hidden->endpoint, tells_nobody);
    services_give_proxies(hidden, 1);
    pair_offer(from, "file", SIZE);
    check_delivered(from, from->peer);
    check_route(services->proxies[_i / 2]);
    ck_assert_uint_eq(directs[_i / 2], 0);
    ck_assert_uint_gt(directs[1 - _i / 2], 0);
}
END_TEST

/* The one that is offered is one that the other knows by itself. */
START_TEST(two_hidden_sides_meet_at_the_same_proxy)
{
    with_direct = TRUE;
    services->listed[1] = services->listed[0];
    bs_endpoint_set_disclosure(pair->a.endpoint, tells_nobody);
    bs_endpoint_set_disclosure(pair->b.endpoint, tells_nobody);
    services_give_proxies(&pair->a, 1);
    services_give_proxies(&pair->b, 1);
    pair_offer(sender(_i), "file", SIZE);
    check_delivered(sender(_i), sender(_i)->peer);
    check_route(services->proxies[0]);
    ck_assert_uint_eq(directs[0] + directs[1], 0);
}
END_TEST

/* Each one's proxy could be anybody's to the other. */
START_TEST(two_hidden_sides_do_not_trust_each_others_proxy)
{
    with_direct = TRUE;
    bs_endpoint_set_disclosure(pair->a.endpoint, tells_nobody);
    bs_endpoint_set_disclosure(pair->b.endpoint, tells_nobody);
    services_give_proxies(&pair->a, 1);
    services_give_proxies(&pair->b, 1);
    pair_offer(sender(_i), "file", SIZE);
    check_delivered(sender(_i), sender(_i)->peer);
    ck_assert(pair->a.route.in_band && pair->b.route.in_band);
    ck_assert_uint_eq(offered, 2);
    ck_assert_uint_eq(directs[0] + directs[1], 0);
    /* Each by its own side, to try it. */
    ck_assert_uint_eq(services->proxies[0]->connections, 1);
    ck_assert_uint_eq(services->proxies[1]->connections, 1);
}
END_TEST

/* The proxy was of no use: another way, or none. */
static void
check_not_over_a_proxy(void)
{
    ck_assert(pair_settle(pair));
    for (Side *side = &pair->a; side != NULL; side = side == &pair->a ? &pair->b : NULL) {
        ck_assert(side->started == 0 || side->route.type != BS_CANDIDATE_PROXY);
        ck_assert(side->started > 0 || side->reason == BS_END_NO_ROUTE);
    }
    ck_assert_uint_eq(activated, 0);
}

/* Where the proxy is the initiator's (_i: 0) and the responder's (1). */
static void
offer_over(guint i, ProxyManner manner)
{
    services_give_proxies(sender((int)i), 1);
    services->proxies[i]->manner = manner;
    pair_offer(&pair->a, "file", SIZE);
    check_not_over_a_proxy();
    ck_assert_uint_eq(offered, 1);
}

START_TEST(activation_is_refused)
{
    with_cid = _i >= 2;
    offer_over((guint)_i % 2, PROXY_REFUSES_ACTIVATION);
    ck_assert_uint_eq(services->proxies[_i % 2]->activations, 1);
    ck_assert_uint_eq(proxy_errors, 1);
    ck_assert_uint_eq(services_count_working(sender(_i % 2)), 0);
}
END_TEST

START_TEST(activation_is_not_answered)
{
    bs_test_hurry(4);
    offer_over((guint)_i, PROXY_IGNORES_ACTIVATION);
    ck_assert_uint_eq(services->proxies[_i]->activations, 1);
    ck_assert_uint_ge(proxy_errors, 1);
    ck_assert_uint_eq(services_count_working(sender(_i)), 0);
}
END_TEST

START_TEST(falls_silent_after_it_was_found)
{
    bs_test_hurry(4);
    offer_over((guint)_i, PROXY_SAYS_NOTHING);
    ck_assert_uint_eq(services->proxies[_i]->activations, 0);
    ck_assert_uint_gt(services->proxies[_i]->connections, 1);
}
END_TEST

START_TEST(dies_after_it_was_found)
{
    services_give_proxies(sender(_i), 1);
    proxy_service_kill(services->proxies[_i]);
    pair_offer(&pair->a, "file", SIZE);
    check_not_over_a_proxy();
    ck_assert_uint_eq(offered, 1);
}
END_TEST

static gboolean
becomes_silent(gpointer data)
{
    ProxyService *service = data;

    /* The trial was the first connection, the peer's the second. */
    if (service->connections >= 2)
        service->manner = PROXY_SAYS_NOTHING;
    return service->connections < 2;
}

/* The peer has reached it, and its owner does not. */
START_TEST(falls_silent_after_the_peer_reached_it)
{
    bs_test_hurry(4);
    services_give_proxies(sender(_i), 1);
    g_timeout_add(0, becomes_silent, services->proxies[_i]);
    pair_offer(&pair->a, "file", SIZE);
    check_not_over_a_proxy();
    ck_assert_uint_eq(proxy_errors, 1);
    ck_assert_uint_eq(services->proxies[_i]->activations, 0);
    ck_assert_uint_eq(services_count_working(sender(_i)), 0);
}
END_TEST

/* The owner never says a word of it. */
static StanzaFate
loses_activation_news(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    const xmlnode *transport = bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(stanza)));

    if (from == &pair->a && transport != NULL &&
        (bs_xml_child(transport, "activated", BS_NS_S5B) != NULL ||
         bs_xml_child(transport, "proxy-error", BS_NS_S5B) != NULL))
        return FATE_IS_LOST;
    return filter(the_pair, number, from, stanza);
}

START_TEST(the_peer_never_activates)
{
    bs_test_hurry(4);
    pair->filter = loses_activation_news;
    services_give_proxies(&pair->a, 1);
    services->proxies[0]->manner = PROXY_REFUSES_ACTIVATION;
    pair_offer(&pair->a, "file", SIZE);
    check_not_over_a_proxy();
}
END_TEST

START_TEST(a_dead_proxy_is_not_offered)
{
    with_direct = TRUE;
    proxy_service_kill(services->proxies[_i]);
    services_give_proxies(sender(_i), 0);
    for (guint i = 0; i < HANG_SECONDS * 100 && services->proxies[_i]->address_asked == 0; i++)
        bs_test_run_for(10);
    bs_test_run_for(200);
    pair_offer(&pair->a, "file", SIZE);
    check_delivered(&pair->a, &pair->b);
    ck_assert_uint_eq(offered, 0);
}
END_TEST

/* While it connects to the proxy, and while it waits for the activation. */
static Side *who_goes;

static gboolean
go_when_asked_to_activate(gpointer data)
{
    const ProxyService *service = data;

    if (service->activations == 0 || who_goes->transfer == NULL)
        return who_goes->ended == 0;
    bs_transfer_cancel(g_steal_pointer(&who_goes->transfer));
    return FALSE;
}

START_TEST(cancelled_during_the_activation)
{
    who_goes = sender(_i);
    services_give_proxies(&pair->a, 1);
    services->proxies[0]->manner = PROXY_IGNORES_ACTIVATION;
    g_timeout_add(1, go_when_asked_to_activate, services->proxies[0]);
    pair_offer(&pair->a, "file", SIZE);
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(services->proxies[0]->activations, 1);
    ck_assert_int_eq(who_goes->peer->reason, BS_END_CANCELLED);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("proxy");
    TCase *tcase = tcase_create("proxy");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, over_the_initiators_proxy, 0, 2);
    tcase_add_loop_test(tcase, over_the_responders_proxy, 0, 2);
    tcase_add_loop_test(tcase, both_offer_a_proxy, 0, 2);
    tcase_add_loop_test(tcase, both_have_the_same_proxy, 0, 2);
    tcase_add_loop_test(tcase, a_direct_connection_is_better, 0, 2);
    tcase_add_loop_test(tcase, activated_overtakes_the_report, 0, 2);
    tcase_add_loop_test(tcase, a_hidden_side_uses_its_proxy, 0, 4);
    tcase_add_loop_test(tcase, two_hidden_sides_meet_at_the_same_proxy, 0, 2);
    tcase_add_loop_test(tcase, two_hidden_sides_do_not_trust_each_others_proxy, 0, 2);
    tcase_add_loop_test(tcase, activation_is_refused, 0, 4);
    tcase_add_loop_test(tcase, activation_is_not_answered, 0, 2);
    tcase_add_loop_test(tcase, falls_silent_after_it_was_found, 0, 2);
    tcase_add_loop_test(tcase, falls_silent_after_the_peer_reached_it, 0, 2);
    tcase_add_loop_test(tcase, dies_after_it_was_found, 0, 2);
    tcase_add_test(tcase, the_peer_never_activates);
    tcase_add_loop_test(tcase, a_dead_proxy_is_not_offered, 0, 2);
    tcase_add_loop_test(tcase, cancelled_during_the_activation, 0, 2);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
