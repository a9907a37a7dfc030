/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "si_ends.h"

#include <check.h>
#include <errno.h>
#include <eventloop.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "purple_env.h"
#include "socks5/local_addresses.h"
#include "socks5/negotiation.h"
#include "stanza/xml.h"
#include "transport/si_bytestreams_xml.h"

#define HANDSHAKE_MS 600000

typedef struct {
    SiEnd *to; /* NULL: a service */
    SiEnd *from;
    xmlnode *stanza;
} Flying;

SiEnd si_ends[2];
gboolean (*si_filter)(SiEnd *from, xmlnode *stanza);
ProxyService *si_proxy;

static GQueue flying = G_QUEUE_INIT;
static guint flight;
static SiEnd *freed;
static guint free_after;
static guint said;

/* Stanzas. */

static void
flying_free(gpointer item)
{
    Flying *one = item;

    xmlnode_free(one->stanza);
    g_free(one);
}

static gboolean arrive(gpointer data);

static void
fly(SiEnd *from, SiEnd *to, xmlnode *stanza)
{
    Flying *one = g_new0(Flying, 1);

    one->from = from;
    one->to = to;
    one->stanza = stanza;
    g_queue_push_tail(&flying, one);
    if (flight == 0)
        flight = purple_timeout_add(0, arrive, NULL);
}

static void
reach_service(SiEnd *from, const xmlnode *stanza)
{
    const char *const jids[] = {si_proxy->jid, NULL};
    const char *to = xmlnode_get_attrib(stanza, "to");
    xmlnode *answer = g_strcmp0(to, si_proxy->jid) == 0 ? proxy_service_answer(si_proxy, stanza)
                                                        : proxy_service_items(to, jids, stanza);

    if (answer != NULL)
        fly(NULL, from, answer);
}

static void
reach_end(SiEnd *to, xmlnode *stanza)
{
    if (freed != NULL && free_after-- == 0)
        si_end_free_transport(g_steal_pointer(&freed));
    if (bs_iq_link_receive(to->link, stanza))
        return;
    if (to->transport == NULL)
        g_ptr_array_add(to->heard, xmlnode_copy(stanza));
    else if (!to->transport->class->take_stanza(to->transport, stanza) &&
             strcmp(xmlnode_get_attrib(stanza, "type"), "set") == 0)
        bs_iq_reply_error(to->link, stanza, "cancel", "item-not-found", NULL, NULL);
}

static gboolean
arrive(gpointer data)
{
    Flying *one = g_queue_pop_head(&flying);

    (void)data;
    flight = 0;
    if (!g_queue_is_empty(&flying))
        flight = purple_timeout_add(0, arrive, NULL);
    if (one->to != NULL)
        reach_end(one->to, one->stanza);
    else
        reach_service(one->from, one->stanza);
    flying_free(one);
    return FALSE;
}

static void
send_stanza(xmlnode *stanza, gpointer data)
{
    SiEnd *from = data;
    xmlnode *copy = xmlnode_copy(stanza);
    const char *to = xmlnode_get_attrib(stanza, "to");
    gboolean for_peer = to == NULL || strcmp(to, from->peer->name) == 0;

    xmlnode_set_attrib(copy, "from", for_peer ? from->name : from->jid);
    if (!for_peer) {
        if (si_proxy != NULL)
            fly(from, NULL, copy);
        else
            xmlnode_free(copy);
        return;
    }
    if (si_filter != NULL && !si_filter(from, copy))
        xmlnode_free(copy);
    else
        fly(from, from->peer, copy);
}

/* Ends. */

static void
on_connected(int fd, const BsRoute *route, gpointer data)
{
    SiEnd *end = data;

    end->connected++;
    end->fd = fd;
    end->route = *route;
    if (end->free_inside)
        si_end_free_transport(end);
}

static void
on_failed(gpointer data)
{
    SiEnd *end = data;

    end->failed++;
    if (end->free_inside)
        si_end_free_transport(end);
}

static const BsTransportEvents events = {.connected = on_connected, .failed = on_failed};

static void
end_init(SiEnd *end, const char *jid)
{
    memset(end, 0, sizeof *end);
    end->jid = end->name = jid;
    end->peer = &si_ends[end == &si_ends[0]];
    end->fd = -1;
    end->link = bs_iq_link_new(jid, send_stanza, end);
    end->heard = g_ptr_array_new_with_free_func((GDestroyNotify)xmlnode_free);
    end->context.id = jid;
    end->context.link = end->link;
    end->context.own_jid = jid;
    end->context.initiator = end == &si_ends[0];
}

void
si_ends_setup(void)
{
    bs_test_hurry(1);
    si_filter = NULL;
    freed = NULL;
    end_init(&si_ends[0], "alice@one.test/a");
    end_init(&si_ends[1], "bob@two.test/b");
    si_ends[0].context.peer_jid = si_ends[1].jid;
    si_ends[1].context.peer_jid = si_ends[0].jid;
}

