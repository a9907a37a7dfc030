/* A connection breaks, or a program ends, and the rest of the file is asked for: by us, and from us.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <dlfcn.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utime.h>

#include "pair.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "script_stanzas.h"
#include "socks5/candidate.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "stream/part_file.h"
#include "transfer/jingle_xml.h"
#include "transfer/memory.h"
#include "transport/s5b_xml.h"
#include "worker.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define BOB "bob@two.test/b"
#define LENGTH 100000
#define HANG_SECONDS 60
#define SOCKS(sid, inner) "<transport xmlns='" BS_NS_S5B "' sid='" sid "'>" inner "</transport>"

/* The disk, in workers: this definition stands before libc's. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static gboolean disk_is_slow;
static gboolean reading;
static pthread_t event_loop;

ssize_t
pread(int file, void *buffer, size_t count, off_t offset)
{
    ssize_t (*real)(int, void *, size_t, off_t) =
        (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");

    if (!pthread_equal(pthread_self(), event_loop)) {
        pthread_mutex_lock(&gate);
        reading = TRUE;
        while (disk_is_slow)
            pthread_cond_wait(&gate_moved, &gate);
        pthread_mutex_unlock(&gate);
    }
    return real(file, buffer, count, offset);
}

static void
set_disk(gboolean slow)
{
    pthread_mutex_lock(&gate);
    disk_is_slow = slow;
    reading = FALSE;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate);
}

static gboolean
is_reading(void)
{
    gboolean is;

    pthread_mutex_lock(&gate);
    is = reading;
    pthread_mutex_unlock(&gate);
    return is;
}

static Pair *pair;
static BsMemory *memory;
static char *folder;
static char *path; /* of the file that is sent, or that is to come */
static gint64 date;
static guint8 *bytes;
static int fd;
static guint ended;
static BsEnd end;
static guint accepted;
static BsTransfer *resumed;

static void
on_accepted(BsTransfer *transfer, gpointer data)
{
    (void)transfer;
    (void)data;
    accepted++;
}

static void
on_started(BsTransfer *transfer, const BsRoute *route, gpointer data)
{
    (void)transfer;
    (void)route;
    (void)data;
}

static void
on_progress(BsTransfer *transfer, guint64 moved, gpointer data)
{
    (void)transfer;
    (void)data;
    ck_assert_uint_le(moved, LENGTH);
}

static void
on_ended(BsTransfer *transfer, const BsEnd *how, gpointer data)
{
    (void)transfer;
    (void)data;
    ended++;
    end = *how;
}

static const BsTransferEvents events = {
    .accepted = on_accepted, .started = on_started, .progress = on_progress, .ended = on_ended};

static void
on_offered(BsEndpoint *endpoint, BsTransfer *transfer, gpointer data)
{
    (void)endpoint;
    (void)data;
    bs_transfer_watch(transfer, &events, NULL);
    bs_transfer_set_path(transfer, path, FALSE);
    bs_transfer_accept(transfer, bs_part_file_new(path, FALSE, NULL));
}

static void
on_resumed(BsEndpoint *endpoint, BsTransfer *transfer, const char *file, gpointer data)
{
    (void)endpoint;
    (void)data;
    ck_assert_str_eq(file, path);
    resumed = transfer;
    bs_transfer_watch(transfer, &events, NULL);
}

static const BsEndpointEvents endpoint_events = {.offered = on_offered, .resumed = on_resumed};

static void
setup(void)
{
    event_loop = pthread_self();
    bs_test_hurry(20);
    pair = pair_new_scripted();
    bs_endpoint_free(pair->a.endpoint);
    pair->a.endpoint = bs_endpoint_new(pair->a.link, NULL, &endpoint_events, NULL);
    folder = g_dir_make_tmp("bytestreams-rest-XXXXXX", NULL);
    path = g_build_filename(folder, "f", NULL);
    memory = bs_memory_new(folder);
    bs_endpoint_set_memory(pair->a.endpoint, memory);
    bytes = g_malloc(LENGTH);
    for (gsize i = 0; i < LENGTH; i++)
        bytes[i] = pair_byte(i);
    fd = -1;
    ended = accepted = 0;
    resumed = NULL;
}

static void
teardown(void)
{
    GDir *dir;
    const char *name;

    set_disk(FALSE);
    if (fd >= 0)
        close(fd);
    pair_free(pair);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    bs_memory_free(memory);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    dir = g_dir_open(folder, 0, NULL);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(folder, name, NULL);

        g_unlink(file);
    }
    g_dir_close(dir);
    g_rmdir(folder);
    bs_test_hurry(1);
    g_free(folder);
    g_free(path);
    g_free(bytes);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static void
check(const char *action, const char *session, const char *contents, const char *expected)
{
    g_autofree char *answer = script_jingle(pair, action, session, contents);

    ck_assert_str_eq(answer, expected);
}

