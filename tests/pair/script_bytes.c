/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "script_bytes.h"

#include <arpa/inet.h>
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

static int
connect_to(const char *host, guint16 port)
{
    gboolean ipv6 = strchr(host, ':') != NULL;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = g_htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = g_htons(port)};
    struct sockaddr *address = ipv6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(
        inet_pton(address->sa_family, host, ipv6 ? (void *)&six.sin6_addr : (void *)&four.sin_addr), 1);
    ck_assert_int_eq(connect(fd, address, ipv6 ? sizeof six : sizeof four), 0);
    return fd;
}

guint8
script_dial_at(const char *host, guint16 port, const char *dst_addr, int *fd)
{
    guint8 request[5 + 255 + 2] = {5, 1, 0, 3, (guint8)strlen(dst_addr)};
    guint8 reply[5 + 255 + 2];

    *fd = connect_to(host, port);
    script_send_bytes(*fd, "\x05\x01\x00", 3);
    script_receive_bytes(*fd, reply, 2);
    ck_assert_uint_eq(reply[1], 0);
    memcpy(request + 5, dst_addr, strlen(dst_addr));
    script_send_bytes(*fd, request, 5 + strlen(dst_addr) + 2);
    script_receive_bytes(*fd, reply, 2);
    if (reply[1] == 0) {
        script_receive_bytes(*fd, reply + 2, 3 + strlen(dst_addr) + 2);
        /* Dino and Smack look at all of it (XEP-0065, 5.3.2). */
        ck_assert_mem_eq(reply + 2, request + 2, 3 + strlen(dst_addr) + 2);
    }
    return reply[1];
}

guint8
script_dial(const char *dst_addr, int *fd)
{
    return script_dial_at("127.0.0.1", bs_listener_port(), dst_addr, fd);
}
