/* A home router on loopback: a NAT-PMP gateway and a UPnP Internet Gateway Device, which do as they are told.
 * It maps nothing. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_ROUTER_SERVICE_H
#define BS_TEST_ROUTER_SERVICE_H

#include "socks5/router.h"

typedef enum {
    ROUTER_SERVES,
    ROUTER_IS_NOT_THERE, /* nobody listens */
    ROUTER_IS_SILENT,
    ROUTER_REFUSES,
    ROUTER_TALKS_NONSENSE,
} RouterMood;

typedef struct {
    BsRouterPlaces places; /* for bs_port_mapping_look_at() */
    char host[16];

    /* NAT-PMP. */
    RouterMood nat_pmp;
    char nat_pmp_outside[16];                                /* the router's address there */
    guint lifetime;                                          /* that it grants */
    guint16 nat_pmp_shift;                                   /* added to the port that is mapped */
    gboolean stutters;                                       /* answers everything twice */
    guint nat_pmp_requests, nat_pmp_mapped, nat_pmp_removed; /* a request may come twice */
    guint16 nat_pmp_client_ports[8];                         /* of the sockets that asked for mappings */
    guint nat_pmp_clients;                                   /* ... how many they are */
    gboolean nat_pmp_closed;                                 /* the latest request has removed a mapping */

    /* UPnP. */
    RouterMood upnp; /* IS_SILENT: it answers the search, and then nothing */
    char upnp_outside[16];
    guint version;            /* of the device: 1 or 2 */
    guint conflicts;          /* so many requests meet a port that is taken */
    gboolean only_permanent;  /* leases with an end are refused */
    gboolean leads_elsewhere; /* its description names another host's address */
    gboolean second_service;  /* the first of two connections is down */
    guint upnp_requests, upnp_mapped, upnp_any, upnp_removed;
    guint16 upnp_outside_port, upnp_inside_port; /* of the latest mapping */
    guint upnp_lease;

    /* What is below is the service's own. */
    int nat_pmp_fd, ssdp_fd, http_fd;
    guint nat_pmp_watch, ssdp_watch, http_watch;
    guint16 http_port;
    GPtrArray *connections;
} RouterService;

/* Serves at an address of 127.0.0.0/8 of its own, in the event loop. */
RouterService *router_service_new(RouterMood nat_pmp, RouterMood upnp);

void router_service_free(RouterService *service);

#endif
