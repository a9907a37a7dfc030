/* Translations: the plugin's own catalogue, since libpurple's text domain is another.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_I18N_H
#define BS_I18N_H

#include <libintl.h>

/* The translation of `text`, static. */
#define _(text) dgettext(GETTEXT_PACKAGE, text)

#endif
