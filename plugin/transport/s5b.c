/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/s5b.h"

#include <string.h>

#include "log.h"
#include "random_id.h"
#include "socks5/local_addresses.h"
#include "transport/s5b_internal.h"
#include "transport/s5b_xml.h"

/* An address of a family that our port does not take is not offered; nor what the initiator offered already
 * (XEP-0260, 2.2). */
static void
drop_unusable_candidates(BsS5b *s5b)
{
    for (guint i = s5b->own_candidates->len; i-- > 0;) {
        const BsCandidate *candidate = g_ptr_array_index(s5b->own_candidates, i);
        gboolean ipv6 = strchr(candidate->host, ':') != NULL;

        if ((ipv6 ? !bs_listener_has_ipv6() : !bs_listener_has_ipv4()) ||
            bs_candidates_contain(s5b->peer_candidates, candidate->host, candidate->port))
            g_ptr_array_remove_index(s5b->own_candidates, i);
    }
}

/* The peer is another account of this process and listens on the same port: only it may be asked for under
 * its own DST.ADDR, or we would end up talking to ourselves. */
static gboolean
shares_our_port(const BsS5b *s5b)
{
    for (guint i = 0; i < s5b->own_addresses->len && bs_listener_port() != 0; i++)
        if (bs_candidates_contain(s5b->peer_candidates, g_ptr_array_index(s5b->own_addresses, i),
                                  bs_listener_port()))
            return TRUE;
    return FALSE;
}

static void
listen_and_gather(BsS5b *s5b, const char *dst_addr)
{
    g_autofree char *other = bs_dst_addr(s5b->sid, s5b->context.peer_jid, s5b->context.own_jid);
    g_autoptr(GError) error = NULL;

    s5b->ticket = bs_listener_expect(s5b->context.id, dst_addr, shares_our_port(s5b) ? NULL : other,
                                     bs_s5b_race_accepted, s5b, &error);
    if (s5b->ticket == NULL) {
        bs_log_warning(s5b->context.id, "no port to listen on: %s", error->message);
        return;
    }
    g_ptr_array_unref(s5b->own_candidates);
    s5b->own_candidates = bs_candidates_gather(s5b->own_addresses, bs_listener_port(), s5b->context.own_jid,
                                               s5b->context.initiator);
    drop_unusable_candidates(s5b);
    bs_s5b_ask_for_mapping(s5b);
}

/* A proxy that the initiator offers as well is enough once. */
static void
add_proxies(BsS5b *s5b)
{
    g_autoptr(GPtrArray) proxies = NULL;

    if (s5b->context.proxies == NULL)
        return;
    proxies = bs_proxies_gather(s5b->context.proxies, s5b->context.initiator);
    for (guint i = 0; i < proxies->len; i++) {
        const BsCandidate *proxy = g_ptr_array_index(proxies, i);

        if (!bs_candidates_contain(s5b->peer_candidates, proxy->host, proxy->port))
            g_ptr_array_add(s5b->own_candidates, bs_candidate_copy(proxy));
    }
}

static void
drop_avoided(BsS5b *s5b)
{
    for (guint i = s5b->own_candidates->len; i-- > 0;)
        if (bs_s5b_is_avoided(s5b, g_ptr_array_index(s5b->own_candidates, i)))
            g_ptr_array_remove_index(s5b->own_candidates, i);
}

static void
decide_disclosure(BsS5b *s5b)
{
    if (s5b->context.disclosure != NULL)
        s5b->disclosure = s5b->context.disclosure(s5b->context.account, s5b->context.peer_jid);
    switch (s5b->disclosure) {
    case BS_DISCLOSE_ADDRESSES:
        break;
    case BS_DISCLOSE_USER_PROXY:
        bs_log(s5b->context.id, "the account has a proxy: no address is told, and all is dialled through it");
        break;
    case BS_DISCLOSE_NOTHING:
        bs_log(s5b->context.id, "this peer is told no address: only proxies of ours are used");
        break;
    }
}

void
bs_s5b_log_offer(const BsS5b *s5b, const BsCandidate *candidate)
{
    bs_log(s5b->context.id, "we offer %s %s port %u priority %u", bs_candidate_type_name(candidate->type),
           candidate->host, candidate->port, candidate->priority);
}

