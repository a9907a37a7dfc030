/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/jingle_xml.h"

#include <string.h>

#include "stanza/allowances.h"
#include "stanza/xml.h"

static const char *const action_names[] = {
    [BS_JINGLE_ACTION_CONTENT_ACCEPT] = "content-accept",
    [BS_JINGLE_ACTION_CONTENT_ADD] = "content-add",
    [BS_JINGLE_ACTION_CONTENT_MODIFY] = "content-modify",
    [BS_JINGLE_ACTION_CONTENT_REJECT] = "content-reject",
    [BS_JINGLE_ACTION_CONTENT_REMOVE] = "content-remove",
    [BS_JINGLE_ACTION_DESCRIPTION_INFO] = "description-info",
    [BS_JINGLE_ACTION_SECURITY_INFO] = "security-info",
    [BS_JINGLE_ACTION_SESSION_ACCEPT] = "session-accept",
    [BS_JINGLE_ACTION_SESSION_INFO] = "session-info",
    [BS_JINGLE_ACTION_SESSION_INITIATE] = "session-initiate",
    [BS_JINGLE_ACTION_SESSION_TERMINATE] = "session-terminate",
    [BS_JINGLE_ACTION_TRANSPORT_ACCEPT] = "transport-accept",
    [BS_JINGLE_ACTION_TRANSPORT_INFO] = "transport-info",
    [BS_JINGLE_ACTION_TRANSPORT_REJECT] = "transport-reject",
    [BS_JINGLE_ACTION_TRANSPORT_REPLACE] = "transport-replace",
};

static const char *const reason_names[] = {
    [BS_JINGLE_NO_REASON] = "no reason",
    [BS_JINGLE_BUSY] = "busy",
    [BS_JINGLE_CANCEL] = "cancel",
    [BS_JINGLE_CONNECTIVITY_ERROR] = "connectivity-error",
    [BS_JINGLE_DECLINE] = "decline",
    [BS_JINGLE_EXPIRED] = "expired",
    [BS_JINGLE_FAILED_APPLICATION] = "failed-application",
    [BS_JINGLE_FAILED_TRANSPORT] = "failed-transport",
    [BS_JINGLE_GENERAL_ERROR] = "general-error",
    [BS_JINGLE_GONE] = "gone",
    [BS_JINGLE_ALTERNATIVE_SESSION] = "alternative-session",
    [BS_JINGLE_INCOMPATIBLE_PARAMETERS] = "incompatible-parameters",
    [BS_JINGLE_MEDIA_ERROR] = "media-error",
    [BS_JINGLE_SECURITY_ERROR] = "security-error",
    [BS_JINGLE_SUCCESS] = "success",
    [BS_JINGLE_TIMEOUT] = "timeout",
    [BS_JINGLE_UNSUPPORTED_APPLICATIONS] = "unsupported-applications",
    [BS_JINGLE_UNSUPPORTED_TRANSPORTS] = "unsupported-transports",
};

static const struct {
    const char *type;
    const char *condition;
    const char *specific; /* in BS_NS_JINGLE_ERRORS */
} answers[] = {
    [BS_JINGLE_BAD_REQUEST] = {"cancel", "bad-request", NULL},
    [BS_JINGLE_ITEM_NOT_FOUND] = {"cancel", "item-not-found", NULL},
    [BS_JINGLE_OUT_OF_ORDER] = {"wait", "unexpected-request", "out-of-order"},
    [BS_JINGLE_TIE_BREAK] = {"cancel", "conflict", "tie-break"},
    [BS_JINGLE_UNKNOWN_SESSION] = {"cancel", "item-not-found", "unknown-session"},
    [BS_JINGLE_UNSUPPORTED_INFO] = {"modify", "feature-not-implemented", "unsupported-info"},
    [BS_JINGLE_RESOURCE_CONSTRAINT] = {"wait", "resource-constraint", NULL},
};

const char *
bs_jingle_attrib(const xmlnode *node, const char *name)
{
    return node != NULL ? xmlnode_get_attrib((xmlnode *)node, name) : NULL;
}

const xmlnode *
bs_jingle_element(const xmlnode *iq)
{
    return bs_xml_child(iq, "jingle", BS_NS_JINGLE);
}

const xmlnode *
bs_jingle_first_content(const xmlnode *jingle)
{
    return jingle != NULL ? bs_xml_child(jingle, "content", BS_NS_JINGLE) : NULL;
}

const xmlnode *
bs_jingle_next_content(const xmlnode *content)
{
    do
        content = bs_xml_next_element(content);
    while (content != NULL && !bs_xml_is(content, "content", BS_NS_JINGLE));
    return content;
}

/* A child of that name in whatever namespace: which one, is for the session's owner to judge. */
static const xmlnode *
child_of_any_namespace(const xmlnode *parent, const char *name)
{
    const xmlnode *node = parent != NULL ? bs_xml_first_element(parent) : NULL;

    while (node != NULL && strcmp(node->name, name) != 0)
        node = bs_xml_next_element(node);
    return node;
}

