/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4() */
#endif
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <prefs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "purple_env.h"
#include "socks5/listener.h"
#include "socks5/negotiation.h"

#define HASH_A "972b7bf47291ca609517f67f86b5081086052dad"
#define HASH_A_UPPER "972B7BF47291CA609517F67F86B5081086052DAD"
#define HASH_B "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"
#define HASH_C "62cdb7020ff920e5aa642c3d4066950dd1f01f4d"
#define REPLY(hash) "\5\0\5\0\0\3\x28" hash "\0\0"
#define REFUSAL "\5\0\5\2\0\1\0\0\0\0\0\0"
/* The bytes of a string literal without its NUL. */
#define BYTES(literal) (literal), sizeof(literal) - 1
#define PLENTY_S 60

static gboolean no_ipv6;
static int accept_error;
static guint accept_calls;
static gboolean sending_blocked;
static guint slowness;
static int watches;

/* These three stand in for the C library's functions, so that a test can make them fail. */
int
socket(int family, int type, int protocol)
{
    if (no_ipv6 && family == AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (int)syscall(SYS_socket, family, type, protocol);
}

int
accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    accept_calls++;
    if (accept_error != 0) {
        errno = accept_error;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, address, length, flags);
}

ssize_t
send(int fd, const void *bytes, size_t length, int flags)
{
    if (sending_blocked) {
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

/* These stand in for libpurple's. No connection reaches its deadline while `slowness` is high, so that what
 * ends it must be something else. */
guint
purple_timeout_add(guint interval, GSourceFunc function, gpointer data)
{
    return purple_eventloop_get_ui_ops()->timeout_add(interval * slowness, function, data);
}

guint
purple_input_add(int fd, PurpleInputCondition condition, PurpleInputFunction function, gpointer data)
{
    watches++;
    return purple_eventloop_get_ui_ops()->input_add(fd, condition, function, data);
}

gboolean
purple_input_remove(guint id)
{
    watches--;
    return purple_eventloop_get_ui_ops()->input_remove(id);
}

/* Somebody who waits for connections, and what came to him. */
typedef struct _Waiting Waiting;
struct _Waiting {
    BsListenerTicket *ticket;
    guint calls;
    gboolean called;
    int fd;
    char *local_address;
    Waiting *forgets[2]; /* whose tickets go when a connection comes */
};

static void
forget(Waiting *waiting)
{
    bs_listener_forget(g_steal_pointer(&waiting->ticket));
}

static void
note_accepted(int fd, const char *local_address, gpointer data)
{
    Waiting *waiting = data;

    for (guint i = 0; i < G_N_ELEMENTS(waiting->forgets); i++) {
        if (waiting->forgets[i] != NULL)
            forget(waiting->forgets[i]);
    }
    waiting->calls++;
    waiting->called = TRUE;
    bs_socket_close(waiting->fd);
    waiting->fd = fd;
    g_free(waiting->local_address);
    waiting->local_address = g_strdup(local_address);
}

static gboolean
expect(Waiting *waiting, const char *dst_addr, const char *other_dst_addr)
{
    g_autoptr(GError) error = NULL;

    memset(waiting, 0, sizeof *waiting);
    waiting->fd = -1;
    waiting->ticket = bs_listener_expect("t1", dst_addr, other_dst_addr, note_accepted, waiting, &error);
    ck_assert_int_eq(waiting->ticket == NULL, error != NULL);
    return waiting->ticket != NULL;
}

static void
clear(Waiting *waiting)
{
    forget(waiting);
    bs_socket_close(waiting->fd);
    g_free(waiting->local_address);
}

/* A connection to the listener, -1 if there is none. It waits in the backlog until the event loop runs. */
static int
dial(int family)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(bs_listener_port())};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(bs_listener_port())};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result;

    ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ipv6.sin6_addr = in6addr_loopback;
    if (family == AF_INET)
        result = connect(fd, (struct sockaddr *)&ipv4, sizeof ipv4);
    else
        result = connect(fd, (struct sockaddr *)&ipv6, sizeof ipv6);
    if (result == 0)
        return fd;
    close(fd);
    return -1;
}

