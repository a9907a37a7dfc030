/* What a protocol by which routers map ports can do. All of it blocks and belongs to a worker thread: nothing
 * in here may call libpurple, nor write to the debug window. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_ROUTER_H
#define BS_ROUTER_H

#include <glib.h>

/* For so many seconds a port is asked for, and then asked for again. */
#define BS_ROUTER_LEASE_S 3600u

/* A port of ours that a router passes connections on to. All addresses are IPv4. */
typedef struct {
    char host[16]; /* the router's address on the outside ... */
    guint16 port;  /* ... and its port there */
    char local_host[16];
    guint lease; /* in seconds; 0: until it is removed */
} BsMappedPort;

/* Where routers are looked for. */
typedef struct {
    const char *gateway; /* for NAT-PMP; NULL: the default gateway */
    const char *group;   /* for UPnP: whom to ask for routers; NULL: the multicast group */
    guint16 group_port;
} BsRouterPlaces;

typedef struct _BsRouter BsRouter;

/* `stop` is a descriptor that can be read as soon as the work is to end; only unmap() is done nevertheless. A
 * `*why` (the caller's) tells of a failure. */
typedef struct {
    const char *name;
    /* The router, within a few seconds; NULL if there is none that speaks this protocol. */
    BsRouter *(*find)(const BsRouterPlaces *places, int stop, char **why);
    /* Maps our TCP `port`, or goes on mapping it: to `mapped->port` if that is not 0. Fills in `*mapped`. */
    gboolean (*map)(BsRouter *router, guint16 port, BsMappedPort *mapped, char **why);
    void (*unmap)(BsRouter *router, guint16 port, const BsMappedPort *mapped);
    void (*free)(BsRouter *router);
} BsRouterProtocol;

/* Of these only those exist that the plugin was built with: HAVE_NATPMP, HAVE_MINIUPNPC. */
extern const BsRouterProtocol bs_nat_pmp; /* libnatpmp */
extern const BsRouterProtocol bs_igd;     /* UPnP IGD 1 and 2: miniupnpc */

typedef enum {
    BS_ROUTER_READY,
    BS_ROUTER_LATE,
    BS_ROUTER_STOPPED,
} BsRouterWait;

/* Waits until `fd` (-1: none) can be read, but not beyond `until`, microseconds of the monotonic clock, and
 * no longer than until the work is to end (`stop`, -1: never). */
BsRouterWait bs_router_wait(int fd, int stop, gint64 until);

#endif
