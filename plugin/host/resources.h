/* The resources of one account's contacts that are online, as their presence told.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_RESOURCES_H
#define BS_RESOURCES_H

#include <glib.h>
#include <xmlnode.h>

typedef enum {
    BS_PEER_UNKNOWN, /* not asked yet */
    BS_PEER_ABLE,    /* takes files by Jingle over SOCKS5 bytestreams */
    BS_PEER_UNABLE,
} BsPeerAbility;

typedef struct {
    char *jid; /* full */
    int priority;
    char *caps; /* the hash of its capabilities (XEP-0115), NULL if it told none */
    BsPeerAbility ability;
} BsResource;

typedef struct _BsResources BsResources;

BsResources *bs_resources_new(void);
void bs_resources_free(BsResources *resources);

/* Takes note of a received presence. What was learned of a resource is forgotten when it goes offline or its
 * capabilities change. The occupants of rooms are passed over. */
void bs_resources_presence(BsResources *resources, const xmlnode *presence);

/* The resource with this full JID, owned by the table, or NULL. */
BsResource *bs_resources_find(BsResources *resources, const char *jid);

/* All resources of the bare JID `bare` except `own_jid`, highest priority first: a GPtrArray of BsResource,
 * which the table owns. */
GPtrArray *bs_resources_of(BsResources *resources, const char *bare, const char *own_jid);

/* What the answer to a disco#info request says (XEP-0234, 11; XEP-0260, 5). */
BsPeerAbility bs_resources_ability_from_disco(const xmlnode *iq);

/* What is known if `has_feature` tells for each feature whether it is announced: ABLE, or UNKNOWN. */
typedef gboolean (*BsHasFeature)(const char *feature, gpointer data);
BsPeerAbility bs_resources_ability_from_features(BsHasFeature has_feature, gpointer data);

#endif