static char *
description(const char *name, guint64 size, const char *more)
{
    g_autofree char *modified = bs_xml_format_date(date);

    return g_strdup_printf("<description xmlns='" FT5 "'><file><name>%s</name><size>%" G_GUINT64_FORMAT
                           "</size><date>%s</date>%s</file></description>",
                           name, size, modified, more);
}

/* An offer, an answer or a request of bob's, around a description (taken) and a transport. */
static char *
content(const char *name, const char *senders, char *file, const char *transport)
{
    g_autofree char *described = file;

    return g_strdup_printf("<content creator='initiator' name='%s' senders='%s'>%s%s</content>", name,
                           senders, described, transport);
}

static char *
request(const char *name, guint64 size, const char *range)
{
    return content("a-file-request", "responder", description(name, size, range), SOCKS("rest", ""));
}

static const xmlnode *
content_of(const xmlnode *stanza)
{
    return bs_jingle_first_content(bs_jingle_element((xmlnode *)stanza));
}

/* Dials what alice describes in `stanza` and nominates it in `session`. */
static void
dial(const xmlnode *stanza, const char *session, const char *name)
{
    const xmlnode *transport = bs_jingle_transport(content_of(stanza));
    const char *stream = bs_jingle_attrib(transport, "sid");
    g_autofree char *dst_addr = bs_dst_addr(stream, pair->a.jid, pair->b.jid);
    g_autofree char *used =
        g_strdup_printf("<content creator='initiator' name='%s'><transport xmlns='" BS_NS_S5B
                        "' sid='%s'><candidate-used cid='%s'/></transport></content>",
                        name, stream, bs_jingle_attrib(xmlnode_get_child(transport, "candidate"), "cid"));

    ck_assert_uint_eq(script_dial(dst_addr, &fd), 0);
    check("transport-info", session, used, "result");
}

static void
break_connection(void)
{
    shutdown(fd, SHUT_RDWR);
    close(fd);
    fd = -1;
}

static const char *
range_of(const xmlnode *stanza)
{
    xmlnode *file = xmlnode_get_child((xmlnode *)bs_jingle_description(content_of(stanza)), "file");
    xmlnode *range = file != NULL ? xmlnode_get_child(file, "range") : NULL;

    return range != NULL ? xmlnode_get_attrib(range, "offset") : "no range";
}

static char *
hash_of_all(void)
{
    g_autoptr(BsDigest) digest = bs_digest_new(1u << BS_HASH_SHA256);
    guint8 value[BS_DIGEST_MAX];

    bs_digest_update(digest, bytes, LENGTH);
    bs_digest_value(digest, BS_HASH_SHA256, value);
    return bs_hash_format(BS_HASH_SHA256, value);
}

/* The sender. */

static void
make_file(void)
{
    struct utimbuf times = {1600000000, 1600000000};

    ck_assert(g_file_set_contents(path, (const char *)bytes, LENGTH, NULL));
    ck_assert_int_eq(utime(path, &times), 0);
    date = times.modtime;
}

static BsTransfer *
offer_file(void)
{
    g_autoptr(BsFileOffer) offer = pair_file("f", LENGTH);
    BsTransfer *transfer;

    make_file();
    offer->date = date;
    transfer =
        bs_transfer_offer(pair->a.endpoint, BOB, offer, bs_file_source_new(path, NULL, NULL), &events, NULL);
    bs_transfer_set_path(transfer, path, FALSE);
    return transfer;
}

/* Alice's offer is accepted with this range, and `taken` bytes have arrived. Returns her session's id. */
static char *
send_accepted_with(const char *range, gsize taken)
{
    g_autofree guint8 *got = g_malloc(taken + 1);
    g_autofree char *answer = NULL;
    const xmlnode *initiate;
    char *sid;

    offer_file();
    initiate = script_expect(pair, "session-initiate");
    ck_assert_ptr_null(range_of(initiate));
    sid = g_strdup(bs_jingle_attrib(bs_jingle_element((xmlnode *)initiate), "sid"));
    answer = content("a-file-offer", "initiator", description("f", LENGTH, range), "%");
    {
        g_autoptr(GString) text = g_string_new(answer);
        g_autofree char *transport =
            g_strdup_printf("<transport xmlns='" BS_NS_S5B "' sid='%s'/>",
                            bs_jingle_attrib(bs_jingle_transport(content_of(initiate)), "sid"));

        g_string_replace(text, "%", transport, 1);
        check("session-accept", sid, text->str, "result");
    }
    dial(initiate, sid, "a-file-offer");
    script_receive_bytes(fd, got, taken);
    ck_assert_mem_eq(got, bytes, taken);
    ck_assert_uint_eq(accepted, 1);
    return sid;
}

static char *
send_until(gsize taken)
{
    return send_accepted_with("<range offset='0'/>", taken);
}

