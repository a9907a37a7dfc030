/* The race of an S5B negotiation: both parties dial, both report, one connection is nominated.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <eventloop.h>
#include <string.h>

#include "log.h"
#include "socks5/negotiation.h"
#include "timer.h"
#include "transport/s5b_internal.h"
#include "transport/s5b_xml.h"

/* From both descriptions to a connection: the slowest candidates of both parties, and the stanzas that tell
 * of them. */
#define NEGOTIATION_DEADLINE_S 45
/* Candidates may come one by one (XEP-0260, 2.2), and the peer's router takes a second to map a port for it:
 * that none could be reached is not reported sooner after both began to dial. */
#define TRICKLE_WAIT_MS 1500
/* The peer has a connection: how long our better candidates may still take to beat it, at most. */
#define BETTER_CANDIDATE_WAIT_MS 400

static void decide(BsS5b *s5b);

void
bs_s5b_race_stop(BsS5b *s5b)
{
    s5b->state = S5B_ENDED;
    bs_timer_clear(&s5b->step_timer);
    bs_timer_clear(&s5b->deadline_timer);
    g_clear_pointer(&s5b->connector, bs_connector_free);
    g_clear_pointer(&s5b->activation, bs_activation_free);
    g_clear_pointer(&s5b->ticket, bs_listener_forget);
    bs_accepted_clear(s5b->accepted);
    if (s5b->dialled_fd >= 0)
        bs_socket_close(s5b->dialled_fd);
    s5b->dialled_fd = -1;
}

static gboolean
announce_failure(gpointer data)
{
    BsS5b *s5b = data;

    s5b->step_timer = 0;
    s5b->events->failed(s5b->data);
    return FALSE;
}

void
bs_s5b_race_fail(BsS5b *s5b, const char *why)
{
    bs_log_warning(s5b->context.id, "no SOCKS5 connection: %s", why);
    bs_s5b_race_stop(s5b);
    g_clear_pointer(&s5b->mapping, bs_port_mapping_release);
    s5b->step_timer = purple_timeout_add(0, announce_failure, s5b);
}

static gboolean
deadline_passed(gpointer data)
{
    BsS5b *s5b = data;

    s5b->deadline_timer = 0;
    bs_s5b_race_fail(s5b, "the peer did not report on our candidates in time");
    return FALSE;
}

/* The table of XEP-0260, 2.4. */
static void
decide(BsS5b *s5b)
{
    switch (bs_nominate(&s5b->our_report, &s5b->their_report, s5b->context.initiator)) {
    case BS_NOMINATED_NOT_YET:
        break;
    case BS_NOMINATED_OUR_CHOICE:
        bs_s5b_use_our_choice(s5b);
        break;
    case BS_NOMINATED_THEIR_CHOICE:
        bs_s5b_nominate_their_choice(s5b);
        break;
    case BS_NOMINATED_NEITHER:
        bs_s5b_race_fail(s5b, "neither side reached the other");
        break;
    }
}

static void
report(BsS5b *s5b, BsReportKind kind)
{
    const char *cid = kind == BS_REPORT_USED ? s5b->our_choice->cid : NULL;
    BsS5bKind stanza = kind == BS_REPORT_USED ? BS_S5B_CANDIDATE_USED : BS_S5B_CANDIDATE_ERROR;

    s5b->our_report.kind = kind;
    s5b->our_report.priority = kind == BS_REPORT_USED ? s5b->our_choice->priority : 0;
    bs_timer_clear(&s5b->step_timer);
    s5b->events->send_info(bs_s5b_build_report(s5b->sid, stanza, cid), s5b->data);
    decide(s5b);
}

static void
dialled(BsConnector *connector, const BsCandidate *candidate, int fd, gpointer data)
{
    BsS5b *s5b = data;

    (void)connector;
    s5b->our_choice = bs_candidate_copy(candidate);
    s5b->dialled_fd = fd;
    report(s5b, BS_REPORT_USED);
}

static gboolean
waited_long_enough(gpointer data)
{
    BsS5b *s5b = data;

    s5b->step_timer = 0;
    g_clear_pointer(&s5b->connector, bs_connector_free);
    report(s5b, BS_REPORT_ERROR);
    return FALSE;
}

/* Where we dial proxies of ours only, candidates that may still come are not worth waiting for. And none come
 * from a peer that has offered none and given up ours: it tells nobody where it is. */
static gboolean
nothing_will_come(const BsS5b *s5b)
{
    return s5b->disclosure == BS_DISCLOSE_NOTHING ||
           (s5b->their_report.kind == BS_REPORT_ERROR && s5b->peer_candidates->len == 0);
}

static void
exhausted(BsConnector *connector, gpointer data)
{
    BsS5b *s5b = data;
    gint64 left;

    (void)connector;
    if (s5b->state != S5B_DIALLING || s5b->our_report.kind != BS_REPORT_NONE)
        return;
    left = s5b->race_began + TRICKLE_WAIT_MS * 1000 - g_get_monotonic_time();
    if (left <= 0 || s5b->their_report.kind == BS_REPORT_USED || nothing_will_come(s5b))
        report(s5b, BS_REPORT_ERROR);
    else if (s5b->step_timer == 0)
        s5b->step_timer = purple_timeout_add((guint)(left / 1000) + 1, waited_long_enough, s5b);
}

static const BsConnectorEvents connector_events = {.connected = dialled, .exhausted = exhausted};

