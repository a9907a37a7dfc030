/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "purple_env.h"

#include <glib/gstdio.h>
#include <purple.h>
#include <signal.h>
#include <stdio.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

typedef struct {
    PurpleInputFunction function;
    gpointer data;
} Watch;

static char *folder;
static guint hurry = 1;

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
    return g_timeout_add((interval + hurry - 1) / hurry, function, data);
}

static guint
timeout_add_seconds(guint interval, GSourceFunc function, gpointer data)
{
    return hurry > 1 ? timeout_add(interval * 1000, function, data)
                     : g_timeout_add_seconds(interval, function, data);
}

static PurpleEventLoopUiOps event_loop_ops = {
    .timeout_add = timeout_add,
    .timeout_remove = g_source_remove,
    .input_add = watch_add,
    .input_remove = g_source_remove,
    .timeout_add_seconds = timeout_add_seconds,
};

static void
debug_print(PurpleDebugLevel level, const char *category, const char *text)
{
    (void)level;
    fprintf(stderr, "%s: %s", category != NULL ? category : "", text);
}

static gboolean
debug_is_enabled(PurpleDebugLevel level, const char *category)
{
    (void)level;
    (void)category;
    return g_getenv("BS_TEST_DEBUG") != NULL;
}

static PurpleDebugUiOps debug_ops = {.print = debug_print, .is_enabled = debug_is_enabled};
static PurpleCoreUiOps core_ops = {0};

/* The core asks GStreamer for microphones and cameras, whose plugins have threads that do not end. */
static void
hide_sound_and_pictures(void)
{
    g_autofree char *registry = g_build_filename(folder, "gstreamer", NULL);

    g_setenv("GST_PLUGIN_SYSTEM_PATH_1_0", "", TRUE);
    g_setenv("GST_REGISTRY", registry, TRUE);
}

/* What the core loses of its own at its start is no affair of ours. */
static gboolean
start_core(void)
{
    gboolean started;

#ifdef __SANITIZE_ADDRESS__
    __lsan_disable();
#endif
    started = purple_core_init("bytestreams-test");
#ifdef __SANITIZE_ADDRESS__
    __lsan_enable();
#endif
    return started;
}

void
bs_test_purple_start(void)
{
    if (folder != NULL)
        return;
    signal(SIGPIPE, SIG_IGN);
    folder = g_dir_make_tmp("bytestreams-test-XXXXXX", NULL);
    g_assert(folder != NULL);
    purple_util_set_user_dir(folder);
    hide_sound_and_pictures();
    purple_debug_set_ui_ops(&debug_ops);
    purple_core_set_ui_ops(&core_ops);
    purple_eventloop_set_ui_ops(&event_loop_ops);
    if (!start_core())
        g_error("libpurple's core does not start");
    /* No router of the network that the tests run in is asked for anything. */
    purple_prefs_set_bool("/purple/network/map_ports", FALSE);
}

static void
remove_tree(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR) && !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
            remove_tree(child);
        else
            g_remove(child);
    }
    if (dir != NULL)
        g_dir_close(dir);
    g_rmdir(path);
}

void
bs_test_purple_stop(void)
{
    if (folder == NULL)
        return;
    purple_core_quit();
    remove_tree(folder);
    g_clear_pointer(&folder, g_free);
}

const char *
bs_test_folder(void)
{
    return folder;
}

static gboolean
deadline_passed(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

void
bs_test_hurry(guint times)
{
    hurry = times;
}

gboolean
bs_test_run_until(const gboolean *condition, guint seconds)
{
    gboolean late = FALSE;
    guint timer = g_timeout_add_seconds(seconds, deadline_passed, &late);

    while (!*condition && !late)
        g_main_context_iteration(NULL, TRUE);
    if (!late)
        g_source_remove(timer);
    return *condition;
}

void
bs_test_run_for(guint milliseconds)
{
    gboolean late = FALSE;

    g_timeout_add(milliseconds, deadline_passed, &late);
    while (!late)
        g_main_context_iteration(NULL, TRUE);
}
