/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/digest.h"

#include <gcrypt.h>
#include <string.h>

typedef struct {
    const char *name;
    const char *feature;
    int algorithm;
    gsize length;
} HashInfo;

#define FEATURE "urn:xmpp:hash-function-text-names:"

static const HashInfo infos[BS_HASH_COUNT] = {
    [BS_HASH_MD5] = {"md5", FEATURE "md5", GCRY_MD_MD5, 16},
    [BS_HASH_SHA1] = {"sha-1", FEATURE "sha-1", GCRY_MD_SHA1, 20},
    [BS_HASH_SHA256] = {"sha-256", FEATURE "sha-256", GCRY_MD_SHA256, 32},
    [BS_HASH_SHA3_256] = {"sha3-256", FEATURE "sha3-256", GCRY_MD_SHA3_256, 32},
    [BS_HASH_BLAKE2B_256] = {"blake2b-256", FEATURE "id-blake2b256", GCRY_MD_BLAKE2B_256, 32},
    [BS_HASH_SHA3_512] = {"sha3-512", FEATURE "sha3-512", GCRY_MD_SHA3_512, 64},
    [BS_HASH_SHA512] = {"sha-512", FEATURE "sha-512", GCRY_MD_SHA512, 64},
    [BS_HASH_BLAKE2B_512] = {"blake2b-512", FEATURE "id-blake2b512", GCRY_MD_BLAKE2B_512, 64},
};

#define FORGEABLE (1u << BS_HASH_MD5 | 1u << BS_HASH_SHA1)

struct _BsDigest {
    gcry_md_hd_t handle;
    gboolean ended;
};

const char *
bs_hash_name(BsHash hash)
{
    g_return_val_if_fail((guint)hash < BS_HASH_COUNT, NULL);

    return infos[hash].name;
}

gboolean
bs_hash_from_name(const char *name, BsHash *hash)
{
    if (name == NULL)
        return FALSE;
    for (guint i = 0; i < BS_HASH_COUNT; i++) {
        if (g_ascii_strcasecmp(name, infos[i].name) == 0) {
            *hash = i;
            return TRUE;
        }
    }
    return FALSE;
}

const char *
bs_hash_feature(BsHash hash)
{
    g_return_val_if_fail((guint)hash < BS_HASH_COUNT, NULL);

    return infos[hash].feature;
}

BsHash
bs_hash_strongest(guint hashes)
{
    guint hash = BS_HASH_COUNT - 1;

    g_return_val_if_fail(hashes != 0, BS_HASH_SHA256);

    while (hash > 0 && !(hashes & 1u << hash))
        hash--;
    return (BsHash)hash;
}

BsHash
bs_hash_for_peer(guint known)
{
    known &= ~FORGEABLE;
    return known != 0 ? bs_hash_strongest(known) : BS_HASH_SHA256;
}

gsize
bs_hash_length(BsHash hash)
{
    g_return_val_if_fail((guint)hash < BS_HASH_COUNT, 0);

    return infos[hash].length;
}

static gboolean
parse_hex(const char *text, gsize length, guint8 *value)
{
    guint8 bytes[BS_DIGEST_MAX];

    for (gsize i = 0; i < length; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]);
        int low = g_ascii_xdigit_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return FALSE;
        bytes[i] = (guint8)(high << 4 | low);
    }
    memcpy(value, bytes, length);
    return TRUE;
}

/* GLib's decoder skips what it does not know, so only a text that encodes back to itself is taken. */
static gboolean
parse_base64(const char *text, gsize length, guint8 *value)
{
    gsize size = 0;
    g_autofree guchar *bytes = g_base64_decode(text, &size);
    g_autofree char *again = NULL;

    if (bytes == NULL || size != length)
        return FALSE;
    again = g_base64_encode(bytes, size);
    if (strcmp(text, again) != 0)
        return FALSE;
    memcpy(value, bytes, length);
    return TRUE;
}

gboolean
bs_hash_parse(BsHash hash, const char *text, guint8 value[BS_DIGEST_MAX])
{
    gsize length = bs_hash_length(hash);
    gsize text_length;

    if (text == NULL || length == 0)
        return FALSE;
    text_length = strlen(text);
    if (text_length == 2 * length)
        return parse_hex(text, length, value);
    if (text_length == (length + 2) / 3 * 4)
        return parse_base64(text, length, value);
    return FALSE;
}

char *
bs_hash_format(BsHash hash, const guint8 *value)
{
    return g_base64_encode(value, bs_hash_length(hash));
}

char *
bs_digest_sha1_hex(const char *text)
{
    guint8 value[20];
    char *hex = g_malloc(2 * sizeof value + 1);

    bs_digest_init();
    gcry_md_hash_buffer(GCRY_MD_SHA1, value, text, strlen(text));
    for (gsize i = 0; i < sizeof value; i++)
        g_snprintf(hex + 2 * i, 3, "%02x", value[i]);
    return hex;
}

BsDigest *
bs_digest_new(guint hashes)
{
    BsDigest *digest = g_new0(BsDigest, 1);

    bs_digest_init();
    if (gcry_md_open(&digest->handle, 0, 0) != 0)
        g_error("libgcrypt has no memory for a digest");
    for (guint i = 0; i < BS_HASH_COUNT; i++) {
        /* An algorithm that this libgcrypt lacks or forbids (MD5 in FIPS mode) then simply has no value. */
        if (hashes & 1u << i)
            (void)gcry_md_enable(digest->handle, infos[i].algorithm);
    }
    return digest;
}

void
bs_digest_free(BsDigest *digest)
{
    if (digest == NULL)
        return;
    gcry_md_close(digest->handle);
    g_free(digest);
}

BsDigest *
bs_digest_copy(const BsDigest *digest)
{
    BsDigest *copy = g_new0(BsDigest, 1);

    g_return_val_if_fail(!digest->ended, NULL);
    if (gcry_md_copy(&copy->handle, digest->handle) != 0)
        g_error("libgcrypt has no memory for a digest");
    return copy;
}

gboolean
bs_digest_strongest(const BsDigest *digest, BsHash *hash)
{
    for (guint i = BS_HASH_COUNT; i-- > 0;) {
        if (!gcry_md_is_enabled(digest->handle, infos[i].algorithm))
            continue;
        *hash = (BsHash)i;
        return TRUE;
    }
    return FALSE;
}

void
bs_digest_update(BsDigest *digest, const guint8 *bytes, gsize length)
{
    g_return_if_fail(!digest->ended);

    if (length > 0)
        gcry_md_write(digest->handle, bytes, length);
}

gboolean
bs_digest_value(BsDigest *digest, BsHash hash, guint8 value[BS_DIGEST_MAX])
{
    const guchar *bytes;

    g_return_val_if_fail((guint)hash < BS_HASH_COUNT, FALSE);

    digest->ended = TRUE;
    if (!gcry_md_is_enabled(digest->handle, infos[hash].algorithm))
        return FALSE;
    bytes = gcry_md_read(digest->handle, infos[hash].algorithm);
    if (bytes == NULL)
        return FALSE;
    memcpy(value, bytes, infos[hash].length);
    return TRUE;
}

void
bs_digest_init(void)
{
    static gsize initialised;

    if (!g_once_init_enter(&initialised))
        return;
    if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
        gcry_check_version(NULL);
        gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    }
    g_once_init_leave(&initialised, 1);
}
