/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/resources.h"

#include <stdlib.h>

#include "stanza/allowances.h"
#include "stanza/jid.h"
#include "stanza/xml.h"
#include "stream/digest.h"
#include "transfer/stream_initiation.h"
#include "transport/ibb_xml.h"
#include "transport/si_bytestreams.h"

#define NS_CAPS "http://jabber.org/protocol/caps"
#define NS_DISCO_INFO "http://jabber.org/protocol/disco#info"
#define NS_MUC_USER "http://jabber.org/protocol/muc#user"
#define NS_S5B "urn:xmpp:jingle:transports:s5b:1"

struct _BsResources {
    GHashTable *by_key; /* bs_jid_key() of its JID -> BsResource, both owned */
};

static void
resource_free(gpointer data)
{
    BsResource *resource = data;

    g_free(resource->jid);
    g_free(resource->caps);
    g_free(resource);
}

BsResources *
bs_resources_new(void)
{
    BsResources *resources = g_new0(BsResources, 1);

    resources->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, resource_free);
    return resources;
}

void
bs_resources_free(BsResources *resources)
{
    g_hash_table_unref(resources->by_key);
    g_free(resources);
}

BsResource *
bs_resources_find(BsResources *resources, const char *jid)
{
    g_autofree char *key = bs_jid_key(jid);

    return g_hash_table_lookup(resources->by_key, key);
}

static char *
caps_of(const xmlnode *presence)
{
    const xmlnode *caps = bs_xml_child(presence, "c", NS_CAPS);
    const char *node = caps != NULL ? xmlnode_get_attrib(caps, "node") : NULL;
    const char *version = caps != NULL ? xmlnode_get_attrib(caps, "ver") : NULL;

    return version != NULL ? g_strdup_printf("%s#%s", node != NULL ? node : "", version) : NULL;
}

/* Numbers that do not fit are brought into the range of RFC 6121 (4.7.2.3). */
static int
priority_of(const xmlnode *presence)
{
    const xmlnode *node = xmlnode_get_child(presence, "priority");
    g_autofree char *text = node != NULL ? bs_xml_text(node) : NULL;

    return text != NULL ? (int)CLAMP(g_ascii_strtoll(text, NULL, 10), -128, 127) : 0;
}

static void
resource_available(BsResources *resources, const char *jid, const xmlnode *presence)
{
    BsResource *resource = bs_resources_find(resources, jid);
    g_autofree char *caps = caps_of(presence);

    if (resource == NULL) {
        resource = g_new0(BsResource, 1);
        resource->jid = g_strdup(jid);
        g_hash_table_insert(resources->by_key, bs_jid_key(jid), resource);
    }
    resource->priority = priority_of(presence);
    /* Without a hash, nobody tells when they change. */
    if (caps != NULL && g_strcmp0(resource->caps, caps) == 0)
        return;
    g_free(resource->caps);
    resource->caps = g_steal_pointer(&caps);
    resource->ability = BS_PEER_UNKNOWN;
    resource->asks = FALSE;
}

static gboolean
belongs_to(gpointer key, gpointer value, gpointer bare)
{
    const BsResource *resource = value;

    (void)key;
    return bs_jid_same_bare(resource->jid, bare);
}

static void
resource_unavailable(BsResources *resources, const char *jid)
{
    g_autofree char *key = bs_jid_key(jid);

    if (bs_jid_resource(jid) != NULL)
        g_hash_table_remove(resources->by_key, key);
    else
        g_hash_table_foreach_remove(resources->by_key, belongs_to, (gpointer)jid);
}

void
bs_resources_gone(BsResources *resources, const char *jid)
{
    if (bs_jid_resource(jid) != NULL)
        resource_unavailable(resources, jid);
}

void
bs_resources_presence(BsResources *resources, const xmlnode *presence)
{
    const char *type = xmlnode_get_attrib(presence, "type");
    const char *from = xmlnode_get_attrib(presence, "from");

    if (from == NULL || bs_xml_child(presence, "x", NS_MUC_USER) != NULL)
        return;
    if (type == NULL)
        resource_available(resources, from, presence);
    else if (g_strcmp0(type, "unavailable") == 0)
        resource_unavailable(resources, from);
}

static int
compare_resources(gconstpointer one, gconstpointer other)
{
    const BsResource *first = *(BsResource *const *)one;
    const BsResource *second = *(BsResource *const *)other;

    if (first->priority != second->priority)
        return first->priority > second->priority ? -1 : 1;
    return g_strcmp0(first->jid, second->jid);
}

GPtrArray *
bs_resources_of(BsResources *resources, const char *bare, const char *own_jid)
{
    GPtrArray *found = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, resources->by_key);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        BsResource *resource = value;

        if (bs_jid_same_bare(resource->jid, bare) && !bs_jid_equal(resource->jid, own_jid))
            g_ptr_array_add(found, resource);
    }
    g_ptr_array_sort(found, compare_resources);
    return found;
}

static gboolean
query_has_feature(const char *feature, gpointer data)
{
    const xmlnode *query = data;

    for (xmlnode *child = bs_xml_first_element(query); child != NULL; child = bs_xml_next_element(child)) {
        if (bs_xml_is(child, "feature", NS_DISCO_INFO) &&
            g_strcmp0(xmlnode_get_attrib(child, "var"), feature) == 0)
            return TRUE;
    }
    return FALSE;
}

/* FALSE if it takes no files by Jingle, in no version. */
static gboolean
newest_version(BsHasFeature has_feature, gpointer data, BsJingleFileVersion *version)
{
    for (guint i = BS_JINGLE_FILE_5 + 1; i-- > 0;) {
        *version = (BsJingleFileVersion)i;
        if (has_feature(bs_jingle_file_xmlns(*version), data))
            return TRUE;
    }
    *version = BS_JINGLE_FILE_5;
    return FALSE;
}

BsPeerWays
bs_resources_ways_from_features(BsHasFeature has_feature, gpointer data)
{
    BsJingleFileVersion version;
    gboolean socks5 = has_feature(NS_S5B, data);
    BsPeerWays ways = {
        .jingle =
            newest_version(has_feature, data, &version) && (socks5 || has_feature(BS_NS_JINGLE_IBB, data)),
        .in_band_only = !socks5,
        .si = has_feature(BS_NS_SI_FILE, data) &&
              (has_feature(BS_NS_BYTESTREAMS, data) || has_feature(BS_NS_IBB, data) ||
               bs_allow(BS_ALLOW_SI_METHODS_UNANNOUNCED)),
    };

    ways.version = version;
    for (guint hash = 0; hash < BS_HASH_COUNT; hash++)
        if (has_feature(bs_hash_feature((BsHash)hash), data))
            ways.hashes |= 1u << hash;
    return ways;
}

BsPeerWays
bs_resources_ways_from_disco(const xmlnode *iq)
{
    xmlnode *query = bs_xml_child(iq, "query", NS_DISCO_INFO);

    return query != NULL ? bs_resources_ways_from_features(query_has_feature, query)
                         : (BsPeerWays){.version = BS_JINGLE_FILE_5};
}

BsPeerAbility
bs_resources_best_way(const BsPeerWays *ways)
{
    if (ways->si && (!ways->jingle || ways->in_band_only))
        return BS_PEER_SI;
    return ways->jingle ? BS_PEER_JINGLE : BS_PEER_UNABLE;
}
