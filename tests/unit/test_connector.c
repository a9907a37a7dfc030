/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/connector.h"

#include <arpa/inet.h>
#include <check.h>
#include <eventloop.h>
#include <notify.h>
#include <prefs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/purple_env.h"

#define PATIENCE 60 /* seconds, against hangs */
#define FIRST_DST "1111111111111111111111111111111111111111"
#define OTHER_DST "2222222222222222222222222222222222222222"

static const char *const both_dsts[] = {FIRST_DST, OTHER_DST, NULL};

/* A scripted SOCKS5 server. */

typedef enum {
    ACCEPT,
    REFUSE,
    REFUSE_FIRST,
    CLOSE_FIRST,
    SILENT,  /* takes the connection and says nothing */
    HOLD,    /* answers the request only when it is released */
    GARBAGE, /* is no SOCKS5 server at all */
    RELAY,   /* takes one request as a proxy does, then a second one in the same connection */
} Behaviour;

typedef struct _Server Server;
struct _Server {
    Behaviour behaviour;
    char mark; /* sent behind the handshake */
    int fd;
    guint watch;
    guint16 port;
    GPtrArray *clients;
    GPtrArray *asked; /* every DST.ADDR */
    guint connections;
    guint turn;         /* of all servers: the how manieth to be connected to */
    gboolean reached;   /* a connection has come */
    gboolean requested; /* a request has come */
    gboolean closed;    /* a client has gone */
    Server *releases;   /* soon after the first answer of this one */
};

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

static void
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

/* At `*port`; if that is 0, at any, which it then is. */
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

/* A port at which nobody listens. */
static guint16
closed_port(void)
{
    guint16 port = 0;

    close(listen_at(&port));
    return port;
}

static Server *
server_new(Behaviour behaviour, char mark)
{
    Server *server = g_new0(Server, 1);

    server->behaviour = behaviour;
    server->mark = mark;
    server->clients = g_ptr_array_new_with_free_func((GDestroyNotify)client_free);
    server->asked = g_ptr_array_new_with_free_func(g_free);
    server->fd = listen_at(&server->port);
    server->watch = purple_input_add(server->fd, PURPLE_INPUT_READ, server_readable, server);
    return server;
}

static void
server_free(Server *server)
{
    purple_input_remove(server->watch);
    close(server->fd);
    g_ptr_array_unref(server->clients);
    g_ptr_array_unref(server->asked);
    g_free(server);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Server, server_free)

static void
assert_asked(const Server *server, const char *first, const char *second)
{
    ck_assert_uint_eq(server->asked->len, (first != NULL) + (second != NULL));
    if (first != NULL)
        ck_assert_str_eq(server->asked->pdata[0], first);
    if (second != NULL)
        ck_assert_str_eq(server->asked->pdata[1], second);
}

/* A connector and what it told. */

typedef struct {
    BsConnector *connector;
    gboolean frees_inside;
    gboolean told; /* something; to be reset by the test */
    guint connected;
    guint exhausted;
    int fd;
    char cid; /* its first letter */
} Run;

static void
connected(BsConnector *connector, const BsCandidate *candidate, int fd, gpointer data)
{
    Run *run = data;

    ck_assert_ptr_eq(connector, run->connector);
    run->connected++;
    run->told = TRUE;
    run->fd = fd;
    if (run->frees_inside)
        bs_connector_free(g_steal_pointer(&run->connector));
    run->cid = candidate->cid[0];
}

static void
exhausted(BsConnector *connector, gpointer data)
{
    Run *run = data;

    ck_assert_ptr_eq(connector, run->connector);
    run->exhausted++;
    run->told = TRUE;
    if (run->frees_inside)
        bs_connector_free(g_steal_pointer(&run->connector));
}

static const BsConnectorEvents events = {.connected = connected, .exhausted = exhausted};

static Run *
run_new_with(const char *const *dst_addrs)
{
    Run *run = g_new0(Run, 1);

    run->fd = -1;
    run->connector = bs_connector_new("t1", NULL, dst_addrs, &events, run);
    return run;
}

static Run *
run_new(void)
{
    return run_new_with(both_dsts);
}

static void
run_free(Run *run)
{
    bs_connector_free(run->connector);
    if (run->fd >= 0)
        close(run->fd);
    g_free(run);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Run, run_free)

