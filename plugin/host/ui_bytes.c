/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui_bytes.h"

#include <errno.h>
#include <eventloop.h>
#include <string.h>

#include "stream/pump.h"
#include "timer.h"

/* How much may wait for the UI when receiving. When sending, one chunk of libpurple's waits for the
 * connection. */
#define BUFFER_BYTES (256 * 1024)

typedef struct {
    BsSource source;
    BsUiBytes *bytes;
} UiSource;

typedef struct {
    BsSink sink;
    BsUiBytes *bytes;
} UiSink;

struct _BsUiBytes {
    PurpleXfer *xfer;
    guint64 size;
    BsUiBytesReady ready;
    gpointer data;
    UiSource *source;
    UiSink *sink;
    GByteArray *buffer;
    guint64 taken; /* bytes that have left the buffer, on either side */
    gboolean started;
    gboolean finished;   /* receiving: the UI may have the last byte */
    gboolean wants_xfer; /* libpurple is to be told that we are ready ... */
    gboolean wants_wake; /* ... and whoever moves the bytes */
    guint timer;
};

gboolean
bs_ui_bytes_wanted(const PurpleXfer *xfer)
{
    const PurpleXferUiOps *ops = purple_xfer_get_ui_ops(xfer);

    return ops != NULL && (ops->ui_read != NULL || ops->ui_write != NULL);
}

BsUiBytes *
bs_ui_bytes_new(PurpleXfer *xfer, guint64 size, BsUiBytesReady ready, gpointer data)
{
    BsUiBytes *bytes = g_new0(BsUiBytes, 1);

    bytes->xfer = xfer;
    bytes->size = size;
    bytes->ready = ready;
    bytes->data = data;
    bytes->buffer = g_byte_array_new();
    return bytes;
}

void
bs_ui_bytes_free(BsUiBytes *bytes)
{
    if (bytes == NULL)
        return;
    bs_timer_clear(&bytes->timer);
    if (bytes->source != NULL)
        bytes->source->bytes = NULL;
    if (bytes->sink != NULL)
        bytes->sink->bytes = NULL;
    g_byte_array_unref(bytes->buffer);
    g_free(bytes);
}

/* Receiving: how many bytes the UI may have now. */
static gsize
releasable(const BsUiBytes *bytes)
{
    gsize count = MIN(bytes->buffer->len, (guint)BUFFER_BYTES);

    if (bytes->finished || count == 0)
        return count;
    /* Of a file of unknown size any byte may be the last. */
    if (bytes->size == BS_SIZE_UNKNOWN || bytes->taken + count == bytes->size)
        return count - 1;
    return count;
}

/* The UI tells only once that it is ready, so it must not be called for nothing. */
static gboolean
has_use_for_ui(const BsUiBytes *bytes)
{
    return purple_xfer_get_type(bytes->xfer) == PURPLE_XFER_SEND ? bytes->buffer->len == 0
                                                                 : releasable(bytes) > 0;
}

static void schedule(BsUiBytes *bytes);

/* Either may call back into whatever called us, or end it: so each happens in a turn of the event loop of its
 * own. */
static gboolean
take_turn(gpointer data)
{
    BsUiBytes *bytes = data;

    bytes->timer = 0;
    if (bytes->wants_wake) {
        bytes->wants_wake = FALSE;
        schedule(bytes);
        bytes->ready(bytes->data);
    } else {
        bytes->wants_xfer = FALSE;
        if (has_use_for_ui(bytes))
            purple_xfer_prpl_ready(bytes->xfer);
    }
    return FALSE;
}

static void
schedule(BsUiBytes *bytes)
{
    if (bytes->timer == 0 && (bytes->wants_wake || (bytes->wants_xfer && bytes->started)))
        bytes->timer = purple_timeout_add(0, take_turn, bytes);
}

static void
want_xfer(BsUiBytes *bytes)
{
    bytes->wants_xfer = TRUE;
    schedule(bytes);
}

static void
want_wake(BsUiBytes *bytes)
{
    bytes->wants_wake = TRUE;
    schedule(bytes);
}

void
bs_ui_bytes_start(BsUiBytes *bytes)
{
    bytes->started = TRUE;
    schedule(bytes);
}

