/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pair.h"

#include <eventloop.h>
#include <glib/gstdio.h>
#include <string.h>

#include "purple_env.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "worker.h"

#define HANG_SECONDS 60

typedef struct {
    BsSource base;
    guint64 at;
    guint64 available;
} TestSource;

typedef struct {
    BsSink base;
    Side *side;
} TestSink;

typedef struct {
    Pair *pair;
    Side *to;
    char *text;
    guint timer;
} Flying;

guint8
pair_byte(guint64 offset)
{
    return (guint8)((offset * 2654435761u) >> 13);
}

static gssize
source_read(BsSource *base, guint8 *buffer, gsize size, GError **error)
{
    TestSource *source = (TestSource *)base;
    gsize take = (gsize)MIN(size, source->available - source->at);

    (void)error;
    for (gsize i = 0; i < take; i++)
        buffer[i] = pair_byte(source->at + i);
    source->at += take;
    return (gssize)take;
}

static gboolean
source_seek(BsSource *base, guint64 offset, GError **error)
{
    (void)error;
    ((TestSource *)base)->at = offset;
    return TRUE;
}

static void
source_close(BsSource *base)
{
    g_free(base);
}

static BsSource *
source_new(guint64 available)
{
    TestSource *source = g_new0(TestSource, 1);

    source->base.read = source_read;
    source->base.seek = source_seek;
    source->base.close = source_close;
    source->available = available;
    return &source->base;
}

static gssize
sink_write(BsSink *base, const guint8 *buffer, gsize size, GError **error)
{
    Side *side = ((TestSink *)base)->side;

    if (side->sink_fails) {
        g_set_error(error, BS_STREAM_ERROR, BS_STREAM_ERROR_NO_SPACE, "No space left on device");
        return -1;
    }
    g_byte_array_append(side->received, buffer, (guint)size);
    return (gssize)size;
}

static gboolean
sink_restart(BsSink *base, guint64 offset, GError **error)
{
    Side *side = ((TestSink *)base)->side;

    (void)error;
    g_byte_array_set_size(side->received, (guint)offset);
    return TRUE;
}

static gboolean
sink_finish(BsSink *base, GError **error)
{
    Side *side = ((TestSink *)base)->side;

    g_free(base);
    if (side->sink_fails_to_name) {
        g_set_error(error, BS_STREAM_ERROR, BS_STREAM_ERROR_WRITE, "Read-only file system");
        return FALSE;
    }
    side->named = TRUE;
    return TRUE;
}

static void
sink_discard(BsSink *base)
{
    ((TestSink *)base)->side->discarded = TRUE;
    g_free(base);
}

static BsSink *
sink_new(Side *side)
{
    TestSink *sink = g_new0(TestSink, 1);

    sink->base.write = sink_write;
    sink->base.restart = sink_restart;
    sink->base.finish = sink_finish;
    sink->base.discard = sink_discard;
    sink->side = side;
    return &sink->base;
}

static void
transfer_started(BsTransfer *transfer, const BsRoute *route, gpointer data)
{
    Side *side = data;

    (void)transfer;
    side->started++;
    side->route = *route;
}

static void
transfer_progress(BsTransfer *transfer, guint64 moved, gpointer data)
{
    Side *side = data;

    (void)transfer;
    side->moved = moved;
    if (side->on_progress != NULL)
        side->on_progress(side);
}

static void
transfer_ended(BsTransfer *transfer, const BsEnd *end, gpointer data)
{
    Side *side = data;

    (void)transfer;
    side->ended++;
    side->reason = end->reason;
    side->in_band_is_left = end->in_band_is_left;
    side->transfer = NULL;
    if (side->on_ended != NULL)
        side->on_ended(side);
}

static const BsTransferEvents transfer_events = {
    .started = transfer_started,
    .progress = transfer_progress,
    .ended = transfer_ended,
};

