/* The scripted peer's own connection to side a's port, and the bytes that go over it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_SCRIPT_BYTES_H
#define BS_TEST_SCRIPT_BYTES_H

#include "pair.h"

/* Connects to the port that side a listens on and asks for `dst_addr`: the reply's code. `*fd` is the
 * caller's. */
guint8 script_dial(const char *dst_addr, int *fd);

/* The same with any port. */
guint8 script_dial_at(const char *host, guint16 port, const char *dst_addr, int *fd);

/* Write and read all, while the other side of the connection runs in the same loop. */
void script_send_bytes(int fd, const void *bytes, gsize length);
void script_receive_bytes(int fd, guint8 *buffer, gsize length);

#endif
