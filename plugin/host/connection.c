/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/connection.h"

#include <account.h>
#include <request.h>
#include <signals.h>

#include "host/disclosure.h"
#include "host/limits.h"
#include "host/room.h"
#include "log.h"
#include "preferences.h"
#include "stanza/jid.h"

#define PROTOCOL "prpl-jabber"

struct _BsConnection {
    PurpleConnection *gc;
    PurpleAccount *account;
    BsIqLink *link;
    BsPeers *peers;
    BsProxies *proxies;
    BsEndpoint *endpoint;
};

static GHashTable *connections; /* PurpleConnection -> BsConnection, owned */
static const BsConnectionEvents *connection_events;
static BsMemory *connections_memory;
static int signal_handle; /* its address is the handle of our signals */

/* Where the UI has no picture in its dialogs, nobody waits for one: Finch. */
static gboolean
may_show_thumbnail(PurpleAccount *account, const char *peer)
{
    const PurpleRequestUiOps *ops = purple_request_get_ui_ops();

    return ops != NULL && ops->request_action_with_icon != NULL && bs_disclosure_is_contact(account, peer);
}

/* Sends through libpurple's own signal, so that stream management counts the stanza. */
static void
send_stanza(xmlnode *stanza, gpointer data)
{
    BsConnection *connection = data;
    xmlnode *sent = stanza;

    if (!purple_account_is_connected(connection->account))
        return;
    purple_signal_emit(purple_connection_get_prpl(connection->gc), "jabber-sending-xmlnode", connection->gc,
                       &sent);
}

static void
file_offered(BsEndpoint *endpoint, BsTransfer *transfer, gpointer data)
{
    (void)endpoint;
    connection_events->offered(data, transfer);
}

static void
file_resumed(BsEndpoint *endpoint, BsTransfer *transfer, const char *path, gpointer data)
{
    (void)endpoint;
    connection_events->resumed(data, transfer, path);
}

static const BsEndpointEvents endpoint_events = {.offered = file_offered, .resumed = file_resumed};

static BsConnection *
connection_new(PurpleConnection *gc)
{
    BsConnection *connection = g_new0(BsConnection, 1);
    const char *own_jid = purple_connection_get_display_name(gc);

    connection->gc = gc;
    connection->account = purple_connection_get_account(gc);
    if (own_jid == NULL || bs_jid_resource(own_jid) == NULL)
        own_jid = purple_account_get_username(connection->account);
    connection->link = bs_iq_link_new(own_jid, send_stanza, connection);
    connection->peers = bs_peers_new(connection->link, connection->account);
    bs_log(NULL, "%s is online", own_jid);
    connection->proxies = bs_proxies_new(connection->link, connection->account);
    connection->endpoint =
        bs_endpoint_new(connection->link, connection->account, &endpoint_events, connection);
    bs_endpoint_set_proxies(connection->endpoint, connection->proxies);
    bs_endpoint_set_queue(connection->endpoint, bs_limits_queue());
    bs_endpoint_set_disclosure(connection->endpoint, bs_disclosure_to);
    bs_endpoint_set_own_jid_policy(connection->endpoint, bs_room_own_jid);
    bs_endpoint_set_thumbnails(connection->endpoint, may_show_thumbnail);
    bs_endpoint_set_hashing(connection->endpoint, bs_preferences_hashes_files);
    bs_endpoint_set_memory(connection->endpoint, connections_memory);
    return connection;
}

static void
connection_free(gpointer data)
{
    BsConnection *connection = data;

    connection_events->closing(connection);
    bs_endpoint_free(connection->endpoint);
    bs_proxies_free(connection->proxies);
    bs_peers_free(connection->peers);
    bs_log(NULL, "%s is served no more", bs_iq_link_own_jid(connection->link));
    bs_iq_link_free(connection->link);
    g_free(connection);
}

static BsConnection *
serve(PurpleConnection *gc)
{
    PurpleAccount *account = purple_connection_get_account(gc);
    BsConnection *connection;

    if (g_strcmp0(purple_account_get_protocol_id(account), PROTOCOL) != 0 ||
        g_hash_table_contains(connections, gc))
        return NULL;
    connection = connection_new(gc);
    g_hash_table_insert(connections, gc, connection);
    return connection;
}

