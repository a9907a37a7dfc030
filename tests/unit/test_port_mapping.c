/* Mapped ports: a home router on loopback that does as it is told, and requests that come and go.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <prefs.h>
#include <stdlib.h>
#include <string.h>

#include "purple_env.h"
#include "router_service.h"
#include "socks5/port_mapping.h"
#include "socks5/ssdp.h"

#define HANG_SECONDS 60
#define PORT 34567

/* Somebody who needs a mapping. */
typedef struct {
    BsPortMapping *request;
    guint told;
    BsMappedPort mapped;
    gboolean is_told;
    gboolean releases; /* when told */
} Waiter;

static RouterService *router;

static void
setup(void)
{
    purple_prefs_set_bool("/purple/network/map_ports", TRUE);
}

static void
teardown(void)
{
    bs_port_mapping_finish();
    bs_port_mapping_look_at(NULL);
    g_clear_pointer(&router, router_service_free);
    purple_prefs_set_bool("/purple/network/map_ports", FALSE);
    bs_test_hurry(1);
}

static void
have_router(RouterMood nat_pmp, RouterMood upnp)
{
    router = router_service_new(nat_pmp, upnp);
    bs_port_mapping_look_at(&router->places);
}

static void
port_mapped(const BsMappedPort *mapped, gpointer data)
{
    Waiter *waiter = data;

    waiter->told++;
    waiter->is_told = TRUE;
    waiter->mapped = *mapped;
    if (waiter->releases)
        g_clear_pointer(&waiter->request, bs_port_mapping_release);
}

static void
ask_for(Waiter *waiter, guint16 port)
{
    waiter->request = bs_port_mapping_request("test", port, port_mapped, waiter);
}

static void
release(Waiter *waiter)
{
    g_clear_pointer(&waiter->request, bs_port_mapping_release);
}

#if defined(HAVE_NATPMP) || defined(HAVE_MINIUPNPC)
/* Until the counter of the router's is at least so high. */
static gboolean
run_until_count(const guint *counter, guint count)
{
    gint64 until = g_get_monotonic_time() + HANG_SECONDS * G_USEC_PER_SEC;

    while (*counter < count && g_get_monotonic_time() < until)
        bs_test_run_for(5);
    return *counter >= count;
}
#endif

#ifdef HAVE_NATPMP
START_TEST(nat_pmp_maps_and_takes_back)
{
    Waiter waiter = {0};

    have_router(ROUTER_SERVES, ROUTER_IS_NOT_THERE);
    router->nat_pmp_shift = 3;
    router->stutters = _i != 0;
    ask_for(&waiter, PORT);
    ck_assert_ptr_nonnull(waiter.request);
    ck_assert_ptr_null(bs_port_mapping_get(waiter.request));
    ck_assert_uint_eq(waiter.told, 0);
    ck_assert(bs_test_run_until(&waiter.is_told, HANG_SECONDS));
    ck_assert_str_eq(waiter.mapped.host, "203.0.113.7");
    ck_assert_str_eq(waiter.mapped.local_host, "127.0.0.1");
    ck_assert_uint_eq(waiter.mapped.port, PORT + 3);
    ck_assert_uint_eq(bs_port_mapping_get(waiter.request)->port, PORT + 3);
    release(&waiter);
    ck_assert(run_until_count(&router->nat_pmp_removed, 1));
}
END_TEST

START_TEST(nat_pmp_is_renewed)
{
    Waiter waiter = {0};

    have_router(ROUTER_SERVES, ROUTER_IS_NOT_THERE);
    router->lifetime = 2;
    ask_for(&waiter, PORT);
    ck_assert(run_until_count(&router->nat_pmp_mapped, 3));
    /* It is the same as before: nobody needs to know. */
    ck_assert_uint_eq(waiter.told, 1);
    ck_assert_uint_eq(router->nat_pmp_removed, 0);
    /* The router has got another address. */
    waiter.is_told = FALSE;
    g_strlcpy(router->nat_pmp_outside, "203.0.113.8", sizeof router->nat_pmp_outside);
    ck_assert(bs_test_run_until(&waiter.is_told, HANG_SECONDS));
    ck_assert_str_eq(waiter.mapped.host, "203.0.113.8");
    release(&waiter);
    ck_assert(run_until_count(&router->nat_pmp_removed, 1));
}
END_TEST

