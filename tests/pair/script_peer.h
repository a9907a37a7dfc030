/* What the scripted clients have in common, as side b of a pair: stanzas that they wait for, one connection,
 * and an in-band stream (XEP-0047). Each wait ends the test if nothing comes.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_SCRIPT_PEER_H
#define BS_TEST_SCRIPT_PEER_H

#include "pair.h"

/* A client in the course of one transfer. */
typedef struct {
    const char *client; /* its name */
    Pair *pair;
    GHashTable *taken; /* of the inbox: xmlnode */
    char *sid;         /* the stream's */
    char *asked;       /* the id of its latest request */
    guint block;       /* bytes in its in-band blocks ... */
    guint window;      /* ... and how many it sends before an answer has come */
    gboolean answers_close;
    guint seq;     /* of the next block */
    int listening; /* -1: not; otherwise at ... */
    char *address;
    guint16 port;
    int fd; /* the connection, -1: none yet */
} ScriptPeer;

/* `client` is borrowed. */
void script_peer_init(ScriptPeer *peer, Pair *pair, const char *client);
void script_peer_clear(ScriptPeer *peer);

/* `template` with each {word} replaced: word, text, word, text ..., NULL. The caller's. */
char *script_fill(const char *template, ...) G_GNUC_NULL_TERMINATED;

/* The first stanza in the inbox that was not taken yet, of this type and, unless that is NULL, with a child
 * of that name (or path of names); after waiting for it. The inbox owns it. */
const xmlnode *script_take(ScriptPeer *peer, const char *type, const char *element);

/* The same of a request with this Jingle action. */
const xmlnode *script_take_jingle(ScriptPeer *peer, const char *action);

/* How many requests have come that were not taken. */
guint script_not_taken(const ScriptPeer *peer);

/* Sends a request, and an answer to one. */
void script_ask(ScriptPeer *peer, const char *payload);
void script_answer(ScriptPeer *peer, const xmlnode *request, const char *type, const char *payload);

/* The answer to its latest request, result or error. */
const xmlnode *script_take_answer(ScriptPeer *peer);

/* A socket at `peer->address`, which a peer elsewhere could have; it listens, or never will. The caller's. */
int script_bind(ScriptPeer *peer, gboolean listens, guint16 *port);

/* Waits until somebody has connected. */
void script_accept(ScriptPeer *peer);

/* `length` bytes of the test file from `offset` on, over the connection. */
void script_send_file(ScriptPeer *peer, guint64 offset, guint64 length);
void script_receive_file(ScriptPeer *peer, guint64 offset, guint64 length);

/* Waits until the other side has ended the connection. */
void script_wait_for_end(ScriptPeer *peer);

/* The in-band stream, as its sender: opens it with this element ({sid}, {block}), sends `length` bytes from
 * `offset` on, closes it; and as the receiver of ours. */
void script_open(ScriptPeer *peer, const char *open);
void script_send_blocks(ScriptPeer *peer, guint64 offset, guint64 length);
void script_close(ScriptPeer *peer);
void script_take_open(ScriptPeer *peer);
void script_take_blocks(ScriptPeer *peer, guint64 offset, guint64 length);
void script_take_close(ScriptPeer *peer);

#endif
