/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stanza/iq.h"

#include <eventloop.h>
#include <string.h>

#include "random_id.h"
#include "stanza/jid.h"
#include "stanza/xml.h"
#include "timer.h"

#define DEFAULT_TIMEOUT_MS 30000
#define MAX_PAST_REQUESTS 256

/* A request whose answer nobody waits for, but which is still ours to claim. */
typedef struct {
    char *id;
    char *to;
} PastRequest;

struct _BsIqLink {
    char *own_jid;
    BsIqSend send;
    gpointer data;
    GHashTable *pending; /* id -> BsIqRequest, owned */
    GQueue past;         /* PastRequest, oldest first */
};

struct _BsIqRequest {
    BsIqLink *link; /* NULL once its answer is being called */
    char *id;
    char *to;
    BsIqAnswer answer;
    gpointer data;
    guint timer;
};

static void
past_request_free(PastRequest *past)
{
    g_free(past->id);
    g_free(past->to);
    g_free(past);
}

static void
request_free(BsIqRequest *request)
{
    bs_timer_clear(&request->timer);
    g_free(request->id);
    g_free(request->to);
    g_free(request);
}

/* The link's memory outlives bs_iq_link_free() while a function of ours further up the stack still holds it.
 */
static void
link_clear(BsIqLink *link)
{
    g_free(link->own_jid);
    g_hash_table_unref(link->pending);
    g_queue_clear_full(&link->past, (GDestroyNotify)past_request_free);
}

static void
link_release(BsIqLink *link)
{
    g_rc_box_release_full(link, (GDestroyNotify)link_clear);
}

BsIqLink *
bs_iq_link_new(const char *own_jid, BsIqSend send, gpointer data)
{
    BsIqLink *link = g_rc_box_new0(BsIqLink);

    link->own_jid = g_strdup(own_jid);
    link->send = send;
    link->data = data;
    link->pending = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)request_free);
    g_queue_init(&link->past);
    return link;
}

void
bs_iq_link_free(BsIqLink *link)
{
    if (link == NULL)
        return;
    g_hash_table_remove_all(link->pending);
    link_release(link);
}

const char *
bs_iq_link_own_jid(const BsIqLink *link)
{
    return link->own_jid;
}

void
bs_iq_link_set_own_jid(BsIqLink *link, const char *own_jid)
{
    char *old = link->own_jid;

    link->own_jid = g_strdup(own_jid);
    g_free(old);
}

/* Remembers that `id` is ours; the oldest is forgotten. */
static void
remember(BsIqLink *link, const char *id, const char *to)
{
    PastRequest *past = g_new0(PastRequest, 1);

    past->id = g_strdup(id);
    past->to = g_strdup(to);
    g_queue_push_tail(&link->past, past);
    if (link->past.length > MAX_PAST_REQUESTS)
        past_request_free(g_queue_pop_head(&link->past));
}

static const PastRequest *
find_past(const BsIqLink *link, const char *id)
{
    for (GList *item = link->past.head; item != NULL; item = item->next) {
        const PastRequest *past = item->data;

        if (strcmp(past->id, id) == 0)
            return past;
    }
    return NULL;
}

static char *
new_id(void)
{
    g_autofree char *random = bs_random_id();

    return g_strconcat("bs", random, NULL);
}

static xmlnode *
new_iq(const char *type, const char *to, const char *id, xmlnode *payload)
{
    xmlnode *iq = xmlnode_new("iq");

    xmlnode_set_attrib(iq, "type", type);
    if (to != NULL)
        bs_xml_set_attrib(iq, "to", to);
    if (id != NULL)
        bs_xml_set_attrib(iq, "id", id);
    if (payload != NULL)
        xmlnode_insert_child(iq, payload);
    return iq;
}

/* Calls the answer of `request`, which the link does not hold any more, and frees it. The link may be gone
 * after. */
static void
deliver(BsIqRequest *request, BsIqOutcome outcome, xmlnode *iq)
{
    request->link = NULL;
    request->answer(outcome, iq, request->data);
    request_free(request);
}

static gboolean
request_timed_out(gpointer data)
{
    BsIqRequest *request = data;

    request->timer = 0;
    remember(request->link, request->id, request->to);
    g_hash_table_steal(request->link->pending, request->id);
    deliver(request, BS_IQ_TIMEOUT, NULL);
    return FALSE;
}

static void
add_pending(BsIqLink *link, const char *id, const char *to, guint timeout_ms, BsIqAnswer answer,
            gpointer data)
{
    BsIqRequest *request = g_new0(BsIqRequest, 1);

    request->link = link;
    request->id = g_strdup(id);
    request->to = g_strdup(to);
    request->answer = answer;
    request->data = data;
    request->timer =
        purple_timeout_add(timeout_ms != 0 ? timeout_ms : DEFAULT_TIMEOUT_MS, request_timed_out, request);
    g_hash_table_insert(link->pending, request->id, request);
}

