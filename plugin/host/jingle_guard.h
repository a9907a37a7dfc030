/* Keeps away from libpurple's own Jingle parser what it cannot survive: it follows pointers and calls
 * functions by type without looking whether what a stanza must have is there.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_JINGLE_GUARD_H
#define BS_JINGLE_GUARD_H

#include <glib.h>
#include <xmlnode.h>

typedef enum {
    BS_JINGLE_FAULT_HARMLESS,
    BS_JINGLE_FAULT_NO_SENDER, /* no `from` */
    BS_JINGLE_FAULT_NO_SID,
    BS_JINGLE_FAULT_NO_ACTION,  /* none, or one that XEP-0166 does not know */
    BS_JINGLE_FAULT_NO_SESSION, /* libpurple has no such session, and would not say so */
    BS_JINGLE_FAULT_NO_CONTENT, /* the action is about contents, and there is none */
    BS_JINGLE_FAULT_NO_NAME,    /* a content without `name`, or without `creator` where it is introduced */
    BS_JINGLE_FAULT_BAD_DESCRIPTION,  /* missing where it is needed, or its namespace is a transport's */
    BS_JINGLE_FAULT_BAD_TRANSPORT,    /* missing or unknown where it is needed, or its namespace is no
                                         transport's */
    BS_JINGLE_FAULT_BAD_PAYLOAD_TYPE, /* without `id` */
    BS_JINGLE_FAULT_OUT_OF_ORDER,     /* answers a transport-replace, which libpurple never sends */
} BsJingleFault;

/* Looks at a received IQ. `session_known` says whether libpurple has, or may have, a session with its sid.
 * Harmless is also all that is not a Jingle request. */
BsJingleFault bs_jingle_guard_check(const xmlnode *iq, gboolean session_known);

/* The sid of a Jingle request, owned by `iq`; NULL if there is none or it is something else. */
const char *bs_jingle_guard_sid(const xmlnode *iq);

/* What is wrong, for the debug window: a static string. */
const char *bs_jingle_fault_name(BsJingleFault fault);

#endif
