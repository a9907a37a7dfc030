/* Pumps between a socket and files in a folder of each test's own, and what they tell.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_PUMP_FILES_H
#define BS_TEST_PUMP_FILES_H

#include "stream/pump.h"

#define SHA256 (1u << BS_HASH_SHA256)

typedef struct {
    BsPump *pump;
    gboolean ended;
    gboolean failed;
    BsStreamError code;
    guint64 last_moved;
    gboolean free_in_progress;
    gboolean free_in_done;
} Story;

/* What a test works with; not its own, so that a test that fails leaves nothing that runs on. */
extern Story sending[4];
extern Story receiving[4];
extern BsSource *source;
extern BsSink *sink;

/* The fixture of all tests. Whatever happened: no thread, no descriptor and no unfinished file is left. */
void files_set_up(void);
void files_tear_down(void);

/* A path in the folder. */
char *path_of(const char *name);

/* A file of `length` bytes, opened for sending; it was last written to long ago. */
BsSource *source_of(const char *name, gsize length);

/* A new file to be received. */
BsSink *sink_of(const char *name);

/* `source` and `sink`, if they are there. finish_sink() has to succeed. */
void close_source(void);
void discard_sink(void);
void finish_sink(void);

/* The BsFinish callback: what is told goes into a Story. */
void on_finished(const GError *error, gpointer data);

/* The file has `length` bytes, those that a source_of() has from the byte `from` on; of another file, with
 * another `seed`. */
void assert_file(const char *name, gsize from, gsize length, guint8 seed);

/* The socket belongs to the pump; `hashes` are bits of BsHash (1u << ...). */
void start_sending(Story *story, int fd, BsSource *from, guint64 length, guint hashes);
void start_receiving(Story *story, int fd, BsSink *to, guint64 length, guint hashes);

void assert_complete(Story *story, guint64 length);
void assert_failed(Story *story, BsStreamError code);

/* The hash of a pump that has moved the bytes from `from` to before `end`. */
void assert_digest(Story *story, gsize from, gsize end);

/* Ends the pump; what it told is forgotten. */
void clear(Story *story);

void wait_for_workers(void);

/* The first bytes of a file, into a socket. */
void write_bytes(int fd, gsize count, guint8 seed);

/* Reads `count` bytes, or to the end: TRUE then. */
gboolean read_bytes(int fd, guint64 count);

#endif
