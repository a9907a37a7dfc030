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

static void replace_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data);

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

    if (session != NULL)
        bs_iq_request_cancel(&session->contents->acceptance);
    for (GList *link = session != NULL ? session->requests.head : NULL; link != NULL; link = next) {
        const Pending *pending = link->data;

        next = link->next;
        /* The answer to a proposal decides between two that cross, whatever else is said meanwhile. */
        if (pending->answered == replace_answered)
            continue;
        drop_request(link->data);
        g_queue_delete_link(&session->requests, link);
    }
}

void
bs_jingle_session_end(BsJingleSession *session, BsJingleReason reason, const char *error)
{
    session->state = SESSION_ENDED;
    bs_jingle_contents_leave(session);
    bs_jingle_contents_decided(session->contents);
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

/* Of our session-accept: no content can go on without. */
static void
acceptance_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    BsJingleContents *contents = g_rc_box_acquire(data);
    g_autofree char *condition = outcome == BS_IQ_ERROR ? bs_iq_error_condition(iq) : NULL;

    contents->acceptance = NULL;
    while (outcome != BS_IQ_RESULT && contents->live->len > 0) {
        BsJingleSession *session = g_ptr_array_index(contents->live, 0);

        if (outcome == BS_IQ_TIMEOUT)
            bs_jingle_session_terminate(session, BS_JINGLE_TIMEOUT, NULL, NULL);
        bs_jingle_session_end(session, BS_JINGLE_NO_REASON, condition != NULL ? condition : "timeout");
    }
    bs_jingle_contents_unref(contents);
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

/* Both nodes are taken. */
static void
add_content(const BsJingleSession *session, xmlnode *jingle, xmlnode *description, xmlnode *transport)
{
    xmlnode *content = new_content(session, jingle);

    bs_xml_set_attrib(content, "senders", session->request ? "responder" : "initiator");
    xmlnode_insert_child(content, description);
    xmlnode_insert_child(content, transport);
}

void
bs_jingle_session_initiate(BsJingleSession *session, const char *own_jid, xmlnode *description,
                           xmlnode *transport)
{
    xmlnode *jingle = bs_jingle_new("session-initiate", session->sid);

    bs_xml_set_attrib(jingle, "initiator", own_jid);
    add_content(session, jingle, description, transport);
    send_action(session, jingle, request_answered);
}

/* The answer matters to all contents, so to whichever is left then. */
static void
send_acceptance(const BsJingleSession *session, xmlnode *jingle)
{
    BsJingleContents *contents = session->contents;
    BsIqRequest *request = bs_iq_request(session->link, "set", session->peer, jingle, REQUEST_TIMEOUT_MS,
                                         acceptance_answered, contents);

    if (request != NULL)
        contents->acceptance = request;
}

void
bs_jingle_session_send_accept(const GPtrArray *sessions)
{
    BsJingleSession *first = g_ptr_array_index(sessions, 0);
    gboolean added = first->added;
    xmlnode *jingle = bs_jingle_new(added ? "content-accept" : "session-accept", first->sid);

    if (!added)
        bs_xml_set_attrib(jingle, "responder", first->own_jid);
    for (guint i = 0; i < sessions->len; i++) {
        BsJingleSession *session = g_ptr_array_index(sessions, i);

        session->state = SESSION_ACTIVE;
        session->added = FALSE;
        add_content(session, jingle, g_steal_pointer(&session->answer_description),
                    g_steal_pointer(&session->answer_transport));
    }
    if (added)
        send_action(first, jingle, request_answered);
    else
        send_acceptance(first, jingle);
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

/* What ends the session, or only this content where others go on. */
static xmlnode *
new_ending(const BsJingleSession *session)
{
    xmlnode *jingle;

    if (bs_jingle_session_is_alone(session))
        return bs_jingle_new("session-terminate", session->sid);
    jingle = bs_jingle_new(session->added ? "content-reject" : "content-remove", session->sid);
    new_content(session, jingle);
    return jingle;
}

/* `jingle` is taken. */
static void
end_here(BsJingleSession *session, xmlnode *jingle)
{
    session->state = SESSION_ENDED;
    bs_jingle_contents_leave(session);
    bs_jingle_contents_decided(session->contents);
    send_action(session, jingle, NULL);
}

void
bs_jingle_session_terminate(BsJingleSession *session, BsJingleReason reason, const char *specific,
                            const char *specific_ns)
{
    xmlnode *jingle;

    if (session->state == SESSION_ENDED)
        return;
    jingle = new_ending(session);
    bs_jingle_add_reason(jingle, reason, specific, specific_ns);
    end_here(session, jingle);
}

void
bs_jingle_session_give_way(BsJingleSession *session, const char *sid)
{
    xmlnode *jingle;
    xmlnode *reason;

    if (session->state == SESSION_ENDED)
        return;
    jingle = new_ending(session);
    reason = bs_xml_add_child(jingle, "reason", BS_NS_JINGLE);
    bs_xml_add_text(
        bs_xml_add_child(reason, bs_jingle_reason_name(BS_JINGLE_ALTERNATIVE_SESSION), BS_NS_JINGLE), "sid",
        sid);
    end_here(session, jingle);
}

void
bs_jingle_session_reject_contents(BsJingleSession *session, const xmlnode *request)
{
    xmlnode *jingle = bs_jingle_new("content-reject", session->sid);

    for (const xmlnode *node = bs_jingle_first_content(request); node != NULL;
         node = bs_jingle_next_content(node)) {
        xmlnode *content = bs_xml_add_child(jingle, "content", BS_NS_JINGLE);

        bs_xml_set_attrib(content, "creator", bs_jingle_attrib(node, "creator"));
        bs_xml_set_attrib(content, "name", bs_jingle_attrib(node, "name"));
    }
    bs_jingle_add_reason(jingle, BS_JINGLE_FAILED_APPLICATION, NULL, NULL);
    send_action(session, jingle, NULL);
}
