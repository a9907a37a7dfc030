/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/si_bytestreams_hosts.h"

#include "socks5/ip_address.h"

/* In the order in which they are told. A dead address costs a peer 5 to 10 s: those that are reached from
 * everywhere come before those that only count in one network; and IPv6 before private IPv4 addresses, as
 * whoever has no IPv6 notices at once. */
typedef enum {
    KIND_PUBLIC_IPV4,
    KIND_MAPPED, /* on the outside of our router */
    KIND_PUBLIC_IPV6,
    KIND_NEAR_IPV4,
    KIND_OTHER,
    KIND_PROXY,
    KIND_COUNT,
} Kind;

/* A second address of the same kind leads, with IPv6, to the same interface; with IPv4 into another network,
 * or to a bridge of virtual machines. */
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

static gboolean
has_proxy(const GPtrArray *hosts)
{
    for (guint i = 0; i < hosts->len; i++)
        if (kind_of(g_ptr_array_index(hosts, i)) == KIND_PROXY)
            return TRUE;
    return FALSE;
}

void
bs_si_hosts_choose(GPtrArray *hosts)
{
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();
    guint direct_max = has_proxy(hosts) ? BS_SI_HOSTS_MAX - 1 : BS_SI_HOSTS_MAX;

    for (Kind kind = 0; kind < KIND_COUNT; kind++) {
        guint max = kind == KIND_PROXY ? BS_SI_HOSTS_MAX : direct_max;

        move_kind(hosts, kind, chosen, MIN(most_of[kind], max - chosen->len));
    }
    g_ptr_array_set_size(hosts, 0);
    for (guint i = 0; i < chosen->len; i++)
        g_ptr_array_add(hosts, g_ptr_array_index(chosen, i));
}
