/* A transfer that is agreed on by stream initiation (XEP-0095, XEP-0096): one question, one answer, and then
 * the streams' own stanzas. SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "log.h"
#include "stanza/allowances.h"
#include "random_id.h"
#include "transfer/internal.h"
#include "transport/ibb.h"
#include "transport/ibb_xml.h"
#include "transport/si_bytestreams.h"

/* Longer than any transfer waits for the peer's user. */
#define ANSWER_TIMEOUT_MS (2 * 60 * 60 * 1000)

#define BOTH_METHODS (1u << BS_SI_BYTESTREAMS | 1u << BS_SI_IN_BAND)

struct _BsSiNegotiation {
    char *peer;
    char *sid;
    guint methods;        /* those that may still be tried: bit set of 1 << BsSiMethod */
    BsIqRequest *request; /* out: our offer */
    xmlnode *offer;       /* in: the peer's, until it is answered */
    char *offer_id;       /* in: the id of its stanza */
    gboolean multiple;    /* in: the peer may be told several methods */
    gboolean begun;       /* the peer has told us streamhosts */
    gboolean fallback;    /* in-band, although SOCKS5 was agreed on, as neither reached the other ... */
    gboolean ambiguous;   /* ... or perhaps as the peer does not want to */
};

static const char *
si_peer(const BsTransfer *transfer)
{
    return transfer->si->peer;
}

static const char *
si_sid(const BsTransfer *transfer)
{
    return transfer->si->sid;
}

/* Only files that are sent are offered. */
static gboolean
si_is_initiator(const BsTransfer *transfer)
{
    return !transfer->incoming;
}

static BsTransport *
new_transport(BsTransfer *transfer, BsSiMethod method)
{
    BsTransportContext context = bs_transfer_transport_context(transfer);

    if (method == BS_SI_IN_BAND)
        return bs_ibb_new_alone(&context, transfer->si->sid, &bs_transfer_transport_events, transfer);
    return bs_si_bytestreams_new(&context, transfer->si->sid, &bs_transfer_transport_events, transfer);
}

static void
try(BsTransfer *transfer, BsSiMethod method)
{
    transfer->si->methods &= ~(1u << method);
    if (transfer->state != TRANSFER_OFFERED || method != BS_SI_BYTESTREAMS) {
        bs_transfer_free_transports(transfer);
        transfer->transport = new_transport(transfer, method);
    }
    bs_transfer_connect(transfer);
}

/* Both parties have agreed, and nothing is said any more but in the streams. */
static void
agree(BsTransfer *transfer, BsSiMethod method)
{
    transfer->session_over = TRUE;
    try(transfer, method);
}

/* The last file did not come, as the peer gave up where SOCKS5 failed, and there is no other word than the
 * answer in which it can be told to go in-band. */
static gboolean
must_be_told_in_band(const BsTransfer *transfer)
{
    const BsSiNegotiation *si = transfer->si;

    return si->methods == BOTH_METHODS && !si->multiple &&
           bs_reaches_in_vain(bs_endpoint_reaches(transfer->endpoint), si->peer) &&
           bs_allow(BS_ALLOW_SI_ONE_METHOD);
}

static void
si_accept(BsTransfer *transfer)
{
    BsSiNegotiation *si = transfer->si;
    BsSiMethod method;
    xmlnode *offer = g_steal_pointer(&si->offer);

    if (must_be_told_in_band(transfer))
        si->methods = 1u << BS_SI_IN_BAND;
    method = si->methods & 1u << BS_SI_BYTESTREAMS ? BS_SI_BYTESTREAMS : BS_SI_IN_BAND;
    bs_iq_reply_result(bs_endpoint_link(transfer->endpoint), offer,
                       bs_si_build_answer(transfer->offer, si->methods, si->multiple));
    xmlnode_free(offer);
    agree(transfer, method);
}

static gboolean
is_in_band(const BsTransport *transport)
{
    return transport != NULL && strcmp(transport->class->xmlns, BS_NS_JINGLE_IBB) == 0;
}

/* An offer can be turned down, and an in-band stream be closed before its end; there are no other words. */
static void
si_terminate(BsTransfer *transfer, BsJingleReason reason, const char *specific)
{
    BsIqLink *link = bs_endpoint_link(transfer->endpoint);
    xmlnode *offer = g_steal_pointer(&transfer->si->offer);

    (void)specific;
    if (offer != NULL) {
        bs_iq_reply_error(link, offer, "cancel", "forbidden", NULL, NULL);
        xmlnode_free(offer);
    } else if (reason != BS_JINGLE_SUCCESS && is_in_band(transfer->transport)) {
        bs_iq_request(link, "set", transfer->si->peer, bs_ibb_build_close(transfer->si->sid), 0, NULL, NULL);
    }
}

static void
si_say_nothing(BsTransfer *transfer)
{
    (void)transfer;
}

static void
learn_in_vain(const BsTransfer *transfer, gboolean in_vain)
{
    bs_reaches_learn_in_vain(bs_endpoint_reaches(transfer->endpoint), transfer->si->peer, in_vain);
}

