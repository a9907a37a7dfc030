/* The requester, who sent the SI offer: tells its streamhosts and waits for the target's choice. In fast mode
 * it dials the target's as well, and it is the one who decides. SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/socket.h>

#include "log.h"
#include "socks5/negotiation.h"
#include "timer.h"
#include "transport/si_bytestreams_internal.h"

/* The target is connected, as it says, but its connection has not come out of its handshake here. */
#define LATE_CONNECTION_WAIT_MS 3000
/* The target has connections to several of our addresses, of which it closes all but one. */
#define SURPLUS_WAIT_MS 300
/* The target uses a proxy of ours: how long we may still take to reach it directly. */
#define DIRECT_WAIT_MS 500
/* We are connected to a proxy of the target's: how long it may still take to reach us directly. */
#define PROXY_WAIT_MS 1500

static void decide(BsSiBytestreams *si);

/* Both have made connections in fast mode, and the target waits to be told which of them it is. */
static gboolean
say_the_word(const BsSiBytestreams *si, int fd)
{
    return !si->was_asked || send(fd, "\r", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

/* `fd` is taken. */
static void
nominate(BsSiBytestreams *si, int fd, const BsCandidate *candidate, gboolean dialled_by_us)
{
    bs_si_answer_error(si, "cancel", "not-acceptable");
    if (say_the_word(si, fd)) {
        bs_si_succeed(si, fd, candidate, dialled_by_us);
        return;
    }
    bs_socket_close(fd);
    bs_si_fail(si, "the connection broke before the first byte");
}

static void
use_dialled(BsSiBytestreams *si)
{
    int fd = si->dialled_fd;

    si->dialled_fd = -1;
    bs_si_answer_used(si);
    nominate(si, fd, si->dialled, TRUE);
}

static void
steal_accepted(BsSiBytestreams *si)
{
    g_autofree char *reached = NULL;
    int fd = bs_accepted_steal(si->accepted, NULL, &reached);
    g_autoptr(BsCandidate) candidate = bs_si_accepted_as(si, fd, reached);

    nominate(si, fd, candidate, FALSE);
}

static gboolean
late_connection_missing(gpointer data)
{
    BsSiBytestreams *si = data;

    si->step_timer = 0;
    bs_log_warning(si->context.id, "the peer says that it is connected to us, but it is not");
    si->hosts = SI_HOSTS_NOT_USED;
    decide(si);
    return FALSE;
}

static gboolean
surplus_still_there(gpointer data)
{
    BsSiBytestreams *si = data;

    si->step_timer = 0;
    if (bs_accepted_alive(si->accepted) > 0)
        steal_accepted(si);
    else
        bs_si_wait(si, LATE_CONNECTION_WAIT_MS, late_connection_missing);
    return FALSE;
}

static void
use_accepted(BsSiBytestreams *si)
{
    switch (bs_accepted_alive(si->accepted)) {
    case 0:
        if (si->step_timer == 0)
            bs_si_wait(si, LATE_CONNECTION_WAIT_MS, late_connection_missing);
        break;
    case 1:
        steal_accepted(si);
        break;
    default:
        bs_si_wait(si, SURPLUS_WAIT_MS, surplus_still_there);
        break;
    }
}

static gboolean
waited_for_better(gpointer data)
{
    BsSiBytestreams *si = data;

    si->step_timer = 0;
    if (si->hosts == SI_HOSTS_PROXY) {
        bs_si_stop_dialling(si);
        decide(si);
    } else {
        use_dialled(si);
    }
    return FALSE;
}

/* A direct connection that we made is used at once, whatever else there is; a proxy only when nothing better
 * comes, and rather ours, of which we know that it is active. */
static void
decide(BsSiBytestreams *si)
{
    gboolean has_direct = si->dialled_fd >= 0 && si->dialled->type != BS_CANDIDATE_PROXY;

    if (has_direct) {
        use_dialled(si);
        return;
    }
    switch (si->hosts) {
    case SI_HOSTS_NOT_TOLD:
        break;
    case SI_HOSTS_TOLD:
        if (si->dialled_fd >= 0)
            bs_si_wait(si, PROXY_WAIT_MS, waited_for_better);
        break;
    case SI_HOSTS_CONNECTED:
        use_accepted(si);
        break;
    case SI_HOSTS_PROXY:
        bs_timer_clear(&si->step_timer);
        /* What the target offers after its choice may have come to its end meanwhile. */
        if (si->activation != NULL)
            break;
        if (si->connector != NULL)
            bs_si_wait(si, DIRECT_WAIT_MS, waited_for_better);
        else
            bs_si_use_own_proxy(si);
        break;
    case SI_HOSTS_NOT_USED:
        if (si->dialled_fd >= 0)
            use_dialled(si);
        else if (si->connector == NULL)
            bs_si_fail(si, "neither side reached the other");
        break;
    }
}

static void
requester_start(BsSiBytestreams *si)
{
    bs_si_decide_disclosure(si);
    bs_places_log_disclosure(&si->context, si->disclosure);
    bs_si_listen(si);
    bs_si_gather(si);
    /* Without a streamhost of ours it may still be we who reach the peer. */
    if (si->own_hosts->len == 0 && si->disclosure == BS_DISCLOSE_NOTHING)
        bs_si_fail(si, "there is nothing that this peer may be told");
    else
        bs_si_tell_hosts(si, TRUE);
}

/* The target offers streamhosts too: fast mode. From now on it waits for our word, whatever we answer. */
static void
requester_asked(BsSiBytestreams *si, const xmlnode *stanza)
{
    g_autoptr(BsSiQuery) query = NULL;

    si->asked = xmlnode_copy(stanza);
    if (!si->started || si->hosts == SI_HOSTS_NOT_TOLD) {
        bs_si_answer_error(si, "cancel", "not-acceptable");
        return;
    }
    si->was_asked = TRUE;
    query = bs_si_query_parse(bs_si_query_element(stanza));
    if (query == NULL || query->udp) {
        bs_si_answer_error(si, query == NULL ? "modify" : "cancel",
                           query == NULL ? "bad-request" : "not-acceptable");
        return;
    }
    g_ptr_array_unref(si->peer_hosts);
    si->peer_hosts = g_ptr_array_ref(query->hosts);
    bs_si_dial(si, query->dstaddr);
}

static void
requester_answered(BsSiBytestreams *si)
{
    bs_timer_clear(&si->step_timer);
    decide(si);
}

static void
requester_accepted(int fd, const char *local_address, gpointer data)
{
    BsSiBytestreams *si = data;

    bs_accepted_add(si->accepted, fd, local_address);
    bs_log(si->context.id, "the peer connected to our %s", local_address);
    if (si->hosts == SI_HOSTS_CONNECTED)
        decide(si);
}

static void
requester_connected(BsSiBytestreams *si, int fd)
{
    si->dialled_fd = fd;
    decide(si);
}

static void
requester_exhausted(BsSiBytestreams *si)
{
    bs_si_answer_error(si, "cancel", "item-not-found");
    decide(si);
}

static void
requester_proxy_ready(BsSiBytestreams *si, int fd)
{
    if (fd >= 0) {
        nominate(si, fd, si->proxy, TRUE);
        return;
    }
    si->hosts = SI_HOSTS_NOT_USED;
    decide(si);
}

const SiRole bs_si_requester = {
    .start = requester_start,
    .asked = requester_asked,
    .answered = requester_answered,
    .accepted = requester_accepted,
    .connected = requester_connected,
    .exhausted = requester_exhausted,
    .proxy_ready = requester_proxy_ready,
};