static void
say(int fd, const char *bytes, gsize length)
{
    ck_assert_int_eq(write(fd, bytes, length), (gssize)length);
}

/* A client that says all that it has to say at once, and the first byte of a file. */
static int
dial_for(int family, const char *dst_addr)
{
    int fd = dial(family);

    ck_assert_int_ge(fd, 0);
    say(fd, BYTES("\5\1\0\5\1\0\3\x28"));
    say(fd, dst_addr, 40);
    say(fd, BYTES("\0\0F"));
    return fd;
}

/* Runs the event loop until that many bytes, or the end of the connection, can be read. */
static gssize
run_until_readable(int fd, void *buffer, gsize length)
{
    gssize got = -1;

    for (guint i = 0; i < PLENTY_S * 100; i++) {
        got = recv(fd, buffer, length, MSG_PEEK | MSG_DONTWAIT);
        if (got == 0 || got == (gssize)length || (got < 0 && errno != EAGAIN))
            return got;
        bs_test_run_for(10);
    }
    return got;
}

static void
assert_hears(int fd, const char *bytes, gsize length)
{
    char buffer[100];

    ck_assert_int_eq(run_until_readable(fd, buffer, length), (gssize)length);
    ck_assert_mem_eq(buffer, bytes, length);
    ck_assert_int_eq(recv(fd, buffer, length, 0), (gssize)length);
}

static void
assert_gets_closed(int fd)
{
    char byte;
    gssize got = run_until_readable(fd, &byte, 1);

    ck_assert(got == 0 || (got < 0 && errno == ECONNRESET));
}

