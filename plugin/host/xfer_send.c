/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <conversation.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <notify.h>
#include <unistd.h>

#include "host/room.h"
#include "host/xfer_internal.h"
#include "log.h"
#include "preferences.h"
#include "stanza/jid.h"
#include "stream/disk_chores.h"

/* Hashing a file of this size takes less than half a second. */
#define HASHED_MAX (64 * 1024 * 1024)

static PurpleXferUiOps watched_ui_ops; /* the UI's own, but we hear of an end before `init` */

static void init_to_send(PurpleXfer *xfer);
static void peer_found(BsFound answer, const char *jid, gpointer data);

/* libpurple frees an xfer without a word when it does not like the path that was given. */
static void
destroyed_before_init(PurpleXfer *xfer)
{
    PurpleXferUiOps *ui_ops = xfer->ui_ops == &watched_ui_ops ? purple_xfers_get_ui_ops() : xfer->ui_ops;

    if (xfer->data != NULL)
        bs_xfer_release(xfer->data);
    if (ui_ops != NULL && ui_ops->destroy != NULL)
        ui_ops->destroy(xfer);
}

static void
watch_until_init(BsXfer *self)
{
    self->ui_ops = self->xfer->ui_ops;
    self->watched = TRUE;
    watched_ui_ops = self->ui_ops != NULL ? *self->ui_ops : (PurpleXferUiOps){0};
    watched_ui_ops.destroy = destroyed_before_init;
    self->xfer->ui_ops = &watched_ui_ops;
}

void
bs_xfer_unwatch(BsXfer *self)
{
    if (!self->watched)
        return;
    self->watched = FALSE;
    self->xfer->ui_ops = self->ui_ops;
}

