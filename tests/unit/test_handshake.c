/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "socks5/handshake.h"

#define HASH "972b7bf47291ca609517f67f86b5081086052dad"

typedef struct {
    const char *expected; /* NULL: nobody waits */
    guint calls;
    char *asked;
} Door;

static gboolean
door_check(const char *dst_addr, gpointer data)
{
    Door *door = data;

    door->calls++;
    g_free(door->asked);
    door->asked = g_strdup(dst_addr);
    return door->expected != NULL && strcmp(door->expected, dst_addr) == 0;
}

/* What the handshake sent, and how far it read into what the other side sent. */
typedef struct {
    GByteArray *sent;
    gsize consumed;
    BsHandshakeState state;
} Run;

static void
collect_pending(BsHandshake *handshake, Run *run, gsize slice)
{
    gsize length;
    const guint8 *bytes = bs_handshake_pending(handshake, &length);

    while (length > 0) {
        gsize part = MIN(length, slice);

        ck_assert_uint_eq(bs_handshake_wants(handshake), 0);
        g_byte_array_append(run->sent, bytes, (guint)part);
        bs_handshake_sent(handshake, part);
        bytes = bs_handshake_pending(handshake, &length);
    }
}

/* Feeds `length` bytes in slices of at most `slice`, each from a block of exactly its size, so that a read
 * beyond it is seen by a memory checker. Stops when nothing more is wanted. */
static Run
run_handshake(BsHandshake *handshake, const guint8 *bytes, gsize length, gsize slice)
{
    Run run = {g_byte_array_new(), 0, BS_HANDSHAKE_GOES_ON};

    for (;;) {
        gsize part;
        guint8 *block;

        collect_pending(handshake, &run, slice);
        part = MIN(MIN(bs_handshake_wants(handshake), length - run.consumed), slice);
        if (part == 0)
            break;
        block = g_memdup2(bytes + run.consumed, part);
        run.consumed += part;
        ck_assert_int_eq(bs_handshake_feed(handshake, block, part), bs_handshake_state(handshake));
        g_free(block);
    }
    run.state = bs_handshake_state(handshake);
    return run;
}

static void
assert_bytes(const GByteArray *actual, const guint8 *expected, gsize length)
{
    ck_assert_uint_eq(actual->len, length);
    if (length > 0)
        ck_assert_mem_eq(actual->data, expected, length);
}

static void
append_message(GByteArray *array, guint8 code, guint8 type, const void *address, gsize length, guint16 port)
{
    const guint8 head[] = {5, code, 0, type};
    const guint8 tail[] = {(guint8)(port >> 8), (guint8)port};

    g_byte_array_append(array, head, sizeof head);
    if (type == 3)
        g_byte_array_append(array, &(guint8){(guint8)length}, 1);
    g_byte_array_append(array, address, (guint)length);
    g_byte_array_append(array, tail, sizeof tail);
}

static const guint8 greeting[] = {5, 1, 0};
static const guint8 file_start[] = {5, 0, 0, 3, 5, 0, 'f', 'i', 'l', 'e'};

/* Runs a client against `replies` and the first bytes of a file, in every slicing. */
static void
client_meets(const guint8 *replies, gsize length, gsize own, BsHandshakeState state)
{
    g_autoptr(GByteArray) stream = g_byte_array_new();

    g_byte_array_append(stream, replies, (guint)length);
    g_byte_array_append(stream, file_start, sizeof file_start);
    for (gsize slice = 1; slice <= stream->len; slice++) {
        BsHandshake *client = bs_handshake_new_client(HASH);
        Run run = run_handshake(client, stream->data, stream->len, slice);

        ck_assert_int_eq(run.state, state);
        ck_assert_uint_eq(run.consumed, own);
        ck_assert_uint_eq(bs_handshake_wants(client), 0);
        if (state == BS_HANDSHAKE_DONE)
            ck_assert_ptr_null(bs_handshake_reason(client));
        else
            ck_assert_ptr_nonnull(bs_handshake_reason(client));
        g_byte_array_unref(run.sent);
        bs_handshake_free(client);
    }
}

