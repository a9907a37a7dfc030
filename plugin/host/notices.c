/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/notices.h"

#include <string.h>

#include "characters.h"
#include "i18n.h"

#define SHOWN_LENGTH_MAX 80 /* characters of a name or of somebody's words */

/* Characters that could make a name look like something else, or break the line. */
static gboolean
is_shown(gunichar character)
{
    switch (g_unichar_type(character)) {
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_UNASSIGNED:
        return FALSE;
    default:
        return !bs_character_is_hidden(character);
    }
}

static char *
shown(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text != NULL ? text : "", -1);
    GString *line = g_string_new(NULL);
    glong length = 0;

    for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar character = g_utf8_get_char(at);

        if (character == '\n' || character == '\t')
            character = ' ';
        if (!is_shown(character))
            continue;
        if (length++ == SHOWN_LENGTH_MAX) {
            g_string_append(line, "…");
            break;
        }
        g_string_append_unichar(line, character);
    }
    return g_strstrip(g_string_free(line, FALSE));
}

/* " (detail)", or nothing. */
static char *
in_brackets(const char *detail)
{
    g_autofree char *words = shown(detail);

    return *words != '\0' ? g_strdup_printf(" (%s)", words) : g_strdup("");
}

/* Each format takes the file's name, the peer's name and the detail in brackets, in this order unless it is
 * numbered otherwise. */
static const char *
format_of_incoming_end(BsEndReason reason)
{
    switch (reason) {
    case BS_END_DELIVERED:
        return _("“%1$s” has arrived from %2$s complete and unchanged.");
    case BS_END_UNVERIFIED:
        return _(
            "“%1$s” has arrived from %2$s, but %2$s sent nothing to check it against. Look at it before you "
            "rely on it.");
    case BS_END_DECLINED:
        return _("%2$s withdrew “%1$s”.");
    case BS_END_CANCELLED:
        return _("%2$s cancelled the transfer of “%1$s”.");
    case BS_END_UNSUPPORTED:
        return _(
            "“%1$s” could not be received: %2$s's program uses a way of sending that is not known here%3$s. "
            "Ask %2$s to send it in another way.");
    case BS_END_PEER_GONE:
        return _(
            "“%1$s” was not received completely, because the connection with %2$s on the server ended. Ask "
            "%2$s to send it again.");
    case BS_END_NO_ROUTE:
        return _(
            "“%1$s” could not be received, because no connection between you and %2$s came about. Firewalls "
            "on both sides may be the cause.");
    case BS_END_CONNECTION_LOST:
        return _(
            "“%1$s” was not received completely, because the connection to %2$s broke%3$s. Ask %2$s to send "
            "it again.");
    case BS_END_DAMAGED:
        return _(
            "“%1$s” from %2$s was damaged on its way and has been thrown away. Ask %2$s to send it again.");
    case BS_END_WRONG_SIZE:
        return _(
            "“%1$s” from %2$s has another size than announced and has been thrown away. Ask %2$s to send it "
            "again.");
    case BS_END_LOCAL_FILE:
        return _(
            "“%1$s” from %2$s could not be saved%3$s. Choose another folder and ask %2$s to send it again.");
    case BS_END_NO_ROOM:
        return _(
            "“%1$s” from %2$s could not be saved, because there is not enough room for it%3$s. Make room or "
            "choose another folder, and ask %2$s to send it again.");
    case BS_END_PEER_FAILED:
        return _("%2$s's program gave up sending “%1$s”%3$s. Ask %2$s to send it again.");
    case BS_END_TIMEOUT:
        return _(
            "“%1$s” was not received, because %2$s's program stopped answering. Ask %2$s to send it again.");
    case BS_END_NOT_BEGUN:
        return _(
            "“%1$s” was not received: nothing came from %2$s, who may have withdrawn it before you accepted "
            "it. Ask %2$s to send it again.");
    }
    return _("The transfer of “%1$s” with %2$s ended%3$s.");
}

