/* This machine's usable addresses.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_LOCAL_ADDRESSES_H
#define BS_LOCAL_ADDRESSES_H

#include <glib.h>

/* The addresses under which others may reach this machine, best first, as text (GPtrArray of char *, free with
 * g_ptr_array_unref): global IPv6 (temporary before permanent ones; none deprecated or tentative), then IPv4, then
 * unique local IPv6; of point-to-point interfaces last. No loopback, no link-local, no unspecified or multicast
 * address, none twice, interfaces that are down left out. Empty when there is none. */
GPtrArray *bs_local_addresses(void);

#endif
