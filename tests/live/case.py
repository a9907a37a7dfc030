# SPDX-License-Identifier: GPL-2.0-or-later
"""What a live test stands on: a server, clients, files, and the look back afterwards at what was left behind."""

import filecmp
import os
import re
import shutil
import subprocess
import sys

import network
from headless import Client
from prosody import Prosody

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
USERS = ("alice", "bob", "carol", "dave")
JINGLE_FILES = "urn:xmpp:jingle:apps:file-transfer:5"

TESTS = []


class Skipped(Exception):
    """The test cannot be done here; the reason is the text."""


def test(quick=True, hosts=False, long=False):
    """Marks a function as a test. Not `quick`: left out by --quick. `hosts`: needs namespaces. `long`: takes half a minute,
    nearly all of it waiting."""
    def mark(function):
        function.quick = quick
        function.long = long
        function.hosts = hosts
        TESTS.append(function)
        return function
    return mark

UNFINISHED = re.compile(r"\..*\.[a-z0-9]{6}\.part$")


class Lab:
    """What all tests of a run share: the programs, and a server until a test asks for one of its own."""

    def __init__(self, build, folder, valgrind=False):
        self.program = os.path.join(build, "tests", "live", "bytestreams-client")
        self.plugin = os.path.join(build, "plugin", ".libs", "bytestreams.so")
        self.build = build
        self.overrider = os.path.join(build, "tests", "live", ".libs", "overrider.so")
        for path in (self.program, self.plugin):
            if not os.path.exists(path):
                sys.exit("%s is not there: build first (./setup build)" % path)
        self.folder = folder
        self.prefix = []
        if valgrind:
            self.prefix = [sys.executable, os.path.join(TOP, "tests", "support", "memcheck")]
        elif self._has_sanitizers():
            self.prefix = ["env", "BS_WHOLE_STACKS=1", "sh", os.path.join(TOP, "tests", "support", "sanitized")]
        self._server = None
        self.random = os.path.join(folder, "random")
        with open(self.random, "wb") as f:
            f.write(os.urandom(MIB))

    def _has_sanitizers(self):
        libraries = subprocess.run(["ldd", self.program], stdout=subprocess.PIPE, text=True, check=False).stdout
        return "libasan" in libraries

    @property
    def address(self):
        return network.ROUTER if network.inside() else "127.0.0.1"

    def server(self):
        if self._server is None:
            self._server = Prosody(os.path.join(self.folder, "prosody"), USERS, self.address, network.inside())
        return self._server

    def close(self):
        if self._server is not None:
            self._server.stop()


class Account:
    """An account that is online: its client, its JID, and the name that the client knows it by."""

    def __init__(self, client, jid):
        self.client = client
        self.jid = jid

    @property
    def bare(self):
        return self.jid.partition("/")[0]

    def send(self, who, path):
        return self.client.send(self.jid, who.jid if isinstance(who, Account) else who, path)


