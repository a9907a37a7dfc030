/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scripted_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <eventloop.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    Server *server;
    int fd;
    guint watch;
    guint8 bytes[600];
    gsize length;
    gboolean greeted;
    gboolean relayed;
    gboolean held;
} Client;

static guint turns;

static void
client_end(Client *client)
{
    if (client->watch != 0)
        purple_input_remove(client->watch);
    client->watch = 0;
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

static void
client_free(Client *client)
{
    client_end(client);
    g_free(client);
}

static void
client_send(Client *client, const void *bytes, gsize length)
{
    if (client->fd >= 0)
        ck_assert_int_eq(send(client->fd, bytes, length, MSG_NOSIGNAL), (gssize)length);
}

/* Reply and mark go in one piece. */
static void
client_reply(Client *client, guint8 code, const char *dst_addr, gboolean with_mark)
{
    g_autoptr(GByteArray) reply = g_byte_array_new();
    guint8 length = (guint8)strlen(dst_addr);

    g_byte_array_append(reply, (const guint8[]){5, code, 0, 3, length}, 5);
    g_byte_array_append(reply, (const guint8 *)dst_addr, length);
    g_byte_array_append(reply, (const guint8[]){0, 0}, 2);
    if (with_mark)
        g_byte_array_append(reply, (const guint8 *)&client->server->mark, 1);
    client_send(client, reply->data, reply->len);
}

void
server_release(Server *server, guint8 code)
{
    server->behaviour = code == 0 ? ACCEPT : REFUSE;
    for (guint i = 0; i < server->clients->len; i++) {
        Client *client = server->clients->pdata[i];

        if (client->held)
            client_reply(client, code, FIRST_DST, code == 0);
        client->held = FALSE;
    }
}

static gboolean
release_later(gpointer data)
{
    server_release(data, 0);
    return FALSE;
}

static void
client_answer(Client *client, const char *dst_addr)
{
    Server *server = client->server;
    gboolean first = strcmp(dst_addr, FIRST_DST) == 0;

    server->requested = TRUE;
    switch (server->behaviour) {
    case ACCEPT:
        client_reply(client, 0, dst_addr, TRUE);
        break;
    case REFUSE:
        client_reply(client, 2, dst_addr, FALSE);
        break;
    case REFUSE_FIRST:
        client_reply(client, first ? 2 : 0, dst_addr, !first);
        break;
    case CLOSE_FIRST:
        if (first)
            client_end(client);
        else
            client_reply(client, 0, dst_addr, TRUE);
        break;
    case HOLD:
        client->held = TRUE;
        break;
    case RELAY:
        client_reply(client, 0, dst_addr, client->relayed);
        client->relayed = TRUE;
        client->greeted = FALSE;
        break;
    case SILENT:
    case GARBAGE:
        break;
    }
    if (server->releases != NULL)
        purple_timeout_add(10, release_later, g_steal_pointer(&server->releases));
}

static void
client_parse(Client *client)
{
    gsize length;

    if (!client->greeted && client->length >= 2 && client->length >= 2u + client->bytes[1]) {
        client->greeted = TRUE;
        client->length = 0;
        if (client->server->behaviour == GARBAGE)
            client_send(client, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
        else if (client->server->behaviour != SILENT)
            client_send(client, (const guint8[]){5, 0}, 2);
    } else if (client->greeted && client->length >= 5 && client->length >= (length = 7u + client->bytes[4])) {
        char *dst_addr = g_strndup((const char *)client->bytes + 5, client->bytes[4]);

        g_ptr_array_add(client->server->asked, dst_addr);
        client->length = 0;
        client_answer(client, dst_addr);
    }
}

static void
client_readable(gpointer data, int fd, PurpleInputCondition condition)
{
    Client *client = data;
    gssize received = recv(fd, client->bytes + client->length, sizeof client->bytes - client->length, 0);

    (void)condition;
    if (received <= 0) {
        client->server->closed = TRUE;
        client_end(client);
        return;
    }
    client->length += (gsize)received;
    client_parse(client);
}

static void
server_readable(gpointer data, int fd, PurpleInputCondition condition)
{
    Server *server = data;
    Client *client = g_new0(Client, 1);

    (void)condition;
    client->server = server;
    client->fd = accept(fd, NULL, NULL);
    ck_assert_int_ge(client->fd, 0);
    g_ptr_array_add(server->clients, client);
    server->reached = TRUE;
    if (server->connections++ == 0)
        server->turn = ++turns;
    client->watch = purple_input_add(client->fd, PURPLE_INPUT_READ, client_readable, client);
}

static int
listen_at(guint16 *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(*port)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(fd, 50), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

guint16
closed_port(void)
{
    guint16 port = 0;

    close(listen_at(&port));
    return port;
}

void
server_listen(Server *server)
{
    server->fd = listen_at(&server->port);
    server->watch = purple_input_add(server->fd, PURPLE_INPUT_READ, server_readable, server);
}

void
server_deafen(Server *server)
{
    purple_input_remove(server->watch);
    close(server->fd);
}

Server *
server_new(Behaviour behaviour, char mark)
{
    Server *server = g_new0(Server, 1);

    server->behaviour = behaviour;
    server->mark = mark;
    server->clients = g_ptr_array_new_with_free_func((GDestroyNotify)client_free);
    server->asked = g_ptr_array_new_with_free_func(g_free);
    server_listen(server);
    return server;
}

void
server_free(Server *server)
{
    server_deafen(server);
    g_ptr_array_unref(server->clients);
    g_ptr_array_unref(server->asked);
    g_free(server);
}

void
assert_asked(const Server *server, const char *first, const char *second)
{
    ck_assert_uint_eq(server->asked->len, (first != NULL) + (second != NULL));
    if (first != NULL)
        ck_assert_str_eq(server->asked->pdata[0], first);
    if (second != NULL)
        ck_assert_str_eq(server->asked->pdata[1], second);
}
