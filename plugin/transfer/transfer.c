/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/transfer.h"

#include <eventloop.h>
#include <string.h>

#include "log.h"
#include "timer.h"
#include "transfer/internal.h"

/* How long an offer waits for the peer's user. */
#define OFFER_DEADLINE_MS (60 * 60 * 1000)
/* How long an offer rings here: longer than any peer is known to wait. */
#define RINGING_DEADLINE_MS (4 * OFFER_DEADLINE_MS)
/* What was accepted here waits for its place at most until the offer is so old: peers that are like us give
 * up soon after. */
#define QUEUED_DEADLINE_MS (OFFER_DEADLINE_MS - 10 * 60 * 1000)
/* How long a disk may take to remember that a file was accepted. */
#define REMEMBERED_DEADLINE_MS 2000
/* A peer that goes offline may be back at once (XEP-0166, 6.9). */
#define UNAVAILABLE_WAIT_MS 8000

void
bs_transfer_set_timer(BsTransfer *transfer, guint milliseconds, GSourceFunc function)
{
    bs_timer_clear(&transfer->timer);
    if (milliseconds > 0)
        transfer->timer = purple_timeout_add(milliseconds, function, transfer);
}

/* Gives up all that waits, on the link or in the event loop. */
static void
let_go(BsTransfer *transfer)
{
    bs_timer_clear(&transfer->timer);
    bs_timer_clear(&transfer->unavailable_timer);
    bs_iq_request_cancel(&transfer->thumbnail_request);
    g_clear_pointer(&transfer->pump, bs_pump_free);
    g_clear_pointer(&transfer->finish, bs_finish_cancel);
    bs_prefix_cancel(&transfer->prefix);
    bs_transfer_free_transports(transfer);
    transfer->protocol->let_go(transfer);
}

void
bs_transfer_free(BsTransfer *transfer)
{
    let_go(transfer);
    if (transfer->source != NULL)
        bs_source_close(transfer->source);
    if (transfer->sink != NULL)
        bs_sink_discard(transfer->sink);
    transfer->protocol->free(transfer);
    bs_transfer_free_rest(transfer);
    bs_place_free(transfer->place);
    bs_file_offer_free(transfer->offer);
    g_free(transfer->own_jid);
    g_free(transfer->id);
    g_free(transfer);
}

void
bs_transfer_finish(BsTransfer *transfer, BsEndReason reason, const char *detail)
{
    BsEnd end = {
        .reason = reason,
        .detail = (char *)detail,
        .in_band_is_left = reason == BS_END_NO_ROUTE && transfer->in_band_is_left,
    };

    end.goes_on = bs_transfer_keep(transfer, reason);
    bs_log(transfer->id, "ended: %s%s%s%s", bs_end_reason_name(reason), detail != NULL ? ": " : "",
           detail != NULL ? detail : "", end.goes_on ? "; it can go on later" : "");
    bs_endpoint_remove(transfer->endpoint, transfer);
    let_go(transfer);
    if (transfer->events != NULL)
        transfer->events->ended(transfer, &end, transfer->data);
    bs_transfer_free(transfer);
}

void
bs_transfer_terminate(BsTransfer *transfer, BsJingleReason jingle_reason, const char *specific,
                      BsEndReason reason, const char *detail)
{
    transfer->protocol->terminate(transfer, jingle_reason, specific);
    bs_transfer_finish(transfer, reason, detail);
}

static BsTransfer *
new_transfer(BsEndpoint *endpoint, const BsTransferProtocol *protocol, const char *own_jid, gboolean incoming)
{
    static guint count;
    BsTransfer *transfer = g_new0(BsTransfer, 1);

    transfer->endpoint = endpoint;
    transfer->protocol = protocol;
    transfer->id = g_strdup_printf("ft%u", ++count);
    transfer->own_jid = g_strdup(own_jid);
    transfer->incoming = incoming;
    transfer->version = BS_JINGLE_FILE_5;
    transfer->made_at = g_get_monotonic_time();
    bs_endpoint_add(endpoint, transfer);
    return transfer;
}

static gboolean
nobody_accepted(gpointer data)
{
    BsTransfer *transfer = data;

    transfer->timer = 0;
    bs_transfer_terminate(transfer, BS_JINGLE_TIMEOUT, NULL, BS_END_TIMEOUT, NULL);
    return FALSE;
}

void
bs_transfer_log_offer(const BsTransfer *transfer, const char *verb)
{
    g_autofree char *size = transfer->offer->size != BS_SIZE_UNKNOWN
                                ? g_strdup_printf("%" G_GUINT64_FORMAT " bytes", transfer->offer->size)
                                : g_strdup("size unknown");

    bs_log(transfer->id, "%s %s: \"%s\", %s, session %s", verb, bs_transfer_peer(transfer),
           transfer->offer->name != NULL ? transfer->offer->name : "", size,
           transfer->protocol->sid(transfer));
}

