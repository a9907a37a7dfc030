/* A libpurple client without a screen, for the live tests: takes commands from standard input and tells
 * events on standard output. It knows nothing of the plugin but the file it lies in.
 *
 * A command is a line of fields separated by tabs; in a field "\t", "\n" and "\\" stand for tab, newline and
 * backslash. Events: see client_report.h. A command that cannot be done is answered by the event "refused".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <locale.h>
#include <netinet/in.h>
#include <purple.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client_report.h"
#include "client_ui.h"
#include "client_xfers.h"

#define UI_NAME "bytestreams-client"

typedef struct {
    const char *name;
    guint fields; /* at least so many after the name */
    gboolean (*run)(char **fields);
} Command;

static GMainLoop *loop;
static gboolean own_io;
static GString *input;

static guint
open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    guint count = 0;

    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}

static PurpleAccount *
find_account(const char *jid)
{
    return purple_accounts_find(jid, "prpl-jabber");
}

static PurpleConnection *
find_connection(const char *jid)
{
    PurpleAccount *account = find_account(jid);

    return account != NULL && purple_account_is_connected(account) ? purple_account_get_connection(account)
                                                                   : NULL;
}

/* Commands */

/* account JID PASSWORD HOST PORT [PROXIES]: a new account; the JID has a resource */
static gboolean
do_account(char **fields)
{
    PurpleAccount *account = find_account(fields[0]);

    /* One that was killed and is started again may have saved it. */
    if (account == NULL) {
        account = purple_account_new(fields[0], "prpl-jabber");
        purple_accounts_add(account);
    }
    purple_account_set_password(account, fields[1]);
    purple_account_set_remember_password(account, TRUE);
    purple_account_set_string(account, "connect_server", fields[2]);
    purple_account_set_int(account, "port", atoi(fields[3]));
    purple_account_set_string(account, "connection_security", "opportunistic_tls");
    purple_account_set_bool(account, "auth_plain_in_clear", TRUE);
    if (fields[4] != NULL)
        purple_account_set_string(account, "ft_proxies", fields[4]);
    purple_account_set_enabled(account, UI_NAME, TRUE);
    return TRUE;
}

/* Ends every TCP connection but those to this port, which the other ends notice too. */
static gboolean
do_cut(char **fields)
{
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_storage address = {0};
        socklen_t length = sizeof address;
        int port;

        if (getpeername(fd, (struct sockaddr *)&address, &length) < 0)
            continue;
        if (address.ss_family == AF_INET)
            port = ntohs(((struct sockaddr_in *)&address)->sin_port);
        else if (address.ss_family == AF_INET6)
            port = ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
        else
            continue;
        if (port != atoi(fields[0]))
            shutdown(fd, SHUT_RDWR);
    }
    return TRUE;
}

static gboolean
do_sign_on(char **fields)
{
    PurpleAccount *account = find_account(fields[0]);

    if (account == NULL)
        return FALSE;
    purple_account_connect(account);
    return TRUE;
}

static gboolean
do_sign_off(char **fields)
{
    PurpleAccount *account = find_account(fields[0]);

    if (account == NULL)
        return FALSE;
    purple_account_disconnect(account);
    return TRUE;
}

/* load FILE, unload FILE: a plugin, as the plugin dialog does */
static gboolean
do_load(char **fields)
{
    PurplePlugin *plugin = purple_plugin_probe(fields[0]);

    if (plugin == NULL || plugin->unloadable || !purple_plugin_load(plugin)) {
        report("load-failed", "file", fields[0], "text", plugin != NULL ? plugin->error : NULL, NULL);
        return FALSE;
    }
    report("loaded", "file", fields[0], "id", purple_plugin_get_id(plugin), "name",
           purple_plugin_get_name(plugin), NULL);
    return TRUE;
}

static gboolean
do_unload(char **fields)
{
    PurplePlugin *plugin = purple_plugins_find_with_filename(fields[0]);

    if (plugin == NULL || !purple_plugin_unload(plugin))
        return FALSE;
    report("unloaded", "file", fields[0], NULL);
    return TRUE;
}

/* talk ACCOUNT WHO: opens a conversation window */
static gboolean
do_talk(char **fields)
{
    PurpleAccount *account = find_account(fields[0]);

    if (account == NULL)
        return FALSE;
    purple_conversation_new(PURPLE_CONV_TYPE_IM, account, fields[1]);
    return TRUE;
}

/* send ACCOUNT WHO PATH */
static gboolean
do_send(char **fields)
{
    PurpleConnection *gc = find_connection(fields[0]);

    if (gc == NULL)
        return FALSE;
    client_xfers_send(gc, fields[1], fields[2]);
    return TRUE;
}

