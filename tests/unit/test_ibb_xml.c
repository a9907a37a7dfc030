/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "purple_env.h"
#include "transport/ibb_xml.h"

static xmlnode *
node_from(const char *xml)
{
    xmlnode *node = xmlnode_from_str(xml, -1);

    ck_assert_msg(node != NULL, "%s", xml);
    return node;
}

/* There and back over the text that would be sent; `node` is taken. */
static xmlnode *
sent(xmlnode *node)
{
    char *text = xmlnode_to_str(node, NULL);
    xmlnode *received = node_from(text);

    g_free(text);
    xmlnode_free(node);
    return received;
}

START_TEST(bytes_survive_the_way_there_and_back)
{
    guint8 bytes[256];
    xmlnode *iq = xmlnode_new("iq");
    g_autoptr(GByteArray) got = NULL;
    const xmlnode *data;
    guint64 sequence = 0;
    BsIbbKind kind = BS_IBB_CLOSE;

    for (guint i = 0; i < sizeof bytes; i++)
        bytes[i] = (guint8)(255 - i);
    xmlnode_insert_child(iq, bs_ibb_build_data("s<1>", 65535, bytes, (gsize)_i));
    iq = sent(iq);
    data = bs_ibb_element(iq, &kind);
    ck_assert_ptr_nonnull(data);
    ck_assert_int_eq(kind, BS_IBB_DATA);
    ck_assert_str_eq(bs_ibb_sid(data), "s<1>");
    ck_assert(bs_ibb_sequence(data, &sequence));
    ck_assert_uint_eq(sequence, 65535);
    got = bs_ibb_bytes(data, (gsize)_i);
    ck_assert_ptr_nonnull(got);
    ck_assert_uint_eq(got->len, (guint)_i);
    ck_assert_int_eq(memcmp(got->data != NULL ? got->data : bytes, bytes, (size_t)_i), 0);
    if (_i > 0)
        ck_assert_ptr_null(bs_ibb_bytes(data, (gsize)_i - 1));
    xmlnode_free(iq);
}
END_TEST

START_TEST(negotiation_survives_the_way_there_and_back)
{
    xmlnode *transport = sent(bs_ibb_build_transport("s", 4096));
    xmlnode *iq = xmlnode_new("iq");
    const xmlnode *open;
    BsIbbKind kind = BS_IBB_DATA;

    ck_assert_str_eq(xmlnode_get_namespace(transport), BS_NS_JINGLE_IBB);
    ck_assert_str_eq(bs_ibb_sid(transport), "s");
    ck_assert_uint_eq(bs_ibb_block_size(transport), 4096);
    xmlnode_insert_child(iq, bs_ibb_build_open("s", 65535));
    iq = sent(iq);
    open = bs_ibb_element(iq, &kind);
    ck_assert_int_eq(kind, BS_IBB_OPEN);
    ck_assert_uint_eq(bs_ibb_block_size(open), 65535);
    xmlnode_free(iq);
    iq = xmlnode_new("iq");
    xmlnode_insert_child(iq, bs_ibb_build_close("s"));
    iq = sent(iq);
    ck_assert_ptr_nonnull(bs_ibb_element(iq, &kind));
    ck_assert_int_eq(kind, BS_IBB_CLOSE);
    xmlnode_free(iq);
    xmlnode_free(transport);
}
END_TEST

/* XEP-0047, 6, and RFC 4648, 3 and 4. */
static const struct {
    const char *text;
    int length; /* -1: refused */
} base64[] = {
    {"", 0},          {"QUJD", 3},        {"QUI=", 2},
    {"QQ==", 1},      {"QUJDRA==", 4},    {" \n QUJD \n", 3},
    {"QUJ", -1},      {"QQ=", -1},        {"QQ", -1},
    {"Q", -1},        {"=QUJ", -1},       {"QU=D", -1},
    {"QQ==QUJD", -1}, {"Q===", -1},       {"====", -1},
    {"QUJD====", -1}, {"QU JD", -1},      {"QUJD\nQUJD", -1},
    {"QUJ-", -1},     {"QUJ_", -1},       {"QUJ\xc3\xa9", -1},
    {"QUJDé", -1},    {"QR==", -1},       {"QUJ=", -1},
    {"QU&amp;D", -1}, {"<b>QUJD</b>", 0},
};

