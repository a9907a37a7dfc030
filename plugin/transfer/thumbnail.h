/* A small picture of what a file shows (XEP-0264): part of its offer by name, fetched as bits of binary.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_THUMBNAIL_H
#define BS_THUMBNAIL_H

#include <glib.h>
#include <xmlnode.h>

#define BS_NS_THUMBNAIL "urn:xmpp:thumbs:1"

/* The largest one that we tell of, in bytes: in base64, in a stanza that every server passes on (RFC 6120,
 * 13.12). */
#define BS_THUMBNAIL_SENT_MAX 7000
/* The largest one that is taken: in bytes, which is what 128 by 128 pixels need without any compression; and
 * in pixels on either side. */
#define BS_THUMBNAIL_TAKEN_MAX (64 * 1024)
#define BS_THUMBNAIL_SIDE_MAX 512

typedef struct {
    char *cid;        /* see bob.h */
    char *media_type; /* NULL if unknown */
    guint width;      /* pixels; 0 if unknown */
    guint height;
    GBytes *data; /* NULL until it has been fetched */
} BsThumbnail;

/* One of ours with this picture. NULL if that is larger than what is sent, or than what is taken. */
BsThumbnail *bs_thumbnail_new(const guint8 *bytes, gsize length);
BsThumbnail *bs_thumbnail_copy(const BsThumbnail *thumbnail);
void bs_thumbnail_free(BsThumbnail *thumbnail);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BsThumbnail, bs_thumbnail_free)

/* Adds the <thumbnail/> to a file's description. */
void bs_thumbnail_add(xmlnode *file, const BsThumbnail *thumbnail);

/* The first <thumbnail/> in a file's description, of either version (urn:xmpp:thumbs:0 and 1), that can be
 * had as bits of binary and is not too large, or of another type than JPEG and PNG, by its own word; the
 * caller's. NULL if there is none. */
BsThumbnail *bs_thumbnail_find(const xmlnode *file);

/* Takes the picture out of the answer `iq`. FALSE, with `why` (static), if it is another one than was told
 * of, or nothing that a UI should be made to decode. */
gboolean bs_thumbnail_take(BsThumbnail *thumbnail, const xmlnode *iq, const char **why);

#endif
