/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "characters.h"

typedef struct {
    gunichar first;
    gunichar last;
} Range;

/* What is neither a control nor a formatting character, and yet leaves no ink (Unicode's
 * Default_Ignorable_Code_Point, and an empty pattern of Braille). */
static const Range blanks[] = {
    {0x034F, 0x034F}, {0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x2800, 0x2800},
    {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFF8}, {0xE0000, 0xE0FFF},
};

gboolean
bs_character_is_hidden(gunichar character)
{
    switch (g_unichar_type(character)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SURROGATE:
        return TRUE;
    default:
        break;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(blanks); i++)
        if (character >= blanks[i].first && character <= blanks[i].last)
            return TRUE;
    return FALSE;
}

gboolean
bs_character_joins(gunichar character)
{
    return character == 0x200C || character == 0x200D || character == 0xFE0F;
}
