/* The port that a router maps for us, among the candidates of an S5B negotiation: offered with the others if
 * it is there by then, otherwise sent later on. SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "log.h"
#include "random_id.h"
#include "stanza/allowances.h"
#include "transport/s5b_internal.h"
#include "transport/s5b_xml.h"

static BsCandidate *
new_candidate(const BsS5b *s5b, BsCandidateType type, guint index)
{
    g_autofree char *cid = bs_random_id();

    return bs_candidate_new(type, cid, s5b->context.own_jid, s5b->mapped.host, s5b->mapped.port,
                            bs_candidate_priority(BS_CANDIDATE_ASSISTED, s5b->context.initiator, index));
}

/* The mapped port once more, for those who ignore every candidate that is neither direct nor a proxy. Its
 * priority stays with the assisted ones, as the type is only a hint (XEP-0260, 2.2). A peer that knows both
 * types skips it, or at worst dials in vain twice. */
static BsCandidate *
twin_called_direct(const BsS5b *s5b)
{
    bs_allow(BS_ALLOW_MAPPED_AS_DIRECT);
    return new_candidate(s5b, BS_CANDIDATE_DIRECT, 1);
}

BsCandidate *
bs_s5b_meant_by(BsS5b *s5b, BsCandidate *reported)
{
    for (guint i = 0; i < s5b->own_candidates->len; i++) {
        BsCandidate *candidate = g_ptr_array_index(s5b->own_candidates, i);

        if (candidate->type == BS_CANDIDATE_ASSISTED && reported->type == BS_CANDIDATE_DIRECT &&
            candidate->port == reported->port && strcmp(candidate->host, reported->host) == 0)
            return candidate;
    }
    return reported;
}

const char *
bs_s5b_reached_at(const BsS5b *s5b, const BsCandidate *candidate)
{
    return candidate->type == BS_CANDIDATE_ASSISTED ? s5b->mapped.local_host : candidate->host;
}

/* A router that is behind another one has a private address on the outside. That helps a peer in the network
 * between the two, as in a hall of residence or with the same provider, so it is offered; but without the
 * twin, as Conversations dials one candidate after the other and loses 3 s with each that is dead. */
GPtrArray *
bs_s5b_add_mapped(BsS5b *s5b)
{
    GPtrArray *added = g_ptr_array_new();
    const BsMappedPort *mapped = bs_port_mapping_get(s5b->mapping);
    BsCandidate *candidate;

    if (mapped == NULL || s5b->own_candidates->len >= BS_CANDIDATES_MAX ||
        bs_candidates_contain(s5b->own_candidates, mapped->host, mapped->port) ||
        bs_candidates_contain(s5b->peer_candidates, mapped->host, mapped->port))
        return added;
    s5b->mapped = *mapped;
    candidate = new_candidate(s5b, BS_CANDIDATE_ASSISTED, 0);
    if (bs_places_is_avoided(&s5b->context, candidate)) {
        bs_candidate_free(candidate);
        return added;
    }
    g_ptr_array_add(added, candidate);
    if (bs_port_mapping_is_public(mapped))
        g_ptr_array_add(added, twin_called_direct(s5b));
    for (guint i = 0; i < added->len; i++) {
        g_ptr_array_add(s5b->own_candidates, g_ptr_array_index(added, i));
        bs_places_log_offer(&s5b->context, g_ptr_array_index(added, i));
    }
    return added;
}

/* Once both have accepted, it is told with what has come by then. */
static gboolean
is_too_early(const BsS5b *s5b)
{
    return s5b->state == S5B_DESCRIBING && bs_allow(BS_ALLOW_NO_EARLY_CANDIDATES);
}

/* A peer that has reported does not dial any more. */
static gboolean
is_too_late(const BsS5b *s5b)
{
    return s5b->state > S5B_DIALLING || s5b->their_report.kind != BS_REPORT_NONE;
}

void
bs_s5b_tell_mapped(BsS5b *s5b)
{
    g_autofree char *dst_addr = bs_s5b_own_dst_addr(s5b);
    g_autoptr(GPtrArray) added = NULL;

    if (is_too_early(s5b) || is_too_late(s5b))
        return;
    added = bs_s5b_add_mapped(s5b);
    if (added->len > 0)
        s5b->events->send_info(bs_s5b_build_candidates(s5b->sid, dst_addr, added), s5b->data);
}

static void
port_mapped(const BsMappedPort *mapped, gpointer data)
{
    (void)mapped;
    bs_s5b_tell_mapped(data);
}

void
bs_s5b_ask_for_mapping(BsS5b *s5b)
{
    if (bs_listener_has_ipv4())
        s5b->mapping = bs_port_mapping_request(s5b->context.id, bs_listener_port(), port_mapped, s5b);
}
