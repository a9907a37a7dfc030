/* Hashes of a file's bytes (XEP-0300), by libgcrypt.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_DIGEST_H
#define BS_DIGEST_H

#include <glib.h>

/* Strongest last. The first two can be forged. Of the others, which all stand, those with the longer value
 * are the harder ones to find two files for; among those of the same length the one comes later that a
 * processor without instructions for it computes faster, so that nobody waits for strength that is not there.
 */
typedef enum {
    BS_HASH_MD5,
    BS_HASH_SHA1,
    BS_HASH_SHA256,
    BS_HASH_SHA3_256,
    BS_HASH_BLAKE2B_256,
    BS_HASH_SHA3_512,
    BS_HASH_SHA512,
    BS_HASH_BLAKE2B_512,
    BS_HASH_COUNT,
} BsHash;

/* The largest digest, in bytes. */
#define BS_DIGEST_MAX 64

/* The registered text name ("sha-256"), and back: FALSE for a name that is not known. */
const char *bs_hash_name(BsHash hash);
gboolean bs_hash_from_name(const char *name, BsHash *hash);

/* The feature with which a client announces it (XEP-0300, 6). */
const char *bs_hash_feature(BsHash hash);

/* The strongest of `hashes`, a bit set (see bs_digest_new()) that is not empty. */
BsHash bs_hash_strongest(guint hashes);

/* What is computed of a file for a peer that announces the bit set `known`: the strongest that both sides
 * know (XEP-0234, 12). SHA-256 if there is none but what can be forged, or nothing is known of the peer. */
BsHash bs_hash_for_peer(guint known);

/* The digest's length in bytes. */
gsize bs_hash_length(BsHash hash);

/* Reads a digest of `hash` from `text`: base64 without white space (XEP-0300, 3), or, as older clients write
 * it, hexadecimal. Tells them apart by length. Writes bs_hash_length() bytes into `value`. FALSE if it is
 * neither. */
gboolean bs_hash_parse(BsHash hash, const char *text, guint8 value[BS_DIGEST_MAX]);

/* The digest in base64, newly allocated. */
char *bs_hash_format(BsHash hash, const guint8 *value);

/* SHA-1 of `text` as 40 lower-case hexadecimal digits, newly allocated (DST.ADDR: XEP-0065, 5.3.2). */
char *bs_digest_sha1_hex(const char *text);

/* A running digest over several algorithms at once. */
typedef struct _BsDigest BsDigest;

/* `hashes` is a bit set: 1u << BS_HASH_SHA256 | ... It may be 0. */
BsDigest *bs_digest_new(guint hashes);
void bs_digest_free(BsDigest *digest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BsDigest, bs_digest_free)

/* One more that goes on from the same bytes; `digest` must not have ended. */
BsDigest *bs_digest_copy(const BsDigest *digest);

void bs_digest_update(BsDigest *digest, const guint8 *bytes, gsize length);

/* The strongest of those that were asked for. FALSE if there are none. */
gboolean bs_digest_strongest(const BsDigest *digest, BsHash *hash);

/* The value over all bytes so far; the digest ends with the first call and takes no more bytes. FALSE if
 * `hash` was not among those asked for. */
gboolean bs_digest_value(BsDigest *digest, BsHash hash, guint8 value[BS_DIGEST_MAX]);

/* Makes libgcrypt ready, unless someone else in the process did. Everything above that hashes calls it
 * itself; others that use libgcrypt call it first. May be called again, from any thread. */
void bs_digest_init(void);

#endif
