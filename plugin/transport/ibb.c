/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/ibb.h"

#include <errno.h>
#include <eventloop.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "random_id.h"
#include "socks5/negotiation.h"
#include "stanza/allowances.h"
#include "timer.h"
#include "transport/ibb_incoming.h"
#include "transport/ibb_outgoing.h"
#include "transport/ibb_xml.h"

/* What every client and every server takes (XEP-0047, 5), and what is not gone below when blocks are too
 * large for a peer. */
#define BLOCK_SIZE 4096
#define BLOCK_SIZE_MIN 256

/* How long the peer may take to open the stream, to acknowledge that, or to acknowledge its end. */
#define OPEN_DEADLINE_MS 30000
#define CLOSE_DEADLINE_MS 30000
/* Every block has been acknowledged, and not everybody acknowledges the end. */
#define CLOSE_ALONE_DEADLINE_MS 1000
/* After the stream was closed, how long the peer has for its last word in the session. */
#define LAST_WORD_MS 60000

/* Little, so that what the pump calls sent is not far from what is. */
#define SOCKET_BUFFER_BYTES (16 * 1024)

typedef enum {
    IBB_DESCRIBING, /* descriptions are being exchanged */
    IBB_OPENING,    /* we have asked the peer to open the stream */
    IBB_AWAITING,   /* the peer is to ask us */
    IBB_OPEN,
    IBB_CLOSING,  /* all of ours is through and we have closed it */
    IBB_DRAINING, /* the peer has closed it, and the last bytes go up */
    IBB_ENDED,
} IbbState;

typedef struct {
    BsTransport base;
    BsTransportContext context;
    const BsTransportEvents *events;
    gpointer data;

    IbbState state;
    char *sid;
    gboolean described;  /* we have told the peer of it */
    gboolean alone;      /* without a session */
    gboolean unheard_of; /* the peer has nothing that would know of it */
    guint block_size;
    char *open_id; /* of the stanza with which the peer opened it */
    int fd;        /* our end; -1 before and after */
    BsIbbOutgoing *outgoing;
    BsIbbIncoming *incoming;
    BsIqRequest *request;
    guint timer;
} BsIbb;

static void open_stream(BsIbb *ibb);

static void
stop(BsIbb *ibb)
{
    ibb->state = IBB_ENDED;
    bs_timer_clear(&ibb->timer);
    bs_iq_request_cancel(&ibb->request);
    g_clear_pointer(&ibb->outgoing, bs_ibb_outgoing_free);
    g_clear_pointer(&ibb->incoming, bs_ibb_incoming_free);
    bs_socket_close(ibb->fd);
    ibb->fd = -1;
}

/* The transport may be gone afterwards. */
static void
fail(BsIbb *ibb, const char *why)
{
    bs_log_warning(ibb->context.id, "the in-band stream failed: %s", why);
    stop(ibb);
    ibb->events->failed(ibb->data);
}

static gboolean
last_word_missing(gpointer data)
{
    BsIbb *ibb = data;

    ibb->timer = 0;
    stop(ibb);
    return FALSE;
}

/* As over a socket, a peer that ended its side may not say any more; but one that has only acknowledged our
 * end has not, if there is a session in which to say it. */
static void
close_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    BsIbb *ibb = data;

    (void)iq;
    ibb->request = NULL;
    if (outcome == BS_IQ_TIMEOUT)
        bs_allow(BS_ALLOW_CLOSE_UNANSWERED);
    if (outcome == BS_IQ_RESULT && !ibb->alone)
        ibb->timer = purple_timeout_add(LAST_WORD_MS, last_word_missing, ibb);
    else
        stop(ibb);
}

