/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/part_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "stream/file_name.h"

#define NAME_BYTES_MAX 255
#define NAME_BYTES_MIN 64 /* a folder that says less is not believed */
#define RANDOM_LETTERS 6
#define PART_NAME_TRIES 100
#define FREE_NAME_TRIES 999

typedef struct {
    BsSink sink;
    BsDiskFile *contents;
    gboolean cut; /* what is behind the next byte does not belong to the file any more */
    int folder;   /* names are taken relative to it, so that a folder that is moved meanwhile does no harm */
    char *folder_path;
    gsize name_max; /* bytes of a name there */
    char *target;   /* a name in the folder, as is the next one */
    char *part;
    gboolean replace;
    char *settled;     /* the name that it has got, in the folder */
    char **final_name; /* owned by whoever asked */
} PartFile;

static char *
part_name(const char *target, gsize name_max)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const gsize others = strlen(".") + strlen(".") + RANDOM_LETTERS + strlen(".part");
    gsize kept = bs_file_name_cut(target, strlen(target), name_max - others);
    char random[RANDOM_LETTERS + 1] = {0};

    for (guint i = 0; i < RANDOM_LETTERS; i++)
        random[i] = letters[g_random_int_range(0, sizeof letters - 1)];
    return g_strdup_printf(".%.*s.%s.part", (int)kept, target, random);
}

static void
part_file_free(PartFile *file)
{
    bs_disk_file_unref(file->contents);
    if (file->folder >= 0)
        close(file->folder);
    g_free(file->folder_path);
    g_free(file->target);
    g_free(file->part);
    g_free(file->settled);
    g_free(file);
}

/* 0, or an errno. */
static int
cut_behind(PartFile *file)
{
    int fd = bs_disk_file_fd(file->contents);

    if (file->cut && ftruncate(fd, lseek(fd, 0, SEEK_CUR)) < 0)
        return errno;
    file->cut = FALSE;
    return 0;
}

static gssize
part_file_write(BsSink *sink, const guint8 *buffer, gsize size, GError **error)
{
    PartFile *file = (PartFile *)sink;
    int fd = bs_disk_file_fd(file->contents);
    int code = cut_behind(file);
    gsize done = 0;

    if (code != 0) {
        bs_set_write_error(error, code);
        return -1;
    }
    while (done < size) {
        gssize count = write(fd, buffer + done, size - done);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && done == 0) {
            bs_set_write_error(error, errno);
            return -1;
        }
        if (count <= 0)
            break;
        done += (gsize)count;
    }
    return (gssize)done;
}

/* A large file is not cut in a moment, and not at all while a worker is still writing to it: whoever writes
 * next does it. */
static gboolean
part_file_restart(BsSink *sink, guint64 offset, GError **error)
{
    PartFile *file = (PartFile *)sink;

    if (lseek(bs_disk_file_fd(file->contents), (off_t)offset, SEEK_SET) < 0) {
        bs_set_write_error(error, errno);
        return FALSE;
    }
    file->cut = TRUE;
    return TRUE;
}

static BsDiskFile *
part_file_lend(BsSink *sink, guint64 *position)
{
    PartFile *file = (PartFile *)sink;

    *position = (guint64)lseek(bs_disk_file_fd(file->contents), 0, SEEK_CUR);
    file->cut = FALSE;
    return bs_disk_file_ref(file->contents);
}

/* For file systems that can neither rename without replacing nor link: an empty file claims the name, and is
 * then replaced. */
static int
move_by_claim(const PartFile *file, const char *name)
{
    int fd = openat(file->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    int code;

    if (fd < 0)
        return errno;
    close(fd);
    if (renameat(file->folder, file->part, file->folder, name) == 0)
        return 0;
    code = errno;
    unlinkat(file->folder, name, 0);
    return code;
}

static int
move_by_link(const PartFile *file, const char *name)
{
    if (linkat(file->folder, file->part, file->folder, name, 0) == 0) {
        unlinkat(file->folder, file->part, 0);
        return 0;
    }
    if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK)
        return move_by_claim(file, name);
    return errno;
}