static void
add_port(Run *run, BsCandidateType type, char cid, guint16 port, guint32 priority)
{
    const char text[] = {cid, '\0'};
    g_autoptr(BsCandidate) candidate = bs_candidate_new(type, text, NULL, "127.0.0.1", port, priority);

    bs_connector_add(run->connector, candidate);
}

static void
add(Run *run, const Server *server, guint32 priority)
{
    add_port(run, BS_CANDIDATE_DIRECT, server->mark, server->port, priority);
}

static void
wait_for(const gboolean *condition)
{
    ck_assert(bs_test_run_until(condition, PATIENCE));
}

static void
wait_for_exhausted(Run *run)
{
    guint before = run->exhausted;

    wait_for(&run->told);
    run->told = FALSE;
    ck_assert_uint_eq(run->exhausted, before + 1);
    ck_assert_uint_eq(run->connected, 0);
}

/* ... to the server with this mark, whose first byte behind the handshake is still there to be read. */
static void
wait_for_connected(Run *run, const Server *server)
{
    char byte = 0;

    wait_for(&run->told);
    ck_assert_uint_eq(run->connected, 1);
    ck_assert_int_eq(run->cid, server->mark);
    ck_assert_int_eq(recv(run->fd, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, server->mark);
}

START_TEST(the_only_one)
{
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    add(run, server, 1);
    bs_connector_start(run->connector);
    ck_assert(!run->told);
    wait_for_connected(run, server);
    assert_asked(server, FIRST_DST, NULL);
    bs_test_run_for(50);
    ck_assert_uint_eq(run->connected + run->exhausted, 1);
}
END_TEST

START_TEST(none_at_all)
{
    g_autoptr(Run) run = run_new();

    bs_connector_start(run->connector);
    ck_assert(!run->told);
    wait_for_exhausted(run);
    bs_connector_start(run->connector);
    ck_assert(!run->told);
    wait_for_exhausted(run);
}
END_TEST

START_TEST(nothing_before_the_start)
{
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    add(run, server, 1);
    bs_test_run_for(50);
    ck_assert(!run->told);
    ck_assert_uint_eq(server->connections, 0);
}
END_TEST

START_TEST(all_fail)
{
    g_autoptr(Server) refusing = server_new(REFUSE, 'r');
    g_autoptr(Server) garbage = server_new(GARBAGE, 'g');
    g_autoptr(Run) run = run_new();

    add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), 3);
    add(run, refusing, 2);
    add(run, garbage, 1);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    assert_asked(refusing, FIRST_DST, OTHER_DST);
    ck_assert_uint_gt(garbage->connections, 0);
    bs_test_run_for(50);
    ck_assert_uint_eq(run->exhausted, 1);
}
END_TEST

static void
stop_listening(Server *server)
{
    purple_input_remove(server->watch);
    close(server->fd);
}

static gboolean
listen_again(gpointer data)
{
    Server *server = data;

    server->fd = listen_at(&server->port);
    server->watch = purple_input_add(server->fd, PURPLE_INPUT_READ, server_readable, server);
    return FALSE;
}

/* With those of whom that is expected. */
START_TEST(one_who_listens_late)
{
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    stop_listening(server);
    add(run, server, 1);
    if (_i)
        bs_connector_redial_refused(run->connector);
    bs_connector_start(run->connector);
    if (_i) {
        purple_timeout_add(50, listen_again, server);
        wait_for_connected(run, server);
    } else {
        wait_for_exhausted(run);
        listen_again(server);
    }
}
END_TEST

/* That they may listen late holds up no other one, nor does it go on without end. */
START_TEST(who_never_listens)
{
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), 3);
    bs_connector_redial_refused(run->connector);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), 3);
    add(run, server, 1);
    wait_for_connected(run, server);
}
END_TEST

static const Behaviour choosy[] = {REFUSE_FIRST, CLOSE_FIRST};

START_TEST(the_other_dst_addr)
{
    g_autoptr(Server) server = server_new(choosy[_i], 'a');
    g_autoptr(Run) run = run_new();

    add(run, server, 1);
    bs_connector_start(run->connector);
    wait_for_connected(run, server);
    assert_asked(server, FIRST_DST, OTHER_DST);
    ck_assert_uint_eq(server->connections, 2);
}
END_TEST

