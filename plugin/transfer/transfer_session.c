/* What the peer says in a transfer's session: each of its requests, and its end.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "log.h"
#include "stanza/allowances.h"
#include "transfer/internal.h"
#include "transport/s5b_xml.h"

static BsJingleAnswer
answer_for(BsTransportVerdict verdict)
{
    switch (verdict) {
    case BS_TRANSPORT_OK:
    case BS_TRANSPORT_UNSUPPORTED:
        return BS_JINGLE_ACK;
    case BS_TRANSPORT_UNKNOWN_ITEM:
        return BS_JINGLE_ITEM_NOT_FOUND;
    case BS_TRANSPORT_BAD:
        break;
    }
    return BS_JINGLE_BAD_REQUEST;
}

/* Dino's answer has whatever was in the offer. */
static gboolean
knows_ranges(const BsFileOffer *asked)
{
    return asked->can_range && (asked->range_begins || !bs_allow(BS_ALLOW_OFFER_SENT_BACK));
}

/* A receiver may ask for a part of what was offered (XEP-0234, 6.1). */
static gboolean
take_accepted_range(BsTransfer *transfer, const xmlnode *description)
{
    BsJingleFileVersion version;
    g_autoptr(BsFileOffer) asked = bs_jingle_file_parse(description, &version, NULL);
    guint64 offset = asked != NULL ? asked->range_offset : 0;

    if (!bs_jingle_file_version(xmlnode_get_namespace((xmlnode *)description), &version) ||
        version != transfer->version || (asked == NULL && !bs_allow(BS_ALLOW_EMPTY_ANSWER)))
        return FALSE;
    if (offset > transfer->offer->size || (offset > 0 && transfer->source->seek == NULL))
        return FALSE;
    transfer->peer_may_ask = asked != NULL && knows_ranges(asked);
    transfer->offer->range_offset = offset;
    transfer->offer->range_length =
        MIN(transfer->offer->size - offset, asked != NULL ? asked->range_length : BS_SIZE_UNKNOWN);
    return TRUE;
}

static BsJingleAnswer
session_accepted(BsJingleSession *session, const xmlnode *description, const xmlnode *transport,
                 gpointer data)
{
    BsTransfer *transfer = data;
    BsTransportVerdict verdict = BS_TRANSPORT_UNSUPPORTED;

    (void)session;
    if (g_strcmp0(xmlnode_get_namespace((xmlnode *)transport), transfer->transport->class->xmlns) == 0)
        verdict = transfer->transport->class->take_description(transfer->transport, transport);
    if (verdict == BS_TRANSPORT_OK && !(transfer->incoming ? bs_transfer_take_grant(transfer, description)
                                                           : take_accepted_range(transfer, description)))
        verdict = BS_TRANSPORT_BAD;
    if (verdict == BS_TRANSPORT_OK)
        transfer->took = TOOK_ACCEPT;
    else if (verdict == BS_TRANSPORT_UNSUPPORTED)
        transfer->took = TOOK_ACCEPT_OF_OTHER_TRANSPORT;
    return answer_for(verdict);
}

static BsJingleAnswer
session_transport_info(BsJingleSession *session, const xmlnode *transport, gpointer data)
{
    BsTransfer *transfer = data;

    /* Late news of a transport that has been replaced. */
    if (session != transfer->session ||
        g_strcmp0(xmlnode_get_namespace((xmlnode *)transport), transfer->transport->class->xmlns) != 0)
        return BS_JINGLE_ACK;
    return answer_for(transfer->transport->class->take_info(transfer->transport, transport));
}

static BsJingleAnswer
session_transport_replace(BsJingleSession *session, const xmlnode *transport, gpointer data)
{
    /* The rest is being asked for in another session, which stands where both cross. */
    if (session != ((BsTransfer *)data)->session)
        return BS_JINGLE_TIE_BREAK;
    return bs_transfer_take_proposal(data, transport);
}

static BsJingleAnswer
session_transport_accepted(BsJingleSession *session, const xmlnode *transport, gpointer data)
{
    BsTransfer *transfer = data;
    BsTransportVerdict verdict = bs_transfer_take_accepted(transfer, transport);

    (void)session;
    if (verdict != BS_TRANSPORT_OK)
        return BS_JINGLE_BAD_REQUEST;
    transfer->took = TOOK_ACCEPTED_PROPOSAL;
    return BS_JINGLE_ACK;
}

static void
session_transport_rejected(BsJingleSession *session, gpointer data)
{
    (void)session;
    bs_transfer_proposal_rejected(data);
}

