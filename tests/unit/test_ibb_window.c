/* The window of in-band bytestreams against a server of a given speed and distance, in simulated time:
 * nothing here looks at a clock. SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "transport/ibb_window.h"

#define MS 1000
#define BLOCK 4096
/* What a block costs on the wire: base64, and the stanza around it. */
#define WIRE(bytes) ((bytes)*4 / 3 + 250)

/* A server that passes stanzas on one after the other. */
typedef struct {
    gint64 delay;     /* there and back, without any waiting */
    double rate;      /* bytes of the wire in a microsecond */
    gint64 busy_till; /* what has been sent so far keeps it busy until then */
    gint64 worst;     /* the longest wait that it ever imposed on a stanza sent now */
} Server;

typedef struct {
    gint64 sent_at;
    gint64 answered_at;
    gsize length;
} Block;

typedef struct {
    Server server;
    BsIbbWindow window;
    GQueue flying;
    gsize outstanding;
    gint64 now;
    gsize delivered;
    guint most; /* blocks on their way at once */
} World;

static void
send_block(World *world, gsize length)
{
    Server *server = &world->server;
    Block *block = g_new0(Block, 1);

    server->busy_till = MAX(server->busy_till, world->now) + (gint64)((double)WIRE(length) / server->rate);
    server->worst = MAX(server->worst, server->busy_till - world->now);
    block->sent_at = world->now;
    block->answered_at = server->busy_till + server->delay;
    block->length = length;
    world->outstanding += length;
    g_queue_push_tail(&world->flying, block);
    world->most = MAX(world->most, g_queue_get_length(&world->flying));
}

static void
fill_window(World *world, gsize left)
{
    gsize room;

    while (left > 0 && (room = bs_ibb_window_room(&world->window, world->outstanding)) > 0) {
        gsize length = MIN(room, left);

        ck_assert_uint_le(length, BLOCK);
        send_block(world, length);
        left -= length;
    }
}

static void
take_answer(World *world)
{
    Block *block = g_queue_pop_head(&world->flying);

    world->now = MAX(world->now, block->answered_at);
    bs_ibb_window_acknowledged(&world->window, block->length, world->outstanding,
                               block->answered_at - block->sent_at, world->now);
    world->outstanding -= block->length;
    world->delivered += block->length;
    g_free(block);
}

static void
world_init(World *world, gint64 delay_ms, double bytes_per_second)
{
    World fresh = {.server = {.delay = delay_ms * MS, .rate = bytes_per_second / 1e6},
                   .flying = G_QUEUE_INIT};

    *world = fresh;
    bs_ibb_window_init(&world->window, BLOCK);
}

/* Sends `total` bytes. Returns the time that it took. */
static gint64
run(World *world, gsize total)
{
    gint64 begin = world->now;
    gsize end = world->delivered + total;

    while (world->delivered < end) {
        fill_window(world, end - world->delivered - world->outstanding);
        take_answer(world);
    }
    return world->now - begin;
}

/* The time that it takes with one whole block at a time. */
static gint64
run_one_by_one(const Server *server, gsize total)
{
    return (gint64)((total + BLOCK - 1) / BLOCK) * (server->delay + (gint64)(WIRE(BLOCK) / server->rate));
}

START_TEST(is_far_faster_than_one_block_at_a_time)
{
    static const gint64 delays[] = {50, 100, 200};
    World world;
    gint64 took;

    world_init(&world, delays[_i], 20e6);
    took = run(&world, 8 << 20);
    ck_assert_int_ge(run_one_by_one(&world.server, 8 << 20), 15 * took);
    ck_assert_uint_le(world.most, BS_IBB_WINDOW_BLOCKS_MAX);
}
END_TEST

/* Delays and speeds of servers; of the last two, the last block alone takes longer than we may add. */
static const struct {
    gint64 delay_ms;
    double bytes_per_second;
} servers[] = {
    {1, 1e8},  {1, 1e6},   {1, 1e5},   {1, 3e4},   {1, 1e4},   {10, 1e6},  {10, 1e5},  {50, 1e6},  {50, 2e5},
    {50, 5e4}, {100, 1e6}, {100, 3e5}, {100, 1e5}, {100, 3e4}, {100, 1e4}, {200, 1e6}, {200, 1e5}, {300, 3e5},
};

START_TEST(does_not_hold_up_others)
{
    World world;
    gsize total = (gsize)CLAMP(servers[_i].bytes_per_second * 20, 1 << 18, 1 << 24);
    /* The first two blocks go out before anything is known. */
    gint64 unavoidable = (gint64)(2 * WIRE(BLOCK) * 1e6 / servers[_i].bytes_per_second);

    world_init(&world, servers[_i].delay_ms, servers[_i].bytes_per_second);
    run(&world, total);
    ck_assert_msg(world.server.worst <= MAX(200 * MS, unavoidable), "%d ms at %.0f B/s: others wait %d ms",
                  (int)servers[_i].delay_ms, servers[_i].bytes_per_second, (int)(world.server.worst / MS));
    world.server.worst = 0;
    run(&world, total);
    ck_assert_int_le(world.server.worst, 200 * MS);
}
END_TEST

