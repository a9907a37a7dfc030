/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transfer/stream_initiation.h"

#include <string.h>

#include "stanza/allowances.h"
#include "stanza/xml.h"

#define NS_FEATURE_NEGOTIATION "http://jabber.org/protocol/feature-neg"
#define NS_DATA_FORM "jabber:x:data"
/* Not in any specification: the other party may choose several methods. */
#define NS_SI_MULTIPLE "http://telepathy.freedesktop.org/xmpp/si-multiple"

/* Longer names of streams are refused, in bytes. */
#define SID_MAX 255
/* No more of a peer's list is looked at. */
#define METHODS_LISTED_MAX 64

static const char *const method_names[] = {
    [BS_SI_BYTESTREAMS] = "http://jabber.org/protocol/bytestreams",
    [BS_SI_IN_BAND] = "http://jabber.org/protocol/ibb",
};

void
bs_si_free(BsSi *si)
{
    if (si == NULL)
        return;
    g_free(si->sid);
    bs_file_offer_free(si->file);
    g_free(si);
}

static BsSi *
new_si(void)
{
    BsSi *si = g_new0(BsSi, 1);

    si->file = bs_file_offer_new();
    return si;
}

const xmlnode *
bs_si_element(const xmlnode *iq)
{
    xmlnode *element = bs_xml_child(iq, "si", BS_NS_SI);
    const char *profile = element != NULL ? xmlnode_get_attrib(element, "profile") : NULL;

    return profile == NULL || strcmp(profile, BS_NS_SI_FILE) == 0 ? element : NULL;
}

/* Methods. */

/* Takes the method that `node`, a <value/>, names, if it is one of `known`. */
static void
take_method(BsSi *si, const xmlnode *node, guint known)
{
    g_autofree char *name = bs_xml_text(node);

    for (guint method = 0; method < BS_SI_METHOD_COUNT; method++) {
        if (strcmp(name, method_names[method]) != 0 || !(known & ~si->methods & 1u << method))
            continue;
        si->order[__builtin_popcount(si->methods)] = (BsSiMethod)method;
        si->methods |= 1u << method;
    }
}

/* The methods listed in the children of `parent`: <value/>s, or <option/>s with one each. */
static void
take_methods(BsSi *si, const xmlnode *parent, const char *name, guint known)
{
    const char *xmlns = xmlnode_get_namespace((xmlnode *)parent);
    guint listed = 0;

    for (xmlnode *node = bs_xml_first_element(parent); node != NULL && listed < METHODS_LISTED_MAX;
         node = bs_xml_next_element(node)) {
        const xmlnode *value;

        if (!bs_xml_is(node, name, xmlns))
            continue;
        value = strcmp(name, "value") == 0 ? node : bs_xml_child(node, "value", xmlns);
        if (value != NULL)
            take_method(si, value, known);
        listed++;
    }
}

/* The methods in the form of `element`: as options of an offer, as values of an answer. libpurple reads
 * several fields with a value each, so an answer may be made like that. */
static void
take_form(BsSi *si, const xmlnode *element, const char *name, guint known)
{
    const xmlnode *feature = bs_xml_child(element, "feature", NS_FEATURE_NEGOTIATION);
    const xmlnode *form = feature != NULL ? bs_xml_child(feature, "x", NS_DATA_FORM) : NULL;
    guint fields = 0;

    if (form == NULL)
        return;
    for (xmlnode *field = bs_xml_first_element(form); field != NULL && fields < METHODS_LISTED_MAX;
         field = bs_xml_next_element(field)) {
        if (!bs_xml_is(field, "field", NS_DATA_FORM) ||
            g_strcmp0(xmlnode_get_attrib(field, "var"), "stream-method") != 0)
            continue;
        take_methods(si, field, name, known);
        fields++;
    }
}

static const xmlnode *
list_of_methods(const xmlnode *element)
{
    const xmlnode *multiple = bs_xml_child(element, "si-multiple", NS_SI_MULTIPLE);

    return multiple != NULL && bs_allow(BS_ALLOW_SI_SEVERAL_METHODS) ? multiple : NULL;
}

/* The file. */

static char *
take_text(const char *text)
{
    return text != NULL && *text != '\0' ? bs_xml_clip(text, BS_FILE_TEXT_MAX) : NULL;
}

static void
take_hash(const xmlnode *element, BsFileOffer *file)
{
    guint8 value[BS_DIGEST_MAX];

    if (bs_hash_parse(BS_HASH_MD5, xmlnode_get_attrib((xmlnode *)element, "hash"), value))
        bs_file_offer_set_hash(file, BS_HASH_MD5, value);
}

