/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/resumption.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>
#include <util.h>

#include "host/limits.h"
#include "host/peer_search.h"
#include "host/xfer.h"
#include "log.h"
#include "stanza/jid.h"
#include "stream/checkpoints.h"
#include "stream/disk_chores.h"
#include "stream/part_file.h"
#include "timer.h"
#include "transfer/transfer.h"

/* A contact that has just come online may still be getting ready to answer. */
#define FIRST_WAIT_MS 1000

/* A sender that refuses may not have noticed yet that the connection of before is gone. */
static const guint waits_ms[] = {FIRST_WAIT_MS, 5000, 15000, 45000, 120000};

/* Who is still online is asked again after so many transfers at most that ended without a byte. */
#define FRUITLESS_MAX 3

/* The unfinished file that somebody is being asked for; each of a contact's resources by itself, as only one
 * of them may know of it. */
typedef struct {
    BsConnection *connection;
    char *item; /* its id in the memory */
    char *jid;
    guint tries;
    gboolean refused;  /* when it was asked last */
    gboolean given_up; /* until it goes offline */
    guint timer;
    BsPeerSearch *search;
    BsPlace *place; /* in the queue, until the transfer has it */
    BsPrefix *prefix;
    BsTransfer *transfer;
} Attempt;

static BsMemory *memory;
static GList *attempts; /* Attempt */

static void attempt_again(Attempt *attempt);

static void
attempt_free(Attempt *attempt)
{
    BsRemembered *item = bs_memory_find(memory, attempt->item);

    attempts = g_list_remove(attempts, attempt);
    bs_timer_clear(&attempt->timer);
    bs_peer_search_cancel(&attempt->search);
    if (attempt->prefix != NULL && item != NULL)
        item->in_use = FALSE;
    bs_prefix_cancel(&attempt->prefix);
    bs_place_free(attempt->place);
    if (attempt->transfer != NULL)
        bs_transfer_leave(g_steal_pointer(&attempt->transfer));
    g_free(attempt->item);
    g_free(attempt->jid);
    g_free(attempt);
}

static void
give_up(Attempt *attempt)
{
    attempt->given_up = TRUE;
    g_clear_pointer(&attempt->place, bs_place_free);
}

static void
peer_sends(BsTransfer *transfer, gpointer data)
{
    Attempt *attempt = data;
    BsConnection *connection = attempt->connection;
    const BsRemembered *item = bs_memory_find(memory, attempt->item);
    g_autofree char *path = item != NULL ? g_strdup(item->path) : NULL;

    attempt->transfer = NULL;
    attempt_free(attempt);
    if (path != NULL)
        bs_xfer_resumed(connection, transfer, path);
}

static void
peer_does_not_send(BsTransfer *transfer, const BsEnd *end, gpointer data)
{
    Attempt *attempt = data;

    (void)transfer;
    attempt->transfer = NULL;
    attempt->refused = end->reason == BS_END_PEER_FAILED;
    attempt_again(attempt);
}

static const BsTransferEvents transfer_events = {.accepted = peer_sends, .ended = peer_does_not_send};

/* NULL if it cannot go on now. */
static BsSink *
open_rest(const BsRemembered *item, guint64 length)
{
    g_autoptr(GError) error = NULL;
    BsSink *sink =
        bs_part_file_reopen(item->part, length, item->path, bs_remembered_may_replace(item), &error);

    if (sink != NULL && bs_part_file_has_room(sink, item->file->size, &error))
        return sink;
    bs_log_warning(NULL, "the unfinished \"%s\" cannot go on: %s", item->file->name, error->message);
    if (sink != NULL)
        bs_sink_leave(sink);
    return NULL;
}

/* Deleted by somebody; where its folder is not there either, the disk may only be somewhere else. */
static gboolean
is_deleted(const BsRemembered *item)
{
    g_autofree char *folder = g_path_get_dirname(item->part);
    GStatBuf info;

    return g_access(folder, F_OK) == 0 && g_lstat(item->part, &info) != 0 && errno == ENOENT;
}

static void
cannot_go_on(Attempt *attempt, BsRemembered *item)
{
    if (is_deleted(item)) {
        bs_memory_forget(memory, item, FALSE);
        attempt_free(attempt);
    } else {
        give_up(attempt);
    }
}

/* The part that is there is what the record says, or nothing of it is used. */
static void
prefix_known(guint64 length, BsDigest *digest, gpointer data)
{
    Attempt *attempt = data;
    BsRemembered *item = bs_memory_find(memory, attempt->item);
    BsSink *sink;

    attempt->prefix = NULL;
    item->in_use = FALSE;
    if (digest == NULL) {
        bs_log_warning(NULL, "the disk with the unfinished \"%s\" is silent", item->file->name);
        give_up(attempt);
        return;
    }
    sink = open_rest(item, length);
    if (sink == NULL) {
        bs_digest_free(digest);
        cannot_go_on(attempt, item);
        return;
    }
    attempt->transfer = bs_transfer_ask(bs_connection_endpoint(attempt->connection), attempt->jid, item, sink,
                                        length, digest, &transfer_events, attempt);
    bs_transfer_hold_place(attempt->transfer, g_steal_pointer(&attempt->place));
}

static void
its_turn(gpointer data)
{
    Attempt *attempt = data;
    BsRemembered *item = bs_memory_find(memory, attempt->item);
    g_autofree char *checkpoints = NULL;

    if (item == NULL || item->in_use) {
        g_clear_pointer(&attempt->place, bs_place_free);
        attempt_again(attempt);
        return;
    }
    item->in_use = TRUE;
    checkpoints = bs_memory_checkpoints(memory, item);
    attempt->prefix = bs_prefix_new(item->part, checkpoints, bs_transfer_hashes_for_rest(item->file),
                                    prefix_known, attempt);
}

