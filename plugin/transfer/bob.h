/* Bits of binary (XEP-0231): small data that is known by its hash, and asked for by that.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_BOB_H
#define BS_BOB_H

#include <glib.h>
#include <xmlnode.h>

#define BS_NS_BOB "urn:xmpp:bob"

/* The content id of `data` (XEP-0231, 2.5), newly allocated. */
char *bs_bob_cid(GBytes *data);

/* TRUE if `cid` holds the hash of what it names, by an algorithm that is known and not broken altogether. */
gboolean bs_bob_is_cid(const char *cid);

/* The <data/> that asks for what `cid` names; the caller's. */
xmlnode *bs_bob_build_request(const char *cid);

/* The <data/> with `data` in it, which nobody should keep; the caller's. */
xmlnode *bs_bob_build(const char *cid, const char *media_type, GBytes *data);

/* The content id that `iq`, of type get, asks for, owned by it; NULL if it asks for nothing of the kind. */
const char *bs_bob_requested(const xmlnode *iq);

/* What the answer `iq` brings, the caller's. NULL if it is empty, longer than `max` bytes, or not what `cid`
 * names. */
GBytes *bs_bob_parse(const xmlnode *iq, const char *cid, gsize max);

#endif
