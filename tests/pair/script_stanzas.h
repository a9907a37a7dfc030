/* The scripted peer's stanzas one by one: what is not Jingle, and what came when.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_SCRIPT_STANZAS_H
#define BS_TEST_SCRIPT_STANZAS_H

#include "pair.h"

/* The inbox's stanza number `*seen`, which is counted, after waiting for it. The inbox owns it. */
xmlnode *script_next(Pair *pair, guint *seen);

/* Sends `payload` in an IQ of type set from `from`, and waits for its answer among the stanzas from `*seen`
 * on: "result", or the error's condition, newly allocated. */
char *script_request(Pair *pair, guint *seen, const char *from, const char *payload);

#endif
