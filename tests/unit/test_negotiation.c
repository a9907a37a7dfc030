/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "purple_env.h"
#include "socks5/negotiation.h"

#define HASH "972b7bf47291ca609517f67f86b5081086052dad"
#define REQUEST "\5\1\0\3\x28" HASH "\0\0"
#define REPLY "\5\0\0\3\x28" HASH "\0\0"
/* The bytes of a string literal without its NUL. */
#define BYTES(literal) (literal), sizeof(literal) - 1
#define PLENTY_MS 60000
#define PLENTY_S 60

/* 0: send() does as it always does. Otherwise it sends one byte at each such call and nothing at those
 * between. */
static guint send_every;
static guint send_calls;

/* Stands in for the C library's function, whose kernel seldom takes less than it is given. */
ssize_t
send(int fd, const void *bytes, size_t length, int flags)
{
    send_calls++;
    if (send_every > 0 && send_calls % send_every != 0) {
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_sendto, fd, bytes, send_every > 0 && length > 1 ? 1 : length, flags, NULL, 0);
}

typedef struct {
    guint calls;
    gboolean ended;
    BsHandshakeState state;
    int fd;
    char *reason;
    gboolean free_inside;
} Outcome;

/* Two ends of a connection; the second one is the test's. */
typedef struct {
    int ours;
    int theirs;
} Pair;

static void
note_end(BsNegotiation *negotiation, BsHandshakeState state, int fd, const char *reason, gpointer data)
{
    Outcome *outcome = data;

    outcome->calls++;
    outcome->ended = TRUE;
    outcome->state = state;
    outcome->fd = fd;
    outcome->reason = g_strdup(reason);
    if (outcome->free_inside)
        bs_negotiation_free(negotiation);
}

static void
outcome_clear(Outcome *outcome)
{
    bs_socket_close(outcome->fd);
    g_free(outcome->reason);
}

static gboolean
knows_hash(const char *dst_addr, gpointer data)
{
    (void)data;
    return strcmp(dst_addr, HASH) == 0;
}

static Pair
connect_pair(void)
{
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    return (Pair){fds[0], fds[1]};
}

static void
peer_says(Pair pair, const char *bytes, gsize length)
{
    ck_assert_int_eq(write(pair.theirs, bytes, length), (gssize)length);
}

/* Everything up to the end of the connection, or up to `limit` bytes. */
static GByteArray *
read_all(int fd, gsize limit)
{
    GByteArray *array = g_byte_array_new();
    guint8 buffer[512];
    gssize got;

    while (array->len < limit && (got = read(fd, buffer, MIN(sizeof buffer, limit - array->len))) > 0)
        g_byte_array_append(array, buffer, (guint)got);
    return array;
}

static void
assert_peer_read(Pair pair, const char *bytes, gsize length)
{
    g_autoptr(GByteArray) array = read_all(pair.theirs, length);

    ck_assert_uint_eq(array->len, length);
    ck_assert_mem_eq(array->data, bytes, length);
}

/* The other end sees the end of the connection, and nothing before it. */
static void
assert_peer_sees_end(Pair pair)
{
    guint8 byte;

    ck_assert_int_eq(recv(pair.theirs, &byte, 1, MSG_DONTWAIT), 0);
}

static BsNegotiation *
start_client(Pair pair, guint deadline_ms, Outcome *outcome)
{
    return bs_negotiation_new(pair.ours, bs_handshake_new_client(HASH), deadline_ms, note_end, outcome);
}

static BsNegotiation *
start_server(Pair pair, guint deadline_ms, Outcome *outcome)
{
    return bs_negotiation_new(pair.ours, bs_handshake_new_server(knows_hash, NULL), deadline_ms, note_end,
                              outcome);
}

static void
assert_at_file(int fd, const char *bytes, gsize length)
{
    g_autoptr(GByteArray) array = NULL;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    array = read_all(fd, length + 1);
    ck_assert_uint_eq(array->len, length);
    ck_assert_mem_eq(array->data, bytes, length);
}

