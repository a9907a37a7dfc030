/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/places.h"

#include <string.h>

#include "log.h"
#include "socks5/ip_address.h"
#include "socks5/local_addresses.h"
#include "stanza/allowances.h"

BsDisclosure
bs_places_disclosure(const BsTransportContext *context)
{
    return context->disclosure != NULL ? context->disclosure(context->account, context->peer_jid)
                                       : BS_DISCLOSE_ADDRESSES;
}

void
bs_places_log_disclosure(const BsTransportContext *context, BsDisclosure disclosure)
{
    switch (disclosure) {
    case BS_DISCLOSE_ADDRESSES:
        break;
    case BS_DISCLOSE_USER_PROXY:
        bs_log(context->id, "the account has a proxy: no address is told, and all is dialled through it");
        break;
    case BS_DISCLOSE_NOTHING:
        bs_log(context->id, "this peer is told no address: only proxies of ours are used");
        break;
    }
}

GPtrArray *
bs_places_own_addresses(BsDisclosure disclosure)
{
    return disclosure != BS_DISCLOSE_USER_PROXY ? bs_local_addresses() : NULL;
}

/* The peer is another account of this process and listens on the same port: only it may be asked for under
 * its own DST.ADDR, or we would end up talking to ourselves. */
static gboolean
shares_our_port(const GPtrArray *own_addresses, const GPtrArray *theirs)
{
    for (guint i = 0; i < own_addresses->len && bs_listener_port() != 0; i++)
        if (bs_candidates_contain(theirs, g_ptr_array_index(own_addresses, i), bs_listener_port()))
            return TRUE;
    return FALSE;
}

BsListenerTicket *
bs_places_listen(const BsTransportContext *context, const char *sid, const GPtrArray *own_addresses,
                 const GPtrArray *theirs, BsListenerAccepted accepted, gpointer data)
{
    g_autofree char *ours_first = bs_dst_addr(sid, context->own_jid, context->peer_jid);
    g_autofree char *ours_last = bs_dst_addr(sid, context->peer_jid, context->own_jid);
    g_autoptr(GError) error = NULL;
    gboolean either = !shares_our_port(own_addresses, theirs) && bs_allow(BS_ALLOW_EITHER_ORDER);
    BsListenerTicket *ticket =
        bs_listener_expect(context->id, ours_first, either ? ours_last : NULL, accepted, data, &error);

    if (ticket == NULL)
        bs_log_warning(context->id, "no port to listen on: %s", error->message);
    return ticket;
}

GPtrArray *
bs_places_direct(const BsTransportContext *context, const GPtrArray *own_addresses, const GPtrArray *theirs)
{
    GPtrArray *ours =
        bs_candidates_gather(own_addresses, bs_listener_port(), context->own_jid, context->initiator);

    for (guint i = ours->len; i-- > 0;) {
        const BsCandidate *candidate = g_ptr_array_index(ours, i);
        gboolean ipv6 = strchr(candidate->host, ':') != NULL;

        if ((ipv6 ? !bs_listener_has_ipv6() : !bs_listener_has_ipv4()) ||
            bs_candidates_contain(theirs, candidate->host, candidate->port))
            g_ptr_array_remove_index(ours, i);
    }
    return ours;
}

/* One of our proxies as the peer is told of it, the caller's. */
static BsCandidate *
tell_proxy(const BsTransportContext *context, const BsCandidate *proxy)
{
    BsCandidate *told = bs_candidate_copy(proxy);
    const char *address = context->takes_no_names ? bs_proxies_address(context->proxies, proxy->jid) : NULL;

    if (address != NULL && bs_allow(BS_ALLOW_PROXIES_BY_ADDRESS)) {
        g_free(told->host);
        told->host = g_strdup(address);
    }
    return told;
}

void
bs_places_add_proxies(const BsTransportContext *context, GPtrArray *ours, const GPtrArray *theirs)
{
    g_autoptr(GPtrArray) proxies = NULL;

    if (context->proxies == NULL)
        return;
    proxies = bs_proxies_gather(context->proxies, context->initiator);
    for (guint i = 0; i < proxies->len; i++) {
        BsCandidate *proxy = tell_proxy(context, g_ptr_array_index(proxies, i));

        if (!bs_candidates_contain(theirs, proxy->host, proxy->port))
            g_ptr_array_add(ours, proxy);
        else
            bs_candidate_free(proxy);
    }
}

