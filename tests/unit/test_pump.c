/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/pump.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/part_file.h"

#include "../support/purple_env.h"

#define HANG_SECONDS 60
#define SHA256 (1u << BS_HASH_SHA256)
#define NEVER G_MAXUINT64

/* The file that all tests move: each byte follows from its place. */
static guint8
byte_at(guint64 position)
{
    return (guint8)(position * 31 + (position >> 8) * 7 + (position >> 16));
}

/* A source of `size` such bytes that can be told to misbehave. */
typedef struct {
    BsSource source;
    guint64 size;
    guint64 position;
    gsize at_once;
    guint64 fails_at; /* place in the file */
    GQuark fails_with;
    BsStreamError code;
    guint64 blocks_at; /* once */
    guint64 blocks_every;
    gboolean wakes_inside;
    gboolean wakes_later;
    guint64 frees_at;
    BsPump **pump;
    guint calls;
    guint timer;
} FakeSource;

static gboolean
source_wakes(gpointer data)
{
    FakeSource *fake = data;

    fake->timer = 0;
    bs_pump_wake(*fake->pump);
    return G_SOURCE_REMOVE;
}

static gboolean
source_blocks(FakeSource *fake)
{
    if (fake->position < fake->blocks_at)
        return FALSE;
    fake->blocks_at = fake->blocks_every != 0 ? fake->blocks_at + fake->blocks_every : NEVER;
    if (fake->wakes_inside)
        bs_pump_wake(*fake->pump);
    if (fake->wakes_later)
        fake->timer = g_timeout_add(1, source_wakes, fake);
    return TRUE;
}

static gssize
fake_read(BsSource *source, guint8 *buffer, gsize size, GError **error)
{
    FakeSource *fake = (FakeSource *)source;
    gsize count = MIN(MIN(size, fake->at_once), fake->size - fake->position);

    fake->calls++;
    if (fake->position >= fake->frees_at) {
        fake->frees_at = NEVER;
        bs_pump_free(*fake->pump);
        *fake->pump = NULL;
    }
    if (fake->position >= fake->fails_at) {
        g_set_error_literal(error, fake->fails_with, (int)fake->code, "the source fails");
        return -1;
    }
    if (source_blocks(fake))
        return -1;
    for (gsize i = 0; i < count; i++)
        buffer[i] = byte_at(fake->position + i);
    fake->position += count;
    return (gssize)count;
}

static FakeSource
fake_source(guint64 size, BsPump **pump)
{
    FakeSource fake = {.source = {.read = fake_read},
                       .size = size,
                       .at_once = G_MAXSIZE,
                       .fails_at = NEVER,
                       .fails_with = BS_STREAM_ERROR,
                       .code = BS_STREAM_ERROR_READ,
                       .blocks_at = NEVER,
                       .frees_at = NEVER,
                       .pump = pump};

    return fake;
}

/* A sink that compares what it gets with what belongs there. */
typedef struct {
    BsSink sink;
    guint64 position;
    guint64 wrong;
    gsize at_once;
    guint64 fails_at;
    GQuark fails_with;
    BsStreamError code;
    guint64 blocks_at;
    guint64 blocks_every;
    gboolean wakes_inside;
    gboolean wakes_later;
    guint64 frees_at;
    BsPump **pump;
    guint timer;
} FakeSink;

static gboolean
sink_wakes(gpointer data)
{
    FakeSink *fake = data;

    fake->timer = 0;
    bs_pump_wake(*fake->pump);
    return G_SOURCE_REMOVE;
}

static gboolean
sink_blocks(FakeSink *fake)
{
    if (fake->position < fake->blocks_at)
        return FALSE;
    fake->blocks_at = fake->blocks_every != 0 ? fake->blocks_at + fake->blocks_every : NEVER;
    if (fake->wakes_inside)
        bs_pump_wake(*fake->pump);
    if (fake->wakes_later)
        fake->timer = g_timeout_add(1, sink_wakes, fake);
    return TRUE;
}

static gssize
fake_write(BsSink *sink, const guint8 *buffer, gsize size, GError **error)
{
    FakeSink *fake = (FakeSink *)sink;
    gsize count = MIN(size, fake->at_once);

    if (fake->position >= fake->frees_at) {
        fake->frees_at = NEVER;
        bs_pump_free(*fake->pump);
        *fake->pump = NULL;
    }
    if (fake->position >= fake->fails_at) {
        g_set_error_literal(error, fake->fails_with, (int)fake->code, "the sink fails");
        return -1;
    }
    if (sink_blocks(fake))
        return -1;
    for (gsize i = 0; i < count; i++)
        if (buffer[i] != byte_at(fake->position + i))
            fake->wrong++;
    fake->position += count;
    return (gssize)count;
}