static void
all_sent(gpointer data)
{
    BsIbb *ibb = data;
    BsIqRequest *request;

    bs_log(ibb->context.id, "the peer has acknowledged every block");
    g_clear_pointer(&ibb->outgoing, bs_ibb_outgoing_free);
    ibb->state = IBB_CLOSING;
    request = bs_iq_request(ibb->context.link, "set", ibb->context.peer_jid, bs_ibb_build_close(ibb->sid),
                            ibb->alone ? CLOSE_ALONE_DEADLINE_MS : CLOSE_DEADLINE_MS, close_answered, ibb);
    if (request != NULL)
        ibb->request = request;
}

/* The data cannot be trusted to go on: the stream is closed (XEP-0047, 2.2). */
static void
close_and_fail(BsIbb *ibb, const char *why)
{
    bs_iq_request(ibb->context.link, "set", ibb->context.peer_jid, bs_ibb_build_close(ibb->sid), 0, NULL,
                  NULL);
    fail(ibb, why);
}

static void
sending_broke(const char *why, gpointer data)
{
    close_and_fail(data, why);
}

static const BsIbbOutgoingEvents outgoing_events = {.drained = all_sent, .broken = sending_broke};

/* Both sides have opened the stream. The transport may be gone afterwards. */
static void
stream_is_open(BsIbb *ibb)
{
    int size = SOCKET_BUFFER_BYTES;
    BsRoute route = {.in_band = TRUE};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        close_and_fail(ibb, g_strerror(errno));
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(ends); i++)
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    ibb->state = IBB_OPEN;
    ibb->fd = ends[0];
    ibb->incoming = bs_ibb_incoming_new(ibb->context.link, ibb->fd, ibb->block_size);
    ibb->outgoing = bs_ibb_outgoing_new(ibb->context.link, ibb->context.peer_jid, ibb->sid, ibb->fd,
                                        ibb->block_size, &outgoing_events, ibb);
    bs_log(ibb->context.id, "nominated: in-band, through the server, blocks of %u bytes", ibb->block_size);
    ibb->events->connected(ends[1], &route, ibb->data);
}

static void
open_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    BsIbb *ibb = data;
    g_autofree char *condition = outcome == BS_IQ_ERROR ? bs_iq_error_condition(iq) : NULL;

    ibb->request = NULL;
    if (outcome == BS_IQ_RESULT) {
        stream_is_open(ibb);
    } else if (g_strcmp0(condition, "resource-constraint") == 0 && ibb->block_size / 2 >= BLOCK_SIZE_MIN) {
        ibb->block_size /= 2;
        open_stream(ibb);
    } else {
        ibb->unheard_of = g_strcmp0(condition, "feature-not-implemented") == 0;
        fail(ibb, condition != NULL ? condition : "the peer did not answer in time");
    }
}

static void
open_stream(BsIbb *ibb)
{
    BsIqRequest *request;

    ibb->state = IBB_OPENING;
    bs_log(ibb->context.id, "we open an in-band stream, blocks of %u bytes", ibb->block_size);
    request =
        bs_iq_request(ibb->context.link, "set", ibb->context.peer_jid,
                      bs_ibb_build_open(ibb->sid, ibb->block_size), OPEN_DEADLINE_MS, open_answered, ibb);
    if (request != NULL)
        ibb->request = request;
}

static gboolean
nobody_opened(gpointer data)
{
    BsIbb *ibb = data;

    ibb->timer = 0;
    fail(ibb, "the peer did not open it in time");
    return FALSE;
}

static void
refuse(BsIbb *ibb, const xmlnode *stanza, const char *type, const char *condition)
{
    /* A message that carries a block is not answered. */
    if (strcmp(stanza->name, "iq") == 0)
        bs_iq_reply_error(ibb->context.link, stanza, type, condition, NULL, NULL);
}

