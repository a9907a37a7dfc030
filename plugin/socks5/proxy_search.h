/* Which of a server's services are proxies (XEP-0065, 4; XEP-0030).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PROXY_SEARCH_H
#define BS_PROXY_SEARCH_H

#include "stanza/iq.h"

typedef struct _BsProxySearch BsProxySearch;

/* `jid` is a proxy. Must not free the search. */
typedef void (*BsProxyFound)(const char *jid, gpointer data);

/* Asks the server that `link` (borrowed, must outlive the search) leads to for its items, and every item at
 * once what it is. `found` may come before the call returns. */
BsProxySearch *bs_proxy_search_new(BsIqLink *link, BsProxyFound found, gpointer data);

/* Ends it at any other moment than inside `found`. NULL is allowed. */
void bs_proxy_search_free(BsProxySearch *search);

/* TRUE for what can be asked: a JID that is neither missing nor longer than JIDs may be (RFC 7622, 3.1). */
gboolean bs_proxy_is_usable_jid(const char *jid);

/* Asks `to` with an empty query in the namespace `xmlns`, for at most 10 s. The handle is kept in `*request`,
 * which is left alone if the answer came before the call returned: that may have freed it. */
void bs_proxy_ask(BsIqLink *link, const char *to, const char *xmlns, BsIqAnswer answer, gpointer data,
                  BsIqRequest **request);

/* The query in that namespace that a good answer brought, or NULL. */
const xmlnode *bs_proxy_query(BsIqOutcome outcome, const xmlnode *iq, const char *xmlns);

#endif
