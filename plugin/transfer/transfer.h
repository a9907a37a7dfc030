/* One file, one peer, one direction: its life, from offer to end.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TRANSFER_H
#define BS_TRANSFER_H

#include "stream/bytes.h"
#include "transfer/endpoint.h"
#include "transfer/jingle_file.h"
#include "transfer/memory.h"
#include "transport/route.h"

typedef enum {
    BS_END_DELIVERED,       /* sent, and the receiver said so; or received and verified */
    BS_END_UNVERIFIED,      /* all bytes arrived, but no hash or no word of the peer confirms it */
    BS_END_DECLINED,        /* the peer's user did not want it */
    BS_END_CANCELLED,       /* the peer's user cancelled it */
    BS_END_UNSUPPORTED,     /* the peer cannot take it this way */
    BS_END_PEER_GONE,       /* the peer or our connection to the server went away */
    BS_END_NO_ROUTE,        /* no connection could be made */
    BS_END_CONNECTION_LOST, /* the connection broke before the last byte */
    BS_END_DAMAGED,         /* the hash does not agree */
    BS_END_WRONG_SIZE,      /* more bytes than announced arrived; or the file here was changed meanwhile */
    BS_END_LOCAL_FILE,      /* the file here cannot be read or written: `detail` says why */
    BS_END_NO_ROOM,         /* the receiver's disk is full, or cannot hold a file of this size */
    BS_END_PEER_FAILED,     /* the peer gave up for a reason of its own: `detail` names it */
    BS_END_TIMEOUT,         /* the peer did not answer in time */
    BS_END_NOT_BEGUN, /* in: accepted, and nothing came: who cancels an offer by stream initiation has no
                       * word for it */
} BsEndReason;

typedef struct {
    BsEndReason reason;
    gboolean goes_on;         /* once both are online again */
    char *detail;             /* the system's own words, for the reason's sentence; NULL if there are none */
    gboolean in_band_is_left; /* no connection could be made, and the peer did not go on in-band: out: a new
                               * offer of that may do; in: the peer's next offer will */
} BsEnd;

typedef struct {
    /* The peer's user accepted what we offered. May be NULL. Must not end the transfer. */
    void (*accepted)(BsTransfer *transfer, gpointer data);
    /* We accepted, and it waits for its place in the queue: the peer hears of it later. Comes inside
     * bs_transfer_accept(). May be NULL. Must not end the transfer. */
    void (*queued)(BsTransfer *transfer, gpointer data);
    /* The same, but it waits until the other files that were offered in its session are accepted or declined
     * here. */
    void (*held)(BsTransfer *transfer, gpointer data);
    /* A connection is there and the first byte is about to move. */
    void (*started)(BsTransfer *transfer, const BsRoute *route, gpointer data);
    /* `moved` bytes of this file are through; some ten times a second at most. */
    void (*progress)(BsTransfer *transfer, guint64 moved, gpointer data);
    /* The end, exactly once, unless it was cancelled or declined here. For a received file that arrived it
     * already stands under its name. The transfer is freed after the call. */
    void (*ended)(BsTransfer *transfer, const BsEnd *end, gpointer data);
} BsTransferEvents;

/* Offers a file to the full JID `peer`: `offer` is copied, `source` is taken. No event comes before the call
 * returns. The transfer belongs to `endpoint`. */
BsTransfer *bs_transfer_offer(BsEndpoint *endpoint, const char *peer, const BsFileOffer *offer,
                              BsSource *source, const BsTransferEvents *events, gpointer data);

/* How a file is offered by Jingle where the peer cannot take it in the usual way. */
typedef struct {
    BsJingleFileVersion version; /* the newest one that it knows */
    gboolean in_band;            /* at once, and nothing else */
} BsJingleManner;

BsTransfer *bs_transfer_offer_in(BsEndpoint *endpoint, const char *peer, const BsJingleManner *manner,
                                 const BsFileOffer *offer, BsSource *source, const BsTransferEvents *events,
                                 gpointer data);

/* The same by stream initiation, for peers without Jingle (XEP-0096). What `offer` promises of hashes is left
 * out. */
