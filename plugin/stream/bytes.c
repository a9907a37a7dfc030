/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

GQuark
bs_stream_error_quark(void)
{
    return g_quark_from_static_string("bs-stream-error");
}

/* A full disk, somebody's share of it, and a file larger than this kind of file system can hold. */
static gboolean
is_lack_of_room(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

void
bs_set_write_error(GError **error, int code)
{
    g_set_error_literal(error, BS_STREAM_ERROR,
                        is_lack_of_room(code) ? BS_STREAM_ERROR_NO_SPACE : BS_STREAM_ERROR_WRITE,
                        g_strerror(code));
}

void
bs_set_changed_error(GError **error)
{
    g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_CHANGED,
                        "The file is not what it was when it was opened");
}

typedef struct {
    BsSource source;
    BsDiskFile *file;
} FileSource;

static void
set_read_error(GError **error, int code)
{
    g_set_error_literal(error, BS_STREAM_ERROR, BS_STREAM_ERROR_READ, g_strerror(code));
}

static gssize
file_read(BsSource *source, guint8 *buffer, gsize size, GError **error)
{
    FileSource *file = (FileSource *)source;
    gssize count;

    do
        count = read(bs_disk_file_fd(file->file), buffer, size);
    while (count < 0 && errno == EINTR);
    if (count < 0) {
        set_read_error(error, errno);
    } else if (!bs_disk_file_is_unchanged(file->file)) {
        bs_set_changed_error(error);
        return -1;
    }
    return count;
}

static gboolean
file_seek(BsSource *source, guint64 offset, GError **error)
{
    FileSource *file = (FileSource *)source;
    off_t position = (off_t)offset;

    if (position < 0 || (guint64)position != offset) {
        set_read_error(error, EOVERFLOW);
        return FALSE;
    }
    if (lseek(bs_disk_file_fd(file->file), position, SEEK_SET) < 0) {
        set_read_error(error, errno);
        return FALSE;
    }
    return TRUE;
}

static BsDiskFile *
file_lend(BsSource *source, guint64 *position)
{
    FileSource *file = (FileSource *)source;

    *position = (guint64)lseek(bs_disk_file_fd(file->file), 0, SEEK_CUR);
    return bs_disk_file_ref(file->file);
}

static void
file_close(BsSource *source)
{
    FileSource *file = (FileSource *)source;

    bs_disk_file_unref(file->file);
    g_free(file);
}

BsSource *
bs_file_source_new(const char *path, guint64 *size, GError **error)
{
    /* Non-blocking: without it, opening a FIFO would wait for a writer. Regular files do not care. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat info;
    FileSource *file;

    if (fd < 0) {
        set_read_error(error, errno);
        return NULL;
    }
    if (fstat(fd, &info) < 0) {
        set_read_error(error, errno);
        close(fd);
        return NULL;
    }
    if (!S_ISREG(info.st_mode)) {
        set_read_error(error, S_ISDIR(info.st_mode) ? EISDIR : EOPNOTSUPP);
        close(fd);
        return NULL;
    }
    if (size != NULL)
        *size = (guint64)info.st_size;
    file = g_new0(FileSource, 1);
    file->source.read = file_read;
    file->source.seek = file_seek;
    file->source.lend = file_lend;
    file->source.close = file_close;
    file->file = bs_disk_file_new(fd);
    return &file->source;
}
