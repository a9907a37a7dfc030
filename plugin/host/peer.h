/* Which full JID of a contact to send a file to, and what it can do.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PEER_H
#define BS_PEER_H

#include <account.h>

#include "host/resources.h"
#include "stanza/iq.h"

/* What is known of the contacts of one signed-on account: their resources, from presence, and which of these
 * take files by Jingle over SOCKS5 bytestreams, from entity capabilities and disco#info (XEP-0234, 11;
 * XEP-0260, 5). */
typedef struct _BsPeers BsPeers;

/* Somebody's question where to send a file. */
typedef struct _BsPeerSearch BsPeerSearch;

/* The answer, once, never before bs_peer_search() returns: the full JID to send to, or NULL: with `cancelled`
 * the user did not want to choose one, without it there is none that takes files in our way. `jid` lives as
 * long as the call. */
typedef void (*BsPeerFound)(const char *jid, gboolean cancelled, gpointer data);

/* For `account`, which speaks over `link` (borrowed; it must outlive the object). */
BsPeers *bs_peers_new(BsIqLink *link, PurpleAccount *account);

/* Every search must have been cancelled before. NULL is allowed. */
void bs_peers_free(BsPeers *peers);

/* Takes note of a received presence. */
void bs_peers_presence(BsPeers *peers, const xmlnode *presence);

/* Asks the server for the present state of contacts who were online before anybody listened. */
void bs_peers_probe_online(BsPeers *peers);

/* What is known of `who`, a full or a bare JID, without asking anybody: ABLE if one resource is, UNABLE if at
 * least one is known and none is able. */
BsPeerAbility bs_peers_ability(BsPeers *peers, const char *who);

/* Finds out where to send a file to `who`: a full JID stands for itself, of a bare one the resource that is
 * able, and of several the one that the user chooses. Takes at most some ten seconds and the user's time. */
BsPeerSearch *bs_peer_search(BsPeers *peers, const char *who, BsPeerFound found, gpointer data);

/* Nobody wants to know any more. Sets `*search` to NULL; `*search` may be NULL. */
void bs_peer_search_cancel(BsPeerSearch **search);

#endif
