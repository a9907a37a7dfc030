/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/s5b.h"

#include <eventloop.h>
#include <string.h>

#include "log.h"
#include "random_id.h"
#include "socks5/connector.h"
#include "socks5/listener.h"
#include "socks5/local_addresses.h"
#include "socks5/negotiation.h"
#include "transport/accepted.h"
#include "transport/nomination.h"
#include "transport/s5b_xml.h"

/* From both descriptions to a connection: the slowest candidates of both parties, and the stanzas that tell
 * of them. */
#define NEGOTIATION_DEADLINE_S 45
/* A peer that sent no candidates yet may send them one by one (XEP-0260, 2.2). */
#define TRICKLE_WAIT_MS 1000
/* The peer reported a connection that has not come out of its handshake here. */
#define LATE_CONNECTION_WAIT_MS 3000

typedef enum {
    S5B_DESCRIBING, /* descriptions are being exchanged */
    S5B_DIALLING,   /* both parties dial; reports are awaited */
    S5B_ACTIVATING, /* the nominated connection goes over a proxy of the peer's, which it activates */
    S5B_LATE,       /* the nominated connection is one that the peer dialled, and is not here yet */
    S5B_ENDED,
} S5bState;

typedef struct {
    BsTransport base;
    BsTransportContext context;
    const BsTransportEvents *events;
    gpointer data;

    S5bState state;
    char *sid;
    char *peer_dstaddr;
    GPtrArray *own_addresses;
    GPtrArray *own_candidates;
    GPtrArray *peer_candidates;
    BsListenerTicket *ticket;
    BsConnector *connector;

    BsReport our_report;
    BsReport their_report;
    BsCandidate *our_choice;   /* of the peer's candidates, with dialled_fd */
    BsCandidate *their_choice; /* of our candidates; borrowed from own_candidates */
    int dialled_fd;
    BsAccepted *accepted; /* connections that the peer dialled */
    gboolean activated;

    guint step_timer;     /* what the present state waits for */
    guint deadline_timer; /* the whole */
} S5b;

static void decide(S5b *s5b);

static void
clear_timer(guint *timer)
{
    guint id = *timer;

    *timer = 0;
    if (id != 0)
        purple_timeout_remove(id);
}

/* Gives up everything that could still bring a connection. */
static void
stop(S5b *s5b)
{
    s5b->state = S5B_ENDED;
    clear_timer(&s5b->step_timer);
    clear_timer(&s5b->deadline_timer);
    g_clear_pointer(&s5b->connector, bs_connector_free);
    g_clear_pointer(&s5b->ticket, bs_listener_forget);
    bs_accepted_clear(s5b->accepted);
    if (s5b->dialled_fd >= 0)
        bs_socket_close(s5b->dialled_fd);
    s5b->dialled_fd = -1;
}

static gboolean
announce_failure(gpointer data)
{
    S5b *s5b = data;

    s5b->step_timer = 0;
    s5b->events->failed(s5b->data);
    return FALSE;
}

static void
fail(S5b *s5b, const char *why)
{
    bs_log_warning(s5b->context.id, "no SOCKS5 connection: %s", why);
    stop(s5b);
    s5b->step_timer = purple_timeout_add(0, announce_failure, s5b);
}

static gboolean
deadline_passed(gpointer data)
{
    S5b *s5b = data;

    s5b->deadline_timer = 0;
    fail(s5b, s5b->state == S5B_ACTIVATING ? "the peer did not activate its proxy in time"
                                           : "the peer did not report on our candidates in time");
    return FALSE;
}

static void
fill_route(const S5b *s5b, const BsCandidate *candidate, gboolean dialled_by_us, BsRoute *route)
{
    memset(route, 0, sizeof *route);
    route->type = candidate->type;
    route->dialled_by_us = dialled_by_us;
    g_strlcpy(route->host, candidate->host, sizeof route->host);
    route->port = candidate->port;
    route->ipv6 = strchr(candidate->host, ':') != NULL;
    bs_log(s5b->context.id, "nominated: %s %s port %u, dialled by %s",
           bs_candidate_type_name(candidate->type), candidate->host, candidate->port,
           dialled_by_us ? "us" : "the peer");
}

