# SPDX-License-Identifier: GPL-2.0-or-later
"""What the programs that run tests have in common: options, what is told of a failure, the count at the end."""

import argparse
import os
import shutil
import signal
import tempfile
import time
import traceback

from case import TOP, Skipped


def parser(description):
    """The options that all have."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--only", metavar="PATTERN", help="only tests whose name has this regular expression in it")
    result.add_argument("--build", metavar="DIR", default=TOP, help="where it was built (default: %(default)s)")
    result.add_argument("--keep", action="store_true", help="keep the folders of tests that failed")
    result.add_argument("--list", action="store_true", help="name the tests and end")
    return result


def tell_stories(case, lines=30):
    """What the clients and the server had to say when a test failed."""
    for client in case.clients:
        print("  --- %s, the last events" % os.path.basename(client.folder))
        for event in [event for event in client.events if event.get("stage") != "progress"][-lines:]:
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


def attempt(case, body, keep=False):
    """Runs body(case) and ends the case. Returns True, False, or the reason why it was skipped."""
    faults = []
    try:
        body(case)
        faults = case.finish()
    except Skipped as skipped:
        return str(skipped)
    except Exception:  # whatever a test throws is its fault
        faults.append(traceback.format_exc())
    finally:
        if faults:
            print("\n".join("  " + line for fault in faults for line in fault.splitlines()))
            tell_stories(case)
            if keep:
                kept = tempfile.mkdtemp(prefix="bytestreams-failed-")
                shutil.copytree(case.folder, os.path.join(kept, "test"), ignore=shutil.ignore_patterns("huge*"))
                print("  kept in " + kept)
        case.abandon()
    return not faults


class Tally:
    """Counts the results and tells each in a line."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, name, result, began, note=None):
        """`result` is as attempt() returns it; `began` is of the monotonic clock."""
        took = "(%.1f s%s)" % (time.monotonic() - began, "; " + note if note else "")
        if result is True:
            self.passed += 1
            print("PASS: %s %s" % (name, took), flush=True)
        elif result is False:
            self.failed += 1
            print("FAIL: %s %s" % (name, took), flush=True)
        else:
            self.skipped += 1
            print("SKIP: %s: %s" % (name, result), flush=True)

    def end(self):
        """The last line."""
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped))


def end_tidily_when_interrupted():
    """The first SIGINT or SIGTERM is an exception; those that follow do not disturb the tidying up."""
    def interrupted(number, _frame):
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt("signal %d" % number)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, interrupted)
