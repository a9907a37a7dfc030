/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/room.h"

#include <conversation.h>
#include <util.h>

#include "stanza/jid.h"

/* The room whose occupant `who` is, or NULL. */
static PurpleConversation *
room_of(PurpleAccount *account, const char *who)
{
    g_autofree char *bare = bs_jid_bare(who);
    PurpleConversation *room;

    if (account == NULL || bs_jid_resource(who) == NULL)
        return NULL;
    room = purple_find_conversation_with_account(PURPLE_CONV_TYPE_CHAT, bare, account);
    return room != NULL && !purple_conv_chat_has_left(PURPLE_CONV_CHAT(room)) ? room : NULL;
}

gboolean
bs_room_has_occupant(PurpleAccount *account, const char *who)
{
    return room_of(account, who) != NULL;
}

/* Our name there. libpurple keeps it only in a form for comparing, but has it among the occupants' names as
 * the room writes it. */
static const char *
own_nick(PurpleAccount *account, const PurpleConvChat *room)
{
    const char *nick = purple_conv_chat_get_nick((PurpleConvChat *)room);

    for (GList *item = purple_conv_chat_get_users(room); item != NULL; item = item->next) {
        const char *name = purple_conv_chat_cb_get_name(item->data);

        if (g_strcmp0(purple_normalize(account, name), nick) == 0)
            return name;
    }
    return nick;
}

char *
bs_room_own_jid(PurpleAccount *account, const char *who)
{
    PurpleConversation *room = room_of(account, who);
    const char *nick = room != NULL ? own_nick(account, PURPLE_CONV_CHAT(room)) : NULL;

    return nick != NULL ? g_strdup_printf("%s/%s", purple_conversation_get_name(room), nick) : NULL;
}
