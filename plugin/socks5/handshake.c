/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/handshake.h"

#include <string.h>

#include "stanza/allowances.h"

enum { VERSION = 5 };

enum {
    METHOD_NO_AUTHENTICATION = 0x00,
    METHOD_NONE_ACCEPTABLE = 0xFF,
};

enum { COMMAND_CONNECT = 1 };

enum {
    ADDRESS_IPV4 = 1,
    ADDRESS_DOMAIN = 3,
    ADDRESS_IPV6 = 4,
};

enum {
    REPLY_SUCCEEDED = 0,
    REPLY_NOT_ALLOWED = 2,
    REPLY_COMMAND_UNSUPPORTED = 7,
    REPLY_ADDRESS_UNSUPPORTED = 8,
};

enum {
    DOMAIN_MAX = 255,
    PORT_LENGTH = 2,
    IN_MAX = DOMAIN_MAX + PORT_LENGTH,
    OUT_MAX = 5 + DOMAIN_MAX + PORT_LENGTH,
};

/* What is awaited from the other side. Each has a fixed length once the one before it is there, so that not a
 * byte more than the handshake's own is ever asked for. */
typedef enum {
    AWAIT_METHOD, /* client */
    AWAIT_REPLY_STATUS,
    AWAIT_REPLY_ADDRESS_TYPE,
    AWAIT_REPLY_DOMAIN_LENGTH,
    AWAIT_REPLY_ADDRESS,
    AWAIT_GREETING, /* server */
    AWAIT_GREETING_METHODS,
    AWAIT_REQUEST,
    AWAIT_REQUEST_DOMAIN_LENGTH,
    AWAIT_REQUEST_ADDRESS,
} Awaited;

struct _BsHandshake {
    BsHandshakeState state;
    const char *reason;

    Awaited awaited;
    guint8 in[IN_MAX];
    gsize needed;
    gsize received;

    guint8 out[OUT_MAX];
    gsize out_length;
    gsize out_sent;

    BsHandshakeCheck check;
    gpointer check_data;
    guint8 command;
    guint8 address_type;
    gboolean dst_addr_known;
    char dst_addr[DOMAIN_MAX + 1];
};

static void
await(BsHandshake *handshake, Awaited awaited, gsize length)
{
    handshake->awaited = awaited;
    handshake->needed = length;
    handshake->received = 0;
}

static void
finish(BsHandshake *handshake, BsHandshakeState state, const char *reason)
{
    handshake->state = state;
    handshake->reason = reason;
}

static void
put(BsHandshake *handshake, const guint8 *bytes, gsize length)
{
    g_assert(length <= sizeof handshake->out - handshake->out_length);
    memcpy(handshake->out + handshake->out_length, bytes, length);
    handshake->out_length += length;
}

/* A request and a reply have the same form: `code` is the command of the one, the status of the other. */
static void
put_domain_message(BsHandshake *handshake, guint8 code, const char *domain, const guint8 port[PORT_LENGTH])
{
    gsize length = strlen(domain);
    const guint8 head[] = {VERSION, code, 0, ADDRESS_DOMAIN, (guint8)length};

    put(handshake, head, sizeof head);
    put(handshake, (const guint8 *)domain, length);
    put(handshake, port, PORT_LENGTH);
}

/* The client's side. */

static void
send_greeting(BsHandshake *handshake)
{
    static const guint8 greeting[] = {VERSION, 1, METHOD_NO_AUTHENTICATION};

    put(handshake, greeting, sizeof greeting);
    await(handshake, AWAIT_METHOD, 2);
}