static void
client_meets_reply(guint8 type, const void *address, gsize length, guint16 port)
{
    g_autoptr(GByteArray) replies = g_byte_array_new();

    g_byte_array_append(replies, (const guint8[]){5, 0}, 2);
    append_message(replies, 0, type, address, length, port);
    client_meets(replies->data, replies->len, replies->len, BS_HANDSHAKE_DONE);
}

START_TEST(client_sends_what_xep_0065_says)
{
    g_autoptr(GByteArray) replies = g_byte_array_new();
    g_autoptr(GByteArray) expected = g_byte_array_new();
    BsHandshake *client = bs_handshake_new_client(HASH);
    Run run;

    g_byte_array_append(replies, (const guint8[]){5, 0}, 2);
    append_message(replies, 0, 3, HASH, 40, 0);
    g_byte_array_append(expected, greeting, sizeof greeting);
    append_message(expected, 1, 3, HASH, 40, 0);

    run = run_handshake(client, replies->data, replies->len, 1000);
    ck_assert_int_eq(run.state, BS_HANDSHAKE_DONE);
    assert_bytes(run.sent, expected->data, expected->len);
    g_byte_array_unref(run.sent);
    bs_handshake_free(client);
}
END_TEST

START_TEST(client_waits_for_its_turn)
{
    BsHandshake *client = bs_handshake_new_client(HASH);
    gsize length;

    ck_assert_uint_eq(bs_handshake_wants(client), 0);
    bs_handshake_pending(client, &length);
    ck_assert_uint_eq(length, 3);
    bs_handshake_sent(client, 3);
    ck_assert_uint_eq(bs_handshake_wants(client), 2);
    ck_assert_int_eq(bs_handshake_feed(client, (const guint8[]){5}, 1), BS_HANDSHAKE_GOES_ON);
    ck_assert_uint_eq(bs_handshake_wants(client), 1);
    bs_handshake_free(client);
}
END_TEST

START_TEST(client_takes_any_address_in_the_reply)
{
    static const guint8 address[255] = {5, 0, 0, 0xFF, 0x80};

    client_meets_reply(3, HASH, 40, 0);
    client_meets_reply(3, "192.0.2.17", 10, 0); /* libpurple */
    client_meets_reply(3, "", 0, 0);
    client_meets_reply(3, address, 127, 0xFFFF);
    client_meets_reply(3, address, 128, 0xFFFF);
    client_meets_reply(3, address, 255, 1080);
    client_meets_reply(1, address, 4, 1080);
    client_meets_reply(4, address, 16, 1080);
    client_meets_reply(0, "", 0, 0); /* ejabberd before 2.0.2 */
}
END_TEST

START_TEST(client_refuses_unknown_address_types)
{
    for (guint type = 0; type <= 255; type++) {
        if (type != 0 && type != 1 && type != 3 && type != 4)
            client_meets((const guint8[]){5, 0, 5, 0, 0, (guint8)type}, 6, 6, BS_HANDSHAKE_BROKEN);
    }
}
END_TEST

START_TEST(client_insists_on_success)
{
    for (guint status = 1; status <= 255; status++)
        client_meets((const guint8[]){5, 0, 5, (guint8)status}, 4, 4, BS_HANDSHAKE_REFUSED);
}
END_TEST

START_TEST(client_insists_on_version_5)
{
    for (guint version = 0; version <= 255; version++) {
        if (version == 5)
            continue;
        client_meets((const guint8[]){(guint8)version, 0}, 2, 2, BS_HANDSHAKE_BROKEN);
        client_meets((const guint8[]){5, 0, (guint8)version, 0}, 4, 4, BS_HANDSHAKE_BROKEN);
    }
}
END_TEST

