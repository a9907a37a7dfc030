/* Both ends of a pump for its tests: a source and a sink in memory that can be told to misbehave, what a pump
 * tells, and a socket that the test itself reads and writes. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_PUMP_ENDS_H
#define BS_TEST_PUMP_ENDS_H

#include "stream/pump.h"

#define SHA256 (1u << BS_HASH_SHA256)
#define NEVER G_MAXUINT64

/* The file that all tests move: each byte follows from its place. */
guint8 byte_at(guint64 position);

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

FakeSource fake_source(guint64 size, BsPump **pump);

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

FakeSink fake_sink(BsPump **pump);

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

/* What a test works with; not its own, so that a test that fails leaves nothing that runs on. */
extern Story sending;
extern Story receiving;
extern FakeSource giver;
extern FakeSink taker;

/* Ends both pumps; the fixture of all tests. */
void pumps_tear_down(void);

/* With sha-256. The socket belongs to the pump. */
void start_sending(Story *story, int fd, BsSource *source, guint64 length);
void start_receiving(Story *story, int fd, BsSink *sink, guint64 length);

void wait_for_end(Story *story);
void assert_complete(Story *story, guint64 length);
void assert_failed(Story *story, BsStreamError code);

/* The hash of a pump that has moved the first `length` bytes. */
void assert_digest(Story *story, guint64 length);

/* Ends the pump; what it told is forgotten. */
void clear(Story *story);

/* Waits until what `check` tells of the pump is so; `what` is that, in words. */
void wait_until(gboolean (*check)(const BsPump *pump), BsPump *pump, const char *what);

/* The file's bytes from a place on, into a socket. */
void write_bytes(int fd, guint64 from, gsize count);

/* Reads what is there, running the event loop between, until `count` bytes or the end are reached. Returns
 * the number of bytes; all must be in their place. */
guint64 read_bytes(int fd, guint64 from, guint64 count, gboolean *at_end);
gboolean at_end_soon(int fd);

#endif
