/* What other people's clients are allowed against the specifications, or need beyond them: one row for each
 * in the table of allowances.c, which says who needs it, why, how it is recognised, and where it is tested.
 * The specified behaviour is the rule; where the code departs from it, it names the row.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_ALLOWANCES_H
#define BS_ALLOWANCES_H

#include <glib.h>

typedef enum {
    BS_ALLOW_CANDIDATE_WITHOUT_JID,
    BS_ALLOW_PRIORITY_0,
    BS_ALLOW_REVERSED_TIE,
    BS_ALLOW_ONLY_ITS_OWN_DIAL,
    BS_ALLOW_ANOTHER_STREAM_ID,
    BS_ALLOW_CANDIDATE_ACTIVATED,
    BS_ALLOW_CONTENT_WITHOUT_CREATOR,
    BS_ALLOW_ACCEPTED_TOGETHER,
    BS_ALLOW_EMPTY_ANSWER,
    BS_ALLOW_OFFER_SENT_BACK,
    BS_ALLOW_RANGE_WITHOUT_REQUESTS,
    BS_ALLOW_REASON_WITH_UNDERSCORE,
    BS_ALLOW_DATE_WITHOUT_ZONE,
    BS_ALLOW_DATE_WITH_TWO_ZONES,
    BS_ALLOW_MISNAMED_MEDIA_TYPE,
    BS_ALLOW_OLD_THUMBNAIL_TYPE,
    BS_ALLOW_SI_LENGTH_OF_NOTHING,
    BS_ALLOW_SI_NO_SIZE_WITHOUT_BYTES,
    BS_ALLOW_SI_MEDIA_TYPE_OF_FILE,
    BS_ALLOW_SI_CLOSED_BEFORE_OPEN,
    BS_ALLOW_SI_GOES_IN_BAND,
    BS_ALLOW_SI_METHODS_UNANNOUNCED,
    BS_ALLOW_SI_SEVERAL_METHODS,
    BS_ALLOW_SI_FAST_MODE,
    BS_ALLOW_SI_FEW_HOSTS,
    BS_ALLOW_SI_PROXY_MARKED,
    BS_ALLOW_SI_REAL_JID,
    BS_ALLOW_SI_NOT_REACHED,
    BS_ALLOW_SI_NOT_REACHED_UNSAID,
    BS_ALLOW_SI_ONE_METHOD,
    BS_ALLOW_NEW_OFFER_IN_BAND,
    BS_ALLOW_EITHER_ORDER,
    BS_ALLOW_SESSION_ID_IN_DST_ADDR,
    BS_ALLOW_ANOTHER_BOUND_ADDRESS,
    BS_ALLOW_REPLY_WITHOUT_ADDRESS,
    BS_ALLOW_UNPROMISED_HASH,
    BS_ALLOW_UNWRAPPED_SEQUENCE,
    BS_ALLOW_RECEIVED_BEFORE_TAIL,
    BS_ALLOW_CLOSE_UNANSWERED,
    BS_ALLOW_WHOLE_WHEN_ENDED,
    BS_ALLOW_NO_LAST_WORD,
    BS_ALLOW_LATE_LISTENER,
    BS_ALLOW_ONLY_IN_BAND_PROPOSED,
    BS_ALLOW_NEW_SESSION_IN_BAND,
    BS_ALLOW_OFFER_NEVER_SHOWN,
    BS_ALLOW_PROXY_ERROR_WITH_CID,
    BS_ALLOW_CHOICE_FORGOTTEN,
    BS_ALLOW_MAPPED_AS_DIRECT,
    BS_ALLOW_NO_EARLY_CANDIDATES,
    BS_ALLOW_PROXIES_BY_ADDRESS,
    BS_ALLOW_SHA1_IN_OLD_VERSIONS,
    BS_ALLOWANCE_COUNT,
} BsAllowance;

typedef struct {
    const char *name;       /* BS_ALLOW_... */
    const char *clients;    /* who needs it */
    const char *departure;  /* what they do, or what is done for them */
    const char *reason;     /* the specification's word on it, and why it is allowed all the same */
    const char *recognised; /* by what; all others are treated strictly */
    const char *where;      /* the file below plugin/ that allows it */
    const char *test;       /* the file below tests/ ... */
    const char *test_case;  /* ... and what stands there for it */
} BsAllowanceRow;

/* The row; static. */
const BsAllowanceRow *bs_allowance(BsAllowance allowance);

/* The code makes use of it: always TRUE. The debug window is told when that happens for the first time. */
gboolean bs_allow(BsAllowance allowance);

/* TRUE if that has happened. */
gboolean bs_allowance_was_used(BsAllowance allowance);

#endif
