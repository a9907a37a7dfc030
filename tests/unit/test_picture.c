/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pictures.h"
#include "transfer/picture.h"

/* On memory that ends where the bytes end. */
static gboolean
read_exactly(const guint8 *bytes, gsize length, BsPicture *picture)
{
    g_autofree guint8 *copy = g_malloc(MAX(length, 1));
    guint8 *end = copy + MAX(length, 1) - length;

    if (length > 0)
        memcpy(end, bytes, length);
    return bs_picture_read(end, length, picture);
}

static void
check_picture(GByteArray *bytes, BsPictureKind kind, guint width, guint height)
{
    BsPicture picture;

    ck_assert(read_exactly(bytes->data, bytes->len, &picture));
    ck_assert_int_eq(picture.kind, kind);
    ck_assert_uint_eq(picture.width, width);
    ck_assert_uint_eq(picture.height, height);
    g_byte_array_unref(bytes);
}

START_TEST(reads_headers)
{
    check_picture(bs_test_png(128, 96, 0), BS_PICTURE_PNG, 128, 96);
    check_picture(bs_test_png(0x7fffffff, 1, 100), BS_PICTURE_PNG, 0x7fffffff, 1);
    check_picture(bs_test_jpeg(BS_TEST_BASELINE, 4000, 3000, 1000), BS_PICTURE_JPEG, 4000, 3000);
    check_picture(bs_test_jpeg(0xc1, 65535, 1, 0), BS_PICTURE_JPEG, 65535, 1);
    check_picture(bs_test_jpeg(BS_TEST_PROGRESSIVE, 7, 9, 0), BS_PICTURE_PROGRESSIVE_JPEG, 7, 9);
}
END_TEST

START_TEST(names_the_type)
{
    BsPicture picture = {.kind = BS_PICTURE_PNG};

    ck_assert_str_eq(bs_picture_media_type(&picture), "image/png");
    picture.kind = BS_PICTURE_JPEG;
    ck_assert_str_eq(bs_picture_media_type(&picture), "image/jpeg");
    picture.kind = BS_PICTURE_PROGRESSIVE_JPEG;
    ck_assert_str_eq(bs_picture_media_type(&picture), "image/jpeg");
}
END_TEST

static void
check_refused(GByteArray *bytes)
{
    BsPicture picture;

    ck_assert(!read_exactly(bytes->data, bytes->len, &picture));
    g_byte_array_unref(bytes);
}

START_TEST(refuses_pictures_without_pixels)
{
    check_refused(bs_test_png(0, 96, 0));
    check_refused(bs_test_png(128, 0, 0));
    check_refused(bs_test_png(0x80000000u, 1, 0));
    check_refused(bs_test_png(1, 0xffffffffu, 0));
    check_refused(bs_test_jpeg(BS_TEST_BASELINE, 0, 96, 0));
    /* The height may come at the end (T.81, B.2.5); nobody writes that. */
    check_refused(bs_test_jpeg(BS_TEST_BASELINE, 128, 0, 0));
}
END_TEST

#define TEXT(bytes)                                                                                          \
    {                                                                                                        \
        bytes, sizeof(bytes) - 1                                                                             \
    }
