/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/disclosure.h"

#include <blist.h>
#include <conversation.h>

#include "preferences.h"
#include "socks5/user_proxy.h"
#include "stanza/jid.h"

/* A room may stand among the contacts too, but whoever speaks in it is not the room. */
static gboolean
is_room(PurpleAccount *account, const char *bare)
{
    return purple_find_conversation_with_account(PURPLE_CONV_TYPE_CHAT, bare, account) != NULL ||
           purple_blist_find_chat(account, bare) != NULL;
}

gboolean
bs_disclosure_is_contact(PurpleAccount *account, const char *peer)
{
    g_autofree char *bare = bs_jid_bare(peer);

    if (bs_jid_same_bare(peer, purple_account_get_username(account)))
        return TRUE;
    return purple_find_buddy(account, bare) != NULL && !is_room(account, bare);
}

static gboolean
may_be_told(PurpleAccount *account, const char *peer)
{
    switch (bs_preferences_tell_addresses()) {
    case BS_TELL_EVERYONE:
        return TRUE;
    case BS_TELL_CONTACTS:
        return bs_disclosure_is_contact(account, peer);
    case BS_TELL_NOBODY:
        break;
    }
    return FALSE;
}

BsDisclosure
bs_disclosure_to(PurpleAccount *account, const char *peer)
{
    if (!may_be_told(account, peer))
        return BS_DISCLOSE_NOTHING;
    return bs_user_proxy_is_set(account) ? BS_DISCLOSE_USER_PROXY : BS_DISCLOSE_ADDRESSES;
}