static void
reset(void)
{
    send_every = 0;
    send_calls = 0;
}

START_TEST(client_leaves_the_file_in_the_socket)
{
    Pair pair = connect_pair();
    Outcome outcome = {.fd = -1, .free_inside = TRUE};

    peer_says(pair, BYTES("\5\0" REPLY "the file begins"));
    start_client(pair, PLENTY_MS, &outcome);
    ck_assert_uint_eq(outcome.calls, 0);
    ck_assert(bs_test_run_until(&outcome.ended, PLENTY_S));
    ck_assert_int_eq(outcome.state, BS_HANDSHAKE_DONE);
    ck_assert_ptr_null(outcome.reason);
    assert_at_file(outcome.fd, BYTES("the file begins"));
    assert_peer_read(pair, BYTES("\5\1\0" REQUEST));
    outcome_clear(&outcome);
    close(pair.theirs);
}
END_TEST

START_TEST(server_leaves_the_file_in_the_socket)
{
    Pair pair = connect_pair();
    Outcome outcome = {.fd = -1, .free_inside = TRUE};

    peer_says(pair, BYTES("\5\1\0" REQUEST "the file begins"));
    start_server(pair, PLENTY_MS, &outcome);
    ck_assert_uint_eq(outcome.calls, 0);
    ck_assert(bs_test_run_until(&outcome.ended, PLENTY_S));
    ck_assert_int_eq(outcome.state, BS_HANDSHAKE_DONE);
    assert_at_file(outcome.fd, BYTES("the file begins"));
    assert_peer_read(pair, BYTES("\5\0" REPLY));
    outcome_clear(&outcome);
    close(pair.theirs);
}
END_TEST

/* One byte at a time, and the socket not ready at two of three calls. */
START_TEST(both_get_along_with_partial_writes)
{
    Pair pair = connect_pair();
    Outcome client = {.fd = -1, .free_inside = TRUE};
    Outcome server = {.fd = -1, .free_inside = TRUE};

    send_every = 3;
    start_client(pair, PLENTY_MS, &client);
    start_server((Pair){pair.theirs, -1}, PLENTY_MS, &server);
    ck_assert(bs_test_run_until(&client.ended, PLENTY_S));
    ck_assert(bs_test_run_until(&server.ended, PLENTY_S));
    ck_assert_int_eq(client.state, BS_HANDSHAKE_DONE);
    ck_assert_int_eq(server.state, BS_HANDSHAKE_DONE);
    ck_assert_uint_ge(send_calls, 3 * (3 + 47 + 2 + 47));
    reset();

    ck_assert_int_eq(write(client.fd, "over", 4), 4);
    assert_at_file(server.fd, BYTES("over"));
    outcome_clear(&client);
    outcome_clear(&server);
}
END_TEST

START_TEST(waits_until_the_socket_takes_bytes)
{
    Pair pair = connect_pair();
    Outcome outcome = {.fd = -1, .free_inside = TRUE};
    guint8 junk[1024] = {0};
    gsize filled = 0;
    gssize put;
    g_autoptr(GByteArray) drained = NULL;

    while ((put = send(pair.ours, junk, sizeof junk, MSG_DONTWAIT)) > 0)
        filled += (gsize)put;
    start_client(pair, PLENTY_MS, &outcome);
    bs_test_run_for(50);
    ck_assert_uint_eq(outcome.calls, 0);

    drained = read_all(pair.theirs, filled);
    peer_says(pair, BYTES("\5\0" REPLY));
    ck_assert(bs_test_run_until(&outcome.ended, PLENTY_S));
    ck_assert_int_eq(outcome.state, BS_HANDSHAKE_DONE);
    assert_peer_read(pair, BYTES("\5\1\0" REQUEST));
    outcome_clear(&outcome);
    close(pair.theirs);
}
END_TEST

