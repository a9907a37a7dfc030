/* What is remembered, on the disk: written in a worker, whole or not at all.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_MEMORY_FILE_H
#define BS_MEMORY_FILE_H

#include "transfer/memory.h"

typedef struct _BsMemoryFile BsMemoryFile;

/* In `folder`. */
BsMemoryFile *bs_memory_file_new(const char *folder);

/* Writes `items` (BsRemembered) one last time, and waits for that. */
void bs_memory_file_free(BsMemoryFile *file, const GPtrArray *items);

/* Adds what the file holds to `items`. What is malformed counts as not being there. */
void bs_memory_file_load(BsMemoryFile *file, GPtrArray *items);

/* Writes them soon, as they are then: they are still the caller's. */
void bs_memory_file_save(BsMemoryFile *file, const GPtrArray *items);

/* See bs_memory_wait(). */
BsMemoryWait *bs_memory_file_wait(BsMemoryFile *file, BsMemorySaved saved, gpointer data);

void bs_remembered_free(BsRemembered *item);

#endif
