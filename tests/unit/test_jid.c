/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stanza/jid.h"

#include <check.h>
#include <stdlib.h>

#define FULLWIDTH_AT "\xef\xbc\xa0"
#define FULLWIDTH_SLASH "\xef\xbc\x8f"

typedef struct {
    const char *one;
    const char *other;
    gboolean equal;
    gboolean same_bare;
} Pair;

static const Pair pairs[] = {
    {NULL, NULL, TRUE, TRUE},
    {NULL, "", FALSE, FALSE},
    {NULL, "a@b", FALSE, FALSE},
    {"a@b", "a@b", TRUE, TRUE},
    {"a@b/c", "a@b/c", TRUE, TRUE},
    {"a@b/c", "a@b", FALSE, TRUE},
    {"a@b/c", "a@b/d", FALSE, TRUE},
    {"a@b/c", "x@b/c", FALSE, FALSE},
    {"a@b/c", "a@x/c", FALSE, FALSE},
    {"b", "a@b", FALSE, FALSE},
    {"b/c", "a@b/c", FALSE, FALSE},
    {"b", "b", TRUE, TRUE},
    /* case counts in the resource only */
    {"Anna@Example.ORG/Home", "anna@example.org/Home", TRUE, TRUE},
    {"anna@example.org/Home", "anna@example.org/home", FALSE, TRUE},
    {"EXAMPLE.org", "example.ORG", TRUE, TRUE},
    {"\xc3\x84nna@b/c", "\xc3\xa4nna@b/c", TRUE, TRUE},
    {"\xd0\x90@b", "\xd0\xb0@b", TRUE, TRUE},
    {"a@\xc3\x9c.example", "a@\xc3\xbc.example", TRUE, TRUE},
    /* composed and decomposed, compatibility forms */
    {"\xc3\xa4@b/c", "a\xcc\x88@b/c", TRUE, TRUE},
    {"\xc3\x84@b/c", "a\xcc\x88@b/c", TRUE, TRUE},
    {"\xef\xbc\xa1@b", "a@b", TRUE, TRUE},
    /* the resource is not normalised */
    {"a@b/\xc3\xa4", "a@b/a\xcc\x88", FALSE, TRUE},
    /* separators inside the resource */
    {"a@b/c/d", "a@b/c/d", TRUE, TRUE},
    {"A@B/c/d@e", "a@b/c/d@e", TRUE, TRUE},
    {"a@b/c/d", "a@b/c/D", FALSE, TRUE},
    {"b/x@y", "B/x@y", TRUE, TRUE},
    {"b/x@y", "b/X@y", FALSE, TRUE},
    /* not UTF-8: the bytes decide */
    {"a\xff@b/c", "a\xff@b/c", TRUE, TRUE},
    {"a\xff@b/c", "A\xff@b/c", FALSE, FALSE},
    {"a@b/\xff", "A@b/\xff", TRUE, TRUE},
    {"a@b/\xff", "a@b/\xfe", FALSE, TRUE},
    {"a\xff@b", "a\xef\xbf\xbd@b", FALSE, FALSE},
    /* what only looks like a separator does not become one */
    {"a@b" FULLWIDTH_SLASH "c", "a@b/c", FALSE, FALSE},
    {"a" FULLWIDTH_AT "b", "a@b", FALSE, FALSE},
    {"a" FULLWIDTH_AT "b@c", "a@b@c", FALSE, FALSE},
    {"a@\xe2\x84\x80", "a@a/c", FALSE, FALSE},
    /* an empty resource is none */
    {"a@b/", "a@b", TRUE, TRUE},
};

START_TEST(equality)
{
    const Pair *pair = &pairs[_i];
    g_autofree char *one_key = bs_jid_key(pair->one);
    g_autofree char *other_key = bs_jid_key(pair->other);

    ck_assert_int_eq(bs_jid_equal(pair->one, pair->other), pair->equal);
    ck_assert_int_eq(bs_jid_equal(pair->other, pair->one), pair->equal);
    ck_assert_int_eq(bs_jid_same_bare(pair->one, pair->other), pair->same_bare);
    ck_assert_int_eq(bs_jid_same_bare(pair->other, pair->one), pair->same_bare);
    ck_assert_int_eq(g_strcmp0(one_key, other_key) == 0, pair->equal);
}
END_TEST

/* The key of a key is the key. */
START_TEST(key_is_stable)
{
    g_autofree char *key = bs_jid_key(pairs[_i].one);
    g_autofree char *again = bs_jid_key(key);

    ck_assert_pstr_eq(key, again);
    ck_assert(bs_jid_equal(key, pairs[_i].one));
}
END_TEST

static void
assert_parts(const char *jid, const char *bare, const char *resource)
{
    g_autofree char *found = bs_jid_bare(jid);

    ck_assert_pstr_eq(found, bare);
    ck_assert_pstr_eq(bs_jid_resource(jid), resource);
}

START_TEST(parts)
{
    const char *jid = "a@b/c";

    assert_parts(NULL, NULL, NULL);
    assert_parts("", "", NULL);
    assert_parts("a@b", "a@b", NULL);
    assert_parts("A@B/c", "A@B", "c");
    assert_parts("a@b/", "a@b", NULL);
    assert_parts("a@b//", "a@b", "/");
    assert_parts("a@b/c/d@e", "a@b", "c/d@e");
    assert_parts("b/x@y", "b", "x@y");
    assert_parts("a\xff@b/\xfe", "a\xff@b", "\xfe");
    ck_assert_ptr_eq(bs_jid_resource(jid), jid + 4);
}
END_TEST

START_TEST(keys)
{
    g_autofree char *key = bs_jid_key("Anna@Example.ORG/Home/X@Y");
    g_autofree char *bytes = bs_jid_key("A\xff@B/C");

    ck_assert_str_eq(key, "anna@example.org/Home/X@Y");
    ck_assert_str_eq(bytes, "A\xff@B/C");
}
END_TEST

static Suite *
jid_suite(void)
{
    Suite *suite = suite_create("jid");
    TCase *tests = tcase_create("jid");

    tcase_add_loop_test(tests, equality, 0, G_N_ELEMENTS(pairs));
    tcase_add_loop_test(tests, key_is_stable, 0, G_N_ELEMENTS(pairs));
    tcase_add_test(tests, parts);
    tcase_add_test(tests, keys);
    suite_add_tcase(suite, tests);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(jid_suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
