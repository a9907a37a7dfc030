/* A plugin that puts its own send_file over the one that is there, as plugins for HTTP upload do, says so,
 * and passes on to it. SPDX-License-Identifier: GPL-2.0-or-later */
#include <purple.h>

static void (*below)(PurpleConnection *gc, const char *who, const char *filename);

static void
send_file(PurpleConnection *gc, const char *who, const char *filename)
{
    purple_notify_info(NULL, "overrider", who, filename);
    below(gc, who, filename);
}

static PurplePluginProtocolInfo *
jabber(void)
{
    return PURPLE_PLUGIN_PROTOCOL_INFO(purple_find_prpl("prpl-jabber"));
}

static gboolean
load(PurplePlugin *plugin)
{
    (void)plugin;
    below = jabber()->send_file;
    jabber()->send_file = send_file;
    return TRUE;
}

static gboolean
unload(PurplePlugin *plugin)
{
    (void)plugin;
    jabber()->send_file = below;
    return TRUE;
}

static PurplePluginInfo info = {
    .magic = PURPLE_PLUGIN_MAGIC,
    .major_version = PURPLE_MAJOR_VERSION,
    .minor_version = PURPLE_MINOR_VERSION,
    .type = PURPLE_PLUGIN_STANDARD,
    .priority = PURPLE_PRIORITY_DEFAULT,
    .id = "core-bytestreams-test-overrider",
    .name = "Overrider",
    .version = "1",
    .summary = "Stands over send_file",
    .description = "Stands over send_file",
    .author = "The tests",
    .load = load,
    .unload = unload,
};

static void
init_plugin(PurplePlugin *plugin)
{
    (void)plugin;
}

PURPLE_INIT_PLUGIN(overrider, init_plugin, info)