static FakeSink
fake_sink(BsPump **pump)
{
    FakeSink fake = {.sink = {.write = fake_write},
                     .at_once = G_MAXSIZE,
                     .fails_at = NEVER,
                     .fails_with = BS_STREAM_ERROR,
                     .code = BS_STREAM_ERROR_WRITE,
                     .blocks_at = NEVER,
                     .frees_at = NEVER,
                     .pump = pump};

    return fake;
}

/* What a pump told. */
typedef struct {
    BsPump *pump;
    guint ends;
    gboolean ended;
    gboolean failed;
    BsStreamError code;
    char *message;
    guint progresses;
    guint64 last_moved;
    gboolean free_in_progress;
    gboolean free_in_done;
} Story;

static void
on_progress(BsPump *pump, guint64 moved, gpointer data)
{
    Story *story = data;

    ck_assert_uint_eq(moved, bs_pump_moved(pump));
    ck_assert_uint_ge(moved, story->last_moved);
    story->progresses++;
    story->last_moved = moved;
    if (story->free_in_progress) {
        bs_pump_free(pump);
        story->pump = NULL;
    }
}

static void
on_done(BsPump *pump, const GError *error, gpointer data)
{
    Story *story = data;

    ck_assert_ptr_eq(pump, story->pump);
    story->ends++;
    story->ended = TRUE;
    if (error != NULL) {
        ck_assert_uint_eq(error->domain, BS_STREAM_ERROR);
        story->failed = TRUE;
        story->code = (BsStreamError)error->code;
        story->message = g_strdup(error->message);
    }
    if (story->free_in_done) {
        bs_pump_free(pump);
        story->pump = NULL;
    }
}

static const BsPumpEvents events = {.progress = on_progress, .done = on_done};

static void
start_sending(Story *story, int fd, BsSource *source, guint64 length)
{
    story->pump = bs_pump_send("test", fd, source, length, SHA256, &events, story);
    ck_assert_uint_eq(story->ends, 0);
}

static void
start_receiving(Story *story, int fd, BsSink *sink, guint64 length)
{
    story->pump = bs_pump_receive("test", fd, sink, length, SHA256, &events, story);
    ck_assert_uint_eq(story->ends, 0);
}

static void
wait_for_end(Story *story)
{
    ck_assert_msg(bs_test_run_until(&story->ended, HANG_SECONDS), "no end");
    ck_assert_uint_eq(story->ends, 1);
}

static void
assert_complete(Story *story, guint64 length)
{
    wait_for_end(story);
    ck_assert_msg(!story->failed, "%s", story->message);
    ck_assert_uint_eq(bs_pump_moved(story->pump), length);
    ck_assert_uint_eq(story->last_moved, length);
    ck_assert_uint_ge(story->progresses, 1);
}

static void
assert_failed(Story *story, BsStreamError code)
{
    wait_for_end(story);
    ck_assert(story->failed);
    ck_assert_msg(story->code == code, "%d: %s", story->code, story->message);
}

/* Ends the pump; what it told is forgotten. */
static void
clear(Story *story)
{
    Story none = {0};

    bs_pump_free(story->pump);
    g_free(story->message);
    *story = none;
}

/* What a test works with; not its own, so that a test that fails leaves nothing that runs on. */
static Story sending;
static Story receiving;
static FakeSource giver;
static FakeSink taker;

static void
tear_down(void)
{
    clear(&sending);
    clear(&receiving);
    if (giver.timer != 0)
        g_source_remove(giver.timer);
    if (taker.timer != 0)
        g_source_remove(taker.timer);
    giver.timer = taker.timer = 0;
}

static void
assert_digest(Story *story, guint64 length)
{
    g_autoptr(BsDigest) digest = bs_digest_new(SHA256);
    guint8 expected[BS_DIGEST_MAX];
    guint8 value[BS_DIGEST_MAX];

    for (guint64 i = 0; i < length; i++) {
        guint8 byte = byte_at(i);

        bs_digest_update(digest, &byte, 1);
    }
    ck_assert(bs_digest_value(digest, BS_HASH_SHA256, expected));
    ck_assert(bs_digest_value(bs_pump_digest(story->pump), BS_HASH_SHA256, value));
    ck_assert_mem_eq(value, expected, bs_hash_length(BS_HASH_SHA256));
}

static void
unix_pair(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void
tcp_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&address, sizeof address), 0);
    fds[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[1], 0);
    close(listener);
}

/* Closes so that the other side is told of a reset. */
static void
reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(fd);
}

