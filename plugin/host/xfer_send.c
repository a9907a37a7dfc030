/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "host/xfer_internal.h"
#include "log.h"
#include "preferences.h"
#include "stream/disk_chores.h"

static BsSendFile pass_on_to;
static PurpleXferUiOps hidden_ui_ops; /* the UI's own, but the xfer is not added to its list */

static void init_to_send(PurpleXfer *xfer);

/* libpurple frees an xfer without a word when it does not like the path that was given. */
static void
hidden_xfer_destroyed(PurpleXfer *xfer)
{
    PurpleXferUiOps *ui_ops = xfer->ui_ops == &hidden_ui_ops ? purple_xfers_get_ui_ops() : xfer->ui_ops;

    if (xfer->data != NULL)
        bs_xfer_release(xfer->data);
    if (ui_ops != NULL && ui_ops->destroy != NULL)
        ui_ops->destroy(xfer);
}

/* As long as we do not know whether the xfer is ours or libpurple's, the UI lists nothing. */
static void
hide(BsXfer *self)
{
    self->ui_ops = self->xfer->ui_ops;
    self->hidden = TRUE;
    hidden_ui_ops = self->ui_ops != NULL ? *self->ui_ops : (PurpleXferUiOps){0};
    hidden_ui_ops.add_xfer = NULL;
    hidden_ui_ops.destroy = hidden_xfer_destroyed;
    self->xfer->ui_ops = &hidden_ui_ops;
}

void
bs_xfer_show(BsXfer *self)
{
    if (!self->hidden)
        return;
    self->hidden = FALSE;
    self->xfer->ui_ops = self->ui_ops;
    purple_xfer_add(self->xfer);
}

PurpleXfer *
bs_xfer_new(BsConnection *connection, const char *who)
{
    BsXfer *self = bs_xfer_make(connection, PURPLE_XFER_SEND, who, init_to_send);

    hide(self);
    return self->xfer;
}

/* TRUE if `path` is a file that can be sent; else `notice`, and `detail` (static), say why not. */
static gboolean
is_sendable(const char *path, BsNotice *notice, const char **detail)
{
    GStatBuf info;

    *detail = NULL;
    *notice = BS_NOTICE_COUNT;
    if (g_stat(path, &info) != 0) {
        *notice = errno == ENOENT ? BS_NOTICE_NO_FILE : BS_NOTICE_UNREADABLE;
        *detail = errno == ENOENT ? NULL : g_strerror(errno);
    } else if (!S_ISREG(info.st_mode)) {
        *notice = BS_NOTICE_NOT_REGULAR;
    } else if (g_access(path, R_OK) != 0) {
        *notice = BS_NOTICE_UNREADABLE;
        *detail = g_strerror(errno);
    }
    return *notice == BS_NOTICE_COUNT;
}

static gboolean
ui_reads_files(void)
{
    const PurpleXferUiOps *ops = purple_xfers_get_ui_ops();

    return ops != NULL && (ops->ui_read != NULL || ops->ui_write != NULL);
}

/* libpurple refuses what cannot be sent only in part, and paths with "../" altogether. */
static void
send_known_file(BsConnection *connection, const char *who, const char *file)
{
    PurpleAccount *account = bs_connection_account(connection);
    g_autofree char *path = ui_reads_files() ? g_strdup(file) : g_canonicalize_filename(file, NULL);
    g_autofree char *name = g_filename_display_basename(path);
    BsNotice notice;
    const char *detail;

    if (!ui_reads_files() && !is_sendable(path, &notice, &detail)) {
        g_autofree char *sentence = bs_notice_of(notice, bs_xfer_alias(account, who), name, detail);

        bs_log_warning(NULL, "%s", sentence);
        purple_xfer_error(PURPLE_XFER_SEND, account, who, sentence);
        return;
    }
    purple_xfer_request_accepted(bs_xfer_new(connection, who), path);
}

void
bs_xfer_send_file(BsConnection *connection, const char *who, const char *file)
{
    PurpleXfer *xfer;
    BsXfer *self;

    /* While the user chooses a file, and while the peer is looked for. */
    bs_proxies_freshen(bs_connection_proxies(connection));
    if (file != NULL) {
        send_known_file(connection, who, file);
        return;
    }
    xfer = bs_xfer_new(connection, who);
    self = xfer->data;
    self->dialog_open = TRUE;
    purple_xfer_request(xfer);
}

