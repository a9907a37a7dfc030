/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/s5b_xml.h"

#include <string.h>

#include "stanza/allowances.h"
#include "stanza/xml.h"

static const struct {
    BsS5bKind kind;
    const char *element;
    gboolean needs_cid;
} reports[] = {
    {BS_S5B_CANDIDATE_USED, "candidate-used", TRUE},
    {BS_S5B_CANDIDATE_ERROR, "candidate-error", FALSE},
    {BS_S5B_ACTIVATED, "activated", TRUE},
    {BS_S5B_PROXY_ERROR, "proxy-error", FALSE},
};

/* Smack's name for <activated/>. */
#define CANDIDATE_ACTIVATED "candidate-activated"

void
bs_s5b_message_free(BsS5bMessage *message)
{
    if (message == NULL)
        return;
    g_free(message->sid);
    g_free(message->dstaddr);
    g_free(message->cid);
    g_ptr_array_unref(message->candidates);
    g_free(message);
}

static gboolean
is_usable(const char *text)
{
    return text != NULL && *text != '\0' && strlen(text) <= BS_S5B_TEXT_MAX;
}

/* The schema allows that it is left out, and Psi does so (XEP-0260, 9). */
static gboolean
parse_type(const char *text, BsCandidateType *type)
{
    *type = BS_CANDIDATE_DIRECT;
    return text == NULL || bs_candidate_type_from_name(text, type);
}

gboolean
bs_s5b_parse_port(const char *text, guint16 *port)
{
    guint64 number = 1080;

    if (text != NULL && !bs_xml_parse_uint64(text, 0, G_MAXUINT16, &number))
        return FALSE;
    *port = (guint16)number;
    return TRUE;
}

/* A proxy cannot be used without it. */
static gboolean
jid_suffices(const char *jid, BsCandidateType type)
{
    return jid != NULL || (type != BS_CANDIDATE_PROXY && bs_allow(BS_ALLOW_CANDIDATE_WITHOUT_JID));
}

static gboolean
parse_priority(const char *text, guint64 *priority)
{
    return bs_xml_parse_uint64(text, 0, G_MAXUINT32, priority) &&
           (*priority > 0 || bs_allow(BS_ALLOW_PRIORITY_0));
}

static BsCandidate *
parse_candidate(const xmlnode *node)
{
    const char *cid = xmlnode_get_attrib((xmlnode *)node, "cid");
    const char *host = xmlnode_get_attrib((xmlnode *)node, "host");
    const char *jid = xmlnode_get_attrib((xmlnode *)node, "jid");
    BsCandidateType type;
    guint64 priority;
    guint16 port;

    if (!is_usable(cid) || !is_usable(host) ||
        !parse_type(xmlnode_get_attrib((xmlnode *)node, "type"), &type))
        return NULL;
    if (!jid_suffices(jid, type) || !bs_s5b_parse_port(xmlnode_get_attrib((xmlnode *)node, "port"), &port))
        return NULL;
    if (!parse_priority(xmlnode_get_attrib((xmlnode *)node, "priority"), &priority))
        return NULL;
    return bs_candidate_new(type, cid, jid, host, port, (guint32)priority);
}

static void
parse_candidates(BsS5bMessage *message, const xmlnode *transport)
{
    for (xmlnode *node = bs_xml_first_element(transport); node != NULL; node = bs_xml_next_element(node)) {
        g_autoptr(BsCandidate) candidate = NULL;

        if (!bs_xml_is(node, "candidate", BS_NS_S5B))
            continue;
        candidate = parse_candidate(node);
        if (candidate != NULL && bs_candidates_find(message->candidates, candidate->cid) == NULL)
            g_ptr_array_add(message->candidates, g_steal_pointer(&candidate));
    }
    bs_candidates_sort(message->candidates);
    if (message->candidates->len > BS_CANDIDATES_MAX)
        g_ptr_array_set_size(message->candidates, BS_CANDIDATES_MAX);
}

