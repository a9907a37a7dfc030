/* What goes out of an in-band bytestream: the test is the peer, and answers each block as it likes.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/ibb_outgoing.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "purple_env.h"
#include "stanza/xml.h"
#include "transport/ibb_xml.h"

#define PEER "bob@two.test/b"
#define BLOCK_SIZE 4096
#define HANG_ROUNDS 20000

static BsIqLink *iq_link;
static BsIbbOutgoing *outgoing;
static int fds[2];      /* the object's end, and whose bytes it sends */
static GPtrArray *sent; /* xmlnode, blocks that have no answer yet */
static guint blocks;    /* sent so far */
static GByteArray *arrived;
static guint16 next_sequence;
static guint drained;
static guint broken;
static gboolean free_inside_events;
static gboolean leave_inside_send; /* as when the connection is found broken */

static void
free_outgoing(void)
{
    g_clear_pointer(&outgoing, bs_ibb_outgoing_free);
}

static void
send_stanza(xmlnode *stanza, gpointer data)
{
    (void)data;
    ck_assert_str_eq(xmlnode_get_attrib(stanza, "to"), PEER);
    g_ptr_array_add(sent, xmlnode_copy(stanza));
    blocks++;
    if (leave_inside_send) {
        free_outgoing();
        g_clear_pointer(&iq_link, bs_iq_link_free);
    }
}

static void
on_drained(gpointer data)
{
    (void)data;
    drained++;
    if (free_inside_events)
        free_outgoing();
}

static void
on_broken(const char *why, gpointer data)
{
    (void)data;
    ck_assert_ptr_nonnull(why);
    broken++;
    if (free_inside_events)
        free_outgoing();
}

static const BsIbbOutgoingEvents events = {.drained = on_drained, .broken = on_broken};

static void
begin(gsize block_size)
{
    outgoing = bs_ibb_outgoing_new(iq_link, PEER, "stream", fds[0], block_size, &events, NULL);
}

static void
setup(void)
{
    bs_test_hurry(1);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    iq_link = bs_iq_link_new("alice@one.test/a", send_stanza, NULL);
    sent = g_ptr_array_new_with_free_func((GDestroyNotify)xmlnode_free);
    arrived = g_byte_array_new();
    next_sequence = 0;
    blocks = drained = broken = 0;
    free_inside_events = leave_inside_send = FALSE;
}

static void
teardown(void)
{
    free_outgoing();
    bs_iq_link_free(iq_link);
    g_ptr_array_unref(sent);
    g_byte_array_unref(arrived);
    close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
    bs_test_hurry(1);
}

static guint8
byte_at(guint64 offset)
{
    return (guint8)((offset * 2654435761u) >> 13);
}

