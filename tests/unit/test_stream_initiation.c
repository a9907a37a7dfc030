/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "purple_env.h"
#include "stanza/xml.h"
#include "transfer/stream_initiation.h"

#define S5B "http://jabber.org/protocol/bytestreams"
#define IBB "http://jabber.org/protocol/ibb"
#define SI_FILE "http://jabber.org/protocol/si/profile/file-transfer"
#define MULTIPLE "http://telepathy.freedesktop.org/xmpp/si-multiple"

#define BOTH (1u << BS_SI_BYTESTREAMS | 1u << BS_SI_IN_BAND)
#define ONLY_BYTESTREAMS (1u << BS_SI_BYTESTREAMS)
#define ONLY_IN_BAND (1u << BS_SI_IN_BAND)

#define FORM(type, fields)                                                                                   \
    "<feature xmlns='http://jabber.org/protocol/feature-neg'>"                                               \
    "<x xmlns='jabber:x:data' type='" type "'>" fields "</x></feature>"
#define OPTION(value) "<option><value>" value "</value></option>"
#define OPTIONS(options) FORM("form", "<field var='stream-method' type='list-single'>" options "</field>")
#define CHOICE(value) FORM("submit", "<field var='stream-method'><value>" value "</value></field>")
#define SI(attributes, content) "<si xmlns='http://jabber.org/protocol/si' " attributes ">" content "</si>"
#define OFFER(content) SI("id='a0' profile='" SI_FILE "'", content)
#define ANSWER(content) SI("", content)
#define FILE_(attributes, content) "<file xmlns='" SI_FILE "' " attributes ">" content "</file>"
#define PLAIN FILE_("name='a' size='3'", "")

#define MD5_TEXT "552da749930852c69ae5d2141d3766b1"
static const guint8 md5[] = {0x55, 0x2d, 0xa7, 0x49, 0x93, 0x08, 0x52, 0xc6,
                             0x9a, 0xe5, 0xd2, 0x14, 0x1d, 0x37, 0x66, 0xb1};

typedef xmlnode Node;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Node, xmlnode_free)

static BsSi *
parse_offer(const char *xml, BsSiFault *fault)
{
    g_autoptr(Node) node = xmlnode_from_str(xml, -1);

    ck_assert_ptr_nonnull(node);
    return bs_si_parse_offer(node, fault);
}

/* What the clients write. */

typedef struct {
    const char *client;
    const char *xml;
    const char *sid;
    const char *name;
    guint64 size;
    gint64 date;
    const char *media_type;
    const char *desc;
    gboolean hash;
    gboolean can_range;
    BsSiMethod first;
    gboolean multiple;
} Offer;