START_TEST(a_proxy_is_asked_once)
{
    g_autoptr(Server) server = server_new(REFUSE_FIRST, 'p');
    g_autoptr(Run) run = run_new();

    add_port(run, BS_CANDIDATE_PROXY, 'p', server->port, 1);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    assert_asked(server, FIRST_DST, NULL);
}
END_TEST

START_TEST(one_dst_addr)
{
    static const char *const lists[][3] = {{FIRST_DST, NULL, NULL}, {FIRST_DST, FIRST_DST, NULL}};
    g_autoptr(Server) server = server_new(REFUSE, 'a');
    g_autoptr(Run) run = run_new_with(lists[_i]);

    add(run, server, 1);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    assert_asked(server, FIRST_DST, NULL);
}
END_TEST

START_TEST(the_best_first)
{
    g_autoptr(Server) worst = server_new(ACCEPT, 'w');
    g_autoptr(Server) best = server_new(ACCEPT, 'b');
    g_autoptr(Run) run = run_new();

    add(run, worst, 1);
    add(run, best, 2);
    bs_connector_start(run->connector);
    wait_for_connected(run, best);
}
END_TEST

START_TEST(order_of_attempts)
{
    g_autoptr(Server) proxy = server_new(SILENT, 'p');
    g_autoptr(Server) worst = server_new(SILENT, 'w');
    g_autoptr(Server) best = server_new(SILENT, 'b');
    g_autoptr(Run) run = run_new();

    add_port(run, BS_CANDIDATE_PROXY, 'p', proxy->port, 9);
    add(run, worst, 1);
    add(run, best, 2);
    bs_connector_start(run->connector);
    wait_for(&best->reached);
    wait_for(&worst->reached);
    wait_for(&proxy->reached);
    ck_assert_uint_lt(best->turn, worst->turn);
    ck_assert_uint_lt(worst->turn, proxy->turn);
    ck_assert(!run->told);
}
END_TEST

START_TEST(a_worse_one_after_grace)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) proxy = server_new(ACCEPT, 'p');
    g_autoptr(Run) run = run_new();

    add(run, silent, 2);
    add_port(run, BS_CANDIDATE_PROXY, 'p', proxy->port, 1);
    bs_connector_start(run->connector);
    wait_for_connected(run, proxy);
    wait_for(&silent->closed);
}
END_TEST

START_TEST(a_better_one_within_grace)
{
    g_autoptr(Server) better = server_new(HOLD, 'b');
    g_autoptr(Server) worse = server_new(ACCEPT, 'w');
    g_autoptr(Run) run = run_new();

    worse->releases = better;
    add(run, better, 2);
    add(run, worse, 1);
    bs_connector_start(run->connector);
    wait_for_connected(run, better);
    wait_for(&worse->closed);
}
END_TEST

START_TEST(a_better_one_fails_within_grace)
{
    g_autoptr(Server) better = server_new(HOLD, 'b');
    g_autoptr(Server) worse = server_new(ACCEPT, 'w');
    g_autoptr(Run) run = run_new();

    add(run, better, 2);
    add(run, worse, 1);
    bs_connector_start(run->connector);
    wait_for(&worse->requested);
    server_release(better, 2);
    wait_for_connected(run, worse);
}
END_TEST

START_TEST(an_equal_one_does_not_wait)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) equal = server_new(ACCEPT, 'e');
    g_autoptr(Run) run = run_new();

    add(run, silent, 1);
    add(run, equal, 1);
    bs_connector_start(run->connector);
    wait_for_connected(run, equal);
    wait_for(&silent->closed);
}
END_TEST

START_TEST(only_above_leaves_nothing)
{
    g_autoptr(Server) server = server_new(SILENT, 's');
    g_autoptr(Run) run = run_new();

    add(run, server, 5);
    add_port(run, BS_CANDIDATE_PROXY, 'p', closed_port(), 4);
    bs_connector_start(run->connector);
    wait_for(&server->reached);
    bs_connector_only_above(run->connector, 5);
    ck_assert(!run->told);
    wait_for_exhausted(run);
    wait_for(&server->closed);
    bs_connector_only_above(run->connector, 6);
    bs_test_run_for(50);
    ck_assert_uint_eq(run->exhausted, 1);
}
END_TEST

