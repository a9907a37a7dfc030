/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "script_stanzas.h"

#include <check.h>

#include "purple_env.h"
#include "transfer/jingle_xml.h"

xmlnode *
script_next(Pair *pair, guint *seen)
{
    for (guint i = 0; pair->b.inbox->len <= *seen && i < 10000; i++)
        bs_test_run_for(1);
    ck_assert_uint_lt(*seen, pair->b.inbox->len);
    return g_ptr_array_index(pair->b.inbox, (*seen)++);
}

char *
script_request(Pair *pair, guint *seen, const char *from, const char *payload)
{
    static guint count;
    g_autofree char *id = g_strdup_printf("request%u", ++count);
    g_autofree char *xml =
        g_strdup_printf("<iq type='set' id='%s' from='%s' to='%s'>%s</iq>", id, from, pair->a.jid, payload);
    const xmlnode *answer;

    script_send(pair, xml);
    do
        answer = script_next(pair, seen);
    while (g_strcmp0(bs_jingle_attrib(answer, "id"), id) != 0);
    return g_strcmp0(bs_jingle_attrib(answer, "type"), "result") == 0 ? g_strdup("result")
                                                                      : bs_iq_error_condition(answer);
}
