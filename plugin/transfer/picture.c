/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/picture.h"

#include <string.h>

/* The signature, and the only chunk that may come first. */
static const guint8 png_start[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n',
                                   0,    0,   0,   13,  'I',  'H',  'D',  'R'};

/* PNG allows no more, and libpng reads no more. */
#define PNG_SIDE_MAX 0x7fffffffu

static guint
big_endian(const guint8 *bytes, guint count)
{
    guint value = 0;

    for (guint i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static gboolean
read_png(const guint8 *bytes, gsize length, BsPicture *picture)
{
    if (length < sizeof png_start + 8 || memcmp(bytes, png_start, sizeof png_start) != 0)
        return FALSE;
    picture->kind = BS_PICTURE_PNG;
    picture->width = big_endian(bytes + sizeof png_start, 4);
    picture->height = big_endian(bytes + sizeof png_start + 4, 4);
    return picture->width <= PNG_SIDE_MAX && picture->height <= PNG_SIDE_MAX;
}

typedef enum {
    SEGMENT_PASSED_OVER,
    SEGMENT_FRAME,
    SEGMENT_REFUSED,
} Segment;

/* T.81, table B.1. What has no business before the frame, and frames that few decoders know, are refused. */
static Segment
jpeg_segment(guint8 marker, BsPictureKind *kind)
{
    switch (marker) {
    case 0xc0: /* baseline */
    case 0xc1: /* extended sequential */
        *kind = BS_PICTURE_JPEG;
        return SEGMENT_FRAME;
    case 0xc2:
        *kind = BS_PICTURE_PROGRESSIVE_JPEG;
        return SEGMENT_FRAME;
    case 0xc4: /* Huffman tables */
    case 0xdb: /* quantization tables */
    case 0xdd: /* restart interval */
    case 0xfe: /* comment */
        return SEGMENT_PASSED_OVER;
    default:
        return marker >= 0xe0 && marker <= 0xef ? SEGMENT_PASSED_OVER : SEGMENT_REFUSED;
    }
}

/* `bytes`: a segment after its marker and length. */
static gboolean
read_frame(const guint8 *bytes, gsize length, BsPicture *picture)
{
    if (length < 5)
        return FALSE;
    picture->height = big_endian(bytes + 1, 2);
    picture->width = big_endian(bytes + 3, 2);
    return TRUE;
}

static gboolean
read_jpeg(const guint8 *bytes, gsize length, BsPicture *picture)
{
    gsize at = 2;

    if (length < 2 || bytes[0] != 0xff || bytes[1] != 0xd8)
        return FALSE;
    while (length - at >= 4 && bytes[at] == 0xff) {
        guint size;

        /* A marker may be filled up with more of these. */
        if (bytes[at + 1] == 0xff) {
            at++;
            continue;
        }
        size = big_endian(bytes + at + 2, 2);
        if (size < 2 || size > length - at - 2)
            return FALSE;
        switch (jpeg_segment(bytes[at + 1], &picture->kind)) {
        case SEGMENT_FRAME:
            return read_frame(bytes + at + 4, size - 2, picture);
        case SEGMENT_REFUSED:
            return FALSE;
        case SEGMENT_PASSED_OVER:
            break;
        }
        at += 2 + (gsize)size;
    }
    return FALSE;
}

gboolean
bs_picture_read(const guint8 *bytes, gsize length, BsPicture *picture)
{
    BsPicture read = {0};

    if (!read_png(bytes, length, &read) && !read_jpeg(bytes, length, &read))
        return FALSE;
    if (read.width == 0 || read.height == 0)
        return FALSE;
    *picture = read;
    return TRUE;
}

const char *
bs_picture_media_type(const BsPicture *picture)
{
    return picture->kind == BS_PICTURE_PNG ? "image/png" : "image/jpeg";
}
