/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/port_mapping.h"

#include <eventloop.h>
#include <prefs.h>

#include "log.h"
#include "socks5/ip_address.h"
#include "socks5/local_addresses.h"
#include "socks5/mapping_worker.h"
#include "timer.h"

/* What has not come about by then will not: longer than a router needs that speaks one of the protocols. */
#define DEADLINE_S 15
#define FINISH_MS 1000

static const BsRouterProtocol *const protocols[] = {
#ifdef HAVE_NATPMP
    &bs_nat_pmp,
#endif
#ifdef HAVE_MINIUPNPC
    &bs_igd,
#endif
    NULL,
};

/* One port, for all who need it. */
typedef struct {
    char *id; /* of the transfer that needed it first */
    guint16 port;
    GList *requests;                                   /* BsPortMapping */
    BsMappingWorker *workers[G_N_ELEMENTS(protocols)]; /* NULL: has ended, or is not needed */
    BsMappingWorker *holder;                           /* that of them which has mapped the port */
    BsMappedPort mapped;                               /* while there is a holder */
    guint deadline;
} Mapping;

struct _BsPortMapping {
    Mapping *mapping;
    BsPortMapped mapped;
    gpointer data;
};

static GList *mappings;
static const BsRouterPlaces *places;

static void
stop_workers(Mapping *mapping, const BsMappingWorker *except)
{
    for (guint i = 0; protocols[i] != NULL; i++) {
        if (mapping->workers[i] == NULL || mapping->workers[i] == except)
            continue;
        bs_mapping_worker_stop(mapping->workers[i]);
        mapping->workers[i] = NULL;
    }
}

static void
forget_worker(Mapping *mapping, const BsMappingWorker *worker)
{
    for (guint i = 0; protocols[i] != NULL; i++)
        if (mapping->workers[i] == worker)
            mapping->workers[i] = NULL;
    if (mapping->holder == worker)
        mapping->holder = NULL;
}

static const char *
name_of(const Mapping *mapping, const BsMappingWorker *worker)
{
    for (guint i = 0; protocols[i] != NULL; i++)
        if (mapping->workers[i] == worker)
            return protocols[i]->name;
    return "";
}

static gboolean
has_workers(const Mapping *mapping)
{
    for (guint i = 0; protocols[i] != NULL; i++)
        if (mapping->workers[i] != NULL)
            return TRUE;
    return FALSE;
}

/* NULL, or why nobody can reach us there: a router that is not connected, that is this machine itself (and
 * whose address is offered anyway), or that lies. */
static const char *
uselessness(const BsMappedPort *mapped)
{
    g_autoptr(GPtrArray) own = bs_local_addresses();
    BsIpAddress address;

    if (!bs_ip_parse(mapped->host, &address) || address.is_ipv6 || bs_ip_kind(&address) != BS_IP_GLOBAL)
        return "nobody can reach that address";
    for (guint i = 0; i < own->len; i++)
        if (bs_ip_same_host(mapped->host, g_ptr_array_index(own, i)))
            return "that is our own address";
    return NULL;
}

/* Each of those who need it now, unless it is gone by then. */
static void
tell_all(Mapping *mapping)
{
    g_autoptr(GList) requests = g_list_copy(mapping->requests);
    BsMappedPort mapped = mapping->mapped;

    for (GList *link = requests; link != NULL; link = link->next) {
        BsPortMapping *request = link->data;

        if (g_list_find(mappings, mapping) != NULL && g_list_find(mapping->requests, request) != NULL)
            request->mapped(&mapped, request->data);
    }
}

/* The first one that has mapped the port does it alone. */
static void
made(Mapping *mapping, BsMappingWorker *worker, const BsMappedPort *mapped)
{
    const char *useless = uselessness(mapped);

    bs_log(mapping->id, "%s maps port %u of %s to port %u of %s%s%s", name_of(mapping, worker), mapping->port,
           mapped->local_host, mapped->port, mapped->host, useless != NULL ? ", but " : "",
           useless != NULL ? useless : "");
    if (useless != NULL) {
        forget_worker(mapping, worker);
        bs_mapping_worker_stop(worker);
        return;
    }
    stop_workers(mapping, worker);
    bs_timer_clear(&mapping->deadline);
    mapping->holder = worker;
    mapping->mapped = *mapped;
    tell_all(mapping);
}

