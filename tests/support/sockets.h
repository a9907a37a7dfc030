/* Connected sockets for tests. What cannot be had fails the test.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_TEST_SOCKETS_H
#define BS_TEST_SOCKETS_H

/* The two ends of a connection, which belong to the caller; of the second kind over loopback. */
void unix_pair(int fds[2]);
void tcp_pair(int fds[2]);

/* Closes an end so that the other side is told of a reset. */
void reset_connection(int fd);

#endif
