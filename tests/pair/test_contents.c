/* Several files in one session, as Psi offers them: each is accepted, declined, moved and ended by itself.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "purple_env.h"
#include "script_bytes.h"
#include "several.h"
#include "socks5/candidate.h"
#include "transport/s5b_xml.h"

/* In either order. */
START_TEST(both_are_accepted_together)
{
    const char *first = _i ? "two" : "one";
    const char *second = _i ? "one" : "two";

    several_offer_two();
    several_accept(first);
    bs_test_run_for(50);
    ck_assert_ptr_null(several_find("session-accept", NULL));
    several_accept(second);
    ck_assert_uint_eq(several_count(several_expect("session-accept", "one")), 2);
    ck_assert_ptr_nonnull(several_find("session-accept", "two"));
    several_open(second);
    several_open(first);
    several_send(first);
    several_check_whole(first);
    ck_assert_str_eq(several_reason(several_expect("content-remove", first)), "success");
    several_send(second);
    several_check_whole(second);
    ck_assert_str_eq(several_reason(several_expect("session-terminate", NULL)), "success");
    several_check_none_is_left();
}
END_TEST

/* Before the other one is accepted, and afterwards. */
START_TEST(one_is_declined)
{
    several_offer_two();
    if (_i)
        several_accept("one");
    several_decline("two");
    if (!_i)
        several_accept("one");
    ck_assert_str_eq(several_reason(several_expect("content-remove", "two")), "decline");
    ck_assert_uint_eq(several_count(several_expect("session-accept", "one")), 1);
    ck_assert_ptr_null(several_find("session-terminate", NULL));
    several_open("one");
    several_send("one");
    several_check_whole("one");
    ck_assert_str_eq(several_reason(several_expect("session-terminate", NULL)), "success");
    several_check_none_is_left();
}
END_TEST

START_TEST(all_are_declined)
{
    several_offer_two();
    several_decline("two");
    ck_assert_str_eq(several_reason(several_expect("content-remove", "two")), "decline");
    several_decline("one");
    ck_assert_str_eq(several_reason(several_expect("session-terminate", NULL)), "decline");
    ck_assert_ptr_null(several_find("session-accept", NULL));
    several_check_none_is_left();
}
END_TEST

START_TEST(an_accepted_one_that_waits_can_be_cancelled)
{
    several_offer_two();
    several_accept("one");
    ck_assert(bs_transfer_is_queued(several_file("one")->transfer));
    bs_transfer_cancel(g_steal_pointer(&several_file("one")->transfer));
    ck_assert(several_file("one")->is_gone);
    ck_assert_str_eq(several_reason(several_expect("content-remove", "one")), "cancel");
    ck_assert_ptr_null(several_find("session-accept", NULL));
    several_accept("two");
    ck_assert_uint_eq(several_count(several_expect("session-accept", "two")), 1);
    several_open("two");
    several_send("two");
    several_check_whole("two");
}
END_TEST

/* While the other one waits for a decision; while both move. */
START_TEST(the_peer_removes_one)
{
    if (_i) {
        several_accept_both();
        several_open("one");
        several_open("two");
    } else {
        several_offer_two();
        several_accept("two");
    }
    several_tell("content-remove", NAMED("one") REASON("cancel"), "result");
    ck_assert_int_eq(several_file("one")->reason, BS_END_CANCELLED);
    ck_assert(several_file("one")->has_ended && !several_file("two")->has_ended);
    if (!_i) {
        ck_assert_uint_eq(several_count(several_expect("session-accept", "two")), 1);
        several_open("two");
    }
    /* What it still says of that one came too late. */
    several_tell("transport-info",
                 "<content creator='initiator' name='one'><transport xmlns='" BS_NS_JINGLE_IBB
                 "' block-size='4096' sid='one'/></content>",
                 "result");
    several_send("two");
    several_check_whole("two");
    several_check_none_is_left();
}
END_TEST

START_TEST(the_peer_ends_the_session)
{
    if (_i == 2)
        several_accept_both();
    else
        several_offer_two();
    if (_i == 1)
        several_accept("one");
    several_tell("session-terminate", REASON("cancel"), "result");
    for (guint i = 0; i < several.files->len; i++)
        ck_assert_int_eq(((SeveralFile *)g_ptr_array_index(several.files, i))->reason, BS_END_CANCELLED);
    bs_test_run_for(50);
    ck_assert(_i == 2 || several_find("session-accept", NULL) == NULL);
    several_check_none_is_left();
}
END_TEST

