/* Names that nobody can guess: for sessions, streams, candidates and requests.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_RANDOM_ID_H
#define BS_RANDOM_ID_H

/* 32 hexadecimal digits from a cryptographic source, newly allocated. */
char *bs_random_id(void);

#endif
