/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "purple_env.h"
#include "transport/s5b_xml.h"

#define OPEN "<transport xmlns='" BS_NS_S5B "' sid='s1'>"
#define CLOSE "</transport>"

static BsS5bMessage *
parse(const char *xml)
{
    xmlnode *node = xmlnode_from_str(xml, -1);
    BsS5bMessage *message;

    ck_assert_ptr_nonnull(node);
    message = bs_s5b_parse(node);
    xmlnode_free(node);
    return message;
}

START_TEST(survives_the_way_there_and_back)
{
    g_autoptr(GPtrArray) candidates = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
    g_autoptr(BsS5bMessage) message = NULL;
    g_autofree char *text = NULL;
    const BsCandidate *second;
    xmlnode *node;

    g_ptr_array_add(candidates,
                    bs_candidate_new(BS_CANDIDATE_PROXY, "c1", "proxy.test", "proxy.test", 7777, 5));
    g_ptr_array_add(candidates,
                    bs_candidate_new(BS_CANDIDATE_DIRECT, "c2", "a@b/<&>", "fd00::1", 65535, 4294967295u));
    node = bs_s5b_build_candidates("s1", "abc", candidates);
    text = xmlnode_to_str(node, NULL);
    xmlnode_free(node);
    message = parse(text);
    ck_assert_ptr_nonnull(message);
    ck_assert_str_eq(message->sid, "s1");
    ck_assert_str_eq(message->dstaddr, "abc");
    ck_assert_int_eq(message->kind, BS_S5B_CANDIDATES);
    ck_assert_uint_eq(message->candidates->len, 2);
    second = g_ptr_array_index(message->candidates, 0);
    ck_assert_str_eq(second->cid, "c2");
    ck_assert_str_eq(second->jid, "a@b/<&>");
    ck_assert_str_eq(second->host, "fd00::1");
    ck_assert_uint_eq(second->port, 65535);
    ck_assert_uint_eq(second->priority, 4294967295u);
    ck_assert_int_eq(second->type, BS_CANDIDATE_DIRECT);
}
END_TEST

static const struct {
    BsS5bKind kind;
    const char *cid;
} reports[] = {
    {BS_S5B_CANDIDATE_USED, "c1"},
    {BS_S5B_CANDIDATE_ERROR, NULL},
    {BS_S5B_ACTIVATED, "c2"},
    {BS_S5B_PROXY_ERROR, NULL},
};

START_TEST(reports_survive_the_way)
{
    xmlnode *node = bs_s5b_build_report("s1", reports[_i].kind, reports[_i].cid);
    g_autofree char *text = xmlnode_to_str(node, NULL);
    g_autoptr(BsS5bMessage) message = parse(text);

    xmlnode_free(node);
    ck_assert_ptr_nonnull(message);
    ck_assert_int_eq(message->kind, reports[_i].kind);
    ck_assert_pstr_eq(message->cid, reports[_i].cid);
}
END_TEST

/* Each is left out, and the good one after it is kept. */
static const char *const left_out[] = {
    "<candidate/>",
    "<candidate cid='' host='192.0.2.1' jid='a@b/c' port='1' priority='1'/>",
    "<candidate host='192.0.2.1' jid='a@b/c' port='1' priority='1'/>",
    "<candidate cid='x' jid='a@b/c' port='1' priority='1'/>",
    "<candidate cid='x' host='192.0.2.1' jid='a@b/c' port='65536' priority='1'/>",
    "<candidate cid='x' host='192.0.2.1' jid='a@b/c' port='-1' priority='1'/>",
    "<candidate cid='x' host='192.0.2.1' jid='a@b/c' port='' priority='1'/>",
    "<candidate cid='x' host='192.0.2.1' jid='a@b/c' port='1'/>",
    "<candidate cid='x' host='192.0.2.1' jid='a@b/c' port='1' priority='4294967296'/>",
    "<candidate cid='x' host='192.0.2.1' jid='a@b/c' port='1' priority='1e3'/>",
    "<candidate cid='x' host='192.0.2.1' jid='a@b/c' port='1' priority='1' type='pigeon'/>",
    "<candidate cid='x' host='192.0.2.1' port='1' priority='1' type='proxy'/>",
    "<candidate xmlns='other' cid='x' host='192.0.2.1' jid='a@b/c' port='1' priority='1'/>",
};

