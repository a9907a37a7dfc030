/* The clients that speak stream initiation, as side b of a pair: what each writes, in which order it tries,
 * and where it gives up; known from their sources. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_SI_PEERS_H
#define BS_TEST_SI_PEERS_H

#include "script_peer.h"
#include "services.h"

/* How many bytes the peer's file has, and ours. */
#define SI_FILE_LENGTH 20000

/* A client: XML in which {words} are filled in, and what it does. */
typedef struct {
    const char *name;
    const char *offer;      /* <si/>: {sid}, {size}, {hash}, {options} */
    const char *empty_size; /* {size} of a file without bytes; NULL: it sends no such files */
    const char *option;     /* in it: {label}, {method} */
    gboolean in_band_first; /* the order of the options */
    gint64 date;            /* that this tells, 0: none; and the type and the description, NULL: none */
    const char *media_type;
    const char *desc;
    gboolean hashes;        /* it offers the file's MD5 */
    const char *answer;     /* <si/>: {method}, {methods}, {file} */
    gboolean multiple;      /* the answer has all methods (si-multiple) */
    const char *whole;      /* {file} when it wants all of it */
    const char *part;       /* ... and when it wants a part: {offset}, {length}; NULL: it never does */
    const char *declined;   /* <error/>: its user does not want the file */
    const char *query;      /* <query/>: {sid}, {hosts}, {fast} */
    const char *used;       /* <query/>: {sid}, {jid} */
    const char *proxy;      /* within the <streamhost/> of a proxy; NULL: nothing */
    const char *no_way;     /* <error/> when it reached no streamhost */
    const char *bound;      /* BND.ADDR when it lets somebody in; NULL: what was asked for */
    gboolean fast;          /* Psi's mode, in which both offer streamhosts */
    gboolean falls_back;    /* goes in-band, without a word, where SOCKS5 found no way */
    const char *not_opened; /* <error/> for an in-band stream that it does not expect any more */
    const char *open;       /* <open/>: {sid} */
    guint block;            /* bytes in its blocks ... */
    guint window;           /* ... and how many it sends before an answer has come */
    gboolean answers_close; /* of an in-band stream */
} SiClient;

#define SI_CLIENT_COUNT 6
extern const SiClient si_clients[SI_CLIENT_COUNT];

/* A client in the course of one transfer. */
typedef struct {
    ScriptPeer script;
    const SiClient *client;
    gboolean offers;     /* the file is the peer's */
    gboolean lies;       /* about the hash */
    gboolean empty;      /* the peer's file has no bytes */
    guint64 wanted_from; /* the first byte of it that alice wants */
} SiPeer;

SiPeer *si_peer_new(Pair *pair, const SiClient *client);
void si_peer_free(SiPeer *peer);

/* Offers its file with these methods: bit set of 1 << BsSiMethod. */
void si_peer_offer(SiPeer *peer, guint methods);

/* Takes the answer to it and checks that each client would read the same there: the method. */
guint si_peer_take_agreement(SiPeer *peer);

/* Takes our offer with these methods, as clients read it. */
const xmlnode *si_peer_take_offer(SiPeer *peer, guint methods);

/* Accepts `offer` with one of `methods`, or with all of them in order if it can; and the bytes from `offset`
 * on, `length` of them if that is not 0. */
void si_peer_accept(SiPeer *peer, const xmlnode *offer, guint methods, guint64 offset, guint64 length);

/* Its own streamhosts, to be told in a request. */
typedef enum {
    SI_HOST_LIVE,
    SI_HOST_DEAD, /* nobody listens there */
    SI_HOST_DEAD_THEN_LIVE,
} SiHosts;
void si_peer_tell_hosts(SiPeer *peer, SiHosts hosts);

/* Tells its proxy instead; and, once alice has said that she uses it: connects there, and has it activated.
 */
void si_peer_tell_proxy(SiPeer *peer, const ProxyService *proxy);
void si_peer_use_own_proxy(SiPeer *peer, ProxyService *proxy);

/* Lets the next connection in, with the SOCKS5 handshake; and that in two steps. */
void si_peer_let_in(SiPeer *peer);
void si_peer_hear_request(SiPeer *peer);
void si_peer_grant_request(SiPeer *peer);

/* Dials one of our streamhosts in `request`, or our proxy among them, and says so; or says that it could
 * reach none. */
void si_peer_dial(SiPeer *peer, const xmlnode *request);
void si_peer_dial_proxy(SiPeer *peer, const xmlnode *request, const ProxyService *proxy);
void si_peer_say_no_way(SiPeer *peer, const xmlnode *request);

/* `stanza` says that the streamhost of `jid` is used. */
void si_check_used(const xmlnode *stanza, const char *jid);

#endif