static void
take_open(BsIbb *ibb, const xmlnode *stanza, const xmlnode *element)
{
    const char *id = xmlnode_get_attrib((xmlnode *)stanza, "id");
    guint size = bs_ibb_block_size(element);

    if (ibb->open_id != NULL && g_strcmp0(id, ibb->open_id) == 0) {
        bs_iq_reply_result(ibb->context.link, stanza, NULL);
    } else if (ibb->context.initiator) {
        refuse(ibb, stanza, "cancel", "not-acceptable");
    } else if (ibb->state != IBB_AWAITING) {
        refuse(ibb, stanza, "cancel", "unexpected-request");
    } else if (size == 0) {
        refuse(ibb, stanza, "modify", "bad-request");
    } else if (size > ibb->block_size) {
        refuse(ibb, stanza, "modify", "resource-constraint");
    } else {
        bs_timer_clear(&ibb->timer);
        ibb->block_size = size;
        ibb->open_id = g_strdup(id);
        bs_iq_reply_result(ibb->context.link, stanza, NULL);
        stream_is_open(ibb);
    }
}

static void
take_data(BsIbb *ibb, const xmlnode *stanza, const xmlnode *element)
{
    if (ibb->state != IBB_OPEN) {
        refuse(ibb, stanza, "cancel", "item-not-found");
        return;
    }
    switch (bs_ibb_incoming_take(ibb->incoming, stanza, element)) {
    case BS_IBB_TAKEN:
        break;
    case BS_IBB_BAD_BLOCK:
        refuse(ibb, stanza, "modify", "bad-request");
        close_and_fail(ibb, "the peer sent a malformed block");
        break;
    case BS_IBB_OUT_OF_ORDER:
        refuse(ibb, stanza, "cancel", "unexpected-request");
        close_and_fail(ibb, "the peer's blocks are out of order");
        break;
    case BS_IBB_OVERFLOW:
        refuse(ibb, stanza, "wait", "resource-constraint");
        close_and_fail(ibb, "the peer does not wait for acknowledgements");
        break;
    }
}

static void
all_went_up(gpointer data)
{
    stop(data);
}

static void
peer_closed(BsIbb *ibb)
{
    bs_log(ibb->context.id, "the peer closed the in-band stream");
    if (bs_ibb_outgoing_is_busy(ibb->outgoing)) {
        fail(ibb, "closed before the last byte");
        return;
    }
    g_clear_pointer(&ibb->outgoing, bs_ibb_outgoing_free);
    ibb->state = IBB_DRAINING;
    bs_ibb_incoming_finish(ibb->incoming, all_went_up, ibb);
}

static void
take_close(BsIbb *ibb, const xmlnode *stanza)
{
    if (ibb->state == IBB_DESCRIBING || ibb->state == IBB_OPENING || ibb->state == IBB_ENDED) {
        refuse(ibb, stanza, "cancel", "item-not-found");
        return;
    }
    bs_iq_reply_result(ibb->context.link, stanza, NULL);
    if (ibb->state == IBB_OPEN)
        peer_closed(ibb);
    else if (ibb->state == IBB_CLOSING)
        stop(ibb);
    else if (ibb->state == IBB_AWAITING)
        fail(ibb, "closed before it was opened");
}

static gboolean
ibb_take_stanza(BsTransport *transport, const xmlnode *stanza)
{
    BsIbb *ibb = (BsIbb *)transport;
    BsIbbKind kind;
    const xmlnode *element = bs_ibb_element(stanza, &kind);

    if (element == NULL || g_strcmp0(bs_ibb_sid(element), ibb->sid) != 0)
        return FALSE;
    switch (kind) {
    case BS_IBB_OPEN:
        take_open(ibb, stanza, element);
        break;
    case BS_IBB_DATA:
        take_data(ibb, stanza, element);
        break;
    case BS_IBB_CLOSE:
        take_close(ibb, stanza);
        break;
    }
    return TRUE;
}

static const char *
ibb_stream_id(const BsTransport *transport)
{
    return ((const BsIbb *)transport)->sid;
}

