/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "jingle_peers.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "purple_env.h"
#include "script_bytes.h"
#include "stanza/xml.h"
#include "transfer/jingle_file.h"
#include "transfer/jingle_xml.h"
#include "transport/ibb_xml.h"
#include "transport/s5b_xml.h"

#define NS_FILES "urn:xmpp:jingle:apps:file-transfer:"

JinglePeer *
jingle_peer_new(Pair *pair, const JingleClient *client, const Services *services)
{
    JinglePeer *peer = g_new0(JinglePeer, 1);

    script_peer_init(&peer->script, pair, client->name);
    peer->script.block = client->block;
    peer->script.window = client->window;
    peer->script.answers_close = TRUE;
    peer->client = client;
    peer->services = services;
    peer->own_proxy = services->proxies[1];
    peer->version = client->version;
    peer->hash_time = JINGLE_HASH_IN_OFFER;
    while (!(client->hash_times & peer->hash_time))
        peer->hash_time = (JingleHash)(peer->hash_time << 1);
    return peer;
}

void
jingle_peer_free(JinglePeer *peer)
{
    script_peer_clear(&peer->script);
    g_free(peer->session);
    g_free(peer->content);
    g_free(peer);
}

/* Stanzas. */

static void
acknowledge(JinglePeer *peer, const xmlnode *request)
{
    script_answer(&peer->script, request, "result", "");
    if (peer->client->acks_twice)
        script_answer(&peer->script, request, "result", "");
}

static const xmlnode *
take_unanswered(JinglePeer *peer, const char *action)
{
    const xmlnode *request = script_take_jingle(&peer->script, action);

    if (peer->session != NULL)
        ck_assert_str_eq(bs_jingle_attrib(bs_jingle_element(request), "sid"), peer->session);
    return request;
}

const xmlnode *
jingle_peer_take(JinglePeer *peer, const char *action)
{
    const xmlnode *request = take_unanswered(peer, action);

    acknowledge(peer, request);
    return request;
}

static void
say(JinglePeer *peer, const char *action, const char *payload)
{
    gboolean initiate = strcmp(action, "session-initiate") == 0;
    const Pair *pair = peer->script.pair;
    g_autofree char *initiator = g_strdup_printf(" initiator='%s'", peer->offers ? pair->b.jid : pair->a.jid);
    g_autofree char *jingle =
        g_strdup_printf("<jingle xmlns='" BS_NS_JINGLE "' action='%s' sid='%s'%s>%s</jingle>", action,
                        peer->session, initiate || peer->client->initiator ? initiator : "", payload);

    script_ask(&peer->script, jingle);
}

void
jingle_peer_say(JinglePeer *peer, const char *action, const char *payload)
{
    const xmlnode *answer;

    say(peer, action, payload);
    answer = script_take_answer(&peer->script);
    ck_assert_msg(g_strcmp0(bs_jingle_attrib(answer, "type"), "result") == 0, "%s: %s was refused",
                  peer->client->name, action);
}

static void
say_in_content(JinglePeer *peer, const char *action, const char *senders, const char *payload)
{
    g_autofree char *content =
        g_strdup_printf("<content creator='initiator' name='%s'%s%s%s>%s</content>", peer->content,
                        senders != NULL ? " senders='" : "", senders != NULL ? senders : "",
                        senders != NULL ? "'" : "", payload);

    jingle_peer_say(peer, action, content);
}

/* The hash. */

static char *
hash_value(const JinglePeer *peer, BsHash hash)
{
    g_autoptr(BsDigest) digest = bs_digest_new(1u << hash);
    guint8 value[BS_DIGEST_MAX];

    for (guint64 i = 0; !peer->empty && i < JINGLE_FILE_LENGTH; i++) {
        guint8 byte = pair_byte(i);

        bs_digest_update(digest, &byte, 1);
    }
    ck_assert(bs_digest_value(digest, hash, value));
    if (peer->lies)
        value[0] ^= 1;
    return bs_hash_format(hash, value);
}

