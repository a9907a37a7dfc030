/* The limit of speed: how it is shared, by a clock of the test's own; and in pumps, by a real one.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/speed_limit.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "stream/bytes.h"
#include "stream/disk_chores.h"
#include "stream/part_file.h"
#include "stream/pump.h"
#include "worker.h"

#include "../support/purple_env.h"

#define HANG_SECONDS 60
#define KIB 1024
#define SECOND G_USEC_PER_SEC
#define SHARES 4

static gint64 clock_now; /* 0: the real one */
static gint polls;       /* in workers */
static pthread_t main_thread;

gint64
g_get_monotonic_time(void)
{
    struct timespec now;

    if (clock_now != 0)
        return clock_now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec / 1000;
}

int
poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};

    if (!pthread_equal(pthread_self(), main_thread))
        g_atomic_int_inc(&polls);
    return ppoll(fds, count, milliseconds >= 0 ? &time : NULL, NULL);
}

/* By a clock of our own. */

typedef struct {
    BsSpeedShare share;
    gint64 ready; /* when it wants to move bytes again */
    gint64 every; /* how seldom it does; 0: always */
    guint64 moved;
    gsize largest;
    gint64 last;
    gint64 longest_gap;
} User;

static User users[SHARES];

static void
set_up(void)
{
    memset(users, 0, sizeof users);
    clock_now = 1000 * SECOND;
    for (guint i = 0; i < SHARES; i++)
        users[i].last = clock_now;
}

static void
tear_down(void)
{
    bs_speed_limit_set(0);
    clock_now = 0;
}

static void
move(User *user, gsize count)
{
    bs_speed_share_use(&user->share, count);
    user->moved += count;
    user->largest = MAX(user->largest, count);
    user->longest_gap = MAX(user->longest_gap, clock_now - user->last);
    user->last = clock_now;
    user->ready = clock_now + user->every;
}

/* TRUE if the user could move something. */
static gboolean
moves_some(User *user)
{
    guint wait_ms = 0;
    gsize allowed;

    if (user->ready > clock_now)
        return FALSE;
    allowed = bs_speed_share_ask(&user->share, 100 * KIB, &wait_ms);
    if (allowed > 0) {
        move(user, allowed);
        return TRUE;
    }
    ck_assert_uint_gt(wait_ms, 0);
    ck_assert_uint_le(wait_ms, 250);
    user->ready = clock_now + wait_ms * 1000;
    return FALSE;
}

/* The first `count` users move what they may for so long. */
static void
run(guint count, gint64 duration)
{
    gint64 end = clock_now + duration;

    for (; clock_now < end; clock_now += 1000) {
        gboolean moved;

        do {
            moved = FALSE;
            for (guint i = 0; i < count; i++)
                moved |= moves_some(&users[i]);
        } while (moved);
    }
}

static guint64
moved_by(guint count)
{
    guint64 sum = 0;

    for (guint i = 0; i < count; i++)
        sum += users[i].moved;
    return sum;
}

static void
check_near(guint64 value, guint64 expected)
{
    ck_assert_uint_ge(value, expected - expected / 10);
    ck_assert_uint_le(value, expected + expected / 10);
}

START_TEST(without_a_limit_nothing_is_kept_back)
{
    guint wait_ms = 0;

    ck_assert_uint_eq(bs_speed_share_ask(&users[0].share, G_MAXSIZE, &wait_ms), G_MAXSIZE);
    bs_speed_share_use(&users[0].share, G_MAXSIZE);
    ck_assert_uint_eq(bs_speed_share_ask(&users[0].share, 1, &wait_ms), 1);
}
END_TEST

static const guint64 limits[] = {KIB, 10 * KIB, 100 * KIB, 10 * KIB *KIB, KIB *KIB *KIB};

START_TEST(the_limit_is_reached_and_kept)
{
    bs_speed_limit_set(limits[_i]);
    ck_assert_uint_eq(bs_speed_limit(), limits[_i]);
    run(1, 10 * SECOND);
    check_near(users[0].moved, 10 * limits[_i]);
}
END_TEST

START_TEST(bytes_flow_evenly)
{
    bs_speed_limit_set(limits[_i]);
    run(1, 10 * SECOND);
    ck_assert_int_le(users[0].longest_gap, SECOND / 3);
    ck_assert_uint_le(users[0].largest, MAX(limits[_i] / 10, 256));
}
END_TEST

START_TEST(all_have_the_same_part)
{
    bs_speed_limit_set(limits[_i]);
    run(SHARES, 20 * SECOND);
    check_near(moved_by(SHARES), 20 * limits[_i]);
    for (guint i = 0; i < SHARES; i++)
        check_near(users[i].moved, 20 * limits[_i] / SHARES);
}
END_TEST

START_TEST(what_one_cannot_use_the_others_have)
{
    bs_speed_limit_set(100 * KIB);
    users[0].every = SECOND;
    run(2, 20 * SECOND);
    check_near(moved_by(2), 2000 * KIB);
    ck_assert_uint_le(users[0].moved, 200 * KIB);
}
END_TEST

