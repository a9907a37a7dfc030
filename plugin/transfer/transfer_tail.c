/* The last bytes of a file, which a proxy may keep to itself for as long as its sender waits for our word on
 * the file. SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"
#include "stanza/allowances.h"
#include "transfer/internal.h"
#include "transport/s5b.h"

#define TICK_MS 1000
/* Ticks in which nothing came, after which nothing more will. */
#define QUIET_TICKS 2
/* Prosody's proxy reads so many bytes at once, passes them on in parts, and is told by nothing but further
 * ones that some are left. */
#define HELD_MAX 8192

/* Ends its half of the connection only when it has been told that the file is here. */
static gboolean
sender_waits(const BsTransfer *transfer)
{
    return transfer->session != NULL && bs_s5b_peer_is_psi(transfer->transport) &&
           bs_allow(BS_ALLOW_RECEIVED_BEFORE_TAIL);
}

/* It closes its connection on that, and the proxy passes on what it has. */
static void
say_received(BsTransfer *transfer, guint64 missing)
{
    bs_log(transfer->id,
           "a proxy holds the last %" G_GUINT64_FORMAT
           " bytes until the peer closes: we say that we have received the file",
           missing);
    transfer->said_received = TRUE;
    transfer->protocol->received(transfer);
}

/* Once a tick, while bytes move. */
static gboolean
tail_tick(gpointer data)
{
    BsTransfer *transfer = data;
    guint64 moved = bs_pump_moved(transfer->pump);
    guint64 missing = transfer->length - moved;

    transfer->ticks = moved == transfer->moved_at_tick ? transfer->ticks + 1 : 0;
    transfer->moved_at_tick = moved;
    if (!transfer->session_over && (missing == 0 || missing > HELD_MAX || transfer->ticks < QUIET_TICKS))
        return TRUE;
    transfer->timer = 0;
    if (!transfer->session_over && sender_waits(transfer))
        say_received(transfer, missing);
    return FALSE;
}

void
bs_transfer_watch_tail(BsTransfer *transfer)
{
    if (transfer->route.in_band || transfer->route.type != BS_CANDIDATE_PROXY ||
        transfer->length == BS_SIZE_UNKNOWN)
        return;
    transfer->ticks = 0;
    transfer->moved_at_tick = 0;
    bs_transfer_set_timer(transfer, TICK_MS, tail_tick);
}
