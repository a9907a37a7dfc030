/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "script_peer.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "purple_env.h"
#include "script_bytes.h"
#include "socks5/local_addresses.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/ibb_xml.h"

/* Longer than anything takes, in turns of the event loop of a millisecond or more. */
#define PATIENCE 8000

/* `template` with each {word} replaced: word, text, word, text ..., NULL. */
char *
script_fill(const char *template, ...)
{
    char *text = g_strdup(template);
    va_list pairs;
    const char *word;

    va_start(pairs, template);
    while ((word = va_arg(pairs, const char *)) != NULL) {
        g_autofree char *mark = g_strdup_printf("{%s}", word);
        g_auto(GStrv) parts = g_strsplit(text, mark, -1);

        g_free(text);
        text = g_strjoinv(va_arg(pairs, const char *), parts);
    }
    va_end(pairs);
    return text;
}

void
script_peer_init(ScriptPeer *peer, Pair *pair, const char *client)
{
    peer->client = client;
    peer->pair = pair;
    peer->taken = g_hash_table_new(NULL, NULL);
    peer->block = 4096;
    peer->window = 1;
    peer->listening = -1;
    peer->fd = -1;
}

void
script_peer_clear(ScriptPeer *peer)
{
    g_hash_table_unref(peer->taken);
    g_free(peer->sid);
    g_free(peer->asked);
    g_free(peer->address);
    if (peer->listening >= 0)
        close(peer->listening);
    if (peer->fd >= 0)
        close(peer->fd);
}

/* Stanzas. */

static gboolean
is_of_kind(const xmlnode *stanza, const char *type, const char *element)
{
    return g_strcmp0(bs_jingle_attrib(stanza, "type"), type) == 0 &&
           (element == NULL || xmlnode_get_child(stanza, element) != NULL);
}

typedef gboolean (*Matches)(const xmlnode *stanza, const char *type, const char *name);

static gboolean
is_jingle(const xmlnode *stanza, const char *type, const char *action)
{
    return is_of_kind(stanza, type, "jingle") &&
           g_strcmp0(bs_jingle_attrib(bs_jingle_element(stanza), "action"), action) == 0;
}

static const xmlnode *
find(ScriptPeer *peer, Matches matches, const char *type, const char *name)
{
    GPtrArray *inbox = peer->pair->b.inbox;

    for (guint i = 0; i < inbox->len; i++)
        if (!g_hash_table_contains(peer->taken, inbox->pdata[i]) && matches(inbox->pdata[i], type, name))
            return inbox->pdata[i];
    return NULL;
}

static const xmlnode *
take(ScriptPeer *peer, Matches matches, const char *type, const char *name)
{
    const xmlnode *stanza = find(peer, matches, type, name);

    for (guint i = 0; stanza == NULL && i < PATIENCE; i++) {
        bs_test_run_for(1);
        stanza = find(peer, matches, type, name);
    }
    ck_assert_msg(stanza != NULL, "%s: no %s with %s came", peer->client, type, name);
    g_hash_table_add(peer->taken, (gpointer)stanza);
    return stanza;
}

const xmlnode *
script_take(ScriptPeer *peer, const char *type, const char *element)
{
    return take(peer, is_of_kind, type, element);
}

const xmlnode *
script_take_jingle(ScriptPeer *peer, const char *action)
{
    return take(peer, is_jingle, "set", action);
}

guint
script_not_taken(const ScriptPeer *peer)
{
    GPtrArray *inbox = peer->pair->b.inbox;
    guint count = 0;

    for (guint i = 0; i < inbox->len; i++)
        if (!g_hash_table_contains(peer->taken, inbox->pdata[i]) && is_of_kind(inbox->pdata[i], "set", NULL))
            count++;
    return count;
}

static void
send_iq(ScriptPeer *peer, const char *type, const char *id, const char *payload)
{
    g_autofree char *xml = g_strdup_printf("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>", type, id,
                                           peer->pair->b.jid, peer->pair->a.jid, payload);

    script_send(peer->pair, xml);
}

void
script_ask(ScriptPeer *peer, const char *payload)
{
    static guint count;

    g_free(peer->asked);
    peer->asked = g_strdup_printf("peer%u", ++count);
    send_iq(peer, "set", peer->asked, payload);
}

static const xmlnode *
find_answer(const ScriptPeer *peer)
{
    GPtrArray *inbox = peer->pair->b.inbox;

    for (guint i = 0; i < inbox->len; i++)
        if (g_strcmp0(bs_jingle_attrib(inbox->pdata[i], "id"), peer->asked) == 0 &&
            !is_of_kind(inbox->pdata[i], "set", NULL))
            return inbox->pdata[i];
    return NULL;
}

const xmlnode *
script_take_answer(ScriptPeer *peer)
{
    const xmlnode *answer = find_answer(peer);

    for (guint i = 0; answer == NULL && i < PATIENCE; i++) {
        bs_test_run_for(1);
        answer = find_answer(peer);
    }
    ck_assert_msg(answer != NULL, "%s: a request was not answered", peer->client);
    g_hash_table_add(peer->taken, (gpointer)answer);
    return answer;
}

void
script_answer(ScriptPeer *peer, const xmlnode *request, const char *type, const char *payload)
{
    send_iq(peer, type, bs_jingle_attrib(request, "id"), payload);
}

