/* What is remembered of a transfer while it is under way, and what of that stays when it ends.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/part_file.h"
#include "transfer/internal.h"

guint
bs_transfer_hashes_for_rest(const BsFileOffer *offer)
{
    return offer->hashes | offer->hashes_promised;
}

/* Without a hash nobody would notice that the parts are not of one file. */
gboolean
bs_transfer_can_have_parts(const BsFileOffer *offer)
{
    return offer->can_range && offer->name != NULL && offer->size != BS_SIZE_UNKNOWN &&
           bs_transfer_hashes_for_rest(offer) != 0;
}

BsRemembered *
bs_transfer_memory_of(const BsTransfer *transfer)
{
    BsMemory *memory = bs_endpoint_memory(transfer->endpoint);

    return memory != NULL ? bs_memory_find(memory, transfer->remembered) : NULL;
}

gboolean
bs_transfer_needs_new_offer(const BsTransfer *transfer)
{
    return transfer->protocol != &bs_transfer_jingle ||
           (transfer->incoming ? transfer->gives_no_rest : !transfer->peer_may_ask);
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
        .unanswered = !transfer->incoming,
        .needs_new_offer = bs_transfer_needs_new_offer(transfer),
        .scrap = !bs_transfer_can_have_parts(transfer->offer),
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

void
bs_transfer_remember_answer(BsTransfer *transfer)
{
    BsRemembered *item = bs_transfer_memory_of(transfer);
    gboolean needs_new_offer = bs_transfer_needs_new_offer(transfer);

    if (item == NULL || (!item->unanswered && item->needs_new_offer == needs_new_offer))
        return;
    item->unanswered = FALSE;
    item->needs_new_offer = needs_new_offer;
    bs_memory_rewrite(bs_endpoint_memory(transfer->endpoint));
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

void
bs_transfer_note_fruit(BsTransfer *transfer)
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

static gboolean
goes_on_by_itself(const BsTransfer *transfer, const BsRemembered *item)
{
    return !bs_transfer_needs_new_offer(transfer) && !item->occupant && !transfer->rest_refused;
}

/* In: a new offer would begin at the first byte all the same. */
static gboolean
is_of_no_use(const BsTransfer *transfer)
{
    return transfer->incoming && bs_transfer_needs_new_offer(transfer) && transfer->finish == NULL &&
           !transfer->fruitful && !transfer->resumed;
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
    BsRemembered *item = bs_transfer_memory_of(transfer);

    if (item == NULL)
        return FALSE;
    bs_transfer_note_fruit(transfer);
    if (item->scrap || is_of_no_use(transfer) ||
        (transfer->state == TRANSFER_OFFERED && reason != BS_END_PEER_GONE)) {
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
    BsRemembered *item = bs_transfer_memory_of(transfer);

    if (item != NULL)
        bs_memory_forget(bs_endpoint_memory(transfer->endpoint), item, FALSE);
    g_clear_pointer(&transfer->remembered, g_free);
}

char *
bs_transfer_checkpoints(const BsTransfer *transfer)
{
    const BsRemembered *item = bs_transfer_memory_of(transfer);

    return item != NULL && !item->scrap ? bs_memory_checkpoints(bs_endpoint_memory(transfer->endpoint), item)
                                        : NULL;
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
