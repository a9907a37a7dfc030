/* Thumbnails between an endpoint and its peers: those of our offers are given out, those of theirs are
 * fetched before anybody hears of the offer. SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "log.h"
#include "stanza/jid.h"
#include "transfer/bob.h"
#include "transfer/internal.h"

/* So long may our user have to wait for a picture. */
#define FETCH_MS 2000
/* The peer chooses these names; what is left of a stanza around a picture (see BS_THUMBNAIL_SENT_MAX). */
#define NAMES_MAX 400

static gboolean
offers_thumbnail(const BsTransfer *transfer, const char *cid)
{
    const BsThumbnail *thumbnail = transfer->offer->thumbnail;

    return !transfer->incoming && thumbnail != NULL && strcmp(thumbnail->cid, cid) == 0;
}

static gboolean
may_have(const BsTransfer *transfer, const xmlnode *iq)
{
    const char *from = bs_jingle_attrib(iq, "from");
    const char *id = bs_jingle_attrib(iq, "id");

    return id != NULL && bs_jid_equal(bs_transfer_peer(transfer), from) &&
           strlen(from) + strlen(id) <= NAMES_MAX;
}

gboolean
bs_endpoint_give_thumbnail(BsEndpoint *endpoint, const GPtrArray *transfers, const xmlnode *iq)
{
    const char *cid = bs_bob_requested(iq);
    gboolean ours = FALSE;

    for (guint i = 0; cid != NULL && i < transfers->len; i++) {
        BsTransfer *transfer = g_ptr_array_index(transfers, i);
        const BsThumbnail *thumbnail = transfer->offer->thumbnail;

        if (!offers_thumbnail(transfer, cid))
            continue;
        ours = TRUE;
        if (!may_have(transfer, iq))
            continue;
        bs_log(transfer->id, "the peer fetches the thumbnail");
        bs_transfer_heard(transfer);
        bs_iq_reply_result(bs_endpoint_link(endpoint), iq,
                           bs_bob_build(cid, thumbnail->media_type, thumbnail->data));
        return TRUE;
    }
    if (ours)
        bs_iq_reply_error(bs_endpoint_link(endpoint), iq, "cancel", "item-not-found", NULL, NULL);
    return ours;
}

static void
take_thumbnail(BsTransfer *transfer, const xmlnode *iq)
{
    BsThumbnail *thumbnail = transfer->offer->thumbnail;
    const char *why;

    if (bs_thumbnail_take(thumbnail, iq, &why))
        bs_log(transfer->id, "the thumbnail has come: %u by %u pixels", thumbnail->width, thumbnail->height);
    else
        bs_log_warning(transfer->id, "the thumbnail is not shown: %s", why);
}

static void
thumbnail_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    BsTransfer *transfer = data;
    g_autofree char *condition = NULL;

    transfer->thumbnail_request = NULL;
    switch (outcome) {
    case BS_IQ_RESULT:
        take_thumbnail(transfer, iq);
        break;
    case BS_IQ_ERROR:
        condition = bs_iq_error_condition(iq);
        bs_log(transfer->id, "there is no thumbnail: %s", condition);
        break;
    case BS_IQ_TIMEOUT:
        bs_log(transfer->id, "the thumbnail does not come");
        break;
    }
    bs_endpoint_announce(transfer->endpoint, transfer);
}

void
bs_endpoint_introduce(BsEndpoint *endpoint, BsTransfer *transfer)
{
    const BsThumbnail *thumbnail = transfer->offer->thumbnail;
    BsIqRequest *request;

    if (thumbnail == NULL || !bs_endpoint_fetches_thumbnails(endpoint, bs_transfer_peer(transfer))) {
        bs_endpoint_announce(endpoint, transfer);
        return;
    }
    request = bs_iq_request(bs_endpoint_link(endpoint), "get", bs_transfer_peer(transfer),
                            bs_bob_build_request(thumbnail->cid), FETCH_MS, thumbnail_answered, transfer);
    if (request != NULL)
        transfer->thumbnail_request = request;
}