BsTransfer *
bs_transfer_new_outgoing(BsEndpoint *endpoint, const BsTransferProtocol *protocol, const char *own_jid,
                         BsFileOffer *offer, BsSource *source)
{
    BsTransfer *transfer = new_transfer(endpoint, protocol, own_jid, FALSE);

    transfer->state = TRANSFER_OFFERED;
    transfer->offer = offer;
    transfer->source = source;
    bs_transfer_set_timer(transfer, OFFER_DEADLINE_MS, nobody_accepted);
    return transfer;
}

BsTransfer *
bs_transfer_new_incoming(BsEndpoint *endpoint, const BsTransferProtocol *protocol, const char *own_jid,
                         BsFileOffer *offer)
{
    BsTransfer *transfer = new_transfer(endpoint, protocol, own_jid, TRUE);

    transfer->state = TRANSFER_RINGING;
    transfer->offer = offer;
    bs_transfer_set_timer(transfer, RINGING_DEADLINE_MS, nobody_accepted);
    return transfer;
}

void
bs_transfer_watch(BsTransfer *transfer, const BsTransferEvents *events, gpointer data)
{
    transfer->events = events;
    transfer->data = data;
}

void
bs_transfer_hold_place(BsTransfer *transfer, BsPlace *place)
{
    transfer->place = place;
}

BsPlace *
bs_transfer_take_place(BsTransfer *transfer)
{
    return g_steal_pointer(&transfer->place);
}

void
bs_transfer_run(BsTransfer *transfer)
{
    BsQueue *queue = bs_endpoint_queue(transfer->endpoint);

    if (transfer->place == NULL && queue != NULL)
        transfer->place = bs_place_for_accepted(queue, NULL, NULL);
    if (transfer->place != NULL)
        bs_place_run(transfer->place);
}

static void
tell_peer(gpointer data)
{
    BsTransfer *transfer = data;

    bs_transfer_set_timer(transfer, 0, NULL);
    g_clear_pointer(&transfer->remembering, bs_memory_wait_free);
    transfer->protocol->accept(transfer);
}

static gboolean
disk_is_slow(gpointer data)
{
    BsTransfer *transfer = data;

    transfer->timer = 0;
    bs_log(transfer->id, "begins before the disk has taken what is remembered of it");
    tell_peer(transfer);
    return FALSE;
}

/* From now on the peer remembers the file as one that was accepted, and so do we, whatever happens. */
static void
begin(BsTransfer *transfer)
{
    if (!bs_transfer_remember(transfer, tell_peer)) {
        tell_peer(transfer);
        return;
    }
    transfer->state = TRANSFER_QUEUED;
    bs_transfer_set_timer(transfer, REMEMBERED_DEADLINE_MS, disk_is_slow);
}

static void
its_turn(gpointer data)
{
    BsTransfer *transfer = data;

    bs_log(transfer->id, "its turn has come");
    begin(transfer);
}

static gboolean
waited_long_enough(gpointer data)
{
    BsTransfer *transfer = data;

    transfer->timer = 0;
    bs_log(transfer->id, "before the peer gives up, it begins without a place");
    bs_place_run(transfer->place);
    begin(transfer);
    return FALSE;
}

static void
wait_for_place(BsTransfer *transfer)
{
    gint64 age_ms = (g_get_monotonic_time() - transfer->made_at) / 1000;

    transfer->state = TRANSFER_QUEUED;
    bs_log(transfer->id, "waits: number %u in the queue", bs_place_number(transfer->place));
    bs_transfer_set_timer(transfer, (guint)MAX(QUEUED_DEADLINE_MS - age_ms, 1), waited_long_enough);
    if (transfer->events->queued != NULL)
        transfer->events->queued(transfer, transfer->data);
}

/* The files of one session are accepted together, so none of them holds up the others by waiting. */
static gboolean
waits_for_no_place(const BsTransfer *transfer)
{
    return transfer->session != NULL && !bs_jingle_session_is_alone(transfer->session);
}

void
bs_transfer_take_turn(BsTransfer *transfer)
{
    if (bs_endpoint_queue(transfer->endpoint) != NULL && !waits_for_no_place(transfer))
        transfer->place = bs_place_for_accepted(bs_endpoint_queue(transfer->endpoint), its_turn, transfer);
    if (transfer->place != NULL && bs_place_waits(transfer->place))
        wait_for_place(transfer);
    else
        begin(transfer);
}

void
bs_transfer_accept(BsTransfer *transfer, BsSink *sink)
{
    if (transfer->state != TRANSFER_RINGING) {
        bs_sink_discard(sink);
        return;
    }
    bs_log(transfer->id, "accepted here");
    transfer->sink = sink;
    bs_transfer_take_turn(transfer);
}

