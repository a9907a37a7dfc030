/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/memory.h"

#include <glib/gstdio.h>
#include <string.h>

#include "log.h"
#include "random_id.h"
#include "stanza/jid.h"
#include "stream/disk_chores.h"
#include "transfer/memory_file.h"

#define DAY_SECONDS ((gint64)24 * 60 * 60)
/* The sender of an unfinished file has to remember it for as long as it is likely that both are online again.
 */
#define OFFER_SECONDS (14 * DAY_SECONDS)
#define UNFINISHED_SECONDS (30 * DAY_SECONDS)
/* More files are not being moved at once by anybody; the oldest go. */
#define ITEMS_MAX 500
#define CHECKPOINTS_SUFFIX ".checkpoints"

struct _BsMemory {
    char *folder;
    GPtrArray *items; /* BsRemembered, owned */
    BsMemoryFile *file;
};

void
bs_remembered_free(BsRemembered *item)
{
    g_free(item->id);
    g_free(item->account);
    g_free(item->peer);
    bs_file_offer_free(item->file);
    g_free(item->path);
    g_free(item->part);
    g_free(item);
}

static void
free_item(gpointer item)
{
    bs_remembered_free(item);
}

static gint64
now(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

static void
save(BsMemory *memory)
{
    bs_memory_file_save(memory->file, memory->items);
}

static gboolean
is_old(const BsRemembered *item)
{
    return now() - item->time > (item->incoming ? UNFINISHED_SECONDS : OFFER_SECONDS);
}

static void
delete_files(const BsMemory *memory, const BsRemembered *item, gboolean with_part)
{
    g_autofree char *checkpoints = bs_memory_checkpoints(memory, item);

    if (!item->incoming)
        return;
    bs_file_delete(checkpoints);
    if (with_part)
        bs_file_delete(item->part);
}

static void
forget_old(BsMemory *memory)
{
    for (guint i = memory->items->len; i-- > 0;) {
        BsRemembered *item = g_ptr_array_index(memory->items, i);

        if (item->in_use || (!item->scrap && !is_old(item) && memory->items->len <= ITEMS_MAX))
            continue;
        bs_log(NULL, "\"%s\" has not gone on for a long time, or cannot, and is forgotten", item->path);
        bs_memory_forget(memory, item, TRUE);
    }
}

/* A worker that was still writing when its file was forgotten may have left checkpoints of nothing. */
static void
delete_orphans(BsMemory *memory)
{
    GDir *dir = g_dir_open(memory->folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *id = g_strndup(name, strcspn(name, "."));
        g_autofree char *path = g_build_filename(memory->folder, name, NULL);

        if (g_str_has_suffix(name, CHECKPOINTS_SUFFIX) && bs_memory_find(memory, id) == NULL)
            g_unlink(path);
    }
    if (dir != NULL)
        g_dir_close(dir);
}

BsMemory *
bs_memory_new(const char *folder)
{
    BsMemory *memory = g_new0(BsMemory, 1);

    memory->folder = g_strdup(folder);
    memory->items = g_ptr_array_new_with_free_func(free_item);
    g_mkdir_with_parents(folder, 0700);
    memory->file = bs_memory_file_new(folder);
    bs_memory_file_load(memory->file, memory->items);
    forget_old(memory);
    delete_orphans(memory);
    return memory;
}

void
bs_memory_free(BsMemory *memory)
{
    if (memory == NULL)
        return;
    bs_memory_file_free(memory->file, memory->items);
    g_ptr_array_unref(memory->items);
    g_free(memory->folder);
    g_free(memory);
}

BsRemembered *
bs_memory_add(BsMemory *memory, const BsRemembered *what)
{
    BsRemembered *item = g_new(BsRemembered, 1);

    *item = *what;
    item->id = bs_random_id();
    item->account = g_strdup(what->account);
    item->peer = g_strdup(what->peer);
    item->file = bs_file_offer_copy(what->file);
    item->file->range_offset = 0;
    item->file->range_length = BS_SIZE_UNKNOWN;
    item->path = g_strdup(what->path);
    item->part = g_strdup(what->part);
    item->time = now();
    g_ptr_array_insert(memory->items, 0, item);
    forget_old(memory);
    save(memory);
    return item;
}

BsRemembered *
bs_memory_find(BsMemory *memory, const char *id)
{
    for (guint i = 0; id != NULL && i < memory->items->len; i++) {
        BsRemembered *item = g_ptr_array_index(memory->items, i);

        if (strcmp(item->id, id) == 0)
            return item;
    }
    return NULL;
}

void
bs_memory_touch(BsMemory *memory, BsRemembered *item)
{
    item->time = now();
    save(memory);
}

void
bs_memory_rewrite(BsMemory *memory)
{
    save(memory);
}

void
bs_memory_forget(BsMemory *memory, BsRemembered *item, gboolean with_part)
{
    delete_files(memory, item, with_part);
    g_ptr_array_remove(memory->items, item);
    save(memory);
}

BsMemoryWait *
bs_memory_wait(BsMemory *memory, BsMemorySaved saved, gpointer data)
{
    return bs_memory_file_wait(memory->file, saved, data);
}

const GPtrArray *
bs_memory_items(const BsMemory *memory)
{
    return memory->items;
}

char *
bs_memory_checkpoints(const BsMemory *memory, const BsRemembered *item)
{
    return g_strdup_printf("%s" G_DIR_SEPARATOR_S "%s" CHECKPOINTS_SUFFIX, memory->folder, item->id);
}

typedef enum {
    TRAIT_UNKNOWN,
    TRAIT_AGREES,
    TRAIT_DIFFERS,
} Trait;

static Trait
compare_hashes(const BsFileOffer *one, const BsFileOffer *other)
{
    guint common = one->hashes & other->hashes;

    for (guint hash = 0; hash < BS_HASH_COUNT; hash++)
        if (common & 1u << hash &&
            memcmp(one->hash_value[hash], other->hash_value[hash], bs_hash_length((BsHash)hash)) != 0)
            return TRAIT_DIFFERS;
    return common != 0 ? TRAIT_AGREES : TRAIT_UNKNOWN;
}

static Trait
compare_dates(const BsFileOffer *one, const BsFileOffer *other)
{
    if (one->date < 0 || other->date < 0)
        return TRAIT_UNKNOWN;
    return one->date == other->date ? TRAIT_AGREES : TRAIT_DIFFERS;
}

gboolean
bs_memory_is_same_file(const BsFileOffer *one, const BsFileOffer *other)
{
    Trait hashes = compare_hashes(one, other);

    return g_strcmp0(one->name, other->name) == 0 && one->size == other->size &&
           one->size != BS_SIZE_UNKNOWN && hashes != TRAIT_DIFFERS &&
           (hashes == TRAIT_AGREES || compare_dates(one, other) != TRAIT_DIFFERS);
}

static gboolean
is_file(const BsFileOffer *one, const BsFileOffer *other, gboolean certainly)
{
    return bs_memory_is_same_file(one, other) && (!certainly || compare_hashes(one, other) == TRAIT_AGREES ||
                                                  compare_dates(one, other) == TRAIT_AGREES);
}

gboolean
bs_remembered_may_replace(const BsRemembered *item)
{
    GStatBuf info;

    return item->replace && g_lstat(item->path, &info) == 0 && info.st_ctime < item->time;
}

/* A contact's resource is another one after each of its sign-ons; a room's occupant is known by its full JID
 * only. */
static gboolean
is_same_peer(const BsRemembered *item, const char *peer, gboolean occupant)
{
    if (item->occupant != occupant)
        return FALSE;
    return occupant ? bs_jid_equal(item->peer, peer) : bs_jid_same_bare(item->peer, peer);
}

BsRemembered *
bs_memory_match(BsMemory *memory, gboolean incoming, const char *account, const char *peer, gboolean occupant,
                const BsFileOffer *file)
{
    for (guint i = 0; i < memory->items->len; i++) {
        BsRemembered *item = g_ptr_array_index(memory->items, i);

        if (item->incoming == incoming && !item->in_use && bs_jid_same_bare(item->account, account) &&
            is_same_peer(item, peer, occupant) && is_file(item->file, file, incoming))
            return item;
    }
    return NULL;
}
