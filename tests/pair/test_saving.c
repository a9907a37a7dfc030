/* What happens to a transfer while a slow disk takes the file that was received.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "socks5/candidate.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "stream/checkpoints.h"
#include "stream/part_file.h"
#include "transfer/jingle_xml.h"
#include "transfer/memory.h"
#include "transport/s5b_xml.h"
#include "worker.h"

#define FT5 "urn:xmpp:jingle:apps:file-transfer:5"
#define CONTENT(inner) "<content creator='initiator' name='a-file-offer'>" inner "</content>"
#define OFFER(file)                                                                                          \
    "<content creator='initiator' name='a-file-offer' senders='initiator'><description xmlns='" FT5          \
    "'><file><name>f</name><size>10</size>" file "</file></description><transport xmlns='" BS_NS_S5B         \
    "' sid='stream'/></content>"
#define HASH(value) "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>" value "</hash>"
#define RIGHT HASH("hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=") /* of "0123456789" */
#define WRONG HASH("iNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=")
#define CHECKSUM(hash)                                                                                       \
    "<checksum xmlns='" FT5 "' creator='initiator' name='a-file-offer'><file>" hash "</file></checksum>"
#define HANG_SECONDS 60

/* The disk: this definition stands before libc's. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static gboolean disk_is_slow;
static int disk_fails; /* with this errno */
static gboolean saving;
static pthread_t event_loop; /* in which only libpurple syncs, its preferences */

int
fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int fails;

    if (pthread_equal(pthread_self(), event_loop))
        return real(fd);
    pthread_mutex_lock(&gate);
    saving = TRUE;
    while (disk_is_slow)
        pthread_cond_wait(&gate_moved, &gate);
    fails = disk_fails;
    pthread_mutex_unlock(&gate);
    if (fails == 0)
        return real(fd);
    errno = fails;
    return -1;
}

static void
set_disk(gboolean slow, int fails)
{
    pthread_mutex_lock(&gate);
    disk_is_slow = slow;
    disk_fails = fails;
    saving = FALSE;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate);
}

static gboolean
is_saving(void)
{
    gboolean is;

    pthread_mutex_lock(&gate);
    is = saving;
    pthread_mutex_unlock(&gate);
    return is;
}

static Pair *pair;
static char *folder;
static char *path;
static int fd;

static void
setup(void)
{
    static guint number;

    event_loop = pthread_self();
    bs_test_hurry(20);
    pair = pair_new_scripted();
    pair->a.user = USER_WAITS;
    folder = g_strdup_printf("%s/%u", bs_test_folder(), number++);
    ck_assert_int_eq(g_mkdir(folder, 0700), 0);
    path = g_build_filename(folder, "f", NULL);
    fd = -1;
}

static guint
files_in_folder(void)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    guint count = 0;

    while (g_dir_read_name(dir) != NULL)
        count++;
    g_dir_close(dir);
    return count;
}

