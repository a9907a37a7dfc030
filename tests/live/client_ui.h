/* The test client's user: the event loop, dialogs, conversations and errors of a UI without a screen. Every
 * dialog is reported as an event; what its user answers is set beforehand or told later.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_LIVE_CLIENT_UI_H
#define BS_LIVE_CLIENT_UI_H

#include <glib.h>

typedef enum {
    ANSWER_HOLD,    /* leave dialogs open until client_ui_answer() */
    ANSWER_ACCEPT,  /* say yes to every dialog, choose the first of a list, save under the proposed name */
    ANSWER_DECLINE, /* say no */
} Answer;

/* Before purple_core_init(): the event loop and the debug window. */
void client_ui_prepare(void);

/* The core's ui_init: everything else. */
void client_ui_init(void);

/* From now on every timeout of half a minute or more that is asked for comes `times` as early. */
void client_ui_hurry(guint times);

/* Whether the debug window is open, as it is from the beginning. */
void client_ui_open_debug(gboolean open);

/* Whether this UI has pictures in its dialogs. */
void client_ui_show_pictures(gboolean yes);

/* What the user answers from now on. Files are saved in `folder`; NULL leaves the folder as it was. */
void client_ui_set_answer(Answer answer, const char *folder);

/* Answers the open dialog `id`. `text`: the path for a file dialog (NULL: the proposed name in the folder),
 * the number of the option for a list of choices. FALSE if there is no such dialog. */
gboolean client_ui_answer(guint id, Answer answer, const char *text);

/* How many dialogs are open. */
guint client_ui_open_dialogs(void);

/* The folder in which files are saved. */
const char *client_ui_folder(void);

void client_ui_uninit(void);

#endif
