/* How a transfer gets its connection: the transport in use, and the ladder of those that follow when it finds
 * no way, or when its connection breaks. SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "log.h"
#include "stanza/allowances.h"
#include "stanza/jid.h"
#include "transfer/internal.h"
#include "transport/ibb.h"
#include "transport/ibb_xml.h"
#include "transport/s5b.h"
#include "transport/s5b_xml.h"

/* After a transport found no way, how long its initiator has to end the session or to propose another one. */
#define INITIATOR_WAIT_MS 20000
/* After the connection broke, how long the receiver waits for a peer that did it on purpose, and is about to
 * say why. */
#define WORD_WAIT_MS 1000
/* ... and a sender for the receiver, who knows better what is missing, but may not have noticed. */
#define RECEIVER_WAIT_MS 4000
/* A receiver that does not want another connection may be about to ask for the rest in a session of its own.
 */
#define REQUEST_WAIT_MS 30000
/* How long a peer may take to accept a transport that it has been told of. */
#define PROPOSAL_DEADLINE_MS 30000
/* In one session, whoever proposed them. */
#define REPLACEMENTS_MAX 6

static void
free_transport(BsTransport **transport)
{
    if (*transport != NULL)
        (*transport)->class->free(*transport);
    *transport = NULL;
}

/* The peer may go on with its stream for a while. */
static void
end_transport(BsTransfer *transfer, BsTransport **transport)
{
    if (*transport != NULL)
        bs_endpoint_stream_ended(transfer->endpoint, bs_transfer_peer(transfer), *transport);
    free_transport(transport);
}

void
bs_transfer_free_transports(BsTransfer *transfer)
{
    end_transport(transfer, &transfer->proposed);
    end_transport(transfer, &transfer->transport);
}

static const char *
name_of(const BsTransport *transport)
{
    return strcmp(transport->class->xmlns, BS_NS_S5B) == 0 ? "SOCKS5" : "in-band";
}

/* The peer may be about to say why, or to propose another way: waits, then ends for `reason`. */
static void
wait_for_peer(BsTransfer *transfer, BsEndReason reason, guint milliseconds, GSourceFunc then)
{
    transfer->state = TRANSFER_LOST;
    transfer->lost_reason = reason;
    g_clear_pointer(&transfer->pump, bs_pump_free);
    bs_transfer_set_timer(transfer, milliseconds, then);
}

static void
give_up(BsTransfer *transfer)
{
    bs_transfer_terminate(transfer, BS_JINGLE_CONNECTIVITY_ERROR, NULL, transfer->lost_reason, NULL);
}

static gboolean
no_word_of_the_peer(gpointer data)
{
    BsTransfer *transfer = data;

    transfer->timer = 0;
    give_up(transfer);
    return FALSE;
}

static void
send_transport_info(xmlnode *transport, gpointer data)
{
    BsTransfer *transfer = data;

    bs_jingle_session_transport_info(transfer->session, transport);
}

static void
transport_connected(int fd, const BsRoute *route, gpointer data)
{
    bs_transfer_move(data, fd, route);
}

static void
transport_failed(gpointer data)
{
    BsTransfer *transfer = data;

    if (transfer->state == TRANSFER_CONNECTING)
        transfer->protocol->no_way(transfer);
    else if (transfer->state == TRANSFER_MOVING ||
             (transfer->state == TRANSFER_CONFIRMING && !transfer->received))
        bs_transfer_lose(transfer);
}

const BsTransportEvents bs_transfer_transport_events = {
    .send_info = send_transport_info,
    .connected = transport_connected,
    .failed = transport_failed,
};

/* Old versions of Conversations speak version 3 with whom they know nothing of. */
static const char *
stream_name(const BsTransfer *transfer)
{
    gboolean session_counts =
        transfer->version == BS_JINGLE_FILE_3 && bs_allow(BS_ALLOW_SESSION_ID_IN_DST_ADDR);

    return session_counts ? bs_jingle_session_sid(transfer->session) : NULL;
}

