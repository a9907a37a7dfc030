/* Jingle SOCKS5 bytestreams (XEP-0260): candidates both ways, both parties dial, and one connection is
 * nominated. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_S5B_H
#define BS_S5B_H

#include "transport/transport.h"

/* A transport for one session. `data` is given to the events. As responder, nothing is listened on, looked up
 * or dialled before describe(). */
BsTransport *bs_s5b_new(const BsTransportContext *context, const BsTransportEvents *events, gpointer data);

/* Of one of these: the peer is Psi, which is known by candidates without a jid. */
gboolean bs_s5b_peer_is_psi(const BsTransport *transport);

#endif
