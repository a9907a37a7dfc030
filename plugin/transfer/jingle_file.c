/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/jingle_file.h"

#include <string.h>

#include "stanza/allowances.h"
#include "stanza/xml.h"

static const struct {
    const char *xmlns;
    const char *hash_xmlns;
} versions[] = {
    [BS_JINGLE_FILE_3] = {"urn:xmpp:jingle:apps:file-transfer:3", "urn:xmpp:hashes:1"},
    [BS_JINGLE_FILE_4] = {"urn:xmpp:jingle:apps:file-transfer:4", "urn:xmpp:hashes:1"},
    [BS_JINGLE_FILE_5] = {"urn:xmpp:jingle:apps:file-transfer:5", "urn:xmpp:hashes:2"},
};

const char *
bs_jingle_file_xmlns(BsJingleFileVersion version)
{
    return versions[version].xmlns;
}

gboolean
bs_jingle_file_version(const char *xmlns, BsJingleFileVersion *version)
{
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        if (g_strcmp0(xmlns, versions[i].xmlns) != 0)
            continue;
        *version = (BsJingleFileVersion)i;
        return TRUE;
    }
    return FALSE;
}

static xmlnode *
new_payload(BsJingleFileVersion version, const char *name)
{
    xmlnode *payload = xmlnode_new(name);

    xmlnode_set_namespace(payload, versions[version].xmlns);
    return payload;
}

static void
add_hashes(xmlnode *file, BsJingleFileVersion version, const BsFileOffer *offer)
{
    for (guint hash = 0; hash < BS_HASH_COUNT; hash++) {
        g_autofree char *value = NULL;
        xmlnode *node;

        if (!(offer->hashes & 1u << hash))
            continue;
        value = bs_hash_format((BsHash)hash, offer->hash_value[hash]);
        node = bs_xml_add_child(file, "hash", versions[version].hash_xmlns);
        bs_xml_set_attrib(node, "algo", bs_hash_name((BsHash)hash));
        xmlnode_insert_data(node, value, -1);
    }
}

/* hash-used came with namespace 5; before, an empty hash was the promise (XEP-0234, 5). */
static void
add_promised_hashes(xmlnode *file, BsJingleFileVersion version, const BsFileOffer *offer)
{
    const char *element = version == BS_JINGLE_FILE_5 ? "hash-used" : "hash";

    for (guint hash = 0; hash < BS_HASH_COUNT; hash++) {
        if (offer->hashes_promised & ~offer->hashes & 1u << hash) {
            xmlnode *node = bs_xml_add_child(file, element, versions[version].hash_xmlns);

            bs_xml_set_attrib(node, "algo", bs_hash_name((BsHash)hash));
        }
    }
}

static void
add_range(xmlnode *file, const BsFileOffer *offer)
{
    xmlnode *range;

    if (!offer->can_range && offer->range_offset == 0 && offer->range_length == BS_SIZE_UNKNOWN)
        return;
    range = bs_xml_add_text(file, "range", NULL);
    if (offer->range_offset > 0 || offer->range_begins) {
        g_autofree char *offset = g_strdup_printf("%" G_GUINT64_FORMAT, offer->range_offset);

        bs_xml_set_attrib(range, "offset", offset);
    }
    if (offer->range_length != BS_SIZE_UNKNOWN) {
        g_autofree char *length = g_strdup_printf("%" G_GUINT64_FORMAT, offer->range_length);

        bs_xml_set_attrib(range, "length", length);
    }
}

static void
add_date(xmlnode *file, gint64 date)
{
    g_autofree char *text = bs_xml_format_date(date);

    if (text != NULL)
        bs_xml_add_text(file, "date", text);
}

static void
add_metadata(xmlnode *file, const BsFileOffer *offer)
{
    if (offer->date >= 0)
        add_date(file, offer->date);
    if (offer->desc != NULL)
        bs_xml_add_text(file, "desc", offer->desc);
    if (offer->media_type != NULL)
        bs_xml_add_text(file, "media-type", offer->media_type);
    if (offer->name != NULL)
        bs_xml_add_text(file, "name", offer->name);
    add_range(file, offer);
    if (offer->size != BS_SIZE_UNKNOWN) {
        g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, offer->size);

        bs_xml_add_text(file, "size", size);
    }
    if (offer->thumbnail != NULL)
        bs_thumbnail_add(file, offer->thumbnail);
}

