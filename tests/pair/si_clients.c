/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "si_peers.h"

#define SI_FILE "http://jabber.org/protocol/si/profile/file-transfer"
#define STANZA_ERROR(name) "<" name " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
#define ERROR_TEXT(text) "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>" text "</text>"

#define FORM(type, field)                                                                                    \
    "<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='" type           \
    "'>" field "</x></feature>"
#define OPTIONS FORM("form", "<field var='stream-method' type='list-single'>{options}</field>")
#define SI(attributes, content) "<si xmlns='http://jabber.org/protocol/si'" attributes ">" content "</si>"
#define OFFER(attributes, content) SI(" id='{sid}' profile='" SI_FILE "'" attributes, content)
#define FILE_(attributes, content) "<file xmlns='" SI_FILE "'" attributes ">" content "</file>"
#define OPTION "<option><value>{method}</value></option>"
#define CHOICE(attributes)                                                                                   \
    FORM("submit", "<field var='stream-method'" attributes "><value>{method}</value></field>")
#define MULTIPLE(content)                                                                                    \
    "<si-multiple xmlns='http://telepathy.freedesktop.org/xmpp/si-multiple'>" content "</si-multiple>"
#define QUERY(attributes, content)                                                                           \
    "<query xmlns='http://jabber.org/protocol/bytestreams'" attributes ">" content "</query>"
#define USED(attributes) QUERY(attributes, "<streamhost-used jid='{jid}'/>")
#define OPEN(attributes) "<open xmlns='http://jabber.org/protocol/ibb' sid='{sid}'" attributes "/>"

