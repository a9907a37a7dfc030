/* Many files at once between two clients, each with a queue of its own.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <string.h>

#include "pair.h"
#include "purple_env.h"
#include "transfer/jingle_xml.h"
#include "transport/s5b_xml.h"

#define FILES 20
#define FILE_BYTES 5000
#define PLENTY 50

typedef BsTransfer *(*OfferFile)(BsEndpoint *endpoint, const char *peer, const BsFileOffer *offer,
                                 BsSource *source, const BsTransferEvents *events, gpointer data);

typedef struct {
    Side *side;
    BsQueue *queue; /* NULL: it has none */
    OfferFile offer;
    gboolean answers_later;
    gboolean declines;
    guint running;
    guint most_running;
    guint delivered; /* sent and received */
    guint failed;
    GPtrArray *ringing; /* Received, in the order in which they were offered */
} Client;

/* A file that is sent, ... */
typedef struct {
    Client *client;
    guint number;
    BsPlace *place; /* until it is offered */
    BsTransfer *transfer;
    gboolean started;
    gboolean ended;
} Sent;

/* ... and one that is received. */
typedef struct {
    Client *client;
    BsTransfer *transfer;
    guint number;
    guint64 bytes;
    gboolean queued;
    gboolean started;
} Received;

typedef struct {
    BsSource base;
    guint64 left;
} FewBytes;

typedef struct {
    BsSink base;
    Received *file;
} CountingSink;

static Pair *pair;
static Client alice;
static Client bob;
static Sent sent[2][FILES];
static guint queued;
static GString *offers; /* at Bob's, a letter for each number, ... */
static GString *starts; /* ... and when bytes began to move */

static gssize
few_read(BsSource *base, guint8 *buffer, gsize size, GError **error)
{
    FewBytes *few = (FewBytes *)base;
    gsize count = (gsize)MIN(few->left, size);

    (void)error;
    memset(buffer, 'x', count);
    few->left -= count;
    return (gssize)count;
}

static void
few_close(BsSource *base)
{
    g_free(base);
}

static BsSource *
few_bytes(guint64 size)
{
    FewBytes *few = g_new0(FewBytes, 1);

    few->base.read = few_read;
    few->base.close = few_close;
    few->left = size;
    return &few->base;
}

static gssize
count_bytes(BsSink *base, const guint8 *buffer, gsize size, GError **error)
{
    (void)buffer;
    (void)error;
    ((CountingSink *)base)->file->bytes += size;
    return (gssize)size;
}

static gboolean
count_file(BsSink *base, GError **error)
{
    Received *file = ((CountingSink *)base)->file;

    (void)error;
    ck_assert_uint_eq(file->bytes, FILE_BYTES + file->number);
    g_free(base);
    return TRUE;
}

static void
throw_away(BsSink *base)
{
    g_free(base);
}

static BsSink *
counting_sink(Received *file)
{
    CountingSink *sink = g_new0(CountingSink, 1);

    sink->base.write = count_bytes;
    sink->base.finish = count_file;
    sink->base.discard = throw_away;
    sink->file = file;
    return &sink->base;
}

static void
count_start(Client *client, gboolean *started)
{
    *started = TRUE;
    client->running++;
    client->most_running = MAX(client->most_running, client->running);
}

static void
count_stop(Client *client, gboolean *started)
{
    client->running -= *started;
    *started = FALSE;
}

static void
count_end(Client *client, const BsEnd *end)
{
    if (end->reason == BS_END_DELIVERED || end->reason == BS_END_UNVERIFIED)
        client->delivered++;
    else
        client->failed++;
}

static void
sending_started(BsTransfer *transfer, const BsRoute *route, gpointer data)
{
    Sent *file = data;

    (void)transfer;
    (void)route;
    count_start(file->client, &file->started);
}

static void
receiving_started(BsTransfer *transfer, const BsRoute *route, gpointer data)
{
    Received *file = data;

    (void)transfer;
    (void)route;
    if (file->client == &bob)
        g_string_append_c(starts, (char)('a' + file->number));
    count_start(file->client, &file->started);
}

/* What has no byte left to move runs no more. */
static void
sending_progressed(BsTransfer *transfer, guint64 moved, gpointer data)
{
    Sent *file = data;

    if (moved == bs_transfer_file(transfer)->size)
        count_stop(file->client, &file->started);
}

static void
receiving_progressed(BsTransfer *transfer, guint64 moved, gpointer data)
{
    Received *file = data;

    if (moved == bs_transfer_file(transfer)->size)
        count_stop(file->client, &file->started);
}

