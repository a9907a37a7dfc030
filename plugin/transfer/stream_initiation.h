/* Stream initiation's elements for files (XEP-0095, XEP-0096), to and from typed values.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_STREAM_INITIATION_H
#define BS_STREAM_INITIATION_H

#include <xmlnode.h>

#include "transfer/file_offer.h"

#define BS_NS_SI "http://jabber.org/protocol/si"
#define BS_NS_SI_FILE "http://jabber.org/protocol/si/profile/file-transfer"

/* How the bytes may go. */
typedef enum {
    BS_SI_BYTESTREAMS, /* XEP-0065 */
    BS_SI_IN_BAND,     /* XEP-0047 */
    BS_SI_METHOD_COUNT,
} BsSiMethod;

/* What is wrong with an offer: each has its error (XEP-0095, 3.2), see bs_si_fault_reply(). */
typedef enum {
    BS_SI_FINE,
    BS_SI_MALFORMED,
    BS_SI_OTHER_PROFILE, /* not about a file */
    BS_SI_NO_METHOD,     /* no way of moving bytes that we know */
} BsSiFault;

/* An offer, or the answer to one. */
typedef struct {
    char *sid;         /* the stream's name; an answer's is NULL where the peer did not repeat it */
    BsFileOffer *file; /* an offer's file; of an answer, only the range is set */
    guint methods;     /* bit set: 1 << BsSiMethod */
    BsSiMethod order[BS_SI_METHOD_COUNT]; /* the methods as listed, each once: their number is that of bits */
} BsSi;

void bs_si_free(BsSi *si);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BsSi, bs_si_free)

/* The <si/> of an IQ, owned by it; NULL if there is none, or if its profile says that it is about something
 * else than files. */
const xmlnode *bs_si_element(const xmlnode *iq);

/* Reads the <si/> of an offer. NULL, with `fault` set, for one that cannot be taken. MD5 `hash`, `date`
 * (XEP-0082 and the old form), `desc`, `range` and mime-type are optional; what is malformed of these is left
 * out. */
BsSi *bs_si_parse_offer(const xmlnode *element, BsSiFault *fault);

/* Reads the <si/> of an answer; NULL if it chooses no method. Some peers choose several, to be tried in order
 * (libpurple, Gabble's si-multiple). `offset` and `length` of the range are in `file`. */
BsSi *bs_si_parse_answer(const xmlnode *element);

/* The <si/> of an offer of `file` with all methods of the set, bytestreams first (XEP-0096, 3.1); the
 * caller's. The MD5 hash is written if it is known. */
xmlnode *bs_si_build_offer(const char *sid, const BsFileOffer *file, guint methods);

/* The <si/> of an answer: `methods` in our order, to be tried one after the other by peers who can, and the
 * range of `file` unless it is the whole (XEP-0096, 3); the caller's. */
xmlnode *bs_si_build_answer(const BsFileOffer *file, guint methods);

/* The error for an offer that cannot be taken: its type and conditions (XEP-0095, 3.2), static. `specific` is
 * in BS_NS_SI, or NULL. */
void bs_si_fault_reply(BsSiFault fault, const char **type, const char **condition, const char **specific);

#endif
