/* The queue of all transfers of all accounts: how many of them run at once, and in which order the rest
 * waits.
 *
 * A file of ours waits for its place before it is offered; a peer's file, once our user has accepted it,
 * before the peer hears of that. Places are given in the order in which they were asked for; but what cannot
 * begin yet does not hold up what comes behind it.
 *
 * What runs counts for everybody: a file is accepted when fewer transfers run than the limit. An offer that
 * waits for the peer's user may do so for long, and counts for its contact alone: a file is offered when
 * those that run, and the contact's unanswered offers, are together fewer than the limit. An offer that is
 * accepted while all places are taken runs at once, as the peer's program has opened its side and does not
 * wait: so for a while a few more than the limit may run, and nothing else begins.
 *
 * Two clients with limits cannot wait for each other: what runs at one end runs at the other, and comes to
 * its end; what is only offered keeps nobody from accepting.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_QUEUE_H
#define BS_QUEUE_H

#include <glib.h>

typedef struct _BsQueue BsQueue;

/* A transfer's place, or its wait for one. */
typedef struct _BsPlace BsPlace;

/* The place is there: once, from the event loop. May free the place. */
typedef void (*BsPlaceTurn)(gpointer data);

BsQueue *bs_queue_new(guint limit);

/* All its places must have been freed. NULL is allowed. */
void bs_queue_free(BsQueue *queue);

/* How many may run at once, 1 or more. Takes effect at once: with a higher limit others begin, with a lower
 * one those that run go on, and none begins until there are fewer. */
void bs_queue_set_limit(BsQueue *queue, guint limit);

/* Asks for a place: to offer a file to `contact` (JIDs that are equal as text are the same contact), or for
 * one that a peer has offered. If bs_place_waits(), `turn` will be called; if not, it has its place, and
 * `turn` will not be called. */
BsPlace *bs_place_for_offer(BsQueue *queue, const char *contact, BsPlaceTurn turn, gpointer data);
BsPlace *bs_place_for_accepted(BsQueue *queue, BsPlaceTurn turn, gpointer data);

gboolean bs_place_waits(const BsPlace *place);

/* Its number among those that wait, from 1; 0 if it does not. */
guint bs_place_number(const BsPlace *place);

/* It runs from now on, whether or not there is a place: its offer was accepted, or it waits no longer. No
 * turn will come. */
void bs_place_run(BsPlace *place);

/* Gives it back, at any moment; those who follow have their turn in a turn of the event loop of their own.
 * NULL is allowed. */
void bs_place_free(BsPlace *place);

#endif
