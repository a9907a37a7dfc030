/* A function pointer of somebody else's that is taken over and given back, also if others do so in any order.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_OVERRIDE_H
#define BS_OVERRIDE_H

#include <glib.h>

/* How often a function of ours may stay behind somebody else's for good; each time it is another one. */
#define BS_OVERRIDE_SLOTS 8

/* Static, and kept over unloading and loading: whoever came after us still calls our functions. All zero but
 * `ours`. */
typedef struct {
    gpointer ours[BS_OVERRIDE_SLOTS];  /* functions that do the same, each for one slot */
    gpointer saved[BS_OVERRIDE_SLOTS]; /* what was there before */
    gboolean used[BS_OVERRIDE_SLOTS];
    gboolean active;
    guint slot; /* the one in use, if active */
} BsOverride;

/* Puts one of our functions in `place`. FALSE if no slot is left. */
gboolean bs_override_take(BsOverride *override, gpointer *place);

/* Gives `place` back if our function is still there. If not, that one stays, and its slot is never used
 * again. */
void bs_override_give_back(BsOverride *override, gpointer *place);

/* TRUE if the function of `slot` is to act. FALSE if it is only to pass on to what is saved. */
gboolean bs_override_acts(const BsOverride *override, guint slot);

#endif
