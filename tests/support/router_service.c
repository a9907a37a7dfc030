/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "router_service.h"

#include <arpa/inet.h>
#include <eventloop.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAT_PMP_PORT 5351

typedef struct {
    RouterService *service;
    int fd;
    guint watch;
    GString *request;
} Connection;

static int
open_socket(const char *host, guint16 *port, int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    g_assert(fd >= 0);
    inet_pton(AF_INET, host, &address.sin_addr);
    g_assert(bind(fd, (struct sockaddr *)(gpointer)&address, sizeof address) == 0);
    g_assert(type != SOCK_STREAM || listen(fd, 16) == 0);
    g_assert(getsockname(fd, (struct sockaddr *)(gpointer)&address, &length) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* NAT-PMP: RFC 6886, 3.2 and 3.3. */

static guint16
get_uint16(const guint8 *bytes)
{
    return (guint16)(bytes[0] << 8 | bytes[1]);
}

static void
put_uint16(guint8 *bytes, guint16 value)
{
    bytes[0] = (guint8)(value >> 8);
    bytes[1] = (guint8)value;
}

static gsize
answer_address(RouterService *service, guint8 answer[16])
{
    put_uint16(answer + 2, service->nat_pmp == ROUTER_REFUSES ? 2 : 0);
    inet_pton(AF_INET, service->nat_pmp_outside, answer + 8);
    return 12;
}

static gsize
answer_mapping(RouterService *service, const guint8 *request, guint8 answer[16])
{
    guint16 inside = get_uint16(request + 4);
    gboolean is_removal = request[8] == 0 && request[9] == 0 && request[10] == 0 && request[11] == 0;

    service->nat_pmp_closed = is_removal;
    if (is_removal)
        service->nat_pmp_removed++;
    else
        service->nat_pmp_mapped++;
    put_uint16(answer + 8, inside);
    if (!is_removal) {
        put_uint16(answer + 10, (guint16)(inside + service->nat_pmp_shift));
        put_uint16(answer + 14, (guint16)service->lifetime);
    }
    return 16;
}

/* Whoever asks again because no answer has come does so from the same socket. */
static void
count_client(RouterService *service, guint16 port)
{
    for (guint i = 0; i < service->nat_pmp_clients; i++)
        if (service->nat_pmp_client_ports[i] == port)
            return;
    if (service->nat_pmp_clients < G_N_ELEMENTS(service->nat_pmp_client_ports))
        service->nat_pmp_client_ports[service->nat_pmp_clients++] = port;
}

static void
nat_pmp_asked(gpointer data, int fd, PurpleInputCondition condition)
{
    RouterService *service = data;
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    guint8 request[64], answer[16] = {0};
    gssize got = recvfrom(fd, request, sizeof request, 0, (struct sockaddr *)(gpointer)&from, &length);
    gsize size;

    (void)condition;
    if (got < 2)
        return;
    service->nat_pmp_requests++;
    if (service->nat_pmp == ROUTER_IS_SILENT)
        return;
    answer[1] = (guint8)(request[1] + 128);
    if (got >= 12)
        count_client(service, ntohs(from.sin_port));
    size = got >= 12 ? answer_mapping(service, request, answer) : answer_address(service, answer);
    if (service->nat_pmp == ROUTER_TALKS_NONSENSE) {
        memset(answer, 0x55, sizeof answer);
        size = 7;
    }
    for (guint i = 0; i < (service->stutters ? 2 : 1); i++)
        sendto(fd, answer, size, MSG_NOSIGNAL, (struct sockaddr *)(gpointer)&from, length);
}

/* SSDP. */

static void
ssdp_asked(gpointer data, int fd, PurpleInputCondition condition)
{
    RouterService *service = data;
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    char request[2048];
    gssize got = recvfrom(fd, request, sizeof request - 1, 0, (struct sockaddr *)(gpointer)&from, &length);
    g_autofree char *answer =
        service->upnp == ROUTER_TALKS_NONSENSE
            ? g_strdup("HTTP/1.1 200 OK\r\nLOCATION: http://192.0.2.1/x\r\nST: upnp:rootdevice\r\n\r\n")
            : g_strdup_printf("HTTP/1.1 200 OK\r\n"
                              "CACHE-CONTROL: max-age=120\r\n"
                              "St: urn:schemas-upnp-org:device:InternetGatewayDevice:%u\r\n"
                              "Location: http://%s:%u/description.xml\r\n\r\n",
                              service->version, service->host, service->http_port);

    (void)condition;
    if (got <= 0)
        return;
    request[got] = '\0';
    if (strstr(request, "M-SEARCH * HTTP/1.1\r\n") != request)
        return;
    sendto(fd, answer, strlen(answer), MSG_NOSIGNAL, (struct sockaddr *)(gpointer)&from, length);
}

/* The device. */

static void
append_service(const RouterService *service, GString *text, const char *type, const char *path)
{
    g_string_append_printf(
        text,
        "<service><serviceType>urn:schemas-upnp-org:service:%s</serviceType>"
        "<controlURL>%s%s</controlURL><SCPDURL>/scpd</SCPDURL><eventSubURL>/e</eventSubURL></service>",
        type, service->leads_elsewhere ? "http://192.0.2.1:80" : "", path);
}

static char *
description(const RouterService *service)
{
    g_autofree char *type = g_strdup_printf("WANIPConnection:%u", service->version);
    GString *text = g_string_new("<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\">"
                                 "<device><serviceList>");

    append_service(service, text, "WANCommonInterfaceConfig:1", "/common");
    if (service->second_service)
        append_service(service, text, "WANPPPConnection:1", "/down");
    append_service(service, text, type, "/connection");
    g_string_append(text, "</serviceList></device></root>");
    return g_string_free(text, FALSE);
}

static char *
soap(const char *contents)
{
    return g_strdup_printf(
        "<?xml version=\"1.0\"?><s:Envelope "
        "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>%s</s:Body></s:Envelope>",
        contents);
}

static char *
soap_error(guint code)
{
    g_autofree char *fault =
        g_strdup_printf("<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>"
                        "<detail><UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>%u"
                        "</errorCode></UPnPError></detail></s:Fault>",
                        code);

    return soap(fault);
}

/* The number in the argument `name` of a request. */
static guint
argument(const char *request, const char *name)
{
    g_autofree char *tag = g_strdup_printf("<%s>", name);
    const char *at = strstr(request, tag);

    return at != NULL ? (guint)g_ascii_strtoull(at + strlen(tag), NULL, 10) : 0;
}

static char *
answer_add(RouterService *service, const char *request)
{
    guint lease = argument(request, "NewLeaseDuration");

    if (service->upnp == ROUTER_REFUSES)
        return soap_error(606);
    if (service->conflicts > 0) {
        service->conflicts--;
        return soap_error(718);
    }
    if (service->only_permanent && lease != 0)
        return soap_error(725);
    service->upnp_mapped++;
    service->upnp_outside_port = (guint16)argument(request, "NewExternalPort");
    service->upnp_inside_port = (guint16)argument(request, "NewInternalPort");
    service->upnp_lease = lease;
    return soap("<u:AddPortMappingResponse/>");
}

static char *
answer_add_any(RouterService *service, const char *request)
{
    g_autofree char *answer = NULL;

    g_free(answer_add(service, request));
    service->upnp_any++;
    service->upnp_outside_port = 40404;
    answer = g_strdup_printf("<u:AddAnyPortMappingResponse><NewReservedPort>%u</NewReservedPort>"
                             "</u:AddAnyPortMappingResponse>",
                             service->upnp_outside_port);
    return soap(answer);
}

static char *
answer_action(RouterService *service, const char *request)
{
    service->upnp_requests++;
    if (strstr(request, "#GetExternalIPAddress") != NULL) {
        g_autofree char *answer =
            g_strdup_printf("<u:GetExternalIPAddressResponse><NewExternalIPAddress>%s</NewExternalIPAddress>"
                            "</u:GetExternalIPAddressResponse>",
                            strstr(request, "POST /down ") != NULL ? "0.0.0.0" : service->upnp_outside);

        return soap(answer);
    }
    if (strstr(request, "#AddAnyPortMapping") != NULL)
        return service->version > 1 ? answer_add_any(service, request) : soap_error(401);
    if (strstr(request, "#AddPortMapping") != NULL)
        return answer_add(service, request);
    if (strstr(request, "#DeletePortMapping") != NULL) {
        service->upnp_removed++;
        return soap("<u:DeletePortMappingResponse/>");
    }
    return soap_error(401);
}

static void
connection_free(gpointer item)
{
    Connection *connection = item;

    purple_input_remove(connection->watch);
    close(connection->fd);
    g_string_free(connection->request, TRUE);
    g_free(connection);
}

/* TRUE once all that Content-Length tells of is there. */
static gboolean
is_complete(const char *request)
{
    const char *body = strstr(request, "\r\n\r\n");
    const char *length = strstr(request, "Content-Length:");

    if (body == NULL)
        return FALSE;
    return length == NULL || strlen(body + 4) >= g_ascii_strtoull(length + 15, NULL, 10);
}

static void
request_came(gpointer data, int fd, PurpleInputCondition condition)
{
    Connection *connection = data;
    RouterService *service = connection->service;
    g_autofree char *body = NULL;
    g_autofree char *answer = NULL;
    char bytes[4096];
    gssize got = recv(fd, bytes, sizeof bytes, 0);

    (void)condition;
    if (got <= 0) {
        g_ptr_array_remove(service->connections, connection);
        return;
    }
    g_string_append_len(connection->request, bytes, got);
    if (!is_complete(connection->request->str) || service->upnp == ROUTER_IS_SILENT)
        return;
    body = g_str_has_prefix(connection->request->str, "GET ")
               ? description(service)
               : answer_action(service, connection->request->str);
    answer = g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                             strlen(body), body);
    send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    g_ptr_array_remove(service->connections, connection);
}

static void
http_dialled(gpointer data, int fd, PurpleInputCondition condition)
{
    RouterService *service = data;
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    Connection *connection;

    (void)condition;
    if (accepted < 0)
        return;
    connection = g_new0(Connection, 1);
    connection->service = service;
    connection->fd = accepted;
    connection->request = g_string_new(NULL);
    connection->watch = purple_input_add(accepted, PURPLE_INPUT_READ, request_came, connection);
    g_ptr_array_add(service->connections, connection);
}

RouterService *
router_service_new(RouterMood nat_pmp, RouterMood upnp)
{
    static guint count;
    RouterService *service = g_new0(RouterService, 1);
    guint number = ((guint)getpid() << 3) + count++;
    guint16 port = NAT_PMP_PORT;

    g_snprintf(service->host, sizeof service->host, "127.%u.%u.%u", 1 + (number >> 16) % 250,
               (number >> 8) % 256, 1 + number % 250);
    service->nat_pmp = nat_pmp;
    service->upnp = upnp;
    g_strlcpy(service->nat_pmp_outside, "203.0.113.7", sizeof service->nat_pmp_outside);
    g_strlcpy(service->upnp_outside, "198.51.100.7", sizeof service->upnp_outside);
    service->lifetime = BS_ROUTER_LEASE_S;
    service->version = 1;
    service->connections = g_ptr_array_new_with_free_func(connection_free);
    service->nat_pmp_fd = service->ssdp_fd = service->http_fd = -1;
    service->places.gateway = service->places.group = service->host;
    if (nat_pmp != ROUTER_IS_NOT_THERE) {
        service->nat_pmp_fd = open_socket(service->host, &port, SOCK_DGRAM);
        service->nat_pmp_watch =
            purple_input_add(service->nat_pmp_fd, PURPLE_INPUT_READ, nat_pmp_asked, service);
    }
    service->places.group_port = 1900;
    if (upnp != ROUTER_IS_NOT_THERE) {
        service->places.group_port = 0;
        service->ssdp_fd = open_socket(service->host, &service->places.group_port, SOCK_DGRAM);
        service->ssdp_watch = purple_input_add(service->ssdp_fd, PURPLE_INPUT_READ, ssdp_asked, service);
        service->http_fd = open_socket(service->host, &service->http_port, SOCK_STREAM);
        service->http_watch = purple_input_add(service->http_fd, PURPLE_INPUT_READ, http_dialled, service);
    }
    return service;
}

void
router_service_free(RouterService *service)
{
    const guint watches[] = {service->nat_pmp_watch, service->ssdp_watch, service->http_watch};
    const int fds[] = {service->nat_pmp_fd, service->ssdp_fd, service->http_fd};

    for (guint i = 0; i < G_N_ELEMENTS(watches); i++)
        if (watches[i] != 0)
            purple_input_remove(watches[i]);
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    g_ptr_array_unref(service->connections);
    g_free(service);
}
