#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Exchanges files with other people's clients, in both directions and over every route, in a network of its own.

Where that fails with a client as it is, its known bugs are mended one after the other, to find out which it is. The
table is written into the README, unless only some rows are played."""

import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))

import cells
import network
import prosody
import runner
import table
from case import TOP, Case, Lab
from clients import CLIENTS, FROM, ROUTES, SEVERAL, TO


def attempts(client, direction, route, known):
    """Which faults to mend, at first none, or what is `known` to be in the way in this direction whatever the route."""
    further = [*client.default_faults[direction], *client.faults.get((direction, route), ())]
    return [known, *(faults for faults in further if faults != known)]


def play_cell(lab, folder, client, direction, route, known):
    """(works, faults, why)."""
    if (direction, route) in client.impossible:
        return False, [], client.impossible[direction, route]
    why = None
    for number, faults in enumerate(attempts(client, direction, route, known)):
        case = Case(lab, os.path.join(folder, "%s-%d" % (re.sub(r"\W+", "-", "-".join((client.name, direction, route))), number)))
        case.may_complain = True
        try:
            why = cells.play(case, client, direction, route, faults)
            if why is None:
                return True, faults, None
            print("  %s, %s, %s, mended %s: %s" % (client.name, direction, route, faults or "nothing", why), flush=True)
            if os.environ.get("BS_INTEROP_STORIES"):
                runner.tell_stories(case, 60)
        finally:
            case.abandon()
    return False, [], why


def play_all(lab, folder, only):
    results = {}
    for client in CLIENTS:
        version = client.version()
        if version is None:
            print("%s is not installed" % client.name)
            continue
        played = results[client, version] = {}
        for direction in (TO, FROM):
            known = []
            for route in ROUTES + ((SEVERAL,) if direction == FROM else ()):
                name = "%s, %s, %s" % (client.name, direction, route)
                if only and not re.search(only, name):
                    continue
                played[direction, route] = play_cell(lab, folder, client, direction, route, known)
                works, faults, why = played[direction, route]
                known = faults if faults in client.default_faults[direction] else known
                print("%s: %s" % (name, ("yes" + (", mended: %s" % ", ".join(faults) if faults else "")) if works
                                  else "no: " + why), flush=True)
    return results


def expected(client, direction, route, result):
    return result[0] or (direction, route) in client.impossible or (direction, route) in client.never


def main():
    options = runner.parser(__doc__).parse_args()
    runner.end_tidily_when_interrupted()
    reason = network.enter(os.path.abspath(__file__), sys.argv[1:])
    if reason:
        sys.exit("No network of its own for the tests: " + reason)
    network.set_up_router()
    if prosody.program() is None:
        sys.exit("Prosody is not installed (Debian: apt-get install prosody)")
    with tempfile.TemporaryDirectory(prefix="bytestreams-interop-", ignore_cleanup_errors=True) as folder:
        lab = Lab(os.path.abspath(options.build), folder)
        try:
            results = play_all(lab, folder, options.only)
        finally:
            lab.close()
    if not options.only and table.write(os.path.join(TOP, "README"), table.lines_of(results)):
        print("The table in the README has changed.")
    judged = [expected(client, *place, result) for (client, _), played in results.items()
              for place, result in played.items()]
    print("%d passed, %d failed" % (sum(judged), len(judged) - sum(judged)))
    sys.exit(0 if all(judged) and judged else 1)


if __name__ == "__main__":
    main()
