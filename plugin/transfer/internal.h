/* What the files of this room show each other only: a transfer's insides, and the endpoint's side of them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TRANSFER_INTERNAL_H
#define BS_TRANSFER_INTERNAL_H

#include "stream/checkpoints.h"
#include "stream/disk_chores.h"
#include "stream/pump.h"
#include "transfer/ended.h"
#include "transfer/jingle_file.h"
#include "transfer/jingle_session.h"
#include "transfer/memory.h"
#include "transfer/queue.h"
#include "transfer/stream_initiation.h"
#include "transfer/transfer.h"
#include "transport/transport.h"

typedef enum {
    TRANSFER_OFFERED,    /* out: waiting for the peer's user */
    TRANSFER_RINGING,    /* in: waiting for our user */
    TRANSFER_QUEUED,     /* in: our user accepted; waiting for a place in the queue, or to be remembered */
    TRANSFER_CONNECTING, /* accepted: the transport makes a connection */
    TRANSFER_REPLACING,  /* the transport failed, and we have proposed another one */
    TRANSFER_MOVING,     /* bytes move */
    TRANSFER_VERIFYING,  /* in: all bytes are there, the hash is not yet */
    TRANSFER_FINISHING,  /* in: all bytes are there, and are on their way to the disk; the file gets its name
                          */
    TRANSFER_CONFIRMING, /* out: all bytes are sent; waiting for the peer's word on them */
    TRANSFER_LOST,       /* the connection failed: waiting for the peer to say why, or to go on */
    TRANSFER_ASKING,     /* in: the rest was asked for, in a session of its own */
} TransferState;

/* What the peer's latest request brought, to be acted on once it is answered. */
typedef enum {
    TOOK_NOTHING,
    TOOK_ACCEPT,
    TOOK_ACCEPT_OF_OTHER_TRANSPORT,
    TOOK_PROPOSAL,
    TOOK_UNUSABLE_PROPOSAL,
    TOOK_SIGN_OF_BREAK, /* in: a proposal, as the peer has noticed before us that the connection broke */
    TOOK_ACCEPTED_PROPOSAL,
    TOOK_CHECKSUM,
    TOOK_RECEIVED,
} Took;

/* Of transfer_si.c. */
typedef struct _BsSiNegotiation BsSiNegotiation;

/* How a transfer is agreed on: what it says to its peer, and what follows. Where a function says that it may
 * end the transfer, that is gone afterwards. */
typedef struct {
    const char *(*peer)(const BsTransfer *transfer);
    const char *(*sid)(const BsTransfer *transfer);
    gboolean (*is_initiator)(const BsTransfer *transfer);
    /* In: our user accepted. Tells the peer, and makes the connection. */
    void (*accept)(BsTransfer *transfer);
    /* Tells the peer that it is over. `specific`: a condition in BS_NS_FILE_ERRORS, or NULL. */
    void (*terminate)(BsTransfer *transfer, BsJingleReason reason, const char *specific);
    /* Out: every byte is on its way; in: the file is whole, verified, and has its name. */
    void (*sent)(BsTransfer *transfer);
    void (*received)(BsTransfer *transfer);
    /* The transport found no way; its connection broke while bytes moved. May end the transfer. */
    void (*no_way)(BsTransfer *transfer);
    void (*broken)(BsTransfer *transfer);
    /* A stanza of the peer's that the transport did not take: TRUE if it was ours. NULL: there are none. */
    gboolean (*take_stanza)(BsTransfer *transfer, const xmlnode *stanza);
    /* The connection is there: answers that are still due do not matter any more. */
    void (*settled)(BsTransfer *transfer);
    /* Gives up all that waits on the link; then: frees it. */
    void (*let_go)(BsTransfer *transfer);
    void (*free)(BsTransfer *transfer);
} BsTransferProtocol;

struct _BsTransfer {
    BsEndpoint *endpoint;
    const BsTransferProtocol *protocol;
    char *id;
    char *own_jid;
    gboolean incoming;
    TransferState state;
    Took took;
    BsFileOffer *offer;
    BsJingleFileVersion version;

    BsJingleSession *session;       /* of Jingle ... */
    BsSiNegotiation *si;            /* ... or of stream initiation */
    gboolean session_over;          /* in: the peer ended it properly while bytes were still on their way */
    BsIqRequest *thumbnail_request; /* in: nobody hears of the offer before it is answered */
    BsTransport *transport;
    BsTransport *proposed;    /* the one that is to follow, ours or the peer's; NULL: none */
    guint replacements;       /* how many were proposed by either party */
    guint broken_connections; /* how many connections broke while bytes moved */
    BsPlace *place;           /* in the queue; NULL: none yet */
    gint64 made_at;           /* in microseconds */
    BsRoute route;            /* of the connection, once there is one ... */
    BsRoute avoided;          /* ... and one that was good for nothing; an empty host: none */
    gboolean begun;           /* bytes have moved over some connection */
    gboolean in_band_is_left; /* see BsEnd */
    BsSource *source;
    BsSink *sink;
    BsPump *pump;
    BsFinish *finish;          /* TRANSFER_FINISHING */
    BsEndReason finish_reason; /* ... what it is if the file gets its name */

