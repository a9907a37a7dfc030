/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/silence.h"

#include <eventloop.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "stanza/allowances.h"
#include "stanza/xml.h"
#include "timer.h"

#define NS_VERSION "jabber:iq:version"
#define SILENCE_MS 60000
#define VERSION_DEADLINE_MS 10000

struct _BsSilence {
    BsIqLink *link;
    char *peer;
    BsSilenceNoticed noticed;
    gpointer data;
    guint timer;
    BsIqRequest *request;
};

static char *
text_of(const xmlnode *query, const char *name)
{
    const xmlnode *node = query != NULL ? bs_xml_child(query, name, NS_VERSION) : NULL;

    return node != NULL ? bs_xml_text(node) : g_strdup("");
}

/* 1.4.2 as 1004002; what is no number counts as 0. */
static guint
version_number(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ".", 4);
    guint number = 0;

    for (guint i = 0, count = g_strv_length(parts); i < 3; i++)
        number = number * 1000 + (i < count ? MIN((guint)g_ascii_strtoull(parts[i], NULL, 10), 999) : 0);
    return number;
}

static gboolean
never_asks(const char *name, const char *version)
{
    return strcmp(name, "Gajim") == 0 && version_number(version) >= 1004002 &&
           bs_allow(BS_ALLOW_OFFER_NEVER_SHOWN);
}

static void
version_answered(BsIqOutcome outcome, xmlnode *iq, gpointer data)
{
    BsSilence *silence = data;
    const xmlnode *query = outcome == BS_IQ_RESULT ? bs_xml_child(iq, "query", NS_VERSION) : NULL;
    g_autofree char *name = text_of(query, "name");
    g_autofree char *version = text_of(query, "version");
    g_autofree char *program = g_strdup_printf("%s %s", name, version);

    silence->request = NULL;
    bs_log(NULL, "%s has not answered an offer for a minute; its program: %s", silence->peer, program);
    silence->noticed(never_asks(name, version) ? program : NULL, silence->data);
}

static gboolean
waited_long_enough(gpointer data)
{
    BsSilence *silence = data;
    xmlnode *query = xmlnode_new("query");
    BsIqRequest *request;

    silence->timer = 0;
    xmlnode_set_namespace(query, NS_VERSION);
    request = bs_iq_request(silence->link, "get", silence->peer, query, VERSION_DEADLINE_MS, version_answered,
                            silence);
    if (request != NULL)
        silence->request = request;
    return FALSE;
}

BsSilence *
bs_silence_new(BsIqLink *link, const char *peer, BsSilenceNoticed noticed, gpointer data)
{
    BsSilence *silence = g_new0(BsSilence, 1);

    silence->link = link;
    silence->peer = g_strdup(peer);
    silence->noticed = noticed;
    silence->data = data;
    silence->timer = purple_timeout_add(SILENCE_MS, waited_long_enough, silence);
    return silence;
}

void
bs_silence_free(BsSilence *silence)
{
    if (silence == NULL)
        return;
    bs_timer_clear(&silence->timer);
    bs_iq_request_cancel(&silence->request);
    g_free(silence->peer);
    g_free(silence);
}
