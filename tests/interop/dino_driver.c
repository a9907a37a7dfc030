/* Runs inside Dino, as a plugin of it: gives it an account, accepts what is offered, sends what it is told
 * to. Commands come in lines, their words divided by tabs; what happens is told as lines of JSON.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "interop/dino_api.h"
#include "interop/dino_mends.h"
#include "live/client_report.h"

#include <unistd.h>

#define PROBES_MAX 60
#define PROBE_MS 500
#define LOOK_MS 50

typedef struct {
    GObject parent;
} Driver;

typedef struct {
    GObjectClass parent;
} DriverClass;

typedef struct {
    DinoConversation *to;
    GFile *file;
    guint probes;
} Sending;

static DinoFileManager *files;
static DinoConversationManager *conversations;
static DinoAccount *account;
static DinoFileTransfer *outgoing;

static void driver_root_init(gpointer interface, gpointer data);

G_DEFINE_TYPE_WITH_CODE(Driver, driver, G_TYPE_OBJECT,
                        G_IMPLEMENT_INTERFACE(dino_plugins_root_interface_get_type(), driver_root_init))

static void
driver_init(Driver *driver)
{
    (void)driver;
}

static void
driver_class_init(DriverClass *class)
{
    (void)class;
}

/* Where the server is, and whom to trust */

static void
look_up_service(GResolver *resolver, const char *name, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(resolver, cancellable, callback, data);

    if (g_str_has_prefix(name, "_xmpps-client."))
        g_task_return_pointer(task,
                              g_srv_target_new(g_getenv("BS_DINO_SERVER"),
                                               (guint16)g_ascii_strtoull(g_getenv("BS_DINO_PORT"), NULL, 10),
                                               0, 0),
                              NULL);
    else
        g_task_return_new_error(task, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "there is no %s", name);
}

static GList *
looked_up_service(GResolver *resolver, GAsyncResult *result, GError **error)
{
    GSrvTarget *target = g_task_propagate_pointer(G_TASK(result), error);

    (void)resolver;
    return target != NULL ? g_list_append(NULL, target) : NULL;
}

static void
introduce_server(void)
{
    GResolverClass *class = G_RESOLVER_GET_CLASS(g_resolver_get_default());
    g_autoptr(GTlsDatabase) trusted = g_tls_file_database_new(g_getenv("BS_DINO_TRUSTED"), NULL);

    class->lookup_service_async = look_up_service;
    class->lookup_service_finish = looked_up_service;
    g_tls_backend_set_default_database(g_tls_backend_get_default(), trusted);
}

static void
add_account(DinoDatabase *database)
{
    XmppJid *jid = xmpp_jid_new(g_getenv("BS_DINO_JID"), NULL);
    DinoAccount *added = dino_entities_account_new(jid, "dino", g_getenv("BS_DINO_PASSWORD"), NULL);

    dino_entities_account_set_enabled(added, TRUE);
    dino_entities_account_persist(added, database);
    g_object_unref(added);
    xmpp_jid_unref(jid);
}

/* Dino finds proxies after it is online, and tells nobody. */
static gboolean
look_for_proxies(gpointer data)
{
    XmppStream *stream = data;
    g_autoptr(GObject) module =
        xmpp_xmpp_stream_get_module(stream, xmpp_xep_socks5_bytestreams_module_get_type(), g_object_ref,
                                    g_object_unref, xmpp_xep_socks5_bytestreams_module_IDENTITY);
    GeeArrayList *proxies = xmpp_xep_socks5_bytestreams_module_get_proxies(module, stream);
    gboolean found = gee_abstract_collection_get_size(proxies) > 0;

    g_object_unref(proxies);
    if (found)
        report("proxy", NULL);
    return !found;
}

static void
online(DinoStreamInteractor *interactor, DinoAccount *which, XmppStream *stream, gpointer data)
{
    g_autofree char *jid = xmpp_jid_to_string(dino_entities_account_get_full_jid(which));

    (void)interactor, (void)data;
    g_set_object(&account, which);
    g_timeout_add_full(G_PRIORITY_DEFAULT, LOOK_MS, look_for_proxies, g_object_ref(stream), g_object_unref);
    report("online", "jid", jid, NULL);
}

/* As a user does who clicks on a contact: whose conversation was never open is not heard. */
static DinoConversation *
talk(const char *with)
{
    const int type = DINO_CONVERSATION_CHAT;
    XmppJid *jid = xmpp_jid_new(with, NULL);
    DinoConversation *one = dino_conversation_manager_create_conversation(conversations, jid, account, &type);

    dino_conversation_manager_start_conversation(conversations, one);
    xmpp_jid_unref(jid);
    return one;
}

/* Sending */

static void probe(Sending *sending);

static void
sending_free(Sending *sending)
{
    g_object_unref(sending->to);
    g_object_unref(sending->file);
    g_free(sending);
}

static int
state_of(DinoFileTransfer *transfer)
{
    int state;

    g_object_get(transfer, "state", &state, NULL);
    return state;
}

static void
sent(GObject *source, GAsyncResult *result, gpointer data)
{
    (void)data;
    dino_file_manager_send_file_finish((DinoFileManager *)source, result);
    if (outgoing == NULL || state_of(outgoing) == DINO_TRANSFER_FAILED)
        report("failed", "why", "it could not be sent", NULL);
    else
        report("completed", NULL);
}

