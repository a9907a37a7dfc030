/* What a peer may learn, and when: who is told, dialled and looked up, and through what.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <check.h>
#include <dnsquery.h>
#include <eventloop.h>
#include <netinet/in.h>
#include <prefs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "socks5/ip_address.h"
#include "socks5/listener.h"
#include "socks5/local_addresses.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/s5b_xml.h"

#define HANG_SECONDS 60
#define NAME "peer.example"
#define OFFER                                                                                                \
    "<content creator='initiator' name='c' senders='initiator'>"                                             \
    "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file><name>f</name><size>10</size>"          \
    "</file></description><transport xmlns='" BS_NS_S5B "' sid='stream'>%s</transport></content>"
#define INFO                                                                                                 \
    "<content creator='initiator' name='c'><transport xmlns='" BS_NS_S5B                                     \
    "' sid='stream'>%s</transport></content>"
#define CANDIDATE "<candidate cid='%s' host='%s' port='%u' jid='bob@two.test/b' priority='%u' type='%s'/>"

/* A machine that notes down what SOCKS5 clients ask it for, and serves nobody. */
typedef struct {
    char *host;
    guint16 port;
    gboolean reached;
    GPtrArray *asked; /* char *, "host port" */
    int fd;
    guint watch;
    GPtrArray *guests; /* Guest */
} Witness;

typedef struct {
    Witness *witness;
    int fd;
    guint watch;
    gboolean greeted;
    GByteArray *said;
} Guest;

static Pair *pair;
static Witness *witness;
static BsDisclosure disclosure;
static gboolean looked_up; /* a name, not an address */

static void
guest_free(gpointer data)
{
    Guest *guest = data;

    if (guest->watch != 0)
        purple_input_remove(guest->watch);
    close(guest->fd);
    g_byte_array_unref(guest->said);
    g_free(guest);
}

/* Returns how many bytes of the greeting or request have been dealt with; 0: more are needed. */
static guint
hear_greeting(Guest *guest)
{
    const guint8 *said = guest->said->data;

    if (guest->said->len < 2 || guest->said->len < 2u + said[1])
        return 0;
    guest->greeted = send(guest->fd, "\x05\x00", 2, MSG_NOSIGNAL) == 2;
    return 2u + said[1];
}

static char *
read_host(const guint8 *request)
{
    char text[INET6_ADDRSTRLEN];

    if (request[3] == 3)
        return g_strndup((const char *)request + 5, request[4]);
    return g_strdup(inet_ntop(request[3] == 1 ? AF_INET : AF_INET6, request + 4, text, sizeof text));
}

static guint
hear_request(Guest *guest)
{
    const guint8 *said = guest->said->data;
    guint port_at;
    g_autofree char *host = NULL;

    if (guest->said->len < 5)
        return 0;
    port_at = said[3] == 3 ? 5u + said[4] : said[3] == 1 ? 8 : 20;
    if (guest->said->len < port_at + 2)
        return 0;
    host = read_host(said);
    g_ptr_array_add(guest->witness->asked,
                    g_strdup_printf("%s %u", host, (guint)said[port_at] << 8 | said[port_at + 1]));
    /* Connection refused. */
    ck_assert_int_eq(send(guest->fd, "\x05\x05\x00\x01\0\0\0\0\0\0", 10, MSG_NOSIGNAL), 10);
    shutdown(guest->fd, SHUT_WR);
    return port_at + 2;
}

static void
guest_speaks(gpointer data, int fd, PurpleInputCondition condition)
{
    Guest *guest = data;
    guint8 bytes[600];
    gssize got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    guint done;

    (void)condition;
    if (got <= 0) {
        purple_input_remove(guest->watch);
        guest->watch = 0;
        return;
    }
    g_byte_array_append(guest->said, bytes, (guint)got);
    do {
        done = guest->greeted ? hear_request(guest) : hear_greeting(guest);
        g_byte_array_remove_range(guest->said, 0, done);
    } while (done > 0);
}

