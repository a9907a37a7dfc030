/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pictures.h"

static void
append_number(GByteArray *bytes, guint value, guint size)
{
    while (size-- > 0) {
        guint8 byte = (guint8)(value >> 8 * size);

        g_byte_array_append(bytes, &byte, 1);
    }
}

static GByteArray *
fill_up(GByteArray *bytes, guint length)
{
    while (bytes->len < length)
        append_number(bytes, bytes->len * 37, 1);
    return bytes;
}

GByteArray *
bs_test_png(guint width, guint height, guint length)
{
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_append(bytes, (const guint8 *)"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
    append_number(bytes, width, 4);
    append_number(bytes, height, 4);
    return fill_up(bytes, length);
}

static void
append_segment(GByteArray *bytes, guint8 marker, guint size)
{
    append_number(bytes, 0xff00u | marker, 2);
    append_number(bytes, size + 2, 2);
    fill_up(bytes, bytes->len + size);
}

GByteArray *
bs_test_jpeg(guint8 frame, guint width, guint height, guint length)
{
    GByteArray *bytes = g_byte_array_new();

    append_number(bytes, 0xffd8, 2);
    append_segment(bytes, 0xe0, 14);
    append_segment(bytes, 0xe1, 300);
    append_number(bytes, 0xffff, 2);
    append_segment(bytes, 0xdb, 65);
    append_segment(bytes, 0xfe, 0);
    append_segment(bytes, 0xc4, 29);
    append_number(bytes, 0xff00u | frame, 2);
    append_number(bytes, 17, 2);
    append_number(bytes, 8, 1);
    append_number(bytes, height, 2);
    append_number(bytes, width, 2);
    append_number(bytes, 3, 1);
    return fill_up(bytes, MAX(length, bytes->len + 9));
}
