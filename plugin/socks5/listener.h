/* One listening port for all transfers, IPv4 and IPv6. Hands an accepted, authenticated socket to whoever
 * waits for its DST.ADDR; everybody else is refused and disturbs nobody. SPDX-License-Identifier:
 * GPL-2.0-or-later */
#ifndef BS_LISTENER_H
#define BS_LISTENER_H

#include <glib.h>

/* The only error, code 0: no port can be opened. The message is the system's. */
#define BS_LISTENER_ERROR (bs_listener_error_quark())
GQuark bs_listener_error_quark(void);

/* Somebody's wait for connections. */
typedef struct _BsListenerTicket BsListenerTicket;

/* A connection with the right DST.ADDR has been accepted: `fd` is now the callee's, at the first byte of the
 * file. `local_address` is the address of ours that it reached, as text (an IPv4 address as such). May come
 * several times. The ticket may be freed inside. */
typedef void (*BsListenerAccepted)(int fd, const char *local_address, gpointer data);

/* Waits for connections to `dst_addr`, or to `other_dst_addr` (may be NULL, or the same) unless somebody else
 * waits for that one as his `dst_addr`. Opens the port if nobody waited before: within Pidgin's port range
 * where the user has set one (/plugins/core/bytestreams has no say in it; see /purple/network/ports_range_*),
 * otherwise any free one. `id` is the transfer's, for the debug window. NULL, with `error` set, if no port
 * can be opened. */
BsListenerTicket *bs_listener_expect(const char *id, const char *dst_addr, const char *other_dst_addr,
                                     BsListenerAccepted accepted, gpointer data, GError **error);

/* Ends the wait; the last one closes the port, and connections that were still in their handshake. NULL is
 * allowed. */
void bs_listener_forget(BsListenerTicket *ticket);

/* The open port, or 0. */
guint16 bs_listener_port(void);

/* TRUE if the port takes connections of that family. */
gboolean bs_listener_has_ipv4(void);
gboolean bs_listener_has_ipv6(void);

#endif