static void
check_sends_rest(gsize from)
{
    const xmlnode *accept = script_expect(pair, "session-accept");
    g_autofree guint8 *got = g_malloc(LENGTH);
    g_autofree char *offset = g_strdup_printf("%" G_GSIZE_FORMAT, from);
    g_autofree char *hash = hash_of_all();
    g_autofree char *checksum = NULL;
    const xmlnode *info;

    ck_assert_ptr_nonnull(accept);
    ck_assert_str_eq(bs_jingle_attrib(bs_jingle_element((xmlnode *)accept), "sid"), "r1");
    ck_assert_str_eq(bs_jingle_attrib(content_of(accept), "senders"), "responder");
    ck_assert_str_eq(range_of(accept) != NULL ? range_of(accept) : "0", offset);
    dial(accept, "r1", "a-file-request");
    script_receive_bytes(fd, got, LENGTH - from);
    ck_assert_mem_eq(got, bytes + from, LENGTH - from);
    /* Of the whole file, not of what was sent. */
    info = script_expect(pair, "session-info");
    ck_assert_ptr_nonnull(info);
    checksum = xmlnode_to_str((xmlnode *)info, NULL);
    ck_assert_ptr_nonnull(strstr(checksum, hash));
    check("session-terminate", "r1", "<reason><success/></reason>", "result");
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(ended, 1);
    ck_assert_int_eq(end.reason, BS_END_DELIVERED);
    ck_assert_uint_eq(bs_memory_items(memory)->len, 0);
}

START_TEST(the_rest_of_a_running_transfer_is_sent)
{
    const gsize from[] = {0, 1, 5000, LENGTH - 1};
    g_autofree char *sid = send_until(6000);
    g_autofree char *range = g_strdup_printf("<range offset='%" G_GSIZE_FORMAT "'/>", from[_i]);
    g_autofree char *asked = request("f", LENGTH, range);

    break_connection();
    check("session-initiate", "r1", asked, "result");
    check_sends_rest(from[_i]);
    ck_assert_ptr_null(resumed);
    /* Nothing is left of the session before. */
    check("session-terminate", sid, "<reason><alternative-session/></reason>",
          "item-not-found+unknown-session");
}
END_TEST

START_TEST(a_request_that_is_wrong_changes_nothing)
{
    g_autofree char *sid = send_until(6000);
    g_autofree char *asked = NULL;
    const xmlnode *terminate;

    /* Another name, size or date: another file. */
    date += _i == 2;
    asked = request(_i == 0 ? "g" : "f", _i == 1 ? LENGTH - 1 : LENGTH, "<range offset='5'/>");
    check("session-initiate", "r1", asked, "result");
    terminate = script_expect(pair, "session-terminate");
    ck_assert_ptr_nonnull(terminate);
    ck_assert_str_eq(bs_jingle_attrib(bs_jingle_element((xmlnode *)terminate), "sid"), "r1");
    ck_assert_int_eq(bs_jingle_reason(bs_jingle_element((xmlnode *)terminate)), BS_JINGLE_FAILED_APPLICATION);
    ck_assert_uint_eq(ended, 0);
    check("session-info", sid, "", "result");
}
END_TEST

START_TEST(a_malformed_request_changes_nothing)
{
    g_autofree char *sid = send_until(6000);
    const char *const ranges[] = {"<range offset='100001'/>", "<range offset='-1'/>",
                                  "<range offset='99999999999999999999999'/>", "<range offset='5'/>"};
    g_autofree char *asked = content("a-file-request", "responder", description("f", LENGTH, ranges[_i]),
                                     _i < 3 ? SOCKS("rest", "") : "<transport xmlns='" BS_NS_S5B "'/>");

    check("session-initiate", "r1", asked, "bad-request");
    ck_assert_uint_eq(ended, 0);
    check("session-info", sid, "", "result");
}
END_TEST

/* Bob goes offline in the middle; alice's program may have been started anew since. */
static void
interrupt_sending(void)
{
    g_autofree char *sid = send_until(6000);

    break_connection();
    check("session-terminate", sid, "<reason><gone/></reason>", "result");
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(ended, 1);
    ck_assert(end.goes_on);
    ck_assert_uint_eq(bs_memory_items(memory)->len, 1);
    ck_assert(!((BsRemembered *)g_ptr_array_index(bs_memory_items(memory), 0))->unanswered);
    ended = 0;
}

START_TEST(what_was_interrupted_is_sent_without_a_question)
{
    g_autofree char *asked = NULL;

    interrupt_sending();
    asked = request("f", LENGTH, "<range offset='6000'/>");
    check("session-initiate", "r1", asked, "result");
    ck_assert_ptr_nonnull(resumed);
    check_sends_rest(6000);
}
END_TEST

