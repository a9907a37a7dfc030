/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "host/resumption.h"
#include "host/room.h"
#include "host/xfer_internal.h"
#include "log.h"
#include "stream/disk_chores.h"
#include "stream/file_name.h"
#include "stream/part_file.h"

/* The xfer for which libpurple is being asked to put the question to the user. */
static struct {
    const PurpleXfer *xfer;
    gboolean answered; /* by a plugin, before a dialog was opened */
} asking;

static int signal_handle; /* its address is the handle of our signals */

/* Who saves to a file that is there has been asked whether it may be replaced; a plugin that accepted asked
 * nobody. */
static gboolean
may_replace(const BsXfer *self, const char *target)
{
    return self->xfer != asking.xfer && g_file_test(target, G_FILE_TEST_EXISTS);
}

static gboolean
open_sink(BsXfer *self, BsSink **sink, GError **error)
{
    const char *target = purple_xfer_get_local_filename(self->xfer);
    guint64 size = bs_transfer_file(self->transfer)->size;

    if (bs_ui_bytes_wanted(self->xfer)) {
        bs_xfer_use_ui_bytes(self, size);
        *sink = bs_ui_bytes_sink(self->ui_bytes);
        return TRUE;
    }
    if (target == NULL) {
        g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_WRITE, g_strerror(ENOENT));
        return FALSE;
    }
    *sink = bs_part_file_new(target, may_replace(self, target), error);
    if (*sink == NULL)
        return FALSE;
    if (g_path_is_absolute(target))
        bs_transfer_set_path(self->transfer, target, may_replace(self, target));
    bs_part_file_report_name(*sink, &self->final_name);
    if (size == BS_SIZE_UNKNOWN || bs_part_file_has_room(*sink, size, error))
        return TRUE;
    bs_sink_discard(*sink);
    return FALSE;
}

static BsNotice
notice_of(const GError *error)
{
    return g_error_matches(error, BS_STREAM_ERROR, BS_STREAM_ERROR_NO_SPACE) ? BS_NOTICE_NO_ROOM
                                                                             : BS_NOTICE_UNWRITABLE;
}

/* `error` is taken. */
static void
fail_to_save(BsXfer *self, GError *error)
{
    bs_log_warning(bs_transfer_id(self->transfer), "cannot be saved: %s", error->message);
    bs_transfer_fail(g_steal_pointer(&self->transfer), error);
    bs_xfer_fail_for(self, notice_of(error), error->message);
    g_error_free(error);
}

static void
accept_whole(BsXfer *self)
{
    GError *error = NULL;
    BsSink *sink;

    if (open_sink(self, &sink, &error))
        bs_transfer_accept(self->transfer, sink);
    else
        fail_to_save(self, error);
}

void
bs_xfer_drop_rest(BsXfer *self)
{
    BsRemembered *item = self->rest_of != NULL ? bs_memory_find(bs_resumption_memory(), self->rest_of) : NULL;

    bs_prefix_cancel(&self->rest);
    if (item != NULL)
        item->in_use = FALSE;
    g_clear_pointer(&self->rest_of, g_free);
}

static void
rest_known(guint64 length, BsDigest *digest, gpointer data)
{
    BsXfer *self = data;
    const char *target = purple_xfer_get_local_filename(self->xfer);
    g_autofree char *id = g_strdup(self->rest_of);
    BsRemembered *item = bs_memory_find(bs_resumption_memory(), id);
    g_autoptr(GError) error = NULL;
    BsSink *sink = NULL;

    self->rest = NULL;
    bs_xfer_drop_rest(self);
    if (digest == NULL) {
        fail_to_save(self,
                     g_error_new_literal(BS_STREAM_ERROR, BS_STREAM_ERROR_WRITE, g_strerror(ETIMEDOUT)));
        return;
    }
    if (item != NULL && length > 0)
        sink = bs_part_file_reopen(item->part, length, target, may_replace(self, target), NULL);
    if (sink != NULL && !bs_part_file_has_room(sink, bs_transfer_file(self->transfer)->size, &error)) {
        bs_digest_free(digest);
        bs_sink_leave(sink);
        fail_to_save(self, g_steal_pointer(&error));
        return;
    }
    if (sink != NULL) {
        bs_transfer_set_path(self->transfer, target, may_replace(self, target));
        bs_part_file_report_name(sink, &self->final_name);
        bs_transfer_accept_rest(self->transfer, sink, length, digest, id);
        return;
    }
    bs_digest_free(digest);
    if (item != NULL)
        bs_memory_forget(bs_resumption_memory(), item, TRUE);
    accept_whole(self);
}

