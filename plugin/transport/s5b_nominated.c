/* The end of an S5B negotiation: from the nominated candidate to the connection that carries the file.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <eventloop.h>
#include <string.h>

#include "log.h"
#include "stanza/allowances.h"
#include "timer.h"
#include "transport/s5b_internal.h"
#include "transport/s5b_xml.h"

/* The peer reported a connection that has not come out of its handshake here. */
#define LATE_CONNECTION_WAIT_MS 3000
/* The peer connects to its proxy and has it activated: the time that we take for it at most (see
 * activation.h), and that of the stanza that tells of it. */
#define ACTIVATED_WAIT_MS 12000

static gboolean
announce_connection(gpointer data)
{
    BsS5b *s5b = data;
    gboolean ours = s5b->our_choice != NULL;
    BsRoute route;
    int fd = s5b->dialled_fd;

    s5b->step_timer = 0;
    s5b->dialled_fd = -1;
    bs_route_nominate(&route, s5b->context.id, ours ? s5b->our_choice : s5b->their_choice, ours);
    s5b->events->connected(fd, &route, s5b->data);
    return FALSE;
}

/* `fd` (taken) carries the file; `choice` of the two is the nominated one and the other one is dropped. */
static void
succeed(BsS5b *s5b, int fd, gboolean our_choice)
{
    bs_s5b_race_stop(s5b);
    s5b->dialled_fd = fd;
    if (!our_choice)
        g_clear_pointer(&s5b->our_choice, bs_candidate_free);
    /* Some routers cut the connections that came in through a mapping when they take it back. */
    if (our_choice || s5b->their_choice->type != BS_CANDIDATE_ASSISTED)
        g_clear_pointer(&s5b->mapping, bs_port_mapping_release);
    s5b->step_timer = purple_timeout_add(0, announce_connection, s5b);
}

static int
steal_dialled(BsS5b *s5b)
{
    int fd = s5b->dialled_fd;

    s5b->dialled_fd = -1;
    return fd;
}

static void
wait_in(BsS5b *s5b, S5bState state, guint milliseconds, GSourceFunc deadline_passed)
{
    s5b->state = state;
    bs_timer_clear(&s5b->step_timer);
    if (milliseconds > 0)
        s5b->step_timer = purple_timeout_add(milliseconds, deadline_passed, s5b);
}

static void
send_report(BsS5b *s5b, BsS5bKind kind, const char *cid)
{
    s5b->events->send_info(bs_s5b_build_report(s5b->sid, kind, cid), s5b->data);
}

gboolean
bs_s5b_peer_is_psi(const BsTransport *transport)
{
    const BsS5b *s5b = (const BsS5b *)transport;

    for (guint i = 0; i < s5b->peer_candidates->len; i++)
        if (((const BsCandidate *)g_ptr_array_index(s5b->peer_candidates, i))->jid == NULL)
            return TRUE;
    return FALSE;
}

static gboolean
wants_proxys_cid(const BsS5b *s5b)
{
    return bs_s5b_peer_is_psi(&s5b->base) && bs_allow(BS_ALLOW_PROXY_ERROR_WITH_CID);
}

/* XEP-0260, 2.4: whoever finds that the proxy does not work says so, and both go on to another transport. */
static void
fail_with_proxy_error(BsS5b *s5b, const BsCandidate *proxy, const char *why)
{
    send_report(s5b, BS_S5B_PROXY_ERROR, wants_proxys_cid(s5b) ? proxy->cid : NULL);
    bs_s5b_race_fail(s5b, why);
}

static gboolean
late_connection_missing(gpointer data)
{
    BsS5b *s5b = data;

    s5b->step_timer = 0;
    bs_s5b_race_fail(s5b, "the peer reported a connection that it did not make");
    return FALSE;
}

static void
activation_done(BsActivation *activation, int fd, const char *reason, gpointer data)
{
    BsS5b *s5b = data;

    s5b->activation = NULL;
    if (fd >= 0) {
        send_report(s5b, BS_S5B_ACTIVATED, s5b->their_choice->cid);
        succeed(s5b, fd, FALSE);
    } else {
        bs_proxies_set_aside(s5b->context.proxies, s5b->their_choice->jid, reason);
        fail_with_proxy_error(s5b, s5b->their_choice, "our proxy does not work");
    }
    bs_activation_free(activation);
}

static void
use_our_proxy(BsS5b *s5b)
{
    const BsStreamName stream = {
        .sid = bs_s5b_stream_name(s5b),
        .own_jid = s5b->context.own_jid,
        .peer_jid = s5b->context.peer_jid,
    };

    wait_in(s5b, S5B_OUR_PROXY, 0, NULL);
    s5b->activation = bs_activation_new(s5b->context.id, s5b->context.link, s5b->context.account,
                                        s5b->their_choice, &stream, activation_done, s5b);
}

void
bs_s5b_use_their_choice(BsS5b *s5b)
{
    int fd;

    if (s5b->their_choice->type == BS_CANDIDATE_PROXY) {
        use_our_proxy(s5b);
        return;
    }
    fd = bs_accepted_steal(s5b->accepted, bs_s5b_reached_at(s5b, s5b->their_choice), NULL);
    if (fd >= 0)
        succeed(s5b, fd, FALSE);
    else
        wait_in(s5b, S5B_LATE, LATE_CONNECTION_WAIT_MS, late_connection_missing);
}

/* Who forgot what we use when it reached something better waits for another report of ours without limit. */
static void
withdraw_our_choice(BsS5b *s5b)
{
    if (s5b->our_report.kind == BS_REPORT_USED && bs_s5b_peer_is_psi(&s5b->base) &&
        bs_allow(BS_ALLOW_CHOICE_FORGOTTEN))
        send_report(s5b, BS_S5B_CANDIDATE_ERROR, NULL);
}

void
bs_s5b_nominate_their_choice(BsS5b *s5b)
{
    withdraw_our_choice(s5b);
    bs_s5b_use_their_choice(s5b);
}

static gboolean
activated_missing(gpointer data)
{
    BsS5b *s5b = data;

    s5b->step_timer = 0;
    fail_with_proxy_error(s5b, s5b->our_choice, "the peer did not activate its proxy in time");
    return FALSE;
}

void
bs_s5b_use_our_choice(BsS5b *s5b)
{
    if (s5b->our_choice->type != BS_CANDIDATE_PROXY ||
        g_strcmp0(s5b->activated_cid, s5b->our_choice->cid) == 0) {
        succeed(s5b, steal_dialled(s5b), TRUE);
        return;
    }
    bs_log(s5b->context.id, "waiting for the peer to activate its proxy %s", s5b->our_choice->jid);
    wait_in(s5b, S5B_THEIR_PROXY, ACTIVATED_WAIT_MS, activated_missing);
}