START_TEST(client_insists_on_no_authentication)
{
    for (guint method = 1; method < 255; method++)
        client_meets((const guint8[]){5, (guint8)method}, 2, 2, BS_HANDSHAKE_BROKEN);
    client_meets((const guint8[]){5, 255}, 2, 2, BS_HANDSHAKE_REFUSED);
}
END_TEST

START_TEST(client_asks_for_the_longest_and_the_shortest_address)
{
    static const gsize lengths[] = {0, 1, 127, 128, 255};

    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree char *dst_addr = g_strnfill(lengths[i], 'a');
        g_autoptr(GByteArray) expected = g_byte_array_new();
        BsHandshake *client = bs_handshake_new_client(dst_addr);
        Run run = run_handshake(client, (const guint8[]){5, 0}, 2, 7);

        g_byte_array_append(expected, greeting, sizeof greeting);
        append_message(expected, 1, 3, dst_addr, lengths[i], 0);
        assert_bytes(run.sent, expected->data, expected->len);
        g_byte_array_unref(run.sent);
        bs_handshake_free(client);
    }
}
END_TEST

START_TEST(client_stays_open_at_every_truncation)
{
    g_autoptr(GByteArray) replies = g_byte_array_new();

    g_byte_array_append(replies, (const guint8[]){5, 0}, 2);
    append_message(replies, 0, 3, HASH, 40, 0);
    for (gsize length = 0; length < replies->len; length++) {
        BsHandshake *client = bs_handshake_new_client(HASH);
        Run run = run_handshake(client, replies->data, length, 5);

        ck_assert_int_eq(run.state, BS_HANDSHAKE_GOES_ON);
        ck_assert_uint_eq(run.consumed, length);
        ck_assert_uint_gt(bs_handshake_wants(client), 0);
        ck_assert_uint_le(bs_handshake_wants(client), replies->len - length);
        ck_assert_ptr_nonnull(bs_handshake_reason(client));
        ck_assert_ptr_null(bs_handshake_dst_addr(client));
        g_byte_array_unref(run.sent);
        bs_handshake_free(client);
    }
}
END_TEST

/* Runs a server against `requests` and the first bytes of a file, in every slicing. */
static void
server_meets(Door *door, const GByteArray *requests, gsize own, BsHandshakeState state, const guint8 *replies,
             gsize replies_length)
{
    g_autoptr(GByteArray) stream = g_byte_array_new();

    g_byte_array_append(stream, requests->data, requests->len);
    g_byte_array_append(stream, file_start, sizeof file_start);
    for (gsize slice = 1; slice <= stream->len; slice++) {
        BsHandshake *server = bs_handshake_new_server(door_check, door);
        Run run = run_handshake(server, stream->data, stream->len, slice);

        ck_assert_int_eq(run.state, state);
        ck_assert_uint_eq(run.consumed, own);
        ck_assert_uint_eq(bs_handshake_wants(server), 0);
        assert_bytes(run.sent, replies, replies_length);
        if (state == BS_HANDSHAKE_DONE)
            ck_assert_ptr_null(bs_handshake_reason(server));
        else
            ck_assert_ptr_nonnull(bs_handshake_reason(server));
        g_byte_array_unref(run.sent);
        bs_handshake_free(server);
    }
}

/* The request `command` for an address of the given type, after the usual greeting; `status` is expected in
 * answer. */
static void
server_meets_request(Door *door, guint8 command, guint8 type, const void *address, gsize length, guint16 port,
                     guint8 status)
{
    g_autoptr(GByteArray) requests = g_byte_array_new();
    g_autoptr(GByteArray) replies = g_byte_array_new();

    g_byte_array_append(requests, greeting, sizeof greeting);
    append_message(requests, command, type, address, length, port);
    g_byte_array_append(replies, (const guint8[]){5, 0}, 2);
    if (status == 0)
        append_message(replies, 0, 3, address, length, port);
    else
        append_message(replies, status, 1, (const guint8[4]){0}, 4, 0);
    server_meets(door, requests, requests->len, status == 0 ? BS_HANDSHAKE_DONE : BS_HANDSHAKE_REFUSED,
                 replies->data, replies->len);
}