static void
write_bytes(int fd, guint64 from, gsize count)
{
    g_autofree guint8 *bytes = g_malloc(count);

    for (gsize i = 0; i < count; i++)
        bytes[i] = byte_at(from + i);
    ck_assert_int_eq(send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT), (gssize)count);
}

/* Reads what is there, running the event loop between, until `count` bytes or the end are reached. Returns
 * the bytes; all must be in their place. */
static guint64
read_bytes(int fd, guint64 from, guint64 count, gboolean *at_end)
{
    gint64 deadline = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC;
    guint64 position = from;
    guint64 wrong = 0;

    *at_end = FALSE;
    while (position - from < count) {
        guint8 buffer[65536];
        gssize got = recv(fd, buffer, MIN(sizeof buffer, count - (position - from)), MSG_DONTWAIT);

        ck_assert_msg(g_get_monotonic_time() < deadline, "nothing more came");
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            *at_end = got == 0;
            break;
        }
        if (got < 0) {
            bs_test_run_for(1);
            continue;
        }
        for (gssize i = 0; i < got; i++)
            wrong += buffer[i] != byte_at(position + (guint64)i);
        position += (guint64)got;
    }
    ck_assert_uint_eq(wrong, 0);
    return position - from;
}

static gboolean
at_end_soon(int fd)
{
    gboolean at_end;

    return read_bytes(fd, 0, 1, &at_end) == 0 && at_end;
}

static void
wait_until(gboolean (*check)(const BsPump *pump), BsPump *pump, const char *what)
{
    gint64 deadline = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC;

    while (!check(pump)) {
        ck_assert_msg(g_get_monotonic_time() < deadline, "%s: never", what);
        bs_test_run_for(1);
    }
}

/* From `giver` to `taker`, through two pumps. */
static void
move(guint64 length, gboolean tcp)
{
    int fds[2];

    if (tcp)
        tcp_pair(fds);
    else
        unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, length);
    start_receiving(&receiving, fds[1], &taker.sink, length);
    assert_complete(&receiving, length);
    assert_complete(&sending, length);
    ck_assert_uint_eq(taker.position, length);
    ck_assert_uint_eq(taker.wrong, 0);
    assert_digest(&sending, length);
    assert_digest(&receiving, length);
    clear(&sending);
    clear(&receiving);
}

static const guint64 lengths[] = {0, 1, 255, 65536, 262143, 262144, 262145, 1048576, 5000011};

START_TEST(test_whole_file)
{
    for (guint tcp = 0; tcp < 2; tcp++) {
        giver = fake_source(lengths[_i], &sending.pump);
        taker = fake_sink(&receiving.pump);
        move(lengths[_i], tcp != 0);
    }
}
END_TEST

START_TEST(test_only_the_length_is_sent)
{
    giver = fake_source(300000, &sending.pump);
    taker = fake_sink(&receiving.pump);
    move(270000, FALSE);
    ck_assert_uint_eq(giver.position, 270000);
}
END_TEST

START_TEST(test_short_reads)
{
    giver = fake_source(20000, &sending.pump);
    taker = fake_sink(&receiving.pump);
    giver.at_once = 7;
    move(20000, FALSE);
}
END_TEST

START_TEST(test_sink_takes_single_bytes)
{
    giver = fake_source(20000, &sending.pump);
    taker = fake_sink(&receiving.pump);
    taker.at_once = 1;
    move(20000, TRUE);
}
END_TEST

/* Both ends block again and again; they wake the pump inside their own call, or later. */
START_TEST(test_would_block)
{
    for (guint later = 0; later < 2; later++) {
        giver = fake_source(100000, &sending.pump);
        taker = fake_sink(&receiving.pump);
        giver.at_once = 3000;
        giver.blocks_at = taker.blocks_at = 0;
        giver.blocks_every = 7000;
        taker.at_once = 1000;
        taker.blocks_every = 2500;
        giver.wakes_inside = taker.wakes_inside = later == 0;
        giver.wakes_later = taker.wakes_later = later != 0;
        move(100000, FALSE);
        ck_assert_uint_gt(giver.blocks_at, 0);
        ck_assert_uint_gt(taker.blocks_at, 0);
    }
}
END_TEST

START_TEST(test_blocked_source_is_left_alone)
{
    int fds[2];
    guint calls;

    giver = fake_source(100, &sending.pump);
    unix_pair(fds);
    giver.blocks_at = 0;
    start_sending(&sending, fds[0], &giver.source, 100);
    bs_test_run_for(30);
    calls = giver.calls;
    ck_assert_uint_eq(calls, 1);
    bs_test_run_for(30);
    ck_assert_uint_eq(giver.calls, calls);
    ck_assert(!sending.ended);
    bs_pump_wake(sending.pump);
    ck_assert_uint_eq(giver.calls, calls);
    assert_complete(&sending, 100);
    bs_pump_wake(sending.pump);
    clear(&sending);
    close(fds[1]);
}
END_TEST