BsTransfer *bs_transfer_offer_si(BsEndpoint *endpoint, const char *peer, const BsFileOffer *offer,
                                 BsSource *source, const BsTransferEvents *events, gpointer data);

/* ... in-band at once, and nothing else. */
BsTransfer *bs_transfer_offer_si_in_band(BsEndpoint *endpoint, const char *peer, const BsFileOffer *offer,
                                         BsSource *source, const BsTransferEvents *events, gpointer data);

/* The place with which it was offered (taken): the transfer gives it back when its bytes are through, or it
 * ends. One that has none runs without asking once it is accepted, and counts all the same. NULL is allowed.
 */
void bs_transfer_hold_place(BsTransfer *transfer, BsPlace *place);

/* Inside `ended`, of one that was not accepted: its place, the caller's now, for another offer of the file.
 * NULL if it has none. */
BsPlace *bs_transfer_take_place(BsTransfer *transfer);

/* Who wants to know of an incoming transfer, to be set once inside `offered` (see endpoint.h). */
void bs_transfer_watch(BsTransfer *transfer, const BsTransferEvents *events, gpointer data);

/* The user accepted an incoming offer: `sink` is taken, and thrown away if the offer does not ring any more.
 * The peer hears of it when there is a place in the queue. */
void bs_transfer_accept(BsTransfer *transfer, BsSink *sink);

/* The same where a part of the file is there already: `digest` (taken) is that of its first `offset` bytes,
 * and `sink` takes those behind. `remembered` (see memory.h) is what is known of it. */
void bs_transfer_accept_rest(BsTransfer *transfer, BsSink *sink, guint64 offset, BsDigest *digest,
                             const char *remembered);

/* Where the file is, or is to stand (an absolute path): a transfer that is interrupted can then go on later.
 * Before it is accepted. `replace` is for those that come in: whether what has come to stand there may be
 * replaced. */
void bs_transfer_set_path(BsTransfer *transfer, const char *path, gboolean replace);

/* Accepted, incoming: see bs_part_file_report_name(). */
void bs_transfer_report_name(BsTransfer *transfer, char **final_name);

/* Asks the full JID `peer` for the rest of a file that it offered earlier, `item` of its endpoint's memory:
 * see bs_transfer_accept_rest(). `accepted` is told when the peer sends it. */
BsTransfer *bs_transfer_ask(BsEndpoint *endpoint, const char *peer, BsRemembered *item, BsSink *sink,
                            guint64 offset, BsDigest *digest, const BsTransferEvents *events, gpointer data);

/* What an unfinished file of `offer` is hashed with: a bit set. */
guint bs_transfer_hashes_for_rest(const BsFileOffer *offer);

/* The user does not want an incoming offer: tells the peer and frees the transfer. No event follows. */
void bs_transfer_decline(BsTransfer *transfer);

/* Ends the transfer at any moment, tells the peer that it was cancelled, and frees it. No event follows. */
void bs_transfer_cancel(BsTransfer *transfer);

/* The same, but it can go on later, if its peer and it are able to: TRUE then. Tells the peer that we are
 * gone. */
gboolean bs_transfer_leave(BsTransfer *transfer);

/* Ends the transfer at any moment because of `error` with the file here, tells the peer so, and frees it. No
 * event follows. */
void bs_transfer_fail(BsTransfer *transfer, const GError *error);

/* The source or sink, which had nothing or took nothing, is ready again. */
void bs_transfer_wake(BsTransfer *transfer);

/* The reason in a few words, for the debug window. */
const char *bs_end_reason_name(BsEndReason reason);

/* All owned by the transfer. The id is short and unique in this process: it begins each of its lines in the
 * debug window. */
const char *bs_transfer_id(const BsTransfer *transfer);
const char *bs_transfer_peer(const BsTransfer *transfer);
const BsFileOffer *bs_transfer_file(const BsTransfer *transfer);
gboolean bs_transfer_is_incoming(const BsTransfer *transfer);

/* TRUE from `queued` or `held` until it has its place; and inside `ended` of one that never had. */
gboolean bs_transfer_is_queued(const BsTransfer *transfer);

#endif
