/* Names of files: making a peer's fit for a disk, and fitting names into the room that there is.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_FILE_NAME_H
#define BS_FILE_NAME_H

#include <glib.h>

/* A peer's file name, made fit to be the name of a file in one folder: separators become "_"; no control,
 * bidirectional or invisible characters, no leading dots, no dots or spaces at the end, no names reserved on
 * some system ("_CON"); at most 200 bytes of valid UTF-8, its extension kept. NULL and names of which nothing
 * is left give "file". Newly allocated, never empty. */
char *bs_file_name_clean(const char *name);

/* The length of `name`, of `length` bytes, cut to at most `max` bytes without splitting a character. */
gsize bs_file_name_cut(const char *name, gsize length, gsize max);

/* The start of `name`, `insert`, and the extension of `name`: together at most `max` bytes. Newly allocated.
 */
char *bs_file_name_join(const char *name, const char *insert, gsize max);

#endif
