/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pictures.h"
#include "purple_env.h"
#include "stanza/xml.h"
#include "transfer/bob.h"
#include "transfer/thumbnail.h"

#define SHA1_OF_ABC "sha1+a9993e364706816aba3e25717850c26c9cd0d89d@bob.xmpp.org"
#define SHA256_OF_ABC "sha-256+ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad@bob.xmpp.org"
#define ABC "YWJj"

static xmlnode *
parse_xml(const char *xml)
{
    xmlnode *node = xmlnode_from_str(xml, -1);

    ck_assert_msg(node != NULL, "%s", xml);
    return node;
}

/* Bits of binary. */

START_TEST(names_data_by_its_hash)
{
    g_autoptr(GBytes) data = g_bytes_new_static("abc", 3);
    g_autofree char *cid = bs_bob_cid(data);

    ck_assert_str_eq(cid, SHA1_OF_ABC);
    ck_assert(bs_bob_is_cid(SHA1_OF_ABC));
    ck_assert(bs_bob_is_cid(SHA256_OF_ABC));
}
END_TEST

static const char *const bad_cids[] = {
    "",
    "sha1",
    "sha1+@bob.xmpp.org",
    "+a9993e364706816aba3e25717850c26c9cd0d89d@bob.xmpp.org",
    "sha1+a9993e364706816aba3e25717850c26c9cd0d89d",
    "sha1+a9993e364706816aba3e25717850c26c9cd0d89d@bob.xmpp.org.example",
    "sha1+a9993e364706816aba3e25717850c26c9cd0d89@bob.xmpp.org",
    "sha1+a9993e364706816aba3e25717850c26c9cd0d89g@bob.xmpp.org",
    "sha1+qZk+NkcGgWq6PiVxeFDCbJzQ2J0=@bob.xmpp.org",
    "sha1@bob.xmpp.org+a9993e364706816aba3e25717850c26c9cd0d89d",
    "md5+900150983cd24fb0d6963f7d28e17f72@bob.xmpp.org",
    "crc32+352441c2@bob.xmpp.org",
    "cid:" SHA1_OF_ABC,
};

START_TEST(refuses_names_without_a_hash)
{
    ck_assert(!bs_bob_is_cid(bad_cids[_i]));
    ck_assert(!bs_bob_is_cid(NULL));
}
END_TEST

static const struct {
    const char *data; /* in an answer */
    const char *cid;
    gboolean good;
} answers[] = {
    {"<data xmlns='urn:xmpp:bob' cid='" SHA1_OF_ABC "' type='image/png'>" ABC "</data>", SHA1_OF_ABC, TRUE},
    {"<data xmlns='urn:xmpp:bob' cid='" SHA256_OF_ABC "'>" ABC "</data>", SHA256_OF_ABC, TRUE},
    {"<data xmlns='urn:xmpp:bob'>\n  YW\n  Jj\n</data>", SHA1_OF_ABC, TRUE},
    {"<data xmlns='urn:xmpp:bob'>YWJk</data>", SHA1_OF_ABC, FALSE},     /* abd */
    {"<data xmlns='urn:xmpp:bob'>YWJjZA==</data>", SHA1_OF_ABC, FALSE}, /* abcd, which is too long besides */
    {"<data xmlns='urn:xmpp:bob'>" ABC "</data>", SHA256_OF_ABC "x", FALSE},
    {"<data xmlns='urn:xmpp:bob'/>", SHA1_OF_ABC, FALSE},
    {"<data xmlns='urn:xmpp:bob'>  </data>", SHA1_OF_ABC, FALSE},
    {"<data xmlns='urn:xmpp:bob'>=</data>", SHA1_OF_ABC, FALSE},
    {"<data xmlns='urn:example:bob'>" ABC "</data>", SHA1_OF_ABC, FALSE},
    {"<error type='cancel'/>", SHA1_OF_ABC, FALSE},
    {"", SHA1_OF_ABC, FALSE},
};

START_TEST(takes_only_what_was_asked_for)
{
    g_autofree char *xml = g_strdup_printf("<iq type='result'>%s</iq>", answers[_i].data);
    xmlnode *iq = parse_xml(xml);
    g_autoptr(GBytes) data = bs_bob_parse(iq, answers[_i].cid, 3);

    xmlnode_free(iq);
    ck_assert_msg((data != NULL) == answers[_i].good, "%s", xml);
    if (data != NULL)
        ck_assert_mem_eq(g_bytes_get_data(data, NULL), "abc", 3);
}
END_TEST