START_TEST(only_above_leaves_a_better_one)
{
    g_autoptr(Server) better = server_new(HOLD, 'b');
    g_autoptr(Server) worse = server_new(HOLD, 'w');
    g_autoptr(Run) run = run_new();

    add(run, better, 6);
    add(run, worse, 5);
    bs_connector_start(run->connector);
    wait_for(&worse->requested);
    bs_connector_only_above(run->connector, 5);
    wait_for(&worse->closed);
    ck_assert(!run->told);
    server_release(better, 0);
    wait_for_connected(run, better);
}
END_TEST

START_TEST(only_above_takes_one_that_waits)
{
    g_autoptr(Server) better = server_new(HOLD, 'b');
    g_autoptr(Server) worse = server_new(ACCEPT, 'w');
    g_autoptr(Run) run = run_new();

    add(run, better, 6);
    add(run, worse, 5);
    bs_connector_start(run->connector);
    wait_for(&worse->requested);
    bs_test_run_for(20);
    if (run->connected == 1)
        return; /* a very slow machine: its grace is over */
    bs_connector_only_above(run->connector, 5);
    wait_for(&worse->closed);
    ck_assert(!run->told);
    server_release(better, 2);
    wait_for_exhausted(run);
}
END_TEST

/* The grace of one that was given up is not that of the next one. */
START_TEST(only_above_ends_the_grace)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) best = server_new(HOLD, 'b');
    g_autoptr(Server) middle = server_new(ACCEPT, 'm');
    g_autoptr(Server) worse = server_new(ACCEPT, 'w');
    g_autoptr(Run) run = run_new();

    add(run, silent, 7);
    add(run, worse, 5);
    bs_connector_start(run->connector);
    wait_for(&worse->requested);
    bs_test_run_for(20);
    if (run->connected == 1)
        return; /* as above */
    bs_connector_only_above(run->connector, 5);
    bs_test_run_for(400);
    ck_assert(!run->told);
    middle->releases = best;
    add(run, best, 8);
    add(run, middle, 6);
    wait_for_connected(run, best);
}
END_TEST

START_TEST(the_time_left)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) proxy = server_new(SILENT, 'p');
    g_autoptr(Run) run = run_new();
    guint at_first;

    ck_assert_uint_eq(bs_connector_time_left(run->connector), 0);
    add(run, silent, 6);
    at_first = bs_connector_time_left(run->connector);
    ck_assert_uint_gt(at_first, 0);
    bs_connector_start(run->connector);
    wait_for(&silent->reached);
    bs_test_run_for(at_first + 10);
    ck_assert_uint_eq(bs_connector_time_left(run->connector), 0);
    ck_assert(!run->told);
    add_port(run, BS_CANDIDATE_PROXY, 'p', proxy->port, 5);
    ck_assert_uint_gt(bs_connector_time_left(run->connector), 0);
    bs_connector_only_above(run->connector, 5);
    ck_assert_uint_eq(bs_connector_time_left(run->connector), 0);
}
END_TEST

START_TEST(only_above_before_the_start)
{
    g_autoptr(Server) worse = server_new(ACCEPT, 'w');
    g_autoptr(Server) better = server_new(ACCEPT, 'b');
    g_autoptr(Run) run = run_new();

    bs_connector_only_above(run->connector, 5);
    add(run, worse, 5);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    add(run, better, 6);
    wait_for_connected(run, better);
    ck_assert_uint_eq(worse->connections, 0);
}
END_TEST

START_TEST(added_while_it_runs)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    add(run, silent, 1);
    bs_connector_start(run->connector);
    wait_for(&silent->reached);
    add(run, server, 2);
    wait_for_connected(run, server);
    wait_for(&silent->closed);
}
END_TEST

START_TEST(added_after_the_end)
{
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), 1);
    ck_assert(!run->told);
    wait_for_exhausted(run);
    add(run, server, 1);
    wait_for_connected(run, server);
    add(run, server, 2);
    bs_connector_only_above(run->connector, 1);
    bs_connector_start(run->connector);
    bs_test_run_for(50);
    ck_assert_uint_eq(server->connections, 1);
    ck_assert_uint_eq(run->exhausted, 2);
}
END_TEST

