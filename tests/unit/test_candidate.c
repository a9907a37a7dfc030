/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/candidate.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stream/digest.h"

#define NAME_63 "a23456789012345678901234567890123456789012345678901234567890123"

static GPtrArray *
candidates_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);
}

static BsCandidate *
add(GPtrArray *candidates, const char *cid, const char *host, guint16 port, guint32 priority)
{
    BsCandidate *candidate = bs_candidate_new(BS_CANDIDATE_DIRECT, cid, NULL, host, port, priority);

    g_ptr_array_add(candidates, candidate);
    return candidate;
}

/* `texts` is a list of addresses divided by spaces. */
static GPtrArray *
addresses_new(const char *texts)
{
    GPtrArray *addresses = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) list = g_strsplit(texts, " ", -1);

    for (guint i = 0; list[i] != NULL; i++)
        if (list[i][0] != '\0')
            g_ptr_array_add(addresses, g_strdup(list[i]));
    return addresses;
}

/* The reason against the peer's candidate `host`, if the peer also offers `other_host` (may be NULL). */
static const char *
refusal(const char *host, const char *other_host, const char *own)
{
    g_autoptr(GPtrArray) candidates = candidates_new();
    g_autoptr(GPtrArray) addresses = addresses_new(own);

    add(candidates, "one", host, 5000, 2);
    if (other_host != NULL)
        add(candidates, "other", other_host, 5001, 1);
    return bs_candidate_refusal(candidates->pdata[0], candidates, addresses);
}

START_TEST(type_names)
{
    static const char *const names[] = {"direct", "assisted", "tunnel", "proxy"};
    BsCandidateType type;

    ck_assert_str_eq(bs_candidate_type_name((BsCandidateType)_i), names[_i]);
    ck_assert(bs_candidate_type_from_name(names[_i], &type));
    ck_assert_int_eq(type, _i);
}
END_TEST

START_TEST(type_names_unknown)
{
    BsCandidateType type = BS_CANDIDATE_TUNNEL;

    ck_assert(!bs_candidate_type_from_name("Direct", &type));
    ck_assert(!bs_candidate_type_from_name("", &type));
    ck_assert(!bs_candidate_type_from_name(NULL, &type));
    ck_assert_int_eq(type, BS_CANDIDATE_TUNNEL);
}
END_TEST

START_TEST(copy_is_its_own)
{
    g_autoptr(BsCandidate) one =
        bs_candidate_new(BS_CANDIDATE_PROXY, "c", "proxy.example", "192.0.2.1", 7777, 9);
    g_autoptr(BsCandidate) copy = bs_candidate_copy(one);

    one->host[0] = 'x';
    ck_assert_str_eq(copy->cid, "c");
    ck_assert_str_eq(copy->jid, "proxy.example");
    ck_assert_str_eq(copy->host, "192.0.2.1");
    ck_assert_uint_eq(copy->port, 7777);
    ck_assert_uint_eq(copy->priority, 9);
    ck_assert_int_eq(copy->type, BS_CANDIDATE_PROXY);
}
END_TEST

START_TEST(priority_values)
{
    ck_assert_uint_eq(bs_candidate_priority(BS_CANDIDATE_DIRECT, TRUE, 0), 126 * 65536 + 49152);
    ck_assert_uint_eq(bs_candidate_priority(BS_CANDIDATE_DIRECT, FALSE, 0), 126 * 65536 + 49153);
    ck_assert_uint_eq(bs_candidate_priority(BS_CANDIDATE_ASSISTED, TRUE, 1), 120 * 65536 + 49150);
    ck_assert_uint_eq(bs_candidate_priority(BS_CANDIDATE_TUNNEL, FALSE, 1), 110 * 65536 + 49151);
    ck_assert_uint_eq(bs_candidate_priority(BS_CANDIDATE_PROXY, TRUE, 63), 10 * 65536 + 49152 - 126);
}
END_TEST