    /* Of transfer_memory.c and transfer_rest.c. */
    char *path;                   /* out: of the file; in: where it is to stand; NULL: nobody said */
    gboolean replace;             /* in: what has come to stand there may be replaced */
    char *remembered;             /* what is kept of it in the memory; NULL: nothing */
    BsMemoryWait *remembering;    /* in: until the disk has that, nobody hears that it is accepted */
    BsDigest *before;             /* in: of the bytes before the part that is sent; NULL: there are none */
    BsJingleSession *old_session; /* in: that in which a connection broke, until the rest is granted */
    guint64 got;                  /* in: how far the file is right ... */
    BsDigest *got_digest;         /* ... and the digest of that; NULL: that is not known yet */
    BsPrefix *prefix;             /* ... which is being found out */
    guint fruitless;              /* in: how many connections broke without a byte, one after the other */
    gboolean fruitful;            /* a byte at least has moved, and not only a connection been there */
    gboolean rest_refused;        /* in: the peer does not answer requests, or not this one */
    gboolean resumed;             /* in: some of it arrived over an earlier connection */
    gboolean gives_no_rest;       /* in: the peer is known to answer none */
    gboolean peer_may_ask;        /* out: the receiver knows of ranges */

    BsEndReason lost_reason; /* what it is if no other way is found */
    gboolean received;       /* out: the peer has said that it has the whole file */
    gboolean said_received;  /* in: the peer has been told that we have it */
    guint64 length;          /* bytes that go over the connection; in: BS_SIZE_UNKNOWN if nobody knows */
    guint64 moved_at_tick;   /* in, over a proxy: bytes that had come at the last tick */
    int unacknowledged;      /* TRANSFER_CONFIRMING: bytes on their way at the last tick ... */
    guint ticks;             /* ... ticks since that number, or the other one, changed ... */
    guint closed_ticks;      /* ... and since the peer closed its end or confirmed the file */
    guint timer;             /* what the state waits for */
    guint unavailable_timer; /* the peer went offline */
    guint64 moved_when_unavailable;

    const BsTransferEvents *events;
    gpointer data;
};

/* transfer.c */

/* A transfer of what `offer` (taken) describes: one of ours, with its source (taken), which then waits for
 * the peer's user; or an incoming one, which waits for ours. `own_jid` is what the peer calls us. */
BsTransfer *bs_transfer_new_outgoing(BsEndpoint *endpoint, const BsTransferProtocol *protocol,
                                     const char *own_jid, BsFileOffer *offer, BsSource *source);
BsTransfer *bs_transfer_new_incoming(BsEndpoint *endpoint, const BsTransferProtocol *protocol,
                                     const char *own_jid, BsFileOffer *offer);

/* It counts as one that runs, from now on and until its bytes are through or it is freed. */
void bs_transfer_run(BsTransfer *transfer);

/* In: accepted here. Tells the peer when there is a place in the queue. */
void bs_transfer_take_turn(BsTransfer *transfer);

/* The offer's line in the debug window: "offered to", "offered by". */
void bs_transfer_log_offer(const BsTransfer *transfer, const char *verb);

/* Out: every byte has been handed over, whether or not the pump has had its turn to say so. */
gboolean bs_transfer_all_sent(const BsTransfer *transfer);

/* Out: of those bytes, none is on its way any more. */
gboolean bs_transfer_flushed(const BsTransfer *transfer);

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

/* transfer_jingle.c */
extern const BsTransferProtocol bs_transfer_jingle;

/* The peer's `offer` in `session`: both are taken. */
BsTransfer *bs_transfer_new_from_session(BsEndpoint *endpoint, const char *own_jid, BsJingleSession *session,
                                         BsJingleFileVersion version, BsFileOffer *offer);

/* transfer_si.c */
extern const BsTransferProtocol bs_transfer_si;

/* The peer's offer `iq` of `si` (taken). */
BsTransfer *bs_transfer_new_from_si(BsEndpoint *endpoint, const char *own_jid, const xmlnode *iq, BsSi *si);

/* transfer_transport.c */

/* Who talks to whom in `transfer`, for a transport of it, and what it tells. */
BsTransportContext bs_transfer_transport_context(const BsTransfer *transfer);
extern const BsTransportEvents bs_transfer_transport_events;

