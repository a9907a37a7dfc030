/* The <query/> of bytestreams between two clients (XEP-0065, 5.3), to and from typed values; with what Psi
 * adds to it for its "fast mode". SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_SI_BYTESTREAMS_XML_H
#define BS_SI_BYTESTREAMS_XML_H

#include <xmlnode.h>

#include "socks5/candidate.h"

/* What a requester, or a target in fast mode, asks of the other one. */
typedef struct {
    char *dstaddr; /* what its hosts are to be asked for (XEP-0065, 7); NULL: what both can tell from the JIDs
                    */
    gboolean udp;  /* which is not spoken here */
    gboolean fast; /* it understands streamhosts of ours as well */
    GPtrArray *hosts; /* BsCandidate, in the given order with falling priorities; at most BS_CANDIDATES_MAX */
} BsSiQuery;

void bs_si_query_free(BsSiQuery *query);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BsSiQuery, bs_si_query_free)

/* The <query/> of an IQ, owned by it; NULL if there is none. */
const xmlnode *bs_si_query_element(const xmlnode *stanza);

/* Its stream id, owned by it; NULL if it is missing or too long. */
const char *bs_si_query_sid(const xmlnode *element);

/* NULL if it is malformed: without a single streamhost that has a JID, a host and a legal port. Only in fast
 * mode there may be none. */
BsSiQuery *bs_si_query_parse(const xmlnode *element);

/* The caller's. `hosts` are BsCandidate with JIDs, in the order in which they are to be tried. */
xmlnode *bs_si_query_build(const char *sid, const char *dstaddr, const GPtrArray *hosts, gboolean fast);

/* An answer's: the JID of the streamhost that was connected to, owned by the IQ; NULL if it names none. */
const char *bs_si_query_used(const xmlnode *iq);

/* The caller's. */
xmlnode *bs_si_query_build_used(const char *sid, const char *jid);

#endif
