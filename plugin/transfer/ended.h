/* Sessions and streams that ended not long ago, and what their peers still say in them.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_ENDED_H
#define BS_ENDED_H

#include "stanza/iq.h"

/* The latest 256. */
typedef struct _BsEnded BsEnded;

BsEnded *bs_ended_new(void);
void bs_ended_free(BsEnded *ended);

/* Names are the peers' own, and two peers may choose the same: so they count together with the peer. */
void bs_ended_add(BsEnded *ended, const char *peer, const char *sid);
gboolean bs_ended_has(const BsEnded *ended, const char *peer, const char *sid);

/* The same for offers by stream initiation, which the id of their stanza tells from others of that sid. */
void bs_ended_add_offer(BsEnded *ended, const char *peer, const char *sid, const char *iq_id);
gboolean bs_ended_has_offer(const BsEnded *ended, const char *peer, const char *sid, const char *iq_id);

/* Takes a message or a request for a stream of these, in-band (XEP-0047) or with streamhosts (XEP-0065): what
 * the peer sent before it knew of the end. FALSE if it is none; else it has been answered, if it wants to be.
 */
gboolean bs_ended_receive(const BsEnded *ended, BsIqLink *link, const xmlnode *stanza);

#endif
