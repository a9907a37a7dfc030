/* The receiver, when a part of a file has arrived: the rest is asked for in a session of its own
 * (XEP-0234, 6.2 and 6.4). SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "stream/part_file.h"
#include "transfer/internal.h"

/* How long a peer may take to grant or refuse the rest. Nobody has to be asked there. */
#define GRANT_DEADLINE_MS 20000
/* Connections that break without a byte, one after the other: then something else is wrong. */
#define FRUITLESS_MAX 3

void
bs_transfer_note_progress(BsTransfer *transfer)
{
    const BsDigest *digest;

    bs_transfer_note_fruit(transfer);
    if (!transfer->incoming || transfer->pump == NULL)
        return;
    digest = bs_pump_digest(transfer->pump);
    transfer->fruitless = bs_pump_moved(transfer->pump) > 0 ? 0 : transfer->fruitless + 1;
    g_clear_pointer(&transfer->got_digest, bs_digest_free);
    if (digest == NULL)
        return;
    transfer->got = transfer->offer->range_offset + bs_pump_moved(transfer->pump);
    transfer->got_digest = bs_digest_copy(digest);
}

gboolean
bs_transfer_can_ask(const BsTransfer *transfer)
{
    return transfer->incoming && transfer->session != NULL && transfer->old_session == NULL &&
           bs_jingle_session_is_alone(transfer->session) && !transfer->session_over &&
           !transfer->rest_refused && !transfer->gives_no_rest && transfer->fruitless < FRUITLESS_MAX &&
           bs_transfer_can_have_parts(transfer->offer) && transfer->version != BS_JINGLE_FILE_3 &&
           transfer->sink != NULL && transfer->sink->restart != NULL;
}

static gboolean
no_answer(gpointer data)
{
    BsTransfer *transfer = data;

    transfer->timer = 0;
    bs_log_warning(transfer->id, "the peer did not answer in time whether it sends the rest");
    bs_jingle_session_terminate(transfer->session, BS_JINGLE_TIMEOUT, NULL, NULL);
    bs_transfer_rest_refused(transfer, BS_END_TIMEOUT);
    return FALSE;
}

static void
ask(BsTransfer *transfer, const char *peer)
{
    g_autoptr(BsFileOffer) wanted = bs_file_offer_copy(transfer->offer);
    xmlnode *transport;

    wanted->range_offset = transfer->got;
    wanted->range_length = BS_SIZE_UNKNOWN;
    transfer->state = TRANSFER_ASKING;
    transfer->session = bs_jingle_session_new(bs_endpoint_link(transfer->endpoint), peer, "a-file-request",
                                              &bs_transfer_jingle_events, transfer);
    bs_jingle_session_set_request(transfer->session);
    bs_log(transfer->id, "we ask %s for the file from byte %" G_GUINT64_FORMAT " on, session %s", peer,
           transfer->got, bs_jingle_session_sid(transfer->session));
    bs_transfer_set_timer(transfer, GRANT_DEADLINE_MS, no_answer);
    transport = bs_transfer_offer_transport(transfer, FALSE);
    bs_jingle_session_initiate(transfer->session, transfer->own_jid,
                               bs_jingle_file_build(transfer->version, wanted), transport);
}

static void
ask_again(BsTransfer *transfer)
{
    g_autofree char *peer = g_strdup(bs_transfer_peer(transfer));

    bs_transfer_free_transports(transfer);
    bs_jingle_session_drop_requests(transfer->session);
    transfer->old_session = g_steal_pointer(&transfer->session);
    ask(transfer, peer);
}

static void
prefix_known(guint64 length, BsDigest *digest, gpointer data)
{
    BsTransfer *transfer = data;

    transfer->prefix = NULL;
    if (digest == NULL) {
        bs_transfer_terminate(transfer, BS_JINGLE_FAILED_APPLICATION, NULL, BS_END_LOCAL_FILE, NULL);
        return;
    }
    transfer->got = length;
    transfer->got_digest = digest;
    bs_log(transfer->id, "%" G_GUINT64_FORMAT " bytes of the file here are right", length);
    ask_again(transfer);
}

/* A pump that did not come to an end knows no digest; but it has left checkpoints. */
static gboolean
verify_first(BsTransfer *transfer)
{
    const BsRemembered *item = bs_transfer_memory_of(transfer);
    g_autofree char *checkpoints = bs_transfer_checkpoints(transfer);

    if (item == NULL)
        return FALSE;
    transfer->prefix = bs_prefix_new(item->part, checkpoints, bs_transfer_hashes_for_rest(transfer->offer),
                                     prefix_known, transfer);
    return TRUE;
}

gboolean
bs_transfer_ask_for_rest(BsTransfer *transfer)
{
    if (!bs_transfer_can_ask(transfer))
        return FALSE;
    if (transfer->got_digest == NULL)
        return verify_first(transfer);
    ask_again(transfer);
    return TRUE;
}