static const char *
media_type(const xmlnode *si, const xmlnode *element)
{
    const char *type = xmlnode_get_attrib((xmlnode *)si, "mime-type");
    const char *type_of_file = xmlnode_get_attrib((xmlnode *)element, "mime-type");

    return type == NULL && type_of_file != NULL && bs_allow(BS_ALLOW_SI_MEDIA_TYPE_OF_FILE) ? type_of_file
                                                                                            : type;
}

/* FALSE if it is malformed. */
static gboolean
take_file(const xmlnode *si, const xmlnode *element, BsFileOffer *file)
{
    const char *size = xmlnode_get_attrib((xmlnode *)element, "size");
    const xmlnode *desc = bs_xml_child(element, "desc", BS_NS_SI_FILE);

    if (size != NULL && !bs_xml_parse_uint64(size, 0, BS_FILE_SIZE_MAX, &file->size))
        return FALSE;
    file->name = take_text(xmlnode_get_attrib((xmlnode *)element, "name"));
    file->date = bs_xml_parse_date(xmlnode_get_attrib((xmlnode *)element, "date"));
    file->media_type = take_text(media_type(si, element));
    file->can_range = bs_xml_child(element, "range", BS_NS_SI_FILE) != NULL;
    file->thumbnail = bs_thumbnail_find(element);
    take_hash(element, file);
    if (desc != NULL) {
        g_autofree char *text = bs_xml_text(desc);

        file->desc = take_text(text);
    }
    return TRUE;
}

/* The only <file/>: what a user is asked about must be what is sent. */
static const xmlnode *
only_file(const xmlnode *element)
{
    const xmlnode *file = bs_xml_child(element, "file", BS_NS_SI_FILE);

    for (xmlnode *node = file != NULL ? bs_xml_next_element(file) : NULL; node != NULL;
         node = bs_xml_next_element(node))
        if (bs_xml_is(node, "file", BS_NS_SI_FILE))
            return NULL;
    return file;
}

/* The part of `offered` that the answer asks for; FALSE if it may not ask for that. */
static gboolean
take_range(const xmlnode *element, const BsFileOffer *offered, BsFileOffer *file)
{
    const xmlnode *answered = bs_xml_child(element, "file", BS_NS_SI_FILE);
    xmlnode *range = answered != NULL ? bs_xml_child(answered, "range", BS_NS_SI_FILE) : NULL;
    const char *offset = range != NULL ? xmlnode_get_attrib(range, "offset") : NULL;
    const char *length = range != NULL ? xmlnode_get_attrib(range, "length") : NULL;
    guint64 size = offered->size != BS_SIZE_UNKNOWN ? offered->size : BS_FILE_SIZE_MAX;

    if (offset != NULL && !bs_xml_parse_uint64(offset, 0, size, &file->range_offset))
        return FALSE;
    if (length != NULL && !bs_xml_parse_uint64(length, 0, size - file->range_offset, &file->range_length))
        return FALSE;
    if (file->range_length == 0 && bs_allow(BS_ALLOW_SI_LENGTH_OF_NOTHING))
        file->range_length = BS_SIZE_UNKNOWN;
    return offered->can_range || (file->range_offset == 0 && file->range_length == BS_SIZE_UNKNOWN);
}

/* Reading. */

static BsSiFault
read_offer(const xmlnode *element, BsSi *si)
{
    const char *profile = xmlnode_get_attrib((xmlnode *)element, "profile");
    const char *sid = xmlnode_get_attrib((xmlnode *)element, "id");
    const xmlnode *file = only_file(element);

    if (g_strcmp0(profile, BS_NS_SI_FILE) != 0)
        return BS_SI_OTHER_PROFILE;
    if (sid == NULL || *sid == '\0' || strlen(sid) > SID_MAX)
        return BS_SI_MALFORMED;
    if (file == NULL || !take_file(element, file, si->file))
        return BS_SI_MALFORMED;
    si->sid = g_strdup(sid);
    si->multiple = list_of_methods(element) != NULL;
    take_form(si, element, "option", ~0u);
    return si->methods != 0 ? BS_SI_FINE : BS_SI_NO_METHOD;
}

BsSi *
bs_si_parse_offer(const xmlnode *element, BsSiFault *fault)
{
    g_autoptr(BsSi) si = new_si();

    *fault = read_offer(element, si);
    return *fault == BS_SI_FINE ? g_steal_pointer(&si) : NULL;
}

BsSi *
bs_si_parse_answer(const xmlnode *element, const BsFileOffer *file, guint methods)
{
    g_autoptr(BsSi) si = new_si();
    const xmlnode *multiple = list_of_methods(element);

    if (multiple != NULL)
        take_methods(si, multiple, "value", methods);
    take_form(si, element, "value", methods);
    if (si->methods == 0 || !take_range(element, file, si->file))
        return NULL;
    return g_steal_pointer(&si);
}

