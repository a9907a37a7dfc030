# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays rows of the table, one after the other, in namespaces of its own.

run.py starts it (Player) and names the rows on its standard input. The answer to each is what there is to tell of it,
and then a line of JSON."""

import json
import os
import queue
import subprocess
import sys
import tempfile

import internet
import runner
from case import KIB, Lab
from scenes import BY_NAME, DIRECTIONS
from stage import Stage

IN_BAND_SIZE = 64 * KIB  # through the server it takes its time
RESULT = "\x1e"


class Player:
    """The process as run.py sees it. Plays one row at a time."""

    def __init__(self, options):
        arguments = ["--build", os.path.abspath(options.build)] + (["--keep"] if options.keep else [])
        self._process = internet.start(os.path.abspath(__file__), arguments, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, errors="replace")

    def play(self, scene, direction):
        """Returns the result as runner.attempt() does, the seconds from acceptance to the first byte (None if it never
        came), and what there is to tell."""
        told = ""
        try:
            self._process.stdin.write("%s\t%s\n" % (scene.name, direction))
            self._process.stdin.flush()
        except OSError as error:
            told = "  the player takes no row: %s\n" % error
        for line in self._process.stdout:
            if line.startswith(RESULT):
                return *json.loads(line[len(RESULT):]), told
            told += line
        return False, None, told + "  the player is gone\n"

    def stop(self):
        """Returns when nothing of it is left."""
        try:
            self._process.stdin.close()
        except OSError:  # it is gone already
            pass
        self._process.wait()
        self._process.stdout.close()


class Table:
    """Where it plays."""

    def __init__(self, options, folder):
        self._lab = Lab(options.build, folder)
        self._folder = folder
        self._keep = options.keep
        self._delay_program = os.path.join(options.build, "tests", "net", "delay")
        self._count = 0

    def play(self, scene, direction):
        """Returns the result, and the seconds to the first byte."""
        first_byte = None

        def body(stage):
            nonlocal first_byte
            a, b = stage.set_up()
            sender, receiver = (a, b) if direction == DIRECTIONS[0] else (b, a)
            route = scene.route_of(direction)
            stage.deliver(sender, receiver, stage.file("file.bin", IN_BAND_SIZE if route == "in-band" else scene.size))
            stage.check_route(a, b, route)
            stage.check_capture()
            first_byte = stage.first_byte(receiver)

        self._count += 1
        stage = Stage(self._lab, os.path.join(self._folder, "run%d" % self._count), self._delay_program, scene)
        return runner.attempt(stage, body, self._keep), first_byte


def main():
    options = runner.parser(__doc__).parse_args()
    rows = queue.Queue()
    runner.end_tidily_when_interrupted()
    with tempfile.TemporaryDirectory(prefix="bytestreams-net-", ignore_cleanup_errors=True) as folder:
        table = Table(options, folder)
        internet.arrive(rows.put)
        while True:
            name, direction = rows.get().split("\t")
            print(RESULT + json.dumps(table.play(BY_NAME[name], direction)))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
