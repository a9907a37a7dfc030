/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stanza/xml.h"
#include "support/purple_env.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* U+FFFD */
#define BAD "\xef\xbf\xbd"

typedef xmlnode Node;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Node, xmlnode_free)

typedef struct {
    const char *text;
    const char *clean;
} Scrub;

static const Scrub scrubs[] = {
    {NULL, ""},
    {"", ""},
    {"plain <&>'\" text", "plain <&>'\" text"},
    {"\t\n\r", "\t\n\r"},
    {"\x7f", "\x7f"},
    {"\xc2\x80\xc2\x9f", "\xc2\x80\xc2\x9f"},
    {"\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac"},
    /* the edges of what is allowed */
    {"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd", "\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd"},
    {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
    {"\xef\xb7\x90\xf0\x9f\xbf\xbe", "\xef\xb7\x90\xf0\x9f\xbf\xbe"},
    /* U+FFFE, U+FFFF */
    {"a\xef\xbf\xbe"
     "b",
     "a" BAD "b"},
    {"a\xef\xbf\xbf"
     "b",
     "a" BAD "b"},
    /* surrogates: each byte by itself */
    {"\xed\xa0\x80", BAD BAD BAD},
    {"\xed\xbf\xbf", BAD BAD BAD},
    /* beyond Unicode */
    {"\xf4\x90\x80\x80", BAD BAD BAD BAD},
    /* invalid UTF-8: a stray byte, Latin-1, impossible bytes, overlong forms, cut off */
    {"\x80", BAD},
    {"M\xfcller", "M" BAD "ller"},
    {"\xfe\xff", BAD BAD},
    {"\xc0\x80", BAD BAD},
    {"\xe0\x80\xaf", BAD BAD BAD},
    {"\xc3", BAD},
    {"a\xe2\x82", "a" BAD BAD},
    {"\xe2\x82z", BAD BAD "z"},
    {"\xe2\x82\xc3\xa4", BAD BAD "\xc3\xa4"},
};

START_TEST(scrub)
{
    g_autofree char *clean = bs_xml_scrub(scrubs[_i].text);
    g_autofree char *again = bs_xml_scrub(clean);

    ck_assert_str_eq(clean, scrubs[_i].clean);
    ck_assert_str_eq(again, clean);
    ck_assert(g_utf8_validate(clean, -1, NULL));
}
END_TEST

START_TEST(scrub_controls)
{
    for (char control = 1; control < 0x20; control++) {
        char text[] = {'a', control, 'b', '\0'};
        g_autofree char *clean = bs_xml_scrub(text);

        if (strchr("\t\n\r", control) != NULL)
            ck_assert_str_eq(clean, text);
        else
            ck_assert_str_eq(clean, "a" BAD "b");
    }
}
END_TEST

START_TEST(clipped_between_characters)
{
    g_autofree char *none = bs_xml_clip(NULL, 5);
    g_autofree char *fitting = bs_xml_clip("12345", 5);
    g_autofree char *cut = bs_xml_clip("123\xe2\x82\xac", 5);
    g_autofree char *scrubbed = bs_xml_clip("\x80\x80\x80\x80", 7);

    ck_assert_str_eq(none, "");
    ck_assert_str_eq(fitting, "12345");
    ck_assert_str_eq(cut, "123");
    ck_assert_str_eq(scrubbed, BAD BAD);
}
END_TEST

START_TEST(dates)
{
    g_autofree char *text = bs_xml_format_date(1031701267);
    g_autofree char *never = bs_xml_format_date(G_MAXINT64);

    ck_assert_str_eq(text, "2002-09-10T23:41:07Z");
    ck_assert_ptr_null(never);
    ck_assert_int_eq(bs_xml_parse_date(text), 1031701267);
    ck_assert_int_eq(bs_xml_parse_date("2002-09-10T23:41:07.999Z"), 1031701267);
    ck_assert_int_eq(bs_xml_parse_date("2002-09-11T01:41:07+02:00"), 1031701267);
    ck_assert_int_eq(bs_xml_parse_date("2002-09-10T23:41:07"), 1031701267);
    ck_assert_int_eq(bs_xml_parse_date("20020910T23:41:07"), 1031701267);
    ck_assert_int_eq(bs_xml_parse_date("2002-09-11T01:41:07.118034+02:00Z"), 1031701267);
    ck_assert_int_eq(bs_xml_parse_date("+00:00Z"), -1);
    ck_assert_int_eq(bs_xml_parse_date("x+00:00Z"), -1);
    ck_assert_int_eq(bs_xml_parse_date("1970-01-01T00:00:00Z"), 0);
    ck_assert_int_eq(bs_xml_parse_date("1969-12-31T23:59:58Z"), -1);
    ck_assert_int_eq(bs_xml_parse_date(""), -1);
    ck_assert_int_eq(bs_xml_parse_date(NULL), -1);
}
END_TEST

START_TEST(numbers)
{
    guint64 value = 7;

    ck_assert(bs_xml_parse_uint64("0", 0, 10, &value));
    ck_assert_uint_eq(value, 0);
    ck_assert(bs_xml_parse_uint64("10", 0, 10, &value));
    ck_assert_uint_eq(value, 10);
    ck_assert(bs_xml_parse_uint64("5", 5, 5, &value));
    ck_assert_uint_eq(value, 5);
    ck_assert(bs_xml_parse_uint64("007", 0, 10, &value));
    ck_assert_uint_eq(value, 7);
    ck_assert(bs_xml_parse_uint64("18446744073709551615", 0, G_MAXUINT64, &value));
    ck_assert_uint_eq(value, G_MAXUINT64);
}
END_TEST

static const char *const not_numbers[] = {
    NULL,
    "",
    " ",
    " 1",
    "1 ",
    "1\n",
    "\t1",
    "+1",
    "-1",
    "-0",
    "1.0",
    "1e1",
    "x",
    "0x1",
    "1a",
    "\xd9\xa1",
    "4",
    "11",
    "1,0",
    "1 1",
    "--1",
    "\xef\xbc\x91",
    "18446744073709551616",
    "18446744073709551621",
    "99999999999999999999999999999999999999",
};

START_TEST(numbers_refused)
{
    guint64 value = 42;

    ck_assert(!bs_xml_parse_uint64(not_numbers[_i], 5, 10, &value));
    if (g_strcmp0(not_numbers[_i], "4") != 0 && g_strcmp0(not_numbers[_i], "11") != 0)
        ck_assert(!bs_xml_parse_uint64(not_numbers[_i], 0, G_MAXUINT64, &value));
    ck_assert_uint_eq(value, 42);
}
END_TEST

START_TEST(attributes_are_scrubbed)
{
    g_autoptr(Node) node = xmlnode_new("a");

    bs_xml_set_attrib(node, "name", "x\x01y\xff");
    ck_assert_str_eq(xmlnode_get_attrib(node, "name"), "x" BAD "y" BAD);
    bs_xml_set_attrib(node, "name", "again");
    ck_assert_str_eq(xmlnode_get_attrib(node, "name"), "again");
    bs_xml_set_attrib(node, "name", NULL);
    ck_assert_str_eq(xmlnode_get_attrib(node, "name"), "");
}
END_TEST

static void
assert_written(const xmlnode *node, const char *expected)
{
    g_autofree char *text = xmlnode_to_str(node, NULL);

    ck_assert_str_eq(text, expected);
}

START_TEST(children_are_written)
{
    g_autoptr(Node) node = xmlnode_new("file");
    xmlnode *range;

    xmlnode_set_namespace(node, "urn:f");
    bs_xml_add_text(node, "name", "a<b\x02");
    bs_xml_add_text(node, "empty", "");
    bs_xml_add_text(node, "none", NULL);
    range = bs_xml_add_child(node, "range", "urn:r");
    ck_assert_str_eq(xmlnode_get_namespace(range), "urn:r");
    ck_assert_ptr_eq(xmlnode_get_parent(range), node);
    bs_xml_add_text(range, "to", "9");
    assert_written(node, "<file xmlns='urn:f'><name>a&lt;b" BAD "</name><empty/><none/>"
                         "<range xmlns='urn:r'><to>9</to></range></file>");
}
END_TEST

/* A node that was built is found as one that was read. */
START_TEST(children_are_found_unsent)
{
    g_autoptr(Node) node = xmlnode_new("file");
    xmlnode *name;

    xmlnode_set_namespace(node, "urn:f");
    name = bs_xml_add_text(node, "name", "x");
    ck_assert_ptr_eq(bs_xml_child(node, "name", "urn:f"), name);
}
END_TEST

START_TEST(text)
{
    g_autoptr(Node) node = xmlnode_from_str("<a> \t\n one <b> two </b> three&amp;amp;<c/>\r\n </a>", -1);
    g_autoptr(Node) empty = xmlnode_new("a");
    g_autoptr(Node) blank = xmlnode_from_str("<a> \n </a>", -1);
    g_autofree char *of_node = bs_xml_text(node);
    g_autofree char *of_empty = bs_xml_text(empty);
    g_autofree char *of_blank = bs_xml_text(blank);

    ck_assert_str_eq(of_node, "one  three&amp;");
    ck_assert_str_eq(of_empty, "");
    ck_assert_str_eq(of_blank, "");
}
END_TEST

START_TEST(text_keeps_other_space)
{
    g_autoptr(Node) node = xmlnode_from_str("<a>\xc2\xa0x\xe3\x80\x80</a>", -1);
    g_autofree char *of_node = bs_xml_text(node);

    ck_assert_str_eq(of_node, "\xc2\xa0x\xe3\x80\x80");
}
END_TEST

START_TEST(child_by_namespace)
{
    g_autoptr(Node) node =
        xmlnode_from_str("<a xmlns='urn:a' t='1'>text<t xmlns='urn:b' n='b'/><t n='a'/><t n='second'/><p:t "
                         "xmlns:p='urn:p' n='p'/><u xmlns='urn:b'><t/></u></a>",
                         -1);

    ck_assert_str_eq(xmlnode_get_attrib(bs_xml_child(node, "t", "urn:b"), "n"), "b");
    ck_assert_str_eq(xmlnode_get_attrib(bs_xml_child(node, "t", "urn:a"), "n"), "a");
    ck_assert_str_eq(xmlnode_get_attrib(bs_xml_child(node, "t", "urn:p"), "n"), "p");
    ck_assert_ptr_null(bs_xml_child(node, "t", "urn:c"));
    ck_assert_ptr_null(bs_xml_child(node, "t", NULL));
    ck_assert_ptr_null(bs_xml_child(node, "u", "urn:a"));
    ck_assert_ptr_null(bs_xml_child(node, "u/t", "urn:b"));
    ck_assert_ptr_null(bs_xml_child(node, "T", "urn:a"));
    ck_assert_ptr_null(bs_xml_child(node, "", "urn:a"));
}
END_TEST

START_TEST(slash_means_nothing)
{
    g_autoptr(Node) node = xmlnode_new("a");
    xmlnode *child = bs_xml_add_child(node, "u/t", "urn:a");

    ck_assert_ptr_eq(bs_xml_child(node, "u/t", "urn:a"), child);
    ck_assert_ptr_null(bs_xml_child(node, "u", "urn:a"));
}
END_TEST

START_TEST(elements)
{
    g_autoptr(Node) node = xmlnode_from_str("<a x='1' y='2'>text<b/>more<c/><d/>end</a>", -1);
    g_autoptr(Node) none = xmlnode_from_str("<a x='1'>text</a>", -1);
    xmlnode *element = bs_xml_first_element(node);

    ck_assert_str_eq(element->name, "b");
    element = bs_xml_next_element(element);
    ck_assert_str_eq(element->name, "c");
    element = bs_xml_next_element(element);
    ck_assert_str_eq(element->name, "d");
    ck_assert_ptr_null(bs_xml_next_element(element));
    ck_assert_ptr_null(bs_xml_first_element(none));
}
END_TEST

START_TEST(is)
{
    g_autoptr(Node) node = xmlnode_from_str("<a xmlns='urn:a'/>", -1);
    g_autoptr(Node) bare = xmlnode_new("a");

    ck_assert(bs_xml_is(node, "a", "urn:a"));
    ck_assert(!bs_xml_is(node, "b", "urn:a"));
    ck_assert(!bs_xml_is(node, "a", "urn:b"));
    ck_assert(!bs_xml_is(node, "a", NULL));
    ck_assert(!bs_xml_is(bare, "a", "urn:a"));
    ck_assert(bs_xml_is(bare, "a", NULL));
    ck_assert(!bs_xml_is(NULL, "a", "urn:a"));
}
END_TEST

static Suite *
xml_suite(void)
{
    Suite *suite = suite_create("xml");
    TCase *tests = tcase_create("xml");

    tcase_add_loop_test(tests, scrub, 0, G_N_ELEMENTS(scrubs));
    tcase_add_test(tests, scrub_controls);
    tcase_add_test(tests, clipped_between_characters);
    tcase_add_test(tests, dates);
    tcase_add_test(tests, numbers);
    tcase_add_loop_test(tests, numbers_refused, 0, G_N_ELEMENTS(not_numbers));
    tcase_add_test(tests, attributes_are_scrubbed);
    tcase_add_test(tests, children_are_written);
    tcase_add_test(tests, children_are_found_unsent);
    tcase_add_test(tests, text);
    tcase_add_test(tests, text_keeps_other_space);
    tcase_add_test(tests, child_by_namespace);
    tcase_add_test(tests, slash_means_nothing);
    tcase_add_test(tests, elements);
    tcase_add_test(tests, is);
    suite_add_tcase(suite, tests);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(xml_suite());
    int failed;

    bs_test_purple_start();
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
