/* NAT-PMP (RFC 6886), by libnatpmp.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <natpmp.h>

#include "socks5/router.h"

/* A request is sent again after 250 ms, and again after 500 ms and 1 s more (RFC 6886, 3.1). */
#define ANSWER_MS 2500
/* The end of a mapping is told, and nobody waits for it for long. */
#define FAREWELL_MS 500

#define STOPPED 1 /* what libnatpmp never returns */

typedef struct {
    natpmp_t gateway;
    int stop;
} NatPmp;

static const char *
meaning_of(int result)
{
    switch (result) {
    case STOPPED:
        return "not needed any more";
    case NATPMP_ERR_CANNOTGETGATEWAY:
        return "there is no default gateway";
    case NATPMP_ERR_NOGATEWAYSUPPORT:
        return "the gateway does not speak it";
    case NATPMP_ERR_UNSUPPORTEDVERSION:
    case NATPMP_ERR_UNSUPPORTEDOPCODE:
        return "the gateway speaks another version";
    case NATPMP_ERR_NOTAUTHORIZED:
        return "the gateway refuses it";
    case NATPMP_ERR_NETWORKFAILURE:
        return "the gateway has no address on the outside";
    case NATPMP_ERR_OUTOFRESOURCES:
        return "the gateway has no port left";
    case NATPMP_TRYAGAIN:
        return "the gateway does not answer";
    default:
        return "the gateway cannot be asked, or its answer makes no sense";
    }
}

static int
await_response(NatPmp *nat_pmp, int stop, gint64 until, natpmpresp_t *response)
{
    for (;;) {
        int result = readnatpmpresponseorretry(&nat_pmp->gateway, response);
        struct timeval again = {0};
        gint64 now = g_get_monotonic_time();

        if (result != NATPMP_TRYAGAIN || now >= until)
            return result;
        if (getnatpmprequesttimeout(&nat_pmp->gateway, &again) != 0)
            return NATPMP_ERR_GETTIMEOFDAYERR;
        now += again.tv_sec * G_USEC_PER_SEC + again.tv_usec;
        if (bs_router_wait(nat_pmp->gateway.s, stop, MIN(now, until)) == BS_ROUTER_STOPPED)
            return STOPPED;
    }
}

static int
ask_for_address(NatPmp *nat_pmp, natpmpresp_t *response)
{
    gint64 until = g_get_monotonic_time() + ANSWER_MS * 1000;
    int result;

    /* What was sent twice may be answered twice: the second answer stands before the next request's. */
    do {
        result = sendpublicaddressrequest(&nat_pmp->gateway);
        if (result >= 0)
            result = await_response(nat_pmp, nat_pmp->stop, until, response);
    } while (result == 0 && response->type != NATPMP_RESPTYPE_PUBLICADDRESS &&
             g_get_monotonic_time() < until);
    if (result == 0 && response->type != NATPMP_RESPTYPE_PUBLICADDRESS)
        return NATPMP_ERR_UNDEFINEDERROR;
    return result;
}

static int
ask_for_port(NatPmp *nat_pmp, guint16 port, guint16 wanted, natpmpresp_t *response)
{
    gint64 until = g_get_monotonic_time() + ANSWER_MS * 1000;
    gboolean fits;
    int result;

    do {
        result = sendnewportmappingrequest(&nat_pmp->gateway, NATPMP_PROTOCOL_TCP, port, wanted,
                                           BS_ROUTER_LEASE_S);
        if (result >= 0)
            result = await_response(nat_pmp, nat_pmp->stop, until, response);
        fits = result == 0 && response->type == NATPMP_RESPTYPE_TCPPORTMAPPING &&
               response->pnu.newportmapping.privateport == port;
    } while (result == 0 && !fits && g_get_monotonic_time() < until);
    if (result == 0 && (!fits || response->pnu.newportmapping.mappedpublicport == 0))
        return NATPMP_ERR_UNDEFINEDERROR;
    return result;
}

/* A lifetime and a port of 0: the mapping goes (RFC 6886, 3.4). */
static void
remove_port(NatPmp *nat_pmp, guint16 port)
{
    natpmpresp_t response;

    if (sendnewportmappingrequest(&nat_pmp->gateway, NATPMP_PROTOCOL_TCP, port, 0, 0) >= 0)
        await_response(nat_pmp, -1, g_get_monotonic_time() + FAREWELL_MS * 1000, &response);
}

/* The address of ours from which the gateway is asked is the one that it maps the port to. */
static gboolean
get_local_host(int fd, char host[16])
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;

    return getsockname(fd, (struct sockaddr *)(gpointer)&address, &length) == 0 &&
           inet_ntop(AF_INET, &address.sin_addr, host, 16) != NULL;
}

static gboolean
nat_pmp_map(BsRouter *router, guint16 port, BsMappedPort *mapped, char **why)
{
    NatPmp *nat_pmp = (NatPmp *)(gpointer)router;
    natpmpresp_t address, answer;
    int result = ask_for_address(nat_pmp, &address);

    if (result == 0) {
        result = ask_for_port(nat_pmp, port, mapped->port != 0 ? mapped->port : port, &answer);
        if (result == STOPPED)
            remove_port(nat_pmp, port);
    }
    if (result == 0 && (inet_ntop(AF_INET, &address.pnu.publicaddress.addr, mapped->host, 16) == NULL ||
                        !get_local_host(nat_pmp->gateway.s, mapped->local_host)))
        result = NATPMP_ERR_SOCKETERROR;
    if (result != 0) {
        *why = g_strdup(meaning_of(result));
        return FALSE;
    }
    mapped->port = answer.pnu.newportmapping.mappedpublicport;
    mapped->lease = answer.pnu.newportmapping.lifetime;
    return TRUE;
}

static void
nat_pmp_unmap(BsRouter *router, guint16 port, const BsMappedPort *mapped)
{
    (void)mapped;
    remove_port((NatPmp *)(gpointer)router, port);
}

static void
nat_pmp_free(BsRouter *router)
{
    NatPmp *nat_pmp = (NatPmp *)(gpointer)router;

    closenatpmp(&nat_pmp->gateway);
    g_free(nat_pmp);
}

static BsRouter *
nat_pmp_find(const BsRouterPlaces *places, int stop, char **why)
{
    NatPmp *nat_pmp = g_new0(NatPmp, 1);
    gboolean given = places->gateway != NULL;
    int result = initnatpmp(&nat_pmp->gateway, given, given ? inet_addr(places->gateway) : 0);

    if (result != 0) {
        *why = g_strdup(meaning_of(result));
        /* There may be a socket all the same. */
        if (nat_pmp->gateway.s > 0)
            closenatpmp(&nat_pmp->gateway);
        g_free(nat_pmp);
        return NULL;
    }
    nat_pmp->stop = stop;
    return (BsRouter *)(gpointer)nat_pmp;
}

const BsRouterProtocol bs_nat_pmp = {
    .name = "NAT-PMP",
    .find = nat_pmp_find,
    .map = nat_pmp_map,
    .unmap = nat_pmp_unmap,
    .free = nat_pmp_free,
};