static const char *
format_of_outgoing_end(BsEndReason reason)
{
    switch (reason) {
    case BS_END_DELIVERED:
        return _("%2$s has received “%1$s” completely.");
    case BS_END_UNVERIFIED:
        return _(
            "“%1$s” has been sent, but %2$s's program did not say whether it arrived complete. Ask %2$s to "
            "look at it.");
    case BS_END_DECLINED:
        return _("%2$s did not want to receive “%1$s”.");
    case BS_END_CANCELLED:
        return _("%2$s stopped receiving “%1$s”.");
    case BS_END_UNSUPPORTED:
        return _("“%1$s” could not be sent: %2$s's program cannot receive files in this way%3$s.");
    case BS_END_PEER_GONE:
        return _(
            "“%1$s” was not sent completely, because the connection with %2$s on the server ended. Send it "
            "again when both of you are online.");
    case BS_END_NO_ROUTE:
        return _(
            "“%1$s” could not be sent, because no connection between you and %2$s came about. Firewalls on "
            "both sides may be the cause.");
    case BS_END_CONNECTION_LOST:
        return _("“%1$s” was not sent completely, because the connection to %2$s broke%3$s. Send it again.");
    case BS_END_DAMAGED:
        return _("“%1$s” did not reach %2$s undamaged. Send it again.");
    case BS_END_WRONG_SIZE:
        return _(
            "“%1$s” was changed while it was being sent, and %2$s has not got it. Send it again, and leave "
            "the file as it is meanwhile.");
    case BS_END_LOCAL_FILE:
        return _("“%1$s” could not be read, and %2$s has not got it%3$s.");
    case BS_END_NO_ROOM:
        return _(
            "“%1$s” was not sent, because %2$s has not enough room for it. Ask %2$s to make room, and send "
            "it again.");
    case BS_END_PEER_FAILED:
        return _("%2$s's program gave up receiving “%1$s”%3$s. Send it again, or ask %2$s what happened.");
    case BS_END_TIMEOUT:
        return _("“%1$s” was not sent, because %2$s's program did not answer in time. Send it again later.");
    case BS_END_NOT_BEGUN: /* is the sender's affair */
        break;
    }
    return _("The transfer of “%1$s” to %2$s ended%3$s.");
}

static const char *
format_of_notice(BsNotice notice)
{
    switch (notice) {
    case BS_NOTICE_UNLOADED:
        return _("The transfer of “%1$s” with %2$s was cancelled, because the plugin for file transfers was "
                 "switched "
                 "off.");
    case BS_NOTICE_SIGNED_OFF:
        return _("The transfer of “%1$s” with %2$s was cancelled, because you went offline.");
    case BS_NOTICE_UNLOADED_FOR_NOW:
        return _(
            "The transfer of “%1$s” with %2$s was interrupted, because the plugin for file transfers was "
            "switched "
            "off. It goes on by itself when the plugin is switched on again and both of you are online.");
    case BS_NOTICE_SIGNED_OFF_FOR_NOW:
        return _("The transfer of “%1$s” with %2$s was interrupted, because you went offline. It goes on by "
                 "itself when "
                 "both of you are online again.");
    case BS_NOTICE_RECEIVING_GOES_ON:
        return _("“%1$s” from %2$s goes on where it was interrupted.");
    case BS_NOTICE_SENDING_GOES_ON:
        return _("Sending “%1$s” to %2$s goes on where it was interrupted.");
    case BS_NOTICE_NO_FILE:
        return _("“%1$s” was not sent to %2$s: there is no such file%3$s.");
    case BS_NOTICE_NOT_REGULAR:
        return _("“%1$s” was not sent to %2$s: it is not a file. To send a folder, pack it into an archive "
                 "first.");
    case BS_NOTICE_UNREADABLE:
        return _("“%1$s” was not sent to %2$s: you may not read it%3$s.");
    case BS_NOTICE_UNWRITABLE:
        return _("“%1$s” from %2$s cannot be saved there%3$s. Ask %2$s to send it again, and choose another "
                 "folder.");
    case BS_NOTICE_NO_ROOM:
        return _(
            "“%1$s” from %2$s cannot be saved there, because there is not enough room for it%3$s. Ask %2$s "
            "to send it again, and make room or choose another folder.");
    case BS_NOTICE_TOO_LARGE:
        return _("“%1$s” is too large to be exchanged with %2$s by this program. Split it into parts first.");
    case BS_NOTICE_UNABLE:
        return _(
            "“%1$s” was not sent to %2$s, whose program cannot receive files. Send it in another way, by "
            "e-mail for example.");
    case BS_NOTICE_NOT_ONLINE:
        return _(
            "“%1$s” was not sent to %2$s, who is not online or does not answer. Send it when %2$s is back.");
    case BS_NOTICE_SILENT:
        return _(
            "%2$s has not answered the offer of “%1$s” yet. It stays open. If nothing asks %2$s about it, "
            "%2$s's program may not be able to receive files.");
    case BS_NOTICE_NOT_SHOWN:
        return _("%2$s has not answered the offer of “%1$s” yet. It stays open. If nothing asks %2$s about "
                 "it, that "
                 "is a fault of %2$s's program%3$s: it has to be updated, or the file sent in another way.");
    case BS_NOTICE_QUEUED:
        return _(
            "The transfer of “%1$s” with %2$s waits its turn, as earlier ones are still under way; how many "
            "go at once can be set in the preferences of the plugin for file transfers.");
    case BS_NOTICE_HELD:
        return _("“%1$s” comes when you have accepted or declined the other files that %2$s offers with it.");
    case BS_NOTICE_COUNT:
        break;
    }
    return _("The transfer of “%1$s” with %2$s did not take place%3$s.");
}

