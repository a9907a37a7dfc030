/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/si_bytestreams_hosts.h"

#include "socks5/ip_address.h"
#include "stanza/allowances.h"

/* At some 8 Mbit/s these have gone over a proxy in less than the 5 s that libpurple gives to an address that
 * does not answer; QXmpp gives it 7 s, and Gabble 10 s. */
#define SMALL_SIZE (4 * 1024 * 1024)

typedef enum {
    KIND_PUBLIC_IPV4,
    KIND_MAPPED, /* on the outside of our router */
    KIND_PUBLIC_IPV6,
    KIND_NEAR_IPV4,
    KIND_OTHER, /* counts in our own network, or one between two routers */
    KIND_PROXY,
    KIND_COUNT,
} Kind;

/* Those that are reached from everywhere come before those that only count in one network; and IPv6 before
 * private IPv4 addresses, as whoever has no IPv6 notices at once. */
static const Kind usual_order[KIND_COUNT] = {
    KIND_PUBLIC_IPV4, KIND_MAPPED, KIND_PUBLIC_IPV6, KIND_NEAR_IPV4, KIND_OTHER, KIND_PROXY,
};
static const Kind order_of_neighbours[KIND_COUNT] = {
    KIND_NEAR_IPV4, KIND_OTHER, KIND_PUBLIC_IPV4, KIND_MAPPED, KIND_PUBLIC_IPV6, KIND_PROXY,
};
static const Kind order_in_doubt[KIND_COUNT] = {
    KIND_PUBLIC_IPV4, KIND_MAPPED, KIND_PUBLIC_IPV6, KIND_PROXY, KIND_NEAR_IPV4, KIND_OTHER,
};

/* A second address of the same kind leads, with IPv6, to the same interface; with IPv4 into another network.
 */
static const guint most_of[KIND_COUNT] = {
    [KIND_PUBLIC_IPV4] = 2, [KIND_MAPPED] = 1, [KIND_PUBLIC_IPV6] = 1,
    [KIND_NEAR_IPV4] = 2,   [KIND_OTHER] = 1,  [KIND_PROXY] = 2,
};

static Kind
kind_of_address(const char *host)
{
    BsIpAddress address;

    if (!bs_ip_parse(host, &address) || bs_ip_kind(&address) == BS_IP_UNIQUE_LOCAL)
        return KIND_OTHER;
    if (address.is_ipv6)
        return bs_ip_kind(&address) == BS_IP_GLOBAL ? KIND_PUBLIC_IPV6 : KIND_OTHER;
    return bs_ip_kind(&address) == BS_IP_GLOBAL && !bs_ip_is_private(&address) ? KIND_PUBLIC_IPV4
                                                                               : KIND_NEAR_IPV4;
}

static Kind
kind_of(const BsCandidate *candidate)
{
    Kind kind;

    if (candidate->type == BS_CANDIDATE_PROXY)
        return KIND_PROXY;
    kind = kind_of_address(candidate->host);
    if (candidate->type == BS_CANDIDATE_ASSISTED)
        /* Behind another router it only helps those in the network between the two. */
        return kind == KIND_PUBLIC_IPV4 ? KIND_MAPPED : KIND_OTHER;
    return kind;
}

static gboolean
has_kind(const GPtrArray *hosts, Kind kind)
{
    for (guint i = 0; i < hosts->len; i++)
        if (kind_of(g_ptr_array_index(hosts, i)) == kind)
            return TRUE;
    return FALSE;
}

static gboolean
has_direct(const GPtrArray *hosts, const char *address)
{
    for (guint i = 0; i < hosts->len; i++) {
        const BsCandidate *host = g_ptr_array_index(hosts, i);

        if (host->type == BS_CANDIDATE_DIRECT && bs_ip_same_host(host->host, address))
            return TRUE;
    }
    return FALSE;
}

static void
drop_kind(GPtrArray *hosts, Kind kind, const char *but)
{
    for (guint i = hosts->len; i-- > 0;) {
        const BsCandidate *host = g_ptr_array_index(hosts, i);

        if (kind_of(host) == kind && (but == NULL || !bs_ip_same_host(host->host, but)))
            g_ptr_array_remove_index(hosts, i);
    }
}

static void
drop_needless(GPtrArray *hosts, const BsSiHostsHints *hints)
{
    if (hints->reach == BS_REACH_FAR)
        drop_kind(hosts, KIND_NEAR_IPV4, NULL);
    else if (hints->outward != NULL && has_direct(hosts, hints->outward))
        drop_kind(hosts, KIND_NEAR_IPV4, hints->outward);
    if (hints->reach == BS_REACH_FAR || has_kind(hosts, KIND_NEAR_IPV4))
        drop_kind(hosts, KIND_OTHER, NULL);
}

/* A server with a proxy at a private address is in the same network as all its users. */
static gboolean
is_server_near(const GPtrArray *hosts)
{
    for (guint i = 0; i < hosts->len; i++) {
        const BsCandidate *host = g_ptr_array_index(hosts, i);

        if (host->type == BS_CANDIDATE_PROXY && bs_si_host_is_near(host->host))
            return TRUE;
    }
    return FALSE;
}

static const Kind *
order_for(const GPtrArray *hosts, const BsSiHostsHints *hints)
{
    if (hints->reach == BS_REACH_NEAR)
        return order_of_neighbours;
    return hints->size <= SMALL_SIZE && !is_server_near(hosts) ? order_in_doubt : usual_order;
}

static void
move_kind(GPtrArray *from, Kind kind, GPtrArray *to, guint most)
{
    for (guint i = 0; i < from->len && most > 0;) {
        if (kind_of(g_ptr_array_index(from, i)) != kind) {
            i++;
            continue;
        }
        g_ptr_array_add(to, g_ptr_array_steal_index(from, i));
        most--;
    }
}

void
bs_si_hosts_choose(GPtrArray *hosts, const BsSiHostsHints *hints)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();
    const Kind *order = order_for(hosts, hints);
    guint room_for_proxy = has_kind(hosts, KIND_PROXY) ? 1 : 0;

    bs_allow(BS_ALLOW_SI_FEW_HOSTS);
    drop_needless(hosts, hints);
    for (guint i = 0; i < KIND_COUNT; i++) {
        if (order[i] == KIND_PROXY)
            room_for_proxy = 0;
        move_kind(hosts, order[i], chosen,
                  MIN(most_of[order[i]], BS_SI_HOSTS_MAX - room_for_proxy - chosen->len));
    }
    g_ptr_array_set_size(hosts, 0);
    for (guint i = 0; i < chosen->len; i++)
        g_ptr_array_add(hosts, g_ptr_array_index(chosen, i));
}

gboolean
bs_si_hosts_have_near(const GPtrArray *hosts, guint count)
{
    for (guint i = 0; i < count && i < hosts->len; i++)
        if (kind_of(g_ptr_array_index(hosts, i)) == KIND_NEAR_IPV4)
            return TRUE;
    return FALSE;
}

gboolean
bs_si_host_is_near(const char *host)
{
    return kind_of_address(host) == KIND_NEAR_IPV4;
}
