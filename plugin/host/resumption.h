/* Files that were interrupted go on by themselves: as soon as their sender is online again it is asked for
 * the rest. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_RESUMPTION_H
#define BS_RESUMPTION_H

#include "host/connection.h"
#include "transfer/memory.h"

void bs_resumption_start(void);
/* Every connection must have been closed before. */
void bs_resumption_stop(void);

/* What is remembered of transfers, of all accounts; NULL while there is nothing to remember it in. */
BsMemory *bs_resumption_memory(void);

/* TRUE if it would go on now, if there were a place in the queue. */
gboolean bs_resumption_waits(const BsRemembered *item);

/* TRUE if all of its contact's resources that are online have said that they do not give the rest: they have
 * not got the file (any more), or it has been changed. */
gboolean bs_resumption_is_refused(const BsRemembered *item);

/* The full JID `jid`, of no room's occupant, has come online or told something new; or has gone offline. */
void bs_resumption_peer_online(BsConnection *connection, const char *jid);
void bs_resumption_peer_offline(BsConnection *connection, const char *jid);

/* A transfer of a file of `jid` has ended that can go on: if `jid` is still there, it does. */
void bs_resumption_transfer_ended(BsConnection *connection, const char *jid);

/* Nobody can be asked over this connection any more. */
void bs_resumption_connection_closing(BsConnection *connection);

#endif