xmlnode *
bs_jingle_file_build(BsJingleFileVersion version, const BsFileOffer *offer)
{
    xmlnode *description = new_payload(version, "description");
    xmlnode *parent = description;
    xmlnode *file;

    if (version == BS_JINGLE_FILE_3)
        parent = bs_xml_add_text(description, "offer", NULL);
    file = bs_xml_add_text(parent, "file", NULL);
    add_metadata(file, offer);
    add_hashes(file, version, offer);
    add_promised_hashes(file, version, offer);
    return description;
}

static gboolean
is_hash_xmlns(const char *xmlns)
{
    return g_strcmp0(xmlns, "urn:xmpp:hashes:2") == 0 || g_strcmp0(xmlns, "urn:xmpp:hashes:1") == 0 ||
           g_strcmp0(xmlns, "urn:xmpp:hashes:0") == 0;
}

/* A hash with a value, an empty one (promised for later), or hash-used. What is not known or not well formed
 * counts as not being there. */
static void
take_hash(const xmlnode *node, BsFileOffer *offer)
{
    guint8 value[BS_DIGEST_MAX];
    g_autofree char *text = NULL;
    BsHash hash;

    if (!is_hash_xmlns(xmlnode_get_namespace((xmlnode *)node)) ||
        !bs_hash_from_name(xmlnode_get_attrib((xmlnode *)node, "algo"), &hash))
        return;
    text = bs_xml_text(node);
    if (strcmp(node->name, "hash-used") == 0 || *text == '\0')
        offer->hashes_promised |= 1u << hash;
    else if (bs_hash_parse(hash, text, value))
        bs_file_offer_set_hash(offer, hash, value);
}

static char *
take_text(const xmlnode *node)
{
    g_autofree char *text = bs_xml_text(node);

    return *text != '\0' ? bs_xml_clip(text, BS_FILE_TEXT_MAX) : NULL;
}

static gboolean
take_range(const xmlnode *node, BsFileOffer *offer)
{
    const char *offset = xmlnode_get_attrib((xmlnode *)node, "offset");
    const char *length = xmlnode_get_attrib((xmlnode *)node, "length");

    offer->can_range = TRUE;
    offer->range_begins = offset != NULL;
    return (offset == NULL || bs_xml_parse_uint64(offset, 0, BS_FILE_SIZE_MAX, &offer->range_offset)) &&
           (length == NULL || bs_xml_parse_uint64(length, 0, BS_FILE_SIZE_MAX, &offer->range_length));
}

static gboolean
take_size(const xmlnode *node, BsFileOffer *offer)
{
    g_autofree char *text = bs_xml_text(node);

    return bs_xml_parse_uint64(text, 0, BS_FILE_SIZE_MAX, &offer->size);
}

static gboolean
is_media_type(const char *name)
{
    return strcmp(name, "media-type") == 0 ||
           (strcmp(name, "mediaType") == 0 && bs_allow(BS_ALLOW_MISNAMED_MEDIA_TYPE));
}

/* FALSE if the element makes the whole description malformed. */
static gboolean
take_element(const xmlnode *node, BsFileOffer *offer)
{
    if (strcmp(node->name, "size") == 0)
        return take_size(node, offer);
    if (strcmp(node->name, "range") == 0)
        return take_range(node, offer);
    if (strcmp(node->name, "hash") == 0 || strcmp(node->name, "hash-used") == 0) {
        take_hash(node, offer);
    } else if (strcmp(node->name, "name") == 0 && offer->name == NULL) {
        offer->name = take_text(node);
    } else if (strcmp(node->name, "desc") == 0 && offer->desc == NULL) {
        offer->desc = take_text(node);
    } else if (is_media_type(node->name) && offer->media_type == NULL) {
        offer->media_type = take_text(node);
    } else if (strcmp(node->name, "date") == 0) {
        g_autofree char *text = bs_xml_text(node);

        offer->date = bs_xml_parse_date(text);
    }
    return TRUE;
}

