/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/peer.h"

#include <blist.h>
#include <plugin.h>

#include "stanza/jid.h"

#define PROBES_MAX 256

struct _BsPeers {
    BsIqLink *link;
    PurpleAccount *account;
    BsResources *resources;
};

BsPeers *
bs_peers_new(BsIqLink *link, PurpleAccount *account)
{
    BsPeers *peers = g_new0(BsPeers, 1);

    peers->link = link;
    peers->account = account;
    peers->resources = bs_resources_new();
    return peers;
}

void
bs_peers_free(BsPeers *peers)
{
    if (peers == NULL)
        return;
    bs_resources_free(peers->resources);
    g_free(peers);
}

void
bs_peers_presence(BsPeers *peers, const xmlnode *presence)
{
    bs_resources_presence(peers->resources, presence);
}

BsIqLink *
bs_peers_link(const BsPeers *peers)
{
    return peers->link;
}

PurpleAccount *
bs_peers_account(const BsPeers *peers)
{
    return peers->account;
}

BsResources *
bs_peers_resources(const BsPeers *peers)
{
    return peers->resources;
}

void
bs_peers_probe(BsPeers *peers, const char *bare)
{
    xmlnode *presence = xmlnode_new("presence");

    xmlnode_set_attrib(presence, "type", "probe");
    xmlnode_set_attrib(presence, "to", bare);
    bs_iq_send(peers->link, presence);
}

void
bs_peers_probe_online(BsPeers *peers)
{
    g_autoptr(GHashTable) asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GSList *buddies = purple_find_buddies(peers->account, NULL);

    for (GSList *item = buddies; item != NULL; item = item->next) {
        PurpleBuddy *buddy = item->data;
        const char *name = purple_buddy_get_name(buddy);

        if (PURPLE_BUDDY_IS_ONLINE(buddy) && !bs_jid_same_bare(name, bs_iq_link_own_jid(peers->link)) &&
            g_hash_table_size(asked) < PROBES_MAX && g_hash_table_add(asked, bs_jid_key(name)))
            bs_peers_probe(peers, name);
    }
    g_slist_free(buddies);
}

typedef struct {
    PurplePlugin *prpl;
    PurpleAccount *account;
    const char *jid;
} CapsQuestion;

static gboolean
caps_have_feature(const char *feature, gpointer data)
{
    const CapsQuestion *question = data;
    gboolean ok = FALSE;
    gpointer has = purple_plugin_ipc_call(question->prpl, "contact_has_feature", &ok, question->account,
                                          question->jid, feature);

    return ok && GPOINTER_TO_INT(has);
}

/* libpurple's plugin for the protocol, which keeps the capabilities; NULL if there is none to ask. */
static PurplePlugin *
keeper_of_caps(const BsPeers *peers)
{
    return peers->account != NULL ? purple_plugins_find_with_id("prpl-jabber") : NULL;
}

gboolean
bs_peers_has_feature(BsPeers *peers, const char *jid, const char *feature)
{
    CapsQuestion question = {keeper_of_caps(peers), peers->account, jid};

    return question.prpl != NULL && caps_have_feature(feature, &question);
}

/* What libpurple knows through entity capabilities. It cannot tell "no" from "not known yet". */
static BsPeerWays
ways_from_caps(BsPeers *peers, const char *jid)
{
    CapsQuestion question = {keeper_of_caps(peers), peers->account, jid};

    if (question.prpl == NULL)
        return (BsPeerWays){.version = BS_JINGLE_FILE_5};
    return bs_resources_ways_from_features(caps_have_feature, &question);
}

static BsPeerAbility
ability_from_caps(BsPeers *peers, const char *jid)
{
    BsPeerWays ways = ways_from_caps(peers, jid);
    BsPeerAbility ability = bs_resources_best_way(&ways);

    return ability != BS_PEER_UNABLE ? ability : BS_PEER_UNKNOWN;
}

BsPeerAbility
bs_peers_ability_of(BsPeers *peers, const char *jid)
{
    const BsResource *resource = bs_resources_find(peers->resources, jid);

    if (resource != NULL && resource->ability != BS_PEER_UNKNOWN)
        return resource->ability;
    return ability_from_caps(peers, jid);
}

guint
bs_peers_hashes_of(BsPeers *peers, const char *jid)
{
    const BsResource *resource = bs_resources_find(peers->resources, jid);

    if (resource != NULL && resource->ability != BS_PEER_UNKNOWN)
        return resource->hashes;
    return ways_from_caps(peers, jid).hashes;
}

BsJingleFileVersion
bs_peers_version_of(BsPeers *peers, const char *jid)
{
    const BsResource *resource = bs_resources_find(peers->resources, jid);

    if (resource != NULL && resource->ability != BS_PEER_UNKNOWN)
        return resource->version;
    return ways_from_caps(peers, jid).version;
}

gboolean
bs_peers_in_band_only(BsPeers *peers, const char *jid)
{
    const BsResource *resource = bs_resources_find(peers->resources, jid);
    BsPeerWays ways;

    if (resource != NULL && resource->ability != BS_PEER_UNKNOWN)
        return resource->in_band_only;
    ways = ways_from_caps(peers, jid);
    return ways.jingle && ways.in_band_only;
}

BsPeerAbility
bs_peers_ability(BsPeers *peers, const char *who)
{
    g_autoptr(GPtrArray) resources = NULL;
    guint counts[BS_PEER_UNABLE + 1] = {0};

    if (bs_jid_resource(who) != NULL)
        return bs_peers_ability_of(peers, who);
    resources = bs_resources_of(peers->resources, who, bs_iq_link_own_jid(peers->link));
    for (guint i = 0; i < resources->len; i++) {
        const BsResource *resource = resources->pdata[i];

        counts[bs_peers_ability_of(peers, resource->jid)]++;
    }
    if (counts[BS_PEER_JINGLE] > 0)
        return BS_PEER_JINGLE;
    if (counts[BS_PEER_SI] > 0)
        return BS_PEER_SI;
    return counts[BS_PEER_UNABLE] > 0 && counts[BS_PEER_UNKNOWN] == 0 ? BS_PEER_UNABLE : BS_PEER_UNKNOWN;
}
