/* Mapped ports: a home router passes connections to one of its ports on to our listener, so that peers reach
 * us behind it (XEP-0260, 2.1: assisted candidates). Only where the user allows it in Pidgin's network
 * preferences. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PORT_MAPPING_H
#define BS_PORT_MAPPING_H

#include "socks5/router.h"

/* Somebody's need of a port that is mapped. */
typedef struct _BsPortMapping BsPortMapping;

/* The port is mapped, or is mapped otherwise than before; from the event loop. Requests may be released
 * inside, and new ones made. `mapped` lives as long as the call. */
typedef void (*BsPortMapped)(const BsMappedPort *mapped, gpointer data);

/* Has our TCP `port` mapped by whichever protocol the router speaks, NAT-PMP or UPnP, and kept so as long as
 * somebody needs it; several may need the same one. Returns at once, and the callback never comes before.
 * What happens is told in the debug window, in lines of the transfer `id`. NULL if no ports are to be mapped
 * (/purple/network/map_ports). */
BsPortMapping *bs_port_mapping_request(const char *id, guint16 port, BsPortMapped mapped, gpointer data);

/* What it is mapped to now, valid until the event loop runs again; NULL: it is not, or not yet. NULL is
 * allowed. */
const BsMappedPort *bs_port_mapping_get(const BsPortMapping *request);

/* The last one that goes takes the mapping back, in the background. At any moment; NULL is allowed. */
void bs_port_mapping_release(BsPortMapping *request);

/* All requests have been released: waits until the routers know that as well, but not longer than a second.
 */
void bs_port_mapping_finish(void);

/* TRUE if this address on the outside of a router is one that peers anywhere may reach. A router behind
 * another one has a private address there, or one that its provider shares out (RFC 6598). */
gboolean bs_port_mapping_is_public(const BsMappedPort *mapped);

/* Where routers are looked for from now on (borrowed); NULL: in the network. For tests, which have their own
 * on loopback. */
void bs_port_mapping_look_at(const BsRouterPlaces *places);

#endif
