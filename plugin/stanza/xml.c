/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stanza/xml.h"

#include <string.h>

#include "stanza/allowances.h"

#define REPLACEMENT_CHARACTER 0xFFFD

static gboolean
is_legal(gunichar character)
{
    if (character < 0x20)
        return character == '\t' || character == '\n' || character == '\r';
    return character != 0xFFFE && character != 0xFFFF;
}

char *
bs_xml_scrub(const char *text)
{
    GString *clean = g_string_new(NULL);

    while (text != NULL && *text != '\0') {
        gunichar character = g_utf8_get_char_validated(text, -1);

        if (character == (gunichar)-1 || character == (gunichar)-2) {
            g_string_append_unichar(clean, REPLACEMENT_CHARACTER);
            text++;
            continue;
        }
        g_string_append_unichar(clean, is_legal(character) ? character : REPLACEMENT_CHARACTER);
        text = g_utf8_next_char(text);
    }
    return g_string_free(clean, FALSE);
}

char *
bs_xml_clip(const char *text, gsize max)
{
    char *clean = bs_xml_scrub(text);

    if (strlen(clean) > max)
        *g_utf8_find_prev_char(clean, clean + max + 1) = '\0';
    return clean;
}

/* A zone as hours and minutes, and another one after it: Gajim's dates. Newly allocated. */
static char *
without_second_zone(const char *text)
{
    gsize length = strlen(text);
    gboolean two = length > 7 && text[length - 1] == 'Z' && text[length - 4] == ':' &&
                   strchr("+-", text[length - 7]) != NULL && bs_allow(BS_ALLOW_DATE_WITH_TWO_ZONES);

    return g_strndup(text, two ? length - 1 : length);
}

gint64
bs_xml_parse_date(const char *text)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autofree char *clean = without_second_zone(text != NULL ? text : "");
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(clean, NULL);

    if (time == NULL) {
        time = g_date_time_new_from_iso8601(clean, utc);
        if (time != NULL)
            bs_allow(BS_ALLOW_DATE_WITHOUT_ZONE);
    }
    return time != NULL ? MAX(g_date_time_to_unix(time), -1) : -1;
}

char *
bs_xml_format_date(gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);

    return time != NULL ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
}

gboolean
bs_xml_parse_uint64(const char *text, guint64 min, guint64 max, guint64 *value)
{
    if (text == NULL)
        return FALSE;
    return g_ascii_string_to_unsigned(text, 10, min, max, value, NULL);
}

void
bs_xml_set_attrib(xmlnode *node, const char *name, const char *value)
{
    g_autofree char *clean = bs_xml_scrub(value);

    xmlnode_set_attrib(node, name, clean);
}

xmlnode *
bs_xml_add_text(xmlnode *parent, const char *name, const char *text)
{
    /* The same namespace as the parent's is not written out, but a node that was never sent is found by it.
     */
    xmlnode *child = bs_xml_add_child(parent, name, parent->xmlns);
    g_autofree char *clean = bs_xml_scrub(text);

    if (*clean != '\0')
        xmlnode_insert_data(child, clean, -1);
    return child;
}

xmlnode *
bs_xml_add_child(xmlnode *parent, const char *name, const char *xmlns)
{
    xmlnode *child = xmlnode_new_child(parent, name);

    xmlnode_set_namespace(child, xmlns);
    return child;
}

char *
bs_xml_text(const xmlnode *node)
{
    char *text = xmlnode_get_data(node);

    return text != NULL ? g_strstrip(text) : g_strdup("");
}

/* `node` or the first element after it. */
static xmlnode *
element_from(xmlnode *node)
{
    while (node != NULL && node->type != XMLNODE_TYPE_TAG)
        node = node->next;
    return node;
}

xmlnode *
bs_xml_first_element(const xmlnode *parent)
{
    return element_from(parent->child);
}

xmlnode *
bs_xml_next_element(const xmlnode *node)
{
    return element_from(node->next);
}

gboolean
bs_xml_is(const xmlnode *node, const char *name, const char *xmlns)
{
    return node != NULL && g_strcmp0(node->name, name) == 0 && g_strcmp0(node->xmlns, xmlns) == 0;
}

xmlnode *
bs_xml_child(const xmlnode *parent, const char *name, const char *xmlns)
{
    for (xmlnode *child = bs_xml_first_element(parent); child != NULL; child = bs_xml_next_element(child)) {
        if (bs_xml_is(child, name, xmlns))
            return child;
    }
    return NULL;
}