gboolean
bs_places_is_avoided(const BsTransportContext *context, const BsCandidate *candidate)
{
    const BsRoute *avoided = context->avoided;

    /* Ports change from one transport to the next. */
    return avoided != NULL && candidate->type == avoided->type &&
           bs_ip_same_host(candidate->host, avoided->host);
}

void
bs_places_drop_avoided(const BsTransportContext *context, GPtrArray *ours)
{
    for (guint i = ours->len; i-- > 0;)
        if (bs_places_is_avoided(context, g_ptr_array_index(ours, i)))
            g_ptr_array_remove_index(ours, i);
}

void
bs_places_log_offer(const BsTransportContext *context, const BsCandidate *candidate)
{
    bs_log(context->id, "we offer %s %s port %u priority %u", bs_candidate_type_name(candidate->type),
           candidate->host, candidate->port, candidate->priority);
}

/* The same place under another name, as we offer a mapped port ourselves. */
static gboolean
is_repeated(const BsCandidate *candidate, const GPtrArray *theirs)
{
    for (guint i = 0; i < theirs->len; i++) {
        const BsCandidate *other = g_ptr_array_index(theirs, i);

        if (strcmp(other->cid, candidate->cid) == 0)
            return FALSE;
        if (other->port == candidate->port && bs_ip_same_host(other->host, candidate->host))
            return TRUE;
    }
    return FALSE;
}

/* What the peer calls a proxy may be a machine of its own, and whoever is dialled learns our address. So
 * where that is not to be told, only a proxy is dialled that our own server or the user named to us before,
 * at the very place that it named itself; a JID alone proves nothing, as the peer can write down any. */
static gboolean
is_known_proxy(const BsTransportContext *context, const BsCandidate *candidate)
{
    return candidate->type == BS_CANDIDATE_PROXY && context->proxies != NULL &&
           bs_proxies_know(context->proxies, candidate->host, candidate->port);
}

static const char *
refusal_of(const BsTransportContext *context, BsDisclosure disclosure, const BsCandidate *candidate,
           const GPtrArray *theirs, const GPtrArray *own_addresses)
{
    if (bs_places_is_avoided(context, candidate))
        return "it was a dead end before";
    if (is_repeated(candidate, theirs))
        return "it was offered already";
    if (disclosure == BS_DISCLOSE_NOTHING && !is_known_proxy(context, candidate))
        return "it would learn our address";
    return bs_candidate_refusal(candidate, theirs, own_addresses);
}

void
bs_places_dial(const BsTransportContext *context, BsDisclosure disclosure, BsConnector *connector,
               const BsCandidate *candidate, const GPtrArray *theirs, const GPtrArray *own_addresses)
{
    const char *refusal = refusal_of(context, disclosure, candidate, theirs, own_addresses);

    if (refusal == NULL)
        bs_connector_add(connector, candidate);
    else
        bs_log(context->id, "the peer's %s port %u is not dialled: %s", candidate->host, candidate->port,
               refusal);
}

/* Without `dstaddr` it is offerer first (XEP-0065, 5.3.2), then the other order. */
BsConnector *
bs_places_connector(const BsTransportContext *context, const char *sid, const char *dstaddr,
                    const BsConnectorEvents *events, gpointer data)
{
    g_autofree char *offerer_first = bs_dst_addr(sid, context->peer_jid, context->own_jid);
    g_autofree char *offerer_last = bs_dst_addr(sid, context->own_jid, context->peer_jid);
    const char *first = dstaddr != NULL ? dstaddr : offerer_first;
    const char *second = g_ascii_strcasecmp(first, offerer_first) == 0 ? offerer_last : offerer_first;
    const char *const dst_addrs[] = {first, bs_allow(BS_ALLOW_EITHER_ORDER) ? second : NULL, NULL};

    return bs_connector_new(context->id, context->account, dst_addrs, events, data);
}
