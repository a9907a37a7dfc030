/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/endpoint.h"

#include <string.h>

#include "log.h"
#include "stanza/jid.h"
#include "transfer/bob.h"
#include "transfer/internal.h"
#include "transport/ibb_xml.h"
#include "transport/s5b_xml.h"

/* More offers than a user could deal with are a flood (XEP-0166, 15): in all, and of one contact. */
#define RINGING_MAX 50
#define RINGING_MAX_OF_ONE 10

struct _BsEndpoint {
    BsIqLink *link;
    PurpleAccount *account;
    BsProxies *proxies;
    BsQueue *queue;
    BsDisclosurePolicy disclosure;
    BsOwnJidPolicy own_jid;
    BsHashingPolicy hashing;
    BsMemory *memory;
    BsThumbnailPolicy thumbnails;
    const BsEndpointEvents *events;
    gpointer data;
    GPtrArray *transfers; /* BsTransfer */
    BsReaches *reaches;
    BsEnded *ended; /* sessions, and streams of their transports */
    gboolean closed;
    guint references; /* one is the owner's, others are held over callbacks that may free the endpoint */
};

static void
endpoint_unref(BsEndpoint *endpoint)
{
    if (--endpoint->references > 0)
        return;
    g_ptr_array_unref(endpoint->transfers);
    bs_reaches_free(endpoint->reaches);
    bs_ended_free(endpoint->ended);
    g_free(endpoint);
}

BsEndpoint *
bs_endpoint_new(BsIqLink *link, PurpleAccount *account, const BsEndpointEvents *events, gpointer data)
{
    BsEndpoint *endpoint = g_new0(BsEndpoint, 1);

    endpoint->link = link;
    endpoint->account = account;
    endpoint->events = events;
    endpoint->data = data;
    endpoint->transfers = g_ptr_array_new();
    endpoint->reaches = bs_reaches_new();
    endpoint->ended = bs_ended_new();
    endpoint->references = 1;
    return endpoint;
}

void
bs_endpoint_free(BsEndpoint *endpoint)
{
    if (endpoint == NULL || endpoint->closed)
        return;
    endpoint->closed = TRUE;
    while (endpoint->transfers->len > 0)
        bs_transfer_terminate(g_ptr_array_index(endpoint->transfers, 0), BS_JINGLE_GONE, NULL,
                              BS_END_PEER_GONE, NULL);
    endpoint_unref(endpoint);
}

BsIqLink *
bs_endpoint_link(BsEndpoint *endpoint)
{
    return endpoint->link;
}

PurpleAccount *
bs_endpoint_account(BsEndpoint *endpoint)
{
    return endpoint->account;
}

void
bs_endpoint_set_proxies(BsEndpoint *endpoint, BsProxies *proxies)
{
    endpoint->proxies = proxies;
}

BsProxies *
bs_endpoint_proxies(BsEndpoint *endpoint)
{
    return endpoint->proxies;
}

BsReaches *
bs_endpoint_reaches(BsEndpoint *endpoint)
{
    return endpoint->reaches;
}

void
bs_endpoint_set_queue(BsEndpoint *endpoint, BsQueue *queue)
{
    endpoint->queue = queue;
}

BsQueue *
bs_endpoint_queue(BsEndpoint *endpoint)
{
    return endpoint->queue;
}

void
bs_endpoint_set_disclosure(BsEndpoint *endpoint, BsDisclosurePolicy policy)
{
    endpoint->disclosure = policy;
}

void
bs_endpoint_set_hashing(BsEndpoint *endpoint, BsHashingPolicy policy)
{
    endpoint->hashing = policy;
}

void
bs_endpoint_set_memory(BsEndpoint *endpoint, BsMemory *memory)
{
    endpoint->memory = memory;
}

BsMemory *
bs_endpoint_memory(const BsEndpoint *endpoint)
{
    return endpoint->memory;
}

const char *
bs_endpoint_account_name(const BsEndpoint *endpoint)
{
    return endpoint->account != NULL ? purple_account_get_username(endpoint->account) : "";
}

const GPtrArray *
bs_endpoint_all(const BsEndpoint *endpoint)
{
    return endpoint->transfers;
}

gboolean
bs_endpoint_hashes_files(const BsEndpoint *endpoint)
{
    return endpoint->hashing == NULL || endpoint->hashing();
}

void
bs_endpoint_set_thumbnails(BsEndpoint *endpoint, BsThumbnailPolicy policy)
{
    endpoint->thumbnails = policy;
}

gboolean
bs_endpoint_fetches_thumbnails(const BsEndpoint *endpoint, const char *peer)
{
    return endpoint->thumbnails != NULL && endpoint->thumbnails(endpoint->account, peer);
}

BsDisclosurePolicy
bs_endpoint_disclosure(const BsEndpoint *endpoint)
{
    return endpoint->disclosure;
}

void
bs_endpoint_set_own_jid_policy(BsEndpoint *endpoint, BsOwnJidPolicy policy)
{
    endpoint->own_jid = policy;
}

char *
bs_endpoint_own_jid(const BsEndpoint *endpoint, const char *peer, const char *addressed)
{
    char *jid = endpoint->own_jid != NULL ? endpoint->own_jid(endpoint->account, peer) : NULL;

    if (jid != NULL)
        return jid;
    return g_strdup(addressed != NULL ? addressed : bs_iq_link_own_jid(endpoint->link));
}