BsTransportContext
bs_transfer_transport_context(const BsTransfer *transfer)
{
    BsIqLink *link = bs_endpoint_link(transfer->endpoint);
    /* A proxy reckons with the JID that asks it to activate a stream, which occupants of a room do not
     * know. */
    gboolean is_known_by_name = bs_jid_equal(transfer->own_jid, bs_iq_link_own_jid(link));
    BsTransportContext context = {
        .id = transfer->id,
        .link = link,
        .account = bs_endpoint_account(transfer->endpoint),
        .proxies = is_known_by_name ? bs_endpoint_proxies(transfer->endpoint) : NULL,
        .disclosure = bs_endpoint_disclosure(transfer->endpoint),
        .own_jid = transfer->own_jid,
        .peer_jid = transfer->protocol->peer(transfer),
        .stream_name = stream_name(transfer),
        .takes_no_names = transfer->version == BS_JINGLE_FILE_4,
        .initiator = transfer->protocol->is_initiator(transfer),
        .reaches = bs_endpoint_reaches(transfer->endpoint),
        .size = transfer->offer->size,
        .avoided = transfer->avoided.host[0] != '\0' ? &transfer->avoided : NULL,
    };

    return context;
}

/* NULL if there is none of that name. */
static BsTransport *
new_transport(BsTransfer *transfer, const char *xmlns)
{
    BsTransportContext context = bs_transfer_transport_context(transfer);

    if (g_strcmp0(xmlns, BS_NS_S5B) == 0)
        return bs_s5b_new(&context, &bs_transfer_transport_events, transfer);
    if (g_strcmp0(xmlns, BS_NS_JINGLE_IBB) == 0)
        return bs_ibb_new(&context, &bs_transfer_transport_events, transfer);
    return NULL;
}

xmlnode *
bs_transfer_offer_transport(BsTransfer *transfer, gboolean in_band)
{
    transfer->transport = new_transport(transfer, in_band ? BS_NS_JINGLE_IBB : BS_NS_S5B);
    return transfer->transport->class->describe(transfer->transport);
}

/* The one that the peer describes in `description`, in `*transport`. */
static BsTransportVerdict
make_described(BsTransfer *transfer, const xmlnode *description, BsTransport **transport)
{
    BsTransportVerdict verdict;

    *transport = new_transport(transfer, xmlnode_get_namespace((xmlnode *)description));
    if (*transport == NULL)
        return BS_TRANSPORT_UNSUPPORTED;
    verdict = (*transport)->class->take_description(*transport, description);
    if (verdict != BS_TRANSPORT_OK)
        free_transport(transport);
    return verdict;
}

static gboolean
is_psi(const BsTransport *transport)
{
    return strcmp(transport->class->xmlns, BS_NS_S5B) == 0 && bs_s5b_peer_is_psi(transport);
}

BsTransportVerdict
bs_transfer_set_transport(BsTransfer *transfer, const xmlnode *description)
{
    BsTransportVerdict verdict = make_described(transfer, description, &transfer->transport);

    if (verdict == BS_TRANSPORT_OK && transfer->incoming && is_psi(transfer->transport) &&
        bs_allow(BS_ALLOW_RANGE_WITHOUT_REQUESTS))
        transfer->gives_no_rest = TRUE;
    return verdict;
}

void
bs_transfer_connect(BsTransfer *transfer)
{
    transfer->state = TRANSFER_CONNECTING;
    bs_transfer_set_timer(transfer, 0, NULL);
    bs_transfer_run(transfer);
    transfer->transport->class->start(transfer->transport);
}

/* All bytes move over one connection: with a new one, they begin anew. */
static gboolean
can_begin_anew(const BsTransfer *transfer)
{
    if (!transfer->begun)
        return TRUE;
    return transfer->incoming ? transfer->sink->restart != NULL : transfer->source->seek != NULL;
}

static gboolean
is_waiting_for_transport(const BsTransfer *transfer)
{
    switch (transfer->state) {
    case TRANSFER_CONNECTING:
    case TRANSFER_REPLACING:
        return TRUE;
    case TRANSFER_LOST:
        /* Once it is known what is there, the rest of it is asked for. */
        return transfer->prefix == NULL;
    case TRANSFER_MOVING:
    case TRANSFER_CONFIRMING:
        /* The peer has noticed before us that the connection broke. A receiver that lacks nothing is not of
         * those who propose. */
        return !transfer->received;
    case TRANSFER_OFFERED:
    case TRANSFER_RINGING:
    case TRANSFER_QUEUED:
    case TRANSFER_VERIFYING:
    case TRANSFER_FINISHING:
    case TRANSFER_ASKING:
        break;
    }
    return FALSE;
}