static gboolean
ibb_holds_bytes(const BsTransport *transport)
{
    const BsIbb *ibb = (const BsIbb *)transport;

    return ibb->outgoing != NULL && bs_ibb_outgoing_is_busy(ibb->outgoing);
}

static xmlnode *
ibb_describe(BsTransport *transport)
{
    BsIbb *ibb = (BsIbb *)transport;

    ibb->described = TRUE;
    return bs_ibb_build_transport(ibb->sid, ibb->block_size);
}

static BsTransportVerdict
ibb_take_description(BsTransport *transport, const xmlnode *description)
{
    BsIbb *ibb = (BsIbb *)transport;
    const char *sid = bs_ibb_sid(description);
    guint size = bs_ibb_block_size(description);

    if (sid == NULL || size == 0)
        return BS_TRANSPORT_BAD;
    if (ibb->described && strcmp(sid, ibb->sid) != 0)
        return BS_TRANSPORT_BAD;
    /* Byte by byte, our own server would throttle us. */
    if (ibb->context.initiator && size < BLOCK_SIZE_MIN)
        return BS_TRANSPORT_UNSUPPORTED;
    g_free(ibb->sid);
    ibb->sid = g_strdup(sid);
    ibb->block_size = MIN(ibb->block_size, size);
    return BS_TRANSPORT_OK;
}

/* More streams within the session (XEP-0261, 2.4) are not for one file. */
static BsTransportVerdict
ibb_take_info(BsTransport *transport, const xmlnode *info)
{
    const char *sid = bs_ibb_sid(info);

    if (sid == NULL)
        return BS_TRANSPORT_BAD;
    return strcmp(sid, ((BsIbb *)transport)->sid) == 0 ? BS_TRANSPORT_OK : BS_TRANSPORT_UNKNOWN_ITEM;
}

static void
ibb_start(BsTransport *transport)
{
    BsIbb *ibb = (BsIbb *)transport;

    if (ibb->context.initiator) {
        open_stream(ibb);
        return;
    }
    ibb->state = IBB_AWAITING;
    ibb->timer = purple_timeout_add(OPEN_DEADLINE_MS, nobody_opened, ibb);
}

static void
ibb_free(BsTransport *transport)
{
    BsIbb *ibb = (BsIbb *)transport;

    stop(ibb);
    g_free(ibb->open_id);
    g_free(ibb->sid);
    g_free(ibb);
}

static const BsTransportClass ibb_class = {
    .xmlns = BS_NS_JINGLE_IBB,
    .describe = ibb_describe,
    .take_description = ibb_take_description,
    .take_info = ibb_take_info,
    .start = ibb_start,
    .take_stanza = ibb_take_stanza,
    .stream_id = ibb_stream_id,
    .holds_bytes = ibb_holds_bytes,
    .free = ibb_free,
};

BsTransport *
bs_ibb_new(const BsTransportContext *context, const BsTransportEvents *events, gpointer data)
{
    BsIbb *ibb = g_new0(BsIbb, 1);

    ibb->base.class = &ibb_class;
    ibb->context = *context;
    ibb->events = events;
    ibb->data = data;
    ibb->sid = bs_random_id();
    ibb->block_size = BLOCK_SIZE;
    ibb->fd = -1;
    return &ibb->base;
}

BsTransport *
bs_ibb_new_alone(const BsTransportContext *context, const char *sid, const BsTransportEvents *events,
                 gpointer data)
{
    BsIbb *ibb = (BsIbb *)bs_ibb_new(context, events, data);

    g_free(ibb->sid);
    ibb->sid = g_strdup(sid);
    ibb->alone = TRUE;
    /* Nobody has told the peer of a limit; what it opens with is taken, what we open with is our usual size.
     */
    if (!context->initiator)
        ibb->block_size = BS_IBB_BLOCK_MAX;
    return &ibb->base;
}

gboolean
bs_ibb_was_unheard_of(const BsTransport *transport)
{
    return ((const BsIbb *)transport)->unheard_of;
}