static void
sending_ended(BsTransfer *transfer, const BsEnd *end, gpointer data)
{
    Sent *file = data;

    (void)transfer;
    file->transfer = NULL;
    file->ended = TRUE;
    count_stop(file->client, &file->started);
    count_end(file->client, end);
}

static void
receiving_ended(BsTransfer *transfer, const BsEnd *end, gpointer data)
{
    Received *file = data;

    ck_assert(!bs_transfer_is_queued(transfer) || (file->queued && !file->started));
    count_stop(file->client, &file->started);
    count_end(file->client, end);
    g_ptr_array_remove(file->client->ringing, file);
    g_free(file);
}

static void
receiving_queued(BsTransfer *transfer, gpointer data)
{
    ck_assert(bs_transfer_is_queued(transfer));
    ((Received *)data)->queued = TRUE;
    queued++;
}

static const BsTransferEvents sending_events = {
    .started = sending_started,
    .progress = sending_progressed,
    .ended = sending_ended,
};

static const BsTransferEvents receiving_events = {
    .queued = receiving_queued,
    .started = receiving_started,
    .progress = receiving_progressed,
    .ended = receiving_ended,
};

static void
accept_all(Client *client)
{
    g_autoptr(GPtrArray) ringing = g_steal_pointer(&client->ringing);

    client->ringing = g_ptr_array_new();
    for (guint i = 0; i < ringing->len; i++) {
        Received *file = ringing->pdata[i];

        bs_transfer_accept(file->transfer, counting_sink(file));
    }
}

static void
offered(BsEndpoint *endpoint, BsTransfer *transfer, gpointer data)
{
    Client *client = data;
    Received *file = g_new0(Received, 1);

    (void)endpoint;
    file->client = client;
    file->transfer = transfer;
    file->number = (guint)(bs_transfer_file(transfer)->size - FILE_BYTES);
    bs_transfer_watch(transfer, &receiving_events, file);
    if (client == &bob)
        g_string_append_c(offers, (char)('a' + file->number));
    if (client->declines) {
        g_free(file);
        bs_transfer_decline(transfer);
        return;
    }
    g_ptr_array_add(client->ringing, file);
    if (!client->answers_later)
        accept_all(client);
}

static const BsEndpointEvents endpoint_events = {.offered = offered};

/* `limit` 0: no queue. */
static void
client_init(Client *client, Side *side, guint limit)
{
    memset(client, 0, sizeof *client);
    client->side = side;
    client->offer = bs_transfer_offer;
    client->ringing = g_ptr_array_new();
    client->queue = limit > 0 ? bs_queue_new(limit) : NULL;
    bs_endpoint_free(side->endpoint);
    side->endpoint = bs_endpoint_new(side->link, NULL, &endpoint_events, client);
    bs_endpoint_set_queue(side->endpoint, client->queue);
}

static void
client_clear(Client *client)
{
    if (client->side == NULL)
        return;
    g_clear_pointer(&client->side->endpoint, bs_endpoint_free);
    g_clear_pointer(&client->ringing, g_ptr_array_unref);
    g_clear_pointer(&client->queue, bs_queue_free);
}

static void
begin(guint limit_of_alice, guint limit_of_bob)
{
    client_init(&alice, &pair->a, limit_of_alice);
    client_init(&bob, &pair->b, limit_of_bob);
}

static void
set_up(void)
{
    bs_test_hurry(1);
    memset(sent, 0, sizeof sent);
    queued = 0;
    offers = g_string_new(NULL);
    starts = g_string_new(NULL);
    memset(&alice, 0, sizeof alice);
    memset(&bob, 0, sizeof bob);
    pair = pair_new();
}

static void
tear_down(void)
{
    for (guint i = 0; i < FILES; i++)
        for (guint way = 0; way < 2; way++)
            g_clear_pointer(&sent[way][i].place, bs_place_free);
    client_clear(&alice);
    client_clear(&bob);
    pair_free(pair);
    g_string_free(offers, TRUE);
    g_string_free(starts, TRUE);
    bs_test_hurry(1);
}

static void
offer(Sent *file)
{
    Client *client = file->client;
    g_autoptr(BsFileOffer) description = pair_file("file", FILE_BYTES + file->number);

    file->transfer = client->offer(client->side->endpoint, client->side->peer->jid, description,
                                   few_bytes(FILE_BYTES + file->number), &sending_events, file);
    bs_transfer_hold_place(file->transfer, g_steal_pointer(&file->place));
}

static void
its_turn(gpointer data)
{
    offer(data);
}