static const Offer offers[] = {
    {"libpurple 2.14",
     SI("id='purple5ac2' profile='" SI_FILE "'",
        FILE_("name='test.txt' size='1022'", "") OPTIONS(OPTION(S5B) OPTION(IBB))),
     "purple5ac2", "test.txt", 1022, -1, NULL, NULL, FALSE, FALSE, BS_SI_BYTESTREAMS, FALSE},
    {"Psi",
     SI("id='ft_3f02' profile='" SI_FILE "'",
        FILE_("name='test.txt' size='5000000000'", "<desc>Look</desc><range/>")
            OPTIONS(OPTION(S5B) OPTION(IBB))),
     "ft_3f02", "test.txt", 5000000000, -1, NULL, "Look", FALSE, TRUE, BS_SI_BYTESTREAMS, FALSE},
    {"QXmpp",
     SI("id='abcDEF0123' profile='" SI_FILE "'",
        FILE_("date='2021-03-04T05:06:07Z' hash='" MD5_TEXT "' name='test.svg' size='2280'", "")
            OPTIONS(OPTION(IBB) OPTION(S5B))),
     "abcDEF0123", "test.svg", 2280, 1614834367, NULL, NULL, TRUE, FALSE, BS_SI_IN_BAND, FALSE},
    {"Gabble",
     SI("id='4711' profile='" SI_FILE "'",
        OPTIONS(OPTION(S5B) OPTION(IBB)) "<si-multiple xmlns='" MULTIPLE "'/>" FILE_(
            "name='t.txt' size='9' mime-type='text/plain' hash='" MD5_TEXT "' "
            "date='2021-03-04T05:06:07Z'",
            "<desc/><range/>")),
     "4711", "t.txt", 9, 1614834367, "text/plain", NULL, TRUE, TRUE, BS_SI_BYTESTREAMS, TRUE},
    {"Smack",
     SI("id='jsi_1207' mime-type='text/plain' profile='" SI_FILE "'",
        FILE_("name='t.txt' size='9' date='2021-03-04T05:06:07.000+00:00'", "<desc>d</desc>")
            OPTIONS(OPTION(S5B) OPTION(IBB))),
     "jsi_1207", "t.txt", 9, 1614834367, "text/plain", "d", FALSE, FALSE, BS_SI_BYTESTREAMS, FALSE},
    {"Smack, nothing in the file",
     SI("id='jsi_1' profile='" SI_FILE "'", FILE_("name='empty'", "") OPTIONS(OPTION(S5B) OPTION(IBB))),
     "jsi_1", "empty", BS_SIZE_UNKNOWN, -1, NULL, NULL, FALSE, FALSE, BS_SI_BYTESTREAMS, FALSE},
    {"gloox",
     SI("id='uid:53d7:1' mime-type='binary/octet-stream' profile='" SI_FILE "'",
        FILE_("name='t.txt' size='9' hash='" MD5_TEXT "'", "<desc>d</desc>")
            FORM("form", "<field type='list-single' var='stream-method'>"
                         "<option label='ibb'><value>" IBB "</value></option>"
                         "<option label='oob'><value>jabber:iq:oob</value></option>"
                         "<option label='s5b'><value>" S5B "</value></option></field>")),
     "uid:53d7:1", "t.txt", 9, -1, "binary/octet-stream", "d", TRUE, FALSE, BS_SI_IN_BAND, FALSE},
    {"XEP-0095, 3.1",
     SI("id='a0' mime-type='text/plain' profile='" SI_FILE "'",
        FILE_("name='test.txt' size='1022'", "<desc>This is info about the file.</desc>")
            OPTIONS(OPTION(S5B) OPTION("jabber:iq:oob") OPTION(IBB))),
     "a0", "test.txt", 1022, -1, "text/plain", "This is info about the file.", FALSE, FALSE,
     BS_SI_BYTESTREAMS, FALSE},
    {"XEP-0096, 3.2",
     SI("id='a0' mime-type='text/plain' profile='" SI_FILE "'",
        FILE_("name='test.txt' size='1022' hash='" MD5_TEXT "' date='1979-07-21T02:56:15Z'",
              "<desc>This is a test. If this were a real file...</desc>") OPTIONS(OPTION(S5B) OPTION(IBB))),
     "a0", "test.txt", 1022, 301373775, "text/plain", "This is a test. If this were a real file...", TRUE,
     FALSE, BS_SI_BYTESTREAMS, FALSE},
};

START_TEST(reads_the_offers_of_clients)
{
    const Offer *expected = &offers[_i];
    BsSiFault fault;
    g_autoptr(BsSi) si = parse_offer(expected->xml, &fault);
    const BsFileOffer *file;

    ck_assert_msg(si != NULL, "%s", expected->client);
    ck_assert_int_eq(fault, BS_SI_FINE);
    file = si->file;
    ck_assert_str_eq(si->sid, expected->sid);
    ck_assert_str_eq(file->name, expected->name);
    ck_assert_uint_eq(file->size, expected->size);
    ck_assert_int_eq(file->date, expected->date);
    ck_assert_pstr_eq(file->media_type, expected->media_type);
    ck_assert_pstr_eq(file->desc, expected->desc);
    ck_assert_uint_eq(file->hashes, expected->hash ? 1u << BS_HASH_MD5 : 0);
    if (expected->hash)
        ck_assert_mem_eq(file->hash_value[BS_HASH_MD5], md5, sizeof md5);
    ck_assert(file->can_range == expected->can_range);
    ck_assert_uint_eq(file->range_offset, 0);
    ck_assert_uint_eq(file->range_length, BS_SIZE_UNKNOWN);
    ck_assert_uint_eq(si->methods, BOTH);
    ck_assert_int_eq(si->order[0], expected->first);
    ck_assert_int_ne(si->order[1], expected->first);
    ck_assert(si->multiple == expected->multiple);
}
END_TEST

typedef struct {
    const char *client;
    const char *xml;
    guint methods;
    BsSiMethod first;
    guint64 offset;
    guint64 length;
} Answer;

