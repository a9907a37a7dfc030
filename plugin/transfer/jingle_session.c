/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/jingle_session.h"

#include <string.h>

#include "random_id.h"
#include "stanza/allowances.h"
#include "stanza/xml.h"
#include "transfer/jingle_internal.h"

static BsJingleSession *
new_session(BsIqLink *link, const BsJingleEvents *events, gpointer data)
{
    BsJingleSession *session = g_new0(BsJingleSession, 1);

    session->link = link;
    session->events = events;
    session->data = data;
    g_queue_init(&session->requests);
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
    bs_jingle_contents_begin(session);
    return session;
}

static gboolean
is_usable(const char *text)
{
    return text != NULL && *text != '\0' && strlen(text) <= BS_JINGLE_TEXT_MAX;
}

/* Of a content that the peer adds, which thus cannot be created by us. */
static gboolean
is_usable_content(const xmlnode *content, const char *our_role)
{
    return is_usable(bs_jingle_attrib(content, "name")) &&
           g_strcmp0(bs_jingle_attrib(content, "creator"), our_role) != 0;
}

BsJingleSession *
bs_jingle_session_new_from_initiate(BsIqLink *link, const xmlnode *iq, const BsJingleEvents *events,
                                    gpointer data)
{
    const xmlnode *jingle = bs_jingle_element(iq);
    const xmlnode *content = bs_jingle_first_content(jingle);
    const char *sid = bs_jingle_attrib(jingle, "sid");
    const char *from = bs_jingle_attrib(iq, "from");
    BsJingleSession *session;

    if (from == NULL || !is_usable(sid) || !is_usable_content(content, "responder"))
        return NULL;
    session = new_session(link, events, data);
    session->peer = g_strdup(from);
    session->sid = g_strdup(sid);
    session->content = g_strdup(bs_jingle_attrib(content, "name"));
    bs_jingle_contents_begin(session);
    bs_jingle_contents_remember(session->contents, bs_jingle_attrib(iq, "id"), BS_JINGLE_ACK);
    return session;
}

gboolean
bs_jingle_session_may_add(const BsJingleSession *session, const xmlnode *content)
{
    const char *name = bs_jingle_attrib(content, "name");

    return is_usable_content(content, session->initiator ? "initiator" : "responder") &&
           bs_jingle_contents_find(session->contents, name) == NULL &&
           !bs_jingle_contents_is_over(session->contents, name);
}

BsJingleSession *
bs_jingle_session_new_beside(BsJingleSession *other, const xmlnode *content, gboolean added)
{
    BsJingleSession *session;

    if (!bs_jingle_session_may_add(other, content))
        return NULL;
    session = new_session(other->link, NULL, NULL);
    session->peer = g_strdup(other->peer);
    session->sid = g_strdup(other->sid);
    session->content = g_strdup(bs_jingle_attrib(content, "name"));
    session->added = added;
    bs_jingle_contents_join(session, other);
    return session;
}

void
bs_jingle_session_watch(BsJingleSession *session, const BsJingleEvents *events, gpointer data)
{
    session->events = events;
    session->data = data;
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
    bs_jingle_contents_leave(session);
    bs_jingle_contents_unref(session->contents);
    g_clear_pointer(&session->peers_proposal, xmlnode_free);
    g_clear_pointer(&session->answer_description, xmlnode_free);
    g_clear_pointer(&session->answer_transport, xmlnode_free);
    g_free(session->own_jid);
    g_free(session->peer);
    g_free(session->sid);
    g_free(session->content);
    g_free(session);
}

static BsJingleAnswer
check_accept(BsJingleSession *session, const xmlnode *content)
{
    BsJingleAnswer answer;

    if (!session->initiator || session->state != SESSION_PENDING)
        return BS_JINGLE_OUT_OF_ORDER;
    if (bs_jingle_description(content) == NULL || bs_jingle_transport(content) == NULL)
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
    if (bs_jingle_transport(content) == NULL)
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
    if (bs_jingle_transport(content) == NULL)
        return BS_JINGLE_BAD_REQUEST;
    answer = session->events->transport_accepted(session, bs_jingle_transport(content), session->data);
    if (answer == BS_JINGLE_ACK)
        session->proposed = FALSE;
    return answer;
}

BsJingleAnswer
bs_jingle_session_check(BsJingleSession *session, BsJingleAction action, const xmlnode *content)
{
    switch (action) {
    case BS_JINGLE_ACTION_SESSION_ACCEPT:
        return check_accept(session, content);
    case BS_JINGLE_ACTION_TRANSPORT_INFO:
        return check_transport_info(session, content);
    case BS_JINGLE_ACTION_TRANSPORT_REPLACE:
        return check_transport_replace(session, content);
    case BS_JINGLE_ACTION_TRANSPORT_ACCEPT:
        return check_transport_accept(session, content);
    case BS_JINGLE_ACTION_TRANSPORT_REJECT:
        return session->proposed ? BS_JINGLE_ACK : BS_JINGLE_OUT_OF_ORDER;
    default:
        return BS_JINGLE_ACK;
    }
}

void
bs_jingle_session_act(BsJingleSession *session, BsJingleAction action)
{
    if (action == BS_JINGLE_ACTION_TRANSPORT_REJECT) {
        session->proposed = FALSE;
        session->events->transport_rejected(session, session->data);
    } else {
        session->events->proceed(session, session->data);
    }
}

gboolean
bs_jingle_session_ended_for(const BsJingleSession *session, const char *specific, const char *specific_ns)
{
    return session->last != NULL && bs_jingle_reason_is(session->last, specific, specific_ns);
}

gboolean
bs_jingle_session_is_alone(const BsJingleSession *session)
{
    const GPtrArray *live = session->contents->live;

    return live->len == 0 || (live->len == 1 && g_ptr_array_index(live, 0) == session);
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
