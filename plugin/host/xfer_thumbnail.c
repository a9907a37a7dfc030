/* Thumbnails as libpurple's UIs know them: one makes them of the files that are sent, and shows those of
 * files that are offered. SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/xfer_internal.h"
#include "log.h"
#include "stream/bytes.h"
#include "transfer/bob.h"
#include "transfer/picture.h"

/* In the order of preference, as libpurple writes them: a photograph is smaller as the first of them. */
#define FORMATS "jpeg,png"
/* A camera puts a picture of its own and more before the header that counts. */
#define HEADER_BYTES (256 * 1024)
/* The UI decodes the file while everything else waits: some tenth of a second for so many pixels, which are
 * those of a camera's JPEG, scaled while it is decoded, and of a large screen's PNG. */
#define JPEG_PIXELS_MAX (24 * 1000 * 1000)
#define PIXELS_MAX (3840 * 2160)

static gboolean
ui_makes_thumbnails(const PurpleXfer *xfer)
{
    const PurpleXferUiOps *ops = purple_xfer_get_ui_ops(xfer);

    return ops != NULL && ops->add_thumbnail != NULL;
}

static gboolean
read_picture(const char *path, BsPicture *picture)
{
    guint64 size;
    BsSource *source = bs_file_source_new(path, &size, NULL);
    g_autofree guint8 *bytes = NULL;
    gssize length;

    if (source == NULL)
        return FALSE;
    bytes = g_malloc(HEADER_BYTES);
    length = source->read(source, bytes, HEADER_BYTES, NULL);
    source->close(source);
    return length > 0 && bs_picture_read(bytes, (gsize)length, picture);
}

static gboolean
is_quickly_decoded(const char *path)
{
    BsPicture picture;
    guint64 pixels;

    if (!read_picture(path, &picture))
        return FALSE;
    pixels = (guint64)picture.width * picture.height;
    return pixels <= (picture.kind == BS_PICTURE_JPEG ? JPEG_PIXELS_MAX : PIXELS_MAX);
}

void
bs_xfer_add_thumbnail(BsXfer *self, BsFileOffer *offer)
{
    PurpleXfer *xfer = self->xfer;
    gconstpointer bytes;
    gsize length = 0;

    if (!ui_makes_thumbnails(xfer) || bs_ui_bytes_wanted(xfer) ||
        !bs_peers_has_feature(bs_connection_peers(self->connection), xfer->who, BS_NS_BOB) ||
        !is_quickly_decoded(purple_xfer_get_local_filename(xfer)))
        return;
    purple_xfer_prepare_thumbnail(xfer, FORMATS);
    bytes = purple_xfer_get_thumbnail(xfer, &length);
    if (bytes == NULL)
        return;
    offer->thumbnail = bs_thumbnail_new(bytes, length);
    if (offer->thumbnail == NULL)
        bs_log(NULL, "the UI's thumbnail, of %" G_GSIZE_FORMAT " bytes, cannot be offered", length);
}

void
bs_xfer_show_thumbnail(BsXfer *self, const BsFileOffer *offer)
{
    const BsThumbnail *thumbnail = offer->thumbnail;
    gconstpointer bytes;
    gsize length;

    if (thumbnail == NULL || thumbnail->data == NULL)
        return;
    bytes = g_bytes_get_data(thumbnail->data, &length);
    purple_xfer_set_thumbnail(self->xfer, bytes, length, thumbnail->media_type);
}
