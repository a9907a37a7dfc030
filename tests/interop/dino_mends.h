/* Bugs of Dino 0.4.2, each mended by itself inside a running one, to see what else works.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_DINO_MENDS_H
#define BS_DINO_MENDS_H

#include "interop/dino_api.h"

/* `names`: of mends, divided by commas. */
void mend(const char *names, DinoStreamInteractor *interactor);

#endif
