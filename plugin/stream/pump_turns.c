/* The pump's work in the turns of the event loop, for bytes that no worker may touch.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <eventloop.h>

#include "stream/pump_internal.h"

/* What one call of the event loop may do at most. */
#define TURN_BYTES (1024 * 1024)
#define TURN_ROUNDS 256

/* A watch on a fast connection is always ready, and a UI that draws at a lower priority would never get to
 * it: this often, the pump leaves the loop alone for a moment. */
#define BREATH_EVERY_US (40 * 1000)
#define BREATH_MS 1

#define PROGRESS_EVERY_US (100 * 1000)

void
bs_pump_unwatch(BsPump *pump)
{
    guint watch = pump->watch;

    pump->watch = 0;
    if (watch != 0)
        purple_input_remove(watch);
    bs_peer_watch_stop(&pump->peer);
}

static void
socket_ready(gpointer data, gint fd, PurpleInputCondition condition)
{
    (void)fd;
    (void)condition;
    bs_pump_run(data);
}

static gboolean
kicked(gpointer data)
{
    BsPump *pump = data;

    pump->kick = 0;
    bs_pump_run(pump);
    return FALSE;
}

void
bs_pump_kick_after(BsPump *pump, guint milliseconds)
{
    if (pump->kick == 0)
        pump->kick = purple_timeout_add(milliseconds, kicked, pump);
}

/* An event loop runs inside an event, or inside the source's or sink's own call: nothing may be done beneath
 * it. TRUE then; the work goes on later. */
gboolean
bs_pump_put_off(BsPump *pump)
{
    if (pump->calls == 0 || pump->state != PUMP_RUNNING)
        return FALSE;
    bs_pump_unwatch(pump);
    bs_pump_kick_after(pump, BREATH_MS);
    return TRUE;
}

/* What the pump waits for until its next turn. */
static void
wait_for_turn(BsPump *pump, BsMove move, gint64 now)
{
    if (move == BS_MOVE_WAITS_WAKE) {
        bs_pump_unwatch(pump);
        if (pump->sends)
            bs_peer_watch_start(&pump->peer);
    } else if (move == BS_MOVE_WAITS_LIMIT) {
        bs_pump_unwatch(pump);
        bs_pump_kick_after(pump, pump->mover->wait_ms);
    } else if (now - pump->last_breath >= BREATH_EVERY_US) {
        pump->last_breath = now;
        bs_pump_unwatch(pump);
        bs_pump_kick_after(pump, BREATH_MS);
    } else if (move == BS_MOVE_MOVED) {
        bs_pump_unwatch(pump);
        bs_pump_kick_after(pump, 0);
    } else if (pump->watch == 0) {
        bs_peer_watch_stop(&pump->peer);
        pump->watch = purple_input_add(pump->fd, pump->sends ? PURPLE_INPUT_WRITE : PURPLE_INPUT_READ,
                                       socket_ready, pump);
    }
}

void
bs_pump_take_turn(BsPump *pump)
{
    guint64 limit = pump->moved + TURN_BYTES;
    GError *error = NULL;
    BsMove move = BS_MOVE_MOVED;
    gint64 now;

    for (guint i = 0; i < TURN_ROUNDS && move == BS_MOVE_MOVED && pump->moved < limit; i++) {
        move = bs_mover_move(pump->mover, &error);
        pump->moved = pump->mover->moved;
        if (pump->state == PUMP_FREED)
            break;
    }
    now = g_get_monotonic_time();
    if (pump->state == PUMP_FREED) {
        g_clear_error(&error);
    } else if (move == BS_MOVE_COMPLETE || move == BS_MOVE_FAILED) {
        bs_pump_end(pump, error);
    } else {
        wait_for_turn(pump, move, now);
        if (pump->moved > 0 && now - pump->last_progress >= PROGRESS_EVERY_US)
            bs_pump_report_progress(pump, now);
    }
}