/* Writing. */

static void
set_number(xmlnode *node, const char *name, guint64 number)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, number);

    bs_xml_set_attrib(node, name, text);
}

/* XEP-0096 has hexadecimal digits. */
static void
add_hash(xmlnode *node, const BsFileOffer *file)
{
    g_autoptr(GString) digits = g_string_new(NULL);

    if (!(file->hashes & 1u << BS_HASH_MD5))
        return;
    for (gsize i = 0; i < bs_hash_length(BS_HASH_MD5); i++)
        g_string_append_printf(digits, "%02x", file->hash_value[BS_HASH_MD5][i]);
    bs_xml_set_attrib(node, "hash", digits->str);
}

static void
add_file(xmlnode *element, const BsFileOffer *file)
{
    xmlnode *node = bs_xml_add_child(element, "file", BS_NS_SI_FILE);
    g_autofree char *date = file->date >= 0 ? bs_xml_format_date(file->date) : NULL;

    bs_xml_set_attrib(node, "name", file->name);
    if (file->size != BS_SIZE_UNKNOWN)
        set_number(node, "size", file->size);
    if (date != NULL)
        bs_xml_set_attrib(node, "date", date);
    add_hash(node, file);
    if (file->desc != NULL)
        bs_xml_add_text(node, "desc", file->desc);
    if (file->can_range)
        bs_xml_add_text(node, "range", NULL);
}

static void
add_range(xmlnode *element, const BsFileOffer *file)
{
    xmlnode *range;

    if (file->range_offset == 0 && file->range_length == BS_SIZE_UNKNOWN)
        return;
    range = bs_xml_add_text(bs_xml_add_child(element, "file", BS_NS_SI_FILE), "range", NULL);
    if (file->range_offset > 0)
        set_number(range, "offset", file->range_offset);
    if (file->range_length != BS_SIZE_UNKNOWN)
        set_number(range, "length", file->range_length);
}

/* The field for the methods, in a form of that type. */
static xmlnode *
add_field(xmlnode *element, const char *form_type)
{
    xmlnode *feature = bs_xml_add_child(element, "feature", NS_FEATURE_NEGOTIATION);
    xmlnode *form = bs_xml_add_child(feature, "x", NS_DATA_FORM);
    xmlnode *field = bs_xml_add_text(form, "field", NULL);

    bs_xml_set_attrib(form, "type", form_type);
    bs_xml_set_attrib(field, "var", "stream-method");
    return field;
}

xmlnode *
bs_si_build_offer(const char *sid, const BsFileOffer *file, guint methods)
{
    xmlnode *element = xmlnode_new("si");
    xmlnode *field;

    xmlnode_set_namespace(element, BS_NS_SI);
    bs_xml_set_attrib(element, "id", sid);
    bs_xml_set_attrib(element, "profile", BS_NS_SI_FILE);
    if (file->media_type != NULL)
        bs_xml_set_attrib(element, "mime-type", file->media_type);
    add_file(element, file);
    field = add_field(element, "form");
    bs_xml_set_attrib(field, "type", "list-single");
    for (guint method = 0; method < BS_SI_METHOD_COUNT; method++)
        if (methods & 1u << method)
            bs_xml_add_text(bs_xml_add_text(field, "option", NULL), "value", method_names[method]);
    bs_xml_add_child(element, "si-multiple", NS_SI_MULTIPLE);
    return element;
}

xmlnode *
bs_si_build_answer(const BsFileOffer *file, guint methods, gboolean multiple)
{
    xmlnode *element = xmlnode_new("si");
    xmlnode *field;
    xmlnode *list;

    xmlnode_set_namespace(element, BS_NS_SI);
    add_range(element, file);
    field = add_field(element, "submit");
    bs_xml_add_text(field, "value",
                    method_names[methods & 1u << BS_SI_BYTESTREAMS ? BS_SI_BYTESTREAMS : BS_SI_IN_BAND]);
    if (!multiple)
        return element;
    list = bs_xml_add_child(element, "si-multiple", NS_SI_MULTIPLE);
    for (guint method = 0; method < BS_SI_METHOD_COUNT; method++)
        if (methods & 1u << method)
            bs_xml_add_text(list, "value", method_names[method]);
    return element;
}

void
bs_si_fault_reply(BsSiFault fault, const char **type, const char **condition, const char **specific)
{
    *type = fault == BS_SI_NO_METHOD ? "cancel" : "modify";
    *condition = "bad-request";
    *specific = NULL;
    if (fault == BS_SI_NO_METHOD)
        *specific = "no-valid-streams";
    else if (fault == BS_SI_OTHER_PROFILE)
        *specific = "bad-profile";
}
