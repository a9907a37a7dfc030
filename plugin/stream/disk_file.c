/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/disk_file.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

struct _BsDiskFile {
    gint references;
    int fd;
    struct stat opened; /* as it was then */
    pthread_mutex_t writing;
};

BsDiskFile *
bs_disk_file_new(int fd)
{
    BsDiskFile *file = g_new0(BsDiskFile, 1);

    file->references = 1;
    file->fd = fd;
    (void)fstat(fd, &file->opened);
    pthread_mutex_init(&file->writing, NULL);
    return file;
}

BsDiskFile *
bs_disk_file_ref(BsDiskFile *file)
{
    g_atomic_int_inc(&file->references);
    return file;
}

void
bs_disk_file_unref(BsDiskFile *file)
{
    if (file == NULL || !g_atomic_int_dec_and_test(&file->references))
        return;
    close(file->fd);
    pthread_mutex_destroy(&file->writing);
    g_free(file);
}

int
bs_disk_file_fd(const BsDiskFile *file)
{
    return file->fd;
}

gboolean
bs_disk_file_is_unchanged(const BsDiskFile *file)
{
    const struct stat *opened = &file->opened;
    struct stat now;

    return fstat(file->fd, &now) == 0 && now.st_size == opened->st_size &&
           now.st_mtim.tv_sec == opened->st_mtim.tv_sec && now.st_mtim.tv_nsec == opened->st_mtim.tv_nsec;
}

void
bs_disk_file_begin_writing(BsDiskFile *file)
{
    pthread_mutex_lock(&file->writing);
}

void
bs_disk_file_end_writing(BsDiskFile *file)
{
    pthread_mutex_unlock(&file->writing);
}
