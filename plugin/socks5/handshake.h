/* The SOCKS5 handshake of a bytestream (XEP-0065, 5.3.2; RFC 1928), both roles in one object: bytes in, bytes
 * out, no socket. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_HANDSHAKE_H
#define BS_HANDSHAKE_H

#include <glib.h>

typedef struct _BsHandshake BsHandshake;

typedef enum {
    BS_HANDSHAKE_GOES_ON,
    BS_HANDSHAKE_DONE,    /* nothing more to read; done once the pending bytes are sent */
    BS_HANDSHAKE_REFUSED, /* in good order, one side said no: send the pending bytes, then close */
    BS_HANDSHAKE_BROKEN,  /* that is not SOCKS5: send nothing more, close */
} BsHandshakeState;

/* Is somebody waiting for `dst_addr`? Asked once by the server role, with at most 255 bytes, NUL-terminated,
 * none of them NUL. */
typedef gboolean (*BsHandshakeCheck)(const char *dst_addr, gpointer data);

/* As the one who dialled: asks for `dst_addr`, at most 255 bytes, as a domain name, port 0, without
 * authentication. */
BsHandshake *bs_handshake_new_client(const char *dst_addr);

/* As the one who listens. */
BsHandshake *bs_handshake_new_server(BsHandshakeCheck check, gpointer data);

void bs_handshake_free(BsHandshake *handshake);

BsHandshakeState bs_handshake_state(const BsHandshake *handshake);

/* How many bytes may be read from the connection at most: never more than is the handshake's own, since what
 * follows is the file. 0 when nothing is to be read now. */
gsize bs_handshake_wants(const BsHandshake *handshake);

/* Takes what was read, at most bs_handshake_wants() bytes, in any slicing. Returns the new state. */
BsHandshakeState bs_handshake_feed(BsHandshake *handshake, const guint8 *bytes, gsize length);

/* What is to be sent now, `*length` bytes, owned by the handshake; and that `length` of them were sent. */
const guint8 *bs_handshake_pending(const BsHandshake *handshake, gsize *length);
void bs_handshake_sent(BsHandshake *handshake, gsize length);

/* Why it was refused or broke, or, while it goes on, what did not come if a deadline ends it now; for the
 * debug window: a static string. NULL when it is done. */
const char *bs_handshake_reason(const BsHandshake *handshake);

/* The DST.ADDR that was asked for, in the server role once it is known, else NULL. Owned by the handshake. */
const char *bs_handshake_dst_addr(const BsHandshake *handshake);

#endif
