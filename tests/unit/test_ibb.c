/* Two in-band transports in one process, over two links: what is written at one end comes out at the other.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/ibb.h"

#include <check.h>
#include <errno.h>
#include <eventloop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "purple_env.h"
#include "stanza/xml.h"
#include "transport/ibb_xml.h"

#define HANG_ROUNDS 20000

typedef struct _End End;

struct _End {
    const char *jid;
    End *peer;
    BsIqLink *link;
    BsTransport *transport;
    int fd;
    guint connected;
    guint failed;
    gboolean free_inside_connected;
    gboolean free_inside_failed;
    guint64 written;
    guint64 got;
    gboolean ended; /* the other end's bytes have come to their end */
};

typedef struct {
    End *to;
    xmlnode *stanza;
    guint timer;
} Flying;

static End ends[2]; /* of which the first is the session's initiator */
static GPtrArray *flying;
static guint stanzas;
static guint freed_at;     /* the stanza at which an end is freed ... */
static End *freed;         /* ... and which; NULL: none */
static BsIbbKind lost;     /* stanzas of this kind get lost ... */
static gboolean any_lost;  /* ... if this is set */
static guint refused_size; /* not 0: blocks of this size or more are refused at the opening */

static void
flying_free(gpointer item)
{
    Flying *one = item;

    if (one->timer != 0)
        purple_timeout_remove(one->timer);
    xmlnode_free(one->stanza);
    g_free(one);
}

static void
end_free_transport(End *end)
{
    BsTransport *transport = g_steal_pointer(&end->transport);

    if (transport != NULL)
        transport->class->free(transport);
}

static gboolean
arrive(gpointer data)
{
    Flying *one = data;
    End *to = one->to;
    xmlnode *stanza = g_steal_pointer(&one->stanza);

    one->timer = 0;
    one->stanza = xmlnode_new("gone");
    g_ptr_array_remove(flying, one);
    if (stanzas++ == freed_at && freed != NULL)
        end_free_transport(freed);
    if (!bs_iq_link_receive(to->link, stanza) &&
        (to->transport == NULL || !to->transport->class->take_stanza(to->transport, stanza)) &&
        strcmp(xmlnode_get_attrib(stanza, "type"), "set") == 0)
        bs_iq_reply_error(to->link, stanza, "cancel", "item-not-found", NULL, NULL);
    xmlnode_free(stanza);
    return FALSE;
}

static void
send_stanza(xmlnode *stanza, gpointer data)
{
    End *end = data;
    Flying *one;
    BsIbbKind kind;
    const xmlnode *element = bs_ibb_element(stanza, &kind);

    if (any_lost && element != NULL && kind == lost)
        return;
    one = g_new0(Flying, 1);
    one->to = end->peer;
    one->stanza = xmlnode_copy(stanza);
    xmlnode_set_attrib(one->stanza, "from", end->jid);
    if (element != NULL && kind == BS_IBB_OPEN && refused_size != 0 &&
        bs_ibb_block_size(element) >= refused_size) {
        /* A server of the peer's that takes no such blocks. */
        xmlnode *error;

        xmlnode_free(xmlnode_get_child(one->stanza, "open"));
        one->to = end;
        xmlnode_set_attrib(one->stanza, "from", end->peer->jid);
        xmlnode_set_attrib(one->stanza, "type", "error");
        error = xmlnode_new_child(one->stanza, "error");
        bs_xml_add_child(error, "resource-constraint", BS_NS_STANZA_ERRORS);
    }
    g_ptr_array_add(flying, one);
    one->timer = purple_timeout_add(0, arrive, one);
}

static void
on_connected(int fd, const BsRoute *route, gpointer data)
{
    End *end = data;

    ck_assert(route->in_band);
    end->connected++;
    end->fd = fd;
    if (end->free_inside_connected)
        end_free_transport(end);
}

static void
on_failed(gpointer data)
{
    End *end = data;

    end->failed++;
    if (end->free_inside_failed)
        end_free_transport(end);
}

static const BsTransportEvents events = {.connected = on_connected, .failed = on_failed};

static void
end_init(End *end, End *peer, const char *jid, const char *peer_jid)
{
    BsTransportContext context = {
        .id = jid, .own_jid = jid, .peer_jid = peer_jid, .initiator = end == &ends[0]};

    memset(end, 0, sizeof *end);
    end->jid = jid;
    end->peer = peer;
    end->fd = -1;
    end->link = bs_iq_link_new(jid, send_stanza, end);
    context.link = end->link;
    end->transport = bs_ibb_new(&context, &events, end);
}

