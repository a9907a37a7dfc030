/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/si_guard.h"

#include "stanza/xml.h"

#define NS_SI "http://jabber.org/protocol/si"
#define NS_BYTESTREAMS "http://jabber.org/protocol/bytestreams"
#define NS_IBB "http://jabber.org/protocol/ibb"

static gboolean
names_method(const xmlnode *node, const char *method)
{
    g_autofree char *text = g_strcmp0(node->name, "value") == 0 ? xmlnode_get_data(node) : NULL;

    return g_strcmp0(text, method) == 0;
}

/* TRUE if `node` is a value of the form that names the method, or an option with it. */
static gboolean
is_choice_of(const xmlnode *node, const char *method)
{
    if (g_strcmp0(node->name, "option") != 0)
        return names_method(node, method);
    for (xmlnode *value = bs_xml_first_element(node); value != NULL; value = bs_xml_next_element(value))
        if (names_method(value, method))
            return TRUE;
    return FALSE;
}

/* libpurple looks at names more than at namespaces; so do we, wherever in the form they stand. */
static gboolean
remove_method(xmlnode *parent, const char *method)
{
    gboolean removed = FALSE;
    xmlnode *next;

    for (xmlnode *node = bs_xml_first_element(parent); node != NULL; node = next) {
        next = bs_xml_next_element(node);
        if (is_choice_of(node, method)) {
            xmlnode_free(node);
            removed = TRUE;
        } else {
            removed |= remove_method(node, method);
        }
    }
    return removed;
}

static gboolean
has_method(const xmlnode *parent, const char *method)
{
    for (xmlnode *node = bs_xml_first_element(parent); node != NULL; node = bs_xml_next_element(node))
        if (is_choice_of(node, method) || has_method(node, method))
            return TRUE;
    return FALSE;
}

gboolean
bs_si_guard_concerns(const xmlnode *iq)
{
    return bs_xml_child(iq, "si", NS_SI) != NULL || bs_xml_child(iq, "query", NS_BYTESTREAMS) != NULL;
}

BsSiVerdict
bs_si_guard_restrict(xmlnode *iq)
{
    gboolean is_request = g_strcmp0(xmlnode_get_attrib(iq, "type"), "set") == 0;
    xmlnode *si = bs_xml_child(iq, "si", NS_SI);

    if (is_request && bs_xml_child(iq, "query", NS_BYTESTREAMS) != NULL)
        return bs_xml_child(bs_xml_child(iq, "query", NS_BYTESTREAMS), "streamhost", NS_BYTESTREAMS) != NULL
                   ? BS_SI_ADDRESSES
                   : BS_SI_HARMLESS;
    if (si == NULL || !remove_method(si, NS_BYTESTREAMS))
        return BS_SI_HARMLESS;
    return !is_request || has_method(si, NS_IBB) ? BS_SI_IN_BAND : BS_SI_NO_STREAM_LEFT;
}
