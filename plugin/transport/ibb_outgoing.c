/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/ibb_outgoing.h"

#include <errno.h>
#include <eventloop.h>
#include <string.h>
#include <sys/socket.h>

#include "timer.h"
#include "transport/ibb_window.h"
#include "transport/ibb_xml.h"

/* A peer may acknowledge late because its disk is slow. */
#define ACKNOWLEDGEMENT_DEADLINE_MS 120000

typedef enum {
    BLOCK_WAITS, /* to be sent (again) */
    BLOCK_FLIES,
    BLOCK_REFUSED, /* to be sent again after a pause */
    BLOCK_ACKNOWLEDGED,
} BlockState;

typedef struct {
    BsIbbOutgoing *outgoing;
    BlockState state;
    guint16 sequence;
    gint64 sent_at;
    BsIqRequest *request;
    gsize length;
    guint8 bytes[];
} Block;

struct _BsIbbOutgoing {
    BsIqLink *link;
    const char *peer;
    const char *sid;
    int fd;
    const BsIbbOutgoingEvents *events;
    gpointer data;

    BsIbbWindow window;
    GQueue blocks;     /* Block, in order; none acknowledged at the head */
    gsize outstanding; /* bytes that fly */
    guint16 sequence;
    gboolean refused; /* a block was: nothing is sent until all answers are there, and then a pause is over */
    gboolean ended;   /* nothing more will come out of the socket */
    guint watch;
    guint pause;
};

static void fill_window(BsIbbOutgoing *outgoing);

static void
block_free(gpointer item)
{
    Block *block = item;

    bs_iq_request_cancel(&block->request);
    g_free(block);
}

static void
unwatch(BsIbbOutgoing *outgoing)
{
    guint watch = outgoing->watch;

    outgoing->watch = 0;
    if (watch != 0)
        purple_input_remove(watch);
}

static void
socket_ready(gpointer data, gint fd, PurpleInputCondition condition)
{
    (void)fd;
    (void)condition;
    fill_window(data);
}

static void
watch_socket(BsIbbOutgoing *outgoing)
{
    if (outgoing->watch == 0)
        outgoing->watch = purple_input_add(outgoing->fd, PURPLE_INPUT_READ, socket_ready, outgoing);
}

/* All blocks are gone afterwards, and perhaps the object. */
static void
break_stream(BsIbbOutgoing *outgoing, const char *why)
{
    unwatch(outgoing);
    bs_timer_clear(&outgoing->pause);
    g_queue_clear_full(&outgoing->blocks, block_free);
    outgoing->outstanding = 0;
    outgoing->ended = TRUE;
    outgoing->events->broken(why, outgoing->data);
}

/* Is it worth trying again (XEP-0047, 2.2)? A block that came out of order because the one before it was
 * refused, is. */
static gboolean
is_temporary(const BsIbbOutgoing *outgoing, const xmlnode *iq, const char *condition)
{
    const xmlnode *error = xmlnode_get_child(iq, "error");

    if (strcmp(condition, "unexpected-request") == 0)
        return outgoing->refused;
    return strcmp(condition, "resource-constraint") == 0 ||
           (error != NULL && g_strcmp0(xmlnode_get_attrib((xmlnode *)error, "type"), "wait") == 0);
}

static gboolean
pause_over(gpointer data)
{
    BsIbbOutgoing *outgoing = data;

    outgoing->pause = 0;
    outgoing->refused = FALSE;
    for (GList *item = outgoing->blocks.head; item != NULL; item = item->next)
        ((Block *)item->data)->state = BLOCK_WAITS;
    fill_window(outgoing);
    return FALSE;
}

/* After a refusal every block from that one on is sent again, since none of them can have been taken: if one
 * was, the peer does not mind the order, and the file would be damaged. */
static void
go_back(BsIbbOutgoing *outgoing)
{
    guint pause = bs_ibb_window_refused(&outgoing->window);

    for (GList *item = outgoing->blocks.head; item != NULL; item = item->next)
        if (((Block *)item->data)->state == BLOCK_ACKNOWLEDGED) {
            break_stream(outgoing, "the peer took a block after one that had been refused");
            return;
        }
    if (pause == 0)
        break_stream(outgoing, "the same block was refused too often");
    else
        outgoing->pause = purple_timeout_add(pause, pause_over, outgoing);
}

static void
drop_acknowledged(BsIbbOutgoing *outgoing)
{
    Block *block;

    while ((block = g_queue_peek_head(&outgoing->blocks)) != NULL && block->state == BLOCK_ACKNOWLEDGED)
        block_free(g_queue_pop_head(&outgoing->blocks));
}

