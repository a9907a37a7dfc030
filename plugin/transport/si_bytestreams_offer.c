/* What we offer the peer: our streamhosts, and what becomes of them. SPDX-License-Identifier:
 * GPL-2.0-or-later */
#include <string.h>

#include "log.h"
#include "socks5/local_addresses.h"
#include "socks5/ip_address.h"
#include "stanza/allowances.h"
#include "stanza/jid.h"
#include "transport/si_bytestreams_hosts.h"
#include "transport/si_bytestreams_internal.h"

/* How long a peer may take over our streamhosts. libpurple tries one after the other and gives each 5 s,
 * QXmpp 7 s, Gabble 10 s; Psi takes 30 s for all of them, and 10 s before that for those that are no proxies.
 */
#define ANSWER_BASE_MS 30000
#define ANSWER_PER_HOST_MS 10000

void
bs_si_decide_disclosure(BsSiBytestreams *si)
{
    si->disclosure = bs_places_disclosure(&si->context);
    g_clear_pointer(&si->own_addresses, g_ptr_array_unref);
    si->own_addresses = bs_places_own_addresses(si->disclosure);
}

static void
port_mapped(const BsMappedPort *mapped, gpointer data)
{
    (void)mapped;
    (void)data;
}

/* In a room the peer knows us by another JID, but our proxy does not: DST.ADDR has the real one (XEP-0065,
 * 7). */
static const char *
real_jid(const BsSiBytestreams *si)
{
    return bs_si_is_in_room(si) ? bs_iq_link_own_jid(si->context.link) : si->context.own_jid;
}

static void
listen_for_peer(BsSiBytestreams *si)
{
    BsTransportContext context = si->context;

    context.own_jid = real_jid(si);
    si->ticket =
        bs_places_listen(&context, si->sid, si->own_addresses, si->peer_hosts, si->role->accepted, si);
}

/* Only the requester has a router asked: the target tells its streamhosts in the same moment, and never
 * again. */
void
bs_si_listen(BsSiBytestreams *si)
{
    if (si->disclosure != BS_DISCLOSE_ADDRESSES) {
        g_clear_pointer(&si->ticket, bs_listener_forget);
        g_clear_pointer(&si->mapping, bs_port_mapping_release);
        return;
    }
    if (si->ticket != NULL)
        return;
    listen_for_peer(si);
    if (si->ticket != NULL && si->context.initiator && bs_listener_has_ipv4())
        si->mapping = bs_port_mapping_request(si->context.id, bs_listener_port(), port_mapped, si);
}

/* The router's port, if it is mapped by now. */
static void
add_mapped(BsSiBytestreams *si)
{
    const BsMappedPort *mapped = bs_port_mapping_get(si->mapping);
    guint32 priority = bs_candidate_priority(BS_CANDIDATE_ASSISTED, si->context.initiator, 0);

    if (mapped == NULL || bs_candidates_contain(si->peer_hosts, mapped->host, mapped->port))
        return;
    si->mapped = *mapped;
    g_ptr_array_add(si->own_hosts, bs_candidate_new(BS_CANDIDATE_ASSISTED, "", si->context.own_jid,
                                                    mapped->host, mapped->port, priority));
}

/* Documentation has this address for itself (RFC 5737), so it is in no network of ours. */
#define ELSEWHERE "192.0.2.1"

/* Towards the server, which its proxy stands for; or else to anywhere. The caller's. */
static char *
outward_address(const GPtrArray *hosts)
{
    BsIpAddress address;

    for (guint i = 0; i < hosts->len; i++) {
        const BsCandidate *host = g_ptr_array_index(hosts, i);

        if (host->type == BS_CANDIDATE_PROXY && bs_ip_parse(host->host, &address) && !address.is_ipv6)
            return bs_local_address_towards(host->host);
    }
    return bs_local_address_towards(ELSEWHERE);
}

static void
choose_hosts(BsSiBytestreams *si)
{
    g_autofree char *outward = outward_address(si->own_hosts);
    const BsSiHostsHints hints = {
        .reach = bs_reaches_get(si->context.reaches, si->context.peer_jid),
        .outward = outward,
        .size = si->context.size,
    };

    bs_si_hosts_choose(si->own_hosts, &hints);
}

