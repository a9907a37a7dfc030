/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client_report.h"

#include <stdio.h>

static void
append_escaped(GString *line, const char *text)
{
    const char *p = text;

    while (*p != '\0') {
        gunichar c = g_utf8_get_char_validated(p, -1);

        if (c == (gunichar)-1 || c == (gunichar)-2) {
            g_string_append_printf(line, "\\udc%02x", (guchar)*p);
            p++;
            continue;
        }
        if (c < 0x20 || c == 0x7f)
            g_string_append_printf(line, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            g_string_append_printf(line, "\\%c", (char)c);
        else
            g_string_append_unichar(line, c);
        p = g_utf8_next_char(p);
    }
}

static void
append_string(GString *line, const char *text)
{
    if (text == NULL) {
        g_string_append(line, "null");
        return;
    }
    g_string_append_c(line, '"');
    append_escaped(line, text);
    g_string_append_c(line, '"');
}

void
report(const char *event, ...)
{
    g_autoptr(GString) line = g_string_new("{\"event\": ");
    const char *key;
    va_list pairs;

    append_string(line, event);
    va_start(pairs, event);
    while ((key = va_arg(pairs, const char *)) != NULL) {
        const char *value = va_arg(pairs, const char *);

        g_string_append(line, ", ");
        append_string(line, key[0] == '#' ? key + 1 : key);
        g_string_append(line, ": ");
        if (key[0] == '#')
            g_string_append(line, value);
        else
            append_string(line, value);
    }
    va_end(pairs);
    g_string_append(line, "}\n");
    fwrite(line->str, 1, line->len, stdout);
    fflush(stdout);
}

const char *
report_number(gint64 number)
{
    static char texts[16][24];
    static guint next;
    char *text = texts[next++ % G_N_ELEMENTS(texts)];

    g_snprintf(text, sizeof texts[0], "%" G_GINT64_FORMAT, number);
    return text;
}
