/* Files that peers offer: which offers become transfers, and how the others are answered.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "transfer/internal.h"

/* What the peer calls us, newly allocated. */
static char *
own_jid_for(BsEndpoint *endpoint, const xmlnode *iq)
{
    return bs_endpoint_own_jid(endpoint, bs_jingle_attrib(iq, "from"), bs_jingle_attrib(iq, "to"));
}

BsJingleReason
bs_offer_refusal(const xmlnode *content, const BsFileOffer *offer, gboolean request, const char **specific)
{
    BsJingleSenders senders = bs_jingle_senders(content);

    *specific = NULL;
    if (request) {
        *specific = "file-not-available";
        return BS_JINGLE_FAILED_APPLICATION;
    }
    if (senders == BS_JINGLE_SENDERS_NONE)
        return BS_JINGLE_INCOMPATIBLE_PARAMETERS;
    /* A part of a file that nobody asked for. */
    if (offer->range_offset > 0 || offer->range_length < offer->size)
        return BS_JINGLE_FAILED_APPLICATION;
    return BS_JINGLE_NO_REASON;
}

/* `offer` is taken. */
static void
begin_incoming(BsEndpoint *endpoint, const xmlnode *iq, BsJingleFileVersion version, BsFileOffer *offer)
{
    g_autofree char *own_jid = own_jid_for(endpoint, iq);
    BsJingleSession *session =
        bs_jingle_session_new_from_initiate(bs_endpoint_link(endpoint), iq, NULL, NULL);
    BsTransfer *transfer = bs_transfer_new_from_session(endpoint, own_jid, session, version, offer);
    const xmlnode *content = bs_jingle_first_content(bs_jingle_element(iq));

    switch (bs_transfer_set_transport(transfer, bs_jingle_transport(content))) {
    case BS_TRANSPORT_OK:
        bs_jingle_answer(bs_endpoint_link(endpoint), iq, BS_JINGLE_ACK);
        bs_endpoint_introduce(endpoint, transfer);
        return;
    case BS_TRANSPORT_UNSUPPORTED:
        bs_jingle_answer(bs_endpoint_link(endpoint), iq, BS_JINGLE_ACK);
        bs_transfer_terminate(transfer, BS_JINGLE_UNSUPPORTED_TRANSPORTS, NULL, BS_END_UNSUPPORTED, NULL);
        return;
    case BS_TRANSPORT_BAD:
    case BS_TRANSPORT_UNKNOWN_ITEM:
        break;
    }
    bs_jingle_answer(bs_endpoint_link(endpoint), iq, BS_JINGLE_BAD_REQUEST);
    bs_transfer_finish(transfer, BS_END_UNSUPPORTED, "malformed transport");
}

void
bs_endpoint_receive_initiate(BsEndpoint *endpoint, const xmlnode *iq, const xmlnode *jingle)
{
    const xmlnode *content = bs_jingle_first_content(jingle);
    BsJingleFileVersion version;
    gboolean request;
    g_autoptr(BsFileOffer) offer = bs_jingle_file_parse(bs_jingle_description(content), &version, &request);
    BsJingleSession *probe = bs_jingle_session_new_from_initiate(bs_endpoint_link(endpoint), iq, NULL, NULL);
    const char *specific;
    BsJingleReason reason;

    bs_jingle_session_free(probe);
    if (probe != NULL && bs_jingle_count_contents(jingle) > 1) {
        bs_endpoint_receive_several(endpoint, iq, jingle);
        return;
    }
    if (probe == NULL || offer == NULL || bs_jingle_transport(content) == NULL) {
        bs_log_warning(NULL, "a malformed file offer of %s was refused", bs_jingle_attrib(iq, "from"));
        bs_jingle_answer(bs_endpoint_link(endpoint), iq, BS_JINGLE_BAD_REQUEST);
        return;
    }
    if (bs_endpoint_has_ended(endpoint, bs_jingle_attrib(iq, "from"), bs_jingle_attrib(jingle, "sid"))) {
        /* A server delivered it again (XEP-0198); its user has had this offer. */
        bs_jingle_answer(bs_endpoint_link(endpoint), iq, BS_JINGLE_ACK);
        return;
    }
    if (bs_endpoint_is_flooded(endpoint, bs_jingle_attrib(iq, "from"), 1)) {
        bs_jingle_answer(bs_endpoint_link(endpoint), iq, BS_JINGLE_RESOURCE_CONSTRAINT);
        return;
    }
    request = request || bs_jingle_senders(content) == BS_JINGLE_SENDERS_RESPONDER;
    if (request && bs_endpoint_receive_request(endpoint, iq, version, offer))
        return;
    reason = bs_offer_refusal(content, offer, request, &specific);
    if (reason != BS_JINGLE_NO_REASON) {
        bs_log(NULL, "an offer of %s was turned down: %s", bs_jingle_attrib(iq, "from"),
               bs_jingle_reason_name(reason));
        bs_jingle_answer(bs_endpoint_link(endpoint), iq, BS_JINGLE_ACK);
        bs_jingle_reject(bs_endpoint_link(endpoint), iq, reason, specific, BS_NS_FILE_ERRORS);
        return;
    }
    begin_incoming(endpoint, iq, version, g_steal_pointer(&offer));
}

void
bs_endpoint_receive_si_offer(BsEndpoint *endpoint, const xmlnode *iq, const xmlnode *element)
{
    const char *from = bs_jingle_attrib(iq, "from");
    BsSiFault fault;
    g_autoptr(BsSi) si = bs_si_parse_offer(element, &fault);
    const char *type;
    const char *condition;
    const char *specific;

    if (si == NULL) {
        bs_log_warning(NULL, "an offer of %s by stream initiation cannot be taken", from);
        bs_si_fault_reply(fault, &type, &condition, &specific);
        bs_iq_reply_error(bs_endpoint_link(endpoint), iq, type, condition, specific, BS_NS_SI);
    } else if (bs_endpoint_is_flooded(endpoint, from, 1)) {
        bs_iq_reply_error(bs_endpoint_link(endpoint), iq, "wait", "resource-constraint", NULL, NULL);
    } else {
        g_autofree char *own_jid = own_jid_for(endpoint, iq);
        BsTransfer *transfer = bs_transfer_new_from_si(endpoint, own_jid, iq, g_steal_pointer(&si));

        bs_endpoint_introduce(endpoint, transfer);
    }
}
