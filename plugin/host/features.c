/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/features.h"

#include <gmodule.h>

#include "log.h"

/* Functions of libpurple's XMPP library that its plugin interface does not offer. */
typedef struct {
    void (*add)(const char *feature, gpointer is_enabled);
    void (*remove)(const char *feature);
    void (*broadcast)(void);
} Library;

/* libpurple announces these itself: they are not ours to withdraw. */
static const char *const own_of_libpurple[] = {
    "urn:xmpp:jingle:1",
    "urn:xmpp:bob",
    "http://jabber.org/protocol/bytestreams",
    "http://jabber.org/protocol/ibb",
    "http://jabber.org/protocol/si",
    "http://jabber.org/protocol/si/profile/file-transfer",
    NULL,
};

static gboolean
find_library(PurplePlugin *prpl, Library *library)
{
    return prpl->handle != NULL &&
           g_module_symbol(prpl->handle, "jabber_add_feature", (gpointer *)&library->add) &&
           g_module_symbol(prpl->handle, "jabber_remove_feature", (gpointer *)&library->remove) &&
           g_module_symbol(prpl->handle, "jabber_caps_broadcast_change", (gpointer *)&library->broadcast);
}

static gboolean
is_ours(const char *feature)
{
    return !g_strv_contains(own_of_libpurple, feature);
}

void
bs_features_announce(PurplePlugin *prpl, const char *const *features)
{
    Library library;
    gboolean found = find_library(prpl, &library);

    if (!found)
        bs_log(NULL, "libpurple's XMPP library is not as expected: features cannot be withdrawn later");
    for (; *features != NULL; features++) {
        if (!is_ours(*features))
            continue;
        if (found)
            library.add(*features, NULL);
        else
            purple_plugin_ipc_call(prpl, "add_feature", NULL, *features);
    }
    if (found)
        library.broadcast();
}

void
bs_features_withdraw(PurplePlugin *prpl, const char *const *features)
{
    Library library;

    if (!find_library(prpl, &library))
        return;
    for (; *features != NULL; features++) {
        if (is_ours(*features))
            library.remove(*features);
    }
    library.broadcast();
}