START_TEST(too_many)
{
    g_autoptr(Server) best = server_new(REFUSE, 'b');
    g_autoptr(Server) last = server_new(ACCEPT, 'l');
    g_autoptr(Run) run = run_new();
    guint16 closed = closed_port();

    add(run, last, 1);
    for (guint i = 1; i < BS_CANDIDATES_MAX; i++)
        add_port(run, BS_CANDIDATE_DIRECT, 'c', closed, 10);
    add(run, best, 11);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    ck_assert_uint_gt(best->connections, 0);
    add(run, last, 12);
    wait_for_exhausted(run);
    ck_assert_uint_eq(last->connections, 0);
}
END_TEST

START_TEST(freed_inside_connected)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    run->frees_inside = TRUE;
    add(run, silent, 1);
    add(run, server, 2);
    bs_connector_start(run->connector);
    wait_for_connected(run, server);
    ck_assert_ptr_null(run->connector);
    bs_test_run_for(50);
}
END_TEST

START_TEST(freed_inside_exhausted)
{
    g_autoptr(Server) server = server_new(REFUSE, 'a');
    g_autoptr(Run) run = run_new();

    run->frees_inside = TRUE;
    switch (_i) {
    case 0:
        break;
    case 1:
        add(run, server, 1);
        break;
    case 2:
        add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), 1);
        break;
    }
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    ck_assert_ptr_null(run->connector);
    bs_test_run_for(50);
}
END_TEST

/* After so many turns of the event loop: before, between and after all that happens to an attempt. */
START_TEST(freed_at_any_moment)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) server = server_new(ACCEPT, 'a');
    g_autoptr(Run) run = run_new();

    add(run, silent, 2);
    add(run, server, 1);
    bs_connector_start(run->connector);
    for (int i = 0; i < _i && !run->told; i++)
        g_main_context_iteration(NULL, TRUE);
    bs_connector_free(g_steal_pointer(&run->connector));
    run->told = FALSE;
    bs_test_run_for(20);
    ck_assert(!run->told);
    ck_assert(silent->connections == 0 || silent->closed);
}
END_TEST

START_TEST(freed_null)
{
    bs_connector_free(NULL);
}
END_TEST

START_TEST(the_deadline)
{
    g_autoptr(Server) silent = server_new(SILENT, 's');
    g_autoptr(Server) held = server_new(HOLD, 'h');
    g_autoptr(Run) run = run_new();

    add(run, silent, 2);
    add(run, held, 1);
    bs_connector_start(run->connector);
    wait_for_exhausted(run);
    wait_for(&silent->closed);
    wait_for(&held->closed);
    assert_asked(held, FIRST_DST, NULL);
}
END_TEST

/* libpurple's proxy settings. */

static void
set_global_proxy(const char *type, const char *host, int port)
{
    purple_prefs_set_string("/purple/proxy/host", host);
    purple_prefs_set_int("/purple/proxy/port", port);
    purple_prefs_set_string("/purple/proxy/type", type);
}

START_TEST(through_the_users_proxy)
{
    g_autoptr(Server) relay = server_new(RELAY, 'r');
    g_autoptr(Run) run = run_new();
    g_autoptr(BsCandidate) candidate = bs_candidate_new(BS_CANDIDATE_DIRECT, "r", NULL, "192.0.2.1", 5000, 1);

    set_global_proxy("socks5", "127.0.0.1", relay->port);
    bs_connector_add(run->connector, candidate);
    bs_connector_start(run->connector);
    wait_for_connected(run, relay);
    assert_asked(relay, "192.0.2.1", FIRST_DST);
    set_global_proxy("none", "", 0);
}
END_TEST

