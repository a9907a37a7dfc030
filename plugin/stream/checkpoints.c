/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/checkpoints.h"

#include <errno.h>
#include <eventloop.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "timer.h"
#include "worker.h"

/* What a crash may cost: as much is fetched again at most. */
#define APART_BYTES ((guint64)4 * 1024 * 1024)
/* ... or, of a large file, such a part. */
#define COUNT 256
#define BUFFER_BYTES (256 * 1024)
/* More than all lines of a file can come to, also one that was interrupted often. */
#define FILE_BYTES_MAX (1024 * 1024)
/* A disk that gives nothing for so long has gone. */
#define SILENCE_MS (2 * 60 * 1000)

struct _BsCheckpoints {
    int fd;
    guint64 apart;
    guint64 next;
};

static guint64
distance_for(guint64 size)
{
    return size == G_MAXUINT64 ? APART_BYTES : MAX(APART_BYTES, size / COUNT);
}

BsCheckpoints *
bs_checkpoints_open(const char *path, guint64 size)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    BsCheckpoints *checkpoints;

    if (fd < 0)
        return NULL;
    /* Nobody reads it before it is closed. */
    (void)flock(fd, LOCK_EX | LOCK_NB);
    checkpoints = g_new0(BsCheckpoints, 1);
    checkpoints->fd = fd;
    checkpoints->apart = distance_for(size);
    checkpoints->next = checkpoints->apart;
    return checkpoints;
}

/* A line counts only with its end: what was cut off in the middle does not. That one could not be written
 * costs bytes at most. */
void
bs_checkpoints_add(BsCheckpoints *checkpoints, guint64 length, const BsDigest *digest, gboolean last)
{
    g_autoptr(BsDigest) copy = NULL;
    g_autofree char *value_text = NULL;
    g_autofree char *line = NULL;
    guint8 value[BS_DIGEST_MAX];
    BsHash hash;

    if ((!last && length < checkpoints->next) || !bs_digest_strongest(digest, &hash))
        return;
    checkpoints->next = length + checkpoints->apart;
    copy = bs_digest_copy(digest);
    bs_digest_value(copy, hash, value);
    value_text = bs_hash_format(hash, value);
    line = g_strdup_printf("%" G_GUINT64_FORMAT " %s %s\n", length, bs_hash_name(hash), value_text);
    while (write(checkpoints->fd, line, strlen(line)) < 0 && errno == EINTR)
        ;
}

void
bs_checkpoints_close(BsCheckpoints *checkpoints)
{
    if (checkpoints == NULL)
        return;
    close(checkpoints->fd);
    g_free(checkpoints);
}

typedef struct {
    guint64 length;
    BsHash hash;
    guint8 value[BS_DIGEST_MAX];
} Checkpoint;

/* The worker's. */
typedef struct {
    char *part;
    char *checkpoints;
    guint hashes;
    guint64 length;
    BsDigest *digest;
    gint pieces; /* read so far; atomic */
} PrefixJob;

struct _BsPrefix {
    BsWorker *worker;
    guint timer; /* where there is no worker: until it is told; else until the disk is looked after */
    guint hashes;
    gint pieces; /* when that was done last */
    PrefixJob *job;
    BsPrefixKnown known;
    gpointer data;
};

static gboolean
parse_line(const char *line, Checkpoint *checkpoint)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 4);
    guint64 length;

    if (g_strv_length(words) != 3 ||
        !g_ascii_string_to_unsigned(words[0], 10, 1, G_MAXINT64, &length, NULL) ||
        !bs_hash_from_name(words[1], &checkpoint->hash))
        return FALSE;
    checkpoint->length = length;
    return bs_hash_parse(checkpoint->hash, words[2], checkpoint->value);
}

static gint
by_length(gconstpointer a, gconstpointer b)
{
    guint64 one = ((const Checkpoint *)a)->length;
    guint64 other = ((const Checkpoint *)b)->length;

    return one < other ? -1 : one > other;
}

static char *
read_text(const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    g_autofree char *text = g_malloc0(FILE_BYTES_MAX + 1);
    gsize length = 0;
    gssize count = 0;

    if (fd < 0)
        return NULL;
    /* A worker that was told to stop may not have written how far it came. */
    (void)flock(fd, LOCK_SH);
    while (length < FILE_BYTES_MAX &&
           ((count = read(fd, text + length, FILE_BYTES_MAX - length)) > 0 || (count < 0 && errno == EINTR)))
        length += (gsize)MAX(count, 0);
    close(fd);
    return count < 0 ? NULL : g_steal_pointer(&text);
}

/* All that are well formed, in the file's order: Checkpoint. */
static GArray *
read_checkpoints(const char *path)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(Checkpoint));
    g_autofree char *text = read_text(path);
    char *line = text;
    char *end;

    for (; line != NULL && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        Checkpoint checkpoint;

        *end = '\0';
        if (parse_line(line, &checkpoint))
            g_array_append_val(found, checkpoint);
    }
    g_array_sort(found, by_length);
    return found;
}

