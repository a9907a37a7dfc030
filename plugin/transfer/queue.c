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

struct _BsQueue {
    guint limit;
    guint running;
    GQueue line;        /* of BsPlace, those that wait */
    GHashTable *offers; /* contact -> how many unanswered ones, never 0 */
    guint timer;
};

struct _BsPlace {
    BsQueue *queue;
    PlaceState state;
    char *contact; /* to be offered to; NULL: accepted here */
    BsPlaceTurn turn;
    gpointer data;
};

BsQueue *
bs_queue_new(guint limit)
{
    BsQueue *queue = g_new0(BsQueue, 1);

    queue->limit = MAX(limit, 1);
    g_queue_init(&queue->line);
    queue->offers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return queue;
}

void
bs_queue_free(BsQueue *queue)
{
    if (queue == NULL)
        return;
    bs_timer_clear(&queue->timer);
    g_hash_table_unref(queue->offers);
    g_free(queue);
}

static guint
unanswered(const BsQueue *queue, const char *contact)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(queue->offers, contact));
}

static void
count_offer(BsQueue *queue, const char *contact, int change)
{
    guint count = unanswered(queue, contact) + (guint)change;

    if (count > 0)
        g_hash_table_replace(queue->offers, g_strdup(contact), GUINT_TO_POINTER(count));
    else
        g_hash_table_remove(queue->offers, contact);
}

static gboolean
may_begin(const BsPlace *place)
{
    const BsQueue *queue = place->queue;
    guint offered = place->contact != NULL ? unanswered(queue, place->contact) : 0;

    return queue->running < queue->limit && offered < MIN(queue->limit - queue->running, OFFERS_MAX);
}

static BsPlace *
next_in_line(const BsQueue *queue)
{
    GList *first = queue->running < queue->limit ? queue->line.head : NULL;

    for (GList *item = first; item != NULL; item = item->next)
        if (may_begin(item->data))
            return item->data;
    return NULL;
}

static void
take_place(BsPlace *place)
{
    BsQueue *queue = place->queue;

    g_queue_remove(&queue->line, place);
    place->state = place->contact != NULL ? PLACE_OFFERED : PLACE_RUNS;
    if (place->contact != NULL)
        count_offer(queue, place->contact, 1);
    else
        queue->running++;
}

static gboolean
move_up(gpointer data)
{
    BsQueue *queue = data;
    BsPlace *place;

    queue->timer = 0;
    while ((place = next_in_line(queue)) != NULL) {
        take_place(place);
        place->turn(place->data);
    }
    return FALSE;
}

static void
move_up_soon(BsQueue *queue)
{
    if (queue->line.length == 0)
        bs_timer_clear(&queue->timer);
    else if (queue->timer == 0)
        queue->timer = purple_timeout_add(0, move_up, queue);
}

void
bs_queue_set_limit(BsQueue *queue, guint limit)
{
    queue->limit = MAX(limit, 1);
    move_up_soon(queue);
}

static BsPlace *
place_new(BsQueue *queue, const char *contact, BsPlaceTurn turn, gpointer data)
{
    BsPlace *place = g_new0(BsPlace, 1);

    place->queue = queue;
    place->contact = g_strdup(contact);
    place->turn = turn;
    place->data = data;
    g_queue_push_tail(&queue->line, place);
    /* Somebody before it may be about to have his turn. */
    if (next_in_line(queue) == place)
        take_place(place);
    return place;
}

BsPlace *
bs_place_for_offer(BsQueue *queue, const char *contact, BsPlaceTurn turn, gpointer data)
{
    return place_new(queue, contact, turn, data);
}

BsPlace *
bs_place_for_accepted(BsQueue *queue, BsPlaceTurn turn, gpointer data)
{
    return place_new(queue, NULL, turn, data);
}

gboolean
bs_place_waits(const BsPlace *place)
{
    return place->state == PLACE_WAITS;
}

guint
bs_place_number(const BsPlace *place)
{
    return (guint)(g_queue_index(&place->queue->line, place) + 1);
}

/* Out of the line, or out of what it counts for. */
static void
leave(BsPlace *place)
{
    switch (place->state) {
    case PLACE_WAITS:
        g_queue_remove(&place->queue->line, place);
        break;
    case PLACE_OFFERED:
        count_offer(place->queue, place->contact, -1);
        break;
    case PLACE_RUNS:
        place->queue->running--;
        break;
    }
}

void
bs_place_run(BsPlace *place)
{
    leave(place);
    place->state = PLACE_RUNS;
    place->queue->running++;
}

void
bs_place_free(BsPlace *place)
{
    BsQueue *queue;

    if (place == NULL)
        return;
    queue = place->queue;
    leave(place);
    g_free(place->contact);
    g_free(place);
    move_up_soon(queue);
}
