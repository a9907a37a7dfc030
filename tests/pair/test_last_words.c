/* What a peer says of a file while its last bytes are on their way, and connections that end there.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "socks5/candidate.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_file.h"
#include "transfer/jingle_xml.h"
#include "transport/s5b_xml.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define CONTENT(inner) "<content creator='initiator' name='a-file-offer'>" inner "</content>"
#define TRANSPORT(inner) "<transport xmlns='" BS_NS_S5B "' sid='%s'>" inner "</transport>"
#define OFFER(file)                                                                                          \
    "<content creator='initiator' name='a-file-offer' senders='initiator'><description xmlns='" FT5          \
    "'><file><name>f</name>" file "</file></description><transport xmlns='" BS_NS_S5B                        \
    "' sid='stream'/></content>"
/* "0123456789" */
#define DIGITS                                                                                               \
    "<size>10</size><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>"                                         \
    "hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=</hash>"

/* What the pump moves in one turn of the event loop: after so many bytes it learns only in its next turn that
 * they were the last. */
#define ONE_TURN (1024 * 1024)

static Pair *pair;
static char *sid;    /* the session's ... */
static char *stream; /* ... its transport's ... */
static char *cid;    /* ... and alice's candidate */
static int fd;

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new_scripted();
    fd = -1;
}

static void
teardown(void)
{
    if (fd >= 0)
        close(fd);
    g_clear_pointer(&sid, g_free);
    g_clear_pointer(&stream, g_free);
    g_clear_pointer(&cid, g_free);
    pair_free(pair);
    bs_test_hurry(1);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static void
check_result(const char *action, const char *contents)
{
    g_autofree char *answer = script_jingle(pair, action, sid, contents);

    ck_assert_str_eq(answer, "result");
}

/* Takes what is needed out of alice's session-initiate or session-accept. */
static void
learn(const xmlnode *stanza)
{
    const xmlnode *jingle = bs_jingle_element(stanza);
    const xmlnode *transport = bs_jingle_transport(bs_jingle_first_content(jingle));

    ck_assert_ptr_nonnull(transport);
    sid = g_strdup(bs_jingle_attrib(jingle, "sid"));
    stream = g_strdup(bs_jingle_attrib(transport, "sid"));
    cid = g_strdup(bs_jingle_attrib(xmlnode_get_child(transport, "candidate"), "cid"));
}

static char *
candidate_used(void)
{
    return g_strdup_printf(CONTENT(TRANSPORT("<candidate-used cid='%s'/>")), stream, cid);
}

/* Alice sends a file of `length` bytes; the peer takes it over a connection that it dialled. */
static void
begin_to_receive(guint64 length)
{
    g_autofree char *accept = NULL;
    g_autofree char *used = NULL;
    g_autofree char *dst_addr = NULL;
    const xmlnode *initiate;

    pair_offer(&pair->a, "f", length);
    initiate = script_expect(pair, "session-initiate");
    learn(initiate);
    dst_addr = bs_dst_addr(stream, pair->a.jid, pair->b.jid);
    accept = g_strdup_printf(CONTENT("<description xmlns='" FT5 "'/>" TRANSPORT("")), stream);
    check_result("session-accept", accept);
    ck_assert_uint_eq(script_dial(dst_addr, &fd), 0);
    used = candidate_used();
    check_result("transport-info", used);
    ck_assert_ptr_nonnull(script_expect(pair, "transport-info"));
}

/* The peer offers a file and has dialled; nothing is nominated. */
static void
begin_to_send(const char *offer)
{
    g_autofree char *dst_addr = bs_dst_addr("stream", pair->a.jid, pair->b.jid);
    g_autofree char *answer = script_jingle(pair, "session-initiate", "s1", offer);

    ck_assert_str_eq(answer, "result");
    learn(script_expect(pair, "session-accept"));
    ck_assert_uint_eq(script_dial(dst_addr, &fd), 0);
}

/* The stanza arrives now, before the event loop runs again. */
static void
arrives_at_once(const char *id, const char *action, const char *contents)
{
    g_autofree char *xml =
        g_strdup_printf("<iq type='set' id='%s' from='%s' to='%s'><jingle xmlns='" BS_NS_JINGLE
                        "' action='%s' sid='%s'>%s</jingle></iq>",
                        id, pair->b.jid, pair->a.jid, action, sid, contents);
    xmlnode *stanza = xmlnode_from_str(xml, -1);

    ck_assert(bs_endpoint_receive(pair->a.endpoint, stanza));
    xmlnode_free(stanza);
}

static void
check_end(BsEndReason reason)
{
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, reason);
}

static BsJingleReason
awaited_terminate(void)
{
    const xmlnode *terminate = script_expect(pair, "session-terminate");

    ck_assert_ptr_nonnull(terminate);
    return bs_jingle_reason(bs_jingle_element(terminate));
}

/* Reads what is there, and once something is, all that follows it, up to `most` bytes in all. */
static gsize
read_eagerly(gsize most)
{
    static guint8 buffer[65536];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    gsize got = 0;

    while (got < most && poll(&ready, 1, got > 0 ? 500 : 0) > 0) {
        ssize_t now = recv(fd, buffer, MIN(sizeof buffer, most - got), MSG_DONTWAIT);

        ck_assert_int_gt(now, 0);
        got += (gsize)now;
    }
    return got;
}

