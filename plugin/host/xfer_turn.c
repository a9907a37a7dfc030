/* Files that wait for their turn, and what the user hears of it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/limits.h"
#include "host/room.h"
#include "host/xfer_internal.h"
#include "log.h"
#include "stanza/jid.h"

/* As the queue tells contacts apart: each occupant of a room is one, and all resources of others are. */
static char *
contact_of(const BsXfer *self)
{
    PurpleAccount *account = purple_xfer_get_account(self->xfer);
    g_autofree char *bare = bs_jid_bare(self->xfer->who);

    return bs_jid_key(bs_room_has_occupant(account, self->xfer->who) ? self->xfer->who : bare);
}

gboolean
bs_xfer_waits(const BsXfer *self)
{
    return (self->place != NULL && bs_place_waits(self->place)) ||
           (self->transfer != NULL && bs_transfer_is_queued(self->transfer));
}

/* Its file has not been offered yet. */
static gboolean
is_to_be_offered(const BsXfer *self)
{
    return self->place != NULL;
}

/* Another one of the same contact that is like that. */
static BsXfer *
find_companion(const BsXfer *self, gboolean (*is_like_that)(const BsXfer *self))
{
    for (GList *item = bs_xfer_ties(); item != NULL; item = item->next) {
        BsXfer *other = item->data;

        if (other != self && other->connection == self->connection && is_like_that(other) &&
            bs_jid_same_bare(other->xfer->who, self->xfer->who))
            return other;
    }
    return NULL;
}

/* Once for many, in the conversation with the contact. */
void
bs_xfer_tell_of_waiting(BsXfer *self, BsNotice notice)
{
    const char *alias = bs_xfer_alias(purple_xfer_get_account(self->xfer), self->xfer->who);
    g_autofree char *sentence = bs_notice_of(notice, alias, bs_xfer_file_name(self), NULL);

    if (find_companion(self, bs_xfer_waits) != NULL)
        return;
    bs_log(NULL, "told the user: %s", sentence);
    purple_xfer_conversation_write(self->xfer, sentence, FALSE);
}

static void
turn_has_come(gpointer data)
{
    BsXfer *self = data;

    bs_log(NULL, "the turn of \"%s\" for %s has come", bs_xfer_file_name(self), self->xfer->who);
    self->its_turn(self);
}

void
bs_xfer_wait_for_turn(BsXfer *self, void (*its_turn)(BsXfer *self))
{
    g_autofree char *contact = contact_of(self);

    self->its_turn = its_turn;
    if (self->place == NULL)
        self->place = bs_place_for_offer(bs_limits_queue(), contact, turn_has_come, self);
    if (!bs_place_waits(self->place)) {
        its_turn(self);
        return;
    }
    bs_log(NULL, "\"%s\" for %s waits: number %u in the queue", bs_xfer_file_name(self), self->xfer->who,
           bs_place_number(self->place));
    bs_xfer_tell_of_waiting(self, BS_NOTICE_QUEUED);
}

void
bs_xfer_drop_companions(BsXfer *self)
{
    BsXfer *other;

    while ((other = find_companion(self, is_to_be_offered)) != NULL)
        bs_xfer_drop(other);
}
