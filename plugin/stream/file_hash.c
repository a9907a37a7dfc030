/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/file_hash.h"

#include <eventloop.h>

#include "log.h"
#include "stream/bytes.h"
#include "timer.h"

/* What is read in one turn of the event loop: some milliseconds' work. */
#define TURN_BYTES (1024 * 1024)
/* Between the turns, which leaves a UI that draws at a lower priority its moment. */
#define BREATH_MS 1

struct _BsFileHash {
    BsSource *source; /* NULL: it could not be opened, or is too large */
    guint64 size;     /* of the file when it was opened ... */
    guint64 done;     /* ... and read so far */
    BsHash hash;
    BsDigest *digest;
    guint8 *buffer;
    guint timer;
    BsFileHashed hashed;
    gpointer data;
};

static void
file_hash_free(BsFileHash *self)
{
    bs_timer_clear(&self->timer);
    if (self->source != NULL)
        self->source->close(self->source);
    bs_digest_free(self->digest);
    g_free(self->buffer);
    g_free(self);
}

static void
finish(BsFileHash *self, gboolean whole)
{
    BsFileHashed hashed = self->hashed;
    gpointer data = self->data;
    guint64 size = self->done;
    guint8 value[BS_DIGEST_MAX];

    whole = whole && bs_digest_value(self->digest, self->hash, value);
    file_hash_free(self);
    hashed(whole ? value : NULL, size, data);
}

static gboolean
take_turn(gpointer data)
{
    BsFileHash *self = data;
    g_autoptr(GError) error = NULL;
    gssize count = -1;

    if (self->source != NULL)
        count = self->source->read(self->source, self->buffer, TURN_BYTES, &error);
    if (count > 0 && self->done + (guint64)count <= self->size) {
        bs_digest_update(self->digest, self->buffer, (gsize)count);
        self->done += (guint64)count;
        return TRUE;
    }
    if (error != NULL)
        bs_log_warning(NULL, "the file cannot be hashed: %s", error->message);
    self->timer = 0;
    finish(self, count == 0 && self->done == self->size);
    return FALSE;
}

static BsSource *
open_source(const char *path, guint64 size_max, guint64 *size)
{
    g_autoptr(GError) error = NULL;
    BsSource *source = bs_file_source_new(path, size, &error);

    if (source == NULL) {
        bs_log_warning(NULL, "the file cannot be hashed: %s", error->message);
        return NULL;
    }
    if (*size <= size_max)
        return source;
    source->close(source);
    return NULL;
}

BsFileHash *
bs_file_hash_new(const char *path, BsHash hash, guint64 size_max, BsFileHashed hashed, gpointer data)
{
    BsFileHash *self = g_new0(BsFileHash, 1);

    self->source = open_source(path, size_max, &self->size);
    self->hash = hash;
    self->digest = bs_digest_new(1u << hash);
    self->buffer = g_malloc(TURN_BYTES);
    self->hashed = hashed;
    self->data = data;
    self->timer = purple_timeout_add(BREATH_MS, take_turn, self);
    return self;
}

void
bs_file_hash_cancel(BsFileHash **file_hash)
{
    if (*file_hash != NULL)
        file_hash_free(g_steal_pointer(file_hash));
}