static gboolean
announce_connection(gpointer data)
{
    S5b *s5b = data;
    gboolean ours = s5b->our_choice != NULL;
    BsRoute route;
    int fd = s5b->dialled_fd;

    s5b->step_timer = 0;
    s5b->dialled_fd = -1;
    fill_route(s5b, ours ? s5b->our_choice : s5b->their_choice, ours, &route);
    s5b->events->connected(fd, &route, s5b->data);
    return FALSE;
}

/* `fd` (taken) carries the file; `choice` of the two is the nominated one and the other one is dropped. */
static void
succeed(S5b *s5b, int fd, gboolean our_choice)
{
    stop(s5b);
    s5b->dialled_fd = fd;
    if (!our_choice)
        g_clear_pointer(&s5b->our_choice, bs_candidate_free);
    s5b->step_timer = purple_timeout_add(0, announce_connection, s5b);
}

static int
steal_dialled(S5b *s5b)
{
    int fd = s5b->dialled_fd;

    s5b->dialled_fd = -1;
    return fd;
}

static gboolean
late_connection_missing(gpointer data)
{
    S5b *s5b = data;

    s5b->step_timer = 0;
    fail(s5b, "the peer reported a connection that it did not make");
    return FALSE;
}

static void
use_their_choice(S5b *s5b)
{
    int fd = bs_accepted_steal(s5b->accepted, s5b->their_choice->host);

    if (fd >= 0) {
        succeed(s5b, fd, FALSE);
        return;
    }
    s5b->state = S5B_LATE;
    clear_timer(&s5b->step_timer);
    s5b->step_timer = purple_timeout_add(LATE_CONNECTION_WAIT_MS, late_connection_missing, s5b);
}

static void
use_our_choice(S5b *s5b)
{
    if (s5b->our_choice->type == BS_CANDIDATE_PROXY && !s5b->activated) {
        bs_log(s5b->context.id, "waiting for the peer to activate its proxy %s", s5b->our_choice->host);
        s5b->state = S5B_ACTIVATING;
        return;
    }
    succeed(s5b, steal_dialled(s5b), TRUE);
}

/* The table of XEP-0260, 2.4. */
static void
decide(S5b *s5b)
{
    switch (bs_nominate(&s5b->our_report, &s5b->their_report, s5b->context.initiator)) {
    case BS_NOMINATED_NOT_YET:
        break;
    case BS_NOMINATED_OUR_CHOICE:
        use_our_choice(s5b);
        break;
    case BS_NOMINATED_THEIR_CHOICE:
        use_their_choice(s5b);
        break;
    case BS_NOMINATED_NEITHER:
        fail(s5b, "neither side reached the other");
        break;
    }
}

static void
report(S5b *s5b, BsReportKind kind)
{
    const char *cid = kind == BS_REPORT_USED ? s5b->our_choice->cid : NULL;
    BsS5bKind stanza = kind == BS_REPORT_USED ? BS_S5B_CANDIDATE_USED : BS_S5B_CANDIDATE_ERROR;

    s5b->our_report.kind = kind;
    s5b->our_report.priority = kind == BS_REPORT_USED ? s5b->our_choice->priority : 0;
    clear_timer(&s5b->step_timer);
    s5b->events->send_info(bs_s5b_build_report(s5b->sid, stanza, cid), s5b->data);
    decide(s5b);
}

static void
dialled(BsConnector *connector, const BsCandidate *candidate, int fd, gpointer data)
{
    S5b *s5b = data;

    (void)connector;
    s5b->our_choice = bs_candidate_copy(candidate);
    s5b->dialled_fd = fd;
    report(s5b, BS_REPORT_USED);
}

