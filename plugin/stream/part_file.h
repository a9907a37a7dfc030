/* The unfinished file on disk: never half a file under the final name.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PART_FILE_H
#define BS_PART_FILE_H

#include "stream/bytes.h"

/* A sink that writes to a new hidden file beside `target` (created exclusively, never a link followed) and
 * renames it to `target` when finished, after syncing it to disk. If `replace` is FALSE, a file that has come
 * to stand at `target` meanwhile is left alone and the new one gets the next free name "name (1).ext". NULL
 * with BS_STREAM_ERROR_WRITE or _NO_SPACE when the folder cannot be written to. */
BsSink *bs_part_file_new(const char *target, gboolean replace, GError **error);

/* Goes on with an unfinished file that such a sink has left (`part`, in the same folder as `target`): its
 * next byte is byte `offset`, and what is behind that does not belong to it any more. NULL with
 * BS_STREAM_ERROR_WRITE if it is not there, or is not what was left. */
BsSink *bs_part_file_reopen(const char *part, guint64 offset, const char *target, gboolean replace,
                            GError **error);

/* The path of the unfinished file, newly allocated; NULL if `sink` is none of these. */
char *bs_part_file_path(BsSink *sink);

/* FALSE, with BS_STREAM_ERROR_NO_SPACE, if a file of `size` bytes will not fit: on the disk as it is now, or
 * into any file there (4 GiB on many USB sticks). What the sink holds already is counted. */
gboolean bs_part_file_has_room(BsSink *sink, guint64 size, GError **error);

/* Asks for the name under which the finished file will stand: `target`, or another one in its folder if that
 * was taken. `*final_name` becomes NULL at once, and stays so unless `finish` succeeds, which sets it to the
 * path (newly allocated, the caller's). `final_name` must live as long as the sink. At most one place can be
 * told. */
void bs_part_file_report_name(BsSink *sink, char **final_name);

#endif
