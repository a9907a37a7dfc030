/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/queue.h"

#include <eventloop.h>

#include "timer.h"

/* Of one contact, and however many may run: fewer than any client is known to take for a flood. */
#define OFFERS_MAX 8

typedef enum {
    PLACE_WAITS,
    PLACE_OFFERED, /* counts for its contact */
    PLACE_RUNS,    /* counts for everybody */
} PlaceState;

struct _BsPlace {
    PlaceState state;
    char *contact; /* to be offered to; NULL: accepted here */
    BsPlaceTurn turn;
    gpointer data;
};

static guint limit = G_MAXUINT;
static guint running;
static GQueue line = G_QUEUE_INIT; /* of BsPlace, those that wait */
static GHashTable *offers;         /* contact -> how many unanswered ones; NULL: no offer at all */
static guint timer;

static guint
unanswered(const char *contact)
{
    return offers != NULL ? GPOINTER_TO_UINT(g_hash_table_lookup(offers, contact)) : 0;
}

static void
count_offer(const char *contact, int change)
{
    guint count = unanswered(contact) + (guint)change;

    if (offers == NULL)
        offers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (count > 0)
        g_hash_table_replace(offers, g_strdup(contact), GUINT_TO_POINTER(count));
    else
        g_hash_table_remove(offers, contact);
    if (g_hash_table_size(offers) == 0)
        g_clear_pointer(&offers, g_hash_table_unref);
}

static gboolean
may_begin(const BsPlace *place)
{
    guint offered = place->contact != NULL ? unanswered(place->contact) : 0;

    return running < limit && offered < MIN(limit - running, OFFERS_MAX);
}

static BsPlace *
next_in_line(void)
{
    for (GList *item = running < limit ? line.head : NULL; item != NULL; item = item->next)
        if (may_begin(item->data))
            return item->data;
    return NULL;
}

static void
take_place(BsPlace *place)
{
    g_queue_remove(&line, place);
    place->state = place->contact != NULL ? PLACE_OFFERED : PLACE_RUNS;
    if (place->contact != NULL)
        count_offer(place->contact, 1);
    else
        running++;
}

static gboolean
move_up(gpointer data)
{
    BsPlace *place;

    (void)data;
    timer = 0;
    while ((place = next_in_line()) != NULL) {
        take_place(place);
        place->turn(place->data);
    }
    return FALSE;
}

static void
move_up_soon(void)
{
    if (line.length == 0)
        bs_timer_clear(&timer);
    else if (timer == 0)
        timer = purple_timeout_add(0, move_up, NULL);
}

void
bs_queue_set_limit(guint new_limit)
{
    limit = MAX(new_limit, 1);
    move_up_soon();
}

static BsPlace *
place_new(const char *contact, BsPlaceTurn turn, gpointer data)
{
    BsPlace *place = g_new0(BsPlace, 1);

    place->contact = g_strdup(contact);
    place->turn = turn;
    place->data = data;
    g_queue_push_tail(&line, place);
    /* Somebody before it may be about to have his turn. */
    if (next_in_line() == place)
        take_place(place);
    return place;
}

BsPlace *
bs_place_for_offer(const char *contact, BsPlaceTurn turn, gpointer data)
{
    return place_new(contact, turn, data);
}

BsPlace *
bs_place_for_accepted(BsPlaceTurn turn, gpointer data)
{
    return place_new(NULL, turn, data);
}

gboolean
bs_place_waits(const BsPlace *place)
{
    return place->state == PLACE_WAITS;
}

guint
bs_place_number(const BsPlace *place)
{
    return (guint)(g_queue_index(&line, place) + 1);
}

/* Out of the line, or out of what it counts for. */
static void
leave(BsPlace *place)
{
    switch (place->state) {
    case PLACE_WAITS:
        g_queue_remove(&line, place);
        break;
    case PLACE_OFFERED:
        count_offer(place->contact, -1);
        break;
    case PLACE_RUNS:
        running--;
        break;
    }
}

void
bs_place_run(BsPlace *place)
{
    leave(place);
    place->state = PLACE_RUNS;
    running++;
}

void
bs_place_free(BsPlace *place)
{
    if (place == NULL)
        return;
    leave(place);
    g_free(place->contact);
    g_free(place);
    move_up_soon();
}
