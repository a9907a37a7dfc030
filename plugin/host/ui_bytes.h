/* A file's bytes by way of a UI that reads and writes files itself (the ui_read and ui_write of
 * PurpleXferUiOps): a source and a sink on libpurple's own machine, which moves a chunk whenever both the UI
 * and we are ready. SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BS_UI_BYTES_H
#define BS_UI_BYTES_H

#include <ft.h>

#include "stream/bytes.h"

typedef struct _BsUiBytes BsUiBytes;

/* The source or sink is ready again (bs_transfer_wake()), or the UI has taken something of a finished sink.
 * Comes from the event loop only. May free the object. */
typedef void (*BsUiBytesReady)(gpointer data);

/* TRUE if the UI of `xfer` moves the bytes itself. */
gboolean bs_ui_bytes_wanted(const PurpleXfer *xfer);

/* For `xfer` (borrowed) and a file of `size` bytes (BS_SIZE_UNKNOWN: nobody said). */
BsUiBytes *bs_ui_bytes_new(PurpleXfer *xfer, guint64 size, BsUiBytesReady ready, gpointer data);

/* At any moment; a source or sink that is left fails from now on. NULL is allowed. */
void bs_ui_bytes_free(BsUiBytes *bytes);

/* The one source, or the one sink, of the object. The sink keeps the last byte back until it is finished, so
 * that libpurple takes the file for complete only when it has been verified; it is finished when the UI may
 * have all, which takes it when it likes. */
BsSource *bs_ui_bytes_source(BsUiBytes *bytes);
BsSink *bs_ui_bytes_sink(BsUiBytes *bytes);

/* The xfer has been started: from now on bytes may move. */
void bs_ui_bytes_start(BsUiBytes *bytes);

/* TRUE if the sink is finished and the UI has taken every byte. */
gboolean bs_ui_bytes_drained(const BsUiBytes *bytes);

/* The bodies of the xfer's `read` and `write` operations. */
gssize bs_ui_bytes_read(BsUiBytes *bytes, guchar **buffer);
gssize bs_ui_bytes_write(BsUiBytes *bytes, const guchar *buffer, gsize size);

#endif
