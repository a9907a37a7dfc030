/* The debug window: lines in the category "bytestreams" that begin with the id of the transfer they tell of.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_LOG_H
#define BS_LOG_H

#include <glib.h>

/* Writes one line of a transfer's story; a newline is added. `id` is the transfer's id, or NULL for what
 * belongs to no transfer. Main thread only. */
void bs_log(const char *id, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The same, at the level that the debug window shows as a warning: something was refused or went wrong. */
void bs_log_warning(const char *id, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
