/* Jingle in-band bytestreams (XEP-0261): the bytes go through the server, in the stanzas of the chat
 * connection; slow, and always possible. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_IBB_H
#define BS_IBB_H

#include "transport/transport.h"

/* A transport for one session. `data` is given to the events. The Jingle initiator opens the stream. The
 * bytes are moved by the transport itself, at the other end of the `fd` that `connected` hands out: it must
 * live on until the transfer ends. */
BsTransport *bs_ibb_new(const BsTransportContext *context, const BsTransportEvents *events, gpointer data);

/* The same for the stream `sid` without a Jingle session (XEP-0047 alone): nothing is described, `initiator`
 * of the context opens it, and its end is the last word. */
BsTransport *bs_ibb_new_alone(const BsTransportContext *context, const char *sid,
                              const BsTransportEvents *events, gpointer data);

/* Of one that has failed: the peer has nothing that would know the stream, or that it does not know it. */
gboolean bs_ibb_was_unheard_of(const BsTransport *transport);

#endif
