/* What our accounts announce that they can do, in service discovery and entity capabilities.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_FEATURES_H
#define BS_FEATURES_H

#include <plugin.h>

/* Announces `features` (NULL-terminated, static) for all XMPP accounts, through `prpl`. Contacts see it at
 * once. */
void bs_features_announce(PurplePlugin *prpl, const char *const *features);

/* Withdraws them, where libpurple lets us. */
void bs_features_withdraw(PurplePlugin *prpl, const char *const *features);

#endif
