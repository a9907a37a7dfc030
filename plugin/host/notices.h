/* Every sentence that a user reads: what happened, and what to do about it. All are translated; char * are
 * newly allocated. Names and other people's words are made fit for one line of text; they are plain text,
 * never markup. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_NOTICES_H
#define BS_NOTICES_H

#include "transfer/transfer.h"

/* What ended a transfer on this side, or kept it from beginning, or is worth knowing meanwhile. */
typedef enum {
    BS_NOTICE_UNLOADED,           /* the plugin was switched off */
    BS_NOTICE_UNLOADED_FOR_NOW,   /* ... and the transfer goes on later */
    BS_NOTICE_SIGNED_OFF,         /* the account went offline */
    BS_NOTICE_SIGNED_OFF_FOR_NOW, /* ... and the transfer goes on later */
    BS_NOTICE_RECEIVING_GOES_ON,  /* where it was interrupted */
    BS_NOTICE_SENDING_GOES_ON,
    BS_NOTICE_NO_FILE,     /* nothing is there */
    BS_NOTICE_NOT_REGULAR, /* a folder or a device */
    BS_NOTICE_UNREADABLE,  /* the file cannot be opened */
    BS_NOTICE_UNWRITABLE,  /* the file cannot be saved there */
    BS_NOTICE_NO_ROOM,     /* the file does not fit there */
    BS_NOTICE_TOO_LARGE,   /* more bytes than libpurple can count on this machine */
    BS_NOTICE_UNABLE,      /* no program of the peer's takes files */
    BS_NOTICE_NOT_ONLINE,  /* nobody is there to take it */
    BS_NOTICE_SILENT,      /* the peer has not answered an offer yet */
    BS_NOTICE_NOT_SHOWN,   /* ... and its program (`detail`) is known not to show offers */
    BS_NOTICE_QUEUED,      /* nothing ended it: others are under way, and it waits */
    BS_NOTICE_HELD,        /* likewise: others of the same offer are undecided */
    BS_NOTICE_COUNT,
} BsNotice;

/* How a transfer ended. `alias` is the peer as the user knows it. */
char *bs_notice_of_end(const BsEnd *end, gboolean incoming, const char *alias, const char *file_name);

/* `detail` is the system's reason, or the peer's program, or NULL. */
char *bs_notice_of(BsNotice notice, const char *alias, const char *file_name, const char *detail);

/* Which way the bytes take: "Sent over a direct connection." */
char *bs_notice_of_route(const BsRoute *route, gboolean incoming);

/* The dialog that asks which of a contact's resources is meant: its title, its question, the button that goes
 * on, and an option. */
const char *bs_notice_choose_title(void);
char *bs_notice_choose_question(const char *alias);
const char *bs_notice_choose_field(void);
const char *bs_notice_choose_send(void);
const char *bs_notice_choose_cancel(void);
char *bs_notice_choose_option(const char *resource, int priority);

/* Unfinished files: what the menu calls them, and the dialog that lists them: an entry, of a file that comes
 * how much of it is there, in bytes; what can be done; and what is said if there are none. */
const char *bs_notice_unfinished_menu(void);
const char *bs_notice_unfinished_title(void);
const char *bs_notice_unfinished_explanation(void);
const char *bs_notice_unfinished_discard(void);
const char *bs_notice_unfinished_close(void);
const char *bs_notice_no_unfinished(void);

/* What becomes of a file of which a part is here. */
typedef enum {
    BS_UNFINISHED_GOES_ON,
    BS_UNFINISHED_WAITS,       /* its contact would be asked for the rest, if there were a place */
    BS_UNFINISHED_REFUSED,     /* its contact, who is online, does not give the rest */
    BS_UNFINISHED_NEEDS_OFFER, /* nobody gives the rest before offering the file once more */
} BsUnfinished;

/* A line of the list each, to be freed: of a file that comes, of which `there` of `size` bytes are here; of
 * one that is sent. */
char *bs_notice_unfinished(const char *file_name, const char *alias, guint64 there, guint64 size,
                           BsUnfinished what);
char *bs_notice_unfinished_sent(const char *file_name, const char *alias, guint64 size);

#endif
