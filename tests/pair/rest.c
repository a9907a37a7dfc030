/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rest.h"

#include <check.h>
#include <dlfcn.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pair.h"
#include "purple_env.h"
#include "script_bytes.h"
#include "script_stanzas.h"
#include "socks5/candidate.h"
#include "socks5/listener.h"
#include "stanza/xml.h"
#include "stream/part_file.h"
#include "transfer/jingle_xml.h"
#include "transfer/memory.h"
#include "transport/s5b_xml.h"
#include "worker.h"

#define HANG_SECONDS 60

/* The disk, in workers: this definition stands before libc's. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static gboolean disk_is_slow;
static gboolean reading;
static pthread_t event_loop;

ssize_t
pread(int file, void *buffer, size_t count, off_t offset)
{
    ssize_t (*real)(int, void *, size_t, off_t) =
        (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");

    if (!pthread_equal(pthread_self(), event_loop)) {
        pthread_mutex_lock(&gate);
        reading = TRUE;
        while (disk_is_slow)
            pthread_cond_wait(&gate_moved, &gate);
        pthread_mutex_unlock(&gate);
    }
    return real(file, buffer, count, offset);
}

void
set_disk(gboolean slow)
{
    pthread_mutex_lock(&gate);
    disk_is_slow = slow;
    reading = FALSE;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate);
}

gboolean
is_reading(void)
{
    gboolean is;

    pthread_mutex_lock(&gate);
    is = reading;
    pthread_mutex_unlock(&gate);
    return is;
}

Pair *pair;
BsMemory *memory;
static char *folder;
char *path; /* of the file that is sent, or that is to come */
gint64 date;
guint8 *bytes;
int fd;
guint ended;
BsEnd end;
guint accepted;
BsTransfer *resumed;

static void
on_accepted(BsTransfer *transfer, gpointer data)
{
    (void)transfer;
    (void)data;
    accepted++;
}

static void
on_started(BsTransfer *transfer, const BsRoute *route, gpointer data)
{
    (void)transfer;
    (void)route;
    (void)data;
}

static void
on_progress(BsTransfer *transfer, guint64 moved, gpointer data)
{
    (void)transfer;
    (void)data;
    ck_assert_uint_le(moved, LENGTH);
}

static void
on_ended(BsTransfer *transfer, const BsEnd *how, gpointer data)
{
    (void)transfer;
    (void)data;
    ended++;
    end = *how;
}

const BsTransferEvents rest_events = {
    .accepted = on_accepted, .started = on_started, .progress = on_progress, .ended = on_ended};

static void
on_offered(BsEndpoint *endpoint, BsTransfer *transfer, gpointer data)
{
    (void)endpoint;
    (void)data;
    bs_transfer_watch(transfer, &rest_events, NULL);
    bs_transfer_set_path(transfer, path, FALSE);
    bs_transfer_accept(transfer, bs_part_file_new(path, FALSE, NULL));
}

static void
on_resumed(BsEndpoint *endpoint, BsTransfer *transfer, const char *file, gpointer data)
{
    (void)endpoint;
    (void)data;
    ck_assert_str_eq(file, path);
    resumed = transfer;
    bs_transfer_watch(transfer, &rest_events, NULL);
}

static const BsEndpointEvents endpoint_events = {.offered = on_offered, .resumed = on_resumed};

void
rest_setup(void)
{
    event_loop = pthread_self();
    bs_test_hurry(20);
    pair = pair_new_scripted();
    bs_endpoint_free(pair->a.endpoint);
    pair->a.endpoint = bs_endpoint_new(pair->a.link, NULL, &endpoint_events, NULL);
    folder = g_dir_make_tmp("bytestreams-rest-XXXXXX", NULL);
    path = g_build_filename(folder, "f", NULL);
    memory = bs_memory_new(folder);
    bs_endpoint_set_memory(pair->a.endpoint, memory);
    bytes = g_malloc(LENGTH);
    for (gsize i = 0; i < LENGTH; i++)
        bytes[i] = pair_byte(i);
    fd = -1;
    ended = accepted = 0;
    resumed = NULL;
}

void
rest_teardown(void)
{
    GDir *dir;
    const char *name;

    set_disk(FALSE);
    if (fd >= 0)
        close(fd);
    pair_free(pair);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    bs_memory_free(memory);
    ck_assert_uint_eq(bs_workers_wait(HANG_SECONDS * 1000), 0);
    dir = g_dir_open(folder, 0, NULL);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(folder, name, NULL);

        g_unlink(file);
    }
    g_dir_close(dir);
    g_rmdir(folder);
    bs_test_hurry(1);
    g_free(folder);
    g_free(path);
    g_free(bytes);
    ck_assert_uint_eq(bs_listener_port(), 0);
}

void
check(const char *action, const char *session, const char *contents, const char *expected)
{
    g_autofree char *answer = script_jingle(pair, action, session, contents);

    ck_assert_str_eq(answer, expected);
}

char *
description(const char *name, guint64 size, const char *more)
{
    g_autofree char *modified = bs_xml_format_date(date);

    return g_strdup_printf("<description xmlns='" FT5 "'><file><name>%s</name><size>%" G_GUINT64_FORMAT
                           "</size><date>%s</date>%s</file></description>",
                           name, size, modified, more);
}

char *
content(const char *name, const char *senders, char *file, const char *transport)
{
    g_autofree char *described = file;

    return g_strdup_printf("<content creator='initiator' name='%s' senders='%s'>%s%s</content>", name,
                           senders, described, transport);
}

char *
request(const char *name, guint64 size, const char *range)
{
    return content("a-file-request", "responder", description(name, size, range), SOCKS("rest", ""));
}

const xmlnode *
content_of(const xmlnode *stanza)
{
    return bs_jingle_first_content(bs_jingle_element((xmlnode *)stanza));
}

void
dial(const xmlnode *stanza, const char *session, const char *name)
{
    const xmlnode *transport = bs_jingle_transport(content_of(stanza));
    const char *stream = bs_jingle_attrib(transport, "sid");
    g_autofree char *dst_addr = bs_dst_addr(stream, pair->a.jid, pair->b.jid);
    g_autofree char *used =
        g_strdup_printf("<content creator='initiator' name='%s'><transport xmlns='" BS_NS_S5B
                        "' sid='%s'><candidate-used cid='%s'/></transport></content>",
                        name, stream, bs_jingle_attrib(xmlnode_get_child(transport, "candidate"), "cid"));

    ck_assert_uint_eq(script_dial(dst_addr, &fd), 0);
    check("transport-info", session, used, "result");
}

void
break_connection(void)
{
    shutdown(fd, SHUT_RDWR);
    close(fd);
    fd = -1;
}

const char *
range_of(const xmlnode *stanza)
{
    xmlnode *file = xmlnode_get_child((xmlnode *)bs_jingle_description(content_of(stanza)), "file");
    xmlnode *range = file != NULL ? xmlnode_get_child(file, "range") : NULL;

    return range != NULL ? xmlnode_get_attrib(range, "offset") : "no range";
}

char *
hash_of_all(void)
{
    g_autoptr(BsDigest) digest = bs_digest_new(1u << BS_HASH_SHA256);
    guint8 value[BS_DIGEST_MAX];

    bs_digest_update(digest, bytes, LENGTH);
    bs_digest_value(digest, BS_HASH_SHA256, value);
    return bs_hash_format(BS_HASH_SHA256, value);
}

char *
name_in_room(PurpleAccount *account, const char *peer)
{
    (void)account;
    (void)peer;
    return g_strdup(pair->a.jid);
}