static char *
hash_elements(const JinglePeer *peer, JingleHash time)
{
    GString *elements = g_string_new(NULL);
    gboolean promise = time == JINGLE_HASH_PROMISED;
    const char *element = promise && strcmp(peer->version, "5") == 0 ? "hash-used" : "hash";

    for (guint hash = 0; hash < BS_HASH_COUNT; hash++) {
        g_autofree char *value = promise ? g_strdup("") : hash_value(peer, (BsHash)hash);

        if (peer->client->hashes & 1u << hash)
            g_string_append_printf(elements, "<%s xmlns='%s' algo='%s'>%s</%s>", element,
                                   peer->client->hash_xmlns, bs_hash_name((BsHash)hash), value, element);
    }
    return g_string_free(elements, FALSE);
}

void
jingle_peer_tell_hash(JinglePeer *peer, JingleHash time)
{
    g_autofree char *hash = hash_elements(peer, JINGLE_HASH_LATE);
    g_autofree char *checksum =
        script_fill(peer->client->checksum != NULL ? peer->client->checksum : "", "hash", hash, NULL);

    if (peer->hash_time != time)
        return;
    if (time == JINGLE_HASH_TOO_LATE)
        say(peer, "session-info", checksum);
    else
        jingle_peer_say(peer, "session-info", checksum);
}

/* The offer, and its answer. */

static char *
description(const JinglePeer *peer, const char *file)
{
    gboolean old = strcmp(peer->version, "3") == 0;

    return g_strdup_printf("<description xmlns='" NS_FILES "%s'>%s<file>%s</file>%s</description>",
                           peer->version, old ? "<offer>" : "", file, old ? "</offer>" : "");
}

static char *
candidate(const char *form, const char *cid, const char *jid, const char *host, guint16 port)
{
    g_autofree char *port_text = g_strdup_printf("%u", port);

    return script_fill(form, "cid", cid, "jid", jid, "host", host, "port", port_text, NULL);
}

static void
append_candidates(JinglePeer *peer, guint places, GString *candidates)
{
    const JingleClient *client = peer->client;
    g_autofree char *own = NULL;
    g_autofree char *dead = NULL;
    g_autofree char *proxy = NULL;
    guint16 dead_port;

    if (places & JINGLE_AT_HOME) {
        peer->script.listening = script_bind(&peer->script, TRUE, &peer->script.port);
        own = candidate(client->direct, "own", peer->script.pair->b.jid, peer->script.address,
                        peer->script.port);
        g_string_append(candidates, own);
    }
    if (places & JINGLE_NOWHERE) {
        close(script_bind(&peer->script, FALSE, &dead_port));
        dead = candidate(client->direct, "dead", peer->script.pair->b.jid, peer->script.address, dead_port);
        g_string_append(candidates, dead);
    }
    if (places & JINGLE_AT_PROXY) {
        proxy = candidate(client->proxy, "proxy", peer->own_proxy->jid, peer->own_proxy->host,
                          peer->own_proxy->port);
        g_string_append(candidates, proxy);
    }
}

/* Its <transport/>, with a new stream id if it is its own to choose. */
static char *
transport(JinglePeer *peer, guint places)
{
    const JingleClient *client = peer->client;
    g_autoptr(GString) candidates = g_string_new(NULL);
    const char *form = peer->offers ? client->offered : client->answered;
    gboolean with_dstaddr = !client->dstaddr_with_proxy || places & JINGLE_AT_PROXY;
    const char *sid = !peer->offers && client->own_sid ? "a_stream_of_its_own" : peer->script.sid;
    g_autofree char *dstaddr = bs_dst_addr(sid, peer->script.pair->b.jid, peer->script.pair->a.jid);
    g_autofree char *attributes = script_fill(with_dstaddr ? form : "", "dstaddr", dstaddr, NULL);

    if (places & JINGLE_IN_BAND)
        return g_strdup_printf("<transport xmlns='" BS_NS_JINGLE_IBB "' sid='%s' block-size='%u'/>",
                               peer->script.sid, client->block);
    append_candidates(peer, places, candidates);
    return g_strdup_printf("<transport xmlns='" BS_NS_S5B "' sid='%s'%s>%s</transport>", sid, attributes,
                           candidates->str);
}

