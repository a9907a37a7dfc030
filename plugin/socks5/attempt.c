/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/attempt.h"

#include <errno.h>
#include <eventloop.h>
#include <proxy.h>
#include <string.h>

#include "log.h"
#include "socks5/ip_address.h"
#include "socks5/negotiation.h"
#include "socks5/user_proxy.h"
#include "timer.h"

/* Connections are answered or lost: time for two lost SYNs (sent again after 1 s and 3 s) and for the
 * handshake. */
#define DEADLINE_MS 5000
/* A private address is near, at most at the other end of a VPN, or it is somebody else's: time for one lost
 * SYN. Whoever has no other way goes on without a pause that a user would notice. */
#define NEAR_DEADLINE_MS 1800
/* Through the user's own proxy, Tor for one. */
#define DETOUR_DEADLINE_MS 15000

struct _BsAttempt {
    const char *id;
    PurpleAccount *account;
    const BsCandidate *candidate;
    const char *const *dst_addrs; /* the one asked for now, and those left */
    PurpleProxyConnectData *dialling;
    BsNegotiation *negotiation;
    guint deadline;
    gint64 begun;        /* microseconds */
    const char *refusal; /* why nothing is dialled after all */
    gboolean was_refused;
    gboolean over;
    BsAttemptDone done;
    gpointer data;
};

static gboolean dial(BsAttempt *attempt);

static void
log_result(const BsAttempt *attempt, const char *result, const char *reason)
{
    const BsCandidate *candidate = attempt->candidate;
    gboolean brackets = strchr(candidate->host, ':') != NULL;

    bs_log(attempt->id, "candidate %s %s%s%s:%u %s after %u ms%s%s", bs_candidate_type_name(candidate->type),
           brackets ? "[" : "", candidate->host, brackets ? "]" : "", candidate->port, result,
           (guint)((g_get_monotonic_time() - attempt->begun) / 1000), reason != NULL ? ": " : "",
           reason != NULL ? reason : "");
}

static void
stop_waiting(BsAttempt *attempt)
{
    PurpleProxyConnectData *dialling = g_steal_pointer(&attempt->dialling);

    bs_timer_clear(&attempt->deadline);
    if (dialling != NULL)
        purple_proxy_connect_cancel(dialling);
    bs_negotiation_free(g_steal_pointer(&attempt->negotiation));
}

static void
succeed(BsAttempt *attempt, int fd)
{
    stop_waiting(attempt);
    attempt->over = TRUE;
    log_result(attempt, "connected", NULL);
    attempt->done(attempt, fd, attempt->data);
}

static void
fail(BsAttempt *attempt, const char *reason)
{
    stop_waiting(attempt);
    attempt->over = TRUE;
    log_result(attempt, "failed", reason);
    attempt->done(attempt, -1, attempt->data);
}

static gboolean
deadline_passed(gpointer data)
{
    BsAttempt *attempt = data;

    attempt->deadline = 0;
    fail(attempt,
         attempt->negotiation != NULL ? "no answer to the handshake in time" : "no connection in time");
    return FALSE;
}

static gboolean
has_another_dst_addr(const BsAttempt *attempt)
{
    return attempt->candidate->type != BS_CANDIDATE_PROXY && attempt->dst_addrs[1] != NULL &&
           strcmp(attempt->dst_addrs[0], attempt->dst_addrs[1]) != 0;
}

static void
negotiated(BsNegotiation *negotiation, BsHandshakeState state, int fd, const char *reason, gpointer data)
{
    BsAttempt *attempt = data;

    attempt->negotiation = NULL;
    bs_negotiation_free(negotiation);
    if (state == BS_HANDSHAKE_DONE) {
        succeed(attempt, fd);
    } else if (has_another_dst_addr(attempt)) {
        bs_log(attempt->id, "%s port %u: %s; once more with the other DST.ADDR", attempt->candidate->host,
               attempt->candidate->port, reason);
        attempt->dst_addrs++;
        if (!dial(attempt))
            fail(attempt, "libpurple does not dial");
    } else {
        fail(attempt, reason);
    }
}

/* libpurple tells in words only. Through the user's own proxy they are that one's. */
static gboolean
is_refusal_of_host(const BsAttempt *attempt, const char *reason)
{
    return purple_proxy_info_get_type(purple_proxy_get_setup(attempt->account)) == PURPLE_PROXY_NONE &&
           strstr(reason, g_strerror(ECONNREFUSED)) != NULL;
}