static void
guest_comes(gpointer data, int listening, PurpleInputCondition condition)
{
    Witness *self = data;
    Guest *guest = g_new0(Guest, 1);

    (void)condition;
    self->reached = TRUE;
    guest->witness = self;
    guest->fd = accept(listening, NULL, NULL);
    ck_assert_int_ge(guest->fd, 0);
    guest->said = g_byte_array_new();
    guest->watch = purple_input_add(guest->fd, PURPLE_INPUT_READ, guest_speaks, guest);
    g_ptr_array_add(self->guests, guest);
}

/* At an address of this machine that a peer elsewhere could have. */
static Witness *
witness_new(void)
{
    Witness *self = g_new0(Witness, 1);
    g_autoptr(GPtrArray) addresses = bs_local_addresses();
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    gboolean ipv6;
    struct sockaddr *address;
    socklen_t length;

    ck_assert_uint_gt(addresses->len, 0);
    self->host = g_strdup(g_ptr_array_index(addresses, 0));
    ipv6 = strchr(self->host, ':') != NULL;
    address = ipv6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    length = ipv6 ? sizeof six : sizeof four;
    self->asked = g_ptr_array_new_with_free_func(g_free);
    self->guests = g_ptr_array_new_with_free_func(guest_free);
    self->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(self->fd, address, length), 0);
    ck_assert_int_eq(listen(self->fd, 20), 0);
    ck_assert_int_eq(getsockname(self->fd, address, &length), 0);
    self->port = g_ntohs(ipv6 ? six.sin6_port : four.sin_port);
    self->watch = purple_input_add(self->fd, PURPLE_INPUT_READ, guest_comes, self);
    return self;
}

static void
witness_free(Witness *self)
{
    purple_input_remove(self->watch);
    close(self->fd);
    g_ptr_array_unref(self->guests);
    g_ptr_array_unref(self->asked);
    g_free(self->host);
    g_free(self);
}

static gboolean
was_asked_for(const char *place)
{
    return g_ptr_array_find_with_equal_func(witness->asked, place, g_str_equal, NULL);
}

/* libpurple comes here with names only. */
static gboolean
look_up(PurpleDnsQueryData *query, PurpleDnsQueryResolvedCallback resolved,
        PurpleDnsQueryFailedCallback failed)
{
    (void)resolved;
    looked_up = TRUE;
    failed(query, "there is no such name");
    return TRUE;
}

static PurpleDnsQueryUiOps dns_ops = {.resolve_host = look_up};

static BsDisclosure
policy(PurpleAccount *account, const char *peer)
{
    ck_assert_ptr_null(account);
    ck_assert_str_eq(peer, pair->b.jid);
    return disclosure;
}

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new_scripted();
    bs_endpoint_set_disclosure(pair->a.endpoint, policy);
    witness = witness_new();
    looked_up = FALSE;
    purple_dnsquery_set_ui_ops(&dns_ops);
}

static void
teardown(void)
{
    pair_free(pair);
    witness_free(witness);
    purple_dnsquery_set_ui_ops(NULL);
    purple_prefs_set_string("/purple/proxy/type", "none");
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static void
send_jingle(const char *action, const char *format, const char *candidates)
{
    g_autofree char *contents = g_strdup_printf(format, candidates);
    g_autofree char *answer = script_jingle(pair, action, "s1", contents);

    ck_assert_str_eq(answer, "result");
}

/* What a peer has: a machine of its own, which it also calls a proxy, and one that it has only a name of. */
static char *
tempting_candidates(void)
{
    return g_strdup_printf(CANDIDATE CANDIDATE CANDIDATE, "1", witness->host, witness->port, 8257536u,
                           "direct", "2", NAME, 7777u, 8257535u, "direct", "3", witness->host, witness->port,
                           655360u, "proxy");
}

static const xmlnode *
transport_of(const char *action)
{
    xmlnode *stanza = script_expect(pair, action);

    ck_assert_ptr_nonnull(stanza);
    return bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(stanza)));
}

/* What alice has just told of herself. */
static void
check_told(const xmlnode *transport)
{
    gboolean expected = disclosure == BS_DISCLOSE_ADDRESSES;

    ck_assert((bs_xml_child(transport, "candidate", BS_NS_S5B) != NULL) == expected);
    ck_assert((bs_listener_port() != 0) == expected);
}

