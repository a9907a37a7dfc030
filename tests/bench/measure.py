# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: a scene of the small internet is set up anew for each measurement, with the plugin or without it."""

import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass

from stage import Stage

MB = 1000000
# Chat messages of one measurement, and the seconds between them. The first ones find a transfer that has just begun.
MESSAGES = 12
PAUSE = 0.5
ENDED = ("cancelled-here", "cancelled-there", "destroyed")


class NotMeasured(Exception):
    """The reason is the text."""


@dataclass(frozen=True)
class Chat:
    """How long chat messages took, in seconds: `alone` as a rule, `worst` while a file was on its way."""

    alone: float
    worst: float

    @property
    def late(self):
        return self.worst - self.alone


class Bench:
    """All measurements of a run; none is made twice. `runs` is how often each is repeated."""

    def __init__(self, lab, folder, delay_program, runs, keep=False):
        self.lab = lab
        self.folder = folder
        self.delay_program = delay_program
        self.runs = runs
        self.keep = keep
        self._known = {}
        self._count = 0

    def first_byte(self, scene, plugin, size=MB):
        """Seconds from the receiver's acceptance to the first byte: the median of the runs."""
        def body(stage, a, b):
            a.send(b, stage.file("file.bin", size))
            first_byte(b)
            stage.check_way(a, b)
            return stage.first_byte(b)

        return statistics.median(self._samples(body, scene, plugin, self.runs, size))

    def first_byte_of_second(self, scene, plugin):
        """The same for another file to the same contact, after a small one."""
        def body(stage, a, b):
            sent = a.send(b, stage.file("before.bin", MB // 100))
            got = b.client.incoming(0)
            # libpurple may lose it, as it sends before the proxy has activated the stream.
            stage.ended(a, sent)
            stage.ended(b, got)
            since = b.client.now()
            a.send(b, stage.file("file.bin", MB))
            first_byte(b, since)
            stage.check_way(a, b)
            return stage.first_byte(b, since)

        return statistics.median(self._samples(body, scene, plugin, self.runs))

    def whole_file(self, scene, plugin, size):
        """Seconds from the receiver's acceptance to the file's last byte."""
        def body(stage, a, b):
            source = stage.file("file.bin", size)
            stage.deliver(a, b, source)
            stage.check_way(a, b)
            return stage.first_byte(b) + last_byte(b, size)["at"] - first_byte(b)["at"]

        return self._samples(body, scene, plugin, 1, size)[0]

    def speed(self, scene, plugin, size, seconds=120, skip=0):
        """Bytes per second from the first byte on until the last one has come, or so many seconds later, without what
        came in the first `skip` seconds."""
        def body(stage, a, b):
            a.send(b, stage.file("file.bin", size))
            begin = first_byte(b)
            stage.check_way(a, b)
            end = progress_until(b, size, begin["at"] + skip + seconds)
            if skip:
                begin = [e for e in b.client.all("xfer", stage="progress") if e["at"] >= begin["at"] + skip][0]
            if end["at"] <= begin["at"]:
                raise NotMeasured("nothing came")
            return (end["sent"] - begin["sent"]) / (end["at"] - begin["at"])

        return self._samples(body, scene, plugin, 1, size, seconds, skip)[0]

    def chat(self, scene, plugin, size, pause=PAUSE):
        """How long chat messages take, from the sender of a file to its receiver: a Chat."""
        def body(stage, a, b):
            alone = statistics.median([message(a, b, "alone %d" % n) for n in range(5)])
            a.send(b, stage.file("file.bin", size))
            first_byte(b)
            stage.check_way(a, b)
            times = []
            for number in range(MESSAGES):
                if last_progress(b)["sent"] == size:
                    break
                times.append(message(a, b, "meanwhile %d" % number))
                time.sleep(pause)
            return Chat(alone, max(times))

        return self._samples(body, scene, plugin, 1, size, pause)[0]

    def _samples(self, body, scene, plugin, runs, *details):
        key = (body.__qualname__, scene, plugin) + details
        if key not in self._known:
            self._known[key] = [self._run(body, scene, plugin) for _ in range(runs)]
        return self._known[key]

    def _run(self, body, scene, plugin):
        self._count += 1
        stage = BenchStage(self.lab, os.path.join(self.folder, "run%d" % self._count), self.delay_program, scene)
        try:
            a, b = stage.set_up(plugin=plugin)
            return body(stage, a, b)
        except Exception as error:
            where = " (kept in %s)" % keep(stage) if self.keep else ""
            raise NotMeasured("%s%s" % (str(error).splitlines()[0] if str(error) else type(error).__name__, where)) \
                from error
        finally:
            stage.abandon()


class BenchStage(Stage):
    """A scene in which not everybody has the plugin."""

    def _build_homes(self):
        super()._build_homes()
        closed = self.scene.closed
        if closed:
            core = self.internet.core
            core.ip(*["address add %s/32 dev lo" % address for address in closed])
            self.at_end(lambda: core.ip(*["address delete %s/32 dev lo" % address for address in closed]))

    def check_way(self, a, b):
        """Asserts that the plugin has taken the route that the scene is for."""
        if self.with_plugin:
            self.check_route(a, b)


def keep(stage):
    kept = tempfile.mkdtemp(prefix="bytestreams-bench-")
    shutil.copytree(stage.folder, os.path.join(kept, "stage"), ignore=shutil.ignore_patterns("*.bin"))
    return kept


def message(sender, receiver, text):
    """Seconds that a chat message takes."""
    since = receiver.client.now()
    began = time.monotonic()
    sender.client.tell("say", sender.jid, receiver.bare, text)
    return receiver.client.wait("line", since, text=text, kind="message")["at"] - began


def first_byte(receiver, since=0):
    event = receiver.client.wait("xfer", since, direction="receive", where=lambda e: e["sent"] > 0 or e["stage"] in ENDED)
    if event["stage"] in ENDED:
        raise NotMeasured("the transfer has ended: %s" % event["stage"])
    return event


def last_byte(receiver, size):
    return receiver.client.wait("xfer", stage="progress", direction="receive", where=lambda e: e["sent"] == size)


def last_progress(receiver):
    return receiver.client.all("xfer", stage="progress", direction="receive")[-1]


def progress_until(receiver, size, deadline):
    """The receiver's progress when all has come, or at that time of the monotonic clock."""
    while True:
        last = last_progress(receiver)
        if last["sent"] == size or time.monotonic() >= deadline:
            return last
        time.sleep(0.05)
