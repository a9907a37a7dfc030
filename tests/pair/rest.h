/* One endpoint and a scripted peer, between which a connection breaks or a program ends, and a memory of what
 * was on its way. Alice is ours; the file is the same in all tests. SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BS_TEST_REST_H
#define BS_TEST_REST_H

#include "pair.h"
#include "transfer/memory.h"
#include "transport/s5b_xml.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define BOB "bob@two.test/b"
#define LENGTH 100000
#define SOCKS(sid, inner) "<transport xmlns='" BS_NS_S5B "' sid='" sid "'>" inner "</transport>"

/* What a test works with; not its own, so that a test that fails leaves nothing that runs on. */
extern Pair *pair;
extern BsMemory *memory;
extern char *path; /* of the file that is sent, or that is to come */
extern gint64 date;
extern guint8 *bytes;
extern int fd;
extern guint ended;
extern BsEnd end;
extern guint accepted;
extern BsTransfer *resumed;

/* Of alice's transfers: they count into `accepted`, `ended` and `end`. */
extern const BsTransferEvents rest_events;

/* The fixture of all tests. What is offered to alice is accepted, to be saved at `path`; what goes on is
 * `resumed`. */
void rest_setup(void);
void rest_teardown(void);

/* The disk does not answer a worker that reads, until it is fast again; and whether one has read since. */
void set_disk(gboolean slow);
gboolean is_reading(void);

/* Bob says this in the session, and gets that answer: "result", or an error's condition. */
void check(const char *action, const char *session, const char *contents, const char *expected);

/* A file's description, with `more` in it, to be freed. */
char *description(const char *name, guint64 size, const char *more);

/* An offer, an answer or a request of bob's, around a description (taken) and a transport; to be freed. */
char *content(const char *name, const char *senders, char *file, const char *transport);
char *request(const char *name, guint64 size, const char *range);

const xmlnode *content_of(const xmlnode *stanza);

/* The offset of the range that alice writes in `stanza`, NULL for a range without one, "no range" for none.
 */
const char *range_of(const xmlnode *stanza);

/* Dials what alice describes in `stanza` and nominates it in `session`; the connection is `fd`. */
void dial(const xmlnode *stanza, const char *session, const char *name);
void break_connection(void);

/* The file's sha-256 as it is written in stanzas, to be freed. */
char *hash_of_all(void);

/* An endpoint's own JID in a room, to be freed: as everywhere else. */
char *name_in_room(PurpleAccount *account, const char *peer);

#endif
