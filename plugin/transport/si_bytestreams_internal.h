/* The insides of bytestreams for stream initiation, for the files that share them: what both roles do is in
 * si_bytestreams.c and si_bytestreams_offer.c, what each makes of it in si_bytestreams_requester.c and
 * _target.c. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_SI_BYTESTREAMS_INTERNAL_H
#define BS_SI_BYTESTREAMS_INTERNAL_H

#include "socks5/activation.h"
#include "socks5/port_mapping.h"
#include "transport/accepted.h"
#include "transport/places.h"
#include "transport/si_bytestreams.h"
#include "transport/si_bytestreams_word.h"
#include "transport/si_bytestreams_xml.h"

typedef struct _BsSiBytestreams BsSiBytestreams;

/* What became of our streamhosts. */
typedef enum {
    SI_HOSTS_NOT_TOLD,
    SI_HOSTS_TOLD,      /* the peer's answer is awaited */
    SI_HOSTS_CONNECTED, /* the peer is connected to us, as it says */
    SI_HOSTS_PROXY,     /* ... or to a proxy of ours */
    SI_HOSTS_NOT_USED,  /* the peer cannot or does not want to use any, or does not answer */
} SiHosts;

/* What the two roles make of what happens. */
typedef struct {
    void (*start)(BsSiBytestreams *si);
    /* The peer's query: either kept in `asked`, or answered. */
    void (*asked)(BsSiBytestreams *si, const xmlnode *stanza);
    /* The peer has answered ours, see `hosts`. */
    void (*answered)(BsSiBytestreams *si);
    /* The peer dialled us. A BsListenerAccepted; `data` is the BsSiBytestreams. */
    BsListenerAccepted accepted;
    /* We have dialled the peer, over `dialled`; or reached none of its streamhosts. */
    void (*connected)(BsSiBytestreams *si, int fd);
    void (*exhausted)(BsSiBytestreams *si);
    /* Our proxy `proxy` is active; -1: it does not work. */
    void (*proxy_ready)(BsSiBytestreams *si, int fd);
} SiRole;

extern const SiRole bs_si_requester;
extern const SiRole bs_si_target;

struct _BsSiBytestreams {
    BsTransport base;
    BsTransportContext context;
    const BsTransportEvents *events;
    gpointer data;
    const SiRole *role;
    char *sid;

    gboolean started;
    gboolean ended;
    BsDisclosure disclosure;
    GPtrArray *own_addresses; /* NULL where they are not those that a connection comes from */

    /* What we tell the peer. */
    SiHosts hosts;
    GPtrArray *own_hosts;
    BsIqRequest *request;
    BsListenerTicket *ticket;
    BsPortMapping *mapping;
    BsMappedPort mapped;      /* as the peer was told of it; port 0: it was not */
    gboolean tried;           /* the peer has answered, and does not say that it does not want to */
    gboolean ambiguous;       /* it may have tried, or not want to */
    const BsCandidate *proxy; /* the one of ours that the peer uses, borrowed from own_hosts */
    BsActivation *activation;

    /* What the peer tells us. */
    gboolean was_asked;
    xmlnode *asked; /* its query, until it is answered */
    GPtrArray *peer_hosts;
    BsConnector *connector; /* while we dial */
    BsCandidate *dialled;

    /* Until it is known which connection it is. */
    BsAccepted *accepted; /* the requester's: those that the peer dialled ... */
    int dialled_fd;       /* ... and the one that we dialled */
    BsSiWord *word;       /* the target's in fast mode; NULL otherwise */

    guint step_timer;     /* what is waited for now */
    guint deadline_timer; /* the target's whole */
    int fd;               /* the result, until it is announced */
    BsRoute route;
};

/* TRUE if the peer is the occupant of a room, where each knows the other one by another JID than its own. */
gboolean bs_si_is_in_room(const BsSiBytestreams *si);

/* What the peer may learn is decided anew; it is not told yet. */
void bs_si_decide_disclosure(BsSiBytestreams *si);

/* Opens our port where the peer may know our addresses, otherwise closes it. The requester also has it
 * mapped. */
void bs_si_listen(BsSiBytestreams *si);

/* Sets `own_hosts`: all that the peer may know, and does not offer itself. */
void bs_si_gather(BsSiBytestreams *si);

/* Tells the peer `own_hosts`, and with `fast` that it may offer some as well. `answered` follows. */
void bs_si_tell_hosts(BsSiBytestreams *si, gboolean fast);

/* Dials `peer_hosts`, which expect `dstaddr` or, if that is NULL, what can be told from the JIDs. `connected`
 * or `exhausted` follows. */
void bs_si_dial(BsSiBytestreams *si, const char *dstaddr);
void bs_si_stop_dialling(BsSiBytestreams *si);

/* Answers the peer's query, unless that has been done: with `dialled`, or with an error. */
void bs_si_answer_used(BsSiBytestreams *si);
void bs_si_answer_error(BsSiBytestreams *si, const char *type, const char *condition);

/* Connects to `proxy` and has it activated. `proxy_ready` follows. */
void bs_si_use_own_proxy(BsSiBytestreams *si);

/* The connection that the peer dialled, `fd`, which came to our address `reached`, as the candidate that it
 * probably was; the caller's. */
BsCandidate *bs_si_accepted_as(const BsSiBytestreams *si, int fd, const char *reached);

/* `fd` (taken), which came about over `candidate`, carries the file; all else is given up. */
void bs_si_succeed(BsSiBytestreams *si, int fd, const BsCandidate *candidate, gboolean dialled_by_us);

/* There is no way: all is given up. `why` for the debug window. */
void bs_si_fail(BsSiBytestreams *si, const char *why);

/* Waits for something else than before. */
void bs_si_wait(BsSiBytestreams *si, guint milliseconds, GSourceFunc then);

#endif