/* join ACCOUNT ROOM SERVICE NICK: enters a chat room, which is made if it is not there */
static gboolean
do_join(char **fields)
{
    PurpleConnection *gc = find_connection(fields[0]);
    g_autoptr(GHashTable) components = g_hash_table_new(g_str_hash, g_str_equal);

    if (gc == NULL)
        return FALSE;
    g_hash_table_insert(components, "room", fields[1]);
    g_hash_table_insert(components, "server", fields[2]);
    g_hash_table_insert(components, "handle", fields[3]);
    serv_join_chat(gc, components);
    return TRUE;
}

/* say ACCOUNT WHO TEXT: a chat message */
static gboolean
do_say(char **fields)
{
    PurpleConnection *gc = find_connection(fields[0]);

    if (gc == NULL)
        return FALSE;
    serv_send_im(gc, fields[1], fields[2], 0);
    return TRUE;
}

/* can-send ACCOUNT WHO: what the menu of a contact asks; answered by the event "can-send" */
static gboolean
do_can_send(char **fields)
{
    PurpleConnection *gc = find_connection(fields[0]);
    PurplePluginProtocolInfo *info;

    if (gc == NULL)
        return FALSE;
    info = PURPLE_PLUGIN_PROTOCOL_INFO(purple_connection_get_prpl(gc));
    report("can-send", "who", fields[1], "#yes",
           info->can_receive_file == NULL || info->can_receive_file(gc, fields[1]) ? "true" : "false", NULL);
    return TRUE;
}

/* contact-has ACCOUNT FULL-JID FEATURE: what libpurple knows of a contact; answered by the event
 * "contact-has" */
static gboolean
do_contact_has(char **fields)
{
    PurplePlugin *jabber = purple_find_prpl("prpl-jabber");
    PurpleAccount *account = find_account(fields[0]);
    gboolean known = FALSE;
    gpointer has;

    if (account == NULL)
        return FALSE;
    has = purple_plugin_ipc_call(jabber, "contact_has_feature", &known, account, fields[1], fields[2]);
    report("contact-has", "who", fields[1], "feature", fields[2], "#yes",
           known && GPOINTER_TO_INT(has) ? "true" : "false", NULL);
    return TRUE;
}

static gboolean
read_answer(const char *text, Answer *answer)
{
    if (strcmp(text, "accept") == 0)
        *answer = ANSWER_ACCEPT;
    else if (strcmp(text, "decline") == 0)
        *answer = ANSWER_DECLINE;
    else if (strcmp(text, "hold") == 0)
        *answer = ANSWER_HOLD;
    else
        return FALSE;
    return TRUE;
}

/* always accept|decline|hold [FOLDER]: what the user answers from now on */
static gboolean
do_always(char **fields)
{
    Answer answer;

    if (!read_answer(fields[0], &answer))
        return FALSE;
    client_ui_set_answer(answer, fields[1]);
    return TRUE;
}

/* answer DIALOG accept|decline [TEXT]: see client_ui_answer() */
static gboolean
do_answer(char **fields)
{
    Answer answer;

    return read_answer(fields[1], &answer) && answer != ANSWER_HOLD &&
           client_ui_answer((guint)atoi(fields[0]), answer, fields[2]);
}

/* cancel TRANSFER: in vain if it has ended meanwhile, as for a user who is too slow */
static gboolean
do_cancel(char **fields)
{
    if (!client_xfers_cancel((guint)atoi(fields[0])))
        report("too-late", "transfer", fields[0], NULL);
    return TRUE;
}

/* thumbnails yes|no: whether this UI makes and shows them */
static gboolean
do_thumbnails(char **fields)
{
    client_xfers_make_thumbnails(strcmp(fields[0], "yes") == 0);
    client_ui_show_pictures(strcmp(fields[0], "yes") == 0);
    return TRUE;
}

/* pref NAME int|bool|string VALUE */
static gboolean
do_pref(char **fields)
{
    if (!purple_prefs_exists(fields[0]))
        return FALSE;
    if (strcmp(fields[1], "int") == 0)
        purple_prefs_set_int(fields[0], atoi(fields[2]));
    else if (strcmp(fields[1], "bool") == 0)
        purple_prefs_set_bool(fields[0], atoi(fields[2]) != 0);
    else
        purple_prefs_set_string(fields[0], fields[2]);
    return TRUE;
}

/* proxy ACCOUNT none|socks5|http|tor HOST PORT */
static gboolean
do_proxy(char **fields)
{
    PurpleAccount *account = find_account(fields[0]);
    PurpleProxyInfo *info;

    if (account == NULL)
        return FALSE;
    info = purple_proxy_info_new();
    purple_proxy_info_set_type(info, strcmp(fields[1], "socks5") == 0 ? PURPLE_PROXY_SOCKS5
                                     : strcmp(fields[1], "http") == 0 ? PURPLE_PROXY_HTTP
                                     : strcmp(fields[1], "tor") == 0  ? PURPLE_PROXY_TOR
                                                                      : PURPLE_PROXY_NONE);
    purple_proxy_info_set_host(info, fields[2]);
    purple_proxy_info_set_port(info, atoi(fields[3]));
    purple_account_set_proxy_info(account, info);
    return TRUE;
}

