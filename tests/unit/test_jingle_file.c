/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pictures.h"
#include "purple_env.h"
#include "stanza/xml.h"
#include "transfer/jingle_file.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define ABC_SHA256 "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="

static BsFileOffer *
parse(const char *xml, BsJingleFileVersion *version, gboolean *request)
{
    xmlnode *node = xmlnode_from_str(xml, -1);
    BsFileOffer *offer;

    ck_assert_ptr_nonnull(node);
    offer = bs_jingle_file_parse(node, version, request);
    xmlnode_free(node);
    return offer;
}

static BsFileOffer *
parse_file(const char *content)
{
    g_autofree char *xml =
        g_strdup_printf("<description xmlns='" FT5 "'><file>%s</file></description>", content);
    BsJingleFileVersion version;

    return parse(xml, &version, NULL);
}

START_TEST(survives_the_way_in_each_version)
{
    g_autoptr(BsFileOffer) offer = bs_file_offer_new();
    g_autoptr(BsFileOffer) back = NULL;
    guint8 value[BS_DIGEST_MAX] = {1, 2, 3, 4};
    BsJingleFileVersion version;
    g_autofree char *text = NULL;
    g_autoptr(GByteArray) picture = bs_test_png(128, 96, 1000);
    gboolean request = TRUE;
    xmlnode *node;

    offer->name = g_strdup("a \"b\" <c> & ä.txt");
    offer->size = (guint64)5 << 32;
    offer->date = 1234567890;
    offer->media_type = g_strdup("text/plain");
    offer->desc = g_strdup("x");
    offer->range_offset = 17;
    offer->range_length = 4;
    offer->hashes_promised = 1u << BS_HASH_SHA512;
    bs_file_offer_set_hash(offer, BS_HASH_SHA256, value);
    offer->thumbnail = bs_thumbnail_new(picture->data, picture->len);
    node = bs_jingle_file_build((BsJingleFileVersion)_i, offer);
    text = xmlnode_to_str(node, NULL);
    xmlnode_free(node);
    back = parse(text, &version, &request);
    ck_assert_ptr_nonnull(back);
    ck_assert_int_eq(version, _i);
    ck_assert(!request);
    ck_assert_str_eq(back->name, offer->name);
    ck_assert_uint_eq(back->size, offer->size);
    ck_assert_int_eq(back->date, offer->date);
    ck_assert_str_eq(back->media_type, "text/plain");
    ck_assert_str_eq(back->desc, "x");
    ck_assert(back->can_range);
    ck_assert_uint_eq(back->range_offset, 17);
    ck_assert_uint_eq(back->range_length, 4);
    ck_assert_uint_eq(back->hashes, 1u << BS_HASH_SHA256);
    ck_assert_uint_eq(back->hashes_promised, 1u << BS_HASH_SHA512);
    ck_assert_mem_eq(back->hash_value[BS_HASH_SHA256], value, 32);
    ck_assert_ptr_nonnull(back->thumbnail);
    ck_assert_str_eq(back->thumbnail->cid, offer->thumbnail->cid);
}
END_TEST

START_TEST(an_empty_file_element_is_an_offer)
{
    g_autoptr(BsFileOffer) offer = parse_file("");

    ck_assert_ptr_nonnull(offer);
    ck_assert_ptr_null(offer->name);
    ck_assert_uint_eq(offer->size, BS_SIZE_UNKNOWN);
    ck_assert_int_eq(offer->date, -1);
    ck_assert_uint_eq(offer->hashes | offer->hashes_promised, 0);
}
END_TEST

static const char *const malformed[] = {
    "<size>-1</size>",
    "<size>12x</size>",
    "<size/>",
    "<size>9223372036854775808</size>",
    "<size>99999999999999999999999</size>",
    "<size>10</size><range offset='11'/>",
    "<range offset='x'/>",
    "<range length='-5'/>",
};

START_TEST(refuses_what_is_malformed)
{
    ck_assert_ptr_null(parse_file(malformed[_i]));
}
END_TEST

static const char *const not_files[] = {
    "<description xmlns='" FT5 "'/>",
    "<description xmlns='urn:xmpp:jingle:apps:rtp:1'><file/></description>",
    "<description xmlns='" FT5 "'><file xmlns='other'/></description>",
    "<description xmlns='urn:xmpp:jingle:apps:file-transfer:3'><file/></description>",
};

START_TEST(refuses_what_is_no_file)
{
    BsJingleFileVersion version;

    ck_assert_ptr_null(parse(not_files[_i], &version, NULL));
}
END_TEST

