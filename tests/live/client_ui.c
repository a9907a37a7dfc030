/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client_ui.h"

#include <purple.h>
#include <stdio.h>
#include <stdlib.h>

#include "client_report.h"

/* What nobody waits for in a test, if it says so. */
#define LONG_WAIT_MS 30000

typedef struct {
    guint id;
    PurpleRequestType type;
    char *file;                  /* the proposed name, in a dialog for files */
    PurpleRequestFields *fields; /* in a dialog with fields */
    guint actions;               /* how many buttons, in a dialog of buttons */
    GCallback callbacks[8];      /* of the buttons; otherwise: yes, no */
    int values[8];               /* of the choices */
    void *user_data;
    guint timer; /* the user is about to answer */
} Dialog;

typedef struct {
    PurpleInputFunction function;
    gpointer data;
} Watch;

static GHashTable *dialogs; /* id to Dialog, owned */
static guint last_id;
static Answer standing_answer = ANSWER_HOLD;
static char *save_folder;
static guint hurry = 1;
static gboolean debug_is_open = TRUE;

/* Event loop */

static gboolean
watch_ready(GIOChannel *channel, GIOCondition condition, gpointer data)
{
    Watch *watch = data;
    PurpleInputCondition purple_condition = 0;

    if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))
        purple_condition |= PURPLE_INPUT_READ;
    if (condition & (G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL))
        purple_condition |= PURPLE_INPUT_WRITE;
    watch->function(watch->data, g_io_channel_unix_get_fd(channel), purple_condition);
    return TRUE;
}

static guint
watch_add(int fd, PurpleInputCondition condition, PurpleInputFunction function, gpointer data)
{
    Watch *watch = g_new(Watch, 1);
    GIOCondition wanted = 0;
    GIOChannel *channel = g_io_channel_unix_new(fd);
    guint id;

    watch->function = function;
    watch->data = data;
    if (condition & PURPLE_INPUT_READ)
        wanted |= G_IO_IN | G_IO_HUP | G_IO_ERR;
    if (condition & PURPLE_INPUT_WRITE)
        wanted |= G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL;
    id = g_io_add_watch_full(channel, G_PRIORITY_DEFAULT, wanted, watch_ready, watch, g_free);
    g_io_channel_unref(channel);
    return id;
}

static guint
timeout_add(guint interval, GSourceFunc function, gpointer data)
{
    return g_timeout_add(interval >= LONG_WAIT_MS ? interval / hurry : interval, function, data);
}

static PurpleEventLoopUiOps event_loop_ops = {
    .timeout_add = timeout_add,
    .timeout_remove = g_source_remove,
    .input_add = watch_add,
    .input_remove = g_source_remove,
    .timeout_add_seconds = g_timeout_add_seconds,
};

/* Debug window: the plugin's own lines are events, all lines go to standard error */

static void
debug_print(PurpleDebugLevel level, const char *category, const char *text)
{
    (void)level;
    if (!debug_is_open)
        return;
    fprintf(stderr, "%s: %s", category != NULL ? category : "", text);
    if (g_strcmp0(category, "bytestreams") == 0) {
        g_autofree char *line = g_strchomp(g_strdup(text));

        report("debug", "text", line, NULL);
    }
}

static gboolean
debug_is_enabled(PurpleDebugLevel level, const char *category)
{
    (void)level;
    (void)category;
    return debug_is_open;
}

static PurpleDebugUiOps debug_ops = {.print = debug_print, .is_enabled = debug_is_enabled};

/* Dialogs */

static void
dialog_free(gpointer data)
{
    Dialog *dialog = data;

    if (dialog->timer != 0)
        g_source_remove(dialog->timer);
    g_free(dialog->file);
    g_free(dialog);
}

static Dialog *
dialog_new(PurpleRequestType type, void *user_data)
{
    Dialog *dialog = g_new0(Dialog, 1);

    dialog->id = ++last_id;
    dialog->type = type;
    dialog->user_data = user_data;
    g_hash_table_insert(dialogs, GUINT_TO_POINTER(dialog->id), dialog);
    return dialog;
}

static void
choose_in_fields(PurpleRequestFields *fields, int choice)
{
    for (GList *g = purple_request_fields_get_groups(fields); g != NULL; g = g->next) {
        for (GList *f = purple_request_field_group_get_fields(g->data); f != NULL; f = f->next) {
            if (purple_request_field_get_type(f->data) == PURPLE_REQUEST_FIELD_CHOICE)
                purple_request_field_choice_set_value(f->data, choice);
            else if (purple_request_field_get_type(f->data) == PURPLE_REQUEST_FIELD_BOOLEAN)
                purple_request_field_bool_set_value(f->data, TRUE);
        }
    }
}

