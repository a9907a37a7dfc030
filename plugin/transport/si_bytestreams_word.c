/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/si_bytestreams_word.h"

#include <errno.h>
#include <eventloop.h>
#include <sys/socket.h>

#include "log.h"
#include "socks5/negotiation.h"

/* More than a peer makes that dials each of our streamhosts twice. */
#define CONNECTIONS_MAX 32

typedef struct {
    BsSiWord *word;
    int fd;
    guint watch;
    BsCandidate *candidate;
    gboolean dialled_by_us;
} Connection;

struct _BsSiWord {
    const char *id;
    const BsSiWordEvents *events;
    gpointer data;
    GPtrArray *connections;
};

static void
connection_free(gpointer item)
{
    Connection *connection = item;

    purple_input_remove(connection->watch);
    bs_socket_close(connection->fd);
    bs_candidate_free(connection->candidate);
    g_free(connection);
}

static void
say(BsSiWord *word, Connection *connection)
{
    g_autoptr(BsCandidate) candidate = g_steal_pointer(&connection->candidate);
    gboolean dialled_by_us = connection->dialled_by_us;
    int fd = connection->fd;

    connection->fd = -1;
    g_ptr_array_remove(word->connections, connection);
    bs_log(word->id, "the peer says that this is the connection");
    word->events->said(fd, candidate, dialled_by_us, word->data);
}

static void
lose(BsSiWord *word, Connection *connection)
{
    g_ptr_array_remove(word->connections, connection);
    if (word->connections->len == 0)
        word->events->all_lost(word->data);
}

/* Reads that one byte: what follows is the file. */
static void
readable(gpointer data, int fd, PurpleInputCondition condition)
{
    Connection *connection = data;
    char byte;
    gssize got = recv(fd, &byte, 1, MSG_DONTWAIT);

    (void)condition;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got == 1 && byte == '\r')
        say(connection->word, connection);
    else
        lose(connection->word, connection);
}

BsSiWord *
bs_si_word_new(const char *id, const BsSiWordEvents *events, gpointer data)
{
    BsSiWord *word = g_new0(BsSiWord, 1);

    word->id = id;
    word->events = events;
    word->data = data;
    word->connections = g_ptr_array_new_with_free_func(connection_free);
    return word;
}

void
bs_si_word_add(BsSiWord *word, int fd, BsCandidate *candidate, gboolean dialled_by_us)
{
    Connection *connection = g_new0(Connection, 1);

    if (word->connections->len >= CONNECTIONS_MAX)
        g_ptr_array_remove_index(word->connections, 0);
    connection->word = word;
    connection->fd = fd;
    connection->candidate = candidate;
    connection->dialled_by_us = dialled_by_us;
    connection->watch = purple_input_add(fd, PURPLE_INPUT_READ, readable, connection);
    g_ptr_array_add(word->connections, connection);
}

gboolean
bs_si_word_is_awaited(const BsSiWord *word)
{
    return word != NULL && word->connections->len > 0;
}

void
bs_si_word_free(BsSiWord *word)
{
    if (word == NULL)
        return;
    g_ptr_array_unref(word->connections);
    g_free(word);
}
