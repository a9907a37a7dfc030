/* The target, who accepted the SI offer: dials the requester's streamhosts and says which one it reached. In
 * fast mode it offers some as well, and then waits for the requester's word. SPDX-License-Identifier:
 * GPL-2.0-or-later */
#include <eventloop.h>

#include "log.h"
#include "socks5/negotiation.h"
#include "timer.h"
#include "transport/si_bytestreams_internal.h"

/* The requester's streamhosts: it may look for proxies and routers first. libpurple takes some 10 s over it.
 */
#define QUERY_WAIT_MS 20000
/* From there to a connection: both dial, the requester connects to its proxy after that, and Psi takes 30 s
 * for each of these steps at most. */
#define NEGOTIATION_DEADLINE_MS 90000
/* The requester is connected, as it says, but its connection has not come out of its handshake here. */
#define LATE_CONNECTION_WAIT_MS 3000

static gboolean
is_fast(const BsSiBytestreams *si)
{
    return si->word != NULL;
}

/* Fails if there is nothing left that could bring a connection. */
static void
check(BsSiBytestreams *si)
{
    if (si->connector == NULL && si->activation == NULL && si->step_timer == 0 &&
        si->hosts != SI_HOSTS_TOLD && !bs_si_word_is_awaited(si->word))
        bs_si_fail(si,
                   is_fast(si) ? "neither side reached the other" : "none of the streamhosts was reached");
}

/* The requester has decided, and may still wait for what we say to its streamhosts. */
static void
give_up_dialling(BsSiBytestreams *si)
{
    bs_si_stop_dialling(si);
    bs_si_answer_error(si, "cancel", "item-not-found");
}

static void
word_said(int fd, const BsCandidate *candidate, gboolean dialled_by_us, gpointer data)
{
    BsSiBytestreams *si = data;

    give_up_dialling(si);
    bs_si_succeed(si, fd, candidate, dialled_by_us);
}

static void
all_lost(gpointer data)
{
    check(data);
}

static const BsSiWordEvents word_events = {.said = word_said, .all_lost = all_lost};

static gboolean
deadline_passed(gpointer data)
{
    BsSiBytestreams *si = data;

    si->deadline_timer = 0;
    bs_si_fail(si, "the peer does not say which connection it is");
    return FALSE;
}

/* If there is something to offer. */
static void
offer_hosts(BsSiBytestreams *si)
{
    bs_si_listen(si);
    bs_si_gather(si);
    if (si->own_hosts->len == 0) {
        g_clear_pointer(&si->ticket, bs_listener_forget);
        return;
    }
    bs_log(si->context.id, "the peer knows fast mode: we offer streamhosts, too");
    si->word = bs_si_word_new(si->context.id, &word_events, si);
    bs_si_tell_hosts(si, FALSE);
}

static void
negotiate(BsSiBytestreams *si, const BsSiQuery *query)
{
    si->deadline_timer = purple_timeout_add(NEGOTIATION_DEADLINE_MS, deadline_passed, si);
    g_ptr_array_unref(si->peer_hosts);
    si->peer_hosts = g_ptr_array_ref(query->hosts);
    bs_si_decide_disclosure(si);
    bs_places_log_disclosure(&si->context, si->disclosure);
    if (query->fast)
        offer_hosts(si);
    bs_si_dial(si, query->dstaddr);
}

/* User and requester have both spoken. */
static void
begin(BsSiBytestreams *si)
{
    g_autoptr(BsSiQuery) query = bs_si_query_parse(bs_si_query_element(si->asked));

    bs_timer_clear(&si->step_timer);
    if (query == NULL) {
        bs_si_answer_error(si, "modify", "bad-request");
        bs_si_fail(si, "the peer's streamhosts are malformed");
    } else if (query->udp) {
        bs_si_answer_error(si, "cancel", "not-acceptable");
        bs_si_fail(si, "the peer wants UDP");
    } else {
        negotiate(si, query);
    }
}

static gboolean
query_missing(gpointer data)
{
    BsSiBytestreams *si = data;

    si->step_timer = 0;
    bs_si_fail(si, "the peer does not tell its streamhosts in time");
    return FALSE;
}

static void
target_start(BsSiBytestreams *si)
{
    if (si->asked != NULL)
        begin(si);
    else
        bs_si_wait(si, QUERY_WAIT_MS, query_missing);
}

static void
target_asked(BsSiBytestreams *si, const xmlnode *stanza)
{
    si->was_asked = TRUE;
    si->asked = xmlnode_copy(stanza);
    if (si->started)
        begin(si);
}

static gboolean
late_connection_missing(gpointer data)
{
    BsSiBytestreams *si = data;

    si->step_timer = 0;
    check(si);
    return FALSE;
}

/* The answer of a requester in fast mode, which has one of ours or will soon say that it has one of its own.
 */
static void
target_answered(BsSiBytestreams *si)
{
    switch (si->hosts) {
    case SI_HOSTS_NOT_TOLD:
    case SI_HOSTS_TOLD:
        break;
    case SI_HOSTS_CONNECTED:
        give_up_dialling(si);
        if (!bs_si_word_is_awaited(si->word))
            bs_si_wait(si, LATE_CONNECTION_WAIT_MS, late_connection_missing);
        break;
    case SI_HOSTS_PROXY:
        give_up_dialling(si);
        bs_si_use_own_proxy(si);
        break;
    case SI_HOSTS_NOT_USED:
        check(si);
        break;
    }
}

static void
target_accepted(int fd, const char *local_address, gpointer data)
{
    BsSiBytestreams *si = data;

    bs_log(si->context.id, "the peer connected to our %s", local_address);
    bs_timer_clear(&si->step_timer);
    bs_si_word_add(si->word, fd, bs_si_accepted_as(si, fd, local_address), FALSE);
}

static void
target_connected(BsSiBytestreams *si, int fd)
{
    bs_si_answer_used(si);
    if (is_fast(si))
        bs_si_word_add(si->word, fd, bs_candidate_copy(si->dialled), TRUE);
    else
        bs_si_succeed(si, fd, si->dialled, TRUE);
}

static void
target_exhausted(BsSiBytestreams *si)
{
    bs_si_answer_error(si, "cancel", "item-not-found");
    check(si);
}

static void
target_proxy_ready(BsSiBytestreams *si, int fd)
{
    if (fd >= 0)
        bs_si_word_add(si->word, fd, bs_candidate_copy(si->proxy), TRUE);
    else
        check(si);
}

const SiRole bs_si_target = {
    .start = target_start,
    .asked = target_asked,
    .answered = target_answered,
    .accepted = target_accepted,
    .connected = target_connected,
    .exhausted = target_exhausted,
    .proxy_ready = target_proxy_ready,
};