START_TEST(an_offer_tells_what_may_be_told)
{
    disclosure = (BsDisclosure)_i;
    pair_offer(&pair->a, "file", 10);
    check_told(transport_of("session-initiate"));
}
END_TEST

START_TEST(an_acceptance_tells_what_may_be_told)
{
    disclosure = (BsDisclosure)_i;
    send_jingle("session-initiate", OFFER, "");
    check_told(transport_of("session-accept"));
}
END_TEST

START_TEST(the_peer_is_dialled_where_it_may_know)
{
    g_autofree char *candidates = tempting_candidates();

    disclosure = BS_DISCLOSE_ADDRESSES;
    send_jingle("session-initiate", OFFER, candidates);
    ck_assert_ptr_nonnull(bs_xml_child(transport_of("transport-info"), "candidate-error", BS_NS_S5B));
    ck_assert(witness->reached);
    ck_assert(looked_up);
}
END_TEST

/* Neither its machine nor what it calls a proxy; and it hears so, that another transport may be tried. */
START_TEST(the_peer_is_not_dialled_where_it_may_not_know)
{
    g_autofree char *candidates = tempting_candidates();

    disclosure = BS_DISCLOSE_NOTHING;
    if (_i == 0) {
        send_jingle("session-initiate", OFFER, candidates);
    } else {
        send_jingle("session-initiate", OFFER, "");
        ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
        send_jingle("transport-info", INFO, candidates);
    }
    ck_assert_ptr_nonnull(bs_xml_child(transport_of("transport-info"), "candidate-error", BS_NS_S5B));
    bs_test_run_for(200);
    ck_assert(!witness->reached);
    ck_assert(!looked_up);
}
END_TEST

/* Nothing to dial, and nothing will come: without any wait, both find that they need another transport. */
START_TEST(a_hidden_peer_is_not_waited_for)
{
    gboolean reported = FALSE;

    disclosure = BS_DISCLOSE_ADDRESSES;
    send_jingle("session-initiate", OFFER, "");
    ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
    send_jingle("transport-info", INFO, "<candidate-error/>");
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    for (guint i = 0; i < pair->b.inbox->len; i++) {
        const xmlnode *jingle = bs_jingle_element(g_ptr_array_index(pair->b.inbox, i));

        reported |= jingle != NULL && strcmp(bs_jingle_attrib(jingle, "action"), "transport-info") == 0;
    }
    ck_assert(reported);
}
END_TEST

/* Names and addresses arrive at the proxy as they are; its own neighbourhood is not shown to anybody. */
START_TEST(all_goes_through_the_users_proxy)
{
    static const char *const types[] = {"socks5", "tor"};
    g_autofree char *candidates =
        g_strdup_printf(CANDIDATE CANDIDATE CANDIDATE CANDIDATE CANDIDATE CANDIDATE, "1", "192.0.2.7", 5001u,
                        8257540u, "direct", "2", "2001:db8::7", 5002u, 8257539u, "direct", "3", NAME, 5003u,
                        8257538u, "direct", "4", "127.0.0.1", 5004u, 8257537u, "direct", "5", "localhost",
                        5005u, 8257536u, "direct", "6", "169.254.1.1", 5006u, 8257535u, "direct");

    disclosure = BS_DISCLOSE_USER_PROXY;
    purple_prefs_set_string("/purple/proxy/host", witness->host);
    purple_prefs_set_int("/purple/proxy/port", witness->port);
    purple_prefs_set_string("/purple/proxy/type", types[_i]);
    send_jingle("session-initiate", OFFER, candidates);
    check_told(transport_of("session-accept"));
    ck_assert_ptr_nonnull(bs_xml_child(transport_of("transport-info"), "candidate-error", BS_NS_S5B));
    ck_assert_uint_eq(witness->asked->len, 3);
    ck_assert(was_asked_for("192.0.2.7 5001"));
    ck_assert(was_asked_for("2001:db8::7 5002"));
    ck_assert(was_asked_for(NAME " 5003"));
    ck_assert(!looked_up);
}
END_TEST