/* ... but can ask in another way. */
START_TEST(who_asks_in_a_way_that_is_not_known_loses_nothing)
{
    const char *const ways[] = {"<transport xmlns='urn:example:pigeon'/>",
                                "<transport xmlns='" BS_NS_S5B "'/>"};
    g_autofree char *in_vain = NULL;
    g_autofree char *asked = NULL;

    interrupt_sending();
    in_vain = content("a-file-request", "responder", description("f", LENGTH, ""), ways[_i]);
    check("session-initiate", "r0", in_vain, _i == 0 ? "result" : "bad-request");
    ck_assert_ptr_null(resumed);
    ck_assert_uint_eq(bs_memory_items(memory)->len, 1);
    asked = request("f", LENGTH, "<range offset='6000'/>");
    check("session-initiate", "r1", asked, "result");
    ck_assert_ptr_nonnull(resumed);
    check_sends_rest(6000);
}
END_TEST

/* A program that ended after the last byte, before its file had its name. */
START_TEST(what_nobody_confirmed_is_still_there_to_be_asked_for)
{
    g_autofree char *sid = send_until(LENGTH);
    g_autofree char *asked = NULL;

    close(fd);
    fd = -1;
    ck_assert(bs_test_run_until((gboolean *)&ended, HANG_SECONDS));
    ck_assert_int_eq(end.reason, BS_END_UNVERIFIED);
    ck_assert(!end.goes_on);
    ended = 0;
    asked = request("f", LENGTH, "<range offset='99999'/>");
    check("session-initiate", "r1", asked, "result");
    ck_assert_ptr_nonnull(resumed);
    check_sends_rest(LENGTH - 1);
}
END_TEST

/* Before anybody has accepted it. */
static gboolean
offer_ends(int how)
{
    BsTransfer *transfer = offer_file();
    const char *const reasons[] = {"<reason><gone/></reason>", "<reason><decline/></reason>",
                                   "<reason><timeout/></reason>"};
    const xmlnode *initiate = script_expect(pair, "session-initiate");

    ck_assert_uint_eq(bs_memory_items(memory)->len, 1);
    ck_assert(((BsRemembered *)g_ptr_array_index(bs_memory_items(memory), 0))->unanswered);
    if (how < (int)G_N_ELEMENTS(reasons)) {
        check("session-terminate", bs_jingle_attrib(bs_jingle_element((xmlnode *)initiate), "sid"),
              reasons[how], "result");
        ck_assert_uint_eq(ended, 1);
        ck_assert(!end.goes_on);
        ended = 0;
    } else {
        bs_transfer_cancel(transfer);
    }
    return bs_memory_items(memory)->len > 0;
}

/* The word of who has accepted may be lost with the connection to the server, or with a program that is
 * killed. */
START_TEST(what_was_offered_is_sent_to_who_has_accepted)
{
    g_autofree char *asked = NULL;

    ck_assert(offer_ends(0));
    asked = request("f", LENGTH, "");
    check("session-initiate", "r1", asked, "result");
    ck_assert_ptr_nonnull(resumed);
    check_sends_rest(0);
}
END_TEST

START_TEST(what_nobody_wanted_is_not_remembered)
{
    ck_assert(!offer_ends(_i));
}
END_TEST

static char *
name_in_room(PurpleAccount *account, const char *peer)
{
    (void)account;
    (void)peer;
    return g_strdup(pair->a.jid);
}

/* Somebody else may have the name by then. */
START_TEST(who_has_an_occupant_s_name_later_gets_nothing)
{
    g_autofree char *sid = NULL;
    g_autofree char *asked = NULL;

    bs_endpoint_set_own_jid_policy(pair->a.endpoint, name_in_room);
    sid = send_until(6000);
    break_connection();
    check("session-terminate", sid, "<reason><gone/></reason>", "result");
    ck_assert_uint_eq(ended, 1);
    ck_assert(!end.goes_on);
    asked = request("f", LENGTH, "<range offset='6000'/>");
    check("session-initiate", "r1", asked, "result");
    ck_assert_ptr_nonnull(script_expect(pair, "session-terminate"));
    ck_assert_ptr_null(resumed);
}
END_TEST

START_TEST(who_sends_the_offer_back_is_not_waited_for)
{
    g_autofree char *sid = send_accepted_with("<range/>", 6000);

    break_connection();
    check("session-terminate", sid, "<reason><gone/></reason>", "result");
    ck_assert_uint_eq(ended, 1);
    ck_assert(!end.goes_on);
}
END_TEST

START_TEST(a_file_that_has_changed_is_not_sent)
{
    g_autofree char *asked = NULL;
    const xmlnode *terminate;

    interrupt_sending();
    asked = request("f", LENGTH, "<range offset='6000'/>");
    if (_i == 0)
        ck_assert_int_eq(g_unlink(path), 0);
    else if (_i == 1)
        ck_assert_int_eq(utime(path, NULL), 0);
    else
        ck_assert_int_eq(truncate(path, 7000), 0);
    check("session-initiate", "r1", asked, "result");
    terminate = script_expect(pair, "session-terminate");
    ck_assert_int_eq(bs_jingle_reason(bs_jingle_element((xmlnode *)terminate)), BS_JINGLE_FAILED_APPLICATION);
    ck_assert_ptr_null(resumed);
}
END_TEST