void
jingle_peer_offer(JinglePeer *peer, guint places)
{
    gboolean tells = peer->hash_time & (JINGLE_HASH_IN_OFFER | JINGLE_HASH_PROMISED);
    g_autofree char *hash = tells ? hash_elements(peer, peer->hash_time) : g_strdup("");
    g_autofree char *file =
        script_fill(peer->client->file, "size", peer->empty ? "0" : "20000", "hash", hash, NULL);
    g_autofree char *described = description(peer, file);
    g_autofree char *way = NULL;
    g_autofree char *payload = NULL;

    peer->offers = TRUE;
    peer->session = g_strdup("the_session");
    peer->content = g_strdup(peer->client->content);
    peer->script.sid = g_strdup("the_stream");
    way = transport(peer, places);
    payload = g_strconcat(described, way, NULL);
    say_in_content(peer, "session-initiate", "initiator", payload);
}

static void
take_transport(JinglePeer *peer, const xmlnode *request)
{
    const xmlnode *content = bs_jingle_first_content(bs_jingle_element(request));

    ck_assert_str_eq(bs_jingle_attrib(content, "creator"), "initiator");
    ck_assert_str_eq(bs_jingle_attrib(content, "name"), peer->content);
    peer->alices = bs_jingle_transport(content);
    ck_assert_ptr_nonnull(peer->alices);
    g_free(peer->script.sid);
    peer->script.sid = g_strdup(bs_jingle_attrib(peer->alices, "sid"));
    if (bs_xml_is(peer->alices, "transport", BS_NS_JINGLE_IBB))
        peer->script.block = MIN(peer->script.block, bs_ibb_block_size(peer->alices));
}

static void
check_candidates(const xmlnode *way)
{
    static const char *const needed[] = {"cid", "host", "jid", "port", "priority", "type"};

    ck_assert_ptr_nonnull(bs_jingle_attrib(way, "dstaddr"));
    for (const xmlnode *node = bs_xml_first_element(way); node != NULL; node = bs_xml_next_element(node)) {
        ck_assert(bs_xml_is(node, "candidate", BS_NS_S5B));
        for (guint i = 0; i < G_N_ELEMENTS(needed); i++)
            ck_assert_ptr_nonnull(bs_jingle_attrib(node, needed[i]));
        ck_assert_str_ne(bs_jingle_attrib(node, "priority"), "0");
    }
}

static guint64
wanted_from(const xmlnode *described)
{
    BsJingleFileVersion version;
    g_autoptr(BsFileOffer) wanted = bs_jingle_file_parse(described, &version, NULL);

    ck_assert_ptr_nonnull(wanted);
    return wanted->range_offset;
}

void
jingle_peer_take_answer(JinglePeer *peer)
{
    const xmlnode *answer = take_unanswered(peer, "session-accept");
    const xmlnode *content = bs_jingle_first_content(bs_jingle_element(answer));
    g_autofree char *xmlns = g_strconcat(NS_FILES, peer->version, NULL);

    ck_assert_str_eq(bs_jingle_attrib(content, "senders"), "initiator");
    ck_assert(bs_xml_is(bs_jingle_description(content), "description", xmlns));
    peer->wanted_from = wanted_from(bs_jingle_description(content));
    take_transport(peer, answer);
    ck_assert_str_eq(peer->script.sid, "the_stream");
    if (bs_xml_is(peer->alices, "transport", BS_NS_S5B))
        check_candidates(peer->alices);
    if (peer->client->opens_early && bs_xml_is(peer->alices, "transport", BS_NS_JINGLE_IBB))
        script_open(&peer->script, peer->client->open);
    acknowledge(peer, answer);
}

