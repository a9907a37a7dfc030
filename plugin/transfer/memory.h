/* What is remembered across connections and restarts so that a transfer can go on: unfinished files, and what
 * was offered to whom. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_MEMORY_H
#define BS_MEMORY_H

#include "transfer/endpoint.h"
#include "transfer/file_offer.h"

typedef struct {
    char *id;          /* of the file system's letters */
    gboolean incoming; /* an unfinished file; else one that was offered and has not arrived */
    char *account;     /* its user name, whose resource does not count */
    char *peer;        /* the full JID */
    gboolean occupant; /* of a room: exactly this JID is meant, and not the same contact's others */
    BsFileOffer *file; /* without its range */
    char *path;        /* of the file that is sent; where the unfinished one is to stand */
    char *part;        /* incoming: the unfinished file; NULL: there is none */
    gboolean replace;  /* incoming: what has come to stand at `path` may be replaced */
    gboolean scrap;    /* incoming: it cannot go on; after a crash what is left of it is only deleted */
    gboolean needs_new_offer; /* it does not go on by itself: nobody asks for it, or gives the rest */
    gboolean unanswered;      /* outgoing: nobody is known to have accepted it */
    gint64 time;              /* when anything happened last, seconds since 1970 */
    gboolean in_use;          /* a transfer has it: not kept on disk */
    guint fruitless; /* how many transfers of it ended without a byte, one after the other: not kept either */
} BsRemembered;

/* What the folder `folder` holds, which need not be there. Old things are forgotten: offers after some days,
 * unfinished files, which are deleted, after some weeks. */
BsMemory *bs_memory_new(const char *folder);

/* Writes down what is remembered. NULL is allowed. */
void bs_memory_free(BsMemory *memory);

/* Remembers a copy of `what`, whose `id` and `time` do not count. Owned by `memory`. */
BsRemembered *bs_memory_add(BsMemory *memory, const BsRemembered *what);

/* NULL if it has been forgotten. */
BsRemembered *bs_memory_find(BsMemory *memory, const char *id);

/* Something has happened with it, or in it: it is written down anew. */
void bs_memory_touch(BsMemory *memory, BsRemembered *item);

/* The same, but it has not come any further: it does not get any younger. */
void bs_memory_rewrite(BsMemory *memory);

/* Forgets it; `with_part`: the unfinished file is deleted. */
void bs_memory_forget(BsMemory *memory, BsRemembered *item, gboolean with_part);

/* Calls `saved` once, from the event loop, when the disk has taken, or refused, what is remembered now. NULL,
 * without a call, if it has already. The wait is the caller's, also after the call, and may outlive `memory`.
 */
typedef struct _BsMemoryWait BsMemoryWait;
typedef void (*BsMemorySaved)(gpointer data);
BsMemoryWait *bs_memory_wait(BsMemory *memory, BsMemorySaved saved, gpointer data);

/* May be called before it is over. NULL is allowed. */
void bs_memory_wait_free(BsMemoryWait *wait);

/* All: BsRemembered, owned by `memory`. */
const GPtrArray *bs_memory_items(const BsMemory *memory);

/* Where the checkpoints of an unfinished file are (see checkpoints.h), newly allocated. */
char *bs_memory_checkpoints(const BsMemory *memory, const BsRemembered *item);

/* Whether the unfinished file may take the place of what stands at `path` now: its user has been asked about
 * that, and it has not been changed since. */
gboolean bs_remembered_may_replace(const BsRemembered *item);

/* TRUE if both have the same name and size, and nothing that is known of both differs. */
gboolean bs_memory_is_same_file(const BsFileOffer *one, const BsFileOffer *other);

/* The file that a peer offers again or asks for, of those that no transfer has: the same name and size, and
 * nothing that is known of both differs. An incoming one must also agree in a hash, or in its date. NULL if
 * there is none. */
BsRemembered *bs_memory_match(BsMemory *memory, gboolean incoming, const char *account, const char *peer,
                              gboolean occupant, const BsFileOffer *file);

#endif
