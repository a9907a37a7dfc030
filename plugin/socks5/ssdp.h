/* Finds routers that speak UPnP, by SSDP: asks for them and reads their answers (UPnP Device Architecture
 * 1.1, 1.3). Blocks, for worker threads. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_SSDP_H
#define BS_SSDP_H

#include "socks5/router.h"

typedef struct _BsSsdp BsSsdp;

/* Begins to ask. NULL, and `*why`, if that cannot be done at all. miniupnpc's own search would take two
 * seconds even where the router answers at once, and cannot be stopped. */
BsSsdp *bs_ssdp_new(const BsRouterPlaces *places, char **why);

/* The next router's description: its URL, the caller's. NULL if no more come in time, or `stop` can be read.
 */
char *bs_ssdp_next(BsSsdp *ssdp, int stop);

void bs_ssdp_free(BsSsdp *ssdp);

/* The URL in the answer `text` (NUL-terminated) of a router; the caller's. NULL if it is none, or leads
 * elsewhere than to `sender`, who may send us nowhere else. */
char *bs_ssdp_location(const char *text, const char *sender);

/* TRUE if this http URL leads to the host `host`, at whatever port. */
gboolean bs_ssdp_leads_to(const char *url, const char *host);

#endif
