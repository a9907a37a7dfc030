/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/local_addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "socks5/ip_address.h"

/* Best first. */
typedef enum {
    RANK_TEMPORARY,
    RANK_GLOBAL_IPV6,
    RANK_IPV4,
    RANK_UNIQUE_LOCAL,
    RANK_POINT_TO_POINT, /* added to those above */
    RANK_LINK_LOCAL = 2 * RANK_POINT_TO_POINT,
    RANK_LOOPBACK,
    RANK_UNUSABLE,
} Rank;

/* From here on only as long as there is nothing better. */
#define RANK_LAST_RESORT RANK_LINK_LOCAL

static Rank
rank_by_kind(const BsLocalAddress *found, const BsIpAddress *address)
{
    switch (bs_ip_kind(address)) {
    case BS_IP_GLOBAL:
        if (!address->is_ipv6)
            return RANK_IPV4;
        return found->address_flags & BS_ADDRESS_TEMPORARY ? RANK_TEMPORARY : RANK_GLOBAL_IPV6;
    case BS_IP_UNIQUE_LOCAL:
        return RANK_UNIQUE_LOCAL;
    case BS_IP_LINK_LOCAL:
        return address->is_ipv6 ? RANK_UNUSABLE : RANK_LINK_LOCAL;
    case BS_IP_LOOPBACK:
        return strcmp(found->text, "127.0.0.1") == 0 || strcmp(found->text, "::1") == 0 ? RANK_LOOPBACK
                                                                                        : RANK_UNUSABLE;
    case BS_IP_UNSPECIFIED:
    case BS_IP_MULTICAST:
    case BS_IP_RESERVED:
        return RANK_UNUSABLE;
    }
    return RANK_UNUSABLE;
}

static Rank
rank_of(const BsLocalAddress *found)
{
    const guint up = IFF_UP | IFF_RUNNING;
    const guint unfit = BS_ADDRESS_DAD_FAILED | BS_ADDRESS_DEPRECATED | BS_ADDRESS_TENTATIVE;
    BsIpAddress address;
    Rank rank;

    if ((found->interface_flags & up) != up || (found->address_flags & unfit) != 0)
        return RANK_UNUSABLE;
    if (!bs_ip_parse(found->text, &address))
        return RANK_UNUSABLE;
    rank = rank_by_kind(found, &address);
    if (rank < RANK_POINT_TO_POINT && (found->interface_flags & IFF_POINTOPOINT) != 0)
        rank += RANK_POINT_TO_POINT;
    return rank;
}

static gboolean
contains(const GPtrArray *texts, const char *text)
{
    for (guint i = 0; i < texts->len; i++)
        if (bs_ip_same_host(texts->pdata[i], text))
            return TRUE;
    return FALSE;
}

GPtrArray *
bs_local_addresses_order(const BsLocalAddress *found, guint count)
{
    GPtrArray *ordered = g_ptr_array_new_with_free_func(g_free);

    for (Rank rank = 0; rank < RANK_UNUSABLE; rank++) {
        if (rank >= RANK_LAST_RESORT && ordered->len > 0)
            break;
        for (guint i = 0; i < count; i++)
            if (rank_of(&found[i]) == rank && !contains(ordered, found[i].text))
                g_ptr_array_add(ordered, g_strdup(found[i].text));
    }
    return ordered;
}

/* One line of if_inet6: "20010db8000000000000000000000001 02 40 00 80     eth0". */
static gboolean
parse_flags_line(const char *line, BsIpAddress *address, guint *flags)
{
    char digits[33];

    if (sscanf(line, "%32[0-9a-fA-F] %*x %*x %*x %x", digits, flags) != 2 || strlen(digits) != 32)
        return FALSE;
    for (guint i = 0; i < 16; i++)
        address->bytes[i] =
            (guint8)(g_ascii_xdigit_value(digits[2 * i]) << 4 | g_ascii_xdigit_value(digits[2 * i + 1]));
    return TRUE;
}

/* What the kernel says of this IPv6 address; 0 where there is no such file or line. The same address on two
 * interfaces is a link-local one, which nobody asks for. */
static guint
flags_of(const guint8 *bytes, char *const *lines)
{
    for (; lines != NULL && *lines != NULL; lines++) {
        BsIpAddress address;
        guint flags;

        if (parse_flags_line(*lines, &address, &flags) && memcmp(address.bytes, bytes, 16) == 0)
            return flags;
    }
    return 0;
}

static gboolean
read_address(const struct ifaddrs *entry, char *const *lines, BsLocalAddress *found)
{
    const void *bytes;

    memset(found, 0, sizeof *found);
    if (entry->ifa_addr == NULL)
        return FALSE;
    found->interface_flags = entry->ifa_flags;
    if (entry->ifa_addr->sa_family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)entry->ifa_addr)->sin_addr;
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
        bytes = &((const struct sockaddr_in6 *)(const void *)entry->ifa_addr)->sin6_addr;
        found->address_flags = flags_of(bytes, lines);
    } else {
        return FALSE;
    }
    return inet_ntop(entry->ifa_addr->sa_family, bytes, found->text, sizeof found->text) != NULL;
}

GPtrArray *
bs_local_addresses(void)
{
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(BsLocalAddress));
    g_autofree char *table = NULL;
    g_auto(GStrv) lines = NULL;
    struct ifaddrs *entries = NULL;

    if (getifaddrs(&entries) != 0)
        bs_log_warning(NULL, "this machine's addresses cannot be read: %s", g_strerror(errno));
    if (g_file_get_contents("/proc/net/if_inet6", &table, NULL, NULL))
        lines = g_strsplit(table, "\n", -1);
    for (const struct ifaddrs *entry = entries; entry != NULL; entry = entry->ifa_next) {
        BsLocalAddress found;

        if (read_address(entry, lines, &found))
            g_array_append_val(all, found);
    }
    if (entries != NULL)
        freeifaddrs(entries);
    return bs_local_addresses_order((const BsLocalAddress *)(const void *)all->data, all->len);
}

static char *
own_end_of(int fd)
{
    struct sockaddr_storage own = {0};
    socklen_t length = sizeof own;
    char text[INET6_ADDRSTRLEN] = "";

    if (getsockname(fd, (struct sockaddr *)&own, &length) != 0 ||
        getnameinfo((struct sockaddr *)&own, length, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
        return NULL;
    return g_strdup(text);
}

/* With UDP, to connect is to ask the routing table. */
char *
bs_local_address_towards(const char *host)
{
    const struct addrinfo hints = {
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
        .ai_socktype = SOCK_DGRAM,
    };
    struct addrinfo *place = NULL;
    char *address = NULL;
    int fd;

    if (getaddrinfo(host, "9", &hints, &place) != 0)
        return NULL;
    fd = socket(place->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, place->ai_addr, place->ai_addrlen) == 0)
        address = own_end_of(fd);
    if (fd >= 0)
        close(fd);
    freeaddrinfo(place);
    return address;
}
