#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the table of scenes (scenes.py), each in both directions of the file, in a small internet of its own.

One line for each; the last one reads "N passed, N failed, N skipped". Needs root, or a kernel that gives namespaces to
everybody; where there are none, all is skipped. BS_PATIENCE is the number of seconds after which a test is taken to
hang."""

import os
import re
import shutil
import sys
import tempfile
import time

import internet
import prosody
import runner
from case import KIB, MIB, Lab
from scenes import BY_NAME, REFERENCE, SCENES
from stage import Stage

TOOLS = ("ip", "nft", "nsenter", "miniupnpd")
DIRECTIONS = ("a to b", "b to a")
IN_BAND_SIZE = 64 * KIB  # through the server it takes its time


class Table:
    """The results of the rows."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.lab = Lab(os.path.abspath(options.build), folder)
        self.delay_program = os.path.join(os.path.abspath(options.build), "tests", "net", "delay")
        self.first_bytes = {}
        self._count = 0

    def run(self, scene, direction):
        """Returns True or False."""
        result = self._run_once(scene, direction)
        if result is not True or not scene.like:
            return result
        if (scene.like, direction) not in self.first_bytes:
            self._run_once(BY_NAME[scene.like], direction)
        late = self.late(scene, direction)
        if late is None or late <= scene.within:
            return late is not None
        print("  the first byte of %s, %s came %.1f s later than in the scene %s: once more"
              % (scene.name, direction, late, scene.like))
        self._run_once(BY_NAME[scene.like], direction)
        result = self._run_once(scene, direction)
        late = self.late(scene, direction)
        if result is True and late > scene.within:
            print("  and again: %.1f s" % late)
            return False
        return result

    def late(self, scene, direction):
        """By how many seconds the first byte came later than in the scene that it is to be like."""
        here, there = (self.first_bytes.get((name, direction)) for name in (scene.name, scene.like))
        return here - there if here is not None and there is not None else None

    def _run_once(self, scene, direction):
        def body(stage):
            a, b = stage.set_up()
            sender, receiver = (a, b) if direction == DIRECTIONS[0] else (b, a)
            stage.deliver(sender, receiver, stage.file("file.bin", IN_BAND_SIZE if scene.route == "in-band" else MIB))
            stage.check_route(a, b)
            stage.check_capture()
            self.first_bytes[scene.name, direction] = stage.first_byte(receiver)

        self._count += 1
        stage = Stage(self.lab, os.path.join(self.folder, "run%d" % self._count), self.delay_program, scene)
        return runner.attempt(stage, body, self.options.keep)

    def note(self, scene, direction):
        """What is told of a row's time."""
        first = self.first_bytes.get((scene.name, direction))
        reference = self.first_bytes.get((REFERENCE, direction))
        if first is None:
            return None
        text = "first byte after %.2f s" % first
        if reference is not None and scene.name != REFERENCE:
            text += ", %.1f times %s" % (first / reference, REFERENCE)
        return text


def run_all(options, reason):
    rows = [(scene, direction) for scene in SCENES for direction in DIRECTIONS
            if not options.only or re.search(options.only, name_of(scene, direction))]
    if options.list:
        print("\n".join("%-66s %s" % (name_of(*row), row[0].route) for row in rows))
        return 0
    tally = runner.Tally()
    if reason:
        for row in rows:
            tally.add(name_of(*row), reason, time.monotonic())
        tally.end()
        return 0
    began_all = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bytestreams-net-", ignore_cleanup_errors=True) as folder:
        table = Table(options, folder)
        for scene, direction in rows:
            began = time.monotonic()
            result = table.run(scene, direction)
            tally.add("%s -> %s" % (name_of(scene, direction), scene.route), result, began,
                      table.note(scene, direction))
    print("The table took %d s." % (time.monotonic() - began_all))
    tally.end()
    return 1 if tally.failed or not tally.passed else 0


def name_of(scene, direction):
    return "%s, %s" % (scene.name, direction)


def main():
    options = runner.parser(__doc__).parse_args()
    runner.end_tidily_when_interrupted()
    reason = None
    if not options.list:
        missing = [tool for tool in TOOLS if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None]
        reason = "not installed: " + ", ".join(missing) if missing else None
        if not reason and prosody.program() is None:
            reason = "not installed: prosody"
        if not reason:
            reason = internet.enter(os.path.abspath(__file__), sys.argv[1:])
            reason = reason and "namespaces are not to be had%s: %s" % (
                "" if os.geteuid() == 0 else " (this needs root)", reason)
    sys.exit(run_all(options, reason))


if __name__ == "__main__":
    main()