static xmlnode *
s5b_describe(BsTransport *transport)
{
    BsS5b *s5b = (BsS5b *)transport;
    g_autofree char *dst_addr = bs_dst_addr(s5b->sid, s5b->context.own_jid, s5b->context.peer_jid);

    s5b->described = TRUE;
    decide_disclosure(s5b);
    if (s5b->disclosure != BS_DISCLOSE_USER_PROXY)
        s5b->own_addresses = bs_local_addresses();
    if (s5b->disclosure == BS_DISCLOSE_ADDRESSES)
        listen_and_gather(s5b, dst_addr);
    add_proxies(s5b);
    drop_avoided(s5b);
    for (guint i = 0; i < s5b->own_candidates->len; i++)
        bs_s5b_log_offer(s5b, g_ptr_array_index(s5b->own_candidates, i));
    g_ptr_array_unref(bs_s5b_add_mapped(s5b));
    return bs_s5b_build_candidates(s5b->sid, dst_addr, s5b->own_candidates);
}

static BsTransportVerdict
s5b_take_description(BsTransport *transport, const xmlnode *description)
{
    BsS5b *s5b = (BsS5b *)transport;
    g_autoptr(BsS5bMessage) message = bs_s5b_parse(description);

    if (message == NULL || message->kind != BS_S5B_CANDIDATES)
        return BS_TRANSPORT_BAD;
    if (bs_s5b_is_udp(description))
        return BS_TRANSPORT_UNSUPPORTED;
    if (s5b->described && strcmp(message->sid, s5b->sid) != 0)
        return BS_TRANSPORT_BAD;
    g_free(s5b->sid);
    s5b->sid = g_steal_pointer(&message->sid);
    s5b->peer_dstaddr = g_steal_pointer(&message->dstaddr);
    bs_s5b_race_add(s5b, message->candidates);
    bs_log(s5b->context.id, "the peer offers %u candidates", s5b->peer_candidates->len);
    return BS_TRANSPORT_OK;
}

static BsTransportVerdict
s5b_take_info(BsTransport *transport, const xmlnode *info)
{
    BsS5b *s5b = (BsS5b *)transport;
    g_autoptr(BsS5bMessage) message = bs_s5b_parse(info);

    if (message == NULL)
        return BS_TRANSPORT_BAD;
    if (strcmp(message->sid, s5b->sid) != 0)
        return BS_TRANSPORT_UNKNOWN_ITEM;
    if (s5b->state == S5B_ENDED)
        return BS_TRANSPORT_OK;
    switch (message->kind) {
    case BS_S5B_CANDIDATES:
        bs_s5b_race_add(s5b, message->candidates);
        return BS_TRANSPORT_OK;
    case BS_S5B_CANDIDATE_USED:
        return bs_s5b_race_peer_used(s5b, message->cid);
    case BS_S5B_CANDIDATE_ERROR:
        bs_s5b_race_peer_error(s5b);
        return BS_TRANSPORT_OK;
    case BS_S5B_ACTIVATED:
        return bs_s5b_race_peer_activated(s5b, message->cid);
    case BS_S5B_PROXY_ERROR:
        bs_s5b_race_peer_proxy_error(s5b);
        return BS_TRANSPORT_OK;
    }
    return BS_TRANSPORT_BAD;
}

static void
s5b_start(BsTransport *transport)
{
    bs_s5b_race_begin((BsS5b *)transport);
}

static void
s5b_free(BsTransport *transport)
{
    BsS5b *s5b = (BsS5b *)transport;

    bs_s5b_race_stop(s5b);
    bs_port_mapping_release(s5b->mapping);
    bs_accepted_free(s5b->accepted);
    g_clear_pointer(&s5b->own_addresses, g_ptr_array_unref);
    g_ptr_array_unref(s5b->own_candidates);
    g_ptr_array_unref(s5b->peer_candidates);
    bs_candidate_free(s5b->our_choice);
    g_free(s5b->peer_dstaddr);
    g_free(s5b->activated_cid);
    g_free(s5b->sid);
    g_free(s5b);
}

static const BsTransportClass s5b_class = {
    .xmlns = BS_NS_S5B,
    .describe = s5b_describe,
    .take_description = s5b_take_description,
    .take_info = s5b_take_info,
    .start = s5b_start,
    .free = s5b_free,
};

BsTransport *
bs_s5b_new(const BsTransportContext *context, const BsTransportEvents *events, gpointer data)
{
    BsS5b *s5b = g_new0(BsS5b, 1);

    s5b->base.class = &s5b_class;
    s5b->context = *context;
    s5b->events = events;
    s5b->data = data;
    s5b->sid = bs_random_id();
    s5b->own_candidates = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
    s5b->peer_candidates = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
    s5b->accepted = bs_accepted_new();
    s5b->dialled_fd = -1;
    return &s5b->base;
}
