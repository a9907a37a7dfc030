/* What the two servers of a pair offer: a proxy each (XEP-0065), and the answers to who asks for it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_SERVICES_H
#define BS_TEST_SERVICES_H

#include "pair.h"
#include "proxy_service.h"

typedef struct {
    ProxyService *proxies[2]; /* of one.test and of two.test */
    const char *listed[2];    /* the JID of the proxy that each server names */
    GPtrArray *answers;       /* on their way */
} Services;

Services *services_new(void);
void services_free(Services *services);

/* TRUE if the stanza is for a server or a proxy: it is answered, and does not go on to the other side. */
gboolean services_take(Services *services, Side *from, const xmlnode *stanza);

/* The proxies name themselves by a name from now on, which stands for the address as long as the services are
 * there; and the address that such a name stands for, or `host` itself. */
void services_use_names(Services *services);
const char *services_look_up(const Services *services, const char *host);

/* The side has proxies from now on, once `count` of them have been found to work. */
void services_give_proxies(Side *side, guint count);
guint services_count_working(const Side *side);

#endif
