/* What becomes of a file that was offered by stream initiation when its last bytes are on their way in-band:
 * sent is only what the peer has acknowledged. SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>

#include "pair.h"
#include "purple_env.h"
#include "script_stanzas.h"
#include "stanza/xml.h"
#include "transfer/jingle_xml.h"
#include "transport/ibb_xml.h"

#define IN_BAND                                                                                              \
    "<si xmlns='http://jabber.org/protocol/si'><feature xmlns='http://jabber.org/protocol/feature-neg'>"     \
    "<x xmlns='jabber:x:data' type='submit'><field var='stream-method'><value>" BS_NS_IBB                    \
    "</value></field></x></feature></si>"
#define LENGTH 200

static Pair *pair;
static guint seen;

static void
setup(void)
{
    bs_test_hurry(1);
    pair = pair_new_scripted();
    seen = 0;
}

static void
teardown(void)
{
    bs_test_hurry(1);
    pair_free(pair);
}

static void
answer(const xmlnode *iq, const char *payload)
{
    g_autofree char *xml = g_strdup_printf("<iq type='result' id='%s' from='%s' to='%s'>%s</iq>",
                                           bs_jingle_attrib(iq, "id"), pair->b.jid, pair->a.jid, payload);

    script_send(pair, xml);
}

/* The next one, which must be of that kind. */
static const xmlnode *
next_in_band(BsIbbKind wanted)
{
    const xmlnode *iq = script_next(pair, &seen);
    BsIbbKind kind;

    ck_assert_ptr_nonnull(bs_ibb_element(iq, &kind));
    ck_assert_int_eq(kind, wanted);
    return iq;
}

/* Alice has sent all she has, in one block, and waits for its acknowledgement. */
static const xmlnode *
send_all(void)
{
    const xmlnode *block;

    pair_offer_by_si(&pair->a, "f", LENGTH);
    answer(script_next(pair, &seen), IN_BAND);
    answer(next_in_band(BS_IBB_OPEN), "");
    block = next_in_band(BS_IBB_DATA);
    bs_test_run_for(100);
    ck_assert_uint_eq(pair->a.moved, LENGTH);
    return block;
}

START_TEST(it_is_acknowledged)
{
    answer(send_all(), "");
    answer(next_in_band(BS_IBB_CLOSE), "");
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_UNVERIFIED);
}
END_TEST

START_TEST(it_is_never_acknowledged)
{
    bs_test_hurry(100);
    send_all();
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_CONNECTION_LOST);
}
END_TEST

START_TEST(the_peer_goes_away)
{
    send_all();
    bs_endpoint_peer_unavailable(pair->a.endpoint, pair->b.jid);
    bs_test_hurry(100);
    ck_assert(pair_settle(pair));
    ck_assert_int_eq(pair->a.reason, BS_END_PEER_GONE);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("si_sent");
    TCase *tcase = tcase_create("in-band");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, it_is_acknowledged);
    tcase_add_test(tcase, it_is_never_acknowledged);
    tcase_add_test(tcase, the_peer_goes_away);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