/* A SOCKS4 proxy of the user's takes no names, and libpurple would look them up. */
START_TEST(a_name_is_not_dialled_if_it_must_be_looked_up_here)
{
    g_autofree char *candidates = g_strdup_printf(CANDIDATE, "1", NAME, 5003u, 8257538u, "direct");

    disclosure = BS_DISCLOSE_USER_PROXY;
    purple_prefs_set_string("/purple/proxy/host", witness->host);
    purple_prefs_set_int("/purple/proxy/port", witness->port);
    purple_prefs_set_string("/purple/proxy/type", "socks4");
    send_jingle("session-initiate", OFFER, candidates);
    ck_assert_ptr_nonnull(bs_xml_child(transport_of("transport-info"), "candidate-error", BS_NS_S5B));
    ck_assert(!witness->reached);
    ck_assert(!looked_up);
}
END_TEST

/* However often the peer asks for it. */
START_TEST(nothing_happens_before_the_user_has_accepted)
{
    g_autofree char *candidates = tempting_candidates();

    disclosure = BS_DISCLOSE_ADDRESSES;
    pair->a.user = USER_WAITS;
    send_jingle("session-initiate", OFFER, candidates);
    for (guint i = 0; i < 2; i++) {
        g_autofree char *contents = g_strdup_printf(INFO, candidates);
        g_autofree char *info = script_jingle(pair, "transport-info", "s1", contents);
        g_autofree char *replace = script_jingle(pair, "transport-replace", "s1", contents);

        ck_assert_ptr_nonnull(info);
        ck_assert_ptr_nonnull(replace);
    }
    bs_test_run_for(300);
    ck_assert_uint_eq(pair->a.offers, 1);
    ck_assert(!witness->reached);
    ck_assert(!looked_up);
    ck_assert_uint_eq(bs_listener_port(), 0);
    /* She has answered and rejected, and said nothing else. */
    for (guint i = 0; i < pair->b.inbox->len; i++) {
        xmlnode *stanza = g_ptr_array_index(pair->b.inbox, i);

        if (g_strcmp0(xmlnode_get_attrib(stanza, "type"), "set") == 0)
            ck_assert_str_eq(bs_jingle_attrib(bs_jingle_element(stanza), "action"), "transport-reject");
    }
    pair_accept(&pair->a);
    ck_assert(bs_test_run_until(&witness->reached, HANG_SECONDS));
    ck_assert(bs_test_run_until(&looked_up, HANG_SECONDS));
    check_told(transport_of("session-accept"));
}
END_TEST

/* While it rang the user has changed his mind. */
START_TEST(what_counts_is_the_moment_of_acceptance)
{
    g_autofree char *candidates = tempting_candidates();

    disclosure = BS_DISCLOSE_ADDRESSES;
    pair->a.user = USER_WAITS;
    send_jingle("session-initiate", OFFER, candidates);
    disclosure = BS_DISCLOSE_NOTHING;
    pair_accept(&pair->a);
    check_told(transport_of("session-accept"));
    ck_assert_ptr_nonnull(bs_xml_child(transport_of("transport-info"), "candidate-error", BS_NS_S5B));
    ck_assert(!witness->reached);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("disclosure");
    TCase *tcase = tcase_create("disclosure");
    SRunner *runner;
    int failed;

    /* There libpurple would ask the desktop for its proxy. */
    g_unsetenv("GNOME_DESKTOP_SESSION_ID");
    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, an_offer_tells_what_may_be_told, 0, BS_DISCLOSE_NOTHING + 1);
    tcase_add_loop_test(tcase, an_acceptance_tells_what_may_be_told, 0, BS_DISCLOSE_NOTHING + 1);
    tcase_add_test(tcase, the_peer_is_dialled_where_it_may_know);
    tcase_add_loop_test(tcase, the_peer_is_not_dialled_where_it_may_not_know, 0, 2);
    tcase_add_test(tcase, a_hidden_peer_is_not_waited_for);
    tcase_add_loop_test(tcase, all_goes_through_the_users_proxy, 0, 2);
    tcase_add_test(tcase, a_name_is_not_dialled_if_it_must_be_looked_up_here);
    tcase_add_test(tcase, nothing_happens_before_the_user_has_accepted);
    tcase_add_test(tcase, what_counts_is_the_moment_of_acceptance);
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
