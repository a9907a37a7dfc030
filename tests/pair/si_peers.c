/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "si_peers.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "purple_env.h"
#include "script_bytes.h"
#include "socks5/candidate.h"
#include "socks5/local_addresses.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transfer/stream_initiation.h"
#include "transport/ibb_xml.h"

#define S5B "http://jabber.org/protocol/bytestreams"
#define FORM "jabber:x:data"
/* Longer than anything takes, in turns of the event loop of a millisecond or more. */
#define PATIENCE 8000

static const struct {
    const char *label;
    const char *name;
} methods_known[] = {
    [BS_SI_BYTESTREAMS] = {"s5b", S5B},
    [BS_SI_IN_BAND] = {"ibb", BS_NS_IBB},
};

/* `template` with each {word} replaced: word, text, word, text ..., NULL. */
static char *
fill(const char *template, ...)
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

SiPeer *
si_peer_new(Pair *pair, const SiClient *client)
{
    SiPeer *peer = g_new0(SiPeer, 1);

    peer->client = client;
    peer->pair = pair;
    peer->taken = g_hash_table_new(NULL, NULL);
    peer->listening = -1;
    peer->fd = -1;
    return peer;
}

void
si_peer_free(SiPeer *peer)
{
    g_hash_table_unref(peer->taken);
    g_free(peer->sid);
    g_free(peer->address);
    if (peer->listening >= 0)
        close(peer->listening);
    if (peer->fd >= 0)
        close(peer->fd);
    g_free(peer);
}

/* Stanzas. */

static gboolean
is_of_kind(const xmlnode *stanza, const char *type, const char *element)
{
    return g_strcmp0(bs_jingle_attrib(stanza, "type"), type) == 0 &&
           (element == NULL || xmlnode_get_child(stanza, element) != NULL);
}

static const xmlnode *
find(SiPeer *peer, const char *type, const char *element)
{
    GPtrArray *inbox = peer->pair->b.inbox;

    for (guint i = 0; i < inbox->len; i++)
        if (!g_hash_table_contains(peer->taken, inbox->pdata[i]) &&
            is_of_kind(inbox->pdata[i], type, element))
            return inbox->pdata[i];
    return NULL;
}

const xmlnode *
si_peer_take(SiPeer *peer, const char *type, const char *element)
{
    const xmlnode *stanza = find(peer, type, element);

    for (guint i = 0; stanza == NULL && i < PATIENCE; i++) {
        bs_test_run_for(1);
        stanza = find(peer, type, element);
    }
    ck_assert_msg(stanza != NULL, "%s: no %s with %s came", peer->client->name, type, element);
    g_hash_table_add(peer->taken, (gpointer)stanza);
    return stanza;
}

guint
si_peer_not_taken(const SiPeer *peer)
{
    GPtrArray *inbox = peer->pair->b.inbox;
    guint count = 0;

    for (guint i = 0; i < inbox->len; i++)
        if (!g_hash_table_contains(peer->taken, inbox->pdata[i]) && is_of_kind(inbox->pdata[i], "set", NULL))
            count++;
    return count;
}

static void
send_iq(SiPeer *peer, const char *type, const char *id, const char *payload)
{
    g_autofree char *xml = g_strdup_printf("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>", type, id,
                                           peer->pair->b.jid, peer->pair->a.jid, payload);

    script_send(peer->pair, xml);
}

void
si_peer_ask(SiPeer *peer, const char *payload)
{
    static guint count;
    g_autofree char *id = g_strdup_printf("peer%u", ++count);

    send_iq(peer, "set", id, payload);
}

void
si_peer_answer(SiPeer *peer, const xmlnode *request, const char *type, const char *payload)
{
    send_iq(peer, type, bs_jingle_attrib(request, "id"), payload);
}

/* The offer, and its answer. */

static char *
own_md5(const SiPeer *peer)
{
    GString *text = g_string_new(NULL);
    g_autoptr(BsDigest) digest = bs_digest_new(1u << BS_HASH_MD5);
    guint8 value[BS_DIGEST_MAX];

    for (guint64 i = 0; !peer->empty && i < SI_FILE_LENGTH; i++) {
        guint8 byte = pair_byte(i);

        bs_digest_update(digest, &byte, 1);
    }
    ck_assert(bs_digest_value(digest, BS_HASH_MD5, value));
    for (guint i = 0; i < 16; i++)
        g_string_append_printf(text, "%02x", peer->lies ? value[i] ^ 1u : value[i]);
    return g_string_free(text, FALSE);
}

/* The method that comes `number`th in the client's order. */
static BsSiMethod
method_in_order(const SiClient *client, guint number)
{
    return client->in_band_first == (number == 0) ? BS_SI_IN_BAND : BS_SI_BYTESTREAMS;
}

