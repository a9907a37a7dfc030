/* What is done when a part of a file has arrived: the rest is asked for at once in a session of its own
 * (XEP-0234, 6.2 and 6.4), or remembered for later. SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib/gstdio.h>

#include "log.h"
#include "stanza/jid.h"
#include "stream/part_file.h"
#include "transfer/internal.h"

/* How long a peer may take to grant or refuse the rest. Nobody has to be asked there. */
#define GRANT_DEADLINE_MS 20000
/* Connections that break without a byte, one after the other: then something else is wrong. */
#define FRUITLESS_MAX 3

guint
bs_transfer_hashes_for_rest(const BsFileOffer *offer)
{
    return offer->hashes | offer->hashes_promised;
}

/* Without a hash nobody would notice that the parts are not of one file. */
static gboolean
can_have_parts(const BsFileOffer *offer)
{
    return offer->can_range && offer->name != NULL && offer->size != BS_SIZE_UNKNOWN &&
           bs_transfer_hashes_for_rest(offer) != 0;
}

static BsRemembered *
memory_of(const BsTransfer *transfer)
{
    BsMemory *memory = bs_endpoint_memory(transfer->endpoint);

    return memory != NULL ? bs_memory_find(memory, transfer->remembered) : NULL;
}

static void
remember(BsTransfer *transfer)
{
    BsMemory *memory = bs_endpoint_memory(transfer->endpoint);
    const char *peer = bs_transfer_peer(transfer);
    g_autofree char *part = transfer->incoming ? bs_part_file_path(transfer->sink) : NULL;
    BsRemembered item = {
        .incoming = transfer->incoming,
        .account = (char *)bs_endpoint_account_name(transfer->endpoint),
        .peer = (char *)peer,
        .occupant = bs_endpoint_is_occupant(transfer->endpoint, peer),
        .file = transfer->offer,
        .path = transfer->path,
        .part = part,
        .replace = transfer->replace,
        .scrap = !can_have_parts(transfer->offer),
        .in_use = TRUE,
    };

    /* Who has an occupant's name later may be somebody else. */
    if (item.occupant && !transfer->incoming)
        return;
    if (memory == NULL || transfer->path == NULL || transfer->remembered != NULL ||
        (transfer->incoming ? part == NULL : item.scrap || transfer->source->lend == NULL))
        return;
    transfer->remembered = g_strdup(bs_memory_add(memory, &item)->id);
}

void
bs_transfer_set_path(BsTransfer *transfer, const char *path, gboolean replace)
{
    g_free(transfer->path);
    transfer->path = g_strdup(path);
    transfer->replace = replace;
    if (!transfer->incoming)
        remember(transfer);
}

gboolean
bs_transfer_remember(BsTransfer *transfer, BsMemorySaved saved)
{
    BsMemory *memory = bs_endpoint_memory(transfer->endpoint);

    remember(transfer);
    if (transfer->remembered != NULL)
        transfer->remembering = bs_memory_wait(memory, saved, transfer);
    return transfer->remembering != NULL;
}

/* Ends after which nobody has changed his mind, and nothing is wrong with the file. */
static gboolean
may_go_on_after(BsEndReason reason)
{
    switch (reason) {
    case BS_END_PEER_GONE:
    case BS_END_NO_ROUTE:
    case BS_END_CONNECTION_LOST:
    case BS_END_TIMEOUT:
        return TRUE;
    case BS_END_DELIVERED:
    case BS_END_UNVERIFIED:
    case BS_END_DECLINED:
    case BS_END_CANCELLED:
    case BS_END_UNSUPPORTED:
    case BS_END_DAMAGED:
    case BS_END_WRONG_SIZE:
    case BS_END_LOCAL_FILE:
    case BS_END_NO_ROOM:
    case BS_END_PEER_FAILED:
    case BS_END_NOT_BEGUN:
        break;
    }
    return FALSE;
}

static void
note_fruit(BsTransfer *transfer)
{
    if (transfer->pump != NULL && bs_pump_moved(transfer->pump) > 0)
        transfer->fruitful = TRUE;
}

