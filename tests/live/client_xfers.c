/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client_xfers.h"

#include <glib/gstdio.h>
#include <purple.h>
#include <stdio.h>
#include <string.h>

#include "client_report.h"

/* What the UI knows of a transfer, at its ui_data. */
typedef struct {
    guint id;
    FILE *file;         /* where this UI moves the bytes itself */
    guint ready_timer;  /* will tell libpurple that this UI can go on */
    guint calls;        /* of be_ready_soon() */
    gint64 last_report; /* of progress, in microseconds */
} View;

#define THUMBNAIL_BYTES 5000

static guint last_id;
static gboolean moves_bytes;
static char
    *file_to_send; /* the path, while serv_send_file() is at work for a UI that moves the bytes itself */

static const char *
status_name(PurpleXfer *xfer)
{
    switch (purple_xfer_get_status(xfer)) {
    case PURPLE_XFER_STATUS_UNKNOWN:
        return "unknown";
    case PURPLE_XFER_STATUS_NOT_STARTED:
        return "not-started";
    case PURPLE_XFER_STATUS_ACCEPTED:
        return "accepted";
    case PURPLE_XFER_STATUS_STARTED:
        return "started";
    case PURPLE_XFER_STATUS_DONE:
        return "done";
    case PURPLE_XFER_STATUS_CANCEL_LOCAL:
        return "cancelled-here";
    case PURPLE_XFER_STATUS_CANCEL_REMOTE:
        return "cancelled-there";
    }
    return "?";
}

static void
report_xfer(PurpleXfer *xfer, const char *stage)
{
    View *view = xfer->ui_data;
    PurpleAccount *account = purple_xfer_get_account(xfer);

    report("xfer", "stage", stage, "#id", report_number(view != NULL ? view->id : 0), "direction",
           purple_xfer_get_type(xfer) == PURPLE_XFER_SEND ? "send" : "receive", "account",
           account != NULL ? purple_account_get_username(account) : NULL, "who", xfer->who, "name",
           purple_xfer_get_filename(xfer), "path", purple_xfer_get_local_filename(xfer), "#size",
           report_number((gint64)purple_xfer_get_size(xfer)), "#sent",
           report_number((gint64)purple_xfer_get_bytes_sent(xfer)), "status", status_name(xfer), "#completed",
           purple_xfer_is_completed(xfer) ? "true" : "false", "#ref", report_number(xfer->ref), NULL);
}

/* A UI that moves the bytes itself */

static gboolean
tell_ready(gpointer data)
{
    PurpleXfer *xfer = data;
    View *view = xfer->ui_data;

    view->ready_timer = 0;
    purple_xfer_ui_ready(xfer);
    return FALSE;
}

/* Now and then this UI has to wait for its own user's connection. */
static void
be_ready_soon(PurpleXfer *xfer)
{
    View *view = xfer->ui_data;

    if (view != NULL && view->ready_timer == 0)
        view->ready_timer = g_timeout_add(++view->calls % 7 == 0 ? 10 : 0, tell_ready, xfer);
}

static gssize
ui_write(PurpleXfer *xfer, const guchar *buffer, gssize size)
{
    View *view = xfer->ui_data;

    if (view->file == NULL)
        view->file = g_fopen(purple_xfer_get_local_filename(xfer), "wb");
    if (view->file == NULL || fwrite(buffer, 1, (gsize)size, view->file) != (gsize)size)
        return 0;
    be_ready_soon(xfer);
    return size;
}

static gssize
ui_read(PurpleXfer *xfer, guchar **buffer, gssize size)
{
    View *view = xfer->ui_data;
    gsize got;

    *buffer = NULL;
    be_ready_soon(xfer);
    if (view->file == NULL)
        return -1;
    *buffer = g_malloc((gsize)size);
    got = fread(*buffer, 1, (gsize)size, view->file);
    if (got == 0)
        g_clear_pointer(buffer, g_free);
    return (gssize)got;
}

static void
data_not_sent(PurpleXfer *xfer, const guchar *buffer, gsize size)
{
    View *view = xfer->ui_data;

    (void)buffer;
    if (view->file != NULL && fseek(view->file, -(long)size, SEEK_CUR) != 0)
        g_error("the file cannot be wound back");
}

static void
open_file_to_send(PurpleXfer *xfer, View *view)
{
    GStatBuf info;

    if (g_stat(file_to_send, &info) != 0)
        g_error("%s is not there", file_to_send);
    view->file = g_fopen(file_to_send, "rb");
    purple_xfer_set_size(xfer, (size_t)info.st_size);
}

/* The window */

static void
new_xfer(PurpleXfer *xfer)
{
    View *view = g_new0(View, 1);

    view->id = ++last_id;
    xfer->ui_data = view;
    if (moves_bytes && file_to_send != NULL && purple_xfer_get_type(xfer) == PURPLE_XFER_SEND)
        open_file_to_send(xfer, view);
    report_xfer(xfer, "new");
}

