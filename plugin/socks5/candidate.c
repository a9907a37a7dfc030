/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/candidate.h"

#include <string.h>

#include "random_id.h"
#include "socks5/ip_address.h"
#include "stanza/allowances.h"
#include "stream/digest.h"

#define HOST_NAME_MAX_LENGTH 253
#define LABEL_MAX_LENGTH 63

#define LOCAL_PREFERENCE_BEST 49152

static const struct {
    const char *name;
    guint preference; /* XEP-0260, 2.2 */
} types[] = {
    [BS_CANDIDATE_DIRECT] = {"direct", 126},
    [BS_CANDIDATE_ASSISTED] = {"assisted", 120},
    [BS_CANDIDATE_TUNNEL] = {"tunnel", 110},
    [BS_CANDIDATE_PROXY] = {"proxy", 10},
};

BsCandidate *
bs_candidate_new(BsCandidateType type, const char *cid, const char *jid, const char *host, guint16 port,
                 guint32 priority)
{
    BsCandidate *candidate = g_new0(BsCandidate, 1);

    candidate->type = type;
    candidate->cid = g_strdup(cid);
    candidate->jid = g_strdup(jid);
    candidate->host = g_strdup(host);
    candidate->port = port;
    candidate->priority = priority;
    return candidate;
}

BsCandidate *
bs_candidate_copy(const BsCandidate *candidate)
{
    return bs_candidate_new(candidate->type, candidate->cid, candidate->jid, candidate->host, candidate->port,
                            candidate->priority);
}

void
bs_candidate_free(BsCandidate *candidate)
{
    if (candidate == NULL)
        return;
    g_free(candidate->cid);
    g_free(candidate->jid);
    g_free(candidate->host);
    g_free(candidate);
}

const char *
bs_candidate_type_name(BsCandidateType type)
{
    return types[type].name;
}

gboolean
bs_candidate_type_from_name(const char *name, BsCandidateType *type)
{
    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        if (g_strcmp0(name, types[i].name) == 0) {
            *type = (BsCandidateType)i;
            return TRUE;
        }
    }
    return FALSE;
}

/* Others use 0, small numbers, and 32768 downwards: with what is above them no tie comes about, and of two
 * direct connections it is the one that the peer dialled which counts. */
static guint
best_local_preference(void)
{
    bs_allow(BS_ALLOW_REVERSED_TIE);
    bs_allow(BS_ALLOW_ONLY_ITS_OWN_DIAL);
    return LOCAL_PREFERENCE_BEST;
}

guint32
bs_candidate_priority(BsCandidateType type, gboolean initiator, guint index)
{
    /* Steps of two, so that one party has the even numbers and the other the odd ones. */
    guint local_preference = best_local_preference() - 2 * index + (initiator ? 0 : 1);

    g_return_val_if_fail(index < 64, 1);
    return types[type].preference * 65536 + local_preference;
}

GPtrArray *
bs_candidates_gather(const GPtrArray *addresses, guint16 port, const char *own_jid, gboolean initiator)
{
    GPtrArray *candidates = g_ptr_array_new_with_free_func((GDestroyNotify)bs_candidate_free);

    for (guint i = 0; i < addresses->len && i < BS_CANDIDATES_GATHERED_MAX; i++) {
        g_autofree char *cid = bs_random_id();

        g_ptr_array_add(candidates,
                        bs_candidate_new(BS_CANDIDATE_DIRECT, cid, own_jid, addresses->pdata[i], port,
                                         bs_candidate_priority(BS_CANDIDATE_DIRECT, initiator, i)));
    }
    return candidates;
}

gboolean
bs_candidates_contain(const GPtrArray *candidates, const char *host, guint16 port)
{
    for (guint i = 0; i < candidates->len; i++) {
        const BsCandidate *candidate = candidates->pdata[i];

        if (candidate->port == port && bs_ip_same_host(candidate->host, host))
            return TRUE;
    }
    return FALSE;
}

BsCandidate *
bs_candidates_find(const GPtrArray *candidates, const char *cid)
{
    for (guint i = 0; i < candidates->len; i++) {
        BsCandidate *candidate = candidates->pdata[i];

        if (cid != NULL && g_strcmp0(candidate->cid, cid) == 0)
            return candidate;
    }
    return NULL;
}

static gint
compare_priority(gconstpointer one, gconstpointer other)
{
    const BsCandidate *one_candidate = *(BsCandidate *const *)one;
    const BsCandidate *other_candidate = *(BsCandidate *const *)other;

    return (one_candidate->priority < other_candidate->priority) -
           (one_candidate->priority > other_candidate->priority);
}

void
bs_candidates_sort(GPtrArray *candidates)
{
    g_ptr_array_sort(candidates, compare_priority);
}

