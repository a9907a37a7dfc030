/* The places where two parties may meet: which of ours a peer is told, and which of a peer's we dial. Shared
 * by the transports that make SOCKS5 connections. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PLACES_H
#define BS_PLACES_H

#include "socks5/connector.h"
#include "socks5/listener.h"
#include "transport/transport.h"

/* What the peer may learn at this moment; and a line about it in the debug window. */
BsDisclosure bs_places_disclosure(const BsTransportContext *context);
void bs_places_log_disclosure(const BsTransportContext *context, BsDisclosure disclosure);

/* This machine's addresses, the caller's; NULL where it is the user's proxy whose address counts. */
GPtrArray *bs_places_own_addresses(BsDisclosure disclosure);

/* Waits for the peer's connections in the stream `sid`, in whichever order it puts the JIDs into DST.ADDR.
 * NULL if there is no port to listen on. `theirs` is what the peer offers. */
BsListenerTicket *bs_places_listen(const BsTransportContext *context, const char *sid,
                                   const GPtrArray *own_addresses, const GPtrArray *theirs,
                                   BsListenerAccepted accepted, gpointer data);

/* Our addresses as candidates at the listener's port, but none that it does not take, and nothing that
 * `theirs` has (XEP-0260, 2.2). The caller's (GPtrArray of BsCandidate, which frees them). */
GPtrArray *bs_places_direct(const BsTransportContext *context, const GPtrArray *own_addresses,
                            const GPtrArray *theirs);

/* Adds our proxies to `ours`, as the peer can dial them, but nothing that `theirs` has. */
void bs_places_add_proxies(const BsTransportContext *context, GPtrArray *ours, const GPtrArray *theirs);

/* TRUE for the candidate that proved to be a dead end; and takes it out of `ours`. */
gboolean bs_places_is_avoided(const BsTransportContext *context, const BsCandidate *candidate);
void bs_places_drop_avoided(const BsTransportContext *context, GPtrArray *ours);

/* Tells of one of our candidates in the debug window. */
void bs_places_log_offer(const BsTransportContext *context, const BsCandidate *candidate);

/* Dials `candidate`, one of `theirs` (which have different cids), unless there is a reason against it, which
 * the debug window is told. */
void bs_places_dial(const BsTransportContext *context, BsDisclosure disclosure, BsConnector *connector,
                    const BsCandidate *candidate, const GPtrArray *theirs, const GPtrArray *own_addresses);

/* For candidates that the peer offers in the stream `sid`; the caller's. It asks for `dstaddr` if the peer
 * said that (else NULL), and for what the two JIDs make in either order. */
BsConnector *bs_places_connector(const BsTransportContext *context, const char *sid, const char *dstaddr,
                                 const BsConnectorEvents *events, gpointer data);

#endif
