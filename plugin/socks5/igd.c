/* UPnP Internet Gateway Devices, versions 1 and 2, by miniupnpc.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpcommands.h>
#include <miniupnpc/upnperrors.h>
#include <stdlib.h>
#include <string.h>

#include "socks5/router.h"
#include "socks5/ssdp.h"

/* What others see in the router's list of mapped ports. */
#define DESCRIPTION "purple-bytestreams"

/* So often another port is tried where one is taken. */
#define PORTS_MAX 5

/* Answers to AddPortMapping (WANIPConnection:1, 2.4.16). */
#define INVALID_ARGUMENTS 402
#define ACTION_FAILED 501
#define CONFLICT 718
#define ONLY_PERMANENT_LEASES 725
#define CONFLICT_WITH_OTHER_MECHANISM 729

typedef struct {
    struct UPNPUrls urls;
    struct IGDdatas data;
    char local_host[64];
    int stop;
} Igd;

static gboolean
is_stopped(int stop)
{
    return bs_router_wait(-1, stop, 0) == BS_ROUTER_STOPPED;
}

static void
igd_free(BsRouter *router)
{
    Igd *igd = (Igd *)(gpointer)router;

    FreeUPNPUrls(&igd->urls);
    g_free(igd);
}

static gboolean
get_external_host(Igd *igd, char host[16])
{
    char answer[64] = "";
    int result = UPNP_GetExternalIPAddress(igd->urls.controlURL, igd->data.first.servicetype, answer);

    g_strlcpy(host, answer, 16);
    return result == UPNPCOMMAND_SUCCESS && *host != '\0' && strcmp(host, "0.0.0.0") != 0;
}

/* Many routers describe a connection by IP and one by PPP, and only one of the two is in use. */
static void
use_the_second_service(Igd *igd, const char *url)
{
    struct IGDdatas_service first = igd->data.first;

    igd->data.first = igd->data.second;
    igd->data.second = first;
    FreeUPNPUrls(&igd->urls);
    GetUPNPUrls(&igd->urls, &igd->data, url, 0);
}

/* The description may name any address as the one to be asked. */
static gboolean
is_usable(const Igd *igd, const char *router_host)
{
    return igd->data.first.servicetype[0] != '\0' && igd->urls.controlURL != NULL &&
           bs_ssdp_leads_to(igd->urls.controlURL, router_host);
}

/* The router described at `url`; NULL if it is none. */
static Igd *
open_igd(const char *url, const char *router_host)
{
    Igd *igd = g_new0(Igd, 1);
    char host[16];

    if (UPNP_GetIGDFromUrl(url, &igd->urls, &igd->data, igd->local_host, sizeof igd->local_host) == 1 &&
        is_usable(igd, router_host)) {
        if (igd->data.second.servicetype[0] != '\0' && !get_external_host(igd, host))
            use_the_second_service(igd, url);
        if (is_usable(igd, router_host))
            return igd;
    }
    igd_free((BsRouter *)(gpointer)igd);
    return NULL;
}

/* "192.168.0.1" of "http://192.168.0.1:5000/description.xml". */
static char *
get_host(const char *url)
{
    const char *host = url + strlen("http://");

    return g_strndup(host, strcspn(host, ":/"));
}

static BsRouter *
igd_find(const BsRouterPlaces *places, int stop, char **why)
{
    BsSsdp *ssdp = bs_ssdp_new(places, why);
    Igd *igd = NULL;
    guint answers = 0;
    char *url;

    if (ssdp == NULL)
        return NULL;
    while (igd == NULL && (url = bs_ssdp_next(ssdp, stop)) != NULL) {
        g_autofree char *host = get_host(url);

        answers++;
        igd = open_igd(url, host);
        g_free(url);
    }
    bs_ssdp_free(ssdp);
    if (igd != NULL)
        igd->stop = stop;
    else if (is_stopped(stop))
        *why = g_strdup("not needed any more");
    else
        *why = g_strdup(answers == 0 ? "no router answers" : "no router is described as one");
    return (BsRouter *)(gpointer)igd;
}

