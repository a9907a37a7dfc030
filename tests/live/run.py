#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the live tests: headless libpurple clients, a real server, real sockets.

One line for each test; the last one reads "N passed, N failed". Where the machine allows it, everything takes place in a
network of its own. BS_PATIENCE is the number of seconds after which a test is taken to hang."""

import argparse
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

import network
import prosody
from case import TESTS, TOP, Case, Lab, Skipped

GROUPS = ("transfers", "endings", "routes", "others", "hostile")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out the long ones")
    parser.add_argument("--only", metavar="PATTERN", help="only tests whose name has this regular expression in it")
    parser.add_argument("--build", metavar="DIR", default=TOP, help="where it was built (default: %(default)s)")
    parser.add_argument("--valgrind", action="store_true", help="run the clients under valgrind")
    parser.add_argument("--keep", action="store_true", help="keep the folders of tests that failed")
    parser.add_argument("--list", action="store_true", help="name the tests and end")
    parser.add_argument("--here", action="store_true", help="use this machine's own network")
    return parser.parse_args()


def name_of(test):
    return "%s: %s" % (test.__module__.rpartition("_")[2], test.__name__.replace("_", " "))


def tell_stories(case, lines=30):
    """What the clients and the server had to say when a test failed."""
    for client in case.clients:
        print("  --- %s, the last events" % os.path.basename(client.folder))
        for event in client.events[-lines:]:
            text = event["text"] if event["event"] == "debug" else str(event)
            print("      " + text.encode("utf-8", "backslashreplace").decode()[:400])
        with open(client.log, encoding="utf-8", errors="replace") as f:
            log = f.read()
        if client.process.returncode:
            print("  --- %s ended with %s, the end of its log" % (os.path.basename(client.folder),
                                                                 client.process.returncode))
            print("      " + "\n      ".join(log.splitlines()[-8:]))
        for sign in ("==ERROR", "runtime error:", "CRITICAL **"):
            at = log.find(sign)
            if at >= 0:
                print("  --- %s, the log from %r on" % (os.path.basename(client.folder), sign))
                print("      " + "\n      ".join(log[at:].splitlines()[:40]))
                break


def run_test(test, lab, number, options, reason):
    """Returns True, False, or the reason why it was skipped."""
    if test.hosts and not network.inside():
        return reason
    case = Case(lab, os.path.join(lab.folder, "test%d" % number))
    faults = []
    try:
        test(case)
        faults = case.finish()
    except Skipped as skipped:
        return str(skipped)
    except Exception:  # whatever a test throws is its fault
        faults.append(traceback.format_exc())
    finally:
        if faults:
            print("\n".join("  " + line for fault in faults for line in fault.splitlines()))
            tell_stories(case)
            if options.keep:
                kept = tempfile.mkdtemp(prefix="bytestreams-failed-")
                shutil.copytree(case.folder, os.path.join(kept, "test"), ignore=shutil.ignore_patterns("huge*"))
                print("  kept in " + kept)
        case.abandon()
    return not faults


def run_all(options, reason):
    for group in GROUPS:
        importlib.import_module("cases_" + group)
    tests = [test for test in TESTS if (test.quick or not options.quick)
             and (not options.only or re.search(options.only, name_of(test)))]
    if options.list:
        print("\n".join(name_of(test) for test in tests))
        return 0
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory(prefix="bytestreams-live-", ignore_cleanup_errors=True) as folder:
        lab = Lab(os.path.abspath(options.build), folder, options.valgrind)
        try:
            for number, test in enumerate(tests):
                began = time.monotonic()
                result = run_test(test, lab, number, options, reason)
                took = "(%.1f s)" % (time.monotonic() - began)
                if result is True:
                    passed += 1
                    print("PASS: %s %s" % (name_of(test), took), flush=True)
                elif result is False:
                    failed += 1
                    print("FAIL: %s %s" % (name_of(test), took), flush=True)
                else:
                    skipped += 1
                    print("SKIP: %s: %s" % (name_of(test), result), flush=True)
        finally:
            lab.close()
    print("%d passed, %d failed%s" % (passed, failed, ", %d skipped" % skipped if skipped else ""))
    return 1 if failed or not passed else 0


def interrupted(number, _frame):
    raise KeyboardInterrupt("signal %d" % number)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, interrupted)
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
