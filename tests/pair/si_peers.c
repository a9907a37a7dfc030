/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "si_peers.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "script_bytes.h"
#include "socks5/candidate.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transfer/stream_initiation.h"
#include "transport/ibb_xml.h"

#define S5B "http://jabber.org/protocol/bytestreams"
#define FORM "jabber:x:data"

static const struct {
    const char *label;
    const char *name;
} methods_known[] = {
    [BS_SI_BYTESTREAMS] = {"s5b", S5B},
    [BS_SI_IN_BAND] = {"ibb", BS_NS_IBB},
};

SiPeer *
si_peer_new(Pair *pair, const SiClient *client)
{
    SiPeer *peer = g_new0(SiPeer, 1);

    script_peer_init(&peer->script, pair, client->name);
    peer->script.block = client->block;
    peer->script.window = client->window;
    peer->script.answers_close = client->answers_close;
    peer->client = client;
    return peer;
}

void
si_peer_free(SiPeer *peer)
{
    script_peer_clear(&peer->script);
    g_free(peer);
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
        g_autofree char *option = script_fill(peer->client->option, "label", methods_known[method].label,
                                              "method", methods_known[method].name, NULL);

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
    g_free(peer->script.sid);
    peer->script.sid = g_strdup("the_stream");
    offer = script_fill(peer->client->offer, "sid", peer->script.sid, "size", size, "hash", hash, "options",
                        options, NULL);
    script_ask(&peer->script, offer);
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

static guint64
wanted_from(const xmlnode *answer)
{
    const char *offset = bs_jingle_attrib(xmlnode_get_child(answer, "si/file/range"), "offset");

    return offset != NULL ? g_ascii_strtoull(offset, NULL, 10) : 0;
}

guint
si_peer_take_agreement(SiPeer *peer)
{
    const xmlnode *answer = script_take(&peer->script, "result", "si");
    const xmlnode *value = bs_xml_first_element(only_field(answer, "submit"));
    const xmlnode *multiple = xmlnode_get_child(answer, "si/si-multiple");

    ck_assert(bs_xml_is(value, "value", FORM));
    ck_assert_ptr_null(bs_xml_next_element(value));
    ck_assert((multiple != NULL) == peer->client->multiple);
    if (multiple != NULL)
        ck_assert_uint_eq(method_named(bs_xml_first_element(multiple)), method_named(value));
    peer->wanted_from = wanted_from(answer);
    return method_named(value);
}

const xmlnode *
si_peer_take_offer(SiPeer *peer, guint methods)
{
    const xmlnode *offer = script_take(&peer->script, "set", "si");
    const xmlnode *si = bs_xml_child(offer, "si", BS_NS_SI);
    const xmlnode *file = bs_xml_child(si, "file", BS_NS_SI_FILE);
    const xmlnode *field = only_field(offer, "form");
    const xmlnode *option = bs_xml_first_element(field);
    const BsSiMethod in_order[] = {BS_SI_BYTESTREAMS, BS_SI_IN_BAND};

    ck_assert_str_eq(bs_jingle_attrib(si, "profile"), BS_NS_SI_FILE);
    g_free(peer->script.sid);
    peer->script.sid = g_strdup(bs_jingle_attrib(si, "id"));
    ck_assert_str_eq(bs_jingle_attrib(file, "name"), "f");
    /* Psi wants a number there. */
    ck_assert_ptr_nonnull(bs_jingle_attrib(file, "size"));
    ck_assert_ptr_nonnull(bs_xml_child(file, "range", BS_NS_SI_FILE));
    ck_assert_str_eq(bs_jingle_attrib(field, "type"), "list-single");
    for (guint i = 0; i < G_N_ELEMENTS(in_order); i++) {
        if (!(methods & 1u << in_order[i]))
            continue;
        ck_assert_uint_eq(method_named(bs_xml_first_element(option)), in_order[i]);
        option = bs_xml_next_element(option);
    }
    ck_assert_ptr_null(option);
    return offer;
}

static char *
wanted_file(const SiPeer *peer, guint64 offset, guint64 length)
{
    g_autofree char *offset_text = g_strdup_printf("%" G_GUINT64_FORMAT, offset);
    g_autofree char *length_text = g_strdup_printf("%" G_GUINT64_FORMAT, length);

    if (offset == 0 && length == 0)
        return g_strdup(peer->client->whole != NULL ? peer->client->whole : "");
    return script_fill(peer->client->part, "offset", offset_text, "length", length_text, NULL);
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
    answer = script_fill(peer->client->answer, "method", first, "methods", values->str, "file", file, NULL);
    script_answer(&peer->script, offer, "result", answer);
}

/* SOCKS5. */

static void
append_host(const SiPeer *peer, GString *hosts, guint16 port)
{
    g_string_append_printf(hosts, "<streamhost jid='%s' host='%s' port='%u'/>", peer->script.pair->b.jid,
                           peer->script.address, port);
}

static void
ask_to_dial(SiPeer *peer, const char *hosts)
{
    const char *fast = peer->offers ? "<fast xmlns='http://affinix.com/jabber/stream'/>" : "";
    g_autofree char *query =
        script_fill(peer->client->query, "sid", peer->script.sid, "hosts", hosts, "fast", fast, NULL);

    script_ask(&peer->script, query);
}

void
si_peer_tell_hosts(SiPeer *peer, SiHosts hosts)
{
    g_autoptr(GString) told = g_string_new(NULL);

    if (hosts != SI_HOST_LIVE) {
        guint16 dead_port;

        close(script_bind(&peer->script, FALSE, &dead_port));
        append_host(peer, told, dead_port);
    }
    if (hosts != SI_HOST_DEAD) {
        peer->script.listening = script_bind(&peer->script, TRUE, &peer->script.port);
        append_host(peer, told, peer->script.port);
    }
    ask_to_dial(peer, told->str);
}

void
si_peer_tell_proxy(SiPeer *peer, const ProxyService *proxy)
{
    g_autofree char *host =
        g_strdup_printf("<streamhost jid='%s' host='%s' port='%u'>%s</streamhost>", proxy->jid, proxy->host,
                        proxy->port, peer->client->proxy != NULL ? peer->client->proxy : "");

    ask_to_dial(peer, host);
}

void
si_peer_use_own_proxy(SiPeer *peer, ProxyService *proxy)
{
    const Pair *pair = peer->script.pair;
    g_autofree char *dst_addr = bs_dst_addr(peer->script.sid, pair->b.jid, pair->a.jid);

    ck_assert_uint_eq(script_dial_at(proxy->host, proxy->port, dst_addr, &peer->script.fd), 0);
    ck_assert(proxy_service_activate(proxy, peer->script.sid, pair->b.jid, pair->a.jid));
}

void
si_peer_hear_request(SiPeer *peer)
{
    g_autofree char *dst_addr =
        bs_dst_addr(peer->script.sid, peer->script.pair->b.jid, peer->script.pair->a.jid);
    guint8 request[5 + 40 + 2];

    script_accept(&peer->script);
    script_receive_bytes(peer->script.fd, request, 3);
    ck_assert_mem_eq(request, "\x05\x01\x00", 3);
    script_send_bytes(peer->script.fd, "\x05\x00", 2);
    script_receive_bytes(peer->script.fd, request, sizeof request);
    ck_assert_mem_eq(request, "\x05\x01\x00\x03\x28", 5);
    ck_assert_mem_eq(request + 5, dst_addr, 40);
    ck_assert_mem_eq(request + 45, "\0\0", 2);
}

void
si_peer_grant_request(SiPeer *peer)
{
    g_autofree char *dst_addr =
        bs_dst_addr(peer->script.sid, peer->script.pair->b.jid, peer->script.pair->a.jid);
    const char *bound = peer->client->bound != NULL ? peer->client->bound : dst_addr;
    guint8 reply[5 + 40 + 2] = {5, 0, 0, 3, (guint8)strlen(bound)};

    memcpy(reply + 5, bound, strlen(bound));
    script_send_bytes(peer->script.fd, reply, 5 + strlen(bound) + 2);
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
    g_autofree char *used = script_fill(peer->client->used, "sid", peer->script.sid, "jid", jid, NULL);

    script_answer(&peer->script, request, "result", used);
}

void
si_peer_dial(SiPeer *peer, const xmlnode *request)
{
    g_autofree char *dst_addr =
        bs_dst_addr(peer->script.sid, peer->script.pair->a.jid, peer->script.pair->b.jid);
    const xmlnode *query = bs_xml_child(request, "query", S5B);
    xmlnode *host = xmlnode_get_child(query, "streamhost");

    ck_assert_str_eq(bs_jingle_attrib(query, "sid"), peer->script.sid);
    ck_assert_ptr_nonnull(host);
    ck_assert_str_eq(bs_jingle_attrib(host, "jid"), peer->script.pair->a.jid);
    ck_assert_uint_eq(script_dial(dst_addr, &peer->script.fd), 0);
    answer_used(peer, request, bs_jingle_attrib(host, "jid"));
}

void
si_peer_dial_proxy(SiPeer *peer, const xmlnode *request, const ProxyService *proxy)
{
    const Pair *pair = peer->script.pair;
    g_autofree char *dst_addr = bs_dst_addr(peer->script.sid, pair->a.jid, pair->b.jid);
    const xmlnode *host = bs_xml_first_element(bs_xml_child(request, "query", S5B));

    while (host != NULL && g_strcmp0(bs_jingle_attrib(host, "jid"), proxy->jid) != 0)
        host = bs_xml_next_element(host);
    ck_assert_ptr_nonnull(host);
    ck_assert_str_eq(bs_jingle_attrib(host, "host"), proxy->host);
    ck_assert_uint_eq(script_dial_at(proxy->host, proxy->port, dst_addr, &peer->script.fd), 0);
    answer_used(peer, request, proxy->jid);
}

void
si_peer_say_no_way(SiPeer *peer, const xmlnode *request)
{
    script_answer(&peer->script, request, "error", peer->client->no_way);
}

void
si_check_used(const xmlnode *stanza, const char *jid)
{
    const xmlnode *query = bs_xml_child(stanza, "query", S5B);
    const xmlnode *used = bs_xml_child(query, "streamhost-used", S5B);

    ck_assert_ptr_nonnull(used);
    ck_assert_str_eq(bs_jingle_attrib(used, "jid"), jid);
}