static gboolean
probe_again(gpointer data)
{
    probe(data);
    return G_SOURCE_REMOVE;
}

static void
probed(GObject *source, GAsyncResult *result, gpointer data)
{
    Sending *sending = data;

    if (dino_file_manager_is_upload_available_finish((DinoFileManager *)source, result)) {
        dino_file_manager_send_file(files, sending->file, sending->to, sent, NULL);
        sending_free(sending);
    } else if (++sending->probes < PROBES_MAX) {
        g_timeout_add(PROBE_MS, probe_again, sending);
    } else {
        report("failed", "why", "Dino offers no files to this peer", NULL);
        sending_free(sending);
    }
}

/* Dino knows nothing of a contact's client before it has its presence. */
static void
probe(Sending *sending)
{
    dino_file_manager_is_upload_available(files, sending->to, probed, sending);
}

static void
send_file(const char *to, const char *path)
{
    Sending *sending = g_new0(Sending, 1);

    sending->to = talk(to);
    sending->file = g_file_new_for_path(path);
    probe(sending);
}

/* Receiving */

static void
changed(DinoFileTransfer *transfer, GParamSpec *property, gpointer data)
{
    int state = state_of(transfer);

    (void)property, (void)data;
    if (state == DINO_TRANSFER_FAILED) {
        report("failed", "why", "it could not be received", NULL);
    } else if (state == DINO_TRANSFER_COMPLETE) {
        g_autofree char *folder = dino_file_manager_get_storage_dir();
        g_autofree char *stored = NULL;
        g_autofree char *name = NULL;
        g_autofree char *path = NULL;

        g_object_get(transfer, "path", &stored, "file-name", &name, NULL);
        path = g_build_filename(folder, stored, NULL);
        report("completed", "name", name, "path", path, NULL);
    }
}

/* Dino accepts by itself what is not large and comes from a contact in its list. */
static void
new_transfer(DinoFileManager *manager, DinoFileTransfer *transfer, DinoConversation *conversation,
             gpointer data)
{
    g_autofree char *name = NULL;
    gboolean ours;

    (void)manager, (void)conversation, (void)data;
    g_object_get(transfer, "direction", &ours, "file-name", &name, NULL);
    if (ours) {
        g_set_object(&outgoing, transfer);
        return;
    }
    report("offered", "name", name, NULL);
    g_signal_connect(transfer, "notify::state", G_CALLBACK(changed), NULL);
}

/* What it is told */

static void
obey(char *const *words, guint count)
{
    if (count == 2 && g_str_equal(words[0], "talk"))
        g_object_unref(talk(words[1]));
    else if (count == 3 && g_str_equal(words[0], "send"))
        send_file(words[1], words[2]);
    else if (count == 1 && g_str_equal(words[0], "quit"))
        g_application_quit(g_application_get_default());
    else
        report("refused", "command", words[0], NULL);
}

static gboolean
told(GIOChannel *input, GIOCondition condition, gpointer data)
{
    (void)condition, (void)data;
    do {
        g_autofree char *line = NULL;
        gsize end;

        if (g_io_channel_read_line(input, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL) {
            g_application_quit(g_application_get_default());
            return G_SOURCE_REMOVE;
        }
        line[end] = '\0';
        g_auto(GStrv) words = g_strsplit(line, "\t", -1);
        obey(words, g_strv_length(words));
    } while (g_io_channel_get_buffer_condition(input) & G_IO_IN);
    return G_SOURCE_CONTINUE;
}

static void
listen_to(int control)
{
    g_autoptr(GIOChannel) input = g_io_channel_unix_new(control);

    dup2(control, STDOUT_FILENO);
    g_io_add_watch(input, G_IO_IN | G_IO_HUP, told, NULL);
}

static void
registered(gpointer plugin, DinoApplication *application)
{
    DinoStreamInteractor *interactor = dino_application_get_stream_interactor(application);

    (void)plugin;
    files = dino_stream_interactor_get_module(interactor, dino_file_manager_get_type(), g_object_ref,
                                              g_object_unref, dino_file_manager_IDENTITY);
    conversations =
        dino_stream_interactor_get_module(interactor, dino_conversation_manager_get_type(), g_object_ref,
                                          g_object_unref, dino_conversation_manager_IDENTITY);
    introduce_server();
    mend(g_getenv("BS_DINO_MEND"), interactor);
    g_signal_connect(interactor, "stream-negotiated", G_CALLBACK(online), NULL);
    g_signal_connect(files, "received-file", G_CALLBACK(new_transfer), NULL);
    add_account(dino_application_get_db(application));
    listen_to((int)g_ascii_strtoll(g_getenv("BS_DINO_CONTROL"), NULL, 10));
}

static void
shut_down(gpointer plugin)
{
    (void)plugin;
}

static void
driver_root_init(gpointer interface, gpointer data)
{
    DinoRootInterface *root = interface;

    (void)data;
    root->registered = registered;
    root->shutdown = shut_down;
}

/* The name by which Dino finds it. */
G_MODULE_EXPORT GType register_plugin(gpointer module);

GType
register_plugin(gpointer module)
{
    (void)module;
    return driver_get_type();
}
