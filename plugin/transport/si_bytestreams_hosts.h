/* Which of our candidates a peer is told as streamhosts, and in which order: others try one after the other,
 * and most of them have little patience. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_SI_BYTESTREAMS_HOSTS_H
#define BS_SI_BYTESTREAMS_HOSTS_H

#include "socks5/candidate.h"
#include "transport/reach.h"

/* Psi looks at the first five only, and Smack shares out ten seconds among all. */
#define BS_SI_HOSTS_MAX 5

/* What is known of the way to the peer. */
typedef struct {
    BsReach reach;
    const char *outward; /* which of our addresses leads out of our network; NULL: not known */
    guint64 size;        /* what there is to send, in bytes; BS_SIZE_UNKNOWN: not known */
} BsSiHostsHints;

/* Sorts `hosts` (a GPtrArray of BsCandidate that frees them), the likeliest to work first, and drops those
 * that are too many, say the same as another, or help the fewest. Private addresses are told if the peer may
 * be in the same network: of several only the one that leads outward, as the others belong to virtual
 * machines and the like. They come before the proxies, unless the file is small and nothing speaks for the
 * same network: it would be over the proxy before the peer gives up a private address in vain. */
void bs_si_hosts_choose(GPtrArray *hosts, const BsSiHostsHints *hints);

/* TRUE if one of the first `count` hosts only counts in our own network. */
gboolean bs_si_hosts_have_near(const GPtrArray *hosts, guint count);

/* TRUE if this address (text) only counts in our own network. */
gboolean bs_si_host_is_near(const char *host);

#endif
