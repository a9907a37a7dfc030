/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/negotiation.h"

#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "timer.h"

/* The longest single part of a handshake: an address with its length and port. */
#define READ_MAX 258

struct _BsNegotiation {
    int fd;
    BsHandshake *handshake;
    guint watch;
    PurpleInputCondition watched;
    guint timer;
    BsNegotiationDone done;
    gpointer data;
};

/* What moving bytes came to. */
typedef enum {
    STEP_DONE,    /* something moved: go on */
    STEP_WAIT,    /* the socket is not ready */
    STEP_STOPPED, /* the connection is gone */
} Step;

static void ready(gpointer data, int fd, PurpleInputCondition condition);

static void
stop_watching(BsNegotiation *negotiation)
{
    guint id = negotiation->watch;

    negotiation->watch = 0;
    if (id != 0)
        purple_input_remove(id);
}

static void
watch(BsNegotiation *negotiation, PurpleInputCondition condition)
{
    if (negotiation->watch != 0 && negotiation->watched == condition)
        return;
    stop_watching(negotiation);
    negotiation->watched = condition;
    negotiation->watch = purple_input_add(negotiation->fd, condition, ready, negotiation);
}

static void
stop_waiting(BsNegotiation *negotiation)
{
    stop_watching(negotiation);
    bs_timer_clear(&negotiation->timer);
}

/* The negotiation may be gone afterwards. */
static void
end(BsNegotiation *negotiation, BsHandshakeState state, const char *reason)
{
    int fd = negotiation->fd;

    stop_waiting(negotiation);
    negotiation->fd = -1;
    if (state != BS_HANDSHAKE_DONE) {
        bs_socket_close(fd);
        fd = -1;
    }
    negotiation->done(negotiation, state, fd, reason, negotiation->data);
}

static gboolean
deadline_passed(gpointer data)
{
    BsNegotiation *negotiation = data;

    negotiation->timer = 0;
    end(negotiation, BS_HANDSHAKE_BROKEN, bs_handshake_reason(negotiation->handshake));
    return FALSE;
}

static gboolean
is_not_ready(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static Step
send_some(BsNegotiation *negotiation, const guint8 *bytes, gsize length)
{
    gssize sent = send(negotiation->fd, bytes, length, MSG_NOSIGNAL);

    if (sent < 0)
        return is_not_ready(errno) ? STEP_WAIT : STEP_STOPPED;
    bs_handshake_sent(negotiation->handshake, (gsize)sent);
    return STEP_DONE;
}

static Step
receive_some(BsNegotiation *negotiation)
{
    guint8 buffer[READ_MAX];
    gsize wanted = MIN(bs_handshake_wants(negotiation->handshake), sizeof buffer);
    gssize received = recv(negotiation->fd, buffer, wanted, 0);

    if (received == 0)
        return STEP_STOPPED;
    if (received < 0)
        return is_not_ready(errno) ? STEP_WAIT : STEP_STOPPED;
    bs_handshake_feed(negotiation->handshake, buffer, (gsize)received);
    return STEP_DONE;
}

static void
ready(gpointer data, int fd, PurpleInputCondition condition)
{
    BsNegotiation *negotiation = data;
    Step step = STEP_DONE;

    (void)fd;
    (void)condition;
    while (step == STEP_DONE) {
        BsHandshakeState state = bs_handshake_state(negotiation->handshake);
        gsize length;
        const guint8 *bytes = bs_handshake_pending(negotiation->handshake, &length);

        if (state == BS_HANDSHAKE_BROKEN || (state != BS_HANDSHAKE_GOES_ON && length == 0)) {
            end(negotiation, state, bs_handshake_reason(negotiation->handshake));
            return;
        }
        step = length > 0 ? send_some(negotiation, bytes, length) : receive_some(negotiation);
        if (step == STEP_WAIT)
            watch(negotiation, length > 0 ? PURPLE_INPUT_WRITE : PURPLE_INPUT_READ);
    }
    if (step == STEP_STOPPED)
        end(negotiation, BS_HANDSHAKE_BROKEN, "the connection was closed during the handshake");
}

BsNegotiation *
bs_negotiation_new(int fd, BsHandshake *handshake, guint deadline_ms, BsNegotiationDone done, gpointer data)
{
    BsNegotiation *negotiation = g_new0(BsNegotiation, 1);
    int flags = fcntl(fd, F_GETFL);
    gsize pending;

    negotiation->fd = fd;
    negotiation->handshake = handshake;
    negotiation->done = done;
    negotiation->data = data;
    if (flags != -1)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    bs_handshake_pending(handshake, &pending);
    watch(negotiation, pending > 0 ? PURPLE_INPUT_WRITE : PURPLE_INPUT_READ);
    negotiation->timer = purple_timeout_add(deadline_ms, deadline_passed, negotiation);
    return negotiation;
}

void
bs_negotiation_free(BsNegotiation *negotiation)
{
    if (negotiation == NULL)
        return;
    stop_waiting(negotiation);
    bs_socket_close(negotiation->fd);
    bs_handshake_free(negotiation->handshake);
    g_free(negotiation);
}

BsHandshake *
bs_negotiation_handshake(BsNegotiation *negotiation)
{
    return negotiation->handshake;
}

void
bs_socket_close(int fd)
{
    if (fd < 0)
        return;
    shutdown(fd, SHUT_RDWR);
    close(fd);
}