static void
offered(BsEndpoint *endpoint, BsTransfer *transfer, gpointer data)
{
    Side *side = data;

    (void)endpoint;
    side->offers++;
    if (side->on_offer != NULL) {
        side->on_offer(side, transfer);
        return;
    }
    if (side->user == USER_IS_NOT_THERE)
        return;
    bs_transfer_watch(transfer, &transfer_events, side);
    side->transfer = transfer;
    if (side->user == USER_ACCEPTS) {
        bs_transfer_accept(transfer, sink_new(side));
    } else if (side->user == USER_DECLINES) {
        side->transfer = NULL;
        bs_transfer_decline(transfer);
    }
}

static const BsEndpointEvents endpoint_events = {.offered = offered};

static void
flying_free(gpointer item)
{
    Flying *flying = item;

    if (flying->timer != 0)
        purple_timeout_remove(flying->timer);
    g_free(flying->text);
    g_free(flying);
}

static void
receive(Side *side, xmlnode *stanza)
{
    const char *type = xmlnode_get_attrib(stanza, "type");

    if (side->endpoint == NULL) {
        g_ptr_array_add(side->inbox, xmlnode_copy(stanza));
        return;
    }
    if (strcmp(stanza->name, "message") == 0) {
        bs_endpoint_receive_message(side->endpoint, stanza);
        return;
    }
    if (bs_endpoint_receive(side->endpoint, stanza))
        return;
    if (g_strcmp0(type, "get") == 0 || g_strcmp0(type, "set") == 0) {
        side->pair->unclaimed++;
        bs_iq_reply_error(side->link, stanza, "cancel", "feature-not-implemented", NULL, NULL);
    }
}

static gboolean
arrive(gpointer data)
{
    Flying *flying = data;
    Pair *pair = flying->pair;
    Side *to = flying->to;
    xmlnode *stanza = xmlnode_from_str(flying->text, -1);

    flying->timer = 0;
    g_ptr_array_remove(pair->flying, flying);
    g_assert(stanza != NULL);
    receive(to, stanza);
    xmlnode_free(stanza);
    return FALSE;
}

static void
launch(Pair *pair, Side *to, const char *text, guint delay_ms)
{
    Flying *flying = g_new0(Flying, 1);

    flying->pair = pair;
    flying->to = to;
    flying->text = g_strdup(text);
    flying->timer = purple_timeout_add(delay_ms, arrive, flying);
    g_ptr_array_add(pair->flying, flying);
}

static void
send_stanza(xmlnode *original, gpointer data)
{
    Side *side = data;
    Pair *pair = side->pair;
    xmlnode *stanza = xmlnode_copy(original);
    StanzaFate fate = FATE_ARRIVES;
    char *text;

    xmlnode_set_attrib(stanza, "from", side->jid);
    if (pair->filter != NULL)
        fate = pair->filter(pair, pair->stanzas, side, stanza);
    pair->stanzas++;
    text = xmlnode_to_str(stanza, NULL);
    switch (fate) {
    case FATE_IS_LOST:
        break;
    case FATE_ARRIVES_TWICE:
        launch(pair, side->peer, text, pair->latency_ms);
        launch(pair, side->peer, text, pair->latency_ms);
        break;
    case FATE_ARRIVES_LATE:
        launch(pair, side->peer, text, pair->latency_ms + 300);
        break;
    case FATE_ARRIVES:
        launch(pair, side->peer, text, pair->latency_ms);
        break;
    }
    g_free(text);
    xmlnode_free(stanza);
}

static void
side_init(Side *side, Pair *pair, Side *peer, const char *jid, gboolean scripted)
{
    side->pair = pair;
    side->peer = peer;
    side->jid = jid;
    side->link = bs_iq_link_new(jid, send_stanza, side);
    if (!scripted)
        side->endpoint = bs_endpoint_new(side->link, NULL, &endpoint_events, side);
    side->received = g_byte_array_new();
    side->inbox = g_ptr_array_new_with_free_func((GDestroyNotify)xmlnode_free);
}

