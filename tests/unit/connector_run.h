/* A connector and what it told.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_CONNECTOR_RUN_H
#define BS_TEST_CONNECTOR_RUN_H

#include "socks5/connector.h"

#include "scripted_server.h"

/* FIRST_DST and OTHER_DST. */
extern const char *const both_dsts[];

typedef struct {
    BsConnector *connector;
    gboolean frees_inside;
    gboolean told; /* something; to be reset by the test */
    guint connected;
    guint exhausted;
    int fd;
    char cid; /* its first letter */
} Run;

/* With a Run as their data. */
extern const BsConnectorEvents connector_events;

/* With `both_dsts`, or with others. */
Run *run_new(void);
Run *run_new_with(const char *const *dst_addrs);
void run_free(Run *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Run, run_free)

/* A direct candidate for the server, whose cid is its mark; or any one. */
void add(Run *run, const Server *server, guint32 priority);
void add_port(Run *run, BsCandidateType type, char cid, guint16 port, guint32 priority);

void wait_for(const gboolean *condition);
void wait_for_exhausted(Run *run);

/* ... to the server with this mark, whose first byte behind the handshake is still there to be read. */
void wait_for_connected(Run *run, const Server *server);

#endif
