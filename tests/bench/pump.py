#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast files move, and what that costs: a file in memory goes over loopback.

Compared are the pump alone, between two processes, with bare programs that do the same work (pump_speed.c); and two
clients in a session over a real server, with the plugin, and with libpurple alone. The ways take turns, and of each the
best of some rounds counts: what a machine has to do besides only ever adds. Prints a line for each figure, as a ratio
within this run. Ends with a failure if something could not be measured, never because of a time."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "live"))

import network  # noqa: E402
import prosody  # noqa: E402
import runner  # noqa: E402
from case import GIB, MIB, Case, Lab  # noqa: E402
from headless import Gone  # noqa: E402

MEMORY = "/dev/shm"
ROUNDS = 5
MANY = 100
STALL_MS = 2000
PATIENCE_PER_GIB = 30
STRONGEST = "blake2b-512"  # what two clients with the plugin agree on
TICKS = os.sysconf("SC_CLK_TCK")
LINE = "%-62s %10s %10s %7s   %s"


@dataclass
class Run:
    """One file: seconds, CPU seconds of both sides, the longest hold of an event loop in microseconds of time and of
    CPU, and the memory of the larger side over what it had before, in bytes."""

    seconds: float
    cpu: float
    held: int = 0
    held_cpu: int = 0
    memory: int = 0


class Best:
    """The runs of one way."""

    def __init__(self):
        self.runs = []

    def __getattr__(self, name):
        if name in ("held", "held_cpu", "memory"):
            return max(getattr(run, name) for run in self.runs)
        return min(getattr(run, name) for run in self.runs)


# The pump alone


