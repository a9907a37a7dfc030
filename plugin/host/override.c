/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/override.h"

/* The slot of the function that is in `place` now, or the first free one; BS_OVERRIDE_SLOTS if there is none.
 */
static guint
find_slot(const BsOverride *override, gpointer current)
{
    guint slot;

    for (slot = 0; slot < BS_OVERRIDE_SLOTS; slot++)
        if (override->ours[slot] == current)
            return slot;
    for (slot = 0; slot < BS_OVERRIDE_SLOTS; slot++)
        if (!override->used[slot])
            return slot;
    return slot;
}

gboolean
bs_override_take(BsOverride *override, gpointer *place)
{
    guint slot = find_slot(override, *place);

    if (slot == BS_OVERRIDE_SLOTS)
        return FALSE;
    if (*place != override->ours[slot]) {
        override->saved[slot] = *place;
        *place = override->ours[slot];
    }
    override->used[slot] = TRUE;
    override->slot = slot;
    override->active = TRUE;
    return TRUE;
}

void
bs_override_give_back(BsOverride *override, gpointer *place)
{
    if (!override->active)
        return;
    override->active = FALSE;
    if (*place != override->ours[override->slot])
        return;
    *place = override->saved[override->slot];
    override->used[override->slot] = FALSE;
}

gboolean
bs_override_acts(const BsOverride *override, guint slot)
{
    return override->active && override->slot == slot;
}
