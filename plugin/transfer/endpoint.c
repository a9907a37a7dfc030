/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/endpoint.h"

#include <string.h>

#include "log.h"
#include "stanza/jid.h"
#include "stanza/xml.h"
#include "transfer/internal.h"
#include "transport/ibb_xml.h"
#include "transport/s5b_xml.h"

/* More offers than a user could deal with are a flood (XEP-0166, 15): in all, and of one contact. */
#define RINGING_MAX 50
#define RINGING_MAX_OF_ONE 10
/* Ended sessions whose late stanzas are still answered as what they are. */
#define REMEMBERED_SESSIONS 256

struct _BsEndpoint {
    BsIqLink *link;
    PurpleAccount *account;
    BsProxies *proxies;
    BsDisclosurePolicy disclosure;
    BsHashingPolicy hashing;
    const BsEndpointEvents *events;
    gpointer data;
    GPtrArray *transfers; /* BsTransfer */
    GQueue ended;         /* char *, see session_key(): sessions, and streams of their transports */
    gboolean closed;
    guint references; /* one is the owner's, others are held over callbacks that may free the endpoint */
};

static void
endpoint_unref(BsEndpoint *endpoint)
{
    if (--endpoint->references > 0)
        return;
    g_ptr_array_unref(endpoint->transfers);
    g_queue_clear_full(&endpoint->ended, g_free);
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
    g_queue_init(&endpoint->ended);
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

gboolean
bs_endpoint_hashes_files(const BsEndpoint *endpoint)
{
    return endpoint->hashing == NULL || endpoint->hashing();
}

BsDisclosurePolicy
bs_endpoint_disclosure(const BsEndpoint *endpoint)
{
    return endpoint->disclosure;
}

void
bs_endpoint_add(BsEndpoint *endpoint, BsTransfer *transfer)
{
    g_ptr_array_add(endpoint->transfers, transfer);
}

/* A session's name: sids are the peers' own, and two peers may choose the same. */
static char *
session_key(const char *peer, const char *sid)
{
    g_autofree char *jid = bs_jid_key(peer);

    return g_strconcat(jid, "\n", sid, NULL);
}

static gboolean
has_ended(BsEndpoint *endpoint, const char *peer, const char *sid)
{
    g_autofree char *key = session_key(peer, sid);

    return g_queue_find_custom(&endpoint->ended, key, (GCompareFunc)strcmp) != NULL;
}

static void
remember_ended(BsEndpoint *endpoint, const char *peer, const char *sid)
{
    g_queue_push_tail(&endpoint->ended, session_key(peer, sid));
    if (g_queue_get_length(&endpoint->ended) > REMEMBERED_SESSIONS)
        g_free(g_queue_pop_head(&endpoint->ended));
}

void
bs_endpoint_remove(BsEndpoint *endpoint, BsTransfer *transfer)
{
    const BsTransport *transport = transfer->transport;

    g_ptr_array_remove(endpoint->transfers, transfer);
    remember_ended(endpoint, bs_transfer_peer(transfer), bs_jingle_session_sid(transfer->session));
    if (transport != NULL && transport->class->stream_id != NULL)
        remember_ended(endpoint, bs_transfer_peer(transfer), transport->class->stream_id(transport));
}

guint
bs_endpoint_transfers(const BsEndpoint *endpoint)
{
    return endpoint->transfers->len;
}

void
bs_endpoint_peer_unavailable(BsEndpoint *endpoint, const char *peer)
{
    for (guint i = 0; i < endpoint->transfers->len; i++) {
        BsTransfer *transfer = g_ptr_array_index(endpoint->transfers, i);

        if (bs_jid_equal(bs_transfer_peer(transfer), peer))
            bs_transfer_peer_unavailable(transfer);
    }
}

/* The transfer whose session has this sid; with `peer` only if that is its peer. */
static BsTransfer *
find_transfer(BsEndpoint *endpoint, const char *sid, const char *peer)
{
    for (guint i = 0; sid != NULL && i < endpoint->transfers->len; i++) {
        BsTransfer *transfer = g_ptr_array_index(endpoint->transfers, i);

        if (strcmp(bs_jingle_session_sid(transfer->session), sid) == 0 &&
            (peer == NULL || bs_jid_equal(bs_transfer_peer(transfer), peer)))
            return transfer;
    }
    return NULL;
}

static gboolean
is_file_description(const xmlnode *description)
{
    BsJingleFileVersion version;

    return description != NULL &&
           bs_jingle_file_version(xmlnode_get_namespace((xmlnode *)description), &version);
}

static gboolean
is_file_payload(const xmlnode *jingle)
{
    BsJingleFileVersion version;

    for (xmlnode *node = bs_xml_first_element(jingle); node != NULL; node = bs_xml_next_element(node))
        if (bs_jingle_file_version(xmlnode_get_namespace(node), &version))
            return TRUE;
    return FALSE;
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

/* An acknowledged offer that cannot be taken: why, as a reason for session-terminate; BS_JINGLE_NO_REASON if
 * it can. */
static BsJingleReason
refusal(const xmlnode *jingle, const BsFileOffer *offer, gboolean request, const char **specific)
{
    BsJingleSenders senders = bs_jingle_senders(bs_jingle_first_content(jingle));

    *specific = NULL;
    if (bs_jingle_count_contents(jingle) > 1)
        return BS_JINGLE_FAILED_APPLICATION;
    if (request || senders == BS_JINGLE_SENDERS_RESPONDER) {
        *specific = "file-not-available";
        return BS_JINGLE_FAILED_APPLICATION;
    }
    if (senders == BS_JINGLE_SENDERS_NONE)
        return BS_JINGLE_INCOMPATIBLE_PARAMETERS;
    /* A part of a file that nobody asked for. */
    if (offer->range_offset > 0)
        return BS_JINGLE_FAILED_APPLICATION;
    return BS_JINGLE_NO_REASON;
}

static void
announce(BsEndpoint *endpoint, BsTransfer *transfer)
{
    endpoint->references++;
    endpoint->events->offered(endpoint, transfer, endpoint->data);
    if (g_ptr_array_find(endpoint->transfers, transfer, NULL) && transfer->events == NULL)
        bs_transfer_decline(transfer);
    endpoint_unref(endpoint);
}

/* `offer` is taken. */
static void
begin_incoming(BsEndpoint *endpoint, const xmlnode *iq, BsJingleFileVersion version, BsFileOffer *offer)
{
    const char *to = bs_jingle_attrib(iq, "to");
    const char *own_jid = to != NULL ? to : bs_iq_link_own_jid(endpoint->link);
    BsTransfer *transfer = bs_transfer_new_incoming(endpoint, own_jid, version, offer);
    const xmlnode *content = bs_jingle_first_content(bs_jingle_element(iq));

    bs_transfer_set_session(transfer, bs_jingle_session_new_from_initiate(
                                          endpoint->link, iq, bs_transfer_jingle_events(), transfer));
    switch (bs_transfer_set_transport(transfer, bs_jingle_transport(content))) {
    case BS_TRANSPORT_OK:
        bs_jingle_answer(endpoint->link, iq, BS_JINGLE_ACK);
        announce(endpoint, transfer);
        return;
    case BS_TRANSPORT_UNSUPPORTED:
        bs_jingle_answer(endpoint->link, iq, BS_JINGLE_ACK);
        bs_transfer_terminate(transfer, BS_JINGLE_UNSUPPORTED_TRANSPORTS, NULL, BS_END_UNSUPPORTED, NULL);
        return;
    case BS_TRANSPORT_BAD:
    case BS_TRANSPORT_UNKNOWN_ITEM:
        break;
    }
    bs_jingle_answer(endpoint->link, iq, BS_JINGLE_BAD_REQUEST);
    bs_transfer_finish(transfer, BS_END_UNSUPPORTED, "malformed transport");
}

static void
receive_initiate(BsEndpoint *endpoint, const xmlnode *iq, const xmlnode *jingle)
{
    const xmlnode *content = bs_jingle_first_content(jingle);
    BsJingleFileVersion version;
    gboolean request;
    g_autoptr(BsFileOffer) offer = bs_jingle_file_parse(bs_jingle_description(content), &version, &request);
    BsJingleSession *probe = bs_jingle_session_new_from_initiate(endpoint->link, iq, NULL, NULL);
    const char *specific;
    BsJingleReason reason;

    bs_jingle_session_free(probe);
    if (probe == NULL || offer == NULL || bs_jingle_transport(content) == NULL) {
        bs_log_warning(NULL, "a malformed file offer of %s was refused", bs_jingle_attrib(iq, "from"));
        bs_jingle_answer(endpoint->link, iq, BS_JINGLE_BAD_REQUEST);
        return;
    }
    if (has_ended(endpoint, bs_jingle_attrib(iq, "from"), bs_jingle_attrib(jingle, "sid"))) {
        /* A server delivered it again (XEP-0198); its user has had this offer. */
        bs_jingle_answer(endpoint->link, iq, BS_JINGLE_ACK);
        return;
    }
    if (count_ringing(endpoint, NULL) >= RINGING_MAX ||
        count_ringing(endpoint, bs_jingle_attrib(iq, "from")) >= RINGING_MAX_OF_ONE) {
        bs_jingle_answer(endpoint->link, iq, BS_JINGLE_RESOURCE_CONSTRAINT);
        return;
    }
    reason = refusal(jingle, offer, request, &specific);
    if (reason != BS_JINGLE_NO_REASON) {
        bs_log(NULL, "an offer of %s was turned down: %s", bs_jingle_attrib(iq, "from"),
               bs_jingle_reason_name(reason));
        bs_jingle_answer(endpoint->link, iq, BS_JINGLE_ACK);
        bs_jingle_reject(endpoint->link, iq, reason, specific, BS_NS_FILE_ERRORS);
        return;
    }
    begin_incoming(endpoint, iq, version, g_steal_pointer(&offer));
}

/* A request for a session that is not there: is it about a file, or about what somebody else may know? */
static gboolean
concerns_files(BsEndpoint *endpoint, const xmlnode *jingle, const char *from)
{
    const char *sid = bs_jingle_attrib(jingle, "sid");
    const xmlnode *content = bs_jingle_first_content(jingle);
    const xmlnode *transport = bs_jingle_transport(content);

    if (bs_jingle_action(jingle) == BS_JINGLE_ACTION_SESSION_INITIATE)
        return is_file_description(bs_jingle_description(content));
    if (sid != NULL && (find_transfer(endpoint, sid, NULL) != NULL || has_ended(endpoint, from, sid)))
        return TRUE;
    if (transport != NULL &&
        (bs_xml_is(transport, "transport", BS_NS_S5B) || bs_xml_is(transport, "transport", BS_NS_JINGLE_IBB)))
        return TRUE;
    return is_file_description(bs_jingle_description(content)) || is_file_payload(jingle);
}

static gboolean
receive_jingle(BsEndpoint *endpoint, const xmlnode *iq, const xmlnode *jingle)
{
    const char *sid = bs_jingle_attrib(jingle, "sid");
    const char *from = bs_jingle_attrib(iq, "from");
    BsTransfer *transfer = from != NULL ? find_transfer(endpoint, sid, from) : NULL;

    if (transfer != NULL) {
        bs_transfer_heard(transfer);
        /* Two offers under one sid crossed: ours stands (XEP-0166, 7.2.16). */
        if (bs_jingle_action(jingle) == BS_JINGLE_ACTION_SESSION_INITIATE &&
            bs_jingle_session_is_initiator(transfer->session))
            bs_jingle_answer(endpoint->link, iq, BS_JINGLE_TIE_BREAK);
        else
            bs_jingle_session_receive(transfer->session, iq);
        return TRUE;
    }
    if (from == NULL || !concerns_files(endpoint, jingle, from))
        return FALSE;
    if (bs_jingle_action(jingle) == BS_JINGLE_ACTION_SESSION_INITIATE)
        receive_initiate(endpoint, iq, jingle);
    else
        bs_jingle_answer(endpoint->link, iq, BS_JINGLE_UNKNOWN_SESSION);
    return TRUE;
}

static gboolean
take_stanza(BsTransport *transport, const xmlnode *stanza)
{
    return transport != NULL && transport->class->take_stanza != NULL &&
           transport->class->take_stanza(transport, stanza);
}

/* What a peer sent in-band before it knew of the session's end, the stream's end above all. */
static gboolean
receive_late_in_band(BsEndpoint *endpoint, const char *from, const xmlnode *stanza)
{
    BsIbbKind kind;
    const xmlnode *element = bs_ibb_element(stanza, &kind);
    const char *sid = element != NULL ? bs_ibb_sid(element) : NULL;

    if (from == NULL || sid == NULL || !has_ended(endpoint, from, sid))
        return FALSE;
    if (g_strcmp0(stanza->name, "iq") != 0)
        return TRUE;
    if (kind == BS_IBB_CLOSE)
        bs_iq_reply_result(endpoint->link, stanza, NULL);
    else
        bs_iq_reply_error(endpoint->link, stanza, "cancel", "item-not-found", NULL, NULL);
    return TRUE;
}

/* A stanza of a transport's own. */
static gboolean
receive_for_transport(BsEndpoint *endpoint, const xmlnode *stanza)
{
    const char *from = bs_jingle_attrib(stanza, "from");

    for (guint i = 0; from != NULL && i < endpoint->transfers->len; i++) {
        const BsTransfer *transfer = g_ptr_array_index(endpoint->transfers, i);

        if (bs_jid_equal(bs_transfer_peer(transfer), from) && take_stanza(transfer->transport, stanza))
            return TRUE;
    }
    return receive_late_in_band(endpoint, from, stanza);
}

gboolean
bs_endpoint_receive_message(BsEndpoint *endpoint, xmlnode *message)
{
    return g_strcmp0(bs_jingle_attrib(message, "type"), "error") != 0 &&
           receive_for_transport(endpoint, message);
}

gboolean
bs_endpoint_receive(BsEndpoint *endpoint, xmlnode *iq)
{
    const xmlnode *jingle;

    if (bs_iq_link_receive(endpoint->link, iq))
        return TRUE;
    if (g_strcmp0(bs_jingle_attrib(iq, "type"), "set") != 0)
        return FALSE;
    jingle = bs_jingle_element(iq);
    return jingle != NULL ? receive_jingle(endpoint, iq, jingle) : receive_for_transport(endpoint, iq);
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
        NULL,
    };

    return features;
}