START_TEST(the_peer_removes_both_at_once)
{
    several_accept_both();
    several_tell("content-remove", NAMED("one") NAMED("two") REASON("cancel"), "result");
    ck_assert(several_file("one")->has_ended && several_file("two")->has_ended);
    ck_assert_str_eq(several_reason(several_expect("session-terminate", NULL)), "cancel");
    several_check_none_is_left();
}
END_TEST

/* Before the session is accepted, and while a file moves. */
START_TEST(a_content_is_added)
{
    several_tell("session-initiate", CONTENT("one"), "result");
    if (_i) {
        several_accept("one");
        several_expect("session-accept", "one");
        several_open("one");
    }
    several_tell("content-add", CONTENT("two"), "result");
    ck_assert_uint_eq(several.files->len, 2);
    if (!_i)
        several_accept("one");
    several_accept("two");
    ck_assert_uint_eq(several_count(several_expect(_i ? "content-accept" : "session-accept", "two")),
                      _i ? 1 : 2);
    if (!_i)
        several_open("one");
    several_open("two");
    several_send("two");
    several_check_whole("two");
    several_send("one");
    several_check_whole("one");
    several_check_none_is_left();
}
END_TEST

START_TEST(an_added_content_is_declined)
{
    several_tell("session-initiate", CONTENT("one"), "result");
    several_accept("one");
    several_expect("session-accept", "one");
    several_tell("content-add", CONTENT("two"), "result");
    several_decline("two");
    ck_assert_str_eq(several_reason(several_expect("content-reject", "two")), "decline");
    several_open("one");
    several_send("one");
    several_check_whole("one");
    several_check_none_is_left();
}
END_TEST

START_TEST(a_damaged_one_harms_no_other)
{
    several_tell("session-initiate", CONTENT_WITH("one", WRONG_SHA256) CONTENT("two"), "result");
    several_accept("one");
    several_accept("two");
    several_expect("session-accept", "one");
    several_open("one");
    several_open("two");
    several_send("one");
    several_wait_for_end("one");
    ck_assert_int_eq(several_file("one")->reason, BS_END_DAMAGED);
    ck_assert(several_file("one")->is_gone);
    ck_assert_str_eq(several_reason(several_expect("content-remove", "one")), "media-error");
    several_send("two");
    several_check_whole("two");
}
END_TEST

/* Psi puts into one stanza what it has to say of several. */
START_TEST(checksums_of_both_come_in_one_request)
{
    several_tell("session-initiate", CONTENT_WITH("one", "") CONTENT_WITH("two", ""), "result");
    several_accept("one");
    several_accept("two");
    several_expect("session-accept", "one");
    several_open("one");
    several_open("two");
    several_tell("session-info", CHECKSUM("one", DIGITS_SHA256) CHECKSUM("two", WRONG_SHA256), "result");
    several_send("one");
    several_send("two");
    several_check_whole("one");
    several_wait_for_end("two");
    ck_assert_int_eq(several_file("two")->reason, BS_END_DAMAGED);
}
END_TEST

/* Both connections are nominated in one request, as Psi does, with the bytes of each after that. */
#define SOCKS5(name)                                                                                         \
    "<content creator='initiator' name='" name "' senders='initiator'><description xmlns='" FT5              \
    "'><file><name>" name                                                                                    \
    "</name><size>10</size><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" DIGITS_SHA256                    \
    "</hash></file></description><transport xmlns='" BS_NS_S5B "' sid='" name "'/></content>"

static const char *
cid_in(const xmlnode *accept, const char *name)
{
    const xmlnode *content = bs_jingle_first_content(bs_jingle_element(accept));

    while (strcmp(bs_jingle_attrib(content, "name"), name) != 0)
        content = bs_jingle_next_content(content);
    return bs_jingle_attrib(xmlnode_get_child(bs_jingle_transport(content), "candidate"), "cid");
}

static int
dial(const char *name)
{
    g_autofree char *dst_addr = bs_dst_addr(name, several.pair->a.jid, several.pair->b.jid);
    int fd;

    ck_assert_uint_eq(script_dial(dst_addr, &fd), 0);
    return fd;
}

