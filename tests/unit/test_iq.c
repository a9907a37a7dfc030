/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stanza/iq.h"
#include "stanza/xml.h"
#include "support/purple_env.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define OWN "me@home.example/pc"
#define PEER "you@far.example/phone"
#define NS "urn:example:x"
#define LONG_MS 60000
#define SHORT_MS 1

typedef xmlnode Node;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Node, xmlnode_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BsIqLink, bs_iq_link_free)

/* What a request's answer was, and what it does when it comes. */
typedef struct {
    guint calls;
    gboolean called;
    BsIqOutcome outcome;
    gboolean had_iq;
    BsIqRequest *cancels; /* cancelled inside the answer, after `frees` */
    BsIqLink **frees;     /* freed inside the answer */
    BsIqLink *asks_again; /* asked inside the answer */
} Answer;

/* Stanzas that were sent, as text, the last first. */
static GList *sent;

static void
remember_sent(xmlnode *stanza, gpointer data)
{
    (void)data;
    sent = g_list_prepend(sent, xmlnode_to_str(stanza, NULL));
}

static void
forget_sent(void)
{
    g_list_free_full(g_steal_pointer(&sent), g_free);
}

static xmlnode *
last_sent(void)
{
    ck_assert_ptr_nonnull(sent);
    return xmlnode_from_str(sent->data, -1);
}

static char *
last_id(void)
{
    g_autoptr(Node) stanza = last_sent();

    return g_strdup(xmlnode_get_attrib(stanza, "id"));
}

static xmlnode *
payload(void)
{
    xmlnode *query = xmlnode_new("query");

    xmlnode_set_namespace(query, NS);
    return query;
}

static void
answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    Answer *answer = data;

    answer->calls++;
    answer->called = TRUE;
    answer->outcome = outcome;
    answer->had_iq = iq != NULL;
    if (answer->frees != NULL)
        g_clear_pointer(answer->frees, bs_iq_link_free);
    bs_iq_request_cancel(&answer->cancels);
    if (answer->asks_again != NULL)
        bs_iq_request(answer->asks_again, "get", PEER, payload(), LONG_MS, answered, answer);
}

static BsIqLink *
new_link(void)
{
    return bs_iq_link_new(OWN, remember_sent, NULL);
}

static BsIqRequest *
ask(BsIqLink *link, const char *to, guint timeout_ms, Answer *answer)
{
    return bs_iq_request(link, "set", to, payload(), timeout_ms, answer != NULL ? answered : NULL, answer);
}

static gboolean
receive(BsIqLink *link, const char *type, const char *from, const char *id)
{
    g_autoptr(Node) iq = xmlnode_new("iq");

    xmlnode_set_namespace(iq, "jabber:client");
    if (type != NULL)
        xmlnode_set_attrib(iq, "type", type);
    if (from != NULL)
        xmlnode_set_attrib(iq, "from", from);
    if (id != NULL)
        xmlnode_set_attrib(iq, "id", id);
    return bs_iq_link_receive(link, iq);
}

static void
assert_sent(const char *expected)
{
    ck_assert_ptr_nonnull(sent);
    ck_assert_str_eq(sent->data, expected);
}

START_TEST(request_is_written)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *id = NULL;
    g_autofree char *expected = NULL;
    Answer answer = {0};

    ck_assert_ptr_nonnull(ask(link, PEER, 0, &answer));
    id = last_id();
    expected = g_strdup_printf("<iq type='set' to='%s' id='%s'><query xmlns='%s'/></iq>", PEER, id, NS);
    assert_sent(expected);
    ck_assert_uint_eq(answer.calls, 0);
}
END_TEST

START_TEST(request_to_own_account)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autoptr(Node) iq = NULL;

    ck_assert_ptr_null(bs_iq_request(link, "get", NULL, payload(), 0, NULL, NULL));
    iq = last_sent();
    ck_assert_str_eq(xmlnode_get_attrib(iq, "type"), "get");
    ck_assert_ptr_null(xmlnode_get_attrib(iq, "to"));
}
END_TEST

START_TEST(ids_are_unguessable)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autoptr(GHashTable) ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < 500; i++) {
        char *id;

        ask(link, PEER, 0, NULL);
        id = last_id();
        ck_assert(g_str_has_prefix(id, "bs"));
        ck_assert_uint_ge(strlen(id), 2 + 16);
        ck_assert_uint_eq(strspn(id + 2, "0123456789abcdef"), strlen(id + 2));
        ck_assert(g_hash_table_add(ids, id));
    }
}
END_TEST

