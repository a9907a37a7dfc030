/* Takes over libpurple's XMPP protocol: its file transfer functions, and the stanzas that are ours; and gives
 * them back. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PRPL_HOOKS_H
#define BS_PRPL_HOOKS_H

#include <glib.h>

/* FALSE if there is no XMPP protocol to take over. */
gboolean bs_prpl_hooks_install(void);

/* Ends every transfer, with a notice to the user, and gives everything back. A function over which another
 * plugin has put its own stays behind it, and from now on for good passes on to what was there before. */
void bs_prpl_hooks_remove(void);

#endif