START_TEST(a_stranger_gets_nothing)
{
    g_autofree char *asked = NULL;
    g_autofree char *jingle = NULL;
    guint seen = pair->b.inbox->len;
    g_autofree char *answer = NULL;

    interrupt_sending();
    asked = request("f", LENGTH, "<range offset='6000'/>");
    jingle = g_strdup_printf(
        "<jingle xmlns='" BS_NS_JINGLE "' action='session-initiate' sid='r1'>%s</jingle>", asked);
    answer = script_request(pair, &seen, "eve@two.test/b", jingle);
    bs_test_run_for(50);
    ck_assert_ptr_null(resumed);
    ck_assert_uint_eq(bs_memory_items(memory)->len, 1);
}
END_TEST

/* The receiver. */

/* Bob offers, and alice accepts. */
static const xmlnode *
be_accepted(const char *more, const char *transport)
{
    g_autofree char *offer = NULL;
    const xmlnode *accept;

    date = 1600000000;
    offer = content("a-file-offer", "initiator", description("f", LENGTH, more), transport);
    check("session-initiate", "s1", offer, "result");
    accept = script_expect(pair, "session-accept");
    ck_assert_ptr_nonnull(accept);
    return accept;
}

/* ... and `sent` bytes have moved. */
static void
receive_until(gsize sent, const char *more)
{
    const xmlnode *accept = be_accepted(more, SOCKS("socks", ""));

    dial(accept, "s1", "a-file-offer");
    script_send_bytes(fd, bytes, sent);
    bs_test_run_for(20);
    break_connection();
}

#define PROMISE "<range/><hash-used xmlns='urn:xmpp:hashes:2' algo='sha-256'/>"

/* Alice asks for the rest; returns her request, and its session's id in `sid`. */
static const xmlnode *
request_of_alice(gsize from, char **sid)
{
    const xmlnode *asked = script_expect(pair, "session-initiate");
    g_autofree char *offset = g_strdup_printf("%" G_GSIZE_FORMAT, from);

    ck_assert_ptr_nonnull(asked);
    *sid = g_strdup(bs_jingle_attrib(bs_jingle_element((xmlnode *)asked), "sid"));
    ck_assert_str_eq(bs_jingle_attrib(content_of(asked), "senders"), "responder");
    if (from > 0)
        ck_assert_str_eq(range_of(asked), offset);
    return asked;
}

static void
grant(const xmlnode *asked, const char *sid, const char *range)
{
    g_autofree char *transport =
        g_strdup_printf("<transport xmlns='" BS_NS_S5B "' sid='%s'/>",
                        bs_jingle_attrib(bs_jingle_transport(content_of(asked)), "sid"));
    g_autofree char *answer =
        content("a-file-request", "responder", description("f", LENGTH, range), transport);

    check("session-accept", sid, answer, "result");
}

static void
check_arrives(const char *sid, gsize from)
{
    g_autofree char *hash = hash_of_all();
    g_autofree char *checksum =
        g_strdup_printf("<checksum xmlns='" FT5
                        "' creator='initiator' name='a-file-request'><file><hash xmlns='urn:xmpp:hashes:2' "
                        "algo='sha-256'>%s</hash></file></checksum>",
                        hash);
    g_autofree char *contents = NULL;
    gsize length;

    script_send_bytes(fd, bytes + from, LENGTH - from);
    check("session-info", sid, checksum, "result");
    ck_assert(bs_test_run_until((gboolean *)&ended, HANG_SECONDS));
    ck_assert_int_eq(end.reason, BS_END_DELIVERED);
    ck_assert(g_file_get_contents(path, &contents, &length, NULL));
    ck_assert_uint_eq(length, LENGTH);
    ck_assert_mem_eq(contents, bytes, LENGTH);
    ck_assert_uint_eq(bs_memory_items(memory)->len, 0);
}

START_TEST(the_rest_is_asked_for_at_once)
{
    const gsize sent[] = {1, 4096, 70000, LENGTH - 1};
    g_autofree char *sid = NULL;
    const xmlnode *asked;

    receive_until(sent[_i], PROMISE);
    asked = request_of_alice(sent[_i], &sid);
    ck_assert_uint_eq(ended, 0);
    {
        g_autofree char *range = g_strdup_printf("<range offset='%" G_GSIZE_FORMAT "'/>", sent[_i]);

        grant(asked, sid, _i % 2 ? range : "");
    }
    dial(asked, sid, "a-file-request");
    check_arrives(sid, sent[_i]);
}
END_TEST

