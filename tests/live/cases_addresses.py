# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose addresses are told to whom: what a client writes to its server, and whom it dials through what."""

import socket
import struct
import threading

from case import KIB, MIB, Account, test
from cases_routes import check_over_the_proxy, nominated, told
from prosody import PROXY
from raw_files import candidate, offer, read_exactly, terminate
from raw_peer import RawPeer

TELL_ADDRESSES = "/plugins/core/bytestreams/tell_addresses"


def tell(account, whom):
    account.client.tell("pref", TELL_ADDRESSES, "string", whom)
    account.client.state()


def pump(source, sink, heard=None):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            if heard is not None:
                heard += data
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Listener:
    """A port on which `serve(connection)` deals with each connection in a thread of its own."""

    def __init__(self, address, serve):
        self.address = address
        self._serve = serve
        self.connections = 0
        self._socket = socket.create_server((address, 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        try:
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def stop(self):
        """Wakes accept(), which close() alone would leave waiting."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Wire(Listener):
    """The way from a client to its server: `said` is all that the client has written."""

    def __init__(self, address, server):
        self.said = bytearray()
        self._server = (server.address, server.port)
        super().__init__(address, self._relay)

    def _relay(self, connection):
        server = socket.create_connection(self._server, 30)
        threading.Thread(target=pump, args=(server, connection), daemon=True).start()
        pump(connection, server, self.said)

    def tells(self, host, since=0):
        said = bytes(self.said[since:]).decode(errors="replace")
        return any(address in said for address in (host.address4, host.address6))


class Socks5(Listener):
    """A user's own proxy. `targets`: what it was asked for, as (host, port), a name if it was given one."""

    def __init__(self, address):
        self.targets = []
        super().__init__(address, self._relay)

    def _relay(self, connection):
        try:
            _, count = read_exactly(connection, 2)
            read_exactly(connection, count)
            connection.sendall(b"\x05\x00")
            kind = read_exactly(connection, 4)[3]
            length = {1: 4, 3: None, 4: 16}[kind] or read_exactly(connection, 1)[0]
            host = read_exactly(connection, length)
            host = host.decode() if kind == 3 else socket.inet_ntop({1: socket.AF_INET, 4: socket.AF_INET6}[kind], host)
            port = struct.unpack("!H", read_exactly(connection, 2))[0]
            self.targets.append((host, port))
            onward = socket.create_connection((host, port), 10)
        except (AssertionError, OSError):
            connection.close()
            return
        connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
        threading.Thread(target=pump, args=(onward, connection), daemon=True).start()
        pump(connection, onward)


def on_a_wire(case, user, host, **options):
    """An account on a host whose words to its server are known."""
    wire = Wire(host.server, case.server)
    case.at_end(wire.stop)
    client = case.client(user, host=host, **options)
    return Account(client, client.account(user, wire, address=wire.address)), wire


def hosts(case, **options):
    """Alice, whose words are known, and Bob."""
    one, other = case.host(1), case.host(2)
    alice, wire = on_a_wire(case, "alice", one)
    bob = case.online("bob", host=other, **options)
    case.acquaint(alice, bob)
    return alice, bob, one, wire


def both_ways(case, alice, bob, name, size=MIB):
    case.deliver(alice, bob, case.file(name + "-there.bin", size))
    case.deliver(bob, alice, case.file(name + "-back.bin", size))


@test(hosts=True)
def addresses_told_to_nobody_go_over_the_proxy(case):
    alice, bob, host, wire = hosts(case)
    told(alice, "proxy %s works" % PROXY)
    tell(alice, "nobody")
    check_over_the_proxy(case, alice, bob, "there.bin")
    check_over_the_proxy(case, bob, alice, "back.bin")
    assert not wire.tells(host), "an address was told"
    assert not any("candidate direct" in line for line in alice.client.story()), "the peer was dialled"
    for whom in ("contacts", "everyone"):
        tell(alice, whom)
        since, here = len(wire.said), alice.client.now()
        case.deliver(alice, bob, case.file(whom, MIB))
        assert wire.tells(host, since), "this test sees no addresses at all"
        assert any("nominated: direct" in e["text"] for e in alice.client.all("debug", here))


@test(hosts=True)
def addresses_told_to_nobody_without_a_proxy_go_in_band(case):
    case.own_server(proxy=False)
    alice, bob, host, wire = hosts(case)
    tell(alice, "nobody")
    both_ways(case, alice, bob, "file", 200 * KIB)
    assert not wire.tells(host), "an address was told"
    assert not any("candidate direct" in line for line in alice.client.story()), "the peer was dialled"
    assert "in-band" in nominated(alice), nominated(alice)


@test(hosts=True)
def addresses_told_to_nobody_and_a_contact_without_the_plugin(case):
    alice, bob, host, wire = hosts(case, plugin=False)
    tell(alice, "nobody")
    case.deliver(alice, bob, case.file("hidden-there.bin", 100 * KIB))
    case.deliver_over_hasty_proxy(bob, alice, case.file("hidden-back.bin", 100 * KIB))
    assert not wire.tells(host), "an address was told"
    tell(alice, "everyone")
    case.deliver(alice, bob, case.file("told", KIB))
    assert wire.tells(host), "this test sees no addresses at all"


@test(hosts=True)
def an_account_with_a_proxy_tells_no_address_and_dials_through_it(case):
    case.own_server(proxy=False)  # which might be faster
    alice, bob, host, wire = hosts(case)
    proxy = Socks5(host.server)
    case.at_end(proxy.stop)
    alice.client.tell("proxy", alice.jid, "socks5", proxy.address, proxy.port)
    alice.client.state()
    both_ways(case, alice, bob, "file", 5 * MIB)
    assert not wire.tells(host), "an address was told"
    for account in (alice, bob):
        assert "direct" in nominated(account), nominated(account)
    assert "dialled by us" in nominated(alice), nominated(alice)
    assert any(target[0].startswith(("10.77.2.", "fd77:2:")) for target in proxy.targets), proxy.targets


def names_of(case, alice, carol):
    """What Carol offers Alice: a name that nobody can look up, and a port of hers that somebody would notice."""
    witness = Listener(case.lab.address, socket.socket.close)
    case.at_end(witness.stop)
    carol.request(offer("s1", candidates=candidate(1, "carol.example", 7777)
                        + candidate(2, witness.address, witness.port, priority=8257535)), alice.jid)
    return witness


@test(hosts=True)
def an_account_with_a_proxy_leaves_names_to_it(case):
    host = case.host(1)
    alice, wire = on_a_wire(case, "alice", host)
    carol = RawPeer(case.server, "carol")
    case.at_end(carol.close)
    carol.presence()
    alice.client.wait("buddy-online", who="carol@lab.test")
    proxy = Socks5(host.server)
    case.at_end(proxy.stop)
    alice.client.tell("proxy", alice.jid, "socks5", proxy.address, proxy.port)
    alice.client.state()
    since = alice.client.now()
    names_of(case, alice, carol)
    carol.jingle("session-accept", "s1")
    told(alice, "candidate direct carol.example:7777 failed")
    carol.request(terminate("s1"), alice.jid)
    case.cancelled(alice, alice.client.incoming(since))
    assert ("carol.example", 7777) in proxy.targets, proxy.targets
    assert not wire.tells(host), "an address was told"


@test(hosts=True)
def before_the_user_accepts_nobody_is_dialled_or_told(case):
    host = case.host(1)
    alice, wire = on_a_wire(case, "alice", host)
    alice.client.always("hold")
    carol = RawPeer(case.server, "carol")
    case.at_end(carol.close)
    carol.presence()
    alice.client.wait("buddy-online", who="carol@lab.test")
    since = alice.client.now()
    witness = names_of(case, alice, carol)
    got = alice.client.incoming(since)
    dialog = alice.client.wait("dialog", since, kind="action")
    carol.request("<ping xmlns='urn:xmpp:ping'/>", alice.jid, kind="get")
    assert witness.connections == 0, "Carol was dialled"
    assert not wire.tells(host), "an address was told"
    alice.client.always("accept")
    alice.client.tell("answer", dialog["id"], "accept")
    carol.jingle("session-accept", "s1")
    told(alice, "candidate direct %s:%d failed" % (witness.address, witness.port))
    assert witness.connections > 0 and wire.tells(host), "this test sees nothing at all"
    carol.request(terminate("s1"), alice.jid)
    case.cancelled(alice, got)
