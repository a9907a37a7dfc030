/* The <jingle/> element (XEP-0166): its parts, its reasons, its errors.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_JINGLE_XML_H
#define BS_JINGLE_XML_H

#include "stanza/iq.h"

#define BS_NS_JINGLE "urn:xmpp:jingle:1"
#define BS_NS_JINGLE_ERRORS "urn:xmpp:jingle:errors:1"

/* The longest session id or content name that is taken from a peer, in bytes. */
#define BS_JINGLE_TEXT_MAX 255

/* XEP-0166, 7.2. */
typedef enum {
    BS_JINGLE_ACTION_UNKNOWN,
    BS_JINGLE_ACTION_CONTENT_ACCEPT,
    BS_JINGLE_ACTION_CONTENT_ADD,
    BS_JINGLE_ACTION_CONTENT_MODIFY,
    BS_JINGLE_ACTION_CONTENT_REJECT,
    BS_JINGLE_ACTION_CONTENT_REMOVE,
    BS_JINGLE_ACTION_DESCRIPTION_INFO,
    BS_JINGLE_ACTION_SECURITY_INFO,
    BS_JINGLE_ACTION_SESSION_ACCEPT,
    BS_JINGLE_ACTION_SESSION_INFO,
    BS_JINGLE_ACTION_SESSION_INITIATE,
    BS_JINGLE_ACTION_SESSION_TERMINATE,
    BS_JINGLE_ACTION_TRANSPORT_ACCEPT,
    BS_JINGLE_ACTION_TRANSPORT_INFO,
    BS_JINGLE_ACTION_TRANSPORT_REJECT,
    BS_JINGLE_ACTION_TRANSPORT_REPLACE,
} BsJingleAction;

/* XEP-0166, 7.4. BS_JINGLE_NO_REASON: none, or one that is not known. */
typedef enum {
    BS_JINGLE_NO_REASON,
    BS_JINGLE_BUSY,
    BS_JINGLE_CANCEL,
    BS_JINGLE_CONNECTIVITY_ERROR,
    BS_JINGLE_DECLINE,
    BS_JINGLE_EXPIRED,
    BS_JINGLE_FAILED_APPLICATION,
    BS_JINGLE_FAILED_TRANSPORT,
    BS_JINGLE_GENERAL_ERROR,
    BS_JINGLE_GONE,
    BS_JINGLE_ALTERNATIVE_SESSION,
    BS_JINGLE_INCOMPATIBLE_PARAMETERS,
    BS_JINGLE_MEDIA_ERROR,
    BS_JINGLE_SECURITY_ERROR,
    BS_JINGLE_SUCCESS,
    BS_JINGLE_TIMEOUT,
    BS_JINGLE_UNSUPPORTED_APPLICATIONS,
    BS_JINGLE_UNSUPPORTED_TRANSPORTS,
} BsJingleReason;

/* What answers a request. */
typedef enum {
    BS_JINGLE_ACK,
    BS_JINGLE_BAD_REQUEST,
    BS_JINGLE_ITEM_NOT_FOUND,
    BS_JINGLE_OUT_OF_ORDER,
    BS_JINGLE_TIE_BREAK,
    BS_JINGLE_UNKNOWN_SESSION,
    BS_JINGLE_UNSUPPORTED_INFO,
    BS_JINGLE_RESOURCE_CONSTRAINT,
} BsJingleAnswer;

/* Which party sends the file (XEP-0234, 4.1). */
typedef enum {
    BS_JINGLE_SENDERS_UNSAID, /* no attribute, or "both" */
    BS_JINGLE_SENDERS_INITIATOR,
    BS_JINGLE_SENDERS_RESPONDER,
    BS_JINGLE_SENDERS_NONE,
} BsJingleSenders;

/* The <jingle/> element of an IQ; the first content, and those behind it; a content's description and
 * transport. NULL where there is none, also (but for the next one) of NULL. */
const xmlnode *bs_jingle_element(const xmlnode *iq);
const xmlnode *bs_jingle_first_content(const xmlnode *jingle);
const xmlnode *bs_jingle_next_content(const xmlnode *content);
const xmlnode *bs_jingle_description(const xmlnode *content);
const xmlnode *bs_jingle_transport(const xmlnode *content);

/* How many contents there are. */
guint bs_jingle_count_contents(const xmlnode *jingle);

BsJingleSenders bs_jingle_senders(const xmlnode *content);
BsJingleAction bs_jingle_action(const xmlnode *jingle);
BsJingleReason bs_jingle_reason(const xmlnode *jingle);

/* TRUE if the reason comes with the application's own condition `specific` in `specific_ns`. */
gboolean bs_jingle_reason_is(const xmlnode *jingle, const char *specific, const char *specific_ns);

/* The reason's element name; "no reason" for none. */
const char *bs_jingle_reason_name(BsJingleReason reason);

/* An attribute of `node`, or NULL; NULL of NULL. */
const char *bs_jingle_attrib(const xmlnode *node, const char *name);

/* A new <jingle/>, the caller's; and a <reason/> in it, with an application's own condition `specific` (may
 * be NULL). */
xmlnode *bs_jingle_new(const char *action, const char *sid);
void bs_jingle_add_reason(xmlnode *jingle, BsJingleReason reason, const char *specific,
                          const char *specific_ns);

/* Answers `iq`, a Jingle request (errors: XEP-0166, 10). */
void bs_jingle_answer(BsIqLink *link, const xmlnode *iq, BsJingleAnswer answer);

/* Turns down a session-initiate that was acknowledged: session-terminate to its sender. */
void bs_jingle_reject(BsIqLink *link, const xmlnode *iq, BsJingleReason reason, const char *specific,
                      const char *specific_ns);

#endif
