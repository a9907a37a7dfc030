/* The events of the test client: one JSON object in each line of standard output.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_LIVE_CLIENT_REPORT_H
#define BS_LIVE_CLIENT_REPORT_H

#include <glib.h>

/* Writes one event: its name, then keys and values as pairs of const char *, ended by NULL. A NULL value is
 * written as null; bytes that are not UTF-8 as "\udc80" to "\udcff", as Python's surrogateescape has them. A
 * key that begins with
 * "#" has a number (written without quotes, the "#" left out) or one of true and false as its value. */
void report(const char *event, ...) G_GNUC_NULL_TERMINATED;

/* A number as text, valid until the 16th call after this one. */
const char *report_number(gint64 number);

#endif