/* The peer has said something since we accepted its file: it could have opened an in-band stream, too. */
static gboolean
has_begun(BsTransfer *transfer)
{
    if (!is_in_band(transfer->transport) && bs_si_bytestreams_was_asked(transfer->transport))
        transfer->si->begun = TRUE;
    return transfer->si->begun;
}

/* Whether the file would come by a new offer. */
static gboolean
may_go_in_band_anew(const BsTransfer *transfer)
{
    const BsSiNegotiation *si = transfer->si;

    if (si->ambiguous)
        return bs_ibb_was_unheard_of(transfer->transport) && bs_allow(BS_ALLOW_SI_NOT_REACHED_UNSAID);
    return si->fallback && (transfer->incoming || bs_allow(BS_ALLOW_NEW_OFFER_IN_BAND));
}

/* The sender opens the in-band stream when the other one found no way; the receiver waits for that. */
static void
si_no_way(BsTransfer *transfer)
{
    if (transfer->incoming && !has_begun(transfer)) {
        bs_transfer_finish(transfer, BS_END_NOT_BEGUN, NULL);
        return;
    }
    if (!(transfer->si->methods & 1u << BS_SI_IN_BAND)) {
        transfer->in_band_is_left = may_go_in_band_anew(transfer);
        bs_transfer_finish(transfer, BS_END_NO_ROUTE, NULL);
        return;
    }
    bs_log(transfer->id, "now in-band");
    transfer->si->fallback = !bs_si_bytestreams_was_left(transfer->transport);
    transfer->si->ambiguous = bs_si_bytestreams_was_ambiguous(transfer->transport);
    if (transfer->incoming && transfer->si->fallback)
        learn_in_vain(transfer, TRUE);
    try(transfer, BS_SI_IN_BAND);
}

static void
si_broken(BsTransfer *transfer)
{
    bs_transfer_finish(transfer, BS_END_CONNECTION_LOST, NULL);
}

/* The peer goes in-band although SOCKS5 was agreed on: it may have found no way, or have no streamhosts. */
static gboolean
si_take_stanza(BsTransfer *transfer, const xmlnode *stanza)
{
    BsIbbKind kind;
    const xmlnode *element = bs_ibb_element(stanza, &kind);

    if (element == NULL || transfer->state != TRANSFER_CONNECTING ||
        g_strcmp0(bs_ibb_sid(element), transfer->si->sid) != 0)
        return FALSE;
    if (kind == BS_IBB_CLOSE) {
        /* Before there is a stream. */
        bs_allow(BS_ALLOW_SI_CLOSED_BEFORE_OPEN);
        if (strcmp(stanza->name, "iq") == 0)
            bs_iq_reply_result(bs_endpoint_link(transfer->endpoint), stanza, NULL);
        bs_transfer_finish(transfer, BS_END_CANCELLED, NULL);
        return TRUE;
    }
    if (kind != BS_IBB_OPEN || !transfer->incoming || !(transfer->si->methods & 1u << BS_SI_IN_BAND) ||
        !bs_allow(BS_ALLOW_SI_GOES_IN_BAND))
        return FALSE;
    bs_log(transfer->id, "the peer goes in-band");
    try(transfer, BS_SI_IN_BAND);
    return transfer->transport->class->take_stanza(transfer->transport, stanza);
}

const char *
bs_transfer_si_offer_id(const BsTransfer *transfer)
{
    return transfer->si != NULL ? transfer->si->offer_id : NULL;
}

static void
si_let_go(BsTransfer *transfer)
{
    bs_iq_request_cancel(&transfer->si->request);
    /* This peer goes in-band by itself. */
    if (transfer->incoming && transfer->si->fallback && transfer->begun)
        learn_in_vain(transfer, FALSE);
}

static void
si_free(BsTransfer *transfer)
{
    BsSiNegotiation *si = g_steal_pointer(&transfer->si);

    g_clear_pointer(&si->offer, xmlnode_free);
    g_free(si->peer);
    g_free(si->sid);
    g_free(si->offer_id);
    g_free(si);
}

const BsTransferProtocol bs_transfer_si = {
    .peer = si_peer,
    .sid = si_sid,
    .is_initiator = si_is_initiator,
    .accept = si_accept,
    .terminate = si_terminate,
    .sent = si_say_nothing,
    .received = si_say_nothing,
    .no_way = si_no_way,
    .broken = si_broken,
    .take_stanza = si_take_stanza,
    .settled = si_say_nothing,
    .let_go = si_let_go,
    .free = si_free,
};

static BsEndReason
reason_for_error(const char *condition)
{
    static const char *const declined[] = {"forbidden", "not-acceptable", "not-allowed", NULL};
    static const char *const unsupported[] = {"service-unavailable", "feature-not-implemented", "bad-request",
                                              NULL};
    static const char *const gone[] = {"item-not-found", "recipient-unavailable", "remote-server-not-found",
                                       "remote-server-timeout", NULL};

    if (g_strv_contains(declined, condition))
        return BS_END_DECLINED;
    if (g_strv_contains(unsupported, condition))
        return BS_END_UNSUPPORTED;
    return g_strv_contains(gone, condition) ? BS_END_PEER_GONE : BS_END_PEER_FAILED;
}

