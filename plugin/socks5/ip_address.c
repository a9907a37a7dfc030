/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/ip_address.h"

#include <arpa/inet.h>
#include <string.h>

static const guint8 mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static gboolean
is_scope(const char *text)
{
    gsize length = strlen(text);

    if (length == 0 || length >= sizeof(((BsIpAddress *)NULL)->scope))
        return FALSE;
    for (; *text != '\0'; text++)
        if (!g_ascii_isalnum(*text) && strchr("-_.", *text) == NULL)
            return FALSE;
    return TRUE;
}

static gboolean
parse_ipv6(const char *text, BsIpAddress *address)
{
    const char *percent = strchr(text, '%');
    g_autofree char *digits = percent == NULL ? g_strdup(text) : g_strndup(text, (gsize)(percent - text));

    if (percent != NULL && !is_scope(percent + 1))
        return FALSE;
    if (inet_pton(AF_INET6, digits, address->bytes) != 1)
        return FALSE;
    if (percent != NULL)
        g_strlcpy(address->scope, percent + 1, sizeof address->scope);
    address->is_ipv6 = TRUE;
    return TRUE;
}

gboolean
bs_ip_parse(const char *text, BsIpAddress *address)
{
    memset(address, 0, sizeof *address);
    if (text == NULL)
        return FALSE;
    if (inet_pton(AF_INET, text, address->bytes) == 1)
        return TRUE;
    if (!parse_ipv6(text, address))
        return FALSE;
    if (memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) == 0) {
        memmove(address->bytes, address->bytes + 12, 4);
        memset(address->bytes + 4, 0, 12);
        address->scope[0] = '\0';
        address->is_ipv6 = FALSE;
    }
    return TRUE;
}

static BsIpKind
ipv4_kind(const guint8 *bytes)
{
    if (bytes[0] == 0)
        return BS_IP_UNSPECIFIED;
    if (bytes[0] == 127)
        return BS_IP_LOOPBACK;
    if (bytes[0] == 169 && bytes[1] == 254)
        return BS_IP_LINK_LOCAL;
    if (bytes[0] >= 240)
        return BS_IP_RESERVED;
    if (bytes[0] >= 224)
        return BS_IP_MULTICAST;
    return BS_IP_GLOBAL;
}

static BsIpKind
ipv6_kind(const guint8 *bytes)
{
    static const guint8 zero[15];

    if (memcmp(bytes, zero, sizeof zero) == 0 && bytes[15] <= 1)
        return bytes[15] == 0 ? BS_IP_UNSPECIFIED : BS_IP_LOOPBACK;
    if (bytes[0] == 0xff)
        return BS_IP_MULTICAST;
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80)
        return BS_IP_LINK_LOCAL;
    if ((bytes[0] & 0xfe) == 0xfc)
        return BS_IP_UNIQUE_LOCAL;
    return BS_IP_GLOBAL;
}

BsIpKind
bs_ip_kind(const BsIpAddress *address)
{
    return address->is_ipv6 ? ipv6_kind(address->bytes) : ipv4_kind(address->bytes);
}

gboolean
bs_ip_is_private(const BsIpAddress *address)
{
    const guint8 *bytes = address->bytes;

    if (address->is_ipv6)
        return FALSE;
    return bytes[0] == 10 || (bytes[0] == 172 && (bytes[1] & 0xf0) == 16) ||
           (bytes[0] == 192 && bytes[1] == 168) || (bytes[0] == 100 && (bytes[1] & 0xc0) == 64);
}

gboolean
bs_ip_equal(const BsIpAddress *one, const BsIpAddress *other)
{
    return one->is_ipv6 == other->is_ipv6 && memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0 &&
           strcmp(one->scope, other->scope) == 0;
}

gboolean
bs_ip_same_host(const char *one, const char *other)
{
    BsIpAddress one_address, other_address;
    gboolean one_is = bs_ip_parse(one, &one_address);
    gboolean other_is = bs_ip_parse(other, &other_address);

    if (one_is && other_is)
        return bs_ip_equal(&one_address, &other_address);
    return one_is == other_is && one != NULL && other != NULL && g_ascii_strcasecmp(one, other) == 0;
}
