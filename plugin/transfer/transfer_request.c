/* The sender, when a file that it has offered is asked for, from some byte on (XEP-0234, 6.2 and 6.4).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib/gstdio.h>

#include "log.h"
#include "stanza/jid.h"
#include "transfer/internal.h"

static gboolean
is_asked_for(const BsTransfer *transfer, const char *peer, const BsFileOffer *wanted)
{
    const BsFileOffer *offer = transfer->offer;

    if (transfer->incoming || transfer->protocol != &bs_transfer_jingle || transfer->source->lend == NULL ||
        !bs_jid_equal(bs_transfer_peer(transfer), peer) || !bs_memory_is_same_file(offer, wanted))
        return FALSE;
    switch (transfer->state) {
    case TRANSFER_CONNECTING:
    case TRANSFER_REPLACING:
    case TRANSFER_MOVING:
    case TRANSFER_LOST:
        return TRUE;
    case TRANSFER_CONFIRMING:
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

static BsTransfer *
find_running(BsEndpoint *endpoint, const char *peer, const BsFileOffer *wanted)
{
    const GPtrArray *all = bs_endpoint_all(endpoint);

    for (guint i = 0; i < all->len; i++)
        if (is_asked_for(g_ptr_array_index(all, i), peer, wanted))
            return g_ptr_array_index(all, i);
    return NULL;
}

/* Takes the transport that a request describes. FALSE if it cannot be used: the request has been answered
 * then. */
static gboolean
take_transport(BsTransfer *transfer, const xmlnode *iq)
{
    const xmlnode *content = bs_jingle_first_content(bs_jingle_element(iq));
    BsIqLink *link = bs_endpoint_link(transfer->endpoint);

    switch (bs_transfer_set_transport(transfer, bs_jingle_transport(content))) {
    case BS_TRANSPORT_OK:
        bs_jingle_answer(link, iq, BS_JINGLE_ACK);
        return TRUE;
    case BS_TRANSPORT_UNSUPPORTED:
        bs_jingle_answer(link, iq, BS_JINGLE_ACK);
        bs_jingle_reject(link, iq, BS_JINGLE_UNSUPPORTED_TRANSPORTS, NULL, NULL);
        return FALSE;
    case BS_TRANSPORT_BAD:
    case BS_TRANSPORT_UNKNOWN_ITEM:
        break;
    }
    bs_jingle_answer(link, iq, BS_JINGLE_BAD_REQUEST);
    return FALSE;
}

static void
open_session(BsTransfer *transfer, const xmlnode *iq, BsJingleFileVersion version)
{
    transfer->version = version;
    transfer->session = bs_jingle_session_new_from_initiate(bs_endpoint_link(transfer->endpoint), iq,
                                                            &bs_transfer_jingle_events, transfer);
    bs_jingle_session_set_request(transfer->session);
}

/* The session of the request takes the place of the one that there was. FALSE if nothing has changed. */
static gboolean
change_session(BsTransfer *transfer, const xmlnode *iq, BsJingleFileVersion version)
{
    BsJingleFileVersion old_version = transfer->version;
    BsJingleSession *session = g_steal_pointer(&transfer->session);
    BsTransport *transport = g_steal_pointer(&transfer->transport);

    open_session(transfer, iq, version);
    if (!take_transport(transfer, iq)) {
        bs_jingle_session_free(transfer->session);
        transfer->version = old_version;
        transfer->session = session;
        transfer->transport = transport;
        return FALSE;
    }
    transport->class->free(transport);
    if (transfer->proposed != NULL)
        transfer->proposed->class->free(g_steal_pointer(&transfer->proposed));
    bs_endpoint_session_ended(transfer->endpoint, session);
    bs_jingle_session_free(session);
    return TRUE;
}

static void
set_part(BsTransfer *transfer, const BsFileOffer *wanted)
{
    BsFileOffer *offer = transfer->offer;

    offer->range_offset = wanted->range_offset;
    offer->range_length = MIN(offer->size - wanted->range_offset, wanted->range_length);
}

/* What moved over the old connection is done with. */
static void
send_rest(BsTransfer *transfer, const BsFileOffer *wanted)
{
    g_clear_pointer(&transfer->pump, bs_pump_free);
    transfer->peer_may_ask = TRUE;
    bs_transfer_remember_answer(transfer);
    transfer->replacements = 0;
    transfer->broken_connections = 0;
    set_part(transfer, wanted);
    bs_log(transfer->id, "the peer asks for the file from byte %" G_GUINT64_FORMAT " on, session %s",
           wanted->range_offset, bs_jingle_session_sid(transfer->session));
    transfer->protocol->accept(transfer);
}

static BsSource *
open_remembered(const BsRemembered *item)
{
    g_autoptr(GError) error = NULL;
    guint64 size = 0;
    GStatBuf info;
    BsSource *source = bs_file_source_new(item->path, &size, &error);

    if (source == NULL) {
        bs_log_warning(NULL, "a file that was offered cannot be read any more: %s", error->message);
        return NULL;
    }
    if (size == item->file->size && g_stat(item->path, &info) == 0 && info.st_mtime == item->file->date)
        return source;
    bs_log_warning(NULL, "a file that was offered has been changed since");
    bs_source_close(source);
    return NULL;
}

/* A file that nobody is sending just now. NULL if it was not offered to this peer, or has changed. */
static BsTransfer *
find_remembered(BsEndpoint *endpoint, const xmlnode *iq, BsJingleFileVersion version,
                const BsFileOffer *wanted)
{
    const char *peer = bs_jingle_attrib(iq, "from");
    BsMemory *memory = bs_endpoint_memory(endpoint);
    BsRemembered *item = memory != NULL
                             ? bs_memory_match(memory, FALSE, bs_endpoint_account_name(endpoint), peer,
                                               bs_endpoint_is_occupant(endpoint, peer), wanted)
                             : NULL;
    BsSource *source = item != NULL ? open_remembered(item) : NULL;
    g_autofree char *own_jid = NULL;
    BsTransfer *transfer;

    if (source == NULL)
        return NULL;
    own_jid = bs_endpoint_own_jid(endpoint, peer, bs_jingle_attrib(iq, "to"));
    transfer = bs_transfer_new_outgoing(endpoint, &bs_transfer_jingle, own_jid,
                                        bs_file_offer_copy(item->file), source);
    open_session(transfer, iq, version);
    /* Whoever asks has accepted: if nothing comes of it now, something may later. */
    transfer->state = TRANSFER_CONNECTING;
    transfer->remembered = g_strdup(item->id);
    bs_transfer_set_path(transfer, item->path, FALSE);
    item->in_use = TRUE;
    return transfer;
}

gboolean
bs_endpoint_receive_request(BsEndpoint *endpoint, const xmlnode *iq, BsJingleFileVersion version,
                            const BsFileOffer *wanted)
{
    BsTransfer *transfer;

    if (wanted->size == BS_SIZE_UNKNOWN || wanted->range_offset > wanted->size)
        return FALSE;
    transfer = find_running(endpoint, bs_jingle_attrib(iq, "from"), wanted);
    if (transfer != NULL) {
        if (change_session(transfer, iq, version))
            send_rest(transfer, wanted);
        return TRUE;
    }
    transfer = find_remembered(endpoint, iq, version, wanted);
    if (transfer == NULL)
        return FALSE;
    bs_transfer_log_offer(transfer, "asked for by");
    if (!take_transport(transfer, iq))
        bs_transfer_finish(transfer, BS_END_NO_ROUTE, NULL);
    else if (bs_endpoint_announce_resumed(endpoint, transfer))
        send_rest(transfer, wanted);
    return TRUE;
}
