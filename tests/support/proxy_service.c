/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy_service.h"

#include <eventloop.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socks5/candidate.h"
#include "socks5/local_addresses.h"
#include "socks5/negotiation.h"
#include "stanza/iq.h"
#include "stanza/xml.h"

#define NS_ITEMS "http://jabber.org/protocol/disco#items"
#define NS_INFO "http://jabber.org/protocol/disco#info"
#define NS_BYTESTREAMS "http://jabber.org/protocol/bytestreams"
#define HANDSHAKE_DEADLINE_MS 600000

/* One end of a stream: a connection, and the other end that its bytes go to once the stream is active. */
typedef struct _End End;
struct _End {
    ProxyService *service;
    BsNegotiation *negotiation;
    char *dst_addr; /* once its handshake is over */
    int fd;
    guint watch;
    End *other;
    gboolean over; /* it sends no more */
};

static void
end_free(gpointer data)
{
    End *end = data;

    if (end->watch != 0)
        purple_input_remove(end->watch);
    if (end->other != NULL)
        end->other->other = NULL;
    bs_negotiation_free(end->negotiation);
    bs_socket_close(end->fd);
    g_free(end->dst_addr);
    g_free(end);
}

static gboolean
everybody_is_welcome(const char *dst_addr, gpointer data)
{
    (void)dst_addr;
    (void)data;
    return TRUE;
}

static void
negotiated(BsNegotiation *negotiation, BsHandshakeState state, int fd, const char *reason, gpointer data)
{
    End *end = data;

    (void)reason;
    if (state == BS_HANDSHAKE_DONE) {
        end->dst_addr = g_strdup(bs_handshake_dst_addr(bs_negotiation_handshake(negotiation)));
        end->fd = fd;
    }
    end->negotiation = NULL;
    bs_negotiation_free(negotiation);
}

static void
accept_one(gpointer data, int listening, PurpleInputCondition condition)
{
    ProxyService *service = data;
    int fd = accept(listening, NULL, NULL);
    End *end;

    (void)condition;
    if (fd < 0)
        return;
    service->connections++;
    end = g_new0(End, 1);
    end->service = service;
    end->fd = fd;
    g_ptr_array_add(service->streams, end);
    if (service->manner == PROXY_SAYS_NOTHING)
        return;
    end->fd = -1;
    end->negotiation = bs_negotiation_new(fd, bs_handshake_new_server(everybody_is_welcome, NULL),
                                          HANDSHAKE_DEADLINE_MS, negotiated, end);
}

static void
open_port(ProxyService *service)
{
    gboolean ipv6 = strchr(service->host, ':') != NULL;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr *address = ipv6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    socklen_t length = ipv6 ? sizeof six : sizeof four;

    service->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert(bind(service->fd, address, length) == 0);
    g_assert(listen(service->fd, 20) == 0);
    g_assert(getsockname(service->fd, address, &length) == 0);
    service->port = ntohs(ipv6 ? six.sin6_port : four.sin_port);
    service->watch = purple_input_add(service->fd, PURPLE_INPUT_READ, accept_one, service);
}

ProxyService *
proxy_service_new(const char *jid)
{
    ProxyService *service = g_new0(ProxyService, 1);
    g_autoptr(GPtrArray) addresses = bs_local_addresses();

    g_assert(addresses->len > 0);
    service->jid = jid;
    service->host = g_strdup(g_ptr_array_index(addresses, 0));
    service->streams = g_ptr_array_new_with_free_func(end_free);
    open_port(service);
    return service;
}

void
proxy_service_kill(ProxyService *service)
{
    if (service->watch != 0)
        purple_input_remove(service->watch);
    service->watch = 0;
    bs_socket_close(service->fd);
    service->fd = -1;
}

void
proxy_service_free(ProxyService *service)
{
    proxy_service_kill(service);
    g_ptr_array_unref(service->streams);
    g_free(service->host);
    g_free(service);
}

static void
write_all(int fd, const char *bytes, gssize length)
{
    struct pollfd writable = {.fd = fd, .events = POLLOUT};

    while (length > 0) {
        gssize sent = send(fd, bytes, (gsize)length, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && poll(&writable, 1, 10000) != 1)
            return;
        if (sent < 0 && writable.revents & (POLLERR | POLLHUP))
            return;
        bytes += MAX(sent, 0);
        length -= MAX(sent, 0);
    }
}

