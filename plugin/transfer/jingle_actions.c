/* What a session sends: each action, and what becomes of the answer.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "stanza/xml.h"
#include "transfer/jingle_internal.h"

/* How long a peer may take to acknowledge what the session needs. */
#define REQUEST_TIMEOUT_MS 60000

typedef struct {
    BsJingleSession *session;
    BsIqRequest *request;
    BsIqAnswer answered;
} Pending;

static void request_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data);

static void
drop_request(gpointer item)
{
    Pending *pending = item;

    bs_iq_request_cancel(&pending->request);
    g_free(pending);
}

void
bs_jingle_session_drop_requests(BsJingleSession *session)
{
    if (session != NULL)
        g_queue_clear_full(&session->requests, drop_request);
}

void
bs_jingle_session_settled(BsJingleSession *session)
{
    GList *next;

    for (GList *link = session != NULL ? session->requests.head : NULL; link != NULL; link = next) {
        const Pending *pending = link->data;

        next = link->next;
        /* The answer to a proposal decides between two that cross, whatever else is said meanwhile. */
        if (pending->answered != request_answered)
            continue;
        drop_request(link->data);
        g_queue_delete_link(&session->requests, link);
    }
}

void
bs_jingle_session_end(BsJingleSession *session, BsJingleReason reason, const char *error)
{
    session->state = SESSION_ENDED;
    session->events->ended(session, reason, error, session->data);
}

/* Of a request without which the session cannot go on. */
static void
request_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    Pending *pending = data;
    BsJingleSession *session = pending->session;
    g_autofree char *condition = NULL;

    g_queue_remove(&session->requests, pending);
    g_free(pending);
    if (outcome == BS_IQ_RESULT || session->state == SESSION_ENDED)
        return;
    condition = outcome == BS_IQ_TIMEOUT ? g_strdup("timeout") : bs_iq_error_condition(iq);
    if (outcome == BS_IQ_TIMEOUT)
        bs_jingle_session_terminate(session, BS_JINGLE_TIMEOUT, NULL, NULL);
    bs_jingle_session_end(session, BS_JINGLE_NO_REASON, condition);
}

/* The initiator's proposal stands where two cross (XEP-0166, 7.2.16): it is here or about to come. */
static void
replace_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    Pending *pending = data;
    BsJingleSession *session = pending->session;
    g_autofree char *condition = outcome == BS_IQ_ERROR ? bs_iq_error_condition(iq) : NULL;

    g_queue_remove(&session->requests, pending);
    g_free(pending);
    if (outcome == BS_IQ_RESULT || session->state == SESSION_ENDED || !session->proposed)
        return;
    session->proposed = FALSE;
    if (session->initiator || g_strcmp0(condition, "conflict") != 0)
        session->events->transport_rejected(session, session->data);
}

/* `answer`: what hears of the answer; NULL: nobody cares. */
static void
send_action(BsJingleSession *session, xmlnode *jingle, BsIqAnswer answer)
{
    Pending *pending;
    BsIqRequest *request;

    if (answer == NULL) {
        bs_iq_request(session->link, "set", session->peer, jingle, 0, NULL, NULL);
        return;
    }
    pending = g_new0(Pending, 1);
    pending->session = session;
    pending->answered = answer;
    g_queue_push_tail(&session->requests, pending);
    request = bs_iq_request(session->link, "set", session->peer, jingle, REQUEST_TIMEOUT_MS, answer, pending);
    if (request != NULL)
        pending->request = request;
}

static xmlnode *
new_content(const BsJingleSession *session, xmlnode *jingle)
{
    xmlnode *content = bs_xml_add_child(jingle, "content", BS_NS_JINGLE);

    bs_xml_set_attrib(content, "creator", bs_jingle_session_creator(session));
    bs_xml_set_attrib(content, "name", session->content);
    return content;
}

static void
send_offer_or_answer(BsJingleSession *session, const char *action, const char *role, const char *own_jid,
                     xmlnode *description, xmlnode *transport)
{
    xmlnode *jingle = bs_jingle_new(action, session->sid);
    xmlnode *content = new_content(session, jingle);

    bs_xml_set_attrib(jingle, role, own_jid);
    bs_xml_set_attrib(content, "senders", session->request ? "responder" : "initiator");
    xmlnode_insert_child(content, description);
    xmlnode_insert_child(content, transport);
    send_action(session, jingle, request_answered);
}