/* Adds the bytes up to `length` to the digest. FALSE if they are not there, or nobody wants to know any more.
 */
static gboolean
hash_up_to(BsWorker *worker, PrefixJob *job, int fd, guint64 length, guint8 *buffer, BsDigest *digest)
{
    guint64 from = job->length;

    while (from < length && !bs_worker_is_stopped(worker)) {
        gssize count = pread(fd, buffer, (gsize)MIN(length - from, BUFFER_BYTES), (off_t)from);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return FALSE;
        g_atomic_int_inc(&job->pieces);
        bs_digest_update(digest, buffer, (gsize)count);
        from += (guint64)count;
    }
    return from == length;
}

static gboolean
agrees(const Checkpoint *checkpoint, const BsDigest *digest)
{
    g_autoptr(BsDigest) copy = bs_digest_copy(digest);
    guint8 value[BS_DIGEST_MAX];

    return bs_digest_value(copy, checkpoint->hash, value) &&
           memcmp(value, checkpoint->value, bs_hash_length(checkpoint->hash)) == 0;
}

/* From one checkpoint to the next, as long as they agree. */
static void
verify(BsWorker *worker, PrefixJob *job, int fd, const GArray *checkpoints)
{
    g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
    g_autoptr(BsDigest) digest = NULL;
    guint hashes = job->hashes;

    for (guint i = 0; i < checkpoints->len; i++)
        hashes |= 1u << g_array_index(checkpoints, Checkpoint, i).hash;
    digest = bs_digest_new(hashes);
    for (guint i = 0; i < checkpoints->len; i++) {
        const Checkpoint *checkpoint = &g_array_index(checkpoints, Checkpoint, i);

        if (!hash_up_to(worker, job, fd, checkpoint->length, buffer, digest) || !agrees(checkpoint, digest))
            return;
        job->length = checkpoint->length;
        bs_digest_free(job->digest);
        job->digest = bs_digest_copy(digest);
    }
}

static void
verify_prefix(BsWorker *worker, gpointer data)
{
    PrefixJob *job = data;
    g_autoptr(GArray) checkpoints = read_checkpoints(job->checkpoints);
    int fd = open(job->part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat info;

    job->digest = bs_digest_new(job->hashes);
    if (fd < 0)
        return;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        verify(worker, job, fd, checkpoints);
    close(fd);
}

static void
free_job(gpointer data)
{
    PrefixJob *job = data;

    bs_digest_free(job->digest);
    g_free(job->part);
    g_free(job->checkpoints);
    g_free(job);
}

static void
tell(BsPrefix *prefix, guint64 length, BsDigest *digest)
{
    BsPrefixKnown known = prefix->known;
    gpointer data = prefix->data;

    bs_prefix_cancel(&prefix);
    known(length, digest, data);
}

static void
worker_news(BsWorker *worker, gboolean ended, gpointer data)
{
    BsPrefix *prefix = data;

    (void)worker;
    if (ended)
        tell(prefix, prefix->job->length, g_steal_pointer(&prefix->job->digest));
}

static gboolean
disk_may_be_silent(gpointer data)
{
    BsPrefix *prefix = data;
    gint pieces = g_atomic_int_get(&prefix->job->pieces);

    if (pieces != prefix->pieces) {
        prefix->pieces = pieces;
        return TRUE;
    }
    prefix->timer = 0;
    tell(prefix, 0, NULL);
    return FALSE;
}

static gboolean
no_worker(gpointer data)
{
    BsPrefix *prefix = data;

    prefix->timer = 0;
    tell(prefix, 0, bs_digest_new(prefix->hashes));
    return FALSE;
}

BsPrefix *
bs_prefix_new(const char *part, const char *checkpoints, guint hashes, BsPrefixKnown known, gpointer data)
{
    BsPrefix *prefix = g_new0(BsPrefix, 1);

    prefix->known = known;
    prefix->data = data;
    prefix->hashes = hashes;
    prefix->job = g_new0(PrefixJob, 1);
    prefix->job->part = g_strdup(part);
    prefix->job->checkpoints = g_strdup(checkpoints);
    prefix->job->hashes = hashes;
    prefix->worker =
        bs_worker_new("bytestreams verify", verify_prefix, prefix->job, free_job, worker_news, prefix);
    if (prefix->worker != NULL) {
        prefix->timer = purple_timeout_add(SILENCE_MS, disk_may_be_silent, prefix);
    } else {
        g_clear_pointer(&prefix->job, free_job);
        prefix->timer = purple_timeout_add(0, no_worker, prefix);
    }
    return prefix;
}

void
bs_prefix_cancel(BsPrefix **prefix)
{
    BsPrefix *gone = g_steal_pointer(prefix);

    if (gone == NULL)
        return;
    bs_timer_clear(&gone->timer);
    bs_worker_release(gone->worker);
    g_free(gone);
}
