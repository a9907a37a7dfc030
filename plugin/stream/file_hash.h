/* The hash of a whole file, before it is sent: read a portion at a time, so that nobody has to wait.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_FILE_HASH_H
#define BS_FILE_HASH_H

#include "stream/digest.h"

typedef struct _BsFileHash BsFileHash;

/* The end, once, never before bs_file_hash_new() returns. `value` is the hash of the file's `size` bytes;
 * NULL if it cannot be read or has more bytes than were to be hashed. The object is gone by then. */
typedef void (*BsFileHashed)(const guint8 *value, guint64 size, gpointer data);

/* Hashes the file at `path` from the event loop, unless it has more than `size_max` bytes. */
BsFileHash *bs_file_hash_new(const char *path, BsHash hash, guint64 size_max, BsFileHashed hashed,
                             gpointer data);

/* Nobody wants to know any more. Sets `*file_hash` to NULL; `*file_hash` may be NULL. */
void bs_file_hash_cancel(BsFileHash **file_hash);

#endif