/* Gives the part file the name `name` unless something has it. 0, or an errno: EEXIST if something has. */
static int
move_to_free(const PartFile *file, const char *name)
{
#ifdef RENAME_NOREPLACE
    if (renameat2(file->folder, file->part, file->folder, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
        return errno;
#endif
    return move_by_link(file, name);
}

/* Gives the part file its name. 0 and the name that it got, or an errno. */
static int
move_into_place(const PartFile *file, char **name)
{
    int code;

    if (file->replace) {
        *name = g_strdup(file->target);
        return renameat(file->folder, file->part, file->folder, *name) == 0 ? 0 : errno;
    }
    *name = g_strdup(file->target);
    code = move_to_free(file, *name);
    for (guint i = 1; code == EEXIST && i <= FREE_NAME_TRIES; i++) {
        g_autofree char *number = g_strdup_printf(" (%u)", i);

        g_free(*name);
        *name = bs_file_name_join(file->target, number, file->name_max);
        code = move_to_free(file, *name);
    }
    return code;
}

/* What was private stays so. */
static void
take_over_mode(const PartFile *file)
{
    struct stat old;

    if (file->replace && fstatat(file->folder, file->target, &old, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(old.st_mode))
        (void)fchmod(bs_disk_file_fd(file->contents), old.st_mode & 0666);
}

static gboolean
part_file_sync(BsSink *sink, GError **error)
{
    PartFile *file = (PartFile *)sink;
    int code = cut_behind(file);

    take_over_mode(file);
    /* Some file systems cannot sync: EINVAL, EOPNOTSUPP. */
    if (code == 0 && fsync(bs_disk_file_fd(file->contents)) < 0 && errno != EINVAL && errno != EOPNOTSUPP)
        code = errno;
    if (code != 0)
        bs_set_write_error(error, code);
    return code == 0;
}

static gboolean
part_file_settle(BsSink *sink, GError **error)
{
    PartFile *file = (PartFile *)sink;
    g_autofree char *name = NULL;
    int code = move_into_place(file, &name);

    if (code != 0) {
        bs_set_write_error(error, code);
        return FALSE;
    }
    file->settled = g_steal_pointer(&name);
    /* The file stands; that its folder could not be synced is no reason to call that a failure. */
    (void)fsync(file->folder);
    g_clear_pointer(&file->contents, bs_disk_file_unref);
    return TRUE;
}

static gboolean
part_file_finish(BsSink *sink, GError **error)
{
    PartFile *file = (PartFile *)sink;
    gboolean settled =
        file->settled != NULL || (part_file_sync(sink, error) && part_file_settle(sink, error));

    if (!settled)
        unlinkat(file->folder, file->part, 0);
    else if (file->final_name != NULL)
        *file->final_name = g_build_filename(file->folder_path, file->settled, NULL);
    part_file_free(file);
    return settled;
}

static void
part_file_discard(BsSink *sink)
{
    PartFile *file = (PartFile *)sink;

    unlinkat(file->folder, file->part, 0);
    part_file_free(file);
}

static void
part_file_leave(BsSink *sink)
{
    part_file_free((PartFile *)sink);
}

static int
open_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

#ifdef O_PATH
    /* A folder that may be written to but not listed. */
    if (fd < 0 && errno == EACCES)
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
#endif
    return fd;
}

static int
create_part(PartFile *file)
{
    for (guint i = 0; i < PART_NAME_TRIES; i++) {
        g_autofree char *name = part_name(file->target, file->name_max);
        int fd = openat(file->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);

        if (fd >= 0) {
            file->contents = bs_disk_file_new(fd);
            file->part = g_steal_pointer(&name);
            return 0;
        }
        if (errno != EEXIST)
            return errno;
    }
    return EEXIST;
}

/* Encrypted folders take shorter names than others. */
static gsize
longest_name(int folder)
{
    long longest = fpathconf(folder, _PC_NAME_MAX);

    return longest < NAME_BYTES_MIN || longest > NAME_BYTES_MAX ? NAME_BYTES_MAX : (gsize)longest;
}

/* What an earlier transfer has left: a file of ours, and nothing else that has come to stand there. */
static int
reopen_part(PartFile *file, const char *name, guint64 offset)
{
    int fd = openat(file->folder, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat info;

    if (fd < 0)
        return errno;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1 ||
        (guint64)info.st_size < offset || lseek(fd, (off_t)offset, SEEK_SET) < 0) {
        close(fd);
        return EINVAL;
    }
    file->contents = bs_disk_file_new(fd);
    file->part = g_strdup(name);
    file->cut = TRUE;
    return 0;
}

/* `part`: the name of one that is there; NULL: a new one. */
static int
open_part(PartFile *file, const char *part, guint64 offset)
{
    struct stat info;

    file->folder = open_folder(file->folder_path);
    if (file->folder < 0)
        return errno;
    file->name_max = longest_name(file->folder);
    if (fstatat(file->folder, file->target, &info, 0) == 0 && S_ISDIR(info.st_mode))
        return EISDIR;
    if (strlen(file->target) > file->name_max)
        return ENAMETOOLONG;
    return part != NULL ? reopen_part(file, part, offset) : create_part(file);
}

static BsSink *
open_sink(const char *target, const char *part, guint64 offset, gboolean replace, GError **error)
{
    PartFile *file = g_new0(PartFile, 1);
    int code;

    file->sink.write = part_file_write;
    file->sink.restart = part_file_restart;
    file->sink.lend = part_file_lend;
    file->sink.sync = part_file_sync;
    file->sink.settle = part_file_settle;
    file->sink.finish = part_file_finish;
    file->sink.discard = part_file_discard;
    file->sink.leave = part_file_leave;
    file->folder = -1;
    file->folder_path = g_path_get_dirname(target);
    file->target = g_path_get_basename(target);
    file->replace = replace;
    code = *target == '\0' || g_str_has_suffix(target, "/") ? EISDIR : open_part(file, part, offset);
    if (code != 0) {
        bs_set_write_error(error, code);
        part_file_free(file);
        return NULL;
    }
    return &file->sink;
}

BsSink *
bs_part_file_new(const char *target, gboolean replace, GError **error)
{
    return open_sink(target, NULL, 0, replace, error);
}

BsSink *
bs_part_file_reopen(const char *part, guint64 offset, const char *target, gboolean replace, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(part);
    g_autofree char *target_folder = g_path_get_dirname(target);
    g_autofree char *name = g_path_get_basename(part);

    if (strcmp(folder, target_folder) != 0) {
        bs_set_write_error(error, EXDEV);
        return NULL;
    }
    return open_sink(target, name, offset, replace, error);
}

char *
bs_part_file_path(BsSink *sink)
{
    const PartFile *file = (const PartFile *)sink;

    return sink->leave == part_file_leave ? g_build_filename(file->folder_path, file->part, NULL) : NULL;
}

/* 0, or an errno. Some file systems do not tell how large they are, or of what size a file may be. */
static int
check_room(int fd, guint64 size)
{
    struct statvfs disk;
    struct stat info;
    off_t place = lseek(fd, 0, SEEK_CUR);
    guint64 held;

    if (size > G_MAXINT64 || lseek(fd, (off_t)size, SEEK_SET) < 0)
        return EFBIG;
    (void)lseek(fd, place, SEEK_SET);
    if (fstatvfs(fd, &disk) < 0 || disk.f_blocks == 0 || disk.f_frsize == 0 || fstat(fd, &info) < 0)
        return 0;
    held = (guint64)info.st_blocks * 512;
    return size > held && (size - held - 1) / disk.f_frsize >= disk.f_bavail ? ENOSPC : 0;
}

gboolean
bs_part_file_has_room(BsSink *sink, guint64 size, GError **error)
{
    int code = check_room(bs_disk_file_fd(((PartFile *)sink)->contents), size);

    if (code != 0)
        bs_set_write_error(error, code);
    return code == 0;
}

void
bs_part_file_report_name(BsSink *sink, char **final_name)
{
    *final_name = NULL;
    ((PartFile *)sink)->final_name = final_name;
}
