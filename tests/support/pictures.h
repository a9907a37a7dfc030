/* Pictures for tests: as much of them as is looked at before they are decoded.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_PICTURES_H
#define BS_TEST_PICTURES_H

#include <glib.h>

/* The frame's marker in a JPEG. */
#define BS_TEST_BASELINE 0xc0
#define BS_TEST_PROGRESSIVE 0xc2

/* A PNG's beginning, and as many bytes after it that `length` is reached. The caller's. */
GByteArray *bs_test_png(guint width, guint height, guint length);

/* A JPEG up to its frame, with what a camera puts before it, and on to `length`. The caller's. */
GByteArray *bs_test_jpeg(guint8 frame, guint width, guint height, guint length);

#endif
