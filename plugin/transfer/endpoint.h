/* One signed-on account as transfers see it: routes what comes in to its sessions, and owns its transfers.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_ENDPOINT_H
#define BS_ENDPOINT_H

#include <account.h>

#include "socks5/proxy65.h"
#include "stanza/iq.h"
#include "transfer/queue.h"
#include "transport/transport.h"

typedef struct _BsEndpoint BsEndpoint;
typedef struct _BsTransfer BsTransfer;
typedef struct _BsMemory BsMemory;

typedef struct {
    /* A peer offers a file: bs_transfer_watch() it inside, or it is declined; then accept or decline it, at
     * any time. */
    void (*offered)(BsEndpoint *endpoint, BsTransfer *transfer, gpointer data);
    /* A peer asks for the rest of the file at `path`, which we offered earlier: bs_transfer_watch() it
     * inside, or it ends. May be NULL. */
    void (*resumed)(BsEndpoint *endpoint, BsTransfer *transfer, const char *path, gpointer data);
} BsEndpointEvents;

/* An endpoint that speaks over `link` (borrowed; it must outlive the endpoint) and dials through the proxy
 * settings of `account` (NULL: the global ones). */
BsEndpoint *bs_endpoint_new(BsIqLink *link, PurpleAccount *account, const BsEndpointEvents *events,
                            gpointer data);

/* From now on `proxies` (borrowed; they must outlive the endpoint) are offered in every transfer; none are
 * before. */
void bs_endpoint_set_proxies(BsEndpoint *endpoint, BsProxies *proxies);

/* From now on transfers ask for their places in `queue` (borrowed; it must outlive the endpoint); before,
 * they ask for none. */
void bs_endpoint_set_queue(BsEndpoint *endpoint, BsQueue *queue);
BsQueue *bs_endpoint_queue(BsEndpoint *endpoint);

/* From now on transfers ask `policy` what their peers may learn; before, everybody is told our addresses. */
void bs_endpoint_set_disclosure(BsEndpoint *endpoint, BsDisclosurePolicy policy);

/* What `peer` calls us, newly allocated; NULL: our full JID. In a room it is another one than elsewhere
 * (XEP-0045, 7). */
typedef char *(*BsOwnJidPolicy)(PurpleAccount *account, const char *peer);

/* From now on transfers ask `policy` by what JID their peers know us; before, by our full JID. */
void bs_endpoint_set_own_jid_policy(BsEndpoint *endpoint, BsOwnJidPolicy policy);

/* From now on `memory` (borrowed; it must outlive the endpoint) keeps what a transfer needs to go on later.
 */
void bs_endpoint_set_memory(BsEndpoint *endpoint, BsMemory *memory);

/* Whether files that come in are hashed and verified; without a policy they are. */
typedef gboolean (*BsHashingPolicy)(void);
void bs_endpoint_set_hashing(BsEndpoint *endpoint, BsHashingPolicy policy);

/* Whose thumbnails are fetched, from them, before `offered` is called; without a policy nobody's. */
typedef gboolean (*BsThumbnailPolicy)(PurpleAccount *account, const char *peer);
void bs_endpoint_set_thumbnails(BsEndpoint *endpoint, BsThumbnailPolicy policy);

/* Ends every transfer as cancelled while the link still works, with `ended` (BS_END_PEER_GONE) for each, then
 * the endpoint. NULL is allowed. */
void bs_endpoint_free(BsEndpoint *endpoint);

/* Hands in a received message. TRUE if it carried a file's bytes (XEP-0047, 3), and nobody else must see it.
 */
gboolean bs_endpoint_receive_message(BsEndpoint *endpoint, xmlnode *message);

/* Hands in a received IQ. TRUE if it was an answer to us, or a request that is ours to answer, and has been
 * answered: nobody else must see it. FALSE for all else, other people's Jingle included. */
gboolean bs_endpoint_receive(BsEndpoint *endpoint, xmlnode *iq);

/* Exactly this JID `peer` went offline: its transfers end if nothing is heard of it for some seconds
 * (XEP-0166, 6.9). */
void bs_endpoint_peer_unavailable(BsEndpoint *endpoint, const char *peer);

/* How many transfers are running or waiting. */
guint bs_endpoint_transfers(const BsEndpoint *endpoint);

/* The features to announce in disco#info, NULL-terminated, static (XEP-0234, 11; XEP-0260, 5; XEP-0261, 4;
 * XEP-0300, 5; XEP-0231, 3). */
const char *const *bs_endpoint_features(void);

#endif