static void
forget(Side *side)
{
    GDir *dir;
    const char *name;

    bs_memory_free(side->memory);
    if (side->folder == NULL)
        return;
    bs_workers_wait(HANG_SECONDS * 1000);
    dir = g_dir_open(side->folder, 0, NULL);
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(side->folder, name, NULL);

        g_unlink(path);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_rmdir(side->folder);
    g_free(side->folder);
}

static void
side_clear(Side *side)
{
    bs_endpoint_free(side->endpoint);
    forget(side);
    bs_proxies_free(side->proxies);
    bs_iq_link_free(side->link);
    g_byte_array_unref(side->received);
    g_ptr_array_unref(side->inbox);
}

static Pair *
new_pair(gboolean scripted)
{
    Pair *pair = g_new0(Pair, 1);

    pair->flying = g_ptr_array_new_with_free_func(flying_free);
    side_init(&pair->a, pair, &pair->b, "alice@one.test/a", FALSE);
    side_init(&pair->b, pair, &pair->a, "bob@two.test/b", scripted);
    return pair;
}

Pair *
pair_new(void)
{
    return new_pair(FALSE);
}

Pair *
pair_new_scripted(void)
{
    return new_pair(TRUE);
}

void
pair_free(Pair *pair)
{
    side_clear(&pair->a);
    side_clear(&pair->b);
    g_ptr_array_unref(pair->flying);
    g_free(pair);
}

BsFileOffer *
pair_file(const char *name, guint64 length)
{
    BsFileOffer *offer = bs_file_offer_new();

    offer->name = g_strdup(name);
    offer->size = length;
    offer->hashes_promised = 1u << BS_HASH_SHA256;
    return offer;
}

void
pair_offer_as(Side *from, const BsFileOffer *offer, guint64 available)
{
    from->transfer = bs_transfer_offer(from->endpoint, from->peer->jid, offer, source_new(available),
                                       &transfer_events, from);
}

void
pair_offer_in(Side *from, const BsJingleManner *manner, const BsFileOffer *offer, guint64 available)
{
    from->transfer = bs_transfer_offer_in(from->endpoint, from->peer->jid, manner, offer,
                                          source_new(available), &transfer_events, from);
}

void
pair_offer(Side *from, const char *name, guint64 length)
{
    g_autoptr(BsFileOffer) offer = pair_file(name, length);

    pair_offer_as(from, offer, length);
}

void
pair_offer_by_si(Side *from, const char *name, guint64 length)
{
    g_autoptr(BsFileOffer) offer = pair_file(name, length);

    from->transfer = bs_transfer_offer_si(from->endpoint, from->peer->jid, offer, source_new(length),
                                          &transfer_events, from);
}

void
pair_offer_by_si_in_band(Side *from, const char *name, guint64 length)
{
    g_autoptr(BsFileOffer) offer = pair_file(name, length);

    from->transfer = bs_transfer_offer_si_in_band(from->endpoint, from->peer->jid, offer, source_new(length),
                                                  &transfer_events, from);
}

void
pair_accept(Side *side)
{
    bs_transfer_accept(side->transfer, sink_new(side));
}

/* The id of what is remembered of the file that is offered to `side`. */
static const char *
remember(Side *side)
{
    BsRemembered item = {
        .incoming = TRUE,
        .account = (char *)"",
        .peer = (char *)side->peer->jid,
        .file = (BsFileOffer *)bs_transfer_file(side->transfer),
        .path = (char *)"/f",
        .part = (char *)"/f.part",
    };

    side->folder = g_dir_make_tmp("bytestreams-pair-XXXXXX", NULL);
    side->memory = bs_memory_new(side->folder);
    bs_endpoint_set_memory(side->endpoint, side->memory);
    return bs_memory_add(side->memory, &item)->id;
}

void
pair_accept_rest(Side *side, guint64 offset, guint hashes)
{
    BsDigest *digest = bs_digest_new(hashes);

    for (guint64 i = 0; i < offset; i++) {
        guint8 byte = pair_byte(i);

        bs_digest_update(digest, &byte, 1);
        g_byte_array_append(side->received, &byte, 1);
    }
    bs_transfer_accept_rest(side->transfer, sink_new(side), offset, digest, remember(side));
}

