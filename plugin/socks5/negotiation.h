/* A handshake on a real socket: drives it in the event loop, with a deadline. The listener and the connector
 * share it. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_NEGOTIATION_H
#define BS_NEGOTIATION_H

#include "socks5/handshake.h"

typedef struct _BsNegotiation BsNegotiation;

/* The end, exactly once: DONE with the socket `fd`, now the callee's, at the first byte of the file;
 * otherwise `fd` is -1, the socket has been closed and `reason` (a static string) says why. The negotiation
 * may be freed inside. */
typedef void (*BsNegotiationDone)(BsNegotiation *negotiation, BsHandshakeState state, int fd,
                                  const char *reason, gpointer data);

/* Drives `handshake` (taken) over `fd` (taken; made non-blocking) for at most `deadline_ms` milliseconds. The
 * callback never comes before the call returns. */
BsNegotiation *bs_negotiation_new(int fd, BsHandshake *handshake, guint deadline_ms, BsNegotiationDone done,
                                  gpointer data);

/* Ends it without a callback and closes its socket. NULL is allowed. */
void bs_negotiation_free(BsNegotiation *negotiation);

/* The handshake inside, owned by the negotiation. */
BsHandshake *bs_negotiation_handshake(BsNegotiation *negotiation);

/* Shuts `fd` down in both directions and closes it: a resolver child may still hold a copy, which close()
 * alone would leave open for the peer. -1 is allowed. */
void bs_socket_close(int fd);

#endif
