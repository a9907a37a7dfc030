/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4() */
#endif
#include "socks5/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <eventloop.h>
#include <netinet/in.h>
#include <prefs.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "socks5/negotiation.h"
#include "timer.h"

#define HANDSHAKES_MAX 64
#define HANDSHAKE_MS 8000
#define BACKLOG 64
/* So many connections are taken before the event loop has its turn again. */
#define ACCEPT_BURST 16
#define ACCEPT_PAUSE_MS 250
#define PORT_MAX 65535

struct _BsListenerTicket {
    char *id;
    char *dst_addr;
    char *other_dst_addr;
    BsListenerAccepted accepted;
    gpointer data;
};

typedef struct {
    int fd;
    guint16 port; /* 0 while the listener is closed; all else is then unset */
    gboolean ipv6;
    guint watch;
    guint pause;
    GQueue tickets;    /* BsListenerTicket, the oldest first */
    GQueue handshakes; /* BsNegotiation, the oldest first */
} Listener;

typedef union {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
} Address;

static Listener listener = {
    .fd = -1,
    .tickets = G_QUEUE_INIT,
    .handshakes = G_QUEUE_INIT,
};

static void watch_for_connections(void);

/* Whom a connection is for. */

static gboolean
is_same(const char *dst_addr, const char *asked)
{
    return dst_addr != NULL && g_ascii_strcasecmp(dst_addr, asked) == 0;
}

static BsListenerTicket *
find_ticket(const char *asked)
{
    for (GList *link = listener.tickets.head; link != NULL; link = link->next) {
        BsListenerTicket *ticket = link->data;

        if (is_same(ticket->dst_addr, asked))
            return ticket;
    }
    for (GList *link = listener.tickets.head; link != NULL; link = link->next) {
        BsListenerTicket *ticket = link->data;

        if (is_same(ticket->other_dst_addr, asked))
            return ticket;
    }
    return NULL;
}

static gboolean
is_awaited(const char *dst_addr, gpointer data)
{
    (void)data;
    return find_ticket(dst_addr) != NULL;
}

/* The address of ours that a connection reached. */
static void
format_local_address(int fd, char text[INET6_ADDRSTRLEN])
{
    Address address = {0};
    socklen_t length = sizeof address;

    text[0] = '\0';
    if (getsockname(fd, &address.any, &length) != 0)
        return;
    if (address.any.sa_family == AF_INET)
        inet_ntop(AF_INET, &address.ipv4.sin_addr, text, INET6_ADDRSTRLEN);
    else if (IN6_IS_ADDR_V4MAPPED(&address.ipv6.sin6_addr))
        inet_ntop(AF_INET, address.ipv6.sin6_addr.s6_addr + 12, text, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, &address.ipv6.sin6_addr, text, INET6_ADDRSTRLEN);
}

/* The ticket, others, and the listener itself may be gone afterwards. */
static void
hand_over(BsListenerTicket *ticket, int fd)
{
    char local_address[INET6_ADDRSTRLEN];

    if (ticket == NULL) {
        bs_log(NULL, "a connection came too late: nobody waits for it any more");
        bs_socket_close(fd);
        return;
    }
    format_local_address(fd, local_address);
    bs_log(ticket->id, "accepted a connection over %s", strchr(local_address, ':') != NULL ? "IPv6" : "IPv4");
    ticket->accepted(fd, local_address, ticket->data);
}

static void
handshake_ended(BsNegotiation *negotiation, BsHandshakeState state, int fd, const char *reason, gpointer data)
{
    BsListenerTicket *ticket = NULL;

    (void)data;
    if (state == BS_HANDSHAKE_DONE)
        ticket = find_ticket(bs_handshake_dst_addr(bs_negotiation_handshake(negotiation)));
    g_queue_remove(&listener.handshakes, negotiation);
    bs_negotiation_free(negotiation);
    if (state == BS_HANDSHAKE_DONE)
        hand_over(ticket, fd);
    else
        bs_log(NULL, "turned a connection away: %s", reason);
}

/* Accepting. */

static void
begin_handshake(int fd)
{
    BsHandshake *handshake = bs_handshake_new_server(is_awaited, NULL);

    if (g_queue_get_length(&listener.handshakes) == HANDSHAKES_MAX) {
        bs_log_warning(NULL, "closed the oldest of %d connections that have not said whom they are for",
                       HANDSHAKES_MAX);
        bs_negotiation_free(g_queue_pop_head(&listener.handshakes));
    }
    g_queue_push_tail(&listener.handshakes,
                      bs_negotiation_new(fd, handshake, HANDSHAKE_MS, handshake_ended, NULL));
}

static void
stop_watching(void)
{
    guint id = listener.watch;

    listener.watch = 0;
    if (id != 0)
        purple_input_remove(id);
}

static gboolean
pause_over(gpointer data)
{
    (void)data;
    listener.pause = 0;
    watch_for_connections();
    return FALSE;
}

/* A connection that cannot be taken stays in the backlog and would wake the event loop again at once, without
 * end. */
static void
pause_accepting(int error)
{
    bs_log_warning(NULL, "cannot accept a connection: %s", g_strerror(error));
    stop_watching();
    listener.pause = purple_timeout_add(ACCEPT_PAUSE_MS, pause_over, NULL);
}

/* The one connection went away before it was taken. */
static gboolean
is_error_of_one_connection(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO;
}

