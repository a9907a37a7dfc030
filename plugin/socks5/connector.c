/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/connector.h"

#include <eventloop.h>

#include "log.h"
#include "socks5/attempt.h"
#include "socks5/negotiation.h"
#include "stanza/allowances.h"
#include "timer.h"

#define MILLISECOND G_GINT64_CONSTANT(1000)
#define STAGGER (200 * MILLISECOND)
#define PROXY_DELAY (300 * MILLISECOND)
#define GRACE (300 * MILLISECOND)
/* Whoever is silent for so long after it was dialled is not waited for any more when another one is there. */
#define HEAD_START (500 * MILLISECOND)
#define NEVER G_MAXINT64

/* Who listens late is dialled again after so long. */
static const gint64 redial_after[] = {150 * MILLISECOND, 350 * MILLISECOND};

typedef enum {
    ENTRY_WAITS,
    ENTRY_RUNS,
    ENTRY_REFUSED, /* but is dialled once more */
    ENTRY_CONNECTED,
} EntryState;

/* A candidate that is still left: one that failed or was given up is removed at once. */
typedef struct {
    BsConnector *connector;
    BsCandidate *candidate;
    EntryState state;
    BsAttempt *attempt; /* while it runs */
    gint64 began;       /* its attempt, microseconds */
    guint redials;      /* so far */
    gint64 again_at;    /* ENTRY_REFUSED: when the next one is due, microseconds */
    int fd;             /* once connected, otherwise -1 */
} Entry;

struct _BsConnector {
    char *id;
    PurpleAccount *account;
    char **dst_addrs;
    BsConnectorEvents events;
    gpointer data;
    GPtrArray *entries; /* highest priority first */
    gboolean started;
    gboolean owes_exhausted; /* nobody has been told yet that nothing is left */
    gboolean won;
    gboolean redials_refused;
    gint64 above;      /* only priorities above this one are good enough */
    guint attempts;    /* so far */
    Entry *newest;     /* the attempt begun last, as long as it runs */
    gint64 newest_at;  /* when it began, microseconds */
    gint64 direct_at;  /* when the last one that is no proxy began */
    gint64 grace_ends; /* while one is connected, otherwise NEVER */
    guint timer;       /* for whatever is due next */
};

static void attempt_done(BsAttempt *attempt, int fd, gpointer data);

static void
entry_free(Entry *entry)
{
    if (entry->connector->newest == entry)
        entry->connector->newest = NULL;
    bs_attempt_free(entry->attempt);
    bs_socket_close(entry->fd);
    bs_candidate_free(entry->candidate);
    g_free(entry);
}

static Entry *
entry_new(BsConnector *connector, const BsCandidate *candidate)
{
    Entry *entry = g_new0(Entry, 1);

    entry->connector = connector;
    entry->candidate = bs_candidate_copy(candidate);
    entry->fd = -1;
    return entry;
}

static gboolean
is_proxy(const Entry *entry)
{
    return entry->candidate->type == BS_CANDIDATE_PROXY;
}

static Entry *
connected_entry(const BsConnector *connector)
{
    for (guint i = 0; i < connector->entries->len; i++) {
        Entry *entry = connector->entries->pdata[i];

        if (entry->state == ENTRY_CONNECTED)
            return entry;
    }
    return NULL;
}

static void
give_up_beaten(BsConnector *connector, gint64 priority, const Entry *except)
{
    for (guint i = connector->entries->len; i > 0; i--) {
        const Entry *entry = connector->entries->pdata[i - 1];

        if (entry != except && entry->candidate->priority <= priority)
            g_ptr_array_remove_index(connector->entries, i - 1);
    }
    if (connected_entry(connector) == NULL)
        connector->grace_ends = NEVER;
}

static void
give_up_waiting(BsConnector *connector)
{
    for (guint i = connector->entries->len; i > 0; i--) {
        const Entry *entry = connector->entries->pdata[i - 1];

        if (entry->state == ENTRY_WAITS || entry->state == ENTRY_REFUSED)
            g_ptr_array_remove_index(connector->entries, i - 1);
    }
}

static void
give_up_refused(BsConnector *connector)
{
    for (guint i = connector->entries->len; i > 0; i--) {
        const Entry *entry = connector->entries->pdata[i - 1];

        if (entry->state == ENTRY_REFUSED)
            g_ptr_array_remove_index(connector->entries, i - 1);
    }
}

/* The one to be dialled next: the best, but every proxy comes after all others. */
static Entry *
next_waiting(const BsConnector *connector)
{
    Entry *proxy = NULL;

    for (guint i = 0; i < connector->entries->len; i++) {
        Entry *entry = connector->entries->pdata[i];

        if (entry->state != ENTRY_WAITS)
            continue;
        if (!is_proxy(entry))
            return entry;
        if (proxy == NULL)
            proxy = entry;
    }
    return proxy;
}

