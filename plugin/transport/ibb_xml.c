/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/ibb_xml.h"

#include <string.h>

#include "stanza/xml.h"

/* More than any peer counts to; above it a sum could overflow. */
#define SEQUENCE_MAX G_MAXUINT32

static const char *const names[] = {
    [BS_IBB_OPEN] = "open",
    [BS_IBB_DATA] = "data",
    [BS_IBB_CLOSE] = "close",
};

const xmlnode *
bs_ibb_element(const xmlnode *stanza, BsIbbKind *kind)
{
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        const xmlnode *element = bs_xml_child(stanza, names[i], BS_NS_IBB);

        if (element == NULL)
            continue;
        *kind = (BsIbbKind)i;
        return element;
    }
    return NULL;
}

const char *
bs_ibb_sid(const xmlnode *element)
{
    const char *sid = xmlnode_get_attrib((xmlnode *)element, "sid");

    return sid != NULL && *sid != '\0' && strlen(sid) <= BS_IBB_SID_MAX ? sid : NULL;
}

guint
bs_ibb_block_size(const xmlnode *element)
{
    guint64 size = 0;

    bs_xml_parse_uint64(xmlnode_get_attrib((xmlnode *)element, "block-size"), 1, BS_IBB_BLOCK_MAX, &size);
    return (guint)size;
}

gboolean
bs_ibb_sequence(const xmlnode *data, guint64 *sequence)
{
    return bs_xml_parse_uint64(xmlnode_get_attrib((xmlnode *)data, "seq"), 0, SEQUENCE_MAX, sequence);
}

/* The value of a base64 digit; -1 for all else. */
static int
digit_value(char digit)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = digit != '\0' ? strchr(digits, digit) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* What GLib's decoder lets pass is refused here: foreign characters, padding that is missing or misplaced,
 * bits that stand for nothing (RFC 4648, 3 and 4). */
static gboolean
is_base64(const char *text, gsize length)
{
    gsize padding = 0;

    if (length % 4 != 0)
        return FALSE;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    for (gsize i = 0; i < length - padding; i++)
        if (digit_value(text[i]) < 0)
            return FALSE;
    return padding == 0 || (digit_value(text[length - 1 - padding]) & (padding == 1 ? 3 : 15)) == 0;
}

GByteArray *
bs_ibb_bytes(const xmlnode *data, gsize max)
{
    g_autofree char *text = bs_xml_text(data);
    gsize length = strlen(text);
    gsize count = 0;
    guint8 *bytes;

    if (length / 4 * 3 > max + 2 || !is_base64(text, length))
        return NULL;
    if (length == 0)
        return g_byte_array_new();
    bytes = g_base64_decode(text, &count);
    if (count > max) {
        g_free(bytes);
        return NULL;
    }
    return g_byte_array_new_take(bytes, count);
}

static xmlnode *
new_element(const char *name, const char *xmlns, const char *sid)
{
    xmlnode *node = xmlnode_new(name);

    xmlnode_set_namespace(node, xmlns);
    bs_xml_set_attrib(node, "sid", sid);
    return node;
}

static void
set_number(xmlnode *node, const char *name, guint number)
{
    char text[16];

    g_snprintf(text, sizeof text, "%u", number);
    xmlnode_set_attrib(node, name, text);
}

xmlnode *
bs_ibb_build_transport(const char *sid, guint block_size)
{
    xmlnode *transport = new_element("transport", BS_NS_JINGLE_IBB, sid);

    set_number(transport, "block-size", block_size);
    return transport;
}

xmlnode *
bs_ibb_build_open(const char *sid, guint block_size)
{
    xmlnode *open = new_element(names[BS_IBB_OPEN], BS_NS_IBB, sid);

    set_number(open, "block-size", block_size);
    xmlnode_set_attrib(open, "stanza", "iq");
    return open;
}

xmlnode *
bs_ibb_build_data(const char *sid, guint16 sequence, const guint8 *bytes, gsize length)
{
    xmlnode *data = new_element(names[BS_IBB_DATA], BS_NS_IBB, sid);
    g_autofree char *text = g_base64_encode(bytes, length);

    set_number(data, "seq", sequence);
    if (length > 0)
        xmlnode_insert_data(data, text, -1);
    return data;
}

xmlnode *
bs_ibb_build_close(const char *sid)
{
    return new_element(names[BS_IBB_CLOSE], BS_NS_IBB, sid);
}
