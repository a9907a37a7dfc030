/* Psi's "fast mode" makes several connections, and the requester says over which one the file goes: it sends
 * a carriage return there before the first byte. This is the target's wait for it. SPDX-License-Identifier:
 * GPL-2.0-or-later */
#ifndef BS_SI_BYTESTREAMS_WORD_H
#define BS_SI_BYTESTREAMS_WORD_H

#include "socks5/candidate.h"

typedef struct _BsSiWord BsSiWord;

typedef struct {
    /* It is this one: `fd` is now the callee's, at the first byte of the file; `candidate` lives as long as
     * the call. All others are closed with the wait, which may be freed inside. */
    void (*said)(int fd, const BsCandidate *candidate, gboolean dialled_by_us, gpointer data);
    /* Not a single connection is left. May free the wait. */
    void (*all_lost)(gpointer data);
} BsSiWordEvents;

/* `id` is the transfer's, borrowed, as is `events`. No event comes before the event loop runs again. */
BsSiWord *bs_si_word_new(const char *id, const BsSiWordEvents *events, gpointer data);

/* Waits on `fd` too (taken), the connection over `candidate` (taken). Keeps a bounded number; the oldest goes
 * first. */
void bs_si_word_add(BsSiWord *word, int fd, BsCandidate *candidate, gboolean dialled_by_us);

/* TRUE if there is a connection to wait on. NULL is allowed. */
gboolean bs_si_word_is_awaited(const BsSiWord *word);

/* Ends it at any moment, without an event, and closes what it holds. NULL is allowed. */
void bs_si_word_free(BsSiWord *word);

#endif