static const struct {
    const char *bytes;
    gsize length;
} others[] = {
    TEXT(""),
    TEXT("\xff"),
    TEXT("\xff\xd8"),
    TEXT("GIF89a\x10\0\x10\0"),
    TEXT("<svg xmlns='http://www.w3.org/2000/svg'/>"),
    TEXT("\x89PNG\r\n\x1a\n\0\0\0\rIDAT\0\0\0\x10\0\0\0\x10"),      /* another chunk first */
    TEXT("\x89PNG\r\n\x1a\n\0\0\0\x0eIHDR\0\0\0\x10\0\0\0\x10"),    /* of another length */
    TEXT("\x89PNG\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\0\0"),    /* what a text transfer makes of it */
    TEXT("\xff\xd9\xff\xc0\0\x11\x08\0\x10\0\x10\x03"),             /* begins with its end */
    TEXT("\xff\xd8\0\xff\xc0\0\x11\x08\0\x10\0\x10\x03"),           /* something between the segments */
    TEXT("\xff\xd8\xff\xc0\0\x06\x08\0\x10\0\x10\x03"),             /* a frame that is too short */
    TEXT("\xff\xd8\xff\xc0\0\x11\x08\0\x10\0"),                     /* or cut off */
    TEXT("\xff\xd8\xff\xe0\0\0\xff\xc0\0\x11\x08\0\x10\0\x10\x03"), /* segments of less than no bytes */
    TEXT("\xff\xd8\xff\xe0\0\x01\xff\xc0\0\x11\x08\0\x10\0\x10\x03"),
    TEXT("\xff\xd8\xff\xe0\xff\xff\xff\xc0\0\x11\x08\0\x10\0\x10\x03"), /* longer than all there is */
    TEXT(
        "\xff\xd8\xff\xda\0\x02\xff\xc0\0\x11\x08\0\x10\0\x10\x03\0\0\0\0\0\0"), /* a scan before the frame */
    TEXT("\xff\xd8\xff\xd0\xff\xc0\0\x11\x08\0\x10\0\x10\x03\0\0\0\0\0\0\0\0"),  /* a restart */
    TEXT("\xff\xd8\xff\xc9\0\x11\x08\0\x10\0\x10\x03\0\0\0\0\0\0\0\0\0\0\0\0"),  /* arithmetic coding */
    TEXT("\xff\xd8\xff\xca\0\x11\x08\0\x10\0\x10\x03\0\0\0\0\0\0\0\0\0\0\0\0"),
    TEXT("\xff\xd8\xff\xc3\0\x11\x08\0\x10\0\x10\x03\0\0\0\0\0\0\0\0\0\0\0\0"), /* lossless */
    TEXT("\xff\xd8\xff\xde\0\x11\x08\0\x10\0\x10\x03\0\0\0\0\0\0\0\0\0\0\0\0"), /* hierarchical */
    TEXT("\xff\xd8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
};

START_TEST(refuses_what_is_none)
{
    BsPicture picture;

    ck_assert(!read_exactly((const guint8 *)others[_i].bytes, others[_i].length, &picture));
}
END_TEST

/* The frame, or the PNG's chunk, must be there up to its sides. */
START_TEST(refuses_what_is_cut_off)
{
    g_autoptr(GByteArray) png = bs_test_png(16, 16, 0);
    g_autoptr(GByteArray) jpeg = bs_test_jpeg(BS_TEST_BASELINE, 16, 16, 0);
    BsPicture picture;

    for (gsize length = 0; length < png->len; length++)
        ck_assert(!read_exactly(png->data, length, &picture));
    for (gsize length = 0; length < jpeg->len; length++)
        ck_assert(!read_exactly(jpeg->data, length, &picture));
    ck_assert(read_exactly(jpeg->data, jpeg->len, &picture));
}
END_TEST

/* Whatever is changed: it is read or refused, within its bounds. */
START_TEST(survives_anything)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(264);
    g_autoptr(GByteArray) jpeg = bs_test_jpeg(BS_TEST_BASELINE, 16, 16, 0);

    for (guint round = 0; round < 20000; round++) {
        g_autofree guint8 *bytes = g_malloc(jpeg->len);
        gsize length = (gsize)g_rand_int_range(random, 0, (gint32)jpeg->len + 1);
        BsPicture picture;

        memcpy(bytes, jpeg->data, jpeg->len);
        for (guint i = 0; i < 3; i++)
            bytes[g_rand_int_range(random, 2, (gint32)jpeg->len)] = (guint8)g_rand_int(random);
        if (read_exactly(bytes, length, &picture))
            ck_assert(picture.width > 0 && picture.height > 0);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("picture");
    TCase *tcase = tcase_create("picture");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, reads_headers);
    tcase_add_test(tcase, names_the_type);
    tcase_add_test(tcase, refuses_pictures_without_pixels);
    tcase_add_loop_test(tcase, refuses_what_is_none, 0, G_N_ELEMENTS(others));
    tcase_add_test(tcase, refuses_what_is_cut_off);
    tcase_add_test(tcase, survives_anything);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
