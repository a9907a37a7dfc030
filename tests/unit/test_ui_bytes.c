/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <blist.h>
#include <check.h>
#include <string.h>

#include "host/ui_bytes.h"
#include "stream/pump.h"
#include "support/purple_env.h"

#define SIZE 300000
#define HANG_SECONDS 60

static PurpleAccount *account;
static PurpleXfer *xfer;
static BsUiBytes *bytes;
static guint8 content[SIZE];
static GByteArray *at_ui;   /* what the UI has written */
static gsize read_by_ui;    /* what the UI has handed out */
static GByteArray *at_peer; /* what came out of the source */
static gboolean all_there;
static gboolean ended;
static guint awake;

/* A UI that moves the bytes itself; it is ready again after each chunk. */

static gboolean
ui_ready(gpointer data)
{
    (void)data;
    if (!ended)
        purple_xfer_ui_ready(xfer);
    return FALSE;
}

static gssize
ui_write(PurpleXfer *with, const guchar *buffer, gssize size)
{
    (void)with;
    g_byte_array_append(at_ui, buffer, (guint)size);
    g_timeout_add(0, ui_ready, NULL);
    return size;
}

static gssize
ui_read(PurpleXfer *with, guchar **buffer, gssize size)
{
    gsize count = MIN((gsize)size, (gsize)SIZE - read_by_ui);

    (void)with;
    *buffer = g_malloc(count);
    memcpy(*buffer, content + read_by_ui, count);
    read_by_ui += count;
    g_timeout_add(0, ui_ready, NULL);
    return (gssize)count;
}

static void
data_not_sent(PurpleXfer *with, const guchar *buffer, gsize size)
{
    (void)with;
    (void)buffer;
    read_by_ui -= size;
}

static PurpleXferUiOps ui_ops = {.ui_write = ui_write, .ui_read = ui_read, .data_not_sent = data_not_sent};

static void
xfer_ended(PurpleXfer *which)
{
    (void)which;
    ended = TRUE;
}

static gssize
read_op(guchar **buffer, PurpleXfer *which)
{
    (void)which;
    return bs_ui_bytes_read(bytes, buffer);
}

static gssize
write_op(const guchar *buffer, size_t size, PurpleXfer *which)
{
    (void)which;
    return bs_ui_bytes_write(bytes, buffer, size);
}

static void
nothing_to_do(PurpleXfer *which)
{
    (void)which;
}

static void
set_up(void)
{
    purple_xfers_set_ui_ops(&ui_ops);
    account = purple_account_new("anna@example.org", "prpl-jabber");
    at_ui = g_byte_array_new();
    at_peer = g_byte_array_new();
    for (gsize i = 0; i < SIZE; i++)
        content[i] = (guint8)(i * 31 + i / 251);
    read_by_ui = 0;
    all_there = FALSE;
    ended = FALSE;
    awake = 0;
}

static void
tear_down(void)
{
    bs_ui_bytes_free(bytes);
    if (!ended)
        purple_xfer_cancel_local(xfer);
    purple_account_destroy(account);
    g_byte_array_unref(at_ui);
    g_byte_array_unref(at_peer);
}

static void
make_xfer(PurpleXferType type, guint64 size, BsUiBytesReady ready)
{
    xfer = purple_xfer_new(account, type, "bob@example.org");
    purple_xfer_set_filename(xfer, "a");
    purple_xfer_set_local_filename(xfer, "/nowhere/a");
    purple_xfer_set_size(xfer, size != BS_SIZE_UNKNOWN ? size : 0);
    purple_xfer_set_init_fnc(xfer, nothing_to_do);
    purple_xfer_set_end_fnc(xfer, xfer_ended);
    purple_xfer_set_read_fnc(xfer, read_op);
    purple_xfer_set_write_fnc(xfer, write_op);
    ck_assert(bs_ui_bytes_wanted(xfer));
    bytes = bs_ui_bytes_new(xfer, size, ready, NULL);
}

static void
start_xfer(void)
{
    purple_xfer_start(xfer, -1, NULL, 0);
    bs_ui_bytes_start(bytes);
    purple_xfer_ui_ready(xfer);
}

/* Sending: whoever sends drains the source when it is told that there is something. */

static BsSource *source;

static void
drain_source(gpointer data)
{
    guint8 buffer[7000];
    gssize count;

    (void)data;
    while ((count = source->read(source, buffer, sizeof buffer, NULL)) > 0)
        g_byte_array_append(at_peer, buffer, (guint)count);
    all_there = count == 0;
}

START_TEST(a_file_is_sent_and_not_taken_for_complete)
{
    make_xfer(PURPLE_XFER_SEND, SIZE, drain_source);
    source = bs_ui_bytes_source(bytes);
    drain_source(NULL); /* before the xfer has started, nothing is asked for */
    bs_test_run_for(30);
    ck_assert_uint_eq(read_by_ui, 0);
    start_xfer();
    ck_assert(bs_test_run_until(&all_there, HANG_SECONDS));
    bs_test_run_for(30);
    ck_assert_uint_eq(at_peer->len, SIZE);
    ck_assert_mem_eq(at_peer->data, content, SIZE);
    ck_assert(!purple_xfer_is_completed(xfer));
    ck_assert(!ended);
    source->close(source);
}
END_TEST

