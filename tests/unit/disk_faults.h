/* Faults of the disk and of the kernel, in all threads but the event loop's: this program's calls of libc go
 * through here. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_DISK_FAULTS_H
#define BS_TEST_DISK_FAULTS_H

#include <glib.h>

#define NONE (-1)

/* A test changes them while no worker runs. */
typedef struct {
    gint short_bytes;        /* what one call moves at most; 0: as much as it likes */
    gint interrupted_every;  /* so many calls; 0: never */
    gint no_sendfile;        /* an errno */
    gint write_fails_at;     /* a place in the file, or NONE ... */
    gint read_fails_at;      /* ... and one for reading */
    gint sends_nothing_from; /* sendfile() fails there, with ... */
    gint fault_code;         /* ... this, as do the others */
    gint sync_code;          /* of fsync() */
    gint calls;              /* of any of them */
} DiskFaults;

extern DiskFaults faults;

/* The thread that calls it is the event loop's. There are no faults from now on. */
void disk_faults_none(void);

/* A worker that asks the disk for something waits from now on until it is woken. */
void stall_disk(void);
void wake_disk(void);

guint threads_stalled(void);

/* Runs the event loop until so many workers wait for the disk. */
void wait_for_stall(guint threads);

#endif