static gboolean
trickle_over(gpointer data)
{
    S5b *s5b = data;

    s5b->step_timer = 0;
    report(s5b, BS_REPORT_ERROR);
    return FALSE;
}

static void
exhausted(BsConnector *connector, gpointer data)
{
    S5b *s5b = data;

    (void)connector;
    if (s5b->state != S5B_DIALLING || s5b->our_report.kind != BS_REPORT_NONE)
        return;
    if (s5b->peer_candidates->len > 0 || s5b->their_report.kind == BS_REPORT_USED)
        report(s5b, BS_REPORT_ERROR);
    else if (s5b->step_timer == 0)
        s5b->step_timer = purple_timeout_add(TRICKLE_WAIT_MS, trickle_over, s5b);
}

static const BsConnectorEvents connector_events = {.connected = dialled, .exhausted = exhausted};

static void
accepted(int fd, const char *local_address, gpointer data)
{
    S5b *s5b = data;

    bs_accepted_add(s5b->accepted, fd, local_address);
    bs_log(s5b->context.id, "the peer connected to our %s", local_address);
    if (s5b->state == S5B_LATE)
        use_their_choice(s5b);
}

/* An address of a family that our port does not take is not offered; nor what the initiator offered already
 * (XEP-0260, 2.2). */
static void
drop_unusable_candidates(S5b *s5b)
{
    for (guint i = s5b->own_candidates->len; i-- > 0;) {
        const BsCandidate *candidate = g_ptr_array_index(s5b->own_candidates, i);
        gboolean ipv6 = strchr(candidate->host, ':') != NULL;

        if ((ipv6 ? !bs_listener_has_ipv6() : !bs_listener_has_ipv4()) ||
            bs_candidates_contain(s5b->peer_candidates, candidate->host, candidate->port))
            g_ptr_array_remove_index(s5b->own_candidates, i);
    }
}

static void
listen_and_gather(S5b *s5b, const char *dst_addr)
{
    g_autofree char *other = bs_dst_addr(s5b->sid, s5b->context.peer_jid, s5b->context.own_jid);
    g_autoptr(GError) error = NULL;

    s5b->own_addresses = bs_local_addresses();
    s5b->ticket = bs_listener_expect(s5b->context.id, dst_addr, other, accepted, s5b, &error);
    if (s5b->ticket == NULL) {
        bs_log_warning(s5b->context.id, "no port to listen on: %s", error->message);
        return;
    }
    g_ptr_array_unref(s5b->own_candidates);
    s5b->own_candidates = bs_candidates_gather(s5b->own_addresses, bs_listener_port(), s5b->context.own_jid,
                                               s5b->context.initiator);
    drop_unusable_candidates(s5b);
}

static xmlnode *
s5b_describe(BsTransport *transport)
{
    S5b *s5b = (S5b *)transport;
    g_autofree char *dst_addr = bs_dst_addr(s5b->sid, s5b->context.own_jid, s5b->context.peer_jid);

    listen_and_gather(s5b, dst_addr);
    for (guint i = 0; i < s5b->own_candidates->len; i++) {
        const BsCandidate *candidate = g_ptr_array_index(s5b->own_candidates, i);

        bs_log(s5b->context.id, "we offer %s %s port %u priority %u", bs_candidate_type_name(candidate->type),
               candidate->host, candidate->port, candidate->priority);
    }
    return bs_s5b_build_candidates(s5b->sid, dst_addr, s5b->own_candidates);
}

static void
dial_candidate(S5b *s5b, const BsCandidate *candidate)
{
    const char *refusal = bs_candidate_refusal(candidate, s5b->peer_candidates, s5b->own_addresses);

    if (refusal != NULL)
        bs_log(s5b->context.id, "the peer's %s port %u is not dialled: %s", candidate->host, candidate->port,
               refusal);
    else
        bs_connector_add(s5b->connector, candidate);
}