static gboolean
is_legal_label(const char *label)
{
    gsize length = strlen(label);

    if (length == 0 || length > LABEL_MAX_LENGTH || label[0] == '-' || label[length - 1] == '-')
        return FALSE;
    for (; *label != '\0'; label++)
        if (!g_ascii_isalnum(*label) && *label != '-')
            return FALSE;
    return TRUE;
}

/* The resolver reads "127.1", "0177.0.0.1" and "0x7f000001" as addresses. No name in the DNS ends in such a
 * label. */
static gboolean
is_number(const char *label)
{
    const char *rest = label + strspn(label, "0123456789");

    if (*rest == '\0')
        return TRUE;
    if (rest != label + 1 || *label != '0' || (*rest != 'x' && *rest != 'X'))
        return FALSE;
    return rest[1 + strspn(rest + 1, "0123456789abcdefABCDEF")] == '\0';
}

static gboolean
is_legal_name(char *const *labels, guint count)
{
    for (guint i = 0; i < count; i++)
        if (!is_legal_label(labels[i]))
            return FALSE;
    return count > 0 && !is_number(labels[count - 1]);
}

/* Loopback leads to this machine. That is where the peer is if it has an address of ours, and nowhere else
 * can it be if we have no other address. */
static const char *
loopback_refusal(const BsCandidate *candidate, const GPtrArray *peer_candidates,
                 const GPtrArray *own_addresses)
{
    gboolean has_address = FALSE;

    if (own_addresses == NULL)
        return "loopback, which would be the user's proxy itself";
    for (guint i = 0; i < own_addresses->len; i++) {
        BsIpAddress own;

        if (!bs_ip_parse(own_addresses->pdata[i], &own) || bs_ip_kind(&own) == BS_IP_LOOPBACK)
            continue;
        has_address = TRUE;
        for (guint j = 0; j < peer_candidates->len; j++) {
            const BsCandidate *other = peer_candidates->pdata[j];

            if (other != candidate && bs_ip_same_host(other->host, own_addresses->pdata[i]))
                return NULL;
        }
    }
    return has_address ? "loopback, but the peer is not on this machine" : NULL;
}

static const char *
link_local_refusal(const BsIpAddress *address, const GPtrArray *own_addresses)
{
    if (own_addresses == NULL)
        return "a link-local address, which would be a neighbour of the user's proxy";
    if (address->is_ipv6)
        return address->scope[0] != '\0' ? NULL : "a link-local address without a scope";
    for (guint i = 0; i < own_addresses->len; i++) {
        BsIpAddress own;

        if (bs_ip_parse(own_addresses->pdata[i], &own) && !own.is_ipv6 &&
            bs_ip_kind(&own) == BS_IP_LINK_LOCAL)
            return NULL;
    }
    return "a link-local address, but we have none";
}

static const char *
address_refusal(const BsCandidate *candidate, const BsIpAddress *address, const GPtrArray *peer_candidates,
                const GPtrArray *own_addresses)
{
    switch (bs_ip_kind(address)) {
    case BS_IP_GLOBAL:
    case BS_IP_UNIQUE_LOCAL:
        return NULL;
    case BS_IP_LINK_LOCAL:
        return link_local_refusal(address, own_addresses);
    case BS_IP_LOOPBACK:
        return loopback_refusal(candidate, peer_candidates, own_addresses);
    case BS_IP_UNSPECIFIED:
        return "an unspecified address";
    case BS_IP_MULTICAST:
        return "a multicast address";
    case BS_IP_RESERVED:
        return "a broadcast or reserved address";
    }
    return "an unknown kind of address";
}

static const char *
name_refusal(const BsCandidate *candidate, const GPtrArray *peer_candidates, const GPtrArray *own_addresses)
{
    g_auto(GStrv) labels = NULL;
    guint count;

    if (strlen(candidate->host) > HOST_NAME_MAX_LENGTH)
        return "not a legal host name";
    labels = g_strsplit(candidate->host, ".", -1);
    count = g_strv_length(labels);
    /* A name may end in the dot of the root. */
    if (count > 1 && labels[count - 1][0] == '\0')
        count--;
    if (!is_legal_name(labels, count))
        return "not a legal host name";
    if (g_ascii_strcasecmp(labels[count - 1], "localhost") == 0)
        return loopback_refusal(candidate, peer_candidates, own_addresses);
    return NULL;
}

const char *
bs_candidate_refusal(const BsCandidate *candidate, const GPtrArray *peer_candidates,
                     const GPtrArray *own_addresses)
{
    BsIpAddress address;

    if (candidate->port == 0)
        return "port 0";
    if (bs_ip_parse(candidate->host, &address))
        return address_refusal(candidate, &address, peer_candidates, own_addresses);
    if (candidate->host == NULL)
        return "not a legal host name";
    return name_refusal(candidate, peer_candidates, own_addresses);
}

char *
bs_dst_addr(const char *sid, const char *requester, const char *target)
{
    g_autofree char *text = g_strconcat(sid, requester, target, NULL);

    return bs_digest_sha1_hex(text);
}
