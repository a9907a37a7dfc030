/* What comes in over an in-band bytestream: the test is the peer's blocks, and reads the socket or does not.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/ibb_incoming.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "purple_env.h"
#include "transport/ibb_xml.h"

#define PEER "bob@two.test/b"
#define BLOCK_SIZE 4096

static BsIqLink *iq_link;
static BsIbbIncoming *incoming;
static int fds[2];       /* the object's end, and the reader's */
static GString *answers; /* ids that were answered with a result, each followed by a space */
static gboolean refused; /* something else was sent */
static guint drained;

static void
send_stanza(xmlnode *stanza, gpointer data)
{
    (void)data;
    ck_assert_str_eq(xmlnode_get_attrib(stanza, "to"), PEER);
    if (strcmp(xmlnode_get_attrib(stanza, "type"), "result") == 0)
        g_string_append_printf(answers, "%s ", xmlnode_get_attrib(stanza, "id"));
    else
        refused = TRUE;
}

static void
setup(void)
{
    int small = 4608;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    iq_link = bs_iq_link_new("alice@one.test/a", send_stanza, NULL);
    incoming = bs_ibb_incoming_new(iq_link, fds[0], BLOCK_SIZE);
    answers = g_string_new(NULL);
    refused = FALSE;
    drained = 0;
}

static void
teardown(void)
{
    bs_ibb_incoming_free(incoming);
    bs_iq_link_free(iq_link);
    ck_assert(!refused);
    g_string_free(answers, TRUE);
    close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
}

/* Hands in a stanza of this name whose block is `text`, numbered as `sequence` says. */
static BsIbbTaken
take_text(const char *name, const char *id, const char *sequence, const char *text)
{
    g_autofree char *xml = g_strdup_printf("<%s type='set' from='" PEER "' id='%s'><data xmlns='" BS_NS_IBB
                                           "' sid='stream' seq='%s'>%s</data></%s>",
                                           name, id, sequence, text, name);
    xmlnode *stanza = xmlnode_from_str(xml, -1);
    BsIbbKind kind;
    BsIbbTaken taken;

    ck_assert_ptr_nonnull(stanza);
    taken = bs_ibb_incoming_take(incoming, stanza, bs_ibb_element(stanza, &kind));
    xmlnode_free(stanza);
    return taken;
}

/* A block of `length` bytes `byte`, in an IQ whose id is its number unless `id` says otherwise. */
static BsIbbTaken
take_block(const char *id, guint64 sequence, char byte, gsize length)
{
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, sequence);
    g_autofree guchar *bytes = g_malloc(length + 1);
    g_autofree char *text = NULL;

    memset(bytes, byte, length);
    text = g_base64_encode(bytes, length);
    return take_text("iq", id != NULL ? id : number, number, text);
}