static void
connections_ready(gpointer data, int listening, PurpleInputCondition condition)
{
    (void)data;
    (void)condition;
    for (guint i = 0; i < ACCEPT_BURST; i++) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0) {
            begin_handshake(fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (!is_error_of_one_connection(errno)) {
            pause_accepting(errno);
            return;
        }
    }
}

static void
watch_for_connections(void)
{
    listener.watch = purple_input_add(listener.fd, PURPLE_INPUT_READ, connections_ready, NULL);
}

/* Opening the port. */

static socklen_t
wildcard(int family, guint16 port, Address *address)
{
    memset(address, 0, sizeof *address);
    if (family == AF_INET) {
        address->ipv4.sin_family = AF_INET;
        address->ipv4.sin_port = htons(port);
        return sizeof address->ipv4;
    }
    address->ipv6.sin6_family = AF_INET6;
    address->ipv6.sin6_port = htons(port);
    return sizeof address->ipv6;
}

/* A listening socket on `port` (0: any) of every interface, for IPv4 or, with AF_INET6, for both. -1 with
 * errno. */
static int
listen_on(int family, guint16 port)
{
    static const int on = 1, off = 0;
    Address address;
    socklen_t length = wildcard(family, port, &address);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if ((family == AF_INET || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
        bind(fd, &address.any, length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    error = errno;
    bs_socket_close(fd);
    errno = error;
    return -1;
}

/* The port range that the user has set; both ends belong to it. FALSE if he has set none. The preferences may
 * hold any numbers, in any order; a range without a legal port comes out empty. */
static gboolean
get_port_range(int *first, int *last)
{
    int start, end;

    if (!purple_prefs_get_bool("/purple/network/ports_range_use"))
        return FALSE;
    start = purple_prefs_get_int("/purple/network/ports_range_start");
    end = purple_prefs_get_int("/purple/network/ports_range_end");
    *first = MAX(MIN(start, end), 1);
    *last = MIN(MAX(start, end), PORT_MAX);
    return TRUE;
}

/* Tries every port of the range once, from a random one onwards: a port of a moment ago may still be in a
 * router's mind. */
static int
listen_in_range(int family, int first, int last)
{
    int count = last - first + 1;
    int begin = g_random_int_range(0, count);

    for (int i = 0; i < count; i++) {
        int fd = listen_on(family, (guint16)(first + (begin + i) % count));

        if (fd >= 0)
            return fd;
        if (errno != EADDRINUSE && errno != EACCES)
            return -1;
    }
    return -1;
}

static int
listen_as_preferred(int family)
{
    int first, last;

    if (!get_port_range(&first, &last))
        return listen_on(family, 0);
    if (first <= last)
        return listen_in_range(family, first, last);
    errno = EINVAL;
    return -1;
}

static guint16
get_port(int fd)
{
    Address address = {0};
    socklen_t length = sizeof address;

    if (getsockname(fd, &address.any, &length) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET ? address.ipv4.sin_port : address.ipv6.sin6_port);
}

static gboolean
open_port(GError **error)
{
    int fd = listen_as_preferred(AF_INET6);

    listener.ipv6 = fd >= 0;
    if (fd < 0)
        fd = listen_as_preferred(AF_INET);
    if (fd < 0) {
        int saved = errno;

        g_set_error(error, BS_LISTENER_ERROR, 0, "%s", g_strerror(saved));
        bs_log_warning(NULL, "no port can be opened: %s", g_strerror(saved));
        return FALSE;
    }
    listener.fd = fd;
    listener.port = get_port(fd);
    watch_for_connections();
    bs_log(NULL, "port %u is open for %s", listener.port, listener.ipv6 ? "IPv4 and IPv6" : "IPv4");
    return TRUE;
}

static void
close_port(void)
{
    bs_log(NULL, "port %u is closed", listener.port);
    stop_watching();
    bs_timer_clear(&listener.pause);
    g_queue_clear_full(&listener.handshakes, (GDestroyNotify)bs_negotiation_free);
    bs_socket_close(listener.fd);
    listener.fd = -1;
    listener.port = 0;
    listener.ipv6 = FALSE;
}

/* The public side. */

GQuark
bs_listener_error_quark(void)
{
    return g_quark_from_static_string("bs-listener-error");
}

BsListenerTicket *
bs_listener_expect(const char *id, const char *dst_addr, const char *other_dst_addr,
                   BsListenerAccepted accepted, gpointer data, GError **error)
{
    BsListenerTicket *ticket;

    if (listener.fd < 0 && !open_port(error))
        return NULL;
    ticket = g_new0(BsListenerTicket, 1);
    ticket->id = g_strdup(id);
    ticket->dst_addr = g_strdup(dst_addr);
    ticket->other_dst_addr = g_strdup(other_dst_addr);
    ticket->accepted = accepted;
    ticket->data = data;
    g_queue_push_tail(&listener.tickets, ticket);
    return ticket;
}

void
bs_listener_forget(BsListenerTicket *ticket)
{
    if (ticket == NULL)
        return;
    g_queue_remove(&listener.tickets, ticket);
    g_free(ticket->id);
    g_free(ticket->dst_addr);
    g_free(ticket->other_dst_addr);
    g_free(ticket);
    if (g_queue_is_empty(&listener.tickets))
        close_port();
}

guint16
bs_listener_port(void)
{
    return listener.port;
}

gboolean
bs_listener_has_ipv4(void)
{
    return listener.fd >= 0;
}

gboolean
bs_listener_has_ipv6(void)
{
    return listener.ipv6;
}
