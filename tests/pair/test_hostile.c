/* A peer that means harm, or is broken: mangled stanzas, and everything but the file over the connection.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "socks5/candidate.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/s5b_xml.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define TRANSPORT(inner) "<transport xmlns='" BS_NS_S5B "' sid='stream'>" inner "</transport>"
#define CONTENT(inner) "<content creator='initiator' name='c' senders='initiator'>" inner "</content>"
#define INFO(inner) CONTENT(TRANSPORT(inner))
/* SHA-256 of "0123456789". */
#define DIGITS_SHA256 "hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII="
#define FILE(size, hash)                                                                                     \
    "<description xmlns='" FT5 "'><file><name>../../f</name><size>" size "</size>"                           \
    "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" hash "</hash></file></description>"

static Pair *pair;
static int fd;

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new_scripted();
    fd = -1;
}

static void
teardown(void)
{
    if (fd >= 0)
        close(fd);
    pair_free(pair);
    bs_test_hurry(1);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static void
check_result(const char *action, const char *contents)
{
    g_autofree char *answer = script_jingle(pair, action, "s1", contents);

    ck_assert_str_eq(answer, "result");
}

/* The peer offers a file of 10 bytes; alice accepts, and the peer connects to her. Returns the cid of her
 * candidate. */
static char *
offer_and_dial(const char *file)
{
    g_autofree char *contents = g_strconcat("<content creator='initiator' name='c' senders='initiator'>",
                                            file, TRANSPORT("") "</content>", NULL);
    g_autofree char *dst_addr = bs_dst_addr("stream", pair->a.jid, pair->b.jid);
    xmlnode *accept;
    const xmlnode *transport;

    check_result("session-initiate", contents);
    accept = script_expect(pair, "session-accept");
    ck_assert_ptr_nonnull(accept);
    transport = bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(accept)));
    ck_assert_uint_eq(script_dial(dst_addr, &fd), 0);
    return g_strdup(xmlnode_get_attrib(xmlnode_get_child(transport, "candidate"), "cid"));
}

static void
nominate(const char *cid)
{
    g_autofree char *used = g_strdup_printf(INFO("<candidate-used cid='%s'/>"), cid);

    check_result("transport-info", used);
    ck_assert_ptr_nonnull(script_expect(pair, "transport-info"));
}

static void
check_end(BsEndReason reason)
{
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, reason);
    ck_assert(pair->a.named == (reason == BS_END_DELIVERED));
    ck_assert(pair->a.discarded != pair->a.named);
}

START_TEST(the_right_file_arrives)
{
    g_autofree char *cid = offer_and_dial(FILE("10", DIGITS_SHA256));

    nominate(cid);
    script_send_bytes(fd, "0123456789", 10);
    check_end(BS_END_DELIVERED);
    ck_assert_ptr_nonnull(script_expect(pair, "session-terminate"));
}
END_TEST

START_TEST(bytes_before_the_nomination_are_the_file)
{
    g_autofree char *cid = offer_and_dial(FILE("10", DIGITS_SHA256));

    script_send_bytes(fd, "0123456789", 10);
    shutdown(fd, SHUT_WR);
    nominate(cid);
    check_end(BS_END_DELIVERED);
}
END_TEST

START_TEST(too_much_is_an_error)
{
    g_autofree char *cid = offer_and_dial(FILE("10", DIGITS_SHA256));

    script_send_bytes(fd, "0123456789ab", 12);
    nominate(cid);
    check_end(BS_END_WRONG_SIZE);
    ck_assert_str_eq(
        bs_jingle_reason_name(bs_jingle_reason(bs_jingle_element(script_expect(pair, "session-terminate")))),
        "media-error");
}
END_TEST

/* No hash tells that there was more. */
START_TEST(too_much_may_come_late)
{
    g_autofree char *cid = offer_and_dial(FILE("10", ""));

    script_send_bytes(fd, "0123456789", 10);
    nominate(cid);
    bs_test_run_for(50);
    script_send_bytes(fd, "ab", 2);
    check_end(BS_END_WRONG_SIZE);
}
END_TEST

START_TEST(too_little_is_an_error)
{
    g_autofree char *cid = offer_and_dial(FILE("10", DIGITS_SHA256));

    bs_test_hurry(20);
    script_send_bytes(fd, "012345678", 9);
    shutdown(fd, SHUT_RDWR);
    nominate(cid);
    check_end(BS_END_CONNECTION_LOST);
}
END_TEST

START_TEST(another_file_is_damaged)
{
    g_autofree char *cid = offer_and_dial(FILE("10", DIGITS_SHA256));

    nominate(cid);
    script_send_bytes(fd, "0123456780", 10);
    check_end(BS_END_DAMAGED);
}
END_TEST

