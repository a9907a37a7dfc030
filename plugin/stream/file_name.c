/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/file_name.h"

#include <string.h>

#include "characters.h"

#define CLEAN_NAME_BYTES_MAX 200
#define EXTENSION_BYTES_MAX 16

/* Where the text is not UTF-8, there is nothing to be split. */
gsize
bs_file_name_cut(const char *name, gsize length, gsize max)
{
    gsize cut = max;

    if (length <= max)
        return length;
    while (cut > 0 && max - cut < 4 && ((guchar)name[cut] & 0xC0) == 0x80)
        cut--;
    return ((guchar)name[cut] & 0xC0) == 0x80 ? max : cut;
}

/* Where the extension of `name` begins, at its dot; the end of `name` if it has none. */
static const char *
extension_of(const char *name)
{
    const char *end = name + strlen(name);
    const char *dot = strrchr(name, '.');

    if (dot == NULL || dot == name || dot[1] == '\0' || end - dot > EXTENSION_BYTES_MAX ||
        strchr(dot, ' ') != NULL)
        return end;
    return dot;
}

char *
bs_file_name_join(const char *name, const char *insert, gsize max)
{
    const char *extension = extension_of(name);
    gsize stem = (gsize)(extension - name);
    gsize room = max - strlen(insert) - strlen(extension);

    return g_strdup_printf("%.*s%s%s", (int)bs_file_name_cut(name, stem, room), name, insert, extension);
}

static gboolean
is_ascii(gunichar c)
{
    return c < 0x80;
}

/* `before` is what is left in front of what stands at `at`. Between characters that are not ASCII some
 * hidden ones belong to the name; anywhere else they only make two names look the same. */
static gboolean
is_unwanted(const char *at, gunichar before)
{
    gunichar c = g_utf8_get_char(at);
    gunichar after = g_utf8_get_char(g_utf8_next_char(at));

    if (!bs_character_is_hidden(c))
        return FALSE;
    return !bs_character_joins(c) || is_ascii(before) || is_ascii(after) || bs_character_is_hidden(before) ||
           bs_character_is_hidden(after);
}

static gboolean
is_dot_or_space(gunichar c)
{
    return c == '.' || g_unichar_isspace(c);
}

/* Takes dots and white space from the end of `text`. */
static void
trim_end(GString *text)
{
    while (text->len > 0) {
        const char *last = g_utf8_prev_char(text->str + text->len);

        if (!is_dot_or_space(g_utf8_get_char(last)))
            return;
        g_string_truncate(text, (gsize)(last - text->str));
    }
}

/* TRUE for the names of devices on Windows, whatever their extension. */
static gboolean
is_reserved(const char *name)
{
    static const char *const devices[] = {"con", "prn", "aux", "nul", "conin$", "conout$", NULL};
    g_autofree char *stem = g_strndup(name, strcspn(name, "."));
    g_autofree char *lower = NULL;

    g_strchomp(stem);
    lower = g_ascii_strdown(stem, -1);
    if (g_strv_contains(devices, lower))
        return TRUE;
    if (!g_str_has_prefix(lower, "com") && !g_str_has_prefix(lower, "lpt"))
        return FALSE;
    if (strlen(lower) == 4)
        return g_ascii_isdigit(lower[3]);
    return g_str_equal(lower + 3, "\302\271") || g_str_equal(lower + 3, "\302\262") ||
           g_str_equal(lower + 3, "\302\263"); /* superscript digits count there */
}

char *
bs_file_name_clean(const char *name)
{
    g_autofree char *valid = g_utf8_make_valid(name != NULL ? name : "", -1);
    GString *clean = g_string_new(NULL);
    gunichar before = 0;
    char *cut;

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (is_unwanted(p, before) || (clean->len == 0 && is_dot_or_space(c)))
            continue;
        before = c;
        g_string_append_unichar(clean, c == '/' || c == '\\' ? '_' : c);
    }
    trim_end(clean);
    if (clean->len == 0)
        g_string_append(clean, "file");
    if (is_reserved(clean->str))
        g_string_prepend_c(clean, '_');
    cut = bs_file_name_join(clean->str, "", CLEAN_NAME_BYTES_MAX);
    g_string_assign(clean, cut);
    g_free(cut);
    trim_end(clean);
    return g_string_free(clean, FALSE);
}
