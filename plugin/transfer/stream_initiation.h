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
    char *sid;         /* an offer's: the stream's name; NULL in an answer, whose IQ tells what it answers */
    BsFileOffer *file; /* an offer's file; of an answer, only the range is set */
    guint methods;     /* bit set: 1 << BsSiMethod */
    BsSiMethod order[BS_SI_METHOD_COUNT]; /* the methods as listed, each once: their number is that of bits */
    gboolean multiple; /* an offer's: the answer may choose several methods (Gabble's si-multiple) */
} BsSi;

void bs_si_free(BsSi *si);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BsSi, bs_si_free)

/* The <si/> of an IQ, owned by it; NULL if there is none, or if its profile says that it is about something
 * else than files. */
const xmlnode *bs_si_element(const xmlnode *iq);

/* Reads the <si/> of an offer. NULL, with `fault` set, for one that cannot be taken. The size is missing
 * where it is 0 (Smack, QXmpp): it is then unknown, but must be a number if it is there. MD5 `hash`, `date`
 * (XEP-0082 and the old form), `desc`, `range`, `name`, mime-type and thumbnail (Psi) are optional; what is
 * malformed of these is left out. */
BsSi *bs_si_parse_offer(const xmlnode *element, BsSiFault *fault);

/* Reads the <si/> of an answer to our offer of `file` with `methods`. NULL if it chooses none of them, or
 * asks for a part that is not in the file, or that it was not told it may ask for. Several are to be tried in
 * order. A length of 0 is none, as for Psi: up to the end. */
BsSi *bs_si_parse_answer(const xmlnode *element, const BsFileOffer *file, guint methods);

/* The <si/> of an offer of `file` with all methods of the set, bytestreams first (XEP-0096, 3.1), the
 * caller's. The MD5 hash is written if it is known. It lets the peer choose several methods (si-multiple). */
xmlnode *bs_si_build_offer(const char *sid, const BsFileOffer *file, guint methods);

/* The <si/> of an answer with the range of `file` unless it is the whole (XEP-0096, 3), the caller's. It
 * chooses one of `methods`, bytestreams if they are among them: of two, QXmpp would take the last, and Smack
 * would fail. All of them, in our order, are told besides to a peer whose offer was `multiple`. */
xmlnode *bs_si_build_answer(const BsFileOffer *file, guint methods, gboolean multiple);

/* The error for an offer that cannot be taken: its type and conditions (XEP-0095, 3.2), static. `specific` is
 * in BS_NS_SI, or NULL. */
void bs_si_fault_reply(BsSiFault fault, const char **type, const char **condition, const char **specific);

#endif
