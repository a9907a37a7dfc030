/* What requester and target have in common. SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/si_bytestreams.h"

#include <eventloop.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "socks5/ip_address.h"
#include "socks5/negotiation.h"
#include "stanza/allowances.h"
#include "stanza/jid.h"
#include "timer.h"
#include "transport/si_bytestreams_hosts.h"
#include "transport/si_bytestreams_internal.h"

static GPtrArray *
new_hosts(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
}

void
bs_si_wait(BsSiBytestreams *si, guint milliseconds, GSourceFunc then)
{
    bs_timer_clear(&si->step_timer);
    si->step_timer = purple_timeout_add(milliseconds, then, si);
}

/* What the peer offers. */

static void
connected(BsConnector *connector, const BsCandidate *candidate, int fd, gpointer data)
{
    BsSiBytestreams *si = data;

    (void)connector;
    si->dialled = bs_candidate_copy(candidate);
    bs_si_stop_dialling(si);
    si->role->connected(si, fd);
}

static void
exhausted(BsConnector *connector, gpointer data)
{
    BsSiBytestreams *si = data;

    (void)connector;
    bs_si_stop_dialling(si);
    si->role->exhausted(si);
}

static const BsConnectorEvents connector_events = {.connected = connected, .exhausted = exhausted};

void
bs_si_stop_dialling(BsSiBytestreams *si)
{
    g_clear_pointer(&si->connector, bs_connector_free);
}

/* A proxy ends both connections of a stream when one of them ends, so it is dialled under one name only. */
static gboolean
is_known_already(const BsSiBytestreams *si, guint index)
{
    const BsCandidate *host = g_ptr_array_index(si->peer_hosts, index);

    for (guint i = 0; i < index && host->type == BS_CANDIDATE_PROXY; i++) {
        const BsCandidate *other = g_ptr_array_index(si->peer_hosts, i);

        if (other->type == BS_CANDIDATE_PROXY && bs_jid_equal(other->jid, host->jid))
            return TRUE;
    }
    return bs_candidates_contain(si->own_hosts, host->host, host->port);
}

gboolean
bs_si_is_in_room(const BsSiBytestreams *si)
{
    return !bs_jid_same_bare(si->context.own_jid, bs_iq_link_own_jid(si->context.link));
}

/* Somebody who does not say what its streamhosts are to be asked for, but gives them its real JID. */
static char *
guess_dstaddr(const BsSiBytestreams *si)
{
    for (guint i = 0; bs_si_is_in_room(si) && i < si->peer_hosts->len; i++) {
        const BsCandidate *host = g_ptr_array_index(si->peer_hosts, i);

        if (host->type == BS_CANDIDATE_DIRECT && bs_allow(BS_ALLOW_SI_REAL_JID))
            return bs_dst_addr(si->sid, host->jid, si->context.own_jid);
    }
    return NULL;
}

void
bs_si_dial(BsSiBytestreams *si, const char *dstaddr)
{
    g_autofree char *guessed = dstaddr == NULL ? guess_dstaddr(si) : NULL;

    bs_log(si->context.id, "the peer offers %u streamhosts", si->peer_hosts->len);
    si->connector = bs_places_connector(&si->context, si->sid, dstaddr != NULL ? dstaddr : guessed,
                                        &connector_events, si);
    for (guint i = 0; i < si->peer_hosts->len; i++) {
        const BsCandidate *host = g_ptr_array_index(si->peer_hosts, i);

        if (is_known_already(si, i))
            bs_log(si->context.id,
                   "the peer's %s port %u is not dialled: it is ours, or a proxy's other name", host->host,
                   host->port);
        else
            bs_places_dial(&si->context, si->disclosure, si->connector, host, si->peer_hosts,
                           si->own_addresses);
    }
    bs_connector_start(si->connector);
}

void
bs_si_answer_used(BsSiBytestreams *si)
{
    xmlnode *asked = g_steal_pointer(&si->asked);

    if (asked == NULL)
        return;
    bs_log(si->context.id, "we tell the peer that we use its %s port %u", si->dialled->host,
           si->dialled->port);
    bs_iq_reply_result(si->context.link, asked, bs_si_query_build_used(si->sid, si->dialled->jid));
    xmlnode_free(asked);
}

void
bs_si_answer_error(BsSiBytestreams *si, const char *type, const char *condition)
{
    xmlnode *asked = g_steal_pointer(&si->asked);

    if (asked == NULL)
        return;
    bs_log(si->context.id, "we tell the peer that we use none of its streamhosts: %s", condition);
    bs_iq_reply_error(si->context.link, asked, type, condition, NULL, NULL);
    xmlnode_free(asked);
}

/* The end. */

