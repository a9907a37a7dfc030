/* Which of two connections carries the file: a pure function of what both parties reported (XEP-0260, 2.4).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_NOMINATION_H
#define BS_NOMINATION_H

#include <glib.h>

typedef enum {
    BS_REPORT_NONE,  /* nothing reported yet */
    BS_REPORT_USED,  /* candidate-used */
    BS_REPORT_ERROR, /* candidate-error */
} BsReportKind;

/* What one party said of the other's candidates. */
typedef struct {
    BsReportKind kind;
    guint32 priority; /* of the candidate used */
} BsReport;

typedef enum {
    BS_NOMINATED_NOT_YET,
    BS_NOMINATED_OUR_CHOICE,   /* the candidate of the peer's that we reported */
    BS_NOMINATED_THEIR_CHOICE, /* the candidate of ours that the peer reported */
    BS_NOMINATED_NEITHER,      /* S5B has failed */
} BsNominated;

/* `initiator`: we are the Jingle initiator, whose choice decides between equal priorities. */
BsNominated bs_nominate(const BsReport *ours, const BsReport *theirs, gboolean initiator);

#endif
