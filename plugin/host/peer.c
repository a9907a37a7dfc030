/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/peer.h"

#include <blist.h>
#include <conversation.h>
#include <eventloop.h>
#include <plugin.h>

#include "host/choice.h"
#include "host/notices.h"
#include "log.h"
#include "stanza/jid.h"
#include "timer.h"

#define NS_DISCO_INFO "http://jabber.org/protocol/disco#info"
#define DISCO_DEADLINE_MS 8000
#define PROBE_WAIT_MS 1500
#define PROBES_MAX 256
#define CANDIDATES_MAX 32

struct _BsPeers {
    BsIqLink *link;
    PurpleAccount *account;
    BsResources *resources;
};

/* A resource that may be the one. */
typedef struct {
    BsPeerSearch *search;
    char *jid;
    int priority;
    BsPeerAbility ability;
    BsIqRequest *request; /* disco#info under way */
} Candidate;

struct _BsPeerSearch {
    BsPeers *peers;
    char *who;
    BsPeerFound found;
    gpointer data;
    guint timer;           /* until it begins, or while a probe is under way */
    GPtrArray *candidates; /* Candidate, owned; once all are asked, only those that are able */
    BsChoice *choice;      /* the user is asked */
};

BsPeers *
bs_peers_new(BsIqLink *link, PurpleAccount *account)
{
    BsPeers *peers = g_new0(BsPeers, 1);

    peers->link = link;
    peers->account = account;
    peers->resources = bs_resources_new();
    return peers;
}

void
bs_peers_free(BsPeers *peers)
{
    if (peers == NULL)
        return;
    bs_resources_free(peers->resources);
    g_free(peers);
}

void
bs_peers_presence(BsPeers *peers, const xmlnode *presence)
{
    bs_resources_presence(peers->resources, presence);
}

static void
send_probe(BsPeers *peers, const char *bare)
{
    xmlnode *presence = xmlnode_new("presence");

    xmlnode_set_attrib(presence, "type", "probe");
    xmlnode_set_attrib(presence, "to", bare);
    bs_iq_send(peers->link, presence);
}

void
bs_peers_probe_online(BsPeers *peers)
{
    g_autoptr(GHashTable) asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GSList *buddies = purple_find_buddies(peers->account, NULL);

    for (GSList *item = buddies; item != NULL; item = item->next) {
        PurpleBuddy *buddy = item->data;
        const char *name = purple_buddy_get_name(buddy);

        if (PURPLE_BUDDY_IS_ONLINE(buddy) && !bs_jid_same_bare(name, bs_iq_link_own_jid(peers->link)) &&
            g_hash_table_size(asked) < PROBES_MAX && g_hash_table_add(asked, bs_jid_key(name)))
            send_probe(peers, name);
    }
    g_slist_free(buddies);
}

typedef struct {
    PurplePlugin *prpl;
    PurpleAccount *account;
    const char *jid;
} CapsQuestion;

static gboolean
caps_have_feature(const char *feature, gpointer data)
{
    const CapsQuestion *question = data;
    gboolean ok = FALSE;
    gpointer has = purple_plugin_ipc_call(question->prpl, "contact_has_feature", &ok, question->account,
                                          question->jid, feature);

    return ok && GPOINTER_TO_INT(has);
}

/* What libpurple knows through entity capabilities. It cannot tell "no" from "not known yet". */
static BsPeerAbility
ability_from_caps(BsPeers *peers, const char *jid)
{
    CapsQuestion question = {purple_plugins_find_with_id("prpl-jabber"), peers->account, jid};

    if (question.prpl == NULL || peers->account == NULL)
        return BS_PEER_UNKNOWN;
    return bs_resources_ability_from_features(caps_have_feature, &question);
}

static BsPeerAbility
ability_of(BsPeers *peers, const char *jid)
{
    const BsResource *resource = bs_resources_find(peers->resources, jid);

    if (resource != NULL && resource->ability != BS_PEER_UNKNOWN)
        return resource->ability;
    return ability_from_caps(peers, jid);
}

BsPeerAbility
bs_peers_ability(BsPeers *peers, const char *who)
{
    g_autoptr(GPtrArray) resources = NULL;
    guint unable = 0;

    if (bs_jid_resource(who) != NULL)
        return ability_of(peers, who);
    resources = bs_resources_of(peers->resources, who, bs_iq_link_own_jid(peers->link));
    for (guint i = 0; i < resources->len; i++) {
        const BsResource *resource = resources->pdata[i];

        switch (ability_of(peers, resource->jid)) {
        case BS_PEER_ABLE:
            return BS_PEER_ABLE;
        case BS_PEER_UNABLE:
            unable++;
            break;
        case BS_PEER_UNKNOWN:
            break;
        }
    }
    return unable > 0 && unable == resources->len ? BS_PEER_UNABLE : BS_PEER_UNKNOWN;
}

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

/* Tells `jid` (one of the candidates, or NULL) and ends the search. */
static void
search_finish(BsPeerSearch *search, const char *jid, gboolean cancelled)
{
    g_autofree char *answer = g_strdup(jid);
    BsPeerFound found = search->found;
    gpointer data = search->data;

    search_free(search);
    found(answer, cancelled, data);
}

