/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/user_proxy.h"

#include <prefs.h>
#include <string.h>

#include "socks5/ip_address.h"

/* There libpurple thinks that somebody wants to speak HTTP with the proxy itself. */
#define HTTP_PORT 80

gboolean
bs_user_proxy_is_set(PurpleAccount *account)
{
    return purple_proxy_info_get_type(purple_proxy_get_setup(account)) != PURPLE_PROXY_NONE;
}

static gboolean
is_http(const PurpleProxyInfo *settings)
{
    PurpleProxyType type = purple_proxy_info_get_type(settings);

    return type == PURPLE_PROXY_HTTP || type == PURPLE_PROXY_USE_ENVVAR;
}

/* SOCKS4 takes addresses of IPv4 only. libpurple looks every name up by itself, unless the user has said that
 * his proxy knows names too, and would send something else than an address of IPv6. */
static const char *
socks4_refusal(const char *host)
{
    BsIpAddress address;

    if (purple_prefs_get_bool("/purple/proxy/socks4_remotedns"))
        return NULL;
    if (strchr(host, ':') != NULL)
        return "IPv6, which the user's proxy does not take";
    if (!bs_ip_parse(host, &address))
        return "a name that would have to be looked up here, as the user's proxy takes none";
    return NULL;
}

const char *
bs_user_proxy_refusal(const PurpleProxyInfo *settings, const char *host, guint16 port)
{
    if (purple_proxy_info_get_type(settings) == PURPLE_PROXY_SOCKS4)
        return socks4_refusal(host);
    if (is_http(settings) && port == HTTP_PORT)
        return "port 80, which libpurple does not reach through an HTTP proxy";
    return NULL;
}

/* It goes as it is into the request for a tunnel (RFC 9110, 9.3.6; RFC 3986, 3.2.2). */
char *
bs_user_proxy_host(const PurpleProxyInfo *settings, const char *host)
{
    if (is_http(settings) && strchr(host, ':') != NULL)
        return g_strdup_printf("[%s]", host);
    return g_strdup(host);
}
