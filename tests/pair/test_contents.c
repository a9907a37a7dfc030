/* Several files in one session, as Psi offers them: each is accepted, declined, moved and ended by itself.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"
#include "purple_env.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/ibb_xml.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define BYTES "0123456789"
#define BYTES_BASE64 "MDEyMzQ1Njc4OQ=="
#define DIGITS_SHA256 "hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII="
#define REASON(reason) "<reason><" reason "/></reason>"
#define NAMED(name) "<content creator='initiator' name='" name "'/>"
/* The content `name` is a file of that name; its in-band stream's sid is the name, too. */
#define CONTENT_WITH(name, hash)                                                                             \
    "<content creator='initiator' name='" name "' senders='initiator'>"                                      \
    "<description xmlns='" FT5 "'><file><name>" name "</name><size>10</size>"                                \
    "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" hash "</hash></file></description>"                    \
    "<transport xmlns='" BS_NS_JINGLE_IBB "' block-size='4096' sid='" name "'/></content>"
#define CONTENT(name) CONTENT_WITH(name, DIGITS_SHA256)
#define CONTENT_WITH_STREAM(name, sid)                                                                       \
    "<content creator='initiator' name='" name "'><transport xmlns='" BS_NS_JINGLE_IBB                       \
    "' block-size='4096' sid='" sid "'/></content>"
#define CHECKSUM(name, hash)                                                                                 \
    "<checksum xmlns='" FT5 "' creator='initiator' name='" name "'><file>"                                   \
    "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" hash "</hash></file></checksum>"
/* Of nothing but zeros: the wrong one. */
#define WRONG_SHA256 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* What alice's user has been offered. */
typedef struct {
    BsSink sink;
    BsTransfer *transfer; /* NULL after its end */
    char *name;
    GByteArray *received;
    gboolean is_accepted;
    gboolean is_whole; /* it has its name */
    gboolean is_gone;  /* thrown away */
    gboolean has_ended;
    BsEndReason reason;
} File;

static Pair *pair;
static GPtrArray *files;
static BsQueue *queue; /* NULL: none */

static void
file_free(gpointer data)
{
    File *file = data;

    g_byte_array_unref(file->received);
    g_free(file->name);
    g_free(file);
}

static gssize
sink_write(BsSink *sink, const guint8 *buffer, gsize size, GError **error)
{
    (void)error;
    g_byte_array_append(((File *)sink)->received, buffer, (guint)size);
    return (gssize)size;
}

static gboolean
sink_finish(BsSink *sink, GError **error)
{
    (void)error;
    ((File *)sink)->is_whole = TRUE;
    return TRUE;
}

static void
sink_discard(BsSink *sink)
{
    ((File *)sink)->is_gone = TRUE;
}

static void
ended(BsTransfer *transfer, const BsEnd *end, gpointer data)
{
    File *file = data;

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
    File *file = g_new0(File, 1);

    (void)side;
    file->sink.write = sink_write;
    file->sink.finish = sink_finish;
    file->sink.discard = sink_discard;
    file->received = g_byte_array_new();
    file->name = g_strdup(bs_transfer_file(transfer)->name);
    file->transfer = transfer;
    g_ptr_array_add(files, file);
    bs_transfer_watch(transfer, &events, file);
}

static void
setup(void)
{
    bs_test_hurry(1);
    files = g_ptr_array_new_with_free_func(file_free);
    pair = pair_new_scripted();
    pair->a.on_offer = offered;
}