/* To an offer of a file of 1022 bytes. */
static const Answer answers[] = {
    {"libpurple 2.14", ANSWER(CHOICE(S5B)), ONLY_BYTESTREAMS, BS_SI_BYTESTREAMS, 0, BS_SIZE_UNKNOWN},
    {"libpurple 2.14, in-band", ANSWER(CHOICE(IBB)), ONLY_IN_BAND, BS_SI_IN_BAND, 0, BS_SIZE_UNKNOWN},
    {"as libpurple 2.14 reads it",
     ANSWER(FORM("submit", "<field var='stream-method'><value>" S5B "</value></field>"
                           "<field var='stream-method'><value>" IBB "</value></field>")),
     BOTH, BS_SI_BYTESTREAMS, 0, BS_SIZE_UNKNOWN},
    {"Psi", ANSWER(FILE_("", "<range offset='128' length='256'/>") CHOICE(S5B)), ONLY_BYTESTREAMS,
     BS_SI_BYTESTREAMS, 128, 256},
    {"QXmpp", SI("profile='" SI_FILE "'", CHOICE(S5B)), ONLY_BYTESTREAMS, BS_SI_BYTESTREAMS, 0,
     BS_SIZE_UNKNOWN},
    {"Gabble",
     ANSWER("<si-multiple xmlns='" MULTIPLE "'><value>" S5B "</value><value>" IBB
            "</value></si-multiple>" FILE_("", "<range offset='1022'/>")),
     BOTH, BS_SI_BYTESTREAMS, 1022, BS_SIZE_UNKNOWN},
    {"Gabble, the other way round",
     ANSWER("<si-multiple xmlns='" MULTIPLE "'><value>jabber:iq:oob</value><value>" IBB "</value><value>" S5B
            "</value></si-multiple>" FILE_("", "")),
     BOTH, BS_SI_IN_BAND, 0, BS_SIZE_UNKNOWN},
    {"Smack",
     ANSWER(FORM("submit", "<field var='stream-method' type='list-single'><value>" S5B "</value></field>")),
     ONLY_BYTESTREAMS, BS_SI_BYTESTREAMS, 0, BS_SIZE_UNKNOWN},
    {"gloox",
     ANSWER(FORM("submit", "<field type='text-single' var='stream-method'><value>" S5B "</value></field>")),
     ONLY_BYTESTREAMS, BS_SI_BYTESTREAMS, 0, BS_SIZE_UNKNOWN},
    {"XEP-0096, 3.2", ANSWER(FILE_("", "") CHOICE(S5B)), ONLY_BYTESTREAMS, BS_SI_BYTESTREAMS, 0,
     BS_SIZE_UNKNOWN},
    {"XEP-0096, 4", ANSWER(FILE_("", "<range length='256'/>") CHOICE(S5B)), ONLY_BYTESTREAMS,
     BS_SI_BYTESTREAMS, 0, 256},
    {"XEP-0096, 4", ANSWER(FILE_("", "<range/>") CHOICE(S5B)), ONLY_BYTESTREAMS, BS_SI_BYTESTREAMS, 0,
     BS_SIZE_UNKNOWN},
    {"a length that is none", ANSWER(FILE_("", "<range offset='5' length='0'/>") CHOICE(S5B)),
     ONLY_BYTESTREAMS, BS_SI_BYTESTREAMS, 5, BS_SIZE_UNKNOWN},
    {"the last byte", ANSWER(FILE_("", "<range offset='1021' length='1'/>") CHOICE(S5B)), ONLY_BYTESTREAMS,
     BS_SI_BYTESTREAMS, 1021, 1},
    {"the same again and again",
     ANSWER("<si-multiple xmlns='" MULTIPLE "'><value> " IBB "\n</value><value>" IBB
            "</value></si-multiple>" CHOICE(IBB)),
     ONLY_IN_BAND, BS_SI_IN_BAND, 0, BS_SIZE_UNKNOWN},
};

static BsSi *
parse_answer(const char *xml, gboolean can_range, guint64 size, guint methods)
{
    g_autoptr(Node) node = xmlnode_from_str(xml, -1);
    g_autoptr(BsFileOffer) file = bs_file_offer_new();

    ck_assert_ptr_nonnull(node);
    file->can_range = can_range;
    file->size = size;
    return bs_si_parse_answer(node, file, methods);
}

START_TEST(reads_the_answers_of_clients)
{
    const Answer *expected = &answers[_i];
    g_autoptr(BsSi) si = parse_answer(expected->xml, TRUE, 1022, BOTH);

    ck_assert_msg(si != NULL, "%s", expected->client);
    ck_assert_uint_eq(si->methods, expected->methods);
    ck_assert_int_eq(si->order[0], expected->first);
    if (expected->methods == BOTH)
        ck_assert_int_ne(si->order[1], expected->first);
    ck_assert_uint_eq(si->file->range_offset, expected->offset);
    ck_assert_uint_eq(si->file->range_length, expected->length);
}
END_TEST