START_TEST(what_was_not_used_may_be_used_later)
{
    guint wait_ms = 0;
    gsize allowed;

    bs_speed_limit_set(100 * KIB);
    run(1, SECOND);
    do
        clock_now += 1000;
    while ((allowed = bs_speed_share_ask(&users[0].share, 100 * KIB, &wait_ms)) == 0);
    bs_speed_share_use(&users[0].share, 1);
    ck_assert_uint_eq(bs_speed_share_ask(&users[0].share, 100 * KIB, &wait_ms), allowed - 1);
}
END_TEST

START_TEST(a_pause_is_not_caught_up)
{
    bs_speed_limit_set(100 * KIB);
    run(1, SECOND);
    clock_now += 100 * SECOND;
    users[0].moved = 0;
    run(1, SECOND);
    ck_assert_uint_le(users[0].moved, 120 * KIB);
}
END_TEST

START_TEST(each_direction_has_its_own)
{
    bs_speed_limit_set(100 * KIB);
    users[1].share.flow = BS_FLOW_IN;
    run(2, 10 * SECOND);
    check_near(users[0].moved, 1000 * KIB);
    check_near(users[1].moved, 1000 * KIB);
}
END_TEST

START_TEST(a_changed_limit_counts_at_once)
{
    guint wait_ms = 0;

    bs_speed_limit_set(KIB);
    run(SHARES, 10 * SECOND);
    for (guint i = 0; i < SHARES; i++)
        users[i].moved = 0;
    bs_speed_limit_set(100 * KIB);
    run(SHARES, 10 * SECOND);
    check_near(moved_by(SHARES), 1000 * KIB);
    bs_speed_limit_set(10 * KIB);
    for (guint i = 0; i < SHARES; i++)
        users[i].moved = 0;
    run(SHARES, 10 * SECOND);
    check_near(moved_by(SHARES), 100 * KIB);
    bs_speed_limit_set(0);
    ck_assert_uint_eq(bs_speed_share_ask(&users[0].share, 100 * KIB, &wait_ms), 100 * KIB);
}
END_TEST

/* In pumps. */

#define PUMPS 8

typedef struct {
    BsPump *pump;
    BsSource *source;
    BsSink *sink;
    int peer;
    gboolean done;
    gboolean failed;
} Work;

static Work works[PUMPS];
static guint working;
static gboolean none_is_working;

static void
pump_done(BsPump *pump, const GError *error, gpointer data)
{
    Work *work = data;

    (void)pump;
    work->done = TRUE;
    work->failed = error != NULL;
    none_is_working = --working == 0;
}

static const BsPumpEvents pump_events = {.done = pump_done};

/* A source that only the event loop may read. */
static gssize
read_zeros(BsSource *source, guint8 *buffer, gsize size, GError **error)
{
    (void)source;
    (void)error;
    memset(buffer, 0, size);
    return (gssize)size;
}

static void
close_zeros(BsSource *source)
{
    g_free(source);
}

static BsSource *
zeros(void)
{
    BsSource *source = g_new0(BsSource, 1);

    source->read = read_zeros;
    source->close = close_zeros;
    return source;
}

static BsSource *
file_source(gsize size)
{
    g_autofree char *path = g_build_filename(bs_test_folder(), "from", NULL);
    g_autofree char *bytes = g_malloc0(size);
    guint64 found;

    g_assert(g_file_set_contents(path, bytes, (gssize)size, NULL));
    return bs_file_source_new(path, &found, NULL);
}

static void
set_up_pumps(void)
{
    memset(works, 0, sizeof works);
    working = 0;
    none_is_working = FALSE;
    for (guint i = 0; i < PUMPS; i++)
        works[i].peer = -1;
}

static void
end(Work *work)
{
    bs_pump_free(g_steal_pointer(&work->pump));
    if (work->source != NULL)
        bs_source_close(g_steal_pointer(&work->source));
    if (work->sink != NULL)
        bs_sink_discard(g_steal_pointer(&work->sink));
    if (work->peer >= 0)
        close(work->peer);
    work->peer = -1;
}

static void
tear_down_pumps(void)
{
    bs_test_hurry(1);
    for (guint i = 0; i < PUMPS; i++)
        end(&works[i]);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    bs_speed_limit_set(0);
}

/* Sends `size` bytes to a peer that takes them all. */
static void
send_some(Work *work, BsSource *source, gsize size)
{
    int ends[2];
    int room = (int)size;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    work->source = source;
    work->peer = ends[1];
    work->pump = bs_pump_send("test", ends[0], source, size, 0, &pump_events, work);
    working++;
}

/* Receives `size` bytes of a peer that has sent them all, and more. */
static void
receive_some(Work *work, gsize size)
{
    g_autofree char *path = g_build_filename(bs_test_folder(), "to", NULL);
    g_autofree char *bytes = g_malloc0(size);
    int ends[2];
    int room = (int)size * 2;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    ck_assert_int_eq(write(ends[1], bytes, size), (gssize)size);
    work->sink = bs_part_file_new(path, FALSE, NULL);
    work->peer = ends[1];
    work->pump = bs_pump_receive("test", ends[0], work->sink, size, 0, &pump_events, work);
    working++;
}

