/* Comparing JIDs as the server has stamped them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_JID_H
#define BS_JID_H

#include <glib.h>

/* TRUE if both are the same full or bare JID: node and domain without regard to case (RFC 7622, 3.2 and 3.3),
 * the resource to the byte. NULL equals only NULL. */
gboolean bs_jid_equal(const char *one, const char *other);

/* TRUE if both have the same node and domain, whatever their resources. */
gboolean bs_jid_same_bare(const char *one, const char *other);

/* The JID without its resource, newly allocated. */
char *bs_jid_bare(const char *jid);

/* The resource (a pointer into `jid`), or NULL for a bare JID or an empty resource. */
const char *bs_jid_resource(const char *jid);

/* A newly allocated form of the JID in which equal JIDs are equal strings: a key for tables. */
char *bs_jid_key(const char *jid);

#endif