/* What goes on takes a place like any other. */
static void
peer_found(BsFound answer, const char *jid, gpointer data)
{
    Attempt *attempt = data;

    (void)jid;
    attempt->search = NULL;
    if (answer != BS_FOUND_JINGLE) {
        attempt_free(attempt);
        return;
    }
    attempt->place = bs_place_for_accepted(bs_limits_queue(), its_turn, attempt);
    if (bs_place_waits(attempt->place))
        bs_log(NULL, "what is left to ask %s for waits: number %u in the queue", attempt->jid,
               bs_place_number(attempt->place));
    else
        its_turn(attempt);
}

static gboolean
time_has_come(gpointer data)
{
    Attempt *attempt = data;

    attempt->timer = 0;
    attempt->search =
        bs_peer_search(bs_connection_peers(attempt->connection), attempt->jid, peer_found, attempt);
    return FALSE;
}

static void
attempt_again(Attempt *attempt)
{
    if (bs_memory_find(memory, attempt->item) == NULL)
        attempt_free(attempt);
    else if (attempt->tries == G_N_ELEMENTS(waits_ms))
        give_up(attempt);
    else
        attempt->timer = purple_timeout_add(waits_ms[attempt->tries++], time_has_come, attempt);
}

static gboolean
is_being_asked_for(const BsRemembered *item, const char *jid)
{
    for (GList *link = attempts; link != NULL; link = link->next) {
        const Attempt *attempt = link->data;

        if (g_str_equal(attempt->item, item->id) && bs_jid_equal(attempt->jid, jid))
            return TRUE;
    }
    return FALSE;
}

static gboolean
comes_from(const BsRemembered *item, BsConnection *connection, const char *jid)
{
    const char *account = purple_account_get_username(bs_connection_account(connection));

    return item->incoming && !item->occupant && !item->needs_new_offer &&
           bs_jid_same_bare(item->account, account) && bs_jid_same_bare(item->peer, jid);
}

static void
begin_attempt(BsConnection *connection, const BsRemembered *item, const char *jid)
{
    Attempt *attempt = g_new0(Attempt, 1);

    attempt->connection = connection;
    attempt->item = g_strdup(item->id);
    attempt->jid = g_strdup(jid);
    attempts = g_list_prepend(attempts, attempt);
    attempt_again(attempt);
}

void
bs_resumption_peer_online(BsConnection *connection, const char *jid)
{
    const GPtrArray *items = memory != NULL ? bs_memory_items(memory) : NULL;

    for (guint i = 0; items != NULL && i < items->len; i++) {
        const BsRemembered *item = g_ptr_array_index(items, i);

        if (comes_from(item, connection, jid) && !item->in_use && !is_being_asked_for(item, jid))
            begin_attempt(connection, item, jid);
    }
}

void
bs_resumption_transfer_ended(BsConnection *connection, const char *jid)
{
    const GPtrArray *items = bs_memory_items(memory);

    if (bs_resources_find(bs_peers_resources(bs_connection_peers(connection)), jid) == NULL)
        return;
    for (guint i = 0; i < items->len; i++) {
        const BsRemembered *item = g_ptr_array_index(items, i);

        if (comes_from(item, connection, jid) && !item->in_use && item->fruitless < FRUITLESS_MAX &&
            !is_being_asked_for(item, jid))
            begin_attempt(connection, item, jid);
    }
}

void
bs_resumption_peer_offline(BsConnection *connection, const char *jid)
{
    gboolean all = bs_jid_resource(jid) == NULL;
    GList *next;

    for (GList *link = attempts; link != NULL; link = next) {
        Attempt *attempt = link->data;

        next = link->next;
        if (attempt->given_up && attempt->connection == connection &&
            (all ? bs_jid_same_bare(attempt->jid, jid) : bs_jid_equal(attempt->jid, jid)))
            attempt_free(attempt);
    }
}

void
bs_resumption_connection_closing(BsConnection *connection)
{
    GList *next;

    for (GList *link = attempts; link != NULL; link = next) {
        Attempt *attempt = link->data;

        next = link->next;
        if (attempt->connection == connection)
            attempt_free(attempt);
    }
}

gboolean
bs_resumption_waits(const BsRemembered *item)
{
    for (GList *link = attempts; link != NULL; link = link->next) {
        const Attempt *attempt = link->data;

        if (g_str_equal(attempt->item, item->id) && attempt->place != NULL && bs_place_waits(attempt->place))
            return TRUE;
    }
    return FALSE;
}

gboolean
bs_resumption_is_refused(const BsRemembered *item)
{
    gboolean refused = FALSE;

    for (GList *link = attempts; link != NULL; link = link->next) {
        const Attempt *attempt = link->data;

        if (!g_str_equal(attempt->item, item->id))
            continue;
        if (!attempt->refused)
            return FALSE;
        refused = TRUE;
    }
    return refused;
}

BsMemory *
bs_resumption_memory(void)
{
    return memory;
}

void
bs_resumption_start(void)
{
    g_autofree char *folder = g_build_filename(purple_user_dir(), "bytestreams", NULL);

    attempts = NULL;
    memory = bs_memory_new(folder);
}

void
bs_resumption_stop(void)
{
    g_clear_pointer(&memory, bs_memory_free);
}
