/* Two ends of a bytestream for stream initiation in one process: transports, or one and a scripted peer, over
 * links that deliver their stanzas one by one; and what they find in the network. SPDX-License-Identifier:
 * GPL-2.0-or-later */
#ifndef BS_TEST_SI_ENDS_H
#define BS_TEST_SI_ENDS_H

#include "proxy_service.h"
#include "socks5/attempt.h"
#include "transport/si_bytestreams.h"

#define SI_SID "stream-1"
#define SI_HANG_ROUNDS 20000

typedef struct _SiEnd SiEnd;
struct _SiEnd {
    const char *jid;
    const char *name; /* what the other one calls it */
    SiEnd *peer;
    BsIqLink *link;
    BsTransport *transport; /* NULL: the test speaks */
    BsTransportContext context;
    GPtrArray *heard; /* xmlnode: what a scripted end was sent */

    guint connected;
    guint failed;
    int fd;
    BsRoute route;
    gboolean free_inside;

    guint64 written;
    guint64 got;
    gboolean ended; /* the other end's bytes have come to their end */
};

/* The first is the requester. */
extern SiEnd si_ends[2];

/* Sees each stanza before it is sent, and may change it. FALSE: it gets lost. NULL: none. */
extern gboolean (*si_filter)(SiEnd *from, xmlnode *stanza);

/* A service of one.test, or NULL: stanzas to its JID reach it, and both ends' servers name it. */
extern ProxyService *si_proxy;

void si_ends_setup(void);
void si_ends_teardown(void);

/* Gives `end` its transport; before that, `end->context` may be changed. */
void si_end_begin(SiEnd *end);
void si_end_start(SiEnd *end);
void si_end_free_transport(SiEnd *end);

/* The same when `stanzas` more have arrived somewhere. */
void si_end_free_transport_after(SiEnd *end, guint stanzas);

/* Gives the context proxies of its own, and waits until `si_proxy` is known to work. */
void si_end_find_proxies(SiEnd *end);

/* Until something is TRUE; fails the test if that never comes. */
#define si_run_until(condition)                                                                              \
    do {                                                                                                     \
        for (guint si_round = 0; !(condition) && si_round < SI_HANG_ROUNDS; si_round++)                      \
            bs_test_run_for(1);                                                                              \
        ck_assert(condition);                                                                                \
    } while (0)

/* As long as stanzas are on their way, and for a moment. */
void si_settle(void);

/* Sends `length` bytes from one end to the other and sees their end there. */
void si_send_all(SiEnd *from, guint64 length);

/* As the scripted end `from`: an IQ of type set around `payload` (printf). Returns its id, static. */
const char *si_say(SiEnd *from, const char *format, ...);

/* As the scripted end `from`: answers the latest query of the peer with `type` around `payload` (printf). */
void si_answer(SiEnd *from, const char *type, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The latest query that a scripted end was sent, or NULL; the latest answer to the IQ `id`, or NULL. */
const xmlnode *si_query_heard(const SiEnd *end);
const xmlnode *si_answer_heard(const SiEnd *end, const char *id);

/* The JID used, or the error's condition, of that answer; "" if there is none yet. The caller's. */
char *si_outcome_heard(const SiEnd *end, const char *id);

/* A machine that takes SOCKS5 connections for any DST.ADDR. */
typedef struct {
    char *host;
    guint16 port;
    gboolean silent; /* takes connections, and that is all */
    guint guests;    /* so far */
    char *dst_addr;  /* the latest asked for */
    GArray *fds;     /* of those whose handshake is over, or of the silent one's guests */
    GPtrArray *handshakes;
    int fd;
    guint watch;
} SiHost;

SiHost *si_host_new(gboolean silent);
void si_host_free(SiHost *host);

/* A connection that a scripted end makes. */
typedef struct {
    int fd; /* after its handshake; may be taken (-1) */
    gboolean over;
    BsCandidate *host;
    char *dst_addr;
    const char *dst_addrs[2];
    BsAttempt *attempt;
} SiDial;

/* Dials the first host of the query that `from` has heard, for the DST.ADDR in which the JIDs have this
 * order. Waits until it is there. */
SiDial *si_dial(const SiEnd *from, const char *first, const char *second);
void si_dial_free(SiDial *dial);

#endif
