/* Keeps libpurple's own file transfer (XEP-0095, 0096) in-band where our addresses are not to be told: it
 * would open ports, tell every address of this machine, and dial whatever it is told past the account's own
 * proxy. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_SI_GUARD_H
#define BS_SI_GUARD_H

#include <glib.h>
#include <xmlnode.h>

typedef enum {
    BS_SI_HARMLESS,       /* as it was */
    BS_SI_IN_BAND,        /* it speaks of in-band bytestreams only, now */
    BS_SI_NO_STREAM_LEFT, /* an offer that knew no in-band bytestreams */
    BS_SI_ADDRESSES,      /* somebody's addresses, to be dialled or to dial */
} BsSiVerdict;

/* TRUE if `iq` may have to be restricted, where its peer must not learn addresses. */
gboolean bs_si_guard_concerns(const xmlnode *iq);

/* Takes SOCKS5 bytestreams out of `iq`, an offer or the answer to one, in whichever direction it goes. */
BsSiVerdict bs_si_guard_restrict(xmlnode *iq);

#endif