START_TEST(survives_the_way)
{
    g_autoptr(GBytes) data = g_bytes_new_static("abc", 3);
    g_autoptr(GBytes) back = NULL;
    xmlnode *iq = parse_xml("<iq type='result'/>");
    xmlnode *node = bs_bob_build(SHA1_OF_ABC, "image/png", data);

    ck_assert_str_eq(xmlnode_get_attrib(node, "cid"), SHA1_OF_ABC);
    ck_assert_str_eq(xmlnode_get_attrib(node, "type"), "image/png");
    xmlnode_insert_child(iq, node);
    back = bs_bob_parse(iq, SHA1_OF_ABC, 3);
    xmlnode_free(iq);
    ck_assert_ptr_nonnull(back);
    ck_assert(g_bytes_equal(data, back));
}
END_TEST

START_TEST(knows_requests)
{
    xmlnode *iq = parse_xml("<iq type='get'><data xmlns='urn:xmpp:bob' cid='x'/></iq>");

    ck_assert_str_eq(bs_bob_requested(iq), "x");
    xmlnode_set_attrib(iq, "type", "result");
    ck_assert_ptr_null(bs_bob_requested(iq));
    xmlnode_free(iq);
    iq = parse_xml("<iq type='get'><data xmlns='urn:xmpp:bob'/></iq>");
    ck_assert_ptr_null(bs_bob_requested(iq));
    xmlnode_free(iq);
    iq = parse_xml("<iq type='get'><data xmlns='urn:example:bob' cid='x'/></iq>");
    ck_assert_ptr_null(bs_bob_requested(iq));
    xmlnode_free(iq);
}
END_TEST

/* Thumbnails. */

static BsThumbnail *
find(const char *children)
{
    g_autofree char *xml = g_strdup_printf("<file xmlns='urn:example:file'>%s</file>", children);
    xmlnode *file = parse_xml(xml);
    BsThumbnail *thumbnail = bs_thumbnail_find(file);

    xmlnode_free(file);
    return thumbnail;
}

#define URI "uri='cid:" SHA1_OF_ABC "'"
#define NS_1 "xmlns='urn:xmpp:thumbs:1'"

static const struct {
    const char *xml;
    const char *type;
    guint width;
    guint height;
} elements[] = {
    {"<thumbnail " NS_1 " " URI " media-type='image/png' width='128' height='96'/>", "image/png", 128, 96},
    {"<thumbnail " NS_1 " " URI " media-type='IMAGE/JPEG'/>", "IMAGE/JPEG", 0, 0},
    {"<thumbnail " NS_1 " " URI "/>", NULL, 0, 0},
    {"<thumbnail " NS_1 " " URI " width='0' height='512'/>", NULL, 0, 512},
    /* iris */
    {"<thumbnail " NS_1 " " URI " mime-type='image/png' width='64' height='64'/>", "image/png", 64, 64},
    /* The specification's first version. */
    {"<thumbnail xmlns='urn:xmpp:thumbs:0' cid='" SHA1_OF_ABC
     "' mime-type='image/png' width='1' height='2'/>",
     "image/png", 1, 2},
    {"<thumbnail xmlns='urn:xmpp:thumbs:0' " URI " media-type='image/png'/>", "image/png", 0, 0},
    /* The first one that can be used. */
    {"<name/><thumbnail " NS_1 " uri='https://example.org/x.png'/>"
     "<thumbnail " NS_1 " " URI " media-type='image/webp'/>"
     "<thumbnail " NS_1 " " URI " width='1024' height='768'/>"
     "<thumbnail " NS_1 " " URI " media-type='image/jpeg' width='9'/><thumbnail " NS_1 " " URI "/>",
     "image/jpeg", 9, 0},
};

START_TEST(finds_thumbnails)
{
    g_autoptr(BsThumbnail) thumbnail = find(elements[_i].xml);

    ck_assert_msg(thumbnail != NULL, "%s", elements[_i].xml);
    ck_assert_str_eq(thumbnail->cid, SHA1_OF_ABC);
    ck_assert_pstr_eq(thumbnail->media_type, elements[_i].type);
    ck_assert_uint_eq(thumbnail->width, elements[_i].width);
    ck_assert_uint_eq(thumbnail->height, elements[_i].height);
    ck_assert_ptr_null(thumbnail->data);
}
END_TEST

