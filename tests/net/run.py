#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the table of scenes (scenes.py), each in both directions of the file, in small internets of their own: four rows
at a time, since what they do is wait.

One line for each; the last one reads "N passed, N failed, N skipped". Needs root, or a kernel that gives namespaces to
everybody; where there are none, all is skipped. BS_PATIENCE is the number of seconds after which a test is taken to
hang."""

import os
import queue
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import internet
import prosody
import runner
from player import Player
from scenes import BY_NAME, DIRECTIONS, REFERENCE, SCENES

TOOLS = ("ip", "nft", "nsenter", "unshare", "miniupnpd")
PLAYERS = 4


@dataclass
class Outcome:
    """Of a row."""

    result: object  # as runner.attempt() returns it
    first_byte: float  # seconds from acceptance; None if it never came
    told: str
    took: float = 0


class Results:
    """The outcomes of the rows that have been played or will be."""

    def __init__(self, players):
        self._idle = queue.Queue()
        for player in players:
            self._idle.put(player)
        self._pool = ThreadPoolExecutor(len(players))
        self._rows = {}

    def begin(self, scene, direction):
        """Rows are begun in the order of these calls: one that another is to be like comes before it."""
        self._rows[scene.name, direction] = self._pool.submit(self._play_and_compare, scene, direction)

    def of(self, scene, direction):
        """Waits for it."""
        return self._rows[scene.name, direction].result()

    def first_byte(self, name, direction):
        """None if that row is not among them."""
        row = self._rows.get((name, direction))
        return row.result().first_byte if row else None

    def abandon(self):
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _play(self, scene, direction):
        player = self._idle.get()
        try:
            return Outcome(*player.play(scene, direction))
        finally:
            self._idle.put(player)

    def _play_and_compare(self, scene, direction):
        began = time.monotonic()
        outcome = self._play(scene, direction)
        if outcome.result is True and scene.like:
            outcome = self._compare(outcome, scene, direction)
        outcome.took = time.monotonic() - began
        return outcome

    def _compare(self, outcome, scene, direction):
        """The outcome, or that of a second try if the first byte came later than in the scene that it is to be like."""
        reference = self.first_byte(scene.like, direction)
        if reference is None:
            reference = self._play(BY_NAME[scene.like], direction).first_byte
        if not too_late(outcome, scene, reference):
            return outcome
        told = outcome.told + "  %s: once more\n" % lateness(outcome, scene, direction, reference)
        reference = self._play(BY_NAME[scene.like], direction).first_byte
        outcome = self._play(scene, direction)
        outcome.told = told + outcome.told
        if outcome.result is True and too_late(outcome, scene, reference):
            outcome.result = False
            outcome.told += "  %s, again\n" % lateness(outcome, scene, direction, reference)
        return outcome


def too_late(outcome, scene, reference):
    return reference is None or outcome.first_byte > reference + scene.within


def lateness(outcome, scene, direction, reference):
    name = "%s, %s" % (scene.like, direction)
    if reference is None:
        return "%s has failed, with which its first byte is compared" % name
    return "its first byte came %.1f s later than that of %s" % (outcome.first_byte - reference, name)


def note(results, scene, direction):
    """What is told of a row's time."""
    first = results.of(scene, direction).first_byte
    reference = results.first_byte(REFERENCE, direction)
    if first is None:
        return None
    text = "first byte after %.2f s" % first
    if reference is not None and scene.name != REFERENCE:
        text += ", %.1f times %s" % (first / reference, REFERENCE)
    return text


def name_of(scene, direction):
    return "%s, %s" % (scene.name, direction)


def run_rows(rows, players, tally):
    results = Results(players)
    try:
        for row in rows:
            results.begin(*row)
        for scene, direction in rows:
            outcome = results.of(scene, direction)
            print(outcome.told, end="")
            tally.add("%s -> %s" % (name_of(scene, direction), scene.route_of(direction)), outcome.result,
                      time.monotonic() - outcome.took, note(results, scene, direction))
    finally:
        results.abandon()


def run_all(rows, options):
    """Returns the exit status."""
    tally = runner.Tally()
    began = time.monotonic()
    players = []
    try:
        for _ in range(min(PLAYERS, len(rows))):
            players.append(Player(options))
        if players:
            run_rows(rows, players, tally)
    finally:
        for player in players:
            player.stop()
    print("The table took %d s." % (time.monotonic() - began))
    tally.end()
    return 1 if tally.failed or not tally.passed else 0


def skip_all(rows, reason):
    tally = runner.Tally()
    for row in rows:
        tally.add(name_of(*row), reason, time.monotonic())
    tally.end()


def why_not():
    """The reason why nothing can be played here, or None."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None]
    if prosody.program() is None:
        missing.append("prosody")
    if missing:
        return "not installed: " + ", ".join(missing)
    reason = internet.refusal()
    return reason and "namespaces are not to be had%s: %s" % ("" if os.geteuid() == 0 else " (this needs root)", reason)


def main():
    options = runner.parser(__doc__).parse_args()
    rows = [(scene, direction) for scene in SCENES for direction in DIRECTIONS
            if not options.only or re.search(options.only, name_of(scene, direction))]
    runner.end_tidily_when_interrupted()
    if options.list:
        print("\n".join("%-66s %s" % (name_of(*row), row[0].route_of(row[1])) for row in rows))
        return
    reason = why_not()
    if reason:
        skip_all(rows, reason)
    else:
        sys.exit(run_all(rows, options))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
