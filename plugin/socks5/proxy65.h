/* The proxies of an account (XEP-0065, 4): finding them, and which of them work. All of it happens in the
 * background, and what is known at the moment is what is offered. SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BS_PROXY65_H
#define BS_PROXY65_H

#include <account.h>

#include "socks5/candidate.h"
#include "stanza/iq.h"

/* At most this many proxies are offered. */
#define BS_PROXIES_OFFERED_MAX 5

typedef struct _BsProxies BsProxies;

/* Looks for the proxies of the server that `link` leads to, and asks those in the setting "ft_proxies" of
 * `account` (NULL: none): all of them at once, and again every 6 hours. One that names its address is tried
 * with a whole SOCKS5 handshake, through the proxy settings of `account`. Both are borrowed and must outlive
 * the proxies. */
BsProxies *bs_proxies_new(BsIqLink *link, PurpleAccount *account);

/* Ends it at any moment. NULL is allowed. */
void bs_proxies_free(BsProxies *proxies);

/* An offer may be near: tries anew, in the background, those whose last trial is more than 5 minutes ago (10,
 * if it failed), and searches anew if the setting has changed. */
void bs_proxies_freshen(BsProxies *proxies);

/* The proxies that worked when they were tried last, as candidates with fresh unguessable cids: those of the
 * setting first, then the quickest ones; the caller's (GPtrArray of BsCandidate, which frees
 * them). Freshens them. Each is offered under one name only, as Prosody ends both connections of a DST.ADDR
 * when either ends: a peer that dials a proxy's address as well as its name would break its own connection.
 */
GPtrArray *bs_proxies_gather(BsProxies *proxies, gboolean initiator);

/* Where the proxy with this JID, which may have named itself by a name, was reached when it was tried last:
 * an address, borrowed. NULL if that is not known, as with the user's own proxy between. */
const char *bs_proxies_address(const BsProxies *proxies, const char *jid);

/* TRUE if a proxy, whether or not it works, has named this place as its address when we asked it. */
gboolean bs_proxies_know(const BsProxies *proxies, const char *host, guint16 port);

/* The proxy with this JID failed when it was needed: it is not offered until it has been tried again, 10
 * minutes later. */
void bs_proxies_set_aside(BsProxies *proxies, const char *jid, const char *why);

#endif
