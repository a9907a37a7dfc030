/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "several.h"

#include <check.h>
#include <string.h>

#include "purple_env.h"
#include "socks5/listener.h"

Several several;

static void
file_free(gpointer data)
{
    SeveralFile *file = data;

    g_byte_array_unref(file->received);
    g_free(file->name);
    g_free(file);
}

static gssize
sink_write(BsSink *sink, const guint8 *buffer, gsize size, GError **error)
{
    (void)error;
    g_byte_array_append(((SeveralFile *)sink)->received, buffer, (guint)size);
    return (gssize)size;
}

static gboolean
sink_finish(BsSink *sink, GError **error)
{
    (void)error;
    ((SeveralFile *)sink)->is_whole = TRUE;
    return TRUE;
}

static void
sink_discard(BsSink *sink)
{
    ((SeveralFile *)sink)->is_gone = TRUE;
}

static void
ended(BsTransfer *transfer, const BsEnd *end, gpointer data)
{
    SeveralFile *file = data;

    (void)transfer;
    file->has_ended = TRUE;
    file->reason = end->reason;
    file->transfer = NULL;
}

static void
started(BsTransfer *transfer, const BsRoute *route, gpointer data)
{
    (void)transfer;
    (void)route;
    (void)data;
}

static void
progress(BsTransfer *transfer, guint64 moved, gpointer data)
{
    (void)transfer;
    (void)moved;
    (void)data;
}

static const BsTransferEvents events = {.started = started, .progress = progress, .ended = ended};

static void
offered(Side *side, BsTransfer *transfer)
{
    SeveralFile *file = g_new0(SeveralFile, 1);

    (void)side;
    file->sink.write = sink_write;
    file->sink.finish = sink_finish;
    file->sink.discard = sink_discard;
    file->received = g_byte_array_new();
    file->name = g_strdup(bs_transfer_file(transfer)->name);
    file->transfer = transfer;
    g_ptr_array_add(several.files, file);
    bs_transfer_watch(transfer, &events, file);
}

void
several_set_up(void)
{
    bs_test_hurry(1);
    several.files = g_ptr_array_new_with_free_func(file_free);
    several.pair = pair_new_scripted();
    several.pair->a.on_offer = offered;
}

void
several_tear_down(void)
{
    pair_free(several.pair);
    g_clear_pointer(&several.queue, bs_queue_free);
    g_ptr_array_unref(several.files);
    bs_test_hurry(1);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

SeveralFile *
several_file(const char *name)
{
    for (guint i = 0; i < several.files->len; i++)
        if (strcmp(((SeveralFile *)g_ptr_array_index(several.files, i))->name, name) == 0)
            return g_ptr_array_index(several.files, i);
    ck_abort_msg("nobody was offered %s", name);
    return NULL;
}

void
several_accept(const char *name)
{
    SeveralFile *file = several_file(name);

    file->is_accepted = TRUE;
    bs_transfer_accept(file->transfer, &file->sink);
}

void
several_decline(const char *name)
{
    bs_transfer_decline(g_steal_pointer(&several_file(name)->transfer));
}

void
several_cancel(const char *name)
{
    BsTransfer *transfer = g_steal_pointer(&several_file(name)->transfer);

    if (transfer != NULL)
        bs_transfer_cancel(transfer);
}

void
several_tell_in(const char *sid, const char *action, const char *contents, const char *expected)
{
    g_autofree char *answer = script_jingle(several.pair, action, sid, contents);

    ck_assert_msg(strcmp(answer, expected) == 0, "%s %s: %s instead of %s", action, contents, answer,
                  expected);
}

void
several_tell(const char *action, const char *contents, const char *expected)
{
    several_tell_in("s1", action, contents, expected);
}

guint
several_count(const xmlnode *stanza)
{
    return bs_jingle_count_contents(bs_jingle_element(stanza));
}

const char *
several_reason(const xmlnode *stanza)
{
    return bs_jingle_reason_name(bs_jingle_reason(bs_jingle_element(stanza)));
}

static gboolean
names_content(const xmlnode *stanza, const char *name)
{
    const xmlnode *content = bs_jingle_first_content(bs_jingle_element(stanza));

    while (content != NULL && g_strcmp0(bs_jingle_attrib(content, "name"), name) != 0)
        content = bs_jingle_next_content(content);
    return content != NULL;
}

/* A request that has come, of this action and (not NULL) about this content. NULL: none has. */
xmlnode *
several_find(const char *action, const char *name)
{
    for (guint i = 0; i < several.pair->b.inbox->len; i++) {
        xmlnode *stanza = g_ptr_array_index(several.pair->b.inbox, i);

        if (g_strcmp0(bs_jingle_attrib(bs_jingle_element(stanza), "action"), action) == 0 &&
            (name == NULL || names_content(stanza, name)))
            return stanza;
    }
    return NULL;
}

/* The same after waiting for it, and acknowledged. */
xmlnode *
several_expect(const char *action, const char *name)
{
    xmlnode *stanza;

    for (guint i = 0; (stanza = several_find(action, name)) == NULL && i < 500; i++)
        bs_test_run_for(10);
    ck_assert_msg(stanza != NULL, "no %s of %s", action, name != NULL ? name : "anything");
    bs_iq_reply_result(several.pair->b.link, stanza, NULL);
    return stanza;
}

static void
in_band(const char *name, const char *payload)
{
    static guint count;
    g_autofree char *xml = g_strdup_printf("<iq type='set' id='%s%u' from='%s' to='%s'>%s</iq>", name,
                                           ++count, several.pair->b.jid, several.pair->a.jid, payload);

    script_send(several.pair, xml);
    bs_test_run_for(20);
}

void
several_open(const char *name)
{
    g_autofree char *open =
        g_strdup_printf("<open xmlns='" BS_NS_IBB "' sid='%s' block-size='4096' stanza='iq'/>", name);

    in_band(name, open);
}

void
several_send(const char *name)
{
    g_autofree char *data =
        g_strdup_printf("<data xmlns='" BS_NS_IBB "' sid='%s' seq='0'>" BYTES_BASE64 "</data>", name);
    g_autofree char *close = g_strdup_printf("<close xmlns='" BS_NS_IBB "' sid='%s'/>", name);

    in_band(name, data);
    in_band(name, close);
}

void
several_wait_for_end(const char *name)
{
    const SeveralFile *file = several_file(name);

    for (guint i = 0; !file->has_ended && i < 500; i++)
        bs_test_run_for(10);
    ck_assert(file->has_ended);
}

void
several_check_whole(const char *name)
{
    const SeveralFile *file = several_file(name);

    several_wait_for_end(name);
    ck_assert_int_eq(file->reason, BS_END_DELIVERED);
    ck_assert(file->is_whole && !file->is_gone);
    ck_assert_mem_eq(file->received->data, BYTES, sizeof BYTES - 1);
}

void
several_check_none_is_left(void)
{
    bs_test_run_for(50);
    ck_assert_uint_eq(bs_endpoint_transfers(several.pair->a.endpoint), 0);
    several_tell("session-info", "", "item-not-found+unknown-session");
}

void
several_offer_two(void)
{
    several_tell("session-initiate", CONTENT("one") CONTENT("two"), "result");
    ck_assert_uint_eq(several.files->len, 2);
}

void
several_accept_both(void)
{
    several_offer_two();
    several_accept("one");
    several_accept("two");
    ck_assert_uint_eq(several_count(several_expect("session-accept", "one")), 2);
}