START_TEST(answer_comes_once)
{
    static const char *const types[] = {"result", "error"};
    static const BsIqOutcome outcomes[] = {BS_IQ_RESULT, BS_IQ_ERROR};
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *id = NULL;
    Answer answer = {0};

    ask(link, PEER, LONG_MS, &answer);
    id = last_id();
    ck_assert(receive(link, types[_i], "YOU@far.Example/phone", id));
    ck_assert_uint_eq(answer.calls, 1);
    ck_assert_int_eq(answer.outcome, outcomes[_i]);
    ck_assert(answer.had_iq);
    receive(link, types[_i], PEER, id);
    ck_assert_uint_eq(answer.calls, 1);
}
END_TEST

START_TEST(not_an_answer)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *id = NULL;
    Answer answer = {0};

    ask(link, PEER, LONG_MS, &answer);
    id = last_id();
    ck_assert(!receive(link, "get", PEER, id));
    ck_assert(!receive(link, "set", PEER, id));
    ck_assert(!receive(link, "nonsense", PEER, id));
    ck_assert(!receive(link, NULL, PEER, id));
    ck_assert(!receive(link, "result", PEER, NULL));
    ck_assert(!receive(link, "result", PEER, "purple1234"));
    ck_assert(!receive(link, "result", PEER, ""));
    ck_assert_uint_eq(answer.calls, 0);
    ck_assert(receive(link, "result", PEER, id));
    ck_assert_uint_eq(answer.calls, 1);
}
END_TEST

typedef struct {
    const char *to;
    const char *from;
    gboolean accepted;
} Sender;

static const Sender senders[] = {
    {PEER, PEER, TRUE},
    {PEER, "you@far.example", FALSE},
    {PEER, "you@far.example/other", FALSE},
    {PEER, "you@far.example/Phone", FALSE},
    {PEER, "far.example", FALSE},
    {PEER, "mallory@far.example/phone", FALSE},
    {PEER, OWN, FALSE},
    {PEER, "home.example", FALSE},
    {PEER, NULL, FALSE},
    {"proxy.example", "proxy.example", TRUE},
    {"proxy.example", "x@proxy.example", FALSE},
    {"proxy.example", "proxy.example/x", FALSE},
    {NULL, NULL, TRUE},
    {NULL, "me@home.example", TRUE},
    {NULL, "ME@HOME.example", TRUE},
    {NULL, OWN, TRUE},
    {NULL, "home.example", TRUE},
    {NULL, "me@home.example/other", FALSE},
    {NULL, "home.example/x", FALSE},
    {NULL, "other@home.example", FALSE},
    {NULL, PEER, FALSE},
    {NULL, "far.example", FALSE},
    {NULL, "", FALSE},
    {"me@home.example", NULL, TRUE},
    {"me@home.example", "me@home.example", TRUE},
    {"me@home.example", OWN, FALSE},
    {OWN, NULL, FALSE},
    {"me@home.example/other", "me@home.example/other", TRUE},
};

START_TEST(only_who_was_asked)
{
    const Sender *sender = &senders[_i];
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *id = NULL;
    Answer answer = {0};

    ask(link, sender->to, LONG_MS, &answer);
    id = last_id();
    ck_assert_int_eq(receive(link, "result", sender->from, id), sender->accepted);
    ck_assert_uint_eq(answer.calls, sender->accepted ? 1 : 0);
    /* a stranger's attempt takes nothing from the true answer */
    receive(link, "error", sender->to, id);
    ck_assert_uint_eq(answer.calls, 1);
}
END_TEST

/* The same, for one that nobody waits for. */
START_TEST(only_who_was_asked_is_claimed)
{
    const Sender *sender = &senders[_i];
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *id = NULL;

    ck_assert_ptr_null(ask(link, sender->to, LONG_MS, NULL));
    id = last_id();
    ck_assert_int_eq(receive(link, "error", sender->from, id), sender->accepted);
}
END_TEST

START_TEST(own_jid_changes)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *id = NULL;
    Answer answer = {0};

    ck_assert_str_eq(bs_iq_link_own_jid(link), OWN);
    bs_iq_link_set_own_jid(link, "me@home.example/new");
    bs_iq_link_set_own_jid(link, bs_iq_link_own_jid(link));
    ck_assert_str_eq(bs_iq_link_own_jid(link), "me@home.example/new");
    ask(link, NULL, LONG_MS, &answer);
    id = last_id();
    ck_assert(!receive(link, "result", OWN, id));
    ck_assert(receive(link, "result", "me@home.example/new", id));
    ck_assert_uint_eq(answer.calls, 1);
}
END_TEST

