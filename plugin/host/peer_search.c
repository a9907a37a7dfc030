/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/peer_search.h"

#include <blist.h>
#include <conversation.h>
#include <eventloop.h>

#include "host/choice.h"
#include "host/notices.h"
#include "log.h"
#include "stanza/jid.h"
#include "timer.h"

#define NS_DISCO_INFO "http://jabber.org/protocol/disco#info"
#define DISCO_DEADLINE_MS 8000
#define PROBE_WAIT_MS 1500
#define CANDIDATES_MAX 32

/* A resource that may be the one. */
typedef struct {
    BsPeerSearch *search;
    char *jid;
    int priority;
    BsPeerAbility ability;
    gboolean heard_of;    /* its presence is known, or it has said what it can do */
    BsIqRequest *request; /* disco#info under way */
} Candidate;

struct _BsPeerSearch {
    BsPeers *peers;
    char *who;
    gboolean without_jingle; /* Jingle does not work with it, whatever it says */
    BsPeerFound found;
    gpointer data;
    guint timer;           /* until it begins, or while a probe is under way */
    GPtrArray *candidates; /* Candidate, owned; once all are asked, only those that are able */
    BsChoice *choice;      /* the user is asked */
};

static void
candidate_free(gpointer data)
{
    Candidate *candidate = data;

    bs_iq_request_cancel(&candidate->request);
    g_free(candidate->jid);
    g_free(candidate);
}

static void
search_free(BsPeerSearch *search)
{
    bs_timer_clear(&search->timer);
    bs_choice_free(search->choice);
    g_ptr_array_unref(search->candidates);
    g_free(search->who);
    g_free(search);
}

void
bs_peer_search_cancel(BsPeerSearch **search)
{
    if (*search != NULL)
        search_free(g_steal_pointer(search));
}

/* Tells `answer` and the chosen candidate (or NULL), and ends the search. */
static void
search_finish(BsPeerSearch *search, BsFound answer, const Candidate *chosen)
{
    g_autofree char *jid = chosen != NULL ? g_strdup(chosen->jid) : NULL;
    BsPeerFound found = search->found;
    gpointer data = search->data;

    search_free(search);
    found(answer, jid, data);
}

static void
search_choose(BsPeerSearch *search, const Candidate *chosen)
{
    search_finish(search, chosen->ability == BS_PEER_JINGLE ? BS_FOUND_JINGLE : BS_FOUND_SI, chosen);
}

static void
user_has_chosen(int index, gpointer data)
{
    BsPeerSearch *search = data;

    search->choice = NULL;
    if (index < 0)
        search_finish(search, BS_FOUND_NONE_CHOSEN, NULL);
    else
        search_choose(search, search->candidates->pdata[index]);
}

/* The resource that the user is talking to, if libpurple knows it, else the one with the highest priority. */
static int
likeliest(const BsPeerSearch *search)
{
    PurpleConversation *conversation = purple_find_conversation_with_account(PURPLE_CONV_TYPE_IM, search->who,
                                                                             bs_peers_account(search->peers));
    const char *name = conversation != NULL ? purple_conversation_get_name(conversation) : NULL;

    for (guint i = 0; name != NULL && i < search->candidates->len; i++) {
        const Candidate *candidate = search->candidates->pdata[i];

        if (bs_jid_equal(name, candidate->jid))
            return (int)i;
    }
    return 0;
}

static void
ask_user(BsPeerSearch *search)
{
    g_autoptr(GPtrArray) options = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < search->candidates->len; i++) {
        const Candidate *candidate = search->candidates->pdata[i];
        const char *resource = bs_jid_resource(candidate->jid);

        g_ptr_array_add(options, bs_notice_choose_option(resource != NULL ? resource : candidate->jid,
                                                         candidate->priority));
    }
    search->choice = bs_choice_ask(bs_peers_account(search->peers), search->who, options, likeliest(search),
                                   user_has_chosen, search);
}

static gboolean
anything_pending(const BsPeerSearch *search)
{
    for (guint i = 0; i < search->candidates->len; i++) {
        const Candidate *candidate = search->candidates->pdata[i];

        if (candidate->ability == BS_PEER_UNKNOWN)
            return TRUE;
    }
    return FALSE;
}

static BsFound
why_none(const BsPeerSearch *search)
{
    for (guint i = 0; i < search->candidates->len; i++) {
        const Candidate *candidate = search->candidates->pdata[i];

        if (candidate->heard_of)
            return BS_FOUND_NONE_ABLE;
    }
    return BS_FOUND_NONE_ONLINE;
}

/* Goes on if every resource has been asked. May end the search. */
static void
conclude(BsPeerSearch *search)
{
    BsFound none = why_none(search);

    if (anything_pending(search))
        return;
    for (guint i = search->candidates->len; i > 0; i--) {
        const Candidate *candidate = search->candidates->pdata[i - 1];

        if (candidate->ability == BS_PEER_UNABLE)
            g_ptr_array_remove_index(search->candidates, i - 1);
    }
    if (search->candidates->len > 1)
        ask_user(search);
    else if (search->candidates->len == 1)
        search_choose(search, search->candidates->pdata[0]);
    else
        search_finish(search, none, NULL);
}

static const char *
ability_name(BsPeerAbility ability)
{
    switch (ability) {
    case BS_PEER_JINGLE:
        return "takes files by Jingle";
    case BS_PEER_SI:
        return "takes files by stream initiation";
    case BS_PEER_UNABLE:
        return "does not take files";
    case BS_PEER_UNKNOWN:
        break;
    }
    return "did not say what it can do";
}

