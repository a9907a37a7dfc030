/* The limits that the user has chosen, carried from the preferences to those who keep them: how many
 * transfers run at once, and how fast. A change takes effect at once.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_LIMITS_H
#define BS_LIMITS_H

#include "transfer/queue.h"

void bs_limits_start(void);

/* No transfer may be left. */
void bs_limits_stop(void);

/* The queue of all accounts' transfers. */
BsQueue *bs_limits_queue(void);

#endif
