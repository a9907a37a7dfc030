/* A Jingle session's insides, for the files that share them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_JINGLE_INTERNAL_H
#define BS_JINGLE_INTERNAL_H

#include "transfer/jingle_session.h"

typedef enum {
    SESSION_PENDING,
    SESSION_ACTIVE,
    SESSION_ENDED,
} SessionState;

/* What the contents of one session have in common. */
typedef struct {
    GPtrArray *live;         /* BsJingleSession, borrowed: the contents that have not ended */
    GPtrArray *over;         /* char *: the names of those that have, the latest */
    GQueue handled;          /* the peer's latest requests */
    gboolean accepted;       /* our session-accept has been sent, or will not be */
    guint timer;             /* after which it may be sent */
    BsIqRequest *acceptance; /* that, until it is answered or it is clear that it has arrived */
} BsJingleContents;

struct _BsJingleSession {
    BsIqLink *link;
    BsJingleContents *contents; /* counted by g_rc_box */
    char *peer;
    char *sid;
    char *content;
    gboolean initiator;
    gboolean request; /* the responder sends */
    gboolean added;   /* by a content-add that has not been answered yet */
    SessionState state;
    char *own_jid; /* our acceptance of this content, until that of all has been sent: what ... */
    xmlnode *answer_description; /* ... the peer calls us, and both parts; NULL: not accepted yet */
    xmlnode *answer_transport;
    const BsJingleEvents *events;
    gpointer data;
    GQueue requests;         /* of jingle_actions.c: those whose answers matter */
    gboolean proposed;       /* our transport-replace has no answer yet */
    const xmlnode *last;     /* the request with which the peer ends the session, while its owner is told */
    xmlnode *peers_proposal; /* the <transport/> of the peer's latest transport-replace; NULL: none */
};

/* jingle_contents.c */

/* The only content of a new session; another one of the session that `other` is of. */
void bs_jingle_contents_begin(BsJingleSession *session);
void bs_jingle_contents_join(BsJingleSession *session, BsJingleSession *other);

/* The content has ended, or is about to be freed. Does nothing the second time. */
void bs_jingle_contents_leave(BsJingleSession *session);

/* Something was decided: sends session-accept soon if nothing is undecided any more. */
void bs_jingle_contents_decided(BsJingleContents *contents);

/* A request of the peer's with this id has been answered so; and: TRUE if it has been, `answer` is how. */
void bs_jingle_contents_remember(BsJingleContents *contents, const char *id, BsJingleAnswer answer);
gboolean bs_jingle_contents_recall(BsJingleContents *contents, const char *id, BsJingleAnswer *answer);

/* The content of this name that has not ended, NULL if there is none; if this one has not, though it may be
 * freed; if one of this name has. NULL is nobody's name. */
BsJingleSession *bs_jingle_contents_find(const BsJingleContents *contents, const char *name);
gboolean bs_jingle_contents_is_live(const BsJingleContents *contents, const BsJingleSession *session);
gboolean bs_jingle_contents_is_over(const BsJingleContents *contents, const char *name);

void bs_jingle_contents_unref(BsJingleContents *contents);

/* jingle_session.c: what the peer asks for in one content: the answer; then what follows it, which may free
 * the session. */
BsJingleAnswer bs_jingle_session_check(BsJingleSession *session, BsJingleAction action,
                                       const xmlnode *content);
void bs_jingle_session_act(BsJingleSession *session, BsJingleAction action);

/* TRUE if `content` can be one of the peer's beside `session`: its creator can only be the peer, and its name
 * has not been used. */
gboolean bs_jingle_session_may_add(const BsJingleSession *session, const xmlnode *content);

/* jingle_actions.c: sends the acceptance of these contents, each of which has its answer; of one alone if it
 * was added. The caller holds what they have in common. */
void bs_jingle_session_send_accept(const GPtrArray *sessions);

/* The session has ended: tells its owner, who may free it. */
void bs_jingle_session_end(BsJingleSession *session, BsJingleReason reason, const char *error);

#endif
