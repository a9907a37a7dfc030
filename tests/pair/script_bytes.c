/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "script_bytes.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "purple_env.h"
#include "socks5/listener.h"

void
script_send_bytes(int fd, const void *bytes, gsize length)
{
    ck_assert_int_eq(send(fd, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
    bs_test_run_for(20);
}

void
script_receive_bytes(int fd, guint8 *buffer, gsize length)
{
    gsize got = 0;

    for (guint i = 0; got < length && i < 1000; i++) {
        ssize_t now = recv(fd, buffer + got, length - got, MSG_DONTWAIT);

        ck_assert(now > 0 || (now < 0 && errno == EAGAIN));
        got += now > 0 ? (gsize)now : 0;
        bs_test_run_for(5);
    }
    ck_assert_uint_eq(got, length);
}

guint8
script_dial(const char *dst_addr, int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = g_htons(bs_listener_port())};
    guint8 request[5 + 255 + 2] = {5, 1, 0, 3, (guint8)strlen(dst_addr)};
    guint8 reply[5 + 255 + 2];

    address.sin_addr.s_addr = g_htonl(INADDR_LOOPBACK);
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(*fd, (struct sockaddr *)&address, sizeof address), 0);
    script_send_bytes(*fd, "\x05\x01\x00", 3);
    script_receive_bytes(*fd, reply, 2);
    ck_assert_uint_eq(reply[1], 0);
    memcpy(request + 5, dst_addr, strlen(dst_addr));
    script_send_bytes(*fd, request, 5 + strlen(dst_addr) + 2);
    script_receive_bytes(*fd, reply, 2);
    if (reply[1] == 0)
        script_receive_bytes(*fd, reply + 2, 3 + strlen(dst_addr) + 2);
    return reply[1];
}
