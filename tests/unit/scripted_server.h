/* A SOCKS5 server on loopback that does as it is told.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_SCRIPTED_SERVER_H
#define BS_TEST_SCRIPTED_SERVER_H

#include <glib.h>

#define FIRST_DST "1111111111111111111111111111111111111111"
#define OTHER_DST "2222222222222222222222222222222222222222"

typedef enum {
    ACCEPT,
    REFUSE,
    REFUSE_FIRST,
    CLOSE_FIRST,
    SILENT,  /* takes the connection and says nothing */
    HOLD,    /* answers the request only when it is released */
    GARBAGE, /* is no SOCKS5 server at all */
    RELAY,   /* takes one request as a proxy does, then a second one in the same connection */
} Behaviour;

typedef struct _Server Server;
struct _Server {
    Behaviour behaviour;
    char mark; /* sent behind the handshake */
    int fd;
    guint watch;
    guint16 port;
    GPtrArray *clients;
    GPtrArray *asked; /* every DST.ADDR */
    guint connections;
    guint turn;         /* of all servers: the how manieth to be connected to */
    gboolean reached;   /* a connection has come */
    gboolean requested; /* a request has come */
    gboolean closed;    /* a client has gone */
    Server *releases;   /* soon after the first answer of this one */
};

/* `mark` is what it sends behind the handshake. */
Server *server_new(Behaviour behaviour, char mark);
void server_free(Server *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Server, server_free)

/* Nobody can connect to it any more; and they can again, at the same port. */
void server_deafen(Server *server);
void server_listen(Server *server);

/* Answers those who wait in a HOLD, and all later ones, with this code of a reply. */
void server_release(Server *server, guint8 code);

/* These DST.ADDR and no others have been asked for, in this order; each may be NULL. */
void assert_asked(const Server *server, const char *first, const char *second);

/* A port at which nobody listens. */
guint16 closed_port(void);

#endif
