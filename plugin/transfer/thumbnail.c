/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/thumbnail.h"

#include <string.h>

#include "stanza/allowances.h"
#include "stanza/xml.h"
#include "transfer/bob.h"
#include "transfer/picture.h"

#define NS_THUMBNAIL_0 "urn:xmpp:thumbs:0"
#define URI_SCHEME "cid:"
/* Pidgin scales what it shows down to this side. */
#define SHOWN_SIDE 128

void
bs_thumbnail_free(BsThumbnail *thumbnail)
{
    if (thumbnail == NULL)
        return;
    g_free(thumbnail->cid);
    g_free(thumbnail->media_type);
    g_clear_pointer(&thumbnail->data, g_bytes_unref);
    g_free(thumbnail);
}

BsThumbnail *
bs_thumbnail_copy(const BsThumbnail *thumbnail)
{
    BsThumbnail *copy;

    if (thumbnail == NULL)
        return NULL;
    copy = g_new(BsThumbnail, 1);
    *copy = *thumbnail;
    copy->cid = g_strdup(thumbnail->cid);
    copy->media_type = g_strdup(thumbnail->media_type);
    if (thumbnail->data != NULL)
        g_bytes_ref(thumbnail->data);
    return copy;
}

/* What is wrong with the picture; NULL: nothing. */
static const char *
fault_of(GBytes *data, BsPicture *picture)
{
    gsize length;
    const guint8 *bytes = g_bytes_get_data(data, &length);

    if (!bs_picture_read(bytes, length, picture))
        return "it is no PNG or JPEG";
    if (picture->kind == BS_PICTURE_PROGRESSIVE_JPEG)
        return "it is a progressive JPEG";
    if (picture->width > BS_THUMBNAIL_SIDE_MAX || picture->height > BS_THUMBNAIL_SIDE_MAX)
        return "it has too many pixels";
    /* Scaled, the shorter side would have no pixel. */
    if (MAX(picture->width, picture->height) > SHOWN_SIDE * MIN(picture->width, picture->height))
        return "it is a mere line";
    return NULL;
}

/* Takes `data`, which is good. */
static void
set_picture(BsThumbnail *thumbnail, GBytes *data, const BsPicture *picture)
{
    g_free(thumbnail->media_type);
    thumbnail->media_type = g_strdup(bs_picture_media_type(picture));
    thumbnail->width = picture->width;
    thumbnail->height = picture->height;
    thumbnail->data = data;
}

BsThumbnail *
bs_thumbnail_new(const guint8 *bytes, gsize length)
{
    g_autoptr(GBytes) data = g_bytes_new(bytes, length);
    BsThumbnail *thumbnail;
    BsPicture picture;

    if (length > BS_THUMBNAIL_SENT_MAX || fault_of(data, &picture) != NULL)
        return NULL;
    thumbnail = g_new0(BsThumbnail, 1);
    thumbnail->cid = bs_bob_cid(data);
    set_picture(thumbnail, g_steal_pointer(&data), &picture);
    return thumbnail;
}

static void
set_side(xmlnode *node, const char *name, guint side)
{
    g_autofree char *text = g_strdup_printf("%u", side);

    if (side > 0)
        xmlnode_set_attrib(node, name, text);
}

void
bs_thumbnail_add(xmlnode *file, const BsThumbnail *thumbnail)
{
    xmlnode *node = bs_xml_add_child(file, "thumbnail", BS_NS_THUMBNAIL);
    g_autofree char *uri = g_strconcat(URI_SCHEME, thumbnail->cid, NULL);

    bs_xml_set_attrib(node, "uri", uri);
    if (thumbnail->media_type != NULL)
        bs_xml_set_attrib(node, "media-type", thumbnail->media_type);
    set_side(node, "width", thumbnail->width);
    set_side(node, "height", thumbnail->height);
}

/* Version 0 had the content id itself; in version 1 it may be something else than one. */
static const char *
cid_of(const xmlnode *node)
{
    const char *uri = xmlnode_get_attrib((xmlnode *)node, "uri");

    if (uri == NULL)
        return xmlnode_get_attrib((xmlnode *)node, "cid");
    return g_str_has_prefix(uri, URI_SCHEME) ? uri + strlen(URI_SCHEME) : NULL;
}

/* Version 0 called it otherwise. */
static const char *
media_type_of(const xmlnode *node)
{
    const char *type = xmlnode_get_attrib((xmlnode *)node, "media-type");
    const char *old = xmlnode_get_attrib((xmlnode *)node, "mime-type");

    return type == NULL && old != NULL && bs_allow(BS_ALLOW_OLD_THUMBNAIL_TYPE) ? old : type;
}

static gboolean
parse_side(const xmlnode *node, const char *name, guint *side)
{
    const char *text = xmlnode_get_attrib((xmlnode *)node, name);
    guint64 value = 0;

    if (text != NULL && !bs_xml_parse_uint64(text, 0, BS_THUMBNAIL_SIDE_MAX, &value))
        return FALSE;
    *side = (guint)value;
    return TRUE;
}

static BsThumbnail *
parse(const xmlnode *node)
{
    g_autoptr(BsThumbnail) thumbnail = g_new0(BsThumbnail, 1);
    const char *type = media_type_of(node);

    if (!bs_bob_is_cid(cid_of(node)) || !parse_side(node, "width", &thumbnail->width) ||
        !parse_side(node, "height", &thumbnail->height))
        return NULL;
    if (type != NULL && g_ascii_strcasecmp(type, "image/png") != 0 &&
        g_ascii_strcasecmp(type, "image/jpeg") != 0)
        return NULL;
    thumbnail->cid = g_strdup(cid_of(node));
    thumbnail->media_type = g_strdup(type);
    return g_steal_pointer(&thumbnail);
}

BsThumbnail *
bs_thumbnail_find(const xmlnode *file)
{
    for (xmlnode *node = bs_xml_first_element(file); node != NULL; node = bs_xml_next_element(node)) {
        BsThumbnail *thumbnail = NULL;

        if (bs_xml_is(node, "thumbnail", BS_NS_THUMBNAIL) || bs_xml_is(node, "thumbnail", NS_THUMBNAIL_0))
            thumbnail = parse(node);
        if (thumbnail != NULL)
            return thumbnail;
    }
    return NULL;
}

gboolean
bs_thumbnail_take(BsThumbnail *thumbnail, const xmlnode *iq, const char **why)
{
    g_autoptr(GBytes) data = bs_bob_parse(iq, thumbnail->cid, BS_THUMBNAIL_TAKEN_MAX);
    BsPicture picture;

    *why = data != NULL ? fault_of(data, &picture) : "it is not what was told of, or too large";
    if (*why != NULL)
        return FALSE;
    set_picture(thumbnail, g_steal_pointer(&data), &picture);
    return TRUE;
}
