/* What is known of the contacts of one signed-on account: their resources, from presence, and how these take
 * files, from entity capabilities and disco#info (XEP-0234, 11; XEP-0260, 5; XEP-0096, 6).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PEER_H
#define BS_PEER_H

#include <account.h>

#include "host/resources.h"
#include "stanza/iq.h"

typedef struct _BsPeers BsPeers;

/* For `account`, which speaks over `link` (borrowed; it must outlive the object). */
BsPeers *bs_peers_new(BsIqLink *link, PurpleAccount *account);

/* Every search (see peer_search.h) must have been cancelled before. NULL is allowed. */
void bs_peers_free(BsPeers *peers);

/* Takes note of a received presence. */
void bs_peers_presence(BsPeers *peers, const xmlnode *presence);

/* Asks the server for the present state of contacts who were online before anybody listened; of one. */
void bs_peers_probe_online(BsPeers *peers);
void bs_peers_probe(BsPeers *peers, const char *bare);

/* What is known of `who`, a full or a bare JID, without asking anybody. Of a bare one's resources the best is
 * told; UNABLE if at least one is known and none is able. */
BsPeerAbility bs_peers_ability(BsPeers *peers, const char *who);

/* The same of exactly this JID. */
BsPeerAbility bs_peers_ability_of(BsPeers *peers, const char *jid);

/* TRUE if exactly this JID is known to have announced `feature` in its capabilities (XEP-0115). */
gboolean bs_peers_has_feature(BsPeers *peers, const char *jid, const char *feature);

/* Which hashes exactly this JID announces: a bit set of BsHash, 0 if nothing is known. */
guint bs_peers_hashes_of(BsPeers *peers, const char *jid);

/* The newest version of Jingle file transfer in which exactly this JID takes files; of whom nothing is known,
 * the newest there is. */
BsJingleFileVersion bs_peers_version_of(BsPeers *peers, const char *jid);

/* TRUE if exactly this JID, which takes files by Jingle, knows no SOCKS5 bytestreams for them. */
gboolean bs_peers_in_band_only(BsPeers *peers, const char *jid);

/* All owned by the object, or borrowed. */
BsIqLink *bs_peers_link(const BsPeers *peers);
PurpleAccount *bs_peers_account(const BsPeers *peers);
BsResources *bs_peers_resources(const BsPeers *peers);

#endif
