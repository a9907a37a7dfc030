/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <string.h>

#include "host/si_guard.h"
#include "support/purple_env.h"

#define S5B "http://jabber.org/protocol/bytestreams"
#define IBB "http://jabber.org/protocol/ibb"
#define OPTION(method) "<option><value>" method "</value></option>"
#define FORM(inside)                                                                                         \
    "<si xmlns='http://jabber.org/protocol/si' id='a' profile='http://jabber.org/protocol/si/profile/"       \
    "file-transfer'><feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data'>"       \
    "<field var='stream-method'>" inside "</field></x></feature></si>"
#define QUERY(inside) "<query xmlns='" S5B "' sid='a'>" inside "</query>"

static const struct {
    const char *type;
    const char *payload;
    BsSiVerdict verdict;
} cases[] = {
    {"set", FORM(OPTION(S5B) OPTION(IBB)), BS_SI_IN_BAND},
    {"set", FORM(OPTION(IBB) OPTION(S5B) OPTION(S5B)), BS_SI_IN_BAND},
    {"set", FORM(OPTION(IBB)), BS_SI_HARMLESS},
    {"set", FORM(OPTION(S5B)), BS_SI_NO_STREAM_LEFT},
    {"set", FORM(OPTION(S5B) OPTION("jabber:iq:oob")), BS_SI_NO_STREAM_LEFT},
    /* libpurple takes the first value of an option, and an option's label is no method. */
    {"set", FORM("<option label='x'><value>" S5B "</value><value>" IBB "</value></option>"),
     BS_SI_NO_STREAM_LEFT},
    {"set", FORM(OPTION("x") "<option label='" S5B "'/>"), BS_SI_HARMLESS},
    {"result", FORM("<value>" S5B "</value>"), BS_SI_IN_BAND},
    {"result", FORM("<value>" S5B "</value><value>" IBB "</value>"), BS_SI_IN_BAND},
    {"result", FORM("<value>" IBB "</value>"), BS_SI_HARMLESS},
    {"set", QUERY("<streamhost host='192.0.2.1' port='1' jid='a@b/c'/>"), BS_SI_ADDRESSES},
    /* Activates a stream over a proxy, which the proxy does. */
    {"set", QUERY("<activate>a@b/c</activate>"), BS_SI_HARMLESS},
    /* A proxy tells where it is. */
    {"result", QUERY("<streamhost host='192.0.2.1' port='1' jid='a@b/c'/>"), BS_SI_HARMLESS},
    {"get", QUERY(""), BS_SI_HARMLESS},
    {"set", "<si xmlns='urn:example'><value>" S5B "</value></si>", BS_SI_HARMLESS},
    {"set", "", BS_SI_HARMLESS},
};

static xmlnode *
make_iq(const char *type, const char *payload)
{
    g_autofree char *text =
        g_strdup_printf("<iq xmlns='jabber:client' type='%s' id='1'>%s</iq>", type, payload);
    xmlnode *iq = xmlnode_from_str(text, -1);

    ck_assert_ptr_nonnull(iq);
    return iq;
}

START_TEST(only_in_band_is_left)
{
    xmlnode *iq = make_iq(cases[_i].type, cases[_i].payload);
    g_autofree char *before = xmlnode_to_str(iq, NULL);
    g_autofree char *after = NULL;

    ck_assert_int_eq(bs_si_guard_restrict(iq), cases[_i].verdict);
    after = xmlnode_to_str(iq, NULL);
    if (cases[_i].verdict == BS_SI_HARMLESS || cases[_i].verdict == BS_SI_ADDRESSES)
        ck_assert_str_eq(before, after);
    else
        ck_assert_ptr_null(strstr(after, S5B));
    ck_assert((strstr(after, "<value>" IBB) != NULL) ==
              (strstr(before, "<value>" IBB) != NULL && cases[_i].verdict != BS_SI_NO_STREAM_LEFT));
    xmlnode_free(iq);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("si_guard");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, all);
    tcase_add_loop_test(all, only_in_band_is_left, 0, G_N_ELEMENTS(cases));
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
