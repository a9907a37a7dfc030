/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <debug.h>

static void
write_line(PurpleDebugLevel level, const char *id, const char *format, va_list args)
{
    g_autofree char *text = g_strdup_vprintf(format, args);

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
