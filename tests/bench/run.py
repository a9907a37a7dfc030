#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the plugin with libpurple's own file transfer, in the small internet of tests/net: the same scenes, in one run.

Prints a line for each figure. Ends with a failure if something could not be measured, never because of a time. Needs
root, or a kernel that gives namespaces to everybody; where there are none, it says so and measures nothing."""

import os
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "net"))

import internet  # noqa: E402
import prosody  # noqa: E402
import runner  # noqa: E402
from case import Lab  # noqa: E402
from figures import FIGURES, MILLISECONDS, SECONDS  # noqa: E402
from measure import Bench, NotMeasured  # noqa: E402

TOOLS = ("ip", "nft", "nsenter")
RUNS = 3
LINE = "%-46s %12s %12s %9s   %s"


def value(number, unit):
    if unit == SECONDS:
        return "%.2f s" % number
    if unit == MILLISECONDS:
        return "%.0f ms" % (number * 1000)
    return "%.1f kB/s" % (number / 1000)


def line_of(row, result):
    goal = "goal %s: %s" % ("met" if result.met else "missed", result.goal) if result.goal else "no goal"
    return LINE % (row.name, value(result.plugin, result.unit), value(result.stock, result.unit),
                   "-" if result.ratio is None else "%.1f" % result.ratio, goal)


class Report:
    """What is printed."""

    def __init__(self):
        self.met = self.missed = self.failed = 0

    def figure(self, figure):
        print("\n== %s\n%s\n" % (figure.title, figure.text))
        print(LINE % ("", "plugin", "libpurple", "ratio", ""), flush=True)

    def row(self, bench, row):
        try:
            result = row.measure(bench)
        except NotMeasured as reason:
            self.failed += 1
            print("%-46s could not be measured: %s" % (row.name, reason), flush=True)
            return
        self.met += result.met
        self.missed += not result.met
        print(line_of(row, result), flush=True)

    def end(self):
        print("\nThe ratio is how many times better it is with the plugin. %d goals met, %d missed, %d figures not measured."
              % (self.met, self.missed, self.failed))


def name_of(figure, row):
    return "%s: %s" % (figure.title, row.name)


def chosen(pattern):
    """The figures with the rows that are wanted."""
    for figure in FIGURES:
        rows = [row for row in figure.rows if not pattern or re.search(pattern, name_of(figure, row))]
        if rows:
            yield figure, rows


def run(options):
    report = Report()
    with tempfile.TemporaryDirectory(prefix="bytestreams-bench-", ignore_cleanup_errors=True) as folder:
        build = os.path.abspath(options.build)
        bench = Bench(Lab(build, folder), folder, os.path.join(build, "tests", "net", "delay"),
                      1 if options.quick else RUNS, options.keep)
        for figure, rows in chosen(options.only):
            report.figure(figure)
            for row in rows:
                report.row(bench, row)
    report.end()
    return 1 if report.failed else 0


def why_not():
    """The reason why nothing can be measured here; None inside the namespaces."""
    missing = [tool for tool in TOOLS if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None]
    if prosody.program() is None:
        missing.append("prosody")
    if missing:
        return "not installed: " + ", ".join(missing)
    reason = internet.enter(os.path.abspath(__file__), sys.argv[1:])
    return reason and "namespaces are not to be had%s: %s" % (
        "" if os.geteuid() == 0 else " (this needs root)", reason)


def main():
    parser = runner.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="measure each first byte once, not %d times" % RUNS)
    options = parser.parse_args()
    runner.end_tidily_when_interrupted()
    if options.list:
        print("\n".join(name_of(figure, row) for figure, rows in chosen(options.only) for row in rows))
        return
    reason = why_not()
    if reason:
        print("SKIP: " + reason)
        return
    sys.exit(run(options))


if __name__ == "__main__":
    main()
