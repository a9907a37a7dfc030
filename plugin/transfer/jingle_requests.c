/* What the peer asks for in a session: which of its contents that is about, and the answer.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "stanza/allowances.h"
#include "stanza/xml.h"
#include "transfer/jingle_internal.h"

/* The one that a <content/> of the peer's is about; NULL: none that goes on. */
static BsJingleSession *
find_content(const BsJingleContents *contents, const xmlnode *content)
{
    const char *creator = bs_jingle_attrib(content, "creator");
    BsJingleSession *session = bs_jingle_contents_find(contents, bs_jingle_attrib(content, "name"));

    if (session != NULL && creator == NULL)
        return bs_allow(BS_ALLOW_CONTENT_WITHOUT_CREATOR) ? session : NULL;
    return session != NULL && g_strcmp0(creator, bs_jingle_session_creator(session)) == 0 ? session : NULL;
}

/* There never was another one. */
static gboolean
is_only_one(const BsJingleContents *contents)
{
    return contents->live->len == 1 && contents->over->len == 0;
}

/* The one that a session-info is about: its payload names it where there are, or were, several. */
static BsJingleSession *
find_for_payload(const BsJingleContents *contents, const xmlnode *payload)
{
    return is_only_one(contents) ? g_ptr_array_index(contents->live, 0)
                                 : bs_jingle_contents_find(contents, bs_jingle_attrib(payload, "name"));
}

static BsJingleAnswer
unknown_content(BsJingleAction action)
{
    return action == BS_JINGLE_ACTION_TRANSPORT_REPLACE || action == BS_JINGLE_ACTION_CONTENT_REMOVE
               ? BS_JINGLE_ITEM_NOT_FOUND
               : BS_JINGLE_BAD_REQUEST;
}

static gboolean
names_are_distinct(const xmlnode *jingle)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

    for (const xmlnode *content = bs_jingle_first_content(jingle); content != NULL;
         content = bs_jingle_next_content(content)) {
        const char *name = bs_jingle_attrib(content, "name");

        if (name != NULL && !g_hash_table_add(names, (gpointer)name))
            return FALSE;
    }
    return TRUE;
}

/* Before anything is taken of the request. */
static BsJingleAnswer
check_names(const BsJingleContents *contents, BsJingleAction action, const xmlnode *jingle)
{
    const xmlnode *content = bs_jingle_first_content(jingle);

    if (content == NULL)
        return unknown_content(action);
    for (; content != NULL; content = bs_jingle_next_content(content))
        if (find_content(contents, content) == NULL &&
            !bs_jingle_contents_is_over(contents, bs_jingle_attrib(content, "name")))
            return unknown_content(action);
    return names_are_distinct(jingle) ? BS_JINGLE_ACK : BS_JINGLE_BAD_REQUEST;
}

/* Psi has several contents in one request. What it says of one that has ended came too late. */
static BsJingleAnswer
check_contents(const BsJingleContents *contents, BsJingleAction action, const xmlnode *jingle)
{
    BsJingleAnswer answer = check_names(contents, action, jingle);

    for (const xmlnode *content = bs_jingle_first_content(jingle); content != NULL && answer == BS_JINGLE_ACK;
         content = bs_jingle_next_content(content)) {
        BsJingleSession *session = find_content(contents, content);

        if (session != NULL)
            answer = bs_jingle_session_check(session, action, content);
    }
    return answer;
}

/* An empty session-info is a ping (XEP-0166, 6.8). */
static BsJingleAnswer
check_session_info(BsJingleContents *contents, const xmlnode *jingle)
{
    BsJingleAnswer answer = BS_JINGLE_ACK;
    gboolean only_one = is_only_one(contents);

    for (const xmlnode *payload = bs_xml_first_element(jingle); payload != NULL && answer == BS_JINGLE_ACK;
         payload = only_one ? NULL : bs_xml_next_element(payload)) {
        BsJingleSession *session = find_for_payload(contents, payload);

        if (session != NULL)
            answer = session->events->session_info(session, payload, session->data);
        else if (!bs_jingle_contents_is_over(contents, bs_jingle_attrib(payload, "name")))
            answer = BS_JINGLE_UNSUPPORTED_INFO;
    }
    return answer;
}

/* Each of them is to be accepted or rejected later, by its name. */
static BsJingleAnswer
check_added(const BsJingleContents *contents, const xmlnode *jingle)
{
    const xmlnode *content = bs_jingle_first_content(jingle);
    gboolean usable = content != NULL && names_are_distinct(jingle);

    for (; usable && content != NULL; content = bs_jingle_next_content(content))
        usable = bs_jingle_session_may_add(g_ptr_array_index(contents->live, 0), content);
    return usable ? BS_JINGLE_ACK : BS_JINGLE_BAD_REQUEST;
}

