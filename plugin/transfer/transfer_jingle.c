/* A transfer that is agreed on by Jingle (XEP-0166, XEP-0234): what it says to its peer.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "stanza/allowances.h"
#include "transfer/internal.h"

static const char *
jingle_peer(const BsTransfer *transfer)
{
    return bs_jingle_session_peer(transfer->session);
}

static const char *
jingle_sid(const BsTransfer *transfer)
{
    return bs_jingle_session_sid(transfer->session);
}

static gboolean
jingle_is_initiator(const BsTransfer *transfer)
{
    return bs_jingle_session_is_initiator(transfer->session);
}

/* The connection is made when the session's other files are decided, too. Until then others can have the
 * place. */
static void
wait_for_others(BsTransfer *transfer)
{
    bs_log(transfer->id, "the peer is told when the other files of its offer are decided");
    g_clear_pointer(&transfer->place, bs_place_free);
    transfer->state = TRANSFER_QUEUED;
    if (transfer->events->held != NULL)
        transfer->events->held(transfer, transfer->data);
}

static void
jingle_accept(BsTransfer *transfer)
{
    xmlnode *transport = transfer->transport->class->describe(transfer->transport);

    /* The description goes back, but not for the peer to fetch its own picture here. */
    g_clear_pointer(&transfer->offer->thumbnail, bs_thumbnail_free);
    transfer->offer->range_begins = transfer->offer->can_range;
    if (!bs_jingle_session_accept(transfer->session, transfer->own_jid,
                                  bs_jingle_file_build(transfer->version, transfer->offer), transport))
        wait_for_others(transfer);
}

static void
jingle_terminate(BsTransfer *transfer, BsJingleReason reason, const char *specific)
{
    if (transfer->session_over)
        return;
    bs_log(transfer->id, "we end the session: %s", bs_jingle_reason_name(reason));
    bs_jingle_session_terminate(transfer->session, reason, specific, BS_NS_FILE_ERRORS);
}

/* The hash that was promised follows the bytes (XEP-0234, 8.2). */
static void
jingle_sent(BsTransfer *transfer)
{
    xmlnode *checksum;

    if (transfer->offer->hashes == 0)
        return;
    checksum = bs_jingle_file_build_checksum(transfer->version, transfer->offer,
                                             bs_jingle_session_creator(transfer->session),
                                             bs_jingle_session_content(transfer->session));
    bs_jingle_session_session_info(transfer->session, checksum);
}

static void
jingle_received(BsTransfer *transfer)
{
    bs_jingle_session_session_info(
        transfer->session, bs_jingle_file_build_received(transfer->version, transfer->offer,
                                                         bs_jingle_session_creator(transfer->session),
                                                         bs_jingle_session_content(transfer->session)));
}

static void
jingle_settled(BsTransfer *transfer)
{
    bs_jingle_session_settled(transfer->session);
}

static void
jingle_let_go(BsTransfer *transfer)
{
    bs_jingle_session_drop_requests(transfer->session);
}

static void
jingle_free(BsTransfer *transfer)
{
    g_clear_pointer(&transfer->session, bs_jingle_session_free);
}

const BsTransferProtocol bs_transfer_jingle = {
    .peer = jingle_peer,
    .sid = jingle_sid,
    .is_initiator = jingle_is_initiator,
    .accept = jingle_accept,
    .terminate = jingle_terminate,
    .sent = jingle_sent,
    .received = jingle_received,
    .no_way = bs_transfer_ladder_no_way,
    .broken = bs_transfer_ladder_broken,
    .settled = jingle_settled,
    .let_go = jingle_let_go,
    .free = jingle_free,
};

/* The older versions are spoken by clients that know only the oldest of our hashes. */
static BsFileOffer *
offer_in_version(const BsFileOffer *offer, BsJingleFileVersion version)
{
    BsFileOffer *copy = bs_file_offer_copy(offer);

    if (version != BS_JINGLE_FILE_5 && copy->hashes_promised != 0 && bs_allow(BS_ALLOW_SHA1_IN_OLD_VERSIONS))
        copy->hashes_promised |= 1u << BS_HASH_SHA1;
    return copy;
}

BsTransfer *
bs_transfer_offer_in(BsEndpoint *endpoint, const char *peer, const BsJingleManner *manner,
                     const BsFileOffer *offer, BsSource *source, const BsTransferEvents *events,
                     gpointer data)
{
    g_autofree char *own_jid = bs_endpoint_own_jid(endpoint, peer, NULL);
    BsTransfer *transfer = bs_transfer_new_outgoing(endpoint, &bs_transfer_jingle, own_jid,
                                                    offer_in_version(offer, manner->version), source);
    xmlnode *transport;

    transfer->version = manner->version;
    transfer->session = bs_jingle_session_new(bs_endpoint_link(endpoint), peer, "a-file-offer",
                                              &bs_transfer_jingle_events, transfer);
    /* The hash of a part's whole file needs the file itself (see bs_pump_send()). */
    transfer->offer->can_range = source->lend != NULL;
    bs_transfer_watch(transfer, events, data);
    bs_transfer_log_offer(transfer, "offered to");
    transport = bs_transfer_offer_transport(transfer, manner->in_band);
    bs_jingle_session_initiate(transfer->session, own_jid,
                               bs_jingle_file_build(transfer->version, transfer->offer), transport);
    return transfer;
}

BsTransfer *
bs_transfer_offer(BsEndpoint *endpoint, const char *peer, const BsFileOffer *offer, BsSource *source,
                  const BsTransferEvents *events, gpointer data)
{
    const BsJingleManner usual = {.version = BS_JINGLE_FILE_5};

    return bs_transfer_offer_in(endpoint, peer, &usual, offer, source, events, data);
}

BsTransfer *
bs_transfer_new_from_session(BsEndpoint *endpoint, const char *own_jid, BsJingleSession *session,
                             BsJingleFileVersion version, BsFileOffer *offer)
{
    BsTransfer *transfer = bs_transfer_new_incoming(endpoint, &bs_transfer_jingle, own_jid, offer);

    transfer->version = version;
    transfer->session = session;
    bs_jingle_session_watch(session, &bs_transfer_jingle_events, transfer);
    bs_transfer_log_offer(transfer, "offered by");
    return transfer;
}
