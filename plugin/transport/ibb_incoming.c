/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/ibb_incoming.h"

#include <errno.h>
#include <eventloop.h>
#include <string.h>
#include <sys/socket.h>

#include "stanza/allowances.h"
#include "transport/ibb_xml.h"

/* More than a peer of our own kind ever has on its way. */
#define WAITING_MAX (1024 * 1024)
/* ... and in how many blocks, which may be tiny. */
#define UNANSWERED_MAX 2048

/* How many blocks are known by the ids of their stanzas: a server that resumes a connection may deliver some
 * of the latest twice (XEP-0198). */
#define REMEMBERED_BLOCKS 128

struct _BsIbbIncoming {
    BsIqLink *link;
    int fd;
    gsize block_size;

    guint64 count;                /* blocks taken so far */
    char *ids[REMEMBERED_BLOCKS]; /* of the latest, at their count modulo this */
    GByteArray *waiting;          /* bytes that the socket does not take now */
    GQueue unanswered;            /* xmlnode, IQs without content whose blocks wait */
    guint watch;
    BsIbbIncomingDrained drained; /* not NULL: no more blocks come */
    gpointer data;
};

static void move_on(BsIbbIncoming *incoming);

static void
unwatch(BsIbbIncoming *incoming)
{
    guint watch = incoming->watch;

    incoming->watch = 0;
    if (watch != 0)
        purple_input_remove(watch);
}

static void
answer_all(BsIbbIncoming *incoming)
{
    xmlnode *iq;

    while ((iq = g_queue_pop_head(&incoming->unanswered)) != NULL) {
        bs_iq_reply_result(incoming->link, iq, NULL);
        xmlnode_free(iq);
    }
}

/* Writes what the socket takes. A reader that is gone takes everything. */
static void
flush(BsIbbIncoming *incoming)
{
    gssize count;

    while (incoming->waiting->len > 0) {
        count =
            send(incoming->fd, incoming->waiting->data, incoming->waiting->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        g_byte_array_remove_range(incoming->waiting, 0, count < 0 ? incoming->waiting->len : (guint)count);
    }
}

static void
socket_ready(gpointer data, gint fd, PurpleInputCondition condition)
{
    (void)fd;
    (void)condition;
    move_on(data);
}

static void
move_on(BsIbbIncoming *incoming)
{
    flush(incoming);
    if (incoming->waiting->len > 0) {
        if (incoming->watch == 0)
            incoming->watch = purple_input_add(incoming->fd, PURPLE_INPUT_WRITE, socket_ready, incoming);
        return;
    }
    unwatch(incoming);
    answer_all(incoming);
    if (incoming->drained != NULL)
        incoming->drained(incoming->data);
}

static gboolean
is_iq(const xmlnode *stanza)
{
    return strcmp(stanza->name, "iq") == 0;
}

/* What is needed of an IQ to answer it later. */
static xmlnode *
envelope(const xmlnode *iq)
{
    static const char *const names[] = {"from", "id"};
    xmlnode *copy = xmlnode_new("iq");

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *value = xmlnode_get_attrib((xmlnode *)iq, names[i]);

        if (value != NULL)
            xmlnode_set_attrib(copy, names[i], value);
    }
    return copy;
}

/* Is this a block that was taken already, delivered once more? */
static gboolean
is_repeated(const BsIbbIncoming *incoming, const char *id, guint64 sequence)
{
    guint64 age = (incoming->count - sequence) & G_MAXUINT16;

    if (id == NULL || age == 0 || age > REMEMBERED_BLOCKS || age > incoming->count)
        return FALSE;
    return g_strcmp0(incoming->ids[(incoming->count - age) % REMEMBERED_BLOCKS], id) == 0;
}

static gboolean
is_next(const BsIbbIncoming *incoming, guint64 sequence)
{
    return sequence == (incoming->count & G_MAXUINT16) ||
           (sequence == incoming->count && bs_allow(BS_ALLOW_UNWRAPPED_SEQUENCE));
}

static void
remember(BsIbbIncoming *incoming, const char *id)
{
    char **slot = &incoming->ids[incoming->count % REMEMBERED_BLOCKS];

    g_free(*slot);
    *slot = g_strdup(id);
    incoming->count++;
}

/* One whose answer is still to come gets it then. */
static void
answer_repeated(BsIbbIncoming *incoming, const xmlnode *stanza)
{
    if (is_iq(stanza) && g_queue_is_empty(&incoming->unanswered))
        bs_iq_reply_result(incoming->link, stanza, NULL);
}

BsIbbTaken
bs_ibb_incoming_take(BsIbbIncoming *incoming, const xmlnode *stanza, const xmlnode *element)
{
    const char *id = xmlnode_get_attrib((xmlnode *)stanza, "id");
    g_autoptr(GByteArray) bytes = NULL;
    guint64 sequence;

    if (!bs_ibb_sequence(element, &sequence))
        return BS_IBB_BAD_BLOCK;
    if (!is_next(incoming, sequence)) {
        if (!is_repeated(incoming, id, sequence))
            return BS_IBB_OUT_OF_ORDER;
        answer_repeated(incoming, stanza);
        return BS_IBB_TAKEN;
    }
    bytes = bs_ibb_bytes(element, incoming->block_size);
    if (bytes == NULL)
        return BS_IBB_BAD_BLOCK;
    if (incoming->waiting->len + bytes->len > WAITING_MAX ||
        g_queue_get_length(&incoming->unanswered) >= UNANSWERED_MAX)
        return BS_IBB_OVERFLOW;
    remember(incoming, id);
    g_byte_array_append(incoming->waiting, bytes->data, bytes->len);
    if (is_iq(stanza))
        g_queue_push_tail(&incoming->unanswered, envelope(stanza));
    move_on(incoming);
    return BS_IBB_TAKEN;
}

BsIbbIncoming *
bs_ibb_incoming_new(BsIqLink *link, int fd, gsize block_size)
{
    BsIbbIncoming *incoming = g_new0(BsIbbIncoming, 1);

    incoming->link = link;
    incoming->fd = fd;
    incoming->block_size = block_size;
    incoming->waiting = g_byte_array_new();
    g_queue_init(&incoming->unanswered);
    return incoming;
}

void
bs_ibb_incoming_finish(BsIbbIncoming *incoming, BsIbbIncomingDrained drained, gpointer data)
{
    incoming->drained = drained;
    incoming->data = data;
    move_on(incoming);
}

void
bs_ibb_incoming_free(BsIbbIncoming *incoming)
{
    if (incoming == NULL)
        return;
    unwatch(incoming);
    for (guint i = 0; i < REMEMBERED_BLOCKS; i++)
        g_free(incoming->ids[i]);
    g_queue_clear_full(&incoming->unanswered, (GDestroyNotify)xmlnode_free);
    g_byte_array_unref(incoming->waiting);
    g_free(incoming);
}
