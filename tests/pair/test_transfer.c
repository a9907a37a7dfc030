/* Whole transfers between two endpoints, and every way in which they end.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"

static Pair *pair;

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new();
}

static void
teardown(void)
{
    pair_free(pair);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

static void
check_delivered(Side *from, Side *to, guint64 length)
{
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(from->ended, 1);
    ck_assert_uint_eq(to->ended, 1);
    ck_assert_int_eq(from->reason, BS_END_DELIVERED);
    ck_assert_int_eq(to->reason, BS_END_DELIVERED);
    ck_assert_uint_eq(from->started, 1);
    ck_assert_uint_eq(to->started, 1);
    ck_assert(pair_has_whole_file(to, length));
    ck_assert_uint_eq(pair->unclaimed, 0);
}

static const guint64 sizes[] = {0, 1, 4096, 1 << 20, 5000001};

START_TEST(delivers_any_size)
{
    pair_offer(&pair->a, "file", sizes[_i]);
    check_delivered(&pair->a, &pair->b, sizes[_i]);
}
END_TEST

START_TEST(delivers_from_the_other_side)
{
    pair_offer(&pair->b, "file", 1000);
    check_delivered(&pair->b, &pair->a, 1000);
}
END_TEST

static void
remove_candidates(xmlnode *stanza, const char *action)
{
    const xmlnode *jingle = bs_jingle_element(stanza);
    const xmlnode *transport = bs_jingle_transport(bs_jingle_first_content(jingle));
    xmlnode *candidate;

    if (transport == NULL || g_strcmp0(bs_jingle_attrib(jingle, "action"), action) != 0)
        return;
    while ((candidate = xmlnode_get_child(transport, "candidate")) != NULL)
        xmlnode_free(candidate);
}

static StanzaFate
offerer_cannot_listen(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)the_pair;
    (void)number;
    (void)from;
    remove_candidates(stanza, "session-initiate");
    return FATE_ARRIVES;
}

static StanzaFate
nobody_can_listen(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)the_pair;
    (void)number;
    (void)from;
    remove_candidates(stanza, "session-initiate");
    remove_candidates(stanza, "session-accept");
    return FATE_ARRIVES;
}

START_TEST(receiver_dials_sender)
{
    pair_offer(&pair->a, "file", 100000);
    check_delivered(&pair->a, &pair->b, 100000);
    ck_assert(!pair->a.route.dialled_by_us);
    ck_assert(pair->b.route.dialled_by_us);
}
END_TEST

START_TEST(sender_dials_receiver)
{
    pair->filter = offerer_cannot_listen;
    pair_offer(&pair->a, "file", 100000);
    check_delivered(&pair->a, &pair->b, 100000);
    ck_assert(pair->a.route.dialled_by_us);
    ck_assert(!pair->b.route.dialled_by_us);
}
END_TEST

START_TEST(goes_in_band_when_there_is_no_other_route)
{
    pair->filter = nobody_can_listen;
    pair_offer(&pair->a, "file", 100000);
    check_delivered(&pair->a, &pair->b, 100000);
    ck_assert(pair->a.route.in_band && pair->b.route.in_band);
}
END_TEST

/* A peer without in-band bytes. */
static StanzaFate
nobody_can_go_in_band(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    xmlnode *jingle = xmlnode_get_child(stanza, "jingle");

    nobody_can_listen(the_pair, number, from, stanza);
    if (jingle != NULL && g_strcmp0(xmlnode_get_attrib(jingle, "action"), "transport-accept") == 0)
        xmlnode_set_attrib(jingle, "action", "transport-reject");
    return FATE_ARRIVES;
}

START_TEST(says_when_there_is_no_route)
{
    pair->filter = nobody_can_go_in_band;
    pair_offer(&pair->a, "file", 1000);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_NO_ROUTE);
    ck_assert_int_eq(pair->b.reason, BS_END_NO_ROUTE);
    ck_assert(pair->b.discarded && !pair->b.named);
}
END_TEST

START_TEST(ten_at_once)
{
    Pair *pairs[10];

    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        pairs[i] = pair_new();
        pairs[i]->filter = i % 2 ? offerer_cannot_listen : NULL;
        pair_offer(i % 3 ? &pairs[i]->a : &pairs[i]->b, "file", 300000 + i);
    }
    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        Side *to = i % 3 ? &pairs[i]->b : &pairs[i]->a;

        ck_assert(pair_settle(pairs[i]));
        ck_assert_int_eq(to->reason, BS_END_DELIVERED);
        ck_assert(pair_has_whole_file(to, 300000 + i));
        pair_free(pairs[i]);
    }
}
END_TEST

