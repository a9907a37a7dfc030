# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that is driven from inside: what happens in it comes as lines of JSON, and what it is told are such lines,
too."""

import json
import os
import socket
import subprocess
import threading
import time

import display

GRACE = 5  # seconds


class Driven:
    """`jid` has a resource. What the program says is in the file "log.txt" in the folder."""

    def __init__(self, folder, jid):
        self.jid = jid
        self.downloads = os.path.join(folder, "downloads")
        self.events = []
        self._news = threading.Condition()
        self._folder = folder
        self._process = None
        self.over = lambda: False
        os.makedirs(self.downloads)
        self._control, self._its = socket.socketpair()

    def _start(self, command, environment, control):
        """`control`: the variable that names the program's end of the connection."""
        environment[control] = str(self._its.fileno())
        with open(os.path.join(self._folder, "log.txt"), "wb") as log:
            self._process = display.start(command, env=environment, pass_fds=[self._its.fileno()], stdout=log,
                                          stderr=log, cwd=self._folder)
        self._its.close()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            with self._control.makefile("rb") as lines:
                for line in lines:
                    with self._news:
                        self.events.append(json.loads(line))
                        self._news.notify_all()
        except ConnectionResetError:  # it has ended without reading what it was told
            pass

    def wait(self, *names, patience=30):
        """The first event of one of these names that was not waited for yet; None if none comes. It comes soon if
        our transfer is `over`."""
        deadline = time.monotonic() + patience
        with self._news:
            while True:
                for event in self.events:
                    if event["event"] in names and not event.get("seen"):
                        event["seen"] = True
                        return event
                if self.over():
                    deadline = min(deadline, time.monotonic() + GRACE)
                left = deadline - time.monotonic()
                if left <= 0 or self._process.poll() is not None:
                    return None
                self._news.wait(min(left, 1))

    def _tell(self, command):
        self._control.sendall(json.dumps(command).encode() + b"\n")

    def send(self, to, path):
        self._tell({"do": "send", "to": to, "path": path})

    def stop(self):
        try:
            self._tell({"do": "quit"})
            self._process.wait(3)
        except (OSError, subprocess.TimeoutExpired):
            pass
        display.stop(self._process)
        self._control.close()


class DrivenWindows(Driven):
    """A desktop program, on a display of its own."""

    def __init__(self, folder, jid):
        super().__init__(folder, jid)
        self._display = display.Display(folder)

    def stop(self):
        super().stop()
        self._display.stop()
