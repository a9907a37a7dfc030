/* Ports that a router maps: offered with the others, or later on, and what becomes of connections to them.
 * The router is one on loopback, which maps nothing: its address on the outside is replaced on the way by one
 * of this machine's. SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <eventloop.h>
#include <netinet/in.h>
#include <prefs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "router_service.h"
#include "socks5/listener.h"
#include "socks5/local_addresses.h"
#include "socks5/port_mapping.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/s5b_xml.h"

#define SIZE 300001
#define HANG_SECONDS 60
#define OUTSIDE "203.0.113.7"
#define SHIFT 1000 /* between the port here and the one on the outside */

#define OFFER                                                                                                \
    "<content creator='initiator' name='c' senders='initiator'>"                                             \
    "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file><name>f</name><size>10</size>"          \
    "</file></description><transport xmlns='" BS_NS_S5B "' sid='stream'>%s</transport></content>"
#define INFO                                                                                                 \
    "<content creator='initiator' name='c'><transport xmlns='" BS_NS_S5B                                     \
    "' sid='stream'>%s</transport></content>"

static Pair *pair;
static Pair *holder; /* whose offer holds the port open; NULL: none */
static RouterService *router;

/* What the filter does. */
static gboolean without_direct;   /* this machine's own addresses do not arrive */
static gboolean without_assisted; /* what Conversations does not know does not arrive either */
static const Side *without_mapped_of;

/* What it has seen of each side: candidates in its description, and in a transport-info. */
typedef struct {
    guint assisted;
    guint twins;
    guint priority;
    guint twins_priority;
} Seen;
static Seen described[2], trickled[2];

static char *
own_address(void)
{
    g_autoptr(GPtrArray) addresses = bs_local_addresses();

    ck_assert_uint_gt(addresses->len, 0);
    return g_strdup(g_ptr_array_index(addresses, 0));
}

/* As if the router did what it says. */
static void
lead_here(xmlnode *candidate)
{
    g_autofree char *address = own_address();
    g_autofree char *port = g_strdup_printf("%u", bs_listener_port());

    xmlnode_set_attrib(candidate, "host", address);
    xmlnode_set_attrib(candidate, "port", port);
}

static void
look_at_candidate(Side *from, xmlnode *candidate, Seen *seen)
{
    gboolean mapped = strcmp(xmlnode_get_attrib(candidate, "host"), router->nat_pmp_outside) == 0;
    gboolean direct = strcmp(xmlnode_get_attrib(candidate, "type"), "direct") == 0;
    guint priority = (guint)atoi(xmlnode_get_attrib(candidate, "priority"));

    if (mapped && direct) {
        seen->twins++;
        seen->twins_priority = priority;
    } else if (mapped) {
        seen->assisted++;
        seen->priority = priority;
    }
    if (mapped) {
        ck_assert_int_eq(atoi(xmlnode_get_attrib(candidate, "port")), bs_listener_port() + SHIFT);
        lead_here(candidate);
    }
    if ((!mapped && without_direct) || (mapped && !direct && without_assisted) ||
        (mapped && from == without_mapped_of))
        xmlnode_free(candidate);
}

static StanzaFate
filter(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    const xmlnode *jingle = bs_jingle_element(stanza);
    const xmlnode *transport = bs_jingle_transport(bs_jingle_first_content(jingle));
    gboolean later = g_strcmp0(bs_jingle_attrib(jingle, "action"), "transport-info") == 0;
    Seen *seen = (later ? trickled : described) + (from == &pair->a ? 0 : 1);
    xmlnode *next;

    (void)the_pair;
    (void)number;
    if (transport == NULL)
        return FATE_ARRIVES;
    ck_assert(xmlnode_get_child(transport, "candidate") == NULL ||
              bs_jingle_attrib(transport, "dstaddr") != NULL);
    for (xmlnode *node = bs_xml_first_element(transport); node != NULL; node = next) {
        next = bs_xml_next_element(node);
        if (bs_xml_is(node, "candidate", BS_NS_S5B))
            look_at_candidate(from, node, seen);
    }
    return FATE_ARRIVES;
}

static void
use(Pair *new_pair)
{
    pair = new_pair;
    pair->filter = filter;
    memset(described, 0, sizeof described);
    memset(trickled, 0, sizeof trickled);
    without_direct = without_assisted = FALSE;
    without_mapped_of = NULL;
}

static void
setup(void)
{
    router = router_service_new(ROUTER_SERVES, ROUTER_IS_NOT_THERE);
    router->nat_pmp_shift = SHIFT;
    bs_port_mapping_look_at(&router->places);
    purple_prefs_set_bool("/purple/network/map_ports", TRUE);
    use(pair_new());
}