static void
dialled(gpointer data, int fd, const char *error)
{
    BsAttempt *attempt = data;

    /* libpurple frees it after this call: it must not be cancelled any more. */
    attempt->dialling = NULL;
    if (fd < 0) {
        g_autofree char *reason = g_strdup(error != NULL ? error : "no connection");

        attempt->was_refused = is_refusal_of_host(attempt, reason);
        fail(attempt, g_strstrip(reason));
        return;
    }
    /* The attempt's own deadline, which began earlier, comes first. */
    attempt->negotiation = bs_negotiation_new(fd, bs_handshake_new_client(attempt->dst_addrs[0]),
                                              DETOUR_DEADLINE_MS, negotiated, attempt);
}

gboolean
bs_attempt_was_refused(const BsAttempt *attempt)
{
    return attempt->was_refused;
}

/* Otherwise libpurple would refuse each attempt with a dialog of its own. */
static gboolean
are_usable(PurpleProxyInfo *settings)
{
    if (purple_proxy_info_get_type(settings) == PURPLE_PROXY_NONE)
        return TRUE;
    return purple_proxy_info_get_host(settings) != NULL && purple_proxy_info_get_port(settings) > 0;
}

static gboolean
is_near(const char *host)
{
    BsIpAddress address;

    if (!bs_ip_parse(host, &address))
        return FALSE;
    return bs_ip_is_private(&address) || bs_ip_kind(&address) == BS_IP_UNIQUE_LOCAL ||
           bs_ip_kind(&address) == BS_IP_LINK_LOCAL;
}

static guint
deadline_ms(const BsAttempt *attempt, const PurpleProxyInfo *settings)
{
    if (purple_proxy_info_get_type(settings) != PURPLE_PROXY_NONE)
        return DETOUR_DEADLINE_MS;
    return is_near(attempt->candidate->host) ? NEAR_DEADLINE_MS : DEADLINE_MS;
}

/* The deadline runs from the first connection on. */
static void
set_deadline(BsAttempt *attempt, const PurpleProxyInfo *settings)
{
    if (attempt->deadline == 0)
        attempt->deadline = purple_timeout_add(deadline_ms(attempt, settings), deadline_passed, attempt);
}

static gboolean
refused(gpointer data)
{
    BsAttempt *attempt = data;

    attempt->deadline = 0;
    fail(attempt, attempt->refusal);
    return FALSE;
}

static gboolean
dial(BsAttempt *attempt)
{
    PurpleProxyInfo *settings = purple_proxy_get_setup(attempt->account);
    g_autofree char *host = bs_user_proxy_host(settings, attempt->candidate->host);

    if (!are_usable(settings))
        return FALSE;
    attempt->refusal = bs_user_proxy_refusal(settings, attempt->candidate->host, attempt->candidate->port);
    if (attempt->refusal != NULL) {
        attempt->deadline = purple_timeout_add(0, refused, attempt);
        return TRUE;
    }
    set_deadline(attempt, settings);
    attempt->dialling =
        purple_proxy_connect(attempt, attempt->account, host, attempt->candidate->port, dialled, attempt);
    return attempt->dialling != NULL;
}

BsAttempt *
bs_attempt_new(const char *id, PurpleAccount *account, const BsCandidate *candidate,
               const char *const *dst_addrs, BsAttemptDone done, gpointer data)
{
    BsAttempt *attempt = g_new0(BsAttempt, 1);

    attempt->id = id;
    attempt->account = account;
    attempt->candidate = candidate;
    attempt->dst_addrs = dst_addrs;
    attempt->begun = g_get_monotonic_time();
    attempt->done = done;
    attempt->data = data;
    if (!dial(attempt)) {
        log_result(attempt, "failed", "libpurple does not dial with these proxy settings");
        stop_waiting(attempt);
        g_free(attempt);
        return NULL;
    }
    return attempt;
}

void
bs_attempt_free(BsAttempt *attempt)
{
    if (attempt == NULL)
        return;
    stop_waiting(attempt);
    if (!attempt->over)
        log_result(attempt, "given up", NULL);
    g_free(attempt);
}