/* A server answers for an account of its own, whether or not somebody is there. */
static gboolean
is_of_a_client(const Candidate *candidate)
{
    return bs_jid_resource(candidate->jid) != NULL || candidate->ability != BS_PEER_UNABLE;
}

static void
take_ways(Candidate *candidate, BsPeerWays ways)
{
    BsPeerSearch *search = candidate->search;
    BsResource *resource = bs_resources_find(bs_peers_resources(search->peers), candidate->jid);

    if (resource != NULL) {
        resource->ability = bs_resources_best_way(&ways);
        resource->hashes = ways.hashes;
        resource->version = ways.version;
        resource->in_band_only = ways.in_band_only;
    }
    if (search->without_jingle)
        ways.jingle = FALSE;
    candidate->ability = bs_resources_best_way(&ways);
    candidate->heard_of |= is_of_a_client(candidate);
    bs_log(NULL, "%s %s", candidate->jid, ability_name(candidate->ability));
}

static void
disco_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    Candidate *candidate = data;

    candidate->request = NULL;
    if (outcome == BS_IQ_RESULT) {
        take_ways(candidate, bs_resources_ways_from_disco(iq));
    } else {
        candidate->ability = BS_PEER_UNABLE;
        bs_log(NULL, "%s %s", candidate->jid, ability_name(BS_PEER_UNKNOWN));
    }
    conclude(candidate->search);
}

static void
add_candidate(BsPeerSearch *search, const char *jid, int priority)
{
    Candidate *candidate = g_new0(Candidate, 1);

    candidate->search = search;
    candidate->jid = g_strdup(jid);
    candidate->priority = priority;
    candidate->heard_of = bs_resources_find(bs_peers_resources(search->peers), jid) != NULL;
    candidate->ability = search->without_jingle ? BS_PEER_UNKNOWN : bs_peers_ability_of(search->peers, jid);
    g_ptr_array_add(search->candidates, candidate);
}

static void
ask_candidates(BsPeerSearch *search)
{
    for (guint i = 0; i < search->candidates->len; i++) {
        Candidate *candidate = search->candidates->pdata[i];
        xmlnode *query;

        if (candidate->ability != BS_PEER_UNKNOWN)
            continue;
        query = xmlnode_new("query");
        xmlnode_set_namespace(query, NS_DISCO_INFO);
        candidate->request = bs_iq_request(bs_peers_link(search->peers), "get", candidate->jid, query,
                                           DISCO_DEADLINE_MS, disco_answered, candidate);
    }
    conclude(search);
}

static void
add_known_resources(BsPeerSearch *search)
{
    BsPeers *peers = search->peers;
    g_autoptr(GPtrArray) known =
        bs_resources_of(bs_peers_resources(peers), search->who, bs_iq_link_own_jid(bs_peers_link(peers)));

    for (guint i = 0; i < known->len && i < CANDIDATES_MAX; i++) {
        const BsResource *resource = known->pdata[i];

        add_candidate(search, resource->jid, resource->priority);
    }
}

static gboolean
is_own_account(const BsPeerSearch *search)
{
    return bs_jid_same_bare(search->who, bs_iq_link_own_jid(bs_peers_link(search->peers)));
}

/* No resource is known: the JID itself may be one of a service. */
static void
ask_without_resource(BsPeerSearch *search)
{
    if (search->candidates->len == 0 && !is_own_account(search))
        add_candidate(search, search->who, 0);
    ask_candidates(search);
}

static gboolean
probe_waited(gpointer data)
{
    BsPeerSearch *search = data;

    search->timer = 0;
    add_known_resources(search);
    ask_without_resource(search);
    return FALSE;
}

/* Somebody who is online may have come before we listened to presence. A server does not take a probe of
 * one's own account. */
static gboolean
may_be_online(const BsPeerSearch *search)
{
    PurpleAccount *account = bs_peers_account(search->peers);
    PurpleBuddy *buddy =
        account != NULL && !is_own_account(search) ? purple_find_buddy(account, search->who) : NULL;

    return buddy != NULL && PURPLE_BUDDY_IS_ONLINE(buddy);
}

static gboolean
search_begin(gpointer data)
{
    BsPeerSearch *search = data;

    search->timer = 0;
    if (bs_jid_resource(search->who) != NULL || search->without_jingle)
        add_candidate(search, search->who, 0);
    else
        add_known_resources(search);
    if (search->candidates->len == 0 && may_be_online(search)) {
        bs_peers_probe(search->peers, search->who);
        search->timer = purple_timeout_add(PROBE_WAIT_MS, probe_waited, search);
    } else {
        ask_without_resource(search);
    }
    return FALSE;
}

static BsPeerSearch *
new_search(BsPeers *peers, const char *who, gboolean without_jingle, BsPeerFound found, gpointer data)
{
    BsPeerSearch *search = g_new0(BsPeerSearch, 1);

    search->peers = peers;
    search->who = g_strdup(who);
    search->without_jingle = without_jingle;
    search->found = found;
    search->data = data;
    search->candidates = g_ptr_array_new_with_free_func(candidate_free);
    search->timer = purple_timeout_add(0, search_begin, search);
    return search;
}

BsPeerSearch *
bs_peer_search(BsPeers *peers, const char *who, BsPeerFound found, gpointer data)
{
    return new_search(peers, who, FALSE, found, data);
}

BsPeerSearch *
bs_peer_search_without_jingle(BsPeers *peers, const char *jid, BsPeerFound found, gpointer data)
{
    return new_search(peers, jid, TRUE, found, data);
}