void
si_ends_teardown(void)
{
    for (guint i = 0; i < 2; i++) {
        si_end_free_transport(&si_ends[i]);
        bs_proxies_free(si_ends[i].context.proxies);
        bs_iq_link_free(si_ends[i].link);
        g_ptr_array_unref(si_ends[i].heard);
        if (si_ends[i].fd >= 0)
            close(si_ends[i].fd);
    }
    if (flight != 0)
        purple_timeout_remove(flight);
    flight = 0;
    g_queue_clear_full(&flying, flying_free);
    g_clear_pointer(&si_proxy, proxy_service_free);
    bs_test_hurry(1);
}

void
si_end_begin(SiEnd *end)
{
    end->transport = bs_si_bytestreams_new(&end->context, SI_SID, &events, end);
}

void
si_end_start(SiEnd *end)
{
    end->transport->class->start(end->transport);
}

void
si_end_free_transport(SiEnd *end)
{
    BsTransport *transport = g_steal_pointer(&end->transport);

    if (transport != NULL)
        transport->class->free(transport);
}

void
si_end_free_transport_after(SiEnd *end, guint stanzas)
{
    freed = end;
    free_after = stanzas;
}

void
si_end_find_proxies(SiEnd *end)
{
    guint found = 0;

    end->context.proxies = bs_proxies_new(end->link, NULL);
    for (guint i = 0; found == 0 && i < SI_HANG_ROUNDS; i++) {
        g_autoptr(GPtrArray) proxies = NULL;

        bs_test_run_for(1);
        proxies = bs_proxies_gather(end->context.proxies, TRUE);
        found = proxies->len;
    }
    ck_assert_uint_eq(found, 1);
}

void
si_settle(void)
{
    for (guint i = 0; !g_queue_is_empty(&flying) && i < SI_HANG_ROUNDS; i++)
        bs_test_run_for(1);
    bs_test_run_for(20);
}

/* Bytes. */

static guint8
byte_at(guint64 offset)
{
    return (guint8)((offset * 2654435761u) >> 13);
}

