/* Characters that do not show what they are, where somebody else's words are shown or become a name.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_CHARACTERS_H
#define BS_CHARACTERS_H

#include <glib.h>

/* TRUE for those that nobody sees, or that move, hide or break what stands around them: control and
 * formatting characters, other line ends, characters without ink and without width. White space counts as
 * seen. */
gboolean bs_character_is_hidden(gunichar character);

/* TRUE for those of the hidden ones that are part of how words and pictures are written: Persian and Indian
 * words, families of emoji. */
gboolean bs_character_joins(gunichar character);

#endif
