/* Thumbnails (XEP-0264) between two endpoints, and with a scripted peer: who gets which, and when the user is
 * asked. SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"
#include "pictures.h"
#include "purple_env.h"
#include "script_stanzas.h"
#include "stanza/xml.h"
#include "transfer/bob.h"
#include "transfer/jingle_xml.h"

#define LENGTH 1000
#define STREAM "<transport xmlns='urn:xmpp:jingle:transports:s5b:1' sid='stream'/>"
#define UNKNOWN_CID "sha1+a9993e364706816aba3e25717850c26c9cd0d89d@bob.xmpp.org"

static Pair *pair;
static guint fetched;             /* stanzas that asked for bits of binary */
static gboolean picture_in_reply; /* an acceptance described the picture back */
static const char *contact;       /* whose thumbnails are fetched */

static gboolean
is_contact(PurpleAccount *account, const char *peer)
{
    (void)account;
    return g_strcmp0(peer, contact) == 0;
}

static StanzaFate
watch_stanzas(Pair *watched, guint number, Side *from, xmlnode *stanza)
{
    g_autofree char *text = xmlnode_to_str(stanza, NULL);

    (void)watched, (void)number, (void)from;
    fetched += bs_bob_requested(stanza) != NULL;
    if (strstr(text, "session-accept") != NULL && strstr(text, "<thumbnail") != NULL)
        picture_in_reply = TRUE;
    return FATE_ARRIVES;
}

static void
begin(Pair *made)
{
    pair = made;
    pair->filter = watch_stanzas;
    fetched = 0;
    picture_in_reply = FALSE;
    contact = pair->b.jid;
    bs_endpoint_set_thumbnails(pair->a.endpoint, is_contact);
    pair->a.user = USER_WAITS;
    bs_test_hurry(1);
}

static void
setup_pair(void)
{
    begin(pair_new());
}

static void
setup_script(void)
{
    begin(pair_new_scripted());
}

static void
teardown(void)
{
    pair_free(pair);
}

/* A file with a thumbnail of `picture`. */
static BsFileOffer *
offer_of(GByteArray *picture)
{
    BsFileOffer *offer = pair_file("picture.png", LENGTH);

    offer->thumbnail = bs_thumbnail_new(picture->data, picture->len);
    ck_assert_ptr_nonnull(offer->thumbnail);
    return offer;
}

static const BsThumbnail *
seen_by(const Side *side)
{
    return side->transfer != NULL ? bs_transfer_file(side->transfer)->thumbnail : NULL;
}

static void
wait_for_offer(void)
{
    for (guint i = 0; pair->a.offers == 0 && i < 10000; i++)
        bs_test_run_for(1);
    ck_assert_uint_eq(pair->a.offers, 1);
    ck_assert_ptr_nonnull(pair->a.transfer);
}

/* Between two of us. */

START_TEST(is_there_when_the_user_is_asked)
{
    g_autoptr(GByteArray) picture = bs_test_jpeg(BS_TEST_BASELINE, 128, 96, BS_THUMBNAIL_SENT_MAX);
    g_autoptr(BsFileOffer) offer = offer_of(picture);

    pair_offer_as(&pair->b, offer, LENGTH);
    wait_for_offer();
    ck_assert_ptr_nonnull(seen_by(&pair->a)->data);
    ck_assert(g_bytes_equal(seen_by(&pair->a)->data, offer->thumbnail->data));
    ck_assert_str_eq(seen_by(&pair->a)->media_type, "image/jpeg");
    pair_accept(&pair->a);
    ck_assert(pair_settle(pair));
    ck_assert(pair_has_whole_file(&pair->a, LENGTH));
    ck_assert_int_eq(pair->b.reason, BS_END_DELIVERED);
    ck_assert(!picture_in_reply);
    ck_assert_uint_eq(fetched, 1);
}
END_TEST

START_TEST(a_stranger_is_not_asked_for_it)
{
    g_autoptr(GByteArray) picture = bs_test_png(128, 96, 100);
    g_autoptr(BsFileOffer) offer = offer_of(picture);

    contact = "bob@two.test/another";
    pair_offer_as(&pair->b, offer, LENGTH);
    wait_for_offer();
    ck_assert_ptr_null(seen_by(&pair->a)->data);
    pair_accept(&pair->a);
    ck_assert(pair_settle(pair));
    ck_assert(pair_has_whole_file(&pair->a, LENGTH));
    ck_assert_uint_eq(fetched, 0);
}
END_TEST

