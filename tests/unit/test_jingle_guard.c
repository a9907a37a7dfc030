/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>

#include "host/jingle_guard.h"
#include "support/purple_env.h"

#define RTP(inside) "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>" inside "</description>"
#define ICE "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/>"
#define S5B "<transport xmlns='urn:xmpp:jingle:transports:s5b:1' sid='x'/>"
#define PAYLOAD "<payload-type id='0' name='PCMU'/>"
#define CONTENT(inside) "<content creator='initiator' name='a'>" inside "</content>"
#define CALL CONTENT(RTP(PAYLOAD) ICE)

typedef struct {
    const char *action; /* NULL: none */
    const char *inside;
    BsJingleFault fault;
} Case;

static const Case cases[] = {
    /* A voice call, from beginning to end. */
    {"session-initiate", CALL, BS_JINGLE_FAULT_HARMLESS},
    {"session-accept", CALL, BS_JINGLE_FAULT_HARMLESS},
    {"session-info", "<ringing xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>", BS_JINGLE_FAULT_HARMLESS},
    {"transport-info", CONTENT(ICE), BS_JINGLE_FAULT_HARMLESS},
    {"description-info", CONTENT(RTP(PAYLOAD)), BS_JINGLE_FAULT_HARMLESS},
    {"content-add", CALL, BS_JINGLE_FAULT_HARMLESS},
    {"content-accept", CONTENT(""), BS_JINGLE_FAULT_HARMLESS},
    {"content-modify", CONTENT(""), BS_JINGLE_FAULT_HARMLESS},
    {"content-reject", CONTENT(""), BS_JINGLE_FAULT_HARMLESS},
    {"content-remove", CONTENT(""), BS_JINGLE_FAULT_HARMLESS},
    {"transport-replace", CONTENT(ICE), BS_JINGLE_FAULT_HARMLESS},
    {"security-info", "", BS_JINGLE_FAULT_HARMLESS},
    {"session-terminate", "<reason><success/></reason>", BS_JINGLE_FAULT_HARMLESS},
    /* Applications that libpurple does not know, which it refuses in good order. */
    {"session-initiate", CONTENT("<description xmlns='urn:example:app'/>" S5B), BS_JINGLE_FAULT_HARMLESS},
    {"session-initiate", CONTENT(RTP(PAYLOAD) S5B), BS_JINGLE_FAULT_HARMLESS},

    {NULL, CALL, BS_JINGLE_FAULT_NO_ACTION},
    {"unknown-type", CALL, BS_JINGLE_FAULT_NO_ACTION},
    {"SESSION-INFO", "", BS_JINGLE_FAULT_NO_ACTION},
    {"", "", BS_JINGLE_FAULT_NO_ACTION},

    {"session-initiate", "", BS_JINGLE_FAULT_NO_CONTENT},
    {"session-accept", "", BS_JINGLE_FAULT_NO_CONTENT},
    {"transport-info", "", BS_JINGLE_FAULT_NO_CONTENT},
    {"content-add", "<reason/>", BS_JINGLE_FAULT_NO_CONTENT},
    {"content-accept", "", BS_JINGLE_FAULT_NO_CONTENT},
    {"content-modify", "", BS_JINGLE_FAULT_NO_CONTENT},
    {"content-reject", "", BS_JINGLE_FAULT_NO_CONTENT},
    {"content-remove", "", BS_JINGLE_FAULT_NO_CONTENT},

    {"session-initiate", "<content creator='initiator'>" RTP(PAYLOAD) ICE "</content>",
     BS_JINGLE_FAULT_NO_NAME},
    {"session-initiate", "<content name='a'>" RTP(PAYLOAD) ICE "</content>", BS_JINGLE_FAULT_NO_NAME},
    {"content-add", "<content name='a'>" RTP(PAYLOAD) ICE "</content>", BS_JINGLE_FAULT_NO_NAME},
    {"session-initiate", CALL "<content creator='initiator'>" RTP(PAYLOAD) ICE "</content>",
     BS_JINGLE_FAULT_NO_NAME},
    {"content-remove", "<content creator='initiator'/>", BS_JINGLE_FAULT_NO_NAME},
    {"transport-info", "<content name='a'>" ICE "</content>", BS_JINGLE_FAULT_HARMLESS},

    {"session-initiate", CONTENT(ICE), BS_JINGLE_FAULT_BAD_DESCRIPTION},
    {"session-accept", CONTENT(ICE), BS_JINGLE_FAULT_BAD_DESCRIPTION},
    {"description-info", CONTENT(""), BS_JINGLE_FAULT_BAD_DESCRIPTION},
    {"session-initiate", CONTENT("<description xmlns='urn:xmpp:jingle:transports:ice-udp:1'/>" ICE),
     BS_JINGLE_FAULT_BAD_DESCRIPTION},
    {"content-add", CONTENT("<description xmlns='urn:xmpp:jingle:transports:raw-udp:1'/>" ICE),
     BS_JINGLE_FAULT_BAD_DESCRIPTION},

    {"session-initiate", CONTENT(RTP(PAYLOAD)), BS_JINGLE_FAULT_BAD_TRANSPORT},
    {"session-accept", CONTENT(RTP(PAYLOAD)), BS_JINGLE_FAULT_BAD_TRANSPORT},
    {"session-accept", CONTENT(RTP(PAYLOAD) S5B), BS_JINGLE_FAULT_BAD_TRANSPORT},
    {"transport-info", CONTENT(""), BS_JINGLE_FAULT_BAD_TRANSPORT},
    {"transport-info", CONTENT("<transport/>"), BS_JINGLE_FAULT_BAD_TRANSPORT},
    {"transport-info", CONTENT(S5B), BS_JINGLE_FAULT_BAD_TRANSPORT},
    {"transport-replace", CONTENT(""), BS_JINGLE_FAULT_BAD_TRANSPORT},
    {"session-initiate", CONTENT(RTP(PAYLOAD) "<transport xmlns='urn:xmpp:jingle:apps:rtp:1'/>"),
     BS_JINGLE_FAULT_BAD_TRANSPORT},
    {"transport-replace", CONTENT("<transport xmlns='urn:xmpp:jingle:apps:rtp:1'/>"),
     BS_JINGLE_FAULT_BAD_TRANSPORT},

    {"session-initiate", CONTENT(RTP("<payload-type name='PCMU'/>") ICE), BS_JINGLE_FAULT_BAD_PAYLOAD_TYPE},
    {"session-accept", CONTENT(RTP(PAYLOAD "<payload-type/>") ICE), BS_JINGLE_FAULT_BAD_PAYLOAD_TYPE},
    {"description-info", CONTENT(RTP("<payload-type/>")), BS_JINGLE_FAULT_BAD_PAYLOAD_TYPE},

    {"transport-accept", CALL, BS_JINGLE_FAULT_OUT_OF_ORDER},
    {"transport-accept", "", BS_JINGLE_FAULT_OUT_OF_ORDER},
    {"transport-reject", CONTENT(""), BS_JINGLE_FAULT_OUT_OF_ORDER},
};

