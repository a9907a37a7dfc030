/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/digest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    const char *empty;
    const char *abc;
    const char *abc_base64;
} Vector;

/* The digests of "" and "abc", as FIPS 180-4, FIPS 202, RFC 1321 and RFC 7693 define them. */
static const Vector vectors[BS_HASH_COUNT] = {
    [BS_HASH_MD5] =
        {
            "md5",
            "d41d8cd98f00b204e9800998ecf8427e",
            "900150983cd24fb0d6963f7d28e17f72",
            "kAFQmDzST7DWlj99KOF/cg==",
        },
    [BS_HASH_SHA1] =
        {
            "sha-1",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
        },
    [BS_HASH_SHA256] =
        {
            "sha-256",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        },
    [BS_HASH_SHA512] =
        {
            "sha-512",
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f"
            "63b931bd47417a81a538327af927da3e",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
            "454d4423643ce80e2a9ac94fa54ca49f",
            "3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==",
        },
    [BS_HASH_SHA3_256] =
        {
            "sha3-256",
            "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a",
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
            "Ophdp0/iJbIEXBcta9OQvYVfCG4+nVJbRr/iRRFDFTI=",
        },
    [BS_HASH_SHA3_512] =
        {
            "sha3-512",
            "a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a615b2123af1f5f94c11e3e9402c3ac558"
            "f500199d95b6d3e301758586281dcd26",
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e39340"
            "57340b4cf408d5a56592f8274eec53f0",
            "t1GFCxpXFopWk82SS2sJbgj2IYJ0RPcNiE9dAkDScS4Q4RbpGSrzyRp+xXZH45NAVzQLTPQI1aVlkvgnTuxT8A==",
        },
    [BS_HASH_BLAKE2B_256] =
        {
            "blake2b-256",
            "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8",
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
            "vd2BPGNCOXIxce8/7phXm5SWTjuxyz5CcmLIwGjVIxk=",
        },
    [BS_HASH_BLAKE2B_512] =
        {
            "blake2b-512",
            "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419d25e1031afee585313896444934eb04b"
            "903a685b1448b755d56f701afe9be2ce",
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc95"
            "18d38aa8dbf1925ab92386edd4009923",
            "uoClP5gcTQ1qJ5e2nxL26UwhLxRoWsS3SxK7b9v/otF9h8U5Kqt5LcJS1d5FM8yVGNOKqNvxklq5I4bt1ACZIw==",
        },
};

#define ALL_HASHES ((1u << BS_HASH_COUNT) - 1)

static char *
to_hex(BsHash hash, const guint8 *value)
{
    GString *hex = g_string_new(NULL);

    for (gsize i = 0; i < bs_hash_length(hash); i++)
        g_string_append_printf(hex, "%02x", value[i]);
    return g_string_free(hex, FALSE);
}

static void
assert_value(BsDigest *digest, BsHash hash, const char *expected)
{
    guint8 value[BS_DIGEST_MAX];
    g_autofree char *hex = NULL;

    ck_assert(bs_digest_value(digest, hash, value));
    hex = to_hex(hash, value);
    ck_assert_str_eq(hex, expected);
}

