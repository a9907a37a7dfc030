/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/jingle_session.h"

#include <string.h>

#include "random_id.h"
#include "stanza/allowances.h"
#include "stanza/xml.h"
#include "transfer/jingle_internal.h"

/* How many requests are remembered, so that one that a server delivers twice (XEP-0198) is done once. */
#define REMEMBERED_IDS 32

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

    /* The creator of a content in a session-initiate can only be the initiator. */
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

void
bs_jingle_session_set_request(BsJingleSession *session)
{
    session->request = TRUE;
}

void
bs_jingle_session_free(BsJingleSession *session)
{
    if (session == NULL)
        return;
    bs_jingle_session_drop_requests(session);
    g_clear_pointer(&session->peers_proposal, xmlnode_free);
    g_queue_clear_full(&session->handled, handled_free);
    g_free(session->peer);
    g_free(session->sid);
    g_free(session->content);
    g_free(session);
}

/* Is this content the session's? */
static gboolean
is_our_content(const BsJingleSession *session, const xmlnode *content)
{
    const char *creator = bs_jingle_attrib(content, "creator");

    return g_strcmp0(bs_jingle_attrib(content, "name"), session->content) == 0 &&
           ((creator == NULL && bs_allow(BS_ALLOW_CONTENT_WITHOUT_CREATOR)) ||
            g_strcmp0(creator, bs_jingle_session_creator(session)) == 0);
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

/* Of two proposals that cross, the initiator's stands (XEP-0166, 7.2.16). */
static BsJingleAnswer
check_transport_replace(BsJingleSession *session, const xmlnode *content)
{
    const xmlnode *transport = bs_jingle_transport(content);
    BsJingleAnswer answer;

    if (transport == NULL)
        return BS_JINGLE_BAD_REQUEST;
    if (!is_our_content(session, content))
        return BS_JINGLE_ITEM_NOT_FOUND;
    if (session->initiator && session->proposed)
        return BS_JINGLE_TIE_BREAK;
    answer = session->events->transport_replace(session, transport, session->data);
    if (answer != BS_JINGLE_ACK)
        return answer;
    session->proposed = FALSE;
    g_clear_pointer(&session->peers_proposal, xmlnode_free);
    session->peers_proposal = xmlnode_copy(transport);
    return BS_JINGLE_ACK;
}

static BsJingleAnswer
check_transport_accept(BsJingleSession *session, const xmlnode *content)
{
    BsJingleAnswer answer;

    if (!session->proposed)
        return BS_JINGLE_OUT_OF_ORDER;
    if (bs_jingle_transport(content) == NULL || !is_our_content(session, content))
        return BS_JINGLE_BAD_REQUEST;
    answer = session->events->transport_accepted(session, bs_jingle_transport(content), session->data);
    if (answer == BS_JINGLE_ACK)
        session->proposed = FALSE;
    return answer;
}

static BsJingleAnswer
check_transport_reject(const BsJingleSession *session, const xmlnode *content)
{
    if (!session->proposed)
        return BS_JINGLE_OUT_OF_ORDER;
    return is_our_content(session, content) ? BS_JINGLE_ACK : BS_JINGLE_BAD_REQUEST;
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
        return check_transport_replace(session, content);
    case BS_JINGLE_ACTION_TRANSPORT_ACCEPT:
        return check_transport_accept(session, content);
    case BS_JINGLE_ACTION_TRANSPORT_REJECT:
        return check_transport_reject(session, content);
    case BS_JINGLE_ACTION_DESCRIPTION_INFO:
    case BS_JINGLE_ACTION_SECURITY_INFO:
    case BS_JINGLE_ACTION_CONTENT_MODIFY:
        return BS_JINGLE_UNSUPPORTED_INFO;
    case BS_JINGLE_ACTION_SESSION_INITIATE:
    case BS_JINGLE_ACTION_CONTENT_ACCEPT:
    case BS_JINGLE_ACTION_CONTENT_REJECT:
        return BS_JINGLE_OUT_OF_ORDER;
    case BS_JINGLE_ACTION_UNKNOWN:
        break;
    }
    return BS_JINGLE_BAD_REQUEST;
}

static void
ended_by_peer(BsJingleSession *session, BsJingleReason reason, const xmlnode *jingle)
{
    session->last = jingle;
    bs_jingle_session_end(session, reason, NULL);
}

/* What follows an acknowledged request. May free the session. */
static void
act(BsJingleSession *session, BsJingleAction action, const xmlnode *jingle)
{
    BsJingleReason reason = bs_jingle_reason(jingle);

    switch (action) {
    case BS_JINGLE_ACTION_SESSION_TERMINATE:
        ended_by_peer(session, reason, jingle);
        break;
    case BS_JINGLE_ACTION_CONTENT_ADD:
        bs_jingle_session_reject_contents(session, jingle);
        break;
    case BS_JINGLE_ACTION_CONTENT_REMOVE:
        /* With no content left the session must be ended (XEP-0234, 6.5). */
        reason = reason != BS_JINGLE_NO_REASON ? reason : BS_JINGLE_CANCEL;
        bs_jingle_session_terminate(session, reason, NULL, NULL);
        ended_by_peer(session, reason, jingle);
        break;
    case BS_JINGLE_ACTION_TRANSPORT_REJECT:
        session->proposed = FALSE;
        session->events->transport_rejected(session, session->data);
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
    bs_jingle_session_end(session, BS_JINGLE_NO_REASON, error);
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

gboolean
bs_jingle_session_ended_for(const BsJingleSession *session, const char *specific, const char *specific_ns)
{
    return session->last != NULL && bs_jingle_reason_is(session->last, specific, specific_ns);
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
