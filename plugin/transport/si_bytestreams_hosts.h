/* Which of our candidates a peer is told as streamhosts, and in which order: others try one after the other,
 * and most of them have little patience. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_SI_BYTESTREAMS_HOSTS_H
#define BS_SI_BYTESTREAMS_HOSTS_H

#include "socks5/candidate.h"

/* Psi looks at the first five only, and Smack shares out ten seconds among all. */
#define BS_SI_HOSTS_MAX 5

/* Sorts `hosts` (a GPtrArray of BsCandidate that frees them), the likeliest to work anywhere first and
 * proxies last, and drops those that are too many; among direct ones those that say the same as another or
 * help the fewest. A proxy keeps its place. */
void bs_si_hosts_choose(GPtrArray *hosts);

#endif