void
bs_s5b_race_accepted(int fd, const char *local_address, gpointer data)
{
    BsS5b *s5b = data;

    bs_accepted_add(s5b->accepted, fd, local_address);
    bs_log(s5b->context.id, "the peer connected to our %s", local_address);
    if (s5b->state == S5B_LATE)
        bs_s5b_use_their_choice(s5b);
}

static void
dial_candidate(BsS5b *s5b, const BsCandidate *candidate)
{
    bs_places_dial(&s5b->context, s5b->disclosure, s5b->connector, candidate, s5b->peer_candidates,
                   s5b->own_addresses);
}

void
bs_s5b_race_add(BsS5b *s5b, const GPtrArray *candidates)
{
    for (guint i = 0; i < candidates->len; i++) {
        BsCandidate *candidate = g_ptr_array_index(candidates, i);

        if (s5b->peer_candidates->len >= BS_CANDIDATES_MAX ||
            bs_candidates_find(s5b->peer_candidates, candidate->cid) != NULL)
            continue;
        g_ptr_array_add(s5b->peer_candidates, bs_candidate_copy(candidate));
        if (s5b->connector != NULL && s5b->our_report.kind == BS_REPORT_NONE)
            dial_candidate(s5b, candidate);
    }
    if (s5b->connector != NULL && s5b->our_report.kind == BS_REPORT_NONE) {
        if (s5b->their_report.kind != BS_REPORT_USED)
            bs_timer_clear(&s5b->step_timer);
        bs_connector_start(s5b->connector);
    }
}

/* The peer has a connection: only what is better is still worth dialling, and not for long (XEP-0260, 2.3).
 */
static void
beat_it(BsS5b *s5b)
{
    if (s5b->their_report.kind != BS_REPORT_USED || s5b->our_report.kind != BS_REPORT_NONE ||
        s5b->connector == NULL)
        return;
    bs_connector_only_above(s5b->connector, s5b->their_report.priority);
    /* It may have told already that nothing is left, when there was still something to wait for. */
    bs_connector_start(s5b->connector);
    bs_timer_clear(&s5b->step_timer);
    s5b->step_timer = purple_timeout_add(
        MIN(BETTER_CANDIDATE_WAIT_MS, bs_connector_time_left(s5b->connector)), waited_long_enough, s5b);
}

BsTransportVerdict
bs_s5b_race_peer_used(BsS5b *s5b, const char *cid)
{
    BsCandidate *candidate = bs_candidates_find(s5b->own_candidates, cid);

    if (s5b->their_report.kind != BS_REPORT_NONE)
        return BS_TRANSPORT_OK;
    if (candidate == NULL) {
        bs_log_warning(s5b->context.id, "the peer says it uses a candidate that we never offered");
        s5b->their_report.kind = BS_REPORT_ERROR;
        decide(s5b);
        return BS_TRANSPORT_UNKNOWN_ITEM;
    }
    bs_log(s5b->context.id, "the peer uses our %s port %u", candidate->host, candidate->port);
    s5b->their_choice = bs_s5b_meant_by(s5b, candidate);
    s5b->their_report.kind = BS_REPORT_USED;
    s5b->their_report.priority = candidate->priority;
    beat_it(s5b);
    decide(s5b);
    return BS_TRANSPORT_OK;
}

void
bs_s5b_race_peer_error(BsS5b *s5b)
{
    if (s5b->their_report.kind != BS_REPORT_NONE)
        return;
    bs_log(s5b->context.id, "the peer reached none of our candidates");
    s5b->their_report.kind = BS_REPORT_ERROR;
    if (s5b->step_timer != 0 && s5b->our_report.kind == BS_REPORT_NONE && nothing_will_come(s5b)) {
        bs_timer_clear(&s5b->step_timer);
        waited_long_enough(s5b);
    } else {
        decide(s5b);
    }
}

BsTransportVerdict
bs_s5b_race_peer_activated(BsS5b *s5b, const char *cid)
{
    if (bs_candidates_find(s5b->peer_candidates, cid) == NULL)
        return BS_TRANSPORT_UNKNOWN_ITEM;
    g_free(s5b->activated_cid);
    s5b->activated_cid = g_strdup(cid);
    if (s5b->state == S5B_THEIR_PROXY)
        bs_s5b_use_our_choice(s5b);
    return BS_TRANSPORT_OK;
}

void
bs_s5b_race_peer_proxy_error(BsS5b *s5b)
{
    if (s5b->state == S5B_THEIR_PROXY || s5b->state == S5B_OUR_PROXY)
        bs_s5b_race_fail(s5b, "the nominated proxy does not work");
}

void
bs_s5b_race_begin(BsS5b *s5b)
{
    s5b->state = S5B_DIALLING;
    s5b->deadline_timer = purple_timeout_add_seconds(NEGOTIATION_DEADLINE_S, deadline_passed, s5b);
    s5b->race_began = g_get_monotonic_time();
    s5b->connector = bs_places_connector(&s5b->context, bs_s5b_stream_name(s5b), s5b->peer_dstaddr,
                                         &connector_events, s5b);
    if (!s5b->context.initiator)
        bs_connector_redial_refused(s5b->connector);
    for (guint i = 0; i < s5b->peer_candidates->len; i++)
        dial_candidate(s5b, g_ptr_array_index(s5b->peer_candidates, i));
    bs_connector_start(s5b->connector);
    beat_it(s5b);
    bs_s5b_tell_mapped(s5b);
}