static gboolean
direct_one_runs(const BsConnector *connector)
{
    for (guint i = 0; i < connector->entries->len; i++) {
        const Entry *entry = connector->entries->pdata[i];

        if (entry->state == ENTRY_RUNS && !is_proxy(entry))
            return TRUE;
    }
    return FALSE;
}

/* When `entry`, the next one, is to be dialled; in the past if that is overdue. */
static gint64
due_at(const BsConnector *connector, const Entry *entry)
{
    gint64 due = connector->newest != NULL ? connector->newest_at + STAGGER : 0;

    if (is_proxy(entry) && direct_one_runs(connector))
        due = MAX(due, connector->direct_at + PROXY_DELAY);
    return due;
}

static void
begin_attempt(BsConnector *connector, Entry *entry)
{
    entry->attempt = bs_attempt_new(connector->id, connector->account, entry->candidate,
                                    (const char *const *)connector->dst_addrs, attempt_done, entry);
    if (entry->attempt == NULL) {
        /* No other one would fare better. */
        bs_log_warning(connector->id, "no candidate can be dialled with these proxy settings");
        give_up_waiting(connector);
        return;
    }
    entry->state = ENTRY_RUNS;
    connector->attempts++;
    connector->newest = entry;
    connector->newest_at = entry->began = g_get_monotonic_time();
    if (!is_proxy(entry))
        connector->direct_at = connector->newest_at;
}

/* Dials again who refused, when that is due. Returns when the next one is, or NEVER. */
static gint64
begin_due_redials(BsConnector *connector)
{
    gint64 due = NEVER;

    for (guint i = 0; i < connector->entries->len; i++) {
        Entry *entry = connector->entries->pdata[i];

        if (entry->state != ENTRY_REFUSED)
            continue;
        if (entry->again_at <= g_get_monotonic_time())
            begin_attempt(connector, entry);
        else
            due = MIN(due, entry->again_at);
    }
    return due;
}

/* Dials what is due. Returns when the next one is, or NEVER. */
static gint64
begin_due_attempts(BsConnector *connector)
{
    gint64 again = begin_due_redials(connector);
    Entry *entry;

    while ((entry = next_waiting(connector)) != NULL) {
        gint64 due = due_at(connector, entry);

        if (due > g_get_monotonic_time())
            return MIN(due, again);
        begin_attempt(connector, entry);
    }
    return again;
}

static void
report_connected(BsConnector *connector, Entry *winner)
{
    g_autoptr(BsCandidate) candidate = g_steal_pointer(&winner->candidate);
    int fd = winner->fd;

    winner->fd = -1;
    connector->won = TRUE;
    g_ptr_array_set_size(connector->entries, 0);
    connector->events.connected(connector, candidate, fd, connector->data);
}

static gboolean advance_later(gpointer data);

static void
set_timer(BsConnector *connector, gint64 due)
{
    gint64 wait = due - g_get_monotonic_time();

    bs_timer_clear(&connector->timer);
    if (due != NEVER)
        connector->timer = purple_timeout_add(wait > 0 ? (guint)((wait + MILLISECOND - 1) / MILLISECOND) : 0,
                                              advance_later, connector);
}

/* Does all that can be done now. May free the connector, as it is here that events are called. */
static void
advance(BsConnector *connector)
{
    Entry *connected = connected_entry(connector);
    gint64 due;

    if (connected != NULL)
        give_up_refused(connector);
    if (connected != NULL &&
        (connector->entries->len == 1 || g_get_monotonic_time() >= connector->grace_ends)) {
        set_timer(connector, NEVER);
        report_connected(connector, connected);
        return;
    }
    due = begin_due_attempts(connector);
    set_timer(connector, MIN(due, connector->grace_ends));
    if (connector->entries->len == 0 && connector->owes_exhausted) {
        connector->owes_exhausted = FALSE;
        connector->events.exhausted(connector, connector->data);
    }
}

static gboolean
advance_later(gpointer data)
{
    BsConnector *connector = data;

    connector->timer = 0;
    advance(connector);
    return FALSE;
}

/* When all that are left and not connected will have had `time` for it; in the past if they have. */
static gint64
patience_ends(const BsConnector *connector, gint64 time)
{
    gint64 now = g_get_monotonic_time();
    gint64 end = 0;

    for (guint i = 0; i < connector->entries->len; i++) {
        const Entry *entry = connector->entries->pdata[i];

        if (entry->state != ENTRY_CONNECTED && entry->state != ENTRY_REFUSED)
            end = MAX(end, (entry->state == ENTRY_RUNS ? entry->began : now) + time);
    }
    return end;
}

/* A way that is better may be longer than the one that was found, to a proxy for example: up to twice as
 * long. */