START_TEST(server_repeats_address_and_port)
{
    Door door = {HASH, 0, NULL};

    server_meets_request(&door, 1, 3, HASH, 40, 0, 0);
    ck_assert_str_eq(door.asked, HASH);
    server_meets_request(&door, 1, 3, HASH, 40, 0xABCD, 0);
    g_free(door.asked);
}
END_TEST

START_TEST(server_asks_once_and_tells_the_address)
{
    Door door = {HASH, 0, NULL};
    g_autoptr(GByteArray) requests = g_byte_array_new();
    BsHandshake *server = bs_handshake_new_server(door_check, &door);
    Run run;

    ck_assert_ptr_null(bs_handshake_dst_addr(server));
    g_byte_array_append(requests, greeting, sizeof greeting);
    append_message(requests, 1, 3, HASH, 40, 0);
    run = run_handshake(server, requests->data, requests->len, 1);
    ck_assert_uint_eq(door.calls, 1);
    ck_assert_str_eq(bs_handshake_dst_addr(server), HASH);
    g_byte_array_unref(run.sent);
    bs_handshake_free(server);
    g_free(door.asked);
}
END_TEST

START_TEST(server_takes_addresses_of_any_length)
{
    static const gsize lengths[] = {0, 1, 39, 41, 127, 128, 254, 255};

    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree char *dst_addr = g_strnfill(lengths[i], 'f');
        Door known = {dst_addr, 0, NULL};
        Door unknown = {HASH, 0, NULL};

        server_meets_request(&known, 1, 3, dst_addr, lengths[i], 0, 0);
        ck_assert_str_eq(known.asked, dst_addr);
        server_meets_request(&unknown, 1, 3, dst_addr, lengths[i], 0, 2);
        ck_assert_str_eq(unknown.asked, dst_addr);
        g_free(known.asked);
        g_free(unknown.asked);
    }
}
END_TEST

START_TEST(server_refuses_an_unknown_address)
{
    Door door = {NULL, 0, NULL};

    server_meets_request(&door, 1, 3, HASH, 40, 0, 2);
    g_free(door.asked);
}
END_TEST

START_TEST(server_is_not_fooled_by_a_nul)
{
    Door door = {"abc", 0, NULL};

    server_meets_request(&door, 1, 3, "abc\0def", 7, 0, 2);
    server_meets_request(&door, 1, 3, "abc\0", 4, 0, 2);
    server_meets_request(&door, 1, 3, "\0", 1, 0, 2);
    ck_assert_uint_eq(door.calls, 0);
}
END_TEST

START_TEST(server_refuses_other_commands)
{
    Door door = {HASH, 0, NULL};

    for (guint command = 0; command <= 255; command++) {
        if (command == 1)
            continue;
        server_meets_request(&door, (guint8)command, 3, HASH, 40, 0, 7);
    }
    server_meets_request(&door, 2, 1, "\1\2\3\4", 4, 80, 7);
    ck_assert_uint_eq(door.calls, 0);
}
END_TEST

START_TEST(server_refuses_other_address_types)
{
    Door door = {HASH, 0, NULL};

    server_meets_request(&door, 1, 1, "\300\0\2\1", 4, 80, 8);
    server_meets_request(&door, 1, 4, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16, 80, 8);
    for (guint type = 0; type <= 255; type++) {
        g_autoptr(GByteArray) requests = g_byte_array_new();

        if (type == 1 || type == 3 || type == 4)
            continue;
        g_byte_array_append(requests, greeting, sizeof greeting);
        g_byte_array_append(requests, (const guint8[]){5, 1, 0, (guint8)type}, 4);
        server_meets(&door, requests, requests->len, BS_HANDSHAKE_REFUSED,
                     (const guint8[]){5, 0, 5, 8, 0, 1, 0, 0, 0, 0, 0, 0}, 12);
    }
    ck_assert_uint_eq(door.calls, 0);
}
END_TEST