static char *
read_text(void)
{
    GString *text = g_string_new(NULL);
    char buffer[4096];
    ssize_t count;

    while ((count = recv(fds[1], buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
        g_string_append_len(text, buffer, count);
    return g_string_free(text, FALSE);
}

static void
check_text(const char *expected)
{
    g_autofree char *text = read_text();

    ck_assert_str_eq(text, expected);
}

/* So many bytes are there still, and no more. */
static void
check_rest(gsize length)
{
    g_autofree char *text = read_text();

    ck_assert_uint_eq(strlen(text), length);
}

static void
on_drained(gpointer data)
{
    (void)data;
    drained++;
    if (data != NULL)
        g_clear_pointer(&incoming, bs_ibb_incoming_free);
}

START_TEST(blocks_come_out_in_order)
{
    ck_assert_int_eq(take_text("iq", "a", "0", "YWxs"), BS_IBB_TAKEN);
    ck_assert_int_eq(take_text("iq", "b", "1", "IHdl"), BS_IBB_TAKEN);
    ck_assert_int_eq(take_text("iq", "c", "2", ""), BS_IBB_TAKEN);
    ck_assert_int_eq(take_text("iq", "d", "3", "bGw="), BS_IBB_TAKEN);
    check_text("all well");
    ck_assert_str_eq(answers->str, "a b c d ");
}
END_TEST

START_TEST(blocks_come_in_messages)
{
    ck_assert_int_eq(take_text("message", "a", "0", "YWxs"), BS_IBB_TAKEN);
    ck_assert_int_eq(take_text("iq", "b", "1", "IHdl"), BS_IBB_TAKEN);
    ck_assert_int_eq(take_text("message", "c", "2", "bGw="), BS_IBB_TAKEN);
    ck_assert_int_eq(take_text("message", "c", "2", "bGw="), BS_IBB_TAKEN);
    check_text("all well");
    ck_assert_str_eq(answers->str, "b ");
}
END_TEST

/* Bad ones, as the second of a stream. */
static const struct {
    const char *sequence;
    const char *text;
    BsIbbTaken taken;
} blocks[] = {
    {"1", "YWx", BS_IBB_BAD_BLOCK},         {"1", "YWxs=", BS_IBB_BAD_BLOCK},
    {"1", "Y=xs", BS_IBB_BAD_BLOCK},        {"1", "YW s", BS_IBB_BAD_BLOCK},
    {"1", "YW&#10;s", BS_IBB_BAD_BLOCK},    {"1", "YW-_", BS_IBB_BAD_BLOCK},
    {"1", "====", BS_IBB_BAD_BLOCK},        {"1", "YWxsYR==", BS_IBB_BAD_BLOCK},
    {"", "YWxs", BS_IBB_BAD_BLOCK},         {"-1", "YWxs", BS_IBB_BAD_BLOCK},
    {"1x", "YWxs", BS_IBB_BAD_BLOCK},       {"18446744073709551617", "YWxs", BS_IBB_BAD_BLOCK},
    {"2", "YWxs", BS_IBB_OUT_OF_ORDER},     {"0", "YWxs", BS_IBB_OUT_OF_ORDER},
    {"65535", "YWxs", BS_IBB_OUT_OF_ORDER}, {"65536", "YWxs", BS_IBB_OUT_OF_ORDER},
    {"65537", "YWxs", BS_IBB_OUT_OF_ORDER}, {"1", "YWxs", BS_IBB_TAKEN},
};

START_TEST(bad_blocks_are_not_taken)
{
    ck_assert_int_eq(take_text("iq", "a", "0", "YWxs"), BS_IBB_TAKEN);
    ck_assert_int_eq(take_text("iq", "b", blocks[_i].sequence, blocks[_i].text), blocks[_i].taken);
    check_text(blocks[_i].taken == BS_IBB_TAKEN ? "allall" : "all");
    ck_assert_str_eq(answers->str, blocks[_i].taken == BS_IBB_TAKEN ? "a b " : "a ");
}
END_TEST

START_TEST(blocks_have_the_size_agreed)
{
    g_autofree char *text = NULL;

    ck_assert_int_eq(take_block(NULL, 0, 'x', BLOCK_SIZE), BS_IBB_TAKEN);
    text = read_text();
    ck_assert_uint_eq(strlen(text), BLOCK_SIZE);
    ck_assert_int_eq(take_block(NULL, 1, 'x', BLOCK_SIZE + 1), BS_IBB_BAD_BLOCK);
    check_text("");
}
END_TEST

/* More blocks than a number has values; the peer begins anew after 65535, or counts on. */
START_TEST(numbers_begin_anew_or_go_on)
{
    const guint64 count = G_MAXUINT16 + 100;
    xmlnode *stanza = xmlnode_new("message");
    xmlnode *data = xmlnode_new_child(stanza, "data");
    gsize got = 0;

    xmlnode_set_namespace(data, BS_NS_IBB);
    xmlnode_insert_data(data, "eA==", -1);
    for (guint64 i = 0; i < count; i++) {
        g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, _i ? i & G_MAXUINT16 : i);

        xmlnode_set_attrib(data, "seq", number);
        ck_assert_int_eq(bs_ibb_incoming_take(incoming, stanza, data), BS_IBB_TAKEN);
        if (i % 16 == 15 || i == count - 1) {
            g_autofree char *text = read_text();

            got += strlen(text);
        }
    }
    ck_assert_uint_eq(got, count);
    xmlnode_free(stanza);
}
END_TEST

START_TEST(a_block_that_comes_twice_counts_once)
{
    for (guint64 i = 0; i < 10; i++)
        ck_assert_int_eq(take_block(NULL, i, (char)('a' + i), 1), BS_IBB_TAKEN);
    ck_assert_int_eq(take_block(NULL, 9, 'j', 1), BS_IBB_TAKEN);
    ck_assert_int_eq(take_block(NULL, 3, 'd', 1), BS_IBB_TAKEN);
    ck_assert_int_eq(take_block("another", 9, 'j', 1), BS_IBB_OUT_OF_ORDER);
    ck_assert_int_eq(take_block(NULL, 10, 'k', 1), BS_IBB_TAKEN);
    check_text("abcdefghijk");
    ck_assert_str_eq(answers->str, "0 1 2 3 4 5 6 7 8 9 9 3 10 ");
}
END_TEST

/* Takes blocks until the socket is full; returns their number. */
static guint
fill_socket(void)
{
    guint count = 0;
    gsize before;

    do {
        before = answers->len;
        ck_assert_int_eq(take_block(NULL, count++, 'x', BLOCK_SIZE), BS_IBB_TAKEN);
        ck_assert_uint_lt(count, 200);
    } while (answers->len > before);
    return count;
}

START_TEST(a_slow_reader_is_waited_for)
{
    guint count = fill_socket();
    gsize answered = answers->len;
    g_autoptr(GString) all = g_string_new(NULL);
    gsize got = 0;

    for (guint i = 0; i < 5; i++)
        ck_assert_int_eq(take_block(NULL, count++, 'x', BLOCK_SIZE), BS_IBB_TAKEN);
    /* This one's answer comes once, with the others. */
    ck_assert_int_eq(take_block(NULL, count - 1, 'x', BLOCK_SIZE), BS_IBB_TAKEN);
    bs_test_run_for(20);
    ck_assert_uint_eq(answers->len, answered);
    for (guint i = 0; got < count * BLOCK_SIZE && i < 1000; i++) {
        g_autofree char *text = read_text();

        got += strlen(text);
        bs_test_run_for(1);
    }
    ck_assert_uint_eq(got, count * BLOCK_SIZE);
    for (guint i = 0; i < count; i++)
        g_string_append_printf(all, "%u ", i);
    ck_assert_str_eq(answers->str, all->str);
}
END_TEST

START_TEST(what_waits_has_a_limit)
{
    guint count = fill_socket();
    BsIbbTaken taken = BS_IBB_TAKEN;
    guint more;

    for (more = 0; more < 1000 && taken == BS_IBB_TAKEN; more++)
        taken = take_block(NULL, count++, 'x', BLOCK_SIZE);
    ck_assert_int_eq(taken, BS_IBB_OVERFLOW);
    /* More than any peer of our own has on its way. */
    ck_assert_uint_gt(more, 64);
}
END_TEST

START_TEST(a_reader_that_is_gone_takes_everything)
{
    close(fds[1]);
    fds[1] = -1;
    ck_assert_int_eq(take_block(NULL, 0, 'x', BLOCK_SIZE), BS_IBB_TAKEN);
    ck_assert_int_eq(take_block(NULL, 1, 'x', BLOCK_SIZE), BS_IBB_TAKEN);
    ck_assert_str_eq(answers->str, "0 1 ");
}
END_TEST

START_TEST(a_reader_that_goes_takes_what_waits)
{
    guint count = fill_socket();

    ck_assert_int_eq(take_block(NULL, count, 'x', BLOCK_SIZE), BS_IBB_TAKEN);
    bs_ibb_incoming_finish(incoming, on_drained, NULL);
    ck_assert_uint_eq(drained, 0);
    close(fds[1]);
    fds[1] = -1;
    bs_test_run_for(50);
    ck_assert_uint_eq(drained, 1);
}
END_TEST

START_TEST(the_end_comes_after_the_last_byte)
{
    gsize got = 0;
    guint count = fill_socket();

    bs_ibb_incoming_finish(incoming, on_drained, &incoming);
    for (guint i = 0; drained == 0 && i < 1000; i++) {
        g_autofree char *text = read_text();

        got += strlen(text);
        bs_test_run_for(1);
    }
    ck_assert_ptr_null(incoming);
    ck_assert_uint_eq(drained, 1);
    check_rest(count * BLOCK_SIZE - got);
}
END_TEST

START_TEST(an_end_with_nothing_to_write_comes_at_once)
{
    bs_ibb_incoming_finish(incoming, on_drained, &incoming);
    ck_assert_uint_eq(drained, 1);
    ck_assert_ptr_null(incoming);
}
END_TEST

START_TEST(it_can_be_freed_with_bytes_that_wait)
{
    fill_socket();
    g_clear_pointer(&incoming, bs_ibb_incoming_free);
    g_free(read_text());
    bs_test_run_for(20);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ibb_incoming");
    TCase *tcase = tcase_create("ibb_incoming");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, blocks_come_out_in_order);
    tcase_add_test(tcase, blocks_come_in_messages);
    tcase_add_loop_test(tcase, bad_blocks_are_not_taken, 0, G_N_ELEMENTS(blocks));
    tcase_add_test(tcase, blocks_have_the_size_agreed);
    tcase_add_loop_test(tcase, numbers_begin_anew_or_go_on, 0, 2);
    tcase_add_test(tcase, a_block_that_comes_twice_counts_once);
    tcase_add_test(tcase, a_slow_reader_is_waited_for);
    tcase_add_test(tcase, what_waits_has_a_limit);
    tcase_add_test(tcase, a_reader_that_is_gone_takes_everything);
    tcase_add_test(tcase, a_reader_that_goes_takes_what_waits);
    tcase_add_test(tcase, the_end_comes_after_the_last_byte);
    tcase_add_test(tcase, an_end_with_nothing_to_write_comes_at_once);
    tcase_add_test(tcase, it_can_be_freed_with_bytes_that_wait);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