/* Candidates that came after the first description. */
static void
add_trickled(S5b *s5b, GPtrArray *candidates)
{
    for (guint i = 0; i < candidates->len; i++) {
        BsCandidate *candidate = g_ptr_array_index(candidates, i);

        if (s5b->peer_candidates->len >= BS_CANDIDATES_MAX ||
            bs_candidates_find(s5b->peer_candidates, candidate->cid) != NULL)
            continue;
        g_ptr_array_add(s5b->peer_candidates, bs_candidate_copy(candidate));
        if (s5b->connector != NULL && s5b->our_report.kind == BS_REPORT_NONE)
            dial_candidate(s5b, candidate);
    }
    if (s5b->connector != NULL && s5b->our_report.kind == BS_REPORT_NONE) {
        clear_timer(&s5b->step_timer);
        bs_connector_start(s5b->connector);
    }
}

static BsTransportVerdict
s5b_take_description(BsTransport *transport, const xmlnode *description)
{
    S5b *s5b = (S5b *)transport;
    g_autoptr(BsS5bMessage) message = bs_s5b_parse(description);

    if (message == NULL || message->kind != BS_S5B_CANDIDATES)
        return BS_TRANSPORT_BAD;
    if (bs_s5b_is_udp(description))
        return BS_TRANSPORT_UNSUPPORTED;
    if (s5b->context.initiator && strcmp(message->sid, s5b->sid) != 0)
        return BS_TRANSPORT_BAD;
    g_free(s5b->sid);
    s5b->sid = g_steal_pointer(&message->sid);
    s5b->peer_dstaddr = g_steal_pointer(&message->dstaddr);
    g_ptr_array_unref(s5b->peer_candidates);
    s5b->peer_candidates = g_steal_pointer(&message->candidates);
    message->candidates = g_ptr_array_new();
    bs_log(s5b->context.id, "the peer offers %u candidates", s5b->peer_candidates->len);
    return BS_TRANSPORT_OK;
}

static BsTransportVerdict
take_used(S5b *s5b, const char *cid)
{
    BsCandidate *candidate = bs_candidates_find(s5b->own_candidates, cid);

    if (s5b->their_report.kind != BS_REPORT_NONE)
        return BS_TRANSPORT_OK;
    if (candidate == NULL) {
        bs_log_warning(s5b->context.id, "the peer says it uses a candidate that we never offered");
        s5b->their_report.kind = BS_REPORT_ERROR;
        decide(s5b);
        return BS_TRANSPORT_UNKNOWN_ITEM;
    }
    bs_log(s5b->context.id, "the peer uses our %s port %u", candidate->host, candidate->port);
    s5b->their_choice = candidate;
    s5b->their_report.kind = BS_REPORT_USED;
    s5b->their_report.priority = candidate->priority;
    if (s5b->our_report.kind == BS_REPORT_NONE && s5b->connector != NULL)
        bs_connector_only_above(s5b->connector, candidate->priority);
    decide(s5b);
    return BS_TRANSPORT_OK;
}

static void
take_error(S5b *s5b)
{
    if (s5b->their_report.kind != BS_REPORT_NONE)
        return;
    bs_log(s5b->context.id, "the peer reached none of our candidates");
    s5b->their_report.kind = BS_REPORT_ERROR;
    decide(s5b);
}

static BsTransportVerdict
take_activated(S5b *s5b, const char *cid)
{
    if (bs_candidates_find(s5b->peer_candidates, cid) == NULL)
        return BS_TRANSPORT_UNKNOWN_ITEM;
    s5b->activated = TRUE;
    if (s5b->state == S5B_ACTIVATING)
        use_our_choice(s5b);
    return BS_TRANSPORT_OK;
}

