/* The connections that the peer dialled, until one of them is nominated.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_ACCEPTED_H
#define BS_ACCEPTED_H

#include <glib.h>

typedef struct _BsAccepted BsAccepted;

BsAccepted *bs_accepted_new(void);

/* Closes all connections and frees the list. */
void bs_accepted_free(BsAccepted *accepted);

/* Takes `fd`, which reached our `local_address`. Keeps a bounded number; the oldest goes first. */
void bs_accepted_add(BsAccepted *accepted, int fd, const char *local_address);

/* How many the peer has not closed. */
guint bs_accepted_alive(const BsAccepted *accepted);

/* Closes all connections. */
void bs_accepted_clear(BsAccepted *accepted);

/* Takes out the connection that the peer means when it reports a candidate of ours under which it reaches our
 * `local_address`: the caller's; -1 if there is none. A router passes connections on to the same address as
 * those that come from its own network, so this is the likeliest one, not a certain one. Without
 * `local_address` it is the latest. `*reached`, if wanted, is the address of ours that it came to, the
 * caller's. */
int bs_accepted_steal(BsAccepted *accepted, const char *local_address, char **reached);

#endif
