/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/bob.h"

#include <string.h>

#include "stanza/xml.h"
#include "stream/digest.h"

#define CID_DOMAIN "@bob.xmpp.org"
/* The specification's own name for SHA-1 (XEP-0231, 2.6). */
#define CID_SHA1 "sha1"

static gboolean
hash_from_name(const char *name, BsHash *hash)
{
    if (strcmp(name, CID_SHA1) == 0) {
        *hash = BS_HASH_SHA1;
        return TRUE;
    }
    return bs_hash_from_name(name, hash) && *hash != BS_HASH_MD5;
}

/* algorithm+hexadecimal@bob.xmpp.org */
static gboolean
parse_cid(const char *cid, BsHash *hash, guint8 value[BS_DIGEST_MAX])
{
    const char *plus = cid != NULL ? strchr(cid, '+') : NULL;
    const char *at = plus != NULL ? strchr(plus, '@') : NULL;
    g_autofree char *name = NULL;
    g_autofree char *hex = NULL;

    if (at == NULL || strcmp(at, CID_DOMAIN) != 0)
        return FALSE;
    name = g_strndup(cid, (gsize)(plus - cid));
    hex = g_strndup(plus + 1, (gsize)(at - plus) - 1);
    return hash_from_name(name, hash) && strlen(hex) == 2 * bs_hash_length(*hash) &&
           bs_hash_parse(*hash, hex, value);
}

static gboolean
digest_of(GBytes *data, BsHash hash, guint8 value[BS_DIGEST_MAX])
{
    g_autoptr(BsDigest) digest = bs_digest_new(1u << hash);
    gsize length;
    const guint8 *bytes = g_bytes_get_data(data, &length);

    bs_digest_update(digest, bytes, length);
    return bs_digest_value(digest, hash, value);
}

char *
bs_bob_cid(GBytes *data)
{
    GString *cid = g_string_new(CID_SHA1 "+");
    guint8 value[BS_DIGEST_MAX] = {0};

    digest_of(data, BS_HASH_SHA1, value);
    for (gsize i = 0; i < bs_hash_length(BS_HASH_SHA1); i++)
        g_string_append_printf(cid, "%02x", value[i]);
    g_string_append(cid, CID_DOMAIN);
    return g_string_free(cid, FALSE);
}

gboolean
bs_bob_is_cid(const char *cid)
{
    guint8 value[BS_DIGEST_MAX];
    BsHash hash;

    return parse_cid(cid, &hash, value);
}

xmlnode *
bs_bob_build_request(const char *cid)
{
    xmlnode *node = xmlnode_new("data");

    xmlnode_set_namespace(node, BS_NS_BOB);
    bs_xml_set_attrib(node, "cid", cid);
    return node;
}

xmlnode *
bs_bob_build(const char *cid, const char *media_type, GBytes *data)
{
    xmlnode *node = bs_bob_build_request(cid);
    gsize length;
    const guchar *bytes = g_bytes_get_data(data, &length);
    g_autofree char *text = g_base64_encode(bytes, length);

    bs_xml_set_attrib(node, "type", media_type);
    bs_xml_set_attrib(node, "max-age", "0");
    xmlnode_insert_data(node, text, -1);
    return node;
}

const char *
bs_bob_requested(const xmlnode *iq)
{
    const xmlnode *node = bs_xml_child(iq, "data", BS_NS_BOB);

    if (node == NULL || g_strcmp0(xmlnode_get_attrib((xmlnode *)iq, "type"), "get") != 0)
        return NULL;
    return xmlnode_get_attrib((xmlnode *)node, "cid");
}

static gboolean
is_named_by(GBytes *data, const char *cid)
{
    guint8 expected[BS_DIGEST_MAX];
    guint8 value[BS_DIGEST_MAX];
    BsHash hash;

    return parse_cid(cid, &hash, expected) && digest_of(data, hash, value) &&
           memcmp(value, expected, bs_hash_length(hash)) == 0;
}

GBytes *
bs_bob_parse(const xmlnode *iq, const char *cid, gsize max)
{
    const xmlnode *node = bs_xml_child(iq, "data", BS_NS_BOB);
    g_autofree char *text = node != NULL ? bs_xml_text(node) : NULL;
    g_autoptr(GBytes) data = NULL;
    gsize length = 0;
    guchar *bytes;

    if (text == NULL || *text == '\0')
        return NULL;
    /* It passes over white space, which some put between the lines, and over all else that is no base64: what
     * comes of that must have the right hash. */
    bytes = g_base64_decode(text, &length);
    data = g_bytes_new_take(bytes, length);
    return length > 0 && length <= max && is_named_by(data, cid) ? g_steal_pointer(&data) : NULL;
}