START_TEST(refusal_is_sent_before_the_end)
{
    Pair pair = connect_pair();
    Outcome outcome = {.fd = -1, .free_inside = TRUE};

    send_every = 2;
    peer_says(pair, BYTES("\5\1\0\5\1\0\3\5other\0\0"));
    start_server(pair, PLENTY_MS, &outcome);
    ck_assert(bs_test_run_until(&outcome.ended, PLENTY_S));
    ck_assert_int_eq(outcome.state, BS_HANDSHAKE_REFUSED);
    ck_assert_int_eq(outcome.fd, -1);
    ck_assert_ptr_nonnull(outcome.reason);
    assert_peer_read(pair, BYTES("\5\0\5\2\0\1\0\0\0\0\0\0"));
    assert_peer_sees_end(pair);
    outcome_clear(&outcome);
    close(pair.theirs);
}
END_TEST

START_TEST(client_hears_a_refusal)
{
    Pair pair = connect_pair();
    Outcome outcome = {.fd = -1, .free_inside = TRUE};

    peer_says(pair, BYTES("\5\0\5\2"));
    start_client(pair, PLENTY_MS, &outcome);
    ck_assert(bs_test_run_until(&outcome.ended, PLENTY_S));
    ck_assert_int_eq(outcome.state, BS_HANDSHAKE_REFUSED);
    ck_assert_int_eq(outcome.fd, -1);
    ck_assert_ptr_nonnull(outcome.reason);
    outcome_clear(&outcome);
    close(pair.theirs);
}
END_TEST

START_TEST(nonsense_ends_without_an_answer)
{
    Pair pair = connect_pair();
    Outcome outcome = {.fd = -1, .free_inside = TRUE};

    peer_says(pair, BYTES("GE"));
    start_server(pair, PLENTY_MS, &outcome);
    ck_assert(bs_test_run_until(&outcome.ended, PLENTY_S));
    ck_assert_int_eq(outcome.state, BS_HANDSHAKE_BROKEN);
    ck_assert_int_eq(outcome.fd, -1);
    assert_peer_sees_end(pair);
    outcome_clear(&outcome);
    close(pair.theirs);
}
END_TEST

/* The peer goes away after each number of bytes. */
START_TEST(peer_that_goes_away_ends_it)
{
    static const char replies[] = "\5\0" REPLY;

    for (gsize length = 0; length < sizeof replies - 1; length++) {
        Pair pair = connect_pair();
        Outcome outcome = {.fd = -1, .free_inside = TRUE};

        peer_says(pair, replies, length);
        shutdown(pair.theirs, SHUT_WR);
        start_client(pair, PLENTY_MS, &outcome);
        ck_assert(bs_test_run_until(&outcome.ended, PLENTY_S));
        ck_assert_uint_eq(outcome.calls, 1);
        ck_assert_int_eq(outcome.state, BS_HANDSHAKE_BROKEN);
        ck_assert_int_eq(outcome.fd, -1);
        ck_assert_ptr_nonnull(outcome.reason);
        outcome_clear(&outcome);
        close(pair.theirs);
    }
}
END_TEST

/* A signal would end the process here. */
START_TEST(dead_connection_raises_no_signal)
{
    Pair pair = connect_pair();
    Outcome outcome = {.fd = -1, .free_inside = TRUE};

    signal(SIGPIPE, SIG_DFL);
    close(pair.theirs);
    start_client(pair, PLENTY_MS, &outcome);
    ck_assert(bs_test_run_until(&outcome.ended, PLENTY_S));
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(outcome.state, BS_HANDSHAKE_BROKEN);
    outcome_clear(&outcome);
}
END_TEST

