/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stanza/jid.h"

#include <string.h>

static guint
count(const char *text, char wanted)
{
    guint found = 0;

    for (; *text != '\0'; text++)
        found += *text == wanted;
    return found;
}

/* NFKC twice, since folding case can leave what is not normal. NULL if `text` is not UTF-8. */
static char *
fold(const char *text)
{
    g_autofree char *normal = g_utf8_normalize(text, -1, G_NORMALIZE_NFKC);
    g_autofree char *folded = NULL;

    if (normal == NULL)
        return NULL;
    folded = g_utf8_casefold(normal, -1);
    return g_utf8_normalize(folded, -1, G_NORMALIZE_NFKC);
}

/* The key of a bare JID. Where folding would make a separator of something else (U+FF20 becomes '@'), or the
 * text is not UTF-8, the bytes are their own key: otherwise a JID could be made that has the key of another
 * one. */
static char *
bare_key(const char *bare)
{
    g_autofree char *folded = fold(bare);

    if (folded == NULL || count(folded, '@') != count(bare, '@') || strchr(folded, '/') != NULL)
        return g_strdup(bare);
    return g_steal_pointer(&folded);
}

gboolean
bs_jid_equal(const char *one, const char *other)
{
    g_autofree char *one_key = bs_jid_key(one);
    g_autofree char *other_key = bs_jid_key(other);

    return g_strcmp0(one_key, other_key) == 0;
}

gboolean
bs_jid_same_bare(const char *one, const char *other)
{
    g_autofree char *one_bare = bs_jid_bare(one);
    g_autofree char *other_bare = bs_jid_bare(other);

    return bs_jid_equal(one_bare, other_bare);
}

char *
bs_jid_bare(const char *jid)
{
    return jid != NULL ? g_strndup(jid, strcspn(jid, "/")) : NULL;
}

const char *
bs_jid_resource(const char *jid)
{
    const char *slash = jid != NULL ? strchr(jid, '/') : NULL;

    return slash != NULL && slash[1] != '\0' ? slash + 1 : NULL;
}

char *
bs_jid_key(const char *jid)
{
    g_autofree char *bare = bs_jid_bare(jid);
    g_autofree char *key = NULL;
    const char *resource = bs_jid_resource(jid);

    if (bare == NULL)
        return NULL;
    key = bare_key(bare);
    return resource != NULL ? g_strconcat(key, "/", resource, NULL) : g_steal_pointer(&key);
}
