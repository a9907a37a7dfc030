/* The window of in-band bytestreams against a server of a given speed and distance, in simulated time:
 * nothing here looks at a clock. SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "transport/ibb_window.h"

#define MS 1000
#define BLOCK 4096
/* What a block costs on the wire: base64, and the stanza around it; and what its answer costs. */
#define WIRE(bytes) ((bytes)*4 / 3 + 250)
#define ANSWER 150
#define SEGMENT 1448
#define TICK (MS / 4)
/* How much later than without us a chat message may come. */
#define HELD_UP_MOST (300 * MS)

/* One TCP connection in one direction. With Nagle's algorithm (as the kernel does it: RFC 896 with Minshall's
 * modification) what fills no segment waits while another such is not acknowledged. */
typedef struct {
    gint64 there; /* from one end to the other */
    gboolean nagle;
    gsize written; /* all counted from the beginning */
    gsize sent;
    gint64 small_till; /* then the acknowledgement of the latest small segment is here */
    GQueue flying;     /* Mark: segments */
    GQueue stanzas;    /* Mark: those that have not arrived as a whole */
} Leg;

/* Something that ends at a byte of a connection, and is at its end at a time. */
typedef struct {
    gsize end;
    gint64 at;
} Mark;

enum { TO_SERVER, TO_PEER, FROM_PEER, FROM_SERVER, LEGS };

typedef struct {
    gint64 sent_at;
    gsize length;
} Block;

/* We, a server that passes stanzas on one after the other, and a peer that answers each at once. */
typedef struct {
    BsIbbWindow window;
    Leg legs[LEGS];
    double rate;      /* of the server: bytes of the wire in a microsecond */
    gint64 busy_till; /* what has come so far keeps it busy until then */
    GQueue sizes;     /* of the blocks on their way to it, on the wire */
    GQueue served;    /* Mark: blocks that wait for it, or that it is passing on */
    gint64 worst;     /* the longest time that a stanza ever took there */
    GQueue blocks;    /* Block: not answered yet */
    gsize outstanding;
    gint64 now;
    gsize delivered;
    gsize end;  /* of what there is to send */
    guint most; /* blocks on their way at once */
} World;

static void
push_mark(GQueue *queue, gsize end, gint64 at)
{
    Mark *mark = g_new0(Mark, 1);

    mark->end = end;
    mark->at = at;
    g_queue_push_tail(queue, mark);
}

static void
leg_send(Leg *leg, gsize bytes, gint64 now)
{
    leg->sent += bytes;
    push_mark(&leg->flying, leg->sent, now + leg->there);
}

static void
leg_push(Leg *leg, gint64 now)
{
    while (leg->written - leg->sent >= SEGMENT)
        leg_send(leg, SEGMENT, now);
    if (leg->written > leg->sent && (!leg->nagle || now >= leg->small_till)) {
        leg_send(leg, leg->written - leg->sent, now);
        leg->small_till = now + 2 * leg->there;
    }
}

static void
leg_write(Leg *leg, gsize bytes, gint64 now)
{
    leg->written += bytes;
    push_mark(&leg->stanzas, leg->written, 0);
    leg_push(leg, now);
}

static gboolean
take_mark(GQueue *queue, gsize end, gint64 now, gsize *taken)
{
    Mark *mark = g_queue_peek_head(queue);

    if (mark == NULL || mark->end > end || mark->at > now)
        return FALSE;
    if (taken != NULL)
        *taken = mark->end;
    g_free(g_queue_pop_head(queue));
    return TRUE;
}

/* Returns how many stanzas arrive. */
static guint
leg_step(Leg *leg, gint64 now)
{
    gsize arrived = 0;
    guint count = 0;

    leg_push(leg, now);
    while (take_mark(&leg->flying, G_MAXSIZE, now, &arrived))
        while (take_mark(&leg->stanzas, arrived, now, NULL))
            count++;
    return count;
}

static void
serve(World *world, gsize wire)
{
    world->busy_till = MAX(world->busy_till, world->now) + (gint64)((double)wire / world->rate);
    world->worst = MAX(world->worst, world->busy_till - world->now);
    push_mark(&world->served, wire, world->busy_till);
}

static void
fill_window(World *world)
{
    gsize left = world->end - world->delivered - world->outstanding;
    gsize room;

    while (left > 0 && (room = bs_ibb_window_room(&world->window, world->outstanding)) > 0) {
        Block *block = g_new0(Block, 1);

        ck_assert_uint_le(room, BLOCK);
        block->sent_at = world->now;
        block->length = MIN(room, left);
        left -= block->length;
        world->outstanding += block->length;
        g_queue_push_tail(&world->blocks, block);
        world->most = MAX(world->most, g_queue_get_length(&world->blocks));
        leg_write(&world->legs[TO_SERVER], WIRE(block->length), world->now);
        g_queue_push_tail(&world->sizes, GSIZE_TO_POINTER(WIRE(block->length)));
    }
}

