/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/proxy65.h"

#include <eventloop.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "random_id.h"
#include "socks5/attempt.h"
#include "socks5/ip_address.h"
#include "socks5/local_addresses.h"
#include "socks5/negotiation.h"
#include "socks5/proxy_search.h"
#include "socks5/user_proxy.h"
#include "stanza/jid.h"
#include "stanza/xml.h"
#include "timer.h"

#define NS_BYTESTREAMS "http://jabber.org/protocol/bytestreams"

#define SEARCH_AGE_S (6 * 60 * 60)
#define TRIAL_AGE_S (5 * 60)
#define SET_ASIDE_S (10 * 60)

/* More than anybody has; each is asked at once. */
#define PROXIES_MAX 16
#define DEFAULT_PORT 1080

typedef struct {
    BsProxies *proxies;
    char *jid;
    gboolean listed;        /* the user's own choice */
    gboolean considered;    /* in this search */
    BsIqRequest *request;   /* its address is asked for */
    BsCandidate *candidate; /* its address, once that is known: as it says itself ... */
    char *reached_at;       /* ... and as it was found when it was tried last, NULL: not known */
    BsAttempt *attempt;     /* it is being tried */
    gint64 began;           /* the trial, microseconds */
    gint64 took;            /* the last trial that went well */
    char *dst_addr;
    const char *dst_addrs[2];
    gboolean works; /* by the last trial */
    guint rests;    /* runs as long as the last trial counts */
} Proxy;

struct _BsProxies {
    BsIqLink *link;
    PurpleAccount *account;
    char *setting; /* as it was when it was read last */
    BsProxySearch *search;
    GPtrArray *list; /* Proxy */
    guint timer;     /* the next search */
};

static void
proxy_free(gpointer data)
{
    Proxy *proxy = data;

    bs_iq_request_cancel(&proxy->request);
    bs_attempt_free(proxy->attempt);
    bs_candidate_free(proxy->candidate);
    g_free(proxy->reached_at);
    bs_timer_clear(&proxy->rests);
    g_free(proxy->dst_addr);
    g_free(proxy->jid);
    g_free(proxy);
}

static Proxy *
find_proxy(const BsProxies *proxies, const char *jid)
{
    for (guint i = 0; i < proxies->list->len; i++) {
        Proxy *proxy = g_ptr_array_index(proxies->list, i);

        if (bs_jid_equal(proxy->jid, jid))
            return proxy;
    }
    return NULL;
}

/* Trying one. */

static gboolean
rested(gpointer data)
{
    ((Proxy *)data)->rests = 0;
    return FALSE;
}

static void
rest(Proxy *proxy, guint seconds)
{
    bs_timer_clear(&proxy->rests);
    proxy->rests = purple_timeout_add_seconds(seconds, rested, proxy);
}

static void
set_aside(Proxy *proxy, const char *why)
{
    bs_log(NULL, "proxy %s is set aside for %u minutes: %s", proxy->jid, SET_ASIDE_S / 60, why);
    proxy->works = FALSE;
    rest(proxy, SET_ASIDE_S);
}

