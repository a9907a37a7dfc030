/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/unfinished.h"

#include <account.h>
#include <blist.h>
#include <glib/gstdio.h>
#include <notify.h>
#include <request.h>

#include "host/notices.h"
#include "host/resumption.h"

static int handle; /* its address is that of our dialogs */

static guint64
bytes_there(const BsRemembered *item)
{
    GStatBuf info;

    return g_stat(item->part, &info) == 0 ? (guint64)info.st_size : 0;
}

static BsUnfinished
what_follows(const BsRemembered *item)
{
    if (item->needs_new_offer || item->occupant)
        return BS_UNFINISHED_NEEDS_OFFER;
    if (bs_resumption_is_refused(item))
        return BS_UNFINISHED_REFUSED;
    return bs_resumption_waits(item) ? BS_UNFINISHED_WAITS : BS_UNFINISHED_GOES_ON;
}

static char *
label_of(const BsRemembered *item)
{
    PurpleAccount *account = purple_accounts_find(item->account, "prpl-jabber");
    PurpleBuddy *buddy = account != NULL ? purple_find_buddy(account, item->peer) : NULL;
    const char *alias = buddy != NULL ? purple_buddy_get_alias(buddy) : item->peer;
    g_autofree char *name = g_filename_display_basename(item->path);

    if (!item->incoming)
        return bs_notice_unfinished_sent(name, alias, item->file->size);
    return bs_notice_unfinished(name, alias, bytes_there(item), item->file->size, what_follows(item));
}

/* One that has begun to go on meanwhile is left alone. */
static void
discard_chosen(gpointer data, PurpleRequestFields *fields)
{
    BsMemory *memory = bs_resumption_memory();
    const GPtrArray *items = memory != NULL ? bs_memory_items(memory) : NULL;

    (void)data;
    for (guint i = items != NULL ? items->len : 0; i-- > 0;) {
        BsRemembered *item = g_ptr_array_index(items, i);

        if (!item->in_use && purple_request_fields_exists(fields, item->id) &&
            purple_request_fields_get_bool(fields, item->id))
            bs_memory_forget(memory, item, TRUE);
    }
}

static void
change_nothing(gpointer data, PurpleRequestFields *fields)
{
    (void)data;
    (void)fields;
}

/* What is sent is not, where nobody will ask for it. */
static gboolean
is_unfinished(const BsRemembered *item)
{
    return !item->in_use && !item->unanswered && (item->incoming || !item->needs_new_offer);
}

/* NULL if there are none. */
static PurpleRequestFields *
fields_of_unfinished(void)
{
    const GPtrArray *items = bs_memory_items(bs_resumption_memory());
    PurpleRequestFieldGroup *group = purple_request_field_group_new(NULL);
    PurpleRequestFields *fields = purple_request_fields_new();
    gboolean any = FALSE;

    purple_request_fields_add_group(fields, group);
    for (guint i = 0; i < items->len; i++) {
        const BsRemembered *item = g_ptr_array_index(items, i);
        g_autofree char *label = NULL;

        if (!is_unfinished(item))
            continue;
        label = label_of(item);
        purple_request_field_group_add_field(group, purple_request_field_bool_new(item->id, label, FALSE));
        any = TRUE;
    }
    if (any)
        return fields;
    purple_request_fields_destroy(fields);
    return NULL;
}

void
bs_unfinished_show(void)
{
    PurpleRequestFields *fields = bs_resumption_memory() != NULL ? fields_of_unfinished() : NULL;

    purple_request_close_with_handle(&handle);
    if (fields == NULL) {
        purple_notify_info(&handle, bs_notice_unfinished_title(), bs_notice_no_unfinished(), NULL);
        return;
    }
    purple_request_fields(&handle, bs_notice_unfinished_title(), bs_notice_unfinished_title(),
                          bs_notice_unfinished_explanation(), fields, bs_notice_unfinished_discard(),
                          PURPLE_CALLBACK(discard_chosen), bs_notice_unfinished_close(),
                          PURPLE_CALLBACK(change_nothing), NULL, NULL, NULL, NULL);
}

void
bs_unfinished_stop(void)
{
    purple_request_close_with_handle(&handle);
    purple_notify_close_with_handle(&handle);
}
