/* The dialog that asks which of a contact's resources is meant.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_CHOICE_H
#define BS_CHOICE_H

#include <account.h>

typedef struct _BsChoice BsChoice;

/* The user's answer, once, never before bs_choice_ask() returns: the index of an option, or -1 for
 * none of them. The choice is gone by then. */
typedef void (*BsChosen)(int index, gpointer data);

/* Asks for one of `options` (GPtrArray of char *, not empty), `preset` being the likeliest. A UI without
 * dialogs answers with that one. `who` is the contact. */
BsChoice *bs_choice_ask(PurpleAccount *account, const char *who, const GPtrArray *options, int preset,
                        BsChosen chosen, gpointer data);

/* Closes the dialog; no answer follows. NULL is allowed. */
void bs_choice_free(BsChoice *choice);

#endif
