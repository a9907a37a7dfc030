/* What the files of this room show each other only: a transfer's insides, and the endpoint's side of them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TRANSFER_INTERNAL_H
#define BS_TRANSFER_INTERNAL_H

#include "stream/disk_chores.h"
#include "stream/pump.h"
#include "transfer/jingle_file.h"
#include "transfer/jingle_session.h"
#include "transfer/transfer.h"
#include "transport/transport.h"

typedef enum {
    TRANSFER_OFFERED,    /* out: waiting for the peer's user */
    TRANSFER_RINGING,    /* in: waiting for our user */
    TRANSFER_CONNECTING, /* accepted: the transport makes a connection */
    TRANSFER_REPLACING,  /* the transport failed, and we have proposed another one */
    TRANSFER_MOVING,     /* bytes move */
    TRANSFER_VERIFYING,  /* in: all bytes are there, the hash is not yet */
    TRANSFER_FINISHING,  /* in: all bytes are there, and are on their way to the disk; the file gets its name
                          */
    TRANSFER_CONFIRMING, /* out: all bytes are sent; waiting for the peer's word on them */
    TRANSFER_LOST,       /* the connection failed: waiting for the peer to say why, or to go on */
} TransferState;

/* What the peer's latest request brought, to be acted on once it is answered. */
typedef enum {
    TOOK_NOTHING,
    TOOK_ACCEPT,
    TOOK_ACCEPT_OF_OTHER_TRANSPORT,
    TOOK_PROPOSAL,
    TOOK_UNUSABLE_PROPOSAL,
    TOOK_ACCEPTED_PROPOSAL,
    TOOK_CHECKSUM,
    TOOK_RECEIVED,
} Took;

struct _BsTransfer {
    BsEndpoint *endpoint;
    char *id;
    char *own_jid;
    gboolean incoming;
    TransferState state;
    Took took;
    BsFileOffer *offer;
    BsJingleFileVersion version;

    BsJingleSession *session;
    gboolean session_over; /* in: the peer ended it properly while bytes were still on their way */
    BsTransport *transport;
    BsTransport *proposed;    /* the one that is to follow, ours or the peer's; NULL: none */
    guint replacements;       /* how many were proposed by either party */
    guint broken_connections; /* how many connections broke while bytes moved */
    BsRoute route;            /* of the connection, once there is one ... */
    BsRoute avoided;          /* ... and one that was good for nothing; an empty host: none */
    gboolean begun;           /* bytes have moved over some connection */
    BsSource *source;
    BsSink *sink;
    BsPump *pump;
    BsFinish *finish;          /* TRANSFER_FINISHING */
    BsEndReason finish_reason; /* ... what it is if the file gets its name */

    BsEndReason lost_reason; /* what it is if no other way is found */
    gboolean received;       /* out: the peer has said that it has the whole file */
    guint64 length;          /* out: bytes that go over the connection */
    int unacknowledged;      /* TRANSFER_CONFIRMING: bytes on their way at the last tick ... */
    guint ticks;             /* ... seconds since that number changed ... */
    guint closed_ticks;      /* ... and since the peer closed its end or confirmed the file */
    guint timer;             /* what the state waits for */
    guint unavailable_timer; /* the peer went offline */
    guint64 moved_when_unavailable;

    const BsTransferEvents *events;
    gpointer data;
};

/* transfer.c */

/* An incoming transfer of what `offer` (taken) describes; `own_jid` is what the peer calls us. */
BsTransfer *bs_transfer_new_incoming(BsEndpoint *endpoint, const char *own_jid, BsJingleFileVersion version,
                                     BsFileOffer *offer);
/* Its session (taken), made with these events. */
void bs_transfer_set_session(BsTransfer *transfer, BsJingleSession *session);

/* Out: every byte has been handed over, whether or not the pump has had its turn to say so. */
gboolean bs_transfer_all_sent(const BsTransfer *transfer);

/* Starts (again) the state's timer; `function` is called after `milliseconds`. 0: none. */
void bs_transfer_set_timer(BsTransfer *transfer, guint milliseconds, GSourceFunc function);

/* The end: frees everything, after `ended` was called. `detail` may be NULL. Tells the peer nothing. */
void bs_transfer_finish(BsTransfer *transfer, BsEndReason reason, const char *detail);

/* Tells the peer, then finishes. `specific`: a condition in BS_NS_FILE_ERRORS, or NULL. */
void bs_transfer_terminate(BsTransfer *transfer, BsJingleReason jingle_reason, const char *specific,
                           BsEndReason reason, const char *detail);

/* Frees it without any word to anybody. */
void bs_transfer_free(BsTransfer *transfer);

/* The peer went offline; and: it has sent something, so it is there after all. */
void bs_transfer_peer_unavailable(BsTransfer *transfer);
void bs_transfer_heard(BsTransfer *transfer);

/* transfer_transport.c */

/* Out: the first transport, as the offer is to describe it: the caller's. */
xmlnode *bs_transfer_offer_transport(BsTransfer *transfer);

/* In: the transport that the peer's offer describes. Without a verdict of BS_TRANSPORT_OK there is none. */
BsTransportVerdict bs_transfer_set_transport(BsTransfer *transfer, const xmlnode *description);

/* Both sides have accepted: makes the connection. */
void bs_transfer_connect(BsTransfer *transfer);

/* The connection broke while bytes moved: another one is made if the peer takes part, or the transfer ends.
 */
void bs_transfer_lose(BsTransfer *transfer);

/* The peer proposes the transport of `description` (XEP-0166, 7.2.10) ... */
BsJingleAnswer bs_transfer_take_proposal(BsTransfer *transfer, const xmlnode *description);
/* ... which is accepted once that is answered (TOOK_PROPOSAL). */
void bs_transfer_accept_proposal(BsTransfer *transfer);

/* The peer accepts our proposal, ... */
BsTransportVerdict bs_transfer_take_accepted(BsTransfer *transfer, const xmlnode *description);
/* ... which is used once that is answered (TOOK_ACCEPTED_PROPOSAL); or it does not want it. */
void bs_transfer_use_accepted(BsTransfer *transfer);
void bs_transfer_proposal_rejected(BsTransfer *transfer);

void bs_transfer_free_transports(BsTransfer *transfer);

/* transfer_session.c */
const BsJingleEvents *bs_transfer_jingle_events(void);

/* transfer_bytes.c */

/* The connection is there: `fd` (taken). */
void bs_transfer_move(BsTransfer *transfer, int fd, const BsRoute *route);

/* In: a late hash has come while the state is TRANSFER_VERIFYING or _FINISHING, or none will come any more.
 */
void bs_transfer_verify(BsTransfer *transfer, gboolean last_chance);

/* endpoint.c */
BsIqLink *bs_endpoint_link(BsEndpoint *endpoint);
PurpleAccount *bs_endpoint_account(BsEndpoint *endpoint);
BsProxies *bs_endpoint_proxies(BsEndpoint *endpoint);
BsDisclosurePolicy bs_endpoint_disclosure(const BsEndpoint *endpoint);
gboolean bs_endpoint_hashes_files(const BsEndpoint *endpoint);
void bs_endpoint_add(BsEndpoint *endpoint, BsTransfer *transfer);
/* The transfer is about to be freed; requests for its session are answered with unknown-session from now on.
 */
void bs_endpoint_remove(BsEndpoint *endpoint, BsTransfer *transfer);

#endif