static const char *const no_answers[] = {
    ANSWER(""),
    ANSWER("<feature xmlns='http://jabber.org/protocol/feature-neg'/>"),
    ANSWER(FORM("submit", "")),
    ANSWER(FORM("submit", "<field var='stream-method'/>")),
    ANSWER(FORM("submit", "<field var='stream-method'><value/></field>")),
    ANSWER(FORM("submit", "<field var='other'><value>" S5B "</value></field>")),
    ANSWER(FORM("submit", "<field><value>" S5B "</value></field>")),
    ANSWER(CHOICE("jabber:iq:oob")),
    ANSWER(CHOICE(S5B "x")),
    /* the options again, and nothing chosen */
    ANSWER(OPTIONS(OPTION(S5B) OPTION(IBB))),
    ANSWER("<si-multiple xmlns='" MULTIPLE "'/>"),
    ANSWER("<si-multiple xmlns='other'><value>" S5B "</value></si-multiple>"),
    ANSWER("<feature xmlns='other'><x xmlns='jabber:x:data'><field var='stream-method'><value>" S5B
           "</value></field></x></feature>"),
    ANSWER(FILE_("", "<range offset='-1'/>") CHOICE(S5B)),
    ANSWER(FILE_("", "<range offset=''/>") CHOICE(S5B)),
    ANSWER(FILE_("", "<range offset='x' length='5'/>") CHOICE(S5B)),
    ANSWER(FILE_("", "<range offset='1023'/>") CHOICE(S5B)),
    ANSWER(FILE_("", "<range length='1023'/>") CHOICE(S5B)),
    ANSWER(FILE_("", "<range length='-1'/>") CHOICE(S5B)),
    ANSWER(FILE_("", "<range offset='1000' length='23'/>") CHOICE(S5B)),
    ANSWER(FILE_("", "<range offset='1' length='18446744073709551615'/>") CHOICE(S5B)),
    ANSWER(FILE_("", "<range offset='18446744073709551616'/>") CHOICE(S5B)),
};

START_TEST(refuses_answers_that_choose_nothing_or_what_is_not_there)
{
    ck_assert_ptr_null(parse_answer(no_answers[_i], TRUE, 1022, BOTH));
}
END_TEST

START_TEST(takes_only_what_it_offered)
{
    g_autoptr(BsSi) si = parse_answer(ANSWER("<si-multiple xmlns='" MULTIPLE "'><value>" S5B
                                             "</value><value>" IBB "</value></si-multiple>"),
                                      FALSE, 3, ONLY_IN_BAND);

    ck_assert_ptr_nonnull(si);
    ck_assert_uint_eq(si->methods, ONLY_IN_BAND);
    ck_assert_int_eq(si->order[0], BS_SI_IN_BAND);
    ck_assert_ptr_null(parse_answer(ANSWER(CHOICE(S5B)), FALSE, 3, ONLY_IN_BAND));
    ck_assert_ptr_null(parse_answer(ANSWER(FILE_("", "<range offset='1'/>") CHOICE(S5B)), FALSE, 3, BOTH));
    ck_assert_ptr_null(parse_answer(ANSWER(FILE_("", "<range length='1'/>") CHOICE(S5B)), FALSE, 3, BOTH));
}
END_TEST

START_TEST(a_part_of_a_file_of_unknown_size)
{
    g_autoptr(BsSi) si =
        parse_answer(ANSWER(FILE_("", "<range offset='9223372036854775800' length='7'/>") CHOICE(S5B)), TRUE,
                     BS_SIZE_UNKNOWN, BOTH);

    ck_assert_ptr_nonnull(si);
    ck_assert_uint_eq(si->file->range_offset, 9223372036854775800u);
    ck_assert_ptr_null(
        parse_answer(ANSWER(FILE_("", "<range offset='9223372036854775800' length='8'/>") CHOICE(S5B)), TRUE,
                     BS_SIZE_UNKNOWN, BOTH));
}
END_TEST

/* Hostile offers. */

typedef struct {
    const char *xml;
    BsSiFault fault;
} BadOffer;

#define METHODS OPTIONS(OPTION(S5B) OPTION(IBB))

