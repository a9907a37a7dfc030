/* What the peer says while it should only listen, such as a receiver of a file: nothing is expected but its
 * end. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PEER_WATCH_H
#define BS_PEER_WATCH_H

#include <glib.h>

/* Lives inside its owner, which clears it before the socket is closed. */
typedef struct {
    int fd;
    guint watch;
    gsize discarded;
    gboolean closed; /* the peer has closed its half, or all */
    /* It has closed. `code`: 0, or the errno of a connection that broke. May free the owner. */
    void (*ended)(int code, gpointer data);
    gpointer data;
} BsPeerWatch;

/* Begins or goes on watching, unless the peer has ended or says too much. */
void bs_peer_watch_start(BsPeerWatch *peer);
void bs_peer_watch_stop(BsPeerWatch *peer);

#endif
