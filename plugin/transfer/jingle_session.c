/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/jingle_session.h"

#include <string.h>

#include "random_id.h"
#include "stanza/xml.h"

/* How many requests are remembered, so that one that a server delivers twice (XEP-0198) is done once. */
#define REMEMBERED_IDS 32
/* How long a peer may take to acknowledge an offer or an acceptance. */
#define REQUEST_TIMEOUT_MS 60000

typedef enum {
    SESSION_PENDING,
    SESSION_ACTIVE,
    SESSION_ENDED,
} SessionState;

struct _BsJingleSession {
    BsIqLink *link;
    char *peer;
    char *sid;
    char *content;
    gboolean initiator;
    SessionState state;
    const BsJingleEvents *events;
    gpointer data;
    GQueue requests; /* BsIqRequest, those whose failure ends the session */
    GQueue handled;  /* Handled, the peer's latest requests */
};

typedef struct {
    BsJingleSession *session;
    BsIqRequest *request;
} Pending;

/* A request of the peer's, and how it was answered. */
typedef struct {
    char *id;
    BsJingleAnswer answer;
} Handled;

static BsJingleSession *
new_session(BsIqLink *link, const BsJingleEvents *events, gpointer data)
{
    BsJingleSession *session = g_new0(BsJingleSession, 1);

    session->link = link;
    session->events = events;
    session->data = data;
    g_queue_init(&session->requests);
    g_queue_init(&session->handled);
    return session;
}

BsJingleSession *
bs_jingle_session_new(BsIqLink *link, const char *peer, const char *content, const BsJingleEvents *events,
                      gpointer data)
{
    BsJingleSession *session = new_session(link, events, data);

    session->peer = g_strdup(peer);
    session->sid = bs_random_id();
    session->content = g_strdup(content);
    session->initiator = TRUE;
    return session;
}

static gboolean
is_usable(const char *text)
{
    return text != NULL && *text != '\0' && strlen(text) <= BS_JINGLE_TEXT_MAX;
}

static void
handled_free(gpointer item)
{
    Handled *handled = item;

    g_free(handled->id);
    g_free(handled);
}

static gint
has_id(gconstpointer handled, gconstpointer id)
{
    return strcmp(((const Handled *)handled)->id, id);
}

/* The answer that the request with this id has had already, or NULL. */
static const Handled *
find_handled(BsJingleSession *session, const char *id)
{
    GList *link = id != NULL ? g_queue_find_custom(&session->handled, id, has_id) : NULL;

    return link != NULL ? link->data : NULL;
}

static void
remember(BsJingleSession *session, const char *id, BsJingleAnswer answer)
{
    Handled *handled;

    if (id == NULL)
        return;
    handled = g_new0(Handled, 1);
    handled->id = g_strdup(id);
    handled->answer = answer;
    g_queue_push_tail(&session->handled, handled);
    if (g_queue_get_length(&session->handled) > REMEMBERED_IDS)
        handled_free(g_queue_pop_head(&session->handled));
}

BsJingleSession *
bs_jingle_session_new_from_initiate(BsIqLink *link, const xmlnode *iq, const BsJingleEvents *events,
                                    gpointer data)
{
    const xmlnode *jingle = bs_jingle_element(iq);
    const xmlnode *content = bs_jingle_first_content(jingle);
    const char *sid = bs_jingle_attrib(jingle, "sid");
    const char *name = bs_jingle_attrib(content, "name");
    const char *from = bs_jingle_attrib(iq, "from");
    BsJingleSession *session;

    /* The creator of a content in a session-initiate can only be the initiator; some leave the attribute out.
     */
    if (from == NULL || !is_usable(sid) || !is_usable(name) ||
        g_strcmp0(bs_jingle_attrib(content, "creator"), "responder") == 0)
        return NULL;
    session = new_session(link, events, data);
    session->peer = g_strdup(from);
    session->sid = g_strdup(sid);
    session->content = g_strdup(name);
    remember(session, bs_jingle_attrib(iq, "id"), BS_JINGLE_ACK);
    return session;
}

static void
drop_request(gpointer item)
{
    Pending *pending = item;

    bs_iq_request_cancel(&pending->request);
    g_free(pending);
}

void
bs_jingle_session_settled(BsJingleSession *session)
{
    if (session != NULL)
        g_queue_clear_full(&session->requests, drop_request);
}

void
bs_jingle_session_free(BsJingleSession *session)
{
    if (session == NULL)
        return;
    bs_jingle_session_settled(session);
    g_queue_clear_full(&session->handled, handled_free);
    g_free(session->peer);
    g_free(session->sid);
    g_free(session->content);
    g_free(session);
}

static void
end(BsJingleSession *session, BsJingleReason reason, const char *error)
{
    session->state = SESSION_ENDED;
    session->events->ended(session, reason, error, session->data);
}

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
    end(session, BS_JINGLE_NO_REASON, condition);
}