START_TEST(deadline_says_what_did_not_come)
{
    static const struct {
        const char *said;
        gsize length;
        const char *missing;
    } cases[] = {
        {BYTES(""), "greeting"},
        {BYTES("\5\2\0"), "greeting"},
        {BYTES("\5\1\0"), "request"},
        {BYTES("\5\1\0\5\1\0\3\x28" HASH "\0"), "request"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        Pair pair = connect_pair();
        Outcome outcome = {.fd = -1, .free_inside = TRUE};

        peer_says(pair, cases[i].said, cases[i].length);
        start_server(pair, 100, &outcome);
        ck_assert(bs_test_run_until(&outcome.ended, PLENTY_S));
        ck_assert_uint_eq(outcome.calls, 1);
        ck_assert_int_eq(outcome.state, BS_HANDSHAKE_BROKEN);
        ck_assert_int_eq(outcome.fd, -1);
        ck_assert_ptr_nonnull(strstr(outcome.reason, cases[i].missing));
        outcome_clear(&outcome);
        close(pair.theirs);
    }
}
END_TEST

/* A peer that sends a byte now and then does not prolong its time. */
START_TEST(deadline_is_for_the_whole_handshake)
{
    Pair pair = connect_pair();
    Outcome outcome = {.fd = -1, .free_inside = TRUE};

    peer_says(pair, BYTES("\5\xFF"));
    start_server(pair, 200, &outcome);
    for (guint i = 0; i < 250 && !outcome.ended; i++) {
        send(pair.theirs, "\1", 1, MSG_NOSIGNAL);
        bs_test_run_for(20);
    }
    ck_assert_uint_eq(outcome.calls, 1);
    ck_assert_int_eq(outcome.state, BS_HANDSHAKE_BROKEN);
    outcome_clear(&outcome);
    close(pair.theirs);
}
END_TEST

START_TEST(may_be_freed_later)
{
    Pair pair = connect_pair();
    Outcome outcome = {.fd = -1};
    BsNegotiation *negotiation;

    peer_says(pair, BYTES("\5\1\0" REQUEST));
    negotiation = start_server(pair, PLENTY_MS, &outcome);
    ck_assert(bs_test_run_until(&outcome.ended, PLENTY_S));
    ck_assert_str_eq(bs_handshake_dst_addr(bs_negotiation_handshake(negotiation)), HASH);
    bs_negotiation_free(negotiation);

    peer_says(pair, BYTES("still open"));
    assert_at_file(outcome.fd, BYTES("still open"));
    outcome_clear(&outcome);
    close(pair.theirs);
}
END_TEST

/* Another process may hold a copy of the socket. */
START_TEST(freeing_ends_the_connection_in_silence)
{
    for (guint with_answer = 0; with_answer < 2; with_answer++) {
        Pair pair = connect_pair();
        Outcome outcome = {.fd = -1};
        int copy = dup(pair.ours);
        BsNegotiation *negotiation = start_server(pair, PLENTY_MS, &outcome);

        if (with_answer == 1) {
            peer_says(pair, BYTES("\5\1\0"));
            bs_test_run_for(50);
            assert_peer_read(pair, BYTES("\5\0"));
        }
        bs_negotiation_free(negotiation);
        assert_peer_sees_end(pair);
        bs_test_run_for(50);
        ck_assert_uint_eq(outcome.calls, 0);
        close(copy);
        close(pair.theirs);
    }
    bs_negotiation_free(NULL);
    bs_socket_close(-1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("negotiation");
    TCase *core = tcase_create("core");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(core, reset, reset);
    tcase_add_test(core, client_leaves_the_file_in_the_socket);
    tcase_add_test(core, server_leaves_the_file_in_the_socket);
    tcase_add_test(core, both_get_along_with_partial_writes);
    tcase_add_test(core, waits_until_the_socket_takes_bytes);
    tcase_add_test(core, refusal_is_sent_before_the_end);
    tcase_add_test(core, client_hears_a_refusal);
    tcase_add_test(core, nonsense_ends_without_an_answer);
    tcase_add_test(core, peer_that_goes_away_ends_it);
    tcase_add_test(core, dead_connection_raises_no_signal);
    tcase_add_test(core, deadline_says_what_did_not_come);
    tcase_add_test(core, deadline_is_for_the_whole_handshake);
    tcase_add_test(core, may_be_freed_later);
    tcase_add_test(core, freeing_ends_the_connection_in_silence);
    tcase_set_timeout(core, 300);
    suite_add_tcase(suite, core);

    bs_test_purple_start();
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
