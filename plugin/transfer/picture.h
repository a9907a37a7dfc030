/* What the first bytes of a picture say of it, before anybody decodes it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PICTURE_H
#define BS_PICTURE_H

#include <glib.h>

typedef enum {
    BS_PICTURE_JPEG,             /* decoded once from top to bottom: its bytes bound the work */
    BS_PICTURE_PROGRESSIVE_JPEG, /* decoded in passes over all of it, and there may be thousands */
    BS_PICTURE_PNG,
} BsPictureKind;

typedef struct {
    BsPictureKind kind;
    guint width; /* pixels, never 0 */
    guint height;
} BsPicture;

/* Reads the header of a PNG (ISO/IEC 15948, 11.2.2) or JPEG (ITU-T T.81, B.2.2) from its first `length`
 * bytes. FALSE if it is neither, is not written as every encoder writes it, or begins with more than that. */
gboolean bs_picture_read(const guint8 *bytes, gsize length, BsPicture *picture);

/* "image/png" or "image/jpeg", static. */
const char *bs_picture_media_type(const BsPicture *picture);

#endif
