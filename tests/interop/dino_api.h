/* What the driver uses of Dino 0.4's libraries, which Debian has no headers of. SPDX-License-Identifier:
 * GPL-2.0-or-later */
#ifndef BS_DINO_API_H
#define BS_DINO_API_H

#include <gio/gio.h>

typedef struct _DinoApplication DinoApplication;
typedef struct _DinoDatabase DinoDatabase;
typedef struct _DinoModuleManager DinoModuleManager;
typedef struct _DinoModuleIdentity DinoModuleIdentity;
typedef struct _XmppModuleIdentity XmppModuleIdentity;
typedef struct _DinoFileManager DinoFileManager;
typedef struct _DinoConversationManager DinoConversationManager;
typedef struct _DinoAccount DinoAccount;
typedef struct _DinoConversation DinoConversation;
typedef struct _DinoFileTransfer DinoFileTransfer;
typedef struct _XmppJid XmppJid;
typedef struct _XmppStream XmppStream;
typedef struct _GeeArrayList GeeArrayList;

typedef struct {
    GObject parent;
    gpointer private;
    DinoModuleManager *module_manager;
} DinoStreamInteractor;

typedef struct {
    GTypeInterface parent;
    void (*registered)(gpointer plugin, DinoApplication *application);
    void (*shutdown)(gpointer plugin);
} DinoRootInterface;

enum { DINO_CONVERSATION_CHAT };
enum { DINO_TRANSFER_COMPLETE, DINO_TRANSFER_IN_PROGRESS, DINO_TRANSFER_NOT_STARTED, DINO_TRANSFER_FAILED };

GType dino_plugins_root_interface_get_type(void);
DinoDatabase *dino_application_get_db(DinoApplication *application);
DinoStreamInteractor *dino_application_get_stream_interactor(DinoApplication *application);

GType dino_file_manager_get_type(void);
GType dino_conversation_manager_get_type(void);
extern DinoModuleIdentity *dino_file_manager_IDENTITY;
extern DinoModuleIdentity *dino_conversation_manager_IDENTITY;
gpointer dino_stream_interactor_get_module(DinoStreamInteractor *interactor, GType type, GBoxedCopyFunc copy,
                                           GDestroyNotify destroy, DinoModuleIdentity *identity);

DinoAccount *dino_entities_account_new(XmppJid *bare, const char *resource, const char *password,
                                       const char *alias);
void dino_entities_account_set_enabled(DinoAccount *account, gboolean enabled);
void dino_entities_account_persist(DinoAccount *account, DinoDatabase *database);
XmppJid *dino_entities_account_get_full_jid(DinoAccount *account);

DinoConversation *dino_conversation_manager_create_conversation(DinoConversationManager *manager,
                                                                XmppJid *with, DinoAccount *account,
                                                                const int *type);
void dino_conversation_manager_start_conversation(DinoConversationManager *manager, DinoConversation *one);

char *dino_file_manager_get_storage_dir(void);
void dino_file_manager_is_upload_available(DinoFileManager *manager, DinoConversation *to,
                                           GAsyncReadyCallback callback, gpointer data);
gboolean dino_file_manager_is_upload_available_finish(DinoFileManager *manager, GAsyncResult *result);
void dino_file_manager_send_file(DinoFileManager *manager, GFile *file, DinoConversation *to,
                                 GAsyncReadyCallback callback, gpointer data);
void dino_file_manager_send_file_finish(DinoFileManager *manager, GAsyncResult *result);

XmppJid *xmpp_jid_new(const char *text, GError **error);
char *xmpp_jid_to_string(XmppJid *jid);
void xmpp_jid_unref(gpointer jid);

GType xmpp_xep_socks5_bytestreams_module_get_type(void);
extern XmppModuleIdentity *xmpp_xep_socks5_bytestreams_module_IDENTITY;
gpointer xmpp_xmpp_stream_get_module(XmppStream *stream, GType type, GBoxedCopyFunc copy,
                                     GDestroyNotify destroy, XmppModuleIdentity *identity);
GeeArrayList *xmpp_xep_socks5_bytestreams_module_get_proxies(gpointer module, XmppStream *stream);

GType xmpp_xep_jingle_socks5_bytestreams_module_get_type(void);

int gee_abstract_collection_get_size(GeeArrayList *list);
gpointer gee_abstract_list_get(GeeArrayList *list, int index);
gpointer gee_abstract_list_remove_at(GeeArrayList *list, int index);

#endif