static char *
own_options(const SiPeer *peer, guint methods)
{
    GString *options = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(methods_known); i++) {
        BsSiMethod method = method_in_order(peer->client, i);
        g_autofree char *option = fill(peer->client->option, "label", methods_known[method].label, "method",
                                       methods_known[method].name, NULL);

        if (methods & 1u << method)
            g_string_append(options, option);
    }
    return g_string_free(options, FALSE);
}

void
si_peer_offer(SiPeer *peer, guint methods)
{
    g_autofree char *options = own_options(peer, methods);
    g_autofree char *hash = own_md5(peer);
    const char *size = peer->empty ? peer->client->empty_size : " size='20000'";
    g_autofree char *offer = NULL;

    peer->offers = TRUE;
    peer->sid = g_strdup("the_stream");
    offer = fill(peer->client->offer, "sid", peer->sid, "size", size, "hash", hash, "options", options, NULL);
    si_peer_ask(peer, offer);
}

/* The form's only field: libpurple would take the first value of each, Psi of the first, QXmpp of the last.
 */
static const xmlnode *
only_field(const xmlnode *stanza, const char *form_type)
{
    const xmlnode *si = bs_xml_child(stanza, "si", BS_NS_SI);
    const xmlnode *feature = bs_xml_child(si, "feature", "http://jabber.org/protocol/feature-neg");
    const xmlnode *form = bs_xml_first_element(feature);
    const xmlnode *field = bs_xml_first_element(form);

    ck_assert(bs_xml_is(form, "x", FORM));
    ck_assert_str_eq(bs_jingle_attrib(form, "type"), form_type);
    ck_assert(bs_xml_is(field, "field", FORM));
    ck_assert_str_eq(bs_jingle_attrib(field, "var"), "stream-method");
    ck_assert_ptr_null(bs_xml_next_element(field));
    return field;
}

static guint
method_named(const xmlnode *value)
{
    g_autofree char *name = bs_xml_text(value);

    for (guint i = 0; i < G_N_ELEMENTS(methods_known); i++)
        if (strcmp(name, methods_known[i].name) == 0)
            return i;
    ck_abort_msg("a method that is called %s", name);
    return 0;
}

guint
si_peer_take_agreement(SiPeer *peer)
{
    const xmlnode *answer = si_peer_take(peer, "result", "si");
    const xmlnode *value = bs_xml_first_element(only_field(answer, "submit"));
    const xmlnode *multiple = xmlnode_get_child(answer, "si/si-multiple");

    ck_assert(bs_xml_is(value, "value", FORM));
    ck_assert_ptr_null(bs_xml_next_element(value));
    ck_assert((multiple != NULL) == peer->client->multiple);
    if (multiple != NULL)
        ck_assert_uint_eq(method_named(bs_xml_first_element(multiple)), method_named(value));
    return method_named(value);
}

const xmlnode *
si_peer_take_offer(SiPeer *peer)
{
    const xmlnode *offer = si_peer_take(peer, "set", "si");
    const xmlnode *si = bs_xml_child(offer, "si", BS_NS_SI);
    const xmlnode *file = bs_xml_child(si, "file", BS_NS_SI_FILE);
    const xmlnode *field = only_field(offer, "form");
    const xmlnode *option = bs_xml_first_element(field);

    ck_assert_str_eq(bs_jingle_attrib(si, "profile"), BS_NS_SI_FILE);
    peer->sid = g_strdup(bs_jingle_attrib(si, "id"));
    ck_assert_str_eq(bs_jingle_attrib(file, "name"), "f");
    /* Psi wants a number there. */
    ck_assert_ptr_nonnull(bs_jingle_attrib(file, "size"));
    ck_assert_ptr_nonnull(bs_xml_child(file, "range", BS_NS_SI_FILE));
    ck_assert_str_eq(bs_jingle_attrib(field, "type"), "list-single");
    ck_assert_uint_eq(method_named(bs_xml_first_element(option)), BS_SI_BYTESTREAMS);
    option = bs_xml_next_element(option);
    ck_assert_uint_eq(method_named(bs_xml_first_element(option)), BS_SI_IN_BAND);
    return offer;
}

static char *
wanted_file(const SiPeer *peer, guint64 offset, guint64 length)
{
    g_autofree char *offset_text = g_strdup_printf("%" G_GUINT64_FORMAT, offset);
    g_autofree char *length_text = g_strdup_printf("%" G_GUINT64_FORMAT, length);

    if (offset == 0 && length == 0)
        return g_strdup(peer->client->whole != NULL ? peer->client->whole : "");
    return fill(peer->client->part, "offset", offset_text, "length", length_text, NULL);
}

