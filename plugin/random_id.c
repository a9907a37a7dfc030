/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "random_id.h"

#include <gcrypt.h>
#include <glib.h>

#include "stream/digest.h"

char *
bs_random_id(void)
{
    guint8 bytes[16];
    GString *id = g_string_sized_new(2 * sizeof bytes);

    bs_digest_init();
    gcry_create_nonce(bytes, sizeof bytes);
    for (gsize i = 0; i < sizeof bytes; i++)
        g_string_append_printf(id, "%02x", bytes[i]);
    return g_string_free(id, FALSE);
}
