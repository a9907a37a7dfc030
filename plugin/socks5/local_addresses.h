/* This machine's usable addresses.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_LOCAL_ADDRESSES_H
#define BS_LOCAL_ADDRESSES_H

#include <glib.h>

/* The addresses under which others may reach this machine, best first, as text (GPtrArray of char *, free
 * with g_ptr_array_unref): global IPv6 (temporary before permanent ones; none deprecated or tentative), then
 * IPv4, then unique local IPv6; of point-to-point interfaces last. No loopback, no link-local, no unspecified
 * or multicast address, none twice, interfaces that are down or without a carrier left out. When there is
 * none, IPv4 link-local ones; without these 127.0.0.1 and ::1, where the machine has them, so that two
 * clients on it find each other. Empty only where there are not even those. */
GPtrArray *bs_local_addresses(void);

/* The one from which connections to `host`, an address as text, leave; the caller's. NULL if none would, or
 * if `host` is none. Nothing is sent. */
char *bs_local_address_towards(const char *host);

/* One address of one interface, as the system tells of it. */
typedef struct {
    char text[64];
    guint interface_flags; /* IFF_UP and so on, net/if.h */
    guint address_flags;   /* of IPv6: BS_ADDRESS_... */
} BsLocalAddress;

/* As Linux has them in /proc/net/if_inet6 (IFA_F_...). */
#define BS_ADDRESS_TEMPORARY 0x01u
#define BS_ADDRESS_DAD_FAILED 0x08u
#define BS_ADDRESS_DEPRECATED 0x20u
#define BS_ADDRESS_TENTATIVE 0x40u

/* What bs_local_addresses() returns on a machine with these `count` addresses. */
GPtrArray *bs_local_addresses_order(const BsLocalAddress *found, guint count);

#endif