static void
assert_is_open(int fd)
{
    char byte;

    ck_assert_int_eq(recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
}

static void
assert_gets_connection(Waiting *waiting)
{
    char byte;

    ck_assert(bs_test_run_until(&waiting->called, PLENTY_S));
    waiting->called = FALSE;
    ck_assert_int_ne(fcntl(waiting->fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(waiting->fd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(read(waiting->fd, &byte, 1), 1);
    ck_assert_int_eq(byte, 'F');
}

static void
set_port_range(gboolean use, int start, int end)
{
    purple_prefs_set_bool("/purple/network/ports_range_use", use);
    purple_prefs_set_int("/purple/network/ports_range_start", start);
    purple_prefs_set_int("/purple/network/ports_range_end", end);
}

static void
reset(void)
{
    no_ipv6 = FALSE;
    accept_error = 0;
    accept_calls = 0;
    sending_blocked = FALSE;
    slowness = 1;
    set_port_range(FALSE, 1024, 2048);
}

/* No test leaves anything open. */
static void
reset_and_check(void)
{
    ck_assert_uint_eq(bs_listener_port(), 0);
    ck_assert_int_eq(watches, 0);
    reset();
}

START_TEST(port_is_open_while_somebody_waits)
{
    Waiting first, second;
    guint16 port;
    int fd;

    ck_assert_uint_eq(bs_listener_port(), 0);
    ck_assert(!bs_listener_has_ipv4());
    ck_assert(!bs_listener_has_ipv6());
    ck_assert(expect(&first, HASH_A, NULL));
    port = bs_listener_port();
    ck_assert_uint_ne(port, 0);
    ck_assert(bs_listener_has_ipv4());
    ck_assert(expect(&second, HASH_B, NULL));
    ck_assert_uint_eq(bs_listener_port(), port);
    clear(&first);
    ck_assert_uint_eq(bs_listener_port(), port);
    fd = dial(AF_INET);
    ck_assert_int_ge(fd, 0);
    close(fd);
    clear(&second);
    ck_assert_uint_eq(bs_listener_port(), 0);
    ck_assert(!bs_listener_has_ipv4());
    bs_listener_forget(NULL);
}
END_TEST

START_TEST(closed_port_takes_nobody)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    Waiting waiting;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert(expect(&waiting, HASH_A, NULL));
    address.sin_port = htons(bs_listener_port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    clear(&waiting);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    ck_assert_int_eq(errno, ECONNREFUSED);
    close(fd);
}
END_TEST

START_TEST(connection_finds_its_ticket)
{
    Waiting a, b;
    int fd;

    ck_assert(expect(&a, HASH_A, NULL));
    ck_assert(expect(&b, HASH_B, NULL));
    fd = dial_for(AF_INET, HASH_B);
    assert_gets_connection(&b);
    assert_hears(fd, BYTES(REPLY(HASH_B)));
    ck_assert_str_eq(b.local_address, "127.0.0.1");
    ck_assert_uint_eq(a.calls, 0);
    assert_is_open(fd);
    clear(&a);
    clear(&b);
    close(fd);
}
END_TEST

START_TEST(connection_over_ipv6)
{
    Waiting waiting;
    int fd;

    ck_assert(expect(&waiting, HASH_A, NULL));
    fd = dial(AF_INET6);
    if (fd >= 0) {
        ck_assert(bs_listener_has_ipv6());
        close(fd);
        fd = dial_for(AF_INET6, HASH_A);
        assert_gets_connection(&waiting);
        ck_assert_str_eq(waiting.local_address, "::1");
        close(fd);
    }
    clear(&waiting);
}
END_TEST

START_TEST(works_without_ipv6)
{
    Waiting waiting;
    int fd;

    no_ipv6 = TRUE;
    ck_assert(expect(&waiting, HASH_A, NULL));
    ck_assert(bs_listener_has_ipv4());
    ck_assert(!bs_listener_has_ipv6());
    fd = dial_for(AF_INET, HASH_A);
    assert_gets_connection(&waiting);
    ck_assert_str_eq(waiting.local_address, "127.0.0.1");
    clear(&waiting);
    close(fd);
}
END_TEST

START_TEST(letter_case_does_not_matter)
{
    Waiting a, b;
    int first, second;

    ck_assert(expect(&a, HASH_A, HASH_C));
    ck_assert(expect(&b, HASH_B, HASH_A_UPPER));
    first = dial_for(AF_INET, HASH_A_UPPER);
    assert_gets_connection(&a);
    assert_hears(first, BYTES(REPLY(HASH_A_UPPER)));
    forget(&a);
    second = dial_for(AF_INET, HASH_A);
    assert_gets_connection(&b);
    clear(&a);
    clear(&b);
    close(first);
    close(second);
}
END_TEST

/* Two transfers with oneself: each waits for the other's address too. */
START_TEST(own_address_goes_before_the_other_one)
{
    Waiting a, b;
    int fds[3];

    ck_assert(expect(&a, HASH_A, HASH_B));
    ck_assert(expect(&b, HASH_B, HASH_A));
    fds[0] = dial_for(AF_INET, HASH_B);
    assert_gets_connection(&b);
    fds[1] = dial_for(AF_INET, HASH_A);
    assert_gets_connection(&a);
    ck_assert_uint_eq(a.calls + b.calls, 2);
    forget(&b);
    fds[2] = dial_for(AF_INET, HASH_B);
    assert_gets_connection(&a);
    clear(&a);
    clear(&b);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
}
END_TEST

START_TEST(both_addresses_may_be_the_same)
{
    Waiting waiting;
    int fd;

    ck_assert(expect(&waiting, HASH_A, HASH_A));
    fd = dial_for(AF_INET, HASH_A);
    assert_gets_connection(&waiting);
    ck_assert_uint_eq(waiting.calls, 1);
    clear(&waiting);
    close(fd);
}
END_TEST

START_TEST(unknown_address_is_refused)
{
    Waiting waiting;
    int stray, fd;

    ck_assert(expect(&waiting, HASH_A, HASH_B));
    stray = dial_for(AF_INET, HASH_C);
    assert_hears(stray, BYTES(REFUSAL));
    assert_gets_closed(stray);
    ck_assert_uint_eq(waiting.calls, 0);
    fd = dial_for(AF_INET, HASH_A);
    assert_gets_connection(&waiting);
    clear(&waiting);
    close(stray);
    close(fd);
}
END_TEST

START_TEST(strangers_disturb_nobody)
{
    Waiting waiting;
    int silent, halfway, nonsense, gone, fd;

    slowness = 100;
    ck_assert(expect(&waiting, HASH_A, NULL));
    silent = dial(AF_INET);
    halfway = dial(AF_INET);
    say(halfway, BYTES("\5\xFF\1\2\3"));
    nonsense = dial(AF_INET);
    say(nonsense, BYTES("GET / HTTP/1.0\r\n\r\n"));
    gone = dial(AF_INET);
    close(gone);
    fd = dial_for(AF_INET, HASH_A);
    assert_gets_connection(&waiting);
    assert_gets_closed(nonsense);
    assert_is_open(silent);
    assert_is_open(halfway);
    ck_assert_uint_eq(waiting.calls, 1);

    /* Those that were still in their handshake go with the port. */
    clear(&waiting);
    assert_gets_closed(silent);
    assert_gets_closed(halfway);
    close(silent);
    close(halfway);
    close(nonsense);
    close(fd);
}
END_TEST

START_TEST(silent_connection_is_closed_in_time)
{
    Waiting waiting;
    int silent;

    ck_assert(expect(&waiting, HASH_A, NULL));
    silent = dial(AF_INET);
    assert_gets_closed(silent);
    ck_assert_uint_ne(bs_listener_port(), 0);
    clear(&waiting);
    close(silent);
}
END_TEST

START_TEST(several_connections_for_one_ticket)
{
    Waiting waiting;
    int fds[5];

    ck_assert(expect(&waiting, HASH_A, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = dial_for(AF_INET, HASH_A);
        assert_gets_connection(&waiting);
    }
    ck_assert_uint_eq(waiting.calls, G_N_ELEMENTS(fds));
    clear(&waiting);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
}
END_TEST

START_TEST(crowd_does_not_shut_the_door)
{
    Waiting waiting;
    int crowd[65];
    int fd;

    slowness = 100;
    ck_assert(expect(&waiting, HASH_A, NULL));
    for (guint i = 0; i < 64; i++) {
        crowd[i] = dial(AF_INET);
        /* An answer shows that this one has been taken, before the next one comes. */
        say(crowd[i], BYTES("\5\1\0"));
        assert_hears(crowd[i], BYTES("\5\0"));
    }
    assert_is_open(crowd[0]);
    crowd[64] = dial(AF_INET);
    assert_gets_closed(crowd[0]);
    for (guint i = 1; i < 65; i++)
        assert_is_open(crowd[i]);
    fd = dial_for(AF_INET, HASH_A);
    assert_gets_connection(&waiting);
    assert_gets_closed(crowd[1]);
    assert_is_open(crowd[2]);
    clear(&waiting);
    close(fd);
    for (guint i = 0; i < 65; i++)
        close(crowd[i]);
}
END_TEST

START_TEST(ticket_may_go_when_a_connection_comes)
{
    Waiting a, b;
    int silent, fd;

    slowness = 100;
    ck_assert(expect(&a, HASH_A, NULL));
    ck_assert(expect(&b, HASH_B, NULL));
    a.forgets[0] = &b;
    a.forgets[1] = &a;
    silent = dial(AF_INET);
    fd = dial_for(AF_INET, HASH_A);
    assert_gets_connection(&a);
    ck_assert_uint_eq(bs_listener_port(), 0);
    assert_gets_closed(silent);
    say(a.fd, "x", 1);
    assert_hears(fd, BYTES(REPLY(HASH_A) "x"));
    clear(&a);
    clear(&b);
    close(silent);
    close(fd);
}
END_TEST

/* The request was answered with success, but before the answer had left, the one who waited was gone. */
START_TEST(connection_for_somebody_gone_is_closed)
{
    Waiting a, b;
    int fd;

    ck_assert(expect(&a, HASH_A, NULL));
    ck_assert(expect(&b, HASH_B, NULL));
    fd = dial(AF_INET);
    say(fd, BYTES("\5\1\0"));
    assert_hears(fd, BYTES("\5\0"));
    sending_blocked = TRUE;
    say(fd, BYTES("\5\1\0\3\x28" HASH_A "\0\0"));
    bs_test_run_for(50);
    forget(&a);
    sending_blocked = FALSE;
    assert_hears(fd, BYTES("\5\0\0\3\x28" HASH_A "\0\0"));
    assert_gets_closed(fd);
    ck_assert_uint_eq(a.calls + b.calls, 0);
    clear(&a);
    clear(&b);
    close(fd);
}
END_TEST

START_TEST(listener_opens_again)
{
    for (guint i = 0; i < 20; i++) {
        Waiting waiting;
        int fd;

        ck_assert(expect(&waiting, HASH_A, NULL));
        fd = dial_for(AF_INET, HASH_A);
        assert_gets_connection(&waiting);
        clear(&waiting);
        close(fd);
    }
}
END_TEST

/* With no descriptor left the event loop must not be kept busy, and afterwards all goes on. The bound is far
 * above what pauses give, and far below what a loop without them would do. */
START_TEST(lack_of_descriptors_passes)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EINVAL};

    for (guint i = 0; i < G_N_ELEMENTS(errors); i++) {
        Waiting waiting;
        int fd;

        reset();
        ck_assert(expect(&waiting, HASH_A, NULL));
        accept_error = errors[i];
        fd = dial_for(AF_INET, HASH_A);
        bs_test_run_for(100);
        ck_assert_uint_ge(accept_calls, 1);
        ck_assert_uint_le(accept_calls, 50);
        ck_assert_uint_eq(waiting.calls, 0);
        accept_error = 0;
        assert_gets_connection(&waiting);
        clear(&waiting);
        close(fd);
    }
}
END_TEST

START_TEST(port_may_close_while_accepting_is_paused)
{
    Waiting waiting;
    int fd;

    ck_assert(expect(&waiting, HASH_A, NULL));
    accept_error = EMFILE;
    fd = dial_for(AF_INET, HASH_A);
    bs_test_run_for(50);
    ck_assert_uint_ge(accept_calls, 1);
    clear(&waiting);
    accept_calls = 0;
    bs_test_run_for(600);
    ck_assert_uint_eq(accept_calls, 0);
    close(fd);
}
END_TEST

/* A port that some program of this machine has taken, and the socket that holds it. */
static int
occupy(guint16 *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

START_TEST(port_range_is_kept)
{
    static const int ranges[][2] = {{40100, 40199}, {40199, 40100}};

    for (guint i = 0; i < 40; i++) {
        Waiting waiting;

        set_port_range(TRUE, ranges[i % 2][0], ranges[i % 2][1]);
        ck_assert(expect(&waiting, HASH_A, NULL));
        ck_assert_uint_ge(bs_listener_port(), 40100);
        ck_assert_uint_le(bs_listener_port(), 40199);
        clear(&waiting);
    }
}
END_TEST

START_TEST(port_range_of_one)
{
    Waiting waiting;
    guint16 port;
    int fd;

    close(occupy(&port));
    set_port_range(TRUE, port, port);
    ck_assert(expect(&waiting, HASH_A, NULL));
    ck_assert_uint_eq(bs_listener_port(), port);
    fd = dial_for(AF_INET, HASH_A);
    assert_gets_connection(&waiting);
    assert_hears(fd, BYTES(REPLY(HASH_A)));
    clear(&waiting);
    close(fd);

    /* The same port again, though the connection that was closed here first still lingers in the kernel. */
    ck_assert(expect(&waiting, HASH_A, NULL));
    ck_assert_uint_eq(bs_listener_port(), port);
    clear(&waiting);
}
END_TEST

START_TEST(taken_ports_are_passed_over)
{
    Waiting waiting;
    guint16 port;
    int taken = occupy(&port);
    int neighbour = port == 65535 ? port - 1 : port + 1;

    for (guint i = 0; i < 20; i++) {
        set_port_range(TRUE, port, neighbour);
        if (!expect(&waiting, HASH_A, NULL))
            break; /* somebody else has the neighbour */
        ck_assert_uint_eq(bs_listener_port(), neighbour);
        clear(&waiting);
    }
    close(taken);
}
END_TEST

START_TEST(full_port_range_is_an_error)
{
    Waiting waiting;
    guint16 port;
    int taken = occupy(&port);

    set_port_range(TRUE, port, port);
    ck_assert(!expect(&waiting, HASH_A, NULL));
    ck_assert_uint_eq(bs_listener_port(), 0);
    ck_assert(!bs_listener_has_ipv4());
    close(taken);
    ck_assert(expect(&waiting, HASH_A, NULL));
    ck_assert_uint_eq(bs_listener_port(), port);
    clear(&waiting);
}
END_TEST

START_TEST(senseless_port_ranges)
{
    static const int outside[][2] = {{0, 0}, {-5, 0}, {-2000000000, -1}, {65536, 65536}, {2000000000, 70000}};
    static const int partly[][2] = {{65000, 2000000000}, {70000, 65000}, {-70000, 100000}};
    Waiting waiting;

    for (guint i = 0; i < G_N_ELEMENTS(outside); i++) {
        set_port_range(TRUE, outside[i][0], outside[i][1]);
        ck_assert(!expect(&waiting, HASH_A, NULL));
    }
    for (guint i = 0; i < G_N_ELEMENTS(partly); i++) {
        set_port_range(TRUE, partly[i][0], partly[i][1]);
        ck_assert(expect(&waiting, HASH_A, NULL));
        ck_assert_uint_ne(bs_listener_port(), 0);
        if (i < 2)
            ck_assert_uint_ge(bs_listener_port(), 65000);
        clear(&waiting);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("listener");
    TCase *core = tcase_create("connections");
    TCase *ports = tcase_create("ports");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(core, reset, reset_and_check);
    tcase_add_test(core, port_is_open_while_somebody_waits);
    tcase_add_test(core, closed_port_takes_nobody);
    tcase_add_test(core, connection_finds_its_ticket);
    tcase_add_test(core, connection_over_ipv6);
    tcase_add_test(core, works_without_ipv6);
    tcase_add_test(core, letter_case_does_not_matter);
    tcase_add_test(core, own_address_goes_before_the_other_one);
    tcase_add_test(core, both_addresses_may_be_the_same);
    tcase_add_test(core, unknown_address_is_refused);
    tcase_add_test(core, strangers_disturb_nobody);
    tcase_add_test(core, silent_connection_is_closed_in_time);
    tcase_add_test(core, several_connections_for_one_ticket);
    tcase_add_test(core, crowd_does_not_shut_the_door);
    tcase_add_test(core, ticket_may_go_when_a_connection_comes);
    tcase_add_test(core, connection_for_somebody_gone_is_closed);
    tcase_add_test(core, listener_opens_again);
    tcase_add_test(core, lack_of_descriptors_passes);
    tcase_add_test(core, port_may_close_while_accepting_is_paused);
    tcase_set_timeout(core, 300);
    suite_add_tcase(suite, core);

    tcase_add_checked_fixture(ports, reset, reset_and_check);
    tcase_add_test(ports, port_range_is_kept);
    tcase_add_test(ports, port_range_of_one);
    tcase_add_test(ports, taken_ports_are_passed_over);
    tcase_add_test(ports, full_port_range_is_an_error);
    tcase_add_test(ports, senseless_port_ranges);
    tcase_set_timeout(ports, 300);
    suite_add_tcase(suite, ports);

    bs_test_purple_start();
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