/* A peer that talks or ends its half must not make a pump busy that waits for its source. */
START_TEST(test_blocked_source_and_a_talking_peer)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(100, &sending.pump);
    tcp_pair(fds);
    giver.blocks_at = 0;
    start_sending(&sending, fds[0], &giver.source, 100);
    write_bytes(fds[1], 0, 5000);
    shutdown(fds[1], SHUT_WR);
    bs_test_run_for(30);
    ck_assert_uint_eq(giver.calls, 1);
    ck_assert(!sending.ended);
    bs_pump_wake(sending.pump);
    assert_complete(&sending, 100);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 101, &at_end), 100);
    ck_assert(at_end);
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_blocked_source_and_a_reset)
{
    int fds[2];

    giver = fake_source(100, &sending.pump);
    tcp_pair(fds);
    giver.blocks_at = 0;
    start_sending(&sending, fds[0], &giver.source, 100);
    bs_test_run_for(10);
    reset(fds[1]);
    assert_failed(&sending, BS_STREAM_ERROR_CONNECTION);
    clear(&sending);
}
END_TEST

START_TEST(test_blocked_sink_holds_the_peer_back)
{
    int fds[2];

    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    taker.blocks_at = 10;
    taker.at_once = 10;
    start_receiving(&receiving, fds[1], &taker.sink, 3000);
    write_bytes(fds[0], 0, 3000);
    bs_test_run_for(30);
    ck_assert_uint_eq(taker.position, 10);
    bs_pump_wake(receiving.pump);
    assert_complete(&receiving, 3000);
    ck_assert_uint_eq(taker.wrong, 0);
    clear(&receiving);
    close(fds[0]);
}
END_TEST

START_TEST(test_source_fails_midway)
{
    const GQuark domains[] = {BS_STREAM_ERROR, BS_STREAM_ERROR, G_FILE_ERROR};
    const BsStreamError codes[] = {BS_STREAM_ERROR_READ, BS_STREAM_ERROR_CHANGED, 0};
    const BsStreamError expected[] = {BS_STREAM_ERROR_READ, BS_STREAM_ERROR_CHANGED, BS_STREAM_ERROR_READ};
    gboolean at_end;
    int fds[2];

    giver = fake_source(100000, &sending.pump);
    unix_pair(fds);
    giver.at_once = 10000;
    giver.fails_at = 50000;
    giver.fails_with = domains[_i];
    giver.code = codes[_i];
    start_sending(&sending, fds[0], &giver.source, 100000);
    assert_failed(&sending, expected[_i]);
    ck_assert_str_eq(sending.message, "the source fails");
    ck_assert_uint_eq(bs_pump_moved(sending.pump), 50000);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 100000, &at_end), 50000);
    ck_assert(!bs_pump_flushed(sending.pump));
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_file_shrinks)
{
    g_autofree char *path = g_build_filename(bs_test_folder(), "shrinks", NULL);
    g_autofree char *contents = g_malloc0(2000000);
    BsSource *source;
    guint64 size;
    int fds[2];

    ck_assert(g_file_set_contents(path, contents, 2000000, NULL));
    source = bs_file_source_new(path, &size, NULL);
    ck_assert_ptr_nonnull(source);
    unix_pair(fds);
    start_sending(&sending, fds[0], source, size);
    bs_test_run_for(20);
    ck_assert(!sending.ended);
    ck_assert_int_eq(truncate(path, 1000), 0);
    while (!sending.ended) {
        char buffer[65536];

        if (recv(fds[1], buffer, sizeof buffer, MSG_DONTWAIT) == 0)
            break;
        bs_test_run_for(1);
    }
    assert_failed(&sending, BS_STREAM_ERROR_CHANGED);
    clear(&sending);
    close(fds[1]);
    source->close(source);
}
END_TEST

START_TEST(test_sink_fails_midway)
{
    const GQuark domains[] = {BS_STREAM_ERROR, BS_STREAM_ERROR, G_FILE_ERROR};
    const BsStreamError codes[] = {BS_STREAM_ERROR_WRITE, BS_STREAM_ERROR_NO_SPACE, 0};
    const BsStreamError expected[] = {BS_STREAM_ERROR_WRITE, BS_STREAM_ERROR_NO_SPACE, BS_STREAM_ERROR_WRITE};
    int fds[2];

    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    taker.at_once = 100;
    taker.fails_at = 500;
    taker.fails_with = domains[_i];
    taker.code = codes[_i];
    start_receiving(&receiving, fds[1], &taker.sink, 1000);
    write_bytes(fds[0], 0, 1000);
    assert_failed(&receiving, expected[_i]);
    ck_assert_str_eq(receiving.message, "the sink fails");
    ck_assert_uint_eq(bs_pump_moved(receiving.pump), 500);
    ck_assert(at_end_soon(fds[0]));
    clear(&receiving);
    close(fds[0]);
}
END_TEST

