/* Reading and writing XML that is legal and bounded: the edge at which stanzas become typed values.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_XML_H
#define BS_XML_H

#include <glib.h>
#include <xmlnode.h>

/* Returns a newly allocated copy of `text` that may stand in a stanza: valid UTF-8 with only the characters
 * that XML 1.0 (section 2.2) allows; every other byte or character becomes U+FFFD. An illegal character would
 * make the server close the stream. NULL gives "". */
char *bs_xml_scrub(const char *text);

/* The same, cut between characters if it is longer than `max` bytes. */
char *bs_xml_clip(const char *text, gsize max);

/* Reads a date and time (XEP-0082, and its predecessor without dashes) as seconds since 1970 UTC; one without
 * a zone, as Psi and the predecessor write it, as UTC; with two, as Gajim does, in the first. -1 if it is
 * malformed or earlier. */
gint64 bs_xml_parse_date(const char *text);

/* Seconds since 1970 UTC as XEP-0082 has it; newly allocated, NULL if no calendar reaches there. */
char *bs_xml_format_date(gint64 seconds);

/* Reads a decimal number from `text` (only digits; no sign, no space) between `min` and `max` inclusive.
 * FALSE, and
 * `*value` untouched, when it is anything else, NULL included. */
gboolean bs_xml_parse_uint64(const char *text, guint64 min, guint64 max, guint64 *value);

/* Sets attribute `name` to `value`, scrubbed. */
void bs_xml_set_attrib(xmlnode *node, const char *name, const char *value);

/* Adds a child `name` without a namespace of its own (it has its parent's) and, if `text` is neither NULL nor
 * empty, `text` (scrubbed) in it. The child belongs to `parent`. */
xmlnode *bs_xml_add_text(xmlnode *parent, const char *name, const char *text);

/* Adds an empty child `name` in the namespace `xmlns`. The child belongs to `parent`. */
xmlnode *bs_xml_add_child(xmlnode *parent, const char *name, const char *xmlns);

/* The text of `node`, without white space at either end; newly allocated, "" when there is none. */
char *bs_xml_text(const xmlnode *node);

/* The first child of `parent` called exactly `name` ('/' has no meaning here) whose namespace is `xmlns`, or
 * NULL. */
xmlnode *bs_xml_child(const xmlnode *parent, const char *name, const char *xmlns);

/* The first child element, or the next sibling element, whatever its name; NULL at the end. */
xmlnode *bs_xml_first_element(const xmlnode *parent);
xmlnode *bs_xml_next_element(const xmlnode *node);

/* TRUE if `node` is not NULL, is called `name` and has the namespace `xmlns`. */
gboolean bs_xml_is(const xmlnode *node, const char *name, const char *xmlns);

#endif
