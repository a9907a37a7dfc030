/* The stanzas of in-band bytestreams (XEP-0047) and their <transport/> in Jingle (XEP-0261), to and from
 * typed values. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_IBB_XML_H
#define BS_IBB_XML_H

#include <glib.h>
#include <xmlnode.h>

#define BS_NS_IBB "http://jabber.org/protocol/ibb"
#define BS_NS_JINGLE_IBB "urn:xmpp:jingle:transports:ibb:1"

/* The longest stream id that is taken from a peer, in bytes. */
#define BS_IBB_SID_MAX 255

/* The largest block there can be (XEP-0047, 2.1), in bytes before base64. */
#define BS_IBB_BLOCK_MAX 65535

typedef enum {
    BS_IBB_OPEN,
    BS_IBB_DATA,
    BS_IBB_CLOSE,
} BsIbbKind;

/* The in-band element of an IQ or message, owned by that stanza, and what it is; NULL if there is none. */
const xmlnode *bs_ibb_element(const xmlnode *stanza, BsIbbKind *kind);

/* The stream id of such an element or of a <transport/>, owned by it; NULL if it is missing or too long. */
const char *bs_ibb_sid(const xmlnode *element);

/* The block-size of an <open/> or a <transport/>, 1 to BS_IBB_BLOCK_MAX; 0 if it is missing or no such
 * number. */
guint bs_ibb_block_size(const xmlnode *element);

/* The number of a <data/>, as written: peers that do not wrap it go on after 65535. FALSE if it is none. */
gboolean bs_ibb_sequence(const xmlnode *data, guint64 *sequence);

/* The bytes of a <data/>: the caller's. NULL if that is no valid base64 with its padding (XEP-0047, 6), or
 * more than `max` bytes. */
GByteArray *bs_ibb_bytes(const xmlnode *data, gsize max);

/* A <transport/>, an <open/>, a <data/>, a <close/>: the caller's. */
xmlnode *bs_ibb_build_transport(const char *sid, guint block_size);
xmlnode *bs_ibb_build_open(const char *sid, guint block_size);
xmlnode *bs_ibb_build_data(const char *sid, guint16 sequence, const guint8 *bytes, gsize length);
xmlnode *bs_ibb_build_close(const char *sid);

#endif