START_TEST(test_peer_closes_before_the_last_byte)
{
    int fds[2];

    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    write_bytes(fds[0], 0, 999);
    close(fds[0]);
    start_receiving(&receiving, fds[1], &taker.sink, 1000);
    assert_failed(&receiving, BS_STREAM_ERROR_PEER_CLOSED);
    ck_assert_uint_eq(taker.position, 999);
    ck_assert_uint_eq(receiving.progresses, 0);
    clear(&receiving);
}
END_TEST

START_TEST(test_peer_sends_too_much)
{
    int fds[2];

    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    write_bytes(fds[0], 0, 1001);
    start_receiving(&receiving, fds[1], &taker.sink, 1000);
    assert_failed(&receiving, BS_STREAM_ERROR_TOO_MUCH);
    ck_assert_uint_eq(taker.position, 1000);
    clear(&receiving);
    close(fds[0]);
}
END_TEST

START_TEST(test_reset_while_receiving)
{
    for (guint known = 0; known < 2; known++) {
        int fds[2];

        taker = fake_sink(&receiving.pump);
        tcp_pair(fds);
        start_receiving(&receiving, fds[1], &taker.sink, known != 0 ? 1000 : BS_SIZE_UNKNOWN);
        write_bytes(fds[0], 0, 100);
        bs_test_run_for(10);
        reset(fds[0]);
        assert_failed(&receiving, BS_STREAM_ERROR_CONNECTION);
        clear(&receiving);
    }
}
END_TEST

START_TEST(test_reset_while_sending)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(NEVER, &sending.pump);
    tcp_pair(fds);
    start_sending(&sending, fds[0], &giver.source, NEVER - 1);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 100000, &at_end), 100000);
    ck_assert(!sending.ended);
    reset(fds[1]);
    assert_failed(&sending, BS_STREAM_ERROR_CONNECTION);
    clear(&sending);
}
END_TEST

START_TEST(test_broken_pipe)
{
    int fds[2];

    giver = fake_source(100, &sending.pump);
    unix_pair(fds);
    close(fds[1]);
    start_sending(&sending, fds[0], &giver.source, 100);
    assert_failed(&sending, BS_STREAM_ERROR_CONNECTION);
    ck_assert_str_eq(sending.message, g_strerror(EPIPE));
    clear(&sending);
}
END_TEST

/* A peer that ends its own half at once still takes the whole file. */
START_TEST(test_half_close_is_no_end)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(6000000, &sending.pump);
    tcp_pair(fds);
    shutdown(fds[1], SHUT_WR);
    start_sending(&sending, fds[0], &giver.source, 6000000);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 6000001, &at_end), 6000000);
    ck_assert(at_end);
    assert_complete(&sending, 6000000);
    wait_until(bs_pump_peer_closed, sending.pump, "peer closed");
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_end_of_sending)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(1000, &sending.pump);
    tcp_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 1000);
    assert_complete(&sending, 1000);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 1001, &at_end), 1000);
    ck_assert(at_end);
    wait_until(bs_pump_flushed, sending.pump, "flushed");
    ck_assert(!bs_pump_peer_closed(sending.pump));
    write_bytes(fds[1], 0, 10);
    bs_test_run_for(10);
    ck_assert(!bs_pump_peer_closed(sending.pump));
    close(fds[1]);
    wait_until(bs_pump_peer_closed, sending.pump, "peer closed");
    ck_assert(!bs_pump_peer_reset(sending.pump));
    ck_assert(bs_pump_flushed(sending.pump));
    ck_assert_uint_eq(sending.ends, 1);
    clear(&sending);
}
END_TEST

START_TEST(test_not_flushed_while_the_peer_does_not_take_it)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(1000, &sending.pump);
    unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 1000);
    assert_complete(&sending, 1000);
    ck_assert(!bs_pump_flushed(sending.pump));
    ck_assert_uint_eq(read_bytes(fds[1], 0, 1001, &at_end), 1000);
    ck_assert(bs_pump_flushed(sending.pump));
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_reset_after_the_end_is_no_error)
{
    gboolean at_end;
    int fds[2];

    giver = fake_source(1000, &sending.pump);
    tcp_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 1000);
    assert_complete(&sending, 1000);
    ck_assert_uint_eq(read_bytes(fds[1], 0, 1001, &at_end), 1000);
    wait_until(bs_pump_flushed, sending.pump, "flushed");
    reset(fds[1]);
    wait_until(bs_pump_peer_closed, sending.pump, "peer closed");
    ck_assert(bs_pump_peer_reset(sending.pump));
    ck_assert_uint_eq(sending.ends, 1);
    ck_assert(!sending.failed);
    ck_assert(bs_pump_flushed(sending.pump));
    clear(&sending);
}
END_TEST