/* The other end of `fd`, newly allocated; NULL if that is not the proxy. */
static char *
address_of(int fd, PurpleAccount *account)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char text[NI_MAXHOST];

    if (bs_user_proxy_is_set(account) || getpeername(fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
        return NULL;
    return g_strdup(text);
}

static void
tried(BsAttempt *attempt, int fd, gpointer data)
{
    Proxy *proxy = data;

    proxy->attempt = NULL;
    bs_attempt_free(attempt);
    if (fd < 0) {
        set_aside(proxy, "it cannot be reached");
        return;
    }
    g_free(proxy->reached_at);
    proxy->reached_at = address_of(fd, proxy->proxies->account);
    bs_socket_close(fd);
    proxy->works = TRUE;
    proxy->took = g_get_monotonic_time() - proxy->began;
    bs_log(NULL, "proxy %s works", proxy->jid);
    rest(proxy, TRIAL_AGE_S);
}

/* With a name that nobody else asks for: so it meets no stream. */
static void
try_out(Proxy *proxy)
{
    g_autofree char *sid = bs_random_id();

    g_free(proxy->dst_addr);
    proxy->dst_addr = bs_dst_addr(sid, proxy->jid, "");
    proxy->dst_addrs[0] = proxy->dst_addr;
    proxy->began = g_get_monotonic_time();
    proxy->attempt =
        bs_attempt_new(NULL, proxy->proxies->account, proxy->candidate, proxy->dst_addrs, tried, proxy);
    if (proxy->attempt == NULL)
        set_aside(proxy, "nothing can be dialled");
}

/* Its address. */

/* Some proxies give another JID in it than their own; like others, we keep to the one that was asked. */
static BsCandidate *
parse_streamhost(const xmlnode *node, const char *jid)
{
    const char *host = xmlnode_get_attrib((xmlnode *)node, "host");
    const char *port_text = xmlnode_get_attrib((xmlnode *)node, "port");
    g_autoptr(BsCandidate) candidate = NULL;
    g_autoptr(GPtrArray) nobody = g_ptr_array_new();
    g_autoptr(GPtrArray) own_addresses = bs_local_addresses();
    guint64 port = DEFAULT_PORT;
    const char *refusal;

    if (port_text != NULL && !bs_xml_parse_uint64(port_text, 1, G_MAXUINT16, &port))
        return NULL;
    candidate = bs_candidate_new(BS_CANDIDATE_PROXY, NULL, jid, host, (guint16)port, 0);
    refusal = bs_candidate_refusal(candidate, nobody, own_addresses);
    if (refusal == NULL)
        return g_steal_pointer(&candidate);
    bs_log(NULL, "proxy %s is not used at %s: %s", jid, host != NULL ? host : "no host", refusal);
    return NULL;
}

static BsCandidate *
parse_address(const xmlnode *query, const char *jid)
{
    for (xmlnode *node = bs_xml_first_element(query); node != NULL; node = bs_xml_next_element(node)) {
        BsCandidate *candidate =
            bs_xml_is(node, "streamhost", NS_BYTESTREAMS) ? parse_streamhost(node, jid) : NULL;

        if (candidate != NULL)
            return candidate;
    }
    return NULL;
}

/* `address` (taken) is where it is now; what is known of another place does not count. */
static void
move_to(Proxy *proxy, BsCandidate *address)
{
    const BsCandidate *old = proxy->candidate;

    if (old == NULL || old->port != address->port || !bs_ip_same_host(old->host, address->host))
        proxy->works = FALSE;
    g_clear_pointer(&proxy->reached_at, g_free);
    bs_candidate_free(proxy->candidate);
    proxy->candidate = address;
    bs_log(NULL, "proxy %s is at %s port %u", proxy->jid, address->host, address->port);
}

static void
address_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    Proxy *proxy = data;
    const xmlnode *query = bs_proxy_query(outcome, iq, NS_BYTESTREAMS);
    BsCandidate *address = query != NULL ? parse_address(query, proxy->jid) : NULL;
    g_autofree char *condition = outcome == BS_IQ_ERROR ? bs_iq_error_condition(iq) : NULL;

    proxy->request = NULL;
    if (address != NULL) {
        move_to(proxy, address);
        try_out(proxy);
    } else if (outcome == BS_IQ_TIMEOUT) {
        set_aside(proxy, "no answer in time");
    } else {
        set_aside(proxy, condition != NULL ? condition : "it names no address");
    }
}

static gboolean
is_busy(const Proxy *proxy)
{
    return proxy->request != NULL || proxy->attempt != NULL;
}

static void
ask_for_address(Proxy *proxy)
{
    bs_proxy_ask(proxy->proxies->link, proxy->jid, NS_BYTESTREAMS, address_answered, proxy, &proxy->request);
}

/* A proxy, new or known, that the search came upon. */
static void
consider(BsProxies *proxies, const char *jid, gboolean listed)
{
    Proxy *proxy = find_proxy(proxies, jid);

    if (proxy == NULL) {
        if (proxies->list->len >= PROXIES_MAX)
            return;
        proxy = g_new0(Proxy, 1);
        proxy->proxies = proxies;
        proxy->jid = g_strdup(jid);
        g_ptr_array_add(proxies->list, proxy);
    }
    proxy->listed |= listed;
    if (proxy->considered)
        return;
    proxy->considered = TRUE;
    if (!is_busy(proxy) && (proxy->works || proxy->rests == 0))
        ask_for_address(proxy);
}

/* Looking for them. */

static const char *
read_setting(const BsProxies *proxies)
{
    return proxies->account != NULL ? purple_account_get_string(proxies->account, "ft_proxies", "") : "";
}

static void
forget_unlisted(BsProxies *proxies, char *const *listed)
{
    for (guint i = proxies->list->len; i-- > 0;) {
        const Proxy *proxy = g_ptr_array_index(proxies->list, i);

        if (proxy->listed && !g_strv_contains((const char *const *)listed, proxy->jid))
            g_ptr_array_remove_index(proxies->list, i);
    }
}

static void
search_setting(BsProxies *proxies)
{
    g_auto(GStrv) listed = NULL;

    g_free(proxies->setting);
    proxies->setting = g_strdup(read_setting(proxies));
    listed = g_strsplit_set(proxies->setting, ", \t\r\n", -1);
    forget_unlisted(proxies, listed);
    for (char **jid = listed; *jid != NULL; jid++)
        if (bs_proxy_is_usable_jid(*jid))
            consider(proxies, *jid, TRUE);
}

