/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preferences.h"

#include <core.h>
#include <pluginpref.h>
#include <prefs.h>

#include "i18n.h"

#define PREFERENCES "/plugins/core/bytestreams"
#define TELL_ADDRESSES PREFERENCES "/tell_addresses"
#define BENCH_SKIP_HASH PREFERENCES "/bench_skip_hash"
#define TRANSFERS_AT_ONCE PREFERENCES "/transfers_at_once"
#define SPEED_LIMIT PREFERENCES "/speed_limit"

#define AT_ONCE_DEFAULT 4
#define AT_ONCE_MAX 50
#define SPEED_MAX_KIB (1024 * 1024)

/* The default is everyone: it is always the user's own act that tells his addresses, and only to the person
 * whom he sends a file or whose file he accepts. He expects that such a file arrives, and quickly, also with
 * somebody whom he has not put into his list yet; without addresses it would creep through the chat
 * connection wherever there is no proxy. Who wants to be careful with strangers says so here. */
static const struct {
    const char *value;
    const char *label;
} tell_addresses[] = {
    [BS_TELL_EVERYONE] = {"everyone", N_("Everyone I share files with")},
    [BS_TELL_CONTACTS] = {"contacts", N_("Only contacts in my list")},
    [BS_TELL_NOBODY] = {"nobody", N_("Nobody")},
};

static void (*preferences_changed)(void); /* its address is the handle of our callback */

void
bs_preferences_register(void)
{
    purple_prefs_add_none("/plugins/core");
    purple_prefs_add_none(PREFERENCES);
    purple_prefs_add_string(TELL_ADDRESSES, tell_addresses[BS_TELL_EVERYONE].value);
    purple_prefs_add_int(TRANSFERS_AT_ONCE, AT_ONCE_DEFAULT);
    purple_prefs_add_int(SPEED_LIMIT, 0);
    purple_prefs_add_bool(BENCH_SKIP_HASH, FALSE);
}

/* Bounds on the page are only the spin button's. */
guint
bs_preferences_transfers_at_once(void)
{
    return (guint)CLAMP(purple_prefs_get_int(TRANSFERS_AT_ONCE), 1, AT_ONCE_MAX);
}

guint64
bs_preferences_speed_limit(void)
{
    return (guint64)CLAMP(purple_prefs_get_int(SPEED_LIMIT), 0, SPEED_MAX_KIB) * 1024;
}

static void
preference_changed(const char *name, PurplePrefType type, gconstpointer value, gpointer data)
{
    (void)name;
    (void)type;
    (void)value;
    (void)data;
    preferences_changed();
}

void
bs_preferences_watch(void (*changed)(void))
{
    purple_prefs_disconnect_by_handle(&preferences_changed);
    preferences_changed = changed;
    if (changed != NULL)
        purple_prefs_connect_callback(&preferences_changed, PREFERENCES, preference_changed, NULL);
}

gboolean
bs_preferences_hashes_files(void)
{
    return !purple_prefs_get_bool(BENCH_SKIP_HASH);
}

/* The list of preferences may have been edited by hand: what nobody knows is read in the most careful way. */
BsTellAddresses
bs_preferences_tell_addresses(void)
{
    const char *value = purple_prefs_get_string(TELL_ADDRESSES);

    for (gsize i = 0; i < G_N_ELEMENTS(tell_addresses); i++)
        if (g_strcmp0(value, tell_addresses[i].value) == 0)
            return (BsTellAddresses)i;
    return BS_TELL_NOBODY;
}

static PurplePluginPref *
tell_addresses_choice(void)
{
    PurplePluginPref *choice = purple_plugin_pref_new_with_name_and_label(TELL_ADDRESSES, _("Tell them to:"));

    purple_plugin_pref_set_type(choice, PURPLE_PLUGIN_PREF_CHOICE);
    for (gsize i = 0; i < G_N_ELEMENTS(tell_addresses); i++)
        purple_plugin_pref_add_choice(choice, _(tell_addresses[i].label), (gpointer)tell_addresses[i].value);
    return choice;
}

/* Finch shows headings only, and writes "Not implemented yet." beside other text. */
static PurplePluginPref *
note(const char *text)
{
    PurplePluginPref *pref = purple_plugin_pref_new_with_label(text);

    if (g_strcmp0(purple_core_get_ui(), "gnt-purple") != 0)
        purple_plugin_pref_set_type(pref, PURPLE_PLUGIN_PREF_INFO);
    return pref;
}

static PurplePluginPref *
number(const char *name, const char *label, int least, int most)
{
    PurplePluginPref *pref = purple_plugin_pref_new_with_name_and_label(name, label);

    purple_plugin_pref_set_bounds(pref, least, most);
    return pref;
}

/* Pidgin's window is 400 pixels wide, and all labels are as wide as the widest: what is longer than these, or
 * a choice longer than 29 characters, pushes what there is to choose out of sight. */
static PurplePluginPrefFrame *
page_frame(PurplePlugin *plugin)
{
    PurplePluginPrefFrame *frame = purple_plugin_pref_frame_new();

    (void)plugin;
    purple_plugin_pref_frame_add(frame,
                                 purple_plugin_pref_new_with_label(_("Network addresses of this computer")));
    purple_plugin_pref_frame_add(frame, tell_addresses_choice());
    purple_plugin_pref_frame_add(frame,
                                 /* TRANSLATORS: Pidgin's window is narrow and does not wrap: lines of 48
                                  * characters at most, labels of 15, choices of 29. */
                                 note(_("Two computers that know each other's addresses\n"
                                        "connect directly, which is fastest. To all the\n"
                                        "others, files go through relays or the chat\n"
                                        "server. An account with a proxy of its own\n"
                                        "tells nobody an address.")));
    purple_plugin_pref_frame_add(frame, purple_plugin_pref_new_with_label(_("Limits")));
    purple_plugin_pref_frame_add(frame, number(TRANSFERS_AT_ONCE, _("Files at once:"), 1, AT_ONCE_MAX));
    purple_plugin_pref_frame_add(frame, number(SPEED_LIMIT, _("Speed (KiB/s):"), 0, SPEED_MAX_KIB));
    purple_plugin_pref_frame_add(frame, note(_("The speed is that of all files together, in each\n"
                                               "direction; 0: no limit.")));
    return frame;
}

PurplePluginUiInfo *
bs_preferences_page(void)
{
    static PurplePluginUiInfo page = {.get_plugin_pref_frame = page_frame};

    return &page;
}