static BsFileOffer *
parse_file(const xmlnode *file)
{
    g_autoptr(BsFileOffer) offer = bs_file_offer_new();

    for (xmlnode *node = bs_xml_first_element(file); node != NULL; node = bs_xml_next_element(node))
        if (!take_element(node, offer))
            return NULL;
    if (offer->size != BS_SIZE_UNKNOWN && offer->range_offset > offer->size)
        return NULL;
    offer->thumbnail = bs_thumbnail_find(file);
    return g_steal_pointer(&offer);
}

BsFileOffer *
bs_jingle_file_parse(const xmlnode *description, BsJingleFileVersion *version, gboolean *request)
{
    const xmlnode *parent = description;
    const xmlnode *file;
    const char *xmlns;

    if (description == NULL ||
        !bs_jingle_file_version(xmlnode_get_namespace((xmlnode *)description), version))
        return NULL;
    xmlns = versions[*version].xmlns;
    if (request != NULL)
        *request = FALSE;
    if (*version == BS_JINGLE_FILE_3) {
        const xmlnode *asked = bs_xml_child(description, "request", xmlns);

        if (request != NULL)
            *request = asked != NULL;
        parent = asked != NULL ? asked : bs_xml_child(description, "offer", xmlns);
    }
    file = parent != NULL ? bs_xml_child(parent, "file", xmlns) : NULL;
    return file != NULL ? parse_file(file) : NULL;
}

static xmlnode *
new_info(BsJingleFileVersion version, const char *name, const char *creator, const char *content,
         xmlnode **file)
{
    xmlnode *info = new_payload(version, name);

    bs_xml_set_attrib(info, "creator", creator);
    bs_xml_set_attrib(info, "name", content);
    *file = bs_xml_add_text(info, "file", NULL);
    return info;
}

xmlnode *
bs_jingle_file_build_checksum(BsJingleFileVersion version, const BsFileOffer *offer, const char *creator,
                              const char *content)
{
    xmlnode *file;
    xmlnode *checksum = new_info(version, "checksum", creator, content, &file);

    add_hashes(file, version, offer);
    return checksum;
}

xmlnode *
bs_jingle_file_build_received(BsJingleFileVersion version, const BsFileOffer *offer, const char *creator,
                              const char *content)
{
    xmlnode *file;
    xmlnode *received = new_info(version, "received", creator, content, &file);

    /* Before namespace 5 the file was named by its hash, not by its content. */
    if (version == BS_JINGLE_FILE_5)
        xmlnode_free(file);
    else
        add_hashes(file, version, offer);
    return received;
}

BsFileInfo
bs_jingle_file_info(const xmlnode *payload)
{
    BsJingleFileVersion version;

    if (!bs_jingle_file_version(xmlnode_get_namespace((xmlnode *)payload), &version))
        return BS_FILE_INFO_UNKNOWN;
    if (strcmp(payload->name, "checksum") == 0)
        return BS_FILE_INFO_CHECKSUM;
    return strcmp(payload->name, "received") == 0 ? BS_FILE_INFO_RECEIVED : BS_FILE_INFO_UNKNOWN;
}

gboolean
bs_jingle_file_take_checksum(const xmlnode *checksum, BsFileOffer *offer)
{
    const xmlnode *file = bs_xml_child(checksum, "file", xmlnode_get_namespace((xmlnode *)checksum));
    guint before = offer->hashes;
    guint promised = offer->hashes_promised;

    if (file == NULL)
        return FALSE;
    for (xmlnode *node = bs_xml_first_element(file); node != NULL; node = bs_xml_next_element(node))
        if (strcmp(node->name, "hash") == 0 || strcmp(node->name, "hash-used") == 0)
            take_hash(node, offer);
    return offer->hashes != before || offer->hashes_promised != promised || before != 0;
}