static void
found(const char *jid, gpointer data)
{
    consider(data, jid, FALSE);
}

static gboolean search_again(gpointer data);

static void
search(BsProxies *proxies)
{
    for (guint i = 0; i < proxies->list->len; i++)
        ((Proxy *)g_ptr_array_index(proxies->list, i))->considered = FALSE;
    bs_timer_clear(&proxies->timer);
    proxies->timer = purple_timeout_add_seconds(SEARCH_AGE_S, search_again, proxies);
    search_setting(proxies);
    g_clear_pointer(&proxies->search, bs_proxy_search_free);
    proxies->search = bs_proxy_search_new(proxies->link, found, proxies);
}

static gboolean
search_again(gpointer data)
{
    BsProxies *proxies = data;

    proxies->timer = 0;
    search(proxies);
    return FALSE;
}

BsProxies *
bs_proxies_new(BsIqLink *link, PurpleAccount *account)
{
    BsProxies *proxies = g_new0(BsProxies, 1);

    proxies->link = link;
    proxies->account = account;
    proxies->list = g_ptr_array_new_with_free_func(proxy_free);
    search(proxies);
    return proxies;
}

void
bs_proxies_free(BsProxies *proxies)
{
    if (proxies == NULL)
        return;
    bs_timer_clear(&proxies->timer);
    bs_proxy_search_free(proxies->search);
    g_ptr_array_unref(proxies->list);
    g_free(proxies->setting);
    g_free(proxies);
}

/* What is known of them, for offers. */

void
bs_proxies_freshen(BsProxies *proxies)
{
    if (strcmp(read_setting(proxies), proxies->setting) != 0) {
        search(proxies);
        return;
    }
    for (guint i = 0; i < proxies->list->len; i++) {
        Proxy *proxy = g_ptr_array_index(proxies->list, i);

        if (is_busy(proxy) || proxy->rests != 0)
            continue;
        if (proxy->candidate != NULL)
            try_out(proxy);
        else
            ask_for_address(proxy);
    }
}

/* Those of the setting came first into the list, and in its order. */
static gint
compare_worth(gconstpointer one, gconstpointer other)
{
    const Proxy *one_proxy = *(Proxy *const *)one;
    const Proxy *other_proxy = *(Proxy *const *)other;

    if (one_proxy->listed || other_proxy->listed)
        return other_proxy->listed - one_proxy->listed;
    return (one_proxy->took > other_proxy->took) - (one_proxy->took < other_proxy->took);
}

GPtrArray *
bs_proxies_gather(BsProxies *proxies, gboolean initiator)
{
    GPtrArray *candidates = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();

    bs_proxies_freshen(proxies);
    for (guint i = 0; i < proxies->list->len; i++)
        g_ptr_array_add(sorted, g_ptr_array_index(proxies->list, i));
    g_ptr_array_sort(sorted, compare_worth);
    for (guint i = 0; i < sorted->len && candidates->len < BS_PROXIES_OFFERED_MAX; i++) {
        const Proxy *proxy = g_ptr_array_index(sorted, i);
        g_autofree char *cid = bs_random_id();

        if (!proxy->works ||
            bs_candidates_contain(candidates, proxy->candidate->host, proxy->candidate->port))
            continue;
        g_ptr_array_add(candidates, bs_candidate_new(BS_CANDIDATE_PROXY, cid, proxy->jid,
                                                     proxy->candidate->host, proxy->candidate->port,
                                                     bs_candidate_priority(BS_CANDIDATE_PROXY, initiator,
                                                                           candidates->len)));
    }
    return candidates;
}

const char *
bs_proxies_address(const BsProxies *proxies, const char *jid)
{
    const Proxy *proxy = find_proxy(proxies, jid);

    return proxy != NULL ? proxy->reached_at : NULL;
}

gboolean
bs_proxies_know(const BsProxies *proxies, const char *host, guint16 port)
{
    for (guint i = 0; i < proxies->list->len; i++) {
        const BsCandidate *known = ((const Proxy *)g_ptr_array_index(proxies->list, i))->candidate;

        if (known != NULL && known->port == port && bs_ip_same_host(known->host, host))
            return TRUE;
    }
    return FALSE;
}

void
bs_proxies_set_aside(BsProxies *proxies, const char *jid, const char *why)
{
    Proxy *proxy = find_proxy(proxies, jid);

    if (proxy == NULL)
        return;
    bs_iq_request_cancel(&proxy->request);
    g_clear_pointer(&proxy->attempt, bs_attempt_free);
    set_aside(proxy, why);
}