static void
take_method(BsHandshake *handshake)
{
    static const guint8 port[PORT_LENGTH] = {0, 0};

    if (handshake->in[0] != VERSION) {
        finish(handshake, BS_HANDSHAKE_BROKEN, "the host does not speak SOCKS5");
    } else if (handshake->in[1] == METHOD_NONE_ACCEPTABLE) {
        finish(handshake, BS_HANDSHAKE_REFUSED, "the host demands authentication");
    } else if (handshake->in[1] != METHOD_NO_AUTHENTICATION) {
        finish(handshake, BS_HANDSHAKE_BROKEN, "the host chose a method that was not offered");
    } else {
        put_domain_message(handshake, COMMAND_CONNECT, handshake->dst_addr, port);
        await(handshake, AWAIT_REPLY_STATUS, 2);
    }
}

/* RFC 1928, section 6. */
static const char *
refusal_reason(guint8 status)
{
    static const char *const reasons[] = {
        "the host refused: general failure",       "the host refused: not allowed",
        "the host refused: network unreachable",   "the host refused: host unreachable",
        "the host refused: connection refused",    "the host refused: too many hops",
        "the host refused: command not supported", "the host refused: address type not supported",
    };

    return status <= G_N_ELEMENTS(reasons) ? reasons[status - 1] : "the host refused: unknown reason";
}

static void
take_reply_status(BsHandshake *handshake)
{
    if (handshake->in[0] != VERSION)
        finish(handshake, BS_HANDSHAKE_BROKEN, "the reply is not SOCKS5");
    else if (handshake->in[1] != REPLY_SUCCEEDED)
        finish(handshake, BS_HANDSHAKE_REFUSED, refusal_reason(handshake->in[1]));
    else
        await(handshake, AWAIT_REPLY_ADDRESS_TYPE, 2);
}

/* The port follows at once. */
static gboolean
is_left_out(guint8 address_type)
{
    return address_type == 0 && bs_allow(BS_ALLOW_REPLY_WITHOUT_ADDRESS);
}

static void
take_reply_address_type(BsHandshake *handshake)
{
    guint8 type = handshake->in[1];

    handshake->address_type = type;
    if (type == ADDRESS_IPV4)
        await(handshake, AWAIT_REPLY_ADDRESS, 4 + PORT_LENGTH);
    else if (type == ADDRESS_IPV6)
        await(handshake, AWAIT_REPLY_ADDRESS, 16 + PORT_LENGTH);
    else if (type == ADDRESS_DOMAIN)
        await(handshake, AWAIT_REPLY_DOMAIN_LENGTH, 1);
    else if (is_left_out(type))
        await(handshake, AWAIT_REPLY_ADDRESS, PORT_LENGTH);
    else
        finish(handshake, BS_HANDSHAKE_BROKEN, "the reply has an unknown address type");
}

static gboolean
is_what_was_asked_for(const BsHandshake *handshake)
{
    gsize length = handshake->received - PORT_LENGTH;

    return handshake->address_type == ADDRESS_DOMAIN && length == strlen(handshake->dst_addr) &&
           memcmp(handshake->in, handshake->dst_addr, length) == 0;
}

static void
take_reply_address(BsHandshake *handshake)
{
    if (is_what_was_asked_for(handshake) || bs_allow(BS_ALLOW_ANOTHER_BOUND_ADDRESS))
        finish(handshake, BS_HANDSHAKE_DONE, NULL);
    else
        finish(handshake, BS_HANDSHAKE_BROKEN, "the reply has another address than was asked for");
}

/* The server's side. */

static void
take_greeting(BsHandshake *handshake)
{
    static const guint8 none_acceptable[] = {VERSION, METHOD_NONE_ACCEPTABLE};

    if (handshake->in[0] != VERSION) {
        finish(handshake, BS_HANDSHAKE_BROKEN, "the client does not speak SOCKS5");
    } else if (handshake->in[1] == 0) {
        put(handshake, none_acceptable, sizeof none_acceptable);
        finish(handshake, BS_HANDSHAKE_REFUSED, "the client offers no method");
    } else {
        await(handshake, AWAIT_GREETING_METHODS, handshake->in[1]);
    }
}