static void
worker_reported(BsMappingWorker *worker, BsMappingNews news, const BsMappedPort *mapped, const char *why,
                gpointer data)
{
    Mapping *mapping = data;

    switch (news) {
    case BS_MAPPING_MADE:
        made(mapping, worker, mapped);
        break;
    case BS_MAPPING_LOST:
        bs_log_warning(mapping->id, "port %u is not mapped any more by %s: %s", mapping->port,
                       name_of(mapping, worker), why);
        mapping->holder = NULL;
        break;
    case BS_MAPPING_NEVER:
        bs_log(mapping->id, "no port mapped by %s: %s", name_of(mapping, worker), why);
        forget_worker(mapping, worker);
        if (!has_workers(mapping))
            bs_timer_clear(&mapping->deadline);
        break;
    }
}

static gboolean
deadline_passed(gpointer data)
{
    Mapping *mapping = data;

    mapping->deadline = 0;
    for (guint i = 0; protocols[i] != NULL; i++)
        if (mapping->workers[i] != NULL)
            bs_log_warning(mapping->id, "%s has not mapped port %u within %d s", protocols[i]->name,
                           mapping->port, DEADLINE_S);
    stop_workers(mapping, NULL);
    return FALSE;
}

static Mapping *
new_mapping(const char *id, guint16 port)
{
    static const BsRouterPlaces in_the_network;
    Mapping *mapping = g_new0(Mapping, 1);

    mapping->id = g_strdup(id);
    mapping->port = port;
    for (guint i = 0; protocols[i] != NULL; i++)
        mapping->workers[i] = bs_mapping_worker_new(protocols[i], places != NULL ? places : &in_the_network,
                                                    port, worker_reported, mapping);
    if (protocols[0] == NULL)
        bs_log(id, "no port is mapped: built without miniupnpc and libnatpmp");
    else if (!has_workers(mapping))
        bs_log_warning(id, "no port is mapped: no thread can be started");
    else
        mapping->deadline = purple_timeout_add_seconds(DEADLINE_S, deadline_passed, mapping);
    mappings = g_list_prepend(mappings, mapping);
    return mapping;
}

static void
mapping_free(Mapping *mapping)
{
    mappings = g_list_remove(mappings, mapping);
    bs_timer_clear(&mapping->deadline);
    stop_workers(mapping, NULL);
    g_free(mapping->id);
    g_free(mapping);
}

static Mapping *
find_mapping(guint16 port)
{
    for (GList *link = mappings; link != NULL; link = link->next) {
        Mapping *mapping = link->data;

        if (mapping->port == port)
            return mapping;
    }
    return NULL;
}

BsPortMapping *
bs_port_mapping_request(const char *id, guint16 port, BsPortMapped mapped, gpointer data)
{
    BsPortMapping *request;

    if (!purple_prefs_get_bool("/purple/network/map_ports")) {
        bs_log(id, "no port is mapped: the network preferences do not allow it");
        return NULL;
    }
    request = g_new0(BsPortMapping, 1);
    request->mapping = find_mapping(port);
    if (request->mapping == NULL)
        request->mapping = new_mapping(id, port);
    request->mapping->requests = g_list_append(request->mapping->requests, request);
    request->mapped = mapped;
    request->data = data;
    return request;
}

const BsMappedPort *
bs_port_mapping_get(const BsPortMapping *request)
{
    if (request == NULL || request->mapping->holder == NULL)
        return NULL;
    return &request->mapping->mapped;
}

void
bs_port_mapping_release(BsPortMapping *request)
{
    Mapping *mapping;

    if (request == NULL)
        return;
    mapping = request->mapping;
    mapping->requests = g_list_remove(mapping->requests, request);
    g_free(request);
    if (mapping->requests != NULL)
        return;
    if (mapping->holder != NULL)
        bs_log(mapping->id, "port %u need not be mapped any more", mapping->port);
    mapping_free(mapping);
}

void
bs_port_mapping_finish(void)
{
    bs_mapping_workers_finish(FINISH_MS);
}

gboolean
bs_port_mapping_is_public(const BsMappedPort *mapped)
{
    BsIpAddress address;

    return bs_ip_parse(mapped->host, &address) && bs_ip_kind(&address) == BS_IP_GLOBAL &&
           !bs_ip_is_private(&address);
}

void
bs_port_mapping_look_at(const BsRouterPlaces *new_places)
{
    places = new_places;
}
