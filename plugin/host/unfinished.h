/* The user's view of unfinished files: which there are, and away with those that are not wanted any more.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_UNFINISHED_H
#define BS_UNFINISHED_H

#include <glib.h>

/* Shows them. */
void bs_unfinished_show(void);

/* Closes what is shown. */
void bs_unfinished_stop(void);

#endif