/* The bytes would not fit together. */
START_TEST(another_part_is_not_taken)
{
    g_autofree char *sid = NULL;
    const xmlnode *asked;
    g_autofree char *transport = NULL;
    g_autofree char *answer = NULL;

    receive_until(5000, PROMISE);
    asked = request_of_alice(5000, &sid);
    transport = g_strdup_printf("<transport xmlns='" BS_NS_S5B "' sid='%s'/>",
                                bs_jingle_attrib(bs_jingle_transport(content_of(asked)), "sid"));
    answer =
        content("a-file-request", "responder", description("f", LENGTH, "<range offset='4999'/>"), transport);
    check("session-accept", sid, answer, "bad-request");
    ck_assert_ptr_nonnull(script_expect(pair, "transport-replace"));
    ck_assert_uint_eq(ended, 0);
}
END_TEST

/* Then all begins anew, in the session of before. */
START_TEST(a_peer_that_refuses_gets_another_transport_proposed)
{
    g_autofree char *sid = NULL;
    g_autofree char *dst_addr = NULL;
    const xmlnode *asked;

    receive_until(5000, PROMISE);
    asked = request_of_alice(5000, &sid);
    dst_addr = bs_dst_addr(bs_jingle_attrib(bs_jingle_transport(content_of(asked)), "sid"), pair->a.jid,
                           pair->b.jid);
    if (_i == 0)
        check("session-terminate", sid, "<reason><failed-application/></reason>", "result");
    else if (_i == 1)
        check("session-terminate", sid, "<reason><decline/></reason>", "result");
    ck_assert_ptr_nonnull(script_expect(pair, "transport-replace"));
    ck_assert_uint_eq(ended, 0);
    /* Nobody is let in any more by what was told in the request. */
    ck_assert_uint_ne(script_dial(dst_addr, &fd), 0);
}
END_TEST

START_TEST(who_knows_no_ranges_is_not_asked)
{
    receive_until(5000, "<hash-used xmlns='urn:xmpp:hashes:2' algo='sha-256'/>");
    ck_assert_ptr_nonnull(script_expect(pair, "transport-replace"));
}
END_TEST

/* Psi has a range in its offers all the same. */
#define AS_PSI                                                                                               \
    SOCKS("socks", "<candidate cid='c' host='127.0.0.1' port='1' priority='8257536'/>"                       \
                   "<candidate cid='d' jid='p.two.test' host='127.0.0.1' port='1' priority='655360' "        \
                   "type='proxy'/>")

START_TEST(who_gives_nobody_the_rest_is_not_asked)
{
    BsRemembered *item;

    dial(be_accepted(PROMISE, AS_PSI), "s1", "a-file-offer");
    script_send_bytes(fd, bytes, 5000);
    bs_test_run_for(20);
    if (_i == 0) {
        break_connection();
        ck_assert_ptr_nonnull(script_expect(pair, "transport-replace"));
    }
    check("session-terminate", "s1", "<reason><gone/></reason>", "result");
    ck_assert_uint_eq(ended, 1);
    ck_assert(!end.goes_on);
    /* The same file may be offered again. */
    ck_assert_uint_eq(bs_memory_items(memory)->len, 1);
    item = g_ptr_array_index(bs_memory_items(memory), 0);
    ck_assert(item->needs_new_offer);
}
END_TEST

START_TEST(nothing_is_kept_of_what_never_began_and_is_not_given)
{
    be_accepted(PROMISE, AS_PSI);
    check("session-terminate", "s1", "<reason><failed-transport/></reason>", "result");
    ck_assert_uint_eq(ended, 1);
    ck_assert_int_eq(end.reason, BS_END_NO_ROUTE);
    ck_assert(!end.goes_on);
    ck_assert_uint_eq(bs_memory_items(memory)->len, 0);
}
END_TEST

START_TEST(without_a_hash_parts_are_not_put_together)
{
    receive_until(5000, "<range/>");
    ck_assert_ptr_nonnull(script_expect(pair, "transport-replace"));
    /* In case the program is killed. */
    ck_assert_uint_eq(bs_memory_items(memory)->len, 1);
    ck_assert(((BsRemembered *)g_ptr_array_index(bs_memory_items(memory), 0))->scrap);
    check("session-terminate", "s1", "<reason><gone/></reason>", "result");
    ck_assert_uint_eq(ended, 1);
    ck_assert(!end.goes_on);
    ck_assert_uint_eq(bs_memory_items(memory)->len, 0);
}
END_TEST

/* Both cross: the request stands. */
START_TEST(a_proposal_in_the_session_of_before_is_a_tie)
{
    g_autofree char *sid = NULL;
    const xmlnode *asked;

    receive_until(5000, PROMISE);
    asked = request_of_alice(5000, &sid);
    check("transport-replace", "s1",
          "<content creator='initiator' name='a-file-offer'>" SOCKS("again", "") "</content>",
          "conflict+tie-break");
    grant(asked, sid, "<range offset='5000'/>");
    dial(asked, sid, "a-file-request");
    check_arrives(sid, 5000);
}
END_TEST