START_TEST(test_flood_after_the_end)
{
    static const guint8 noise[4096];
    int small = 16384;
    guint64 flood = 0;
    int fds[2];

    giver = fake_source(10, &sending.pump);
    unix_pair(fds);
    ck_assert_int_eq(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    start_sending(&sending, fds[0], &giver.source, 10);
    assert_complete(&sending, 10);
    for (guint quiet = 0; quiet < 20;) {
        gssize count = send(fds[1], noise, sizeof noise, MSG_DONTWAIT | MSG_NOSIGNAL);

        quiet = count > 0 ? 0 : quiet + 1;
        flood += count > 0 ? (guint64)count : 0;
        ck_assert_uint_lt(flood, 1000000);
        if (count <= 0)
            bs_test_run_for(5);
    }
    ck_assert_uint_ge(flood, 64 * 1024);
    ck_assert(!bs_pump_peer_closed(sending.pump));
    ck_assert_uint_eq(sending.ends, 1);
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_nothing_to_send)
{
    int fds[2];

    giver = fake_source(1000, &sending.pump);
    tcp_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 0);
    assert_complete(&sending, 0);
    ck_assert_uint_eq(giver.calls, 0);
    ck_assert(at_end_soon(fds[1]));
    ck_assert_uint_eq(sending.progresses, 1);
    clear(&sending);
    close(fds[1]);
}
END_TEST

START_TEST(test_nothing_to_receive)
{
    int fds[2];

    taker = fake_sink(&receiving.pump);
    tcp_pair(fds);
    start_receiving(&receiving, fds[1], &taker.sink, 0);
    assert_complete(&receiving, 0);
    clear(&receiving);
    close(fds[0]);
}
END_TEST

START_TEST(test_something_where_nothing_was_announced)
{
    int fds[2];

    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    write_bytes(fds[0], 0, 1);
    start_receiving(&receiving, fds[1], &taker.sink, 0);
    assert_failed(&receiving, BS_STREAM_ERROR_TOO_MUCH);
    ck_assert_uint_eq(taker.position, 0);
    clear(&receiving);
    close(fds[0]);
}
END_TEST

START_TEST(test_unknown_size)
{
    const guint64 sizes[] = {0, 1, 1000000};
    int fds[2];

    giver = fake_source(sizes[_i], &sending.pump);
    taker = fake_sink(&receiving.pump);
    tcp_pair(fds);
    start_receiving(&receiving, fds[1], &taker.sink, BS_SIZE_UNKNOWN);
    start_sending(&sending, fds[0], &giver.source, sizes[_i]);
    assert_complete(&receiving, sizes[_i]);
    ck_assert_uint_eq(taker.wrong, 0);
    assert_digest(&receiving, sizes[_i]);
    clear(&sending);
    clear(&receiving);
}
END_TEST

START_TEST(test_freed_at_once)
{
    int fds[2];

    giver = fake_source(1000, &sending.pump);
    taker = fake_sink(&sending.pump);
    unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 1000);
    clear(&sending);
    ck_assert(at_end_soon(fds[1]));
    close(fds[1]);
    unix_pair(fds);
    start_receiving(&sending, fds[1], &taker.sink, 1000);
    clear(&sending);
    ck_assert(at_end_soon(fds[0]));
    close(fds[0]);
    bs_pump_free(NULL);
    bs_test_run_for(10);
    ck_assert_uint_eq(sending.ends, 0);
    ck_assert_uint_eq(giver.calls, 0);
}
END_TEST

START_TEST(test_freed_in_progress)
{
    gboolean nothing = FALSE;
    int fds[2];

    sending.free_in_progress = TRUE;
    receiving.free_in_progress = TRUE;
    giver = fake_source(NEVER, &sending.pump);
    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, _i == 0 ? NEVER - 1 : 10);
    start_receiving(&receiving, fds[1], &taker.sink, _i == 0 ? NEVER - 1 : 10);
    while (sending.pump != NULL && receiving.pump != NULL)
        bs_test_run_for(1);
    ck_assert(!bs_test_run_until(&nothing, 1));
    ck_assert_uint_eq(sending.ends + receiving.ends, _i == 0 ? 1 : 0);
    ck_assert_uint_ge(sending.progresses + receiving.progresses, 1);
    clear(&sending);
    clear(&receiving);
}
END_TEST

