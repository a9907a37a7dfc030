/* A proxy (XEP-0065) for tests: its side of the stanzas, and a SOCKS5 relay on a port of this machine; it can
 * misbehave. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_PROXY_SERVICE_H
#define BS_TEST_PROXY_SERVICE_H

#include <glib.h>
#include <xmlnode.h>

typedef enum {
    PROXY_SERVES,
    PROXY_SAYS_NOTHING,       /* takes connections, and that is all */
    PROXY_REFUSES_ACTIVATION, /* with not-allowed */
    PROXY_IGNORES_ACTIVATION,
} ProxyManner;

typedef struct {
    const char *jid;
    ProxyManner manner; /* may be changed at any moment */
    char *host;
    const char *name; /* borrowed: what it says instead of the address; NULL: the address */
    guint16 port;
    guint connections;   /* so far */
    guint address_asked; /* how often */
    guint activations;   /* that were asked for */
    gboolean early;      /* bytes came before the activation */

    int fd;
    guint watch;
    GPtrArray *streams;
} ProxyService;

/* A proxy that serves. `jid` is borrowed. */
ProxyService *proxy_service_new(const char *jid);

/* Ends it with all its connections. */
void proxy_service_free(ProxyService *service);

/* From now on nobody listens at its address. */
void proxy_service_kill(ProxyService *service);

/* What it answers to `iq`, the caller's; NULL if it does not. */
xmlnode *proxy_service_answer(ProxyService *service, const xmlnode *iq);

/* The requester with the JID `from` has the stream activated, without a stanza: TRUE if that went well. */
gboolean proxy_service_activate(ProxyService *service, const char *sid, const char *from, const char *target);

/* What a server `domain` answers to `iq` whose services have these JIDs (NULL-terminated), the caller's. */
xmlnode *proxy_service_items(const char *domain, const char *const *jids, const xmlnode *iq);

#endif
