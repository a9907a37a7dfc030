/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/jingle_guard.h"

#include <string.h>

#include "stanza/xml.h"

#define NS_JINGLE "urn:xmpp:jingle:1"
#define NS_RTP "urn:xmpp:jingle:apps:rtp:1"
#define NS_ICE_UDP "urn:xmpp:jingle:transports:ice-udp:1"
#define NS_RAW_UDP "urn:xmpp:jingle:transports:raw-udp:1"

/* What libpurple takes for granted in each content of an action. */
typedef enum {
    NEEDS_CONTENT = 1 << 0,
    INTRODUCES = 1 << 1, /* creator, description and transport make up a new content */
    NEEDS_DESCRIPTION = 1 << 2,
    NEEDS_USABLE_TRANSPORT = 1 << 3,
    NEEDS_TRANSPORT = 1 << 4,
    NEVER_IN_ORDER = 1 << 5,
} Needs;

static const struct {
    const char *name;
    Needs needs;
} actions[] = {
    {"content-accept", NEEDS_CONTENT},
    {"content-add", NEEDS_CONTENT | INTRODUCES | NEEDS_DESCRIPTION | NEEDS_TRANSPORT},
    {"content-modify", NEEDS_CONTENT},
    {"content-reject", NEEDS_CONTENT},
    {"content-remove", NEEDS_CONTENT},
    {"description-info", NEEDS_CONTENT | NEEDS_DESCRIPTION},
    {"security-info", 0},
    {"session-accept", NEEDS_CONTENT | NEEDS_DESCRIPTION | NEEDS_USABLE_TRANSPORT},
    {"session-info", 0},
    {"session-initiate", NEEDS_CONTENT | INTRODUCES | NEEDS_DESCRIPTION | NEEDS_TRANSPORT},
    {"session-terminate", 0},
    {"transport-accept", NEEDS_CONTENT | NEVER_IN_ORDER},
    {"transport-info", NEEDS_CONTENT | NEEDS_USABLE_TRANSPORT},
    {"transport-reject", NEEDS_CONTENT | NEVER_IN_ORDER},
    {"transport-replace", NEEDS_CONTENT | NEEDS_TRANSPORT},
};

static gboolean
is_usable_transport(const char *xmlns)
{
    return g_strcmp0(xmlns, NS_ICE_UDP) == 0 || g_strcmp0(xmlns, NS_RAW_UDP) == 0;
}

/* libpurple looks up the class of a description and of a transport in one table, and calls it as what it
 * should be. */
static BsJingleFault
check_transport(xmlnode *content, Needs needs)
{
    xmlnode *transport = xmlnode_get_child(content, "transport");
    const char *xmlns = transport != NULL ? xmlnode_get_namespace(transport) : NULL;

    if (transport == NULL)
        return needs & (NEEDS_TRANSPORT | NEEDS_USABLE_TRANSPORT) ? BS_JINGLE_FAULT_BAD_TRANSPORT
                                                                  : BS_JINGLE_FAULT_HARMLESS;
    if (g_strcmp0(xmlns, NS_RTP) == 0)
        return BS_JINGLE_FAULT_BAD_TRANSPORT;
    if (needs & NEEDS_USABLE_TRANSPORT && !is_usable_transport(xmlns))
        return BS_JINGLE_FAULT_BAD_TRANSPORT;
    return BS_JINGLE_FAULT_HARMLESS;
}

static BsJingleFault
check_description(xmlnode *content, Needs needs)
{
    xmlnode *description = xmlnode_get_child(content, "description");
    xmlnode *payload_type;

    if (description == NULL)
        return needs & NEEDS_DESCRIPTION ? BS_JINGLE_FAULT_BAD_DESCRIPTION : BS_JINGLE_FAULT_HARMLESS;
    if (is_usable_transport(xmlnode_get_namespace(description)))
        return BS_JINGLE_FAULT_BAD_DESCRIPTION;
    for (payload_type = xmlnode_get_child(description, "payload-type"); payload_type != NULL;
         payload_type = xmlnode_get_next_twin(payload_type)) {
        if (xmlnode_get_attrib(payload_type, "id") == NULL)
            return BS_JINGLE_FAULT_BAD_PAYLOAD_TYPE;
    }
    return BS_JINGLE_FAULT_HARMLESS;
}