const xmlnode *
bs_jingle_description(const xmlnode *content)
{
    return child_of_any_namespace(content, "description");
}

const xmlnode *
bs_jingle_transport(const xmlnode *content)
{
    return child_of_any_namespace(content, "transport");
}

guint
bs_jingle_count_contents(const xmlnode *jingle)
{
    guint count = 0;

    for (const xmlnode *node = bs_jingle_first_content(jingle); node != NULL;
         node = bs_jingle_next_content(node))
        count++;
    return count;
}

BsJingleSenders
bs_jingle_senders(const xmlnode *content)
{
    const char *senders = bs_jingle_attrib(content, "senders");

    if (g_strcmp0(senders, "initiator") == 0)
        return BS_JINGLE_SENDERS_INITIATOR;
    if (g_strcmp0(senders, "responder") == 0)
        return BS_JINGLE_SENDERS_RESPONDER;
    return g_strcmp0(senders, "none") == 0 ? BS_JINGLE_SENDERS_NONE : BS_JINGLE_SENDERS_UNSAID;
}

BsJingleAction
bs_jingle_action(const xmlnode *jingle)
{
    const char *name = bs_jingle_attrib(jingle, "action");

    for (guint i = BS_JINGLE_ACTION_UNKNOWN + 1; name != NULL && i < G_N_ELEMENTS(action_names); i++)
        if (strcmp(name, action_names[i]) == 0)
            return (BsJingleAction)i;
    return BS_JINGLE_ACTION_UNKNOWN;
}

/* As Dino writes it. */
static gboolean
is_written_with_underscore(const xmlnode *reason, const char *name)
{
    g_autofree char *other_name = g_strdelimit(g_strdup(name), "-", '_');

    return bs_xml_child(reason, other_name, BS_NS_JINGLE) != NULL &&
           bs_allow(BS_ALLOW_REASON_WITH_UNDERSCORE);
}

BsJingleReason
bs_jingle_reason(const xmlnode *jingle)
{
    const xmlnode *reason = bs_xml_child(jingle, "reason", BS_NS_JINGLE);

    for (guint i = BS_JINGLE_NO_REASON + 1; reason != NULL && i < G_N_ELEMENTS(reason_names); i++)
        if (bs_xml_child(reason, reason_names[i], BS_NS_JINGLE) != NULL ||
            is_written_with_underscore(reason, reason_names[i]))
            return (BsJingleReason)i;
    return BS_JINGLE_NO_REASON;
}

gboolean
bs_jingle_reason_is(const xmlnode *jingle, const char *specific, const char *specific_ns)
{
    const xmlnode *reason = bs_xml_child(jingle, "reason", BS_NS_JINGLE);

    return reason != NULL && bs_xml_child(reason, specific, specific_ns) != NULL;
}

const char *
bs_jingle_reason_name(BsJingleReason reason)
{
    return reason_names[reason];
}

xmlnode *
bs_jingle_new(const char *action, const char *sid)
{
    xmlnode *jingle = xmlnode_new("jingle");

    xmlnode_set_namespace(jingle, BS_NS_JINGLE);
    bs_xml_set_attrib(jingle, "action", action);
    bs_xml_set_attrib(jingle, "sid", sid);
    return jingle;
}

void
bs_jingle_add_reason(xmlnode *jingle, BsJingleReason reason, const char *specific, const char *specific_ns)
{
    xmlnode *node;

    if (reason == BS_JINGLE_NO_REASON)
        return;
    node = bs_xml_add_child(jingle, "reason", BS_NS_JINGLE);
    bs_xml_add_child(node, reason_names[reason], BS_NS_JINGLE);
    if (specific != NULL)
        bs_xml_add_child(node, specific, specific_ns);
}

void
bs_jingle_answer(BsIqLink *link, const xmlnode *iq, BsJingleAnswer answer)
{
    if (answer == BS_JINGLE_ACK)
        bs_iq_reply_result(link, iq, NULL);
    else
        bs_iq_reply_error(link, iq, answers[answer].type, answers[answer].condition, answers[answer].specific,
                          answers[answer].specific != NULL ? BS_NS_JINGLE_ERRORS : NULL);
}

void
bs_jingle_reject(BsIqLink *link, const xmlnode *iq, BsJingleReason reason, const char *specific,
                 const char *specific_ns)
{
    xmlnode *jingle = bs_jingle_new("session-terminate", bs_jingle_attrib(bs_jingle_element(iq), "sid"));

    bs_jingle_add_reason(jingle, reason, specific, specific_ns);
    bs_iq_request(link, "set", bs_jingle_attrib(iq, "from"), jingle, 0, NULL, NULL);
}