START_TEST(timeout)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *id = NULL;
    Answer answer = {0};

    ask(link, PEER, SHORT_MS, &answer);
    id = last_id();
    ck_assert(bs_test_run_until(&answer.called, 20));
    ck_assert_int_eq(answer.outcome, BS_IQ_TIMEOUT);
    ck_assert(!answer.had_iq);
    ck_assert(!receive(link, "result", "mallory@far.example/phone", id));
    ck_assert(receive(link, "result", PEER, id));
    ck_assert_uint_eq(answer.calls, 1);
}
END_TEST

START_TEST(answer_ends_the_timer)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *id = NULL;
    Answer answer = {0};

    ask(link, PEER, SHORT_MS, &answer);
    id = last_id();
    ck_assert(receive(link, "result", PEER, id));
    bs_test_run_for(50);
    ck_assert_uint_eq(answer.calls, 1);
    ck_assert_int_eq(answer.outcome, BS_IQ_RESULT);
}
END_TEST

START_TEST(cancel)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *id = NULL;
    Answer answer = {0};
    BsIqRequest *request = ask(link, PEER, SHORT_MS, &answer);

    id = last_id();
    bs_iq_request_cancel(&request);
    ck_assert_ptr_null(request);
    bs_iq_request_cancel(&request);
    bs_test_run_for(50);
    ck_assert(!receive(link, "result", "mallory@far.example/phone", id));
    ck_assert(receive(link, "result", PEER, id));
    ck_assert_uint_eq(answer.calls, 0);
}
END_TEST

START_TEST(oldest_is_forgotten)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    g_autofree char *latest = NULL;

    ask(link, PEER, 0, NULL);
    first = last_id();
    ask(link, PEER, 0, NULL);
    second = last_id();
    for (guint i = 0; i < 254; i++)
        ask(link, PEER, 0, NULL);
    ck_assert(receive(link, "result", PEER, first));
    ask(link, PEER, 0, NULL);
    latest = last_id();
    ck_assert(!receive(link, "result", PEER, first));
    ck_assert(receive(link, "result", PEER, second));
    ck_assert(receive(link, "result", PEER, latest));
}
END_TEST

START_TEST(answer_cancels_others_and_itself)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    Answer one = {0};
    Answer other = {0};

    one.cancels = ask(link, PEER, LONG_MS, &other);
    first = last_id();
    other.cancels = ask(link, PEER, LONG_MS, &one);
    second = last_id();
    /* `one` is answered and cancels the request of `other` */
    ck_assert(receive(link, "result", PEER, second));
    ck_assert_ptr_null(one.cancels);
    ck_assert(receive(link, "result", PEER, first));
    ck_assert_uint_eq(one.calls, 1);
    ck_assert_uint_eq(other.calls, 0);

    one.cancels = ask(link, PEER, LONG_MS, &one);
    g_free(first);
    first = last_id();
    ck_assert(receive(link, "result", PEER, first));
    ck_assert_uint_eq(one.calls, 2);
}
END_TEST

START_TEST(answer_asks_again)
{
    g_autoptr(BsIqLink) link = new_link();
    Answer answer = {.asks_again = link};

    ask(link, PEER, LONG_MS, &answer);
    for (guint i = 1; i <= 3; i++) {
        g_autofree char *id = last_id();

        ck_assert(receive(link, "result", PEER, id));
        ck_assert_uint_eq(answer.calls, i);
    }
}
END_TEST

START_TEST(answer_frees_the_link)
{
    BsIqLink *link = new_link();
    g_autofree char *id = NULL;
    Answer answer = {.frees = &link};
    Answer other = {0};

    ask(link, PEER, SHORT_MS, &other);
    answer.cancels = ask(link, PEER, LONG_MS, &answer);
    id = last_id();
    ck_assert(receive(link, "result", PEER, id));
    ck_assert_ptr_null(link);
    bs_test_run_for(50);
    ck_assert_uint_eq(answer.calls, 1);
    ck_assert_uint_eq(other.calls, 0);
}
END_TEST