START_TEST(is_declined)
{
    pair->b.user = USER_DECLINES;
    pair_offer(&pair->a, "file", 1000);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_DECLINED);
    ck_assert_uint_eq(pair->a.started, 0);
}
END_TEST

START_TEST(is_declined_when_nobody_watches)
{
    pair->b.user = USER_IS_NOT_THERE;
    pair_offer(&pair->a, "file", 1000);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_DECLINED);
}
END_TEST

/* Until the side's transfer has come so far. */
static void
run_until_offered(Side *side)
{
    for (guint i = 0; i < 1000 && side->transfer == NULL; i++)
        bs_test_run_for(5);
    ck_assert_ptr_nonnull(side->transfer);
}

START_TEST(cancelled_while_it_rings)
{
    Side *who = _i ? &pair->a : &pair->b;

    pair->b.user = USER_WAITS;
    pair_offer(&pair->a, "file", 1000);
    run_until_offered(&pair->b);
    bs_transfer_cancel(g_steal_pointer(&who->transfer));
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(who->ended, 0);
    ck_assert_uint_eq(who->peer->ended, 1);
    ck_assert_int_eq(who->peer->reason, BS_END_CANCELLED);
}
END_TEST

static void
cancel_now(Side *side)
{
    side->on_progress = NULL;
    bs_transfer_cancel(g_steal_pointer(&side->transfer));
}

START_TEST(cancelled_in_mid_data)
{
    Side *who = _i ? &pair->a : &pair->b;

    who->on_progress = cancel_now;
    pair_offer(&pair->a, "file", 40000000);
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(who->ended, 0);
    ck_assert_uint_eq(who->peer->ended, 1);
    ck_assert_int_eq(who->peer->reason, BS_END_CANCELLED);
    ck_assert(pair->b.discarded && !pair->b.named);
}
END_TEST

static guint cancel_after;
static Side *who_cancels;

static gboolean
cancel_if_alive(gpointer data)
{
    Side *side = data;

    if (side->transfer != NULL)
        bs_transfer_cancel(g_steal_pointer(&side->transfer));
    return G_SOURCE_REMOVE;
}

/* The user cancels when the event loop runs next after that stanza was sent. */
static StanzaFate
cancel_at_stanza(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    (void)the_pair;
    (void)from;
    (void)stanza;
    if (number == cancel_after)
        g_idle_add_full(G_PRIORITY_HIGH, cancel_if_alive, who_cancels, NULL);
    return FATE_ARRIVES;
}

START_TEST(cancelled_at_any_stanza)
{
    cancel_after = (guint)_i / 2;
    who_cancels = _i % 2 ? &pair->a : &pair->b;
    pair->filter = cancel_at_stanza;
    pair_offer(&pair->a, "file", 3000000);
    ck_assert(pair_settle(pair));
    ck_assert(pair->b.named || pair->b.discarded || pair->b.offers == 0 || pair->b.received->len == 0);
    ck_assert(!(pair->b.named && pair->b.discarded));
}
END_TEST

static void
endpoint_goes_now(Side *side)
{
    side->on_progress = NULL;
    g_clear_pointer(&side->endpoint, bs_endpoint_free);
}

START_TEST(endpoint_goes_in_mid_data)
{
    Side *who = _i ? &pair->a : &pair->b;

    who->on_progress = endpoint_goes_now;
    pair_offer(&pair->a, "file", 40000000);
    for (guint i = 0; i < 2000 && who->endpoint != NULL; i++)
        bs_test_run_for(5);
    ck_assert_uint_eq(who->ended, 1);
    for (guint i = 0; i < 2000 && who->peer->ended == 0; i++)
        bs_test_run_for(5);
    ck_assert_uint_eq(who->peer->ended, 1);
    ck_assert_int_eq(who->peer->reason, BS_END_PEER_GONE);
    ck_assert(pair->b.discarded && !pair->b.named);
    bs_test_run_for(50);
}
END_TEST

START_TEST(ends_when_the_disk_is_full)
{
    pair->b.sink_fails = TRUE;
    pair_offer(&pair->a, "file", 4000000);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->b.reason, BS_END_NO_ROOM);
    ck_assert_int_eq(pair->a.reason, BS_END_NO_ROOM);
    ck_assert(pair->b.discarded);
}
END_TEST

START_TEST(ends_when_the_file_gets_no_name)
{
    pair->b.sink_fails_to_name = 1;
    pair_offer(&pair->a, "file", 4000);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->b.reason, BS_END_LOCAL_FILE);
    ck_assert_int_eq(pair->a.reason, BS_END_PEER_FAILED);
}
END_TEST