static void
user_has_chosen(int index, gpointer data)
{
    BsPeerSearch *search = data;
    const Candidate *chosen = index >= 0 ? search->candidates->pdata[index] : NULL;

    search->choice = NULL;
    search_finish(search, chosen != NULL ? chosen->jid : NULL, chosen == NULL);
}

/* The resource that the user is talking to, if libpurple knows it, else the one with the highest priority. */
static int
likeliest(const BsPeerSearch *search)
{
    PurpleConversation *conversation =
        purple_find_conversation_with_account(PURPLE_CONV_TYPE_IM, search->who, search->peers->account);
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

        g_ptr_array_add(options,
                        bs_notice_choose_option(bs_jid_resource(candidate->jid), candidate->priority));
    }
    search->choice = bs_choice_ask(search->peers->account, search->who, options, likeliest(search),
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

/* Goes on if every resource has been asked. May end the search. */
static void
conclude(BsPeerSearch *search)
{
    if (anything_pending(search))
        return;
    for (guint i = search->candidates->len; i > 0; i--) {
        const Candidate *candidate = search->candidates->pdata[i - 1];

        if (candidate->ability != BS_PEER_ABLE)
            g_ptr_array_remove_index(search->candidates, i - 1);
    }
    if (search->candidates->len > 1) {
        ask_user(search);
    } else {
        const Candidate *only = search->candidates->len == 1 ? search->candidates->pdata[0] : NULL;

        search_finish(search, only != NULL ? only->jid : NULL, FALSE);
    }
}

static void
disco_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    Candidate *candidate = data;
    BsPeerSearch *search = candidate->search;
    BsResource *resource = bs_resources_find(search->peers->resources, candidate->jid);

    candidate->request = NULL;
    candidate->ability = outcome == BS_IQ_RESULT ? bs_resources_ability_from_disco(iq) : BS_PEER_UNABLE;
    if (outcome == BS_IQ_RESULT && resource != NULL)
        resource->ability = candidate->ability;
    bs_log(NULL, "%s %s", candidate->jid,
           candidate->ability == BS_PEER_ABLE ? "takes files by Jingle"
           : outcome == BS_IQ_TIMEOUT         ? "did not say what it can do"
                                              : "does not take files by Jingle");
    conclude(search);
}

static void
add_candidate(BsPeerSearch *search, const char *jid, int priority)
{
    Candidate *candidate = g_new0(Candidate, 1);

    candidate->search = search;
    candidate->jid = g_strdup(jid);
    candidate->priority = priority;
    candidate->ability = ability_of(search->peers, jid);
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
        candidate->request = bs_iq_request(search->peers->link, "get", candidate->jid, query,
                                           DISCO_DEADLINE_MS, disco_answered, candidate);
    }
    conclude(search);
}

static void
add_known_resources(BsPeerSearch *search)
{
    BsPeers *peers = search->peers;
    g_autoptr(GPtrArray) known =
        bs_resources_of(peers->resources, search->who, bs_iq_link_own_jid(peers->link));

    for (guint i = 0; i < known->len && i < CANDIDATES_MAX; i++) {
        const BsResource *resource = known->pdata[i];

        add_candidate(search, resource->jid, resource->priority);
    }
}

static gboolean
probe_waited(gpointer data)
{
    BsPeerSearch *search = data;

    search->timer = 0;
    add_known_resources(search);
    ask_candidates(search);
    return FALSE;
}

/* Somebody who is online may have come before we listened to presence. A server does not take a probe of
 * one's own account. */
static gboolean
may_be_online(const BsPeerSearch *search)
{
    PurpleBuddy *buddy = NULL;

    if (search->peers->account != NULL &&
        !bs_jid_same_bare(search->who, bs_iq_link_own_jid(search->peers->link)))
        buddy = purple_find_buddy(search->peers->account, search->who);
    return buddy != NULL && PURPLE_BUDDY_IS_ONLINE(buddy);
}

static gboolean
search_begin(gpointer data)
{
    BsPeerSearch *search = data;

    search->timer = 0;
    if (bs_jid_resource(search->who) != NULL)
        add_candidate(search, search->who, 0);
    else
        add_known_resources(search);
    if (search->candidates->len == 0 && may_be_online(search)) {
        send_probe(search->peers, search->who);
        search->timer = purple_timeout_add(PROBE_WAIT_MS, probe_waited, search);
    } else {
        ask_candidates(search);
    }
    return FALSE;
}

BsPeerSearch *
bs_peer_search(BsPeers *peers, const char *who, BsPeerFound found, gpointer data)
{
    BsPeerSearch *search = g_new0(BsPeerSearch, 1);

    search->peers = peers;
    search->who = g_strdup(who);
    search->found = found;
    search->data = data;
    search->candidates = g_ptr_array_new_with_free_func(candidate_free);
    search->timer = purple_timeout_add(0, search_begin, search);
    return search;
}