/* A greeting with `count` methods of which the one at `position` is "no authentication" (none if it is
 * `count`). */
static GByteArray *
greeting_with_methods(guint count, guint position)
{
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_append(bytes, (const guint8[]){5, (guint8)count}, 2);
    for (guint i = 0; i < count; i++)
        g_byte_array_append(bytes, &(guint8){i == position ? 0 : (guint8)(1 + i % 255)}, 1);
    return bytes;
}

START_TEST(server_finds_its_method_among_many)
{
    static const guint counts[] = {1, 2, 127, 128, 254, 255};
    Door door = {HASH, 0, NULL};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        const guint positions[] = {0, counts[i] / 2, counts[i] - 1};

        for (guint j = 0; j < G_N_ELEMENTS(positions); j++) {
            g_autoptr(GByteArray) requests = greeting_with_methods(counts[i], positions[j]);
            g_autoptr(GByteArray) replies = g_byte_array_new();

            append_message(requests, 1, 3, HASH, 40, 0);
            g_byte_array_append(replies, (const guint8[]){5, 0}, 2);
            append_message(replies, 0, 3, HASH, 40, 0);
            server_meets(&door, requests, requests->len, BS_HANDSHAKE_DONE, replies->data, replies->len);
        }
    }
    g_free(door.asked);
}
END_TEST

START_TEST(server_refuses_a_client_that_wants_a_password)
{
    static const guint counts[] = {0, 1, 2, 127, 128, 255};
    Door door = {HASH, 0, NULL};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(GByteArray) requests = greeting_with_methods(counts[i], counts[i]);

        server_meets(&door, requests, requests->len, BS_HANDSHAKE_REFUSED, (const guint8[]){5, 0xFF}, 2);
    }
    ck_assert_uint_eq(door.calls, 0);
}
END_TEST

START_TEST(server_insists_on_version_5)
{
    Door door = {HASH, 0, NULL};

    for (guint version = 0; version <= 255; version++) {
        g_autoptr(GByteArray) first = g_byte_array_new();
        g_autoptr(GByteArray) second = g_byte_array_new();

        if (version == 5)
            continue;
        g_byte_array_append(first, (const guint8[]){(guint8)version, 1}, 2);
        server_meets(&door, first, 2, BS_HANDSHAKE_BROKEN, NULL, 0);
        g_byte_array_append(second, (const guint8[]){5, 1, 0, (guint8)version, 1, 0, 3}, 7);
        server_meets(&door, second, 7, BS_HANDSHAKE_BROKEN, (const guint8[]){5, 0}, 2);
    }
}
END_TEST

START_TEST(server_stays_open_at_every_truncation)
{
    Door door = {HASH, 0, NULL};
    g_autoptr(GByteArray) requests = greeting_with_methods(3, 2);

    append_message(requests, 1, 3, HASH, 40, 0);
    for (gsize length = 0; length < requests->len; length++) {
        BsHandshake *server = bs_handshake_new_server(door_check, &door);
        Run run = run_handshake(server, requests->data, length, 3);

        ck_assert_int_eq(run.state, BS_HANDSHAKE_GOES_ON);
        ck_assert_uint_eq(run.consumed, length);
        ck_assert_uint_gt(bs_handshake_wants(server), 0);
        ck_assert_uint_le(bs_handshake_wants(server), requests->len - length);
        ck_assert_ptr_nonnull(bs_handshake_reason(server));
        ck_assert_ptr_null(bs_handshake_dst_addr(server));
        g_byte_array_unref(run.sent);
        bs_handshake_free(server);
    }
    ck_assert_uint_eq(door.calls, 0);
}
END_TEST

/* Moves at most `slice` bytes of what one side has to send to the other. FALSE if there was nothing to move.
 */
