/* The part of a transfer's life in which bytes move: from the connection to the peer's word that all of them
 * arrived. SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "log.h"
#include "socks5/negotiation.h"
#include "stanza/allowances.h"
#include "transfer/internal.h"

/* How long a hash that was promised, or only might come, is waited for. */
#define PROMISED_HASH_WAIT_MS 5000
#define LATE_HASH_WAIT_MS 2000
/* When all bytes are sent, how often we look what has become of them: seldom where the peer will say so, and
 * often where its closing is all that there will be. */
#define TICK_MS 1000
#define SHORT_TICK_MS 100
/* How long the peer may take to write and verify what it received, in ticks. */
#define CONFIRMATION_TICKS 600
/* A peer that closed its end, or confirmed the file, and then does not end the session, in ticks. */
#define SILENT_PEER_TICKS 5

/* Of a sender that says nothing of hashes, and may still send one when all is over. */
static guint
hashes_to_expect(void)
{
    bs_allow(BS_ALLOW_UNPROMISED_HASH);
    return 1u << BS_HASH_SHA1 | 1u << BS_HASH_SHA256 | 1u << BS_HASH_BLAKE2B_512;
}

/* What to compute of a file that comes in: what can be compared. */
static guint
hashes_to_compute(const BsTransfer *transfer)
{
    const BsFileOffer *offer = transfer->offer;

    if (!bs_endpoint_hashes_files(transfer->endpoint))
        return 0;
    if (offer->hashes != 0)
        return 1u << bs_hash_strongest(offer->hashes);
    if (transfer->session_over)
        return 0;
    if (offer->hashes_promised != 0)
        return offer->hashes_promised;
    return hashes_to_expect();
}

typedef enum {
    HASH_MISSING,
    HASH_AGREES,
    HASH_DIFFERS,
} HashCheck;

static HashCheck
check_hash(BsTransfer *transfer)
{
    BsDigest *digest = bs_pump_digest(transfer->pump);

    for (guint hash = BS_HASH_COUNT; hash-- > 0;) {
        guint8 value[BS_DIGEST_MAX];

        if (!(transfer->offer->hashes & 1u << hash) || !bs_digest_value(digest, (BsHash)hash, value))
            continue;
        if (memcmp(value, transfer->offer->hash_value[hash], bs_hash_length((BsHash)hash)) != 0)
            return HASH_DIFFERS;
        bs_log(transfer->id, "hash verified: %s", bs_hash_name((BsHash)hash));
        return HASH_AGREES;
    }
    return HASH_MISSING;
}

BsJingleReason
bs_transfer_reason_of_file(const GError *error, const char **specific)
{
    gboolean no_room = g_error_matches(error, BS_STREAM_ERROR, BS_STREAM_ERROR_NO_SPACE);

    *specific = no_room ? "file-too-large" : NULL;
    return no_room ? BS_JINGLE_MEDIA_ERROR : BS_JINGLE_FAILED_APPLICATION;
}

/* The file here cannot be read or written. */
static void
file_failed(BsTransfer *transfer, const GError *error)
{
    const char *specific;
    BsJingleReason reason = bs_transfer_reason_of_file(error, &specific);

    bs_transfer_terminate(transfer, reason, specific, specific != NULL ? BS_END_NO_ROOM : BS_END_LOCAL_FILE,
                          error->message);
}

static void
file_finished(const GError *error, gpointer data)
{
    BsTransfer *transfer = data;

    transfer->finish = NULL;
    if (error != NULL) {
        file_failed(transfer, error);
        return;
    }
    if (!transfer->session_over && !transfer->said_received)
        transfer->protocol->received(transfer);
    bs_transfer_terminate(transfer, BS_JINGLE_SUCCESS, NULL, transfer->finish_reason, NULL);
}

/* Gives the file its name, and then tells the peer. */
static void
complete(BsTransfer *transfer, BsEndReason reason)
{
    transfer->state = TRANSFER_FINISHING;
    transfer->finish_reason = reason;
    bs_transfer_set_timer(transfer, 0, NULL);
    transfer->finish = bs_finish_new(g_steal_pointer(&transfer->sink), file_finished, transfer);
}

/* A hash that comes while the file is being saved. */
static void
verify_once_more(BsTransfer *transfer)
{
    switch (check_hash(transfer)) {
    case HASH_AGREES:
        transfer->finish_reason = BS_END_DELIVERED;
        break;
    case HASH_DIFFERS:
        bs_transfer_terminate(transfer, BS_JINGLE_MEDIA_ERROR, NULL, BS_END_DAMAGED, NULL);
        break;
    case HASH_MISSING:
        break;
    }
}

static gboolean
no_hash_came(gpointer data)
{
    BsTransfer *transfer = data;

    transfer->timer = 0;
    bs_transfer_verify(transfer, TRUE);
    return FALSE;
}