static void
send_files(Client *client, Sent *files, guint count)
{
    for (guint i = 0; i < count; i++) {
        files[i].client = client;
        files[i].number = i;
        if (client->queue != NULL)
            files[i].place = bs_place_for_offer(client->queue, client->side->peer->jid, its_turn, &files[i]);
        if (files[i].place == NULL || !bs_place_waits(files[i].place))
            offer(&files[i]);
    }
}

static void
check_all_arrived(const Client *client, guint count)
{
    ck_assert_uint_eq(client->delivered, count);
    ck_assert_uint_eq(client->failed, 0);
    ck_assert_uint_eq(client->running, 0);
}

static gboolean
nothing_waits(const Sent *files)
{
    for (guint i = 0; i < FILES; i++)
        if (files[i].place != NULL)
            return FALSE;
    return TRUE;
}

/* Until nothing is left to do on either side. */
static void
settle(void)
{
    do
        ck_assert(pair_settle(pair));
    while (!nothing_waits(sent[0]) || !nothing_waits(sent[1]));
}

START_TEST(the_sender_keeps_its_limit)
{
    begin(2, 0);
    send_files(&alice, sent[0], FILES);
    settle();
    check_all_arrived(&alice, FILES);
    check_all_arrived(&bob, FILES);
    ck_assert_uint_le(alice.most_running, 2);
}
END_TEST

START_TEST(one_at_a_time_are_offered_in_order)
{
    begin(1, 0);
    send_files(&alice, sent[0], FILES);
    settle();
    check_all_arrived(&bob, FILES);
    ck_assert_uint_eq(alice.most_running, 1);
    ck_assert_str_eq(offers->str, "abcdefghijklmnopqrst");
}
END_TEST

/* No more than ring at once. */
START_TEST(the_receiver_keeps_its_limit)
{
    begin(0, 1);
    bob.answers_later = TRUE;
    send_files(&alice, sent[0], 10);
    bs_test_run_for(100);
    ck_assert_uint_eq(bob.ringing->len, 10);
    accept_all(&bob);
    settle();
    check_all_arrived(&alice, 10);
    check_all_arrived(&bob, 10);
    ck_assert_uint_eq(bob.most_running, 1);
    ck_assert_str_eq(starts->str, "abcdefghij");
}
END_TEST

static const struct {
    guint of_alice;
    guint of_bob;
} limits[] = {{1, 1}, {2, 1}, {1, 4}, {3, 3}, {PLENTY, 2}};

static void
check_both_directions(guint count, guint of_alice, guint of_bob)
{
    send_files(&alice, sent[0], count);
    send_files(&bob, sent[1], count);
    settle();
    check_all_arrived(&alice, 2 * count);
    check_all_arrived(&bob, 2 * count);
    /* Those that the other one had a place for, and what was offered meanwhile. */
    ck_assert_uint_le(alice.most_running, of_alice + MIN(of_alice, 8));
    ck_assert_uint_le(bob.most_running, of_bob + MIN(of_bob, 8));
}

START_TEST(both_send_more_than_either_has_places)
{
    begin(limits[_i].of_alice, limits[_i].of_bob);
    check_both_directions(FILES, limits[_i].of_alice, limits[_i].of_bob);
}
END_TEST

/* Each takes half a second until the sender believes that it has arrived. */
START_TEST(both_send_by_stream_initiation)
{
    bs_test_hurry(10);
    begin(limits[_i].of_alice, limits[_i].of_bob);
    alice.offer = bob.offer = bs_transfer_offer_si;
    check_both_directions(FILES / 2, limits[_i].of_alice, limits[_i].of_bob);
}
END_TEST

/* Both users come back when each has been offered what there are places for. */
START_TEST(offers_wait_for_users_who_are_away)
{
    begin(3, 3);
    alice.answers_later = bob.answers_later = TRUE;
    send_files(&alice, sent[0], FILES);
    send_files(&bob, sent[1], FILES);
    bs_test_run_for(100);
    ck_assert_uint_eq(bob.ringing->len, 3);
    ck_assert_uint_eq(alice.ringing->len, 3);
    alice.answers_later = bob.answers_later = FALSE;
    accept_all(&alice);
    accept_all(&bob);
    settle();
    check_all_arrived(&alice, 2 * FILES);
    check_all_arrived(&bob, 2 * FILES);
}
END_TEST

START_TEST(a_declined_offer_gives_its_place_back)
{
    begin(2, 2);
    bob.declines = TRUE;
    send_files(&alice, sent[0], FILES);
    settle();
    ck_assert_uint_eq(alice.failed, FILES);
}
END_TEST