START_TEST(nothing_is_fetched_where_there_is_none)
{
    pair_offer(&pair->b, "file", LENGTH);
    wait_for_offer();
    ck_assert_ptr_null(seen_by(&pair->a));
    ck_assert_uint_eq(fetched, 0);
}
END_TEST

/* What a scripted peer offers, and does when it is asked for the picture. */

static GByteArray *theirs;
static char *cid;

static void
setup_picture(void)
{
    g_autoptr(GBytes) data = NULL;

    setup_script();
    theirs = bs_test_png(64, 64, 500);
    data = g_bytes_new(theirs->data, theirs->len);
    cid = bs_bob_cid(data);
}

static void
teardown_picture(void)
{
    teardown();
    g_clear_pointer(&cid, g_free);
    g_clear_pointer(&theirs, g_byte_array_unref);
}

static void
offer_theirs(void)
{
    g_autofree char *content = g_strdup_printf(
        "<content creator='initiator' name='c' senders='initiator'>"
        "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file><name>f</name><size>10</size>"
        "<thumbnail xmlns='urn:xmpp:thumbs:1' uri='cid:%s' media-type='image/png' width='64' height='64'/>"
        "</file></description>" STREAM "</content>",
        cid);
    g_autofree char *answer = script_jingle(pair, "session-initiate", "s1", content);

    ck_assert_str_eq(answer, "result");
}

/* Waits until the picture is asked for. */
static const xmlnode *
take_request(void)
{
    guint seen = 0;
    const xmlnode *stanza;

    do
        stanza = script_next(pair, &seen);
    while (g_strcmp0(bs_bob_requested(stanza), cid) != 0);
    ck_assert_str_eq(bs_jingle_attrib(stanza, "to"), pair->b.jid);
    return stanza;
}

static void
answer_request(const xmlnode *request, const char *from, const char *type, const char *payload)
{
    g_autofree char *xml = g_strdup_printf("<iq type='%s' id='%s' from='%s' to='%s'>%s</iq>", type,
                                           bs_jingle_attrib(request, "id"), from, pair->a.jid, payload);

    script_send(pair, xml);
}

static char *
data_element(const GByteArray *bytes)
{
    g_autofree char *text = g_base64_encode(bytes->data, bytes->len);

    return g_strdup_printf("<data xmlns='urn:xmpp:bob' cid='%s' type='image/png'>%s</data>", cid, text);
}

START_TEST(nobody_is_asked_before_it_has_come)
{
    g_autofree char *good = data_element(theirs);
    const xmlnode *request;

    offer_theirs();
    request = take_request();
    /* Somebody else's answer is none. */
    answer_request(request, "carol@three.test/c", "result", good);
    bs_test_run_for(50);
    ck_assert_uint_eq(pair->a.offers, 0);
    answer_request(request, pair->b.jid, "result", good);
    wait_for_offer();
    ck_assert_ptr_nonnull(seen_by(&pair->a)->data);
    ck_assert_uint_eq(g_bytes_get_size(seen_by(&pair->a)->data), theirs->len);
}
END_TEST

static const struct {
    const char *type;
    const char *payload;
} failures[] = {
    {"error", "<error type='cancel'><item-not-found xmlns='" BS_NS_STANZA_ERRORS "'/></error>"},
    {"error", "<item-not-found/>"}, /* libpurple */
    {"result", ""},
    {"result", "<data xmlns='urn:xmpp:bob'/>"},
    {"result", "<data xmlns='urn:xmpp:bob' type='image/png'>iVBORw0KGgo=</data>"}, /* another one */
};

START_TEST(the_user_is_asked_without_one_that_cannot_be_had)
{
    offer_theirs();
    answer_request(take_request(), pair->b.jid, failures[_i].type, failures[_i].payload);
    wait_for_offer();
    ck_assert_ptr_null(seen_by(&pair->a)->data);
}
END_TEST