START_TEST(ignores_hashes_that_are_not_known_or_not_well_formed)
{
    g_autoptr(BsFileOffer) offer = parse_file("<hash xmlns='urn:xmpp:hashes:2' algo='crc-32'>AAAA</hash>"
                                              "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>nonsense</hash>"
                                              "<hash xmlns='urn:xmpp:hashes:2'>" ABC_SHA256 "</hash>"
                                              "<hash xmlns='other' algo='sha-256'>" ABC_SHA256 "</hash>"
                                              "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'/>");

    ck_assert_ptr_nonnull(offer);
    ck_assert_uint_eq(offer->hashes, 0);
    ck_assert_uint_eq(offer->hashes_promised, 1u << BS_HASH_SHA256);
}
END_TEST

static const struct {
    const char *text;
    gint64 date;
} dates[] = {
    {"1969-07-21T02:56:15Z", -1},
    {"2015-07-26T21:46:00+01:00", 1437943560},
    {"2015-07-26T20:46:00", 1437943560},
    {"2015-07-26T20:46:00.123Z", 1437943560},
    {"yesterday", -1},
    {"", -1},
};

START_TEST(reads_dates)
{
    g_autofree char *xml = g_strdup_printf("<date>%s</date>", dates[_i].text);
    g_autoptr(BsFileOffer) offer = parse_file(xml);

    ck_assert_int_eq(offer->date, dates[_i].date);
}
END_TEST

START_TEST(cuts_long_texts_at_a_character)
{
    g_autoptr(GString) xml = g_string_new("<name>x");
    g_autoptr(BsFileOffer) offer = NULL;

    for (guint i = 0; i < 2000; i++)
        g_string_append(xml, "ä");
    g_string_append(xml, "</name>");
    offer = parse_file(xml->str);
    ck_assert_uint_eq(strlen(offer->name), 1023);
    ck_assert(g_utf8_validate(offer->name, -1, NULL));
}
END_TEST

START_TEST(knows_a_request_of_version_3)
{
    BsJingleFileVersion version;
    gboolean request = FALSE;
    g_autoptr(BsFileOffer) offer =
        parse("<description xmlns='urn:xmpp:jingle:apps:file-transfer:3'><request><file/>"
              "</request></description>",
              &version, &request);

    ck_assert_ptr_nonnull(offer);
    ck_assert(request);
}
END_TEST

START_TEST(checksum_brings_the_hash)
{
    g_autoptr(BsFileOffer) mine = bs_file_offer_new();
    g_autoptr(BsFileOffer) theirs = bs_file_offer_new();
    guint8 value[BS_DIGEST_MAX] = {9, 8, 7};
    xmlnode *checksum;

    bs_file_offer_set_hash(mine, BS_HASH_SHA1, value);
    checksum = bs_jingle_file_build_checksum((BsJingleFileVersion)_i, mine, "initiator", "c");
    ck_assert_int_eq(bs_jingle_file_info(checksum), BS_FILE_INFO_CHECKSUM);
    ck_assert(bs_jingle_file_take_checksum(checksum, theirs));
    ck_assert_uint_eq(theirs->hashes, 1u << BS_HASH_SHA1);
    ck_assert_mem_eq(theirs->hash_value[BS_HASH_SHA1], value, 20);
    xmlnode_free(checksum);
}
END_TEST

START_TEST(received_is_known)
{
    g_autoptr(BsFileOffer) offer = bs_file_offer_new();
    xmlnode *received = bs_jingle_file_build_received((BsJingleFileVersion)_i, offer, "initiator", "c");

    ck_assert_int_eq(bs_jingle_file_info(received), BS_FILE_INFO_RECEIVED);
    ck_assert_str_eq(xmlnode_get_attrib(received, "creator"), "initiator");
    ck_assert_str_eq(xmlnode_get_attrib(received, "name"), "c");
    xmlnode_free(received);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("jingle_file");
    TCase *tcase = tcase_create("jingle_file");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, survives_the_way_in_each_version, 0, 3);
    tcase_add_test(tcase, an_empty_file_element_is_an_offer);
    tcase_add_loop_test(tcase, refuses_what_is_malformed, 0, G_N_ELEMENTS(malformed));
    tcase_add_loop_test(tcase, refuses_what_is_no_file, 0, G_N_ELEMENTS(not_files));
    tcase_add_test(tcase, ignores_hashes_that_are_not_known_or_not_well_formed);
    tcase_add_loop_test(tcase, reads_dates, 0, G_N_ELEMENTS(dates));
    tcase_add_test(tcase, cuts_long_texts_at_a_character);
    tcase_add_test(tcase, knows_a_request_of_version_3);
    tcase_add_loop_test(tcase, checksum_brings_the_hash, 0, 3);
    tcase_add_loop_test(tcase, received_is_known, 0, 3);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