/* What each of the clients needs of an offer. */
static void
check_file(const xmlnode *described)
{
    BsJingleFileVersion version;
    g_autoptr(BsFileOffer) offer = bs_jingle_file_parse(described, &version, NULL);

    ck_assert_ptr_nonnull(offer);
    ck_assert_str_eq(offer->name, "f");
    ck_assert_uint_ne(offer->size, BS_SIZE_UNKNOWN);
    ck_assert_uint_ne(offer->hashes | offer->hashes_promised, 0);
}

static void
take_offer(JinglePeer *peer)
{
    const xmlnode *offer = jingle_peer_take(peer, "session-initiate");
    const xmlnode *jingle = bs_jingle_element(offer);
    const xmlnode *content = bs_jingle_first_content(jingle);
    const xmlnode *described = bs_jingle_description(content);
    const char *xmlns = xmlnode_get_namespace((xmlnode *)described);

    ck_assert_str_eq(bs_jingle_attrib(jingle, "initiator"), peer->script.pair->a.jid);
    ck_assert_str_eq(bs_jingle_attrib(content, "senders"), "initiator");
    ck_assert(g_str_has_prefix(xmlns, NS_FILES));
    peer->version = xmlns + strlen(NS_FILES);
    ck_assert_ptr_nonnull(strstr(peer->client->takes, peer->version));
    check_file(described);
    g_free(peer->session);
    peer->session = g_strdup(bs_jingle_attrib(jingle, "sid"));
    g_free(peer->content);
    peer->content = g_strdup(bs_jingle_attrib(content, "name"));
    take_transport(peer, offer);
}

void
jingle_peer_be_offered(JinglePeer *peer, guint64 length, gboolean in_band)
{
    const char *takes = peer->client->takes;
    const BsJingleManner manner = {
        .version = (BsJingleFileVersion)(takes[strlen(takes) - 1] - '3'),
        .in_band = in_band,
    };
    g_autoptr(BsFileOffer) offer = pair_file("f", length);

    g_clear_pointer(&peer->session, g_free);
    pair_offer_in(&peer->script.pair->a, &manner, offer, length);
    take_offer(peer);
    if (!in_band)
        check_candidates(peer->alices);
}

void
jingle_peer_accept(JinglePeer *peer, guint places, guint64 offset)
{
    g_autofree char *range = g_strdup_printf("<range offset='%" G_GUINT64_FORMAT "'/>", offset);
    g_autofree char *file = script_fill(peer->client->accepted, "range", offset > 0 ? range : "", NULL);
    g_autofree char *described = description(peer, file);
    g_autofree char *way = transport(peer, places);
    g_autofree char *payload = g_strconcat(described, way, NULL);

    say_in_content(peer, "session-accept", peer->client->senders, payload);
}

/* SOCKS5. */

static gboolean
is_proxy(const xmlnode *node)
{
    return strcmp(bs_jingle_attrib(node, "type"), "proxy") == 0;
}

static gboolean
has_proxy(const xmlnode *way)
{
    for (const xmlnode *node = bs_xml_first_element(way); node != NULL; node = bs_xml_next_element(node))
        if (is_proxy(node))
            return TRUE;
    return FALSE;
}

/* The stream's name in DST.ADDR: of its own places, if it is the responder and calls the stream otherwise, or
 * of alice's. */
static const char *
stream_name(const JinglePeer *peer, gboolean own_place)
{
    if (peer->client->names_by_session && strcmp(peer->version, "3") == 0)
        return peer->session;
    return own_place && !peer->offers && peer->client->own_sid ? "a_stream_of_its_own" : peer->script.sid;
}

