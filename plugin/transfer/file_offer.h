/* A file's description: what a sender says of it before it is accepted.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_FILE_OFFER_H
#define BS_FILE_OFFER_H

#include "stream/digest.h"
#include "stream/pump.h"
#include "transfer/thumbnail.h"

/* Longer names and descriptions of a peer's are cut, in bytes. */
#define BS_FILE_TEXT_MAX 1024
/* No file is larger than what a signed 64-bit offset can reach. */
#define BS_FILE_SIZE_MAX ((guint64)G_MAXINT64)

typedef struct {
    char *name;       /* as the sender wrote it: clean it before any use on disk; NULL if there was none */
    guint64 size;     /* bytes; BS_SIZE_UNKNOWN if the sender did not say */
    gint64 date;      /* last modification, seconds since 1970 UTC; -1 if unknown */
    char *media_type; /* NULL if unknown */
    char *desc;       /* NULL if there was none */
    BsThumbnail *thumbnail; /* NULL if there is none */
    guint hashes;           /* bit set of the hashes whose value is known */
    guint8 hash_value[BS_HASH_COUNT][BS_DIGEST_MAX];
    guint hashes_promised; /* bit set of those whose value comes later */
    gboolean can_range;    /* parts of the file can be asked for ... */
    gboolean range_begins; /* ... and the first byte that is sent is named, even if it is that of the file */
    guint64 range_offset;  /* the part that is sent: first byte ... */
    guint64 range_length;  /* ... and bytes; BS_SIZE_UNKNOWN: up to the end */
} BsFileOffer;

BsFileOffer *bs_file_offer_new(void);
BsFileOffer *bs_file_offer_copy(const BsFileOffer *offer);
void bs_file_offer_free(BsFileOffer *offer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BsFileOffer, bs_file_offer_free)

void bs_file_offer_set_hash(BsFileOffer *offer, BsHash hash, const guint8 *value);

#endif
