/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/accepted.h"

#include <errno.h>
#include <glib.h>
#include <sys/socket.h>

#include "socks5/negotiation.h"

/* More than a peer makes that dials each of our candidates twice. */
#define ACCEPTED_MAX 32

typedef struct {
    int fd;
    char *local_address;
} Connection;

struct _BsAccepted {
    GArray *connections;
};

static void
clear_connection(gpointer item)
{
    Connection *connection = item;

    bs_socket_close(connection->fd);
    g_free(connection->local_address);
}

BsAccepted *
bs_accepted_new(void)
{
    BsAccepted *accepted = g_new0(BsAccepted, 1);

    accepted->connections = g_array_new(FALSE, FALSE, sizeof(Connection));
    g_array_set_clear_func(accepted->connections, clear_connection);
    return accepted;
}

void
bs_accepted_free(BsAccepted *accepted)
{
    g_array_unref(accepted->connections);
    g_free(accepted);
}

void
bs_accepted_add(BsAccepted *accepted, int fd, const char *local_address)
{
    Connection connection = {.fd = fd, .local_address = g_strdup(local_address)};

    if (accepted->connections->len >= ACCEPTED_MAX)
        g_array_remove_index(accepted->connections, 0);
    g_array_append_val(accepted->connections, connection);
}

void
bs_accepted_clear(BsAccepted *accepted)
{
    g_array_set_size(accepted->connections, 0);
}

static gboolean
is_alive(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

guint
bs_accepted_alive(const BsAccepted *accepted)
{
    guint count = 0;

    for (guint i = 0; i < accepted->connections->len; i++)
        if (is_alive(g_array_index(accepted->connections, Connection, i).fd))
            count++;
    return count;
}

/* The peer closes what it does not use, so an open connection comes first; but one that it has ended in good
 * order may also be the nominated one, with a file of 0 bytes. */
static guint
fitness(const Connection *connection, const char *local_address)
{
    gboolean same = g_strcmp0(connection->local_address, local_address) == 0;

    return (is_alive(connection->fd) ? 2 : 0) + (same ? 1 : 0);
}

int
bs_accepted_steal(BsAccepted *accepted, const char *local_address, char **reached)
{
    Connection *best = NULL;
    guint best_fitness = 0;
    int fd = -1;

    for (guint i = 0; i < accepted->connections->len; i++) {
        Connection *connection = &g_array_index(accepted->connections, Connection, i);
        guint this_fitness = fitness(connection, local_address);

        if (best == NULL || this_fitness >= best_fitness) {
            best = connection;
            best_fitness = this_fitness;
        }
    }
    if (best != NULL) {
        fd = best->fd;
        best->fd = -1;
        if (reached != NULL)
            *reached = g_steal_pointer(&best->local_address);
        g_array_remove_index(accepted->connections,
                             (guint)(best - (Connection *)(gpointer)accepted->connections->data));
    }
    return fd;
}
