/* Whose addresses are told to whom: the user's preference, his contact list and the account's proxy settings
 * in one answer. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_HOST_DISCLOSURE_H
#define BS_HOST_DISCLOSURE_H

#include "transport/transport.h"

/* What the full JID `peer` may learn in a transfer with `account`, by the settings of this moment. Contacts
 * are those of the account's own list, whichever of their resources it is, and our other resources; never the
 * occupants of a room. A BsDisclosurePolicy. */
BsDisclosure bs_disclosure_to(PurpleAccount *account, const char *peer);

/* TRUE if the full JID `peer` is one of these contacts or other resources. A BsThumbnailPolicy. */
gboolean bs_disclosure_is_contact(PurpleAccount *account, const char *peer);

#endif