/* What only its size speaks for. */
static void
take_unverified(BsTransfer *transfer)
{
    if (transfer->resumed) {
        /* Nothing tells whether the parts are of the same file. */
        bs_transfer_terminate(transfer, BS_JINGLE_MEDIA_ERROR, NULL, BS_END_DAMAGED, NULL);
    } else if (transfer->offer->size == BS_SIZE_UNKNOWN && !transfer->session_over) {
        /* Nothing tells a file that ended from a connection that broke. */
        bs_transfer_terminate(transfer, BS_JINGLE_CONNECTIVITY_ERROR, NULL, BS_END_CONNECTION_LOST, NULL);
    } else if (bs_pump_has_excess(transfer->pump)) {
        bs_transfer_terminate(transfer, BS_JINGLE_MEDIA_ERROR, "file-too-large", BS_END_WRONG_SIZE, NULL);
    } else {
        bs_log_warning(transfer->id, "the peer sent no hash: the file cannot be verified");
        complete(transfer, BS_END_UNVERIFIED);
    }
}

void
bs_transfer_verify(BsTransfer *transfer, gboolean last_chance)
{
    if (transfer->state == TRANSFER_FINISHING) {
        verify_once_more(transfer);
        return;
    }
    transfer->state = TRANSFER_VERIFYING;
    switch (check_hash(transfer)) {
    case HASH_AGREES:
        complete(transfer, BS_END_DELIVERED);
        break;
    case HASH_DIFFERS:
        bs_transfer_terminate(transfer, BS_JINGLE_MEDIA_ERROR, NULL, BS_END_DAMAGED, NULL);
        break;
    case HASH_MISSING:
        if (last_chance || transfer->session_over)
            take_unverified(transfer);
        else if (transfer->timer == 0)
            bs_transfer_set_timer(
                transfer, transfer->offer->hashes_promised != 0 ? PROMISED_HASH_WAIT_MS : LATE_HASH_WAIT_MS,
                no_hash_came);
        break;
    }
}

static void
pump_failed(BsTransfer *transfer, const GError *error)
{
    bs_log_warning(transfer->id, "after %" G_GUINT64_FORMAT " bytes: %s", bs_pump_moved(transfer->pump),
                   error->message);
    switch ((BsStreamError)error->code) {
    case BS_STREAM_ERROR_PEER_CLOSED:
    case BS_STREAM_ERROR_CONNECTION:
    case BS_STREAM_ERROR_STALLED:
        bs_transfer_lose(transfer);
        break;
    case BS_STREAM_ERROR_TOO_MUCH:
        bs_transfer_terminate(transfer, BS_JINGLE_MEDIA_ERROR, "file-too-large", BS_END_WRONG_SIZE, NULL);
        break;
    case BS_STREAM_ERROR_CHANGED:
        bs_transfer_terminate(transfer, BS_JINGLE_FAILED_APPLICATION, NULL, BS_END_WRONG_SIZE, NULL);
        break;
    case BS_STREAM_ERROR_READ:
    case BS_STREAM_ERROR_WRITE:
    case BS_STREAM_ERROR_NO_SPACE:
        file_failed(transfer, error);
        break;
    }
}

/* In-band, what is not acknowledged is with the transport, which has deadlines of its own. */
static gboolean
transport_holds_bytes(const BsTransfer *transfer)
{
    const BsTransport *transport = transfer->transport;

    return transport->class->holds_bytes != NULL && transport->class->holds_bytes(transport);
}

gboolean
bs_transfer_flushed(const BsTransfer *transfer)
{
    return bs_pump_flushed(transfer->pump) && !transport_holds_bytes(transfer);
}

static void
end_unconfirmed(BsTransfer *transfer)
{
    transfer->timer = 0;
    if (transfer->received)
        bs_transfer_terminate(transfer, BS_JINGLE_SUCCESS, NULL, BS_END_DELIVERED, NULL);
    else if (bs_transfer_flushed(transfer))
        bs_transfer_terminate(transfer, BS_JINGLE_SUCCESS, NULL, BS_END_UNVERIFIED, NULL);
    else
        bs_transfer_lose(transfer);
}

/* Closed with bytes still on their way: they are lost, whatever the pump has sent. Those that the peer's
 * kernel had, but nobody took from there, are as well; where the peer has another way to say so, it is heard
 * first. */
static gboolean
is_broken(const BsTransfer *transfer)
{
    if (transfer->received || !bs_pump_peer_closed(transfer->pump))
        return FALSE;
    return !bs_transfer_flushed(transfer) || (transfer->session_over && bs_pump_peer_reset(transfer->pump));
}

/* Whoever has closed its end without a word will not send one any more. */
static gboolean
closed_without_word(const BsTransfer *transfer)
{
    return bs_pump_peer_closed(transfer->pump) && bs_allow(BS_ALLOW_NO_LAST_WORD);
}