/* What it asks for at one of alice's places; the caller's. */
static char *
dst_addr_to_dial(const JinglePeer *peer, gboolean proxy)
{
    const Pair *pair = peer->script.pair;
    gboolean alice_first = TRUE;

    if (peer->client->order == JINGLE_AS_SAID || (proxy && peer->client->dstaddr_for_proxy))
        return g_strdup(bs_jingle_attrib(peer->alices, "dstaddr"));
    if (peer->client->order == JINGLE_INITIATOR_FIRST && !proxy)
        alice_first = !peer->offers;
    if (peer->client->order == JINGLE_INITIATOR_FIRST_UNTIL_A_PROXY)
        alice_first = !peer->offers || has_proxy(peer->alices);
    return bs_dst_addr(stream_name(peer, FALSE), alice_first ? pair->a.jid : pair->b.jid,
                       alice_first ? pair->b.jid : pair->a.jid);
}

/* The DST.ADDR for which its own port lets somebody in; the caller's. */
static char *
dst_addr_to_let_in(const JinglePeer *peer)
{
    const Pair *pair = peer->script.pair;
    gboolean bob_first =
        peer->offers || peer->client->order == JINGLE_OFFERER_FIRST || peer->client->order == JINGLE_AS_SAID;

    return bs_dst_addr(stream_name(peer, TRUE), bob_first ? pair->b.jid : pair->a.jid,
                       bob_first ? pair->a.jid : pair->b.jid);
}

static void
say_report(JinglePeer *peer, const char *form, const char *cid)
{
    g_autofree char *report = script_fill(form, "cid", cid, NULL);
    g_autofree char *way =
        g_strdup_printf("<transport xmlns='" BS_NS_S5B "' sid='%s'>%s</transport>", peer->script.sid, report);

    say_in_content(peer, "transport-info", NULL, way);
}

/* The best of alice's candidates that it would dial. */
static const xmlnode *
choose(const JinglePeer *peer, gboolean proxy)
{
    const xmlnode *best = NULL;
    guint64 best_priority = 0;

    for (const xmlnode *node = bs_xml_first_element(peer->alices); node != NULL;
         node = bs_xml_next_element(node)) {
        guint64 priority = g_ascii_strtoull(bs_jingle_attrib(node, "priority"), NULL, 10);

        if (is_proxy(node) != proxy || priority <= best_priority)
            continue;
        if (peer->client->addresses_only && !g_hostname_is_ip_address(bs_jingle_attrib(node, "host")))
            continue;
        if (peer->client->types != NULL &&
            strstr(peer->client->types, bs_jingle_attrib(node, "type")) == NULL)
            continue;
        best = node;
        best_priority = priority;
    }
    ck_assert_msg(best != NULL, "%s: nothing to dial", peer->client->name);
    return best;
}

void
jingle_peer_dial(JinglePeer *peer, gboolean proxy)
{
    const xmlnode *chosen = choose(peer, proxy);
    g_autofree char *dst_addr = dst_addr_to_dial(peer, proxy);
    guint64 port = g_ascii_strtoull(bs_jingle_attrib(chosen, "port"), NULL, 10);

    ck_assert_ptr_nonnull(dst_addr);
    if (proxy)
        ck_assert_uint_eq(script_dial_at(services_look_up(peer->services, bs_jingle_attrib(chosen, "host")),
                                         (guint16)port, dst_addr, &peer->script.fd),
                          0);
    else
        ck_assert_uint_eq(script_dial(dst_addr, &peer->script.fd), 0);
    peer->own_choice = (guint32)g_ascii_strtoull(bs_jingle_attrib(chosen, "priority"), NULL, 10);
    say_report(peer, "<candidate-used cid='{cid}'/>", bs_jingle_attrib(chosen, "cid"));
}

void
jingle_peer_say_no_way(JinglePeer *peer)
{
    say_report(peer, "<candidate-error/>", "");
}

