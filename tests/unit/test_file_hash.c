/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "stream/file_hash.h"
#include "support/purple_env.h"

#define HANG_SECONDS 60
#define MIB (1024 * 1024)

static char *folder;
static char *path;
static gboolean told;
static gboolean has_value;
static guint8 value[BS_DIGEST_MAX];
static guint64 size;

static void
set_up(void)
{
    folder = g_dir_make_tmp("bytestreams-hash-XXXXXX", NULL);
    path = g_build_filename(folder, "file", NULL);
    told = FALSE;
    has_value = FALSE;
}

static void
tear_down(void)
{
    g_unlink(path);
    g_rmdir(folder);
    g_free(path);
    g_free(folder);
}

static void
hashed(const guint8 *result, guint64 count, gpointer data)
{
    ck_assert_ptr_eq(data, folder);
    ck_assert(!told);
    told = TRUE;
    has_value = result != NULL;
    if (has_value)
        memcpy(value, result, bs_hash_length(BS_HASH_MD5));
    size = count;
}

static void
write_file(gsize length)
{
    g_autofree char *bytes = g_malloc(length + 1);

    for (gsize i = 0; i < length; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    ck_assert(g_file_set_contents(path, bytes, (gssize)length, NULL));
}

/* The value as GLib has it. */
static void
assert_right(gsize length)
{
    g_autofree char *bytes = NULL;
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_MD5);
    guint8 expected[BS_DIGEST_MAX];
    gsize count = sizeof expected;

    ck_assert(g_file_get_contents(path, &bytes, NULL, NULL));
    g_checksum_update(checksum, (const guchar *)bytes, (gssize)length);
    g_checksum_get_digest(checksum, expected, &count);
    ck_assert(told && has_value);
    ck_assert_uint_eq(size, length);
    ck_assert_mem_eq(value, expected, count);
}

static const gsize lengths[] = {0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB + 3};

START_TEST(it_is_the_hash_of_the_whole_file)
{
    BsFileHash *hash;

    write_file(lengths[_i]);
    hash = bs_file_hash_new(path, BS_HASH_MD5, 5 * MIB + 3, hashed, folder);
    ck_assert_ptr_nonnull(hash);
    ck_assert(!told);
    ck_assert(bs_test_run_until(&told, HANG_SECONDS));
    assert_right(lengths[_i]);
}
END_TEST

START_TEST(what_is_too_large_is_not_read)
{
    write_file(MIB + 1);
    bs_file_hash_new(path, BS_HASH_MD5, MIB, hashed, folder);
    ck_assert(!told);
    ck_assert(bs_test_run_until(&told, HANG_SECONDS));
    ck_assert(!has_value);
}
END_TEST

START_TEST(what_is_not_there_has_no_hash)
{
    bs_file_hash_new(path, BS_HASH_MD5, MIB, hashed, folder);
    ck_assert(!told);
    ck_assert(bs_test_run_until(&told, HANG_SECONDS));
    ck_assert(!has_value);
}
END_TEST

START_TEST(a_file_that_shrinks_or_grows_meanwhile_has_no_hash)
{
    write_file(8 * MIB);
    bs_file_hash_new(path, BS_HASH_MD5, 16 * MIB, hashed, folder);
    ck_assert_int_eq(truncate(path, (_i == 0 ? 7 : 9) * MIB), 0);
    ck_assert(bs_test_run_until(&told, HANG_SECONDS));
    ck_assert(!has_value);
}
END_TEST

START_TEST(a_cancelled_one_says_nothing)
{
    BsFileHash *hash;

    write_file(4 * MIB);
    hash = bs_file_hash_new(path, BS_HASH_MD5, 16 * MIB, hashed, folder);
    bs_test_run_for(2);
    if (told)
        return;
    bs_file_hash_cancel(&hash);
    ck_assert_ptr_null(hash);
    bs_file_hash_cancel(&hash);
    bs_test_run_for(50);
    ck_assert(!told);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("file_hash");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    bs_test_purple_start();
    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 4 * HANG_SECONDS);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_loop_test(all, it_is_the_hash_of_the_whole_file, 0, G_N_ELEMENTS(lengths));
    tcase_add_test(all, what_is_too_large_is_not_read);
    tcase_add_test(all, what_is_not_there_has_no_hash);
    tcase_add_loop_test(all, a_file_that_shrinks_or_grows_meanwhile_has_no_hash, 0, 2);
    tcase_add_test(all, a_cancelled_one_says_nothing);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