static const char *const useless[] = {
    "",
    "<thumbnail " URI "/>",
    "<thumb " NS_1 " " URI "/>",
    "<thumbnail xmlns='urn:xmpp:thumbs:2' " URI "/>",
    "<thumbnail " NS_1 "/>",
    "<thumbnail " NS_1 " uri=''/>",
    "<thumbnail " NS_1 " uri='" SHA1_OF_ABC "'/>",
    "<thumbnail " NS_1 " uri='cid:part1@example.org'/>",
    "<thumbnail " NS_1 " uri='http://example.org/x.png' cid='" SHA1_OF_ABC "'/>",
    "<thumbnail " NS_1 " uri='data:image/png;base64,YWJj'/>",
    "<thumbnail " NS_1 " " URI " media-type='image/svg+xml'/>",
    "<thumbnail " NS_1 " " URI " media-type='image/png; charset=x'/>",
    "<thumbnail " NS_1 " " URI " width='513'/>",
    "<thumbnail " NS_1 " " URI " height='-1'/>",
    "<thumbnail " NS_1 " " URI " height='99999999999999999999'/>",
    "<thumbnail " NS_1 " " URI " width='many'/>",
};

START_TEST(passes_over_what_cannot_be_had)
{
    g_autoptr(BsThumbnail) thumbnail = find(useless[_i]);

    ck_assert_msg(thumbnail == NULL, "%s", useless[_i]);
}
END_TEST

START_TEST(describes_a_picture)
{
    g_autoptr(GByteArray) bytes = bs_test_jpeg(BS_TEST_BASELINE, 128, 96, BS_THUMBNAIL_SENT_MAX);
    g_autoptr(BsThumbnail) thumbnail = bs_thumbnail_new(bytes->data, bytes->len);
    g_autoptr(BsThumbnail) copy = bs_thumbnail_copy(thumbnail);
    g_autoptr(BsThumbnail) back = NULL;
    xmlnode *file = xmlnode_new("file");

    ck_assert_ptr_nonnull(thumbnail);
    ck_assert_ptr_null(bs_thumbnail_copy(NULL));
    bs_thumbnail_add(file, copy);
    ck_assert_str_eq(xmlnode_get_namespace(xmlnode_get_child(file, "thumbnail")), "urn:xmpp:thumbs:1");
    back = bs_thumbnail_find(file);
    xmlnode_free(file);
    ck_assert_ptr_nonnull(back);
    ck_assert_str_eq(back->cid, thumbnail->cid);
    ck_assert_str_eq(back->media_type, "image/jpeg");
    ck_assert_uint_eq(back->width, 128);
    ck_assert_uint_eq(back->height, 96);
    ck_assert(g_bytes_equal(copy->data, thumbnail->data));
}
END_TEST

static void
check_not_sent(GByteArray *bytes)
{
    ck_assert_ptr_null(bs_thumbnail_new(bytes->data, bytes->len));
    g_byte_array_unref(bytes);
}

START_TEST(sends_no_large_ones)
{
    check_not_sent(bs_test_png(128, 96, BS_THUMBNAIL_SENT_MAX + 1));
    check_not_sent(bs_test_png(513, 96, 1000));
    check_not_sent(bs_test_png(2, 512, 1000));
    check_not_sent(bs_test_jpeg(BS_TEST_PROGRESSIVE, 128, 96, 1000));
    check_not_sent(g_byte_array_new());
}
END_TEST

/* The stanza with the largest one, between parties with long names, still passes every server. */
START_TEST(a_stanza_holds_it)
{
    g_autoptr(GByteArray) bytes = bs_test_png(128, 96, BS_THUMBNAIL_SENT_MAX);
    g_autoptr(BsThumbnail) thumbnail = bs_thumbnail_new(bytes->data, bytes->len);
    g_autofree char *names = g_strnfill(400, 'n');
    xmlnode *iq = parse_xml("<iq type='result' id=''/>");
    g_autofree char *text = NULL;

    ck_assert_ptr_nonnull(thumbnail);
    xmlnode_set_attrib(iq, "to", names);
    xmlnode_insert_child(iq, bs_bob_build(thumbnail->cid, thumbnail->media_type, thumbnail->data));
    text = xmlnode_to_str(iq, NULL);
    xmlnode_free(iq);
    ck_assert_uint_lt(strlen(text), 10000);
}
END_TEST

