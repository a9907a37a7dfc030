/* The clients that speak Jingle file transfer, as side b of a pair: what each writes, in which order it does
 * things, and where it gives up; known from their sources, and Gajim and Dino by running them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_JINGLE_PEERS_H
#define BS_TEST_JINGLE_PEERS_H

#include "script_peer.h"
#include "services.h"
#include "stream/digest.h"

/* How many bytes the peer's file has, and ours. */
#define JINGLE_FILE_LENGTH 20000

/* When a sender tells the file's hash: a bit set of what it is known to do, and one of these in a test. */
typedef enum {
    JINGLE_HASH_IN_OFFER = 1,
    JINGLE_HASH_PROMISED = 2,  /* ... it follows the bytes */
    JINGLE_HASH_EARLY = 4,     /* it follows the offer */
    JINGLE_HASH_LATE = 8,      /* it follows the bytes, and nothing was said of it before */
    JINGLE_HASH_TOO_LATE = 16, /* when the session is over */
    JINGLE_HASH_NEVER = 32,
} JingleHash;

/* Whose JID comes first in DST.ADDR for a responder's own address, about which XEP-0260 says nothing. */
typedef enum {
    JINGLE_OFFERER_FIRST,
    JINGLE_INITIATOR_FIRST,
    JINGLE_INITIATOR_FIRST_UNTIL_A_PROXY, /* ... is among the candidates that a sender dials */
    JINGLE_AS_SAID,                       /* what `dstaddr` says; its own port: offerer first */
} JingleOrder;

/* What it does when neither reached the other. */
typedef enum {
    JINGLE_GOES_IN_BAND,
    JINGLE_NEVER_OPENS, /* the same, but no stream comes of it */
    JINGLE_REJECTS,     /* whatever is proposed, and stays */
    JINGLE_ENDS,        /* the session */
} JingleFallback;

/* A client: XML in which {words} are filled in, and what it does. */
typedef struct {
    const char *name;
    const char *version; /* of file transfer, in its offers; what it takes is ... */
    const char *takes;   /* ... any of these digits */
    const char *content; /* the name of its content */
    const char *senders; /* that of its answer */
    gboolean initiator;  /* named in each of its stanzas */
    const char *file;    /* in <description/>: {size}, {hash} */
    gint64 date;         /* that this tells, 0: none; and the type and the description, NULL: none */
    const char *media_type;
    const char *desc;
    const char *accepted; /* the same in its answer: {size}, {range} */
    gboolean can_range;   /* it may ask for a part */
    const char *offered;  /* attributes of its <transport/>: {dstaddr} */
    const char *answered; /* ... in its answer; both only with a proxy if ... */
    gboolean dstaddr_with_proxy;
    gboolean dstaddr_for_proxy; /* that of the peer is used for proxies */
    gboolean own_sid;           /* its answer has a stream id of its own */
    gboolean names_by_session;  /* DST.ADDR has the id of the session instead, in version 3 */
    const char *direct;         /* its own address: {cid}, {jid}, {host}, {port} */
    const char *proxy;          /* its proxy: the same */
    guint32 priorities[2];      /* of these two */
    const char *types;          /* of candidates that it dials; NULL: all */
    gboolean addresses_only;    /* it looks up no names of hosts */
    JingleOrder order;
    gboolean lets_in_once; /* its port takes one connection, and it has to ask for the right thing */
    gboolean lets_in_all;  /* its port does not look at DST.ADDR */
    gboolean kills_dial;   /* it closes the connection that we dialled, if it sends */
    gboolean tie_reversed; /* the wrong one of two equal candidates */
    gboolean acks_twice;
    gboolean activates_early; /* says "activated" before the proxy does */
    const char *activated;    /* <activated/>: {cid} */
    gboolean proxy_error_cid; /* it reads no <proxy-error/> without one */
    gboolean
        forgets_choice; /* it waits for another report when it has reached something better than was told */
    guint hash_times;   /* JingleHash */
    guint hashes;       /* which, a bit set of BsHash */
    const char *hash_xmlns;
    const char *checksum; /* {hash} */
    gboolean says_received;
    gboolean ends_at_once; /* as the receiver: with the last byte, whatever we may have to say */
    gboolean says_nothing; /* as the receiver, when it has all bytes */
    gboolean waits;        /* for what we say about the file, without limit */
    const char *damaged;   /* actions with which it ends when the hash disagrees: reason; NULL: success */
    JingleFallback sends_otherwise;
    JingleFallback receives_otherwise;
    gboolean says_proxy_error; /* when its own proxy does not work */
    gboolean heeds_proxy_error;
    gboolean rejects_in_band; /* or that, when it is proposed, but takes a new session */
    gboolean rejects_socks5;  /* when another transport is proposed */
    const char *ends;         /* the reason of its session-terminate when it ends for want of a connection */
    gboolean removes_first;   /* the content, before it ends the session */
    gboolean stream_none;     /* its in-band stream in transport-replace is called "None" */
    const char *open;         /* <open/>: {sid} */
    guint block;              /* bytes in its blocks ... */
    guint window;             /* ... and how many it sends before an answer has come */
    gboolean opens_early;     /* before it has acknowledged our answer */
} JingleClient;

