/* Several files that a peer offers in one session: each becomes a transfer of its own, or is turned down by
 * itself. SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "stanza/jid.h"
#include "transfer/internal.h"

/* Files of one contact in sessions with others, as these do not wait for places in the queue. */
#define BESIDE_OTHERS_MAX 100

/* The contents of a request, and what becomes of them. */
typedef struct {
    BsEndpoint *endpoint;
    const char *own_jid;
    GPtrArray *transfers; /* BsTransfer: what is offered to our user */
    GPtrArray *refused;   /* Refused: contents that are not */
} Several;

typedef struct {
    BsJingleSession *session; /* owned */
    BsJingleReason reason;
    const char *specific; /* in BS_NS_FILE_ERRORS; NULL: nothing */
} Refused;

static void
refused_free(gpointer item)
{
    Refused *refused = item;

    bs_jingle_session_free(refused->session);
    g_free(refused);
}

static void
several_init(Several *several, BsEndpoint *endpoint, const char *own_jid)
{
    *several = (Several){
        .endpoint = endpoint,
        .own_jid = own_jid,
        .transfers = g_ptr_array_new(),
        .refused = g_ptr_array_new_with_free_func(refused_free),
    };
}

static void
refuse(Several *several, BsJingleSession *session, BsJingleReason reason, const char *specific)
{
    Refused *refused = g_new(Refused, 1);

    bs_log(NULL, "one of several files of %s was turned down: %s", bs_jingle_session_peer(session),
           bs_jingle_reason_name(reason));
    *refused = (Refused){.session = session, .reason = reason, .specific = specific};
    g_ptr_array_add(several->refused, refused);
}

/* A transfer whose transport cannot be used is turned down later, like one that was not made. */
static void
begin(Several *several, BsJingleSession *session, const xmlnode *content, BsJingleFileVersion version,
      BsFileOffer *offer)
{
    BsTransfer *transfer =
        bs_transfer_new_from_session(several->endpoint, several->own_jid, session, version, offer);

    g_ptr_array_add(several->transfers, transfer);
    (void)bs_transfer_set_transport(transfer, bs_jingle_transport(content));
}

/* `session` is taken. */
static void
take_content(Several *several, BsJingleSession *session, const xmlnode *content)
{
    BsJingleFileVersion version;
    gboolean request = FALSE;
    g_autoptr(BsFileOffer) offer = bs_jingle_file_parse(bs_jingle_description(content), &version, &request);
    const char *specific = NULL;
    BsJingleReason reason = BS_JINGLE_FAILED_APPLICATION;

    request = request || bs_jingle_senders(content) == BS_JINGLE_SENDERS_RESPONDER;
    if (offer != NULL && bs_jingle_transport(content) != NULL)
        reason = bs_offer_refusal(content, offer, request, &specific);
    if (reason != BS_JINGLE_NO_REASON)
        refuse(several, session, reason, specific);
    else
        begin(several, session, content, version, g_steal_pointer(&offer));
}

/* Each of them after all are known, as what is turned down last ends the session. */
static void
tell_peer_and_user(Several *several)
{
    g_autoptr(GPtrArray) transfers = several->transfers;

    for (guint i = transfers->len; i-- > 0;) {
        BsTransfer *transfer = g_ptr_array_index(transfers, i);

        if (transfer->transport != NULL)
            continue;
        bs_transfer_terminate(transfer, BS_JINGLE_UNSUPPORTED_TRANSPORTS, NULL, BS_END_UNSUPPORTED, NULL);
        g_ptr_array_remove_index(transfers, i);
    }
    for (guint i = 0; i < several->refused->len; i++) {
        const Refused *refused = g_ptr_array_index(several->refused, i);

        bs_jingle_session_terminate(refused->session, refused->reason, refused->specific, BS_NS_FILE_ERRORS);
    }
    g_ptr_array_unref(several->refused);
    bs_endpoint_introduce_all(several->endpoint, transfers);
}

