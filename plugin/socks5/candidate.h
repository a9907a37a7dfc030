/* Candidates: the addresses that two parties try (XEP-0260, 2.1 and 2.2). Gathering, priority, and which are
 * refused. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_CANDIDATE_H
#define BS_CANDIDATE_H

#include <glib.h>

/* At most this many of a peer's candidates are tried; the rest is ignored, lowest priority first. */
#define BS_CANDIDATES_MAX 20

/* At most this many of our own direct candidates are offered: room for others stays among those that a peer
 * tries. */
#define BS_CANDIDATES_GATHERED_MAX 12

typedef enum {
    BS_CANDIDATE_DIRECT,
    BS_CANDIDATE_ASSISTED,
    BS_CANDIDATE_TUNNEL,
    BS_CANDIDATE_PROXY,
} BsCandidateType;

typedef struct {
    char *cid;
    char *jid; /* NULL where a peer left it out */
    char *host;
    guint16 port;
    guint32 priority;
    BsCandidateType type;
} BsCandidate;

BsCandidate *bs_candidate_new(BsCandidateType type, const char *cid, const char *jid, const char *host,
                              guint16 port, guint32 priority);
BsCandidate *bs_candidate_copy(const BsCandidate *candidate);
void bs_candidate_free(BsCandidate *candidate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BsCandidate, bs_candidate_free)

/* "direct", "assisted", "tunnel", "proxy", and back. */
const char *bs_candidate_type_name(BsCandidateType type);
gboolean bs_candidate_type_from_name(const char *name, BsCandidateType *type);

/* The priority of the `index`th candidate (0 is the best) of its type: 2^16 * type preference + local
 * preference (XEP-0260, 2.2). The local preferences of an initiator and a responder are never the same, nor
 * those that other clients use (0, small numbers, and 32768 downwards), so that ties do not come about.
 * `index` is below 64. */
guint32 bs_candidate_priority(BsCandidateType type, gboolean initiator, guint index);

/* Our own direct candidates for `port`: one for each of the first BS_CANDIDATES_GATHERED_MAX `addresses`
 * (char *, best first), with fresh unguessable cids. Returns a GPtrArray of BsCandidate, highest priority
 * first, which frees them. bs_digest_init() comes before. */
GPtrArray *bs_candidates_gather(const GPtrArray *addresses, guint16 port, const char *own_jid,
                                gboolean initiator);

/* TRUE if a candidate of the array has this host (compared as an address where it is one) and port
 * (XEP-0260, 2.2: a responder must not offer a pair that the initiator offered). */
gboolean bs_candidates_contain(const GPtrArray *candidates, const char *host, guint16 port);

/* The candidate with this cid, owned by the array, or NULL. */
BsCandidate *bs_candidates_find(const GPtrArray *candidates, const char *cid);

/* Highest priority first; equal ones stay in their order. */
void bs_candidates_sort(GPtrArray *candidates);

/* NULL if a peer's candidate may be dialled, else the reason (a static string) why it makes no sense or could
 * be an attack: port 0; an unspecified, multicast, reserved or broadcast address; loopback ("localhost" too),
 * unless one of our own addresses stands among `peer_candidates` as well (the peer is on this machine) or we
 * have none but loopback; IPv6 link-local without a scope, IPv4 link-local unless we have such an address; a
 * name that is no legal host name, or that the resolver would take for an address ("127.1"). An IPv4 address
 * mapped into IPv6 counts as that address. Without `own_addresses` (NULL) it is another machine that will
 * connect, the user's proxy: no loopback or link-local address may be dialled then. */
const char *bs_candidate_refusal(const BsCandidate *candidate, const GPtrArray *peer_candidates,
                                 const GPtrArray *own_addresses);

/* The DST.ADDR of a stream (XEP-0065, 5.3.2): SHA-1 of sid, requester's and target's JIDs in 40 lower-case
 * digits. */
char *bs_dst_addr(const char *sid, const char *requester, const char *target);

#endif
