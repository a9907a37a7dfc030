/* Two complete endpoints in one process. Their stanzas go through a pipe that can drop, double, delay and
 * reorder them, and through a filter that can change them; the bytes go over real sockets.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_PAIR_H
#define BS_TEST_PAIR_H

#include "transfer/endpoint.h"
#include "transfer/memory.h"
#include "transfer/transfer.h"

typedef struct _Pair Pair;
typedef struct _Side Side;

/* What the user of a side does with an offer. */
typedef enum {
    USER_ACCEPTS,
    USER_DECLINES,
    USER_WAITS,
    USER_IS_NOT_THERE, /* nobody watches the offer */
} SideUser;

/* What becomes of one stanza on its way. */
typedef enum {
    FATE_ARRIVES,
    FATE_IS_LOST,
    FATE_ARRIVES_TWICE,
    FATE_ARRIVES_LATE, /* after the next one of the same direction */
} StanzaFate;

/* Decides on the `number`th stanza (from 0, both directions) and may change it. */
typedef StanzaFate (*StanzaFilter)(Pair *pair, guint number, Side *from, xmlnode *stanza);

struct _Side {
    Pair *pair;
    Side *peer;
    const char *jid;
    BsIqLink *link;
    BsProxies *proxies;   /* a test's, freed with the side; NULL: none */
    BsMemory *memory;     /* of unfinished files, in ... */
    char *folder;         /* ... this folder; both NULL: none */
    BsEndpoint *endpoint; /* NULL for a scripted side, whose stanzas the test writes and reads */

    SideUser user;
    gboolean sink_fails;        /* the sink's disk is full */
    guint64 sink_fails_to_name; /* not 0: the sink's finish fails */

    BsTransfer *transfer; /* NULL before and after its life */
    guint offers;
    guint started;
    guint ended;
    BsRoute route;
    BsEndReason reason;
    gboolean in_band_is_left;
    guint64 moved;
    void (*on_offer)(Side *side, BsTransfer *transfer); /* takes the transfer over; may be NULL */
    void (*on_progress)(Side *side);                    /* likewise */
    void (*on_ended)(Side *side);                       /* likewise */
    GByteArray *received;
    gboolean named;     /* the sink was finished */
    gboolean discarded; /* or thrown away */

    GPtrArray *inbox; /* of a scripted side: xmlnode, what has arrived */
};

struct _Pair {
    Side a;
    Side b;
    StanzaFilter filter;
    guint stanzas;   /* sent so far */
    guint unclaimed; /* requests that no endpoint took: answered as a client without the plugin does */
    GPtrArray *flying;
    guint latency_ms;
    gboolean quiet; /* set by pair_settle() */
};

/* Two endpoints, alice@one.test/a and bob@two.test/b. */
Pair *pair_new(void);

/* Side b is scripted: it has no endpoint. */
Pair *pair_new_scripted(void);

void pair_free(Pair *pair);

/* `from` offers `length` bytes that are given by pair_byte(). */
void pair_offer(Side *from, const char *name, guint64 length);

/* The same with a promise or hash of the test's own; `available`: how many bytes the source really has. */
void pair_offer_as(Side *from, const BsFileOffer *offer, guint64 available);

/* The same in another manner than the usual one. */
void pair_offer_in(Side *from, const BsJingleManner *manner, const BsFileOffer *offer, guint64 available);

/* As pair_offer(), by stream initiation. */
void pair_offer_by_si(Side *from, const char *name, guint64 length);
void pair_offer_by_si_in_band(Side *from, const char *name, guint64 length);

/* The user of a side that waited accepts. */
void pair_accept(Side *side);

/* The same where the first `offset` bytes of the file are there already, of which `hashes` (a bit set) are
 * known. */
void pair_accept_rest(Side *side, guint64 offset, guint hashes);

/* An offer of that name and size with sha-256 promised. */
BsFileOffer *pair_file(const char *name, guint64 length);

/* The byte of a test file at `offset`. */
guint8 pair_byte(guint64 offset);

/* Runs until both sides' transfers have ended and no stanza is on its way. FALSE: a hang. */
gboolean pair_settle(Pair *pair);

/* TRUE if the side got exactly `length` right bytes and the file its name. */
gboolean pair_has_whole_file(const Side *side, guint64 length);

/* For a scripted side: sends this stanza (XML text) from side b's JID; waits for the next stanza that arrives
 * at b, and returns it (b's inbox owns it), NULL if none comes; as XML text, newly allocated. */
void script_send(Pair *pair, const char *xml);
xmlnode *script_receive(Pair *pair);

/* Sends the Jingle action `action` around `contents` for `sid`, and returns the answer ("result", or the
 * error's condition, with "+specific" where there is one), newly allocated. Other stanzas that arrive
 * meanwhile stay in the inbox. */
char *script_jingle(Pair *pair, const char *action, const char *sid, const char *contents);

/* The first stanza in the inbox with this Jingle action, after waiting for it; it is answered with a result.
 * NULL if none comes. */
xmlnode *script_expect(Pair *pair, const char *action);

#endif
