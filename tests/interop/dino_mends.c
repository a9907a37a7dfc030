/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "interop/dino_mends.h"

/* Its way from SOCKS5 to in-band leads nowhere: it begins in-band where it knows nothing else. */
static void
without_socks5(DinoModuleManager *manager, DinoAccount *account, GeeArrayList *modules, gpointer data)
{
    (void)manager, (void)account, (void)data;
    for (int i = gee_abstract_collection_get_size(modules) - 1; i >= 0; i--) {
        g_autoptr(GObject) module = gee_abstract_list_get(modules, i);

        if (G_TYPE_CHECK_INSTANCE_TYPE(module, xmpp_xep_jingle_socks5_bytestreams_module_get_type()))
            g_object_unref(gee_abstract_list_remove_at(modules, i));
    }
}

void
mend(const char *names, DinoStreamInteractor *interactor)
{
    g_auto(GStrv) each = g_strsplit(names, ",", -1);

    if (g_strv_contains((const char *const *)each, "fallback"))
        g_signal_connect(interactor->module_manager, "initialize-account-modules", G_CALLBACK(without_socks5),
                         NULL);
}