static const xmlnode *
find_report(const xmlnode *transport, gsize kind)
{
    const xmlnode *node = bs_xml_child(transport, reports[kind].element, BS_NS_S5B);

    if (node == NULL && reports[kind].kind == BS_S5B_ACTIVATED) {
        node = bs_xml_child(transport, CANDIDATE_ACTIVATED, BS_NS_S5B);
        if (node != NULL)
            bs_allow(BS_ALLOW_CANDIDATE_ACTIVATED);
    }
    return node;
}

static gboolean
parse_report(BsS5bMessage *message, const xmlnode *transport)
{
    for (gsize i = 0; i < G_N_ELEMENTS(reports); i++) {
        const xmlnode *node = find_report(transport, i);
        const char *cid;

        if (node == NULL)
            continue;
        cid = xmlnode_get_attrib((xmlnode *)node, "cid");
        if (reports[i].needs_cid && !is_usable(cid))
            return FALSE;
        message->kind = reports[i].kind;
        message->cid = reports[i].needs_cid ? g_strdup(cid) : NULL;
        return TRUE;
    }
    return TRUE;
}

BsS5bMessage *
bs_s5b_parse(const xmlnode *transport)
{
    g_autoptr(BsS5bMessage) message = NULL;
    const char *sid;
    const char *dstaddr;

    if (!bs_xml_is(transport, "transport", BS_NS_S5B))
        return NULL;
    sid = xmlnode_get_attrib((xmlnode *)transport, "sid");
    dstaddr = xmlnode_get_attrib((xmlnode *)transport, "dstaddr");
    if (!is_usable(sid))
        return NULL;
    message = g_new0(BsS5bMessage, 1);
    message->sid = g_strdup(sid);
    message->dstaddr = is_usable(dstaddr) ? g_strdup(dstaddr) : NULL;
    message->candidates = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
    parse_candidates(message, transport);
    if (!parse_report(message, transport))
        return NULL;
    return g_steal_pointer(&message);
}

gboolean
bs_s5b_is_udp(const xmlnode *transport)
{
    return g_strcmp0(xmlnode_get_attrib((xmlnode *)transport, "mode"), "udp") == 0;
}

static void
add_candidate(xmlnode *transport, const BsCandidate *candidate)
{
    xmlnode *node = bs_xml_add_child(transport, "candidate", BS_NS_S5B);
    g_autofree char *port = g_strdup_printf("%u", candidate->port);
    g_autofree char *priority = g_strdup_printf("%u", candidate->priority);

    bs_xml_set_attrib(node, "cid", candidate->cid);
    bs_xml_set_attrib(node, "host", candidate->host);
    bs_xml_set_attrib(node, "jid", candidate->jid);
    bs_xml_set_attrib(node, "port", port);
    bs_xml_set_attrib(node, "priority", priority);
    bs_xml_set_attrib(node, "type", bs_candidate_type_name(candidate->type));
}

static xmlnode *
new_transport(const char *sid)
{
    xmlnode *transport = xmlnode_new("transport");

    xmlnode_set_namespace(transport, BS_NS_S5B);
    bs_xml_set_attrib(transport, "sid", sid);
    return transport;
}

xmlnode *
bs_s5b_build_candidates(const char *sid, const char *dstaddr, const GPtrArray *candidates)
{
    xmlnode *transport = new_transport(sid);

    if (dstaddr != NULL)
        bs_xml_set_attrib(transport, "dstaddr", dstaddr);
    for (guint i = 0; i < candidates->len; i++)
        add_candidate(transport, g_ptr_array_index(candidates, i));
    return transport;
}

xmlnode *
bs_s5b_build_report(const char *sid, BsS5bKind kind, const char *cid)
{
    xmlnode *transport = new_transport(sid);

    for (gsize i = 0; i < G_N_ELEMENTS(reports); i++) {
        xmlnode *node;

        if (reports[i].kind != kind)
            continue;
        node = bs_xml_add_child(transport, reports[i].element, BS_NS_S5B);
        if (cid != NULL)
            bs_xml_set_attrib(node, "cid", cid);
    }
    return transport;
}
