/* One stream over a proxy of ours: from the connection to the word of the proxy that it passes the bytes on
 * (XEP-0065, 6.3). SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_ACTIVATION_H
#define BS_ACTIVATION_H

#include <account.h>

#include "socks5/candidate.h"
#include "stanza/iq.h"

typedef struct _BsActivation BsActivation;

/* The stream, as both parties named it. */
typedef struct {
    const char *sid;
    const char *own_jid;  /* our full JID, as the requester */
    const char *peer_jid; /* the peer's full JID, as the target */
} BsStreamName;

/* The end, exactly once: `fd` is now the callee's, at the first byte of the file, and the proxy is active; or
 * -1, and `reason` says why not, as long as the call lasts. The activation may be freed inside. */
typedef void (*BsActivationDone)(BsActivation *activation, int fd, const char *reason, gpointer data);

/* Connects to `proxy` and has it activate the stream; all is copied but `link`, `account` and `id` (the
 * transfer's), which are borrowed and must outlive it. It takes 5 s at most to connect and 5 s more to be
 * activated. The callback never comes before the call returns. */
BsActivation *bs_activation_new(const char *id, BsIqLink *link, PurpleAccount *account,
                                const BsCandidate *proxy, const BsStreamName *stream, BsActivationDone done,
                                gpointer data);

/* Ends it at any moment, without a callback; closes what it had opened. NULL is allowed. */
void bs_activation_free(BsActivation *activation);

#endif