/* Tells the peer and frees the transfer, without an event. */
static void
end_silently(BsTransfer *transfer, BsJingleReason reason, const char *specific, const char *why)
{
    bs_log(transfer->id, "ended here: %s", why);
    transfer->protocol->terminate(transfer, reason, specific);
    bs_transfer_forget(transfer);
    bs_endpoint_remove(transfer->endpoint, transfer);
    bs_transfer_free(transfer);
}

gboolean
bs_transfer_leave(BsTransfer *transfer)
{
    gboolean goes_on = bs_transfer_keep(transfer, BS_END_PEER_GONE);

    end_silently(transfer, BS_JINGLE_GONE, NULL, goes_on ? "it can go on later" : "it cannot go on");
    return goes_on;
}

void
bs_transfer_decline(BsTransfer *transfer)
{
    end_silently(transfer, BS_JINGLE_DECLINE, NULL, "declined");
}

void
bs_transfer_cancel(BsTransfer *transfer)
{
    end_silently(transfer, BS_JINGLE_CANCEL, NULL, "cancelled");
}

void
bs_transfer_fail(BsTransfer *transfer, const GError *error)
{
    const char *specific;
    BsJingleReason reason = bs_transfer_reason_of_file(error, &specific);

    end_silently(transfer, reason, specific, error->message);
}

void
bs_transfer_wake(BsTransfer *transfer)
{
    if (transfer->pump != NULL)
        bs_pump_wake(transfer->pump);
}

static gboolean
peer_stayed_away(gpointer data)
{
    BsTransfer *transfer = data;
    guint64 moved = transfer->pump != NULL ? bs_pump_moved(transfer->pump) : 0;

    if (moved != transfer->moved_when_unavailable || transfer->state == TRANSFER_FINISHING) {
        transfer->moved_when_unavailable = moved;
        return TRUE;
    }
    transfer->unavailable_timer = 0;
    if (transfer->received)
        bs_transfer_finish(transfer, BS_END_DELIVERED, NULL);
    else if (transfer->state == TRANSFER_CONFIRMING && bs_transfer_flushed(transfer))
        bs_transfer_finish(transfer, BS_END_UNVERIFIED, NULL);
    else
        bs_transfer_terminate(transfer, BS_JINGLE_GONE, NULL, BS_END_PEER_GONE, NULL);
    return FALSE;
}

void
bs_transfer_peer_unavailable(BsTransfer *transfer)
{
    if (transfer->unavailable_timer != 0)
        return;
    bs_log(transfer->id, "the peer went offline");
    transfer->moved_when_unavailable = transfer->pump != NULL ? bs_pump_moved(transfer->pump) : 0;
    transfer->unavailable_timer = purple_timeout_add(UNAVAILABLE_WAIT_MS, peer_stayed_away, transfer);
}

void
bs_transfer_heard(BsTransfer *transfer)
{
    bs_timer_clear(&transfer->unavailable_timer);
}

const char *
bs_end_reason_name(BsEndReason reason)
{
    static const char *const names[] = {
        [BS_END_DELIVERED] = "delivered",
        [BS_END_UNVERIFIED] = "all bytes are there, unverified",
        [BS_END_DECLINED] = "declined by the peer",
        [BS_END_CANCELLED] = "cancelled by the peer",
        [BS_END_UNSUPPORTED] = "not supported by the peer",
        [BS_END_PEER_GONE] = "the peer is gone",
        [BS_END_NO_ROUTE] = "no connection could be made",
        [BS_END_CONNECTION_LOST] = "the connection was lost",
        [BS_END_DAMAGED] = "the hash does not agree",
        [BS_END_WRONG_SIZE] = "the size does not agree",
        [BS_END_LOCAL_FILE] = "the file here failed",
        [BS_END_NO_ROOM] = "no room for the file",
        [BS_END_PEER_FAILED] = "the peer failed",
        [BS_END_TIMEOUT] = "the peer did not answer in time",
        [BS_END_NOT_BEGUN] = "the peer did not begin",
    };

    return names[reason];
}

const char *
bs_transfer_id(const BsTransfer *transfer)
{
    return transfer->id;
}

const char *
bs_transfer_peer(const BsTransfer *transfer)
{
    return transfer->protocol->peer(transfer);
}

const BsFileOffer *
bs_transfer_file(const BsTransfer *transfer)
{
    return transfer->offer;
}

gboolean
bs_transfer_is_incoming(const BsTransfer *transfer)
{
    return transfer->incoming;
}

gboolean
bs_transfer_is_queued(const BsTransfer *transfer)
{
    return transfer->state == TRANSFER_QUEUED;
}
