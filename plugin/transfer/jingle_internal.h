/* A Jingle session's insides, for the two files that share them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_JINGLE_INTERNAL_H
#define BS_JINGLE_INTERNAL_H

#include "transfer/jingle_session.h"

typedef enum {
    SESSION_PENDING,
    SESSION_ACTIVE,
    SESSION_ENDED,
} SessionState;

struct _BsJingleSession {
    BsIqLink *link;
    char *peer;
    char *sid;
    char *content;
    gboolean initiator;
    gboolean request; /* the responder sends */
    SessionState state;
    const BsJingleEvents *events;
    gpointer data;
    GQueue requests;         /* of jingle_actions.c: those whose answers matter */
    GQueue handled;          /* of jingle_session.c: the peer's latest requests */
    gboolean proposed;       /* our transport-replace has no answer yet */
    const xmlnode *last;     /* the request with which the peer ends the session, while its owner is told */
    xmlnode *peers_proposal; /* the <transport/> of the peer's latest transport-replace; NULL: none */
};

/* The session has ended: tells its owner, who may free it. */
void bs_jingle_session_end(BsJingleSession *session, BsJingleReason reason, const char *error);

/* Turns down the contents that the peer's `request` wants to add. */
void bs_jingle_session_reject_contents(BsJingleSession *session, const xmlnode *request);

#endif
