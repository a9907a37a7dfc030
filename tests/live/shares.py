# SPDX-License-Identifier: GPL-2.0-or-later
"""The same script several times side by side, each taking the next test when it is done with one: most of them wait
most of the time."""

import os
import re
import struct
import subprocess
import sys
import threading

RESULT = re.compile(r"(PASS|FAIL|SKIP): ")
COUNTS = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped$")
TICKET = struct.Struct("=I")
TICKETS = 4096  # what they take has room in a pipe


def take(tests, tickets):
    """Those of the tests whose numbers this run draws, each when the one before is done; all of them without `tickets`
    (a descriptor). The long ones come first, so that all runs end at about the same time."""
    tests = sorted(tests, key=lambda test: not test.long)
    if tickets is None:
        yield from enumerate(tests)
        return
    while ticket := os.read(tickets, TICKET.size):
        number, = TICKET.unpack(ticket)
        if number >= len(tests):
            return
        yield number, tests[number]


def _draw_from():
    """The end to read of a pipe with the numbers of all tests that there may be."""
    reading, writing = os.pipe()
    os.write(writing, b"".join(TICKET.pack(number) for number in range(TICKETS)))
    os.close(writing)
    return reading


class _Run:
    def __init__(self, command, tickets, printing):
        self.counts = None
        self._printing = printing
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        pass_fds=[tickets], stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace")
        self._thread = threading.Thread(target=self._pass_on)
        self._thread.start()

    def _tell(self, lines):
        with self._printing:
            sys.stdout.write("".join(lines))
            sys.stdout.flush()

    def _pass_on(self):
        """Prints what the run says, a test's lines in one piece."""
        lines = []
        for line in self.process.stdout:
            counts = COUNTS.match(line)
            if counts:
                self.counts = [int(count) for count in counts.groups()]
                continue
            lines.append(line)
            if RESULT.match(line):
                self._tell(lines)
                lines = []
        self._tell(lines)

    def wait(self):
        self._thread.join()
        return self.process.wait()


def run(script, arguments, count):
    """Runs the script with these arguments `count` times; the last line has the sums. Returns the exit status."""
    printing = threading.Lock()
    tickets = _draw_from()
    command = [sys.executable, "-u", script, *arguments, "--tickets", str(tickets)]
    runs = [_Run(command, tickets, printing) for _ in range(count)]
    try:
        statuses = [each.wait() for each in runs]
    except KeyboardInterrupt:
        for each in runs:
            each.process.terminate()
        for each in runs:
            each.wait()
        raise
    sums = [sum(each.counts[column] for each in runs if each.counts) for column in range(3)]
    sums[1] += sum(each.counts is None for each in runs)
    print("%d passed, %d failed, %d skipped" % tuple(sums))
    return max(statuses, key=abs)