static const BadOffer bad_offers[] = {
    {OFFER(METHODS), BS_SI_MALFORMED},
    {OFFER("<file name='a' size='3'/>" METHODS), BS_SI_MALFORMED},
    {OFFER(PLAIN PLAIN METHODS), BS_SI_MALFORMED},
    {OFFER(PLAIN METHODS FILE_("name='b' size='3'", "")), BS_SI_MALFORMED},
    {OFFER(FILE_("name='a' size=''", "") METHODS), BS_SI_MALFORMED},
    {OFFER(FILE_("name='a' size='-1'", "") METHODS), BS_SI_MALFORMED},
    {OFFER(FILE_("name='a' size='3 bytes'", "") METHODS), BS_SI_MALFORMED},
    {OFFER(FILE_("name='a' size='0x10'", "") METHODS), BS_SI_MALFORMED},
    {OFFER(FILE_("name='a' size='9223372036854775808'", "") METHODS), BS_SI_MALFORMED},
    {OFFER(FILE_("name='a' size='99999999999999999999999999'", "") METHODS), BS_SI_MALFORMED},
    {SI("profile='" SI_FILE "'", PLAIN METHODS), BS_SI_MALFORMED},
    {SI("id='' profile='" SI_FILE "'", PLAIN METHODS), BS_SI_MALFORMED},
    {SI("id='a0'", PLAIN METHODS), BS_SI_OTHER_PROFILE},
    {SI("id='a0' profile=''", PLAIN METHODS), BS_SI_OTHER_PROFILE},
    {SI("id='a0' profile='http://telepathy.freedesktop.org/xmpp/tubes'", PLAIN METHODS), BS_SI_OTHER_PROFILE},
    {OFFER(PLAIN), BS_SI_NO_METHOD},
    {OFFER(PLAIN "<feature xmlns='http://jabber.org/protocol/feature-neg'/>"), BS_SI_NO_METHOD},
    {OFFER(PLAIN FORM("form", "")), BS_SI_NO_METHOD},
    {OFFER(PLAIN OPTIONS("")), BS_SI_NO_METHOD},
    {OFFER(PLAIN OPTIONS("<option/>")), BS_SI_NO_METHOD},
    {OFFER(PLAIN OPTIONS("<option><value/></option>")), BS_SI_NO_METHOD},
    {OFFER(PLAIN OPTIONS(OPTION("jabber:iq:oob"))), BS_SI_NO_METHOD},
    /* chosen already, and nothing to choose from */
    {OFFER(PLAIN CHOICE(S5B)), BS_SI_NO_METHOD},
    {OFFER(PLAIN FORM("form", "<field var='other' type='list-single'>" OPTION(S5B) "</field>")),
     BS_SI_NO_METHOD},
    {OFFER(PLAIN FORM("form", OPTION(S5B))), BS_SI_NO_METHOD},
    {OFFER(PLAIN "<x xmlns='jabber:x:data'><field var='stream-method'>" OPTION(S5B) "</field></x>"),
     BS_SI_NO_METHOD},
};

START_TEST(refuses_offers_that_cannot_be_taken)
{
    BsSiFault fault = BS_SI_FINE;

    ck_assert_ptr_null(parse_offer(bad_offers[_i].xml, &fault));
    ck_assert_int_eq(fault, bad_offers[_i].fault);
}
END_TEST

/* Each is as good as not there. */
static const char *const left_out[] = {
    "hash=''",
    "hash='zz2da749930852c69ae5d2141d3766b1'",
    "hash='552da749930852c69ae5d2141d3766b'",
    "hash='da39a3ee5e6b4b0d3255bfef95601890afd80709'",
    "date=''",
    "date='yesterday'",
    "date='2005-11-29'",
    "date='2005-13-29T11:21:00Z'",
    "date='999999999999-01-01T00:00:00Z'",
    "date='1969-07-21T02:56:15Z'",
};

START_TEST(leaves_out_what_is_malformed_and_optional)
{
    g_autofree char *xml =
        g_strdup_printf(OFFER("<file xmlns='" SI_FILE
                              "' name='a' size='3' %s><range offset='5' length='-1'/></file>" METHODS),
                        left_out[_i]);
    BsSiFault fault;
    g_autoptr(BsSi) si = parse_offer(xml, &fault);

    ck_assert_ptr_nonnull(si);
    ck_assert_uint_eq(si->file->hashes, 0);
    ck_assert_int_eq(si->file->date, -1);
    ck_assert(si->file->can_range);
    ck_assert_uint_eq(si->file->range_offset, 0);
    ck_assert_uint_eq(si->file->range_length, BS_SIZE_UNKNOWN);
}
END_TEST