class Case:
    """One run of one test."""

    def __init__(self, lab, folder):
        self.lab = lab
        self.folder = folder
        os.makedirs(folder)
        self.clients = []
        self._arrived = {}
        self._unfinished = set()
        self._cleanups = []
        self._server = None
        self.may_complain = False

    def may_remain_unfinished(self, account):
        """A transfer to this account is interrupted, and what is there of the file is kept."""
        self._unfinished.add(account.client.downloads)

    # Making things

    @property
    def server(self):
        return self._server or self.lab.server()

    def at_end(self, cleanup):
        """Calls cleanup() when the test is over, however it ended; the last one first."""
        self._cleanups.append(cleanup)

    def own_server(self, users=USERS, address=None, **options):
        """A server of this test's own, which it may kill; the options are Prosody's."""
        self._server = Prosody(os.path.join(self.folder, "prosody"), users, address or self.lab.address,
                               network.inside(), **options)
        self.at_end(self._server.stop)
        return self._server

    def host(self, number, **options):
        host = network.Host(number, **options)
        self.at_end(host.stop)
        return host

    def client(self, name, plugin=True, own_io=False, host=None, prefix=()):
        prefix = (host.prefix if host else []) + self.lab.prefix + list(prefix)
        client = Client(self.lab.program, os.path.join(self.folder, name), prefix, own_io)
        self.clients.append(client)
        client.wait("ready")
        if host:
            host.configure(client)
        if plugin:
            client.load(self.lab.plugin)
        client.always("accept")
        return client

    def again(self, account):
        """Starts the client of an account anew, after its end, with all that it has saved, and signs the account on."""
        old = account.client
        if old in self.clients:
            self.clients.remove(old)
        user, _, resource = account.jid.partition("/")
        client = self.client(os.path.basename(old.folder))
        return Account(client, client.account(user, self.server, resource))

    def online(self, user, client=None, resource="home", host=None, **options):
        """An account of a new client, or one more of `client`."""
        client = client or self.client(user, host=host, **options)
        jid = client.account(user, self.server, resource, address=host.server if host else None)
        return Account(client, jid)

    def pair(self, **options):
        """Alice and Bob, each in a client of their own, who see each other."""
        alice = self.online("alice", **options)
        bob = self.online("bob", **options)
        self.acquaint(alice, bob)
        return alice, bob

    def acquaint(self, *accounts):
        """Waits until everybody has seen everybody, and knows what their clients can do."""
        for one in accounts:
            for other in accounts:
                if one is other:
                    continue
                one.client.wait("buddy-online", account=one.jid, who=other.bare)
                one.client.tell("talk", one.jid, other.bare)

    def file(self, name, size, folder="files"):
        """A file of random bytes (the same MiB over and over, with its number in it)."""
        path = os.path.join(self.folder, folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(self.lab.random, "rb") as f:
            block = f.read()
        with open(path, "wb") as f:
            for number in range((size + MIB - 1) // MIB):
                f.write((number.to_bytes(8, "big") + block[8:])[:size - number * MIB])
        return path

    def sparse(self, name="huge", size=16 * GIB):
        """A file that takes no room and is long enough for something to happen meanwhile."""
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.truncate(size)
        return path

    # Looking at things

    def arrived(self, account, source, name=None):
        """Asserts that a file has arrived identical; every other file in the folder of downloads is a fault."""
        name = name if name is not None else os.path.basename(source)
        path = os.path.join(account.client.downloads, name)
        assert os.path.exists(path), "%r is not among %r" % (name, os.listdir(account.client.downloads))
        assert filecmp.cmp(source, path, shallow=False), "%r is not identical" % name
        self._arrived.setdefault(account.client.downloads, set()).add(name)

    def deliver(self, sender, receiver, source, who=None, name=None):
        """Sends a file and sees it arrive whole. Returns the ids at both ends."""
        before = receiver.client.now()
        sent = sender.send(who or receiver, source)
        got = receiver.client.incoming(before)
        self.completed(receiver, got)
        self.completed(sender, sent)
        self.ended(sender, sent)
        self.ended(receiver, got)
        self.arrived(receiver, source, name)
        return sent, got

    def deliver_over_hasty_proxy(self, sender, receiver, source):
        """The same from a contact without the plugin over the server's proxy, once more where bytes were lost: libpurple
        sends before the proxy has activated the stream, Prosody's throws away what comes too early, and stream initiation
        has no word to ask for it."""
        for _ in range(10):
            before = receiver.client.now()
            sent = sender.send(receiver, source)
            got = receiver.client.incoming(before)
            self.completed(sender, sent)
            self.ended(sender, sent)
            if self._outcome(receiver, got)["stage"].endswith("complete"):
                break
            self.cancelled(receiver, got)
            assert any("closed before the last byte" in event["text"]
                       for event in receiver.client.all("debug", before)), "nothing was lost, and it failed"
        self.completed(receiver, got)
        self.ended(receiver, got)
        self.arrived(receiver, source)

    def ended(self, account, xfer):
        """Waits until libpurple has forgotten a transfer."""
        account.client.stage(xfer, "destroyed")

    @staticmethod
    def _outcome(account, xfer):
        return account.client.wait("xfer", where=lambda e: e["id"] == xfer
                                   and e["stage"] in ("cancelled-here", "cancelled-there", "file-recv-cancel",
                                                      "file-send-cancel", "file-recv-complete",
                                                      "file-send-complete"))

    def completed(self, account, xfer):
        """Waits until a transfer has ended, and asserts that it was completed."""
        event = self._outcome(account, xfer)
        assert event["stage"].endswith("complete"), "the transfer has ended with %s" % event["status"]

    def cancelled(self, account, xfer):
        """Waits until a transfer has ended as cancelled, here or there; returns where: "here" or "there"."""
        event = self._outcome(account, xfer)
        assert not event["stage"].endswith("complete"), "the transfer was completed"
        self.ended(account, xfer)
        return event["status"].rpartition("-")[2]

    # The end

    def finish(self):
        """Ends all clients and says what is wrong with what they left behind."""
        faults = []
        for client in self.clients:
            faults += self._end_client(client)
        return faults

    def _end_client(self, client):
        name = os.path.basename(client.folder)
        end, status = client.quit()
        faults = []
        if end is None or status != 0:
            faults.append("%s ended with status %s" % (name, status))
        if end is not None and end["xfers"] != 0:
            faults.append("%s was left with %d transfers" % (name, end["xfers"]))
        survivors = client.survivors()
        if survivors:
            faults.append("%s left processes behind: %s" % (name, survivors))
            client.kill()
        faults += ["%s: %s" % (name, event["text"]) for event in client.all("noise")]
        files = set(os.listdir(client.downloads))
        if client.downloads in self._unfinished:
            files = {file for file in files if not UNFINISHED.match(file)}
        expected = self._arrived.get(client.downloads, set())
        if files - expected:
            faults.append("%s left files behind: %r" % (name, sorted(files - expected)))
        if not self.may_complain:
            faults += ["%s: %s" % (name, line) for line in self._criticals(client)]
        return faults

    @staticmethod
    def _criticals(client):
        """Complaints of GLib and of the sanitizers."""
        signs = ("CRITICAL **", "runtime error:", "ERROR: AddressSanitizer", "ERROR: LeakSanitizer")
        with open(client.log, encoding="utf-8", errors="replace") as f:
            found = [line.strip() for line in f if any(sign in line for sign in signs)]
        return found[:5]

    def abandon(self):
        """Ends whatever is still there."""
        for client in self.clients:
            if client.process.poll() is None:
                client.kill()
        for cleanup in reversed(self._cleanups):
            cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)
