/* SOCKS5 bytestreams as stream initiation uses them (XEP-0065, 5 and 6): the requester offers streamhosts,
 * the target dials; and, where both know Psi's "fast mode", the other way round at the same time.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_SI_BYTESTREAMS_H
#define BS_SI_BYTESTREAMS_H

#include "transport/transport.h"

#define BS_NS_BYTESTREAMS "http://jabber.org/protocol/bytestreams"
#define BS_NS_FAST "http://affinix.com/jabber/stream"

/* A transport for the stream `sid`, whose negotiation is all in its own stanzas: it has start, take_stanza,
 * stream_id and free, and no descriptions. `initiator` of the context: we are the requester, who sent the SI
 * offer. `data` is given to the events. */
BsTransport *bs_si_bytestreams_new(const BsTransportContext *context, const char *sid,
                                   const BsTransportEvents *events, gpointer data);

/* Of one of these: the peer has told us streamhosts, whatever came of them. */
gboolean bs_si_bytestreams_was_asked(const BsTransport *transport);

/* Of one that has failed: the peer was told streamhosts, and did not even say that it reached none, as one
 * whose user has cancelled. */
gboolean bs_si_bytestreams_was_left(const BsTransport *transport);

/* Of one that was left: it may all the same have reached none, and have no word for it. */
gboolean bs_si_bytestreams_was_ambiguous(const BsTransport *transport);

#endif