static BsJingleAnswer
session_info(BsJingleSession *session, const xmlnode *payload, gpointer data)
{
    BsTransfer *transfer = data;

    (void)session;
    switch (bs_jingle_file_info(payload)) {
    case BS_FILE_INFO_CHECKSUM:
        if (!transfer->incoming)
            return BS_JINGLE_OUT_OF_ORDER;
        if (!bs_jingle_file_take_checksum(payload, transfer->offer))
            return BS_JINGLE_BAD_REQUEST;
        transfer->took = TOOK_CHECKSUM;
        return BS_JINGLE_ACK;
    case BS_FILE_INFO_RECEIVED:
        if (transfer->incoming || transfer->state == TRANSFER_OFFERED ||
            transfer->state == TRANSFER_CONNECTING)
            return BS_JINGLE_OUT_OF_ORDER;
        transfer->took = TOOK_RECEIVED;
        return BS_JINGLE_ACK;
    case BS_FILE_INFO_UNKNOWN:
        break;
    }
    return BS_JINGLE_UNSUPPORTED_INFO;
}

static void
session_proceed(BsJingleSession *session, gpointer data)
{
    BsTransfer *transfer = data;
    Took took = transfer->took;

    (void)session;
    transfer->took = TOOK_NOTHING;
    switch (took) {
    case TOOK_NOTHING:
        break;
    case TOOK_ACCEPT:
        bs_log(transfer->id, "the peer accepted");
        bs_transfer_remember_answer(transfer);
        if (transfer->events->accepted != NULL)
            transfer->events->accepted(transfer, transfer->data);
        if (transfer->incoming)
            bs_transfer_rest_granted(transfer);
        else
            bs_transfer_connect(transfer);
        break;
    case TOOK_ACCEPT_OF_OTHER_TRANSPORT:
        bs_transfer_terminate(transfer, BS_JINGLE_UNSUPPORTED_TRANSPORTS, NULL, BS_END_UNSUPPORTED, NULL);
        break;
    case TOOK_PROPOSAL:
        bs_transfer_accept_proposal(transfer);
        break;
    case TOOK_UNUSABLE_PROPOSAL:
        bs_log(transfer->id, "the peer proposes another transport, which is of no use");
        bs_jingle_session_transport_reject(transfer->session);
        break;
    case TOOK_SIGN_OF_BREAK:
        bs_log(transfer->id, "the peer says that the connection broke");
        bs_jingle_session_transport_reject(transfer->session);
        bs_transfer_lose(transfer);
        break;
    case TOOK_ACCEPTED_PROPOSAL:
        bs_transfer_use_accepted(transfer);
        break;
    case TOOK_CHECKSUM:
        bs_log(transfer->id, "the peer sent the file's hash");
        if (transfer->state == TRANSFER_VERIFYING || transfer->state == TRANSFER_FINISHING)
            bs_transfer_verify(transfer, FALSE);
        break;
    case TOOK_RECEIVED:
        bs_log(transfer->id, "the peer says that it has received the file");
        transfer->received = bs_transfer_all_sent(transfer);
        break;
    }
}

static void
session_refused(BsJingleSession *session, gpointer data)
{
    (void)session;
    ((BsTransfer *)data)->took = TOOK_NOTHING;
}

static void
session_answered(BsJingleSession *session, gpointer data)
{
    (void)session;
    bs_transfer_connect(data);
}

static void
session_contents_added(BsJingleSession *session, const xmlnode *jingle, gpointer data)
{
    const BsTransfer *transfer = data;

    bs_endpoint_receive_added(transfer->endpoint, session, transfer->own_jid, jingle);
}

static BsEndReason
reason_for_error(const char *error)
{
    static const char *const gone[] = {"item-not-found", "recipient-unavailable", "remote-server-not-found",
                                       "remote-server-timeout", NULL};

    if (strcmp(error, "timeout") == 0)
        return BS_END_TIMEOUT;
    return g_strv_contains(gone, error) ? BS_END_PEER_GONE : BS_END_PEER_FAILED;
}

static void
ended_by_error(BsTransfer *transfer, const char *error)
{
    static const char *const unsupported[] = {"service-unavailable", "feature-not-implemented", "bad-request",
                                              NULL};
    static const char *const enough[] = {"policy-violation", "resource-constraint", NULL};
    /* Whatever it dislikes about an offer, it does not take the file in this way. */
    BsEndReason end;
    gboolean refuses_offer = transfer->state == TRANSFER_OFFERED && !g_strv_contains(enough, error);

    bs_log_warning(transfer->id, "a request was answered with the error %s", error);
    end = reason_for_error(error);
    if (end == BS_END_PEER_FAILED && (refuses_offer || g_strv_contains(unsupported, error)))
        end = BS_END_UNSUPPORTED;
    bs_transfer_finish(transfer, end, NULL);
}

/* The peer calls it a success. A receiver's connection may be there already, with all bytes in it. */
static void
ended_with_success(BsTransfer *transfer)
{
    if (transfer->incoming && transfer->state != TRANSFER_RINGING && transfer->state != TRANSFER_QUEUED &&
        transfer->state != TRANSFER_LOST && transfer->state != TRANSFER_REPLACING) {
        transfer->session_over = TRUE;
        if (transfer->state == TRANSFER_VERIFYING)
            bs_transfer_verify(transfer, TRUE);
    } else if (bs_transfer_all_sent(transfer)) {
        bs_transfer_finish(transfer, BS_END_DELIVERED, NULL);
    } else {
        bs_transfer_finish(transfer, BS_END_PEER_FAILED, NULL);
    }
}

