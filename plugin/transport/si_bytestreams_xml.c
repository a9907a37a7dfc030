/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/si_bytestreams_xml.h"

#include <string.h>

#include "stanza/allowances.h"
#include "stanza/xml.h"
#include "transport/s5b_xml.h"
#include "transport/si_bytestreams.h"

/* RFC 7622, 3.1. */
#define JID_MAX 3071
/* SHA-1 in hexadecimal. */
#define DSTADDR_LENGTH 40

void
bs_si_query_free(BsSiQuery *query)
{
    if (query == NULL)
        return;
    g_free(query->dstaddr);
    g_ptr_array_unref(query->hosts);
    g_free(query);
}

static gboolean
is_usable(const char *text, gsize max)
{
    return text != NULL && *text != '\0' && strlen(text) <= max;
}

const xmlnode *
bs_si_query_element(const xmlnode *stanza)
{
    return g_strcmp0(stanza->name, "iq") == 0 ? bs_xml_child(stanza, "query", BS_NS_BYTESTREAMS) : NULL;
}

const char *
bs_si_query_sid(const xmlnode *element)
{
    const char *sid = xmlnode_get_attrib((xmlnode *)element, "sid");

    return is_usable(sid, BS_S5B_TEXT_MAX) ? sid : NULL;
}

/* Whatever stands there is sent to hosts of the peer's choice: nothing but a hash. */
static char *
parse_dstaddr(const char *text)
{
    if (text == NULL || strlen(text) != DSTADDR_LENGTH ||
        strspn(text, "0123456789abcdefABCDEF") != DSTADDR_LENGTH)
        return NULL;
    return g_strdup(text);
}

/* XEP-0065 does not say which is which, so it is the JID that tells: a client's has a node, a service's has
 * none; the peer's own JID itself says little, as in a room the one that we know is not the one that it calls
 * itself. */
static BsCandidateType
type_of(const xmlnode *node, const char *jid)
{
    const char *at = strchr(jid, '@');
    const char *slash = strchr(jid, '/');
    gboolean has_node = at != NULL && (slash == NULL || at < slash);

    if (bs_xml_child(node, "proxy", BS_NS_FAST) != NULL && bs_allow(BS_ALLOW_SI_PROXY_MARKED))
        return BS_CANDIDATE_PROXY;
    return has_node ? BS_CANDIDATE_DIRECT : BS_CANDIDATE_PROXY;
}

static gboolean
is_fast(const xmlnode *element)
{
    return bs_xml_child(element, "fast", BS_NS_FAST) != NULL && bs_allow(BS_ALLOW_SI_FAST_MODE);
}

/* libpurple also writes hosts without address and port, to be found by zeroconf: nobody else can use them. */
static BsCandidate *
parse_host(const xmlnode *node, guint index)
{
    const char *jid = xmlnode_get_attrib((xmlnode *)node, "jid");
    const char *host = xmlnode_get_attrib((xmlnode *)node, "host");
    g_autofree char *cid = g_strdup_printf("%u", index);
    guint16 port;

    if (!is_usable(jid, JID_MAX) || !is_usable(host, BS_S5B_TEXT_MAX) ||
        !bs_s5b_parse_port(xmlnode_get_attrib((xmlnode *)node, "port"), &port))
        return NULL;
    return bs_candidate_new(type_of(node, jid), cid, jid, host, port, BS_CANDIDATES_MAX - index);
}

static void
parse_hosts(BsSiQuery *query, const xmlnode *element)
{
    for (xmlnode *node = bs_xml_first_element(element); node != NULL && query->hosts->len < BS_CANDIDATES_MAX;
         node = bs_xml_next_element(node)) {
        BsCandidate *host =
            bs_xml_is(node, "streamhost", BS_NS_BYTESTREAMS) ? parse_host(node, query->hosts->len) : NULL;

        if (host != NULL)
            g_ptr_array_add(query->hosts, host);
    }
}

BsSiQuery *
bs_si_query_parse(const xmlnode *element)
{
    g_autoptr(BsSiQuery) query = g_new0(BsSiQuery, 1);

    query->dstaddr = parse_dstaddr(xmlnode_get_attrib((xmlnode *)element, "dstaddr"));
    query->udp = g_strcmp0(xmlnode_get_attrib((xmlnode *)element, "mode"), "udp") == 0;
    query->fast = is_fast(element);
    query->hosts = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
    parse_hosts(query, element);
    return query->hosts->len > 0 || query->fast ? g_steal_pointer(&query) : NULL;
}

static xmlnode *
new_query(const char *sid)
{
    xmlnode *query = xmlnode_new("query");

    xmlnode_set_namespace(query, BS_NS_BYTESTREAMS);
    bs_xml_set_attrib(query, "sid", sid);
    return query;
}

static void
add_host(xmlnode *query, const BsCandidate *host)
{
    xmlnode *node = bs_xml_add_child(query, "streamhost", BS_NS_BYTESTREAMS);
    g_autofree char *port = g_strdup_printf("%u", host->port);

    bs_xml_set_attrib(node, "jid", host->jid);
    bs_xml_set_attrib(node, "host", host->host);
    bs_xml_set_attrib(node, "port", port);
    if (host->type == BS_CANDIDATE_PROXY)
        bs_xml_add_child(node, "proxy", BS_NS_FAST);
}

xmlnode *
bs_si_query_build(const char *sid, const char *dstaddr, const GPtrArray *hosts, gboolean fast)
{
    xmlnode *query = new_query(sid);

    bs_xml_set_attrib(query, "mode", "tcp");
    if (dstaddr != NULL)
        bs_xml_set_attrib(query, "dstaddr", dstaddr);
    for (guint i = 0; i < hosts->len; i++)
        add_host(query, g_ptr_array_index(hosts, i));
    if (fast)
        bs_xml_add_child(query, "fast", BS_NS_FAST);
    return query;
}

const char *
bs_si_query_used(const xmlnode *iq)
{
    const xmlnode *query = bs_si_query_element(iq);
    const xmlnode *used = query != NULL ? bs_xml_child(query, "streamhost-used", BS_NS_BYTESTREAMS) : NULL;
    const char *jid = used != NULL ? xmlnode_get_attrib((xmlnode *)used, "jid") : NULL;

    return is_usable(jid, JID_MAX) ? jid : NULL;
}

xmlnode *
bs_si_query_build_used(const char *sid, const char *jid)
{
    xmlnode *query = new_query(sid);

    bs_xml_set_attrib(bs_xml_add_child(query, "streamhost-used", BS_NS_BYTESTREAMS), "jid", jid);
    return query;
}