START_TEST(a_lost_mapping_is_none)
{
    Waiter waiter = {0};

    have_router(ROUTER_SERVES, ROUTER_IS_NOT_THERE);
    router->lifetime = 2;
    ask_for(&waiter, PORT);
    ck_assert(bs_test_run_until(&waiter.is_told, HANG_SECONDS));
    router->nat_pmp = ROUTER_REFUSES;
    for (guint i = 0; i < HANG_SECONDS * 100 && bs_port_mapping_get(waiter.request) != NULL; i++)
        bs_test_run_for(10);
    ck_assert_ptr_null(bs_port_mapping_get(waiter.request));
    release(&waiter);
}
END_TEST

START_TEST(an_address_that_helps_nobody_is_no_mapping)
{
    static const char *const useless[] = {"0.0.0.0", "127.0.0.1", "169.254.3.4", "224.0.0.1",
                                          "255.255.255.255"};
    Waiter waiter = {0};

    have_router(ROUTER_SERVES, ROUTER_IS_NOT_THERE);
    g_strlcpy(router->nat_pmp_outside, useless[_i], sizeof router->nat_pmp_outside);
    ask_for(&waiter, PORT);
    ck_assert(run_until_count(&router->nat_pmp_removed, 1));
    ck_assert_uint_eq(waiter.told, 0);
    ck_assert_ptr_null(bs_port_mapping_get(waiter.request));
    release(&waiter);
}
END_TEST

START_TEST(one_mapping_serves_all_who_need_the_port)
{
    Waiter first = {0}, second = {.releases = TRUE}, third = {0}, other = {0};

    have_router(ROUTER_SERVES, ROUTER_IS_NOT_THERE);
    ask_for(&first, PORT);
    ask_for(&second, PORT);
    ask_for(&third, PORT);
    ask_for(&other, PORT + 1);
    release(&first);
    ck_assert(bs_test_run_until(&third.is_told, HANG_SECONDS));
    ck_assert(bs_test_run_until(&other.is_told, HANG_SECONDS));
    ck_assert_uint_eq(first.told, 0);
    ck_assert_uint_eq(second.told, 1);
    ck_assert_uint_ge(router->nat_pmp_mapped, 2);
    ck_assert_uint_eq(router->nat_pmp_clients, 2);
    ck_assert_uint_eq(router->nat_pmp_removed, 0);
    /* One that comes later need not wait. */
    ask_for(&first, PORT);
    ck_assert_uint_eq(bs_port_mapping_get(first.request)->port, PORT);
    release(&third);
    release(&first);
    ck_assert(run_until_count(&router->nat_pmp_removed, 1));
    ck_assert_uint_eq(bs_port_mapping_get(other.request)->port, PORT + 1);
    release(&other);
    ck_assert(run_until_count(&router->nat_pmp_removed, 2));
}
END_TEST

START_TEST(the_end_waits_for_the_router)
{
    Waiter waiter = {0};
    guint removed;

    have_router(ROUTER_SERVES, ROUTER_IS_NOT_THERE);
    ask_for(&waiter, PORT);
    ck_assert(bs_test_run_until(&waiter.is_told, HANG_SECONDS));
    release(&waiter);
    removed = router->nat_pmp_removed;
    bs_port_mapping_finish();
    ck_assert_uint_eq(removed, 0);
    /* What was sent meanwhile is read now. */
    ck_assert(run_until_count(&router->nat_pmp_removed, 1));
}
END_TEST
#endif

#ifdef HAVE_MINIUPNPC
static void
check_upnp_outcome(guint16 outside, guint lease)
{
    Waiter waiter = {0};

    ask_for(&waiter, PORT);
    ck_assert(bs_test_run_until(&waiter.is_told, HANG_SECONDS));
    ck_assert_str_eq(waiter.mapped.host, router->upnp_outside);
    ck_assert_str_eq(waiter.mapped.local_host, "127.0.0.1");
    ck_assert_uint_eq(waiter.mapped.port, outside != 0 ? outside : router->upnp_outside_port);
    ck_assert_uint_eq(router->upnp_inside_port, PORT);
    ck_assert_uint_eq(router->upnp_lease, lease);
    release(&waiter);
    ck_assert(run_until_count(&router->upnp_removed, 1));
}

