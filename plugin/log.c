/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <debug.h>

#include "characters.h"

/* Other people's words are in it: none of them may look like a line, or a part of it, that is not theirs. */
static char *
in_one_line(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *line = g_string_new(NULL);

    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar character = g_utf8_get_char(at);

        if (bs_character_is_hidden(character))
            g_string_append_printf(line, "<U+%04X>", character);
        else
            g_string_append_unichar(line, character);
    }
    return g_string_free(line, FALSE);
}

static void
write_line(PurpleDebugLevel level, const char *id, const char *format, va_list args)
{
    g_autofree char *words = g_strdup_vprintf(format, args);
    g_autofree char *text = in_one_line(words);

    if (id != NULL)
        purple_debug(level, "bytestreams", "[%s] %s\n", id, text);
    else
        purple_debug(level, "bytestreams", "%s\n", text);
}

void
bs_log(const char *id, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line(PURPLE_DEBUG_INFO, id, format, args);
    va_end(args);
}

void
bs_log_warning(const char *id, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_line(PURPLE_DEBUG_WARNING, id, format, args);
    va_end(args);
}