static gboolean
comes_from_far(int fd)
{
    struct sockaddr_storage peer = {0};
    socklen_t length = sizeof peer;
    char text[INET6_ADDRSTRLEN] = "";
    BsIpAddress address;

    return getpeername(fd, (struct sockaddr *)&peer, &length) == 0 &&
           getnameinfo((struct sockaddr *)&peer, length, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0 &&
           bs_ip_parse(text, &address) && bs_ip_kind(&address) == BS_IP_GLOBAL && !bs_ip_is_private(&address);
}

/* What comes from far away to a private address came through the router. */
BsCandidate *
bs_si_accepted_as(const BsSiBytestreams *si, int fd, const char *reached)
{
    if (si->mapped.port != 0 && g_strcmp0(reached, si->mapped.local_host) == 0 && comes_from_far(fd))
        return bs_candidate_new(BS_CANDIDATE_ASSISTED, "", NULL, si->mapped.host, si->mapped.port, 0);
    return bs_candidate_new(BS_CANDIDATE_DIRECT, "", NULL, reached, bs_listener_port(), 0);
}

static void
stop(BsSiBytestreams *si)
{
    si->ended = TRUE;
    bs_timer_clear(&si->step_timer);
    bs_timer_clear(&si->deadline_timer);
    bs_iq_request_cancel(&si->request);
    bs_si_stop_dialling(si);
    g_clear_pointer(&si->activation, bs_activation_free);
    g_clear_pointer(&si->word, bs_si_word_free);
    g_clear_pointer(&si->ticket, bs_listener_forget);
    bs_accepted_clear(si->accepted);
    bs_socket_close(si->dialled_fd);
    si->dialled_fd = -1;
}

static gboolean
announce_connection(gpointer data)
{
    BsSiBytestreams *si = data;
    int fd = si->fd;

    si->step_timer = 0;
    si->fd = -1;
    si->events->connected(fd, &si->route, si->data);
    return FALSE;
}

/* Our own address, or the peer's, has proved to lead from one to the other. */
static void
learn_reach(const BsSiBytestreams *si, int fd, const BsCandidate *candidate)
{
    if (candidate->type == BS_CANDIDATE_DIRECT && bs_si_host_is_near(candidate->host) && !comes_from_far(fd))
        bs_reaches_learn(si->context.reaches, si->context.peer_jid, BS_REACH_NEAR);
}

void
bs_si_succeed(BsSiBytestreams *si, int fd, const BsCandidate *candidate, gboolean dialled_by_us)
{
    bs_route_nominate(&si->route, si->context.id, candidate, dialled_by_us);
    learn_reach(si, fd, candidate);
    stop(si);
    si->fd = fd;
    /* Some routers cut the connections that came in through a mapping when they take it back. */
    if (si->route.type != BS_CANDIDATE_ASSISTED || dialled_by_us)
        g_clear_pointer(&si->mapping, bs_port_mapping_release);
    si->step_timer = purple_timeout_add(0, announce_connection, si);
}

static gboolean
announce_failure(gpointer data)
{
    BsSiBytestreams *si = data;

    si->step_timer = 0;
    si->events->failed(si->data);
    return FALSE;
}

void
bs_si_fail(BsSiBytestreams *si, const char *why)
{
    bs_log_warning(si->context.id, "no SOCKS5 connection: %s", why);
    bs_si_answer_error(si, "cancel", "item-not-found");
    stop(si);
    g_clear_pointer(&si->mapping, bs_port_mapping_release);
    si->step_timer = purple_timeout_add(0, announce_failure, si);
}

/* The transport. */

static void
si_start(BsTransport *transport)
{
    BsSiBytestreams *si = (BsSiBytestreams *)transport;

    si->started = TRUE;
    si->role->start(si);
}

static gboolean
si_take_stanza(BsTransport *transport, const xmlnode *stanza)
{
    BsSiBytestreams *si = (BsSiBytestreams *)transport;
    const xmlnode *element = bs_si_query_element(stanza);

    if (element == NULL || g_strcmp0(bs_si_query_sid(element), si->sid) != 0)
        return FALSE;
    if (si->ended || si->was_asked) {
        bs_log(si->context.id, "the peer sends more streamhosts than we still take");
        bs_iq_reply_error(si->context.link, stanza, "cancel", "not-acceptable", NULL, NULL);
        return TRUE;
    }
    si->role->asked(si, stanza);
    return TRUE;
}

static const char *
si_stream_id(const BsTransport *transport)
{
    return ((const BsSiBytestreams *)transport)->sid;
}

gboolean
bs_si_bytestreams_was_asked(const BsTransport *transport)
{
    return ((const BsSiBytestreams *)transport)->was_asked;
}

gboolean
bs_si_bytestreams_was_left(const BsTransport *transport)
{
    const BsSiBytestreams *si = (const BsSiBytestreams *)transport;

    return si->hosts != SI_HOSTS_NOT_TOLD && !si->tried;
}

gboolean
bs_si_bytestreams_was_ambiguous(const BsTransport *transport)
{
    return ((const BsSiBytestreams *)transport)->ambiguous;
}

static void
si_free(BsTransport *transport)
{
    BsSiBytestreams *si = (BsSiBytestreams *)transport;

    /* There is no other word for a transfer that was cancelled. */
    bs_si_answer_error(si, "cancel", "not-acceptable");
    stop(si);
    bs_socket_close(si->fd);
    bs_port_mapping_release(si->mapping);
    bs_accepted_free(si->accepted);
    g_clear_pointer(&si->own_addresses, g_ptr_array_unref);
    g_ptr_array_unref(si->own_hosts);
    g_ptr_array_unref(si->peer_hosts);
    bs_candidate_free(si->dialled);
    g_free(si->sid);
    g_free(si);
}

static const BsTransportClass si_class = {
    .xmlns = BS_NS_BYTESTREAMS,
    .start = si_start,
    .take_stanza = si_take_stanza,
    .stream_id = si_stream_id,
    .free = si_free,
};

BsTransport *
bs_si_bytestreams_new(const BsTransportContext *context, const char *sid, const BsTransportEvents *events,
                      gpointer data)
{
    BsSiBytestreams *si = g_new0(BsSiBytestreams, 1);

    si->base.class = &si_class;
    si->context = *context;
    si->events = events;
    si->data = data;
    si->role = context->initiator ? &bs_si_requester : &bs_si_target;
    si->sid = g_strdup(sid);
    si->own_hosts = new_hosts();
    si->peer_hosts = new_hosts();
    si->accepted = bs_accepted_new();
    si->dialled_fd = -1;
    si->fd = -1;
    if (context->initiator) {
        /* The router has time to map the port while the peer's user makes up his mind. */
        bs_si_decide_disclosure(si);
        bs_si_listen(si);
    }
    return &si->base;
}