/* Whether whoever has connected asked for the right thing; else the connection is closed. */
static gboolean
grant_request(JinglePeer *peer)
{
    g_autofree char *dst_addr = dst_addr_to_let_in(peer);
    guint8 request[5 + 40 + 2];
    guint8 reply[5 + 40 + 2] = {5, 0, 0, 3, 40};

    script_receive_bytes(peer->script.fd, request, 3);
    ck_assert_mem_eq(request, "\x05\x01\x00", 3);
    script_send_bytes(peer->script.fd, "\x05\x00", 2);
    script_receive_bytes(peer->script.fd, request, sizeof request);
    ck_assert_mem_eq(request, "\x05\x01\x00\x03\x28", 5);
    if (!peer->client->lets_in_all && memcmp(request + 5, dst_addr, 40) != 0) {
        close(peer->script.fd);
        peer->script.fd = -1;
        return FALSE;
    }
    memcpy(reply + 5, request + 5, 40);
    script_send_bytes(peer->script.fd, reply, sizeof reply);
    return TRUE;
}

const xmlnode *
jingle_peer_take_report(JinglePeer *peer, const char *element)
{
    const xmlnode *info = jingle_peer_take(peer, "transport-info");
    const xmlnode *way = bs_jingle_transport(bs_jingle_first_content(bs_jingle_element(info)));
    const xmlnode *report = bs_xml_first_element(way);

    ck_assert_msg(bs_xml_is(report, element, BS_NS_S5B), "%s: %s instead of %s", peer->client->name,
                  report->name, element);
    ck_assert_str_eq(bs_jingle_attrib(way, "sid"), peer->script.sid);
    return report;
}

void
jingle_peer_take_used(JinglePeer *peer)
{
    const xmlnode *report = jingle_peer_take_report(peer, "candidate-used");
    const char *cid = bs_jingle_attrib(report, "cid");

    ck_assert(strcmp(cid, "own") == 0 || strcmp(cid, "proxy") == 0);
    peer->alices_choice = peer->client->priorities[strcmp(cid, "proxy") == 0];
}

void
jingle_peer_let_in(JinglePeer *peer)
{
    for (gboolean granted = FALSE; !granted;) {
        script_accept(&peer->script);
        granted = grant_request(peer);
        ck_assert_msg(granted || !peer->client->lets_in_once, "%s: the wrong DST.ADDR", peer->client->name);
    }
    jingle_peer_take_used(peer);
}

void
jingle_peer_take_no_way(JinglePeer *peer)
{
    jingle_peer_take_report(peer, "candidate-error");
}

gboolean
jingle_peer_own_dial_wins(const JinglePeer *peer)
{
    /* With equal priorities it is the initiator's choice. */
    if (peer->own_choice == peer->alices_choice)
        return peer->offers != peer->client->tie_reversed;
    return peer->own_choice > peer->alices_choice;
}

void
jingle_peer_use_own_proxy(JinglePeer *peer)
{
    const Pair *pair = peer->script.pair;
    const char *sid = stream_name(peer, TRUE);
    g_autofree char *dst_addr = bs_dst_addr(sid, pair->b.jid, pair->a.jid);

    ck_assert_uint_eq(
        script_dial_at(peer->own_proxy->host, peer->own_proxy->port, dst_addr, &peer->script.fd), 0);
    if (peer->client->activates_early)
        say_report(peer, peer->client->activated, "proxy");
    ck_assert(proxy_service_activate(peer->own_proxy, sid, pair->b.jid, pair->a.jid));
    if (!peer->client->activates_early)
        say_report(peer, peer->client->activated, "proxy");
}

void
jingle_peer_give_up_own_proxy(JinglePeer *peer)
{
    say_report(peer, "<proxy-error/>", "");
}

/* The end, and what comes instead. */

void
jingle_peer_say_received(JinglePeer *peer)
{
    g_autofree char *received = g_strdup_printf(
        "<received xmlns='" NS_FILES "%s' creator='initiator' name='%s'/>", peer->version, peer->content);

    if (peer->client->says_received)
        jingle_peer_say(peer, "session-info", received);
}

