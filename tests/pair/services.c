/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "services.h"

#include <arpa/inet.h>
#include <check.h>
#include <dnsquery.h>
#include <eventloop.h>
#include <netinet/in.h>
#include <string.h>

#include "purple_env.h"
#include "transfer/jingle_xml.h"

#define HANG_SECONDS 60

/* An answer of a service on its way. */
typedef struct {
    Services *services;
    Side *to;
    xmlnode *stanza;
    guint timer;
} Answer;

static void
answer_free(gpointer data)
{
    Answer *answer = data;

    if (answer->timer != 0)
        purple_timeout_remove(answer->timer);
    xmlnode_free(answer->stanza);
    g_free(answer);
}

static gboolean
deliver_answer(gpointer data)
{
    Answer *answer = data;

    answer->timer = 0;
    ck_assert(bs_endpoint_receive(answer->to->endpoint, answer->stanza));
    g_ptr_array_remove(answer->services->answers, answer);
    return FALSE;
}

static void
answer_with(Services *services, Side *to, xmlnode *stanza)
{
    Answer *answer = g_new0(Answer, 1);

    answer->services = services;
    answer->to = to;
    answer->stanza = stanza;
    answer->timer = purple_timeout_add(0, deliver_answer, answer);
    g_ptr_array_add(services->answers, answer);
}

gboolean
services_take(Services *services, Side *from, const xmlnode *stanza)
{
    static const char *const domains[] = {"one.test", "two.test"};
    const char *to = bs_jingle_attrib(stanza, "to");

    for (guint i = 0; i < G_N_ELEMENTS(services->proxies); i++) {
        const char *const jids[] = {services->listed[i], NULL};

        if (g_strcmp0(to, domains[i]) == 0) {
            answer_with(services, from, proxy_service_items(domains[i], jids, stanza));
            return TRUE;
        }
        if (g_strcmp0(to, services->proxies[i]->jid) == 0) {
            xmlnode *answer = proxy_service_answer(services->proxies[i], stanza);

            if (answer != NULL)
                answer_with(services, from, answer);
            return TRUE;
        }
    }
    return FALSE;
}

/* Whose names are looked up. */
static const Services *name_server;

const char *
services_look_up(const Services *services, const char *host)
{
    for (guint i = 0; i < G_N_ELEMENTS(services->proxies); i++)
        if (g_strcmp0(services->proxies[i]->name, host) == 0)
            return services->proxies[i]->host;
    return host;
}

/* libpurple frees the addresses. */
static gboolean
look_up(PurpleDnsQueryData *query, PurpleDnsQueryResolvedCallback resolved,
        PurpleDnsQueryFailedCallback failed)
{
    const char *address = services_look_up(name_server, purple_dnsquery_get_host(query));
    struct sockaddr_in6 *six = g_new0(struct sockaddr_in6, 1);
    struct sockaddr_in *four = (struct sockaddr_in *)(gpointer)six;
    gboolean ipv6 = strchr(address, ':') != NULL;
    in_port_t port = g_htons(purple_dnsquery_get_port(query));
    GSList *found = g_slist_append(NULL, GSIZE_TO_POINTER(ipv6 ? sizeof *six : sizeof *four));

    (void)failed;
    if (ipv6)
        *six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
    else
        *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
    ck_assert_int_eq(inet_pton(ipv6 ? AF_INET6 : AF_INET, address,
                               ipv6 ? (void *)&six->sin6_addr : (void *)&four->sin_addr),
                     1);
    resolved(query, g_slist_append(found, six));
    return TRUE;
}

static PurpleDnsQueryUiOps dns_ops = {.resolve_host = look_up};

void
services_use_names(Services *services)
{
    name_server = services;
    services->proxies[0]->name = "relay.one.test";
    services->proxies[1]->name = "relay.two.test";
    purple_dnsquery_set_ui_ops(&dns_ops);
}

guint
services_count_working(const Side *side)
{
    g_autoptr(GPtrArray) candidates = bs_proxies_gather(side->proxies, TRUE);

    return candidates->len;
}

void
services_give_proxies(Side *side, guint count)
{
    side->proxies = bs_proxies_new(side->link, NULL);
    bs_endpoint_set_proxies(side->endpoint, side->proxies);
    for (guint i = 0; i < HANG_SECONDS * 100 && services_count_working(side) < count; i++)
        bs_test_run_for(10);
    ck_assert_uint_eq(services_count_working(side), count);
}

Services *
services_new(void)
{
    Services *services = g_new0(Services, 1);

    services->answers = g_ptr_array_new_with_free_func(answer_free);
    services->proxies[0] = proxy_service_new("proxy.one.test");
    services->proxies[1] = proxy_service_new("proxy.two.test");
    for (guint i = 0; i < G_N_ELEMENTS(services->proxies); i++)
        services->listed[i] = services->proxies[i]->jid;
    return services;
}

void
services_free(Services *services)
{
    g_ptr_array_unref(services->answers);
    purple_dnsquery_set_ui_ops(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(services->proxies); i++)
        proxy_service_free(services->proxies[i]);
    g_free(services);
}