static void
block_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    Block *block = data;
    BsIbbOutgoing *outgoing = block->outgoing;
    gsize outstanding = outgoing->outstanding;
    gint64 now = g_get_monotonic_time();

    block->request = NULL;
    outgoing->outstanding -= block->length;
    if (outcome == BS_IQ_RESULT) {
        block->state = BLOCK_ACKNOWLEDGED;
        if (!outgoing->refused)
            bs_ibb_window_acknowledged(&outgoing->window, block->length, outstanding, now - block->sent_at,
                                       now);
        drop_acknowledged(outgoing);
    } else {
        g_autofree char *condition =
            outcome == BS_IQ_ERROR ? bs_iq_error_condition(iq) : g_strdup("no answer in time");

        if (outcome == BS_IQ_TIMEOUT || !is_temporary(outgoing, iq, condition)) {
            break_stream(outgoing, condition);
            return;
        }
        block->state = BLOCK_REFUSED;
        outgoing->refused = TRUE;
    }
    if (!outgoing->refused)
        fill_window(outgoing);
    else if (outgoing->outstanding == 0)
        go_back(outgoing);
}

/* FALSE if that ended the object, or was answered at once. */
static gboolean
send_block(Block *block)
{
    BsIbbOutgoing *outgoing = block->outgoing;
    BsIqRequest *request;

    block->state = BLOCK_FLIES;
    block->sent_at = g_get_monotonic_time();
    outgoing->outstanding += block->length;
    request = bs_iq_request(outgoing->link, "set", outgoing->peer,
                            bs_ibb_build_data(outgoing->sid, block->sequence, block->bytes, block->length),
                            ACKNOWLEDGEMENT_DEADLINE_MS, block_answered, block);
    if (request != NULL)
        block->request = request;
    return request != NULL;
}

/* Reads up to `length` bytes into a new block at the end of the queue; NULL if there are none now. */
static Block *
read_block(BsIbbOutgoing *outgoing, gsize length)
{
    Block *block = g_malloc0(sizeof *block + length);
    gssize count = recv(outgoing->fd, block->bytes, length, MSG_DONTWAIT);

    if (count <= 0) {
        outgoing->ended = count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
        g_free(block);
        return NULL;
    }
    block->outgoing = outgoing;
    block->length = (gsize)count;
    block->sequence = outgoing->sequence++;
    g_queue_push_tail(&outgoing->blocks, block);
    return block;
}

static Block *
next_waiting(BsIbbOutgoing *outgoing)
{
    for (GList *item = outgoing->blocks.head; item != NULL; item = item->next)
        if (((Block *)item->data)->state == BLOCK_WAITS)
            return item->data;
    return NULL;
}

/* Sends as much as may fly. The object may be gone afterwards. */
static void
fill_window(BsIbbOutgoing *outgoing)
{
    gsize room = 0;

    while (!outgoing->refused && (room = bs_ibb_window_room(&outgoing->window, outgoing->outstanding)) > 0) {
        Block *block = next_waiting(outgoing);

        if (block == NULL && !outgoing->ended)
            block = read_block(outgoing, room);
        if (block == NULL)
            break;
        if (!send_block(block))
            return;
    }
    if (outgoing->ended || outgoing->refused || room == 0)
        unwatch(outgoing);
    else
        watch_socket(outgoing);
    if (outgoing->ended && g_queue_is_empty(&outgoing->blocks))
        outgoing->events->drained(outgoing->data);
}

BsIbbOutgoing *
bs_ibb_outgoing_new(BsIqLink *link, const char *peer, const char *sid, int fd, gsize block_size,
                    const BsIbbOutgoingEvents *events, gpointer data)
{
    BsIbbOutgoing *outgoing = g_new0(BsIbbOutgoing, 1);

    outgoing->link = link;
    outgoing->peer = peer;
    outgoing->sid = sid;
    outgoing->fd = fd;
    outgoing->events = events;
    outgoing->data = data;
    bs_ibb_window_init(&outgoing->window, block_size);
    g_queue_init(&outgoing->blocks);
    watch_socket(outgoing);
    return outgoing;
}

gboolean
bs_ibb_outgoing_is_busy(const BsIbbOutgoing *outgoing)
{
    guint8 byte;

    return !g_queue_is_empty((GQueue *)&outgoing->blocks) ||
           recv(outgoing->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void
bs_ibb_outgoing_free(BsIbbOutgoing *outgoing)
{
    if (outgoing == NULL)
        return;
    unwatch(outgoing);
    bs_timer_clear(&outgoing->pause);
    g_queue_clear_full(&outgoing->blocks, block_free);
    g_free(outgoing);
}