static void
take_greeting_methods(BsHandshake *handshake)
{
    gboolean offered = memchr(handshake->in, METHOD_NO_AUTHENTICATION, handshake->received) != NULL;
    const guint8 answer[] = {VERSION, offered ? METHOD_NO_AUTHENTICATION : METHOD_NONE_ACCEPTABLE};

    put(handshake, answer, sizeof answer);
    if (offered)
        await(handshake, AWAIT_REQUEST, 4);
    else
        finish(handshake, BS_HANDSHAKE_REFUSED, "the client insists on authentication");
}

static void
send_refusal(BsHandshake *handshake, guint8 status, const char *reason)
{
    const guint8 reply[] = {VERSION, status, 0, ADDRESS_IPV4, 0, 0, 0, 0, 0, 0};

    put(handshake, reply, sizeof reply);
    finish(handshake, BS_HANDSHAKE_REFUSED, reason);
}

/* A request that will be refused is read to its end all the same: closing a connection with unread bytes
 * would reset it, and the failure code might never arrive. */
static void
take_request(BsHandshake *handshake)
{
    handshake->command = handshake->in[1];
    handshake->address_type = handshake->in[3];
    if (handshake->in[0] != VERSION)
        finish(handshake, BS_HANDSHAKE_BROKEN, "the request is not SOCKS5");
    else if (handshake->address_type == ADDRESS_IPV4)
        await(handshake, AWAIT_REQUEST_ADDRESS, 4 + PORT_LENGTH);
    else if (handshake->address_type == ADDRESS_IPV6)
        await(handshake, AWAIT_REQUEST_ADDRESS, 16 + PORT_LENGTH);
    else if (handshake->address_type == ADDRESS_DOMAIN)
        await(handshake, AWAIT_REQUEST_DOMAIN_LENGTH, 1);
    else
        send_refusal(handshake, REPLY_ADDRESS_UNSUPPORTED, "the request has an unknown address type");
}

/* XEP-0065, 5.3.2: the reply repeats the address and the port of the request. */
static void
answer_domain_request(BsHandshake *handshake)
{
    gsize length = handshake->received - PORT_LENGTH;

    if (memchr(handshake->in, '\0', length) != NULL) {
        send_refusal(handshake, REPLY_NOT_ALLOWED, "the address asked for is no text");
        return;
    }
    memcpy(handshake->dst_addr, handshake->in, length);
    handshake->dst_addr[length] = '\0';
    handshake->dst_addr_known = TRUE;
    if (!handshake->check(handshake->dst_addr, handshake->check_data)) {
        send_refusal(handshake, REPLY_NOT_ALLOWED, "nobody waits for the address asked for");
        return;
    }
    put_domain_message(handshake, REPLY_SUCCEEDED, handshake->dst_addr, handshake->in + length);
    finish(handshake, BS_HANDSHAKE_DONE, NULL);
}

static void
take_request_address(BsHandshake *handshake)
{
    if (handshake->command != COMMAND_CONNECT)
        send_refusal(handshake, REPLY_COMMAND_UNSUPPORTED, "the client asks for something else than CONNECT");
    else if (handshake->address_type != ADDRESS_DOMAIN)
        send_refusal(handshake, REPLY_ADDRESS_UNSUPPORTED, "the client asks for an IP address");
    else
        answer_domain_request(handshake);
}

/* Both sides. */

static void
take_awaited(BsHandshake *handshake)
{
    switch (handshake->awaited) {
    case AWAIT_METHOD:
        take_method(handshake);
        break;
    case AWAIT_REPLY_STATUS:
        take_reply_status(handshake);
        break;
    case AWAIT_REPLY_ADDRESS_TYPE:
        take_reply_address_type(handshake);
        break;
    case AWAIT_REPLY_DOMAIN_LENGTH:
        await(handshake, AWAIT_REPLY_ADDRESS, (gsize)handshake->in[0] + PORT_LENGTH);
        break;
    case AWAIT_REPLY_ADDRESS:
        take_reply_address(handshake);
        break;
    case AWAIT_GREETING:
        take_greeting(handshake);
        break;
    case AWAIT_GREETING_METHODS:
        take_greeting_methods(handshake);
        break;
    case AWAIT_REQUEST:
        take_request(handshake);
        break;
    case AWAIT_REQUEST_DOMAIN_LENGTH:
        await(handshake, AWAIT_REQUEST_ADDRESS, (gsize)handshake->in[0] + PORT_LENGTH);
        break;
    case AWAIT_REQUEST_ADDRESS:
        take_request_address(handshake);
        break;
    }
}

