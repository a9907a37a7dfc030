/* How an xfer that is not complete ends: in libpurple's words, or in ours.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <conversation.h>
#include <core.h>
#include <libintl.h>
#include <request.h>
#include <string.h>

#include "host/xfer_internal.h"
#include "log.h"

static gboolean quitting;
static int signal_handle;  /* its address is the handle of our signals */
static int writing_handle; /* likewise, of the one that says what is written */

void
bs_xfer_end_orphan(PurpleXfer *xfer)
{
    /* Whatever untied it has dropped the reference that cancelling drops. */
    purple_xfer_ref(xfer);
    purple_xfer_cancel_local(xfer);
}

static PurpleRequestUiOps *request_ops;
static guint closed_requests;

static void
count_closed_request(PurpleRequestType type, void *handle)
{
    closed_requests++;
    if (request_ops->close_request != NULL)
        request_ops->close_request(type, handle);
}

/* Closes libpurple's dialog about the xfer. FALSE if there is none: then it may be showing an error instead,
 * which keeps the dialog's reference and goes on from there. */
static gboolean
close_dialog(PurpleXfer *xfer)
{
    PurpleRequestUiOps ops = {0};

    request_ops = purple_request_get_ui_ops();
    if (request_ops == NULL)
        return FALSE;
    ops = *request_ops;
    ops.close_request = count_closed_request;
    closed_requests = 0;
    purple_request_set_ui_ops(&ops);
    purple_request_close_with_handle(xfer);
    purple_request_set_ui_ops(request_ops);
    return closed_requests > 0;
}

void
bs_xfer_cancel(BsXfer *self, gboolean remote)
{
    PurpleXfer *xfer = self->xfer;
    gboolean dialog_open;
    guint references;

    purple_xfer_ref(xfer);
    dialog_open = self->dialog_open && close_dialog(xfer);
    if (xfer->data == NULL) {
        /* The UI has answered what was closed. */
        purple_xfer_unref(xfer);
        return;
    }
    references = xfer->ref;
    if (remote)
        purple_xfer_cancel_remote(xfer);
    else
        purple_xfer_cancel_local(xfer);
    /* libpurple closes its dialog, but forgets the reference that this held; a UI may answer it instead. */
    if (dialog_open && xfer->ref == references - 1)
        purple_xfer_unref(xfer);
    purple_xfer_unref(xfer);
}

/* TRUE keeps libpurple's sentence out of the conversation: ours says better what has happened, and may say
 * that the transfer goes on. */
static gboolean
is_said_already(PurpleAccount *account, const char *who, char **message, PurpleConversation *conversation,
                PurpleMessageFlags flags, gpointer data)
{
    g_autofree char *cancelled = g_markup_escape_text(dgettext("pidgin", "File transfer cancelled"), -1);

    (void)account, (void)who, (void)conversation, (void)data;
    return (flags & PURPLE_MESSAGE_SYSTEM) != 0 && *message != NULL && strcmp(*message, cancelled) == 0;
}

static void
cancel_without_a_word(BsXfer *self)
{
    void *conversations = purple_conversations_get_handle();

    /* Without a name, libpurple does not say that the user cancelled it. */
    purple_xfer_set_filename(self->xfer, NULL);
    purple_signal_connect(conversations, "writing-im-msg", &writing_handle, PURPLE_CALLBACK(is_said_already),
                          NULL);
    bs_xfer_cancel(self, FALSE);
    purple_signal_disconnect(conversations, "writing-im-msg", &writing_handle,
                             PURPLE_CALLBACK(is_said_already));
}

/* `quietly`: the transfer goes on later, and nobody has to do anything now. */
static void
fail(BsXfer *self, const char *sentence, gboolean quietly)
{
    PurpleXfer *xfer = self->xfer;

    bs_log(NULL, "told the user: %s", sentence);
    purple_xfer_conversation_write(xfer, (char *)sentence, !quietly);
    if (!quitting && !quietly)
        purple_xfer_error(purple_xfer_get_type(xfer), purple_xfer_get_account(xfer), xfer->who, sentence);
    cancel_without_a_word(self);
}

void
bs_xfer_fail_as(BsXfer *self, const BsEnd *end)
{
    PurpleXfer *xfer = self->xfer;
    g_autofree char *sentence =
        bs_notice_of_end(end, purple_xfer_get_type(xfer) == PURPLE_XFER_RECEIVE,
                         bs_xfer_alias(purple_xfer_get_account(xfer), xfer->who), bs_xfer_file_name(self));

    fail(self, sentence, end->goes_on);
}

void
bs_xfer_fail_for(BsXfer *self, BsNotice notice, const char *detail)
{
    const char *alias = bs_xfer_alias(purple_xfer_get_account(self->xfer), self->xfer->who);
    g_autofree char *sentence = bs_notice_of(notice, alias, bs_xfer_file_name(self), detail);

    fail(self, sentence, notice == BS_NOTICE_SIGNED_OFF_FOR_NOW || notice == BS_NOTICE_UNLOADED_FOR_NOW);
}

void
bs_xfer_drop(BsXfer *self)
{
    /* Without a name, libpurple does not say that the user cancelled it. */
    purple_xfer_set_filename(self->xfer, NULL);
    bs_xfer_cancel(self, FALSE);
}

static void
core_quits(gpointer data)
{
    (void)data;
    quitting = TRUE;
}

void
bs_xfer_end_start(void)
{
    quitting = FALSE;
    purple_signal_connect(purple_get_core(), "quitting", &signal_handle, PURPLE_CALLBACK(core_quits), NULL);
}

void
bs_xfer_end_stop(void)
{
    purple_signals_disconnect_by_handle(&signal_handle);
}