/* Once a tick, until the peer's word on the file has come. */
static gboolean
confirmation_tick(gpointer data)
{
    BsTransfer *transfer = data;
    int unacknowledged = bs_pump_unacknowledged(transfer->pump);

    if (is_broken(transfer)) {
        transfer->timer = 0;
        bs_log_warning(transfer->id, "the connection broke after the last byte was sent");
        bs_transfer_lose(transfer);
        return FALSE;
    }
    if (unacknowledged == transfer->unacknowledged && !transport_holds_bytes(transfer))
        transfer->ticks++;
    else
        transfer->ticks = 0;
    transfer->unacknowledged = unacknowledged;
    if (transfer->received || closed_without_word(transfer))
        transfer->closed_ticks++;
    if (transfer->closed_ticks < SILENT_PEER_TICKS && transfer->ticks < CONFIRMATION_TICKS)
        return TRUE;
    end_unconfirmed(transfer);
    return FALSE;
}

gboolean
bs_transfer_all_sent(const BsTransfer *transfer)
{
    return !transfer->incoming && transfer->pump != NULL && bs_pump_moved(transfer->pump) == transfer->length;
}

static void
take_digests(BsTransfer *transfer)
{
    BsDigest *digest = bs_pump_digest(transfer->pump);

    for (guint hash = 0; hash < BS_HASH_COUNT; hash++) {
        guint8 value[BS_DIGEST_MAX];

        if (bs_digest_value(digest, (BsHash)hash, value))
            bs_file_offer_set_hash(transfer->offer, (BsHash)hash, value);
    }
}

static void
all_sent(BsTransfer *transfer)
{
    gboolean whole = transfer->offer->range_offset + bs_pump_moved(transfer->pump) == transfer->offer->size;

    transfer->state = TRANSFER_CONFIRMING;
    transfer->ticks = transfer->closed_ticks = 0;
    if (whole)
        take_digests(transfer);
    transfer->protocol->sent(transfer);
    bs_transfer_set_timer(transfer, transfer->session_over ? SHORT_TICK_MS : TICK_MS, confirmation_tick);
}

static void
pump_done(BsPump *pump, const GError *error, gpointer data)
{
    BsTransfer *transfer = data;

    if (error != NULL) {
        pump_failed(transfer, error);
        return;
    }
    bs_log(transfer->id, "all %" G_GUINT64_FORMAT " bytes %s", bs_pump_moved(pump),
           transfer->incoming ? "received" : "sent");
    /* Others can use the connection to the net while this one waits for a hash, the disk or the peer's word.
     */
    g_clear_pointer(&transfer->place, bs_place_free);
    bs_transfer_set_timer(transfer, 0, NULL);
    if (transfer->incoming)
        bs_transfer_verify(transfer, !bs_endpoint_hashes_files(transfer->endpoint));
    else
        all_sent(transfer);
}

static void
pump_progress(BsPump *pump, guint64 moved, gpointer data)
{
    BsTransfer *transfer = data;

    (void)pump;
    transfer->events->progress(transfer, transfer->offer->range_offset + moved, transfer->data);
}

static const BsPumpEvents pump_events = {.progress = pump_progress, .done = pump_done};

static void
start_sending(BsTransfer *transfer, int fd)
{
    const BsFileOffer *offer = transfer->offer;

    transfer->length = MIN(offer->range_length, offer->size - offer->range_offset);
    transfer->pump = bs_pump_send(transfer->id, fd, transfer->source, transfer->length,
                                  offer->hashes_promised & ~offer->hashes, &pump_events, transfer);
}

static void
start_receiving(BsTransfer *transfer, int fd)
{
    const BsFileOffer *offer = transfer->offer;
    guint64 rest = offer->size != BS_SIZE_UNKNOWN ? offer->size - offer->range_offset : BS_SIZE_UNKNOWN;
    BsDigest *digest = transfer->before != NULL ? bs_digest_copy(transfer->before)
                                                : bs_digest_new(hashes_to_compute(transfer));
    g_autofree char *checkpoints = bs_transfer_checkpoints(transfer);

    transfer->length = MIN(offer->range_length, rest);
    transfer->pump = bs_pump_receive_rest(transfer->id, fd, transfer->sink, transfer->length, digest,
                                          checkpoints, offer->size, &pump_events, transfer);
    bs_transfer_watch_tail(transfer);
}

/* Over a new connection the bytes begin with the first one that was asked for, whatever has moved before. */
static gboolean
go_to_beginning(BsTransfer *transfer, GError **error)
{
    guint64 offset = transfer->offer->range_offset;

    if (transfer->incoming)
        return (!transfer->begun && offset == 0) || transfer->sink->restart(transfer->sink, offset, error);
    return (!transfer->begun && offset == 0) || transfer->source->seek(transfer->source, offset, error);
}

void
bs_transfer_move(BsTransfer *transfer, int fd, const BsRoute *route)
{
    g_autoptr(GError) error = NULL;

    transfer->state = TRANSFER_MOVING;
    transfer->route = *route;
    transfer->protocol->settled(transfer);
    if (!go_to_beginning(transfer, &error)) {
        bs_socket_close(fd);
        file_failed(transfer, error);
        return;
    }
    transfer->begun = TRUE;
    if (transfer->incoming)
        start_receiving(transfer, fd);
    else
        start_sending(transfer, fd);
    transfer->events->started(transfer, route, transfer->data);
}