START_TEST(ends_when_the_file_shrinks)
{
    g_autoptr(BsFileOffer) offer = pair_file("file", 4000000);

    pair_offer_as(&pair->a, offer, 3000000);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_WRONG_SIZE);
    ck_assert_int_eq(pair->b.reason, BS_END_PEER_FAILED);
    ck_assert(pair->b.discarded && !pair->b.named);
}
END_TEST

START_TEST(refuses_a_wrong_hash)
{
    g_autoptr(BsFileOffer) offer = pair_file("file", 5000);
    guint8 wrong[BS_DIGEST_MAX] = {1, 2, 3};

    bs_file_offer_set_hash(offer, BS_HASH_SHA256, wrong);
    pair_offer_as(&pair->a, offer, 5000);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->b.reason, BS_END_DAMAGED);
    ck_assert_int_eq(pair->a.reason, BS_END_DAMAGED);
    ck_assert(pair->b.discarded && !pair->b.named);
}
END_TEST

static StanzaFate
lose_checksum(Pair *the_pair, guint number, Side *from, xmlnode *stanza)
{
    const xmlnode *jingle = bs_jingle_element(stanza);

    (void)the_pair;
    (void)number;
    (void)from;
    return jingle != NULL && xmlnode_get_child(jingle, "checksum") != NULL ? FATE_IS_LOST : FATE_ARRIVES;
}

START_TEST(calls_a_file_without_hash_unverified)
{
    bs_test_hurry(10);
    pair->filter = lose_checksum;
    pair_offer(&pair->a, "file", 5000);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->b.reason, BS_END_UNVERIFIED);
    ck_assert_int_eq(pair->a.reason, BS_END_DELIVERED);
    ck_assert(pair_has_whole_file(&pair->b, 5000));
}
END_TEST

START_TEST(every_hash_is_verified)
{
    g_autoptr(BsFileOffer) offer = pair_file("file", 70000);

    offer->hashes_promised = 1u << _i;
    pair_offer_as(&pair->a, offer, 70000);
    check_delivered(&pair->a, &pair->b, 70000);
}
END_TEST

static int
connect_to_listener(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = g_htons(bs_listener_port())};

    address.sin_addr.s_addr = g_htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

START_TEST(stray_connections_disturb_nobody)
{
    int fds[90];

    pair->b.user = USER_WAITS;
    pair_offer(&pair->a, "file", 100000);
    run_until_offered(&pair->b);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = connect_to_listener();
        if (i % 3 == 1)
            ck_assert_int_gt(send(fds[i], "GET / HTTP/1.0\r\n\r\n", 18, MSG_NOSIGNAL), 0);
        if (i % 3 == 2)
            ck_assert_int_gt(send(fds[i], "\x05\x01", 2, MSG_NOSIGNAL), 0);
        bs_test_run_for(1);
    }
    bs_test_run_for(50);
    pair_accept(&pair->b);
    check_delivered(&pair->a, &pair->b, 100000);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("transfer");
    TCase *tcase = tcase_create("transfer");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, delivers_any_size, 0, G_N_ELEMENTS(sizes));
    tcase_add_test(tcase, delivers_from_the_other_side);
    tcase_add_test(tcase, receiver_dials_sender);
    tcase_add_test(tcase, sender_dials_receiver);
    tcase_add_test(tcase, goes_in_band_when_there_is_no_other_route);
    tcase_add_test(tcase, says_when_there_is_no_route);
    tcase_add_test(tcase, ten_at_once);
    tcase_add_test(tcase, is_declined);
    tcase_add_test(tcase, is_declined_when_nobody_watches);
    tcase_add_loop_test(tcase, cancelled_while_it_rings, 0, 2);
    tcase_add_loop_test(tcase, cancelled_in_mid_data, 0, 2);
    tcase_add_loop_test(tcase, cancelled_at_any_stanza, 0, 32);
    tcase_add_loop_test(tcase, endpoint_goes_in_mid_data, 0, 2);
    tcase_add_test(tcase, ends_when_the_disk_is_full);
    tcase_add_test(tcase, ends_when_the_file_gets_no_name);
    tcase_add_test(tcase, ends_when_the_file_shrinks);
    tcase_add_test(tcase, refuses_a_wrong_hash);
    tcase_add_test(tcase, calls_a_file_without_hash_unverified);
    tcase_add_loop_test(tcase, every_hash_is_verified, 0, BS_HASH_COUNT);
    tcase_add_test(tcase, stray_connections_disturb_nobody);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