void
bs_jingle_session_initiate(BsJingleSession *session, const char *own_jid, xmlnode *description,
                           xmlnode *transport)
{
    send_offer_or_answer(session, "session-initiate", "initiator", own_jid, description, transport);
}

void
bs_jingle_session_accept(BsJingleSession *session, const char *own_jid, xmlnode *description,
                         xmlnode *transport)
{
    session->state = SESSION_ACTIVE;
    send_offer_or_answer(session, "session-accept", "responder", own_jid, description, transport);
}

/* `transport` is taken. */
static void
send_transport(BsJingleSession *session, const char *action, xmlnode *transport, BsIqAnswer answer)
{
    xmlnode *jingle = bs_jingle_new(action, session->sid);

    xmlnode_insert_child(new_content(session, jingle), transport);
    send_action(session, jingle, answer);
}

void
bs_jingle_session_transport_info(BsJingleSession *session, xmlnode *transport)
{
    send_transport(session, "transport-info", transport, NULL);
}

void
bs_jingle_session_transport_replace(BsJingleSession *session, xmlnode *transport)
{
    session->proposed = TRUE;
    send_transport(session, "transport-replace", transport, replace_answered);
}

void
bs_jingle_session_transport_accept(BsJingleSession *session, xmlnode *transport)
{
    g_clear_pointer(&session->peers_proposal, xmlnode_free);
    send_transport(session, "transport-accept", transport, request_answered);
}

void
bs_jingle_session_transport_reject(BsJingleSession *session)
{
    if (session->peers_proposal != NULL)
        send_transport(session, "transport-reject", g_steal_pointer(&session->peers_proposal), NULL);
}

void
bs_jingle_session_session_info(BsJingleSession *session, xmlnode *payload)
{
    xmlnode *jingle = bs_jingle_new("session-info", session->sid);

    xmlnode_insert_child(jingle, payload);
    send_action(session, jingle, NULL);
}

void
bs_jingle_session_terminate(BsJingleSession *session, BsJingleReason reason, const char *specific,
                            const char *specific_ns)
{
    xmlnode *jingle;

    if (session->state == SESSION_ENDED)
        return;
    session->state = SESSION_ENDED;
    jingle = bs_jingle_new("session-terminate", session->sid);
    bs_jingle_add_reason(jingle, reason, specific, specific_ns);
    send_action(session, jingle, NULL);
}

void
bs_jingle_session_give_way(BsJingleSession *session, const char *sid)
{
    xmlnode *jingle;
    xmlnode *reason;

    if (session->state == SESSION_ENDED)
        return;
    session->state = SESSION_ENDED;
    jingle = bs_jingle_new("session-terminate", session->sid);
    reason = bs_xml_add_child(jingle, "reason", BS_NS_JINGLE);
    bs_xml_add_text(
        bs_xml_add_child(reason, bs_jingle_reason_name(BS_JINGLE_ALTERNATIVE_SESSION), BS_NS_JINGLE), "sid",
        sid);
    send_action(session, jingle, NULL);
}

/* Contents that the peer wants to add are turned down at once: each file has a session of its own here. */
void
bs_jingle_session_reject_contents(BsJingleSession *session, const xmlnode *request)
{
    xmlnode *jingle = bs_jingle_new("content-reject", session->sid);

    for (xmlnode *node = bs_xml_first_element(request); node != NULL; node = bs_xml_next_element(node))
        if (bs_xml_is(node, "content", BS_NS_JINGLE)) {
            xmlnode *content = bs_xml_add_child(jingle, "content", BS_NS_JINGLE);

            bs_xml_set_attrib(content, "creator", bs_jingle_attrib(node, "creator"));
            bs_xml_set_attrib(content, "name", bs_jingle_attrib(node, "name"));
        }
    bs_jingle_add_reason(jingle, BS_JINGLE_FAILED_APPLICATION, NULL, NULL);
    send_action(session, jingle, NULL);
}
