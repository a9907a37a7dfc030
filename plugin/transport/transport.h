/* What every transport can do: how the bytes of one file find a way between two parties of a Jingle session.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TRANSPORT_H
#define BS_TRANSPORT_H

#include <account.h>
#include <xmlnode.h>

#include "socks5/proxy65.h"
#include "stanza/iq.h"

#include "transport/reach.h"
#include "transport/route.h"

typedef struct _BsTransport BsTransport;
typedef struct _BsTransportClass BsTransportClass;

/* What a peer may learn of where we are; what comes later is stricter. */
typedef enum {
    /* This machine's addresses. */
    BS_DISCLOSE_ADDRESSES,
    /* Only the proxy in the account's settings: what is dialled goes through it, and nothing can come in. */
    BS_DISCLOSE_USER_PROXY,
    /* Nothing: connections lead only to proxies (XEP-0065) that we have found ourselves. */
    BS_DISCLOSE_NOTHING,
} BsDisclosure;

/* What the full JID `peer` may learn from a transfer with `account`, at this moment. */
typedef BsDisclosure (*BsDisclosurePolicy)(PurpleAccount *account, const char *peer);

/* Who talks to whom. All is borrowed and outlives the transport. */
typedef struct {
    const char *id; /* the transfer's, for the debug window */
    BsIqLink *link;
    PurpleAccount *account;        /* whose proxy settings apply to what is dialled; NULL: the global ones */
    BsProxies *proxies;            /* to be offered; NULL: none */
    BsDisclosurePolicy disclosure; /* asked when the transport describes itself; NULL: addresses */
    const char *own_jid;
    const char *peer_jid;
    /* What stands in DST.ADDR for the stream's name, where that is something else; NULL: it is not. */
    const char *stream_name;
    gboolean takes_no_names; /* the peer does not look up the names of proxies */
    gboolean initiator;      /* we are the initiator of the Jingle session */
    BsReaches *reaches;      /* what is known of where peers are; NULL: nothing */
    guint64 size;            /* of what is to be carried, in bytes; BS_SIZE_UNKNOWN: not known */
    const BsRoute *avoided;  /* a way that has proved to be a dead end; NULL: none */
} BsTransportContext;

/* News from below. `send_info` may come from inside take_info(); all others come from the event loop. */
typedef struct {
    /* `transport` (the callee's now) is to be sent in a transport-info. Must not free the transport. */
    void (*send_info)(xmlnode *transport, gpointer data);
    /* The connection that both parties agreed on: `fd` is the callee's, at the first byte of the file. The
     * transport may be what moves the bytes at the other end of `fd`: it is kept until the transfer ends. It
     * may be freed inside. */
    void (*connected)(int fd, const BsRoute *route, gpointer data);
    /* No connection came about; or, where the transport itself moves the bytes, the one that did has broken.
     * The transport does nothing more; it may be freed inside. */
    void (*failed)(gpointer data);
} BsTransportEvents;

/* How a transport took what the peer sent. */
typedef enum {
    BS_TRANSPORT_OK,
    BS_TRANSPORT_BAD,          /* malformed */
    BS_TRANSPORT_UNSUPPORTED,  /* well formed, but not to be used */
    BS_TRANSPORT_UNKNOWN_ITEM, /* names something that was never offered */
} BsTransportVerdict;

struct _BsTransportClass {
    const char *xmlns;
    /* Our <transport/> for session-initiate or session-accept, the caller's. From here on the peer may
     * connect. */
    xmlnode *(*describe)(BsTransport *transport);
    /* The peer's <transport/> of its session-initiate or session-accept. */
    BsTransportVerdict (*take_description)(BsTransport *transport, const xmlnode *description);
    /* The peer's <transport/> of a transport-info. */
    BsTransportVerdict (*take_info)(BsTransport *transport, const xmlnode *info);
    /* Both descriptions have been exchanged: makes the connection. */
    void (*start)(BsTransport *transport);
    /* A stanza of the peer's, other than Jingle, whose payload may be the transport's: an IQ of type set, or
     * a message. TRUE if it is, and was dealt with and answered; the transport may be gone then. NULL where
     * there are none. */
    gboolean (*take_stanza)(BsTransport *transport, const xmlnode *stanza);
    /* The name of the stream in such stanzas, owned by the transport. NULL where there are none. */
    const char *(*stream_id)(const BsTransport *transport);
    /* TRUE while bytes that it has taken from the connection's other end have not arrived with the peer. NULL
     * where it takes none. */
    gboolean (*holds_bytes)(const BsTransport *transport);
    /* Ends it at any moment, without an event. */
    void (*free)(BsTransport *transport);
};

/* The beginning of every transport. */
struct _BsTransport {
    const BsTransportClass *class;
};

#endif