START_TEST(base64_is_read_strictly)
{
    g_autofree char *xml =
        g_strdup_printf("<data xmlns='" BS_NS_IBB "' sid='s' seq='0'>%s</data>", base64[_i].text);
    xmlnode *node = node_from(xml);
    g_autoptr(GByteArray) bytes = bs_ibb_bytes(node, 4096);

    ck_assert_msg((bytes != NULL ? (int)bytes->len : -1) == base64[_i].length, "%s", base64[_i].text);
    xmlnode_free(node);
}
END_TEST

static const struct {
    const char *text;
    gboolean valid;
    guint64 value;
} sequences[] = {
    {"0", TRUE, 0},
    {"65535", TRUE, 65535},
    {"65536", TRUE, 65536},
    {"70000", TRUE, 70000},
    {"", FALSE, 0},
    {"-1", FALSE, 0},
    {"+1", FALSE, 0},
    {" 1", FALSE, 0},
    {"1x", FALSE, 0},
    {"0x1", FALSE, 0},
    {"18446744073709551616", FALSE, 0},
    {"99999999999", FALSE, 0},
};

START_TEST(sequences_are_numbers)
{
    g_autofree char *xml =
        g_strdup_printf("<data xmlns='" BS_NS_IBB "' sid='s' seq='%s'/>", sequences[_i].text);
    xmlnode *node = node_from(xml);
    guint64 value = 0;

    ck_assert_int_eq(bs_ibb_sequence(node, &value), sequences[_i].valid);
    ck_assert_uint_eq(value, sequences[_i].value);
    xmlnode_free(node);
}
END_TEST

static const struct {
    const char *attributes;
    guint size;
} sizes[] = {
    {"block-size='1'", 1},  {"block-size='65535'", 65535}, {"block-size='0'", 0}, {"block-size='65536'", 0},
    {"block-size='-5'", 0}, {"block-size='4k'", 0},        {"block-size=''", 0},  {"", 0},
};

START_TEST(block_sizes_have_bounds)
{
    g_autofree char *xml = g_strdup_printf("<open xmlns='" BS_NS_IBB "' %s/>", sizes[_i].attributes);
    xmlnode *node = node_from(xml);

    ck_assert_uint_eq(bs_ibb_block_size(node), sizes[_i].size);
    ck_assert_ptr_null(bs_ibb_sid(node));
    xmlnode_free(node);
}
END_TEST

START_TEST(sids_have_bounds)
{
    g_autofree char *just = g_strnfill(BS_IBB_SID_MAX, 'x');
    g_autofree char *more = g_strnfill(BS_IBB_SID_MAX + 1, 'x');
    xmlnode *node = bs_ibb_build_close(just);

    ck_assert_str_eq(bs_ibb_sid(node), just);
    xmlnode_set_attrib(node, "sid", more);
    ck_assert_ptr_null(bs_ibb_sid(node));
    xmlnode_set_attrib(node, "sid", "");
    ck_assert_ptr_null(bs_ibb_sid(node));
    xmlnode_free(node);
}
END_TEST

START_TEST(other_stanzas_are_none)
{
    static const char *const others[] = {
        "<iq/>",
        "<iq><open xmlns='urn:example:other' sid='s'/></iq>",
        "<iq><query xmlns='" BS_NS_IBB "' sid='s'/></iq>",
        "<message><body>&lt;data/&gt;</body></message>",
    };
    BsIbbKind kind;

    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        xmlnode *node = node_from(others[i]);

        ck_assert_ptr_null(bs_ibb_element(node, &kind));
        xmlnode_free(node);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ibb_xml");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, all);
    tcase_add_loop_test(all, bytes_survive_the_way_there_and_back, 0, 257);
    tcase_add_test(all, negotiation_survives_the_way_there_and_back);
    tcase_add_loop_test(all, base64_is_read_strictly, 0, G_N_ELEMENTS(base64));
    tcase_add_loop_test(all, sequences_are_numbers, 0, G_N_ELEMENTS(sequences));
    tcase_add_loop_test(all, block_sizes_have_bounds, 0, G_N_ELEMENTS(sizes));
    tcase_add_test(all, sids_have_bounds);
    tcase_add_test(all, other_stanzas_are_none);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
