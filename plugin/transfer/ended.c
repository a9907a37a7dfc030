/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/ended.h"

#include <string.h>

#include "stanza/jid.h"
#include "stanza/xml.h"
#include "transport/ibb_xml.h"
#include "transport/si_bytestreams.h"

#define REMEMBERED 256

struct _BsEnded {
    GQueue keys; /* char *, see key_of(), the oldest first */
};

BsEnded *
bs_ended_new(void)
{
    BsEnded *ended = g_new0(BsEnded, 1);

    g_queue_init(&ended->keys);
    return ended;
}

void
bs_ended_free(BsEnded *ended)
{
    g_queue_clear_full(&ended->keys, g_free);
    g_free(ended);
}

static char *
key_of(const char *peer, const char *sid)
{
    g_autofree char *jid = bs_jid_key(peer);

    return g_strconcat(jid, "\n", sid, NULL);
}

void
bs_ended_add(BsEnded *ended, const char *peer, const char *sid)
{
    if (bs_ended_has(ended, peer, sid))
        return;
    g_queue_push_tail(&ended->keys, key_of(peer, sid));
    if (g_queue_get_length(&ended->keys) > REMEMBERED)
        g_free(g_queue_pop_head(&ended->keys));
}

gboolean
bs_ended_has(const BsEnded *ended, const char *peer, const char *sid)
{
    g_autofree char *key = key_of(peer, sid);

    return g_queue_find_custom((GQueue *)&ended->keys, key, (GCompareFunc)strcmp) != NULL;
}

static char *
name_of_offer(const char *sid, const char *iq_id)
{
    return g_strconcat(sid, "\n", iq_id, NULL);
}

void
bs_ended_add_offer(BsEnded *ended, const char *peer, const char *sid, const char *iq_id)
{
    g_autofree char *name = name_of_offer(sid, iq_id);

    bs_ended_add(ended, peer, name);
}

gboolean
bs_ended_has_offer(const BsEnded *ended, const char *peer, const char *sid, const char *iq_id)
{
    g_autofree char *name = name_of_offer(sid, iq_id);

    return bs_ended_has(ended, peer, name);
}

gboolean
bs_ended_receive(const BsEnded *ended, BsIqLink *link, const xmlnode *stanza)
{
    const char *from = xmlnode_get_attrib(stanza, "from");
    BsIbbKind kind;
    const xmlnode *in_band = bs_ibb_element(stanza, &kind);
    const xmlnode *query = bs_xml_child(stanza, "query", BS_NS_BYTESTREAMS);
    const char *sid = in_band != NULL ? bs_ibb_sid(in_band)
                      : query != NULL ? xmlnode_get_attrib(query, "sid")
                                      : NULL;

    if (from == NULL || sid == NULL || !bs_ended_has(ended, from, sid))
        return FALSE;
    if (g_strcmp0(stanza->name, "iq") != 0)
        return TRUE;
    if (in_band != NULL && kind == BS_IBB_CLOSE)
        bs_iq_reply_result(link, stanza, NULL);
    else if (in_band != NULL)
        bs_iq_reply_error(link, stanza, "cancel", "item-not-found", NULL, NULL);
    else
        bs_iq_reply_error(link, stanza, "cancel", "not-acceptable", NULL, NULL);
    return TRUE;
}
