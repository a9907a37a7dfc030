/* The <transport/> of Jingle SOCKS5 bytestreams (XEP-0260), to and from typed values.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_S5B_XML_H
#define BS_S5B_XML_H

#include <xmlnode.h>

#include "socks5/candidate.h"

#define BS_NS_S5B "urn:xmpp:jingle:transports:s5b:1"

/* The longest stream id, candidate id or host that is taken from a peer, in bytes. */
#define BS_S5B_TEXT_MAX 255

typedef enum {
    BS_S5B_CANDIDATES, /* candidates only, or nothing at all */
    BS_S5B_CANDIDATE_USED,
    BS_S5B_CANDIDATE_ERROR,
    BS_S5B_ACTIVATED,
    BS_S5B_PROXY_ERROR,
} BsS5bKind;

/* One <transport/>, as sent in any of the actions that carry one. */
typedef struct {
    char *sid;
    char *dstaddr; /* NULL if there was none */
    BsS5bKind kind;
    char *cid;             /* of BS_S5B_CANDIDATE_USED and _ACTIVATED, NULL otherwise */
    GPtrArray *candidates; /* BsCandidate, highest priority first; at most BS_CANDIDATES_MAX */
} BsS5bMessage;

void bs_s5b_message_free(BsS5bMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BsS5bMessage, bs_s5b_message_free)

/* NULL if it is malformed: no sid, a sid or cid too long, a report without the cid that it needs. Single
 * candidates that are malformed are left out. */
BsS5bMessage *bs_s5b_parse(const xmlnode *transport);

/* TRUE if it asks for UDP (XEP-0260, 2.2, mode), which is not spoken here. */
gboolean bs_s5b_is_udp(const xmlnode *transport);

/* Reads the port of a candidate or streamhost; NULL, for one that names none, is 1080 (XEP-0065, schema). */
gboolean bs_s5b_parse_port(const char *text, guint16 *port);

/* Candidates for a session-initiate, session-accept or transport-info. The caller's, as are all below. */
xmlnode *bs_s5b_build_candidates(const char *sid, const char *dstaddr, const GPtrArray *candidates);

/* A report for a transport-info. `cid` is NULL for the kinds that have none. */
xmlnode *bs_s5b_build_report(const char *sid, BsS5bKind kind, const char *cid);

#endif