static int
add(Igd *igd, guint16 port, guint16 outside, guint lease)
{
    g_autofree char *port_text = g_strdup_printf("%u", port);
    g_autofree char *outside_text = g_strdup_printf("%u", outside);
    g_autofree char *lease_text = g_strdup_printf("%u", lease);

    return UPNP_AddPortMapping(igd->urls.controlURL, igd->data.first.servicetype, outside_text, port_text,
                               igd->local_host, DESCRIPTION, "TCP", NULL, lease_text);
}

static int
add_again_or_elsewhere(Igd *igd, guint16 port, BsMappedPort *mapped)
{
    guint16 outside = mapped->port != 0 ? mapped->port : port;
    guint lease = BS_ROUTER_LEASE_S;
    int result = UPNPCOMMAND_UNKNOWN_ERROR;

    for (guint ports = 0; ports < PORTS_MAX && !is_stopped(igd->stop);) {
        result = add(igd, port, outside, lease);
        if (result == UPNPCOMMAND_SUCCESS) {
            mapped->port = outside;
            mapped->lease = lease;
            break;
        }
        if (result == CONFLICT || result == CONFLICT_WITH_OTHER_MECHANISM) {
            outside = (guint16)g_random_int_range(20000, 60000);
            ports++;
        } else if (lease != 0 && (result == ONLY_PERMANENT_LEASES || result == INVALID_ARGUMENTS ||
                                  result == ACTION_FAILED)) {
            /* Not all routers that know no leases say so by the right number. */
            lease = 0;
        } else {
            break;
        }
    }
    return result;
}

/* IGD 2 chooses another port by itself where the wanted one is taken. */
static int
add_any(Igd *igd, guint16 port, BsMappedPort *mapped)
{
    g_autofree char *port_text = g_strdup_printf("%u", port);
    g_autofree char *lease_text = g_strdup_printf("%u", BS_ROUTER_LEASE_S);
    char reserved[8] = "";
    guint64 number;
    int result =
        UPNP_AddAnyPortMapping(igd->urls.controlURL, igd->data.first.servicetype, port_text, port_text,
                               igd->local_host, DESCRIPTION, "TCP", NULL, lease_text, reserved);

    if (result != UPNPCOMMAND_SUCCESS)
        return result;
    if (!g_ascii_string_to_unsigned(reserved, 10, 1, G_MAXUINT16, &number, NULL))
        return UPNPCOMMAND_INVALID_RESPONSE;
    mapped->port = (guint16)number;
    mapped->lease = BS_ROUTER_LEASE_S;
    return result;
}

static const char *
meaning_of(int result)
{
    const char *text = strupnperror(result);

    return text != NULL ? text : "its answer makes no sense";
}

static gboolean
igd_map(BsRouter *router, guint16 port, BsMappedPort *mapped, char **why)
{
    Igd *igd = (Igd *)(gpointer)router;
    int result = UPNPCOMMAND_UNKNOWN_ERROR;

    if (!get_external_host(igd, mapped->host)) {
        *why = g_strdup("the router does not tell its address on the outside");
        return FALSE;
    }
    if (mapped->port == 0 && g_str_has_suffix(igd->data.first.servicetype, "WANIPConnection:2"))
        result = add_any(igd, port, mapped);
    if (result != UPNPCOMMAND_SUCCESS)
        result = add_again_or_elsewhere(igd, port, mapped);
    g_strlcpy(mapped->local_host, igd->local_host, sizeof mapped->local_host);
    if (result != UPNPCOMMAND_SUCCESS)
        *why = g_strdup_printf("the router refuses it: %s (%d)", meaning_of(result), result);
    return result == UPNPCOMMAND_SUCCESS;
}

static void
igd_unmap(BsRouter *router, guint16 port, const BsMappedPort *mapped)
{
    Igd *igd = (Igd *)(gpointer)router;
    g_autofree char *outside = g_strdup_printf("%u", mapped->port);

    (void)port;
    UPNP_DeletePortMapping(igd->urls.controlURL, igd->data.first.servicetype, outside, "TCP", NULL);
}

const BsRouterProtocol bs_igd = {
    .name = "UPnP",
    .find = igd_find,
    .map = igd_map,
    .unmap = igd_unmap,
    .free = igd_free,
};
