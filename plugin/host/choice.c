/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/choice.h"

#include <blist.h>
#include <eventloop.h>
#include <request.h>

#include "host/notices.h"
#include "timer.h"

struct _BsChoice {
    BsChosen chosen;
    gpointer data;
    int count;
    int answer;
    guint timer; /* once the user has answered */
};

void
bs_choice_free(BsChoice *choice)
{
    if (choice == NULL)
        return;
    purple_request_close_with_handle(choice);
    bs_timer_clear(&choice->timer);
    g_free(choice);
}

static gboolean
tell(gpointer data)
{
    BsChoice *choice = data;
    BsChosen chosen = choice->chosen;
    gpointer chosen_data = choice->data;
    int answer = choice->answer;

    choice->timer = 0;
    bs_choice_free(choice);
    chosen(answer, chosen_data);
    return FALSE;
}

/* The answer may come while the question is still being put, so it is told later. */
static void
take_answer(BsChoice *choice, int answer)
{
    if (choice->timer != 0)
        return;
    choice->answer = answer >= 0 && answer < choice->count ? answer : -1;
    choice->timer = purple_timeout_add(0, tell, choice);
}

static void
option_chosen(gpointer data, PurpleRequestFields *fields)
{
    take_answer(data, purple_request_fields_get_choice(fields, "resource"));
}

static void
nothing_chosen(gpointer data, PurpleRequestFields *fields)
{
    (void)fields;
    take_answer(data, -1);
}

static PurpleRequestFields *
fields_of(const GPtrArray *options, int preset)
{
    PurpleRequestFields *fields = purple_request_fields_new();
    PurpleRequestFieldGroup *group = purple_request_field_group_new(NULL);
    PurpleRequestField *field = purple_request_field_choice_new("resource", bs_notice_choose_field(), preset);

    for (guint i = 0; i < options->len; i++)
        purple_request_field_choice_add(field, options->pdata[i]);
    purple_request_field_group_add_field(group, field);
    purple_request_fields_add_group(fields, group);
    return fields;
}

BsChoice *
bs_choice_ask(PurpleAccount *account, const char *who, const GPtrArray *options, int preset, BsChosen chosen,
              gpointer data)
{
    PurpleBuddy *buddy = purple_find_buddy(account, who);
    g_autofree char *question =
        bs_notice_choose_question(buddy != NULL ? purple_buddy_get_alias(buddy) : who);
    PurpleRequestFields *fields = fields_of(options, preset);
    BsChoice *choice = g_new0(BsChoice, 1);

    choice->chosen = chosen;
    choice->data = data;
    choice->count = (int)options->len;
    if (purple_request_fields(choice, bs_notice_choose_title(), question, NULL, fields,
                              bs_notice_choose_send(), G_CALLBACK(option_chosen), bs_notice_choose_cancel(),
                              G_CALLBACK(nothing_chosen), account, who, NULL, choice) == NULL &&
        choice->timer == 0) {
        purple_request_fields_destroy(fields);
        take_answer(choice, preset);
    }
    return choice;
}