START_TEST(each_connection_carries_its_file)
{
    g_autofree char *used = NULL;
    xmlnode *accept;
    int one;
    int two;

    several_tell("session-initiate", SOCKS5("one") SOCKS5("two"), "result");
    several_accept("one");
    several_accept("two");
    accept = several_expect("session-accept", "two");
    two = dial("two");
    one = dial("one");
#define USED(name)                                                                                           \
    "<content creator='initiator' name='" name "'><transport xmlns='" BS_NS_S5B "' sid='" name               \
    "'><candidate-used cid='%s'/></transport></content>"
    used = g_strdup_printf(USED("two") USED("one"), cid_in(accept, "two"), cid_in(accept, "one"));
    several_tell("transport-info", used, "result");
    script_send_bytes(one, BYTES, sizeof BYTES - 1);
    several_check_whole("one");
    ck_assert(!several_file("two")->has_ended);
    script_send_bytes(two, BYTES, sizeof BYTES - 1);
    several_check_whole("two");
    close(one);
    close(two);
    several_check_none_is_left();
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

    several_tell("session-initiate", before, "result");
    ck_assert_uint_eq(several.files->len, 2);
    ck_assert_str_eq(several_reason(several_expect("content-remove", "bad")), useless[_i].reason);
    several_accept("one");
    several_accept("two");
    ck_assert_uint_eq(several_count(several_expect("session-accept", "one")), 2);
}
END_TEST

START_TEST(nothing_but_useless_ones_end_the_session)
{
    several_tell("session-initiate",
                 "<content creator='initiator' name='x'><description xmlns='" FT5 "'/></content>"
                 "<content creator='initiator' name='y'/>",
                 "result");
    several_expect("session-terminate", NULL);
    ck_assert_uint_eq(several.files->len, 0);
    ck_assert_uint_eq(bs_endpoint_transfers(several.pair->a.endpoint), 0);
}
END_TEST

START_TEST(names_are_used_once)
{
    several_tell("session-initiate", CONTENT("one") CONTENT("one"), "bad-request");
    several_tell("session-initiate", CONTENT("one") "<content creator='responder' name='two'/>",
                 "bad-request");
    ck_assert_uint_eq(several.files->len, 0);
    several_offer_two();
    several_tell("content-add", CONTENT("one"), "bad-request");
    several_tell("content-remove", NAMED("three"), "item-not-found");
    several_tell("transport-info", NAMED("three"), "bad-request");
    several_tell("content-accept", CONTENT("one"), "unexpected-request+out-of-order");
    several_tell("content-remove", NAMED("one"), "result");
    several_tell("content-add", CONTENT("one"), "bad-request");
    ck_assert_uint_eq(several.files->len, 2);
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
    several_tell("session-initiate", contents->str, "resource-constraint");
    ck_assert_uint_eq(several.files->len, 0);
}
END_TEST

/* One has been withdrawn, and what is said of it is on its way, alone or with that of the other. */
START_TEST(late_words_of_one_are_not_about_another)
{
    several_tell("session-initiate", CONTENT_WITH("one", "") CONTENT_WITH("two", ""), "result");
    several_accept("one");
    several_accept("two");
    several_expect("session-accept", "one");
    several_open("two");
    bs_transfer_cancel(g_steal_pointer(&several_file("one")->transfer));
    several_expect("content-remove", "one");
    if (_i) {
        several_tell("session-info", CHECKSUM("two", DIGITS_SHA256), "result");
        several_tell("session-info", CHECKSUM("one", WRONG_SHA256), "result");
    } else {
        several_tell("session-info", CHECKSUM("one", WRONG_SHA256) CHECKSUM("two", DIGITS_SHA256), "result");
    }
    several_send("two");
    several_check_whole("two");
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
    several_accept_both();
    several_tell("transport-replace", half_bad[_i], _i == 2 ? "item-not-found" : "bad-request");
    several_tell("transport-info", CONTENT_WITH_STREAM("one", "one"), "result");
    bs_test_run_for(50);
    ck_assert_ptr_null(several_find("transport-accept", NULL));
    several_open("one");
    several_send("one");
    several_check_whole("one");
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
    several_tell("session-initiate", CONTENT("one"), "result");
    several_tell("content-add", unusable[_i], "bad-request");
    ck_assert_uint_eq(several.files->len, 1);
    several_tell("content-add", CONTENT("two"), "result");
    ck_assert_uint_eq(several.files->len, 2);
}
END_TEST

