/* A SOCKS5 transport's insides, for the files that share them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_S5B_INTERNAL_H
#define BS_S5B_INTERNAL_H

#include "socks5/activation.h"
#include "socks5/connector.h"
#include "socks5/listener.h"
#include "socks5/port_mapping.h"
#include "transport/accepted.h"
#include "transport/nomination.h"
#include "transport/places.h"
#include "transport/transport.h"

typedef enum {
    S5B_DESCRIBING,  /* descriptions are being exchanged */
    S5B_DIALLING,    /* both parties dial; reports are awaited */
    S5B_THEIR_PROXY, /* the nominated connection goes over a proxy of the peer's, which it activates */
    S5B_OUR_PROXY,   /* ... or over one of ours, to be connected to and activated */
    S5B_LATE,        /* the nominated connection is one that the peer dialled, and is not here yet */
    S5B_ENDED,
} S5bState;

typedef struct {
    BsTransport base;
    BsTransportContext context;
    const BsTransportEvents *events;
    gpointer data;

    S5bState state;
    BsDisclosure disclosure; /* as it was when we described ourselves */
    char *sid;
    char *peer_sid;     /* what the peer calls it instead; NULL: the same */
    gboolean described; /* we have told the peer of it */
    char *peer_dstaddr;
    GPtrArray *own_addresses; /* NULL where they are not those that a connection comes from */
    GPtrArray *own_candidates;
    GPtrArray *peer_candidates;
    BsListenerTicket *ticket;
    BsConnector *connector;
    BsPortMapping *mapping;
    BsMappedPort mapped; /* as the peer was told of it last */

    BsReport our_report;
    BsReport their_report;
    BsCandidate *our_choice;   /* of the peer's candidates, with dialled_fd */
    BsCandidate *their_choice; /* of our candidates; borrowed from own_candidates */
    int dialled_fd;
    BsAccepted *accepted; /* connections that the peer dialled */
    char *activated_cid;  /* the proxy that the peer has activated; NULL: none yet */
    BsActivation *activation;

    gint64 race_began;    /* microseconds */
    guint step_timer;     /* what the present state waits for */
    guint deadline_timer; /* the whole */
} BsS5b;

/* What begins each DST.ADDR of it, borrowed. */
const char *bs_s5b_stream_name(const BsS5b *s5b);

/* What is asked for at our places, newly allocated. */
char *bs_s5b_own_dst_addr(const BsS5b *s5b);

/* Has the port that we listen on mapped by the router, and offers that as soon as it is so. */
void bs_s5b_ask_for_mapping(BsS5b *s5b);

/* Adds to our candidates what the router has mapped, unless they have it already. Returns those that were
 * added and are to be told to the peer (borrowed from our candidates; the array is the caller's). */
GPtrArray *bs_s5b_add_mapped(BsS5b *s5b);

/* Both parties dial now: the peer may be told of what the router has mapped since our description. */
void bs_s5b_tell_mapped(BsS5b *s5b);

/* Which of our candidates is meant by the one that the peer reported: a mapped port is offered twice. */
BsCandidate *bs_s5b_meant_by(BsS5b *s5b, BsCandidate *reported);

/* The address of ours that a connection to our `candidate` reaches. */
const char *bs_s5b_reached_at(const BsS5b *s5b, const BsCandidate *candidate);

/* Both parties dial from now on, until `connected` or `failed`. */
void bs_s5b_race_begin(BsS5b *s5b);

/* Gives up everything that could still bring a connection. May be called more than once. */
void bs_s5b_race_stop(BsS5b *s5b);

/* The race is lost: `why` for the debug window. */
void bs_s5b_race_fail(BsS5b *s5b, const char *why);

/* Candidates of the peer's: its description's, and what it sends afterwards. */
void bs_s5b_race_add(BsS5b *s5b, const GPtrArray *candidates);

/* The peer connected to our `local_address`: `fd` (taken). A BsListenerAccepted; `data` is the BsS5b. */
void bs_s5b_race_accepted(int fd, const char *local_address, gpointer data);

/* The peer's reports (XEP-0260, 2.3 and 2.4). */
BsTransportVerdict bs_s5b_race_peer_used(BsS5b *s5b, const char *cid);
void bs_s5b_race_peer_error(BsS5b *s5b);
BsTransportVerdict bs_s5b_race_peer_activated(BsS5b *s5b, const char *cid);
void bs_s5b_race_peer_proxy_error(BsS5b *s5b);

/* Reports are in, and this choice is the nominated one: makes it the connection, by way of its proxy where it
 * is one (XEP-0260, 2.4). May be called again for the same choice when what it waited for has come. */
void bs_s5b_use_our_choice(BsS5b *s5b);
void bs_s5b_use_their_choice(BsS5b *s5b);

/* The same, when it has just been nominated. */
void bs_s5b_nominate_their_choice(BsS5b *s5b);

#endif