void
si_peer_accept(SiPeer *peer, const xmlnode *offer, guint methods, guint64 offset, guint64 length)
{
    const char *first =
        methods_known[methods & 1u << BS_SI_BYTESTREAMS ? BS_SI_BYTESTREAMS : BS_SI_IN_BAND].name;
    g_autoptr(GString) values = g_string_new(NULL);
    g_autofree char *file = wanted_file(peer, offset, length);
    g_autofree char *answer = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(methods_known); i++)
        if (methods & 1u << i)
            g_string_append_printf(values, "<value>%s</value>", methods_known[i].name);
    answer = fill(peer->client->answer, "method", first, "methods", values->str, "file", file, NULL);
    si_peer_answer(peer, offer, "result", answer);
}

/* SOCKS5. */

/* A socket at an address of this machine that a peer elsewhere could have; it listens, or never will. */
static int
bind_somewhere(SiPeer *peer, gboolean listens, guint16 *port)
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

static void
append_host(const SiPeer *peer, GString *hosts, guint16 port)
{
    g_string_append_printf(hosts, "<streamhost jid='%s' host='%s' port='%u'/>", peer->pair->b.jid,
                           peer->address, port);
}

void
si_peer_tell_hosts(SiPeer *peer, SiHosts hosts)
{
    const char *fast = peer->offers ? "<fast xmlns='http://affinix.com/jabber/stream'/>" : "";
    g_autoptr(GString) told = g_string_new(NULL);
    g_autofree char *query = NULL;

    if (hosts != SI_HOST_LIVE) {
        guint16 dead_port;

        close(bind_somewhere(peer, FALSE, &dead_port));
        append_host(peer, told, dead_port);
    }
    if (hosts != SI_HOST_DEAD) {
        peer->listening = bind_somewhere(peer, TRUE, &peer->port);
        append_host(peer, told, peer->port);
    }
    query = fill(peer->client->query, "sid", peer->sid, "hosts", told->str, "fast", fast, NULL);
    si_peer_ask(peer, query);
}

void
si_peer_accept_connection(SiPeer *peer)
{
    for (guint i = 0; peer->fd < 0 && i < PATIENCE; i++) {
        peer->fd = accept4(peer->listening, NULL, NULL, SOCK_CLOEXEC);
        bs_test_run_for(1);
    }
    ck_assert_msg(peer->fd >= 0, "%s: nobody connected", peer->client->name);
}

void
si_peer_hear_request(SiPeer *peer)
{
    g_autofree char *dst_addr = bs_dst_addr(peer->sid, peer->pair->b.jid, peer->pair->a.jid);
    guint8 request[5 + 40 + 2];

    si_peer_accept_connection(peer);
    script_receive_bytes(peer->fd, request, 3);
    ck_assert_mem_eq(request, "\x05\x01\x00", 3);
    script_send_bytes(peer->fd, "\x05\x00", 2);
    script_receive_bytes(peer->fd, request, sizeof request);
    ck_assert_mem_eq(request, "\x05\x01\x00\x03\x28", 5);
    ck_assert_mem_eq(request + 5, dst_addr, 40);
    ck_assert_mem_eq(request + 45, "\0\0", 2);
}

void
si_peer_grant_request(SiPeer *peer)
{
    g_autofree char *dst_addr = bs_dst_addr(peer->sid, peer->pair->b.jid, peer->pair->a.jid);
    const char *bound = peer->client->bound != NULL ? peer->client->bound : dst_addr;
    guint8 reply[5 + 40 + 2] = {5, 0, 0, 3, (guint8)strlen(bound)};

    memcpy(reply + 5, bound, strlen(bound));
    script_send_bytes(peer->fd, reply, 5 + strlen(bound) + 2);
}

void
si_peer_let_in(SiPeer *peer)
{
    si_peer_hear_request(peer);
    si_peer_grant_request(peer);
}

static void
answer_used(SiPeer *peer, const xmlnode *request, const char *jid)
{
    g_autofree char *used = fill(peer->client->used, "sid", peer->sid, "jid", jid, NULL);

    si_peer_answer(peer, request, "result", used);
}

void
si_peer_dial(SiPeer *peer, const xmlnode *request)
{
    g_autofree char *dst_addr = bs_dst_addr(peer->sid, peer->pair->a.jid, peer->pair->b.jid);
    const xmlnode *query = bs_xml_child(request, "query", S5B);
    xmlnode *host = xmlnode_get_child(query, "streamhost");

    ck_assert_str_eq(bs_jingle_attrib(query, "sid"), peer->sid);
    ck_assert_ptr_nonnull(host);
    ck_assert_str_eq(bs_jingle_attrib(host, "jid"), peer->pair->a.jid);
    ck_assert_uint_eq(script_dial(dst_addr, &peer->fd), 0);
    answer_used(peer, request, bs_jingle_attrib(host, "jid"));
}