static void
take_answer(World *world)
{
    Block *block = g_queue_pop_head(&world->blocks);

    bs_ibb_window_acknowledged(&world->window, block->length, world->outstanding, world->now - block->sent_at,
                               world->now);
    world->outstanding -= block->length;
    world->delivered += block->length;
    g_free(block);
    fill_window(world);
}

static void
step(World *world)
{
    Leg *legs = world->legs;
    gsize wire;
    guint count;

    world->now += TICK;
    for (count = leg_step(&legs[TO_SERVER], world->now); count > 0; count--)
        serve(world, GPOINTER_TO_SIZE(g_queue_pop_head(&world->sizes)));
    while (take_mark(&world->served, G_MAXSIZE, world->now, &wire))
        leg_write(&legs[TO_PEER], wire, world->now);
    for (count = leg_step(&legs[TO_PEER], world->now); count > 0; count--)
        leg_write(&legs[FROM_PEER], ANSWER, world->now);
    for (count = leg_step(&legs[FROM_PEER], world->now); count > 0; count--)
        leg_write(&legs[FROM_SERVER], ANSWER, world->now);
    for (count = leg_step(&legs[FROM_SERVER], world->now); count > 0; count--)
        take_answer(world);
}

static void
world_set_delay(World *world, gint64 delay_ms)
{
    for (guint i = 0; i < LEGS; i++)
        world->legs[i].there = delay_ms * MS / LEGS;
}

/* `delay_ms`: there and back, without any waiting. */
static void
world_init(World *world, gint64 delay_ms, double bytes_per_second, gboolean nagle)
{
    World fresh = {.rate = bytes_per_second / 1e6};

    *world = fresh;
    world_set_delay(world, delay_ms);
    for (guint i = 0; i < LEGS; i++)
        world->legs[i].nagle = nagle;
    bs_ibb_window_init(&world->window, BLOCK);
}

static void
world_clear(World *world)
{
    for (guint i = 0; i < LEGS; i++) {
        g_queue_clear_full(&world->legs[i].flying, g_free);
        g_queue_clear_full(&world->legs[i].stanzas, g_free);
    }
    g_queue_clear(&world->sizes);
    g_queue_clear_full(&world->served, g_free);
    g_queue_clear_full(&world->blocks, g_free);
}

/* Sends `total` bytes. Returns the time that it took. */
static gint64
run(World *world, gsize total)
{
    gint64 begin = world->now;

    world->worst = 0;
    world->end = world->delivered + total;
    fill_window(world);
    while (world->delivered < world->end)
        step(world);
    return world->now - begin;
}

/* The time that it takes with one whole block at a time. */
static gint64
run_one_by_one(const World *world, gsize total)
{
    gint64 delay = LEGS * world->legs[0].there + (gint64)(WIRE(BLOCK) / world->rate);

    return (gint64)((total + BLOCK - 1) / BLOCK) * delay;
}

/* Delays there and back, with Nagle's algorithm and without. */
static const struct {
    gint64 delay_ms;
    gboolean nagle;
} ways[] = {
    {50, FALSE}, {100, FALSE}, {200, FALSE}, {300, FALSE}, {50, TRUE}, {100, TRUE}, {200, TRUE}, {300, TRUE},
};

START_TEST(is_far_faster_than_one_block_at_a_time)
{
    World world;
    gint64 took;

    world_init(&world, ways[_i].delay_ms, 20e6, ways[_i].nagle);
    took = run(&world, 8 << 20);
    ck_assert_msg(run_one_by_one(&world, 8 << 20) >= 15 * took, "%d ms: only %.1f times as fast",
                  (int)ways[_i].delay_ms, (double)run_one_by_one(&world, 8 << 20) / (double)took);
    ck_assert_uint_le(world.most, BS_IBB_WINDOW_BLOCKS_MAX);
    world_clear(&world);
}
END_TEST

/* A file that is not large is not sent before the window is. */
START_TEST(is_fast_soon)
{
    World world;
    gint64 took;

    world_init(&world, ways[_i].delay_ms, 20e6, ways[_i].nagle);
    took = run(&world, 1 << 20);
    ck_assert_msg(run_one_by_one(&world, 1 << 20) >= (ways[_i].nagle ? 4 : 8) * took,
                  "%d ms: only %.1f times as fast", (int)ways[_i].delay_ms,
                  (double)run_one_by_one(&world, 1 << 20) / (double)took);
    world_clear(&world);
}
END_TEST