/* The peer may want a part only (XEP-0096, 3). */
static void
take_range(BsTransfer *transfer, const BsFileOffer *wanted)
{
    guint64 rest = transfer->offer->size - wanted->range_offset;

    transfer->offer->range_offset = wanted->range_offset;
    transfer->offer->range_length = MIN(rest, wanted->range_length);
}

static void
take_answer(BsTransfer *transfer, const xmlnode *iq)
{
    const xmlnode *element = bs_si_element(iq);
    g_autoptr(BsSi) answer =
        element != NULL ? bs_si_parse_answer(element, transfer->offer, transfer->si->methods) : NULL;

    if (answer == NULL) {
        bs_log_warning(transfer->id, "the peer's answer fits no offer of ours");
        bs_transfer_finish(transfer, BS_END_UNSUPPORTED, NULL);
    } else {
        take_range(transfer, answer->file);
        bs_log(transfer->id, "the peer accepted");
        if (transfer->events->accepted != NULL)
            transfer->events->accepted(transfer, transfer->data);
        agree(transfer, answer->order[0]);
    }
}

static void
offer_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    BsTransfer *transfer = data;
    g_autofree char *condition = NULL;

    transfer->si->request = NULL;
    switch (outcome) {
    case BS_IQ_RESULT:
        take_answer(transfer, iq);
        break;
    case BS_IQ_ERROR:
        condition = bs_iq_error_condition(iq);
        bs_log(transfer->id, "the offer was answered with the error %s", condition);
        bs_transfer_finish(transfer, reason_for_error(condition), NULL);
        break;
    case BS_IQ_TIMEOUT:
        bs_transfer_finish(transfer, BS_END_TIMEOUT, NULL);
        break;
    }
}

static BsSiNegotiation *
new_negotiation(const char *peer, const char *sid, guint methods)
{
    BsSiNegotiation *si = g_new0(BsSiNegotiation, 1);

    si->peer = g_strdup(peer);
    si->sid = g_strdup(sid);
    si->methods = methods;
    return si;
}

static BsTransfer *
offer(BsEndpoint *endpoint, const char *peer, guint methods, const BsFileOffer *file, BsSource *source,
      const BsTransferEvents *events, gpointer data)
{
    g_autofree char *sid = bs_random_id();
    g_autofree char *own_jid = bs_endpoint_own_jid(endpoint, peer, NULL);
    BsTransfer *transfer =
        bs_transfer_new_outgoing(endpoint, &bs_transfer_si, own_jid, bs_file_offer_copy(file), source);
    BsIqRequest *request;

    transfer->si = new_negotiation(peer, sid, methods);
    /* There is no later word in which a hash could follow. */
    transfer->offer->hashes_promised = 0;
    transfer->offer->can_range = source->seek != NULL;
    bs_transfer_watch(transfer, events, data);
    bs_transfer_log_offer(transfer, "offered by stream initiation to");
    /* The router has as long to map our port as the peer's user takes to answer. */
    transfer->transport =
        new_transport(transfer, methods & 1u << BS_SI_BYTESTREAMS ? BS_SI_BYTESTREAMS : BS_SI_IN_BAND);
    request = bs_iq_request(bs_endpoint_link(endpoint), "set", peer,
                            bs_si_build_offer(sid, transfer->offer, methods), ANSWER_TIMEOUT_MS,
                            offer_answered, transfer);
    if (request != NULL)
        transfer->si->request = request;
    return transfer;
}

BsTransfer *
bs_transfer_offer_si(BsEndpoint *endpoint, const char *peer, const BsFileOffer *file, BsSource *source,
                     const BsTransferEvents *events, gpointer data)
{
    return offer(endpoint, peer, BOTH_METHODS, file, source, events, data);
}

BsTransfer *
bs_transfer_offer_si_in_band(BsEndpoint *endpoint, const char *peer, const BsFileOffer *file,
                             BsSource *source, const BsTransferEvents *events, gpointer data)
{
    return offer(endpoint, peer, 1u << BS_SI_IN_BAND, file, source, events, data);
}

BsTransfer *
bs_transfer_new_from_si(BsEndpoint *endpoint, const char *own_jid, const xmlnode *iq, BsSi *si)
{
    BsTransfer *transfer =
        bs_transfer_new_incoming(endpoint, &bs_transfer_si, own_jid, g_steal_pointer(&si->file));

    transfer->si = new_negotiation(bs_jingle_attrib(iq, "from"), si->sid, si->methods);
    transfer->si->offer = xmlnode_copy(iq);
    transfer->si->offer_id = g_strdup(bs_jingle_attrib(iq, "id"));
    if (transfer->offer->size == BS_SIZE_UNKNOWN && bs_allow(BS_ALLOW_SI_NO_SIZE_WITHOUT_BYTES))
        transfer->offer->size = 0;
    transfer->si->multiple = si->multiple;
    bs_si_free(si);
    bs_transfer_log_offer(transfer, "offered by stream initiation by");
    return transfer;
}