static void
setup(void)
{
    bs_test_hurry(1);
    flying = g_ptr_array_new_with_free_func(flying_free);
    stanzas = freed_at = refused_size = 0;
    freed = NULL;
    any_lost = FALSE;
    end_init(&ends[0], &ends[1], "alice@one.test/a", "bob@two.test/b");
    end_init(&ends[1], &ends[0], "bob@two.test/b", "alice@one.test/a");
}

static void
teardown(void)
{
    for (guint i = 0; i < 2; i++) {
        end_free_transport(&ends[i]);
        bs_iq_link_free(ends[i].link);
        if (ends[i].fd >= 0)
            close(ends[i].fd);
    }
    g_ptr_array_unref(flying);
    bs_test_hurry(1);
}

/* What `from` says of itself goes to the other end. */
static void
describe(End *from)
{
    xmlnode *description = from->transport->class->describe(from->transport);

    ck_assert_int_eq(from->peer->transport->class->take_description(from->peer->transport, description),
                     BS_TRANSPORT_OK);
    xmlnode_free(description);
}

static void
start(void)
{
    describe(&ends[0]);
    describe(&ends[1]);
    ends[1].transport->class->start(ends[1].transport);
    ends[0].transport->class->start(ends[0].transport);
}

/* As long as something is on its way, and for a moment. */
static void
settle(void)
{
    for (guint i = 0; flying->len > 0 && i < HANG_ROUNDS; i++)
        bs_test_run_for(1);
    bs_test_run_for(10);
}

static guint8
byte_at(guint64 offset)
{
    return (guint8)((offset * 2654435761u) >> 13);
}

