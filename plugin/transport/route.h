/* The way that a file's bytes took, for the debug window and the user.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_ROUTE_H
#define BS_ROUTE_H

#include "socks5/candidate.h"

typedef struct {
    gboolean in_band; /* through the server, in stanzas: all else says nothing then */
    BsCandidateType type;
    gboolean dialled_by_us; /* FALSE: the peer dialled us; a proxy is dialled by both */
    char host[64];          /* the nominated candidate's host ... */
    guint16 port;           /* ... and port */
    gboolean ipv6;
} BsRoute;

/* The connection over `candidate` carries the file of the transfer `id`: describes it, here and in the debug
 * window. */
void bs_route_nominate(BsRoute *route, const char *id, const BsCandidate *candidate, gboolean dialled_by_us);

#endif