static BsJingleFault
check_content(xmlnode *content, Needs needs)
{
    BsJingleFault fault;

    if (xmlnode_get_attrib(content, "name") == NULL)
        return BS_JINGLE_FAULT_NO_NAME;
    if (needs & INTRODUCES && xmlnode_get_attrib(content, "creator") == NULL)
        return BS_JINGLE_FAULT_NO_NAME;
    fault = check_description(content, needs);
    return fault != BS_JINGLE_FAULT_HARMLESS ? fault : check_transport(content, needs);
}

static BsJingleFault
check_contents(xmlnode *jingle, Needs needs)
{
    xmlnode *content = xmlnode_get_child(jingle, "content");

    if (content == NULL)
        return needs & NEEDS_CONTENT ? BS_JINGLE_FAULT_NO_CONTENT : BS_JINGLE_FAULT_HARMLESS;
    for (; content != NULL; content = xmlnode_get_next_twin(content)) {
        BsJingleFault fault = check_content(content, needs);

        if (fault != BS_JINGLE_FAULT_HARMLESS)
            return fault;
    }
    return BS_JINGLE_FAULT_HARMLESS;
}

/* libpurple takes only the first element of an IQ for its payload. */
static xmlnode *
jingle_of(const xmlnode *iq)
{
    xmlnode *payload = bs_xml_first_element(iq);

    if (g_strcmp0(xmlnode_get_attrib((xmlnode *)iq, "type"), "set") != 0)
        return NULL;
    return bs_xml_is(payload, "jingle", NS_JINGLE) ? payload : NULL;
}

const char *
bs_jingle_guard_sid(const xmlnode *iq)
{
    xmlnode *jingle = jingle_of(iq);

    return jingle != NULL ? xmlnode_get_attrib(jingle, "sid") : NULL;
}

BsJingleFault
bs_jingle_guard_check(const xmlnode *iq, gboolean session_known)
{
    xmlnode *jingle = jingle_of(iq);
    const char *action;

    if (jingle == NULL)
        return BS_JINGLE_FAULT_HARMLESS;
    if (xmlnode_get_attrib((xmlnode *)iq, "from") == NULL)
        return BS_JINGLE_FAULT_NO_SENDER;
    if (xmlnode_get_attrib(jingle, "sid") == NULL)
        return BS_JINGLE_FAULT_NO_SID;
    action = xmlnode_get_attrib(jingle, "action");
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++) {
        if (g_strcmp0(action, actions[i].name) != 0)
            continue;
        if (!session_known && strcmp(action, "session-initiate") != 0)
            return BS_JINGLE_FAULT_NO_SESSION;
        if (actions[i].needs & NEVER_IN_ORDER)
            return BS_JINGLE_FAULT_OUT_OF_ORDER;
        return check_contents(jingle, actions[i].needs);
    }
    return BS_JINGLE_FAULT_NO_ACTION;
}

const char *
bs_jingle_fault_name(BsJingleFault fault)
{
    switch (fault) {
    case BS_JINGLE_FAULT_HARMLESS:
        return "harmless";
    case BS_JINGLE_FAULT_NO_SENDER:
        return "no sender";
    case BS_JINGLE_FAULT_NO_SID:
        return "no session id";
    case BS_JINGLE_FAULT_NO_ACTION:
        return "no known action";
    case BS_JINGLE_FAULT_NO_SESSION:
        return "no session of that id";
    case BS_JINGLE_FAULT_NO_CONTENT:
        return "no content";
    case BS_JINGLE_FAULT_NO_NAME:
        return "a content without its name or creator";
    case BS_JINGLE_FAULT_BAD_DESCRIPTION:
        return "a missing or wrong description";
    case BS_JINGLE_FAULT_BAD_TRANSPORT:
        return "a missing or wrong transport";
    case BS_JINGLE_FAULT_BAD_PAYLOAD_TYPE:
        return "a payload type without id";
    case BS_JINGLE_FAULT_OUT_OF_ORDER:
        return "an answer to a transport-replace that was never sent";
    }
    return "unknown";
}
