/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/activation.h"

#include <eventloop.h>

#include "log.h"
#include "socks5/attempt.h"
#include "socks5/negotiation.h"
#include "stanza/xml.h"
#include "timer.h"

#define NS_BYTESTREAMS "http://jabber.org/protocol/bytestreams"

/* A proxy has nothing to do for it: time for the way there and back, over a server that has to be connected
 * to first. */
#define ACTIVATE_DEADLINE_MS 5000

struct _BsActivation {
    const char *id;
    BsIqLink *link;
    BsCandidate *proxy;
    char *sid;
    char *peer_jid;
    char *dst_addr;
    const char *dst_addrs[2];
    BsAttempt *attempt;
    BsIqRequest *request;
    int fd;
    guint timer; /* the end, when it must not come at once */
    BsActivationDone done;
    gpointer data;
};

static gboolean
nothing_can_be_dialled(gpointer data)
{
    BsActivation *activation = data;

    activation->timer = 0;
    activation->done(activation, -1, "nothing can be dialled", activation->data);
    return FALSE;
}

static void
succeed(BsActivation *activation)
{
    int fd = activation->fd;

    activation->fd = -1;
    bs_log(activation->id, "proxy %s has activated the stream", activation->proxy->jid);
    activation->done(activation, fd, NULL, activation->data);
}

static void
fail(BsActivation *activation, const char *reason)
{
    bs_socket_close(activation->fd);
    activation->fd = -1;
    activation->done(activation, -1, reason, activation->data);
}

static void
activate_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    BsActivation *activation = data;
    g_autofree char *condition = NULL;
    g_autofree char *reason = NULL;

    activation->request = NULL;
    switch (outcome) {
    case BS_IQ_RESULT:
        succeed(activation);
        return;
    case BS_IQ_ERROR:
        condition = bs_iq_error_condition(iq);
        reason = g_strdup_printf("it refuses the activation: %s", condition);
        fail(activation, reason);
        return;
    case BS_IQ_TIMEOUT:
        fail(activation, "it does not answer the activation in time");
        return;
    }
}

static void
activate(BsActivation *activation)
{
    xmlnode *query = xmlnode_new("query");
    BsIqRequest *request;

    xmlnode_set_namespace(query, NS_BYTESTREAMS);
    bs_xml_set_attrib(query, "sid", activation->sid);
    bs_xml_add_text(query, "activate", activation->peer_jid);
    bs_log(activation->id, "asking proxy %s to activate the stream", activation->proxy->jid);
    request = bs_iq_request(activation->link, "set", activation->proxy->jid, query, ACTIVATE_DEADLINE_MS,
                            activate_answered, activation);
    /* The answer may have come, and the activation gone, before the call returned. */
    if (request != NULL)
        activation->request = request;
}

static void
connected(BsAttempt *attempt, int fd, gpointer data)
{
    BsActivation *activation = data;

    activation->attempt = NULL;
    bs_attempt_free(attempt);
    activation->fd = fd;
    if (fd >= 0)
        activate(activation);
    else
        fail(activation, "it cannot be reached");
}

BsActivation *
bs_activation_new(const char *id, BsIqLink *link, PurpleAccount *account, const BsCandidate *proxy,
                  const BsStreamName *stream, BsActivationDone done, gpointer data)
{
    BsActivation *activation = g_new0(BsActivation, 1);

    activation->id = id;
    activation->link = link;
    activation->proxy = bs_candidate_copy(proxy);
    activation->sid = g_strdup(stream->sid);
    activation->peer_jid = g_strdup(stream->peer_jid);
    activation->dst_addr = bs_dst_addr(stream->sid, stream->own_jid, stream->peer_jid);
    activation->dst_addrs[0] = activation->dst_addr;
    activation->fd = -1;
    activation->done = done;
    activation->data = data;
    bs_log(id, "connecting to our proxy %s", proxy->jid);
    activation->attempt =
        bs_attempt_new(id, account, activation->proxy, activation->dst_addrs, connected, activation);
    if (activation->attempt == NULL)
        activation->timer = purple_timeout_add(0, nothing_can_be_dialled, activation);
    return activation;
}

void
bs_activation_free(BsActivation *activation)
{
    if (activation == NULL)
        return;
    bs_timer_clear(&activation->timer);
    bs_attempt_free(activation->attempt);
    bs_iq_request_cancel(&activation->request);
    bs_socket_close(activation->fd);
    bs_candidate_free(activation->proxy);
    g_free(activation->dst_addr);
    g_free(activation->peer_jid);
    g_free(activation->sid);
    g_free(activation);
}
