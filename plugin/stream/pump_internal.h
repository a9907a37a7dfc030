/* What the files of the pump show each other only.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PUMP_INTERNAL_H
#define BS_PUMP_INTERNAL_H

#include "stream/file_job.h"
#include "stream/mover.h"
#include "stream/peer_watch.h"
#include "stream/pump.h"
#include "worker.h"

typedef enum {
    PUMP_RUNNING,
    PUMP_ENDED, /* `done` was called; a sending pump may still wait for the peer's end */
    PUMP_FREED, /* released when the last of its functions has returned */
} PumpState;

struct _BsPump {
    char *id;
    int fd; /* -1 once the connection is closed */
    gboolean sends;
    gboolean all_sent;
    guint64 moved; /* as far as was told */
    BsPumpEvents events;
    gpointer data;

    PumpState state;
    guint calls; /* of our functions on the stack */

    /* A file on the disk is moved by a worker; what only the event loop may touch, by a mover in its turns.
     */
    BsWorker *worker;
    BsFileJob *job; /* the worker's, as are the socket and the digest */
    gboolean worker_ended;
    BsMover *mover;
    BsDigest *digest; /* the worker's, once it has ended */
    guint watch;

    guint kick; /* a timeout that continues the work */
    guint stall_timer;
    guint quiet_ticks;
    int unsent; /* in the kernel's buffer at the last tick */
    gint64 last_breath;
    gint64 last_progress;

    BsPeerWatch peer;
    int broken; /* the errno with which the peer ended; 0: it has not */
};

/* pump.c */

/* Goes on with the work, unless it is put off. */
void bs_pump_run(BsPump *pump);

void bs_pump_report_progress(BsPump *pump, gint64 now);

/* The end; takes `error`. Must stand between the pump's enter() and leave(). */
void bs_pump_end(BsPump *pump, GError *error);

/* pump_turns.c */

/* Goes on after so long, in a turn of the event loop of its own. */
void bs_pump_kick_after(BsPump *pump, guint milliseconds);

/* Watches the socket for nothing any more. */
void bs_pump_unwatch(BsPump *pump);

/* TRUE if nothing may be done now; the work goes on later. */
gboolean bs_pump_put_off(BsPump *pump);

/* Moves some bytes between the socket and a source or sink that only the event loop may touch. */
void bs_pump_take_turn(BsPump *pump);

#endif