static void
teardown(void)
{
    set_disk(FALSE, 0);
    if (fd >= 0)
        close(fd);
    pair_free(pair);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    bs_test_hurry(1);
    g_clear_pointer(&folder, g_free);
    g_clear_pointer(&path, g_free);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

/* The peer has sent the whole file, and it is on its way to the disk. */
static void
receive(const char *offer)
{
    g_autofree char *dst_addr = bs_dst_addr("stream", pair->a.jid, pair->b.jid);
    g_autofree char *answer = script_jingle(pair, "session-initiate", "s1", offer);
    g_autofree char *used = NULL;
    g_autofree char *used_answer = NULL;
    const xmlnode *accept;
    const xmlnode *transport;

    ck_assert_str_eq(answer, "result");
    bs_transfer_set_path(pair->a.transfer, path, FALSE);
    bs_transfer_accept(pair->a.transfer, bs_part_file_new(path, FALSE, NULL));
    accept = script_expect(pair, "session-accept");
    ck_assert_ptr_nonnull(accept);
    transport = bs_jingle_transport(bs_jingle_first_content(bs_jingle_element((xmlnode *)accept)));
    ck_assert_uint_eq(script_dial(dst_addr, &fd), 0);
    used = g_strdup_printf(
        CONTENT("<transport xmlns='" BS_NS_S5B "' sid='stream'><candidate-used cid='%s'/></transport>"),
        bs_jingle_attrib(xmlnode_get_child(transport, "candidate"), "cid"));
    set_disk(TRUE, 0);
    used_answer = script_jingle(pair, "transport-info", "s1", used);
    ck_assert_str_eq(used_answer, "result");
    script_send_bytes(fd, "0123456789", 10);
    for (gint64 end = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC; !is_saving();
         bs_test_run_for(1))
        ck_assert_msg(g_get_monotonic_time() < end, "nothing is saved");
    ck_assert_uint_eq(pair->a.ended, 0);
}

static void
tell(const char *action, const char *contents)
{
    g_autofree char *answer = script_jingle(pair, action, "s1", contents);

    ck_assert_str_eq(answer, "result");
}

static void
check_end(BsEndReason reason, guint files)
{
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.ended, 1);
    ck_assert_int_eq(pair->a.reason, reason);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    ck_assert_uint_eq(files_in_folder(), files);
    ck_assert_int_eq(g_file_test(path, G_FILE_TEST_EXISTS), files > 0);
}

static BsJingleReason
awaited_terminate(void)
{
    const xmlnode *terminate = script_expect(pair, "session-terminate");

    ck_assert_ptr_nonnull(terminate);
    return bs_jingle_reason(bs_jingle_element((xmlnode *)terminate));
}

/* Nothing is told before the file has its name. */
START_TEST(success_is_told_when_the_file_has_its_name)
{
    receive(OFFER(RIGHT));
    bs_test_run_for(50);
    ck_assert_uint_eq(pair->a.ended, 0);
    ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
    set_disk(FALSE, 0);
    ck_assert_ptr_nonnull(script_expect(pair, "session-info"));
    ck_assert(g_file_test(path, G_FILE_TEST_EXISTS));
    ck_assert_int_eq(awaited_terminate(), BS_JINGLE_SUCCESS);
    check_end(BS_END_DELIVERED, 1);
}
END_TEST

/* A peer that is impatient, or changes its mind, is too late. */
START_TEST(the_peer_ends_the_session_meanwhile)
{
    const char *reasons[] = {"<reason><success/></reason>", "<reason><cancel/></reason>",
                             "<reason><timeout/></reason>", "<reason><media-error/></reason>"};

    receive(OFFER(RIGHT));
    tell("session-terminate", reasons[_i]);
    bs_test_run_for(20);
    ck_assert_uint_eq(pair->a.ended, 0);
    set_disk(FALSE, 0);
    check_end(BS_END_DELIVERED, 1);
}
END_TEST

START_TEST(the_connection_ends_meanwhile)
{
    receive(OFFER(RIGHT));
    close(fd);
    fd = -1;
    bs_endpoint_peer_unavailable(pair->a.endpoint, pair->b.jid);
    bs_test_run_for(2000);
    ck_assert_uint_eq(pair->a.ended, 0);
    set_disk(FALSE, 0);
    ck_assert_int_eq(awaited_terminate(), BS_JINGLE_SUCCESS);
    check_end(BS_END_DELIVERED, 1);
}
END_TEST

START_TEST(a_late_hash_agrees)
{
    receive(OFFER(""));
    tell("session-info", CHECKSUM(RIGHT));
    set_disk(FALSE, 0);
    ck_assert_int_eq(awaited_terminate(), BS_JINGLE_SUCCESS);
    check_end(BS_END_DELIVERED, 1);
}
END_TEST