static guint
count_beside_others(const BsEndpoint *endpoint, const char *peer)
{
    const GPtrArray *all = bs_endpoint_all(endpoint);
    guint count = 0;

    for (guint i = 0; i < all->len; i++) {
        const BsTransfer *transfer = g_ptr_array_index(all, i);

        count += transfer->session != NULL && !bs_jingle_session_is_alone(transfer->session) &&
                 bs_jid_same_bare(bs_transfer_peer(transfer), peer);
    }
    return count;
}

static gboolean
is_flooded(const BsEndpoint *endpoint, const char *peer, const xmlnode *jingle)
{
    guint more = bs_jingle_count_contents(jingle);

    return bs_endpoint_is_flooded(endpoint, peer, more) ||
           count_beside_others(endpoint, peer) + more > BESIDE_OTHERS_MAX;
}

static void
free_sessions(gpointer sessions)
{
    g_ptr_array_set_free_func(sessions, (GDestroyNotify)bs_jingle_session_free);
    g_ptr_array_unref(sessions);
}

/* One for each content; NULL if one of them is malformed, or its name not its own. */
static GPtrArray *
make_sessions(BsIqLink *link, const xmlnode *iq, const xmlnode *jingle)
{
    GPtrArray *sessions = g_ptr_array_new();
    BsJingleSession *first = bs_jingle_session_new_from_initiate(link, iq, NULL, NULL);
    const xmlnode *content = bs_jingle_first_content(jingle);

    g_ptr_array_add(sessions, first);
    while ((content = bs_jingle_next_content(content)) != NULL) {
        BsJingleSession *session = bs_jingle_session_new_beside(first, content, FALSE);

        if (session == NULL) {
            free_sessions(sessions);
            return NULL;
        }
        g_ptr_array_add(sessions, session);
    }
    return sessions;
}

static void
take_all(BsEndpoint *endpoint, const GPtrArray *sessions, const xmlnode *iq, const xmlnode *jingle)
{
    g_autofree char *own_jid =
        bs_endpoint_own_jid(endpoint, bs_jingle_attrib(iq, "from"), bs_jingle_attrib(iq, "to"));
    const xmlnode *content = bs_jingle_first_content(jingle);
    Several several;

    several_init(&several, endpoint, own_jid);
    for (guint i = 0; i < sessions->len; i++, content = bs_jingle_next_content(content))
        take_content(&several, g_ptr_array_index(sessions, i), content);
    tell_peer_and_user(&several);
}

void
bs_endpoint_receive_several(BsEndpoint *endpoint, const xmlnode *iq, const xmlnode *jingle)
{
    BsIqLink *link = bs_endpoint_link(endpoint);
    const char *from = bs_jingle_attrib(iq, "from");
    g_autoptr(GPtrArray) sessions = NULL;

    if (bs_endpoint_has_ended(endpoint, from, bs_jingle_attrib(jingle, "sid"))) {
        bs_jingle_answer(link, iq, BS_JINGLE_ACK);
        return;
    }
    if (is_flooded(endpoint, from, jingle)) {
        bs_jingle_answer(link, iq, BS_JINGLE_RESOURCE_CONSTRAINT);
        return;
    }
    sessions = make_sessions(link, iq, jingle);
    bs_jingle_answer(link, iq, sessions != NULL ? BS_JINGLE_ACK : BS_JINGLE_BAD_REQUEST);
    if (sessions != NULL)
        take_all(endpoint, sessions, iq, jingle);
}

void
bs_endpoint_receive_added(BsEndpoint *endpoint, BsJingleSession *session, const char *own_jid,
                          const xmlnode *jingle)
{
    g_autofree char *jid = g_strdup(own_jid);
    const xmlnode *content = bs_jingle_first_content(jingle);
    Several several;

    if (is_flooded(endpoint, bs_jingle_session_peer(session), jingle)) {
        bs_jingle_session_reject_contents(session, jingle);
        return;
    }
    several_init(&several, endpoint, jid);
    for (; content != NULL; content = bs_jingle_next_content(content))
        take_content(&several, bs_jingle_session_new_beside(session, content, TRUE), content);
    tell_peer_and_user(&several);
}