static gint64
grace_for(const BsConnector *connector, const Entry *connected)
{
    gint64 now = g_get_monotonic_time();
    gint64 took = now - connected->began;

    return MIN(now + GRACE, patience_ends(connector, MAX(HEAD_START, 2 * took)));
}

static void
wake(BsConnector *connector)
{
    if (connector->started && !connector->won)
        set_timer(connector, 0);
}

/* Gajim listens when it has heard that we accept, which may be later than we dial. */
static gboolean
is_dialled_again(const Entry *entry, const BsAttempt *attempt)
{
    return entry->connector->redials_refused && !is_proxy(entry) && bs_attempt_was_refused(attempt) &&
           entry->redials < G_N_ELEMENTS(redial_after) && bs_allow(BS_ALLOW_LATE_LISTENER);
}

static void
attempt_done(BsAttempt *attempt, int fd, gpointer data)
{
    Entry *entry = data;
    BsConnector *connector = entry->connector;
    gboolean again = fd < 0 && is_dialled_again(entry, attempt);

    entry->attempt = NULL;
    bs_attempt_free(attempt);
    if (connector->newest == entry)
        connector->newest = NULL;
    if (again) {
        entry->state = ENTRY_REFUSED;
        entry->again_at = g_get_monotonic_time() + redial_after[entry->redials++];
    } else if (fd < 0) {
        g_ptr_array_remove(connector->entries, entry);
    } else {
        entry->state = ENTRY_CONNECTED;
        entry->fd = fd;
        give_up_beaten(connector, entry->candidate->priority, entry);
        if (connector->grace_ends == NEVER)
            connector->grace_ends = grace_for(connector, entry);
    }
    advance(connector);
}

BsConnector *
bs_connector_new(const char *id, PurpleAccount *account, const char *const *dst_addrs,
                 const BsConnectorEvents *events, gpointer data)
{
    BsConnector *connector = g_new0(BsConnector, 1);

    connector->id = g_strdup(id);
    connector->account = account;
    connector->dst_addrs = g_strdupv((char **)dst_addrs);
    connector->events = *events;
    connector->data = data;
    connector->entries = g_ptr_array_new_with_free_func((GDestroyNotify)entry_free);
    connector->above = -1;
    connector->grace_ends = NEVER;
    return connector;
}

void
bs_connector_redial_refused(BsConnector *connector)
{
    connector->redials_refused = TRUE;
}

static void
drop_the_worst_waiting(BsConnector *connector)
{
    for (guint i = connector->entries->len; i > 0; i--) {
        const Entry *entry = connector->entries->pdata[i - 1];

        if (entry->state == ENTRY_WAITS) {
            g_ptr_array_remove_index(connector->entries, i - 1);
            return;
        }
    }
}

static guint
count_waiting(const BsConnector *connector)
{
    guint count = 0;

    for (guint i = 0; i < connector->entries->len; i++)
        if (((const Entry *)connector->entries->pdata[i])->state == ENTRY_WAITS)
            count++;
    return count;
}

/* A candidate that cannot win any more is none that is left. */
static gboolean
is_beaten(const BsConnector *connector, const BsCandidate *candidate)
{
    const Entry *connected = connected_entry(connector);

    return candidate->priority <= connector->above ||
           (connected != NULL && candidate->priority <= connected->candidate->priority);
}

void
bs_connector_add(BsConnector *connector, const BsCandidate *candidate)
{
    guint place = 0;

    if (connector->won)
        return;
    connector->owes_exhausted = TRUE;
    if (!is_beaten(connector, candidate)) {
        while (place < connector->entries->len &&
               ((const Entry *)connector->entries->pdata[place])->candidate->priority >= candidate->priority)
            place++;
        g_ptr_array_insert(connector->entries, (gint)place, entry_new(connector, candidate));
        if (connector->attempts + count_waiting(connector) > BS_CANDIDATES_MAX)
            drop_the_worst_waiting(connector);
    }
    wake(connector);
}

void
bs_connector_start(BsConnector *connector)
{
    connector->started = TRUE;
    connector->owes_exhausted = TRUE;
    wake(connector);
}

void
bs_connector_only_above(BsConnector *connector, guint32 priority)
{
    connector->above = MAX(connector->above, (gint64)priority);
    give_up_beaten(connector, connector->above, NULL);
    wake(connector);
}

guint
bs_connector_time_left(const BsConnector *connector)
{
    gint64 left = patience_ends(connector, HEAD_START) - g_get_monotonic_time();

    return left > 0 ? (guint)((left + MILLISECOND - 1) / MILLISECOND) : 0;
}

void
bs_connector_free(BsConnector *connector)
{
    if (connector == NULL)
        return;
    set_timer(connector, NEVER);
    g_ptr_array_unref(connector->entries);
    g_strfreev(connector->dst_addrs);
    g_free(connector->id);
    g_free(connector);
}
