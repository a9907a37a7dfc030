/* IP addresses as text: reading, comparing, and what kind of address one is.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_IP_ADDRESS_H
#define BS_IP_ADDRESS_H

#include <glib.h>

typedef enum {
    BS_IP_GLOBAL,       /* to be dialled from elsewhere; private IPv4 networks as well */
    BS_IP_UNIQUE_LOCAL, /* fc00::/7 */
    BS_IP_LINK_LOCAL,   /* 169.254.0.0/16, fe80::/10 */
    BS_IP_LOOPBACK,     /* 127.0.0.0/8, ::1 */
    BS_IP_UNSPECIFIED,  /* 0.0.0.0/8, :: */
    BS_IP_MULTICAST,    /* 224.0.0.0/4, ff00::/8 */
    BS_IP_RESERVED,     /* 240.0.0.0/4, with the broadcast address */
} BsIpKind;

typedef struct {
    gboolean is_ipv6;
    guint8 bytes[16]; /* in network order; an IPv4 address has the first four */
    char scope[17];   /* of "fe80::1%eth0" the interface; "" where there is none */
} BsIpAddress;

/* Reads a literal address; an IPv4 address mapped into IPv6 is read as IPv4. FALSE, `*address` then
 * undefined, if `text` is none (NULL, a host name, brackets, the shortened or octal IPv4 forms). */
gboolean bs_ip_parse(const char *text, BsIpAddress *address);

BsIpKind bs_ip_kind(const BsIpAddress *address);

/* TRUE if it is an IPv4 address that only counts within one network: 10.0.0.0/8, 172.16.0.0/12,
 * 192.168.0.0/16 (RFC 1918), or one that a provider shares among its customers: 100.64.0.0/10 (RFC 6598). */
gboolean bs_ip_is_private(const BsIpAddress *address);

gboolean bs_ip_equal(const BsIpAddress *one, const BsIpAddress *other);

/* TRUE if both are the same address in whatever notation, or the same host name without regard to case. */
gboolean bs_ip_same_host(const char *one, const char *other);

#endif
