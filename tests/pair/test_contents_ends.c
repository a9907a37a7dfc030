/* Several files in one session, and everything that may end them, at every stage and in any order.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "purple_env.h"
#include "script_peer.h"
#include "several.h"
#include "transport/s5b_xml.h"

/* Of anything_in_any_order. */
#define SEEDS 30
#define STEPS 60

/* How far two files have come ... */
static const char *const stages[] = {"offered", "held", "accepted", "acknowledged", "open", "verifying"};

static void
come_to_stage(guint stage)
{
    several_tell("session-initiate", CONTENT_WITH("one", "") CONTENT("two"), "result");
    if (stage >= 1)
        several_accept("one");
    if (stage >= 2) {
        several_accept("two");
        for (guint i = 0; several_find("session-accept", NULL) == NULL && i < 500; i++)
            bs_test_run_for(10);
    }
    if (stage >= 3)
        several_expect("session-accept", NULL);
    if (stage >= 4) {
        several_open("one");
        several_open("two");
    }
    if (stage >= 5)
        several_send("one");
}

/* ... and what comes then. */
static void
cancel_one(void)
{
    several_cancel("one");
}

static void
cancel_two(void)
{
    several_cancel("two");
}

static void
cancel_both(void)
{
    several_cancel("one");
    several_cancel("two");
}

static void
remove_one(void)
{
    several_tell("content-remove", NAMED("one") REASON("cancel"), "result");
}

static void
remove_two(void)
{
    several_tell("content-remove", NAMED("two"), "result");
}

static void
remove_both(void)
{
    several_tell("content-remove", NAMED("two") NAMED("one") REASON("success"), "result");
}

static void
call_it_a_success(void)
{
    several_tell("session-terminate", REASON("success"), "result");
}

static void
go_offline(void)
{
    bs_test_hurry(1000);
    bs_endpoint_peer_unavailable(several.pair->a.endpoint, several.pair->b.jid);
    bs_test_hurry(1);
}

static void
refuse_acceptance(void)
{
    xmlnode *accept = several_find("session-accept", NULL);

    if (accept != NULL)
        bs_iq_reply_error(several.pair->b.link, accept, "cancel", "item-not-found", NULL, NULL);
}

static void
cancel_one_and_refuse(void)
{
    several_cancel("one");
    refuse_acceptance();
}

static void
add_another_and_remove_both(void)
{
    several_tell("content-add", CONTENT("three"), "result");
    remove_both();
    several_accept("three");
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
    for (guint i = 0; i < several.files->len; i++) {
        const SeveralFile *file = g_ptr_array_index(several.files, i);

        if (file->transfer != NULL && !file->is_accepted)
            several_accept(file->name);
    }
    bs_test_run_for(5);
}

/* Signing off ends what is left. */
static void
check_all_has_ended(void)
{
    bs_endpoint_free(g_steal_pointer(&several.pair->a.endpoint));
    bs_test_run_for(5);
    for (guint i = 0; i < several.files->len; i++) {
        const SeveralFile *file = g_ptr_array_index(several.files, i);

        ck_assert_ptr_null(file->transfer);
        ck_assert(file->is_accepted == (file->is_whole != file->is_gone));
    }
}

/* Whatever comes at whatever stage: what goes on can be ended, and nothing is left. */
START_TEST(nothing_is_left_of_whatever_ends)
{
    g_autofree char *answer = NULL;

    come_to_stage((guint)_i % G_N_ELEMENTS(stages));
    blows[(guint)_i / G_N_ELEMENTS(stages)]();
    bs_test_run_for(15);
    accept_the_rest();
    answer = script_jingle(several.pair, "session-terminate", "s1", REASON("cancel"));
    check_all_has_ended();
}
END_TEST

/* The peer does not take the acceptance, after the first of what was accepted was cancelled. */
START_TEST(a_refused_acceptance_ends_what_is_left)
{
    xmlnode *accept;

    come_to_stage(2);
    several_cancel("one");
    bs_test_run_for(20);
    accept = several_find("session-accept", NULL);
    bs_iq_reply_error(several.pair->b.link, accept, "cancel", "item-not-found", NULL, NULL);
    bs_test_run_for(20);
    ck_assert(several_file("two")->has_ended);
    ck_assert_int_eq(several_file("two")->reason, BS_END_PEER_GONE);
}
END_TEST