gboolean
bs_transfer_take_grant(BsTransfer *transfer, const xmlnode *description)
{
    BsJingleFileVersion version;
    g_autoptr(BsFileOffer) granted = bs_jingle_file_parse(description, &version, NULL);

    if (granted == NULL)
        return bs_jingle_file_version(xmlnode_get_namespace((xmlnode *)description), &version) &&
               version == transfer->version;
    /* Its hash may be known by now, where that was only promised. */
    for (guint hash = 0; hash < BS_HASH_COUNT; hash++)
        if (granted->hashes & ~transfer->offer->hashes & 1u << hash)
            bs_file_offer_set_hash(transfer->offer, (BsHash)hash, granted->hash_value[hash]);
    return version == transfer->version && (!granted->can_range || granted->range_offset == transfer->got);
}

static void
end_old_session(BsTransfer *transfer)
{
    if (transfer->old_session == NULL)
        return;
    bs_jingle_session_give_way(transfer->old_session, bs_jingle_session_sid(transfer->session));
    bs_endpoint_session_ended(transfer->endpoint, transfer->old_session);
    g_clear_pointer(&transfer->old_session, bs_jingle_session_free);
}

void
bs_transfer_rest_granted(BsTransfer *transfer)
{
    bs_log(transfer->id, "the peer sends the rest");
    end_old_session(transfer);
    transfer->offer->range_offset = transfer->got;
    transfer->offer->range_length = BS_SIZE_UNKNOWN;
    bs_digest_free(transfer->before);
    transfer->before = g_steal_pointer(&transfer->got_digest);
    transfer->resumed = transfer->got > 0;
    transfer->replacements = 0;
    transfer->broken_connections = 0;
    bs_transfer_connect(transfer);
}

/* In the session in which the connection broke another one is proposed, over which all begins anew. */
void
bs_transfer_rest_refused(BsTransfer *transfer, BsEndReason reason)
{
    BsJingleSession *refused = transfer->session;

    bs_log(transfer->id, "the peer does not send the rest");
    if (transfer->old_session == NULL) {
        bs_transfer_finish(transfer, reason, NULL);
        return;
    }
    transfer->rest_refused = TRUE;
    bs_transfer_set_timer(transfer, 0, NULL);
    /* The request's transport has the peer's JID of the request's session. */
    bs_transfer_free_transports(transfer);
    bs_endpoint_session_ended(transfer->endpoint, refused);
    bs_jingle_session_free(refused);
    transfer->session = g_steal_pointer(&transfer->old_session);
    bs_transfer_propose_after_break(transfer);
}

void
bs_transfer_old_session_ended(BsTransfer *transfer, BsJingleReason reason)
{
    BsJingleSession *old = g_steal_pointer(&transfer->old_session);

    bs_log(transfer->id, "the peer ended the session in which the connection broke: %s",
           bs_jingle_reason_name(reason));
    bs_endpoint_session_ended(transfer->endpoint, old);
    bs_jingle_session_free(old);
    if (reason != BS_JINGLE_CANCEL && reason != BS_JINGLE_DECLINE)
        return;
    transfer->state = TRANSFER_LOST;
    bs_transfer_terminate(transfer, BS_JINGLE_CANCEL, NULL, BS_END_CANCELLED, NULL);
}

void
bs_transfer_accept_rest(BsTransfer *transfer, BsSink *sink, guint64 offset, BsDigest *digest,
                        const char *remembered)
{
    BsRemembered *item = bs_memory_find(bs_endpoint_memory(transfer->endpoint), remembered);

    if (transfer->state != TRANSFER_RINGING || item == NULL) {
        bs_digest_free(digest);
        bs_sink_leave(sink);
        return;
    }
    bs_log(transfer->id, "accepted here from byte %" G_GUINT64_FORMAT " on", offset);
    item->in_use = TRUE;
    item->needs_new_offer = bs_transfer_needs_new_offer(transfer);
    if (transfer->path != NULL) {
        g_free(item->path);
        item->path = g_strdup(transfer->path);
        item->replace = transfer->replace;
        bs_memory_rewrite(bs_endpoint_memory(transfer->endpoint));
    }
    transfer->remembered = g_strdup(remembered);
    transfer->sink = sink;
    transfer->before = digest;
    transfer->resumed = offset > 0;
    transfer->offer->range_offset = offset;
    transfer->offer->range_length = BS_SIZE_UNKNOWN;
    bs_transfer_take_turn(transfer);
}

void
bs_transfer_report_name(BsTransfer *transfer, char **final_name)
{
    bs_part_file_report_name(transfer->sink, final_name);
}

BsTransfer *
bs_transfer_ask(BsEndpoint *endpoint, const char *peer, BsRemembered *item, BsSink *sink, guint64 offset,
                BsDigest *digest, const BsTransferEvents *events, gpointer data)
{
    g_autofree char *own_jid = bs_endpoint_own_jid(endpoint, peer, NULL);
    BsTransfer *transfer =
        bs_transfer_new_incoming(endpoint, &bs_transfer_jingle, own_jid, bs_file_offer_copy(item->file));

    item->in_use = TRUE;
    transfer->remembered = g_strdup(item->id);
    transfer->sink = sink;
    transfer->got = offset;
    transfer->got_digest = digest;
    transfer->offer->can_range = TRUE;
    bs_transfer_watch(transfer, events, data);
    ask(transfer, peer);
    return transfer;
}
