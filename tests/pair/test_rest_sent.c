/* A connection breaks, or a program ends, and the rest of the file is asked for from us.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utime.h>

#include "pair.h"
#include "purple_env.h"
#include "rest.h"
#include "script_bytes.h"
#include "script_stanzas.h"
#include "stream/part_file.h"
#include "transfer/jingle_xml.h"
#include "transfer/memory.h"
#include "transport/s5b_xml.h"

#define HANG_SECONDS 60

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
    transfer = bs_transfer_offer(pair->a.endpoint, BOB, offer, bs_file_source_new(path, NULL, NULL),
                                 &rest_events, NULL);
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

int
main(void)
{
    Suite *suite = suite_create("rest_sent");
    TCase *sender = tcase_create("sender");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, sender);
    tcase_set_timeout(sender, 120);
    tcase_add_checked_fixture(sender, rest_setup, rest_teardown);
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
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