START_TEST(an_empty_file_needs_no_ui)
{
    guint8 buffer[10];

    make_xfer(PURPLE_XFER_SEND, 0, drain_source);
    source = bs_ui_bytes_source(bytes);
    start_xfer();
    ck_assert_int_eq(source->read(source, buffer, sizeof buffer, NULL), 0);
    source->close(source);
}
END_TEST

START_TEST(a_source_without_its_object_fails)
{
    guint8 buffer[10];
    GError *error = NULL;

    make_xfer(PURPLE_XFER_SEND, SIZE, drain_source);
    source = bs_ui_bytes_source(bytes);
    g_clear_pointer(&bytes, bs_ui_bytes_free);
    ck_assert_int_eq(source->read(source, buffer, sizeof buffer, &error), -1);
    ck_assert(g_error_matches(error, BS_STREAM_ERROR, BS_STREAM_ERROR_READ));
    g_error_free(error);
    source->close(source);
}
END_TEST

/* Receiving: whoever receives fills the sink when it is told that there is room. */

static BsSink *sink;
static gsize received;

static void
fill_sink(gpointer data)
{
    gssize count = 1;

    (void)data;
    awake++;
    while (sink != NULL && received < SIZE && count > 0) {
        count = sink->write(sink, content + received, MIN(100000, SIZE - received), NULL);
        if (count > 0)
            received += (gsize)count;
    }
    all_there = received == SIZE;
}

static void
begin_to_receive(guint64 size)
{
    make_xfer(PURPLE_XFER_RECEIVE, size, fill_sink);
    sink = bs_ui_bytes_sink(bytes);
    received = 0;
    start_xfer();
    fill_sink(NULL);
    ck_assert_uint_lt(received, SIZE); /* there is a bound to what waits for the UI */
    ck_assert(bs_test_run_until(&all_there, HANG_SECONDS));
    bs_test_run_for(30);
}

/* Some versions of libpurple end an xfer with the last byte, others leave that to the owner. */
static void
wait_until_drained(void)
{
    for (guint i = 0; i < HANG_SECONDS * 100 && !bs_ui_bytes_drained(bytes); i++)
        bs_test_run_for(10);
    ck_assert(bs_ui_bytes_drained(bytes));
}

START_TEST(the_last_byte_comes_when_the_file_is_finished)
{
    begin_to_receive(SIZE);
    ck_assert_uint_eq(at_ui->len, SIZE - 1);
    ck_assert(!purple_xfer_is_completed(xfer));
    ck_assert(!ended);
    ck_assert(!bs_ui_bytes_drained(bytes));

    ck_assert(sink->finish(g_steal_pointer(&sink), NULL));
    wait_until_drained();
    ck_assert_uint_eq(at_ui->len, SIZE);
    ck_assert_mem_eq(at_ui->data, content, SIZE);
}
END_TEST

START_TEST(a_file_of_unknown_size_is_drained_and_left_to_the_owner)
{
    guint awake_before;

    begin_to_receive(BS_SIZE_UNKNOWN);
    ck_assert_uint_eq(at_ui->len, SIZE - 1);
    awake_before = awake;
    ck_assert(sink->finish(g_steal_pointer(&sink), NULL));
    wait_until_drained();
    bs_test_run_for(30);
    ck_assert_uint_gt(awake, awake_before);
    ck_assert_uint_eq(at_ui->len, SIZE);
    ck_assert(!ended);
}
END_TEST

START_TEST(a_discarded_file_is_never_complete)
{
    begin_to_receive(SIZE);
    sink->discard(g_steal_pointer(&sink));
    bs_test_run_for(30);
    ck_assert_uint_eq(at_ui->len, SIZE - 1);
    ck_assert(!ended);
}
END_TEST

START_TEST(a_sink_without_its_object_fails)
{
    GError *error = NULL;

    make_xfer(PURPLE_XFER_RECEIVE, SIZE, fill_sink);
    sink = bs_ui_bytes_sink(bytes);
    g_clear_pointer(&bytes, bs_ui_bytes_free);
    ck_assert_int_eq(sink->write(sink, content, 1, &error), -1);
    ck_assert(g_error_matches(error, BS_STREAM_ERROR, BS_STREAM_ERROR_WRITE));
    g_clear_error(&error);
    ck_assert(!sink->finish(sink, &error));
    ck_assert_ptr_nonnull(error);
    g_error_free(error);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ui_bytes");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    bs_test_purple_start();
    purple_set_blist(purple_blist_new());
    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 3 * HANG_SECONDS);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, a_file_is_sent_and_not_taken_for_complete);
    tcase_add_test(all, an_empty_file_needs_no_ui);
    tcase_add_test(all, a_source_without_its_object_fails);
    tcase_add_test(all, the_last_byte_comes_when_the_file_is_finished);
    tcase_add_test(all, a_file_of_unknown_size_is_drained_and_left_to_the_owner);
    tcase_add_test(all, a_discarded_file_is_never_complete);
    tcase_add_test(all, a_sink_without_its_object_fails);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