static void
destroy(PurpleXfer *xfer)
{
    View *view = xfer->ui_data;

    report_xfer(xfer, "destroyed");
    if (view == NULL)
        return;
    if (view->ready_timer != 0)
        g_source_remove(view->ready_timer);
    if (view->file != NULL)
        fclose(view->file);
    g_free(view);
    xfer->ui_data = NULL;
}

static void
add_xfer(PurpleXfer *xfer)
{
    report_xfer(xfer, "added");
}

static void
update_progress(PurpleXfer *xfer, double percent)
{
    View *view = xfer->ui_data;
    gint64 now = g_get_monotonic_time();

    (void)percent;
    if (view == NULL || (now - view->last_report < 50000 && purple_xfer_get_bytes_remaining(xfer) > 0))
        return;
    view->last_report = now;
    report_xfer(xfer, "progress");
}

static void
stop_being_ready(PurpleXfer *xfer)
{
    View *view = xfer->ui_data;

    if (view == NULL)
        return;
    if (view->ready_timer != 0)
        g_source_remove(view->ready_timer);
    view->ready_timer = 0;
    if (view->file != NULL)
        fclose(g_steal_pointer(&view->file));
}

static void
cancelled_here(PurpleXfer *xfer)
{
    stop_being_ready(xfer);
    report_xfer(xfer, "cancelled-here");
}

static void
cancelled_there(PurpleXfer *xfer)
{
    stop_being_ready(xfer);
    report_xfer(xfer, "cancelled-there");
}

/* A picture's thumbnail is the beginning of its file: that is as small as it should be. */
static void
add_thumbnail(PurpleXfer *xfer, const gchar *formats)
{
    View *view = xfer->ui_data;
    g_autofree char *bytes = NULL;
    gsize length = 0;

    report("thumbnail", "#id", report_number(view->id), "formats", formats, NULL);
    if (g_file_get_contents(purple_xfer_get_local_filename(xfer), &bytes, &length, NULL))
        purple_xfer_set_thumbnail(xfer, bytes, MIN(length, THUMBNAIL_BYTES), "image/png");
}

static PurpleXferUiOps window_ops = {
    .new_xfer = new_xfer,
    .destroy = destroy,
    .add_xfer = add_xfer,
    .update_progress = update_progress,
    .cancel_local = cancelled_here,
    .cancel_remote = cancelled_there,
    .add_thumbnail = add_thumbnail,
};

/* Signals */

static void
on_signal(PurpleXfer *xfer, gpointer data)
{
    const char *name = data;

    if (moves_bytes && g_str_has_suffix(name, "-start"))
        be_ready_soon(xfer);
    if (moves_bytes && g_str_has_suffix(name, "-complete"))
        stop_being_ready(xfer);
    report_xfer(xfer, name);
}

void
client_xfers_init(gboolean own_io)
{
    static const char *const names[] = {
        "file-recv-request",  "file-recv-accept",   "file-recv-start",
        "file-recv-complete", "file-recv-cancel",   "file-send-accept",
        "file-send-start",    "file-send-complete", "file-send-cancel",
    };
    static int handle;

    moves_bytes = own_io;
    if (own_io) {
        window_ops.ui_read = ui_read;
        window_ops.ui_write = ui_write;
        window_ops.data_not_sent = data_not_sent;
    }
    purple_xfers_set_ui_ops(&window_ops);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        purple_signal_connect(purple_xfers_get_handle(), names[i], &handle, PURPLE_CALLBACK(on_signal),
                              (gpointer)names[i]);
}

void
client_xfers_make_thumbnails(gboolean yes)
{
    window_ops.add_thumbnail = yes ? add_thumbnail : NULL;
}

void
client_xfers_send(PurpleConnection *gc, const char *who, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);

    file_to_send = moves_bytes ? (char *)path : NULL;
    serv_send_file(gc, who, moves_bytes ? name : path);
    file_to_send = NULL;
}

static PurpleXfer *
find(guint id)
{
    for (GList *l = purple_xfers_get_all(); l != NULL; l = l->next) {
        PurpleXfer *xfer = l->data;
        View *view = xfer->ui_data;

        if (view != NULL && view->id == id)
            return xfer;
    }
    return NULL;
}

gboolean
client_xfers_cancel(guint id)
{
    PurpleXfer *xfer = find(id);

    if (xfer == NULL || purple_xfer_get_status(xfer) >= PURPLE_XFER_STATUS_DONE)
        return FALSE;
    purple_xfer_cancel_local(xfer);
    return TRUE;
}

guint
client_xfers_count(void)
{
    return g_list_length(purple_xfers_get_all());
}

void
client_xfers_report_left(void)
{
    for (GList *l = purple_xfers_get_all(); l != NULL; l = l->next)
        report_xfer(l->data, "left");
}