static void
answer_action(Dialog *dialog, Answer answer, const char *text)
{
    guint button = answer == ANSWER_ACCEPT ? 0 : dialog->actions - 1;

    if (text != NULL)
        button = MIN((guint)atoi(text), dialog->actions - 1);
    if (dialog->callbacks[button] != NULL)
        ((PurpleRequestActionCb)dialog->callbacks[button])(dialog->user_data, (int)button);
}

static void
answer_file(Dialog *dialog, Answer answer, const char *text)
{
    g_autofree char *path = NULL;

    if (answer == ANSWER_ACCEPT) {
        g_autofree char *name =
            dialog->file != NULL ? g_path_get_basename(dialog->file) : g_strdup("unnamed");

        path = text != NULL ? g_strdup(text) : g_build_filename(save_folder, name, NULL);
        if (dialog->callbacks[0] != NULL)
            ((PurpleRequestFileCb)dialog->callbacks[0])(dialog->user_data, path);
    } else if (dialog->callbacks[1] != NULL) {
        ((PurpleRequestFileCb)dialog->callbacks[1])(dialog->user_data, NULL);
    }
}

static void
answer_dialog(Dialog *dialog, Answer answer, const char *text)
{
    gpointer handle = GUINT_TO_POINTER(dialog->id);
    PurpleRequestType type = dialog->type;
    GCallback callback = dialog->callbacks[answer == ANSWER_ACCEPT ? 0 : 1];
    int choice = text != NULL ? atoi(text) : 0;

    switch (type) {
    case PURPLE_REQUEST_ACTION:
        answer_action(dialog, answer, text);
        break;
    case PURPLE_REQUEST_FILE:
    case PURPLE_REQUEST_FOLDER:
        answer_file(dialog, answer, text);
        break;
    case PURPLE_REQUEST_FIELDS:
        if (answer == ANSWER_ACCEPT)
            choose_in_fields(dialog->fields, choice);
        if (callback != NULL)
            ((PurpleRequestFieldsCb)callback)(dialog->user_data, dialog->fields);
        break;
    case PURPLE_REQUEST_CHOICE:
        if (callback != NULL)
            ((PurpleRequestChoiceCb)callback)(dialog->user_data, dialog->values[CLAMP(choice, 0, 7)]);
        break;
    default:
        if (callback != NULL)
            ((PurpleRequestInputCb)callback)(dialog->user_data, text != NULL ? text : "");
        break;
    }
    if (g_hash_table_contains(dialogs, handle))
        purple_request_close(type, handle);
}

static gboolean
user_answers(gpointer data)
{
    Dialog *dialog = data;

    dialog->timer = 0;
    answer_dialog(dialog, standing_answer, NULL);
    return FALSE;
}

static void *
dialog_shown(Dialog *dialog, const char *kind, const char *title, const char *primary, const char *secondary,
             const char *who, const char *options)
{
    report("dialog", "#id", report_number(dialog->id), "kind", kind, "title", title, "primary", primary,
           "secondary", secondary, "who", who, "file", dialog->file, "options", options, NULL);
    if (standing_answer != ANSWER_HOLD)
        dialog->timer = g_timeout_add(0, user_answers, dialog);
    return GUINT_TO_POINTER(dialog->id);
}

static void *
request_input(const char *title, const char *primary, const char *secondary, const char *default_value,
              gboolean multiline, gboolean masked, gchar *hint, const char *ok_text, GCallback ok_cb,
              const char *cancel_text, GCallback cancel_cb, PurpleAccount *account, const char *who,
              PurpleConversation *conv, void *user_data)
{
    Dialog *dialog = dialog_new(PURPLE_REQUEST_INPUT, user_data);

    (void)default_value, (void)multiline, (void)masked, (void)hint, (void)ok_text, (void)cancel_text;
    (void)account, (void)conv;
    dialog->callbacks[0] = ok_cb;
    dialog->callbacks[1] = cancel_cb;
    return dialog_shown(dialog, "input", title, primary, secondary, who, NULL);
}

