/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "support/purple_env.h"
#include "transfer/memory.h"
#include "worker.h"

#define HANG_SECONDS 60
#define DAY ((gint64)24 * 60 * 60)
#define ACCOUNT "bob@two.test"
#define ALICE "alice@one.test/home"

static char *folder;
static char *path; /* of the file in it */
static char *part;
static BsMemory *memory;

static void
set_up(void)
{
    folder = g_dir_make_tmp("bytestreams-memory-XXXXXX", NULL);
    path = g_build_filename(folder, "transfers.ini", NULL);
    part = g_build_filename(folder, ".file.abcdef.part", NULL);
    memory = bs_memory_new(folder);
}

static void
tear_down(void)
{
    bs_memory_free(memory);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    g_unlink(part);
    g_unlink(path);
    g_rmdir(folder);
    g_free(part);
    g_free(path);
    g_free(folder);
}

/* Ends it, and begins anew with what it has written. */
static void
again(void)
{
    bs_memory_free(memory);
    memory = bs_memory_new(folder);
}

static BsFileOffer *
file_of(const char *name)
{
    guint8 value[BS_DIGEST_MAX] = {1, 2, 3};
    BsFileOffer *file = bs_file_offer_new();

    file->name = g_strdup(name);
    file->size = G_GUINT64_CONSTANT(5000000000);
    file->date = 1700000000;
    file->media_type = g_strdup("text/plain");
    file->can_range = TRUE;
    file->range_offset = 77;
    file->hashes_promised = 1u << BS_HASH_BLAKE2B_512;
    bs_file_offer_set_hash(file, BS_HASH_SHA256, value);
    return file;
}

static BsRemembered *
add(gboolean incoming, const char *peer, BsFileOffer *file)
{
    BsRemembered item = {.incoming = incoming,
                         .account = (char *)ACCOUNT,
                         .peer = (char *)peer,
                         .file = file,
                         .path = (char *)"/home/bob/caf\xe9\n[x]=\"",
                         .part = incoming ? part : NULL,
                         .replace = TRUE};
    BsRemembered *added = bs_memory_add(memory, &item);

    bs_file_offer_free(file);
    return added;
}

static guint
count(void)
{
    return bs_memory_items(memory)->len;
}

START_TEST(all_is_there_after_a_restart)
{
    g_autofree char *id = g_strdup(add(TRUE, ALICE, file_of("a;b=\xc3\xa4"))->id);
    const BsRemembered *item;

    again();
    item = bs_memory_find(memory, id);
    ck_assert_ptr_nonnull(item);
    ck_assert(item->incoming);
    ck_assert(!item->occupant);
    ck_assert(!item->in_use);
    ck_assert(item->replace);
    ck_assert(!item->unanswered);
    ck_assert_str_eq(item->account, ACCOUNT);
    ck_assert_str_eq(item->peer, ALICE);
    ck_assert_str_eq(item->path, "/home/bob/caf\xe9\n[x]=\"");
    ck_assert_str_eq(item->part, part);
    ck_assert_str_eq(item->file->name, "a;b=\xc3\xa4");
    ck_assert_str_eq(item->file->media_type, "text/plain");
    ck_assert_uint_eq(item->file->size, G_GUINT64_CONSTANT(5000000000));
    ck_assert_int_eq(item->file->date, 1700000000);
    ck_assert_uint_eq(item->file->hashes, 1u << BS_HASH_SHA256);
    ck_assert_uint_eq(item->file->hash_value[BS_HASH_SHA256][2], 3);
    ck_assert_uint_eq(item->file->hashes_promised, 1u << BS_HASH_BLAKE2B_512);
    ck_assert_uint_eq(item->file->range_offset, 0);
}
END_TEST

START_TEST(who_has_not_answered_is_still_there_after_a_restart)
{
    BsRemembered *item = add(FALSE, ALICE, file_of("f"));
    g_autofree char *id = g_strdup(item->id);

    item->unanswered = TRUE;
    again();
    ck_assert(bs_memory_find(memory, id)->unanswered);
}
END_TEST

