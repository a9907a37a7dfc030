/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/s5b.h"

#include <string.h>

#include "log.h"
#include "random_id.h"
#include "stanza/allowances.h"
#include "transport/s5b_internal.h"
#include "transport/s5b_xml.h"

const char *
bs_s5b_stream_name(const BsS5b *s5b)
{
    return s5b->context.stream_name != NULL ? s5b->context.stream_name : s5b->sid;
}

char *
bs_s5b_own_dst_addr(const BsS5b *s5b)
{
    return bs_dst_addr(bs_s5b_stream_name(s5b), s5b->context.own_jid, s5b->context.peer_jid);
}

static void
listen_and_gather(BsS5b *s5b)
{
    s5b->ticket = bs_places_listen(&s5b->context, bs_s5b_stream_name(s5b), s5b->own_addresses,
                                   s5b->peer_candidates, bs_s5b_race_accepted, s5b);
    if (s5b->ticket == NULL)
        return;
    g_ptr_array_unref(s5b->own_candidates);
    s5b->own_candidates = bs_places_direct(&s5b->context, s5b->own_addresses, s5b->peer_candidates);
    bs_s5b_ask_for_mapping(s5b);
}

static xmlnode *
s5b_describe(BsTransport *transport)
{
    BsS5b *s5b = (BsS5b *)transport;
    g_autofree char *dst_addr = bs_s5b_own_dst_addr(s5b);

    s5b->described = TRUE;
    s5b->disclosure = bs_places_disclosure(&s5b->context);
    bs_places_log_disclosure(&s5b->context, s5b->disclosure);
    s5b->own_addresses = bs_places_own_addresses(s5b->disclosure);
    if (s5b->disclosure == BS_DISCLOSE_ADDRESSES)
        listen_and_gather(s5b);
    bs_places_add_proxies(&s5b->context, s5b->own_candidates, s5b->peer_candidates);
    bs_places_drop_avoided(&s5b->context, s5b->own_candidates);
    for (guint i = 0; i < s5b->own_candidates->len; i++)
        bs_places_log_offer(&s5b->context, g_ptr_array_index(s5b->own_candidates, i));
    g_ptr_array_unref(bs_s5b_add_mapped(s5b));
    return bs_s5b_build_candidates(s5b->sid, dst_addr, s5b->own_candidates);
}

/* An answer must have our stream id (XEP-0260, 2.2). What Smack invents instead counts for nothing but its
 * dstaddr. */
static gboolean
is_stream_id_ours(const BsS5b *s5b, const BsS5bMessage *message)
{
    return strcmp(message->sid, s5b->sid) == 0 ||
           (message->dstaddr != NULL && bs_allow(BS_ALLOW_ANOTHER_STREAM_ID));
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
    if (s5b->described && !is_stream_id_ours(s5b, message))
        return BS_TRANSPORT_BAD;
    g_free(s5b->described ? s5b->peer_sid : s5b->sid);
    *(s5b->described ? &s5b->peer_sid : &s5b->sid) = g_steal_pointer(&message->sid);
    s5b->peer_dstaddr = g_steal_pointer(&message->dstaddr);
    bs_s5b_race_add(s5b, message->candidates);
    bs_log(s5b->context.id, "candidates that the peer offers: %u", s5b->peer_candidates->len);
    return BS_TRANSPORT_OK;
}

static BsTransportVerdict
s5b_take_info(BsTransport *transport, const xmlnode *info)
{
    BsS5b *s5b = (BsS5b *)transport;
    g_autoptr(BsS5bMessage) message = bs_s5b_parse(info);

    if (message == NULL)
        return BS_TRANSPORT_BAD;
    if (strcmp(message->sid, s5b->sid) != 0 && g_strcmp0(message->sid, s5b->peer_sid) != 0)
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
    g_free(s5b->peer_sid);
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
