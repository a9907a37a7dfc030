#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sends a file from one libpurple client to another, through the plugin, over an XMPP server of its own.

Usage: demo.py [FILE]      without FILE: 64 MiB of random bytes

Nothing of it stays behind."""

import hashlib
import os
import re
import signal
import sys
import tempfile
import time

import prosody
from case import MIB, TOP
from headless import Client, Gone
from prosody import Prosody

GENERATED = 64 * MIB
PROGRAM = os.path.join(TOP, "tests", "live", "bytestreams-client")
PLUGIN = os.path.join(TOP, "plugin", ".libs", "bytestreams.so")


class Progress:
    """A line that changes where there is a terminal, a line for each quarter elsewhere."""

    def __init__(self):
        self.changes = sys.stdout.isatty()
        self.quarter = -1

    def end(self):
        if self.changes:
            print()

    def show(self, sent, size):
        part = sent / size if size else 1.0
        text = "  %3d %%  %*.1f of %.1f MiB" % (part * 100, len("%.1f" % (size / MIB)), sent / MIB, size / MIB)
        if self.changes:
            sys.stdout.write("\r" + text)
            sys.stdout.flush()
        elif int(part * 4) > self.quarter:
            self.quarter = int(part * 4)
            print(text, flush=True)


def digest(path):
    result = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(MIB):
            result.update(block)
    return result.hexdigest()


def generate(path):
    with open(path, "wb") as f:
        for _ in range(GENERATED // MIB):
            f.write(os.urandom(MIB))
    return path


def route(client):
    """The connection that the plugin chose, from its lines in the debug window."""
    for line in client.story():
        found = re.search(r"nominated: (\S+) (\S+) port (\d+), (.*)", line)
        if found:
            kind, host, port, dialled = found.groups()
            host = "[%s]" % host if ":" in host else host
            dialler = "the receiver" if "peer" in dialled else "the sender"
            return "%s, %s:%s, dialled by %s" % ("proxy" if kind == "proxy" else kind, host, port, dialler)
    raise Gone("the plugin did not carry the file")


def transfer(sender, receiver, sender_jid, receiver_jid, path):
    """Sends it and shows how it goes; returns the seconds from the first byte on, and the received file."""
    receiver.always("accept")
    sent = sender.send(sender_jid, receiver_jid, path)
    began = None
    progress = Progress()
    place = 0
    while True:
        event = sender.wait("xfer", place, where=lambda e: e["stage"] in (
            "file-send-start", "progress", "file-send-complete", "file-send-cancel"))
        place = sender.events.index(event, place) + 1
        if event["stage"] == "file-send-cancel":
            raise Gone("the transfer failed: " + "; ".join(sender.story()[-3:]))
        began = began or time.monotonic()
        progress.show(event["sent"], event["size"])
        if event["stage"] == "file-send-complete":
            progress.end()
            break
    took = time.monotonic() - began
    arrived = receiver.wait("xfer", stage="file-recv-complete")
    sender.stage(sent, "destroyed")
    return took, arrived["path"]


def demonstrate(folder, given, running):
    path = given or generate(os.path.join(folder, "64 MiB of random bytes"))
    size = os.path.getsize(path)
    print("Starting Prosody and two clients ...", flush=True)
    server = Prosody(os.path.join(folder, "prosody"), ("alice", "bob"))
    running.append(server.stop)
    clients = []
    for name in ("alice", "bob"):
        client = Client(PROGRAM, os.path.join(folder, name))
        running.append(client.kill)
        client.wait("ready")
        client.load(PLUGIN)
        clients.append((client, client.account(name, server)))
    (alice, alice_jid), (bob, bob_jid) = clients
    alice.wait("buddy-online")
    bob.wait("buddy-online")
    print("%s sends %s (%.1f MiB) to %s" % (alice_jid, os.path.basename(path), size / MIB, bob_jid), flush=True)
    took, arrived = transfer(alice, bob, alice_jid, bob_jid, path)
    same = digest(path) == digest(arrived)
    verified = next((line for line in bob.story() if "hash verified" in line), None)
    for client, _ in clients:
        client.quit()
    print("Route: %s; %.0f MB/s; hash %s; %s" % (
        route(alice), size / max(took, 0.001) / 1e6,
        "verified (%s)" % verified.rpartition(" ")[2] if verified else "NOT verified",
        "identical" if same else "DIFFERENT"))
    return 0 if same and verified else 1


def main():
    if len(sys.argv) > 2 or sys.argv[1:] in (["--help"], ["-h"]):
        sys.exit(__doc__)
    given = os.path.abspath(sys.argv[1]) if len(sys.argv) == 2 else None
    if given and not os.path.isfile(given):
        sys.exit("%s is not a file" % given)
    if prosody.program() is None:
        sys.exit("Prosody is not installed (Debian: apt-get install prosody)")
    for needed in (PROGRAM, PLUGIN):
        if not os.path.exists(needed):
            sys.exit("%s is not there: build first (./setup build)" % needed)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    running = []
    status = 1
    with tempfile.TemporaryDirectory(prefix="bytestreams-demo-", ignore_cleanup_errors=True) as folder:
        try:
            status = demonstrate(folder, given, running)
        except (Gone, RuntimeError) as error:
            print("The demo failed: %s" % error)
        except KeyboardInterrupt:
            print("\nInterrupted")
            status = 130
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for stop in reversed(running):
                stop()
    sys.exit(status)


if __name__ == "__main__":
    main()
