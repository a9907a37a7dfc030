/* The unfinished file on disk: never half a file under the final name.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PART_FILE_H
#define BS_PART_FILE_H

#include "stream/bytes.h"

/* A sink that writes to a new hidden file beside `target` (created exclusively, never a link followed) and renames it
 * to `target` when finished, after syncing it to disk. If `replace` is FALSE, a file that has come to stand at
 * `target` meanwhile is left alone and the new one gets the next free name "name (1).ext". NULL with
 * BS_STREAM_ERROR_WRITE or _NO_SPACE when the folder cannot be written to. */
BsSink *bs_part_file_new(const char *target, gboolean replace, GError **error);

/* The name under which a finished file will stand, or stands: `target`, or another one if that was taken. Owned by the
 * sink, valid until it is freed; inside and after `finish` ask with `final_name`, which is set (newly allocated) just
 * before the sink goes. */
void bs_part_file_report_name(BsSink *sink, char **final_name);

/* A peer's file name, made fit to be the name of a file in one folder: no separators, control or bidirectional
 * characters, leading dots, names reserved on some system; at most 200 bytes of valid UTF-8, its extension kept.
 * Newly allocated, never empty. */
char *bs_part_file_clean_name(const char *name);

#endif