START_TEST(reads_the_old_form_of_dates)
{
    BsSiFault fault;
    g_autoptr(BsSi) si =
        parse_offer(OFFER(FILE_("name='a' size='3' date='20020910T23:41:07'", "") METHODS), &fault);

    ck_assert_ptr_nonnull(si);
    ck_assert_int_eq(si->file->date, 1031701267);
}
END_TEST

START_TEST(takes_the_edges)
{
    BsSiFault fault;
    g_autoptr(BsSi) empty = parse_offer(OFFER(FILE_("name='' size='0'", "<desc> \n</desc>") METHODS), &fault);
    g_autoptr(BsSi) largest = parse_offer(OFFER(FILE_("size='9223372036854775807'", "") METHODS), &fault);
    g_autoptr(BsSi) path =
        parse_offer(OFFER(FILE_("name='../../etc/pass&#10;wd' size='1'", "") METHODS), &fault);

    ck_assert_ptr_nonnull(empty);
    ck_assert_ptr_null(empty->file->name);
    ck_assert_ptr_null(empty->file->desc);
    ck_assert_uint_eq(empty->file->size, 0);
    ck_assert_ptr_nonnull(largest);
    ck_assert_ptr_null(largest->file->name);
    ck_assert_uint_eq(largest->file->size, G_MAXINT64);
    ck_assert_ptr_nonnull(path);
    ck_assert_str_eq(path->file->name, "../../etc/pass\nwd");
}
END_TEST

/* `count` times `part`, around what is to be found before, or is too late after. */
static char *
long_offer(guint count, const char *part, const char *open, const char *close)
{
    g_autoptr(GString) xml =
        g_string_new("<si xmlns='http://jabber.org/protocol/si' id='a0' profile='" SI_FILE "'>" PLAIN
                     "<feature xmlns='http://jabber.org/protocol/feature-neg'>"
                     "<x xmlns='jabber:x:data' type='form'>");

    g_string_append(xml, open);
    for (guint i = 0; i < count; i++)
        g_string_append(xml, part);
    g_string_append(xml, close);
    g_string_append(xml, "</x></feature></si>");
    return g_string_free(g_steal_pointer(&xml), FALSE);
}

#define FIELD "<field var='stream-method' type='list-single'>"

START_TEST(a_thousand_options_are_not_read_to_the_end)
{
    g_autofree char *options = long_offer(1000, OPTION("x"), FIELD OPTION(IBB), OPTION(S5B) "</field>");
    g_autofree char *fields = long_offer(1000, FIELD OPTION("x") "</field>", FIELD OPTION(IBB) "</field>",
                                         FIELD OPTION(S5B) "</field>");
    g_autofree char *repeated = long_offer(1000, OPTION(S5B), FIELD, "</field>");
    BsSiFault fault;
    g_autoptr(BsSi) of_options = parse_offer(options, &fault);
    g_autoptr(BsSi) of_fields = parse_offer(fields, &fault);
    g_autoptr(BsSi) of_repeated = parse_offer(repeated, &fault);

    ck_assert_uint_eq(of_options->methods, ONLY_IN_BAND);
    ck_assert_uint_eq(of_fields->methods, ONLY_IN_BAND);
    ck_assert_uint_eq(of_repeated->methods, ONLY_BYTESTREAMS);
}
END_TEST

START_TEST(long_texts_are_cut_and_long_names_of_streams_refused)
{
    g_autofree char *text = g_strnfill(5000, 'a');
    g_autofree char *sid = g_strnfill(255, 's');
    g_autofree char *fitting = g_strdup_printf(
        SI("id='%s' profile='" SI_FILE "' mime-type='%s'",
           "<file xmlns='" SI_FILE "' name='%s\xc3\xa4' size='3'><desc>%s</desc></file>" METHODS),
        sid, text, text + 5000 - 1023, text);
    g_autofree char *long_sid = g_strdup_printf(SI("id='%ss' profile='" SI_FILE "'", PLAIN METHODS), sid);
    BsSiFault fault;
    g_autoptr(BsSi) si = parse_offer(fitting, &fault);

    ck_assert_ptr_nonnull(si);
    ck_assert_str_eq(si->sid, sid);
    ck_assert_uint_eq(strlen(si->file->name), 1023);
    ck_assert_uint_eq(strlen(si->file->desc), 1024);
    ck_assert_uint_eq(strlen(si->file->media_type), 1024);
    ck_assert_ptr_null(parse_offer(long_sid, &fault));
    ck_assert_int_eq(fault, BS_SI_MALFORMED);
}
END_TEST