/* The name is right, but that says nothing of what is in it. */
START_TEST(a_bomb_reaches_nobody)
{
    g_autoptr(GBytes) data = NULL;
    g_autofree char *bomb = NULL;

    g_byte_array_unref(theirs);
    g_free(cid);
    theirs = bs_test_png(30000, 30000, 500);
    data = g_bytes_new(theirs->data, theirs->len);
    cid = bs_bob_cid(data);
    offer_theirs();
    bomb = data_element(theirs);
    answer_request(take_request(), pair->b.jid, "result", bomb);
    wait_for_offer();
    ck_assert_ptr_null(seen_by(&pair->a)->data);
}
END_TEST

START_TEST(a_silent_peer_is_not_waited_for)
{
    g_autofree char *late = data_element(theirs);
    guint unclaimed;

    bs_test_hurry(20);
    offer_theirs();
    wait_for_offer();
    ck_assert_ptr_null(seen_by(&pair->a)->data);
    unclaimed = pair->unclaimed;
    answer_request(take_request(), pair->b.jid, "result", late);
    bs_test_run_for(50);
    ck_assert_uint_eq(pair->a.offers, 1);
    ck_assert_uint_eq(pair->unclaimed, unclaimed);
}
END_TEST

START_TEST(the_peer_takes_the_offer_back_meanwhile)
{
    g_autofree char *late = data_element(theirs);
    g_autofree char *answer = NULL;
    const xmlnode *request;

    offer_theirs();
    request = take_request();
    answer = script_jingle(pair, "session-terminate", "s1", "<reason><cancel/></reason>");
    ck_assert_str_eq(answer, "result");
    answer_request(request, pair->b.jid, "result", late);
    ck_assert(pair_settle(pair));
    bs_test_run_for(50);
    ck_assert_uint_eq(pair->a.offers, 0);
    ck_assert_uint_eq(pair->a.ended, 0);
}
END_TEST

START_TEST(the_connection_ends_meanwhile)
{
    offer_theirs();
    take_request();
    bs_endpoint_free(g_steal_pointer(&pair->a.endpoint));
    ck_assert_ptr_nonnull(script_expect(pair, "session-terminate"));
    ck_assert_uint_eq(pair->a.offers, 0);
}
END_TEST

/* Nobody wants to know of it when it is there. */
START_TEST(an_offer_that_nobody_watches_is_declined_after)
{
    g_autofree char *good = data_element(theirs);

    pair->a.user = USER_IS_NOT_THERE;
    offer_theirs();
    answer_request(take_request(), pair->b.jid, "result", good);
    ck_assert(pair_settle(pair));
    ck_assert_uint_eq(pair->a.offers, 1);
}
END_TEST

START_TEST(stream_initiation_has_them_too)
{
    g_autofree char *good = data_element(theirs);
    g_autofree char *offer = g_strdup_printf(
        "<iq type='set' id='si1' from='%s' to='%s'><si xmlns='http://jabber.org/protocol/si' id='s1' "
        "profile='http://jabber.org/protocol/si/profile/file-transfer'>"
        "<file xmlns='http://jabber.org/protocol/si/profile/file-transfer' name='f' size='10'>"
        "<thumbnail xmlns='urn:xmpp:thumbs:1' uri='cid:%s' mime-type='image/png'/></file>"
        "<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='form'>"
        "<field var='stream-method'><option><value>http://jabber.org/protocol/ibb</value></option></field>"
        "</x></feature></si></iq>",
        pair->b.jid, pair->a.jid, cid);

    script_send(pair, offer);
    answer_request(take_request(), pair->b.jid, "result", good);
    wait_for_offer();
    ck_assert_ptr_nonnull(seen_by(&pair->a)->data);
}
END_TEST

/* Ours, asked for by a scripted peer. */

/* The answer to a request for `wanted` from `from`: a stanza in the inbox. */
static const xmlnode *
ask(const char *from, const char *id, const char *wanted)
{
    g_autofree char *xml =
        g_strdup_printf("<iq type='get' id='%s' from='%s' to='%s'><data xmlns='urn:xmpp:bob' cid='%s'/></iq>",
                        id, from, pair->a.jid, wanted);
    guint seen = pair->b.inbox->len;
    const xmlnode *answer;

    script_send(pair, xml);
    do
        answer = script_next(pair, &seen);
    while (g_strcmp0(bs_jingle_attrib(answer, "id"), id) != 0);
    ck_assert_str_eq(bs_jingle_attrib(answer, "to"), from);
    return answer;
}

