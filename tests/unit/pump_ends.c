/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pump_ends.h"

#include <check.h>
#include <errno.h>
#include <sys/socket.h>

#include "purple_env.h"

#define HANG_SECONDS 60

guint8
byte_at(guint64 position)
{
    return (guint8)(position * 31 + (position >> 8) * 7 + (position >> 16));
}

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

FakeSource
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

FakeSink
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

void
start_sending(Story *story, int fd, BsSource *source, guint64 length)
{
    story->pump = bs_pump_send("test", fd, source, length, SHA256, &events, story);
    ck_assert_uint_eq(story->ends, 0);
}

void
start_receiving(Story *story, int fd, BsSink *sink, guint64 length)
{
    story->pump = bs_pump_receive("test", fd, sink, length, SHA256, &events, story);
    ck_assert_uint_eq(story->ends, 0);
}

void
wait_for_end(Story *story)
{
    ck_assert_msg(bs_test_run_until(&story->ended, HANG_SECONDS), "no end");
    ck_assert_uint_eq(story->ends, 1);
}

void
assert_complete(Story *story, guint64 length)
{
    wait_for_end(story);
    ck_assert_msg(!story->failed, "%s", story->message);
    ck_assert_uint_eq(bs_pump_moved(story->pump), length);
    ck_assert_uint_eq(story->last_moved, length);
    ck_assert_uint_ge(story->progresses, 1);
}

void
assert_failed(Story *story, BsStreamError code)
{
    wait_for_end(story);
    ck_assert(story->failed);
    ck_assert_msg(story->code == code, "%d: %s", story->code, story->message);
}

void
clear(Story *story)
{
    Story none = {0};

    bs_pump_free(story->pump);
    g_free(story->message);
    *story = none;
}

Story sending;
Story receiving;
FakeSource giver;
FakeSink taker;

void
pumps_tear_down(void)
{
    clear(&sending);
    clear(&receiving);
    if (giver.timer != 0)
        g_source_remove(giver.timer);
    if (taker.timer != 0)
        g_source_remove(taker.timer);
    giver.timer = taker.timer = 0;
}

void
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

void
write_bytes(int fd, guint64 from, gsize count)
{
    g_autofree guint8 *bytes = g_malloc(count);

    for (gsize i = 0; i < count; i++)
        bytes[i] = byte_at(from + i);
    ck_assert_int_eq(send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT), (gssize)count);
}

guint64
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

gboolean
at_end_soon(int fd)
{
    gboolean at_end;

    return read_bytes(fd, 0, 1, &at_end) == 0 && at_end;
}

void
wait_until(gboolean (*check)(const BsPump *pump), BsPump *pump, const char *what)
{
    gint64 deadline = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC;

    while (!check(pump)) {
        ck_assert_msg(g_get_monotonic_time() < deadline, "%s: never", what);
        bs_test_run_for(1);
    }
}
