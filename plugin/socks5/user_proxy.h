/* The proxy that the user has set for an account, or for all (SOCKS, HTTP, Tor, the environment's), through
 * which libpurple dials; not one of XEP-0065. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_USER_PROXY_H
#define BS_USER_PROXY_H

#include <account.h>
#include <proxy.h>

/* TRUE if what `account` (NULL: the global settings) dials goes through one, working or not. */
gboolean bs_user_proxy_is_set(PurpleAccount *account);

/* NULL if libpurple can dial this place with `settings` so that nobody but the proxy hears of it; else the
 * reason (static) why not. Without a proxy everything can be dialled. */
const char *bs_user_proxy_refusal(const PurpleProxyInfo *settings, const char *host, guint16 port);

/* `host`, as libpurple wants to be given it with `settings`; newly allocated. */
char *bs_user_proxy_host(const PurpleProxyInfo *settings, const char *host);

#endif
