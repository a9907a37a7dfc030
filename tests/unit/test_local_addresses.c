/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/local_addresses.h"

#include <check.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "socks5/ip_address.h"

#define UP (IFF_UP | IFF_RUNNING)
#define TUNNEL (UP | IFF_POINTOPOINT)
#define LOOPBACK (UP | IFF_LOOPBACK)

/* The ordered addresses, divided by spaces. */
static char *
ordered(const BsLocalAddress *found, guint count)
{
    g_autoptr(GPtrArray) texts = bs_local_addresses_order(found, count);

    g_ptr_array_add(texts, NULL);
    return g_strjoinv(" ", (char **)texts->pdata);
}

#define assert_order(found, expected)                                                                        \
    do {                                                                                                     \
        g_autofree char *texts = ordered(found, G_N_ELEMENTS(found));                                        \
        ck_assert_str_eq(texts, expected);                                                                   \
    } while (0)

START_TEST(order_of_kinds)
{
    static const BsLocalAddress found[] = {
        {"127.0.0.1", LOOPBACK, 0}, {"fd00::1", UP, 0},
        {"192.0.2.1", UP, 0},       {"10.8.0.1", TUNNEL, 0},
        {"2001:db8::7", TUNNEL, 0}, {"fe80::1", UP, 0},
        {"2001:db8::1", UP, 0},     {"2001:db8::2", UP, BS_ADDRESS_TEMPORARY},
        {"192.0.2.2", UP, 0},       {"169.254.1.1", UP, 0},
        {"::1", LOOPBACK, 0},
    };

    assert_order(found, "2001:db8::2 2001:db8::1 192.0.2.1 192.0.2.2 fd00::1 2001:db8::7 10.8.0.1");
}
END_TEST

START_TEST(unfit_addresses)
{
    static const BsLocalAddress found[] = {
        {"2001:db8::1", UP, BS_ADDRESS_DEPRECATED},
        {"2001:db8::2", UP, BS_ADDRESS_TENTATIVE},
        {"2001:db8::3", UP, BS_ADDRESS_DAD_FAILED},
        {"2001:db8::4", UP, BS_ADDRESS_TEMPORARY | BS_ADDRESS_DEPRECATED},
        {"::", UP, 0},
        {"0.0.0.0", UP, 0},
        {"224.0.0.1", UP, 0},
        {"ff02::1", UP, 0},
        {"255.255.255.255", UP, 0},
        {"nonsense", UP, 0},
        {"192.0.2.1", UP, 0},
    };

    assert_order(found, "192.0.2.1");
}
END_TEST

START_TEST(interfaces_that_are_down)
{
    static const BsLocalAddress found[] = {
        {"192.0.2.1", IFF_RUNNING, 0},
        {"192.0.2.2", IFF_UP, 0},
        {"192.0.2.3", 0, 0},
        {"192.0.2.4", UP, 0},
    };

    assert_order(found, "192.0.2.4");
}
END_TEST

START_TEST(none_twice)
{
    static const BsLocalAddress found[] = {
        {"192.0.2.1", TUNNEL, 0},
        {"192.0.2.1", UP, 0},
        {"2001:db8::1", UP, 0},
        {"2001:db8:0::1", UP, 0},
    };

    assert_order(found, "2001:db8::1 192.0.2.1");
}
END_TEST

START_TEST(link_local_before_loopback)
{
    static const BsLocalAddress found[] = {
        {"127.0.0.1", LOOPBACK, 0},
        {"169.254.1.1", UP, 0},
        {"fe80::1", UP, 0},
    };

    assert_order(found, "169.254.1.1");
}
END_TEST

START_TEST(only_loopback)
{
    static const BsLocalAddress found[] = {
        {"127.0.0.1", LOOPBACK, 0}, {"127.0.0.53", LOOPBACK, 0}, {"::1", LOOPBACK, 0},
        {"fe80::1", UP, 0},         {"192.0.2.1", 0, 0},
    };

    assert_order(found, "127.0.0.1 ::1");
}
END_TEST

START_TEST(nothing_at_all)
{
    g_autofree char *texts = ordered(NULL, 0);

    ck_assert_str_eq(texts, "");
}
END_TEST

/* Whatever machine this is. */
START_TEST(this_machine)
{
    g_autoptr(GPtrArray) texts = bs_local_addresses();
    guint loopback = 0;

    for (guint i = 0; i < texts->len; i++) {
        BsIpAddress address;

        ck_assert(bs_ip_parse(texts->pdata[i], &address));
        ck_assert_int_ne(bs_ip_kind(&address), BS_IP_UNSPECIFIED);
        ck_assert_int_ne(bs_ip_kind(&address), BS_IP_MULTICAST);
        ck_assert(!address.is_ipv6 || bs_ip_kind(&address) != BS_IP_LINK_LOCAL);
        if (bs_ip_kind(&address) == BS_IP_LOOPBACK)
            loopback++;
        for (guint j = 0; j < i; j++)
            ck_assert(!bs_ip_same_host(texts->pdata[i], texts->pdata[j]));
    }
    ck_assert(loopback == 0 || loopback == texts->len);
}
END_TEST

START_TEST(towards_a_host)
{
    g_autofree char *to_itself = bs_local_address_towards("127.0.0.1");
    g_autofree char *to_a_name = bs_local_address_towards("localhost");
    g_autofree char *outward = bs_local_address_towards("192.0.2.1");
    g_autoptr(GPtrArray) texts = bs_local_addresses();

    ck_assert_str_eq(to_itself, "127.0.0.1");
    ck_assert_ptr_null(to_a_name);
    /* A machine without a network has none. */
    for (guint i = 0; outward != NULL && i < texts->len; i++)
        if (bs_ip_same_host(texts->pdata[i], outward))
            return;
    ck_assert_ptr_null(outward);
}
END_TEST

static Suite *
local_addresses_suite(void)
{
    Suite *suite = suite_create("local_addresses");
    TCase *tests = tcase_create("local_addresses");

    tcase_add_test(tests, order_of_kinds);
    tcase_add_test(tests, unfit_addresses);
    tcase_add_test(tests, interfaces_that_are_down);
    tcase_add_test(tests, none_twice);
    tcase_add_test(tests, link_local_before_loopback);
    tcase_add_test(tests, only_loopback);
    tcase_add_test(tests, nothing_at_all);
    tcase_add_test(tests, this_machine);
    tcase_add_test(tests, towards_a_host);
    suite_add_tcase(suite, tests);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(local_addresses_suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
