/* The signed-on XMPP accounts: for each, its requests and answers, its transfers, and what is known of its
 * contacts. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_CONNECTION_H
#define BS_CONNECTION_H

#include <connection.h>

#include "host/peer.h"
#include "stanza/iq.h"
#include "transfer/endpoint.h"

typedef struct _BsConnection BsConnection;

typedef struct {
    /* A peer offers a file: see endpoint.h. */
    void (*offered)(BsConnection *connection, BsTransfer *transfer);
    /* A peer goes on with a transfer of before: see endpoint.h. */
    void (*resumed)(BsConnection *connection, BsTransfer *transfer, const char *path);
    /* The full JID `jid` is online, and no room's occupant; or is not online any more. */
    void (*peer_online)(BsConnection *connection, const char *jid);
    void (*peer_offline)(BsConnection *connection, const char *jid);
    /* The connection is about to end: whatever uses it must let go of it. Stanzas can still be sent. */
    void (*closing)(BsConnection *connection);
} BsConnectionEvents;

/* Begins to serve the accounts that are online, and those that come online. `events` is static. `memory`
 * (borrowed) keeps what their transfers need to go on later. */
void bs_connections_start(const BsConnectionEvents *events, BsMemory *memory);

/* Ends all, with `closing` for each. */
void bs_connections_stop(void);

/* The one for a libpurple connection, or NULL if that is not one of ours. */
BsConnection *bs_connection_find(PurpleConnection *gc);

PurpleAccount *bs_connection_account(const BsConnection *connection);
BsIqLink *bs_connection_link(const BsConnection *connection);
BsEndpoint *bs_connection_endpoint(const BsConnection *connection);
BsPeers *bs_connection_peers(const BsConnection *connection);
BsProxies *bs_connection_proxies(const BsConnection *connection);

/* Hands in a received IQ. TRUE if it was ours and has been dealt with: nobody else must see it. */
gboolean bs_connection_receive_iq(BsConnection *connection, xmlnode *iq);

/* Hands in a received message. TRUE if it carried a file's bytes and nobody else must see it. */
gboolean bs_connection_receive_message(BsConnection *connection, xmlnode *message);

/* Hands in a received presence. */
void bs_connection_receive_presence(BsConnection *connection, const xmlnode *presence);

#endif
