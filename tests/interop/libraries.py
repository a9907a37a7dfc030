# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of the project's own that are made with other people's libraries: qxmpp_client.cpp, gloox_client.cpp."""

import os

import driven


class LibraryClient(driven.Driven):
    """`jid` has a resource. `further`: the program's last arguments."""

    def __init__(self, folder, program, jid, password, server, further, prefix=()):
        super().__init__(folder, jid)
        self._start([*prefix, program, jid, password, server.address, str(server.port), self.downloads, *further],
                    dict(os.environ, HOME=folder), "BS_CONTROL")