/* Writes up to `length` bytes of the file from `offset` on; returns how many the socket took. */
static gsize
write_some(guint64 offset, gsize length)
{
    guint8 bytes[8192];
    gsize count = MIN(length, sizeof bytes);
    ssize_t taken;

    for (gsize i = 0; i < count; i++)
        bytes[i] = byte_at(offset + i);
    taken = send(fds[1], bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return taken > 0 ? (gsize)taken : 0;
}

static void
write_all(gsize length)
{
    for (gsize at = 0; at < length;) {
        gsize count = write_some(at, length - at);

        ck_assert_uint_gt(count, 0);
        at += count;
    }
    shutdown(fds[1], SHUT_WR);
}

/* Lets it read and send what it will. */
static void
turn(void)
{
    for (guint i = 0; i < 10; i++)
        g_main_context_iteration(NULL, FALSE);
}

static const xmlnode *
data_of(const xmlnode *stanza)
{
    BsIbbKind kind;
    const xmlnode *element = bs_ibb_element(stanza, &kind);

    ck_assert_ptr_nonnull(element);
    ck_assert_int_eq(kind, BS_IBB_DATA);
    ck_assert_str_eq(bs_ibb_sid(element), "stream");
    return element;
}

static gsize
length_of(const xmlnode *stanza)
{
    g_autoptr(GByteArray) bytes = bs_ibb_bytes(data_of(stanza), BS_IBB_BLOCK_MAX);

    ck_assert_ptr_nonnull(bytes);
    return bytes->len;
}

static guint16
sequence_of(const xmlnode *stanza)
{
    guint64 sequence;

    ck_assert(bs_ibb_sequence(data_of(stanza), &sequence));
    ck_assert_uint_le(sequence, G_MAXUINT16);
    return (guint16)sequence;
}

/* Answers the oldest block: NULL for a result, or with an error. */
static void
answer(const char *type, const char *condition)
{
    xmlnode *stanza = g_ptr_array_steal_index(sent, 0);
    xmlnode *iq = xmlnode_new("iq");

    xmlnode_set_attrib(iq, "type", condition != NULL ? "error" : "result");
    xmlnode_set_attrib(iq, "from", PEER);
    xmlnode_set_attrib(iq, "id", xmlnode_get_attrib(stanza, "id"));
    if (condition != NULL) {
        xmlnode *error = xmlnode_new_child(iq, "error");

        xmlnode_set_attrib(error, "type", type);
        bs_xml_add_child(error, condition, BS_NS_STANZA_ERRORS);
    }
    bs_iq_link_receive(iq_link, iq);
    xmlnode_free(iq);
    xmlnode_free(stanza);
}

/* The peer takes the oldest block: it must be the next one. */
static void
take(void)
{
    const xmlnode *stanza = g_ptr_array_index(sent, 0);
    g_autoptr(GByteArray) bytes = bs_ibb_bytes(data_of(stanza), BS_IBB_BLOCK_MAX);

    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(sequence_of(stanza), next_sequence);
    next_sequence++;
    g_byte_array_append(arrived, bytes->data, bytes->len);
    answer(NULL, NULL);
}

static void
take_all(void)
{
    for (guint i = 0; drained + broken == 0 && i < HANG_ROUNDS; i++) {
        turn();
        while (sent->len > 0)
            take();
        if (sent->len == 0)
            bs_test_run_for(1);
    }
}

static void
check_arrived(gsize length)
{
    ck_assert_uint_eq(broken, 0);
    ck_assert_uint_eq(drained, 1);
    ck_assert_uint_eq(arrived->len, length);
    for (gsize i = 0; i < length; i++)
        if (arrived->data[i] != byte_at(i))
            ck_abort_msg("byte %" G_GSIZE_FORMAT " is wrong", i);
}

static void
wait_for_blocks(guint count)
{
    for (guint i = 0; sent->len < count && broken == 0 && i < HANG_ROUNDS; i++)
        bs_test_run_for(1);
    ck_assert_uint_ge(sent->len, count);
}

START_TEST(all_bytes_go_out_in_order)
{
    begin(BLOCK_SIZE);
    write_all(50000);
    take_all();
    check_arrived(50000);
}
END_TEST

START_TEST(nothing_is_drained_at_once)
{
    begin(BLOCK_SIZE);
    shutdown(fds[1], SHUT_WR);
    ck_assert_uint_eq(drained, 0);
    take_all();
    check_arrived(0);
    ck_assert_uint_eq(blocks, 0);
}
END_TEST

START_TEST(the_window_grows)
{
    gsize most = 0;
    guint64 written = 0;

    begin(BLOCK_SIZE);
    for (guint i = 0; i < 60; i++) {
        gsize flying = 0;

        for (gsize count = 1; count > 0; written += count)
            count = write_some(written, 8192);
        turn();
        for (guint j = 0; j < sent->len; j++) {
            gsize length = length_of(g_ptr_array_index(sent, j));

            ck_assert_uint_le(length, BLOCK_SIZE);
            flying += length;
        }
        if (i == 0)
            ck_assert_uint_le(flying, 1024);
        most = MAX(most, flying);
        take();
    }
    ck_assert_uint_gt(most, 4 * BLOCK_SIZE);
    ck_assert_uint_eq(broken, 0);
}
END_TEST

/* As many blocks as a number has values, and some more. */
START_TEST(numbers_begin_anew)
{
    const gsize length = G_MAXUINT16 + 100;

    begin(1);
    for (gsize written = 0; drained == 0;) {
        written += write_some(written, length - written);
        if (written == length)
            shutdown(fds[1], SHUT_WR);
        turn();
        while (sent->len > 0)
            take();
    }
    check_arrived(length);
    ck_assert_uint_eq(blocks, length);
    ck_assert_uint_eq(next_sequence, 99);
}
END_TEST

static const struct {
    const char *type;
    const char *condition;
} refusals[] = {
    {"wait", "resource-constraint"},
    {"cancel", "resource-constraint"},
    {"wait", "policy-violation"},
};

/* The first of several that fly is refused, and so those behind it that came out of order. */
START_TEST(a_refused_block_is_sent_again)
{
    guint flying;

    begin(512);
    write_all(20000);
    turn();
    take();
    take();
    wait_for_blocks(2);
    bs_test_hurry(10);
    flying = sent->len;
    answer(refusals[_i].type, refusals[_i].condition);
    while (sent->len > 0) {
        answer("cancel", "unexpected-request");
        turn();
        ck_assert_uint_le(sent->len, flying);
    }
    bs_test_run_for(5);
    ck_assert_uint_eq(sent->len, 0);
    ck_assert_uint_eq(broken, 0);
    take_all();
    check_arrived(20000);
    ck_assert_uint_gt(blocks, 20000 / 512);
}
END_TEST

/* Each time fewer blocks fly, and those that do not wait for the others. */
START_TEST(a_server_may_refuse_several_times)
{
    begin(512);
    bs_test_hurry(1000);
    write_all(20000);
    for (guint i = 0; i < 12; i++) {
        turn();
        if (sent->len > 0)
            take();
    }
    for (guint i = 0; i < 4; i++) {
        wait_for_blocks(1);
        while (sent->len > 0)
            answer("wait", "resource-constraint");
    }
    ck_assert_uint_eq(broken, 0);
    take_all();
    check_arrived(20000);
}
END_TEST

START_TEST(a_server_that_always_refuses_is_given_up)
{
    begin(512);
    bs_test_hurry(1000);
    write_all(20000);
    for (guint i = 0; broken == 0 && i < HANG_ROUNDS; i++) {
        while (sent->len > 0)
            answer("wait", "resource-constraint");
        bs_test_run_for(1);
    }
    ck_assert_uint_eq(broken, 1);
    ck_assert_uint_eq(drained, 0);
    ck_assert_uint_gt(blocks, 3);
}
END_TEST

/* A peer that does so has a file with a hole. */
START_TEST(a_block_taken_after_a_refused_one_breaks_the_stream)
{
    begin(512);
    write_all(20000);
    turn();
    take();
    take();
    wait_for_blocks(2);
    answer("wait", "resource-constraint");
    while (sent->len > 0)
        answer(NULL, NULL);
    ck_assert_uint_eq(broken, 1);
}
END_TEST

START_TEST(after_a_failure_nothing_is_sent_or_said)
{
    guint before;

    begin(512);
    write_all(20000);
    turn();
    take();
    take();
    wait_for_blocks(2);
    answer("cancel", "item-not-found");
    ck_assert_uint_eq(broken, 1);
    before = blocks;
    while (sent->len > 0)
        answer(NULL, NULL);
    bs_test_run_for(50);
    ck_assert_uint_eq(blocks, before);
    ck_assert_uint_eq(broken, 1);
    ck_assert_uint_eq(drained, 0);
}
END_TEST

START_TEST(a_peer_that_does_not_answer_breaks_the_stream)
{
    begin(BLOCK_SIZE);
    bs_test_hurry(10000);
    write_all(20000);
    for (guint i = 0; broken == 0 && i < HANG_ROUNDS; i++)
        bs_test_run_for(1);
    ck_assert_uint_eq(broken, 1);
    ck_assert_uint_eq(drained, 0);
}
END_TEST

START_TEST(it_is_busy_until_all_is_acknowledged)
{
    begin(BLOCK_SIZE);
    ck_assert(!bs_ibb_outgoing_is_busy(outgoing));
    ck_assert_uint_eq(write_some(0, 100), 100);
    ck_assert(bs_ibb_outgoing_is_busy(outgoing));
    wait_for_blocks(1);
    ck_assert(bs_ibb_outgoing_is_busy(outgoing));
    take();
    ck_assert(!bs_ibb_outgoing_is_busy(outgoing));
    ck_assert_uint_eq(drained, 0);
}
END_TEST

START_TEST(a_writer_that_closes_has_ended)
{
    begin(BLOCK_SIZE);
    ck_assert_uint_eq(write_some(0, 3000), 3000);
    close(fds[1]);
    fds[1] = -1;
    take_all();
    check_arrived(3000);
}
END_TEST

/* What brings the test's own answers into each state. */
typedef void (*Step)(void);

static void
until_it_waits(void)
{
    bs_test_run_for(5);
}

static void
until_it_pauses(void)
{
    write_all(20000);
    wait_for_blocks(1);
    while (sent->len > 0)
        answer("wait", "resource-constraint");
}

static void
until_blocks_fly(void)
{
    write_all(20000);
    turn();
    take();
    wait_for_blocks(2);
}

static void
until_some_were_refused(void)
{
    until_blocks_fly();
    answer("wait", "resource-constraint");
}

static void
freed_inside_send(void)
{
    leave_inside_send = TRUE;
    write_all(20000);
    wait_for_blocks(1);
    ck_assert_ptr_null(outgoing);
}

static void
freed_inside_drained(void)
{
    free_inside_events = TRUE;
    write_all(2000);
    take_all();
    ck_assert_ptr_null(outgoing);
}

static void
freed_inside_broken(void)
{
    free_inside_events = TRUE;
    until_blocks_fly();
    answer("cancel", "item-not-found");
    ck_assert_ptr_null(outgoing);
}

static const Step steps[] = {until_it_waits,          until_it_pauses,   until_blocks_fly,
                             until_some_were_refused, freed_inside_send, freed_inside_drained,
                             freed_inside_broken};

START_TEST(it_can_be_freed_at_any_moment)
{
    guint before;

    bs_test_hurry(10);
    begin(512);
    steps[_i]();
    free_outgoing();
    before = blocks;
    while (iq_link != NULL && sent->len > 0)
        answer(NULL, NULL);
    bs_test_run_for(200);
    ck_assert_uint_eq(blocks, before);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ibb_outgoing");
    TCase *tcase = tcase_create("ibb_outgoing");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, all_bytes_go_out_in_order);
    tcase_add_test(tcase, nothing_is_drained_at_once);
    tcase_add_test(tcase, the_window_grows);
    tcase_add_test(tcase, numbers_begin_anew);
    tcase_add_loop_test(tcase, a_refused_block_is_sent_again, 0, G_N_ELEMENTS(refusals));
    tcase_add_test(tcase, a_server_may_refuse_several_times);
    tcase_add_test(tcase, a_server_that_always_refuses_is_given_up);
    tcase_add_test(tcase, a_block_taken_after_a_refused_one_breaks_the_stream);
    tcase_add_test(tcase, after_a_failure_nothing_is_sent_or_said);
    tcase_add_test(tcase, a_peer_that_does_not_answer_breaks_the_stream);
    tcase_add_test(tcase, it_is_busy_until_all_is_acknowledged);
    tcase_add_test(tcase, a_writer_that_closes_has_ended);
    tcase_add_loop_test(tcase, it_can_be_freed_at_any_moment, 0, G_N_ELEMENTS(steps));
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