/* Delays and speeds of servers. */
static const struct {
    gint64 delay_ms;
    double bytes_per_second;
} servers[] = {
    {1, 1e8},   {1, 1e6},   {1, 1e5},   {1, 3e4},   {1, 1e4},   {10, 1e6},  {10, 1e5},  {50, 1e6},
    {50, 2e5},  {50, 5e4},  {50, 1e4},  {100, 1e6}, {100, 3e5}, {100, 1e5}, {100, 3e4}, {100, 1e4},
    {200, 1e6}, {200, 1e5}, {200, 1e4}, {300, 1e6}, {300, 3e5}, {300, 1e5}, {300, 1e4},
};

/* Each server twice: as it is, and with Nagle's algorithm. */
static void
world_init_server(World *world, guint number)
{
    world_init(world, servers[number / 2].delay_ms, servers[number / 2].bytes_per_second, number % 2 != 0);
}

START_TEST(does_not_hold_up_others)
{
    guint number = (guint)_i;
    double rate = servers[number / 2].bytes_per_second;
    gsize total = (gsize)CLAMP(rate * 20, 1 << 18, 1 << 24);
    gint64 most = HELD_UP_MOST;
    World world;

    /* Where answers take up to three times the delay of a long way without any queue, a queue is found late.
     */
    if (number % 2 != 0 && servers[number / 2].delay_ms > 200)
        most = 3 * servers[number / 2].delay_ms * MS;
    world_init_server(&world, number);
    for (guint i = 0; i < 2; i++) {
        run(&world, total);
        ck_assert_msg(world.worst <= most, "%d ms at %.0f B/s, Nagle %u, file %u: others wait %d ms",
                      (int)servers[number / 2].delay_ms, rate, number % 2, i, (int)(world.worst / MS));
    }
    world_clear(&world);
}
END_TEST

START_TEST(uses_what_the_server_can_do)
{
    guint number = (guint)_i;
    double delay = (double)(servers[number / 2].delay_ms * MS) * (number % 2 != 0 ? 3 : 1);
    double most = BS_IBB_WINDOW_BLOCKS_MAX * BLOCK * 1e6 / delay;
    double rate = MIN(servers[number / 2].bytes_per_second * 3 / 4, most);
    World world;
    gint64 took;

    world_init_server(&world, number);
    took = run(&world, (gsize)(rate * 20));
    ck_assert_msg(took < (number % 2 != 0 ? 4 : 2) * 20 * G_USEC_PER_SEC,
                  "%d ms at %.0f B/s, Nagle %u: took %.1f times as long", (int)servers[number / 2].delay_ms,
                  servers[number / 2].bytes_per_second, number % 2, (double)took / 20 / G_USEC_PER_SEC);
    world_clear(&world);
}
END_TEST

START_TEST(gives_way_when_the_server_gets_slow_and_comes_back)
{
    World world;

    world_init(&world, 50, 1e6, _i != 0);
    run(&world, 4 << 20);
    world.rate = 5e4 / 1e6;
    run(&world, 300 << 10);
    run(&world, 1 << 20);
    ck_assert_int_le(world.worst, HELD_UP_MOST);
    world.rate = 1;
    run(&world, 4 << 20);
    ck_assert_int_lt(run(&world, 4 << 20), 10 * G_USEC_PER_SEC);
    world_clear(&world);
}
END_TEST

/* A way that gets longer, for good, is not taken for one that is full. */
START_TEST(learns_that_the_way_has_become_longer)
{
    World world;
    gint64 took;

    world_init(&world, 20, 1e7, _i != 0);
    run(&world, 8 << 20);
    world_set_delay(&world, 400);
    took = run(&world, 16 << 20);
    ck_assert_int_ge(run_one_by_one(&world, 16 << 20), 10 * took);
    world_clear(&world);
}
END_TEST

START_TEST(shrinks_when_refused_and_gives_up_at_last)
{
    World world;
    gsize before;
    guint pause = 0;
    guint last;
    guint tries = 0;

    world_init(&world, 50, 1e6, FALSE);
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
    world_clear(&world);
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
    tcase_add_loop_test(all, is_far_faster_than_one_block_at_a_time, 0, G_N_ELEMENTS(ways));
    tcase_add_loop_test(all, is_fast_soon, 0, G_N_ELEMENTS(ways));
    tcase_add_loop_test(all, does_not_hold_up_others, 0, 2 * G_N_ELEMENTS(servers));
    tcase_add_loop_test(all, uses_what_the_server_can_do, 0, 2 * G_N_ELEMENTS(servers));
    tcase_add_loop_test(all, gives_way_when_the_server_gets_slow_and_comes_back, 0, 2);
    tcase_add_loop_test(all, learns_that_the_way_has_become_longer, 0, 2);
    tcase_add_test(all, shrinks_when_refused_and_gives_up_at_last);
    tcase_add_loop_test(all, lets_one_block_out_whatever_happens, 1, 4);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
