/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/ssdp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP "239.255.255.250"
#define GROUP_PORT 1900

/* Packets get lost, so everybody is asked three times: at once, after ASK_AGAIN_MS, after twice that. A
 * device takes up to a second for its answer (MX, whose smallest value is 1). */
#define ASK_AGAIN_MS 400
#define ASK_TIMES 3
#define SEARCH_MS 2500

#define ROUTERS_MAX 8
#define URL_MAX 255

/* A router of version 2 must answer to version 1 as well, and some routers answer only to one of their
 * services. */
static const char *const wanted[] = {
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
};

struct _BsSsdp {
    int fd;
    struct sockaddr_in group;
    guint asked; /* times */
    gint64 began;
    GPtrArray *found; /* URLs */
};

gboolean
bs_ssdp_leads_to(const char *url, const char *host)
{
    static const char scheme[] = "http://";
    gsize length = strlen(host);
    char after;

    if (g_ascii_strncasecmp(url, scheme, sizeof scheme - 1) != 0)
        return FALSE;
    url += sizeof scheme - 1;
    if (strncmp(url, host, length) != 0)
        return FALSE;
    after = url[length];
    return after == ':' || after == '/' || after == '\0';
}

/* The value of the header `name` in `lines`, without blanks around it; the caller's. */
static char *
get_header(char *const *lines, const char *name)
{
    gsize length = strlen(name);

    for (; *lines != NULL && **lines != '\0'; lines++)
        if (g_ascii_strncasecmp(*lines, name, length) == 0 && (*lines)[length] == ':')
            return g_strstrip(g_strdup(*lines + length + 1));
    return NULL;
}

static gboolean
is_wanted(const char *type)
{
    /* The version is what comes after the last colon, and may be any. */
    for (guint i = 0; type != NULL && i < G_N_ELEMENTS(wanted); i++)
        if (strncmp(type, wanted[i], strlen(wanted[i]) - 1) == 0)
            return TRUE;
    return FALSE;
}

char *
bs_ssdp_location(const char *text, const char *sender)
{
    g_auto(GStrv) lines = NULL;
    g_autofree char *type = NULL;
    g_autofree char *url = NULL;

    if (g_ascii_strncasecmp(text, "HTTP/1.", 7) != 0 || strstr(text, " 200") != text + 8)
        return NULL;
    lines = g_strsplit(text, "\n", 64);
    for (guint i = 0; lines[i] != NULL; i++)
        g_strchomp(lines[i]);
    type = get_header(lines + 1, "ST");
    url = get_header(lines + 1, "LOCATION");
    if (!is_wanted(type) || url == NULL || strlen(url) > URL_MAX || !bs_ssdp_leads_to(url, sender))
        return NULL;
    for (const char *at = url; *at != '\0'; at++)
        if (!g_ascii_isgraph(*at))
            return NULL;
    return g_steal_pointer(&url);
}

/* FALSE with errno if not a single question could be asked. */
static gboolean
ask(BsSsdp *ssdp)
{
    guint sent = 0;

    ssdp->asked++;
    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_autofree char *question = g_strdup_printf("M-SEARCH * HTTP/1.1\r\n"
                                                    "HOST: " GROUP ":1900\r\n"
                                                    "MAN: \"ssdp:discover\"\r\n"
                                                    "MX: 1\r\n"
                                                    "ST: %s\r\n"
                                                    "\r\n",
                                                    wanted[i]);

        if (sendto(ssdp->fd, question, strlen(question), MSG_NOSIGNAL,
                   (const struct sockaddr *)(gconstpointer)&ssdp->group, sizeof ssdp->group) >= 0)
            sent++;
    }
    return sent > 0;
}

BsSsdp *
bs_ssdp_new(const BsRouterPlaces *places, char **why)
{
    static const guint8 hops = 2; /* UPnP Device Architecture 1.1, 1.3.2 */
    BsSsdp *ssdp = g_new0(BsSsdp, 1);

    ssdp->began = g_get_monotonic_time();
    ssdp->found = g_ptr_array_new_with_free_func(g_free);
    ssdp->group.sin_family = AF_INET;
    ssdp->group.sin_port = htons(places->group != NULL ? places->group_port : GROUP_PORT);
    inet_pton(AF_INET, places->group != NULL ? places->group : GROUP, &ssdp->group.sin_addr);
    ssdp->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ssdp->fd >= 0)
        setsockopt(ssdp->fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops);
    if (ssdp->fd < 0 || !ask(ssdp)) {
        *why = g_strdup_printf("nobody can be asked: %s", g_strerror(errno));
        bs_ssdp_free(ssdp);
        return NULL;
    }
    return ssdp;
}

void
bs_ssdp_free(BsSsdp *ssdp)
{
    if (ssdp->fd >= 0)
        close(ssdp->fd);
    g_ptr_array_unref(ssdp->found);
    g_free(ssdp);
}

/* The URL in the next answer, owned by the object; NULL if it is none, or one that was there already. */
static const char *
read_answer(BsSsdp *ssdp)
{
    char text[2048];
    char sender[INET_ADDRSTRLEN];
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    gssize got = recvfrom(ssdp->fd, text, sizeof text - 1, 0, (struct sockaddr *)(gpointer)&address, &length);
    g_autofree char *url = NULL;

    if (got <= 0 || inet_ntop(AF_INET, &address.sin_addr, sender, sizeof sender) == NULL)
        return NULL;
    text[got] = '\0';
    url = bs_ssdp_location(text, sender);
    if (url == NULL || ssdp->found->len >= ROUTERS_MAX ||
        g_ptr_array_find_with_equal_func(ssdp->found, url, g_str_equal, NULL))
        return NULL;
    g_ptr_array_add(ssdp->found, g_strdup(url));
    return g_ptr_array_index(ssdp->found, ssdp->found->len - 1);
}

char *
bs_ssdp_next(BsSsdp *ssdp, int stop)
{
    gint64 until = ssdp->began + SEARCH_MS * 1000;

    while (g_get_monotonic_time() < until) {
        gint64 again = ssdp->began + (gint64)ssdp->asked * ASK_AGAIN_MS * 1000;
        const char *url;

        if (ssdp->asked >= ASK_TIMES)
            again = until;
        switch (bs_router_wait(ssdp->fd, stop, MIN(again, until))) {
        case BS_ROUTER_READY:
            url = read_answer(ssdp);
            if (url != NULL)
                return g_strdup(url);
            break;
        case BS_ROUTER_LATE:
            if (ssdp->asked < ASK_TIMES)
                ask(ssdp);
            break;
        case BS_ROUTER_STOPPED:
            return NULL;
        }
    }
    return NULL;
}