START_TEST(a_cancel_in_the_session_of_before_is_one)
{
    g_autofree char *sid = NULL;

    receive_until(5000, PROMISE);
    request_of_alice(5000, &sid);
    check("session-terminate", "s1", "<reason><cancel/></reason>", "result");
    ck_assert_uint_eq(ended, 1);
    ck_assert_int_eq(end.reason, BS_END_CANCELLED);
    ck_assert(!end.goes_on);
    ck_assert_uint_eq(bs_memory_items(memory)->len, 0);
}
END_TEST

START_TEST(what_was_there_is_kept_when_the_peer_goes)
{
    g_autofree char *sid = NULL;
    g_autofree char *part = NULL;
    GStatBuf info;

    receive_until(5000, PROMISE);
    if (_i == 0)
        check("session-terminate", "s1", "<reason><gone/></reason>", "result");
    else {
        request_of_alice(5000, &sid);
        bs_endpoint_free(g_steal_pointer(&pair->a.endpoint));
    }
    ck_assert_uint_eq(ended, 1);
    ck_assert(end.goes_on);
    ck_assert_uint_eq(bs_memory_items(memory)->len, 1);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    part = g_strdup(((BsRemembered *)g_ptr_array_index(bs_memory_items(memory), 0))->part);
    ck_assert_int_eq(g_stat(part, &info), 0);
    ck_assert_int_eq(info.st_size, 5000);
    ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
}
END_TEST

static gboolean
has_come(const char *action)
{
    for (guint i = 0; i < pair->b.inbox->len; i++) {
        const xmlnode *jingle = bs_jingle_element(g_ptr_array_index(pair->b.inbox, i));

        if (jingle != NULL && g_strcmp0(bs_jingle_attrib(jingle, "action"), action) == 0)
            return TRUE;
    }
    return FALSE;
}

/* It would be whole, and yet have fewer bytes than it says. */
START_TEST(a_part_that_nobody_asked_for_is_not_taken)
{
    const char *const ranges[] = {"<range offset='5'/>", "<range length='10'/>", "<range length='0'/>"};
    g_autofree char *offer =
        content("a-file-offer", "initiator", description("f", LENGTH, ranges[_i]), SOCKS("socks", ""));
    const xmlnode *terminate;

    check("session-initiate", "s1", offer, "result");
    terminate = script_expect(pair, "session-terminate");
    ck_assert_ptr_nonnull(terminate);
    ck_assert_int_eq(bs_jingle_reason(bs_jingle_element((xmlnode *)terminate)), BS_JINGLE_FAILED_APPLICATION);
    ck_assert(!has_come("session-accept"));
}
END_TEST

START_TEST(what_an_occupant_sent_is_kept_for_the_same_offer)
{
    bs_endpoint_set_own_jid_policy(pair->a.endpoint, name_in_room);
    receive_until(5000, PROMISE);
    check("session-terminate", "s1", "<reason><gone/></reason>", "result");
    ck_assert_uint_eq(ended, 1);
    ck_assert(!end.goes_on);
    ck_assert_uint_eq(bs_memory_items(memory)->len, 1);
}
END_TEST

/* Else it would be there for ever, asked for each time the peer comes online. */
START_TEST(what_is_refused_gets_no_younger)
{
    g_autofree char *sid = NULL;
    BsRemembered *item;

    receive_until(5000, PROMISE);
    check("session-terminate", "s1", "<reason><gone/></reason>", "result");
    ck_assert_uint_eq(bs_memory_items(memory)->len, 1);
    item = g_ptr_array_index(bs_memory_items(memory), 0);
    item->time = 1000;
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    bs_transfer_ask(pair->a.endpoint, BOB, item, bs_part_file_reopen(item->part, 5000, path, FALSE, NULL),
                    5000, bs_digest_new(1u << BS_HASH_SHA256), &events, NULL);
    request_of_alice(5000, &sid);
    check("session-terminate", sid, "<reason><failed-application/></reason>", "result");
    ck_assert_uint_eq(ended, 2);
    ck_assert(end.goes_on);
    ck_assert(!item->in_use);
    ck_assert_int_eq(item->time, 1000);
}
END_TEST