static gboolean
nobody_accepted_transport(gpointer data)
{
    BsTransfer *transfer = data;

    transfer->timer = 0;
    bs_log_warning(transfer->id, "the peer did not accept another transport in time");
    give_up(transfer);
    return FALSE;
}

static void
propose(BsTransfer *transfer, const char *xmlns)
{
    transfer->state = TRANSFER_REPLACING;
    transfer->replacements++;
    end_transport(transfer, &transfer->proposed);
    transfer->proposed = new_transport(transfer, xmlns);
    bs_log(transfer->id, "we propose another transport: %s", name_of(transfer->proposed));
    bs_transfer_set_timer(transfer, PROPOSAL_DEADLINE_MS, nobody_accepted_transport);
    bs_jingle_session_transport_replace(transfer->session,
                                        transfer->proposed->class->describe(transfer->proposed));
}

/* The next rung, after `transfer->transport` has failed; NULL if it was the last one. A connection that broke
 * is made once more the fast way. */
static const char *
next_transport(const BsTransfer *transfer, gboolean had_connection)
{
    if (transfer->replacements >= REPLACEMENTS_MAX || !can_begin_anew(transfer) ||
        strcmp(transfer->transport->class->xmlns, BS_NS_S5B) != 0)
        return NULL;
    return had_connection && transfer->broken_connections == 1 ? BS_NS_S5B : BS_NS_JINGLE_IBB;
}

static void
propose_next(BsTransfer *transfer, gboolean had_connection)
{
    const char *xmlns = next_transport(transfer, had_connection);

    if (xmlns != NULL)
        propose(transfer, xmlns);
    else
        give_up(transfer);
}

void
bs_transfer_ladder_no_way(BsTransfer *transfer)
{
    transfer->lost_reason = BS_END_NO_ROUTE;
    if (transfer->session_over)
        bs_transfer_finish(transfer, BS_END_NO_ROUTE, NULL);
    else if (bs_jingle_session_is_initiator(transfer->session))
        propose_next(transfer, FALSE);
    else
        wait_for_peer(transfer, BS_END_NO_ROUTE, INITIATOR_WAIT_MS, no_word_of_the_peer);
}

/* Before the peer has said that it has the file, what the pump has sent may be in the transport still. */
static gboolean
go_on_after_break(gpointer data)
{
    BsTransfer *transfer = data;

    transfer->timer = 0;
    if (!bs_transfer_ask_for_rest(transfer))
        propose_next(transfer, TRUE);
    return FALSE;
}

void
bs_transfer_propose_after_break(BsTransfer *transfer)
{
    transfer->transport = new_transport(transfer, BS_NS_S5B);
    propose_next(transfer, TRUE);
}

/* A connection over which nothing came is not tried again. */
static void
avoid_dead_route(BsTransfer *transfer)
{
    if (transfer->pump != NULL && bs_pump_moved(transfer->pump) == 0 && !transfer->route.in_band)
        transfer->avoided = transfer->route;
}

void
bs_transfer_ladder_broken(BsTransfer *transfer)
{
    avoid_dead_route(transfer);
    bs_transfer_note_progress(transfer);
    wait_for_peer(transfer, BS_END_CONNECTION_LOST, transfer->incoming ? WORD_WAIT_MS : RECEIVER_WAIT_MS,
                  go_on_after_break);
}

void
bs_transfer_lose(BsTransfer *transfer)
{
    transfer->broken_connections++;
    if (transfer->session_over)
        bs_transfer_finish(transfer, BS_END_CONNECTION_LOST, NULL);
    else
        transfer->protocol->broken(transfer);
}

/* `proposed` is what both agreed on. What moved over the old one is void. */
static void
change_transport(BsTransfer *transfer)
{
    g_clear_pointer(&transfer->pump, bs_pump_free);
    end_transport(transfer, &transfer->transport);
    transfer->transport = g_steal_pointer(&transfer->proposed);
}

