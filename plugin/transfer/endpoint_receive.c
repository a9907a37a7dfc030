/* Which session or stream a stanza is about. SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "stanza/jid.h"
#include "stanza/xml.h"
#include "transfer/internal.h"
#include "transport/ibb_xml.h"
#include "transport/s5b_xml.h"

/* A transfer has two sessions while one takes the place of the other. */
static gboolean
has_sid(const BsTransfer *transfer, const char *sid)
{
    return strcmp(transfer->protocol->sid(transfer), sid) == 0 ||
           (transfer->old_session != NULL && strcmp(bs_jingle_session_sid(transfer->old_session), sid) == 0);
}

static BsJingleSession *
session_of(const BsTransfer *transfer, const char *sid)
{
    return strcmp(bs_jingle_session_sid(transfer->session), sid) == 0 ? transfer->session
                                                                      : transfer->old_session;
}

/* The transfer of this protocol whose session has this sid; with `peer` only if that is its peer. */
static BsTransfer *
find_transfer(BsEndpoint *endpoint, const BsTransferProtocol *protocol, const char *sid, const char *peer)
{
    const GPtrArray *all = bs_endpoint_all(endpoint);

    for (guint i = 0; sid != NULL && i < all->len; i++) {
        BsTransfer *transfer = g_ptr_array_index(all, i);

        if (transfer->protocol == protocol && has_sid(transfer, sid) &&
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

/* A request for a session that is not there: is it about a file, or about what somebody else may know? */
static gboolean
concerns_files(BsEndpoint *endpoint, const xmlnode *jingle, const char *from)
{
    const char *sid = bs_jingle_attrib(jingle, "sid");
    const xmlnode *content = bs_jingle_first_content(jingle);
    const xmlnode *transport = bs_jingle_transport(content);

    if (bs_jingle_action(jingle) == BS_JINGLE_ACTION_SESSION_INITIATE)
        return is_file_description(bs_jingle_description(content));
    if (sid != NULL && (find_transfer(endpoint, &bs_transfer_jingle, sid, NULL) != NULL ||
                        bs_endpoint_has_ended(endpoint, from, sid)))
        return TRUE;
    if (transport != NULL &&
        (bs_xml_is(transport, "transport", BS_NS_S5B) || bs_xml_is(transport, "transport", BS_NS_JINGLE_IBB)))
        return TRUE;
    return is_file_description(bs_jingle_description(content)) || is_file_payload(jingle);
}

/* Whatever else a session has in it, its peer is there. */
static void
heard_in_session(BsEndpoint *endpoint, const char *sid, const char *peer)
{
    const GPtrArray *all = bs_endpoint_all(endpoint);

    for (guint i = 0; i < all->len; i++) {
        BsTransfer *transfer = g_ptr_array_index(all, i);

        if (transfer->protocol == &bs_transfer_jingle && has_sid(transfer, sid) &&
            bs_jid_equal(bs_transfer_peer(transfer), peer))
            bs_transfer_heard(transfer);
    }
}

static gboolean
receive_jingle(BsEndpoint *endpoint, const xmlnode *iq, const xmlnode *jingle)
{
    const char *sid = bs_jingle_attrib(jingle, "sid");
    const char *from = bs_jingle_attrib(iq, "from");
    BsTransfer *transfer = from != NULL ? find_transfer(endpoint, &bs_transfer_jingle, sid, from) : NULL;

    if (transfer != NULL) {
        heard_in_session(endpoint, sid, from);
        /* Two offers under one sid crossed: ours stands (XEP-0166, 7.2.16). */
        if (bs_jingle_action(jingle) == BS_JINGLE_ACTION_SESSION_INITIATE &&
            bs_jingle_session_is_initiator(session_of(transfer, sid)))
            bs_jingle_answer(bs_endpoint_link(endpoint), iq, BS_JINGLE_TIE_BREAK);
        else
            bs_jingle_session_receive(session_of(transfer, sid), iq);
        return TRUE;
    }
    if (from == NULL || !concerns_files(endpoint, jingle, from))
        return FALSE;
    if (bs_jingle_action(jingle) == BS_JINGLE_ACTION_SESSION_INITIATE)
        bs_endpoint_receive_initiate(endpoint, iq, jingle);
    else
        bs_jingle_answer(bs_endpoint_link(endpoint), iq, BS_JINGLE_UNKNOWN_SESSION);
    return TRUE;
}

/* By the transport, or by what chooses it. */
static gboolean
take_stanza(BsTransfer *transfer, const xmlnode *stanza)
{
    BsTransport *transport = transfer->transport;

    if (transport != NULL && transport->class->take_stanza != NULL &&
        transport->class->take_stanza(transport, stanza))
        return TRUE;
    return transfer->protocol->take_stanza != NULL && transfer->protocol->take_stanza(transfer, stanza);
}

/* A stanza of a transport's own. */
static gboolean
receive_for_transport(BsEndpoint *endpoint, const xmlnode *stanza)
{
    const GPtrArray *all = bs_endpoint_all(endpoint);
    const char *from = bs_jingle_attrib(stanza, "from");

    for (guint i = 0; from != NULL && i < all->len; i++) {
        BsTransfer *transfer = g_ptr_array_index(all, i);

        if (!bs_jid_equal(bs_transfer_peer(transfer), from))
            continue;
        bs_transfer_heard(transfer);
        if (take_stanza(transfer, stanza))
            return TRUE;
    }
    return bs_ended_receive(bs_endpoint_ended(endpoint), bs_endpoint_link(endpoint), stanza);
}

/* An offer that a server delivered twice (XEP-0198): the answer comes, or came, with the first one. */
static gboolean
is_repeated_offer(BsEndpoint *endpoint, const BsTransfer *transfer, const char *from, const char *sid,
                  const char *iq_id)
{
    if (transfer != NULL)
        return g_strcmp0(bs_transfer_si_offer_id(transfer), iq_id) == 0;
    return sid != NULL && iq_id != NULL && bs_ended_has_offer(bs_endpoint_ended(endpoint), from, sid, iq_id);
}

static gboolean
receive_si(BsEndpoint *endpoint, const xmlnode *iq, const xmlnode *element)
{
    const char *from = bs_jingle_attrib(iq, "from");
    const char *sid = xmlnode_get_attrib((xmlnode *)element, "id");
    BsTransfer *transfer = from != NULL ? find_transfer(endpoint, &bs_transfer_si, sid, from) : NULL;

    if (from == NULL) {
        /* Our own account offers us nothing, nor would libpurple know what to do with it. */
        bs_iq_reply_error(bs_endpoint_link(endpoint), iq, "cancel", "service-unavailable", NULL, NULL);
        return TRUE;
    }
    if (is_repeated_offer(endpoint, transfer, from, sid, bs_jingle_attrib(iq, "id")))
        return TRUE;
    if (transfer != NULL)
        bs_iq_reply_error(bs_endpoint_link(endpoint), iq, "cancel", "conflict", NULL, NULL);
    else
        bs_endpoint_receive_si_offer(endpoint, iq, element);
    return TRUE;
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
    const xmlnode *si;

    if (bs_iq_link_receive(bs_endpoint_link(endpoint), iq) ||
        bs_endpoint_give_thumbnail(endpoint, bs_endpoint_all(endpoint), iq))
        return TRUE;
    if (g_strcmp0(bs_jingle_attrib(iq, "type"), "set") != 0)
        return FALSE;
    jingle = bs_jingle_element(iq);
    if (jingle != NULL)
        return receive_jingle(endpoint, iq, jingle);
    si = bs_si_element(iq);
    return si != NULL ? receive_si(endpoint, iq, si) : receive_for_transport(endpoint, iq);
}