START_TEST(what_needs_a_new_offer_still_does_after_a_restart)
{
    BsRemembered *item = add(TRUE, ALICE, file_of("f"));
    g_autofree char *id = g_strdup(item->id);

    item->needs_new_offer = TRUE;
    again();
    ck_assert(bs_memory_find(memory, id)->needs_new_offer);
}
END_TEST

START_TEST(what_is_forgotten_stays_so)
{
    g_autofree char *id = g_strdup(add(TRUE, ALICE, file_of("f"))->id);

    ck_assert(g_file_set_contents(part, "x", 1, NULL));
    again();
    bs_memory_forget(memory, bs_memory_find(memory, id), TRUE);
    ck_assert_ptr_null(bs_memory_find(memory, id));
    again();
    ck_assert_uint_eq(count(), 0);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    ck_assert(!g_file_test(part, G_FILE_TEST_EXISTS));
}
END_TEST

START_TEST(of_many_changes_the_last_one_counts)
{
    for (guint i = 0; i < 50; i++) {
        g_autofree char *name = g_strdup_printf("f%u", i);
        BsRemembered *item = add(FALSE, ALICE, file_of(name));

        if (i % 2 == 0)
            bs_memory_forget(memory, item, FALSE);
        bs_test_run_for(1);
    }
    again();
    ck_assert_uint_eq(count(), 25);
}
END_TEST

/* A worker may only have begun to write when the program ends. */
START_TEST(what_is_being_written_at_the_end_counts)
{
    for (guint i = 0; i < 20; i++) {
        g_autofree char *name = g_strdup_printf("f%u", i);

        add(FALSE, ALICE, file_of(name));
        bs_test_run_for(1);
        again();
        ck_assert_uint_eq(count(), i + 1);
    }
}
END_TEST

static void
note(gpointer data)
{
    (*(guint *)data)++;
}

/* What is on the disk when the word comes, without the end of the program having written anything. */
static gboolean
disk_has(const char *name)
{
    g_autofree char *text = NULL;
    g_autofree char *line = g_strdup_printf("name=%s\n", name);

    return g_file_get_contents(path, &text, NULL, NULL) && strstr(text, line) != NULL;
}

START_TEST(the_word_comes_when_the_disk_has_it)
{
    guint notes[3] = {0};
    BsMemoryWait *waits[3];

    ck_assert_ptr_null(bs_memory_wait(memory, note, &notes[0]));
    add(FALSE, ALICE, file_of("one"));
    waits[0] = bs_memory_wait(memory, note, &notes[0]);
    waits[1] = bs_memory_wait(memory, note, &notes[1]);
    bs_memory_wait_free(waits[1]);
    ck_assert_ptr_nonnull(waits[0]);
    while (notes[0] == 0) {
        /* Many that come one after the other do not hold up the first. */
        add(FALSE, ALICE, file_of("other"));
        bs_test_run_for(1);
    }
    ck_assert(disk_has("one"));
    bs_memory_wait_free(waits[0]);
    add(FALSE, ALICE, file_of("last"));
    waits[2] = bs_memory_wait(memory, note, &notes[2]);
    while (notes[2] == 0)
        bs_test_run_for(1);
    ck_assert(disk_has("last"));
    bs_memory_wait_free(waits[2]);
    ck_assert_ptr_null(bs_memory_wait(memory, note, &notes[0]));
    ck_assert_uint_eq(notes[0] + notes[1] + notes[2], 2);
}
END_TEST

START_TEST(a_wait_outlives_the_memory)
{
    guint notes = 0;
    BsMemoryWait *wait;

    add(FALSE, ALICE, file_of("f"));
    wait = bs_memory_wait(memory, note, &notes);
    if (_i == 1)
        bs_test_run_for(1);
    again();
    bs_test_run_for(20);
    ck_assert_uint_le(notes, (guint)_i);
    bs_memory_wait_free(wait);
}
END_TEST

