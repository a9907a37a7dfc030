/* To which JID of a contact a file is sent, and in which way.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PEER_SEARCH_H
#define BS_PEER_SEARCH_H

#include "host/peer.h"

/* Somebody's question where to send a file. */
typedef struct _BsPeerSearch BsPeerSearch;

typedef enum {
    BS_FOUND_JINGLE,      /* it takes files by Jingle ... */
    BS_FOUND_SI,          /* ... or by stream initiation only */
    BS_FOUND_NONE_ABLE,   /* who is online takes no files */
    BS_FOUND_NONE_ONLINE, /* nobody is online or answers */
    BS_FOUND_NONE_CHOSEN, /* the user did not want to choose one */
} BsFound;

/* The answer, once, never before the search's function returns. `jid` is the JID to send to, NULL if there is
 * none; it lives as long as the call. */
typedef void (*BsPeerFound)(BsFound answer, const char *jid, gpointer data);

/* Finds out where to send a file to `who`: a full JID stands for itself, of a bare one the resource that is
 * able, and of several the one that the user chooses. Of whom no resource is known, the bare JID itself is
 * asked: it may be a service's, or a gateway's. Takes at most some ten seconds and the user's time. */
BsPeerSearch *bs_peer_search(BsPeers *peers, const char *who, BsPeerFound found, gpointer data);

/* Jingle did not work with `jid`: asks it (again), for what was known of it was wrong, and answers
 * BS_FOUND_SI if it takes files by stream initiation too. */
BsPeerSearch *bs_peer_search_without_jingle(BsPeers *peers, const char *jid, BsPeerFound found,
                                            gpointer data);

/* Nobody wants to know any more. Sets `*search` to NULL; `*search` may be NULL. */
void bs_peer_search_cancel(BsPeerSearch **search);

#endif
