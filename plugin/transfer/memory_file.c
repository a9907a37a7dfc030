/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/memory_file.h"

#include <eventloop.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>

#include "log.h"
#include "timer.h"
#include "worker.h"

#define FILE_NAME "transfers.ini"
#define FILE_BYTES_MAX (4 * 1024 * 1024)

/* The file on the disk, which the workers that write it share. */
typedef struct {
    char *path;
    pthread_mutex_t writing;
    guint written; /* the number of the version that is there; under `writing` */
} Disk;

struct _BsMemoryFile {
    Disk *disk; /* counted by g_atomic_rc_box */
    guint latest;
    guint timer;            /* what happens at once is written once ... */
    BsWorker *worker;       /* ... and what happens while this one writes, once after it */
    const GPtrArray *items; /* what is to be written next; NULL: nothing */
    GQueue *waits;          /* BsMemoryWait, their owners' */
};

struct _BsMemoryWait {
    BsMemoryFile *file; /* NULL: there is none any more */
    guint number;       /* of the version that has to be on the disk */
    BsMemorySaved saved;
    gpointer data;
};

/* A version of the file. Older ones that come later are not written any more. */
typedef struct {
    Disk *disk;
    char *text;
    gsize length;
    guint number;
} Version;

static void
free_disk(gpointer data)
{
    Disk *disk = data;

    pthread_mutex_destroy(&disk->writing);
    g_free(disk->path);
}

/* Any bytes as text that a key file can hold. */
static void
set_text(GKeyFile *keys, const char *group, const char *key, const char *text)
{
    g_autofree char *escaped = text != NULL ? g_strescape(text, NULL) : NULL;

    if (escaped != NULL)
        g_key_file_set_string(keys, group, key, escaped);
}

static char *
get_text(GKeyFile *keys, const char *group, const char *key)
{
    g_autofree char *escaped = g_key_file_get_string(keys, group, key, NULL);

    return escaped != NULL ? g_strcompress(escaped) : NULL;
}

static void
set_hashes(GKeyFile *keys, const char *group, const BsFileOffer *file)
{
    for (guint hash = 0; hash < BS_HASH_COUNT; hash++) {
        g_autofree char *key = g_strdup_printf("hash-%s", bs_hash_name((BsHash)hash));
        g_autofree char *value =
            file->hashes & 1u << hash ? bs_hash_format((BsHash)hash, file->hash_value[hash]) : g_strdup("");

        if ((file->hashes | file->hashes_promised) & 1u << hash)
            g_key_file_set_string(keys, group, key, value);
    }
}

static void
get_hashes(GKeyFile *keys, const char *group, BsFileOffer *file)
{
    for (guint hash = 0; hash < BS_HASH_COUNT; hash++) {
        g_autofree char *key = g_strdup_printf("hash-%s", bs_hash_name((BsHash)hash));
        g_autofree char *text = g_key_file_get_string(keys, group, key, NULL);
        guint8 value[BS_DIGEST_MAX];

        if (text != NULL && bs_hash_parse((BsHash)hash, text, value))
            bs_file_offer_set_hash(file, (BsHash)hash, value);
        else if (text != NULL && *text == '\0')
            file->hashes_promised |= 1u << hash;
    }
}

static void
set_item(GKeyFile *keys, const BsRemembered *item)
{
    const BsFileOffer *file = item->file;

    g_key_file_set_boolean(keys, item->id, "incoming", item->incoming);
    set_text(keys, item->id, "account", item->account);
    set_text(keys, item->id, "peer", item->peer);
    g_key_file_set_boolean(keys, item->id, "occupant", item->occupant);
    set_text(keys, item->id, "path", item->path);
    set_text(keys, item->id, "part", item->part);
    g_key_file_set_boolean(keys, item->id, "replace", item->replace);
    if (item->unanswered)
        g_key_file_set_boolean(keys, item->id, "unanswered", TRUE);
    if (item->needs_new_offer)
        g_key_file_set_boolean(keys, item->id, "needs-new-offer", TRUE);
    if (item->scrap)
        g_key_file_set_boolean(keys, item->id, "scrap", TRUE);
    g_key_file_set_int64(keys, item->id, "time", item->time);
    set_text(keys, item->id, "name", file->name);
    g_key_file_set_uint64(keys, item->id, "size", file->size);
    g_key_file_set_int64(keys, item->id, "date", file->date);
    set_text(keys, item->id, "media-type", file->media_type);
    set_hashes(keys, item->id, file);
}