START_TEST(old_things_go_with_their_files)
{
    BsRemembered *old = add(TRUE, ALICE, file_of("old"));
    BsRemembered *offer = add(FALSE, ALICE, file_of("offer"));
    BsRemembered *young = add(TRUE, ALICE, file_of("young"));

    ck_assert(g_file_set_contents(part, "x", 1, NULL));
    old->time -= 31 * DAY;
    offer->time -= 15 * DAY;
    young->time -= 29 * DAY;
    again();
    ck_assert_uint_eq(count(), 1);
    ck_assert_str_eq(((BsRemembered *)g_ptr_array_index(bs_memory_items(memory), 0))->file->name, "young");
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    ck_assert(!g_file_test(part, G_FILE_TEST_EXISTS));
}
END_TEST

/* A program that was killed. */
START_TEST(of_what_cannot_go_on_only_the_rest_is_deleted)
{
    BsRemembered *item = add(TRUE, ALICE, file_of("f"));

    ck_assert(g_file_set_contents(part, "x", 1, NULL));
    item->scrap = TRUE;
    item->in_use = TRUE;
    g_clear_pointer(&item->file->name, g_free);
    item->file->size = BS_SIZE_UNKNOWN;
    add(FALSE, ALICE, file_of("other"));
    again();
    ck_assert_uint_eq(count(), 1);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    ck_assert(!g_file_test(part, G_FILE_TEST_EXISTS));
}
END_TEST

/* A group as it is written, with one line of it replaced. */
static char *
with_line(const char *key, const char *line)
{
    const char *const lines[] = {"incoming=true", "account=" ACCOUNT, "peer=" ALICE, "path=/a",
                                 "part=/b",       "time=9999999999",  "name=f",      "size=5"};
    GString *text = g_string_new("[abc]\n");

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        g_string_append_printf(text, "%s\n", g_str_has_prefix(lines[i], key) ? line : lines[i]);
    return g_string_free(text, FALSE);
}

static guint
read_text(const char *text, gssize length)
{
    bs_memory_free(memory);
    ck_assert(g_file_set_contents(path, text, length, NULL));
    memory = bs_memory_new(folder);
    return count();
}

START_TEST(malformed_records_count_as_not_there)
{
    static const char *const bad[][2] = {
        {"size=", "size=-1"},
        {"size=", "size=99999999999999999999"},
        {"size=", ""},
        {"path=", "path=a/b"},
        {"part=", "part=../../x"},
        {"part=", ""},
        {"account=", ""},
        {"peer=", ""},
        {"name=", ""},
        {"path=", "path="},
    };
    g_autofree char *good = with_line("none", "");
    g_autofree char *text = with_line(bad[_i][0], bad[_i][1]);

    ck_assert_uint_eq(read_text(good, -1), 1);
    ck_assert_uint_eq(read_text(text, -1), 0);
}
END_TEST

START_TEST(a_file_that_is_none_is_survived)
{
    const char binary[] = "\x00\xff[\x00]\n=\n[";

    ck_assert_uint_eq(read_text(binary, sizeof binary), 0);
    ck_assert_uint_eq(read_text("[../../etc/x]\nincoming=true\n", -1), 0);
    ck_assert_uint_eq(read_text("", 0), 0);
    add(FALSE, ALICE, file_of("f"));
    again();
    ck_assert_uint_eq(count(), 1);
}
END_TEST

static BsRemembered *
match(gboolean incoming, const char *peer, gboolean occupant, BsFileOffer *file)
{
    BsRemembered *found = bs_memory_match(memory, incoming, ACCOUNT, peer, occupant, file);

    bs_file_offer_free(file);
    return found;
}

START_TEST(a_contact_is_known_by_any_resource)
{
    BsRemembered *item = add(TRUE, ALICE, file_of("f"));

    ck_assert_ptr_eq(match(TRUE, ALICE, FALSE, file_of("f")), item);
    ck_assert_ptr_eq(match(TRUE, "alice@one.test/other", FALSE, file_of("f")), item);
    ck_assert_ptr_null(match(TRUE, "eve@one.test/home", FALSE, file_of("f")));
    ck_assert_ptr_null(match(TRUE, ALICE, TRUE, file_of("f")));
    ck_assert_ptr_null(match(FALSE, ALICE, FALSE, file_of("f")));
    ck_assert_ptr_null(bs_memory_match(memory, TRUE, "carol@two.test", ALICE, FALSE, item->file));
    /* Its user may have given the account another resource since. */
    ck_assert_ptr_eq(bs_memory_match(memory, TRUE, ACCOUNT "/Pidgin", ALICE, FALSE, item->file), item);
    item->in_use = TRUE;
    ck_assert_ptr_null(match(TRUE, ALICE, FALSE, file_of("f")));
}
END_TEST