static gssize
gone(GError **error, BsStreamError code)
{
    g_set_error_literal(error, BS_STREAM_ERROR, code, g_strerror(ECANCELED));
    return -1;
}

static gssize
source_read(BsSource *source, guint8 *buffer, gsize size, GError **error)
{
    BsUiBytes *bytes = ((UiSource *)source)->bytes;
    gsize count;

    if (bytes == NULL)
        return gone(error, BS_STREAM_ERROR_READ);
    if (bytes->taken == bytes->size)
        return 0;
    if (bytes->buffer->len == 0) {
        want_xfer(bytes);
        return -1;
    }
    count = MIN(size, bytes->buffer->len);
    memcpy(buffer, bytes->buffer->data, count);
    g_byte_array_remove_range(bytes->buffer, 0, (guint)count);
    bytes->taken += count;
    return (gssize)count;
}

static void
source_close(BsSource *source)
{
    BsUiBytes *bytes = ((UiSource *)source)->bytes;

    if (bytes != NULL)
        bytes->source = NULL;
    g_free(source);
}

BsSource *
bs_ui_bytes_source(BsUiBytes *bytes)
{
    UiSource *source = g_new0(UiSource, 1);

    source->source.read = source_read;
    source->source.close = source_close;
    source->bytes = bytes;
    bytes->source = source;
    return &source->source;
}

/* Sending. libpurple takes a file for sent as soon as we have taken its last byte; so that one, though it is
 * kept here, is said to have been refused. */
gssize
bs_ui_bytes_write(BsUiBytes *bytes, const guchar *buffer, gsize size)
{
    guint64 had = bytes->taken + bytes->buffer->len;
    gsize taken = (gsize)MIN(size, bytes->size - had);

    if (bytes->buffer->len > 0 || taken == 0)
        return 0;
    g_byte_array_append(bytes->buffer, buffer, (guint)taken);
    want_wake(bytes);
    return had + taken == bytes->size ? (gssize)taken - 1 : (gssize)taken;
}

static gssize
sink_write(BsSink *sink, const guint8 *buffer, gsize size, GError **error)
{
    BsUiBytes *bytes = ((UiSink *)sink)->bytes;
    gsize count;

    if (bytes == NULL)
        return gone(error, BS_STREAM_ERROR_WRITE);
    count = MIN(size, BUFFER_BYTES - bytes->buffer->len);
    if (count == 0)
        return -1;
    g_byte_array_append(bytes->buffer, buffer, (guint)count);
    want_xfer(bytes);
    return (gssize)count;
}

static gboolean
sink_finish(BsSink *sink, GError **error)
{
    BsUiBytes *bytes = ((UiSink *)sink)->bytes;

    g_free(sink);
    if (bytes == NULL) {
        gone(error, BS_STREAM_ERROR_WRITE);
        return FALSE;
    }
    bytes->sink = NULL;
    bytes->finished = TRUE;
    want_xfer(bytes);
    return TRUE;
}

static void
sink_discard(BsSink *sink)
{
    BsUiBytes *bytes = ((UiSink *)sink)->bytes;

    if (bytes != NULL)
        bytes->sink = NULL;
    g_free(sink);
}

BsSink *
bs_ui_bytes_sink(BsUiBytes *bytes)
{
    UiSink *sink = g_new0(UiSink, 1);

    sink->sink.write = sink_write;
    sink->sink.finish = sink_finish;
    sink->sink.discard = sink_discard;
    sink->bytes = bytes;
    bytes->sink = sink;
    return &sink->sink;
}

gboolean
bs_ui_bytes_drained(const BsUiBytes *bytes)
{
    return bytes->finished && bytes->buffer->len == 0;
}

/* libpurple passes what it gets to the UI whole, and asks again only when we say so. */
gssize
bs_ui_bytes_read(BsUiBytes *bytes, guchar **buffer)
{
    gsize count = releasable(bytes);

    *buffer = NULL;
    if (count == 0)
        return 0;
    *buffer = g_malloc(count);
    memcpy(*buffer, bytes->buffer->data, count);
    g_byte_array_remove_range(bytes->buffer, 0, (guint)count);
    bytes->taken += count;
    want_wake(bytes);
    return (gssize)count;
}
