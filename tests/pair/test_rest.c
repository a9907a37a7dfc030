/* A connection breaks, or a program ends, and we ask for the rest of the file.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "purple_env.h"
#include "rest.h"
#include "script_bytes.h"
#include "script_stanzas.h"
#include "socks5/candidate.h"
#include "stream/part_file.h"
#include "transfer/jingle_xml.h"
#include "transfer/memory.h"
#include "transport/s5b_xml.h"
#include "worker.h"

#define HANG_SECONDS 60

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
                    5000, bs_digest_new(1u << BS_HASH_SHA256), &rest_events, NULL);
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
    TCase *receiver = tcase_create("receiver");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, receiver);
    tcase_set_timeout(receiver, 120);
    tcase_add_checked_fixture(receiver, rest_setup, rest_teardown);
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