/* First in the list: nobody has called bs_digest_init() yet. */
START_TEST(sha1_hex_without_init)
{
    g_autofree char *hex = bs_digest_sha1_hex("abc");
    g_autofree char *empty = bs_digest_sha1_hex("");

    ck_assert_str_eq(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
    ck_assert_str_eq(empty, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}
END_TEST

START_TEST(init_again)
{
    bs_digest_init();
    bs_digest_init();
}
END_TEST

START_TEST(names)
{
    BsHash hash = BS_HASH_COUNT;
    g_autofree char *upper = g_ascii_strup(vectors[_i].name, -1);

    ck_assert_str_eq(bs_hash_name(_i), vectors[_i].name);
    ck_assert(bs_hash_from_name(vectors[_i].name, &hash));
    ck_assert_int_eq(hash, _i);
    hash = BS_HASH_COUNT;
    ck_assert(bs_hash_from_name(upper, &hash));
    ck_assert_int_eq(hash, _i);
    ck_assert_uint_eq(bs_hash_length(_i) * 2, strlen(vectors[_i].abc));
    ck_assert_uint_le(bs_hash_length(_i), BS_DIGEST_MAX);
}
END_TEST

START_TEST(names_unknown)
{
    BsHash hash = BS_HASH_COUNT;

    ck_assert(!bs_hash_from_name(NULL, &hash));
    ck_assert(!bs_hash_from_name("", &hash));
    ck_assert(!bs_hash_from_name("sha1", &hash));
    ck_assert(!bs_hash_from_name("sha-25", &hash));
    ck_assert(!bs_hash_from_name("sha-256 ", &hash));
    ck_assert_int_eq(hash, BS_HASH_COUNT);
}
END_TEST

START_TEST(value_of_nothing)
{
    g_autoptr(BsDigest) digest = bs_digest_new(1u << _i);

    bs_digest_update(digest, NULL, 0);
    assert_value(digest, _i, vectors[_i].empty);
}
END_TEST

START_TEST(value_of_abc)
{
    g_autoptr(BsDigest) digest = bs_digest_new(1u << _i);

    bs_digest_update(digest, (const guint8 *)"abc", 3);
    assert_value(digest, _i, vectors[_i].abc);
    assert_value(digest, _i, vectors[_i].abc);
}
END_TEST

START_TEST(all_at_once_in_pieces)
{
    g_autoptr(BsDigest) digest = bs_digest_new(ALL_HASHES);

    bs_digest_update(digest, (const guint8 *)"a", 1);
    bs_digest_update(digest, (const guint8 *)"bc", 2);
    for (guint i = 0; i < BS_HASH_COUNT; i++)
        assert_value(digest, i, vectors[i].abc);
}
END_TEST

START_TEST(million_a)
{
    g_autoptr(BsDigest) digest = bs_digest_new(1u << BS_HASH_SHA256);
    guint8 block[1000];

    memset(block, 'a', sizeof block);
    for (guint i = 0; i < 1000; i++)
        bs_digest_update(digest, block, sizeof block);
    assert_value(digest, BS_HASH_SHA256, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

START_TEST(value_not_asked_for)
{
    g_autoptr(BsDigest) one = bs_digest_new(1u << BS_HASH_SHA256);
    g_autoptr(BsDigest) none = bs_digest_new(0);
    guint8 value[BS_DIGEST_MAX];

    bs_digest_update(one, (const guint8 *)"abc", 3);
    ck_assert(!bs_digest_value(one, BS_HASH_SHA1, value));
    bs_digest_update(none, (const guint8 *)"abc", 3);
    for (guint i = 0; i < BS_HASH_COUNT; i++)
        ck_assert(!bs_digest_value(none, i, value));
    bs_digest_free(NULL);
}
END_TEST

START_TEST(parse_and_format)
{
    const Vector *vector = &vectors[_i];
    guint8 value[BS_DIGEST_MAX];
    g_autofree char *upper = g_ascii_strup(vector->abc, -1);
    const char *texts[] = {vector->abc_base64, vector->abc, upper};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *hex = NULL;
        g_autofree char *base64 = NULL;

        memset(value, 0, sizeof value);
        ck_assert(bs_hash_parse(_i, texts[i], value));
        hex = to_hex(_i, value);
        ck_assert_str_eq(hex, vector->abc);
        base64 = bs_hash_format(_i, value);
        ck_assert_str_eq(base64, vector->abc_base64);
    }
}
END_TEST

START_TEST(parse_leaves_the_rest_alone)
{
    guint8 value[BS_DIGEST_MAX];

    memset(value, 0xee, sizeof value);
    ck_assert(bs_hash_parse(_i, vectors[_i].abc_base64, value));
    for (gsize i = bs_hash_length(_i); i < sizeof value; i++)
        ck_assert_uint_eq(value[i], 0xee);
}
END_TEST

/* Each damage at every place of a text that was good. */
START_TEST(parse_damaged)
{
    const char *texts[] = {vectors[_i].abc_base64, vectors[_i].abc};
    const char damages[] = " \t\n-_=.*\x80\xff";
    guint8 value[BS_DIGEST_MAX];

    for (gsize t = 0; t < G_N_ELEMENTS(texts); t++) {
        for (gsize at = 0; texts[t][at] != '\0'; at++) {
            g_autofree char *shorter = g_strndup(texts[t], at);
            g_autofree char *longer = g_strdup_printf("%.*s\n%s", (int)at, texts[t], texts[t] + at);

            ck_assert(!bs_hash_parse(_i, shorter, value));
            ck_assert(!bs_hash_parse(_i, longer, value));
            for (const char *damage = damages; *damage != '\0'; damage++) {
                g_autofree char *damaged = g_strdup(texts[t]);

                if (damaged[at] == *damage)
                    continue;
                damaged[at] = *damage;
                ck_assert(!bs_hash_parse(_i, damaged, value));
            }
        }
    }
}
END_TEST

START_TEST(parse_wrong)
{
    guint8 value[BS_DIGEST_MAX];
    static const char *const sha1[] = {
        "",
        "qZk+NkcGgWq6PiVxeFDCbJzQ2J0",   /* no padding */
        "qZk+NkcGgWq6PiVxeFDCbJzQ2J0==", /* too much of it */
        "qZk+NkcGgWq6PiVxeFDCbJzQ2A==",  /* 19 bytes */
        "qZk+NkcGgWq6PiVxeFDCbJzQ2J2d",  /* 21 bytes */
        "qZk+NkcGgWq6PiVxeFDCbJzQ2J1=",  /* bits beyond the last byte */
        "kAFQmDzST7DWlj99KOF/cg==",      /* an MD5 */
        "a9993e364706816aba3e25717850c26c9cd0d89",
        "a9993e364706816aba3e25717850c26c9cd0d89g",
        "0x993e364706816aba3e25717850c26c9cd0d89d",
        "900150983cd24fb0d6963f7d28e17f72",
    };

    ck_assert(!bs_hash_parse(BS_HASH_SHA1, NULL, value));
    for (gsize i = 0; i < G_N_ELEMENTS(sha1); i++)
        ck_assert_msg(!bs_hash_parse(BS_HASH_SHA1, sha1[i], value), "%s", sha1[i]);
}
END_TEST

/* As XEP-0300 and its registry spell them. */
static const char *const features[BS_HASH_COUNT] = {
    [BS_HASH_MD5] = "md5",
    [BS_HASH_SHA1] = "sha-1",
    [BS_HASH_SHA256] = "sha-256",
    [BS_HASH_SHA512] = "sha-512",
    [BS_HASH_SHA3_256] = "sha3-256",
    [BS_HASH_SHA3_512] = "sha3-512",
    [BS_HASH_BLAKE2B_256] = "id-blake2b256",
    [BS_HASH_BLAKE2B_512] = "id-blake2b512",
};

START_TEST(names_of_features)
{
    g_autofree char *feature = g_strconcat("urn:xmpp:hash-function-text-names:", features[_i], (char *)NULL);

    ck_assert_str_eq(bs_hash_feature(_i), feature);
}
END_TEST

#define SET(hash) (1u << BS_HASH_##hash)

static const struct {
    guint known;
    BsHash chosen;
} choices[] = {
    {0, BS_HASH_SHA256},
    {SET(SHA1) | SET(MD5), BS_HASH_SHA256},
    {SET(SHA256) | SET(SHA1), BS_HASH_SHA256},
    {SET(SHA512), BS_HASH_SHA512},
    {SET(SHA512) | SET(SHA3_256) | SET(BLAKE2B_256), BS_HASH_SHA512},
    {SET(SHA256) | SET(SHA3_256), BS_HASH_SHA3_256},
    {SET(SHA256) | SET(BLAKE2B_256), BS_HASH_BLAKE2B_256},
    {SET(SHA3_512) | SET(BLAKE2B_256), BS_HASH_SHA3_512},
    {ALL_HASHES, BS_HASH_BLAKE2B_512},
};

START_TEST(the_strongest_that_both_sides_know)
{
    ck_assert_int_eq(bs_hash_for_peer(choices[_i].known), choices[_i].chosen);
}
END_TEST

START_TEST(what_can_be_forged_is_better_than_nothing)
{
    ck_assert_int_eq(bs_hash_strongest(SET(MD5)), BS_HASH_MD5);
    ck_assert_int_eq(bs_hash_strongest(SET(MD5) | SET(SHA1)), BS_HASH_SHA1);
    ck_assert_int_eq(bs_hash_strongest(ALL_HASHES), BS_HASH_BLAKE2B_512);
}
END_TEST

static Suite *
digest_suite(void)
{
    Suite *suite = suite_create("digest");
    TCase *tests = tcase_create("digest");

    tcase_add_test(tests, sha1_hex_without_init);
    tcase_add_test(tests, init_again);
    tcase_add_loop_test(tests, names, 0, BS_HASH_COUNT);
    tcase_add_test(tests, names_unknown);
    tcase_add_loop_test(tests, names_of_features, 0, BS_HASH_COUNT);
    tcase_add_loop_test(tests, the_strongest_that_both_sides_know, 0, (int)G_N_ELEMENTS(choices));
    tcase_add_test(tests, what_can_be_forged_is_better_than_nothing);
    tcase_add_loop_test(tests, value_of_nothing, 0, BS_HASH_COUNT);
    tcase_add_loop_test(tests, value_of_abc, 0, BS_HASH_COUNT);
    tcase_add_test(tests, all_at_once_in_pieces);
    tcase_add_test(tests, million_a);
    tcase_add_test(tests, value_not_asked_for);
    tcase_add_loop_test(tests, parse_and_format, 0, BS_HASH_COUNT);
    tcase_add_loop_test(tests, parse_leaves_the_rest_alone, 0, BS_HASH_COUNT);
    tcase_add_loop_test(tests, parse_damaged, 0, BS_HASH_COUNT);
    tcase_add_test(tests, parse_wrong);
    suite_add_tcase(suite, tests);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(digest_suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
