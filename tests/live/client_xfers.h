/* The test client's window of file transfers: numbers them, reports what becomes of them, and can move the
 * bytes itself as a UI with ui_read and ui_write does. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_LIVE_CLIENT_XFERS_H
#define BS_LIVE_CLIENT_XFERS_H

#include <ft.h>

/* The core's ui_init. `own_io`: the UI reads and writes the files itself. */
void client_xfers_init(gboolean own_io);

/* Offers a file as a user does who drags it onto a contact. */
void client_xfers_send(PurpleConnection *gc, const char *who, const char *path);

/* Presses the stop button of transfer `id`. FALSE if there is no such transfer, or it is over. */
gboolean client_xfers_cancel(guint id);

/* How many transfers libpurple still has. */
guint client_xfers_count(void);

/* One event "xfer" with stage "left" for each that libpurple still has. */
void client_xfers_report_left(void);

/* Whether the window makes thumbnails of what is sent; it does unless it is told otherwise. */
void client_xfers_make_thumbnails(gboolean yes);

#endif