static void *
request_choice(const char *title, const char *primary, const char *secondary, int default_value,
               const char *ok_text, GCallback ok_cb, const char *cancel_text, GCallback cancel_cb,
               PurpleAccount *account, const char *who, PurpleConversation *conv, void *user_data,
               va_list choices)
{
    Dialog *dialog = dialog_new(PURPLE_REQUEST_CHOICE, user_data);
    g_autoptr(GString) options = g_string_new(NULL);
    const char *text;

    (void)default_value, (void)ok_text, (void)cancel_text, (void)account, (void)conv;
    dialog->callbacks[0] = ok_cb;
    dialog->callbacks[1] = cancel_cb;
    while ((text = va_arg(choices, const char *)) != NULL && dialog->actions < G_N_ELEMENTS(dialog->values)) {
        dialog->values[dialog->actions++] = va_arg(choices, int);
        g_string_append_printf(options, "%s\n", text);
    }
    return dialog_shown(dialog, "choice", title, primary, secondary, who, options->str);
}

static void *
request_action(const char *title, const char *primary, const char *secondary, int default_action,
               PurpleAccount *account, const char *who, PurpleConversation *conv, void *user_data,
               size_t action_count, va_list actions)
{
    Dialog *dialog = dialog_new(PURPLE_REQUEST_ACTION, user_data);
    g_autoptr(GString) options = g_string_new(NULL);

    (void)default_action, (void)account, (void)conv;
    for (size_t i = 0; i < MIN(action_count, G_N_ELEMENTS(dialog->callbacks)); i++) {
        g_string_append_printf(options, "%s\n", va_arg(actions, const char *));
        dialog->callbacks[dialog->actions++] = va_arg(actions, GCallback);
    }
    return dialog_shown(dialog, "action", title, primary, secondary, who, options->str);
}

static void *
request_action_with_icon(const char *title, const char *primary, const char *secondary, int default_action,
                         PurpleAccount *account, const char *who, PurpleConversation *conv,
                         gconstpointer icon_data, gsize icon_size, void *user_data, size_t action_count,
                         va_list actions)
{
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA1, icon_data, icon_size);

    report("icon", "sha1", sum, "#size", report_number((gint64)icon_size), NULL);
    return request_action(title, primary, secondary, default_action, account, who, conv, user_data,
                          action_count, actions);
}

static void *
request_fields(const char *title, const char *primary, const char *secondary, PurpleRequestFields *fields,
               const char *ok_text, GCallback ok_cb, const char *cancel_text, GCallback cancel_cb,
               PurpleAccount *account, const char *who, PurpleConversation *conv, void *user_data)
{
    Dialog *dialog = dialog_new(PURPLE_REQUEST_FIELDS, user_data);
    g_autoptr(GString) options = g_string_new(NULL);

    (void)ok_text, (void)cancel_text, (void)account, (void)conv;
    dialog->fields = fields;
    dialog->callbacks[0] = ok_cb;
    dialog->callbacks[1] = cancel_cb;
    for (GList *g = purple_request_fields_get_groups(fields); g != NULL; g = g->next) {
        for (GList *f = purple_request_field_group_get_fields(g->data); f != NULL; f = f->next) {
            if (purple_request_field_get_type(f->data) == PURPLE_REQUEST_FIELD_BOOLEAN)
                g_string_append_printf(options, "%s\n", purple_request_field_get_label(f->data));
            if (purple_request_field_get_type(f->data) != PURPLE_REQUEST_FIELD_CHOICE)
                continue;
            for (GList *l = purple_request_field_choice_get_labels(f->data); l != NULL; l = l->next)
                g_string_append_printf(options, "%s\n", (const char *)l->data);
        }
    }
    return dialog_shown(dialog, "fields", title, primary, secondary, who, options->str);
}

static void *
request_file(const char *title, const char *filename, gboolean savedialog, GCallback ok_cb,
             GCallback cancel_cb, PurpleAccount *account, const char *who, PurpleConversation *conv,
             void *user_data)
{
    Dialog *dialog = dialog_new(PURPLE_REQUEST_FILE, user_data);

    (void)account, (void)conv;
    dialog->file = g_strdup(filename);
    dialog->callbacks[0] = ok_cb;
    dialog->callbacks[1] = cancel_cb;
    return dialog_shown(dialog, savedialog ? "save" : "open", title, NULL, NULL, who, NULL);
}