/* As with one file: a connection shows that the peer has the acceptance, whatever becomes of its answer. */
START_TEST(a_connection_of_one_settles_the_acceptance)
{
    come_to_stage(2);
    several_open("two");
    bs_iq_reply_error(several.pair->b.link, several_find("session-accept", NULL), "cancel", "item-not-found",
                      NULL, NULL);
    bs_test_run_for(20);
    ck_assert(!several_file("one")->has_ended);
    several_send("two");
    several_check_whole("two");
}
END_TEST

/* Of a content whose name is {name}; {sid}: any stream id. */
static const char *const content_templates[] = {
    "<content creator='initiator' name='{name}'/>",
    "<content creator='responder' name='{name}'/>",
    "<content creator='initiator' name='{name}' senders='initiator'><description xmlns='" FT5
    "'><file><name>{name}</name><size>10</size><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" DIGITS_SHA256
    "</hash></file></description><transport xmlns='" BS_NS_JINGLE_IBB
    "' block-size='4096' sid='{name}'/></content>",
    "<content creator='initiator' name='{name}' senders='initiator'><description xmlns='" FT5
    "'><file><name>{name}</name><size>10</size><range/><hash-used xmlns='urn:xmpp:hashes:2' "
    "algo='sha-256'/></file></description><transport xmlns='" BS_NS_S5B "' sid='{sid}'>"
    "<candidate cid='c' host='127.0.0.1' jid='bob@two.test/b' port='1' priority='7'/></transport></content>",
    "<content creator='initiator' name='{name}' senders='responder'><description xmlns='" FT5
    "'><file><name>{name}</name><size>10</size></file></description><transport xmlns='" BS_NS_JINGLE_IBB
    "' block-size='4096' sid='{name}'/></content>",
    "<content creator='initiator' name='{name}'><transport xmlns='" BS_NS_JINGLE_IBB
    "' block-size='4096' sid='{sid}'/></content>",
    "<content creator='initiator' name='{name}'><transport xmlns='" BS_NS_JINGLE_IBB "' sid=''/></content>",
    "<content creator='initiator' name='{name}'><transport xmlns='" BS_NS_S5B
    "' sid='{sid}'><candidate-error/></transport></content>",
    "<content creator='initiator' name='{name}'><transport xmlns='" BS_NS_S5B
    "' sid='{sid}'><candidate-used cid='c'/></transport></content>",
    "<checksum xmlns='" FT5 "' creator='initiator' name='{name}'><file>"
    "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" DIGITS_SHA256 "</hash></file></checksum>",
    "<received xmlns='" FT5 "' creator='initiator' name='{name}'/>",
    "<content creator='initiator' name='{name}' senders='initiator'/>" REASON("decline"),
};

static const char *const any_action[] = {
    "session-initiate", "session-accept",    "session-info", "transport-info", "transport-accept",
    "transport-reject", "transport-replace", "content-add",  "content-remove", "content-accept",
    "content-reject",   "transport-info",    "content-add",  "content-add",    "transport-replace",
    "session-info",     "session-terminate",
};

static const char *const any_name[] = {"one", "two", "three", "four", "five"};
static const char *const any_reason[] = {"", REASON("success"), REASON("cancel"), REASON("failed-transport")};
#define ANY(dice, list) (list)[g_rand_int_range(dice, 0, G_N_ELEMENTS(list))]

static void
say_anything(GRand *dice)
{
    static guint count;
    g_autoptr(GString) contents = g_string_new(NULL);
    g_autofree char *xml = NULL;
    const char *action = ANY(dice, any_action);

    if (strcmp(action, "session-terminate") == 0 && g_rand_int_range(dice, 0, 6) > 0)
        action = "content-remove";
    for (gint i = g_rand_int_range(dice, 0, 4); i > 0; i--) {
        const char *name = ANY(dice, any_name);
        g_autofree char *content = script_fill(ANY(dice, content_templates), "name", name, "sid",
                                               g_rand_boolean(dice) ? name : ANY(dice, any_name), NULL);

        g_string_append(contents, content);
    }
    g_string_append(contents, ANY(dice, any_reason));
    xml = g_strdup_printf("<iq type='set' id='any%u' from='%s' to='%s'><jingle xmlns='" BS_NS_JINGLE
                          "' action='%s' sid='s1'>%s</jingle></iq>",
                          count += (guint)g_rand_int_range(dice, 0, 3), several.pair->b.jid,
                          several.pair->a.jid, action, contents->str);
    script_send(several.pair, xml);
}

