/* libpurple's door: load and unload, nothing else.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#define PURPLE_PLUGINS
#include <glib.h>
#include <gmodule.h>
#include <plugin.h>
#include <version.h>

#include "host/notices.h"
#include "host/prpl_hooks.h"
#include "host/unfinished.h"
#include "i18n.h"
#include "log.h"
#include "preferences.h"
#include "socks5/port_mapping.h"
#include "worker.h"

#define PLUGIN_ID "core-bytestreams"

/* How long unloading waits for workers. One that a disk holds up for longer goes on by itself: it uses
 * nothing of libpurple's, and the module stays mapped. */
#define WORKERS_WAIT_MS 2000

/* Others may still call our functions after we were unloaded, and even after libpurple closed the module. */
static void
stay_mapped(const PurplePlugin *plugin)
{
    GModule *module = plugin->path != NULL ? g_module_open(plugin->path, G_MODULE_BIND_LOCAL) : NULL;

    if (module == NULL)
        return;
    g_module_make_resident(module);
    g_module_close(module);
}

static gboolean
plugin_load(PurplePlugin *plugin)
{
    stay_mapped(plugin);
    bs_preferences_register();
    return bs_prpl_hooks_install();
}

static gboolean
plugin_unload(PurplePlugin *plugin)
{
    (void)plugin;
    bs_unfinished_stop();
    bs_prpl_hooks_remove();
    bs_port_mapping_finish();
    if (bs_workers_wait(WORKERS_WAIT_MS) > 0)
        bs_log_warning(NULL, "a disk holds up what is left to do with a file");
    return TRUE;
}

static void
show_unfinished(PurplePluginAction *action)
{
    (void)action;
    bs_unfinished_show();
}

static GList *
actions(PurplePlugin *plugin, gpointer context)
{
    (void)plugin;
    (void)context;
    return g_list_append(NULL, purple_plugin_action_new(bs_notice_unfinished_menu(), show_unfinished));
}

static PurplePluginInfo info = {
    .magic = PURPLE_PLUGIN_MAGIC,
    .major_version = PURPLE_MAJOR_VERSION,
    .minor_version = PURPLE_MINOR_VERSION,
    .type = PURPLE_PLUGIN_STANDARD,
    .priority = PURPLE_PRIORITY_DEFAULT,
    .id = PLUGIN_ID,
    .version = PACKAGE_VERSION,
    .author = "The purple-bytestreams authors",
    .homepage = "",
    .load = plugin_load,
    .unload = plugin_unload,
    .actions = actions,
};

/* Who installs the plugin for himself alone has the translations beside it. */
static void
find_translations(const PurplePlugin *plugin)
{
    g_autofree char *folder = g_path_get_dirname(plugin->path != NULL ? plugin->path : "");
    g_autofree char *beside = g_build_filename(folder, "bytestreams-locale", NULL);

    bindtextdomain(GETTEXT_PACKAGE, g_file_test(beside, G_FILE_TEST_IS_DIR) ? beside : LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
}

static void
init_plugin(PurplePlugin *plugin)
{
    find_translations(plugin);
    info.prefs_info = bs_preferences_page();
    info.name = _("Bidirectional File Transfer");
    info.summary = _("Sends and receives files over XMPP, whichever of the two computers can be reached.");
    info.description =
        _("Takes over file transfer for XMPP accounts. Both sides try to connect to each other, so that "
          "a file arrives also when one of them is behind a firewall or a home router. Every file is "
          "checked for transmission errors before it gets its name.");
    /* libpurple frees the list when it closes the module. */
    info.dependencies = g_list_append(NULL, "prpl-jabber");
}

PURPLE_INIT_PLUGIN(bytestreams, init_plugin, info)