START_TEST(upnp_maps_and_takes_back)
{
    have_router(ROUTER_IS_NOT_THERE, ROUTER_SERVES);
    check_upnp_outcome(PORT, BS_ROUTER_LEASE_S);
    ck_assert_uint_eq(router->upnp_any, 0);
}
END_TEST

START_TEST(upnp_2_chooses_the_port)
{
    have_router(ROUTER_IS_NOT_THERE, ROUTER_SERVES);
    router->version = 2;
    check_upnp_outcome(40404, BS_ROUTER_LEASE_S);
    ck_assert_uint_eq(router->upnp_any, 1);
}
END_TEST

START_TEST(upnp_takes_another_port_when_one_is_taken)
{
    have_router(ROUTER_IS_NOT_THERE, ROUTER_SERVES);
    router->conflicts = 2;
    check_upnp_outcome(0, BS_ROUTER_LEASE_S);
    ck_assert_uint_ne(router->upnp_outside_port, PORT);
    ck_assert_uint_eq(router->upnp_mapped, 1);
}
END_TEST

START_TEST(upnp_without_leases)
{
    have_router(ROUTER_IS_NOT_THERE, ROUTER_SERVES);
    router->only_permanent = TRUE;
    check_upnp_outcome(PORT, 0);
}
END_TEST

START_TEST(upnp_with_a_connection_that_is_down)
{
    have_router(ROUTER_IS_NOT_THERE, ROUTER_SERVES);
    router->second_service = TRUE;
    check_upnp_outcome(PORT, BS_ROUTER_LEASE_S);
}
END_TEST

START_TEST(upnp_gives_up_when_all_ports_are_taken)
{
    Waiter waiter = {0};

    have_router(ROUTER_IS_NOT_THERE, ROUTER_SERVES);
    router->conflicts = 1000;
    ask_for(&waiter, PORT);
    ck_assert(run_until_count(&router->upnp_requests, 6));
    bs_test_run_for(100);
    ck_assert_uint_eq(router->upnp_requests, 6);
    ck_assert_uint_eq(waiter.told, 0);
    release(&waiter);
}
END_TEST

START_TEST(a_description_that_leads_elsewhere_is_none)
{
    Waiter waiter = {0};

    have_router(ROUTER_SERVES, ROUTER_SERVES);
    router->leads_elsewhere = TRUE;
    router->nat_pmp = ROUTER_REFUSES;
    ask_for(&waiter, PORT);
    bs_test_run_for(300);
    ck_assert_uint_eq(waiter.told, 0);
    ck_assert_uint_eq(router->upnp_requests, 0);
    release(&waiter);
}
END_TEST
#endif

#if defined(HAVE_NATPMP) && defined(HAVE_MINIUPNPC)
/* Whichever comes first is enough; the other one takes back what it has. */
START_TEST(one_protocol_is_enough)
{
    Waiter waiter = {0};

    have_router(ROUTER_SERVES, ROUTER_SERVES);
    ask_for(&waiter, PORT);
    ck_assert(bs_test_run_until(&waiter.is_told, HANG_SECONDS));
    bs_test_run_for(300);
    ck_assert_uint_eq(waiter.told, 1);
    ck_assert_uint_eq(
        router->nat_pmp_mapped + router->upnp_mapped - router->nat_pmp_removed - router->upnp_removed, 1);
    release(&waiter);
    ck_assert(run_until_count(&router->nat_pmp_removed, router->nat_pmp_mapped));
    ck_assert(run_until_count(&router->upnp_removed, router->upnp_mapped));
}
END_TEST
#endif

/* No answer, a refusal or nonsense: nothing is mapped, nobody is told, and each way to end is as good. */
START_TEST(routers_that_do_not_help)
{
    static const RouterMood moods[] = {ROUTER_IS_NOT_THERE, ROUTER_IS_SILENT, ROUTER_REFUSES,
                                       ROUTER_TALKS_NONSENSE};
    Waiter waiter = {0};

    have_router(moods[_i], moods[_i]);
    ask_for(&waiter, PORT);
    bs_test_run_for(200);
    ck_assert_uint_eq(waiter.told, 0);
    ck_assert_ptr_null(bs_port_mapping_get(waiter.request));
    release(&waiter);
    ck_assert_uint_eq(router->upnp_mapped, 0);
}
END_TEST