START_TEST(success_may_come_before_the_pump_knows_of_its_last_byte)
{
    gsize got = 0;

    begin_to_receive(ONE_TURN);
    for (guint i = 0; got < ONE_TURN && i < 100000; i++) {
        g_main_context_iteration(NULL, FALSE);
        got += read_eagerly(ONE_TURN - got);
    }
    ck_assert_uint_eq(got, ONE_TURN);
    arrives_at_once("end", "session-terminate", "<reason><success/></reason>");
    check_end(BS_END_DELIVERED);
}
END_TEST

START_TEST(success_before_the_last_byte_is_none)
{
    begin_to_receive(G_GUINT64_CONSTANT(64) << 20);
    check_result("session-terminate", "<reason><success/></reason>");
    check_end(BS_END_PEER_FAILED);
}
END_TEST

START_TEST(nomination_and_success_may_come_in_one_burst)
{
    g_autofree char *used = NULL;

    begin_to_send(OFFER(DIGITS));
    script_send_bytes(fd, "0123456789", 10);
    shutdown(fd, SHUT_WR);
    used = candidate_used();
    arrives_at_once("used", "transport-info", used);
    arrives_at_once("end", "session-terminate", "<reason><success/></reason>");
    check_end(BS_END_DELIVERED);
    ck_assert(pair->a.named);
}
END_TEST

/* Alice's kernel has all of the file, the peer's has not, and the peer resets the connection. */
START_TEST(a_reset_with_bytes_on_their_way_is_a_lost_connection)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    bs_test_hurry(20);
    begin_to_receive(ONE_TURN);
    ck_assert_ptr_nonnull(script_expect(pair, "session-info"));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    fd = -1;
    ck_assert_int_eq(awaited_terminate(), BS_JINGLE_CONNECTIVITY_ERROR);
    check_end(BS_END_CONNECTION_LOST);
}
END_TEST

/* Nothing tells a file of unknown size that ended from a connection that broke, but its hash. */
START_TEST(a_file_of_unknown_size_needs_a_hash)
{
    g_autofree char *used = NULL;

    bs_test_hurry(20);
    begin_to_send(OFFER("<hash-used xmlns='urn:xmpp:hashes:2' algo='sha-256'/>"));
    used = candidate_used();
    check_result("transport-info", used);
    script_send_bytes(fd, "01234", 5);
    close(fd);
    fd = -1;
    check_end(BS_END_CONNECTION_LOST);
    ck_assert(!pair->a.named);
    ck_assert(pair->a.discarded);
}
END_TEST

START_TEST(what_was_received_stays_received)
{
    guint8 bytes[10];

    begin_to_receive(10);
    script_receive_bytes(fd, bytes, 10);
    ck_assert_ptr_nonnull(script_expect(pair, "session-info"));
    check_result("session-info", "<received xmlns='" FT5 "' creator='initiator' name='a-file-offer'/>");
    check_result("session-terminate", _i ? "" : "<reason><gone/></reason>");
    check_end(BS_END_DELIVERED);
}
END_TEST

START_TEST(what_was_received_may_be_damaged)
{
    guint8 bytes[10];

    begin_to_receive(10);
    script_receive_bytes(fd, bytes, 10);
    ck_assert_ptr_nonnull(script_expect(pair, "session-info"));
    check_result("session-info", "<received xmlns='" FT5 "' creator='initiator' name='a-file-offer'/>");
    check_result("session-terminate", "<reason><media-error/></reason>");
    check_end(BS_END_DAMAGED);
}
END_TEST

#define TOO_LARGE "<reason><media-error/><file-too-large xmlns='" BS_NS_FILE_ERRORS "'/></reason>"

static const struct {
    const char *action;
    const char *words;
    BsEndReason end;
} complaints[] = {
    {"session-terminate", TOO_LARGE, BS_END_NO_ROOM},
    {"content-remove", "<content creator='initiator' name='a-file-offer'/>" TOO_LARGE, BS_END_NO_ROOM},
    {"session-terminate", "<reason><media-error/><file-too-large xmlns='urn:other'/></reason>",
     BS_END_DAMAGED},
    {"session-terminate", "<reason><failed-application/></reason>", BS_END_PEER_FAILED},
};

START_TEST(the_receiver_had_no_room)
{
    guint8 bytes[10];

    begin_to_receive(10);
    script_receive_bytes(fd, bytes, 10);
    ck_assert_ptr_nonnull(script_expect(pair, "session-info"));
    check_result(complaints[_i].action, complaints[_i].words);
    check_end(complaints[_i].end);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("last_words");
    TCase *tcase = tcase_create("last_words");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, success_may_come_before_the_pump_knows_of_its_last_byte);
    tcase_add_test(tcase, success_before_the_last_byte_is_none);
    tcase_add_test(tcase, nomination_and_success_may_come_in_one_burst);
    tcase_add_test(tcase, a_reset_with_bytes_on_their_way_is_a_lost_connection);
    tcase_add_test(tcase, a_file_of_unknown_size_needs_a_hash);
    tcase_add_loop_test(tcase, what_was_received_stays_received, 0, 2);
    tcase_add_test(tcase, what_was_received_may_be_damaged);
    tcase_add_loop_test(tcase, the_receiver_had_no_room, 0, (int)G_N_ELEMENTS(complaints));
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