static BsEndReason
end_reason_for(const BsTransfer *transfer, BsJingleReason reason)
{
    switch (reason) {
    case BS_JINGLE_DECLINE:
    case BS_JINGLE_BUSY:
        return transfer->incoming ? BS_END_CANCELLED : BS_END_DECLINED;
    case BS_JINGLE_CANCEL:
        return BS_END_CANCELLED;
    case BS_JINGLE_UNSUPPORTED_APPLICATIONS:
    case BS_JINGLE_UNSUPPORTED_TRANSPORTS:
    case BS_JINGLE_INCOMPATIBLE_PARAMETERS:
        return BS_END_UNSUPPORTED;
    case BS_JINGLE_CONNECTIVITY_ERROR:
    case BS_JINGLE_FAILED_TRANSPORT:
        return transfer->begun ? BS_END_CONNECTION_LOST : BS_END_NO_ROUTE;
    case BS_JINGLE_MEDIA_ERROR:
        if (!transfer->incoming &&
            bs_jingle_session_ended_for(transfer->session, "file-too-large", BS_NS_FILE_ERRORS))
            return BS_END_NO_ROOM;
        return transfer->state == TRANSFER_CONFIRMING ? BS_END_DAMAGED : BS_END_PEER_FAILED;
    case BS_JINGLE_TIMEOUT:
    case BS_JINGLE_EXPIRED:
        return BS_END_TIMEOUT;
    case BS_JINGLE_GONE:
        return BS_END_PEER_GONE;
    default:
        return BS_END_PEER_FAILED;
    }
}

/* The sender has found that what it sent is no file. */
static gboolean
calls_it_bad(BsJingleReason reason)
{
    return reason == BS_JINGLE_MEDIA_ERROR || reason == BS_JINGLE_FAILED_APPLICATION;
}

/* Psi ends the session when SOCKS5 has failed, but takes a new one that is in-band from the start. */
static gboolean
may_go_in_band_anew(const BsTransfer *transfer, BsJingleReason reason)
{
    return !transfer->incoming && !transfer->begun && reason == BS_JINGLE_FAILED_TRANSPORT &&
           strcmp(transfer->transport->class->xmlns, BS_NS_S5B) == 0 &&
           (transfer->state == TRANSFER_CONNECTING || transfer->state == TRANSFER_REPLACING) &&
           bs_allow(BS_ALLOW_NEW_SESSION_IN_BAND);
}

static void
session_ended(BsJingleSession *session, BsJingleReason reason, const char *error, gpointer data)
{
    BsTransfer *transfer = data;
    BsEndReason end;

    if (session == transfer->old_session) {
        bs_transfer_old_session_ended(transfer, reason);
        return;
    }
    if (transfer->state == TRANSFER_ASKING) {
        bs_transfer_rest_refused(transfer,
                                 error != NULL ? reason_for_error(error) : end_reason_for(transfer, reason));
        return;
    }
    /* The file is complete, and nothing that the peer says now makes it less so; unless it is only the peer's
     * word that it was complete. */
    if (transfer->state == TRANSFER_FINISHING &&
        (transfer->finish_reason == BS_END_DELIVERED || !calls_it_bad(reason))) {
        bs_log(transfer->id, "the session ended while the file is being saved");
        transfer->session_over = TRUE;
        return;
    }
    if (error != NULL) {
        ended_by_error(transfer, error);
        return;
    }
    bs_log(transfer->id, "the peer ended the session: %s", bs_jingle_reason_name(reason));
    if (reason == BS_JINGLE_SUCCESS) {
        ended_with_success(transfer);
        return;
    }
    if (transfer->received && reason != BS_JINGLE_MEDIA_ERROR && reason != BS_JINGLE_SECURITY_ERROR) {
        bs_transfer_finish(transfer, BS_END_DELIVERED, NULL);
        return;
    }
    transfer->in_band_is_left = may_go_in_band_anew(transfer, reason);
    end = end_reason_for(transfer, reason);
    if ((transfer->state == TRANSFER_LOST || transfer->state == TRANSFER_REPLACING) &&
        end == BS_END_CONNECTION_LOST)
        end = transfer->lost_reason;
    bs_transfer_finish(transfer, end, NULL);
}

const BsJingleEvents bs_transfer_jingle_events = {
    .accepted = session_accepted,
    .transport_info = session_transport_info,
    .session_info = session_info,
    .transport_replace = session_transport_replace,
    .transport_accepted = session_transport_accepted,
    .transport_rejected = session_transport_rejected,
    .proceed = session_proceed,
    .refused = session_refused,
    .answered = session_answered,
    .contents_added = session_contents_added,
    .ended = session_ended,
};
