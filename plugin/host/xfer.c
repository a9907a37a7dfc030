/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/xfer.h"

#include <blist.h>

#include "host/resumption.h"
#include "host/room.h"
#include "host/xfer_internal.h"
#include "log.h"
#include "stanza/jid.h"

static GList *ties; /* BsXfer */

GList *
bs_xfer_ties(void)
{
    return ties;
}

const char *
bs_xfer_alias(PurpleAccount *account, const char *who)
{
    PurpleBuddy *buddy = purple_find_buddy(account, who);

    if (buddy != NULL)
        return purple_buddy_get_alias(buddy);
    return bs_room_has_occupant(account, who) ? bs_jid_resource(who) : who;
}

const char *
bs_xfer_file_name(const BsXfer *self)
{
    return purple_xfer_get_filename(self->xfer);
}

void
bs_xfer_release(BsXfer *self)
{
    BsTransfer *transfer = g_steal_pointer(&self->transfer);

    ties = g_list_remove(ties, self);
    self->xfer->data = NULL;
    bs_xfer_unwatch(self);
    bs_peer_search_cancel(&self->search);
    bs_file_hash_cancel(&self->hash);
    bs_xfer_drop_rest(self);
    g_clear_pointer(&self->silence, bs_silence_free);
    bs_place_free(self->place);
    if (transfer != NULL && bs_transfer_is_incoming(transfer) && !self->accepted)
        bs_transfer_decline(transfer);
    else if (transfer != NULL)
        bs_transfer_cancel(transfer);
    bs_ui_bytes_free(self->ui_bytes);
    g_free(self->final_name);
    g_free(self);
}

/* `end`, `cancel_send`, `cancel_recv` and `request_denied`: exactly one of these is the end of an xfer, but
 * libpurple does not keep from calling a second one. */
static void
xfer_is_over(PurpleXfer *xfer)
{
    if (xfer->data != NULL)
        bs_xfer_release(xfer->data);
}

BsXfer *
bs_xfer_make(BsConnection *connection, PurpleXferType type, const char *who, void (*init)(PurpleXfer *))
{
    BsXfer *self = g_new0(BsXfer, 1);

    self->xfer = purple_xfer_new(bs_connection_account(connection), type, who);
    self->connection = connection;
    self->xfer->data = self;
    purple_xfer_set_init_fnc(self->xfer, init);
    purple_xfer_set_request_denied_fnc(self->xfer, xfer_is_over);
    purple_xfer_set_cancel_send_fnc(self->xfer, xfer_is_over);
    purple_xfer_set_cancel_recv_fnc(self->xfer, xfer_is_over);
    purple_xfer_set_end_fnc(self->xfer, xfer_is_over);
    ties = g_list_prepend(ties, self);
    return self;
}

static gssize
read_for_ui(guchar **buffer, PurpleXfer *xfer)
{
    BsXfer *self = xfer->data;

    *buffer = NULL;
    return self != NULL && self->ui_bytes != NULL ? bs_ui_bytes_read(self->ui_bytes, buffer) : 0;
}

static gssize
write_from_ui(const guchar *buffer, size_t size, PurpleXfer *xfer)
{
    BsXfer *self = xfer->data;

    return self != NULL && self->ui_bytes != NULL ? bs_ui_bytes_write(self->ui_bytes, buffer, size) : 0;
}

/* The file is there, or with the peer: libpurple hears of it, and the xfer is over. */
static void
complete(BsXfer *self)
{
    PurpleXfer *xfer = self->xfer;

    purple_xfer_ref(xfer);
    if (self->final_name != NULL)
        purple_xfer_set_local_filename(xfer, self->final_name);
    if (purple_xfer_get_size(xfer) == 0)
        purple_xfer_set_size(xfer, purple_xfer_get_bytes_sent(xfer));
    purple_xfer_set_bytes_sent(xfer, purple_xfer_get_size(xfer));
    purple_xfer_set_completed(xfer, TRUE);
    if (xfer->data != NULL)
        purple_xfer_end(xfer);
    purple_xfer_unref(xfer);
}

static void
ui_is_ready(gpointer data)
{
    BsXfer *self = data;

    if (self->transfer != NULL)
        bs_transfer_wake(self->transfer);
    else if (bs_ui_bytes_drained(self->ui_bytes))
        complete(self);
}

