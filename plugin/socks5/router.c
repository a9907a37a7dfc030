/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "socks5/router.h"

#include <poll.h>

BsRouterWait
bs_router_wait(int fd, int stop, gint64 until)
{
    /* poll() leaves out what is negative. */
    struct pollfd polled[] = {{.fd = stop, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    for (;;) {
        gint64 left = until - g_get_monotonic_time();
        int milliseconds = (int)CLAMP((left + 999) / 1000, 0, G_MAXINT);
        int ready = poll(polled, G_N_ELEMENTS(polled), milliseconds);

        if (ready > 0 && polled[0].revents != 0)
            return BS_ROUTER_STOPPED;
        if (ready > 0)
            return BS_ROUTER_READY;
        if (left <= 0)
            return BS_ROUTER_LATE;
    }
}
