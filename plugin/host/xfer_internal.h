/* What the xfer's files show each other only: the tie between a PurpleXfer and its transfer.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_XFER_INTERNAL_H
#define BS_XFER_INTERNAL_H

#include "host/notices.h"
#include "host/peer_search.h"
#include "host/silence.h"
#include "host/ui_bytes.h"
#include "host/xfer.h"
#include "stream/checkpoints.h"
#include "stream/file_hash.h"

/* In PurpleXfer.data from its making until libpurple says that it is over, by one of `end`, `cancel_send`,
 * `cancel_recv` and `request_denied`. */
typedef struct _BsXfer {
    PurpleXfer *xfer; /* libpurple's */
    BsConnection *connection;
    BsTransfer *transfer;                   /* NULL before it begins and after it has ended */
    BsPeerSearch *search;                   /* sending: to whom? */
    BsFileHash *hash;                       /* sending: the file is read before it is offered */
    BsPlace *place;                         /* sending: in the queue, until the transfer has it */
    void (*its_turn)(struct _BsXfer *self); /* sending: goes on, once it is */
    gboolean seen;                          /* sending: the peer's presence was known before it waited */
    BsPrefix *rest;                         /* receiving: how much of an unfinished file can be used ... */
    char *rest_of;                          /* ... of this id in the memory */
    BsUiBytes *ui_bytes;                    /* NULL: we read or write the file */
    PurpleXferUiOps *ui_ops;                /* sending: the UI's own, while `watched` */
    gboolean watched;       /* sending: no file is known yet, and the xfer's own operations tell nothing */
    BsSilence *silence;     /* sending: nobody has answered the offer yet */
    gboolean by_si;         /* sending: offered by stream initiation, or about to be */
    gboolean in_band;       /* sending: offered in-band at once, as nothing else worked */
    gboolean dialog_open;   /* one of libpurple's is, and holds a reference */
    gboolean accepted;      /* by the user who receives */
    gboolean started;       /* bytes have begun to move */
    gboolean going_offline; /* its connection ends, and so will the transfer */
    BsRoute route;
    char *final_name; /* receiving: where the file stands, once it does */
} BsXfer;

/* xfer.c */

/* A new xfer of `type` with `who`; `init` is its first operation, and `data` its BsXfer. */
BsXfer *bs_xfer_make(BsConnection *connection, PurpleXferType type, const char *who,
                     void (*init)(PurpleXfer *));

/* What is to be told of the transfer once it has begun. */
extern const BsTransferEvents bs_xfer_transfer_events;

/* Unties both. Ends the transfer, if there still is one. */
void bs_xfer_release(BsXfer *self);

/* Makes the xfer read or write through its UI. */
void bs_xfer_use_ui_bytes(BsXfer *self, guint64 size);

/* The contact, and the file, as the user knows them. */
const char *bs_xfer_alias(PurpleAccount *account, const char *who);
const char *bs_xfer_file_name(const BsXfer *self);

/* All there are: BsXfer. */
GList *bs_xfer_ties(void);

/* Somebody is being looked for, a file is being read or waits for its turn, or a transfer is there. */
gboolean bs_xfer_is_under_way(const BsXfer *self);

/* xfer_end.c */

/* libpurple has its own reference on an xfer whose tie is gone, and calls its init: ends it. */
void bs_xfer_end_orphan(PurpleXfer *xfer);

/* Cancels the xfer, with libpurple's words: cancelled by the peer (`remote`) or by the user. */
void bs_xfer_cancel(BsXfer *self, gboolean remote);

/* Cancels it with our words. */
void bs_xfer_fail_as(BsXfer *self, const BsEnd *end);
void bs_xfer_fail_for(BsXfer *self, BsNotice notice, const char *detail);

/* Cancels what has not begun, without a word of ours. */
void bs_xfer_drop(BsXfer *self);

void bs_xfer_end_start(void);
void bs_xfer_end_stop(void);

/* xfer_send.c */

/* Gives the xfer the UI's own operations back, if it does not have them. */
void bs_xfer_unwatch(BsXfer *self);

/* The offer has ended. TRUE if the file is to be offered in another way, and the user hears nothing. */
gboolean bs_xfer_send_otherwise(BsXfer *self, BsTransfer *transfer, const BsEnd *end);

/* xfer_turn.c */

/* Calls `its_turn`, which may end the xfer, when the file has a place in the queue: at once if it has. */
void bs_xfer_wait_for_turn(BsXfer *self, void (*its_turn)(BsXfer *self));

/* Neither has the file been offered, nor the peer's offer been answered, as there is no place for it. */
gboolean bs_xfer_waits(const BsXfer *self);

/* Tells the user that it waits, and for what, if it is the only one of its contact. */
void bs_xfer_tell_of_waiting(BsXfer *self, BsNotice notice);

/* The contact is gone: cancels all others that have not been offered to the same one. */
void bs_xfer_drop_companions(BsXfer *self);

/* xfer_thumbnail.c */

/* Sending: has the UI make a thumbnail of the file, for a peer that can ask for it. */
void bs_xfer_add_thumbnail(BsXfer *self, BsFileOffer *offer);

/* Receiving: the UI is to show the offer's thumbnail, if there is one. */
void bs_xfer_show_thumbnail(BsXfer *self, const BsFileOffer *offer);

/* xfer_receive.c */

/* Nobody waits any more for how much of an unfinished file can be used. */
void bs_xfer_drop_rest(BsXfer *self);

void bs_xfer_receive_start(void);
void bs_xfer_receive_stop(void);

#endif