/* `needed`: the session cannot go on if the peer does not take it. */
static void
send_action(BsJingleSession *session, xmlnode *jingle, gboolean needed)
{
    Pending *pending;

    if (!needed) {
        bs_iq_request(session->link, "set", session->peer, jingle, 0, NULL, NULL);
        return;
    }
    pending = g_new0(Pending, 1);
    pending->session = session;
    g_queue_push_tail(&session->requests, pending);
    pending->request = bs_iq_request(session->link, "set", session->peer, jingle, REQUEST_TIMEOUT_MS,
                                     request_answered, pending);
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
send_offer_or_answer(BsJingleSession *session, const char *action, const char *role, xmlnode *description,
                     xmlnode *transport)
{
    xmlnode *jingle = bs_jingle_new(action, session->sid);
    xmlnode *content = new_content(session, jingle);

    bs_xml_set_attrib(jingle, role, bs_iq_link_own_jid(session->link));
    bs_xml_set_attrib(content, "senders", "initiator");
    xmlnode_insert_child(content, description);
    xmlnode_insert_child(content, transport);
    send_action(session, jingle, TRUE);
}

void
bs_jingle_session_initiate(BsJingleSession *session, xmlnode *description, xmlnode *transport)
{
    send_offer_or_answer(session, "session-initiate", "initiator", description, transport);
}

void
bs_jingle_session_accept(BsJingleSession *session, xmlnode *description, xmlnode *transport)
{
    session->state = SESSION_ACTIVE;
    send_offer_or_answer(session, "session-accept", "responder", description, transport);
}

void
bs_jingle_session_transport_info(BsJingleSession *session, xmlnode *transport)
{
    xmlnode *jingle = bs_jingle_new("transport-info", session->sid);

    xmlnode_insert_child(new_content(session, jingle), transport);
    send_action(session, jingle, FALSE);
}

void
bs_jingle_session_session_info(BsJingleSession *session, xmlnode *payload)
{
    xmlnode *jingle = bs_jingle_new("session-info", session->sid);

    xmlnode_insert_child(jingle, payload);
    send_action(session, jingle, FALSE);
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
    send_action(session, jingle, FALSE);
}

/* Is this content the session's? Some peers leave the creator out. */
static gboolean
is_our_content(const BsJingleSession *session, const xmlnode *content)
{
    const char *creator = bs_jingle_attrib(content, "creator");

    return g_strcmp0(bs_jingle_attrib(content, "name"), session->content) == 0 &&
           (creator == NULL || strcmp(creator, bs_jingle_session_creator(session)) == 0);
}

static BsJingleAnswer
check_accept(BsJingleSession *session, const xmlnode *content)
{
    BsJingleAnswer answer;

    if (!session->initiator || session->state != SESSION_PENDING)
        return BS_JINGLE_OUT_OF_ORDER;
    if (bs_jingle_description(content) == NULL || bs_jingle_transport(content) == NULL)
        return BS_JINGLE_BAD_REQUEST;
    if (!is_our_content(session, content))
        return BS_JINGLE_BAD_REQUEST;
    answer = session->events->accepted(session, bs_jingle_description(content), bs_jingle_transport(content),
                                       session->data);
    if (answer == BS_JINGLE_ACK)
        session->state = SESSION_ACTIVE;
    return answer;
}

static BsJingleAnswer
check_transport_info(BsJingleSession *session, const xmlnode *content)
{
    if (bs_jingle_transport(content) == NULL || !is_our_content(session, content))
        return BS_JINGLE_BAD_REQUEST;
    return session->events->transport_info(session, bs_jingle_transport(content), session->data);
}

static BsJingleAnswer
check_session_info(BsJingleSession *session, const xmlnode *jingle)
{
    const xmlnode *payload = bs_xml_first_element(jingle);

    /* An empty session-info is a ping (XEP-0166, 6.8). */
    if (payload == NULL)
        return BS_JINGLE_ACK;
    return session->events->session_info(session, payload, session->data);
}

/* Contents that the peer wants to add are turned down at once: each file has a session of its own here. */
static void
reject_contents(BsJingleSession *session, const xmlnode *request)
{
    xmlnode *jingle = bs_jingle_new("content-reject", session->sid);

    for (xmlnode *node = bs_xml_first_element(request); node != NULL; node = bs_xml_next_element(node))
        if (bs_xml_is(node, "content", BS_NS_JINGLE)) {
            xmlnode *content = bs_xml_add_child(jingle, "content", BS_NS_JINGLE);

            bs_xml_set_attrib(content, "creator", bs_jingle_attrib(node, "creator"));
            bs_xml_set_attrib(content, "name", bs_jingle_attrib(node, "name"));
        }
    bs_jingle_add_reason(jingle, BS_JINGLE_FAILED_APPLICATION, NULL, NULL);
    send_action(session, jingle, FALSE);
}

/* The session's transport stays as it is. */
static void
reject_transport(BsJingleSession *session, const xmlnode *content)
{
    xmlnode *jingle = bs_jingle_new("transport-reject", session->sid);

    xmlnode_insert_child(new_content(session, jingle), xmlnode_copy(bs_jingle_transport(content)));
    send_action(session, jingle, FALSE);
}

/* The check that comes before the answer. */
static BsJingleAnswer
check(BsJingleSession *session, BsJingleAction action, const xmlnode *jingle)
{
    const xmlnode *content = bs_jingle_first_content(jingle);

    switch (action) {
    case BS_JINGLE_ACTION_SESSION_ACCEPT:
        return check_accept(session, content);
    case BS_JINGLE_ACTION_TRANSPORT_INFO:
        return check_transport_info(session, content);
    case BS_JINGLE_ACTION_SESSION_INFO:
        return check_session_info(session, jingle);
    case BS_JINGLE_ACTION_SESSION_TERMINATE:
        return BS_JINGLE_ACK;
    case BS_JINGLE_ACTION_CONTENT_ADD:
        return content != NULL ? BS_JINGLE_ACK : BS_JINGLE_BAD_REQUEST;
    case BS_JINGLE_ACTION_CONTENT_REMOVE:
        return is_our_content(session, content) ? BS_JINGLE_ACK : BS_JINGLE_ITEM_NOT_FOUND;
    case BS_JINGLE_ACTION_TRANSPORT_REPLACE:
        if (bs_jingle_transport(content) == NULL)
            return BS_JINGLE_BAD_REQUEST;
        return is_our_content(session, content) ? BS_JINGLE_ACK : BS_JINGLE_ITEM_NOT_FOUND;
    case BS_JINGLE_ACTION_DESCRIPTION_INFO:
    case BS_JINGLE_ACTION_SECURITY_INFO:
    case BS_JINGLE_ACTION_CONTENT_MODIFY:
        return BS_JINGLE_UNSUPPORTED_INFO;
    case BS_JINGLE_ACTION_SESSION_INITIATE:
    case BS_JINGLE_ACTION_CONTENT_ACCEPT:
    case BS_JINGLE_ACTION_CONTENT_REJECT:
    case BS_JINGLE_ACTION_TRANSPORT_ACCEPT:
    case BS_JINGLE_ACTION_TRANSPORT_REJECT:
        return BS_JINGLE_OUT_OF_ORDER;
    case BS_JINGLE_ACTION_UNKNOWN:
        break;
    }
    return BS_JINGLE_BAD_REQUEST;
}

/* What follows an acknowledged request. May free the session. */
static void
act(BsJingleSession *session, BsJingleAction action, const xmlnode *jingle)
{
    BsJingleReason reason = bs_jingle_reason(jingle);

    switch (action) {
    case BS_JINGLE_ACTION_SESSION_TERMINATE:
        end(session, reason, NULL);
        break;
    case BS_JINGLE_ACTION_CONTENT_ADD:
        reject_contents(session, jingle);
        break;
    case BS_JINGLE_ACTION_CONTENT_REMOVE:
        /* With no content left the session must be ended (XEP-0234, 6.5). */
        reason = reason != BS_JINGLE_NO_REASON ? reason : BS_JINGLE_CANCEL;
        bs_jingle_session_terminate(session, reason, NULL, NULL);
        end(session, reason, NULL);
        break;
    case BS_JINGLE_ACTION_TRANSPORT_REPLACE:
        reject_transport(session, bs_jingle_first_content(jingle));
        break;
    default:
        session->events->proceed(session, session->data);
        break;
    }
}

/* The peer's answer to an offer cannot be used, and it will not send another. */
static void
end_offer(BsJingleSession *session, const char *error)
{
    bs_jingle_session_terminate(session, BS_JINGLE_FAILED_APPLICATION, NULL, NULL);
    end(session, BS_JINGLE_NO_REASON, error);
}

void
bs_jingle_session_receive(BsJingleSession *session, const xmlnode *iq)
{
    const xmlnode *jingle = bs_jingle_element(iq);
    const char *id = bs_jingle_attrib(iq, "id");
    const Handled *handled = find_handled(session, id);
    BsJingleAction action = bs_jingle_action(jingle);
    BsJingleAnswer answer;

    if (session->state == SESSION_ENDED) {
        bs_jingle_answer(session->link, iq, BS_JINGLE_UNKNOWN_SESSION);
        return;
    }
    if (handled != NULL) {
        bs_jingle_answer(session->link, iq, handled->answer);
        return;
    }
    /* Whoever writes within the session knows of it, whatever became of the acknowledgement. */
    bs_jingle_session_settled(session);
    answer = check(session, action, jingle);
    remember(session, id, answer);
    bs_jingle_answer(session->link, iq, answer);
    if (answer == BS_JINGLE_ACK)
        act(session, action, jingle);
    else if (action == BS_JINGLE_ACTION_SESSION_ACCEPT && session->state == SESSION_PENDING &&
             session->initiator)
        end_offer(session, "bad-request");
}

const char *
bs_jingle_session_sid(const BsJingleSession *session)
{
    return session->sid;
}

const char *
bs_jingle_session_peer(const BsJingleSession *session)
{
    return session->peer;
}

gboolean
bs_jingle_session_is_initiator(const BsJingleSession *session)
{
    return session->initiator;
}

const char *
bs_jingle_session_creator(const BsJingleSession *session)
{
    (void)session;
    return "initiator";
}

const char *
bs_jingle_session_content(const BsJingleSession *session)
{
    return session->content;
}