/* state TOKEN: answered by the event "state" */
static gboolean
do_state(char **fields)
{
    client_xfers_report_left();
    report("state", "token", fields[0], "#xfers", report_number(client_xfers_count()), "#dialogs",
           report_number(client_ui_open_dialogs()), "#descriptors", report_number(open_descriptors()), NULL);
    return TRUE;
}

/* What passes between two calls of poll() is spent in callbacks: the longest time, in microseconds. */
static gint64 longest_hold;
static gint64 longest_hold_cpu; /* the same, of the processor's time */

static gint64
cpu_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gint
watched_poll(GPollFD *fds, guint count, gint timeout)
{
    static gint64 woke;
    static gint64 woke_cpu;
    gint ready;

    if (woke != 0) {
        longest_hold = MAX(longest_hold, g_get_monotonic_time() - woke);
        longest_hold_cpu = MAX(longest_hold_cpu, cpu_time() - woke_cpu);
    }
    ready = g_poll(fds, count, timeout);
    woke = g_get_monotonic_time();
    woke_cpu = cpu_time();
    return ready;
}

/* held TOKEN: how long the event loop was held at most since this was last asked; answered by the event
 * "held" */
static gboolean
do_held(char **fields)
{
    report("held", "token", fields[0], "#us", report_number(longest_hold), "#cpu_us",
           report_number(longest_hold_cpu), NULL);
    longest_hold = longest_hold_cpu = 0;
    return TRUE;
}

/* What a plugin has put into the menu under this label. */
static gboolean
do_menu(char **fields)
{
    for (GList *item = purple_plugins_get_loaded(); item != NULL; item = item->next) {
        PurplePlugin *plugin = item->data;
        GList *actions = PURPLE_PLUGIN_HAS_ACTIONS(plugin) ? PURPLE_PLUGIN_ACTIONS(plugin, NULL) : NULL;
        gboolean found = FALSE;

        for (; actions != NULL; actions = g_list_delete_link(actions, actions)) {
            PurplePluginAction *action = actions->data;

            action->plugin = plugin;
            if (!found && strcmp(action->label, fields[0]) == 0) {
                found = TRUE;
                action->callback(action);
            }
            purple_plugin_action_free(action);
        }
        if (found)
            return TRUE;
    }
    return FALSE;
}

static gboolean
do_quit(char **fields)
{
    (void)fields;
    g_main_loop_quit(loop);
    return TRUE;
}

static gboolean
do_hurry(char **fields)
{
    client_ui_hurry((guint)g_ascii_strtoull(fields[0], NULL, 10));
    return TRUE;
}

/* debug 0|1: whether lines of the debug window are told */
static gboolean
do_debug(char **fields)
{
    client_ui_open_debug(fields[0][0] != '0');
    return TRUE;
}

static const Command commands[] = {
    {"account", 4, do_account},
    {"sign-on", 1, do_sign_on},
    {"sign-off", 1, do_sign_off},
    {"load", 1, do_load},
    {"unload", 1, do_unload},
    {"talk", 2, do_talk},
    {"send", 3, do_send},
    {"can-send", 2, do_can_send},
    {"contact-has", 3, do_contact_has},
    {"always", 1, do_always},
    {"answer", 2, do_answer},
    {"cancel", 1, do_cancel},
    {"pref", 3, do_pref},
    {"proxy", 4, do_proxy},
    {"state", 1, do_state},
    {"say", 3, do_say},
    {"join", 4, do_join},
    {"held", 1, do_held},
    {"quit", 0, do_quit},
    {"thumbnails", 1, do_thumbnails},
    {"cut", 1, do_cut},
    {"menu", 1, do_menu},
    {"hurry", 1, do_hurry},
    {"debug", 1, do_debug},
};

static void
run_line(const char *line)
{
    g_auto(GStrv) fields = g_strsplit(line, "\t", -1);
    guint count = g_strv_length(fields);

    for (guint i = 0; i < count; i++) {
        char *plain = g_strcompress(fields[i]);

        g_free(fields[i]);
        fields[i] = plain;
    }
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (count > commands[i].fields && strcmp(fields[0], commands[i].name) == 0) {
            if (!commands[i].run(fields + 1))
                report("refused", "command", line, NULL);
            return;
        }
    }
    report("refused", "command", line, NULL);
}

