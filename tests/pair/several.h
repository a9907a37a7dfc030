/* A scripted peer, bob, that offers alice several files in one session, "s1", as Psi does; and alice's user,
 * who answers each. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_SEVERAL_H
#define BS_TEST_SEVERAL_H

#include "pair.h"
#include "transfer/jingle_xml.h"
#include "transport/ibb_xml.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define BYTES "0123456789"
#define BYTES_BASE64 "MDEyMzQ1Njc4OQ=="
#define DIGITS_SHA256 "hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII="
#define REASON(reason) "<reason><" reason "/></reason>"
#define NAMED(name) "<content creator='initiator' name='" name "'/>"
/* The content `name` is a file of that name; its in-band stream's sid is the name, too. */
#define CONTENT_WITH(name, hash)                                                                             \
    "<content creator='initiator' name='" name "' senders='initiator'>"                                      \
    "<description xmlns='" FT5 "'><file><name>" name "</name><size>10</size>"                                \
    "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" hash "</hash></file></description>"                    \
    "<transport xmlns='" BS_NS_JINGLE_IBB "' block-size='4096' sid='" name "'/></content>"
#define CONTENT(name) CONTENT_WITH(name, DIGITS_SHA256)
#define CONTENT_WITH_STREAM(name, sid)                                                                       \
    "<content creator='initiator' name='" name "'><transport xmlns='" BS_NS_JINGLE_IBB                       \
    "' block-size='4096' sid='" sid "'/></content>"
#define CHECKSUM(name, hash)                                                                                 \
    "<checksum xmlns='" FT5 "' creator='initiator' name='" name "'><file>"                                   \
    "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" hash "</hash></file></checksum>"
/* Of nothing but zeros: the wrong one. */
#define WRONG_SHA256 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* What alice's user has been offered. */
typedef struct {
    BsSink sink;
    BsTransfer *transfer; /* NULL after its end */
    char *name;
    GByteArray *received;
    gboolean is_accepted;
    gboolean is_whole; /* it has its name */
    gboolean is_gone;  /* thrown away */
    gboolean has_ended;
    BsEndReason reason;
} SeveralFile;

typedef struct {
    Pair *pair;
    GPtrArray *files; /* SeveralFile, in the order in which they were offered */
    BsQueue *queue;   /* a test's, freed with the pair; NULL: none */
} Several;

/* Of the test that runs. */
extern Several several;

void several_set_up(void);
void several_tear_down(void);

/* What alice's user does with the file of this name, which has been offered. */
SeveralFile *several_file(const char *name);
void several_accept(const char *name);
void several_decline(const char *name);
/* Does nothing if it has ended. */
void several_cancel(const char *name);

/* Bob sends an action around `contents`, in s1 or another session, and gets the answer `expected` (see
 * script_jingle()). */
void several_tell(const char *action, const char *contents, const char *expected);
void several_tell_in(const char *sid, const char *action, const char *contents, const char *expected);

/* Bob offers the files "one" and "two"; and alice's user accepts both. */
void several_offer_two(void);
void several_accept_both(void);

/* The first request that has come to bob, of this action and (not NULL) about this content, NULL if there is
 * none; the same after waiting for it, and acknowledged. */
xmlnode *several_find(const char *action, const char *name);
xmlnode *several_expect(const char *action, const char *name);

/* How many contents a stanza has, and its reason. */
guint several_count(const xmlnode *stanza);
const char *several_reason(const xmlnode *stanza);

/* Bob opens the file's in-band stream; sends all of its bytes, and closes it. */
void several_open(const char *name);
void several_send(const char *name);

void several_wait_for_end(const char *name);
void several_check_whole(const char *name);
void several_check_none_is_left(void);

#endif