void
bs_si_gather(BsSiBytestreams *si)
{
    g_ptr_array_unref(si->own_hosts);
    if (si->ticket != NULL) {
        si->own_hosts = bs_places_direct(&si->context, si->own_addresses, si->peer_hosts);
        add_mapped(si);
    } else {
        si->own_hosts = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
    }
    bs_places_add_proxies(&si->context, si->own_hosts, si->peer_hosts);
    bs_places_drop_avoided(&si->context, si->own_hosts);
    choose_hosts(si);
    for (guint i = 0; i < si->own_hosts->len; i++)
        bs_places_log_offer(&si->context, g_ptr_array_index(si->own_hosts, i));
}

/* The peer has tried the first `count` of our streamhosts in vain. */
static void
tried_in_vain(BsSiBytestreams *si, guint count)
{
    if (!bs_si_hosts_have_near(si->own_hosts, count))
        return;
    bs_log(si->context.id, "the peer is not in our network");
    bs_reaches_learn(si->context.reaches, si->context.peer_jid, BS_REACH_FAR);
}

/* All our addresses have our own JID; which of them it is, nobody says. */
static SiHosts
find_used(BsSiBytestreams *si, const char *jid)
{
    for (guint i = 0; i < si->own_hosts->len; i++) {
        const BsCandidate *host = g_ptr_array_index(si->own_hosts, i);

        if (!bs_jid_equal(host->jid, jid))
            continue;
        if (host->type != BS_CANDIDATE_PROXY) {
            bs_log(si->context.id, "the peer says that it is connected to us");
            return SI_HOSTS_CONNECTED;
        }
        bs_log(si->context.id, "the peer uses our proxy %s", host->jid);
        tried_in_vain(si, i);
        si->proxy = host;
        return SI_HOSTS_PROXY;
    }
    bs_log_warning(si->context.id, "the peer says it uses a streamhost that we never offered");
    return SI_HOSTS_NOT_USED;
}

static gboolean
says_not_reached(const char *condition)
{
    return strcmp(condition, "item-not-found") == 0 ||
           (strcmp(condition, "remote-server-not-found") == 0 && bs_allow(BS_ALLOW_SI_NOT_REACHED));
}

static void
hosts_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    BsSiBytestreams *si = data;
    g_autofree char *condition = NULL;

    si->request = NULL;
    si->hosts = SI_HOSTS_NOT_USED;
    switch (outcome) {
    case BS_IQ_RESULT:
        si->hosts = find_used(si, bs_si_query_used(iq));
        si->tried = TRUE;
        break;
    case BS_IQ_ERROR:
        condition = bs_iq_error_condition(iq);
        bs_log(si->context.id, "the peer uses none of our streamhosts: %s", condition);
        si->tried = says_not_reached(condition);
        si->ambiguous = strcmp(condition, "service-unavailable") == 0;
        if (si->tried)
            tried_in_vain(si, si->own_hosts->len);
        break;
    case BS_IQ_TIMEOUT:
        bs_log_warning(si->context.id, "the peer does not say in time which streamhost it uses");
        si->ambiguous = TRUE;
        break;
    }
    si->role->answered(si);
}

void
bs_si_tell_hosts(BsSiBytestreams *si, gboolean fast)
{
    g_autofree char *dstaddr = bs_dst_addr(si->sid, real_jid(si), si->context.peer_jid);
    xmlnode *query = bs_si_query_build(si->sid, dstaddr, si->own_hosts, fast);
    guint patience = ANSWER_BASE_MS + si->own_hosts->len * ANSWER_PER_HOST_MS;
    BsIqRequest *request;

    si->hosts = SI_HOSTS_TOLD;
    request =
        bs_iq_request(si->context.link, "set", si->context.peer_jid, query, patience, hosts_answered, si);
    /* The answer may have come before the call returned. */
    if (request != NULL)
        si->request = request;
}

static void
proxy_done(BsActivation *activation, int fd, const char *reason, gpointer data)
{
    BsSiBytestreams *si = data;

    si->activation = NULL;
    if (fd < 0) {
        bs_log_warning(si->context.id, "our proxy %s does not work: %s", si->proxy->jid, reason);
        if (si->context.proxies != NULL)
            bs_proxies_set_aside(si->context.proxies, si->proxy->jid, reason);
    }
    bs_activation_free(activation);
    si->role->proxy_ready(si, fd);
}

void
bs_si_use_own_proxy(BsSiBytestreams *si)
{
    const BsStreamName stream = {
        .sid = si->sid,
        .own_jid = real_jid(si),
        .peer_jid = si->context.peer_jid,
    };

    si->activation = bs_activation_new(si->context.id, si->context.link, si->context.account, si->proxy,
                                       &stream, proxy_done, si);
}