/* What we write. */

static BsFileOffer *
full_file(void)
{
    BsFileOffer *file = bs_file_offer_new();

    file->name = g_strdup("a \"b\" <c> & \x01 ä.txt");
    file->size = (guint64)5 << 32;
    file->date = 1234567890;
    file->media_type = g_strdup("text/plain");
    file->desc = g_strdup("x <&>");
    file->can_range = TRUE;
    bs_file_offer_set_hash(file, BS_HASH_MD5, md5);
    return file;
}

/* As the peer gets it. */
static xmlnode *
over_the_wire(xmlnode *node)
{
    g_autofree char *text = xmlnode_to_str(node, NULL);

    xmlnode_free(node);
    return xmlnode_from_str(text, -1);
}

START_TEST(an_offer_survives_the_way)
{
    static const guint sets[] = {BOTH, ONLY_BYTESTREAMS, ONLY_IN_BAND};
    g_autoptr(BsFileOffer) file = full_file();
    g_autoptr(Node) node = over_the_wire(bs_si_build_offer("s1", file, sets[_i]));
    BsSiFault fault;
    g_autoptr(BsSi) si = bs_si_parse_offer(node, &fault);

    ck_assert_ptr_nonnull(si);
    ck_assert_str_eq(si->sid, "s1");
    ck_assert_str_eq(si->file->name, "a \"b\" <c> & \xef\xbf\xbd ä.txt");
    ck_assert_uint_eq(si->file->size, file->size);
    ck_assert_int_eq(si->file->date, 1234567890);
    ck_assert_str_eq(si->file->media_type, "text/plain");
    ck_assert_str_eq(si->file->desc, "x <&>");
    ck_assert(si->file->can_range);
    ck_assert_uint_eq(si->file->hashes, 1u << BS_HASH_MD5);
    ck_assert_mem_eq(si->file->hash_value[BS_HASH_MD5], md5, sizeof md5);
    ck_assert_uint_eq(si->methods, sets[_i]);
    ck_assert_int_eq(si->order[0], sets[_i] & ONLY_BYTESTREAMS ? BS_SI_BYTESTREAMS : BS_SI_IN_BAND);
    ck_assert(si->multiple);
}
END_TEST

static void
assert_written(xmlnode *node, const char *expected)
{
    g_autofree char *text = xmlnode_to_str(node, NULL);

    xmlnode_free(node);
    ck_assert_str_eq(text, expected);
}

/* To the letter, for clients that are particular: Psi and Gabble want the type of the field, QXmpp the form
 * as the first child. */
START_TEST(offers_are_written_as_the_specification_has_them)
{
    g_autoptr(BsFileOffer) file = bs_file_offer_new();

    file->name = g_strdup("test.txt");
    file->size = 1022;
    file->date = 301373775;
    file->can_range = TRUE;
    bs_file_offer_set_hash(file, BS_HASH_MD5, md5);
    assert_written(bs_si_build_offer("a0", file, BOTH),
                   "<si xmlns='http://jabber.org/protocol/si' id='a0' profile='" SI_FILE "'>"
                   "<file xmlns='" SI_FILE "' name='test.txt' size='1022' date='1979-07-21T02:56:15Z' "
                   "hash='" MD5_TEXT "'><range/></file>"
                   "<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' "
                   "type='form'><field var='stream-method' type='list-single'>" OPTION(S5B)
                       OPTION(IBB) "</field></x></feature><si-multiple xmlns='" MULTIPLE "'/></si>");
}
END_TEST

START_TEST(answers_choose_one_method)
{
    g_autoptr(BsFileOffer) file = full_file();

    assert_written(bs_si_build_answer(file, BOTH, FALSE),
                   "<si xmlns='http://jabber.org/protocol/si'>" CHOICE(S5B) "</si>");
    assert_written(bs_si_build_answer(file, ONLY_IN_BAND, FALSE),
                   "<si xmlns='http://jabber.org/protocol/si'>" CHOICE(IBB) "</si>");
    assert_written(bs_si_build_answer(file, BOTH, TRUE),
                   "<si xmlns='http://jabber.org/protocol/si'>" CHOICE(S5B) "<si-multiple xmlns='" MULTIPLE
                                                                            "'><value>" S5B
                                                                            "</value><value>" IBB
                                                                            "</value></si-multiple></si>");
}
END_TEST