void
si_peer_say_no_way(SiPeer *peer, const xmlnode *request)
{
    si_peer_answer(peer, request, peer->client->no_way_type, peer->client->no_way);
}

void
si_check_used(const xmlnode *stanza, const char *jid)
{
    const xmlnode *query = bs_xml_child(stanza, "query", S5B);
    const xmlnode *used = bs_xml_child(query, "streamhost-used", S5B);

    ck_assert_ptr_nonnull(used);
    ck_assert_str_eq(bs_jingle_attrib(used, "jid"), jid);
}

void
si_peer_send_bytes(SiPeer *peer, guint64 offset, guint64 length)
{
    g_autofree guint8 *bytes = g_malloc(length);

    for (guint64 i = 0; i < length; i++)
        bytes[i] = pair_byte(offset + i);
    script_send_bytes(peer->fd, bytes, length);
}

void
si_peer_receive_bytes(SiPeer *peer, guint64 offset, guint64 length)
{
    g_autofree guint8 *bytes = g_malloc(length);

    script_receive_bytes(peer->fd, bytes, length);
    for (guint64 i = 0; i < length; i++)
        ck_assert_uint_eq(bytes[i], pair_byte(offset + i));
}

void
si_peer_wait_for_end(SiPeer *peer)
{
    guint8 byte;
    ssize_t got = 1;

    for (guint i = 0; i < PATIENCE; i++) {
        got = recv(peer->fd, &byte, 1, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            return;
        ck_assert_msg(got < 0, "%s: more bytes came than were asked for", peer->client->name);
        bs_test_run_for(1);
    }
    ck_abort_msg("%s: the connection was not ended", peer->client->name);
}

/* In-band. */

void
si_peer_open(SiPeer *peer)
{
    g_autofree char *open = fill(peer->client->open, "sid", peer->sid, NULL);

    si_peer_ask(peer, open);
    si_peer_take(peer, "result", NULL);
}

static void
send_block(SiPeer *peer, guint64 offset, guint64 length)
{
    g_autofree guint8 *bytes = g_malloc(length);
    g_autofree char *text = NULL;
    g_autofree char *data = NULL;

    for (guint64 i = 0; i < length; i++)
        bytes[i] = pair_byte(offset + i);
    text = g_base64_encode(bytes, length);
    data = g_strdup_printf("<data xmlns='" BS_NS_IBB "' sid='%s' seq='%u'>%s</data>", peer->sid, peer->seq++,
                           text);
    si_peer_ask(peer, data);
}

void
si_peer_send_blocks(SiPeer *peer, guint64 offset, guint64 length)
{
    guint unanswered = 0;

    for (guint64 done = 0; done < length; done += peer->client->block) {
        if (unanswered == peer->client->window) {
            si_peer_take(peer, "result", NULL);
            unanswered--;
        }
        send_block(peer, offset + done, MIN(peer->client->block, length - done));
        unanswered++;
    }
    for (; unanswered > 0; unanswered--)
        si_peer_take(peer, "result", NULL);
}

void
si_peer_close(SiPeer *peer)
{
    g_autofree char *close_element = g_strdup_printf("<close xmlns='" BS_NS_IBB "' sid='%s'/>", peer->sid);

    si_peer_ask(peer, close_element);
}

void
si_peer_take_open(SiPeer *peer)
{
    const xmlnode *request = si_peer_take(peer, "set", "open");

    ck_assert_str_eq(bs_jingle_attrib(bs_xml_child(request, "open", BS_NS_IBB), "sid"), peer->sid);
    si_peer_answer(peer, request, "result", "");
}

void
si_peer_take_blocks(SiPeer *peer, guint64 offset, guint64 length)
{
    guint64 done = 0;

    while (done < length) {
        const xmlnode *request = si_peer_take(peer, "set", "data");
        g_autofree char *seq = g_strdup_printf("%u", peer->seq++);
        g_autofree char *text = bs_xml_text(bs_xml_child(request, "data", BS_NS_IBB));
        gsize size;
        g_autofree guint8 *bytes = g_base64_decode(text, &size);

        ck_assert_str_eq(bs_jingle_attrib(bs_xml_child(request, "data", BS_NS_IBB), "seq"), seq);
        ck_assert_uint_le(size, 4096);
        for (gsize i = 0; i < size; i++)
            ck_assert_uint_eq(bytes[i], pair_byte(offset + done + i));
        done += size;
        si_peer_answer(peer, request, "result", "");
    }
    ck_assert_uint_eq(done, length);
}

void
si_peer_take_close(SiPeer *peer)
{
    const xmlnode *request = si_peer_take(peer, "set", "close");

    if (peer->client->answers_close)
        si_peer_answer(peer, request, "result", "");
}
