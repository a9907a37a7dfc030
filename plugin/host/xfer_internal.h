/* What the xfer's files show each other only: the tie between a PurpleXfer and its transfer.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_XFER_INTERNAL_H
#define BS_XFER_INTERNAL_H

#include "host/notices.h"
#include "host/ui_bytes.h"
#include "host/xfer.h"

/* In PurpleXfer.data from its making until libpurple says that it is over, by one of `end`, `cancel_send`,
 * `cancel_recv` and `request_denied`. */
typedef struct {
    PurpleXfer *xfer; /* libpurple's */
    BsConnection *connection;
    BsTransfer *transfer;    /* NULL before it begins and after it has ended */
    BsPeerSearch *search;    /* sending: to whom? */
    BsUiBytes *ui_bytes;     /* NULL: we read or write the file */
    PurpleXferUiOps *ui_ops; /* sending: the UI's own, while it is not to know the xfer; else NULL */
    gboolean hidden;         /* sending: the UI does not know the xfer yet */
    gboolean dialog_open;    /* one of libpurple's is, and holds a reference */
    gboolean accepted;       /* receiving: by the user */
    gboolean started;        /* bytes have begun to move */
    gboolean going_offline;  /* its connection ends, and so will the transfer */
    BsRoute route;
    char *final_name; /* receiving: where the file stands, once it does */
} BsXfer;

/* xfer.c */

/* A new xfer of `type` with `who`; `init` is its first operation, and `data` its BsXfer. */
BsXfer *bs_xfer_make(BsConnection *connection, PurpleXferType type, const char *who,
                     void (*init)(PurpleXfer *));

/* What is to be told of the transfer once it has begun. */
extern const BsTransferEvents bs_xfer_transfer_events;

/* libpurple has its own reference on an xfer whose tie is gone, and calls its init: ends it. */
void bs_xfer_end_orphan(PurpleXfer *xfer);

/* Unties both. Ends the transfer, if there still is one. */
void bs_xfer_release(BsXfer *self);

/* Cancels the xfer, with libpurple's words: cancelled by the peer (`remote`) or by the user. */
void bs_xfer_cancel(BsXfer *self, gboolean remote);

/* Cancels it with our words. */
void bs_xfer_fail(BsXfer *self, const char *sentence);
void bs_xfer_fail_for(BsXfer *self, BsNotice notice, const char *detail);

/* Makes the xfer read or write through its UI. */
void bs_xfer_use_ui_bytes(BsXfer *self, guint64 size);

/* The contact, and the file, as the user knows them. */
const char *bs_xfer_alias(PurpleAccount *account, const char *who);
const char *bs_xfer_file_name(const BsXfer *self);

/* xfer_send.c: passes an xfer that the UI does not know yet to the UI; and what ends together with
 * bs_xfers_stop(). */
void bs_xfer_show(BsXfer *self);
void bs_xfer_send_start(BsSendFile pass_on);
void bs_xfer_send_stop(void);

/* xfer_receive.c */
void bs_xfer_receive_start(void);
void bs_xfer_receive_stop(void);

#endif