static void
do_anything_in_band(GRand *dice)
{
    static guint count;
    static const char *const payloads[] = {
        "<open xmlns='" BS_NS_IBB "' sid='{name}' block-size='4096' stanza='iq'/>",
        "<data xmlns='" BS_NS_IBB "' sid='{name}' seq='0'>" BYTES_BASE64 "</data>",
        "<close xmlns='" BS_NS_IBB "' sid='{name}'/>",
    };
    g_autofree char *payload = script_fill(ANY(dice, payloads), "name", ANY(dice, any_name), NULL);
    g_autofree char *xml = g_strdup_printf("<iq type='set' id='band%u' from='%s' to='%s'>%s</iq>", ++count,
                                           several.pair->b.jid, several.pair->a.jid, payload);

    script_send(several.pair, xml);
}

static void
answer_anything(GRand *dice)
{
    guint count = several.pair->b.inbox->len;
    xmlnode *stanza =
        count > 0 ? g_ptr_array_index(several.pair->b.inbox, g_rand_int_range(dice, 0, (gint)count)) : NULL;

    if (stanza == NULL || g_strcmp0(bs_jingle_attrib(stanza, "type"), "set") != 0)
        return;
    if (g_rand_int_range(dice, 0, 4) > 0)
        bs_iq_reply_result(several.pair->b.link, stanza, NULL);
    else
        bs_iq_reply_error(several.pair->b.link, stanza, "cancel", "item-not-found", NULL, NULL);
}

static void
decide_anything(GRand *dice)
{
    SeveralFile *file =
        several.files->len > 0
            ? g_ptr_array_index(several.files, g_rand_int_range(dice, 0, (gint)several.files->len))
            : NULL;

    if (file == NULL || file->transfer == NULL)
        return;
    if (!file->is_accepted && g_rand_int_range(dice, 0, 3) > 0) {
        file->is_accepted = TRUE;
        bs_transfer_accept(file->transfer, &file->sink);
    } else if (g_rand_int_range(dice, 0, 3) == 0) {
        bs_transfer_cancel(g_steal_pointer(&file->transfer));
    }
}

static void
do_anything(GRand *dice)
{
    switch (g_rand_int_range(dice, 0, 8)) {
    case 0:
    case 1:
    case 2:
        say_anything(dice);
        break;
    case 3:
        do_anything_in_band(dice);
        break;
    case 4:
        answer_anything(dice);
        break;
    case 5:
    case 6:
        decide_anything(dice);
        break;
    case 7:
        bs_test_run_for((guint)g_rand_int_range(dice, 1, 4));
        break;
    }
}

START_TEST(anything_in_any_order)
{
    g_autoptr(GRand) dice = g_rand_new_with_seed((guint32)_i);

    bs_test_hurry(g_rand_boolean(dice) ? 1 : 1000);
    several_tell("session-initiate", CONTENT("one") CONTENT_WITH("two", ""), "result");
    for (guint i = 0; i < STEPS; i++)
        do_anything(dice);
    check_all_has_ended();
}
END_TEST

/* Signing off, with everything in whatever state it is in. */
START_TEST(all_ends_with_the_endpoint)
{
    if (_i < 2)
        several_offer_two();
    if (_i == 1)
        several_accept("one");
    if (_i >= 2)
        several_accept_both();
    if (_i == 3)
        several_open("one");
    bs_endpoint_free(g_steal_pointer(&several.pair->a.endpoint));
    for (guint i = 0; i < several.files->len; i++)
        ck_assert(((SeveralFile *)g_ptr_array_index(several.files, i))->has_ended);
    bs_test_run_for(50);
    ck_assert(_i >= 2 || several_find("session-accept", NULL) == NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("contents_ends");
    TCase *tcase = tcase_create("contents_ends");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, several_set_up, several_tear_down);
    tcase_add_test(tcase, a_refused_acceptance_ends_what_is_left);
    tcase_add_test(tcase, a_connection_of_one_settles_the_acceptance);
    tcase_add_loop_test(tcase, anything_in_any_order, 0, SEEDS);
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
