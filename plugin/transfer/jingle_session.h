/* One content of a Jingle session, which is its only one unless the peer began it with several: XEP-0166's
 * actions and their rules. Knows neither files nor transports; what is in a description or a transport is its
 * owner's affair. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_JINGLE_SESSION_H
#define BS_JINGLE_SESSION_H

#include "transfer/jingle_xml.h"

typedef struct _BsJingleSession BsJingleSession;

/* What the peer sent. In those that return an answer the callee checks its part, and the answer is sent; only
 * then, and only after BS_JINGLE_ACK, `proceed` follows: there the callee acts on what it took, and may do
 * anything, freeing the session included. Nodes live as long as the call. */
typedef struct {
    BsJingleAnswer (*accepted)(BsJingleSession *session, const xmlnode *description, const xmlnode *transport,
                               gpointer data);
    BsJingleAnswer (*transport_info)(BsJingleSession *session, const xmlnode *transport, gpointer data);
    BsJingleAnswer (*session_info)(BsJingleSession *session, const xmlnode *payload, gpointer data);
    /* The peer proposes another transport: in `proceed` it is to be accepted or rejected. A proposal of ours
     * that had no answer yet is void. */
    BsJingleAnswer (*transport_replace)(BsJingleSession *session, const xmlnode *transport, gpointer data);
    /* The peer accepts the transport that we proposed; or it does not. The latter may free the session. */
    BsJingleAnswer (*transport_accepted)(BsJingleSession *session, const xmlnode *transport, gpointer data);
    void (*transport_rejected)(BsJingleSession *session, gpointer data);
    void (*proceed)(BsJingleSession *session, gpointer data);
    /* Or the request was answered with an error, perhaps for what it said of another content: what the callee
     * took is void. Must not free the session. */
    void (*refused)(BsJingleSession *session, gpointer data);
    /* Our acceptance has been sent. May free the session. */
    void (*answered)(BsJingleSession *session, gpointer data);
    /* The peer adds the contents of `jingle` to its session, and wants to know of each whether it is
     * accepted. */
    void (*contents_added)(BsJingleSession *session, const xmlnode *jingle, gpointer data);
    /* The peer ended the session, or a request of ours that the session cannot do without failed: `error` is
     * then the error's condition, "timeout" included; otherwise NULL. May free the session. */
    void (*ended)(BsJingleSession *session, BsJingleReason reason, const char *error, gpointer data);
} BsJingleEvents;

/* A new session to the full JID `peer`, as its initiator; nothing is sent yet. The link is borrowed.
 * `content` names the content. */
BsJingleSession *bs_jingle_session_new(BsIqLink *link, const char *peer, const char *content,
                                       const BsJingleEvents *events, gpointer data);

/* The session that the session-initiate `iq` asks for, as its responder, with the first of its contents. NULL
 * if that is malformed: no sid, no content with creator and name. Nothing is answered yet. */
BsJingleSession *bs_jingle_session_new_from_initiate(BsIqLink *link, const xmlnode *iq,
                                                     const BsJingleEvents *events, gpointer data);

/* Another content of the peer's in the session of `other`: of its session-initiate, or `added` later. NULL if
 * that is malformed, or its name has been used. Nobody hears of it before bs_jingle_session_watch(). */
BsJingleSession *bs_jingle_session_new_beside(BsJingleSession *other, const xmlnode *content, gboolean added);

void bs_jingle_session_watch(BsJingleSession *session, const BsJingleEvents *events, gpointer data);

/* Frees it at any moment; sends nothing. NULL is allowed. */
void bs_jingle_session_free(BsJingleSession *session);

/* The responder is to send the file: a request (XEP-0234, 6.2). Before anything is sent; else the initiator
 * is. */
void bs_jingle_session_set_request(BsJingleSession *session);

/* Sends session-initiate, transport-info, session-info around the nodes, which are taken. `own_jid` is what
 * the peer calls us. */
void bs_jingle_session_initiate(BsJingleSession *session, const char *own_jid, xmlnode *description,
                                xmlnode *transport);
void bs_jingle_session_transport_info(BsJingleSession *session, xmlnode *transport);
void bs_jingle_session_session_info(BsJingleSession *session, xmlnode *payload);

/* Accepts it, with these nodes, which are taken. The contents with which the peer began the session are
 * accepted together, when none is undecided any more: Psi does not begin with what is accepted later.
 * `answered` is then called, inside the call if nothing else is undecided. FALSE if the peer has not been
 * told yet. */
gboolean bs_jingle_session_accept(BsJingleSession *session, const char *own_jid, xmlnode *description,
                                  xmlnode *transport);

/* Proposes another transport: sends transport-replace around the node, which is taken. */
void bs_jingle_session_transport_replace(BsJingleSession *session, xmlnode *transport);

/* Answers the peer's proposal: with our description of it, which is taken; or by turning it down, and the
 * session's transport stays as it is. */
void bs_jingle_session_transport_accept(BsJingleSession *session, xmlnode *transport);
void bs_jingle_session_transport_reject(BsJingleSession *session);

/* Sends session-terminate, or content-remove where other contents of the session go on (content-reject if
 * this one was added and not accepted), with an application's own condition `specific` (may be NULL) in
 * `specific_ns`. It is over: it takes nothing more, and is to be freed. */
void bs_jingle_session_terminate(BsJingleSession *session, BsJingleReason reason, const char *specific,
                                 const char *specific_ns);

/* The same where the session of the id `sid` takes its place (XEP-0166, 7.4: alternative-session). */
void bs_jingle_session_give_way(BsJingleSession *session, const char *sid);

/* Turns down all contents that the peer's `jingle` wants to add. */
void bs_jingle_session_reject_contents(BsJingleSession *session, const xmlnode *jingle);

/* Hands in a request of this session's peer and sid, for whichever of its contents: answers it and calls the
 * events. */
void bs_jingle_session_receive(BsJingleSession *session, const xmlnode *iq);

/* Inside `ended`: TRUE if the peer ended the session with the application's own condition `specific` in
 * `specific_ns`. */
gboolean bs_jingle_session_ended_for(const BsJingleSession *session, const char *specific,
                                     const char *specific_ns);

/* What happened shows that the peer knows and keeps the session: acknowledgements that are still missing are
 * waited for no more. NULL is allowed. */
void bs_jingle_session_settled(BsJingleSession *session);

/* No answer is waited for any more, whatever it would be for. NULL is allowed. */
void bs_jingle_session_drop_requests(BsJingleSession *session);

/* TRUE if the session has no other content, or none any more. */
gboolean bs_jingle_session_is_alone(const BsJingleSession *session);

const char *bs_jingle_session_sid(const BsJingleSession *session);
const char *bs_jingle_session_peer(const BsJingleSession *session);
gboolean bs_jingle_session_is_initiator(const BsJingleSession *session);
/* "initiator": only whoever began a session adds contents here. And the content's name. */
const char *bs_jingle_session_creator(const BsJingleSession *session);
const char *bs_jingle_session_content(const BsJingleSession *session);

#endif
