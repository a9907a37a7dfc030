/* Dials a peer's candidates by priority, staggered, in parallel; the best one wins (XEP-0260, 2.3 and 4).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_CONNECTOR_H
#define BS_CONNECTOR_H

#include <account.h>

#include "socks5/candidate.h"

typedef struct _BsConnector BsConnector;

typedef struct {
    /* The best connection that came about: `fd` is now the callee's, at the first byte of the file;
     * `candidate` is the connector's and lives as long as the call. Every other attempt has been given up.
     * The connector does nothing more; it may be freed inside. */
    void (*connected)(BsConnector *connector, const BsCandidate *candidate, int fd, gpointer data);
    /* No candidate is left to try: all failed, or none that is left is good enough. May free the connector.
     * Comes again if candidates are added afterwards and fail as well. */
    void (*exhausted)(BsConnector *connector, gpointer data);
} BsConnectorEvents;

/* A connector that dials through the proxy settings of `account` (NULL: the global ones). It asks for the
 * first of `dst_addrs` (a NULL-terminated list of one or two, copied) and, from a host that refuses that one
 * or closes instead of an answer, for the second in a new connection; a proxy is only asked for the first.
 * `id` is the transfer's, copied. No event comes before the event loop runs again. */
BsConnector *bs_connector_new(const char *id, PurpleAccount *account, const char *const *dst_addrs,
                              const BsConnectorEvents *events, gpointer data);

/* Before it is started: who refuses a connection is dialled again, as it may not listen yet. */
void bs_connector_redial_refused(BsConnector *connector);

/* Tries `candidate` too (copied; one that bs_candidate_refusal() lets pass); at any moment. Attempts start
 * highest priority first, one each 200 ms or as soon as the one before has ended; proxies after all others,
 * 300 ms after the last of them began unless they have all ended. Each has the time that bs_attempt_new()
 * gives it. A connection that came about wins at once if none that is still left is better, otherwise after
 * at most 300 ms, or as soon as the better ones have been silent for 500 ms or twice the time that it took.
 * No more than BS_CANDIDATES_MAX are ever tried. */
void bs_connector_add(BsConnector *connector, const BsCandidate *candidate);

/* All have been added: begins (again). With none added `exhausted` follows at once. */
void bs_connector_start(BsConnector *connector);

/* Gives up every candidate whose priority is not above `priority` (XEP-0260, 2.3: the peer's used candidate
 * beats it), also one that has connected and was waiting for a better one. */
void bs_connector_only_above(BsConnector *connector, guint32 priority);

/* In how many milliseconds all that are left will have had half a second for their connection: whoever has
 * another one need not wait longer for them. 0 if nothing is left. */
guint bs_connector_time_left(const BsConnector *connector);

/* Ends it at any moment, without an event; closes what it had opened. NULL is allowed. */
void bs_connector_free(BsConnector *connector);

#endif
