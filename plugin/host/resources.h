/* The resources of one account's contacts that are online, as their presence told.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_RESOURCES_H
#define BS_RESOURCES_H

#include <glib.h>
#include <xmlnode.h>

#include "transfer/jingle_file.h"

typedef enum {
    BS_PEER_UNKNOWN, /* not asked yet */
    BS_PEER_JINGLE,  /* takes files by Jingle, whatever else it can do */
    BS_PEER_SI,      /* takes them by stream initiation, not by Jingle over SOCKS5 bytestreams */
    BS_PEER_UNABLE,
} BsPeerAbility;

typedef struct {
    char *jid; /* full; or bare, as gateways give their contacts, and themselves */
    int priority;
    char *caps; /* the hash of its capabilities (XEP-0115), NULL if it told none */
    BsPeerAbility ability;
    guint hashes;                /* once the ability is known: bit set of the BsHash that it announces ... */
    BsJingleFileVersion version; /* ... the newest that it takes files in ... */
    gboolean in_band_only;       /* ... and whether Jingle over SOCKS5 bytestreams is unknown to it */
    gboolean asks;               /* its user has accepted a file of ours, so its program asks about them */
} BsResource;

typedef struct _BsResources BsResources;

BsResources *bs_resources_new(void);
void bs_resources_free(BsResources *resources);

/* Takes note of a received presence. What was learned of a resource is forgotten when it goes offline, and
 * when its capabilities change or may have changed. The occupants of rooms are passed over. */
void bs_resources_presence(BsResources *resources, const xmlnode *presence);

/* This very JID, if it is a full one, is not there any more, although its presence has not told so yet. */
void bs_resources_gone(BsResources *resources, const char *jid);

/* The resource with this very JID, owned by the table, or NULL. */
BsResource *bs_resources_find(BsResources *resources, const char *jid);

/* All resources of the bare JID `bare` except `own_jid`, highest priority first: a GPtrArray of BsResource,
 * which the table owns. */
GPtrArray *bs_resources_of(BsResources *resources, const char *bare, const char *own_jid);

/* How a resource announces that it takes files, and what it compares them with. */
typedef struct {
    gboolean jingle;             /* XEP-0234, 11; XEP-0260, 5, or XEP-0261 ... */
    gboolean in_band_only;       /* ... and only that */
    gboolean si;                 /* XEP-0096, 6; XEP-0065 or XEP-0047 */
    guint hashes;                /* XEP-0300, 6: bit set of the BsHash that it can verify */
    BsJingleFileVersion version; /* the newest of Jingle file transfer that it announces, if any */
} BsPeerWays;

/* What the answer to a disco#info request says. */
BsPeerWays bs_resources_ways_from_disco(const xmlnode *iq);

/* What is known if `has_feature` tells for each feature whether it is announced. */
typedef gboolean (*BsHasFeature)(const char *feature, gpointer data);
BsPeerWays bs_resources_ways_from_features(BsHasFeature has_feature, gpointer data);

/* The best of these ways; UNABLE if there is none. */
BsPeerAbility bs_resources_best_way(const BsPeerWays *ways);

#endif