static void
input_ready(gpointer data, gint fd, PurpleInputCondition condition)
{
    char buffer[4096];
    gssize got = read(fd, buffer, sizeof buffer);
    char *end;

    (void)data, (void)condition;
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) {
        g_main_loop_quit(loop);
        return;
    }
    g_string_append_len(input, buffer, got);
    while ((end = strchr(input->str, '\n')) != NULL) {
        g_autofree char *line = g_strndup(input->str, (gsize)(end - input->str));

        g_string_erase(input, 0, end - input->str + 1);
        run_line(line);
    }
}

/* Accounts' events */

static void
signed_on(PurpleConnection *gc, gpointer data)
{
    (void)data;
    report("online", "account", purple_account_get_username(purple_connection_get_account(gc)), "jid",
           purple_connection_get_display_name(gc), NULL);
}

static void
signed_off(PurpleConnection *gc, gpointer data)
{
    (void)data;
    report("offline", "account", purple_account_get_username(purple_connection_get_account(gc)), NULL);
}

static void
buddy_came(PurpleBuddy *buddy, gpointer data)
{
    report(data, "account", purple_account_get_username(purple_buddy_get_account(buddy)), "who",
           purple_buddy_get_name(buddy), NULL);
}

static void
occupant_came(PurpleConversation *room, const char *nick, PurpleConvChatBuddyFlags flags, gboolean arrived,
              gpointer data)
{
    (void)flags, (void)arrived, (void)data;
    report("occupant", "account", purple_account_get_username(purple_conversation_get_account(room)), "room",
           purple_conversation_get_name(room), "nick", nick, NULL);
}

static void
start_ui(void)
{
    client_ui_init();
    client_xfers_init(own_io);
}

static PurpleCoreUiOps core_ops = {.ui_init = start_ui};

static void
start_purple(const char *folder)
{
    static int handle;
    PurpleSavedStatus *status;

    purple_util_set_user_dir(folder);
    client_ui_prepare();
    purple_core_set_ui_ops(&core_ops);
    if (!purple_core_init(UI_NAME))
        g_error("libpurple's core does not start");
    purple_set_blist(purple_blist_new());
    purple_blist_load();
    purple_prefs_load();
    purple_prefs_set_bool("/purple/network/auto_ip", FALSE);
    purple_prefs_set_bool("/purple/network/map_ports", FALSE);
    purple_prefs_set_bool("/purple/logging/log_ims", FALSE);
    /* With a server of that kind known, accounts do not ask the DNS for one. */
    purple_network_set_stun_server("127.0.0.1");
    purple_prefs_set_string("/purple/away/idle_reporting", "none");
    status = purple_savedstatus_new(NULL, PURPLE_STATUS_AVAILABLE);
    purple_savedstatus_activate(status);
    purple_signal_connect(purple_connections_get_handle(), "signed-on", &handle, PURPLE_CALLBACK(signed_on),
                          NULL);
    purple_signal_connect(purple_connections_get_handle(), "signed-off", &handle, PURPLE_CALLBACK(signed_off),
                          NULL);
    purple_signal_connect(purple_blist_get_handle(), "buddy-signed-on", &handle, PURPLE_CALLBACK(buddy_came),
                          "buddy-online");
    purple_signal_connect(purple_blist_get_handle(), "buddy-signed-off", &handle, PURPLE_CALLBACK(buddy_came),
                          "buddy-offline");
    purple_signal_connect(purple_conversations_get_handle(), "chat-buddy-joined", &handle,
                          PURPLE_CALLBACK(occupant_came), NULL);
}

/* Everything ends as when a user quits; what is left over is told. */
static guint
stop_purple(guint descriptors_before)
{
    guint xfers;

    purple_connections_disconnect_all();
    while (g_main_context_pending(NULL))
        g_main_context_iteration(NULL, FALSE);
    xfers = client_xfers_count();
    client_xfers_report_left();
    purple_core_quit();
    report("end", "#xfers", report_number(xfers), "#descriptors",
           report_number((gint64)open_descriptors() - descriptors_before), NULL);
    client_ui_uninit();
    return xfers;
}

int
main(int argc, char **argv)
{
    guint descriptors = open_descriptors();
    guint watch;

    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "--own-io") != 0)) {
        g_printerr("usage: %s FOLDER [--own-io]\n", argv[0]);
        return 2;
    }
    setlocale(LC_ALL, "");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    own_io = argc == 3;
    input = g_string_new(NULL);
    loop = g_main_loop_new(NULL, FALSE);
    g_main_context_set_poll_func(NULL, watched_poll);
    start_purple(argv[1]);
    watch = purple_input_add(STDIN_FILENO, PURPLE_INPUT_READ, input_ready, NULL);
    report("ready", NULL);
    g_main_loop_run(loop);
    purple_input_remove(watch);
    stop_purple(descriptors);
    g_main_loop_unref(loop);
    g_string_free(input, TRUE);
    return 0;
}