START_TEST(each_useless_one_has_its_own_reason)
{
    several_tell(
        "session-initiate",
        CONTENT("one") "<content creator='initiator' name='none' senders='none'><description xmlns='" FT5
                       "'><file><name>n</name><size>1</size></file></description><transport "
                       "xmlns='" BS_NS_JINGLE_IBB "' block-size='4096' sid='none'/></content>"
                       "<content creator='initiator' name='empty'/>",
        "result");
    ck_assert_str_eq(several_reason(several_expect("content-remove", "none")), "incompatible-parameters");
    ck_assert_str_eq(several_reason(several_expect("content-remove", "empty")), "failed-application");
}
END_TEST

/* Its presence says that the peer is gone, but it says something in the session. */
START_TEST(what_the_peer_says_is_heard_for_all)
{
    several_offer_two();
    bs_test_hurry(100);
    bs_endpoint_peer_unavailable(several.pair->a.endpoint, several.pair->b.jid);
    bs_test_hurry(1);
    if (_i)
        several_tell("session-info", "", "result");
    bs_test_run_for(200);
    for (guint i = 0; i < several.files->len; i++)
        ck_assert(((SeveralFile *)g_ptr_array_index(several.files, i))->has_ended == !_i);
}
END_TEST

/* What is accepted, and could begin if it were alone, does not hold up other sessions. */
START_TEST(what_waits_for_others_has_no_place)
{
    several.queue = bs_queue_new(1);
    bs_endpoint_set_queue(several.pair->a.endpoint, several.queue);
    several_tell_in("s0", "session-initiate", CONTENT("zero"), "result");
    several_accept("zero");
    several_expect("session-accept", "zero");
    several_tell("session-initiate", CONTENT("one"), "result");
    several_accept("one");
    several_tell("content-add", CONTENT("two"), "result");
    bs_transfer_cancel(g_steal_pointer(&several_file("zero")->transfer));
    bs_test_run_for(50);
    ck_assert_ptr_null(several_find("session-accept", "one"));
    several_tell_in("s3", "session-initiate", CONTENT("three"), "result");
    several_accept("three");
    several_expect("session-accept", "three");
    several_accept("two");
    ck_assert_uint_eq(several_count(several_expect("session-accept", "one")), 2);
}
END_TEST

/* Whoever accepts whatever comes is offered so many, and no more. */
START_TEST(a_session_does_not_grow_for_ever)
{
    guint added = 0;

    several_tell("session-initiate", CONTENT("one"), "result");
    several_accept("one");
    for (guint i = 0; i < 150; i++) {
        g_autofree char *content = g_strdup_printf(
            "<content creator='initiator' name='%u' senders='initiator'><description xmlns='" FT5
            "'><file><name>%u</name><size>1</size></file></description><transport xmlns='" BS_NS_JINGLE_IBB
            "' block-size='4096' sid='%u'/></content>",
            i, i, i);
        g_autofree char *name = g_strdup_printf("%u", i);

        several_tell("content-add", content, "result");
        if (several.files->len < added + 2)
            break;
        several_accept(name);
        added++;
    }
    ck_assert_uint_eq(added, 99);
    several_expect("content-reject", NULL);
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
    tcase_add_checked_fixture(tcase, several_set_up, several_tear_down);
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
    tcase_add_test(tcase, each_connection_carries_its_file);
    tcase_add_loop_test(tcase, a_useless_one_is_removed, 0, G_N_ELEMENTS(useless));
    tcase_add_test(tcase, nothing_but_useless_ones_end_the_session);
    tcase_add_test(tcase, names_are_used_once);
    tcase_add_test(tcase, a_flood_of_contents_is_none);
    tcase_add_loop_test(tcase, late_words_of_one_are_not_about_another, 0, 2);
    tcase_add_loop_test(tcase, a_request_is_taken_as_a_whole, 0, G_N_ELEMENTS(half_bad));
    tcase_add_loop_test(tcase, unusable_contents_are_not_added, 0, G_N_ELEMENTS(unusable));
    tcase_add_test(tcase, each_useless_one_has_its_own_reason);
    tcase_add_test(tcase, a_session_does_not_grow_for_ever);
    tcase_add_loop_test(tcase, what_the_peer_says_is_heard_for_all, 0, 2);
    tcase_add_test(tcase, what_waits_for_others_has_no_place);
    suite_add_tcase(suite, tcase);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