/* Positional directives of which some are unused are beyond what printf promises, so the formats are filled
 * in here. */
static char *
fill_in(const char *format, const char *const parts[3])
{
    GString *text = g_string_new(NULL);

    for (const char *at = format; *at != '\0'; at++) {
        gboolean directive = at[0] == '%' && at[1] >= '1' && at[1] <= '3' && at[2] == '$' && at[3] == 's';

        if (directive) {
            g_string_append(text, parts[at[1] - '1']);
            at += 3;
        } else {
            g_string_append_c(text, *at);
        }
    }
    return g_string_free(text, FALSE);
}

static char *
sentence(const char *format, const char *file_name, const char *alias, const char *detail)
{
    g_autofree char *file = shown(file_name);
    g_autofree char *peer = shown(alias);
    g_autofree char *brackets = in_brackets(detail);
    const char *parts[] = {*file != '\0' ? file : _("the file"), *peer != '\0' ? peer : _("the contact"),
                           brackets};

    return fill_in(format, parts);
}

/* A transfer that will be tried again, with nobody being asked. */
static const char *
format_of_interruption(BsEndReason reason, gboolean incoming)
{
    if (reason != BS_END_NO_ROUTE)
        return incoming ? _("“%1$s” from %2$s is not complete yet, because the connection ended. It goes on "
                            "by itself when both of you are online.")
                        : _("“%1$s” is not complete at %2$s yet, because the connection ended. It goes on by "
                            "itself when both of you are online; leave the file where it is until then.");
    return incoming ? _("“%1$s” from %2$s is not complete yet, because no connection between you came "
                        "about. That is tried again when both of you are online.")
                    : _("“%1$s” is not complete at %2$s yet, because no connection between you came about. "
                        "That is tried again when both of you are online; leave the file where it is until "
                        "then.");
}

char *
bs_notice_of_end(const BsEnd *end, gboolean incoming, const char *alias, const char *file_name)
{
    const char *format = incoming ? format_of_incoming_end(end->reason) : format_of_outgoing_end(end->reason);

    if (incoming && end->in_band_is_left)
        format = _("“%1$s” could not be received, because no connection between you and %2$s came about. Ask "
                   "%2$s to send it again: it will come through the server then.");
    if (end->goes_on)
        format = format_of_interruption(end->reason, incoming);
    return sentence(format, file_name, alias, end->detail);
}

char *
bs_notice_of(BsNotice notice, const char *alias, const char *file_name, const char *detail)
{
    return sentence(format_of_notice(notice), file_name, alias, detail);
}