START_TEST(priorities_never_tie)
{
    for (guint i = 0; i < 64; i++) {
        guint32 ours = bs_candidate_priority(BS_CANDIDATE_DIRECT, TRUE, i) % 65536;

        ck_assert_uint_gt(ours, 32768);
        ck_assert(i == 0 || ours < bs_candidate_priority(BS_CANDIDATE_DIRECT, TRUE, i - 1) % 65536);
        for (guint j = 0; j < 64; j++)
            ck_assert_uint_ne(ours, bs_candidate_priority(BS_CANDIDATE_DIRECT, FALSE, j) % 65536);
    }
}
END_TEST

START_TEST(gather)
{
    g_autoptr(GPtrArray) addresses = addresses_new("2001:db8::1 192.0.2.1 fd00::1");
    g_autoptr(GPtrArray) candidates = bs_candidates_gather(addresses, 5222, "me@example.com/x", FALSE);

    ck_assert_uint_eq(candidates->len, 3);
    for (guint i = 0; i < candidates->len; i++) {
        const BsCandidate *candidate = candidates->pdata[i];

        ck_assert_str_eq(candidate->host, addresses->pdata[i]);
        ck_assert_uint_eq(candidate->port, 5222);
        ck_assert_str_eq(candidate->jid, "me@example.com/x");
        ck_assert_int_eq(candidate->type, BS_CANDIDATE_DIRECT);
        ck_assert_uint_eq(candidate->priority, bs_candidate_priority(BS_CANDIDATE_DIRECT, FALSE, i));
        ck_assert_uint_ge(strlen(candidate->cid), 32);
        for (guint j = 0; j < i; j++)
            ck_assert_str_ne(candidate->cid, ((BsCandidate *)candidates->pdata[j])->cid);
    }
}
END_TEST

START_TEST(gather_cids_are_fresh)
{
    g_autoptr(GPtrArray) addresses = addresses_new("192.0.2.1");
    g_autoptr(GPtrArray) once = bs_candidates_gather(addresses, 1, "a", TRUE);
    g_autoptr(GPtrArray) again = bs_candidates_gather(addresses, 1, "a", TRUE);

    ck_assert_str_ne(((BsCandidate *)once->pdata[0])->cid, ((BsCandidate *)again->pdata[0])->cid);
}
END_TEST

START_TEST(gather_is_bounded)
{
    g_autoptr(GPtrArray) addresses = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) candidates = NULL;

    for (guint i = 0; i < 200; i++)
        g_ptr_array_add(addresses, g_strdup_printf("192.0.2.%u", i));
    candidates = bs_candidates_gather(addresses, 5222, "a", TRUE);
    ck_assert_uint_eq(candidates->len, BS_CANDIDATES_GATHERED_MAX);
    ck_assert_str_eq(((BsCandidate *)candidates->pdata[0])->host, "192.0.2.0");
}
END_TEST

START_TEST(gather_nothing)
{
    g_autoptr(GPtrArray) addresses = addresses_new("");
    g_autoptr(GPtrArray) candidates = bs_candidates_gather(addresses, 5222, "a", TRUE);

    ck_assert_uint_eq(candidates->len, 0);
}
END_TEST

START_TEST(contain)
{
    g_autoptr(GPtrArray) candidates = candidates_new();

    add(candidates, "a", "192.0.2.1", 5000, 1);
    add(candidates, "b", "2001:db8::1", 5000, 1);
    add(candidates, "c", "proxy.example.com", 7777, 1);
    ck_assert(bs_candidates_contain(candidates, "192.0.2.1", 5000));
    ck_assert(bs_candidates_contain(candidates, "::ffff:192.0.2.1", 5000));
    ck_assert(bs_candidates_contain(candidates, "2001:0DB8:0:0:0:0:0:1", 5000));
    ck_assert(bs_candidates_contain(candidates, "Proxy.Example.COM", 7777));
    ck_assert(!bs_candidates_contain(candidates, "192.0.2.1", 5001));
    ck_assert(!bs_candidates_contain(candidates, "192.0.2.2", 5000));
    ck_assert(!bs_candidates_contain(candidates, "2001:db8::2", 5000));
    ck_assert(!bs_candidates_contain(candidates, "example.com", 7777));
}
END_TEST