static void *
request_folder(const char *title, const char *dirname, GCallback ok_cb, GCallback cancel_cb,
               PurpleAccount *account, const char *who, PurpleConversation *conv, void *user_data)
{
    Dialog *dialog = dialog_new(PURPLE_REQUEST_FOLDER, user_data);

    (void)dirname, (void)account, (void)conv;
    dialog->callbacks[0] = ok_cb;
    dialog->callbacks[1] = cancel_cb;
    return dialog_shown(dialog, "folder", title, NULL, NULL, who, NULL);
}

static void
close_request(PurpleRequestType type, void *ui_handle)
{
    Dialog *dialog = g_hash_table_lookup(dialogs, ui_handle);

    if (dialog == NULL)
        return;
    report("dialog-closed", "#id", report_number(dialog->id), NULL);
    if (type == PURPLE_REQUEST_FIELDS)
        purple_request_fields_destroy(dialog->fields);
    g_hash_table_remove(dialogs, ui_handle);
}

static PurpleRequestUiOps request_ops = {
    .request_input = request_input,
    .request_choice = request_choice,
    .request_action = request_action,
    .request_fields = request_fields,
    .request_file = request_file,
    .close_request = close_request,
    .request_folder = request_folder,
    .request_action_with_icon = request_action_with_icon,
};

void
client_ui_show_pictures(gboolean yes)
{
    request_ops.request_action_with_icon = yes ? request_action_with_icon : NULL;
}

/* Conversations, errors, connections */

static void
write_conv(PurpleConversation *conv, const char *name, const char *alias, const char *message,
           PurpleMessageFlags flags, time_t when)
{
    g_autofree char *text = purple_markup_strip_html(message);

    (void)alias, (void)when;
    report("line", "account", purple_account_get_username(purple_conversation_get_account(conv)), "who",
           purple_conversation_get_name(conv), "author", name, "text", text, "markup", message, "kind",
           flags & PURPLE_MESSAGE_ERROR    ? "error"
           : flags & PURPLE_MESSAGE_SYSTEM ? "system"
                                           : "message",
           NULL);
}

static PurpleConversationUiOps conversation_ops = {.write_conv = write_conv};

static void *
notify_message(PurpleNotifyMsgType type, const char *title, const char *primary, const char *secondary)
{
    report("notify", "kind",
           type == PURPLE_NOTIFY_MSG_ERROR     ? "error"
           : type == PURPLE_NOTIFY_MSG_WARNING ? "warning"
                                               : "info",
           "title", title, "primary", primary, "secondary", secondary, NULL);
    return NULL;
}

static PurpleNotifyUiOps notify_ops = {.notify_message = notify_message};

static void
report_disconnect(PurpleConnection *gc, PurpleConnectionError reason, const char *text)
{
    report("disconnected", "account", purple_account_get_username(purple_connection_get_account(gc)),
           "#reason", report_number(reason), "text", text, NULL);
}

static PurpleConnectionUiOps connection_ops = {.report_disconnect_reason = report_disconnect};

/* The outside */

void
client_ui_prepare(void)
{
    dialogs = g_hash_table_new_full(NULL, NULL, NULL, dialog_free);
    purple_debug_set_ui_ops(&debug_ops);
    purple_eventloop_set_ui_ops(&event_loop_ops);
}

void
client_ui_init(void)
{
    purple_request_set_ui_ops(&request_ops);
    purple_conversations_set_ui_ops(&conversation_ops);
    purple_notify_set_ui_ops(&notify_ops);
    purple_connections_set_ui_ops(&connection_ops);
}

void
client_ui_open_debug(gboolean open)
{
    debug_is_open = open;
}

void
client_ui_hurry(guint times)
{
    hurry = MAX(times, 1);
}

void
client_ui_set_answer(Answer answer, const char *folder)
{
    standing_answer = answer;
    if (folder != NULL) {
        g_free(save_folder);
        save_folder = g_strdup(folder);
    }
}

gboolean
client_ui_answer(guint id, Answer answer, const char *text)
{
    Dialog *dialog = g_hash_table_lookup(dialogs, GUINT_TO_POINTER(id));

    if (dialog == NULL)
        return FALSE;
    answer_dialog(dialog, answer, text);
    return TRUE;
}

guint
client_ui_open_dialogs(void)
{
    return g_hash_table_size(dialogs);
}

const char *
client_ui_folder(void)
{
    return save_folder;
}

void
client_ui_uninit(void)
{
    g_clear_pointer(&dialogs, g_hash_table_destroy);
    g_clear_pointer(&save_folder, g_free);
}