char *
bs_notice_of_route(const BsRoute *route, gboolean incoming)
{
    if (route->in_band)
        return g_strdup(incoming ? _("Received through the server.") : _("Sent through the server."));
    switch (route->type) {
    case BS_CANDIDATE_DIRECT:
    case BS_CANDIDATE_ASSISTED:
        return g_strdup(incoming ? _("Received over a direct connection.")
                                 : _("Sent over a direct connection."));
    case BS_CANDIDATE_TUNNEL:
        return g_strdup(incoming ? _("Received through a tunnel.") : _("Sent through a tunnel."));
    case BS_CANDIDATE_PROXY:
        return g_strdup(incoming ? _("Received through a relay of the server.")
                                 : _("Sent through a relay of the server."));
    }
    return g_strdup(incoming ? _("Received.") : _("Sent."));
}

const char *
bs_notice_choose_title(void)
{
    return _("Which device?");
}

char *
bs_notice_choose_question(const char *alias)
{
    g_autofree char *peer = shown(alias);

    return fill_in(_("%1$s is online with several devices. Which one is to receive the file?"),
                   (const char *[]){peer, "", ""});
}

const char *
bs_notice_choose_field(void)
{
    return _("Device");
}

const char *
bs_notice_choose_send(void)
{
    return _("Send File");
}

const char *
bs_notice_choose_cancel(void)
{
    return _("Cancel");
}

char *
bs_notice_choose_option(const char *resource, int priority)
{
    g_autofree char *name = shown(resource);

    return g_strdup_printf("%s (%d)", name, priority);
}

const char *
bs_notice_unfinished_menu(void)
{
    return _("Unfinished Files…");
}

const char *
bs_notice_unfinished_title(void)
{
    return _("Unfinished Files");
}

const char *
bs_notice_unfinished_explanation(void)
{
    return _("These transfers were interrupted and go on by themselves when you and the contact are online. "
             "Tick those that you do not want any more. Files that you send are not deleted.");
}

const char *
bs_notice_unfinished_discard(void)
{
    return _("_Discard");
}

const char *
bs_notice_unfinished_close(void)
{
    return _("_Close");
}

const char *
bs_notice_no_unfinished(void)
{
    return _("No transfer is waiting to go on.");
}

char *
bs_notice_unfinished(const char *file_name, const char *alias, guint64 there, guint64 size, BsUnfinished what)
{
    g_autofree char *file = shown(file_name);
    g_autofree char *peer = shown(alias);
    g_autofree char *part = g_format_size_full(there, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *whole = g_format_size_full(size, G_FORMAT_SIZE_IEC_UNITS);

    switch (what) {
    case BS_UNFINISHED_WAITS:
        /* TRANSLATORS: a file's name, a contact's name, and how much of it is there: “photo.jpg” from Bob:
         * 2.0 MiB of 3.5 MiB */
        return g_strdup_printf(_("“%s” from %s: %s of %s; waits until other files are done"), file, peer,
                               part, whole);
    case BS_UNFINISHED_REFUSED:
        /* TRANSLATORS: the same; the fifth is the contact's name again */
        return g_strdup_printf(_("“%s” from %s: %s of %s; %s does not have it any more, or has changed it"),
                               file, peer, part, whole, peer);
    case BS_UNFINISHED_NEEDS_OFFER:
        /* TRANSLATORS: the same */
        return g_strdup_printf(_("“%s” from %s: %s of %s; goes on only if it is sent once more"), file, peer,
                               part, whole);
    case BS_UNFINISHED_GOES_ON:
        break;
    }
    /* TRANSLATORS: the same */
    return g_strdup_printf(_("“%s” from %s: %s of %s"), file, peer, part, whole);
}

char *
bs_notice_unfinished_sent(const char *file_name, const char *alias, guint64 size)
{
    g_autofree char *file = shown(file_name);
    g_autofree char *peer = shown(alias);
    g_autofree char *whole = g_format_size_full(size, G_FORMAT_SIZE_IEC_UNITS);

    /* TRANSLATORS: a file's name, a contact's name, and its size: “photo.jpg” to Bob: 3.5 MiB */
    return g_strdup_printf(_("“%s” to %s: %s"), file, peer, whole);
}