/* A part of the same file is there, in the same folder, and the peer can send the rest. */
static gboolean
accept_rest(BsXfer *self)
{
    const BsFileOffer *offer = bs_transfer_file(self->transfer);
    PurpleAccount *account = bs_connection_account(self->connection);
    const char *peer = bs_transfer_peer(self->transfer);
    const char *target = purple_xfer_get_local_filename(self->xfer);
    g_autofree char *folder = target != NULL ? g_path_get_dirname(target) : NULL;
    g_autofree char *part_folder = NULL;
    g_autofree char *checkpoints = NULL;
    BsRemembered *item;

    if (folder == NULL || !offer->can_range || bs_ui_bytes_wanted(self->xfer) ||
        bs_transfer_hashes_for_rest(offer) == 0)
        return FALSE;
    item = bs_memory_match(bs_resumption_memory(), TRUE, purple_account_get_username(account), peer,
                           bs_room_has_occupant(account, peer), offer);
    part_folder = item != NULL ? g_path_get_dirname(item->part) : NULL;
    if (item == NULL || !g_str_equal(folder, part_folder))
        return FALSE;
    item->in_use = TRUE;
    self->rest_of = g_strdup(item->id);
    checkpoints = bs_memory_checkpoints(bs_resumption_memory(), item);
    self->rest = bs_prefix_new(item->part, checkpoints, bs_transfer_hashes_for_rest(offer), rest_known, self);
    return TRUE;
}

/* The user has accepted, and said where the file is to be saved. */
static void
init_to_receive(PurpleXfer *xfer)
{
    BsXfer *self = xfer->data;

    if (self == NULL) {
        bs_xfer_end_orphan(xfer);
        return;
    }
    if (self->accepted)
        return;
    self->dialog_open = FALSE;
    self->accepted = TRUE;
    if (!accept_rest(self))
        accept_whole(self);
}

/* Called after every other plugin has seen the request. */
static void
request_seen_by_plugins(PurpleXfer *xfer, gpointer data)
{
    (void)data;
    if (xfer != asking.xfer)
        return;
    /* An xfer that a plugin has cancelled is untied: libpurple cancels it once more, with the reference in
     * question. */
    asking.answered = xfer->data != NULL && (purple_xfer_get_local_filename(xfer) != NULL ||
                                             purple_xfer_get_status(xfer) == PURPLE_XFER_STATUS_CANCEL_LOCAL);
}

/* libpurple takes a reference for the dialog, and forgets it if a plugin's answer makes that unnecessary. */
static void
ask_user(BsXfer *self)
{
    PurpleXfer *xfer = self->xfer;

    self->dialog_open = TRUE;
    purple_xfer_ref(xfer);
    asking.xfer = xfer;
    asking.answered = FALSE;
    purple_xfer_request(xfer);
    asking.xfer = NULL;
    if (asking.answered)
        purple_xfer_unref(xfer);
    purple_xfer_unref(xfer);
}

static gboolean
is_too_large(const BsFileOffer *offer)
{
    return offer->size != BS_SIZE_UNKNOWN && offer->size > G_MAXSSIZE;
}

void
bs_xfer_offered(BsConnection *connection, BsTransfer *transfer)
{
    const BsFileOffer *offer = bs_transfer_file(transfer);
    PurpleAccount *account = bs_connection_account(connection);
    const char *peer = bs_transfer_peer(transfer);
    g_autofree char *name = bs_file_name_clean(offer->name != NULL ? offer->name : "");
    BsXfer *self;

    if (is_too_large(offer)) {
        g_autofree char *sentence =
            bs_notice_of(BS_NOTICE_TOO_LARGE, bs_xfer_alias(account, peer), name, NULL);

        purple_xfer_error(PURPLE_XFER_RECEIVE, account, peer, sentence);
        bs_transfer_decline(transfer);
        return;
    }
    self = bs_xfer_make(connection, PURPLE_XFER_RECEIVE, peer, init_to_receive);
    self->transfer = transfer;
    purple_xfer_set_filename(self->xfer, name);
    if (offer->size != BS_SIZE_UNKNOWN)
        purple_xfer_set_size(self->xfer, (size_t)offer->size);
    bs_xfer_show_thumbnail(self, offer);
    bs_transfer_watch(transfer, &bs_xfer_transfer_events, self);
    ask_user(self);
}

void
bs_xfer_receive_start(void)
{
    asking.xfer = NULL;
    purple_signal_connect_priority(purple_xfers_get_handle(), "file-recv-request", &signal_handle,
                                   PURPLE_CALLBACK(request_seen_by_plugins), NULL,
                                   PURPLE_SIGNAL_PRIORITY_HIGHEST);
}

void
bs_xfer_receive_stop(void)
{
    purple_signals_disconnect_by_handle(&signal_handle);
}