void
bs_xfer_use_ui_bytes(BsXfer *self, guint64 size)
{
    bs_ui_bytes_free(self->ui_bytes);
    self->ui_bytes = bs_ui_bytes_new(self->xfer, size, ui_is_ready, self);
    purple_xfer_set_read_fnc(self->xfer, read_for_ui);
    purple_xfer_set_write_fnc(self->xfer, write_from_ui);
}

static gssize
ui_writes_nothing(PurpleXfer *xfer, const guchar *buffer, gssize size)
{
    (void)xfer;
    (void)buffer;
    (void)size;
    return -1;
}

static gssize
ui_reads_nothing(PurpleXfer *xfer, guchar **buffer, gssize size)
{
    (void)xfer;
    (void)size;
    *buffer = NULL;
    return -1;
}

/* libpurple opens, and when receiving empties, the file of an xfer that it starts, unless the UI says that it
 * reads and writes itself: so for that moment it does. The xfer may be over after. */
static void
start_without_opening(PurpleXfer *xfer)
{
    PurpleXferUiOps *ui_ops = xfer->ui_ops;
    PurpleXferUiOps ops = {0};

    if (ui_ops != NULL)
        ops = *ui_ops;
    ops.ui_read = ui_reads_nothing;
    ops.ui_write = ui_writes_nothing;
    xfer->ui_ops = &ops;
    purple_xfer_start(xfer, -1, NULL, 0);
    xfer->ui_ops = ui_ops;
}

static void
transfer_accepted(BsTransfer *transfer, gpointer data)
{
    BsXfer *self = data;
    BsResource *resource =
        bs_resources_find(bs_peers_resources(bs_connection_peers(self->connection)), self->xfer->who);

    (void)transfer;
    self->accepted = TRUE;
    if (resource != NULL && purple_xfer_get_type(self->xfer) == PURPLE_XFER_SEND)
        resource->asks = TRUE;
    g_clear_pointer(&self->silence, bs_silence_free);
}

static void
transfer_queued(BsTransfer *transfer, gpointer data)
{
    (void)transfer;
    bs_xfer_tell_of_waiting(data, BS_NOTICE_QUEUED);
}

static void
transfer_held(BsTransfer *transfer, gpointer data)
{
    (void)transfer;
    bs_xfer_tell_of_waiting(data, BS_NOTICE_HELD);
}

static void
transfer_started(BsTransfer *transfer, const BsRoute *route, gpointer data)
{
    BsXfer *self = data;
    PurpleXfer *xfer = self->xfer;

    (void)transfer;
    self->route = *route;
    /* Another connection, after one that broke. */
    if (self->started)
        return;
    self->started = TRUE;
    purple_xfer_ref(xfer);
    if (self->ui_bytes != NULL)
        purple_xfer_start(xfer, -1, NULL, 0);
    else
        start_without_opening(xfer);
    if (xfer->data != NULL && self->ui_bytes != NULL)
        bs_ui_bytes_start(self->ui_bytes);
    purple_xfer_unref(xfer);
}

static void
transfer_progress(BsTransfer *transfer, guint64 moved, gpointer data)
{
    BsXfer *self = data;

    (void)transfer;
    /* What a UI moves, libpurple counts. */
    if (self->ui_bytes != NULL)
        return;
    purple_xfer_set_bytes_sent(self->xfer, (size_t)moved);
    purple_xfer_update_progress(self->xfer);
}

static void
file_arrived(BsXfer *self, const BsEnd *end)
{
    const char *alias = bs_xfer_alias(purple_xfer_get_account(self->xfer), self->xfer->who);
    gboolean incoming = purple_xfer_get_type(self->xfer) == PURPLE_XFER_RECEIVE;
    g_autofree char *sentence = bs_notice_of_end(end, incoming, alias, bs_xfer_file_name(self));
    g_autofree char *route = bs_notice_of_route(&self->route, incoming);
    g_autofree char *line = g_strdup_printf("%s %s", sentence, route);

    purple_xfer_conversation_write(self->xfer, line, FALSE);
    /* Whether libpurple completes the xfer when the UI has taken the last byte depends on its version; if
     * not, we do. */
    if (incoming && self->ui_bytes != NULL && !bs_ui_bytes_drained(self->ui_bytes))
        return;
    complete(self);
}

/* The user hears of what was under way, but not of each of a hundred that waited for their turn; an open
 * dialog just closes. */
static void
give_up(BsXfer *self, gboolean waited, BsNotice notice)
{
    if (self->dialog_open || waited)
        bs_xfer_drop(self);
    else
        bs_xfer_fail_for(self, notice, NULL);
}