static gboolean
look_whether_quiet(gpointer data)
{
    Pair *pair = data;

    pair->quiet = pair->flying->len == 0 && bs_endpoint_transfers(pair->a.endpoint) == 0 &&
                  (pair->b.endpoint == NULL || bs_endpoint_transfers(pair->b.endpoint) == 0);
    return !pair->quiet;
}

gboolean
pair_settle(Pair *pair)
{
    guint timer;

    pair->quiet = FALSE;
    timer = g_timeout_add(5, look_whether_quiet, pair);
    if (bs_test_run_until(&pair->quiet, HANG_SECONDS))
        return TRUE;
    g_source_remove(timer);
    return FALSE;
}

gboolean
pair_has_whole_file(const Side *side, guint64 length)
{
    if (!side->named || side->discarded || side->received->len != length)
        return FALSE;
    for (guint64 i = 0; i < length; i++)
        if (side->received->data[i] != pair_byte(i))
            return FALSE;
    return TRUE;
}

void
script_send(Pair *pair, const char *xml)
{
    launch(pair, &pair->a, xml, 0);
}

static gboolean
set_flag(gpointer flag)
{
    *(gboolean *)flag = TRUE;
    return FALSE;
}

/* Runs the loop until something is in the inbox at `index`. */
static xmlnode *
wait_for_stanza(Pair *pair, guint index)
{
    gboolean late = FALSE;
    guint timer = g_timeout_add_seconds(10, set_flag, &late);

    while (pair->b.inbox->len <= index && !late)
        g_main_context_iteration(NULL, TRUE);
    if (!late)
        g_source_remove(timer);
    return pair->b.inbox->len > index ? g_ptr_array_index(pair->b.inbox, index) : NULL;
}

xmlnode *
script_receive(Pair *pair)
{
    return wait_for_stanza(pair, pair->b.inbox->len);
}

static char *
describe_answer(const xmlnode *iq)
{
    g_autofree char *condition = NULL;
    const xmlnode *error = xmlnode_get_child(iq, "error");

    if (g_strcmp0(xmlnode_get_attrib((xmlnode *)iq, "type"), "result") == 0)
        return g_strdup("result");
    condition = bs_iq_error_condition(iq);
    for (xmlnode *node = bs_xml_first_element(error); node != NULL; node = bs_xml_next_element(node))
        if (g_strcmp0(xmlnode_get_namespace(node), BS_NS_JINGLE_ERRORS) == 0)
            return g_strdup_printf("%s+%s", condition, node->name);
    return g_steal_pointer(&condition);
}

char *
script_jingle(Pair *pair, const char *action, const char *sid, const char *contents)
{
    static guint count;
    g_autofree char *id = g_strdup_printf("script%u", ++count);
    g_autofree char *xml = g_strdup_printf(
        "<iq type='set' id='%s' from='%s' to='%s'><jingle xmlns='" BS_NS_JINGLE "' action='%s' sid='%s'>"
        "%s</jingle></iq>",
        id, pair->b.jid, pair->a.jid, action, sid, contents);
    xmlnode *stanza;

    script_send(pair, xml);
    for (guint i = pair->b.inbox->len; (stanza = wait_for_stanza(pair, i)) != NULL; i++)
        if (g_strcmp0(xmlnode_get_attrib(stanza, "id"), id) == 0)
            return describe_answer(stanza);
    return g_strdup("no answer");
}

xmlnode *
script_expect(Pair *pair, const char *action)
{
    xmlnode *stanza;

    for (guint i = 0; (stanza = wait_for_stanza(pair, i)) != NULL; i++) {
        const xmlnode *jingle = bs_jingle_element(stanza);

        if (g_strcmp0(bs_jingle_attrib(jingle, "action"), action) != 0)
            continue;
        bs_iq_reply_result(pair->b.link, stanza, NULL);
        return stanza;
    }
    return NULL;
}