static xmlnode *
stanza(const char *head, const char *action, const char *inside)
{
    g_autofree char *attribute = action != NULL ? g_strdup_printf(" action='%s'", action) : g_strdup("");
    g_autofree char *text =
        g_strdup_printf("<iq xmlns='jabber:client' %s id='1'><jingle xmlns='urn:xmpp:jingle:1'%s sid='s'>%s"
                        "</jingle></iq>",
                        head, attribute, inside);
    xmlnode *node = xmlnode_from_str(text, -1);

    ck_assert_msg(node != NULL, "no XML: %s", text);
    return node;
}

#define FROM_BOB "type='set' from='bob@example.org/x'"

START_TEST(each_form_is_told_apart)
{
    const Case *tried = &cases[_i];
    xmlnode *iq = stanza(FROM_BOB, tried->action, tried->inside);
    BsJingleFault fault = bs_jingle_guard_check(iq, TRUE);

    ck_assert_msg(fault == tried->fault, "%s %s: %s, not %s", tried->action, tried->inside,
                  bs_jingle_fault_name(fault), bs_jingle_fault_name(tried->fault));
    xmlnode_free(iq);
}
END_TEST

START_TEST(a_session_that_nobody_has_is_named_so)
{
    xmlnode *iq = stanza(FROM_BOB, "transport-accept", CALL);
    xmlnode *initiate = stanza(FROM_BOB, "session-initiate", "");
    xmlnode *aimless = stanza(FROM_BOB, NULL, "");

    ck_assert_int_eq(bs_jingle_guard_check(iq, FALSE), BS_JINGLE_FAULT_NO_SESSION);
    ck_assert_int_eq(bs_jingle_guard_check(initiate, FALSE), BS_JINGLE_FAULT_NO_CONTENT);
    ck_assert_int_eq(bs_jingle_guard_check(aimless, FALSE), BS_JINGLE_FAULT_NO_ACTION);
    xmlnode_free(iq);
    xmlnode_free(initiate);
    xmlnode_free(aimless);
}
END_TEST

