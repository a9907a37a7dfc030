# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs inside Gajim, as a plugin of it: signs its account on, accepts what is offered, sends what it is told to. What
happens is told as lines of JSON; what it is told are such lines, too."""

import json
import os
import sys
import threading
import traceback

from gajim.common import app, ged
from gajim.common.file_props import FilesProp
from gajim.common.structs import PresenceData
from gajim.plugins import GajimPlugin
from gi.repository import GLib
from nbxmpp.const import PresenceShow
from nbxmpp.namespaces import Namespace
from nbxmpp.protocol import JID

from .mends import mend

CONFIG = json.loads(os.environ["BS_GAJIM_CONFIG"])
CONTROL = int(os.environ["BS_GAJIM_CONTROL"])
PROBES_MAX = 60

lock = threading.Lock()


def tell(event, **fields):
    line = json.dumps({"event": event, **fields}) + "\n"
    with lock:
        os.write(CONTROL, line.encode())


def exception(kind, value, trace):
    tell("exception", kind=kind.__name__, text=str(value), at=traceback.format_tb(trace)[-1].strip())


class Driver(GajimPlugin):
    def init(self):
        for name in CONFIG["mend"]:
            mend(name)
        self.description = "drives file transfers"
        self.config_dialog = None
        self.client = None
        self.heard = b""
        self.ended = set()
        self.moved = {}
        last = ged.POSTGUI
        self.events_handlers = {
            "signed-in": (last, self.signed_in),
            "plain-connection": (last, lambda event: event.connect()),
            "file-request-received": (last, self.offered),
            "file-completed": (last, lambda event: self.end(event.file_props, "completed", None)),
            "file-error": (last, lambda event: self.may_have_failed(event.file_props)),
            "file-hash-error": (last, lambda event: self.end(event.file_props, "failed", "the hash differs")),
            "file-send-error": (last, lambda event: self.end(event.file_props, "failed", "it could not be sent")),
            "file-request-error": (last, lambda event: self.end(event.file_props, "failed", "the offer was not taken")),
        }

    def activate(self):
        sys.excepthook = exception
        threading.excepthook = lambda it: exception(it.exc_type, it.exc_value, it.exc_traceback)
        GLib.io_add_watch(CONTROL, GLib.IOCondition.IN | GLib.IOCondition.HUP, self.told)
        tell("ready", version=app.version)

    # What it is told

    def told(self, _fd, _condition):
        data = os.read(CONTROL, 65536)
        if not data:
            app.app.start_shutdown()
            return False
        *lines, self.heard = (self.heard + data).split(b"\n")
        for line in lines:
            command = json.loads(line)
            if command["do"] == "quit":
                app.app.start_shutdown()
            else:
                self.probe(command, 0)
        return True

    def signed_in(self, event):
        self.client = event.conn
        own = str(self.client.get_own_jid())
        queue = app.socks5queue
        progress = queue.progress_transfer_cb

        def progressed(account, props):
            self.moved[props.sid] = props.received_len
            return progress(account, props)

        queue.progress_transfer_cb = progressed
        if CONFIG["proxy"]:
            app.proxy65_manager.resolve(CONFIG["proxy"], self.client.connection, own, default=self.client.account,
                                        testit=False)
        tell("online", jid=own)

    # Sending, as its own window does

    def probe(self, command, tries):
        """Gajim asks for the features of resources only whose presence it has."""
        self.client.get_module("Discovery").disco_info(JID.from_string(command["to"]), callback=self.probed,
                                                       user_data=(command, tries))

    def probed(self, task):
        command, tries = task.get_user_data()
        try:
            info = task.finish()
        except Exception as error:  # of any of nbxmpp's kinds
            if tries < PROBES_MAX:
                GLib.timeout_add(500, lambda: self.probe(command, tries + 1) and False)
            else:
                tell("failed", sent=True, why="the peer does not answer: %s" % error)
            return
        jid = JID.from_string(command["to"])
        app.storage.cache.set_last_disco_info(jid, info, cache_only=True)
        contact = self.client.get_module("Contacts").get_contact(jid)
        if not contact.is_available:
            contact.update_presence(PresenceData(PresenceShow.ONLINE, "", 0, None, True))
        if not contact.supports(Namespace.JINGLE_FILE_TRANSFER_5):
            tell("failed", sent=True, why="Gajim offers no files to this peer")
            return
        taken = app.interface.instances["file_transfers"].send_file(
            self.client.account, self.client.get_module("Contacts").get_contact(jid.bare), jid, command["path"], "")
        if not taken:
            tell("failed", sent=True, why="Gajim does not want to send this file")

    # Receiving

    def offered(self, event):
        props = event.file_props
        tell("offered", name=props.name, size=props.size)
        contact = self.client.get_module("Contacts").get_contact(event.jid)
        path = os.path.join(CONFIG["folder"], os.path.basename(props.name))
        app.interface.instances["file_transfers"]._start_receive(path, self.client.account, contact, props)

    # The end

    def end(self, props, event, why):
        if props.sid in self.ended:
            return False
        self.ended.add(props.sid)
        tell(event, sent=props.type_ == "s", name=props.name, bytes=props.received_len, why=why)
        return False

    def may_have_failed(self, props):
        """Gajim also says so when a connection that was not nominated is closed: the file may still come."""
        moved = self.moved.get(props.sid)

        def look_again():
            if props.sid not in self.ended and self.moved.get(props.sid) == moved:
                self.end(props, "failed", "an error")
            return props.sid not in self.ended

        GLib.timeout_add(5000, look_again)
