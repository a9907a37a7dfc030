/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/reach.h"

#include "stanza/jid.h"

/* With more peers than anybody exchanges files with, all is learned anew. */
#define PEERS_MAX 256

struct _BsReaches {
    GHashTable *known;   /* bs_jid_key(): BsReach */
    GHashTable *in_vain; /* set of bs_jid_key() */
};

BsReaches *
bs_reaches_new(void)
{
    BsReaches *reaches = g_new0(BsReaches, 1);

    reaches->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    reaches->in_vain = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return reaches;
}

void
bs_reaches_free(BsReaches *reaches)
{
    g_hash_table_unref(reaches->known);
    g_hash_table_unref(reaches->in_vain);
    g_free(reaches);
}

BsReach
bs_reaches_get(const BsReaches *reaches, const char *peer)
{
    g_autofree char *key = bs_jid_key(peer);

    if (reaches == NULL || key == NULL)
        return BS_REACH_UNKNOWN;
    return (BsReach)GPOINTER_TO_UINT(g_hash_table_lookup(reaches->known, key));
}

void
bs_reaches_learn(BsReaches *reaches, const char *peer, BsReach reach)
{
    g_autofree char *key = bs_jid_key(peer);

    if (reaches == NULL || key == NULL)
        return;
    if (g_hash_table_size(reaches->known) >= PEERS_MAX)
        g_hash_table_remove_all(reaches->known);
    g_hash_table_insert(reaches->known, g_steal_pointer(&key), GUINT_TO_POINTER(reach));
}

gboolean
bs_reaches_in_vain(const BsReaches *reaches, const char *peer)
{
    g_autofree char *key = bs_jid_key(peer);

    return reaches != NULL && key != NULL && g_hash_table_contains(reaches->in_vain, key);
}

void
bs_reaches_learn_in_vain(BsReaches *reaches, const char *peer, gboolean in_vain)
{
    g_autofree char *key = bs_jid_key(peer);

    if (reaches == NULL || key == NULL)
        return;
    if (g_hash_table_size(reaches->in_vain) >= PEERS_MAX)
        g_hash_table_remove_all(reaches->in_vain);
    if (in_vain)
        g_hash_table_add(reaches->in_vain, g_steal_pointer(&key));
    else
        g_hash_table_remove(reaches->in_vain, key);
}

void
bs_reaches_forget(BsReaches *reaches, const char *peer)
{
    g_autofree char *key = bs_jid_key(peer);

    if (key == NULL)
        return;
    g_hash_table_remove(reaches->known, key);
    g_hash_table_remove(reaches->in_vain, key);
}
