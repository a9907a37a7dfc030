/* Translations: the plugin's own catalogue, since libpurple's text domain is another.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_I18N_H
#define BS_I18N_H

#include <libintl.h>

/* The translation of `text`, static. */
#define _(text) dgettext(GETTEXT_PACKAGE, text)

/* Marks `text`, in a table, to be translated by _() where it is used. */
#define N_(text) text

#endif