START_TEST(a_file_larger_than_any_disk_ends_with_its_connection)
{
    g_autofree char *cid = offer_and_dial(FILE("9223372036854775807", DIGITS_SHA256));

    bs_test_hurry(20);
    nominate(cid);
    script_send_bytes(fd, "0123456789", 10);
    shutdown(fd, SHUT_RDWR);
    check_end(BS_END_CONNECTION_LOST);
}
END_TEST

START_TEST(both_orders_of_dst_addr_are_understood)
{
    g_autofree char *contents = g_strdup(CONTENT(FILE("10", DIGITS_SHA256) TRANSPORT("")));
    g_autofree char *dst_addr = _i ? bs_dst_addr("stream", pair->b.jid, pair->a.jid)
                                   : bs_dst_addr("stream", pair->a.jid, pair->b.jid);

    check_result("session-initiate", contents);
    ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
    ck_assert_uint_eq(script_dial(dst_addr, &fd), 0);
}
END_TEST

START_TEST(a_wrong_dst_addr_is_refused)
{
    check_result("session-initiate", CONTENT(FILE("10", DIGITS_SHA256) TRANSPORT("")));
    ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
    ck_assert_uint_ne(script_dial("0123456789012345678901234567890123456789", &fd), 0);
    ck_assert_uint_eq(pair->a.ended, 0);
}
END_TEST

START_TEST(a_connection_that_was_never_made_is_not_used)
{
    xmlnode *accept;
    const xmlnode *transport;
    g_autofree char *cid = NULL;

    bs_test_hurry(20);
    check_result("session-initiate", CONTENT(FILE("10", DIGITS_SHA256) TRANSPORT("")));
    accept = script_expect(pair, "session-accept");
    transport = bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(accept)));
    cid = g_strdup(xmlnode_get_attrib(xmlnode_get_child(transport, "candidate"), "cid"));
    nominate(cid);
    check_end(BS_END_NO_ROUTE);
}
END_TEST

START_TEST(candidates_that_make_no_sense_are_not_dialled)
{
    const xmlnode *info;

    check_result("session-initiate",
                 CONTENT(FILE("10", DIGITS_SHA256) TRANSPORT(
                     "<candidate cid='1' host='0.0.0.0' jid='b@c/d' port='7' priority='7'/>"
                     "<candidate cid='2' host='224.0.0.1' jid='b@c/d' port='7' priority='8'/>"
                     "<candidate cid='3' host='192.0.2.1' jid='b@c/d' port='0' priority='9'/>"
                     "<candidate cid='4' host='not a host' jid='b@c/d' port='9' priority='9'/>"
                     "<candidate cid='5' host='::' jid='b@c/d' port='9' priority='9'/>")));
    ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
    info = bs_jingle_element(script_expect(pair, "transport-info"));
    ck_assert_ptr_nonnull(info);
    ck_assert_ptr_nonnull(
        xmlnode_get_child(bs_jingle_transport(bs_jingle_first_content(info)), "candidate-error"));
}
END_TEST

static const char *const templates[] = {
    CONTENT(FILE("10", DIGITS_SHA256) TRANSPORT(
        "<candidate cid='1' host='0.0.0.0' jid='b@c/d' port='7' priority='7' type='direct'/>")),
    INFO("<candidate-used cid='1'/>"),
    INFO("<candidate-error/>"),
    INFO("<activated cid='1'/>"),
    INFO("<proxy-error/>"),
    "<checksum xmlns='" FT5
    "' creator='initiator' name='c'><file><hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>"
    "qvTGHdzF6KLavt4PO0gs2a6pQ00=</hash></file></checksum>",
    "<received xmlns='" FT5 "' creator='initiator' name='c'/>",
    "<reason><success/></reason>",
    "<reason><cancel/></reason>",
};
static const char *const actions[] = {
    "session-initiate", "session-accept",   "session-info",     "session-terminate",
    "transport-info",   "transport-accept", "transport-reject", "content-add",
    "content-remove",   "content-modify",   "content-accept",   "transport-replace",
};
static const char *const values[] = {
    "",          "0",    "-1", "65536", "99999999999999999999", "\xef\xbf\xbd", "%s%n", "../../../etc/passwd",
    "initiator", "none",
};

static xmlnode *
any_element(GRand *dice, xmlnode *root)
{
    xmlnode *node = root;

    while (g_rand_int_range(dice, 0, 4) > 0) {
        xmlnode *child = bs_xml_first_element(node);

        while (child != NULL && bs_xml_next_element(child) != NULL && g_rand_boolean(dice))
            child = bs_xml_next_element(child);
        if (child == NULL)
            break;
        node = child;
    }
    return node;
}