/* Released after so many milliseconds, whatever the state: none, asked, mapped. */
START_TEST(released_at_any_moment)
{
    have_router(_i % 2 == 0 ? ROUTER_SERVES : ROUTER_IS_NOT_THERE, ROUTER_SERVES);
    for (guint milliseconds = 0; milliseconds < 12; milliseconds++) {
        Waiter waiter = {0};

        ask_for(&waiter, (guint16)(PORT + milliseconds));
        if (milliseconds > 0)
            bs_test_run_for(milliseconds);
        release(&waiter);
    }
    /* Those that are still about it take back what they get. */
    bs_test_run_for(500);
    ck_assert_uint_eq(router->upnp_mapped, router->upnp_removed);
    ck_assert_uint_ge(router->nat_pmp_removed, router->nat_pmp_mapped);
}
END_TEST

START_TEST(a_silent_router_does_not_hold_up_the_end)
{
    Waiter waiter = {0};
    gint64 began;

    have_router(ROUTER_IS_SILENT, ROUTER_IS_SILENT);
    ask_for(&waiter, PORT);
    bs_test_run_for(50);
    release(&waiter);
    began = g_get_monotonic_time();
    bs_port_mapping_finish();
    /* libnatpmp and miniupnpc would wait for many seconds. */
    ck_assert_int_lt(g_get_monotonic_time() - began, 4 * G_USEC_PER_SEC);
}
END_TEST

START_TEST(the_deadline_ends_a_silent_search)
{
    Waiter waiter = {0};

    bs_test_hurry(100);
    have_router(ROUTER_IS_SILENT, ROUTER_IS_SILENT);
    ask_for(&waiter, PORT);
    bs_test_run_for(300);
    bs_test_hurry(1);
    ck_assert_uint_eq(waiter.told, 0);
    release(&waiter);
}
END_TEST

START_TEST(nothing_without_the_users_consent)
{
    Waiter waiter = {0};

    purple_prefs_set_bool("/purple/network/map_ports", FALSE);
    have_router(ROUTER_SERVES, ROUTER_SERVES);
    ask_for(&waiter, PORT);
    ck_assert_ptr_null(waiter.request);
    ck_assert_ptr_null(bs_port_mapping_get(waiter.request));
    bs_test_run_for(100);
    ck_assert_uint_eq(router->nat_pmp_requests + router->upnp_requests, 0);
    release(&waiter);
}
END_TEST

START_TEST(which_addresses_are_public)
{
    static const struct {
        const char *host;
        gboolean is_public;
    } cases[] = {
        {"203.0.113.7", TRUE}, {"100.63.255.255", TRUE}, {"100.64.0.1", FALSE}, {"100.127.255.255", FALSE},
        {"100.128.0.1", TRUE}, {"10.1.2.3", FALSE},      {"11.1.2.3", TRUE},    {"172.15.0.1", TRUE},
        {"172.16.0.1", FALSE}, {"172.31.0.1", FALSE},    {"172.32.0.1", TRUE},  {"192.168.1.1", FALSE},
        {"192.169.1.1", TRUE}, {"127.0.0.1", FALSE},     {"0.0.0.0", FALSE},    {"nonsense", FALSE},
    };
    BsMappedPort mapped = {0};

    g_strlcpy(mapped.host, cases[_i].host, sizeof mapped.host);
    ck_assert_int_eq(bs_port_mapping_is_public(&mapped), cases[_i].is_public);
}
END_TEST

