/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/peer_watch.h"

#include <errno.h>
#include <eventloop.h>
#include <sys/socket.h>

/* More than this is not listened to. */
#define DISCARDED_BYTES_MAX (64 * 1024)

static void
peer_ready(gpointer data, gint fd, PurpleInputCondition condition)
{
    BsPeerWatch *peer = data;
    guint8 dust[4096];
    gssize count = recv(fd, dust, sizeof dust, MSG_DONTWAIT);
    int code = count < 0 ? errno : 0;

    (void)condition;
    if (code == EAGAIN || code == EWOULDBLOCK || code == EINTR)
        return;
    if (count > 0) {
        peer->discarded += (gsize)count;
        if (peer->discarded >= DISCARDED_BYTES_MAX)
            bs_peer_watch_stop(peer);
        return;
    }
    bs_peer_watch_stop(peer);
    peer->closed = TRUE;
    peer->ended(code, peer->data);
}

void
bs_peer_watch_start(BsPeerWatch *peer)
{
    if (peer->watch == 0 && !peer->closed && peer->discarded < DISCARDED_BYTES_MAX)
        peer->watch = purple_input_add(peer->fd, PURPLE_INPUT_READ, peer_ready, peer);
}

void
bs_peer_watch_stop(BsPeerWatch *peer)
{
    guint watch = peer->watch;

    peer->watch = 0;
    if (watch != 0)
        purple_input_remove(watch);
}