START_TEST(leaves_out_malformed_candidates)
{
    g_autofree char *xml = g_strconcat(
        OPEN, left_out[_i], "<candidate cid='good' host='192.0.2.9' jid='a@b/c' port='9' priority='9'/>",
        CLOSE, NULL);
    g_autoptr(BsS5bMessage) message = parse(xml);

    ck_assert_ptr_nonnull(message);
    ck_assert_uint_eq(message->candidates->len, 1);
    ck_assert_ptr_nonnull(bs_candidates_find(message->candidates, "good"));
}
END_TEST

START_TEST(bears_what_clients_leave_out)
{
    g_autoptr(BsS5bMessage) message =
        parse(OPEN "<candidate cid='psi' host='192.0.2.1' port='5' priority='1'/>"
                   "<candidate cid='portless' host='192.0.2.1' jid='p@q' priority='0' type='proxy'/>" CLOSE);
    const BsCandidate *psi = bs_candidates_find(message->candidates, "psi");
    const BsCandidate *portless = bs_candidates_find(message->candidates, "portless");

    ck_assert_ptr_nonnull(psi);
    ck_assert_int_eq(psi->type, BS_CANDIDATE_DIRECT);
    ck_assert_ptr_null(psi->jid);
    ck_assert_ptr_nonnull(portless);
    ck_assert_uint_eq(portless->port, 1080);
}
END_TEST

START_TEST(takes_each_cid_once_and_a_bounded_number)
{
    g_autoptr(GString) xml = g_string_new(OPEN);
    g_autoptr(BsS5bMessage) message = NULL;

    for (guint i = 0; i < 500; i++)
        g_string_append_printf(
            xml, "<candidate cid='c%u' host='192.0.2.1' jid='a@b/c' port='5' priority='%u'/>", i / 2, i);
    g_string_append(xml, CLOSE);
    message = parse(xml->str);
    ck_assert_uint_eq(message->candidates->len, BS_CANDIDATES_MAX);
    ck_assert_ptr_nonnull(bs_candidates_find(message->candidates, "c249"));
    ck_assert_ptr_null(bs_candidates_find(message->candidates, "c0"));
}
END_TEST

static const char *const malformed[] = {
    "<transport xmlns='" BS_NS_S5B "'/>",
    "<transport xmlns='" BS_NS_S5B "' sid=''/>",
    "<transport xmlns='urn:xmpp:jingle:transports:ibb:1' sid='s1'/>",
    "<other xmlns='" BS_NS_S5B "' sid='s1'/>",
    OPEN "<candidate-used/>" CLOSE,
    OPEN "<candidate-used cid=''/>" CLOSE,
    OPEN "<activated/>" CLOSE,
};

START_TEST(refuses_what_is_malformed)
{
    ck_assert_ptr_null(parse(malformed[_i]));
}
END_TEST

START_TEST(refuses_long_ids)
{
    g_autofree char *sid = g_strnfill(BS_S5B_TEXT_MAX + 1, 'x');
    g_autofree char *with_sid = g_strdup_printf("<transport xmlns='" BS_NS_S5B "' sid='%s'/>", sid);
    g_autofree char *with_cid = g_strdup_printf(OPEN "<candidate-used cid='%s'/>" CLOSE, sid);

    ck_assert_ptr_null(parse(with_sid));
    ck_assert_ptr_null(parse(with_cid));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("s5b_xml");
    TCase *tcase = tcase_create("s5b_xml");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, survives_the_way_there_and_back);
    tcase_add_loop_test(tcase, reports_survive_the_way, 0, G_N_ELEMENTS(reports));
    tcase_add_loop_test(tcase, leaves_out_malformed_candidates, 0, G_N_ELEMENTS(left_out));
    tcase_add_test(tcase, bears_what_clients_leave_out);
    tcase_add_test(tcase, takes_each_cid_once_and_a_bounded_number);
    tcase_add_loop_test(tcase, refuses_what_is_malformed, 0, G_N_ELEMENTS(malformed));
    tcase_add_test(tcase, refuses_long_ids);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
