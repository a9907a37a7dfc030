/* libpurple's core for tests: a UI that shows nothing, on GLib's event loop, in a folder of its own.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_PURPLE_ENV_H
#define BS_TEST_PURPLE_ENV_H

#include <glib.h>

/* Starts the core once per process, in a new temporary user folder, without plugins. BS_TEST_DEBUG=1 in the
 * environment shows the debug window's lines on stderr. */
void bs_test_purple_start(void);

/* Ends the core and removes the folder. */
void bs_test_purple_stop(void);

/* The temporary folder, for a test's files; removed by bs_test_purple_stop(). */
const char *bs_test_folder(void);

/* From now on every timeout that libpurple's event loop is asked for comes `times` as early: deadlines of
 * minutes are reached in a test without waiting for them. 1 is real time. */
void bs_test_hurry(guint times);

/* Runs the event loop until `*condition` is TRUE; FALSE if that took longer than `seconds` (a hang, not a
 * measurement). */
gboolean bs_test_run_until(const gboolean *condition, guint seconds);

/* Runs the event loop for about so long, for things that must not happen. */
void bs_test_run_for(guint milliseconds);

#endif