static void
teardown(void)
{
    pair_free(pair);
    if (holder != NULL)
        pair_free(holder);
    holder = NULL;
    bs_port_mapping_finish();
    bs_port_mapping_look_at(NULL);
    purple_prefs_set_bool("/purple/network/map_ports", FALSE);
    router_service_free(router);
}

#ifdef HAVE_NATPMP
static gboolean
run_until_mapped(void)
{
    gint64 until = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC;

    while (router->nat_pmp_mapped == 0 && g_get_monotonic_time() < until)
        bs_test_run_for(5);
    bs_test_run_for(50);
    return router->nat_pmp_mapped > 0;
}

static void
check_mapped_route(const Side *listener, const Side *dialler, BsCandidateType as_dialled)
{
    ck_assert_int_eq(listener->reason, BS_END_DELIVERED);
    ck_assert_int_eq(dialler->reason, BS_END_DELIVERED);
    ck_assert_int_eq(listener->route.type, BS_CANDIDATE_ASSISTED);
    ck_assert_str_eq(listener->route.host, OUTSIDE);
    ck_assert(!listener->route.dialled_by_us);
    ck_assert_int_eq(dialler->route.type, as_dialled);
    ck_assert(dialler->route.dialled_by_us);
}

/* The router is as quick as can be, and yet slower than the description, which does not wait for it. */
START_TEST(a_mapping_is_sent_later)
{
    without_direct = TRUE;
    if (_i != 0)
        without_mapped_of = &pair->a;
    pair_offer(&pair->a, "file", SIZE);
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(described[0].assisted + described[1].assisted, 0);
    ck_assert_uint_ge(trickled[0].assisted + trickled[1].assisted, 1);
    ck_assert(pair_has_whole_file(&pair->b, SIZE));
    if (_i != 0)
        check_mapped_route(&pair->b, &pair->a, BS_CANDIDATE_ASSISTED);
    ck_assert_int_eq(pair->a.route.type, BS_CANDIDATE_ASSISTED);
    ck_assert_int_eq(pair->b.route.type, BS_CANDIDATE_ASSISTED);
    ck_assert(bs_test_run_until(&router->nat_pmp_closed, HANG_SECONDS));
}
END_TEST

/* An offer that the user of the other side thinks about has kept the port open, and the router informed. */
START_TEST(a_mapping_that_is_there_is_offered)
{
    holder = pair;
    holder->b.user = USER_WAITS;
    without_direct = TRUE;
    pair_offer(&holder->a, "file", SIZE);
    ck_assert(run_until_mapped());
    /* Nothing is sent before the other side has accepted. */
    ck_assert_uint_eq(trickled[0].assisted, 0);
    use(pair_new());
    without_direct = TRUE;
    without_mapped_of = &pair->b;
    pair_offer(&pair->a, "another", SIZE);
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(described[0].assisted, 1);
    ck_assert_uint_eq(described[0].twins, 1);
    ck_assert_uint_eq(described[0].priority >> 16, 120);
    ck_assert_uint_eq(described[0].twins_priority >> 16, 120);
    ck_assert_uint_gt(described[0].priority, described[0].twins_priority);
    ck_assert_uint_eq(trickled[0].assisted, 0);
    check_mapped_route(&pair->a, &pair->b, BS_CANDIDATE_ASSISTED);
    pair_free(pair);
    pair = g_steal_pointer(&holder);
    without_direct = TRUE;
    pair_accept(&pair->b);
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(trickled[0].assisted, 1);
    ck_assert_int_eq(pair->b.route.type, BS_CANDIDATE_ASSISTED);
}
END_TEST

/* Conversations takes only what is called direct, whatever it is. */
START_TEST(a_peer_that_knows_no_assisted_candidates)
{
    without_direct = without_assisted = TRUE;
    without_mapped_of = &pair->a;
    pair_offer(&pair->a, "file", SIZE);
    ck_assert(pair_settle(pair));
    ck_assert(pair_has_whole_file(&pair->b, SIZE));
    check_mapped_route(&pair->b, &pair->a, BS_CANDIDATE_DIRECT);
}
END_TEST

START_TEST(a_direct_connection_is_better)
{
    pair_offer(&pair->a, "file", SIZE);
    ck_assert(pair_settle(pair));
    ck_assert(pair_has_whole_file(&pair->b, SIZE));
    ck_assert_int_eq(pair->a.route.type, BS_CANDIDATE_DIRECT);
    ck_assert_int_eq(pair->b.route.type, BS_CANDIDATE_DIRECT);
    bs_test_run_for(200);
    ck_assert_uint_ge(router->nat_pmp_removed, router->nat_pmp_mapped);
}
END_TEST