/* An account's own settings go before the global ones, which would be of no use here. */
START_TEST(through_the_accounts_proxy)
{
    g_autoptr(Server) relay = server_new(RELAY, 'r');
    g_autoptr(Run) run = run_new();
    g_autoptr(BsCandidate) candidate = bs_candidate_new(BS_CANDIDATE_DIRECT, "r", NULL, "192.0.2.1", 5000, 1);
    PurpleAccount *account = purple_account_new("alice@one.test", "prpl-jabber");
    PurpleProxyInfo *proxy = purple_proxy_info_new();

    purple_proxy_info_set_type(proxy, PURPLE_PROXY_SOCKS5);
    purple_proxy_info_set_host(proxy, "127.0.0.1");
    purple_proxy_info_set_port(proxy, relay->port);
    purple_account_set_proxy_info(account, proxy);
    bs_connector_free(run->connector);
    run->connector = bs_connector_new("t1", account, both_dsts, &events, run);
    bs_connector_add(run->connector, candidate);
    bs_connector_start(run->connector);
    wait_for_connected(run, relay);
    assert_asked(relay, "192.0.2.1", FIRST_DST);
    purple_account_destroy(account);
}
END_TEST

static guint messages;

static void *
count_message(PurpleNotifyMsgType type, const char *title, const char *primary, const char *secondary)
{
    (void)type;
    (void)title;
    (void)primary;
    (void)secondary;
    messages++;
    return &messages;
}

static void
close_message(PurpleNotifyType type, void *handle)
{
    (void)type;
    (void)handle;
}

static PurpleNotifyUiOps notify_ops = {.notify_message = count_message, .close_notify = close_message};

START_TEST(unusable_proxy_settings)
{
    g_autoptr(Run) run = run_new();

    messages = 0;
    purple_notify_set_ui_ops(&notify_ops);
    set_global_proxy("socks5", "127.0.0.1", 0);
    for (guint i = 1; i <= 5; i++)
        add_port(run, BS_CANDIDATE_DIRECT, 'c', closed_port(), i);
    bs_connector_start(run->connector);
    ck_assert(!run->told);
    wait_for_exhausted(run);
    ck_assert_uint_eq(messages, 0);
    set_global_proxy("none", "", 0);
    purple_notify_set_ui_ops(NULL);
}
END_TEST

static Suite *
connector_suite(void)
{
    Suite *suite = suite_create("connector");
    TCase *tests = tcase_create("connector");

    tcase_add_test(tests, the_only_one);
    tcase_add_test(tests, none_at_all);
    tcase_add_test(tests, nothing_before_the_start);
    tcase_add_test(tests, all_fail);
    tcase_add_loop_test(tests, one_who_listens_late, 0, 2);
    tcase_add_test(tests, who_never_listens);
    tcase_add_loop_test(tests, the_other_dst_addr, 0, G_N_ELEMENTS(choosy));
    tcase_add_test(tests, a_proxy_is_asked_once);
    tcase_add_loop_test(tests, one_dst_addr, 0, 2);
    tcase_add_test(tests, the_best_first);
    tcase_add_test(tests, order_of_attempts);
    tcase_add_test(tests, a_worse_one_after_grace);
    tcase_add_test(tests, a_better_one_within_grace);
    tcase_add_test(tests, a_better_one_fails_within_grace);
    tcase_add_test(tests, an_equal_one_does_not_wait);
    tcase_add_test(tests, only_above_leaves_nothing);
    tcase_add_test(tests, only_above_leaves_a_better_one);
    tcase_add_test(tests, only_above_takes_one_that_waits);
    tcase_add_test(tests, only_above_ends_the_grace);
    tcase_add_test(tests, the_time_left);
    tcase_add_test(tests, only_above_before_the_start);
    tcase_add_test(tests, added_while_it_runs);
    tcase_add_test(tests, added_after_the_end);
    tcase_add_test(tests, too_many);
    tcase_add_test(tests, freed_inside_connected);
    tcase_add_loop_test(tests, freed_inside_exhausted, 0, 3);
    tcase_add_loop_test(tests, freed_at_any_moment, 0, 30);
    tcase_add_test(tests, freed_null);
    tcase_add_test(tests, the_deadline);
    tcase_add_test(tests, through_the_users_proxy);
    tcase_add_test(tests, through_the_accounts_proxy);
    tcase_add_test(tests, unusable_proxy_settings);
    suite_add_tcase(suite, tests);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(connector_suite());
    int failed;

    /* There libpurple would ask the desktop for its proxy. */
    g_unsetenv("GNOME_DESKTOP_SESSION_ID");
    bs_test_purple_start();
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
