/* A thread that has one router protocol map one port, renews that as long as it is wanted, and takes it back
 * in the end. It reports through a pipe that the event loop watches. SPDX-License-Identifier:
 * GPL-2.0-or-later
 */
#ifndef BS_MAPPING_WORKER_H
#define BS_MAPPING_WORKER_H

#include "socks5/router.h"

typedef struct _BsMappingWorker BsMappingWorker;

typedef enum {
    BS_MAPPING_MADE,  /* or changed: `mapped` says what there is now */
    BS_MAPPING_LOST,  /* it could not be renewed (`why`); looks for a router again, after a while */
    BS_MAPPING_NEVER, /* there was none to be had (`why`), and the worker has ended */
} BsMappingNews;

/* From the event loop. `mapped` and `why` live as long as the call, and the worker may be stopped inside. */
typedef void (*BsMappingReport)(BsMappingWorker *worker, BsMappingNews news, const BsMappedPort *mapped,
                                const char *why, gpointer data);

/* Begins to map TCP `port`. `protocol` is borrowed for ever, `places` is copied. NULL if there can be no
 * thread. The worker is the module's own: it is only valid until it was stopped, or said NEVER. */
BsMappingWorker *bs_mapping_worker_new(const BsRouterProtocol *protocol, const BsRouterPlaces *places,
                                       guint16 port, BsMappingReport report, gpointer data);

/* The mapping is not needed any more: takes it back, while the event loop goes on. No report comes any more.
 */
void bs_mapping_worker_stop(BsMappingWorker *worker);

/* Stops all workers and waits until they have taken back their mappings, `milliseconds` at most; whoever
 * needs longer is left to itself. */
void bs_mapping_workers_finish(guint milliseconds);

#endif