static void
write_some(End *end, guint64 length)
{
    guint8 bytes[4096];
    gsize count = MIN(length - end->written, sizeof bytes);
    ssize_t taken;

    if (end->fd < 0 || count == 0)
        return;
    for (gsize i = 0; i < count; i++)
        bytes[i] = byte_at(end->written + i);
    taken = send(end->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    end->written += taken > 0 ? (guint64)taken : 0;
    if (end->written == length)
        shutdown(end->fd, SHUT_WR);
}

static void
read_some(End *end)
{
    guint8 bytes[8192];
    ssize_t count;

    if (end->fd < 0)
        return;
    while ((count = recv(end->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        gboolean right = TRUE;

        for (ssize_t i = 0; i < count; i++)
            right = right && bytes[i] == byte_at(end->got + (guint64)i);
        ck_assert(right);
        end->got += (guint64)count;
    }
    end->ended = end->ended || count == 0 || errno == ECONNRESET;
}

/* Until the end of `from`'s `length` bytes is seen at the other end. */
static void
send_all(End *from, guint64 length)
{
    for (guint i = 0; !from->peer->ended && i < HANG_ROUNDS; i++) {
        write_some(from, length);
        read_some(from->peer);
        bs_test_run_for(0);
    }
    ck_assert(from->peer->ended);
    ck_assert_uint_eq(from->peer->got, length);
}

START_TEST(bytes_go_either_way)
{
    start();
    send_all(&ends[_i], 100001);
    ck_assert_uint_eq(ends[0].connected, 1);
    ck_assert_uint_eq(ends[1].connected, 1);
    settle();
    ck_assert_uint_eq(ends[0].failed + ends[1].failed, 0);
}
END_TEST

/* Nothing is read for a while: nothing is lost, and little is taken. */
START_TEST(a_slow_reader_slows_the_writer)
{
    const guint64 length = 1 << 20;

    start();
    for (guint i = 0; i < 1000; i++) {
        write_some(&ends[0], length);
        bs_test_run_for(0);
    }
    ck_assert_uint_lt(ends[0].written, length / 2);
    send_all(&ends[0], length);
}
END_TEST

START_TEST(large_blocks_are_halved_until_they_pass)
{
    refused_size = 1024;
    start();
    send_all(&ends[_i], 5000);
    ck_assert_uint_eq(ends[0].connected, 1);
}
END_TEST

START_TEST(no_block_is_small_enough)
{
    refused_size = 1;
    ends[0].free_inside_failed = _i;
    start();
    settle();
    ck_assert_uint_eq(ends[0].failed, 1);
    ck_assert_uint_eq(ends[0].connected + ends[1].connected, 0);
}
END_TEST

START_TEST(an_opening_has_a_deadline)
{
    bs_test_hurry(1000);
    any_lost = TRUE;
    lost = BS_IBB_OPEN;
    ends[0].free_inside_failed = ends[1].free_inside_failed = _i;
    start();
    for (guint i = 0; ends[0].failed + ends[1].failed < 2 && i < HANG_ROUNDS; i++)
        bs_test_run_for(1);
    ck_assert_uint_eq(ends[0].failed, 1);
    ck_assert_uint_eq(ends[1].failed, 1);
}
END_TEST

/* All bytes were acknowledged: the writer has not failed, and hears the end. */
START_TEST(a_close_that_gets_lost_is_no_failure)
{
    bs_test_hurry(1000);
    any_lost = TRUE;
    lost = BS_IBB_CLOSE;
    start();
    for (guint i = 0; !ends[0].ended && i < HANG_ROUNDS; i++) {
        write_some(&ends[0], 5000);
        read_some(&ends[1]);
        read_some(&ends[0]);
        bs_test_run_for(1);
    }
    ck_assert(ends[0].ended);
    ck_assert_uint_eq(ends[1].got, 5000);
    ck_assert_uint_eq(ends[0].failed, 0);
}
END_TEST

START_TEST(other_streams_are_not_taken)
{
    xmlnode *stanza = xmlnode_from_str("<iq type='set' id='x' from='alice@one.test/a'><data xmlns='" BS_NS_IBB
                                       "' sid='other' seq='0'>eHg=</data></iq>",
                                       -1);
    xmlnode *chat = xmlnode_from_str("<message from='alice@one.test/a'><body>hello</body></message>", -1);

    start();
    settle();
    ck_assert(!ends[1].transport->class->take_stanza(ends[1].transport, stanza));
    ck_assert(!ends[1].transport->class->take_stanza(ends[1].transport, chat));
    xmlnode_free(stanza);
    xmlnode_free(chat);
    send_all(&ends[0], 5000);
}
END_TEST

START_TEST(a_writer_that_is_gone_closes_the_stream)
{
    start();
    settle();
    close(ends[_i].fd);
    ends[_i].fd = -1;
    for (guint i = 0; !ends[!_i].ended && i < HANG_ROUNDS; i++) {
        read_some(&ends[!_i]);
        bs_test_run_for(1);
    }
    ck_assert(ends[!_i].ended);
}
END_TEST

START_TEST(it_may_be_freed_inside_its_events)
{
    ends[_i].free_inside_connected = TRUE;
    start();
    settle();
    ck_assert_uint_eq(ends[_i].connected, 1);
    read_some(&ends[_i]);
    ck_assert(ends[_i].ended);
}
END_TEST

/* The other end notices by the error that answers its next block. */
START_TEST(it_may_be_freed_at_every_stanza)
{
    freed = &ends[_i % 2];
    freed_at = (guint)_i / 2;
    start();
    for (guint i = 0; i < 300; i++) {
        write_some(&ends[0], 20000);
        read_some(&ends[1]);
        bs_test_run_for(0);
    }
    if (freed->transport == NULL && freed->fd >= 0) {
        read_some(freed);
        ck_assert(freed->ended);
    }
    ck_assert_uint_le(freed->peer->failed, 1);
    ck_assert_uint_eq(freed->failed, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ibb");
    TCase *tcase = tcase_create("ibb");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, bytes_go_either_way, 0, 2);
    tcase_add_test(tcase, a_slow_reader_slows_the_writer);
    tcase_add_loop_test(tcase, large_blocks_are_halved_until_they_pass, 0, 2);
    tcase_add_loop_test(tcase, no_block_is_small_enough, 0, 2);
    tcase_add_loop_test(tcase, an_opening_has_a_deadline, 0, 2);
    tcase_add_test(tcase, a_close_that_gets_lost_is_no_failure);
    tcase_add_test(tcase, other_streams_are_not_taken);
    tcase_add_loop_test(tcase, a_writer_that_is_gone_closes_the_stream, 0, 2);
    tcase_add_loop_test(tcase, it_may_be_freed_inside_its_events, 0, 2);
    tcase_add_loop_test(tcase, it_may_be_freed_at_every_stanza, 0, 60);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