#define JINGLE_CLIENT_COUNT 8
extern const JingleClient jingle_clients[JINGLE_CLIENT_COUNT];

/* A client in the course of one transfer. Each wait of its functions ends the test if nothing comes. */
typedef struct {
    ScriptPeer script;
    const JingleClient *client;
    const Services *services; /* borrowed, with ... */
    ProxyService *own_proxy;  /* ... its proxy */
    gboolean offers;          /* the file is the peer's */
    gboolean lies;            /* about the hash */
    gboolean empty;           /* the peer's file has no bytes */
    JingleHash hash_time;
    const char *version; /* of file transfer, in this session */
    char *session;
    char *content;
    const xmlnode *alices; /* her <transport/>, in a stanza that the inbox owns */
    guint64 wanted_from;   /* the first byte that she asked for */
    guint32 own_choice;    /* the priority of her candidate that is used; 0: none */
    guint32 alices_choice; /* of its candidate that she uses; 0: none */
} JinglePeer;

JinglePeer *jingle_peer_new(Pair *pair, const JingleClient *client, const Services *services);
void jingle_peer_free(JinglePeer *peer);

/* Takes alice's request with this action, and acknowledges it as the client does. */
const xmlnode *jingle_peer_take(JinglePeer *peer, const char *action);

/* Sends an action around `payload`; alice's answer must be a result. */
void jingle_peer_say(JinglePeer *peer, const char *action, const char *payload);

/* The places that it tells, a bit set. */
typedef enum {
    JINGLE_AT_HOME = 1,  /* its own address */
    JINGLE_NOWHERE = 2,  /* one where nobody listens */
    JINGLE_AT_PROXY = 4, /* its proxy */
    JINGLE_IN_BAND = 8,  /* none: the file goes in-band */
} JinglePlaces;

/* Offers its file; takes alice's answer, and with it her transport. */
void jingle_peer_offer(JinglePeer *peer, guint places);
void jingle_peer_take_answer(JinglePeer *peer);

/* Alice offers her file, as the client can take it, in-band at once or not; it takes the offer, and answers
 * it; it wants the bytes from `offset` on. */
void jingle_peer_be_offered(JinglePeer *peer, guint64 length, gboolean in_band);
void jingle_peer_accept(JinglePeer *peer, guint places, guint64 offset);

/* SOCKS5. It dials alice's own address, or the proxy among hers, and says so; or says that it could not. */
void jingle_peer_dial(JinglePeer *peer, gboolean proxy);
void jingle_peer_say_no_way(JinglePeer *peer);

/* Lets alice in at its own port, or waits until she uses its proxy; takes her word on it. Or takes her word
 * that she reached nothing. */
void jingle_peer_let_in(JinglePeer *peer);
void jingle_peer_take_used(JinglePeer *peer);
void jingle_peer_take_no_way(JinglePeer *peer);

/* TRUE if, by the client's rules, it is the connection that it dialled that carries the file. */
gboolean jingle_peer_own_dial_wins(const JinglePeer *peer);

/* Takes what alice says of her transport: "activated", "proxy-error". */
const xmlnode *jingle_peer_take_report(JinglePeer *peer, const char *element);

/* Its proxy is nominated: connects there, has it activated, and says so. */
void jingle_peer_use_own_proxy(JinglePeer *peer);

/* Its proxy is nominated, and does not work: says so. */
void jingle_peer_give_up_own_proxy(JinglePeer *peer);

/* As the sender: the hash, if it comes at `time`. */
void jingle_peer_tell_hash(JinglePeer *peer, JingleHash time);

/* As the receiver: that it has the file, if it says so. */
void jingle_peer_say_received(JinglePeer *peer);

/* Ends the session with this reason; or, if it does so, by removing its content first. */
void jingle_peer_terminate(JinglePeer *peer, const char *reason);
void jingle_peer_end_for(JinglePeer *peer, const char *reason);

/* Takes alice's end of it: the reason's name. */
const char *jingle_peer_take_end(JinglePeer *peer);

/* Says no to alice's proposal of another SOCKS5 transport, and to that of in-band. */
void jingle_peer_reject_proposal(JinglePeer *peer);
void jingle_peer_reject_in_band(JinglePeer *peer);

/* Neither reached the other: what it does as the initiator; as the responder, with alice's proposal. TRUE if
 * the file goes in-band. */
gboolean jingle_peer_go_on(JinglePeer *peer);
gboolean jingle_peer_take_proposal(JinglePeer *peer);

#endif