/* The check that comes before the answer. */
static BsJingleAnswer
check(BsJingleContents *contents, BsJingleAction action, const xmlnode *jingle)
{
    switch (action) {
    case BS_JINGLE_ACTION_SESSION_ACCEPT:
    case BS_JINGLE_ACTION_TRANSPORT_INFO:
    case BS_JINGLE_ACTION_TRANSPORT_REPLACE:
    case BS_JINGLE_ACTION_TRANSPORT_ACCEPT:
    case BS_JINGLE_ACTION_TRANSPORT_REJECT:
    case BS_JINGLE_ACTION_CONTENT_REMOVE:
        return check_contents(contents, action, jingle);
    case BS_JINGLE_ACTION_SESSION_INFO:
        return check_session_info(contents, jingle);
    case BS_JINGLE_ACTION_SESSION_TERMINATE:
        return BS_JINGLE_ACK;
    case BS_JINGLE_ACTION_CONTENT_ADD:
        return check_added(contents, jingle);
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

/* The peer ended it. `jingle` is looked at while its owner is told. */
static void
end_by_peer(BsJingleSession *session, BsJingleReason reason, const xmlnode *jingle)
{
    session->last = jingle;
    bs_jingle_session_end(session, reason, NULL);
}

static void
end_all(BsJingleContents *contents, const xmlnode *jingle)
{
    contents->accepted = TRUE;
    while (contents->live->len > 0)
        end_by_peer(g_ptr_array_index(contents->live, 0), bs_jingle_reason(jingle), jingle);
}

/* With no content left the session must be ended (XEP-0234, 6.5). */
static void
remove_contents(BsJingleContents *contents, const xmlnode *jingle)
{
    BsJingleReason reason = bs_jingle_reason(jingle);
    const xmlnode *content = bs_jingle_first_content(jingle);

    if (reason == BS_JINGLE_NO_REASON)
        reason = BS_JINGLE_CANCEL;
    for (; content != NULL; content = bs_jingle_next_content(content)) {
        BsJingleSession *session = find_content(contents, content);

        if (session == NULL)
            continue;
        if (bs_jingle_session_is_alone(session))
            bs_jingle_session_terminate(session, reason, NULL, NULL);
        end_by_peer(session, reason, jingle);
    }
}

static void
add_contents(const BsJingleContents *contents, const xmlnode *jingle)
{
    BsJingleSession *session = g_ptr_array_index(contents->live, 0);

    if (session->initiator || session->request)
        bs_jingle_session_reject_contents(session, jingle);
    else
        session->events->contents_added(session, jingle, session->data);
}

/* What each content was told is done now; most of them were told nothing. */
static void
proceed(BsJingleContents *contents, BsJingleAction action, const xmlnode *jingle)
{
    g_autoptr(GPtrArray) sessions = g_ptr_array_copy(contents->live, NULL, NULL);

    for (guint i = 0; i < sessions->len; i++) {
        BsJingleSession *session = g_ptr_array_index(sessions, i);
        const xmlnode *content = bs_jingle_first_content(jingle);

        while (content != NULL && bs_jingle_contents_is_live(contents, session) &&
               find_content(contents, content) != session)
            content = bs_jingle_next_content(content);
        if (bs_jingle_contents_is_live(contents, session) &&
            (content != NULL || action == BS_JINGLE_ACTION_SESSION_INFO))
            bs_jingle_session_act(session, action);
    }
}

/* What follows an acknowledged request. May free all sessions. */
static void
act(BsJingleContents *contents, BsJingleAction action, const xmlnode *jingle)
{
    switch (action) {
    case BS_JINGLE_ACTION_SESSION_TERMINATE:
        end_all(contents, jingle);
        break;
    case BS_JINGLE_ACTION_CONTENT_ADD:
        add_contents(contents, jingle);
        break;
    case BS_JINGLE_ACTION_CONTENT_REMOVE:
        remove_contents(contents, jingle);
        break;
    default:
        proceed(contents, action, jingle);
        break;
    }
}

/* The request was answered with an error. */
static void
tell_refused(const BsJingleContents *contents)
{
    for (guint i = 0; i < contents->live->len; i++) {
        BsJingleSession *session = g_ptr_array_index(contents->live, i);

        session->events->refused(session, session->data);
    }
}

/* The peer's answer to our offer cannot be used, and it will not send another. */
static void
end_offer(BsJingleContents *contents)
{
    BsJingleSession *session = g_ptr_array_index(contents->live, 0);

    if (!session->initiator || session->state != SESSION_PENDING)
        return;
    bs_jingle_session_terminate(session, BS_JINGLE_FAILED_APPLICATION, NULL, NULL);
    bs_jingle_session_end(session, BS_JINGLE_NO_REASON, "bad-request");
}

static void
take(BsJingleContents *contents, BsIqLink *link, const xmlnode *iq)
{
    const xmlnode *jingle = bs_jingle_element(iq);
    BsJingleAction action = bs_jingle_action(jingle);
    BsJingleAnswer answer;

    /* Whoever writes within the session knows of it, whatever became of the acknowledgement. */
    for (guint i = 0; i < contents->live->len; i++)
        bs_jingle_session_settled(g_ptr_array_index(contents->live, i));
    answer = check(contents, action, jingle);
    bs_jingle_contents_remember(contents, bs_jingle_attrib(iq, "id"), answer);
    bs_jingle_answer(link, iq, answer);
    if (contents->live->len == 0)
        return;
    if (answer == BS_JINGLE_ACK) {
        act(contents, action, jingle);
        return;
    }
    tell_refused(contents);
    if (action == BS_JINGLE_ACTION_SESSION_ACCEPT)
        end_offer(contents);
}

void
bs_jingle_session_receive(BsJingleSession *session, const xmlnode *iq)
{
    BsJingleContents *contents = session->contents;
    BsJingleAnswer answer;

    if (contents->live->len == 0) {
        bs_jingle_answer(session->link, iq, BS_JINGLE_UNKNOWN_SESSION);
    } else if (bs_jingle_contents_recall(contents, bs_jingle_attrib(iq, "id"), &answer)) {
        bs_jingle_answer(session->link, iq, answer);
    } else {
        g_rc_box_acquire(contents);
        take(contents, session->link, iq);
        bs_jingle_contents_unref(contents);
    }
}
