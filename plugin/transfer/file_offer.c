/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/file_offer.h"

#include <string.h>

BsFileOffer *
bs_file_offer_new(void)
{
    BsFileOffer *offer = g_new0(BsFileOffer, 1);

    offer->size = BS_SIZE_UNKNOWN;
    offer->date = -1;
    offer->range_length = BS_SIZE_UNKNOWN;
    return offer;
}

BsFileOffer *
bs_file_offer_copy(const BsFileOffer *offer)
{
    BsFileOffer *copy = g_new(BsFileOffer, 1);

    *copy = *offer;
    copy->name = g_strdup(offer->name);
    copy->media_type = g_strdup(offer->media_type);
    copy->desc = g_strdup(offer->desc);
    copy->thumbnail = bs_thumbnail_copy(offer->thumbnail);
    return copy;
}

void
bs_file_offer_free(BsFileOffer *offer)
{
    if (offer == NULL)
        return;
    g_free(offer->name);
    g_free(offer->media_type);
    g_free(offer->desc);
    bs_thumbnail_free(offer->thumbnail);
    g_free(offer);
}

void
bs_file_offer_set_hash(BsFileOffer *offer, BsHash hash, const guint8 *value)
{
    memcpy(offer->hash_value[hash], value, bs_hash_length(hash));
    offer->hashes |= 1u << hash;
}