START_TEST(find)
{
    g_autoptr(GPtrArray) candidates = candidates_new();
    BsCandidate *second;

    add(candidates, "first", "192.0.2.1", 1, 1);
    second = add(candidates, "second", "192.0.2.2", 1, 1);
    ck_assert_ptr_eq(bs_candidates_find(candidates, "second"), second);
    ck_assert_ptr_null(bs_candidates_find(candidates, "third"));
    ck_assert_ptr_null(bs_candidates_find(candidates, NULL));
}
END_TEST

START_TEST(sort)
{
    g_autoptr(GPtrArray) candidates = candidates_new();
    g_autoptr(GString) order = g_string_new(NULL);

    add(candidates, "d", "192.0.2.1", 1, 1);
    add(candidates, "b", "192.0.2.1", 2, 7);
    add(candidates, "a", "192.0.2.1", 3, G_MAXUINT32);
    add(candidates, "c", "192.0.2.1", 4, 7);
    bs_candidates_sort(candidates);
    for (guint i = 0; i < candidates->len; i++)
        g_string_append(order, ((BsCandidate *)candidates->pdata[i])->cid);
    ck_assert_str_eq(order->str, "abcd");
}
END_TEST

static const char *const dialled_hosts[] = {
    "192.0.2.1",
    "10.0.0.1",
    "223.255.255.255",
    "1.0.0.0",
    "::ffff:192.0.2.1",
    "2001:db8::1",
    "fd00::1",
    "fe80::1%eth0",
    "FEC0::1",
    "proxy.example.com",
    "proxy.example.com.",
    "xn--bcher-kva.example",
    "1and1.example",
    "3com",
    "0xfg",
    "notlocalhost",
    "localhost.example.com",
    NAME_63 ".example",
    NAME_63 "." NAME_63 "." NAME_63 ".a2345678901234567890123456789012345678901234567890123456789.a",
};

START_TEST(refusal_none)
{
    const char *reason = refusal(dialled_hosts[_i], NULL, "192.0.2.9 2001:db8::9");

    ck_assert_msg(reason == NULL, "%s: %s", dialled_hosts[_i], reason);
}
END_TEST

static const char *const refused_hosts[] = {
    "0.0.0.0",
    "0.1.2.3",
    "255.255.255.255",
    "240.0.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "127.0.0.1",
    "127.255.0.1",
    "169.254.1.1",
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::1%lo",
    "::%lo",
    "ff02::1",
    "ff02::1%eth0",
    "fe80::1",
    "febf::1",
    "fe80::1%",
    "fe80::1%et h0",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::FFFF:0.0.0.0",
    "::ffff:224.0.0.1",
    "::ffff:255.255.255.255",
    "::ffff:169.254.1.1",
    "localhost",
    "LocalHost",
    "localhost.",
    "foo.localhost",
    "foo.LOCALHOST.",
    "",
    ".",
    "..",
    ".example.com",
    "a..example.com",
    "example.com..",
    "-a.example.com",
    "a-.example.com",
    "a_b.example.com",
    "a b.example.com",
    "a\n.example.com",
    "b\303\274cher.example",
    "[::1]",
    "[2001:db8::1]",
    "192.0.2.1%eth0",
    "192.0.2.1:80",
    "127.1",
    "0177.0.0.1",
    "127.0.0.01",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7F.0.0.0x1",
    "foo.0x",
    "example.123",
    "http://example.com",
    NAME_63 "4.example",
    NAME_63 "." NAME_63 "." NAME_63 ".a23456789012345678901234567890123456789012345678901234567890.a",
};

START_TEST(refusal_some)
{
    ck_assert_msg(refusal(refused_hosts[_i], NULL, "192.0.2.9 2001:db8::9") != NULL, "%s", refused_hosts[_i]);
}
END_TEST

START_TEST(refusal_port_0)
{
    g_autoptr(GPtrArray) candidates = candidates_new();
    g_autoptr(GPtrArray) addresses = addresses_new("192.0.2.9");
    const BsCandidate *candidate = add(candidates, "a", "192.0.2.1", 0, 1);

    ck_assert_str_eq(bs_candidate_refusal(candidate, candidates, addresses), "port 0");
}
END_TEST

