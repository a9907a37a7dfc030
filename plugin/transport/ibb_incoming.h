/* The other direction of an in-band bytestream: blocks that come in, in strict order, are written into a
 * local socket and acknowledged once they are there, so that a slow reader slows down the peer
 * (XEP-0047, 2.2). SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_IBB_INCOMING_H
#define BS_IBB_INCOMING_H

#include "stanza/iq.h"

typedef struct _BsIbbIncoming BsIbbIncoming;

/* How a block was taken. */
typedef enum {
    BS_IBB_TAKEN,        /* and is acknowledged, now or later */
    BS_IBB_BAD_BLOCK,    /* malformed, or larger than agreed */
    BS_IBB_OUT_OF_ORDER, /* a number that was used already, or that is not the next one */
    BS_IBB_OVERFLOW,     /* the peer sends on and on without waiting for acknowledgements */
} BsIbbTaken;

/* Everything that came in has been written into the socket, which will see no more of it. */
typedef void (*BsIbbIncomingDrained)(gpointer data);

/* Writes into `fd` blocks of at most `block_size` bytes. All is borrowed and outlives the object. */
BsIbbIncoming *bs_ibb_incoming_new(BsIqLink *link, int fd, gsize block_size);

/* Takes the block `element` of `stanza`, an IQ or a message. What is not taken is not answered either. */
BsIbbTaken bs_ibb_incoming_take(BsIbbIncoming *incoming, const xmlnode *stanza, const xmlnode *element);

/* No more blocks come: calls `drained` once, perhaps at once. That may free the object. */
void bs_ibb_incoming_finish(BsIbbIncoming *incoming, BsIbbIncomingDrained drained, gpointer data);

/* Ends it at any moment. NULL is allowed. */
void bs_ibb_incoming_free(BsIbbIncoming *incoming);

#endif