/* Out: the first transport, as the offer is to describe it: the caller's. */
xmlnode *bs_transfer_offer_transport(BsTransfer *transfer, gboolean in_band);

/* In: the transport that the peer's offer describes. Without a verdict of BS_TRANSPORT_OK there is none. */
BsTransportVerdict bs_transfer_set_transport(BsTransfer *transfer, const xmlnode *description);

/* Both sides have accepted: makes the connection. */
void bs_transfer_connect(BsTransfer *transfer);

/* The connection that broke is to be made once more, or another one: proposes it, or ends the transfer, which
 * has no transport. */
void bs_transfer_propose_after_break(BsTransfer *transfer);

/* The connection broke while bytes moved: another one is made if the peer takes part, or the transfer ends.
 */
void bs_transfer_lose(BsTransfer *transfer);

/* Jingle's ladder: the transport found no way; its connection broke. */
void bs_transfer_ladder_no_way(BsTransfer *transfer);
void bs_transfer_ladder_broken(BsTransfer *transfer);

/* The peer proposes the transport of `description` (XEP-0166, 7.2.15) ... */
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
extern const BsJingleEvents bs_transfer_jingle_events;

/* transfer_bytes.c */

/* The connection is there: `fd` (taken). */
void bs_transfer_move(BsTransfer *transfer, int fd, const BsRoute *route);

/* What the peer is told if `error` keeps the file here from being read or written (XEP-0234, 9.2), with the
 * condition in BS_NS_FILE_ERRORS, NULL if there is none. */
BsJingleReason bs_transfer_reason_of_file(const GError *error, const char **specific);

/* In: a late hash has come while the state is TRANSFER_VERIFYING or _FINISHING, or none will come any more.
 */
void bs_transfer_verify(BsTransfer *transfer, gboolean last_chance);

/* transfer_tail.c */

/* In: the bytes begin to move, in TRANSFER_MOVING. Sees to it that a proxy does not hold the last of them. */
void bs_transfer_watch_tail(BsTransfer *transfer);

/* transfer_memory.c */

/* NULL if nothing is remembered of it. */
BsRemembered *bs_transfer_memory_of(const BsTransfer *transfer);

/* FALSE if nobody would notice that the parts are not of one file. */
gboolean bs_transfer_can_have_parts(const BsFileOffer *offer);

/* Whoever sends has to be able to serve a request for the rest, and whoever receives to ask for it; else only
 * the same file, offered again, goes on. */
gboolean bs_transfer_needs_new_offer(const BsTransfer *transfer);

/* In: our user has accepted: from now on the transfer is remembered, if it could go on later. TRUE if `saved`
 * will be called with the transfer when that is on the disk. */
gboolean bs_transfer_remember(BsTransfer *transfer, BsMemorySaved saved);

/* Out: the peer has accepted, or asks for the file, which is as much. */
void bs_transfer_remember_answer(BsTransfer *transfer);

/* The end: is it one after which the transfer can go on later? If so what is there is kept, else forgotten.
 * TRUE if it will go on by itself. */
gboolean bs_transfer_keep(BsTransfer *transfer, BsEndReason reason);
void bs_transfer_forget(BsTransfer *transfer);
void bs_transfer_free_rest(BsTransfer *transfer);

/* In: where to keep how far the file is right, newly allocated; NULL: nowhere. */
char *bs_transfer_checkpoints(const BsTransfer *transfer);

/* The pump is about to go. */
void bs_transfer_note_fruit(BsTransfer *transfer);

/* transfer_rest.c */

/* In: the pump is about to go; how far it has come is noted. */
void bs_transfer_note_progress(BsTransfer *transfer);

/* In: the connection broke. Asks for the rest of the file (XEP-0234, 6.2), in TRANSFER_ASKING. FALSE if that
 * cannot be. */
gboolean bs_transfer_ask_for_rest(BsTransfer *transfer);
gboolean bs_transfer_can_ask(const BsTransfer *transfer);

/* In: the peer accepts that, or it does not; the latter may end the transfer. */
gboolean bs_transfer_take_grant(BsTransfer *transfer, const xmlnode *description);
void bs_transfer_rest_granted(BsTransfer *transfer);
void bs_transfer_rest_refused(BsTransfer *transfer, BsEndReason reason);

/* The peer ended the session in which the connection broke. May end the transfer. */
void bs_transfer_old_session_ended(BsTransfer *transfer, BsJingleReason reason);

/* transfer_request.c */

/* Out: a request for a file, or the rest of one, that was offered to exactly this peer: it is being sent, and
 * the request has been answered. FALSE if it was not. */
gboolean bs_endpoint_receive_request(BsEndpoint *endpoint, const xmlnode *iq, BsJingleFileVersion version,
                                     const BsFileOffer *wanted);

/* transfer_si.c */

