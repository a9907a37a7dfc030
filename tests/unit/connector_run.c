/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "connector_run.h"

#include <check.h>
#include <sys/socket.h>
#include <unistd.h>

#include "purple_env.h"

#define PATIENCE 60 /* seconds, against hangs */

const char *const both_dsts[] = {FIRST_DST, OTHER_DST, NULL};

static void
connected(BsConnector *connector, const BsCandidate *candidate, int fd, gpointer data)
{
    Run *run = data;

    ck_assert_ptr_eq(connector, run->connector);
    run->connected++;
    run->told = TRUE;
    run->fd = fd;
    if (run->frees_inside)
        bs_connector_free(g_steal_pointer(&run->connector));
    run->cid = candidate->cid[0];
}

static void
exhausted(BsConnector *connector, gpointer data)
{
    Run *run = data;

    ck_assert_ptr_eq(connector, run->connector);
    run->exhausted++;
    run->told = TRUE;
    if (run->frees_inside)
        bs_connector_free(g_steal_pointer(&run->connector));
}

const BsConnectorEvents connector_events = {.connected = connected, .exhausted = exhausted};

Run *
run_new_with(const char *const *dst_addrs)
{
    Run *run = g_new0(Run, 1);

    run->fd = -1;
    run->connector = bs_connector_new("t1", NULL, dst_addrs, &connector_events, run);
    return run;
}

Run *
run_new(void)
{
    return run_new_with(both_dsts);
}

void
run_free(Run *run)
{
    bs_connector_free(run->connector);
    if (run->fd >= 0)
        close(run->fd);
    g_free(run);
}

void
add_port(Run *run, BsCandidateType type, char cid, guint16 port, guint32 priority)
{
    const char text[] = {cid, '\0'};
    g_autoptr(BsCandidate) candidate = bs_candidate_new(type, text, NULL, "127.0.0.1", port, priority);

    bs_connector_add(run->connector, candidate);
}

void
add(Run *run, const Server *server, guint32 priority)
{
    add_port(run, BS_CANDIDATE_DIRECT, server->mark, server->port, priority);
}

void
wait_for(const gboolean *condition)
{
    ck_assert(bs_test_run_until(condition, PATIENCE));
}

void
wait_for_exhausted(Run *run)
{
    guint before = run->exhausted;

    wait_for(&run->told);
    run->told = FALSE;
    ck_assert_uint_eq(run->exhausted, before + 1);
    ck_assert_uint_eq(run->connected, 0);
}

void
wait_for_connected(Run *run, const Server *server)
{
    char byte = 0;

    wait_for(&run->told);
    ck_assert_uint_eq(run->connected, 1);
    ck_assert_int_eq(run->cid, server->mark);
    ck_assert_int_eq(recv(run->fd, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, server->mark);
}