/* The checkpoints' file is named after it. */
static gboolean
is_usable_id(const char *id)
{
    gsize length = strlen(id);

    return length > 0 && length <= 64 &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == length;
}

static gboolean
is_complete(const BsRemembered *item)
{
    return is_usable_id(item->id) && item->account != NULL && item->peer != NULL && item->path != NULL &&
           g_path_is_absolute(item->path) &&
           (item->scrap || (item->file->name != NULL && item->file->size <= BS_FILE_SIZE_MAX)) &&
           (!item->incoming || (item->part != NULL && g_path_is_absolute(item->part)));
}

/* NULL if it is malformed. */
static BsRemembered *
get_item(GKeyFile *keys, const char *id)
{
    BsRemembered *item = g_new0(BsRemembered, 1);
    BsFileOffer *file = bs_file_offer_new();

    item->id = g_strdup(id);
    item->file = file;
    item->incoming = g_key_file_get_boolean(keys, id, "incoming", NULL);
    item->account = get_text(keys, id, "account");
    item->peer = get_text(keys, id, "peer");
    item->occupant = g_key_file_get_boolean(keys, id, "occupant", NULL);
    item->path = get_text(keys, id, "path");
    item->part = get_text(keys, id, "part");
    item->replace = g_key_file_get_boolean(keys, id, "replace", NULL);
    item->unanswered = g_key_file_get_boolean(keys, id, "unanswered", NULL);
    item->needs_new_offer = g_key_file_get_boolean(keys, id, "needs-new-offer", NULL);
    item->scrap = g_key_file_get_boolean(keys, id, "scrap", NULL);
    item->time = g_key_file_get_int64(keys, id, "time", NULL);
    file->name = get_text(keys, id, "name");
    file->date = g_key_file_get_int64(keys, id, "date", NULL);
    file->media_type = get_text(keys, id, "media-type");
    if (g_key_file_has_key(keys, id, "size", NULL))
        file->size = g_key_file_get_uint64(keys, id, "size", NULL);
    get_hashes(keys, id, file);
    file->can_range = TRUE;
    if (is_complete(item))
        return item;
    bs_remembered_free(item);
    return NULL;
}

BsMemoryFile *
bs_memory_file_new(const char *folder)
{
    BsMemoryFile *file = g_new0(BsMemoryFile, 1);

    file->disk = g_atomic_rc_box_new0(Disk);
    file->disk->path = g_build_filename(folder, FILE_NAME, NULL);
    pthread_mutex_init(&file->disk->writing, NULL);
    file->waits = g_queue_new();
    return file;
}

void
bs_memory_file_load(BsMemoryFile *file, GPtrArray *items)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_auto(GStrv) groups = NULL;
    GStatBuf info;

    if (g_stat(file->disk->path, &info) != 0 || info.st_size > FILE_BYTES_MAX ||
        !g_key_file_load_from_file(keys, file->disk->path, G_KEY_FILE_NONE, NULL))
        return;
    groups = g_key_file_get_groups(keys, NULL);
    for (guint i = 0; groups[i] != NULL; i++) {
        BsRemembered *item = get_item(keys, groups[i]);

        if (item != NULL)
            g_ptr_array_add(items, item);
        else
            bs_log_warning(NULL, "what was remembered of a transfer is damaged, and left out");
    }
}

static void
free_version(gpointer data)
{
    Version *version = data;

    g_atomic_rc_box_release_full(version->disk, free_disk);
    g_free(version->text);
    g_free(version);
}

