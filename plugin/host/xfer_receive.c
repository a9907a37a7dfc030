/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "host/xfer_internal.h"
#include "log.h"
#include "stream/disk_chores.h"
#include "stream/part_file.h"

/* The xfer for which libpurple is being asked to put the question to the user. */
static struct {
    const PurpleXfer *xfer;
    gboolean answered; /* by a plugin, before a dialog was opened */
} asking;

static int signal_handle; /* its address is the handle of our signals */

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
    /* Who saves to a file that is there has been asked whether it may be replaced; a plugin that accepted
     * asked nobody. */
    *sink =
        bs_part_file_new(target, self->xfer != asking.xfer && g_file_test(target, G_FILE_TEST_EXISTS), error);
    if (*sink == NULL)
        return FALSE;
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

/* The user has accepted, and said where the file is to be saved. */
static void
init_to_receive(PurpleXfer *xfer)
{
    BsXfer *self = xfer->data;
    g_autoptr(GError) error = NULL;
    BsSink *sink;

    if (self == NULL) {
        bs_xfer_end_orphan(xfer);
        return;
    }
    if (self->accepted)
        return;
    self->dialog_open = FALSE;
    self->accepted = TRUE;
    if (open_sink(self, &sink, &error)) {
        bs_transfer_accept(self->transfer, sink);
        return;
    }
    bs_log_warning(bs_transfer_id(self->transfer), "cannot be saved: %s", error->message);
    bs_transfer_fail(g_steal_pointer(&self->transfer), error);
    bs_xfer_fail_for(self, notice_of(error), error->message);
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
    g_autofree char *name = bs_part_file_clean_name(offer->name != NULL ? offer->name : "");
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