START_TEST(uses_what_the_server_can_do)
{
    World world;
    gint64 took;
    gint64 ideal;
    double most = BS_IBB_WINDOW_BLOCKS_MAX * BLOCK * 1e6 / (double)(servers[_i].delay_ms * MS);
    double rate = MIN(servers[_i].bytes_per_second * 3 / 4, most);
    gsize total = (gsize)(rate * 20);

    world_init(&world, servers[_i].delay_ms, servers[_i].bytes_per_second);
    took = run(&world, total);
    ideal = (gint64)((double)total / rate * 1e6);
    ck_assert_msg(took < 2 * ideal, "%d ms at %.0f B/s: took %d ms, the server alone %d ms",
                  (int)servers[_i].delay_ms, servers[_i].bytes_per_second, (int)(took / MS),
                  (int)(ideal / MS));
}
END_TEST

START_TEST(gives_way_when_the_server_gets_slow_and_comes_back)
{
    World world;

    world_init(&world, 50, 1e6);
    run(&world, 4 << 20);
    world.server.rate = 5e4 / 1e6;
    run(&world, 300 << 10);
    world.server.worst = 0;
    run(&world, 1 << 20);
    ck_assert_int_le(world.server.worst, 200 * MS);
    world.server.rate = 1;
    run(&world, 4 << 20);
    ck_assert_int_lt(run(&world, 4 << 20), 10 * G_USEC_PER_SEC);
}
END_TEST

/* A way that gets longer, for good, is not taken for one that is full. */
START_TEST(learns_that_the_way_has_become_longer)
{
    World world;

    world_init(&world, 20, 1e7);
    run(&world, 8 << 20);
    world.server.delay = 400 * MS;
    run(&world, 16 << 20);
    ck_assert_int_lt(run(&world, 8 << 20), 30 * G_USEC_PER_SEC);
}
END_TEST

START_TEST(shrinks_when_refused_and_gives_up_at_last)
{
    World world;
    gsize before;
    guint pause = 0;
    guint last;
    guint tries = 0;

    world_init(&world, 50, 1e6);
    run(&world, 1 << 20);
    before = (gsize)world.window.bytes;
    do {
        last = pause;
        pause = bs_ibb_window_refused(&world.window);
        tries++;
        ck_assert(pause == 0 || pause > last);
        ck_assert_uint_lt((gsize)world.window.bytes, before);
        ck_assert_uint_ge(bs_ibb_window_room(&world.window, 0), BS_IBB_BLOCK_MIN);
    } while (pause > 0 && tries < 100);
    ck_assert_uint_lt(tries, 20);
    ck_assert_uint_gt(tries, 3);
    bs_ibb_window_acknowledged(&world.window, BLOCK, BLOCK, 50 * MS, world.now);
    ck_assert_uint_gt(bs_ibb_window_refused(&world.window), 0);
}
END_TEST

START_TEST(lets_one_block_out_whatever_happens)
{
    BsIbbWindow window;

    bs_ibb_window_init(&window, (gsize)_i);
    ck_assert_uint_eq(bs_ibb_window_room(&window, 0), (gsize)_i);
    for (guint i = 0; i < 100; i++) {
        bs_ibb_window_acknowledged(&window, (gsize)_i, (gsize)_i, (i + 1) * 1000 * MS, i * 1000 * MS);
        bs_ibb_window_refused(&window);
        ck_assert_uint_gt(bs_ibb_window_room(&window, 0), 0);
        ck_assert_uint_eq(bs_ibb_window_room(&window, 64 * (gsize)_i), 0);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ibb_window");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(all, 60);
    suite_add_tcase(suite, all);
    tcase_add_loop_test(all, is_far_faster_than_one_block_at_a_time, 0, 3);
    tcase_add_loop_test(all, does_not_hold_up_others, 0, G_N_ELEMENTS(servers));
    tcase_add_loop_test(all, uses_what_the_server_can_do, 0, G_N_ELEMENTS(servers));
    tcase_add_test(all, gives_way_when_the_server_gets_slow_and_comes_back);
    tcase_add_test(all, learns_that_the_way_has_become_longer);
    tcase_add_test(all, shrinks_when_refused_and_gives_up_at_last);
    tcase_add_loop_test(all, lets_one_block_out_whatever_happens, 1, 4);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