START_TEST(answers_and_other_payloads_are_left_alone)
{
    xmlnode *result = stanza("type='result' from='bob@example.org/x'", "transport-accept", "");
    xmlnode *other = xmlnode_from_str("<iq type='set' from='b@c/d' id='1'><query xmlns='a'/>"
                                      "<jingle xmlns='urn:xmpp:jingle:1'/></iq>",
                                      -1);
    xmlnode *empty = xmlnode_from_str("<iq type='set' from='b@c/d' id='1'/>", -1);

    ck_assert_int_eq(bs_jingle_guard_check(result, TRUE), BS_JINGLE_FAULT_HARMLESS);
    ck_assert_int_eq(bs_jingle_guard_check(other, TRUE), BS_JINGLE_FAULT_HARMLESS);
    ck_assert_int_eq(bs_jingle_guard_check(empty, TRUE), BS_JINGLE_FAULT_HARMLESS);
    ck_assert_ptr_null(bs_jingle_guard_sid(result));
    ck_assert_ptr_null(bs_jingle_guard_sid(empty));
    xmlnode_free(result);
    xmlnode_free(other);
    xmlnode_free(empty);
}
END_TEST

START_TEST(sender_and_sid_are_needed)
{
    xmlnode *nobody = stanza("type='set'", "session-initiate", CALL);
    xmlnode *no_sid = xmlnode_from_str("<iq type='set' from='b@c/d' id='1'><jingle xmlns='urn:xmpp:jingle:1' "
                                       "action='session-initiate'/></iq>",
                                       -1);

    ck_assert_int_eq(bs_jingle_guard_check(nobody, TRUE), BS_JINGLE_FAULT_NO_SENDER);
    ck_assert_int_eq(bs_jingle_guard_check(no_sid, FALSE), BS_JINGLE_FAULT_NO_SID);
    ck_assert_ptr_null(bs_jingle_guard_sid(no_sid));
    ck_assert_str_eq(bs_jingle_guard_sid(nobody), "s");
    xmlnode_free(nobody);
    xmlnode_free(no_sid);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("jingle_guard");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    bs_test_purple_start();
    suite_add_tcase(suite, all);
    tcase_add_loop_test(all, each_form_is_told_apart, 0, G_N_ELEMENTS(cases));
    tcase_add_test(all, a_session_that_nobody_has_is_named_so);
    tcase_add_test(all, answers_and_other_payloads_are_left_alone);
    tcase_add_test(all, sender_and_sid_are_needed);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
