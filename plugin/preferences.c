/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preferences.h"

#include <pluginpref.h>
#include <prefs.h>

#include "i18n.h"

#define PREFERENCES "/plugins/core/bytestreams"
#define TELL_ADDRESSES PREFERENCES "/tell_addresses"
#define BENCH_SKIP_HASH PREFERENCES "/bench_skip_hash"

/* The default is everyone: it is always the user's own act that tells his addresses, and only to the person
 * whom he sends a file or whose file he accepts. He expects that such a file arrives, and quickly, also with
 * somebody whom he has not put into his list yet; without addresses it would creep through the chat
 * connection wherever there is no proxy. Who wants to be careful with strangers says so here. */
static const struct {
    const char *value;
    const char *label;
} tell_addresses[] = {
    [BS_TELL_EVERYONE] = {"everyone", N_("Everyone I exchange files with")},
    [BS_TELL_CONTACTS] = {"contacts", N_("Only contacts in my list")},
    [BS_TELL_NOBODY] = {"nobody", N_("Nobody")},
};

void
bs_preferences_register(void)
{
    purple_prefs_add_none("/plugins/core");
    purple_prefs_add_none(PREFERENCES);
    purple_prefs_add_string(TELL_ADDRESSES, tell_addresses[BS_TELL_EVERYONE].value);
    purple_prefs_add_bool(BENCH_SKIP_HASH, FALSE);
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

static PurplePluginPref *
note(const char *text)
{
    PurplePluginPref *pref = purple_plugin_pref_new_with_label(text);

    purple_plugin_pref_set_type(pref, PURPLE_PLUGIN_PREF_INFO);
    return pref;
}

static PurplePluginPrefFrame *
page_frame(PurplePlugin *plugin)
{
    PurplePluginPrefFrame *frame = purple_plugin_pref_frame_new();

    (void)plugin;
    purple_plugin_pref_frame_add(frame,
                                 purple_plugin_pref_new_with_label(_("Network addresses of this computer")));
    purple_plugin_pref_frame_add(frame, tell_addresses_choice());
    purple_plugin_pref_frame_add(
        frame,
        /* TRANSLATORS: Pidgin's window is narrow and does not wrap: lines of 45 characters at most. */
        note(_("Two computers that know each other's addresses\n"
               "connect directly, which is fastest. To all\n"
               "others files go through relays or the chat\n"
               "server. An account with a proxy of its own\n"
               "tells nobody an address.")));
    return frame;
}

PurplePluginUiInfo *
bs_preferences_page(void)
{
    static PurplePluginUiInfo page = {.get_plugin_pref_frame = page_frame};

    return &page;
}