static void
signed_on(PurpleConnection *gc, gpointer data)
{
    (void)data;
    serve(gc);
}

static void
signing_off(PurpleConnection *gc, gpointer data)
{
    BsConnection *connection = g_hash_table_lookup(connections, gc);

    (void)data;
    if (connection == NULL)
        return;
    g_hash_table_steal(connections, gc);
    connection_free(connection);
}

void
bs_connections_start(const BsConnectionEvents *events, BsMemory *memory)
{
    void *purple = purple_connections_get_handle();

    connections = g_hash_table_new_full(NULL, NULL, NULL, connection_free);
    connection_events = events;
    connections_memory = memory;
    purple_signal_connect(purple, "signed-on", &signal_handle, PURPLE_CALLBACK(signed_on), NULL);
    purple_signal_connect(purple, "signing-off", &signal_handle, PURPLE_CALLBACK(signing_off), NULL);
    for (GList *item = purple_connections_get_all(); item != NULL; item = item->next) {
        PurpleConnection *gc = item->data;
        BsConnection *connection = PURPLE_CONNECTION_IS_CONNECTED(gc) ? serve(gc) : NULL;

        if (connection != NULL)
            bs_peers_probe_online(connection->peers);
    }
}

void
bs_connections_stop(void)
{
    g_autoptr(GHashTable) ending = g_steal_pointer(&connections);

    purple_signals_disconnect_by_handle(&signal_handle);
    connections = g_hash_table_new(NULL, NULL);
    g_hash_table_remove_all(ending);
    g_clear_pointer(&connections, g_hash_table_unref);
    connection_events = NULL;
}

BsConnection *
bs_connection_find(PurpleConnection *gc)
{
    return connections != NULL ? g_hash_table_lookup(connections, gc) : NULL;
}

PurpleAccount *
bs_connection_account(const BsConnection *connection)
{
    return connection->account;
}

BsIqLink *
bs_connection_link(const BsConnection *connection)
{
    return connection->link;
}

BsEndpoint *
bs_connection_endpoint(const BsConnection *connection)
{
    return connection->endpoint;
}

BsPeers *
bs_connection_peers(const BsConnection *connection)
{
    return connection->peers;
}

BsProxies *
bs_connection_proxies(const BsConnection *connection)
{
    return connection->proxies;
}

/* The server names us in what it delivers to us; it may have given us another resource than we asked for. */
static void
learn_own_jid(BsConnection *connection, const char *to)
{
    const char *own_jid = bs_iq_link_own_jid(connection->link);

    if (to == NULL || bs_jid_resource(to) == NULL || !bs_jid_same_bare(to, own_jid) ||
        bs_jid_equal(to, own_jid))
        return;
    bs_log(NULL, "the server names us %s", to);
    bs_iq_link_set_own_jid(connection->link, to);
}

gboolean
bs_connection_receive_iq(BsConnection *connection, xmlnode *iq)
{
    learn_own_jid(connection, xmlnode_get_attrib(iq, "to"));
    return bs_endpoint_receive(connection->endpoint, iq);
}

gboolean
bs_connection_receive_message(BsConnection *connection, xmlnode *message)
{
    return bs_endpoint_receive_message(connection->endpoint, message);
}

void
bs_connection_receive_presence(BsConnection *connection, const xmlnode *presence)
{
    const char *from = xmlnode_get_attrib(presence, "from");
    const char *type = xmlnode_get_attrib(presence, "type");

    if (from == NULL)
        return;
    bs_peers_presence(connection->peers, presence);
    if (g_strcmp0(type, "unavailable") == 0) {
        bs_endpoint_peer_unavailable(connection->endpoint, from);
        connection_events->peer_offline(connection, from);
    } else if (type == NULL && bs_jid_resource(from) != NULL &&
               !bs_room_has_occupant(connection->account, from)) {
        connection_events->peer_online(connection, from);
    }
}
