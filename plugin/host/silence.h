/* An offer of ours that a peer's client has acknowledged, and that nobody answers: its user may be thinking,
 * or may never have been asked. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_SILENCE_H
#define BS_SILENCE_H

#include "stanza/iq.h"

typedef struct _BsSilence BsSilence;

/* Nothing has come for a minute. `program` is the name and version of the peer's program if it is known never
 * to ask its user, else NULL; it lives as long as the call. */
typedef void (*BsSilenceNoticed)(const char *program, gpointer data);

/* Waits for `peer` from now on; then asks its program for its name (XEP-0092), and calls `noticed` once. All
 * is borrowed and outlives the object. */
BsSilence *bs_silence_new(BsIqLink *link, const char *peer, BsSilenceNoticed noticed, gpointer data);

/* An answer has come, or nobody waits any more. NULL is allowed. */
void bs_silence_free(BsSilence *silence);

#endif