enum {
    BY_WORKER,
    BY_MOVER,
    RECEIVED,
    WAYS,
};

static void
begin(Work *work, int way, gsize size)
{
    if (way == RECEIVED)
        receive_some(work, size);
    else
        send_some(work, way == BY_WORKER ? file_source(size) : zeros(), size);
}

/* With this limit it would take minutes. */
START_TEST(a_limit_that_is_lifted_midway_holds_up_nobody)
{
    bs_speed_limit_set(KIB);
    for (guint i = 0; i < PUMPS; i++)
        begin(&works[i], _i, 64 * KIB);
    bs_test_run_for(300);
    for (guint i = 0; i < PUMPS; i++) {
        ck_assert(!works[i].done);
        ck_assert_uint_lt(bs_pump_moved(works[i].pump), 32 * KIB);
    }
    bs_speed_limit_set(0);
    ck_assert(bs_test_run_until(&none_is_working, HANG_SECONDS));
    for (guint i = 0; i < PUMPS; i++) {
        ck_assert(!works[i].failed);
        ck_assert_uint_eq(bs_pump_moved(works[i].pump), 64 * KIB);
    }
}
END_TEST

/* tear_down_pumps() waits for the workers. */
START_TEST(one_that_waits_can_be_cancelled)
{
    bs_speed_limit_set(KIB);
    for (guint i = 0; i < PUMPS; i++)
        begin(&works[i], _i, 64 * KIB);
    bs_test_run_for(50);
    for (guint i = 0; i < PUMPS; i++)
        end(&works[i]);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
}
END_TEST

/* Two minutes without a byte are a stall; here these pass in 0.6 s, and each pump may move a piece every two
 * seconds. */
START_TEST(waiting_is_no_stall)
{
    bs_test_hurry(200);
    bs_speed_limit_set(KIB);
    for (guint i = 0; i < PUMPS; i++)
        begin(&works[i], _i, 64 * KIB);
    bs_test_run_for(900);
    for (guint i = 0; i < PUMPS; i++)
        ck_assert(!works[i].done);
}
END_TEST

START_TEST(waiting_is_not_asking_all_the_time)
{
    gint before = g_atomic_int_get(&polls);

    bs_speed_limit_set(KIB);
    for (guint i = 0; i < PUMPS; i++)
        begin(&works[i], BY_WORKER, 64 * KIB);
    bs_test_run_for(500);
    ck_assert_int_le(g_atomic_int_get(&polls) - before, PUMPS * 10);
}
END_TEST

/* The pump may not wait for its turn when there is nobody any more to send to. */
START_TEST(a_peer_that_leaves_is_noticed)
{
    bs_speed_limit_set(KIB);
    begin(&works[0], _i, 64 * KIB);
    bs_test_run_for(50);
    close(works[0].peer);
    works[0].peer = -1;
    ck_assert(bs_test_run_until(&none_is_working, HANG_SECONDS));
    ck_assert(works[0].failed);
}
END_TEST

static TCase *
by_our_clock(void)
{
    TCase *tcase = tcase_create("shares");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, without_a_limit_nothing_is_kept_back);
    tcase_add_loop_test(tcase, the_limit_is_reached_and_kept, 0, G_N_ELEMENTS(limits));
    tcase_add_loop_test(tcase, bytes_flow_evenly, 0, G_N_ELEMENTS(limits));
    tcase_add_loop_test(tcase, all_have_the_same_part, 0, G_N_ELEMENTS(limits) - 1);
    tcase_add_test(tcase, what_one_cannot_use_the_others_have);
    tcase_add_test(tcase, what_was_not_used_may_be_used_later);
    tcase_add_test(tcase, a_pause_is_not_caught_up);
    tcase_add_test(tcase, each_direction_has_its_own);
    tcase_add_test(tcase, a_changed_limit_counts_at_once);
    return tcase;
}

static TCase *
in_pumps(void)
{
    TCase *tcase = tcase_create("pumps");

    tcase_add_checked_fixture(tcase, set_up_pumps, tear_down_pumps);
    tcase_set_timeout(tcase, 2 * HANG_SECONDS);
    tcase_add_loop_test(tcase, a_limit_that_is_lifted_midway_holds_up_nobody, 0, WAYS);
    tcase_add_loop_test(tcase, one_that_waits_can_be_cancelled, 0, WAYS);
    tcase_add_loop_test(tcase, waiting_is_no_stall, 0, WAYS);
    tcase_add_test(tcase, waiting_is_not_asking_all_the_time);
    tcase_add_loop_test(tcase, a_peer_that_leaves_is_noticed, 0, RECEIVED);
    return tcase;
}

int
main(void)
{
    Suite *suite = suite_create("speed_limit");
    SRunner *runner;
    int failed;

    main_thread = pthread_self();
    suite_add_tcase(suite, by_our_clock());
    suite_add_tcase(suite, in_pumps());
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