static void
pass_on(gpointer data, int fd, PurpleInputCondition condition)
{
    End *end = data;
    char bytes[65536];
    gssize got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);

    (void)condition;
    if (got > 0) {
        write_all(end->other->fd, bytes, got);
        return;
    }
    purple_input_remove(end->watch);
    end->watch = 0;
    end->over = TRUE;
    shutdown(end->other->fd, SHUT_WR);
}

static void
begin_to_pass(End *end, End *other)
{
    char byte;

    end->service->early |= recv(end->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    end->other = other;
    end->watch = purple_input_add(end->fd, PURPLE_INPUT_READ, pass_on, end);
}

gboolean
proxy_service_activate(ProxyService *service, const char *sid, const char *from, const char *target)
{
    g_autofree char *dst_addr = bs_dst_addr(sid, from, target);
    End *first = NULL;

    for (guint i = 0; i < service->streams->len; i++) {
        End *end = g_ptr_array_index(service->streams, i);

        if (end->other != NULL || g_strcmp0(end->dst_addr, dst_addr) != 0)
            continue;
        if (first != NULL) {
            begin_to_pass(first, end);
            begin_to_pass(end, first);
            return TRUE;
        }
        first = end;
    }
    return FALSE;
}

static xmlnode *
new_answer(const char *type, const xmlnode *iq)
{
    xmlnode *answer = xmlnode_new("iq");

    xmlnode_set_namespace(answer, "jabber:client");
    xmlnode_set_attrib(answer, "type", type);
    xmlnode_set_attrib(answer, "id", xmlnode_get_attrib((xmlnode *)iq, "id"));
    xmlnode_set_attrib(answer, "from", xmlnode_get_attrib((xmlnode *)iq, "to"));
    return answer;
}

static xmlnode *
new_error(const xmlnode *iq, const char *condition)
{
    xmlnode *answer = new_answer("error", iq);

    bs_xml_add_child(xmlnode_new_child(answer, "error"), condition, BS_NS_STANZA_ERRORS);
    return answer;
}

static xmlnode *
answer_activation(ProxyService *service, const xmlnode *iq, const xmlnode *query)
{
    const xmlnode *element = bs_xml_child(query, "activate", NS_BYTESTREAMS);
    g_autofree char *target = element != NULL ? bs_xml_text(element) : g_strdup("");

    service->activations++;
    if (service->manner == PROXY_IGNORES_ACTIVATION)
        return NULL;
    if (service->manner == PROXY_REFUSES_ACTIVATION)
        return new_error(iq, "not-allowed");
    if (!proxy_service_activate(service, xmlnode_get_attrib((xmlnode *)query, "sid"),
                                xmlnode_get_attrib((xmlnode *)iq, "from"), target))
        return new_error(iq, "item-not-found");
    return new_answer("result", iq);
}

static xmlnode *
answer_address(ProxyService *service, const xmlnode *iq)
{
    xmlnode *answer = new_answer("result", iq);
    xmlnode *host =
        bs_xml_add_child(bs_xml_add_child(answer, "query", NS_BYTESTREAMS), "streamhost", NS_BYTESTREAMS);
    g_autofree char *port = g_strdup_printf("%u", service->port);

    service->address_asked++;
    xmlnode_set_attrib(host, "jid", service->jid);
    xmlnode_set_attrib(host, "host", service->name != NULL ? service->name : service->host);
    xmlnode_set_attrib(host, "port", port);
    return answer;
}

static xmlnode *
answer_info(const xmlnode *iq)
{
    xmlnode *answer = new_answer("result", iq);
    xmlnode *identity = bs_xml_add_child(bs_xml_add_child(answer, "query", NS_INFO), "identity", NS_INFO);

    xmlnode_set_attrib(identity, "category", "proxy");
    xmlnode_set_attrib(identity, "type", "bytestreams");
    return answer;
}

xmlnode *
proxy_service_answer(ProxyService *service, const xmlnode *iq)
{
    const xmlnode *query = bs_xml_child(iq, "query", NS_BYTESTREAMS);
    gboolean is_set = g_strcmp0(xmlnode_get_attrib((xmlnode *)iq, "type"), "set") == 0;

    if (query != NULL)
        return is_set ? answer_activation(service, iq, query) : answer_address(service, iq);
    return answer_info(iq);
}

xmlnode *
proxy_service_items(const char *domain, const char *const *jids, const xmlnode *iq)
{
    xmlnode *answer = new_answer("result", iq);
    xmlnode *query = bs_xml_add_child(answer, "query", NS_ITEMS);

    xmlnode_set_attrib(answer, "from", domain);
    for (; *jids != NULL; jids++)
        xmlnode_set_attrib(bs_xml_add_child(query, "item", NS_ITEMS), "jid", *jids);
    return answer;
}