START_TEST(timeout_frees_the_link)
{
    BsIqLink *link = new_link();
    Answer answer = {.frees = &link};
    Answer other = {0};

    ask(link, PEER, LONG_MS, &other);
    answer.cancels = ask(link, PEER, SHORT_MS, &answer);
    ck_assert(bs_test_run_until(&answer.called, 20));
    ck_assert_ptr_null(link);
    ck_assert_uint_eq(answer.calls, 1);
    ck_assert_uint_eq(other.calls, 0);
}
END_TEST

START_TEST(link_freed)
{
    BsIqLink *link = new_link();
    Answer answer = {0};

    ask(link, PEER, SHORT_MS, &answer);
    bs_iq_link_free(link);
    bs_test_run_for(50);
    ck_assert_uint_eq(answer.calls, 0);
    bs_iq_link_free(NULL);
}
END_TEST

/* A way of sending whose other end answers before it returns. */
static void
answer_at_once(xmlnode *stanza, gpointer data)
{
    BsIqLink **link = data;

    ck_assert(receive(*link, "result", xmlnode_get_attrib(stanza, "to"), xmlnode_get_attrib(stanza, "id")));
}

START_TEST(answered_while_sending)
{
    BsIqLink *link = NULL;
    Answer answer = {0};

    link = bs_iq_link_new(OWN, answer_at_once, &link);
    ck_assert_ptr_null(ask(link, PEER, LONG_MS, &answer));
    ck_assert_uint_eq(answer.calls, 1);
    bs_iq_link_free(link);
}
END_TEST

static void
free_link(xmlnode *stanza, gpointer data)
{
    BsIqLink **link = data;

    (void)stanza;
    g_clear_pointer(link, bs_iq_link_free);
}

START_TEST(freed_while_sending)
{
    BsIqLink *link = NULL;
    Answer answer = {0};

    link = bs_iq_link_new(OWN, free_link, &link);
    ck_assert_ptr_null(ask(link, PEER, LONG_MS, &answer));
    ck_assert_ptr_null(link);
    link = bs_iq_link_new(OWN, free_link, &link);
    ck_assert_ptr_null(ask(link, PEER, LONG_MS, NULL));
    ck_assert_ptr_null(link);
    ck_assert_uint_eq(answer.calls, 0);
}
END_TEST

START_TEST(links_are_apart)
{
    g_autoptr(BsIqLink) one = new_link();
    g_autoptr(BsIqLink) other = new_link();
    g_autofree char *id = NULL;
    Answer answer = {0};

    ask(one, PEER, LONG_MS, &answer);
    id = last_id();
    ck_assert(!receive(other, "result", PEER, id));
    ck_assert_uint_eq(answer.calls, 0);
}
END_TEST

START_TEST(replies_result)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autoptr(Node) request = xmlnode_from_str(
        "<iq type='get' id='a&apos;1' from='" PEER "' to='" OWN "'><query xmlns='" NS "'/></iq>", -1);
    g_autoptr(Node) empty = xmlnode_from_str("<iq type='get' to='" OWN "'/>", -1);

    bs_iq_reply_result(link, request, NULL);
    assert_sent("<iq type='result' to='" PEER "' id='a&apos;1'/>");
    bs_iq_reply_result(link, request, payload());
    assert_sent("<iq type='result' to='" PEER "' id='a&apos;1'><query xmlns='" NS "'/></iq>");
    bs_iq_reply_result(link, empty, NULL);
    assert_sent("<iq type='result'/>");
}
END_TEST

START_TEST(replies_error)
{
    g_autoptr(BsIqLink) link = new_link();
    g_autoptr(Node) request = xmlnode_from_str(
        "<iq type='set' id='7' from='" PEER "' to='" OWN "'><query xmlns='" NS "'/></iq>", -1);
    g_autoptr(Node) empty = xmlnode_from_str("<iq type='set'/>", -1);

    bs_iq_reply_error(link, request, "cancel", "item-not-found", NULL, NULL);
    assert_sent("<iq type='error' to='" PEER "' id='7'><error type='cancel'>"
                "<item-not-found xmlns='" BS_NS_STANZA_ERRORS "'/></error></iq>");
    bs_iq_reply_error(link, request, "wait", "unexpected-request", "out-of-order",
                      "urn:xmpp:jingle:errors:1");
    assert_sent("<iq type='error' to='" PEER "' id='7'><error type='wait'>"
                "<unexpected-request xmlns='" BS_NS_STANZA_ERRORS "'/>"
                "<out-of-order xmlns='urn:xmpp:jingle:errors:1'/></error></iq>");
    bs_iq_reply_error(link, empty, "cancel", "bad-request", NULL, NULL);
    assert_sent("<iq type='error'><error type='cancel'><bad-request xmlns='" BS_NS_STANZA_ERRORS
                "'/></error></iq>");
}
END_TEST