/* Behind two routers: it may help, and must not cost much. */
START_TEST(a_private_address_is_told_once)
{
    g_strlcpy(router->nat_pmp_outside, "100.64.1.2", sizeof router->nat_pmp_outside);
    without_direct = TRUE;
    pair_offer(&pair->a, "file", SIZE);
    ck_assert(pair_settle(pair));
    ck_assert_uint_ge(trickled[0].assisted + trickled[1].assisted, 1);
    ck_assert_uint_eq(trickled[0].twins + trickled[1].twins, 0);
    ck_assert_int_eq(pair->a.reason, BS_END_DELIVERED);
}
END_TEST

/* The router got another address while the other side's user made up his mind. */
START_TEST(a_mapping_that_changed_is_told_anew)
{
    guint before;

    router->lifetime = 2;
    holder = pair;
    holder->b.user = USER_WAITS;
    pair_offer(&holder->a, "holds the port open", SIZE);
    ck_assert(run_until_mapped());
    use(pair_new());
    pair->b.user = USER_WAITS;
    pair_offer(&pair->a, "file", SIZE);
    bs_test_run_for(50);
    ck_assert_uint_eq(described[0].assisted, 1);
    g_strlcpy(router->nat_pmp_outside, "203.0.113.8", sizeof router->nat_pmp_outside);
    before = router->nat_pmp_mapped;
    for (guint i = 0; i < 100 * HANG_SECONDS && router->nat_pmp_mapped <= before; i++)
        bs_test_run_for(10);
    bs_test_run_for(100);
    ck_assert_uint_eq(trickled[0].assisted, 0);
    pair_accept(&pair->b);
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(trickled[0].assisted, 1);
    ck_assert(pair_has_whole_file(&pair->b, SIZE));
}
END_TEST

/* A peer that has said that it reaches none of our candidates does not dial later ones. */
START_TEST(nothing_is_told_after_the_peers_report)
{
    /* A peer without any is not waited for. */
    g_autofree char *offer = g_strdup_printf(
        OFFER, "<candidate cid='1' host='0.0.0.0' jid='bob@two.test/b' port='7' priority='7'/>");
    g_autofree char *error = g_strdup_printf(INFO, "<candidate-error/>");
    g_autofree char *answer = NULL;
    g_autofree char *info = NULL;

    pair_free(pair);
    use(pair_new_scripted());
    router->nat_pmp = ROUTER_IS_SILENT;
    answer = script_jingle(pair, "session-initiate", "s", offer);
    ck_assert_str_eq(answer, "result");
    ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
    info = script_jingle(pair, "transport-info", "s", error);
    ck_assert_str_eq(info, "result");
    router->nat_pmp = ROUTER_SERVES;
    ck_assert(run_until_mapped());
    bs_test_run_for(100);
    ck_assert_uint_eq(trickled[0].assisted, 0);
}
END_TEST
#endif

static BsDisclosure disclosure;

static BsDisclosure
disclose(PurpleAccount *account, const char *peer)
{
    (void)account;
    (void)peer;
    return disclosure;
}

START_TEST(who_tells_no_address_maps_no_port)
{
    disclosure = _i == 0 ? BS_DISCLOSE_USER_PROXY : BS_DISCLOSE_NOTHING;
    bs_endpoint_set_disclosure(pair->a.endpoint, disclose);
    bs_endpoint_set_disclosure(pair->b.endpoint, disclose);
    pair_offer(&pair->a, "file", SIZE);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_DELIVERED);
    ck_assert_uint_eq(router->nat_pmp_requests, 0);
}
END_TEST

static void
peer_is_dialled(int fd, const char *local_address, gpointer data)
{
    (void)local_address;
    *(int *)data = fd;
}

/* TRUE if side a has sent a report with this element, and in `*cid` (owned by the stanza) what it names. */
static gboolean
has_reported(const char *element, const char **cid)
{
    for (guint i = 0; i < pair->b.inbox->len; i++) {
        const xmlnode *jingle = bs_jingle_element(g_ptr_array_index(pair->b.inbox, i));
        const xmlnode *transport = bs_jingle_transport(bs_jingle_first_content(jingle));
        xmlnode *report = transport != NULL ? bs_xml_child(transport, element, BS_NS_S5B) : NULL;

        if (report == NULL)
            continue;
        *cid = xmlnode_get_attrib(report, "cid");
        return TRUE;
    }
    return FALSE;
}