static void
check_not_found(const xmlnode *answer)
{
    g_autofree char *condition = bs_iq_error_condition(answer);

    ck_assert_str_eq(bs_jingle_attrib(answer, "type"), "error");
    ck_assert_str_eq(condition, "item-not-found");
}

static void
check_given(const xmlnode *answer, const BsThumbnail *thumbnail)
{
    g_autoptr(GBytes) data = bs_bob_parse(answer, thumbnail->cid, BS_THUMBNAIL_SENT_MAX);

    ck_assert_str_eq(bs_jingle_attrib(answer, "type"), "result");
    ck_assert_ptr_nonnull(data);
    ck_assert(g_bytes_equal(data, thumbnail->data));
}

START_TEST(only_the_peer_of_an_offer_gets_it)
{
    g_autoptr(BsFileOffer) offer = offer_of(theirs);
    g_autofree char *long_id = g_strnfill(1000, 'x');

    pair_offer_as(&pair->a, offer, LENGTH);
    check_given(ask(pair->b.jid, "i1", cid), offer->thumbnail);
    check_given(ask(pair->b.jid, "i2", cid), offer->thumbnail);
    check_not_found(ask("bob@two.test/another", "i3", cid));
    check_not_found(ask("bob@two.test", "i4", cid));
    check_not_found(ask("carol@three.test/c", "i5", cid));
    check_not_found(ask(pair->b.jid, long_id, cid));
    ck_assert_uint_eq(pair->unclaimed, 0);
    bs_transfer_cancel(g_steal_pointer(&pair->a.transfer));
    /* libpurple has bits of binary of its own. */
    ask(pair->b.jid, "i6", cid);
    ask(pair->b.jid, "i7", UNKNOWN_CID);
    ck_assert_uint_eq(pair->unclaimed, 2);
}
END_TEST

START_TEST(a_picture_in_two_offers_is_for_both)
{
    g_autoptr(BsFileOffer) offer = offer_of(theirs);

    pair_offer_as(&pair->a, offer, LENGTH);
    pair_offer_as(&pair->a, offer, LENGTH);
    bs_transfer_cancel(g_steal_pointer(&pair->a.transfer));
    check_given(ask(pair->b.jid, "i1", cid), offer->thumbnail);
}
END_TEST

START_TEST(what_a_peer_offered_is_not_given_out)
{
    g_autofree char *good = data_element(theirs);

    offer_theirs();
    answer_request(take_request(), pair->b.jid, "result", good);
    wait_for_offer();
    ask(pair->b.jid, "i1", cid);
    ck_assert_uint_eq(pair->unclaimed, 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("thumbnails");
    TCase *both = tcase_create("both");
    TCase *script = tcase_create("script");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(both, 120);
    tcase_add_checked_fixture(both, setup_pair, teardown);
    tcase_add_test(both, is_there_when_the_user_is_asked);
    tcase_add_test(both, a_stranger_is_not_asked_for_it);
    tcase_add_test(both, nothing_is_fetched_where_there_is_none);
    suite_add_tcase(suite, both);
    tcase_set_timeout(script, 120);
    tcase_add_checked_fixture(script, setup_picture, teardown_picture);
    tcase_add_test(script, nobody_is_asked_before_it_has_come);
    tcase_add_loop_test(script, the_user_is_asked_without_one_that_cannot_be_had, 0, G_N_ELEMENTS(failures));
    tcase_add_test(script, a_bomb_reaches_nobody);
    tcase_add_test(script, a_silent_peer_is_not_waited_for);
    tcase_add_test(script, the_peer_takes_the_offer_back_meanwhile);
    tcase_add_test(script, the_connection_ends_meanwhile);
    tcase_add_test(script, an_offer_that_nobody_watches_is_declined_after);
    tcase_add_test(script, stream_initiation_has_them_too);
    tcase_add_test(script, only_the_peer_of_an_offer_gets_it);
    tcase_add_test(script, a_picture_in_two_offers_is_for_both);
    tcase_add_test(script, what_a_peer_offered_is_not_given_out);
    suite_add_tcase(suite, script);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