PurpleXfer *
bs_xfer_new(BsConnection *connection, const char *who)
{
    BsXfer *self = bs_xfer_make(connection, PURPLE_XFER_SEND, who, init_to_send);

    watch_until_init(self);
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
    offer->desc = g_strdup(self->xfer->message);
    if (bs_preferences_hashes_files())
        offer->hashes_promised = 1u << bs_hash_for_peer(bs_peers_hashes_of(
                                     bs_connection_peers(self->connection), self->xfer->who));
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

/* The offer waits on, but the user may have to do something about it. */
static void
peer_is_silent(const char *program, gpointer data)
{
    BsXfer *self = data;
    PurpleAccount *account = purple_xfer_get_account(self->xfer);
    const BsResource *resource =
        bs_resources_find(bs_peers_resources(bs_connection_peers(self->connection)), self->xfer->who);
    BsNotice notice = program != NULL ? BS_NOTICE_NOT_SHOWN : BS_NOTICE_SILENT;
    g_autofree char *sentence =
        bs_notice_of(notice, bs_xfer_alias(account, self->xfer->who), bs_xfer_file_name(self), program);

    /* Who has accepted another file is asked, and thinks about this one. */
    if (resource != NULL && resource->asks)
        return;
    bs_log(NULL, "told the user: %s", sentence);
    /* Where there is no conversation, this writes nothing; somebody who only thinks is not worth a dialog. */
    purple_xfer_conversation_write(self->xfer, sentence, FALSE);
    if (program != NULL &&
        purple_find_conversation_with_account(PURPLE_CONV_TYPE_IM, self->xfer->who, account) == NULL)
        purple_notify_info(purple_account_get_connection(account), NULL, sentence, NULL);
}

static void
offer_by_jingle(BsXfer *self, BsFileOffer *offer, BsSource *source)
{
    BsPeers *peers = bs_connection_peers(self->connection);
    const BsJingleManner manner = {
        .version = bs_peers_version_of(peers, self->xfer->who),
        .in_band = self->in_band || bs_peers_in_band_only(peers, self->xfer->who),
    };

    bs_xfer_add_thumbnail(self, offer);
    self->silence =
        bs_silence_new(bs_connection_link(self->connection), self->xfer->who, peer_is_silent, self);
    self->transfer = bs_transfer_offer_in(bs_connection_endpoint(self->connection), self->xfer->who, &manner,
                                          offer, source, &bs_xfer_transfer_events, self);
}

/* `md5`: of the first `hashed` bytes, which are the whole file unless that has changed; NULL: unknown. */
static void
make_offer(BsXfer *self, const guint8 *md5, guint64 hashed)
{
    g_autoptr(BsFileOffer) offer = NULL;
    g_autoptr(GError) error = NULL;
    BsSource *source;
    guint64 size = 0;

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
    if (md5 != NULL && hashed == size)
        bs_file_offer_set_hash(offer, BS_HASH_MD5, md5);
    if (self->by_si)
        self->transfer = (self->in_band ? bs_transfer_offer_si_in_band : bs_transfer_offer_si)(
            bs_connection_endpoint(self->connection), self->xfer->who, offer, source,
            &bs_xfer_transfer_events, self);
    else
        offer_by_jingle(self, offer, source);
    if (self->ui_bytes == NULL)
        bs_transfer_set_path(self->transfer, purple_xfer_get_local_filename(self->xfer), FALSE);
    bs_transfer_hold_place(self->transfer, g_steal_pointer(&self->place));
}

static void
file_hashed(const guint8 *value, guint64 size, gpointer data)
{
    BsXfer *self = data;

    self->hash = NULL;
    make_offer(self, value, size);
}

/* Stream initiation has no later word in which a hash could follow. */
static void
offer_by_si(BsXfer *self)
{
    if (bs_ui_bytes_wanted(self->xfer))
        make_offer(self, NULL, 0);
    else
        self->hash = bs_file_hash_new(purple_xfer_get_local_filename(self->xfer), BS_HASH_MD5, HASHED_MAX,
                                      file_hashed, self);
}

static void
address_to(BsXfer *self, const char *jid)
{
    g_free(self->xfer->who);
    self->xfer->who = g_strdup(jid);
}

static gboolean
is_present(const BsXfer *self)
{
    BsResources *resources = bs_peers_resources(bs_connection_peers(self->connection));

    return bs_resources_find(resources, self->xfer->who) != NULL;
}

/* Who was there when the file began to wait may have left, or be there with another client. */
static void
search_again(BsXfer *self)
{
    const char *who = self->xfer->who;
    g_autofree char *bare = bs_jid_bare(who);

    if (!bs_room_has_occupant(purple_xfer_get_account(self->xfer), who))
        who = bare;
    self->search = bs_peer_search(bs_connection_peers(self->connection), who, peer_found, self);
}

static void
its_turn(BsXfer *self)
{
    if (self->seen && !is_present(self))
        search_again(self);
    else if (self->by_si)
        offer_by_si(self);
    else
        make_offer(self, NULL, 0);
}

/* `jid` takes files, by stream initiation or by Jingle. */
static void
offer_in_turn(BsXfer *self, const char *jid, gboolean by_si)
{
    address_to(self, jid);
    self->by_si = by_si;
    self->seen = is_present(self);
    bs_xfer_wait_for_turn(self, its_turn);
}

/* The user hears of it once, however many files wait. */
static void
contact_is_gone(BsXfer *self)
{
    if (self->place != NULL)
        bs_xfer_drop_companions(self);
    bs_xfer_fail_for(self, BS_NOTICE_NOT_ONLINE, NULL);
}

static void
peer_found(BsFound answer, const char *jid, gpointer data)
{
    BsXfer *self = data;

    self->search = NULL;
    switch (answer) {
    case BS_FOUND_JINGLE:
    case BS_FOUND_SI:
        offer_in_turn(self, jid, answer == BS_FOUND_SI);
        break;
    case BS_FOUND_NONE_ABLE:
        bs_xfer_fail_for(self, BS_NOTICE_UNABLE, NULL);
        break;
    case BS_FOUND_NONE_ONLINE:
        contact_is_gone(self);
        break;
    case BS_FOUND_NONE_CHOSEN:
        bs_xfer_cancel(self, FALSE);
        break;
    }
}

static void
other_way_found(BsFound answer, const char *jid, gpointer data)
{
    BsXfer *self = data;
    BsEnd refusal = {.reason = BS_END_UNSUPPORTED};

    self->search = NULL;
    if (answer == BS_FOUND_SI)
        offer_in_turn(self, jid, TRUE);
    else if (answer == BS_FOUND_NONE_ONLINE)
        contact_is_gone(self);
    else
        bs_xfer_fail_as(self, &refusal);
}

/* It has had its turn. While the peer's user is asked once more, its place is others'; when he accepts, it
 * runs at once. */
static gboolean
send_in_band(BsXfer *self)
{
    if (self->in_band)
        return FALSE;
    bs_log(NULL, "%s is offered the file once more, in-band at once", self->xfer->who);
    self->in_band = TRUE;
    self->accepted = FALSE;
    if (self->by_si)
        offer_by_si(self);
    else
        make_offer(self, NULL, 0);
    return TRUE;
}

gboolean
bs_xfer_send_otherwise(BsXfer *self, BsTransfer *transfer, const BsEnd *end)
{
    if (bs_transfer_is_incoming(transfer))
        return FALSE;
    if (end->in_band_is_left)
        return send_in_band(self);
    if (end->reason != BS_END_UNSUPPORTED || self->accepted || self->by_si)
        return FALSE;
    bs_log(NULL, "%s takes no files by Jingle after all", self->xfer->who);
    self->place = bs_transfer_take_place(transfer);
    self->search = bs_peer_search_without_jingle(bs_connection_peers(self->connection), self->xfer->who,
                                                 other_way_found, self);
    return TRUE;
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
    bs_xfer_unwatch(self);
    if (!bs_ui_bytes_wanted(xfer) && !is_sendable(purple_xfer_get_local_filename(xfer), &notice, &detail)) {
        bs_xfer_fail_for(self, notice, detail);
        return;
    }
    if (!bs_xfer_is_under_way(self))
        self->search = bs_peer_search(bs_connection_peers(self->connection), xfer->who, peer_found, self);
}
