/* Rooms (XEP-0045) that an account has joined, where everybody is known by another JID than elsewhere.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_ROOM_H
#define BS_ROOM_H

#include <account.h>

/* TRUE if `who` is the full JID of an occupant of a room that `account` has joined. */
gboolean bs_room_has_occupant(PurpleAccount *account, const char *who);

/* What the occupant `who` calls us, newly allocated: room@service/nick. NULL if it is none. A
 * BsOwnJidPolicy. */
char *bs_room_own_jid(PurpleAccount *account, const char *who);

#endif