START_TEST(test_freed_in_done)
{
    int fds[2];

    sending.free_in_done = TRUE;
    receiving.free_in_done = TRUE;
    giver = fake_source(1000, &sending.pump);
    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, 1000);
    start_receiving(&receiving, fds[1], &taker.sink, _i == 0 ? 1000 : 1001);
    wait_for_end(&sending);
    wait_for_end(&receiving);
    ck_assert(!sending.failed);
    ck_assert_int_eq(receiving.failed, _i != 0);
    ck_assert_ptr_null(sending.pump);
    ck_assert_ptr_null(receiving.pump);
    clear(&receiving);
}
END_TEST

/* Freed inside the source's or sink's own call, which then succeeds, fails, or blocks. */
START_TEST(test_freed_in_source_and_sink)
{
    int fds[2];

    giver = fake_source(100000, &sending.pump);
    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    giver.at_once = taker.at_once = 1000;
    giver.frees_at = 50000;
    taker.frees_at = 20000;
    if (_i == 1)
        giver.fails_at = 50000, taker.fails_at = 20000;
    if (_i == 2)
        giver.blocks_at = 50000, taker.blocks_at = 20000;
    start_sending(&sending, fds[0], &giver.source, 100000);
    while (sending.pump != NULL)
        bs_test_run_for(1);
    start_receiving(&receiving, fds[1], &taker.sink, 100000);
    while (receiving.pump != NULL)
        bs_test_run_for(1);
    bs_test_run_for(10);
    ck_assert_uint_eq(sending.ends + receiving.ends, 0);
    ck_assert_uint_le(giver.position, 51000);
    ck_assert_uint_le(taker.position, 21000);
}
END_TEST

/* A copy of the descriptor elsewhere (libpurple's resolver processes have one) must not keep the connection
 * open. */
START_TEST(test_free_ends_the_connection_despite_copies)
{
    int fds[2];
    int copy;

    taker = fake_sink(&receiving.pump);
    tcp_pair(fds);
    copy = dup(fds[1]);
    start_receiving(&receiving, fds[1], &taker.sink, 1000);
    bs_test_run_for(5);
    clear(&receiving);
    ck_assert(at_end_soon(fds[0]));
    ck_assert_int_lt(fcntl(fds[1], F_GETFD), 0);
    close(copy);
    close(fds[0]);
}
END_TEST

static gboolean
count_idle(gpointer data)
{
    guint *count = data;

    ++*count;
    return G_SOURCE_CONTINUE;
}

/* GTK draws at a lower priority than that of sockets and timers: it must get its turn while two pumps never
 * wait. */
START_TEST(test_interface_stays_alive)
{
    gint64 deadline = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC;
    static guint drawn;
    guint idle = g_idle_add_full(G_PRIORITY_HIGH_IDLE + 20, count_idle, &drawn, NULL);
    int fds[2];

    giver = fake_source(NEVER, &sending.pump);
    taker = fake_sink(&receiving.pump);
    unix_pair(fds);
    start_sending(&sending, fds[0], &giver.source, NEVER - 1);
    start_receiving(&receiving, fds[1], &taker.sink, NEVER - 1);
    bs_test_run_for(300);
    drawn = 0;
    while (drawn < 3 && g_get_monotonic_time() < deadline)
        bs_test_run_for(10);
    ck_assert_uint_ge(drawn, 3);
    ck_assert_uint_gt(receiving.last_moved, 0);
    g_source_remove(idle);
    clear(&sending);
    clear(&receiving);
}
END_TEST

/* The pump's ticks of some seconds, in milliseconds. */
static guint
hasty_timeout(guint seconds, GSourceFunc function, gpointer data)
{
    return g_timeout_add(seconds, function, data);
}

START_TEST(test_stall)
{
    PurpleEventLoopUiOps *usual = purple_eventloop_get_ui_ops();
    static PurpleEventLoopUiOps hasty;
    int fds[2];
    int others[2];

    giver = fake_source(NEVER, &sending.pump);
    taker = fake_sink(&receiving.pump);
    hasty = *usual;
    hasty.timeout_add_seconds = hasty_timeout;
    purple_eventloop_set_ui_ops(&hasty);
    unix_pair(fds);
    unix_pair(others);
    start_sending(&sending, fds[0], &giver.source, NEVER - 1);
    start_receiving(&receiving, others[1], &taker.sink, 1000);
    assert_failed(&sending, BS_STREAM_ERROR_STALLED);
    assert_failed(&receiving, BS_STREAM_ERROR_STALLED);
    ck_assert_str_eq(sending.message, g_strerror(ETIMEDOUT));
    purple_eventloop_set_ui_ops(usual);
    clear(&sending);
    clear(&receiving);
    close(fds[1]);
    close(others[0]);
}
END_TEST