static Version *
new_version(BsMemoryFile *file, const GPtrArray *items)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    Version *version = g_new0(Version, 1);

    for (guint i = 0; i < items->len; i++)
        set_item(keys, g_ptr_array_index(items, i));
    version->disk = g_atomic_rc_box_acquire(file->disk);
    version->text = g_key_file_to_data(keys, &version->length, NULL);
    version->number = ++file->latest;
    return version;
}

/* The temporary file that this makes is private, as the result is. */
static void
write_version(BsWorker *worker, gpointer data)
{
    Version *version = data;
    Disk *disk = version->disk;

    (void)worker;
    pthread_mutex_lock(&disk->writing);
    if (version->number > disk->written &&
        g_file_set_contents(disk->path, version->text, (gssize)version->length, NULL))
        disk->written = version->number;
    g_chmod(disk->path, 0600);
    pthread_mutex_unlock(&disk->writing);
}

/* Those who wait for a version up to `number`, of which one may free another. */
static void
tell_waits(BsMemoryFile *file, guint number)
{
    BsMemoryWait *wait;

    while ((wait = g_queue_peek_head(file->waits)) != NULL && wait->number <= number) {
        wait->file = NULL;
        g_queue_pop_head(file->waits);
        wait->saved(wait->data);
    }
}

static void write_next(BsMemoryFile *file);

static void
has_written(BsWorker *worker, gboolean ended, gpointer data)
{
    BsMemoryFile *file = data;
    guint number = file->latest;

    if (!ended)
        return;
    bs_worker_release(worker);
    file->worker = NULL;
    if (file->items != NULL && file->timer == 0)
        write_next(file);
    tell_waits(file, number);
}

static void
write_next(BsMemoryFile *file)
{
    Version *version = new_version(file, file->items);

    file->items = NULL;
    file->worker = bs_worker_new("bytestreams save", write_version, version, free_version, has_written, file);
    if (file->worker != NULL)
        return;
    write_version(NULL, version);
    free_version(version);
    tell_waits(file, file->latest);
}

static gboolean
save_now(gpointer data)
{
    BsMemoryFile *file = data;

    file->timer = 0;
    if (file->worker == NULL)
        write_next(file);
    return FALSE;
}

void
bs_memory_file_save(BsMemoryFile *file, const GPtrArray *items)
{
    file->items = items;
    if (file->timer == 0 && file->worker == NULL)
        file->timer = purple_timeout_add(0, save_now, file);
}

BsMemoryWait *
bs_memory_file_wait(BsMemoryFile *file, BsMemorySaved saved, gpointer data)
{
    BsMemoryWait *wait;

    if (file->items == NULL && file->worker == NULL)
        return NULL;
    wait = g_new0(BsMemoryWait, 1);
    wait->file = file;
    wait->number = file->latest + (file->items != NULL ? 1 : 0);
    wait->saved = saved;
    wait->data = data;
    g_queue_push_tail(file->waits, wait);
    return wait;
}

void
bs_memory_wait_free(BsMemoryWait *wait)
{
    if (wait != NULL && wait->file != NULL)
        g_queue_remove(wait->file->waits, wait);
    g_free(wait);
}

static void
forget_waits(BsMemoryFile *file)
{
    for (GList *link = file->waits->head; link != NULL; link = link->next)
        ((BsMemoryWait *)link->data)->file = NULL;
    g_queue_free(file->waits);
}

/* A worker that has not come to an end may still have to begin. */
void
bs_memory_file_free(BsMemoryFile *file, const GPtrArray *items)
{
    if (file->items != NULL || file->worker != NULL) {
        Version *version = new_version(file, items);

        write_version(NULL, version);
        free_version(version);
    }
    bs_worker_release(file->worker);
    bs_timer_clear(&file->timer);
    forget_waits(file);
    g_atomic_rc_box_release_full(file->disk, free_disk);
    g_free(file);
}