START_TEST(no_hash_comes)
{
    receive(OFFER(""));
    set_disk(FALSE, 0);
    ck_assert_int_eq(awaited_terminate(), BS_JINGLE_SUCCESS);
    check_end(BS_END_UNVERIFIED, 1);
}
END_TEST

/* The file must not get its name any more. */
START_TEST(a_late_hash_differs)
{
    receive(OFFER(""));
    tell("session-info", CHECKSUM(WRONG));
    ck_assert_int_eq(awaited_terminate(), BS_JINGLE_MEDIA_ERROR);
    set_disk(FALSE, 0);
    check_end(BS_END_DAMAGED, 0);
}
END_TEST

START_TEST(our_user_cancels)
{
    receive(OFFER(RIGHT));
    bs_transfer_cancel(g_steal_pointer(&pair->a.transfer));
    ck_assert_int_eq(awaited_terminate(), BS_JINGLE_CANCEL);
    ck_assert_uint_eq(files_in_folder(), 1);
    set_disk(FALSE, 0);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    ck_assert_uint_eq(files_in_folder(), 0);
    ck_assert_uint_eq(pair->a.ended, 0);
}
END_TEST

static void
prefix_known(guint64 length, BsDigest *digest, gpointer data)
{
    bs_digest_free(digest);
    *(guint64 *)data = length;
}

/* All of it is there: it gets its name when both are online again, and nothing is sent twice. */
START_TEST(we_go_offline)
{
    g_autofree char *place = g_strconcat(folder, ".memory", NULL);
    BsMemory *memory = bs_memory_new(place);
    g_autofree char *checkpoints = NULL;
    const BsRemembered *item;
    guint64 length = 0;

    bs_endpoint_set_memory(pair->a.endpoint, memory);
    receive(OFFER("<range/>" RIGHT));
    if (_i == 0)
        bs_endpoint_free(g_steal_pointer(&pair->a.endpoint));
    else
        ck_assert(bs_transfer_leave(g_steal_pointer(&pair->a.transfer)));
    set_disk(FALSE, 0);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    ck_assert_int_eq(awaited_terminate(), BS_JINGLE_GONE);
    ck_assert_uint_eq(pair->a.ended, _i == 0);
    ck_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
    ck_assert_uint_eq(bs_memory_items(memory)->len, 1);
    item = g_ptr_array_index(bs_memory_items(memory), 0);
    ck_assert(!item->in_use);
    checkpoints = bs_memory_checkpoints(memory, item);
    bs_prefix_new(item->part, checkpoints, 1u << BS_HASH_SHA256, prefix_known, &length);
    ck_assert(bs_test_run_until((gboolean *)&length, HANG_SECONDS));
    ck_assert_uint_eq(length, 10);
    bs_memory_free(memory);
}
END_TEST

static BsMemory *
new_memory(const char *place)
{
    g_autofree char *file = g_build_filename(place, "transfers.ini", NULL);
    BsMemory *memory;

    /* What is there already is replaced, which needs the disk. */
    ck_assert_int_eq(g_mkdir(place, 0700), 0);
    ck_assert(g_file_set_contents(file, "\n", 1, NULL));
    memory = bs_memory_new(place);
    bs_endpoint_set_memory(pair->a.endpoint, memory);
    return memory;
}

typedef enum {
    THE_DISK_TAKES_IT,
    THE_DISK_STALLS,
    THE_DISK_IS_FULL,
    THE_USER_CANCELS,
    THE_PEER_CANCELS,
    ALL_ENDS,
    EVENTS,
} WhileRemembering;

