/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/prpl_hooks.h"

#include <gmodule.h>
#include <prpl.h>
#include <signals.h>

#include "host/connection.h"
#include "host/features.h"
#include "host/jingle_guard.h"
#include "host/limits.h"
#include "host/override.h"
#include "host/resumption.h"
#include "host/xfer.h"
#include "log.h"

#define PROTOCOL "prpl-jabber"
#define NS_JINGLE_ERRORS "urn:xmpp:jingle:errors:1"

typedef void (*SendFile)(PurpleConnection *gc, const char *who, const char *file);
typedef PurpleXfer *(*NewXfer)(PurpleConnection *gc, const char *who);
typedef gboolean (*CanReceiveFile)(PurpleConnection *gc, const char *who);

/* A function of libjabber's that finds the session of its own Jingle. */
typedef gpointer (*FindSession)(gpointer stream, const char *sid);

/* These outlive unloading: see override.h. */
static BsOverride send_file_override;
static BsOverride new_xfer_override;
static BsOverride can_receive_file_override;

static PurplePlugin *prpl;
static FindSession find_session; /* NULL if libpurple does not let us know */
static int signal_handle;        /* its address is the handle of our signals */

static BsConnection *
find_connection(const BsOverride *override, guint slot, PurpleConnection *gc)
{
    return bs_override_acts(override, slot) ? bs_connection_find(gc) : NULL;
}

static void
send_file(guint slot, PurpleConnection *gc, const char *who, const char *file)
{
    BsConnection *connection = find_connection(&send_file_override, slot, gc);
    SendFile saved = (SendFile)send_file_override.saved[slot];

    if (connection != NULL)
        bs_xfer_send_file(connection, who, file);
    else if (saved != NULL)
        saved(gc, who, file);
}

static PurpleXfer *
new_xfer(guint slot, PurpleConnection *gc, const char *who)
{
    BsConnection *connection = find_connection(&new_xfer_override, slot, gc);
    NewXfer saved = (NewXfer)new_xfer_override.saved[slot];

    if (connection != NULL)
        return bs_xfer_new(connection, who);
    return saved != NULL ? saved(gc, who) : NULL;
}

/* Asked whenever a menu opens. */
static gboolean
can_receive_file(guint slot, PurpleConnection *gc, const char *who)
{
    BsConnection *connection = find_connection(&can_receive_file_override, slot, gc);
    CanReceiveFile saved = (CanReceiveFile)can_receive_file_override.saved[slot];

    if (connection != NULL && who != NULL) {
        switch (bs_peers_ability(bs_connection_peers(connection), who)) {
        case BS_PEER_JINGLE:
        case BS_PEER_SI:
            return TRUE;
        case BS_PEER_UNABLE:
            return FALSE;
        case BS_PEER_UNKNOWN:
            break;
        }
    }
    /* A protocol without this function can send to everybody that it knows of. */
    return saved == NULL || saved(gc, who);
}

#define SLOT(number)                                                                                         \
    static void send_file_##number(PurpleConnection *gc, const char *who, const char *file)                  \
    {                                                                                                        \
        send_file(number, gc, who, file);                                                                    \
    }                                                                                                        \
    static PurpleXfer *new_xfer_##number(PurpleConnection *gc, const char *who)                              \
    {                                                                                                        \
        return new_xfer(number, gc, who);                                                                    \
    }                                                                                                        \
    static gboolean can_receive_file_##number(PurpleConnection *gc, const char *who)                         \
    {                                                                                                        \
        return can_receive_file(number, gc, who);                                                            \
    }

SLOT(0)
SLOT(1)
SLOT(2)
SLOT(3)
SLOT(4)
SLOT(5)
SLOT(6)
SLOT(7)

static void
name_our_functions(void)
{
    static const SendFile send[] = {send_file_0, send_file_1, send_file_2, send_file_3,
                                    send_file_4, send_file_5, send_file_6, send_file_7};
    static const NewXfer make[] = {new_xfer_0, new_xfer_1, new_xfer_2, new_xfer_3,
                                   new_xfer_4, new_xfer_5, new_xfer_6, new_xfer_7};
    static const CanReceiveFile can[] = {can_receive_file_0, can_receive_file_1, can_receive_file_2,
                                         can_receive_file_3, can_receive_file_4, can_receive_file_5,
                                         can_receive_file_6, can_receive_file_7};

    for (guint slot = 0; slot < BS_OVERRIDE_SLOTS; slot++) {
        send_file_override.ours[slot] = (gpointer)send[slot];
        new_xfer_override.ours[slot] = (gpointer)make[slot];
        can_receive_file_override.ours[slot] = (gpointer)can[slot];
    }
}

static void
take_functions(void)
{
    PurplePluginProtocolInfo *info = PURPLE_PLUGIN_PROTOCOL_INFO(prpl);

    name_our_functions();
    if (!bs_override_take(&send_file_override, (gpointer *)&info->send_file) ||
        !bs_override_take(&new_xfer_override, (gpointer *)&info->new_xfer) ||
        !bs_override_take(&can_receive_file_override, (gpointer *)&info->can_receive_file))
        bs_log_warning(NULL, "too many other plugins have taken over file transfer: restart the program");
}