static void
mangle_attribute(GRand *dice, xmlnode *node)
{
    GPtrArray *names = g_ptr_array_new();
    const char *value = values[g_rand_int_range(dice, 0, G_N_ELEMENTS(values))];

    for (xmlnode *child = node->child; child != NULL; child = child->next)
        if (child->type == XMLNODE_TYPE_ATTRIB && strcmp(child->name, "id") != 0)
            g_ptr_array_add(names, child->name);
    if (names->len > 0) {
        g_autofree char *name = g_strdup(names->pdata[g_rand_int_range(dice, 0, (gint32)names->len)]);

        if (g_rand_boolean(dice))
            xmlnode_remove_attrib(node, name);
        else
            xmlnode_set_attrib(node, name, value);
    }
    g_ptr_array_unref(names);
}

static void
mangle(GRand *dice, xmlnode *jingle)
{
    xmlnode *node = any_element(dice, jingle);

    switch (g_rand_int_range(dice, 0, 5)) {
    case 0:
        if (node != jingle)
            xmlnode_free(node);
        break;
    case 1:
        xmlnode_insert_child(any_element(dice, jingle), xmlnode_copy(node));
        break;
    case 2:
        xmlnode_set_namespace(node, "urn:example:other");
        break;
    case 3:
        xmlnode_insert_data(node, values[g_rand_int_range(dice, 1, G_N_ELEMENTS(values))], -1);
        break;
    default:
        mangle_attribute(dice, node);
        break;
    }
}

static void
send_mangled(GRand *dice)
{
    const char *action = actions[g_rand_int_range(dice, 0, G_N_ELEMENTS(actions))];
    const char *inner = templates[g_rand_int_range(dice, 0, G_N_ELEMENTS(templates))];
    g_autofree char *xml = g_strdup_printf(
        "<iq type='set' id='%u' from='%s' to='%s'><jingle xmlns='" BS_NS_JINGLE
        "' action='%s' sid='s%d'>%s</jingle></iq>",
        g_rand_int(dice), pair->b.jid, pair->a.jid, action, g_rand_int_range(dice, 0, 3), inner);
    xmlnode *stanza = xmlnode_from_str(xml, -1);
    xmlnode *jingle = xmlnode_get_child(stanza, "jingle");
    char *text;

    for (gint32 i = g_rand_int_range(dice, 0, 4); i > 0; i--)
        mangle(dice, jingle);
    text = xmlnode_to_str(stanza, NULL);
    script_send(pair, text);
    g_free(text);
    xmlnode_free(stanza);
}

/* Whatever arrives is answered once, and the next honest offer is served. */
START_TEST(mangled_stanzas_do_no_harm)
{
    GRand *dice = g_rand_new_with_seed((guint32)_i);
    guint answers = 0;

    bs_test_hurry(50);
    for (guint i = 0; i < 200; i++)
        send_mangled(dice);
    bs_test_run_for(200);
    for (guint i = 0; i < pair->b.inbox->len; i++) {
        const char *type = xmlnode_get_attrib(g_ptr_array_index(pair->b.inbox, i), "type");

        answers += g_strcmp0(type, "result") == 0 || g_strcmp0(type, "error") == 0;
    }
    ck_assert_uint_eq(answers, 200);
    g_rand_free(dice);
    bs_test_hurry(1);
    g_free(script_jingle(pair, "session-initiate", "honest", templates[0]));
    ck_assert_uint_gt(pair->a.offers, 0);
}
END_TEST

START_TEST(a_flood_of_offers_has_an_end)
{
    g_autofree char *answer = NULL;

    pair->a.user = USER_WAITS;
    for (guint i = 0; i < 60; i++) {
        g_autofree char *sid = g_strdup_printf("flood%u", i);

        g_free(answer);
        answer = script_jingle(pair, "session-initiate", sid, templates[0]);
    }
    ck_assert_str_eq(answer, "resource-constraint");
    ck_assert_uint_lt(pair->a.offers, 60);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("hostile");
    TCase *tcase = tcase_create("hostile");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_right_file_arrives);
    tcase_add_test(tcase, bytes_before_the_nomination_are_the_file);
    tcase_add_test(tcase, too_much_is_an_error);
    tcase_add_test(tcase, too_much_may_come_late);
    tcase_add_test(tcase, too_little_is_an_error);
    tcase_add_test(tcase, another_file_is_damaged);
    tcase_add_test(tcase, a_file_larger_than_any_disk_ends_with_its_connection);
    tcase_add_loop_test(tcase, both_orders_of_dst_addr_are_understood, 0, 2);
    tcase_add_test(tcase, a_wrong_dst_addr_is_refused);
    tcase_add_test(tcase, a_connection_that_was_never_made_is_not_used);
    tcase_add_test(tcase, candidates_that_make_no_sense_are_not_dialled);
    tcase_add_loop_test(tcase, mangled_stanzas_do_no_harm, 0, 20);
    tcase_add_test(tcase, a_flood_of_offers_has_an_end);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