def pump_alone(program, folder, way, mib, stall=0):
    remove(os.path.join(folder, "to"))
    words = subprocess.run([program, way, folder, str(mib)] + ([str(stall)] if stall else []), check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split()
    return Run(float(words[0]), float(words[1]), max(int(words[2]), int(words[4])), max(int(words[3]), int(words[5])))


# Clients


def cpu_of(client):
    with open("/proc/%d/stat" % client.process.pid, encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_of(client):
    with open("/proc/%d/status" % client.process.pid, encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon:"))


def held(client):
    since = client.now()
    client.tell("held", str(time.monotonic()))
    event = client.wait("held", since)
    return event["us"], event["cpu_us"]


class Session:
    """Two clients that are online, for files one after the other."""

    def __init__(self, lab, folder, plugin, hashes=True, disk=()):
        """`disk`: what is put before the receiver's command."""
        self.case = Case(lab, folder)
        resource = os.path.basename(folder)
        self.sender, self.receiver = (self.case.online(user, resource=resource, plugin=plugin, prefix=prefix)
                                      for user, prefix in (("alice", ()), ("bob", disk)))
        self.case.acquaint(self.sender, self.receiver)
        self.clients = [account.client for account in (self.sender, self.receiver)]
        # Most users have no debug window open, and to read its lines costs what is to be measured.
        for client in self.clients:
            client.tell("debug", 0)
        if not hashes:
            for client in self.clients:
                client.tell("pref", "/plugins/core/bytestreams/bench_skip_hash", "bool", 1)
        # The first file of a client costs more than those that follow.
        self.move(self.case.file("first", MIB))

    def move(self, path, patience=120):
        size = os.path.getsize(path)
        receiver = self.receiver.client
        for client in self.clients:
            held(client)
        cpu = sum(cpu_of(client) for client in self.clients)
        memory = [memory_of(client) for client in self.clients]
        since = receiver.now()
        self.sender.send(self.receiver, path)
        began = receiver.wait("xfer", since, stage="file-recv-start")["at"]
        larger, last = 0, None
        while last is None:
            larger = max([larger] + [memory_of(c) - before for c, before in zip(self.clients, memory)])
            try:
                last = receiver.wait("xfer", since, patience=0.05, stage="progress",
                                     where=lambda event: event["sent"] == size)
            except Gone:
                if time.monotonic() - began > patience:
                    raise
        receiver.wait("xfer", since, stage="destroyed")
        holds = [held(client) for client in self.clients]
        run = Run(last["at"] - began, sum(cpu_of(client) for client in self.clients) - cpu,
                  max(hold[0] for hold in holds), max(hold[1] for hold in holds), larger)
        arrived = os.path.join(receiver.downloads, os.path.basename(path))
        assert os.path.getsize(arrived) == size
        remove(arrived)
        return run

    def move_many(self, paths):
        """All are sent at the same moment; the queue does the rest. Of the run, only the seconds count."""
        receiver = self.receiver.client
        since = receiver.now()
        for path in paths:
            self.sender.client.tell("send", self.sender.jid, self.receiver.jid, path)
        began = receiver.wait("xfer", since, stage="file-recv-start")["at"]
        missing = {os.path.basename(path) for path in paths}
        under_way = set(missing)
        last = []

        def all_are_over(event):
            """Each event is looked at once, as that too costs what is to be measured."""
            if event["stage"] == "progress" and event["sent"] == event["size"]:
                last.append(event["at"])
            elif event["stage"] == "file-recv-complete":
                missing.discard(event["name"])
            elif event["stage"] == "destroyed":
                under_way.discard(event["name"])
                remove(os.path.join(receiver.downloads, event["name"]))
            return not under_way

        receiver.wait("xfer", since, patience=600, where=all_are_over)
        if missing:
            raise AssertionError("%d files have not arrived" % len(missing))
        return Run(max(last) - began, 0)

    def close(self):
        self.case.abandon()


# The figures


def remove(path):
    if os.path.exists(path):
        os.remove(path)


class Report:
    def __init__(self):
        self.met = self.missed = 0

    def row(self, name, ours, theirs, unit, ratio, goal, met):
        self.met += met
        self.missed += not met
        print(LINE % (name, "%.3g %s" % (ours, unit), "-" if theirs is None else "%.3g %s" % (theirs, unit),
                      "-" if ratio is None else "%.2f" % ratio, "goal %s: %s" % ("met" if met else "missed", goal)),
              flush=True)

    def faster(self, name, ours, theirs, mib, goal):
        ratio = theirs.seconds / ours.seconds
        self.row(name, mib / ours.seconds, mib / theirs.seconds, "MiB/s", ratio, "at least %.1f" % goal, ratio >= goal)

    def cheaper(self, name, ours, theirs, goal):
        ratio = ours.cpu / theirs.cpu
        self.row(name, ours.cpu, theirs.cpu, "s", ratio, "at most %.1f" % goal, ratio <= goal)

    def below(self, name, ours, unit, goal):
        self.row(name, ours, None, unit, None, "below %g %s" % (goal, unit), ours < goal)

    def hold(self, name, *ways):
        """Of the longest hold it is also told what the processor needed for one: the rest is waiting, for the disk or
        for other programs."""
        self.below("%s (%.1f ms of it busy)" % (name, max(way.held_cpu for way in ways) / 1000),
                   max(way.held for way in ways) / 1000, "ms", 5)


def measure_pump(report, program, folder, mib, rounds):
    ways = ("kernel", "pump", "bare", "pump-hash", "bare:" + STRONGEST, "pump-hash:" + STRONGEST)
    best = {way: Best() for way in (*ways, "stall")}
    for _ in range(rounds):
        for way in ways:
            best[way].runs.append(pump_alone(program, folder, way, mib))
    best["stall"].runs.append(pump_alone(program, folder, "pump-hash", mib, STALL_MS))
    print("\n== The pump alone, %d MiB\n" % mib)
    print(LINE % ("", "pump", "bare", "ratio", ""))
    report.faster("hash off, against sendfile, recv and write", best["pump"], best["kernel"], mib, 0.9)
    report.faster("sha-256, against a bare program that hashes as well", best["pump-hash"], best["bare"], mib, 1.0)
    report.faster("%s, against a bare program that does" % STRONGEST, best["pump-hash:" + STRONGEST],
                  best["bare:" + STRONGEST], mib, 1.0)
    report.hold("longest hold of the event loop", *(best[way] for way in ways if way.startswith("pump")))
    report.hold("longest hold while the disk stalls for %d ms" % STALL_MS, best["stall"])
    return best


def measure_session(report, lab, folder, source, mib, rounds, pump):
    ways = {"hash on": (True, True), "hash off": (True, False), "libpurple": (False, True)}
    best = {way: Best() for way in ways}
    sessions = {}
    try:
        for way, (plugin, hashes) in ways.items():
            sessions[way] = Session(lab, os.path.join(folder, way.replace(" ", "-")), plugin, hashes)
        for _ in range(rounds):
            for way, session in sessions.items():
                best[way].runs.append(session.move(source))
    finally:
        for session in sessions.values():
            session.close()
    print("\n== Two clients and a server, %d MiB\n" % mib)
    print(LINE % ("", "plugin", "other", "ratio", ""))
    report.faster("hash off, against sendfile, recv and write", best["hash off"], pump["kernel"], mib, 0.9)
    report.faster("hash off, against libpurple", best["hash off"], best["libpurple"], mib, 1.1)
    report.faster("hash on, against a bare program that hashes as well", best["hash on"], pump["bare:" + STRONGEST], mib,
                  1.0)
    report.cheaper("CPU of both clients, hash off, against libpurple", best["hash off"], best["libpurple"], 0.9)
    report.hold("longest hold of the event loop", best["hash on"], best["hash off"])
    report.below("memory of a transfer", max(best["hash on"].memory, best["hash off"].memory) / MIB, "MiB", 2)


def measure_long(report, lab, folder, gib):
    """Nothing but zeros, which need no room at the sender, and none on the receiver's disk (forgetful.c)."""
    disk = os.path.join(os.path.dirname(lab.program), "..", "bench", ".libs", "forgetful.so")
    session = Session(lab, os.path.join(folder, "long"), True, disk=("env", "LD_PRELOAD=" + os.path.realpath(disk)))
    try:
        long = session.move(session.case.sparse(size=gib * GIB), patience=gib * PATIENCE_PER_GIB)
    finally:
        session.close()
    print("\n== A file of %d GiB, by two clients and a server\n" % gib)
    print(LINE % ("", "plugin", "other", "ratio", ""))
    report.below("memory over an idle client, while it moved at %.0f MiB/s" % (gib * 1024 / long.seconds),
                 long.memory / MIB, "MiB", 2)
    report.hold("longest hold of the event loop", long)


def run_long(options):
    report = Report()
    with tempfile.TemporaryDirectory(prefix="bytestreams-pump-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        lab = Lab(os.path.abspath(options.build), folder)
        try:
            measure_long(report, lab, folder, options.gib)
        finally:
            lab.close()
    print("\n%d goals met, %d missed" % (report.met, report.missed))


def copies(folder, count, size):
    """So many files of that size, which take the room of one."""
    paths = [os.path.join(folder, "many", "file %d" % number) for number in range(count)]
    os.makedirs(os.path.dirname(paths[0]))
    with open(paths[0], "wb") as f:
        f.write(os.urandom(size))
    for path in paths[1:]:
        os.link(paths[0], path)
    return paths


def measure_queue(report, lab, folder, source, mib, rounds):
    """Files that are not so small that it is the server's work that is measured, which has a dozen stanzas for each."""
    each = max(mib // 25, 1)
    many = copies(folder, MANY, each * MIB)
    best = {way: Best() for way in ("many", "one")}
    session = Session(lab, os.path.join(folder, "queue"), True)
    try:
        for _ in range(min(rounds, 3)):
            best["many"].runs.append(session.move_many(many))
            best["one"].runs.append(session.move(source))
    finally:
        session.close()
    ours, theirs = MANY * each / best["many"].seconds, mib / best["one"].seconds
    print("\n== Many files at once, %d of %d MiB\n" % (MANY, each))
    print(LINE % ("", "many", "one", "ratio", ""))
    report.row("all of them, four at a time, against one of %d MiB" % mib, ours, theirs, "MiB/s", ours / theirs,
               "at least 0.9", ours / theirs >= 0.9)


def run(options):
    report = Report()
    build = os.path.abspath(options.build)
    with tempfile.TemporaryDirectory(prefix="bytestreams-pump-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        source = os.path.join(folder, "from")
        with open(source, "wb") as f:
            for _ in range(options.mib):
                f.write(os.urandom(MIB))
        pump = measure_pump(report, os.path.join(build, "tests", "bench", "pump_speed"), folder, options.mib,
                            options.rounds)
        remove(os.path.join(folder, "to"))
        lab = Lab(build, folder)
        try:
            measure_session(report, lab, folder, source, options.mib, options.rounds, pump)
            measure_queue(report, lab, folder, source, options.mib, options.rounds)
        finally:
            lab.close()
    print("\n%d goals met, %d missed" % (report.met, report.missed))


def main():
    parser = runner.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is measured (default: %(default)d)")
    parser.add_argument("--mib", type=int, default=1024, help="size of the file (default: %(default)d)")
    parser.add_argument("--long", action="store_true", help="only one very large file, of nothing but zeros")
    parser.add_argument("--gib", type=int, default=100, help="size of that (default: %(default)d)")
    options = parser.parse_args()
    runner.end_tidily_when_interrupted()
    if prosody.program() is None:
        sys.exit("Prosody is not installed (Debian: apt-get install prosody)")
    if not options.long and shutil.disk_usage(MEMORY).free < 3 * options.mib * MIB:
        sys.exit("%s has no room for two files of %d MiB" % (MEMORY, options.mib))
    network.enter(os.path.abspath(__file__), sys.argv[1:])
    if network.inside():
        network.set_up_router()
    if options.long:
        run_long(options)
    else:
        run(options)


if __name__ == "__main__":
    main()