static void
transfer_ended(BsTransfer *transfer, const BsEnd *end, gpointer data)
{
    BsXfer *self = data;

    self->transfer = NULL;
    g_clear_pointer(&self->silence, bs_silence_free);
    if (self->going_offline) {
        give_up(self, bs_transfer_is_queued(transfer),
                end->goes_on ? BS_NOTICE_SIGNED_OFF_FOR_NOW : BS_NOTICE_SIGNED_OFF);
        return;
    }
    /* Its presence may tell so later: what waits for the same client is not offered to it meanwhile. */
    if (end->reason == BS_END_PEER_GONE)
        bs_resources_gone(bs_peers_resources(bs_connection_peers(self->connection)), self->xfer->who);
    switch (end->reason) {
    case BS_END_DELIVERED:
    case BS_END_UNVERIFIED:
        file_arrived(self, end);
        break;
    case BS_END_DECLINED:
    case BS_END_CANCELLED:
        bs_xfer_cancel(self, TRUE);
        break;
    default:
        if (end->goes_on && bs_transfer_is_incoming(transfer))
            bs_resumption_transfer_ended(self->connection, self->xfer->who);
        if (!bs_xfer_send_otherwise(self, transfer, end))
            bs_xfer_fail_as(self, end);
        break;
    }
}

const BsTransferEvents bs_xfer_transfer_events = {
    .accepted = transfer_accepted,
    .queued = transfer_queued,
    .held = transfer_held,
    .started = transfer_started,
    .progress = transfer_progress,
    .ended = transfer_ended,
};

/* The first xfer of `connection` (NULL: of any) that does not wait for the end of its connection. */
static BsXfer *
find_tie(const BsConnection *connection)
{
    for (GList *item = ties; item != NULL; item = item->next) {
        BsXfer *self = item->data;

        if ((connection == NULL || self->connection == connection) && !self->going_offline)
            return self;
    }
    return NULL;
}

gboolean
bs_xfer_is_under_way(const BsXfer *self)
{
    return self->transfer != NULL || self->search != NULL || self->hash != NULL || self->place != NULL;
}

/* A transfer ends with its connection, which tells the peer. */
void
bs_xfers_connection_closing(BsConnection *connection)
{
    BsXfer *self;

    while ((self = find_tie(connection)) != NULL) {
        if (self->transfer != NULL)
            self->going_offline = TRUE;
        else if (bs_xfer_is_under_way(self))
            give_up(self, bs_xfer_waits(self), BS_NOTICE_SIGNED_OFF);
        else
            bs_xfer_cancel(self, FALSE);
    }
}

static void
end_all(void)
{
    BsXfer *self;

    while ((self = find_tie(NULL)) != NULL) {
        if (self->transfer != NULL && self->accepted && !bs_xfer_waits(self))
            give_up(self, FALSE,
                    bs_transfer_leave(g_steal_pointer(&self->transfer)) ? BS_NOTICE_UNLOADED_FOR_NOW
                                                                        : BS_NOTICE_UNLOADED);
        else if (bs_xfer_is_under_way(self))
            give_up(self, bs_xfer_waits(self), BS_NOTICE_UNLOADED);
        else
            bs_xfer_cancel(self, FALSE);
    }
}

void
bs_xfers_start(void)
{
    ties = NULL;
    bs_xfer_end_start();
    bs_xfer_receive_start();
}

/* Finished xfers stay in the UI's window. `init` stays with them: libpurple calls it without asking whether
 * it is there, and it does nothing but end what is untied. */
static void
let_go_of_finished(void)
{
    for (GList *item = purple_xfers_get_all(); item != NULL; item = item->next) {
        PurpleXfer *xfer = item->data;

        if (xfer->ops.end != xfer_is_over)
            continue;
        purple_xfer_set_request_denied_fnc(xfer, NULL);
        purple_xfer_set_cancel_send_fnc(xfer, NULL);
        purple_xfer_set_cancel_recv_fnc(xfer, NULL);
        purple_xfer_set_end_fnc(xfer, NULL);
        purple_xfer_set_read_fnc(xfer, NULL);
        purple_xfer_set_write_fnc(xfer, NULL);
    }
}

void
bs_xfers_stop(void)
{
    end_all();
    let_go_of_finished();
    bs_xfer_receive_stop();
    bs_xfer_end_stop();
}
