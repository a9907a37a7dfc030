# SPDX-License-Identifier: GPL-2.0-or-later
"""The same script several times side by side, each with a share of its tests: most of them wait most of the time."""

import re
import subprocess
import sys
import threading

RESULT = re.compile(r"(PASS|FAIL|SKIP): ")
COUNTS = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped$")


def parse(text):
    """"2/3" as (2, 3): the second of three shares."""
    number, _, count = text.partition("/")
    if not 1 <= int(number) <= int(count):
        raise ValueError(text)
    return int(number), int(count)


def take(tests, share):
    """The tests of this share. Neighbours are alike, in time too, so they are dealt out in turn."""
    number, count = share
    return tests[number - 1::count]


class _Run:
    def __init__(self, command, printing):
        self.counts = None
        self._printing = printing
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace")
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
    """Runs the script with these arguments and each share; the last line has the sums. Returns the exit status."""
    printing = threading.Lock()
    runs = [_Run([sys.executable, "-u", script, *arguments, "--share", "%d/%d" % (number, count)], printing)
            for number in range(1, count + 1)]
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