static void
write_some(SiEnd *end, guint64 length)
{
    guint8 bytes[4096];
    gsize count = MIN(length - end->written, sizeof bytes);
    ssize_t taken;

    if (count == 0)
        return;
    for (gsize i = 0; i < count; i++)
        bytes[i] = byte_at(end->written + i);
    taken = send(end->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    end->written += taken > 0 ? (guint64)taken : 0;
}

static void
read_some(SiEnd *end)
{
    guint8 bytes[8192];
    ssize_t count;

    while ((count = recv(end->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        for (ssize_t i = 0; i < count; i++)
            ck_assert_uint_eq(bytes[i], byte_at(end->got + (guint64)i));
        end->got += (guint64)count;
    }
    end->ended = count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

void
si_send_all(SiEnd *from, guint64 length)
{
    ck_assert_int_ge(from->fd, 0);
    ck_assert_int_ge(from->peer->fd, 0);
    for (guint i = 0; !from->peer->ended && i < SI_HANG_ROUNDS; i++) {
        write_some(from, length);
        if (from->written == length)
            shutdown(from->fd, SHUT_WR);
        read_some(from->peer);
        bs_test_run_for(0);
    }
    ck_assert(from->peer->ended);
    ck_assert_uint_eq(from->peer->got, length);
}

/* The script of an end without a transport. */

static xmlnode *
new_stanza(const char *type, const char *id, const char *payload)
{
    g_autofree char *text =
        g_strdup_printf("<iq xmlns='jabber:client' type='%s' id='%s'>%s</iq>", type, id, payload);
    xmlnode *stanza = xmlnode_from_str(text, -1);

    ck_assert_ptr_nonnull(stanza);
    return stanza;
}

const char *
si_say(SiEnd *from, const char *format, ...)
{
    static char id[16];
    g_autofree char *payload = NULL;
    va_list arguments;
    xmlnode *stanza;

    va_start(arguments, format);
    payload = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_snprintf(id, sizeof id, "said-%u", said++);
    stanza = new_stanza("set", id, payload);
    xmlnode_set_attrib(stanza, "to", from->peer->name);
    bs_iq_send(from->link, stanza);
    return id;
}

void
si_answer(SiEnd *from, const char *type, const char *format, ...)
{
    const xmlnode *query = si_query_heard(from);
    g_autofree char *payload = NULL;
    va_list arguments;
    xmlnode *stanza;

    ck_assert_ptr_nonnull(query);
    va_start(arguments, format);
    payload = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    stanza = new_stanza(type, xmlnode_get_attrib(query->parent, "id"), payload);
    xmlnode_set_attrib(stanza, "to", from->peer->name);
    bs_iq_send(from->link, stanza);
}

const xmlnode *
si_query_heard(const SiEnd *end)
{
    for (guint i = end->heard->len; i-- > 0;) {
        const xmlnode *stanza = g_ptr_array_index(end->heard, i);
        const xmlnode *query = bs_si_query_element(stanza);

        if (query != NULL && strcmp(xmlnode_get_attrib((xmlnode *)stanza, "type"), "set") == 0)
            return query;
    }
    return NULL;
}

const xmlnode *
si_answer_heard(const SiEnd *end, const char *id)
{
    for (guint i = end->heard->len; i-- > 0;) {
        xmlnode *stanza = g_ptr_array_index(end->heard, i);

        if (strcmp(xmlnode_get_attrib(stanza, "type"), "set") != 0 &&
            g_strcmp0(xmlnode_get_attrib(stanza, "id"), id) == 0)
            return stanza;
    }
    return NULL;
}

char *
si_outcome_heard(const SiEnd *end, const char *id)
{
    const xmlnode *answer = si_answer_heard(end, id);

    if (answer == NULL)
        return g_strdup("");
    if (strcmp(xmlnode_get_attrib((xmlnode *)answer, "type"), "error") == 0)
        return bs_iq_error_condition(answer);
    return g_strdup(bs_si_query_used(answer));
}

/* Hosts. */

static char *
own_address(void)
{
    g_autoptr(GPtrArray) addresses = bs_local_addresses();

    ck_assert_uint_gt(addresses->len, 0);
    return g_strdup(g_ptr_array_index(addresses, 0));
}

static gboolean
everybody_is_welcome(const char *dst_addr, gpointer data)
{
    SiHost *host = data;

    g_free(host->dst_addr);
    host->dst_addr = g_strdup(dst_addr);
    return TRUE;
}

static void
negotiated(BsNegotiation *negotiation, BsHandshakeState state, int fd, const char *reason, gpointer data)
{
    SiHost *host = data;

    (void)reason;
    if (state == BS_HANDSHAKE_DONE)
        g_array_append_val(host->fds, fd);
    g_ptr_array_remove(host->handshakes, negotiation);
}

static void
accept_one(gpointer data, int listening, PurpleInputCondition condition)
{
    SiHost *host = data;
    int fd = accept(listening, NULL, NULL);

    (void)condition;
    if (fd < 0)
        return;
    host->guests++;
    if (host->silent)
        g_array_append_val(host->fds, fd);
    else
        g_ptr_array_add(host->handshakes,
                        bs_negotiation_new(fd, bs_handshake_new_server(everybody_is_welcome, host),
                                           HANDSHAKE_MS, negotiated, host));
}

static void
open_port(SiHost *host)
{
    gboolean ipv6 = strchr(host->host, ':') != NULL;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr *address = ipv6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    socklen_t length = ipv6 ? sizeof six : sizeof four;

    host->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert(bind(host->fd, address, length) == 0);
    g_assert(listen(host->fd, 20) == 0);
    g_assert(getsockname(host->fd, address, &length) == 0);
    host->port = ntohs(ipv6 ? six.sin6_port : four.sin_port);
    host->watch = purple_input_add(host->fd, PURPLE_INPUT_READ, accept_one, host);
}

SiHost *
si_host_new(gboolean silent)
{
    SiHost *host = g_new0(SiHost, 1);

    host->silent = silent;
    host->host = own_address();
    host->fds = g_array_new(FALSE, FALSE, sizeof(int));
    host->handshakes = g_ptr_array_new_with_free_func((GDestroyNotify)bs_negotiation_free);
    open_port(host);
    return host;
}

void
si_host_free(SiHost *host)
{
    purple_input_remove(host->watch);
    bs_socket_close(host->fd);
    g_ptr_array_unref(host->handshakes);
    for (guint i = 0; i < host->fds->len; i++)
        bs_socket_close(g_array_index(host->fds, int, i));
    g_array_unref(host->fds);
    g_free(host->dst_addr);
    g_free(host->host);
    g_free(host);
}

/* Connections to the other end. */

static void
dial_done(BsAttempt *attempt, int fd, gpointer data)
{
    SiDial *dial = data;

    dial->attempt = NULL;
    dial->fd = fd;
    dial->over = TRUE;
    bs_attempt_free(attempt);
}

SiDial *
si_dial(const SiEnd *from, const char *first, const char *second)
{
    g_autoptr(BsSiQuery) query = bs_si_query_parse(si_query_heard(from));
    SiDial *dial = g_new0(SiDial, 1);

    dial->host = bs_candidate_copy(g_ptr_array_index(query->hosts, 0));
    dial->dst_addr = bs_dst_addr(SI_SID, first, second);
    dial->dst_addrs[0] = dial->dst_addr;
    dial->fd = -1;
    dial->attempt = bs_attempt_new("script", NULL, dial->host, dial->dst_addrs, dial_done, dial);
    si_run_until(dial->over);
    ck_assert_int_ge(dial->fd, 0);
    return dial;
}

void
si_dial_free(SiDial *dial)
{
    bs_attempt_free(dial->attempt);
    bs_socket_close(dial->fd);
    bs_candidate_free(dial->host);
    g_free(dial->dst_addr);
    g_free(dial);
}
