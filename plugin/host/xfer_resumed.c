/* A transfer of before that goes on: its row is there again, without a question.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/xfer_internal.h"

static void
init_nothing(PurpleXfer *xfer)
{
    if (xfer->data == NULL)
        bs_xfer_end_orphan(xfer);
}

void
bs_xfer_resumed(BsConnection *connection, BsTransfer *transfer, const char *path)
{
    gboolean incoming = bs_transfer_is_incoming(transfer);
    const BsFileOffer *offer = bs_transfer_file(transfer);
    const char *peer = bs_transfer_peer(transfer);
    BsXfer *self =
        bs_xfer_make(connection, incoming ? PURPLE_XFER_RECEIVE : PURPLE_XFER_SEND, peer, init_nothing);
    PurpleXfer *xfer = self->xfer;
    g_autofree char *name = g_filename_display_basename(path);
    g_autofree char *sentence =
        bs_notice_of(incoming ? BS_NOTICE_RECEIVING_GOES_ON : BS_NOTICE_SENDING_GOES_ON,
                     bs_xfer_alias(bs_connection_account(connection), peer), name, NULL);

    self->transfer = transfer;
    self->accepted = TRUE;
    purple_xfer_set_filename(xfer, name);
    purple_xfer_set_local_filename(xfer, path);
    purple_xfer_set_size(xfer, (size_t)offer->size);
    if (incoming)
        bs_transfer_report_name(transfer, &self->final_name);
    bs_transfer_watch(transfer, &bs_xfer_transfer_events, self);
    purple_xfer_conversation_write(xfer, sentence, FALSE);
    purple_xfer_add(xfer);
}