/* The hash of a file that is sent may have become known meanwhile. */
static void
leave_for_later(BsTransfer *transfer, BsRemembered *item)
{
    BsFileOffer *known = bs_file_offer_copy(transfer->offer);

    known->range_offset = 0;
    known->range_length = BS_SIZE_UNKNOWN;
    bs_file_offer_free(item->file);
    item->file = known;
    item->in_use = FALSE;
    note_fruit(transfer);
    item->fruitless = transfer->fruitful ? 0 : item->fruitless + 1;
    if (transfer->fruitful)
        bs_memory_touch(bs_endpoint_memory(transfer->endpoint), item);
    else
        bs_memory_rewrite(bs_endpoint_memory(transfer->endpoint));
    g_clear_pointer(&transfer->remembered, g_free);
    g_clear_pointer(&transfer->finish, bs_finish_leave);
    if (transfer->sink != NULL) {
        g_clear_pointer(&transfer->pump, bs_pump_free);
        bs_sink_leave(g_steal_pointer(&transfer->sink));
    }
}

/* Who sends has to be able to serve a request, and who receives to ask for it; else only the same file,
 * offered again, goes on. */
static gboolean
goes_on_by_itself(const BsTransfer *transfer, const BsRemembered *item)
{
    return transfer->protocol == &bs_transfer_jingle && !item->occupant &&
           (transfer->incoming ? !transfer->rest_refused : transfer->peer_may_ask);
}

/* A receiver that is gone without a word may have ended before its file had its name. */
static gboolean
may_be_asked_for_all_the_same(const BsTransfer *transfer, BsEndReason reason)
{
    return !transfer->incoming && transfer->peer_may_ask && reason == BS_END_UNVERIFIED;
}

gboolean
bs_transfer_keep(BsTransfer *transfer, BsEndReason reason)
{
    BsRemembered *item = memory_of(transfer);

    if (item == NULL)
        return FALSE;
    if (item->scrap || (transfer->state == TRANSFER_OFFERED && reason != BS_END_PEER_GONE)) {
        bs_transfer_forget(transfer);
        return FALSE;
    }
    /* A peer that does not send the rest has not said anything about the part that is here. */
    if ((may_go_on_after(reason) || transfer->state == TRANSFER_ASKING) &&
        (!transfer->incoming || transfer->sink != NULL || transfer->finish != NULL)) {
        leave_for_later(transfer, item);
        return goes_on_by_itself(transfer, item);
    }
    if (may_be_asked_for_all_the_same(transfer, reason))
        leave_for_later(transfer, item);
    else
        bs_transfer_forget(transfer);
    return FALSE;
}

/* The unfinished file itself is the sink's affair. */
void
bs_transfer_forget(BsTransfer *transfer)
{
    BsRemembered *item = memory_of(transfer);

    if (item != NULL)
        bs_memory_forget(bs_endpoint_memory(transfer->endpoint), item, FALSE);
    g_clear_pointer(&transfer->remembered, g_free);
}

void
bs_transfer_free_rest(BsTransfer *transfer)
{
    bs_memory_wait_free(transfer->remembering);
    bs_jingle_session_free(transfer->old_session);
    bs_digest_free(transfer->before);
    bs_digest_free(transfer->got_digest);
    g_free(transfer->path);
    g_free(transfer->remembered);
}

/* The receiver. */

char *
bs_transfer_checkpoints(const BsTransfer *transfer)
{
    const BsRemembered *item = memory_of(transfer);

    return item != NULL && !item->scrap ? bs_memory_checkpoints(bs_endpoint_memory(transfer->endpoint), item)
                                        : NULL;
}

void
bs_transfer_note_progress(BsTransfer *transfer)
{
    const BsDigest *digest;

    note_fruit(transfer);
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
           !transfer->rest_refused && transfer->fruitless < FRUITLESS_MAX &&
           can_have_parts(transfer->offer) && transfer->version != BS_JINGLE_FILE_3 &&
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
    const BsRemembered *item = memory_of(transfer);
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

/* The sender. */

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
    if (transfer->proposed != NULL)
        transfer->proposed->class->free(g_steal_pointer(&transfer->proposed));
    transfer->peer_may_ask = TRUE;
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
