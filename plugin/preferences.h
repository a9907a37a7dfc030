/* What the user can choose: the page in the plugins window, and a typed getter for each preference. All of
 * them stand under /plugins/core/bytestreams. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_PREFERENCES_H
#define BS_PREFERENCES_H

#include <plugin.h>

/* Who may learn this machine's addresses in the course of a transfer. */
typedef enum {
    BS_TELL_EVERYONE, /* with whom the user exchanges a file: by sending it, or by accepting it */
    BS_TELL_CONTACTS, /* of these only those in his contact list */
    BS_TELL_NOBODY,
} BsTellAddresses;

/* Makes the preferences known to libpurple, with their defaults; what the user has chosen before stays. May
 * be called again. They are kept when the plugin is unloaded. */
void bs_preferences_register(void);

/* The page, as libpurple's UIs show it; static. */
PurplePluginUiInfo *bs_preferences_page(void);

BsTellAddresses bs_preferences_tell_addresses(void);

/* How many transfers may run at once, 1 to 50. */
guint bs_preferences_transfers_at_once(void);

/* How fast files may move in each direction, in bytes a second; 0: as fast as they can. */
guint64 bs_preferences_speed_limit(void);

/* From now on `changed` is called whenever one of the preferences has been changed; NULL: none any more. */
void bs_preferences_watch(void (*changed)(void));

/* FALSE if files are neither hashed nor verified: a preference on no page ("bench_skip_hash"), for measuring
 * how fast they move. */
gboolean bs_preferences_hashes_files(void);

#endif