static gboolean
carry(BsHandshake *from, BsHandshake *to, gsize slice)
{
    gsize length;
    const guint8 *bytes = bs_handshake_pending(from, &length);
    gsize part = MIN(MIN(length, slice), bs_handshake_wants(to));

    if (part == 0)
        return FALSE;
    bs_handshake_feed(to, bytes, part);
    bs_handshake_sent(from, part);
    return TRUE;
}

START_TEST(both_roles_understand_each_other)
{
    for (gsize slice = 1; slice < 60; slice++) {
        Door door = {HASH, 0, NULL};
        BsHandshake *client = bs_handshake_new_client(HASH);
        BsHandshake *server = bs_handshake_new_server(door_check, &door);

        while (carry(client, server, slice) || carry(server, client, slice))
            ;
        ck_assert_int_eq(bs_handshake_state(client), BS_HANDSHAKE_DONE);
        ck_assert_int_eq(bs_handshake_state(server), BS_HANDSHAKE_DONE);
        bs_handshake_free(client);
        bs_handshake_free(server);
        g_free(door.asked);
    }
}
END_TEST

/* Arbitrary bytes: whatever they say, the handshake stays within its bounds and comes to an end. */
START_TEST(noise_does_no_harm)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(20);

    for (guint round = 0; round < 20000; round++) {
        Door door = {HASH, 0, NULL};
        BsHandshake *handshake =
            round % 2 == 0 ? bs_handshake_new_client(HASH) : bs_handshake_new_server(door_check, &door);
        guint8 bytes[700];
        Run run;

        for (guint i = 0; i < sizeof bytes; i++)
            bytes[i] = (guint8)g_rand_int_range(random, 0, i < 12 && round % 3 != 0 ? 6 : 256);
        run = run_handshake(handshake, bytes, sizeof bytes, (gsize)g_rand_int_range(random, 1, 300));
        ck_assert_int_ne(run.state, BS_HANDSHAKE_GOES_ON);
        ck_assert_uint_eq(bs_handshake_wants(handshake), 0);
        ck_assert_uint_le(run.consumed, 2 + 255 + 5 + 255 + 2);
        g_byte_array_unref(run.sent);
        bs_handshake_free(handshake);
        g_free(door.asked);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("handshake");
    TCase *client = tcase_create("client");
    TCase *server = tcase_create("server");
    TCase *both = tcase_create("both");
    SRunner *runner;
    int failed;

    tcase_add_test(client, client_sends_what_xep_0065_says);
    tcase_add_test(client, client_waits_for_its_turn);
    tcase_add_test(client, client_takes_any_address_in_the_reply);
    tcase_add_test(client, client_refuses_unknown_address_types);
    tcase_add_test(client, client_insists_on_success);
    tcase_add_test(client, client_insists_on_version_5);
    tcase_add_test(client, client_insists_on_no_authentication);
    tcase_add_test(client, client_asks_for_the_longest_and_the_shortest_address);
    tcase_add_test(client, client_stays_open_at_every_truncation);
    tcase_add_test(server, server_repeats_address_and_port);
    tcase_add_test(server, server_asks_once_and_tells_the_address);
    tcase_add_test(server, server_takes_addresses_of_any_length);
    tcase_add_test(server, server_refuses_an_unknown_address);
    tcase_add_test(server, server_is_not_fooled_by_a_nul);
    tcase_add_test(server, server_refuses_other_commands);
    tcase_add_test(server, server_refuses_other_address_types);
    tcase_add_test(server, server_finds_its_method_among_many);
    tcase_add_test(server, server_refuses_a_client_that_wants_a_password);
    tcase_add_test(server, server_insists_on_version_5);
    tcase_add_test(server, server_stays_open_at_every_truncation);
    tcase_add_test(both, both_roles_understand_each_other);
    tcase_add_test(both, noise_does_no_harm);
    tcase_set_timeout(client, 120);
    tcase_set_timeout(server, 120);
    tcase_set_timeout(both, 120);
    suite_add_tcase(suite, client);
    suite_add_tcase(suite, server);
    suite_add_tcase(suite, both);

    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