#define ST "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *text;
    const char *url;
} answers[] = {
    {OK ST "LOCATION: http://10.0.0.1:5000/d.xml\r\n\r\n", "http://10.0.0.1:5000/d.xml"},
    {OK "location:http://10.0.0.1\r\n" ST "\r\n", "http://10.0.0.1"},
    {"HTTP/1.0 200 Ok\n" ST "Location: http://10.0.0.1/\n\n", "http://10.0.0.1/"},
    {OK ST "LOCATION: http://10.0.0.2/d.xml\r\n\r\n", NULL},
    {OK ST "LOCATION: http://10.0.0.11/d.xml\r\n\r\n", NULL},
    {OK ST "LOCATION: http://10.0.0.1@10.0.0.2/d.xml\r\n\r\n", NULL},
    {OK ST "LOCATION: https://10.0.0.1/d.xml\r\n\r\n", NULL},
    {OK ST "LOCATION: file:///etc/passwd\r\n\r\n", NULL},
    {OK ST "LOCATION: http://10.0.0.1/a b\r\n\r\n", NULL},
    {OK ST "LOCATION:\r\n\r\n", NULL},
    {OK ST "\r\nLOCATION: http://10.0.0.1/\r\n\r\n", NULL},
    {OK "ST: upnp:rootdevice\r\nLOCATION: http://10.0.0.1/\r\n\r\n", NULL},
    {OK "LOCATION: http://10.0.0.1/\r\n\r\n", NULL},
    {"HTTP/1.1 404 No\r\n" ST "LOCATION: http://10.0.0.1/\r\n\r\n", NULL},
    {"NOTIFY * HTTP/1.1\r\n" ST "LOCATION: http://10.0.0.1/\r\n\r\n", NULL},
    {"HTTP/1.1", NULL},
    {"", NULL},
};

START_TEST(which_answers_name_a_router)
{
    g_autofree char *url = bs_ssdp_location(answers[_i].text, "10.0.0.1");

    ck_assert_pstr_eq(url, answers[_i].url);
}
END_TEST

START_TEST(an_endless_url_is_none)
{
    g_autofree char *path = g_strnfill(300, 'x');
    g_autofree char *text = g_strconcat(OK ST "LOCATION: http://10.0.0.1/", path, "\r\n\r\n", NULL);

    ck_assert_ptr_null(bs_ssdp_location(text, "10.0.0.1"));
}
END_TEST

static Suite *
make_suite(void)
{
    Suite *suite = suite_create("port_mapping");
    TCase *routers = tcase_create("routers");
    TCase *texts = tcase_create("texts");

    tcase_set_timeout(routers, 120);
    tcase_add_checked_fixture(routers, setup, teardown);
#ifdef HAVE_NATPMP
    tcase_add_loop_test(routers, nat_pmp_maps_and_takes_back, 0, 2);
    tcase_add_test(routers, nat_pmp_is_renewed);
    tcase_add_test(routers, a_lost_mapping_is_none);
    tcase_add_loop_test(routers, an_address_that_helps_nobody_is_no_mapping, 0, 5);
    tcase_add_test(routers, one_mapping_serves_all_who_need_the_port);
    tcase_add_test(routers, the_end_waits_for_the_router);
#endif
#ifdef HAVE_MINIUPNPC
    tcase_add_test(routers, upnp_maps_and_takes_back);
    tcase_add_test(routers, upnp_2_chooses_the_port);
    tcase_add_test(routers, upnp_takes_another_port_when_one_is_taken);
    tcase_add_test(routers, upnp_without_leases);
    tcase_add_test(routers, upnp_with_a_connection_that_is_down);
    tcase_add_test(routers, upnp_gives_up_when_all_ports_are_taken);
    tcase_add_test(routers, a_description_that_leads_elsewhere_is_none);
#endif
#if defined(HAVE_NATPMP) && defined(HAVE_MINIUPNPC)
    tcase_add_test(routers, one_protocol_is_enough);
#endif
    tcase_add_loop_test(routers, routers_that_do_not_help, 0, 4);
    tcase_add_loop_test(routers, released_at_any_moment, 0, 2);
    tcase_add_test(routers, a_silent_router_does_not_hold_up_the_end);
    tcase_add_test(routers, the_deadline_ends_a_silent_search);
    tcase_add_test(routers, nothing_without_the_users_consent);
    suite_add_tcase(suite, routers);
    tcase_add_loop_test(texts, which_addresses_are_public, 0, 16);
    tcase_add_loop_test(texts, which_answers_name_a_router, 0, (int)G_N_ELEMENTS(answers));
    tcase_add_test(texts, an_endless_url_is_none);
    suite_add_tcase(suite, texts);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(make_suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
