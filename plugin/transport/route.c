/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/route.h"

#include <string.h>

#include "log.h"

static const char *
dialler_of(const BsRoute *route)
{
    if (route->type == BS_CANDIDATE_PROXY)
        return "both";
    return route->dialled_by_us ? "us" : "the peer";
}

void
bs_route_nominate(BsRoute *route, const char *id, const BsCandidate *candidate, gboolean dialled_by_us)
{
    memset(route, 0, sizeof *route);
    route->type = candidate->type;
    route->dialled_by_us = dialled_by_us || candidate->type == BS_CANDIDATE_PROXY;
    g_strlcpy(route->host, candidate->host, sizeof route->host);
    route->port = candidate->port;
    route->ipv6 = strchr(candidate->host, ':') != NULL;
    bs_log(id, "nominated: %s %s port %u, dialled by %s", bs_candidate_type_name(candidate->type),
           candidate->host, candidate->port, dialler_of(route));
}
