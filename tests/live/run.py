#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the live tests: headless libpurple clients, a real server, real sockets.

One line for each test; the last one reads "N passed, N failed, N skipped". Where the machine allows it, everything
takes place in a network of its own. BS_PATIENCE is the number of seconds after which a test is taken to hang."""

import argparse
import importlib
import os
import re
import sys
import tempfile
import time

import network
import prosody
import runner
import shares
from case import TESTS, Case, Lab

GROUPS = ("transfers", "endings", "resume", "queue", "routes", "addresses", "clients", "others", "si", "gateways",
          "rooms", "pictures", "hostile", "whole")


def arguments():
    parser = runner.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the long ones")
    parser.add_argument("--valgrind", action="store_true", help="run the clients under valgrind")
    parser.add_argument("--here", action="store_true", help="use this machine's own network")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="play N tests at a time")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="play each test N times")
    parser.add_argument("--tickets", type=int, help=argparse.SUPPRESS)  # shares.py's own
    return parser.parse_args()


def name_of(test):
    return "%s: %s" % (test.__module__.rpartition("_")[2], test.__name__.replace("_", " "))


def run_all(options, reason):
    for group in GROUPS:
        importlib.import_module("cases_" + group)
    tests = [test for test in TESTS if (test.quick or not options.quick)
             and (not options.only or re.search(options.only, name_of(test)))]
    if options.list:
        print("\n".join(name_of(test) for test in tests))
        return 0
    tally = runner.Tally()
    with tempfile.TemporaryDirectory(prefix="bytestreams-live-", ignore_cleanup_errors=True) as folder:
        lab = Lab(os.path.abspath(options.build), folder, options.valgrind)
        try:
            for number, test in shares.take(tests * options.repeat, options.tickets):
                began = time.monotonic()
                if test.hosts and not network.inside():
                    result = reason
                else:
                    result = runner.attempt(Case(lab, os.path.join(folder, "test%d" % number)), test, options.keep)
                tally.add(name_of(test), result, began)
        finally:
            lab.close()
    tally.end()
    return 1 if tally.failed or not tally.passed else 0


def without_jobs(arguments):
    """One run of those that are to go side by side takes a later --jobs for its own."""
    return [*arguments, "--jobs", "1"]


def main():
    options = arguments()
    runner.end_tidily_when_interrupted()
    if options.jobs > 1 and not options.list:
        sys.exit(shares.run(os.path.abspath(__file__), without_jobs(sys.argv[1:]), options.jobs))
    reason = None
    if not options.here and not options.list:
        reason = network.enter(os.path.abspath(__file__), sys.argv[1:])
    if network.inside():
        network.set_up_router()
    elif reason:
        print("No network of its own for the tests: " + reason)
    if prosody.program() is None:
        sys.exit("Prosody is not installed (Debian: apt-get install prosody)")
    sys.exit(run_all(options, reason or "needs network namespaces"))


if __name__ == "__main__":
    main()