/* What a peer sends for a thumbnail of its picture `bytes`. */
static gboolean
take(GByteArray *bytes, GByteArray *sent)
{
    g_autoptr(GBytes) named = g_bytes_new(bytes->data, bytes->len);
    g_autoptr(GBytes) data = g_bytes_new(sent->data, sent->len);
    BsThumbnail thumbnail = {.cid = bs_bob_cid(named), .media_type = g_strdup("image/png"), .width = 1};
    xmlnode *iq = parse_xml("<iq type='result'/>");
    const char *why = NULL;
    gboolean taken;

    xmlnode_insert_child(iq, bs_bob_build(thumbnail.cid, "image/png", data));
    taken = bs_thumbnail_take(&thumbnail, iq, &why);
    xmlnode_free(iq);
    ck_assert(taken == (why == NULL));
    ck_assert(taken == (thumbnail.data != NULL));
    if (taken)
        ck_assert_uint_gt(thumbnail.width, 1);
    g_clear_pointer(&thumbnail.data, g_bytes_unref);
    g_free(thumbnail.cid);
    g_free(thumbnail.media_type);
    return taken;
}

static gboolean
take_own(GByteArray *bytes)
{
    gboolean taken = take(bytes, bytes);

    g_byte_array_unref(bytes);
    return taken;
}

START_TEST(takes_what_can_be_shown)
{
    ck_assert(take_own(bs_test_png(128, 96, 1000)));
    ck_assert(take_own(bs_test_png(512, 512, BS_THUMBNAIL_TAKEN_MAX)));
    ck_assert(take_own(bs_test_png(128, 2, 1000)));
    ck_assert(take_own(bs_test_jpeg(BS_TEST_BASELINE, 512, 4, 1000)));
}
END_TEST

START_TEST(takes_nothing_else)
{
    g_autoptr(GByteArray) picture = bs_test_png(128, 96, 1000);
    g_autoptr(GByteArray) other = bs_test_png(128, 97, 1000);

    ck_assert(!take(picture, other));
    ck_assert(!take_own(bs_test_png(128, 96, BS_THUMBNAIL_TAKEN_MAX + 1)));
    ck_assert(!take_own(bs_test_png(513, 1, 1000)));
    ck_assert(!take_own(bs_test_png(50000, 50000, 1000)));
    ck_assert(!take_own(bs_test_png(0x10000, 0x10000, 1000)));
    ck_assert(!take_own(bs_test_png(512, 3, 1000)));
    ck_assert(!take_own(bs_test_jpeg(BS_TEST_BASELINE, 65535, 65535, 1000)));
    ck_assert(!take_own(bs_test_jpeg(BS_TEST_PROGRESSIVE, 64, 64, 1000)));
    g_byte_array_append(g_byte_array_set_size(other, 0), (const guint8 *)"GIF89a\x10\0\x10\0", 10);
    ck_assert(!take(other, other));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("thumbnail");
    TCase *tcase = tcase_create("thumbnail");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, names_data_by_its_hash);
    tcase_add_loop_test(tcase, refuses_names_without_a_hash, 0, G_N_ELEMENTS(bad_cids));
    tcase_add_loop_test(tcase, takes_only_what_was_asked_for, 0, G_N_ELEMENTS(answers));
    tcase_add_test(tcase, survives_the_way);
    tcase_add_test(tcase, knows_requests);
    tcase_add_loop_test(tcase, finds_thumbnails, 0, G_N_ELEMENTS(elements));
    tcase_add_loop_test(tcase, passes_over_what_cannot_be_had, 0, G_N_ELEMENTS(useless));
    tcase_add_test(tcase, describes_a_picture);
    tcase_add_test(tcase, sends_no_large_ones);
    tcase_add_test(tcase, a_stanza_holds_it);
    tcase_add_test(tcase, takes_what_can_be_shown);
    tcase_add_test(tcase, takes_nothing_else);
    suite_add_tcase(suite, tcase);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