START_TEST(test_from_file_to_file)
{
    g_autofree char *from = g_build_filename(bs_test_folder(), "from", NULL);
    g_autofree char *to = g_build_filename(bs_test_folder(), "to", NULL);
    g_autofree char *arrived = NULL;
    g_autofree guint8 *contents = g_malloc(3000001);
    BsSource *source;
    BsSink *sink;
    guint64 size;
    gsize length;
    int fds[2];

    for (gsize i = 0; i < 3000001; i++)
        contents[i] = byte_at(i);
    ck_assert(g_file_set_contents(from, (char *)contents, 3000001, NULL));
    source = bs_file_source_new(from, &size, NULL);
    sink = bs_part_file_new(to, FALSE, NULL);
    ck_assert(source->seek(source, 1000, NULL));
    tcp_pair(fds);
    start_sending(&sending, fds[0], source, size - 1000);
    start_receiving(&receiving, fds[1], sink, size - 1000);
    assert_complete(&sending, size - 1000);
    assert_complete(&receiving, size - 1000);
    clear(&sending);
    clear(&receiving);
    source->close(source);
    ck_assert(sink->finish(sink, NULL));
    ck_assert(g_file_get_contents(to, &arrived, &length, NULL));
    ck_assert_uint_eq(length, size - 1000);
    ck_assert_mem_eq(arrived, contents + 1000, length);
}
END_TEST

static TCase *
moving_tests(void)
{
    TCase *tcase = tcase_create("moving");

    tcase_add_checked_fixture(tcase, NULL, tear_down);
    tcase_add_loop_test(tcase, test_whole_file, 0, G_N_ELEMENTS(lengths));
    tcase_add_test(tcase, test_only_the_length_is_sent);
    tcase_add_test(tcase, test_short_reads);
    tcase_add_test(tcase, test_sink_takes_single_bytes);
    tcase_add_test(tcase, test_would_block);
    tcase_add_test(tcase, test_blocked_source_is_left_alone);
    tcase_add_test(tcase, test_blocked_source_and_a_talking_peer);
    tcase_add_test(tcase, test_blocked_source_and_a_reset);
    tcase_add_test(tcase, test_blocked_sink_holds_the_peer_back);
    tcase_add_loop_test(tcase, test_unknown_size, 0, 3);
    tcase_add_test(tcase, test_nothing_to_send);
    tcase_add_test(tcase, test_nothing_to_receive);
    tcase_add_test(tcase, test_from_file_to_file);
    tcase_add_test(tcase, test_interface_stays_alive);
    return tcase;
}

static TCase *
failing_tests(void)
{
    TCase *tcase = tcase_create("failing");

    tcase_add_checked_fixture(tcase, NULL, tear_down);
    tcase_add_loop_test(tcase, test_source_fails_midway, 0, 3);
    tcase_add_test(tcase, test_file_shrinks);
    tcase_add_loop_test(tcase, test_sink_fails_midway, 0, 3);
    tcase_add_test(tcase, test_peer_closes_before_the_last_byte);
    tcase_add_test(tcase, test_peer_sends_too_much);
    tcase_add_test(tcase, test_something_where_nothing_was_announced);
    tcase_add_test(tcase, test_reset_while_receiving);
    tcase_add_test(tcase, test_reset_while_sending);
    tcase_add_test(tcase, test_broken_pipe);
    tcase_add_test(tcase, test_stall);
    return tcase;
}

static TCase *
ending_tests(void)
{
    TCase *tcase = tcase_create("ending");

    tcase_add_checked_fixture(tcase, NULL, tear_down);
    tcase_add_test(tcase, test_half_close_is_no_end);
    tcase_add_test(tcase, test_end_of_sending);
    tcase_add_test(tcase, test_not_flushed_while_the_peer_does_not_take_it);
    tcase_add_test(tcase, test_reset_after_the_end_is_no_error);
    tcase_add_test(tcase, test_flood_after_the_end);
    tcase_add_test(tcase, test_freed_at_once);
    tcase_add_loop_test(tcase, test_freed_in_progress, 0, 2);
    tcase_add_loop_test(tcase, test_freed_in_done, 0, 2);
    tcase_add_loop_test(tcase, test_freed_in_source_and_sink, 0, 3);
    tcase_add_test(tcase, test_free_ends_the_connection_despite_copies);
    return tcase;
}

int
main(void)
{
    Suite *suite = suite_create("pump");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, moving_tests());
    suite_add_tcase(suite, failing_tests());
    suite_add_tcase(suite, ending_tests());
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    bs_digest_init();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
