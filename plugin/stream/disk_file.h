/* An open file that the event loop and a worker share: it is closed when nobody uses it any more, so that a
 * worker which a slow disk holds up never finds another file behind its descriptor.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_DISK_FILE_H
#define BS_DISK_FILE_H

#include <glib.h>

typedef struct _BsDiskFile BsDiskFile;

/* With one reference; takes `fd`. */
BsDiskFile *bs_disk_file_new(int fd);
BsDiskFile *bs_disk_file_ref(BsDiskFile *file);
/* The last one closes it, which may take as long as the disk does. NULL is allowed. */
void bs_disk_file_unref(BsDiskFile *file);

int bs_disk_file_fd(const BsDiskFile *file);

/* TRUE if nobody else has written to it, shortened it or made it longer since bs_disk_file_new(). */
gboolean bs_disk_file_is_unchanged(const BsDiskFile *file);

/* For workers: only one writes at a time; the next one waits until the one before, told to stop, has come
 * back. */
void bs_disk_file_begin_writing(BsDiskFile *file);
void bs_disk_file_end_writing(BsDiskFile *file);

#endif
