/* A PurpleXfer and its transfer, tied to each other: what libpurple and its UI see of our transfers.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_XFER_H
#define BS_XFER_H

#include <ft.h>

#include "host/connection.h"

void bs_xfers_start(void);

/* Cancels what is running, with a notice to the user, and lets go of everything else. Connections must still
 * be there. */
void bs_xfers_stop(void);

/* Sends `file` to `who`, a full or bare JID; NULL asks the user for a file. The PurpleXfer is made at once;
 * to whom it goes, and in which way, is found out when the file is known. */
void bs_xfer_send_file(BsConnection *connection, const char *who, const char *file);

/* An xfer for sending, not requested yet (new_xfer of PurplePluginProtocolInfo). */
PurpleXfer *bs_xfer_new(BsConnection *connection, const char *who);

/* A peer offers a file: asks the user. */
void bs_xfer_offered(BsConnection *connection, BsTransfer *transfer);

/* The connection is about to end: cancels its xfers, with a notice to the user. */
void bs_xfers_connection_closing(BsConnection *connection);

/* A transfer that goes on, of the file at `path`, or that is to stand there: it gets an xfer without a
 * question. */
void bs_xfer_resumed(BsConnection *connection, BsTransfer *transfer, const char *path);

#endif