BsIqRequest *
bs_iq_request(BsIqLink *link, const char *type, const char *to, xmlnode *payload, guint timeout_ms,
              BsIqAnswer answer, gpointer data)
{
    g_autofree char *id = new_id();
    xmlnode *iq = new_iq(type, to, id, payload);
    BsIqRequest *request;

    if (answer != NULL)
        add_pending(link, id, to, timeout_ms, answer, data);
    else
        remember(link, id, to);
    /* Whoever sends may bring the answer at once, or end the link: then there is no request to hand out. */
    g_rc_box_acquire(link);
    bs_iq_send(link, iq);
    request = g_hash_table_lookup(link->pending, id);
    link_release(link);
    return request;
}

void
bs_iq_request_cancel(BsIqRequest **request)
{
    BsIqRequest *cancelled = g_steal_pointer(request);

    /* Inside its own answer: that one frees it. */
    if (cancelled == NULL || cancelled->link == NULL)
        return;
    remember(cancelled->link, cancelled->id, cancelled->to);
    g_hash_table_remove(cancelled->link->pending, cancelled->id);
}

void
bs_iq_reply_result(BsIqLink *link, const xmlnode *request, xmlnode *payload)
{
    const char *from = xmlnode_get_attrib(request, "from");
    const char *id = xmlnode_get_attrib(request, "id");

    bs_iq_send(link, new_iq("result", from, id, payload));
}

void
bs_iq_reply_error(BsIqLink *link, const xmlnode *request, const char *type, const char *condition,
                  const char *specific, const char *specific_ns)
{
    const char *from = xmlnode_get_attrib(request, "from");
    const char *id = xmlnode_get_attrib(request, "id");
    xmlnode *iq = new_iq("error", from, id, NULL);
    xmlnode *error = xmlnode_new_child(iq, "error");

    xmlnode_set_attrib(error, "type", type);
    bs_xml_add_child(error, condition, BS_NS_STANZA_ERRORS);
    if (specific != NULL)
        bs_xml_add_child(error, specific, specific_ns);
    bs_iq_send(link, iq);
}

void
bs_iq_send(BsIqLink *link, xmlnode *stanza)
{
    link->send(stanza, link->data);
    xmlnode_free(stanza);
}

/* TRUE if `from` is the account on its server: the account itself, in any of its forms, or the server (RFC
 * 6120, 8.1.2.1 and 10.3.3). */
static gboolean
is_own_account(const BsIqLink *link, const char *from)
{
    g_autofree char *bare = bs_jid_bare(link->own_jid);
    const char *at;

    if (from == NULL || bs_jid_equal(from, link->own_jid) || bs_jid_equal(from, bare))
        return TRUE;
    at = bare != NULL ? strchr(bare, '@') : NULL;
    return at != NULL && bs_jid_equal(from, at + 1);
}

static gboolean
is_from_addressee(const BsIqLink *link, const char *from, const char *to)
{
    g_autofree char *own_bare = NULL;

    if (to == NULL)
        return is_own_account(link, from);
    if (from != NULL)
        return bs_jid_equal(from, to);
    /* Without `from` it is from our own bare JID (RFC 6120, 8.1.2.1). */
    own_bare = bs_jid_bare(link->own_jid);
    return bs_jid_equal(own_bare, to);
}

gboolean
bs_iq_link_receive(BsIqLink *link, xmlnode *iq)
{
    const char *type = xmlnode_get_attrib(iq, "type");
    const char *id = xmlnode_get_attrib(iq, "id");
    const char *from = xmlnode_get_attrib(iq, "from");
    gboolean is_error = g_strcmp0(type, "error") == 0;
    BsIqRequest *request;

    if (id == NULL || (!is_error && g_strcmp0(type, "result") != 0))
        return FALSE;
    request = g_hash_table_lookup(link->pending, id);
    if (request == NULL) {
        const PastRequest *past = find_past(link, id);

        return past != NULL && is_from_addressee(link, from, past->to);
    }
    if (!is_from_addressee(link, from, request->to))
        return FALSE;
    g_hash_table_steal(link->pending, id);
    deliver(request, is_error ? BS_IQ_ERROR : BS_IQ_RESULT, iq);
    return TRUE;
}

char *
bs_iq_error_condition(const xmlnode *iq)
{
    xmlnode *child = bs_xml_first_element(iq);

    while (child != NULL && strcmp(child->name, "error") != 0)
        child = bs_xml_next_element(child);
    if (child != NULL)
        child = bs_xml_first_element(child);
    for (; child != NULL; child = bs_xml_next_element(child)) {
        if (g_strcmp0(child->xmlns, BS_NS_STANZA_ERRORS) == 0 && strcmp(child->name, "text") != 0)
            return g_strdup(child->name);
    }
    return g_strdup("undefined-condition");
}