/* The id of the stanza with which the peer offered it by stream initiation; NULL if it did not. */
const char *bs_transfer_si_offer_id(const BsTransfer *transfer);

/* offers.c */

/* A peer's offers: IQs of type set with these elements. Answered, now or by what becomes of them. */
void bs_endpoint_receive_initiate(BsEndpoint *endpoint, const xmlnode *iq, const xmlnode *jingle);
void bs_endpoint_receive_si_offer(BsEndpoint *endpoint, const xmlnode *iq, const xmlnode *element);

/* An acknowledged offer of `content` that cannot be taken: why, with the condition in BS_NS_FILE_ERRORS, NULL
 * if there is none; BS_JINGLE_NO_REASON if it can. `request`: it asks for a file. */
BsJingleReason bs_offer_refusal(const xmlnode *content, const BsFileOffer *offer, gboolean request,
                                const char **specific);

/* offers_several.c */

/* The same of a session-initiate with several contents: each is an offer of its own. */
void bs_endpoint_receive_several(BsEndpoint *endpoint, const xmlnode *iq, const xmlnode *jingle);

/* The peer adds the contents of `jingle` (acknowledged, so each can be added) to its session, of which
 * `session` is a content. */
void bs_endpoint_receive_added(BsEndpoint *endpoint, BsJingleSession *session, const char *own_jid,
                               const xmlnode *jingle);

/* thumbnails.c */

/* Answers an IQ that asks for the thumbnail of one of `transfers`: with it, to the peer that it was offered
 * to. TRUE if it was answered. */
gboolean bs_endpoint_give_thumbnail(BsEndpoint *endpoint, const GPtrArray *transfers, const xmlnode *iq);

/* Announces an incoming transfer, after its thumbnail was fetched if there is one, and may be. */
void bs_endpoint_introduce(BsEndpoint *endpoint, BsTransfer *transfer);

/* endpoint.c */

/* TRUE if with so many `more`, which come at once, more offers ring than a user can deal with; or if so many
 * of this contact do already. */
gboolean bs_endpoint_is_flooded(const BsEndpoint *endpoint, const char *peer, guint more);

/* Offers that were taken are announced, as far as they are still there. */
void bs_endpoint_introduce_all(BsEndpoint *endpoint, const GPtrArray *transfers);

/* Tells the user of an offer; declines it if nobody wants to know. */
void bs_endpoint_announce(BsEndpoint *endpoint, BsTransfer *transfer);

/* TRUE if a session or stream with this name ended not long ago. */
gboolean bs_endpoint_has_ended(BsEndpoint *endpoint, const char *peer, const char *sid);

BsIqLink *bs_endpoint_link(BsEndpoint *endpoint);
PurpleAccount *bs_endpoint_account(BsEndpoint *endpoint);
BsProxies *bs_endpoint_proxies(BsEndpoint *endpoint);
BsReaches *bs_endpoint_reaches(BsEndpoint *endpoint);
BsDisclosurePolicy bs_endpoint_disclosure(const BsEndpoint *endpoint);
/* What `peer` calls us, newly allocated. `addressed`: where the stanza went that we have of it; NULL: there
 * is none. */
char *bs_endpoint_own_jid(const BsEndpoint *endpoint, const char *peer, const char *addressed);
/* NULL if nothing is remembered. */
BsMemory *bs_endpoint_memory(const BsEndpoint *endpoint);
const char *bs_endpoint_account_name(const BsEndpoint *endpoint);
gboolean bs_endpoint_is_occupant(const BsEndpoint *endpoint, const char *peer);
/* The transfer whose session this is, which is not its only one any more, says nothing more in it. */
void bs_endpoint_session_ended(BsEndpoint *endpoint, const BsJingleSession *session);
/* Tells the user of a transfer that the peer has asked for. FALSE if nobody wants to know of it: it is gone.
 */
gboolean bs_endpoint_announce_resumed(BsEndpoint *endpoint, BsTransfer *transfer);
const GPtrArray *bs_endpoint_all(const BsEndpoint *endpoint);
BsEnded *bs_endpoint_ended(BsEndpoint *endpoint);
gboolean bs_endpoint_hashes_files(const BsEndpoint *endpoint);
gboolean bs_endpoint_fetches_thumbnails(const BsEndpoint *endpoint, const char *peer);
void bs_endpoint_add(BsEndpoint *endpoint, BsTransfer *transfer);
/* A stream of a transfer with `peer` is about to be freed: what still comes for it is answered here. */
void bs_endpoint_stream_ended(BsEndpoint *endpoint, const char *peer, const BsTransport *transport);
/* The transfer is about to be freed; requests for its session are answered with unknown-session from now on.
 */
void bs_endpoint_remove(BsEndpoint *endpoint, BsTransfer *transfer);

#endif