/* All that the peer offered has failed, and what its router maps a moment later is used all the same. */
START_TEST(a_candidate_that_comes_when_all_have_failed)
{
    static const char candidate[] =
        "<candidate cid='%s' host='%s' port='%u' jid='bob@two.test/b' priority='%u' type='%s'/>";
    g_autofree char *address = own_address();
    g_autofree char *dead = g_strdup_printf(candidate, "dead", address, 1u, 8257536u, "direct");
    g_autofree char *offer = g_strdup_printf(OFFER, dead);
    g_autofree char *dst_addr = bs_dst_addr("stream", "bob@two.test/b", "alice@one.test/a");
    g_autofree char *late = NULL;
    g_autofree char *info = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    const char *cid = NULL;
    int fd = -1;
    BsListenerTicket *ticket = bs_listener_expect("test", dst_addr, NULL, peer_is_dialled, &fd, NULL);

    pair_free(pair);
    use(pair_new_scripted());
    purple_prefs_set_bool("/purple/network/map_ports", FALSE);
    first = script_jingle(pair, "session-initiate", "s", offer);
    ck_assert_str_eq(first, "result");
    ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
    bs_test_run_for(300);
    ck_assert(!has_reported("candidate-error", &cid));
    late = g_strdup_printf(candidate, "late", address, (guint)bs_listener_port(), 7912448u, "assisted");
    info = g_strdup_printf(INFO, late);
    second = script_jingle(pair, "transport-info", "s", info);
    ck_assert_str_eq(second, "result");
    for (guint i = 0; i < 100 * HANG_SECONDS && !has_reported("candidate-used", &cid); i++)
        bs_test_run_for(10);
    ck_assert_pstr_eq(cid, "late");
    ck_assert_int_ge(fd, 0);
    ck_assert(!has_reported("candidate-error", &cid));
    close(fd);
    bs_listener_forget(ticket);
}
END_TEST

/* Closes at once what comes, and counts. */
static void
turn_away(gpointer data, int listening, PurpleInputCondition condition)
{
    int fd = accept(listening, NULL, NULL);

    (void)condition;
    ck_assert_int_ge(fd, 0);
    close(fd);
    ++*(guint *)data;
}

static int
open_socket(guint16 *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)(gpointer)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)(gpointer)&address, &length), 0);
    *port = g_ntohs(address.sin_port);
    return fd;
}

/* A mapped port that is offered twice is dialled as often as one that is offered once: for each DST.ADDR. */
START_TEST(the_same_place_is_dialled_once)
{
    static const char candidates[] =
        "<candidate cid='one' host='%s' port='%u' jid='bob@two.test/b' priority='7912448' type='assisted'/>"
        "<candidate cid='two' host='%s' port='%u' jid='bob@two.test/b' priority='7912446' type='direct'/>";
    g_autofree char *address = own_address();
    g_autofree char *both = NULL;
    g_autofree char *offer = NULL;
    g_autofree char *answer = NULL;
    const char *cid;
    guint16 port;
    guint dialled = 0;
    int fd = open_socket(&port);
    guint watch = purple_input_add(fd, PURPLE_INPUT_READ, turn_away, &dialled);

    both = g_strdup_printf(candidates, address, port, address, port);
    offer = g_strdup_printf(OFFER, both);
    pair_free(pair);
    use(pair_new_scripted());
    purple_prefs_set_bool("/purple/network/map_ports", FALSE);
    answer = script_jingle(pair, "session-initiate", "s", offer);
    ck_assert_str_eq(answer, "result");
    for (guint i = 0; i < 100 * HANG_SECONDS && !has_reported("candidate-error", &cid); i++)
        bs_test_run_for(10);
    ck_assert(has_reported("candidate-error", &cid));
    ck_assert_uint_eq(dialled, 2);
    purple_input_remove(watch);
    close(fd);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("mapped");
    TCase *tcase = tcase_create("mapped");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, setup, teardown);
#ifdef HAVE_NATPMP
    tcase_add_loop_test(tcase, a_mapping_is_sent_later, 0, 2);
    tcase_add_test(tcase, a_mapping_that_is_there_is_offered);
    tcase_add_test(tcase, a_peer_that_knows_no_assisted_candidates);
    tcase_add_test(tcase, a_direct_connection_is_better);
    tcase_add_test(tcase, a_private_address_is_told_once);
    tcase_add_test(tcase, a_mapping_that_changed_is_told_anew);
    tcase_add_test(tcase, nothing_is_told_after_the_peers_report);
#endif
    tcase_add_loop_test(tcase, who_tells_no_address_maps_no_port, 0, 2);
    tcase_add_test(tcase, a_candidate_that_comes_when_all_have_failed);
    tcase_add_test(tcase, the_same_place_is_dialled_once);
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