/* A socket at an address of this machine that a peer elsewhere could have; it listens, or never will. */
int
script_bind(ScriptPeer *peer, gboolean listens, guint16 *port)
{
    g_autoptr(GPtrArray) addresses = bs_local_addresses();
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    gboolean ipv6 = strchr(addresses->pdata[0], ':') != NULL;
    struct sockaddr *address = ipv6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    socklen_t length = ipv6 ? sizeof six : sizeof four;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_free(peer->address);
    peer->address = g_strdup(addresses->pdata[0]);
    ck_assert_int_eq(bind(fd, address, length), 0);
    if (listens)
        ck_assert_int_eq(listen(fd, 20), 0);
    ck_assert_int_eq(getsockname(fd, address, &length), 0);
    *port = g_ntohs(ipv6 ? six.sin6_port : four.sin_port);
    return fd;
}

void
script_accept(ScriptPeer *peer)
{
    for (guint i = 0; peer->fd < 0 && i < PATIENCE; i++) {
        peer->fd = accept4(peer->listening, NULL, NULL, SOCK_CLOEXEC);
        bs_test_run_for(1);
    }
    ck_assert_msg(peer->fd >= 0, "%s: nobody connected", peer->client);
}

void
script_send_file(ScriptPeer *peer, guint64 offset, guint64 length)
{
    g_autofree guint8 *bytes = g_malloc(length);

    for (guint64 i = 0; i < length; i++)
        bytes[i] = pair_byte(offset + i);
    script_send_bytes(peer->fd, bytes, length);
}

void
script_receive_file(ScriptPeer *peer, guint64 offset, guint64 length)
{
    g_autofree guint8 *bytes = g_malloc(length);

    script_receive_bytes(peer->fd, bytes, length);
    for (guint64 i = 0; i < length; i++)
        ck_assert_uint_eq(bytes[i], pair_byte(offset + i));
}

void
script_wait_for_end(ScriptPeer *peer)
{
    guint8 byte;
    ssize_t got = 1;

    for (guint i = 0; i < PATIENCE; i++) {
        got = recv(peer->fd, &byte, 1, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return;
        ck_assert_msg(got < 0, "%s: more bytes came than were asked for", peer->client);
        bs_test_run_for(1);
    }
    ck_abort_msg("%s: the connection was not ended", peer->client);
}

/* In-band. */

void
script_open(ScriptPeer *peer, const char *open)
{
    g_autofree char *block = g_strdup_printf("%u", peer->block);
    g_autofree char *element = script_fill(open, "sid", peer->sid, "block", block, NULL);

    script_ask(peer, element);
    script_take(peer, "result", NULL);
}

static void
send_block(ScriptPeer *peer, guint64 offset, guint64 length)
{
    g_autofree guint8 *bytes = g_malloc(length);
    g_autofree char *text = NULL;
    g_autofree char *data = NULL;

    for (guint64 i = 0; i < length; i++)
        bytes[i] = pair_byte(offset + i);
    text = g_base64_encode(bytes, length);
    data = g_strdup_printf("<data xmlns='" BS_NS_IBB "' sid='%s' seq='%u'>%s</data>", peer->sid, peer->seq++,
                           text);
    script_ask(peer, data);
}

void
script_send_blocks(ScriptPeer *peer, guint64 offset, guint64 length)
{
    guint unanswered = 0;

    for (guint64 done = 0; done < length; done += peer->block) {
        if (unanswered == peer->window) {
            script_take(peer, "result", NULL);
            unanswered--;
        }
        send_block(peer, offset + done, MIN(peer->block, length - done));
        unanswered++;
    }
    for (; unanswered > 0; unanswered--)
        script_take(peer, "result", NULL);
}

void
script_close(ScriptPeer *peer)
{
    g_autofree char *close_element = g_strdup_printf("<close xmlns='" BS_NS_IBB "' sid='%s'/>", peer->sid);

    script_ask(peer, close_element);
}

void
script_take_open(ScriptPeer *peer)
{
    const xmlnode *request = script_take(peer, "set", "open");

    ck_assert_str_eq(bs_jingle_attrib(bs_xml_child(request, "open", BS_NS_IBB), "sid"), peer->sid);
    script_answer(peer, request, "result", "");
}

void
script_take_blocks(ScriptPeer *peer, guint64 offset, guint64 length)
{
    guint64 done = 0;

    while (done < length) {
        const xmlnode *request = script_take(peer, "set", "data");
        g_autofree char *seq = g_strdup_printf("%u", peer->seq++);
        g_autofree char *text = bs_xml_text(bs_xml_child(request, "data", BS_NS_IBB));
        gsize size;
        g_autofree guint8 *bytes = g_base64_decode(text, &size);

        ck_assert_str_eq(bs_jingle_attrib(bs_xml_child(request, "data", BS_NS_IBB), "seq"), seq);
        ck_assert_uint_le(size, 4096);
        for (gsize i = 0; i < size; i++)
            ck_assert_uint_eq(bytes[i], pair_byte(offset + done + i));
        done += size;
        script_answer(peer, request, "result", "");
    }
    ck_assert_uint_eq(done, length);
}

void
script_take_close(ScriptPeer *peer)
{
    const xmlnode *request = script_take(peer, "set", "close");

    if (peer->answers_close)
        script_answer(peer, request, "result", "");
}
