/* One direction of an in-band bytestream: what is written into a local socket goes out in blocks, several at
 * a time (XEP-0047, 2.2). SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_IBB_OUTGOING_H
#define BS_IBB_OUTGOING_H

#include "stanza/iq.h"

typedef struct _BsIbbOutgoing BsIbbOutgoing;

typedef struct {
    /* The socket's other end has ended its half, and every byte has been acknowledged. May free the object.
     */
    void (*drained)(gpointer data);
    /* A block was refused for good, or not answered in time: `why` for the debug window. Nothing more is
     * sent; may free the object. */
    void (*broken)(const char *why, gpointer data);
} BsIbbOutgoingEvents;

/* Sends what it reads from `fd` to `peer` in the stream `sid`, in blocks of at most `block_size` bytes. All
 * is borrowed and outlives the object. No event comes before the event loop runs again. */
BsIbbOutgoing *bs_ibb_outgoing_new(BsIqLink *link, const char *peer, const char *sid, int fd,
                                   gsize block_size, const BsIbbOutgoingEvents *events, gpointer data);

/* TRUE while there are bytes that have been written into the socket, and that the peer has not
 * acknowledged. */
gboolean bs_ibb_outgoing_is_busy(const BsIbbOutgoing *outgoing);

/* Ends it at any moment, without an event. NULL is allowed. */
void bs_ibb_outgoing_free(BsIbbOutgoing *outgoing);

#endif