static void
give_functions_back(void)
{
    PurplePluginProtocolInfo *info = PURPLE_PLUGIN_PROTOCOL_INFO(prpl);

    bs_override_give_back(&send_file_override, (gpointer *)&info->send_file);
    bs_override_give_back(&new_xfer_override, (gpointer *)&info->new_xfer);
    bs_override_give_back(&can_receive_file_override, (gpointer *)&info->can_receive_file);
}

/* Whether libpurple's own Jingle would listen to a request of this session. */
static gboolean
libpurple_may_know(PurpleConnection *gc, const char *sid)
{
    if (find_session == NULL)
        return TRUE;
    return sid != NULL && gc->proto_data != NULL && find_session(gc->proto_data, sid) != NULL;
}

/* TRUE if the stanza would have done harm to libpurple, and has been answered. */
static gboolean
keep_from_libpurple(BsConnection *connection, PurpleConnection *gc, xmlnode *iq)
{
    BsIqLink *link = bs_connection_link(connection);
    BsJingleFault fault = bs_jingle_guard_check(iq, libpurple_may_know(gc, bs_jingle_guard_sid(iq)));

    if (fault == BS_JINGLE_FAULT_HARMLESS)
        return FALSE;
    bs_log_warning(NULL, "Jingle kept from libpurple: %s", bs_jingle_fault_name(fault));
    if (fault == BS_JINGLE_FAULT_OUT_OF_ORDER)
        bs_iq_reply_error(link, iq, "wait", "unexpected-request", "out-of-order", NS_JINGLE_ERRORS);
    else if (fault == BS_JINGLE_FAULT_NO_SESSION)
        bs_iq_reply_error(link, iq, "cancel", "item-not-found", "unknown-session", NS_JINGLE_ERRORS);
    else
        bs_iq_reply_error(link, iq, "modify", "bad-request", NULL, NULL);
    return TRUE;
}

static gboolean
receiving_iq(PurpleConnection *gc, const char *type, const char *id, const char *from, xmlnode *iq,
             gpointer data)
{
    BsConnection *connection = bs_connection_find(gc);

    (void)type;
    (void)id;
    (void)from;
    (void)data;
    if (connection == NULL)
        return FALSE;
    return bs_connection_receive_iq(connection, iq);
}

/* After all other plugins, which may have Jingle of their own. */
static gboolean
receiving_iq_last(PurpleConnection *gc, const char *type, const char *id, const char *from, xmlnode *iq,
                  gpointer data)
{
    BsConnection *connection = bs_connection_find(gc);

    (void)type;
    (void)id;
    (void)from;
    (void)data;
    return connection != NULL && keep_from_libpurple(connection, gc, iq);
}

static gboolean
receiving_message(PurpleConnection *gc, const char *type, const char *id, const char *from, const char *to,
                  xmlnode *message, gpointer data)
{
    BsConnection *connection = bs_connection_find(gc);

    (void)type;
    (void)id;
    (void)from;
    (void)to;
    (void)data;
    return connection != NULL && bs_connection_receive_message(connection, message);
}

static gboolean
receiving_presence(PurpleConnection *gc, const char *type, const char *from, xmlnode *presence, gpointer data)
{
    BsConnection *connection = bs_connection_find(gc);

    (void)type;
    (void)from;
    (void)data;
    if (connection != NULL)
        bs_connection_receive_presence(connection, presence);
    return FALSE;
}

static void
connection_closing(BsConnection *connection)
{
    bs_resumption_connection_closing(connection);
    bs_xfers_connection_closing(connection);
}

static const BsConnectionEvents connection_events = {
    .offered = bs_xfer_offered,
    .resumed = bs_xfer_resumed,
    .peer_online = bs_resumption_peer_online,
    .peer_offline = bs_resumption_peer_offline,
    .closing = connection_closing,
};

gboolean
bs_prpl_hooks_install(void)
{
    prpl = purple_find_prpl(PROTOCOL);
    if (prpl == NULL)
        return FALSE;
    find_session = NULL;
    if (prpl->handle != NULL)
        g_module_symbol(prpl->handle, "jingle_session_find_by_sid", (gpointer *)&find_session);
    bs_resumption_start();
    bs_limits_start();
    bs_xfers_start();
    purple_signal_connect(prpl, "jabber-receiving-iq", &signal_handle, PURPLE_CALLBACK(receiving_iq), NULL);
    purple_signal_connect_priority(prpl, "jabber-receiving-iq", &signal_handle,
                                   PURPLE_CALLBACK(receiving_iq_last), NULL, PURPLE_SIGNAL_PRIORITY_HIGHEST);
    purple_signal_connect(prpl, "jabber-receiving-message", &signal_handle,
                          PURPLE_CALLBACK(receiving_message), NULL);
    purple_signal_connect(prpl, "jabber-receiving-presence", &signal_handle,
                          PURPLE_CALLBACK(receiving_presence), NULL);
    bs_connections_start(&connection_events, bs_resumption_memory());
    take_functions();
    bs_features_announce(prpl, bs_endpoint_features());
    return TRUE;
}

void
bs_prpl_hooks_remove(void)
{
    give_functions_back();
    bs_xfers_stop();
    bs_connections_stop();
    bs_resumption_stop();
    bs_limits_stop();
    purple_signals_disconnect_by_handle(&signal_handle);
    bs_features_withdraw(prpl, bs_endpoint_features());
    prpl = NULL;
}