/* Only there we are known by another name. */
gboolean
bs_endpoint_is_occupant(const BsEndpoint *endpoint, const char *peer)
{
    g_autofree char *jid = endpoint->own_jid != NULL ? endpoint->own_jid(endpoint->account, peer) : NULL;

    return jid != NULL;
}

void
bs_endpoint_add(BsEndpoint *endpoint, BsTransfer *transfer)
{
    g_ptr_array_add(endpoint->transfers, transfer);
}

gboolean
bs_endpoint_has_ended(BsEndpoint *endpoint, const char *peer, const char *sid)
{
    return bs_ended_has(endpoint->ended, peer, sid);
}

void
bs_endpoint_remove(BsEndpoint *endpoint, BsTransfer *transfer)
{
    const char *peer = bs_transfer_peer(transfer);
    const char *sid = transfer->protocol->sid(transfer);

    g_ptr_array_remove(endpoint->transfers, transfer);
    bs_ended_add(endpoint->ended, peer, sid);
    if (bs_transfer_si_offer_id(transfer) != NULL)
        bs_ended_add_offer(endpoint->ended, peer, sid, bs_transfer_si_offer_id(transfer));
}

void
bs_endpoint_stream_ended(BsEndpoint *endpoint, const char *peer, const BsTransport *transport)
{
    if (transport->class->stream_id != NULL)
        bs_ended_add(endpoint->ended, peer, transport->class->stream_id(transport));
}

void
bs_endpoint_session_ended(BsEndpoint *endpoint, const BsJingleSession *session)
{
    bs_ended_add(endpoint->ended, bs_jingle_session_peer(session), bs_jingle_session_sid(session));
}

BsEnded *
bs_endpoint_ended(BsEndpoint *endpoint)
{
    return endpoint->ended;
}

guint
bs_endpoint_transfers(const BsEndpoint *endpoint)
{
    return endpoint->transfers->len;
}

void
bs_endpoint_peer_unavailable(BsEndpoint *endpoint, const char *peer)
{
    bs_reaches_forget(endpoint->reaches, peer);
    for (guint i = 0; i < endpoint->transfers->len; i++) {
        BsTransfer *transfer = g_ptr_array_index(endpoint->transfers, i);

        if (bs_jid_equal(bs_transfer_peer(transfer), peer))
            bs_transfer_peer_unavailable(transfer);
    }
}

/* How many offers ring, in all or (not NULL) of one contact, whatever its resource. */
static guint
count_ringing(const BsEndpoint *endpoint, const char *peer)
{
    guint count = 0;

    for (guint i = 0; i < endpoint->transfers->len; i++) {
        const BsTransfer *transfer = g_ptr_array_index(endpoint->transfers, i);

        count += transfer->state == TRANSFER_RINGING &&
                 (peer == NULL || bs_jid_same_bare(bs_transfer_peer(transfer), peer));
    }
    return count;
}

gboolean
bs_endpoint_is_flooded(const BsEndpoint *endpoint, const char *peer, guint more)
{
    return count_ringing(endpoint, NULL) + more > RINGING_MAX ||
           count_ringing(endpoint, peer) >= RINGING_MAX_OF_ONE;
}

void
bs_endpoint_introduce_all(BsEndpoint *endpoint, const GPtrArray *transfers)
{
    endpoint->references++;
    for (guint i = 0; i < transfers->len; i++) {
        BsTransfer *transfer = g_ptr_array_index(transfers, i);

        if (g_ptr_array_find(endpoint->transfers, transfer, NULL))
            bs_endpoint_introduce(endpoint, transfer);
    }
    endpoint_unref(endpoint);
}

gboolean
bs_endpoint_announce_resumed(BsEndpoint *endpoint, BsTransfer *transfer)
{
    gboolean goes_on;

    endpoint->references++;
    if (endpoint->events->resumed != NULL)
        endpoint->events->resumed(endpoint, transfer, transfer->path, endpoint->data);
    goes_on = g_ptr_array_find(endpoint->transfers, transfer, NULL);
    if (goes_on && transfer->events == NULL) {
        bs_transfer_leave(transfer);
        goes_on = FALSE;
    }
    endpoint_unref(endpoint);
    return goes_on;
}

void
bs_endpoint_announce(BsEndpoint *endpoint, BsTransfer *transfer)
{
    endpoint->references++;
    endpoint->events->offered(endpoint, transfer, endpoint->data);
    if (g_ptr_array_find(endpoint->transfers, transfer, NULL) && transfer->events == NULL)
        bs_transfer_decline(transfer);
    endpoint_unref(endpoint);
}

const char *const *
bs_endpoint_features(void)
{
    static const char *const features[] = {
        BS_NS_JINGLE,
        "urn:xmpp:jingle:apps:file-transfer:5",
        "urn:xmpp:jingle:apps:file-transfer:4",
        "urn:xmpp:jingle:apps:file-transfer:3",
        BS_NS_S5B,
        BS_NS_JINGLE_IBB,
        "urn:xmpp:hashes:2",
        "urn:xmpp:hash-function-text-names:sha-1",
        "urn:xmpp:hash-function-text-names:sha-256",
        "urn:xmpp:hash-function-text-names:sha-512",
        "urn:xmpp:hash-function-text-names:sha3-256",
        "urn:xmpp:hash-function-text-names:sha3-512",
        "urn:xmpp:hash-function-text-names:id-blake2b256",
        "urn:xmpp:hash-function-text-names:id-blake2b512",
        BS_NS_BOB,
        BS_NS_THUMBNAIL,
        NULL,
    };

    return features;
}
