/* Requests and their answers over one XMPP connection. Knows no connection itself: whoever makes the link
 * says how a stanza is sent and hands in what was received. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_IQ_H
#define BS_IQ_H

#include <glib.h>
#include <xmlnode.h>

#define BS_NS_STANZA_ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"

typedef struct _BsIqLink BsIqLink;
typedef struct _BsIqRequest BsIqRequest;

/* Sends one stanza now. `stanza` stays the caller's. */
typedef void (*BsIqSend)(xmlnode *stanza, gpointer data);

typedef enum {
    BS_IQ_RESULT,
    BS_IQ_ERROR,
    BS_IQ_TIMEOUT,
} BsIqOutcome;

/* The answer to a request, exactly once, unless the request was cancelled or the link freed. `iq` is the
 * answer (it belongs to the caller and lives as long as the call), NULL for a timeout. */
typedef void (*BsIqAnswer)(BsIqOutcome outcome, xmlnode *iq, gpointer data);

/* A link for the connection whose full JID is `own_jid`. `data` is given to `send`. */
BsIqLink *bs_iq_link_new(const char *own_jid, BsIqSend send, gpointer data);

/* Ends the link. Pending requests are dropped; their answers are never called. NULL is allowed. */
void bs_iq_link_free(BsIqLink *link);

/* This side's full JID. Owned by the link. */
const char *bs_iq_link_own_jid(const BsIqLink *link);

/* The server names us by this full JID: kept as our own from now on. */
void bs_iq_link_set_own_jid(BsIqLink *link, const char *own_jid);

/* Sends an IQ of `type` ("get" or "set") to `to` (NULL: our own account on our server) around `payload`,
 * which is taken. The answer counts only from `to`; it is waited for `timeout_ms` milliseconds (0: 30
 * seconds). `answer` may be NULL: then nobody cares, but the answer is still claimed. Returns a handle for
 * bs_iq_request_cancel(), valid until the answer was called, owned by the link; NULL when `answer` is NULL,
 * and when `send` brought the answer or ended the link before it returned. */
BsIqRequest *bs_iq_request(BsIqLink *link, const char *type, const char *to, xmlnode *payload,
                           guint timeout_ms, BsIqAnswer answer, gpointer data);

/* The answer is not wanted any more: it will not be called. Sets `*request` to NULL; `*request` may be NULL,
 * or the very request whose answer is being called. Never for a request whose link was freed before. */
void bs_iq_request_cancel(BsIqRequest **request);

/* Answers `request` (an IQ of type get or set) with a result around `payload` (taken, may be NULL). */
void bs_iq_reply_result(BsIqLink *link, const xmlnode *request, xmlnode *payload);

/* Answers `request` with an error: `type` ("cancel", "modify", "wait", "auth"), the defined `condition` of
 * RFC 6120 (8.3.3) and, if `specific` is not NULL, an empty application-specific condition of that name in
 * the namespace `specific_ns`. */
void bs_iq_reply_error(BsIqLink *link, const xmlnode *request, const char *type, const char *condition,
                       const char *specific, const char *specific_ns);

/* Sends any other stanza (a message, a presence); it is taken. */
void bs_iq_send(BsIqLink *link, xmlnode *stanza);

/* Hands in a received IQ. TRUE if it is a result or error for a request of ours (pending, or among the latest
 * 256 that were cancelled, timed out or sent without an answer), from the party asked: it was dealt with and
 * nobody else must see it. FALSE for everything else. */
gboolean bs_iq_link_receive(BsIqLink *link, xmlnode *iq);

/* The defined condition of an error IQ ("item-not-found"), newly allocated; "undefined-condition" if there is
 * none. */
char *bs_iq_error_condition(const xmlnode *iq);

#endif
