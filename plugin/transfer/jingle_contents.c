/* What the contents of one session have in common, and how they are accepted together.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <eventloop.h>
#include <string.h>

#include "stanza/allowances.h"
#include "timer.h"
#include "transfer/jingle_internal.h"

/* How many requests are remembered, so that one that a server delivers twice (XEP-0198) is done once. */
#define REMEMBERED_IDS 32
/* How many contents that have ended, so that what is still said of them is no fault. */
#define REMEMBERED_NAMES 64

/* A request of the peer's, and how it was answered. */
typedef struct {
    char *id;
    BsJingleAnswer answer;
} Handled;

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

gboolean
bs_jingle_contents_recall(BsJingleContents *contents, const char *id, BsJingleAnswer *answer)
{
    const GList *link = id != NULL ? g_queue_find_custom(&contents->handled, id, has_id) : NULL;

    if (link != NULL)
        *answer = ((const Handled *)link->data)->answer;
    return link != NULL;
}

void
bs_jingle_contents_remember(BsJingleContents *contents, const char *id, BsJingleAnswer answer)
{
    Handled *handled;

    if (id == NULL)
        return;
    handled = g_new0(Handled, 1);
    handled->id = g_strdup(id);
    handled->answer = answer;
    g_queue_push_tail(&contents->handled, handled);
    if (g_queue_get_length(&contents->handled) > REMEMBERED_IDS)
        handled_free(g_queue_pop_head(&contents->handled));
}

void
bs_jingle_contents_begin(BsJingleSession *session)
{
    BsJingleContents *contents = g_rc_box_new0(BsJingleContents);

    contents->live = g_ptr_array_new();
    contents->over = g_ptr_array_new_with_free_func(g_free);
    g_queue_init(&contents->handled);
    g_ptr_array_add(contents->live, session);
    session->contents = contents;
}

void
bs_jingle_contents_join(BsJingleSession *session, BsJingleSession *other)
{
    session->contents = g_rc_box_acquire(other->contents);
    g_ptr_array_add(session->contents->live, session);
}

static void
free_contents(gpointer data)
{
    BsJingleContents *contents = data;

    bs_timer_clear(&contents->timer);
    bs_iq_request_cancel(&contents->acceptance);
    g_queue_clear_full(&contents->handled, handled_free);
    g_ptr_array_unref(contents->live);
    g_ptr_array_unref(contents->over);
}

void
bs_jingle_contents_unref(BsJingleContents *contents)
{
    g_rc_box_release_full(contents, free_contents);
}

void
bs_jingle_contents_leave(BsJingleSession *session)
{
    BsJingleContents *contents = session->contents;

    if (!g_ptr_array_remove(contents->live, session))
        return;
    g_ptr_array_add(contents->over, g_strdup(session->content));
    if (contents->over->len > REMEMBERED_NAMES)
        g_ptr_array_remove_index(contents->over, 0);
}

gboolean
bs_jingle_contents_is_live(const BsJingleContents *contents, const BsJingleSession *session)
{
    return g_ptr_array_find(contents->live, session, NULL);
}

BsJingleSession *
bs_jingle_contents_find(const BsJingleContents *contents, const char *name)
{
    for (guint i = 0; name != NULL && i < contents->live->len; i++) {
        BsJingleSession *session = g_ptr_array_index(contents->live, i);

        if (strcmp(session->content, name) == 0)
            return session;
    }
    return NULL;
}

gboolean
bs_jingle_contents_is_over(const BsJingleContents *contents, const char *name)
{
    return name != NULL && g_ptr_array_find_with_equal_func(contents->over, name, g_str_equal, NULL);
}

/* Sends the acceptance of `sessions` (taken), then tells their owners. */
static void
accept_all(BsJingleContents *contents, GPtrArray *sessions)
{
    g_rc_box_acquire(contents);
    bs_jingle_session_send_accept(sessions);
    for (guint i = 0; i < sessions->len; i++) {
        BsJingleSession *session = g_ptr_array_index(sessions, i);

        if (bs_jingle_contents_is_live(contents, session))
            session->events->answered(session, session->data);
    }
    bs_jingle_contents_unref(contents);
    g_ptr_array_unref(sessions);
}

static gboolean
all_is_decided(gpointer data)
{
    BsJingleContents *contents = data;

    contents->timer = 0;
    if (contents->accepted || contents->live->len == 0)
        return FALSE;
    for (guint i = 0; i < contents->live->len; i++)
        if (((BsJingleSession *)g_ptr_array_index(contents->live, i))->answer_description == NULL)
            return FALSE;
    contents->accepted = TRUE;
    for (guint i = 0; i < contents->live->len; i++)
        ((BsJingleSession *)g_ptr_array_index(contents->live, i))->added = FALSE;
    accept_all(contents, g_ptr_array_copy(contents->live, NULL, NULL));
    return FALSE;
}

/* Whoever ends all of them one after the other does not want the last ones to begin meanwhile. */
void
bs_jingle_contents_decided(BsJingleContents *contents)
{
    if (!contents->accepted && contents->timer == 0 && contents->live->len > 0)
        contents->timer = purple_timeout_add(0, all_is_decided, contents);
}

gboolean
bs_jingle_session_accept(BsJingleSession *session, const char *own_jid, xmlnode *description,
                         xmlnode *transport)
{
    BsJingleContents *contents = session->contents;
    GPtrArray *alone;

    session->own_jid = g_strdup(own_jid);
    session->answer_description = description;
    session->answer_transport = transport;
    if (!contents->accepted && !bs_jingle_session_is_alone(session) && bs_allow(BS_ALLOW_ACCEPTED_TOGETHER)) {
        bs_jingle_contents_decided(contents);
        return FALSE;
    }
    if (!contents->accepted)
        session->added = FALSE;
    contents->accepted = TRUE;
    alone = g_ptr_array_new();
    g_ptr_array_add(alone, session);
    accept_all(contents, alone);
    return TRUE;
}