static void
teardown(void)
{
    pair_free(pair);
    g_clear_pointer(&queue, bs_queue_free);
    g_ptr_array_unref(files);
    bs_test_hurry(1);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static File *
file_named(const char *name)
{
    for (guint i = 0; i < files->len; i++)
        if (strcmp(((File *)g_ptr_array_index(files, i))->name, name) == 0)
            return g_ptr_array_index(files, i);
    ck_abort_msg("nobody was offered %s", name);
    return NULL;
}

static void
accept_file(const char *name)
{
    File *file = file_named(name);

    file->is_accepted = TRUE;
    bs_transfer_accept(file->transfer, &file->sink);
}

static void
decline_file(const char *name)
{
    bs_transfer_decline(g_steal_pointer(&file_named(name)->transfer));
}

static void
tell_in(const char *sid, const char *action, const char *contents, const char *expected)
{
    g_autofree char *answer = script_jingle(pair, action, sid, contents);

    ck_assert_msg(strcmp(answer, expected) == 0, "%s %s: %s instead of %s", action, contents, answer,
                  expected);
}

static void
tell(const char *action, const char *contents, const char *expected)
{
    tell_in("s1", action, contents, expected);
}

static guint
count_contents(const xmlnode *stanza)
{
    return bs_jingle_count_contents(bs_jingle_element(stanza));
}

static const char *
reason_of(const xmlnode *stanza)
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
static xmlnode *
find(const char *action, const char *name)
{
    for (guint i = 0; i < pair->b.inbox->len; i++) {
        xmlnode *stanza = g_ptr_array_index(pair->b.inbox, i);

        if (g_strcmp0(bs_jingle_attrib(bs_jingle_element(stanza), "action"), action) == 0 &&
            (name == NULL || names_content(stanza, name)))
            return stanza;
    }
    return NULL;
}

/* The same after waiting for it, and acknowledged. */
static xmlnode *
expect(const char *action, const char *name)
{
    xmlnode *stanza;

    for (guint i = 0; (stanza = find(action, name)) == NULL && i < 500; i++)
        bs_test_run_for(10);
    ck_assert_msg(stanza != NULL, "no %s of %s", action, name != NULL ? name : "anything");
    bs_iq_reply_result(pair->b.link, stanza, NULL);
    return stanza;
}

static void
in_band(const char *name, const char *payload)
{
    static guint count;
    g_autofree char *xml = g_strdup_printf("<iq type='set' id='%s%u' from='%s' to='%s'>%s</iq>", name,
                                           ++count, pair->b.jid, pair->a.jid, payload);

    script_send(pair, xml);
    bs_test_run_for(20);
}

static void
open_stream(const char *name)
{
    g_autofree char *open =
        g_strdup_printf("<open xmlns='" BS_NS_IBB "' sid='%s' block-size='4096' stanza='iq'/>", name);

    in_band(name, open);
}

static void
send_bytes(const char *name)
{
    g_autofree char *data =
        g_strdup_printf("<data xmlns='" BS_NS_IBB "' sid='%s' seq='0'>" BYTES_BASE64 "</data>", name);
    g_autofree char *close = g_strdup_printf("<close xmlns='" BS_NS_IBB "' sid='%s'/>", name);

    in_band(name, data);
    in_band(name, close);
}

static void
wait_for_end(const char *name)
{
    const File *file = file_named(name);

    for (guint i = 0; !file->has_ended && i < 500; i++)
        bs_test_run_for(10);
    ck_assert(file->has_ended);
}

static void
check_whole(const char *name)
{
    const File *file = file_named(name);

    wait_for_end(name);
    ck_assert_int_eq(file->reason, BS_END_DELIVERED);
    ck_assert(file->is_whole && !file->is_gone);
    ck_assert_mem_eq(file->received->data, BYTES, sizeof BYTES - 1);
}

static void
check_no_transfer_is_left(void)
{
    bs_test_run_for(50);
    ck_assert_uint_eq(bs_endpoint_transfers(pair->a.endpoint), 0);
    tell("session-info", "", "item-not-found+unknown-session");
}

static void
offer_two(void)
{
    tell("session-initiate", CONTENT("one") CONTENT("two"), "result");
    ck_assert_uint_eq(files->len, 2);
}

static void
accept_both(void)
{
    offer_two();
    accept_file("one");
    accept_file("two");
    ck_assert_uint_eq(count_contents(expect("session-accept", "one")), 2);
}

/* In either order. */
START_TEST(both_are_accepted_together)
{
    const char *first = _i ? "two" : "one";
    const char *second = _i ? "one" : "two";

    offer_two();
    accept_file(first);
    bs_test_run_for(50);
    ck_assert_ptr_null(find("session-accept", NULL));
    accept_file(second);
    ck_assert_uint_eq(count_contents(expect("session-accept", "one")), 2);
    ck_assert(names_content(find("session-accept", NULL), "two"));
    open_stream(second);
    open_stream(first);
    send_bytes(first);
    check_whole(first);
    ck_assert_str_eq(reason_of(expect("content-remove", first)), "success");
    send_bytes(second);
    check_whole(second);
    ck_assert_str_eq(reason_of(expect("session-terminate", NULL)), "success");
    check_no_transfer_is_left();
}
END_TEST

/* Before the other one is accepted, and afterwards. */
START_TEST(one_is_declined)
{
    offer_two();
    if (_i)
        accept_file("one");
    decline_file("two");
    if (!_i)
        accept_file("one");
    ck_assert_str_eq(reason_of(expect("content-remove", "two")), "decline");
    ck_assert_uint_eq(count_contents(expect("session-accept", "one")), 1);
    ck_assert_ptr_null(find("session-terminate", NULL));
    open_stream("one");
    send_bytes("one");
    check_whole("one");
    ck_assert_str_eq(reason_of(expect("session-terminate", NULL)), "success");
    check_no_transfer_is_left();
}
END_TEST

START_TEST(all_are_declined)
{
    offer_two();
    decline_file("two");
    ck_assert_str_eq(reason_of(expect("content-remove", "two")), "decline");
    decline_file("one");
    ck_assert_str_eq(reason_of(expect("session-terminate", NULL)), "decline");
    ck_assert_ptr_null(find("session-accept", NULL));
    check_no_transfer_is_left();
}
END_TEST

START_TEST(an_accepted_one_that_waits_can_be_cancelled)
{
    offer_two();
    accept_file("one");
    ck_assert(bs_transfer_is_queued(file_named("one")->transfer));
    bs_transfer_cancel(g_steal_pointer(&file_named("one")->transfer));
    ck_assert(file_named("one")->is_gone);
    ck_assert_str_eq(reason_of(expect("content-remove", "one")), "cancel");
    ck_assert_ptr_null(find("session-accept", NULL));
    accept_file("two");
    ck_assert_uint_eq(count_contents(expect("session-accept", "two")), 1);
    open_stream("two");
    send_bytes("two");
    check_whole("two");
}
END_TEST

/* While the other one waits for a decision; while both move. */
START_TEST(the_peer_removes_one)
{
    if (_i) {
        accept_both();
        open_stream("one");
        open_stream("two");
    } else {
        offer_two();
        accept_file("two");
    }
    tell("content-remove", NAMED("one") REASON("cancel"), "result");
    ck_assert_int_eq(file_named("one")->reason, BS_END_CANCELLED);
    ck_assert(file_named("one")->has_ended && !file_named("two")->has_ended);
    if (!_i) {
        ck_assert_uint_eq(count_contents(expect("session-accept", "two")), 1);
        open_stream("two");
    }
    /* What it still says of that one came too late. */
    tell("transport-info",
         "<content creator='initiator' name='one'><transport xmlns='" BS_NS_JINGLE_IBB
         "' block-size='4096' sid='one'/></content>",
         "result");
    send_bytes("two");
    check_whole("two");
    check_no_transfer_is_left();
}
END_TEST

START_TEST(the_peer_ends_the_session)
{
    if (_i == 2)
        accept_both();
    else
        offer_two();
    if (_i == 1)
        accept_file("one");
    tell("session-terminate", REASON("cancel"), "result");
    for (guint i = 0; i < files->len; i++)
        ck_assert_int_eq(((File *)g_ptr_array_index(files, i))->reason, BS_END_CANCELLED);
    bs_test_run_for(50);
    ck_assert(_i == 2 || find("session-accept", NULL) == NULL);
    check_no_transfer_is_left();
}
END_TEST

START_TEST(the_peer_removes_both_at_once)
{
    accept_both();
    tell("content-remove", NAMED("one") NAMED("two") REASON("cancel"), "result");
    ck_assert(file_named("one")->has_ended && file_named("two")->has_ended);
    ck_assert_str_eq(reason_of(expect("session-terminate", NULL)), "cancel");
    check_no_transfer_is_left();
}
END_TEST

/* Before the session is accepted, and while a file moves. */
START_TEST(a_content_is_added)
{
    tell("session-initiate", CONTENT("one"), "result");
    if (_i) {
        accept_file("one");
        expect("session-accept", "one");
        open_stream("one");
    }
    tell("content-add", CONTENT("two"), "result");
    ck_assert_uint_eq(files->len, 2);
    if (!_i)
        accept_file("one");
    accept_file("two");
    ck_assert_uint_eq(count_contents(expect(_i ? "content-accept" : "session-accept", "two")), _i ? 1 : 2);
    if (!_i)
        open_stream("one");
    open_stream("two");
    send_bytes("two");
    check_whole("two");
    send_bytes("one");
    check_whole("one");
    check_no_transfer_is_left();
}
END_TEST

START_TEST(an_added_content_is_declined)
{
    tell("session-initiate", CONTENT("one"), "result");
    accept_file("one");
    expect("session-accept", "one");
    tell("content-add", CONTENT("two"), "result");
    decline_file("two");
    ck_assert_str_eq(reason_of(expect("content-reject", "two")), "decline");
    open_stream("one");
    send_bytes("one");
    check_whole("one");
    check_no_transfer_is_left();
}
END_TEST

START_TEST(a_damaged_one_harms_no_other)
{
    tell("session-initiate", CONTENT_WITH("one", WRONG_SHA256) CONTENT("two"), "result");
    accept_file("one");
    accept_file("two");
    expect("session-accept", "one");
    open_stream("one");
    open_stream("two");
    send_bytes("one");
    wait_for_end("one");
    ck_assert_int_eq(file_named("one")->reason, BS_END_DAMAGED);
    ck_assert(file_named("one")->is_gone);
    ck_assert_str_eq(reason_of(expect("content-remove", "one")), "media-error");
    send_bytes("two");
    check_whole("two");
}
END_TEST

/* Psi puts into one stanza what it has to say of several. */
START_TEST(checksums_of_both_come_in_one_request)
{
    tell("session-initiate", CONTENT_WITH("one", "") CONTENT_WITH("two", ""), "result");
    accept_file("one");
    accept_file("two");
    expect("session-accept", "one");
    open_stream("one");
    open_stream("two");
    tell("session-info", CHECKSUM("one", DIGITS_SHA256) CHECKSUM("two", WRONG_SHA256), "result");
    send_bytes("one");
    send_bytes("two");
    check_whole("one");
    wait_for_end("two");
    ck_assert_int_eq(file_named("two")->reason, BS_END_DAMAGED);
}
END_TEST

/* What is no file, or cannot be taken, is removed; the rest is offered. */
static const struct {
    const char *content;
    const char *reason;
} useless[] = {
    {"<content creator='initiator' name='bad'><description xmlns='urn:xmpp:jingle:apps:rtp:1'/>"
     "<transport xmlns='urn:example:pigeon'/></content>",
     "failed-application"},
    {"<content creator='initiator' name='bad'/>", "failed-application"},
    {"<content creator='initiator' name='bad' senders='initiator'><description xmlns='" FT5
     "'><file><name>n</name><size>1</size></file></description><transport "
     "xmlns='urn:example:pigeon'/></content>",
     "unsupported-transports"},
    {"<content creator='initiator' name='bad' senders='responder'><description xmlns='" FT5
     "'><file><name>n</name><size>1</size></file></description><transport xmlns='" BS_NS_JINGLE_IBB
     "' block-size='4096' sid='bad'/></content>",
     "failed-application"},
};

START_TEST(a_useless_one_is_removed)
{
    g_autofree char *before = g_strconcat(CONTENT("one"), useless[_i].content, CONTENT("two"), NULL);

    tell("session-initiate", before, "result");
    ck_assert_uint_eq(files->len, 2);
    ck_assert_str_eq(reason_of(expect("content-remove", "bad")), useless[_i].reason);
    accept_file("one");
    accept_file("two");
    ck_assert_uint_eq(count_contents(expect("session-accept", "one")), 2);
}
END_TEST

START_TEST(nothing_but_useless_ones_end_the_session)
{
    tell("session-initiate",
         "<content creator='initiator' name='x'><description xmlns='" FT5 "'/></content>"
         "<content creator='initiator' name='y'/>",
         "result");
    expect("session-terminate", NULL);
    ck_assert_uint_eq(files->len, 0);
    ck_assert_uint_eq(bs_endpoint_transfers(pair->a.endpoint), 0);
}
END_TEST

START_TEST(names_are_used_once)
{
    tell("session-initiate", CONTENT("one") CONTENT("one"), "bad-request");
    tell("session-initiate", CONTENT("one") "<content creator='responder' name='two'/>", "bad-request");
    ck_assert_uint_eq(files->len, 0);
    offer_two();
    tell("content-add", CONTENT("one"), "bad-request");
    tell("content-remove", NAMED("three"), "item-not-found");
    tell("transport-info", NAMED("three"), "bad-request");
    tell("content-accept", CONTENT("one"), "unexpected-request+out-of-order");
    tell("content-remove", NAMED("one"), "result");
    tell("content-add", CONTENT("one"), "bad-request");
    ck_assert_uint_eq(files->len, 2);
}
END_TEST

START_TEST(a_flood_of_contents_is_none)
{
    g_autoptr(GString) contents = g_string_new(NULL);

    for (guint i = 0; i < 51; i++)
        g_string_append_printf(
            contents,
            "<content creator='initiator' name='%u' senders='initiator'><description xmlns='" FT5
            "'><file><name>%u</name><size>1</size></file></description><transport xmlns='" BS_NS_JINGLE_IBB
            "' block-size='4096' sid='%u'/></content>",
            i, i, i);
    tell("session-initiate", contents->str, "resource-constraint");
    ck_assert_uint_eq(files->len, 0);
}
END_TEST

/* One has been withdrawn, and what is said of it is on its way, alone or with that of the other. */
START_TEST(late_words_of_one_are_not_about_another)
{
    tell("session-initiate", CONTENT_WITH("one", "") CONTENT_WITH("two", ""), "result");
    accept_file("one");
    accept_file("two");
    expect("session-accept", "one");
    open_stream("two");
    bs_transfer_cancel(g_steal_pointer(&file_named("one")->transfer));
    expect("content-remove", "one");
    if (_i) {
        tell("session-info", CHECKSUM("two", DIGITS_SHA256), "result");
        tell("session-info", CHECKSUM("one", WRONG_SHA256), "result");
    } else {
        tell("session-info", CHECKSUM("one", WRONG_SHA256) CHECKSUM("two", DIGITS_SHA256), "result");
    }
    send_bytes("two");
    check_whole("two");
}
END_TEST

/* The other one's part is malformed; it is named twice; the other one never was. */
static const char *const half_bad[] = {
    CONTENT_WITH_STREAM("one", "again") CONTENT_WITH_STREAM("two", ""),
    CONTENT_WITH_STREAM("one", "again") CONTENT_WITH_STREAM("one", "again"),
    CONTENT_WITH_STREAM("one", "again") CONTENT_WITH_STREAM("three", "again"),
};

START_TEST(a_request_is_taken_as_a_whole)
{
    accept_both();
    tell("transport-replace", half_bad[_i], _i == 2 ? "item-not-found" : "bad-request");
    tell("transport-info", CONTENT_WITH_STREAM("one", "one"), "result");
    bs_test_run_for(50);
    ck_assert_ptr_null(find("transport-accept", NULL));
    open_stream("one");
    send_bytes("one");
    check_whole("one");
}
END_TEST

static const char *const unusable[] = {
    CONTENT("two") CONTENT("two"),
    CONTENT("two") CONTENT("one"),
    CONTENT("two") "<content creator='initiator'/>",
    CONTENT("two") "<content creator='initiator' name=''/>",
    CONTENT("two") "<content creator='responder' name='three'/>",
};

/* What could not be accepted or rejected by its name. */
START_TEST(unusable_contents_are_not_added)
{
    tell("session-initiate", CONTENT("one"), "result");
    tell("content-add", unusable[_i], "bad-request");
    ck_assert_uint_eq(files->len, 1);
    tell("content-add", CONTENT("two"), "result");
    ck_assert_uint_eq(files->len, 2);
}
END_TEST

START_TEST(each_useless_one_has_its_own_reason)
{
    tell("session-initiate",
         CONTENT("one") "<content creator='initiator' name='none' senders='none'><description xmlns='" FT5
                        "'><file><name>n</name><size>1</size></file></description><transport "
                        "xmlns='" BS_NS_JINGLE_IBB "' block-size='4096' sid='none'/></content>"
                        "<content creator='initiator' name='empty'/>",
         "result");
    ck_assert_str_eq(reason_of(expect("content-remove", "none")), "incompatible-parameters");
    ck_assert_str_eq(reason_of(expect("content-remove", "empty")), "failed-application");
}
END_TEST

/* Its presence says that the peer is gone, but it says something in the session. */
START_TEST(what_the_peer_says_is_heard_for_all)
{
    offer_two();
    bs_test_hurry(100);
    bs_endpoint_peer_unavailable(pair->a.endpoint, pair->b.jid);
    bs_test_hurry(1);
    if (_i)
        tell("session-info", "", "result");
    bs_test_run_for(200);
    for (guint i = 0; i < files->len; i++)
        ck_assert(((File *)g_ptr_array_index(files, i))->has_ended == !_i);
}
END_TEST

/* What is accepted, and could begin if it were alone, does not hold up other sessions. */
START_TEST(what_waits_for_others_has_no_place)
{
    queue = bs_queue_new(1);
    bs_endpoint_set_queue(pair->a.endpoint, queue);
    tell_in("s0", "session-initiate", CONTENT("zero"), "result");
    accept_file("zero");
    expect("session-accept", "zero");
    tell("session-initiate", CONTENT("one"), "result");
    accept_file("one");
    tell("content-add", CONTENT("two"), "result");
    bs_transfer_cancel(g_steal_pointer(&file_named("zero")->transfer));
    bs_test_run_for(50);
    ck_assert_ptr_null(find("session-accept", "one"));
    tell_in("s3", "session-initiate", CONTENT("three"), "result");
    accept_file("three");
    expect("session-accept", "three");
    accept_file("two");
    ck_assert_uint_eq(count_contents(expect("session-accept", "one")), 2);
}
END_TEST

/* How far two files have come ... */
static const char *const stages[] = {"offered", "held", "accepted", "acknowledged", "open", "verifying"};

static void
come_to_stage(guint stage)
{
    tell("session-initiate", CONTENT_WITH("one", "") CONTENT("two"), "result");
    if (stage >= 1)
        accept_file("one");
    if (stage >= 2) {
        accept_file("two");
        for (guint i = 0; find("session-accept", NULL) == NULL && i < 500; i++)
            bs_test_run_for(10);
    }
    if (stage >= 3)
        expect("session-accept", NULL);
    if (stage >= 4) {
        open_stream("one");
        open_stream("two");
    }
    if (stage >= 5)
        send_bytes("one");
}

static void
cancel(const char *name)
{
    BsTransfer *transfer = g_steal_pointer(&file_named(name)->transfer);

    if (transfer != NULL)
        bs_transfer_cancel(transfer);
}

/* The peer does not take the acceptance, after the first of what was accepted was cancelled. */
START_TEST(a_refused_acceptance_ends_what_is_left)
{
    xmlnode *accept;

    come_to_stage(2);
    cancel("one");
    bs_test_run_for(20);
    accept = find("session-accept", NULL);
    bs_iq_reply_error(pair->b.link, accept, "cancel", "item-not-found", NULL, NULL);
    bs_test_run_for(20);
    ck_assert(file_named("two")->has_ended);
    ck_assert_int_eq(file_named("two")->reason, BS_END_PEER_GONE);
}
END_TEST

/* As with one file: a connection shows that the peer has the acceptance, whatever becomes of its answer. */
START_TEST(a_connection_of_one_settles_the_acceptance)
{
    come_to_stage(2);
    open_stream("two");
    bs_iq_reply_error(pair->b.link, find("session-accept", NULL), "cancel", "item-not-found", NULL, NULL);
    bs_test_run_for(20);
    ck_assert(!file_named("one")->has_ended);
    send_bytes("two");
    check_whole("two");
}
END_TEST

/* Whoever accepts whatever comes is offered so many, and no more. */
START_TEST(a_session_does_not_grow_for_ever)
{
    guint added = 0;

    tell("session-initiate", CONTENT("one"), "result");
    accept_file("one");
    for (guint i = 0; i < 150; i++) {
        g_autofree char *content = g_strdup_printf(
            "<content creator='initiator' name='%u' senders='initiator'><description xmlns='" FT5
            "'><file><name>%u</name><size>1</size></file></description><transport xmlns='" BS_NS_JINGLE_IBB
            "' block-size='4096' sid='%u'/></content>",
            i, i, i);
        g_autofree char *name = g_strdup_printf("%u", i);

        tell("content-add", content, "result");
        if (files->len < added + 2)
            break;
        accept_file(name);
        added++;
    }
    ck_assert_uint_eq(added, 99);
    expect("content-reject", NULL);
}
END_TEST

/* ... and what comes then. */
static void
cancel_one(void)
{
    cancel("one");
}

static void
cancel_two(void)
{
    cancel("two");
}

static void
cancel_both(void)
{
    cancel("one");
    cancel("two");
}

static void
remove_one(void)
{
    tell("content-remove", NAMED("one") REASON("cancel"), "result");
}

static void
remove_two(void)
{
    tell("content-remove", NAMED("two"), "result");
}

static void
remove_both(void)
{
    tell("content-remove", NAMED("two") NAMED("one") REASON("success"), "result");
}

static void
call_it_a_success(void)
{
    tell("session-terminate", REASON("success"), "result");
}

static void
go_offline(void)
{
    bs_test_hurry(1000);
    bs_endpoint_peer_unavailable(pair->a.endpoint, pair->b.jid);
    bs_test_hurry(1);
}

static void
refuse_acceptance(void)
{
    xmlnode *accept = find("session-accept", NULL);

    if (accept != NULL)
        bs_iq_reply_error(pair->b.link, accept, "cancel", "item-not-found", NULL, NULL);
}

static void
cancel_one_and_refuse(void)
{
    cancel("one");
    refuse_acceptance();
}

static void
add_another_and_remove_both(void)
{
    tell("content-add", CONTENT("three"), "result");
    remove_both();
    accept_file("three");
}

static void (*const blows[])(void) = {
    cancel_one,
    cancel_two,
    cancel_both,
    remove_one,
    remove_two,
    remove_both,
    call_it_a_success,
    go_offline,
    refuse_acceptance,
    cancel_one_and_refuse,
    add_another_and_remove_both,
};

static void
accept_the_rest(void)
{
    for (guint i = 0; i < files->len; i++) {
        const File *file = g_ptr_array_index(files, i);

        if (file->transfer != NULL && !file->is_accepted)
            accept_file(file->name);
    }
    bs_test_run_for(5);
}

/* Whatever comes at whatever stage: what goes on can be ended, and nothing is left. */
START_TEST(nothing_is_left_of_whatever_ends)
{
    g_autofree char *answer = NULL;

    come_to_stage((guint)_i % G_N_ELEMENTS(stages));
    blows[(guint)_i / G_N_ELEMENTS(stages)]();
    bs_test_run_for(15);
    accept_the_rest();
    answer = script_jingle(pair, "session-terminate", "s1", REASON("cancel"));
    bs_endpoint_free(g_steal_pointer(&pair->a.endpoint));
    bs_test_run_for(5);
    for (guint i = 0; i < files->len; i++) {
        const File *file = g_ptr_array_index(files, i);

        ck_assert_ptr_null(file->transfer);
        ck_assert(file->is_accepted == (file->is_whole != file->is_gone));
    }
}
END_TEST

/* Signing off, with everything in whatever state it is in. */
START_TEST(all_ends_with_the_endpoint)
{
    if (_i < 2)
        offer_two();
    if (_i == 1)
        accept_file("one");
    if (_i >= 2)
        accept_both();
    if (_i == 3)
        open_stream("one");
    bs_endpoint_free(g_steal_pointer(&pair->a.endpoint));
    for (guint i = 0; i < files->len; i++)
        ck_assert(((File *)g_ptr_array_index(files, i))->has_ended);
    bs_test_run_for(50);
    ck_assert(_i >= 2 || find("session-accept", NULL) == NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("contents");
    TCase *tcase = tcase_create("contents");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, both_are_accepted_together, 0, 2);
    tcase_add_loop_test(tcase, one_is_declined, 0, 2);
    tcase_add_test(tcase, all_are_declined);
    tcase_add_test(tcase, an_accepted_one_that_waits_can_be_cancelled);
    tcase_add_loop_test(tcase, the_peer_removes_one, 0, 2);
    tcase_add_loop_test(tcase, the_peer_ends_the_session, 0, 3);
    tcase_add_test(tcase, the_peer_removes_both_at_once);
    tcase_add_loop_test(tcase, a_content_is_added, 0, 2);
    tcase_add_test(tcase, an_added_content_is_declined);
    tcase_add_test(tcase, a_damaged_one_harms_no_other);
    tcase_add_test(tcase, checksums_of_both_come_in_one_request);
    tcase_add_loop_test(tcase, a_useless_one_is_removed, 0, G_N_ELEMENTS(useless));
    tcase_add_test(tcase, nothing_but_useless_ones_end_the_session);
    tcase_add_test(tcase, names_are_used_once);
    tcase_add_test(tcase, a_flood_of_contents_is_none);
    tcase_add_loop_test(tcase, late_words_of_one_are_not_about_another, 0, 2);
    tcase_add_loop_test(tcase, a_request_is_taken_as_a_whole, 0, G_N_ELEMENTS(half_bad));
    tcase_add_loop_test(tcase, unusable_contents_are_not_added, 0, G_N_ELEMENTS(unusable));
    tcase_add_test(tcase, each_useless_one_has_its_own_reason);
    tcase_add_test(tcase, a_refused_acceptance_ends_what_is_left);
    tcase_add_test(tcase, a_connection_of_one_settles_the_acceptance);
    tcase_add_test(tcase, a_session_does_not_grow_for_ever);
    tcase_add_loop_test(tcase, what_the_peer_says_is_heard_for_all, 0, 2);
    tcase_add_test(tcase, what_waits_for_others_has_no_place);
    tcase_add_loop_test(tcase, all_ends_with_the_endpoint, 0, 4);
    tcase_add_loop_test(tcase, nothing_is_left_of_whatever_ends, 0,
                        G_N_ELEMENTS(stages) * G_N_ELEMENTS(blows));
    suite_add_tcase(suite, tcase);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