/* libpurple sends the file in its own way, with an xfer of its own; ours goes before anybody has seen it. */
static void
pass_on(BsXfer *self)
{
    PurpleXfer *xfer = self->xfer;
    PurpleConnection *gc = purple_account_get_connection(purple_xfer_get_account(xfer));
    g_autofree char *who = g_strdup(xfer->who);
    g_autofree char *path = g_strdup(purple_xfer_get_local_filename(xfer));

    bs_log(NULL, "%s takes no files in our way: libpurple's own is used", who);
    bs_xfer_release(self);
    purple_xfer_unref(xfer);
    pass_on_to(gc, who, path);
}

static char *
media_type_of(const char *path)
{
    g_autofree char *type = g_content_type_guess(path, NULL, 0, NULL);

    return type != NULL ? g_content_type_get_mime_type(type) : NULL;
}

static BsFileOffer *
describe(BsXfer *self, guint64 size)
{
    BsFileOffer *offer = bs_file_offer_new();
    const char *path = purple_xfer_get_local_filename(self->xfer);
    GStatBuf info;

    if (purple_xfer_get_filename(self->xfer) == NULL) {
        g_autofree char *name = g_filename_display_basename(path);

        purple_xfer_set_filename(self->xfer, name);
    }
    offer->name = g_strdup(purple_xfer_get_filename(self->xfer));
    offer->size = size;
    offer->media_type = media_type_of(path);
    offer->hashes_promised = bs_preferences_hashes_files() ? 1u << BS_HASH_SHA256 : 0;
    if (g_stat(path, &info) == 0)
        offer->date = info.st_mtime;
    return offer;
}

/* NULL if it cannot be read, with `error` set. */
static BsSource *
open_source(BsXfer *self, guint64 *size, GError **error)
{
    if (!bs_ui_bytes_wanted(self->xfer))
        return bs_file_source_new(purple_xfer_get_local_filename(self->xfer), size, error);
    *size = purple_xfer_get_size(self->xfer);
    bs_xfer_use_ui_bytes(self, *size);
    return bs_ui_bytes_source(self->ui_bytes);
}

static void
offer_to(BsXfer *self, const char *jid)
{
    g_autoptr(BsFileOffer) offer = NULL;
    g_autoptr(GError) error = NULL;
    BsSource *source;
    guint64 size = 0;

    g_free(self->xfer->who);
    self->xfer->who = g_strdup(jid);
    bs_xfer_show(self);
    source = open_source(self, &size, &error);
    if (source == NULL) {
        bs_xfer_fail_for(self, BS_NOTICE_UNREADABLE, error != NULL ? error->message : NULL);
        return;
    }
    if (size > G_MAXSSIZE) {
        bs_source_close(source);
        bs_xfer_fail_for(self, BS_NOTICE_TOO_LARGE, NULL);
        return;
    }
    purple_xfer_set_size(self->xfer, (size_t)size);
    offer = describe(self, size);
    self->transfer = bs_transfer_offer(bs_connection_endpoint(self->connection), jid, offer, source,
                                       &bs_xfer_transfer_events, self);
}

static void
peer_found(const char *jid, gboolean cancelled, gpointer data)
{
    BsXfer *self = data;

    self->search = NULL;
    if (cancelled)
        bs_xfer_cancel(self, FALSE);
    else if (jid == NULL)
        pass_on(self);
    else
        offer_to(self, jid);
}

/* The file is known: who gets it? */
static void
init_to_send(PurpleXfer *xfer)
{
    BsXfer *self = xfer->data;
    BsNotice notice;
    const char *detail;

    if (self == NULL) {
        bs_xfer_end_orphan(xfer);
        return;
    }
    self->dialog_open = FALSE;
    if (!bs_ui_bytes_wanted(xfer) && !is_sendable(purple_xfer_get_local_filename(xfer), &notice, &detail)) {
        bs_xfer_fail_for(self, notice, detail);
        return;
    }
    if (self->search == NULL && self->transfer == NULL)
        self->search = bs_peer_search(bs_connection_peers(self->connection), xfer->who, peer_found, self);
}

void
bs_xfer_send_start(BsSendFile pass_on_function)
{
    pass_on_to = pass_on_function;
}

void
bs_xfer_send_stop(void)
{
    pass_on_to = NULL;
}
