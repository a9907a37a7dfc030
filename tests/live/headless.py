# SPDX-License-Identifier: GPL-2.0-or-later
"""The headless libpurple client (client.c) as a Python object."""

import json
import os
import signal
import subprocess
import threading
import time

from prosody import DOMAIN, PASSWORD

PATIENCE = float(os.environ.get("BS_PATIENCE", "90"))  # seconds after which a test is taken to hang


class Gone(Exception):
    """The client has ended unexpectedly, or what was waited for did not come."""


def escape(field):
    return field.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


class Client:
    """One process with one or more accounts. `prefix` is put before the command (nsenter, valgrind ...)."""

    def __init__(self, program, folder, prefix=(), own_io=False):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.downloads = os.path.join(folder, "downloads")
        self.log = os.path.join(folder, "log.txt")
        os.makedirs(self.downloads, exist_ok=True)
        self.events = []
        self._news = threading.Condition()
        self._closed = False
        command = list(prefix) + [program, os.path.join(folder, "purple")] + (["--own-io"] if own_io else [])
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            env=self._environment(),
                                            start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _environment(self):
        """libpurple asks GStreamer for microphones and cameras, whose plugins leave threads and memory behind."""
        return {**os.environ, "LC_ALL": "C.UTF-8", "GST_PLUGIN_SYSTEM_PATH_1_0": "",
                "GST_REGISTRY": os.path.join(self.folder, "gstreamer")}

    def _read(self):
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "noise", "text": repr(line)}
            event["at"] = time.monotonic()
            with self._news:
                self.events.append(event)
                self._news.notify_all()
        with self._news:
            self._closed = True
            self._news.notify_all()

    def tell(self, *fields):
        """Gives a command."""
        line = "\t".join(escape(str(field)) for field in fields) + "\n"
        try:
            self.process.stdin.write(os.fsencode(line))
            self.process.stdin.flush()
        except OSError as error:
            raise Gone("the client is gone: %s" % error) from error

    def now(self):
        """A place in the history of events, for `since`."""
        with self._news:
            return len(self.events)

    def wait(self, event, since=0, patience=None, where=None, **match):
        """The first event of that name from place `since` on whose values agree with `match` and `where`."""
        deadline = time.monotonic() + (patience or PATIENCE)
        position = since
        with self._news:
            while True:
                while position < len(self.events):
                    candidate = self.events[position]
                    position += 1
                    if candidate["event"] == "refused" and event != "refused":
                        raise Gone("the client cannot do %r" % candidate["command"])
                    if (candidate["event"] == event and all(candidate.get(k) == v for k, v in match.items())
                            and (where is None or where(candidate))):
                        return candidate
                left = deadline - time.monotonic()
                if self._closed:
                    raise Gone("the client ended while waiting for %s %s" % (event, match))
                if left <= 0:
                    raise Gone("no %s %s within %d s" % (event, match, patience or PATIENCE))
                self._news.wait(left)

    def all(self, event, since=0, **match):
        """All such events until now."""
        with self._news:
            return [e for e in self.events[since:]
                    if e["event"] == event and all(e.get(k) == v for k, v in match.items())]

    # What a user does

    def account(self, user, server, resource="home", address=None, proxies=None):
        """Adds an account (a name, of the domain `DOMAIN` if without), which signs on at the server (reached under
        `address`); returns its full JID once it is online."""
        name = "%s/%s" % (user if "@" in user else "%s@%s" % (user, DOMAIN), resource)
        since = self.now()
        self.tell("account", name, PASSWORD, address or server.address, server.port, *([proxies] if proxies else []))
        return self.wait("online", since, account=name)["jid"]

    def load(self, file):
        since = self.now()
        self.tell("load", file)
        self.wait("loaded", since, file=file)

    def unload(self, file):
        since = self.now()
        self.tell("unload", file)
        self.wait("unloaded", since, file=file)

    def always(self, answer, folder=None):
        self.tell("always", answer, folder or self.downloads)
        self.state()  # what comes over the network from now on finds it so

    def send(self, account, who, path):
        """Offers a file; returns its transfer's id."""
        since = self.now()
        self.tell("send", account, who, path)
        return self.wait("xfer", since, stage="new", direction="send", account=account)["id"]

    def stage(self, xfer, stage, since=0, patience=None):
        return self.wait("xfer", since, patience, id=xfer, stage=stage)

    def moved(self, xfer, count):
        """Waits until so many bytes of a transfer have moved."""
        return self.wait("xfer", where=lambda e: e["id"] == xfer and e["stage"] == "progress" and e["sent"] >= count)

    def incoming(self, since=0):
        """The id of the next offer."""
        return self.wait("xfer", since, stage="new", direction="receive")["id"]

    def knows(self, account, full_jid, feature, yes=True):
        """Waits until libpurple has learned that a contact's client has a feature, or (not `yes`) has it no more."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            since = self.now()
            self.tell("contact-has", account, full_jid, feature)
            if self.wait("contact-has", since)["yes"] == yes:
                return
            time.sleep(0.02)
        raise Gone("%s never learned whether %s has %s" % (account, full_jid, feature))

    def state(self):
        token = str(self.now())
        self.tell("state", token)
        return self.wait("state", token=token)

    def story(self):
        """The plugin's lines in the debug window."""
        return [e["text"] for e in self.all("debug")]

    # The end

    def quit(self):
        """Ends it as a user does; returns the event "end" and the exit status."""
        try:
            self.tell("quit")
            end = self.wait("end")
        except Gone:
            end = None
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            status = None
        self._finish()
        return end, status

    def kill(self):
        """Ends it and its children at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._finish()

    def _finish(self):
        self._reader.join(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:
                pass

    def survivors(self):
        """Processes of its session that are still there."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(int(pid))
        return found