static const char *
missing(Awaited awaited)
{
    switch (awaited) {
    case AWAIT_METHOD:
        return "the host's choice of a method did not come in time";
    case AWAIT_REPLY_STATUS:
    case AWAIT_REPLY_ADDRESS_TYPE:
    case AWAIT_REPLY_DOMAIN_LENGTH:
    case AWAIT_REPLY_ADDRESS:
        return "the host's reply did not come in time";
    case AWAIT_GREETING:
    case AWAIT_GREETING_METHODS:
        return "the client's greeting did not come in time";
    case AWAIT_REQUEST:
    case AWAIT_REQUEST_DOMAIN_LENGTH:
    case AWAIT_REQUEST_ADDRESS:
        return "the client's request did not come in time";
    }
    g_return_val_if_reached(NULL);
}

BsHandshake *
bs_handshake_new_client(const char *dst_addr)
{
    BsHandshake *handshake;

    g_return_val_if_fail(dst_addr != NULL && strlen(dst_addr) <= DOMAIN_MAX, NULL);
    handshake = g_new0(BsHandshake, 1);
    g_strlcpy(handshake->dst_addr, dst_addr, sizeof handshake->dst_addr);
    send_greeting(handshake);
    return handshake;
}

BsHandshake *
bs_handshake_new_server(BsHandshakeCheck check, gpointer data)
{
    BsHandshake *handshake = g_new0(BsHandshake, 1);

    handshake->check = check;
    handshake->check_data = data;
    await(handshake, AWAIT_GREETING, 2);
    return handshake;
}

void
bs_handshake_free(BsHandshake *handshake)
{
    g_free(handshake);
}

BsHandshakeState
bs_handshake_state(const BsHandshake *handshake)
{
    return handshake->state;
}

gsize
bs_handshake_wants(const BsHandshake *handshake)
{
    if (handshake->state != BS_HANDSHAKE_GOES_ON || handshake->out_sent < handshake->out_length)
        return 0;
    return handshake->needed - handshake->received;
}

BsHandshakeState
bs_handshake_feed(BsHandshake *handshake, const guint8 *bytes, gsize length)
{
    g_return_val_if_fail(length <= bs_handshake_wants(handshake), handshake->state);
    if (length == 0)
        return handshake->state;
    memcpy(handshake->in + handshake->received, bytes, length);
    handshake->received += length;
    if (handshake->received == handshake->needed)
        take_awaited(handshake);
    return handshake->state;
}

const guint8 *
bs_handshake_pending(const BsHandshake *handshake, gsize *length)
{
    *length = handshake->out_length - handshake->out_sent;
    return handshake->out + handshake->out_sent;
}

void
bs_handshake_sent(BsHandshake *handshake, gsize length)
{
    g_return_if_fail(length <= handshake->out_length - handshake->out_sent);
    handshake->out_sent += length;
    if (handshake->out_sent == handshake->out_length)
        handshake->out_sent = handshake->out_length = 0;
}

const char *
bs_handshake_reason(const BsHandshake *handshake)
{
    return handshake->state == BS_HANDSHAKE_GOES_ON ? missing(handshake->awaited) : handshake->reason;
}

const char *
bs_handshake_dst_addr(const BsHandshake *handshake)
{
    return handshake->dst_addr_known ? handshake->dst_addr : NULL;
}