/* A program that is killed right after must know when it is started again what was accepted. */
START_TEST(it_is_remembered_before_the_peer_hears_of_it)
{
    g_autofree char *place = g_strconcat(folder, ".memory", NULL);
    BsMemory *memory = new_memory(place);
    g_autofree char *answer = script_jingle(pair, "session-initiate", "s1", OFFER("<range/>" RIGHT));
    gboolean accepts = _i <= THE_DISK_IS_FULL;
    guint seen = pair->b.inbox->len;

    ck_assert_str_eq(answer, "result");
    set_disk(TRUE, _i == THE_DISK_IS_FULL ? ENOSPC : 0);
    bs_transfer_set_path(pair->a.transfer, path, FALSE);
    bs_transfer_accept(pair->a.transfer, bs_part_file_new(path, FALSE, NULL));
    for (gint64 end = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC; !is_saving();
         bs_test_run_for(1))
        ck_assert_msg(g_get_monotonic_time() < end, "nothing is saved");
    ck_assert_uint_eq(pair->b.inbox->len, seen);
    if (_i == THE_USER_CANCELS)
        bs_transfer_cancel(g_steal_pointer(&pair->a.transfer));
    else if (_i == THE_PEER_CANCELS)
        tell("session-terminate", "<reason><cancel/></reason>");
    else if (_i == ALL_ENDS)
        bs_endpoint_free(g_steal_pointer(&pair->a.endpoint));
    if (_i != THE_DISK_STALLS)
        set_disk(FALSE, _i == THE_DISK_IS_FULL ? ENOSPC : 0);
    if (accepts)
        ck_assert_ptr_nonnull(script_expect(pair, "session-accept"));
    bs_test_run_for(20);
    /* Its user has accepted: it is asked for when both are online again. */
    ck_assert_uint_eq(bs_memory_items(memory)->len, accepts || _i == ALL_ENDS);
    bs_endpoint_free(g_steal_pointer(&pair->a.endpoint));
    set_disk(FALSE, 0);
    bs_memory_free(memory);
}
END_TEST

static const struct {
    int fault;
    BsJingleReason told;
    BsEndReason end;
} faults[] = {
    {EIO, BS_JINGLE_FAILED_APPLICATION, BS_END_LOCAL_FILE},
    {EROFS, BS_JINGLE_FAILED_APPLICATION, BS_END_LOCAL_FILE},
    {ENODEV, BS_JINGLE_FAILED_APPLICATION, BS_END_LOCAL_FILE},
    {ENOSPC, BS_JINGLE_MEDIA_ERROR, BS_END_NO_ROOM},
    {EDQUOT, BS_JINGLE_MEDIA_ERROR, BS_END_NO_ROOM},
};

START_TEST(the_disk_fails)
{
    receive(OFFER(RIGHT));
    set_disk(FALSE, faults[_i].fault);
    ck_assert_int_eq(awaited_terminate(), faults[_i].told);
    check_end(faults[_i].end, 0);
}
END_TEST

/* Nobody verified what the sender takes back. */
START_TEST(the_sender_takes_an_unverified_file_back)
{
    receive(OFFER(""));
    tell("session-terminate",
         _i ? "<reason><failed-application/></reason>" : "<reason><media-error/></reason>");
    set_disk(FALSE, 0);
    check_end(BS_END_PEER_FAILED, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("saving");
    TCase *tcase = tcase_create("saving");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, success_is_told_when_the_file_has_its_name);
    tcase_add_loop_test(tcase, the_peer_ends_the_session_meanwhile, 0, 4);
    tcase_add_test(tcase, the_connection_ends_meanwhile);
    tcase_add_test(tcase, a_late_hash_agrees);
    tcase_add_test(tcase, no_hash_comes);
    tcase_add_test(tcase, a_late_hash_differs);
    tcase_add_test(tcase, our_user_cancels);
    tcase_add_loop_test(tcase, it_is_remembered_before_the_peer_hears_of_it, 0, EVENTS);
    tcase_add_loop_test(tcase, we_go_offline, 0, 2);
    tcase_add_loop_test(tcase, the_disk_fails, 0, (int)G_N_ELEMENTS(faults));
    tcase_add_loop_test(tcase, the_sender_takes_an_unverified_file_back, 0, 2);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