START_TEST(an_answer_with_a_range_survives_the_way)
{
    g_autoptr(BsFileOffer) file = full_file();
    g_autoptr(Node) node = NULL;
    g_autoptr(BsSi) si = NULL;
    g_autofree char *text = NULL;

    file->range_offset = ((guint64)5 << 32) - 10;
    file->range_length = 7;
    node = over_the_wire(bs_si_build_answer(file, BOTH, _i != 0));
    si = bs_si_parse_answer(node, file, BOTH);
    ck_assert_ptr_nonnull(si);
    ck_assert_uint_eq(si->methods, _i != 0 ? BOTH : ONLY_BYTESTREAMS);
    ck_assert_uint_eq(si->file->range_offset, file->range_offset);
    ck_assert_uint_eq(si->file->range_length, 7);
    text = xmlnode_to_str(node, NULL);
    ck_assert_ptr_null(strstr(text, "desc"));
}
END_TEST

START_TEST(finds_its_own_elements)
{
    static const char *const ours[] = {OFFER(PLAIN METHODS), ANSWER(CHOICE(S5B))};
    static const char *const others[] = {
        "",
        "<si xmlns='other'/>",
        "<query xmlns='http://jabber.org/protocol/si'/>",
        SI("id='a0' profile='http://telepathy.freedesktop.org/xmpp/tubes'", ""),
        "<x xmlns='other'>" OFFER(PLAIN METHODS) "</x>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(ours) + G_N_ELEMENTS(others); i++) {
        gboolean own = i < G_N_ELEMENTS(ours);
        g_autofree char *xml = g_strdup_printf("<iq>%s</iq>", own ? ours[i] : others[i - G_N_ELEMENTS(ours)]);
        g_autoptr(Node) iq = xmlnode_from_str(xml, -1);

        ck_assert((bs_si_element(iq) != NULL) == own);
    }
}
END_TEST

START_TEST(faults_have_their_errors)
{
    const char *type;
    const char *condition;
    const char *specific;

    bs_si_fault_reply(BS_SI_MALFORMED, &type, &condition, &specific);
    ck_assert_str_eq(type, "modify");
    ck_assert_str_eq(condition, "bad-request");
    ck_assert_ptr_null(specific);
    bs_si_fault_reply(BS_SI_OTHER_PROFILE, &type, &condition, &specific);
    ck_assert_str_eq(type, "modify");
    ck_assert_str_eq(condition, "bad-request");
    ck_assert_str_eq(specific, "bad-profile");
    bs_si_fault_reply(BS_SI_NO_METHOD, &type, &condition, &specific);
    ck_assert_str_eq(type, "cancel");
    ck_assert_str_eq(condition, "bad-request");
    ck_assert_str_eq(specific, "no-valid-streams");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("stream_initiation");
    TCase *tcase = tcase_create("stream_initiation");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, reads_the_offers_of_clients, 0, G_N_ELEMENTS(offers));
    tcase_add_loop_test(tcase, reads_the_answers_of_clients, 0, G_N_ELEMENTS(answers));
    tcase_add_loop_test(tcase, refuses_answers_that_choose_nothing_or_what_is_not_there, 0,
                        G_N_ELEMENTS(no_answers));
    tcase_add_test(tcase, takes_only_what_it_offered);
    tcase_add_test(tcase, a_part_of_a_file_of_unknown_size);
    tcase_add_loop_test(tcase, refuses_offers_that_cannot_be_taken, 0, G_N_ELEMENTS(bad_offers));
    tcase_add_loop_test(tcase, leaves_out_what_is_malformed_and_optional, 0, G_N_ELEMENTS(left_out));
    tcase_add_test(tcase, reads_the_old_form_of_dates);
    tcase_add_test(tcase, takes_the_edges);
    tcase_add_test(tcase, a_thousand_options_are_not_read_to_the_end);
    tcase_add_test(tcase, long_texts_are_cut_and_long_names_of_streams_refused);
    tcase_add_loop_test(tcase, an_offer_survives_the_way, 0, 3);
    tcase_add_test(tcase, offers_are_written_as_the_specification_has_them);
    tcase_add_test(tcase, answers_choose_one_method);
    tcase_add_loop_test(tcase, an_answer_with_a_range_survives_the_way, 0, 2);
    tcase_add_test(tcase, finds_its_own_elements);
    tcase_add_test(tcase, faults_have_their_errors);
    suite_add_tcase(suite, tcase);
    srunner_set_fork_status(runner, CK_NOFORK);
    bs_test_purple_start();
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    bs_test_purple_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
