# SPDX-License-Identifier: GPL-2.0-or-later
"""A scene set up: the internet, the server, and the two who send each other files."""

import os
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import internet  # noqa: F401  (finds the live tests' modules)
from capture import Capture
from case import Account, Case
from prosody import PROXY
from scenes import SAME_HOME, SAME_MACHINE

ELSEWHERE = "elsewhere.test"
A, B = "alice", "bob"
ROUTE = re.compile(r"\] nominated: (\S+) (\S+) port \d+, dialled by (us|the peer|both)$")
IN_BAND = re.compile(r"\] nominated: in-band,")
BY_STREAM_INITIATION = "stream initiation"
SESSION = re.compile(r"offered (?:to|by) .*, session (\S+)$")


class SilentListener:
    """Takes connections and says nothing."""

    def __init__(self, address, port):
        self._socket = socket.create_server((address, port))
        self._taken = []
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self):
        while True:
            try:
                self._taken.append(self._socket.accept()[0])
            except OSError:
                return

    def stop(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for taken in self._taken + [self._socket]:
            taken.close()


class Stage(Case):
    """One run of one scene, in one direction."""

    def __init__(self, lab, folder, delay_program, scene):
        super().__init__(lab, folder)
        self.delay_program = delay_program
        self.scene = scene
        self.internet = None
        self.machines = {}
        self.capture = None

    # Setting up

    def set_up(self, plugin=True):
        """Builds it all; returns both accounts, online, who see each other. Without `plugin` nobody has it."""
        scene = self.scene
        self.with_plugin = [name for name in (A, B) if plugin and name[0] != scene.stock]
        self.internet = internet.Internet(self.delay_program, os.path.join(self.folder, "internet"))
        self.at_end(self.internet.remove)
        self._build_homes()
        if scene.swallow:
            self.internet.swallow_private_addresses()
        if scene.cut:
            self.internet.cut_direct_connections()
        user_a = "%s@%s" % (A, ELSEWHERE) if scene.a_elsewhere else A
        server = self.own_server((user_a, B), internet.SERVER4, proxy=scene.proxy, limits=scene.limits,
                                 prefix=self.internet.server.prefix)
        self.at_end(server.kill)  # it would take a second to say farewell
        if scene.silent_proxy:
            self.at_end(SilentListener(internet.CORE4, server.proxy_port).stop)
        if scene.a_pref:
            self.capture = Capture("line-a")
        a, b = self._both_online(user_a)
        self.acquaint(a, b)
        for account in (b,) if scene.a_elsewhere else (a, b):
            if self.has_plugin(account):
                self._know_proxy(account)
        return a, b

    def _build_homes(self):
        home = self.internet.home("a", self.scene.a)
        self.machines[A] = home.machine("a")
        if self.scene.b == SAME_MACHINE:
            self.machines[B] = self.machines[A]
        elif self.scene.b == SAME_HOME:
            self.machines[B] = home.machine("b")
        else:
            self.machines[B] = self.internet.home("b", self.scene.b).machine("b")

    def has_plugin(self, account):
        return os.path.basename(account.client.folder) in self.with_plugin

    def _both_online(self, user_a):
        """They sign on at the same time."""
        names, users = (A, B), (user_a, B)
        clients = [self._client_of(name) for name in names]
        with ThreadPoolExecutor(len(clients)) as pool:
            jids = pool.map(lambda client, name, user: client.account(user, self.server,
                                                                      address=self.machines[name].server),
                            clients, names, users)
            return [Account(client, jid) for client, jid in zip(clients, jids)]

    def _client_of(self, name):
        plugin = name in self.with_plugin
        client = self.client(name, plugin=plugin, host=self.machines[name])
        # libpurple's own first file would wait 2 s for a router that maps ports.
        client.tell("pref", "/purple/network/map_ports", "bool", 1 if plugin else 0)
        if name == A and plugin and self.scene.a_pref:
            client.tell("pref", *self.scene.a_pref)
        return client

    def _know_proxy(self, account):
        """Waits until a client knows as much of its server's proxy as it can, or is just trying to reach it."""
        proxy = self.scene.proxy
        if proxy is True or proxy and proxy.unhelpful and proxy.unhelpful[0] == "set":
            line = "proxy %s works" % PROXY
        elif proxy:
            line = "proxy %s is at" % PROXY if proxy.address else "%s is a proxy" % PROXY
        else:
            line = "the server names 1 services"  # its rooms
        account.client.wait("debug", where=lambda e: line in e["text"])

    # Looking

    @staticmethod
    def first_byte(receiver, since=0):
        """Seconds from acceptance (the user has answered the last dialog) to the first byte of the first file `since`."""
        first = receiver.client.wait("xfer", since, stage="progress", direction="receive", where=lambda e: e["sent"] > 0)
        answered = [e["at"] for e in receiver.client.all("dialog-closed") if e["at"] < first["at"]]
        return first["at"] - answered[-1]

    def check_route(self, a, b, demanded=None):
        """Asserts that whoever has the plugin tells of the route that the scene demands, or of that one."""
        kind, _, owner = (demanded or self.scene.route).partition(" to ")
        telling = [account for account in (a, b) if self.has_plugin(account)]
        for account in telling:
            route = last_route(account)
            assert route[0] == kind, "%s tells of another way: %s" % (account.jid, " ".join(route))
        if kind in ("direct", "assisted"):
            self._check_ports(telling, kind, owner)
        if self.scene.cut:
            assert first_route(a)[0] == "direct", "no direct connection died"
        if self.scene.stock:
            assert any(BY_STREAM_INITIATION in line for line in telling[0].client.story()), "it went by other means"
        else:
            assert sessions(a) == sessions(b) and len(sessions(a)) == 1, "sessions: %s, %s" % (sessions(a), sessions(b))
        for account in telling if kind == "proxy" else ():
            assert last_route(account)[1] == internet.SERVER4, "another proxy: %s" % last_route(account)[1]

    def _check_ports(self, telling, kind, owner):
        """Asserts that all mean the same port, that one of them dialled it, and that it is the `owner`'s."""
        (_, host, dialler), (_, other_host, other_dialler) = last_route(telling[0]), last_route(telling[-1])
        assert host == other_host, "they tell of different addresses: %s, %s" % (host, other_host)
        assert len(telling) == 1 or dialler != other_dialler, "both or none of them dialled"
        teller = os.path.basename(telling[0].client.folder)
        listener = teller if dialler == "the peer" else B if teller == A else A
        home = self.internet.homes[0 if listener == A or len(self.internet.homes) == 1 else 1]
        own = [home.wan4] if kind == "assisted" else self.machines[listener].all_addresses + ["127.0.0.1", "::1"]
        assert host in own, "%s is not %s's" % (host, listener)
        assert not owner or owner == listener[0], "%s's port was used" % listener

    def check_capture(self):
        """Asserts that a told nobody an address of its machine, and that no packet went directly to b or came from
        there."""
        if self.capture is None:
            return
        self.capture.stop()
        streams = self.capture.streams()
        assert any(PROXY.encode() in data or b"jingle" in data for data in streams.values()), "no stanzas were seen"
        for stream, data in streams.items():
            for address in self.machines[A].all_addresses:
                assert address.encode() not in data, "%s was told: %s" % (address, stream)
        theirs = set(self.machines[B].all_addresses)
        met = [pair for pair in self.capture.pairs() if theirs & set(pair)]
        assert not met, "packets went directly: %s" % met

    def finish(self):
        faults = super().finish()
        for home in self.internet.homes if self.internet else []:
            if home.mapped():
                faults.append("ports of home %s were left mapped: %s" % (home.name, home.mapped()))
        return faults


def routes(account):
    """The ways that its plugin tells of, one after the other: (kind, address, who dialled it)."""
    found = []
    for line in account.client.story():
        route = ROUTE.search(line)
        if route:
            found.append(route.groups())
        elif IN_BAND.search(line):
            found.append(("in-band", "", ""))
    assert found, "%s tells of no route" % account.jid
    return found


def first_route(account):
    return routes(account)[0]


def last_route(account):
    return routes(account)[-1]


def sessions(account):
    """The Jingle sessions of its transfers."""
    return [match.group(1) for match in map(SESSION.search, account.client.story()) if match]