void
jingle_peer_terminate(JinglePeer *peer, const char *reason)
{
    g_autofree char *payload = g_strdup_printf("<reason><%s/></reason>", reason);

    jingle_peer_say(peer, "session-terminate", payload);
}

const char *
jingle_peer_take_end(JinglePeer *peer)
{
    const xmlnode *end = jingle_peer_take(peer, "session-terminate");

    return bs_jingle_reason_name(bs_jingle_reason(bs_jingle_element(end)));
}

void
jingle_peer_end_for(JinglePeer *peer, const char *reason)
{
    g_autofree char *removal = g_strdup_printf(
        "<content creator='initiator' name='%s'/><reason><%s/></reason>", peer->content, reason);

    if (!peer->client->removes_first) {
        jingle_peer_terminate(peer, reason);
        return;
    }
    jingle_peer_say(peer, "content-remove", removal);
    jingle_peer_take(peer, "session-terminate");
}

gboolean
jingle_peer_go_on(JinglePeer *peer)
{
    g_autofree char *way = NULL;

    if (peer->client->sends_otherwise == JINGLE_ENDS) {
        jingle_peer_end_for(peer, peer->client->ends);
        return FALSE;
    }
    g_free(peer->script.sid);
    peer->script.sid = g_strdup(peer->client->stream_none ? "None" : "another_stream");
    way = transport(peer, JINGLE_IN_BAND);
    say_in_content(peer, "transport-replace", NULL, way);
    take_transport(peer, jingle_peer_take(peer, "transport-accept"));
    return peer->client->sends_otherwise == JINGLE_GOES_IN_BAND;
}

/* Its own proposal crosses alice's, whose stands (XEP-0166, 7.2.16). */
static void
propose_in_vain(JinglePeer *peer)
{
    g_autofree char *proposal = g_strdup_printf(
        "<content creator='initiator' name='%s'><transport xmlns='" BS_NS_S5B "' sid='new'/></content>",
        peer->content);

    say(peer, "transport-replace", proposal);
    ck_assert_str_eq(bs_jingle_attrib(script_take_answer(&peer->script), "type"), "error");
}

void
jingle_peer_reject_proposal(JinglePeer *peer)
{
    take_transport(peer, jingle_peer_take(peer, "transport-replace"));
    ck_assert(bs_xml_is(peer->alices, "transport", BS_NS_S5B));
    say_in_content(peer, "transport-reject", NULL, "<transport xmlns='" BS_NS_S5B "'/>");
}

void
jingle_peer_reject_in_band(JinglePeer *peer)
{
    const xmlnode *proposal = take_unanswered(peer, "transport-replace");
    g_autofree char *way = NULL;

    take_transport(peer, proposal);
    ck_assert(bs_xml_is(peer->alices, "transport", BS_NS_JINGLE_IBB));
    acknowledge(peer, proposal);
    way = transport(peer, JINGLE_IN_BAND);
    say_in_content(peer, "transport-reject", NULL, way);
}

gboolean
jingle_peer_take_proposal(JinglePeer *peer)
{
    const xmlnode *proposal = take_unanswered(peer, "transport-replace");
    g_autofree char *way = NULL;

    take_transport(peer, proposal);
    ck_assert(bs_xml_is(peer->alices, "transport", BS_NS_JINGLE_IBB));
    acknowledge(peer, proposal);
    switch (peer->client->receives_otherwise) {
    case JINGLE_GOES_IN_BAND:
        way = transport(peer, JINGLE_IN_BAND);
        say_in_content(peer, "transport-accept", NULL, way);
        return TRUE;
    case JINGLE_REJECTS:
        propose_in_vain(peer);
        way = transport(peer, JINGLE_IN_BAND);
        say_in_content(peer, "transport-reject", NULL, way);
        return FALSE;
    case JINGLE_NEVER_OPENS:
    case JINGLE_ENDS:
        break;
    }
    jingle_peer_end_for(peer, peer->client->ends);
    return FALSE;
}