static BsTransportVerdict
s5b_take_info(BsTransport *transport, const xmlnode *info)
{
    S5b *s5b = (S5b *)transport;
    g_autoptr(BsS5bMessage) message = bs_s5b_parse(info);

    if (message == NULL)
        return BS_TRANSPORT_BAD;
    if (strcmp(message->sid, s5b->sid) != 0)
        return BS_TRANSPORT_UNKNOWN_ITEM;
    if (s5b->state == S5B_ENDED)
        return BS_TRANSPORT_OK;
    switch (message->kind) {
    case BS_S5B_CANDIDATES:
        add_trickled(s5b, message->candidates);
        return BS_TRANSPORT_OK;
    case BS_S5B_CANDIDATE_USED:
        return take_used(s5b, message->cid);
    case BS_S5B_CANDIDATE_ERROR:
        take_error(s5b);
        return BS_TRANSPORT_OK;
    case BS_S5B_ACTIVATED:
        return take_activated(s5b, message->cid);
    case BS_S5B_PROXY_ERROR:
        fail(s5b, "the nominated proxy does not work");
        return BS_TRANSPORT_OK;
    }
    return BS_TRANSPORT_BAD;
}

/* The two orders in which the offerer of a candidate may have put the JIDs into its DST.ADDR: its own dstaddr
 * if it told us, else offerer first (Dino, Conversations, Swift, Smack); then the other one (Psi, Gajim:
 * initiator first). */
static BsConnector *
new_connector(S5b *s5b)
{
    g_autofree char *offerer_first = bs_dst_addr(s5b->sid, s5b->context.peer_jid, s5b->context.own_jid);
    g_autofree char *offerer_last = bs_dst_addr(s5b->sid, s5b->context.own_jid, s5b->context.peer_jid);
    const char *first = s5b->peer_dstaddr != NULL ? s5b->peer_dstaddr : offerer_first;
    const char *second = g_ascii_strcasecmp(first, offerer_first) == 0 ? offerer_last : offerer_first;
    const char *const dst_addrs[] = {first, second, NULL};

    return bs_connector_new(s5b->context.id, s5b->context.account, dst_addrs, &connector_events, s5b);
}

static void
s5b_start(BsTransport *transport)
{
    S5b *s5b = (S5b *)transport;

    s5b->state = S5B_DIALLING;
    s5b->deadline_timer = purple_timeout_add_seconds(NEGOTIATION_DEADLINE_S, deadline_passed, s5b);
    s5b->connector = new_connector(s5b);
    for (guint i = 0; i < s5b->peer_candidates->len; i++)
        dial_candidate(s5b, g_ptr_array_index(s5b->peer_candidates, i));
    bs_connector_start(s5b->connector);
}

static void
s5b_free(BsTransport *transport)
{
    S5b *s5b = (S5b *)transport;

    stop(s5b);
    bs_accepted_free(s5b->accepted);
    g_clear_pointer(&s5b->own_addresses, g_ptr_array_unref);
    g_ptr_array_unref(s5b->own_candidates);
    g_ptr_array_unref(s5b->peer_candidates);
    bs_candidate_free(s5b->our_choice);
    g_free(s5b->peer_dstaddr);
    g_free(s5b->sid);
    g_free(s5b);
}

static const BsTransportClass s5b_class = {
    .xmlns = BS_NS_S5B,
    .describe = s5b_describe,
    .take_description = s5b_take_description,
    .take_info = s5b_take_info,
    .start = s5b_start,
    .free = s5b_free,
};

BsTransport *
bs_s5b_new(const BsTransportContext *context, const BsTransportEvents *events, gpointer data)
{
    S5b *s5b = g_new0(S5b, 1);

    s5b->base.class = &s5b_class;
    s5b->context = *context;
    s5b->events = events;
    s5b->data = data;
    s5b->sid = bs_random_id();
    s5b->own_candidates = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
    s5b->peer_candidates = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
    s5b->accepted = bs_accepted_new();
    s5b->dialled_fd = -1;
    return &s5b->base;
}
