/* Jingle file transfer's elements (XEP-0234, namespaces 3, 4 and 5), to and from a BsFileOffer.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_JINGLE_FILE_H
#define BS_JINGLE_FILE_H

#include <xmlnode.h>

#include "transfer/file_offer.h"

/* The version of the specification that a session speaks: the last part of its namespace. */
typedef enum {
    BS_JINGLE_FILE_3,
    BS_JINGLE_FILE_4,
    BS_JINGLE_FILE_5,
} BsJingleFileVersion;

#define BS_NS_FILE_ERRORS "urn:xmpp:jingle:apps:file-transfer:errors:0"

/* The namespace, and back: FALSE for one that is none of these. */
const char *bs_jingle_file_xmlns(BsJingleFileVersion version);
gboolean bs_jingle_file_version(const char *xmlns, BsJingleFileVersion *version);

/* What a session-info told about the file. */
typedef enum {
    BS_FILE_INFO_UNKNOWN,
    BS_FILE_INFO_CHECKSUM, /* XEP-0234, 8.2 */
    BS_FILE_INFO_RECEIVED, /* XEP-0234, 8.1 */
} BsFileInfo;

/* The <description/> of an offer (XEP-0234, 5), the caller's. */
xmlnode *bs_jingle_file_build(BsJingleFileVersion version, const BsFileOffer *offer);

/* Reads a <description/>. NULL if it is malformed: no file, a size that is no number, a promised hash without
 * a name.
 * `*request` (may be NULL) becomes TRUE if its form alone says that a file is asked for, not offered
 * (namespace 3). */
BsFileOffer *bs_jingle_file_parse(const xmlnode *description, BsJingleFileVersion *version,
                                  gboolean *request);

/* A <checksum/> with all hashes whose value `offer` knows, for a content of that name; the caller's. */
xmlnode *bs_jingle_file_build_checksum(BsJingleFileVersion version, const BsFileOffer *offer,
                                       const char *creator, const char *content);

/* A <received/> for a content of that name; the caller's. */
xmlnode *bs_jingle_file_build_received(BsJingleFileVersion version, const BsFileOffer *offer,
                                       const char *creator, const char *content);

/* What the payload of a session-info is. */
BsFileInfo bs_jingle_file_info(const xmlnode *payload);

/* Adds the hashes of a <checksum/> to `offer`. FALSE if it has none that is well formed and known. */
gboolean bs_jingle_file_take_checksum(const xmlnode *checksum, BsFileOffer *offer);

#endif
