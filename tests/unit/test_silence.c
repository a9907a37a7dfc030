/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <string.h>

#include "host/silence.h"
#include "stanza/xml.h"
#include "support/purple_env.h"

#define NS_VERSION "jabber:iq:version"
#define BOB "bob@example.org/x"
#define HANG_SECONDS 30

static BsIqLink *own_link;
static BsSilence *silence;
static xmlnode *asked; /* the request that was sent; NULL: none */
static gboolean was_asked;
static gboolean noticed;
static char *program;

static void
keep_sent(xmlnode *stanza, gpointer data)
{
    (void)data;
    ck_assert_ptr_null(asked);
    asked = xmlnode_copy(stanza);
    was_asked = TRUE;
}

static void
is_noticed(const char *name, gpointer data)
{
    ck_assert_ptr_eq(data, &noticed);
    ck_assert(!noticed);
    noticed = TRUE;
    program = g_strdup(name);
}

static void
set_up(void)
{
    bs_test_hurry(1000);
    asked = NULL;
    program = NULL;
    was_asked = noticed = FALSE;
    own_link = bs_iq_link_new("anna@example.org/desk", keep_sent, NULL);
    silence = bs_silence_new(own_link, BOB, is_noticed, &noticed);
}

static void
tear_down(void)
{
    bs_silence_free(silence);
    bs_iq_link_free(own_link);
    g_clear_pointer(&asked, xmlnode_free);
    g_free(program);
    bs_test_hurry(1);
}

static void
wait_for_question(void)
{
    ck_assert(bs_test_run_until(&was_asked, HANG_SECONDS));
    ck_assert_str_eq(xmlnode_get_attrib(asked, "to"), BOB);
    ck_assert_str_eq(xmlnode_get_attrib(asked, "type"), "get");
    ck_assert_ptr_nonnull(bs_xml_child(asked, "query", NS_VERSION));
    ck_assert(!noticed);
}

static void
answer(const char *type, const char *payload)
{
    g_autofree char *text =
        g_strdup_printf("<iq xmlns='jabber:client' type='%s' id='%s' from='" BOB "'>%s</iq>", type,
                        xmlnode_get_attrib(asked, "id"), payload);
    xmlnode *node = xmlnode_from_str(text, -1);

    ck_assert(bs_iq_link_receive(own_link, node));
    xmlnode_free(node);
}

static const struct {
    const char *type;
    const char *told; /* in <query/> */
    const char *program;
} answers[] = {
    {"result", "<name>Gajim</name><version>1.7.3</version><os>Linux</os>", "Gajim 1.7.3"},
    {"result", "<name>Gajim</name><version>1.4.2</version>", "Gajim 1.4.2"},
    {"result", "<name>Gajim</name><version>2.0</version>", "Gajim 2.0"},
    {"result", "<name>Gajim</name><version>1.4.1</version>", NULL},
    {"result", "<name>Gajim</name><version>0.16.9</version>", NULL},
    {"result", "<name>Gajim</name><version>x.y.z</version>", NULL},
    {"result", "<name>Gajim</name>", NULL},
    {"result", "<name>Psi</name><version>1.7.3</version>", NULL},
    {"result", "", NULL},
    {"error", "<name>Gajim</name><version>1.7.3</version>", NULL},
};

START_TEST(the_peers_program_is_told_if_it_is_at_fault)
{
    g_autofree char *query = g_strdup_printf("<query xmlns='" NS_VERSION "'>%s</query>", answers[_i].told);

    wait_for_question();
    answer(answers[_i].type, query);
    ck_assert(noticed);
    ck_assert_pstr_eq(program, answers[_i].program);
}
END_TEST

START_TEST(a_peer_that_does_not_tell_its_program_is_silent_too)
{
    wait_for_question();
    ck_assert(bs_test_run_until(&noticed, HANG_SECONDS));
    ck_assert_ptr_null(program);
}
END_TEST

START_TEST(whoever_answers_in_time_is_not_asked)
{
    g_clear_pointer(&silence, bs_silence_free);
    bs_test_run_for(200);
    ck_assert(!was_asked);
    ck_assert(!noticed);
}
END_TEST

START_TEST(an_offer_may_be_answered_meanwhile)
{
    wait_for_question();
    g_clear_pointer(&silence, bs_silence_free);
    answer("result", "<query xmlns='" NS_VERSION "'><name>Gajim</name><version>1.7.3</version></query>");
    bs_test_run_for(50);
    ck_assert(!noticed);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("silence");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_loop_test(all, the_peers_program_is_told_if_it_is_at_fault, 0, G_N_ELEMENTS(answers));
    tcase_add_test(all, a_peer_that_does_not_tell_its_program_is_silent_too);
    tcase_add_test(all, whoever_answers_in_time_is_not_asked);
    tcase_add_test(all, an_offer_may_be_answered_meanwhile);
    suite_add_tcase(suite, all);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