const SiClient si_clients[SI_CLIENT_COUNT] = {
    {
        .name = "libpurple",
        .offer = OFFER("", FILE_(" name='f'{size}", "") OPTIONS),
        .option = OPTION,
        .answer = SI("", CHOICE("")),
        .declined = "<error type='cancel'>" STANZA_ERROR("forbidden") ERROR_TEXT("Offer Declined") "</error>",
        .query = QUERY(" sid='{sid}'", "{hosts}"),
        .used = USED(""),
        .no_way = "<error code='404' type='cancel'>" STANZA_ERROR("item-not-found") "</error>",
        .bound = "192.168.1.2",
        .falls_back = TRUE,
        .open = OPEN(" block-size='4096'"),
        /* It takes the size for that of the text, and uses a little less. */
        .block = 3070,
        .window = 1,
    },
    {
        .name = "Psi",
        .offer = OFFER("", FILE_(" name='f'{size}", "<desc>d</desc><range/>") OPTIONS),
        .empty_size = " size='0'",
        .desc = "d",
        .option = OPTION,
        .answer = SI("", "{file}" CHOICE("")),
        .part = FILE_("", "<range offset='{offset}' length='{length}'/>"),
        .declined =
            "<error code='403' type='cancel'>" STANZA_ERROR("forbidden") ERROR_TEXT("Declined") "</error>",
        .query = QUERY(" sid='{sid}' mode='tcp'", "{hosts}{fast}"),
        .used = USED(""),
        .proxy = "<proxy xmlns='http://affinix.com/jabber/stream'/>",
        .no_way = "<error code='404' type='cancel'>" STANZA_ERROR("remote-server-not-found")
            ERROR_TEXT("Could not connect to given hosts") "</error>",
        .fast = TRUE,
        .not_opened =
            "<error code='403' type='cancel'>" STANZA_ERROR("forbidden") ERROR_TEXT("Rejected") "</error>",
        .open = OPEN(" block-size='4096' stanza='iq'"),
        .block = 4096,
        .window = 1,
        .answers_close = TRUE,
    },
    {
        .name = "QXmpp",
        .offer =
            OFFER("", FILE_(" date='2021-03-04T05:06:07.250Z' hash='{hash}' name='f'{size}", "") OPTIONS),
        .empty_size = "",
        .date = 1614834367,
        .option = OPTION,
        .in_band_first = TRUE,
        .hashes = TRUE,
        .answer = SI(" profile='" SI_FILE "'", CHOICE(" type='list-single'")),
        .declined = "<error code='403' type='cancel'>" STANZA_ERROR("forbidden") "</error>",
        .query = QUERY(" sid='{sid}'", "{hosts}"),
        .used = USED(" sid='{sid}'"),
        .no_way = QUERY("", "") "<error type='cancel' code='404'>" STANZA_ERROR("item-not-found") "</error>",
        .not_opened = "<error type='cancel'>" STANZA_ERROR("item-not-found") "</error>",
        .open = OPEN(" block-size='4096'"),
        .block = 4096,
        .window = 1,
        .answers_close = TRUE,
    },
    {
        .name = "Gabble",
        .offer = OFFER("", OPTIONS MULTIPLE("") FILE_(" name='f'{size} mime-type='text/plain' hash='{hash}'",
                                                      "<desc/><range/>")),
        .empty_size = " size='0'",
        .media_type = "text/plain",
        .option = OPTION,
        .hashes = TRUE,
        .answer = SI("", MULTIPLE("{methods}") "{file}"),
        .multiple = TRUE,
        .whole = FILE_("", ""),
        .part = FILE_("", "<range offset='{offset}'/>"),
        .declined = "<error code='403' type='auth'>" STANZA_ERROR("forbidden")
            ERROR_TEXT("Offer Declined") "</error>",
        .query = QUERY(" sid='{sid}' mode='tcp'", "{hosts}"),
        .used = USED(""),
        .no_way = "<error code='404' type='cancel'>" STANZA_ERROR("item-not-found")
            ERROR_TEXT("impossible to connect to any streamhost") "</error>",
        .falls_back = TRUE,
        .open = OPEN(" block-size='4096'"),
        .block = 4096,
        .window = 10,
        .answers_close = TRUE,
    },
    {
        .name = "Smack",
        .offer = OFFER(" mime-type='text/plain'", FILE_(" name='f'{size}", "<desc>d</desc>") OPTIONS),
        .empty_size = "",
        .media_type = "text/plain",
        .desc = "d",
        .option = OPTION,
        .answer = SI("", CHOICE(" type='list-single'")),
        .declined = "<error type='auth'>" STANZA_ERROR("forbidden") "</error>",
        .query = QUERY(" sid='{sid}' mode='tcp'", "{hosts}"),
        .used = USED(""),
        .no_way = "<error type='cancel'>" STANZA_ERROR("item-not-found")
            ERROR_TEXT("Could not establish connection with any provided SOCKS5 stream host.") "</error>",
        .not_opened = "<error type='modify'>" STANZA_ERROR("not-acceptable") "</error>",
        .open = OPEN(" block-size='4096' stanza='iq'"),
        .block = 4096,
        .window = 1,
        .answers_close = TRUE,
    },
    {
        .name = "gloox",
        .offer = OFFER(
            " mime-type='binary/octet-stream'",
            FILE_(" name='f'{size} hash='{hash}'", "<desc>d</desc>")
                FORM("form", "<field var='stream-method' type='list-single'>{options}<value/></field>")),
        .media_type = "binary/octet-stream",
        .desc = "d",
        .option = "<option label='{label}'><value>{method}</value></option>",
        /* Its options are sorted by their labels. */
        .in_band_first = TRUE,
        .hashes = TRUE,
        .answer = SI("", CHOICE(" type='text-single'")),
        .declined = "<error type='cancel'>" STANZA_ERROR("forbidden") "</error>",
        .query = QUERY(" sid='{sid}' mode='tcp'", "{hosts}"),
        .used = USED(" sid='{sid}'"),
        /* Where it is told to cancel; otherwise it says nothing. */
        .no_way = "<error type='cancel'>" STANZA_ERROR("service-unavailable") "</error>",
        .not_opened = "<error type='cancel'>" STANZA_ERROR("feature-not-implemented") "</error>",
        .open = OPEN(" block-size='4096'"),
        .block = 4096,
        .window = G_MAXUINT,
        .answers_close = TRUE,
    },
};
