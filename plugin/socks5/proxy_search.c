/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/proxy_search.h"

#include <string.h>

#include "log.h"
#include "stanza/jid.h"
#include "stanza/xml.h"

#define NS_ITEMS "http://jabber.org/protocol/disco#items"
#define NS_INFO "http://jabber.org/protocol/disco#info"
#define NS_BYTESTREAMS "http://jabber.org/protocol/bytestreams"

#define ANSWER_DEADLINE_MS 10000
/* More than a server has of its own. */
#define ITEMS_MAX 32
#define JID_MAX_LENGTH 3071

/* One of the server's items, as long as it is asked what it is. */
typedef struct {
    BsProxySearch *search;
    char *jid;
    BsIqRequest *request;
} Item;

struct _BsProxySearch {
    BsIqLink *link;
    BsIqRequest *request; /* for the items */
    GPtrArray *items;     /* Item */
    BsProxyFound found;
    gpointer data;
};

static void
item_free(gpointer data)
{
    Item *item = data;

    bs_iq_request_cancel(&item->request);
    g_free(item->jid);
    g_free(item);
}

gboolean
bs_proxy_is_usable_jid(const char *jid)
{
    return jid != NULL && *jid != '\0' && strlen(jid) <= JID_MAX_LENGTH;
}

void
bs_proxy_ask(BsIqLink *link, const char *to, const char *xmlns, BsIqAnswer answer, gpointer data,
             BsIqRequest **request)
{
    xmlnode *query = xmlnode_new("query");
    BsIqRequest *sent;

    xmlnode_set_namespace(query, xmlns);
    sent = bs_iq_request(link, "get", to, query, ANSWER_DEADLINE_MS, answer, data);
    if (sent != NULL)
        *request = sent;
}

const xmlnode *
bs_proxy_query(BsIqOutcome outcome, const xmlnode *iq, const char *xmlns)
{
    return outcome == BS_IQ_RESULT ? bs_xml_child(iq, "query", xmlns) : NULL;
}

static gboolean
is_proxy(const xmlnode *query)
{
    for (xmlnode *node = bs_xml_first_element(query); node != NULL; node = bs_xml_next_element(node)) {
        if (bs_xml_is(node, "identity", NS_INFO) &&
            g_strcmp0(xmlnode_get_attrib(node, "category"), "proxy") == 0 &&
            g_strcmp0(xmlnode_get_attrib(node, "type"), "bytestreams") == 0)
            return TRUE;
        if (bs_xml_is(node, "feature", NS_INFO) &&
            g_strcmp0(xmlnode_get_attrib(node, "var"), NS_BYTESTREAMS) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
info_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    Item *item = data;
    BsProxySearch *search = item->search;
    g_autofree char *jid = g_strdup(item->jid);
    const xmlnode *query = bs_proxy_query(outcome, iq, NS_INFO);

    item->request = NULL;
    g_ptr_array_remove_fast(search->items, item);
    if (query == NULL || !is_proxy(query))
        return;
    bs_log(NULL, "%s is a proxy", jid);
    search->found(jid, search->data);
}

static void
ask_item(BsProxySearch *search, const char *jid)
{
    Item *item = g_new0(Item, 1);

    item->search = search;
    item->jid = g_strdup(jid);
    g_ptr_array_add(search->items, item);
    bs_proxy_ask(search->link, jid, NS_INFO, info_answered, item, &item->request);
}

/* A node of a JID is no service of its own. */
static gboolean
is_service(const xmlnode *node)
{
    return bs_xml_is(node, "item", NS_ITEMS) &&
           bs_proxy_is_usable_jid(xmlnode_get_attrib((xmlnode *)node, "jid")) &&
           xmlnode_get_attrib((xmlnode *)node, "node") == NULL;
}

static void
items_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    BsProxySearch *search = data;
    const xmlnode *query = bs_proxy_query(outcome, iq, NS_ITEMS);
    guint asked = 0;

    search->request = NULL;
    if (query == NULL) {
        bs_log(NULL, "the server does not name its services");
        return;
    }
    for (xmlnode *node = bs_xml_first_element(query); node != NULL && asked < ITEMS_MAX;
         node = bs_xml_next_element(node)) {
        if (!is_service(node))
            continue;
        asked++;
        ask_item(search, xmlnode_get_attrib(node, "jid"));
    }
    bs_log(NULL, "the server names %u services", asked);
}

BsProxySearch *
bs_proxy_search_new(BsIqLink *link, BsProxyFound found, gpointer data)
{
    BsProxySearch *search = g_new0(BsProxySearch, 1);
    g_autofree char *bare = bs_jid_bare(bs_iq_link_own_jid(link));
    const char *at = strchr(bare, '@');
    const char *domain = at != NULL ? at + 1 : bare;

    search->link = link;
    search->items = g_ptr_array_new_with_free_func(item_free);
    search->found = found;
    search->data = data;
    bs_log(NULL, "looking for proxies at %s", domain);
    bs_proxy_ask(link, domain, NS_ITEMS, items_answered, search, &search->request);
    return search;
}

void
bs_proxy_search_free(BsProxySearch *search)
{
    if (search == NULL)
        return;
    bs_iq_request_cancel(&search->request);
    g_ptr_array_unref(search->items);
    g_free(search);
}