START_TEST(an_occupant_only_by_the_same_name)
{
    BsRemembered *item = add(TRUE, "room@rooms.test/alice", file_of("f"));

    item->occupant = TRUE;
    ck_assert_ptr_eq(match(TRUE, "room@rooms.test/alice", TRUE, file_of("f")), item);
    ck_assert_ptr_null(match(TRUE, "room@rooms.test/eve", TRUE, file_of("f")));
    ck_assert_ptr_null(match(TRUE, "room@rooms.test/alice", FALSE, file_of("f")));
}
END_TEST

START_TEST(another_file_is_another_file)
{
    BsFileOffer *file = file_of("f");
    const guint8 other_value[BS_DIGEST_MAX] = {9};

    add(TRUE, ALICE, file_of("f"));
    ck_assert_ptr_null(match(TRUE, ALICE, FALSE, file_of("g")));
    file->size--;
    ck_assert_ptr_null(match(TRUE, ALICE, FALSE, file));
    file = file_of("f");
    bs_file_offer_set_hash(file, BS_HASH_SHA256, other_value);
    ck_assert_ptr_null(match(TRUE, ALICE, FALSE, file));
    /* The same contents with another date are the same; without either nobody can tell. */
    file = file_of("f");
    file->date++;
    ck_assert_ptr_nonnull(match(TRUE, ALICE, FALSE, file));
    file = file_of("f");
    file->hashes = 0;
    ck_assert_ptr_nonnull(match(TRUE, ALICE, FALSE, file));
    file = file_of("f");
    file->hashes = 0;
    file->date++;
    ck_assert_ptr_null(match(TRUE, ALICE, FALSE, file));
    file = file_of("f");
    file->hashes = 0;
    file->date = -1;
    ck_assert_ptr_null(match(TRUE, ALICE, FALSE, file));
}
END_TEST

/* Only what its user was asked about. */
START_TEST(what_has_changed_meanwhile_is_not_replaced)
{
    BsRemembered *item = add(TRUE, ALICE, file_of("f"));

    g_free(item->path);
    item->path = g_strdup(part);
    ck_assert(!bs_remembered_may_replace(item));
    ck_assert(g_file_set_contents(part, "x", 1, NULL));
    item->time = g_get_real_time() / G_USEC_PER_SEC + 10;
    ck_assert(bs_remembered_may_replace(item));
    item->time -= 20;
    ck_assert(!bs_remembered_may_replace(item));
    item->time += 20;
    item->replace = FALSE;
    ck_assert(!bs_remembered_may_replace(item));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("memory");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, all_is_there_after_a_restart);
    tcase_add_test(all, who_has_not_answered_is_still_there_after_a_restart);
    tcase_add_test(all, what_needs_a_new_offer_still_does_after_a_restart);
    tcase_add_test(all, what_is_forgotten_stays_so);
    tcase_add_test(all, of_many_changes_the_last_one_counts);
    tcase_add_test(all, what_is_being_written_at_the_end_counts);
    tcase_add_test(all, the_word_comes_when_the_disk_has_it);
    tcase_add_loop_test(all, a_wait_outlives_the_memory, 0, 2);
    tcase_add_test(all, old_things_go_with_their_files);
    tcase_add_test(all, of_what_cannot_go_on_only_the_rest_is_deleted);
    tcase_add_loop_test(all, malformed_records_count_as_not_there, 0, 10);
    tcase_add_test(all, a_file_that_is_none_is_survived);
    tcase_add_test(all, a_contact_is_known_by_any_resource);
    tcase_add_test(all, an_occupant_only_by_the_same_name);
    tcase_add_test(all, another_file_is_another_file);
    tcase_add_test(all, what_has_changed_meanwhile_is_not_replaced);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? 0 : 1;
}
