/* One candidate being dialled: connection and handshake, with a deadline over both. The connector runs
 * several. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_ATTEMPT_H
#define BS_ATTEMPT_H

#include <account.h>

#include "socks5/candidate.h"

typedef struct _BsAttempt BsAttempt;

/* The end, exactly once: `fd` is now the callee's, at the first byte of the file, or -1 if the attempt
 * failed. The attempt may be freed inside. */
typedef void (*BsAttemptDone)(BsAttempt *attempt, int fd, gpointer data);

/* Dials `candidate`, one that bs_candidate_refusal() lets pass, through the proxy settings of `account`, and
 * asks for the first of `dst_addrs` (NULL-terminated). If the host refuses that one, or closes instead of an
 * answer, asks in a new connection for the next; never so with a proxy, which takes whatever it is asked for.
 * Both are borrowed and must outlive the attempt, as must `id`, the transfer's. It has 5 s, less
 * at a private address, more through the user's own proxy. The callback never comes before the call returns.
 * NULL if libpurple would not dial anything at all with these proxy settings. */
BsAttempt *bs_attempt_new(const char *id, PurpleAccount *account, const BsCandidate *candidate,
                          const char *const *dst_addrs, BsAttemptDone done, gpointer data);

/* Inside the callback of one that failed: nobody listened there. */
gboolean bs_attempt_was_refused(const BsAttempt *attempt);

/* Ends it at any moment, without a callback; closes what it had opened. NULL is allowed. */
void bs_attempt_free(BsAttempt *attempt);

#endif
