/* Which peers have been met in a network of our own, and which are somewhere else: whether to tell them of
 * addresses that only count there. And which cannot be reached at all.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_REACH_H
#define BS_REACH_H

#include <glib.h>

typedef enum {
    BS_REACH_UNKNOWN,
    BS_REACH_NEAR, /* a private address has led from one to the other */
    BS_REACH_FAR,  /* it did not, although the peer tried */
} BsReach;

/* The peers of an account, while it is online. */
typedef struct _BsReaches BsReaches;

BsReaches *bs_reaches_new(void);
void bs_reaches_free(BsReaches *reaches);

/* Of the full JID `peer`. Without `reaches` (NULL) nothing is known, and nothing is learned. */
BsReach bs_reaches_get(const BsReaches *reaches, const char *peer);
void bs_reaches_learn(BsReaches *reaches, const char *peer, BsReach reach);

/* Whether no connection came about, the last time that a file was to come from the full JID `peer`. */
gboolean bs_reaches_in_vain(const BsReaches *reaches, const char *peer);
void bs_reaches_learn_in_vain(BsReaches *reaches, const char *peer, gboolean in_vain);

/* It may come back from elsewhere. */
void bs_reaches_forget(BsReaches *reaches, const char *peer);

#endif
