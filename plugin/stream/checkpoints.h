/* How much of an unfinished file is known to be right: places in it with the hash of all before them, in a
 * file of their own, so that what a crash left behind can be verified before anything is added to it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_CHECKPOINTS_H
#define BS_CHECKPOINTS_H

#include "stream/digest.h"

typedef struct _BsCheckpoints BsCheckpoints;

/* For a worker: goes on with the file at `path`, which need not be there, for a file of `size` bytes
 * (G_MAXUINT64: unknown). NULL if it cannot be written to. */
BsCheckpoints *bs_checkpoints_open(const char *path, guint64 size);

/* `length` bytes of the file have been written, and `digest` is theirs. Takes note of it now and then;
 * `last`: for certain. */
void bs_checkpoints_add(BsCheckpoints *checkpoints, guint64 length, const BsDigest *digest, gboolean last);

/* NULL is allowed. */
void bs_checkpoints_close(BsCheckpoints *checkpoints);

/* How far an unfinished file is right. */
typedef struct _BsPrefix BsPrefix;

/* The answer, once, never before the function returns: `length` bytes are, and `digest` (taken) is theirs.
 * They are 0 if nothing can be used; and `digest` is NULL if that cannot be said, as the disk has given
 * nothing for minutes. The BsPrefix is gone by then. */
typedef void (*BsPrefixKnown)(guint64 length, BsDigest *digest, gpointer data);

/* Reads the file `part` in a worker, up to the last of its checkpoints (of the file at that path) that
 * agrees, as a digest of `hashes`. Never follows a link. */
BsPrefix *bs_prefix_new(const char *part, const char *checkpoints, guint hashes, BsPrefixKnown known,
                        gpointer data);

/* Nobody wants to know any more. Sets `*prefix` to NULL; `*prefix` may be NULL. */
void bs_prefix_cancel(BsPrefix **prefix);

#endif
