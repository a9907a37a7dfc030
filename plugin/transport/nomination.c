/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "transport/nomination.h"

BsNominated
bs_nominate(const BsReport *ours, const BsReport *theirs, gboolean initiator)
{
    if (ours->kind == BS_REPORT_NONE || theirs->kind == BS_REPORT_NONE)
        return BS_NOMINATED_NOT_YET;
    if (ours->kind == BS_REPORT_ERROR && theirs->kind == BS_REPORT_ERROR)
        return BS_NOMINATED_NEITHER;
    if (ours->kind == BS_REPORT_ERROR)
        return BS_NOMINATED_THEIR_CHOICE;
    if (theirs->kind == BS_REPORT_ERROR)
        return BS_NOMINATED_OUR_CHOICE;
    if (ours->priority == theirs->priority)
        return initiator ? BS_NOMINATED_OUR_CHOICE : BS_NOMINATED_THEIR_CHOICE;
    return ours->priority > theirs->priority ? BS_NOMINATED_OUR_CHOICE : BS_NOMINATED_THEIR_CHOICE;
}