/* Bob says twice that the connection broke, while it is being found out what of the file is right. */
START_TEST(nothing_begins_anew_while_the_disk_is_read)
{
    const char *again = "<content creator='initiator' name='a-file-offer'>" SOCKS("again", "") "</content>";
    g_autofree char *offer = NULL;
    g_autofree char *sid = NULL;
    const xmlnode *stanza;

    date = 1600000000;
    offer = content("a-file-offer", "initiator", description("f", LENGTH, PROMISE), SOCKS("socks", ""));
    check("session-initiate", "s1", offer, "result");
    stanza = script_expect(pair, "session-accept");
    dial(stanza, "s1", "a-file-offer");
    script_send_bytes(fd, bytes, 5000);
    bs_test_run_for(20);
    set_disk(TRUE);
    check("transport-replace", "s1", again, "result");
    for (gint64 until = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC; !is_reading();
         bs_test_run_for(1))
        ck_assert_msg(g_get_monotonic_time() < until, "the disk is not read");
    check("transport-replace", "s1", again, "result");
    bs_test_run_for(20);
    ck_assert(!has_come("transport-accept"));
    set_disk(FALSE);
    close(fd);
    fd = -1;
    stanza = request_of_alice(5000, &sid);
    grant(stanza, sid, "<range offset='5000'/>");
    dial(stanza, sid, "a-file-request");
    check_arrives(sid, 5000);
}
END_TEST

/* Nothing that has come together from parts gets its name unseen. */
START_TEST(a_wrong_whole_gets_no_name)
{
    g_autofree char *sid = NULL;
    const xmlnode *asked;

    receive_until(5000, PROMISE);
    asked = request_of_alice(5000, &sid);
    grant(asked, sid, "<range offset='5000'/>");
    dial(asked, sid, "a-file-request");
    bytes[6000] ^= 1;
    script_send_bytes(fd, bytes + 5000, LENGTH - 5000);
    bytes[6000] ^= 1;
    if (_i == 0) {
        g_autofree char *hash = hash_of_all();
        g_autofree char *checksum =
            g_strdup_printf("<checksum xmlns='" FT5 "' creator='initiator' name='a-file-request'><file><hash "
                            "xmlns='urn:xmpp:hashes:2' algo='sha-256'>%s</hash></file></checksum>",
                            hash);

        check("session-info", sid, checksum, "result");
    }
    ck_assert(bs_test_run_until((gboolean *)&ended, HANG_SECONDS));
    ck_assert_int_eq(end.reason, BS_END_DAMAGED);
    ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
    ck_assert_uint_eq(bs_memory_items(memory)->len, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("rest");
    TCase *sender = tcase_create("sender");
    TCase *receiver = tcase_create("receiver");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, sender);
    tcase_set_timeout(sender, 120);
    tcase_add_checked_fixture(sender, setup, teardown);
    tcase_add_loop_test(sender, the_rest_of_a_running_transfer_is_sent, 0, 4);
    tcase_add_loop_test(sender, a_request_that_is_wrong_changes_nothing, 0, 3);
    tcase_add_loop_test(sender, a_malformed_request_changes_nothing, 0, 4);
    tcase_add_test(sender, what_was_interrupted_is_sent_without_a_question);
    tcase_add_loop_test(sender, who_asks_in_a_way_that_is_not_known_loses_nothing, 0, 2);
    tcase_add_test(sender, what_was_offered_is_sent_to_who_has_accepted);
    tcase_add_loop_test(sender, what_nobody_wanted_is_not_remembered, 1, 4);
    tcase_add_test(sender, what_nobody_confirmed_is_still_there_to_be_asked_for);
    tcase_add_test(sender, who_has_an_occupant_s_name_later_gets_nothing);
    tcase_add_test(sender, who_sends_the_offer_back_is_not_waited_for);
    tcase_add_loop_test(sender, a_file_that_has_changed_is_not_sent, 0, 3);
    tcase_add_test(sender, a_stranger_gets_nothing);
    suite_add_tcase(suite, receiver);
    tcase_set_timeout(receiver, 120);
    tcase_add_checked_fixture(receiver, setup, teardown);
    tcase_add_loop_test(receiver, the_rest_is_asked_for_at_once, 0, 4);
    tcase_add_test(receiver, another_part_is_not_taken);
    tcase_add_loop_test(receiver, a_peer_that_refuses_gets_another_transport_proposed, 0, 3);
    tcase_add_test(receiver, who_knows_no_ranges_is_not_asked);
    tcase_add_loop_test(receiver, who_gives_nobody_the_rest_is_not_asked, 0, 2);
    tcase_add_test(receiver, nothing_is_kept_of_what_never_began_and_is_not_given);
    tcase_add_test(receiver, without_a_hash_parts_are_not_put_together);
    tcase_add_test(receiver, a_proposal_in_the_session_of_before_is_a_tie);
    tcase_add_test(receiver, a_cancel_in_the_session_of_before_is_one);
    tcase_add_loop_test(receiver, what_was_there_is_kept_when_the_peer_goes, 0, 2);
    tcase_add_loop_test(receiver, a_part_that_nobody_asked_for_is_not_taken, 0, 3);
    tcase_add_test(receiver, what_an_occupant_sent_is_kept_for_the_same_offer);
    tcase_add_test(receiver, what_is_refused_gets_no_younger);
    tcase_add_test(receiver, nothing_begins_anew_while_the_disk_is_read);
    tcase_add_loop_test(receiver, a_wrong_whole_gets_no_name, 0, 2);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