START_TEST(sends_other_stanzas)
{
    g_autoptr(BsIqLink) link = new_link();
    xmlnode *message = xmlnode_new("message");

    bs_xml_set_attrib(message, "to", PEER);
    bs_iq_send(link, message);
    assert_sent("<message to='" PEER "'/>");
}
END_TEST

typedef struct {
    const char *iq;
    const char *condition;
} Condition;

#define ERROR(children) "<iq xmlns='jabber:client' type='error'>" children "</iq>"
#define COND(name) "<" name " xmlns='" BS_NS_STANZA_ERRORS "'/>"

static const Condition conditions[] = {
    {ERROR("<error type='cancel'>" COND("item-not-found") "</error>"), "item-not-found"},
    {ERROR("<query xmlns='" NS "'><error>" COND("conflict") "</error></query><error type='cancel'>" COND(
         "item-not-found") "</error>"),
     "item-not-found"},
    {ERROR("<error type='cancel'><text xmlns='" BS_NS_STANZA_ERRORS
           "'>no</text>" COND("forbidden") "</error>"),
     "forbidden"},
    {ERROR("<error> <out-of-order xmlns='urn:xmpp:jingle:errors:1'/>" COND("unexpected-request") "</error>"),
     "unexpected-request"},
    {ERROR("<error code='404'/>"), "undefined-condition"},
    {ERROR("<error><item-not-found/></error>"), "undefined-condition"},
    {ERROR("<error>" COND("text") "</error>"), "undefined-condition"},
    {ERROR(COND("conflict")), "undefined-condition"},
    {ERROR(""), "undefined-condition"},
    {ERROR("text"), "undefined-condition"},
};

START_TEST(error_condition)
{
    g_autoptr(Node) iq = xmlnode_from_str(conditions[_i].iq, -1);
    g_autofree char *condition = bs_iq_error_condition(iq);

    ck_assert_str_eq(condition, conditions[_i].condition);
}
END_TEST

static void
add_answer_tests(Suite *suite)
{
    TCase *tests = tcase_create("answers");

    tcase_add_checked_fixture(tests, NULL, forget_sent);
    tcase_add_loop_test(tests, answer_comes_once, 0, 2);
    tcase_add_test(tests, not_an_answer);
    tcase_add_loop_test(tests, only_who_was_asked, 0, G_N_ELEMENTS(senders));
    tcase_add_loop_test(tests, only_who_was_asked_is_claimed, 0, G_N_ELEMENTS(senders));
    tcase_add_test(tests, own_jid_changes);
    tcase_add_test(tests, timeout);
    tcase_add_test(tests, answer_ends_the_timer);
    tcase_add_test(tests, cancel);
    tcase_add_test(tests, oldest_is_forgotten);
    tcase_add_test(tests, answer_cancels_others_and_itself);
    tcase_add_test(tests, answer_asks_again);
    tcase_add_test(tests, answer_frees_the_link);
    tcase_add_test(tests, timeout_frees_the_link);
    tcase_add_test(tests, link_freed);
    tcase_add_test(tests, answered_while_sending);
    tcase_add_test(tests, freed_while_sending);
    tcase_add_test(tests, links_are_apart);
    suite_add_tcase(suite, tests);
}

static void
add_stanza_tests(Suite *suite)
{
    TCase *tests = tcase_create("stanzas");

    tcase_add_checked_fixture(tests, NULL, forget_sent);
    tcase_add_test(tests, request_is_written);
    tcase_add_test(tests, request_to_own_account);
    tcase_add_test(tests, ids_are_unguessable);
    tcase_add_test(tests, replies_result);
    tcase_add_test(tests, replies_error);
    tcase_add_test(tests, sends_other_stanzas);
    tcase_add_loop_test(tests, error_condition, 0, G_N_ELEMENTS(conditions));
    suite_add_tcase(suite, tests);
}

int
main(void)
{
    Suite *suite = suite_create("iq");
    SRunner *runner;
    int failed;

    add_answer_tests(suite);
    add_stanza_tests(suite);
    runner = srunner_create(suite);
    bs_test_purple_start();
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