START_TEST(refusal_no_host)
{
    ck_assert_ptr_nonnull(refusal(NULL, NULL, "192.0.2.9"));
}
END_TEST

static const char *const loopback_hosts[] = {"127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1",
                                             "localhost"};

START_TEST(loopback_of_a_peer_here)
{
    const char *host = loopback_hosts[_i];

    ck_assert_ptr_null(refusal(host, "192.0.2.9", "2001:db8::9 192.0.2.9"));
    ck_assert_ptr_null(refusal(host, "::ffff:192.0.2.9", "192.0.2.9"));
    ck_assert_ptr_null(refusal(host, "2001:db8:0::9", "192.0.2.9 2001:db8::9"));
}
END_TEST

START_TEST(loopback_of_a_peer_elsewhere)
{
    const char *host = loopback_hosts[_i];

    ck_assert_ptr_nonnull(refusal(host, "192.0.2.8", "2001:db8::9 192.0.2.9"));
    ck_assert_ptr_nonnull(refusal(host, "127.0.0.1", "192.0.2.9 127.0.0.1"));
    ck_assert_ptr_nonnull(refusal(host, host, "192.0.2.9 127.0.0.1 ::1"));
}
END_TEST

START_TEST(loopback_without_a_network)
{
    const char *host = loopback_hosts[_i];

    ck_assert_ptr_null(refusal(host, NULL, "127.0.0.1 ::1"));
    ck_assert_ptr_null(refusal(host, NULL, ""));
}
END_TEST

START_TEST(link_local_where_we_have_one)
{
    ck_assert_ptr_null(refusal("169.254.1.1", NULL, "169.254.7.7"));
    ck_assert_ptr_nonnull(refusal("169.254.1.1", NULL, "192.0.2.9 fe80::1"));
    ck_assert_ptr_nonnull(refusal("fe80::1", NULL, "fe80::2%eth0"));
}
END_TEST

START_TEST(dst_addr)
{
    g_autofree char *text =
        bs_dst_addr("vj3hs98y", "romeo@montague.lit/orchard", "juliet@capulet.lit/balcony");
    g_autofree char *swapped =
        bs_dst_addr("vj3hs98y", "juliet@capulet.lit/balcony", "romeo@montague.lit/orchard");

    ck_assert_str_eq(text, "972b7bf47291ca609517f67f86b5081086052dad");
    ck_assert_str_ne(text, swapped);
}
END_TEST

static Suite *
candidate_suite(void)
{
    Suite *suite = suite_create("candidate");
    TCase *tests = tcase_create("candidate");

    tcase_add_loop_test(tests, type_names, 0, 4);
    tcase_add_test(tests, type_names_unknown);
    tcase_add_test(tests, copy_is_its_own);
    tcase_add_test(tests, priority_values);
    tcase_add_test(tests, priorities_never_tie);
    tcase_add_test(tests, gather);
    tcase_add_test(tests, gather_cids_are_fresh);
    tcase_add_test(tests, gather_is_bounded);
    tcase_add_test(tests, gather_nothing);
    tcase_add_test(tests, contain);
    tcase_add_test(tests, find);
    tcase_add_test(tests, sort);
    tcase_add_loop_test(tests, refusal_none, 0, G_N_ELEMENTS(dialled_hosts));
    tcase_add_loop_test(tests, refusal_some, 0, G_N_ELEMENTS(refused_hosts));
    tcase_add_test(tests, refusal_port_0);
    tcase_add_test(tests, refusal_no_host);
    tcase_add_loop_test(tests, loopback_of_a_peer_here, 0, G_N_ELEMENTS(loopback_hosts));
    tcase_add_loop_test(tests, loopback_of_a_peer_elsewhere, 0, G_N_ELEMENTS(loopback_hosts));
    tcase_add_loop_test(tests, loopback_without_a_network, 0, G_N_ELEMENTS(loopback_hosts));
    tcase_add_test(tests, link_local_where_we_have_one);
    tcase_add_test(tests, dst_addr);
    suite_add_tcase(suite, tests);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(candidate_suite());
    int failed;

    bs_digest_init();
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