START_TEST(whoever_waits_can_be_cancelled_by_its_sender)
{
    begin(2, 1);
    bob.answers_later = TRUE;
    send_files(&alice, sent[0], FILES);
    bs_test_run_for(100);
    accept_all(&bob);
    bob.answers_later = FALSE;
    /* One that waits at the other end, or runs there, one that waits here, and so on. */
    for (guint i = 1; i < FILES; i += 2) {
        g_clear_pointer(&sent[0][i].place, bs_place_free);
        g_clear_pointer(&sent[0][i].transfer, bs_transfer_cancel);
    }
    settle();
    check_all_arrived(&alice, FILES / 2);
    ck_assert_uint_eq(bob.delivered, FILES / 2);
    ck_assert_uint_eq(bob.running, 0);
}
END_TEST

START_TEST(whoever_waits_can_be_cancelled_by_its_receiver)
{
    begin(0, 1);
    bob.answers_later = TRUE;
    send_files(&alice, sent[0], 10);
    bs_test_run_for(100);
    for (guint i = 0; i < 10; i++) {
        Received *file = bob.ringing->pdata[i];

        bs_transfer_accept(file->transfer, counting_sink(file));
        ck_assert(bs_transfer_is_queued(file->transfer) == (i > 0));
    }
    for (guint i = 1; i < 10; i += 2) {
        g_autofree Received *file = bob.ringing->pdata[i];
        g_autoptr(GError) gone =
            g_error_new_literal(BS_STREAM_ERROR, BS_STREAM_ERROR_WRITE, "the disk is gone");

        if (i % 4 == 1)
            bs_transfer_cancel(file->transfer);
        else
            bs_transfer_fail(file->transfer, gone);
    }
    g_ptr_array_set_size(bob.ringing, 0);
    settle();
    check_all_arrived(&bob, 5);
    ck_assert_uint_eq(alice.delivered, 5);
    ck_assert_uint_eq(alice.failed, 5);
}
END_TEST

/* The places of an endpoint that ends are there for others. */
START_TEST(sign_off_ends_what_waits)
{
    BsPlace *places[2];

    begin(2, 2);
    bob.answers_later = _i == 1;
    send_files(&alice, sent[0], FILES);
    send_files(&bob, sent[1], FILES);
    bs_test_run_for(20);
    for (guint i = 0; i < FILES; i++)
        g_clear_pointer(&sent[0][i].place, bs_place_free);
    g_clear_pointer(&alice.side->endpoint, bs_endpoint_free);
    ck_assert_uint_eq(alice.running, 0);
    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        places[i] = bs_place_for_accepted(alice.queue, NULL, NULL);
        ck_assert(!bs_place_waits(places[i]));
    }
    for (guint i = 0; i < G_N_ELEMENTS(places); i++)
        bs_place_free(places[i]);
}
END_TEST

/* The one place of ours is never given back. */
START_TEST(what_waits_begins_before_the_peer_gives_up)
{
    BsPlace *taken;
    g_autofree char *answer = NULL;

    pair_free(pair);
    pair = pair_new_scripted();
    client_init(&alice, &pair->a, 1);
    taken = bs_place_for_accepted(alice.queue, NULL, NULL);
    bs_test_hurry(10000);
    answer = script_jingle(
        pair, "session-initiate", "s1",
        "<content creator='initiator' name='c' senders='initiator'>"
        "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file><name>f</name><size>5000</size>"
        "</file></description><transport xmlns='" BS_NS_S5B "' sid='stream'/></content>");
    ck_assert_str_eq(answer, "result");
    ck_assert_uint_eq(queued, 1);
    ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
    bs_place_free(taken);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("many");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, the_sender_keeps_its_limit);
    tcase_add_test(all, one_at_a_time_are_offered_in_order);
    tcase_add_test(all, the_receiver_keeps_its_limit);
    tcase_add_loop_test(all, both_send_more_than_either_has_places, 0, G_N_ELEMENTS(limits));
    tcase_add_loop_test(all, both_send_by_stream_initiation, 0, G_N_ELEMENTS(limits));
    tcase_add_test(all, offers_wait_for_users_who_are_away);
    tcase_add_test(all, a_declined_offer_gives_its_place_back);
    tcase_add_test(all, whoever_waits_can_be_cancelled_by_its_sender);
    tcase_add_test(all, whoever_waits_can_be_cancelled_by_its_receiver);
    tcase_add_loop_test(all, sign_off_ends_what_waits, 0, 2);
    tcase_add_test(all, what_waits_begins_before_the_peer_gives_up);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