BsJingleAnswer
bs_transfer_take_proposal(BsTransfer *transfer, const xmlnode *description)
{
    BsTransport *transport = NULL;
    BsTransportVerdict verdict = BS_TRANSPORT_UNSUPPORTED;

    /* What is missing is asked for instead. */
    if (transfer->state == TRANSFER_MOVING && bs_transfer_can_ask(transfer)) {
        transfer->took = TOOK_SIGN_OF_BREAK;
        return BS_JINGLE_ACK;
    }
    if (is_waiting_for_transport(transfer) && can_begin_anew(transfer) &&
        transfer->replacements < REPLACEMENTS_MAX)
        verdict = make_described(transfer, description, &transport);
    if (verdict == BS_TRANSPORT_BAD)
        return BS_JINGLE_BAD_REQUEST;
    transfer->took = transport != NULL ? TOOK_PROPOSAL : TOOK_UNUSABLE_PROPOSAL;
    if (transport != NULL) {
        end_transport(transfer, &transfer->proposed);
        transfer->proposed = transport;
        transfer->replacements++;
    }
    return BS_JINGLE_ACK;
}

void
bs_transfer_accept_proposal(BsTransfer *transfer)
{
    bs_log(transfer->id, "the peer proposes another transport: %s", name_of(transfer->proposed));
    change_transport(transfer);
    bs_jingle_session_transport_accept(transfer->session,
                                       transfer->transport->class->describe(transfer->transport));
    bs_transfer_connect(transfer);
}

BsTransportVerdict
bs_transfer_take_accepted(BsTransfer *transfer, const xmlnode *description)
{
    BsTransport *proposed = transfer->proposed;

    if (transfer->state != TRANSFER_REPLACING || proposed == NULL ||
        g_strcmp0(xmlnode_get_namespace((xmlnode *)description), proposed->class->xmlns) != 0)
        return BS_TRANSPORT_BAD;
    return proposed->class->take_description(proposed, description);
}

void
bs_transfer_use_accepted(BsTransfer *transfer)
{
    bs_log(transfer->id, "the peer accepted the other transport");
    change_transport(transfer);
    bs_transfer_connect(transfer);
}

/* Gajim takes no proposal but an in-band one. */
static gboolean
may_propose_in_band(const BsTransfer *transfer)
{
    return transfer->proposed != NULL && strcmp(transfer->proposed->class->xmlns, BS_NS_S5B) == 0 &&
           transfer->replacements < REPLACEMENTS_MAX && bs_allow(BS_ALLOW_ONLY_IN_BAND_PROPOSED);
}

/* Psi, which never changes over in a session, rejects the proposal if it has not ended the session before. */
static gboolean
may_go_in_band_anew(const BsTransfer *transfer)
{
    return !transfer->incoming && !transfer->begun && transfer->proposed != NULL &&
           strcmp(transfer->proposed->class->xmlns, BS_NS_JINGLE_IBB) == 0 && is_psi(transfer->transport) &&
           bs_allow(BS_ALLOW_NEW_SESSION_IN_BAND);
}

void
bs_transfer_proposal_rejected(BsTransfer *transfer)
{
    gboolean in_band_is_left = may_propose_in_band(transfer);
    gboolean anew = may_go_in_band_anew(transfer);

    bs_log(transfer->id, "the peer does not want the other transport");
    end_transport(transfer, &transfer->proposed);
    /* The peer's own proposal may have taken its place meanwhile. */
    if (transfer->state != TRANSFER_REPLACING)
        return;
    if (transfer->unavailable_timer != 0)
        bs_transfer_terminate(transfer, BS_JINGLE_GONE, NULL, BS_END_PEER_GONE, NULL);
    else if (!transfer->incoming && transfer->peer_may_ask && transfer->begun)
        wait_for_peer(transfer, transfer->lost_reason, REQUEST_WAIT_MS, no_word_of_the_peer);
    else if (in_band_is_left)
        propose(transfer, BS_NS_JINGLE_IBB);
    else {
        transfer->in_band_is_left = anew;
        give_up(transfer);
    }
}
