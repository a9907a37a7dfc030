# SPDX-License-Identifier: GPL-2.0-or-later
"""Each way of connecting, forced: hosts of their own behind a router, with firewalls and address families."""

from case import GIB, KIB, MIB, test
from cases_transfers import by_the_plugin
from network import OPEN_PORTS, ROUTER, SILENT
from prosody import PROXY, Proxy


def hosts(case, sender=None, receiver=None):
    """Alice and Bob on hosts of their own; the options are network.Host's."""
    one, other = case.host(1, **(sender or {})), case.host(2, **(receiver or {}))
    alice = case.online("alice", host=one)
    bob = case.online("bob", host=other)
    case.acquaint(alice, bob)
    return alice, bob, one, other


def nominated(account):
    """The line that tells of the connection: "[id] nominated: <type> <host> port <port>, dialled by <whom>"."""
    return next(line for line in account.client.story() if "nominated" in line)


def check_route(case, alice, bob, host, dialler, size=200 * MIB):
    """Sends a file and asserts that `dialler` dialled `host` for it, as both tell."""
    case.deliver(alice, bob, case.file("file.bin", size))
    by_the_plugin(alice, bob)
    for account in (alice, bob):
        line = nominated(account)
        assert any(address in line for address in host), "%s tells of another way: %s" % (account.jid, line)
        assert ("dialled by us" in line) == (account is dialler), "dialled by the wrong one: %s" % line


def addresses(host):
    return (host.address4, host.address6)


FIREWALL = {"firewall": SILENT}


@test(hosts=True)
def both_can_listen(case):
    alice, bob, _, _ = hosts(case)
    case.deliver(alice, bob, case.file("file.bin", 200 * MIB))
    by_the_plugin(alice, bob)
    assert not any("proxy" in nominated(account) for account in (alice, bob)), "a proxy was used"


@test(hosts=True)
def only_the_sender_can_listen(case):
    alice, bob, sender, _ = hosts(case, receiver=FIREWALL)
    check_route(case, alice, bob, addresses(sender), bob)


@test(hosts=True)
def only_the_receiver_can_listen(case):
    alice, bob, _, receiver = hosts(case, sender=FIREWALL)
    check_route(case, alice, bob, addresses(receiver), alice)


@test(hosts=True)
def only_the_sender_can_listen_IPv4(case):
    alice, bob, sender, _ = hosts(case, {"families": "4"}, {"families": "4", **FIREWALL})
    check_route(case, alice, bob, [sender.address4], bob)


@test(hosts=True)
def only_the_receiver_can_listen_IPv4(case):
    alice, bob, _, receiver = hosts(case, {"families": "4", **FIREWALL}, {"families": "4"})
    check_route(case, alice, bob, [receiver.address4], alice)


@test(hosts=True)
def only_the_sender_can_listen_IPv6(case):
    alice, bob, sender, _ = hosts(case, {"families": "6"}, {"families": "6", **FIREWALL})
    check_route(case, alice, bob, [sender.address6], bob)


@test(hosts=True)
def only_the_receiver_can_listen_IPv6(case):
    alice, bob, _, receiver = hosts(case, {"families": "6", **FIREWALL}, {"families": "6"})
    check_route(case, alice, bob, [receiver.address6], alice)


@test(hosts=True)
def IPv4_only(case):
    alice, bob, _, _ = hosts(case, {"families": "4"}, {"families": "4"})
    case.deliver(alice, bob, case.file("file.bin", 200 * MIB))
    by_the_plugin(alice, bob)
    assert "10.77." in nominated(alice), nominated(alice)


@test(hosts=True)
def IPv6_only(case):
    alice, bob, _, _ = hosts(case, {"families": "6"}, {"families": "6"})
    case.deliver(alice, bob, case.file("file.bin", 200 * MIB))
    by_the_plugin(alice, bob)
    assert "fd77:" in nominated(alice), nominated(alice)


@test(hosts=True)
def one_has_both_families_and_the_other_IPv4(case):
    alice, bob, _, _ = hosts(case, {}, {"families": "4"})
    case.deliver(alice, bob, case.file("file.bin", MIB))
    by_the_plugin(alice, bob)


@test(hosts=True)
def both_behind_firewalls_without_a_proxy_go_in_band(case):
    case.own_server(proxy=False)
    alice, bob, _, _ = hosts(case, FIREWALL, FIREWALL)
    case.deliver(alice, bob, case.file("file.bin", 256 * KIB))
    for account in (alice, bob):
        assert any("through the server" in e["text"] for e in account.client.all("line")), \
            "%s was not told which way the file went" % account.jid


def told(account, text):
    """Waits for a line of the plugin."""
    account.client.wait("debug", where=lambda e: text in e["text"])


def check_over_the_proxy(case, sender, receiver, name):
    since = {account: account.client.now() for account in (sender, receiver)}
    case.deliver(sender, receiver, case.file(name, 20 * MIB))
    for account in (sender, receiver):
        lines = [e["text"] for e in account.client.all("debug", since[account])]
        assert any("nominated: proxy" in line for line in lines), "%s tells of another way" % account.jid


@test(hosts=True)
def both_behind_firewalls_use_the_proxy_of_their_server(case):
    alice, bob, _, _ = hosts(case, FIREWALL, FIREWALL)
    for account in (alice, bob):
        told(account, "proxy %s works" % PROXY)
    check_over_the_proxy(case, alice, bob, "there.bin")
    check_over_the_proxy(case, bob, alice, "back.bin")
    by_the_plugin(alice, bob)


@test(hosts=True)
def a_proxy_that_is_down_is_not_offered(case):
    case.own_server(proxy=Proxy(address=ROUTER))
    alice, bob, _, _ = hosts(case)
    for account in (alice, bob):
        told(account, "proxy %s is set aside" % PROXY)
    case.deliver(alice, bob, case.file("file.bin", MIB))
    by_the_plugin(alice, bob)
    for account in (alice, bob):
        assert not any("we offer proxy" in line for line in account.client.story()), "it was offered"


def cancelled_while_connecting(case, canceller):
    """Nobody can reach the other, so that connecting lasts."""
    case.own_server(proxy=False)
    alice, bob, _, _ = hosts(case, FIREWALL, FIREWALL)
    since = bob.client.now()
    sent = alice.send(bob, case.file("file.bin", MIB))
    got = bob.client.incoming(since)
    alice.client.wait("debug", where=lambda e: "the peer offers" in e["text"])
    ids = {"alice": (alice, sent, bob, got), "bob": (bob, got, alice, sent)}[canceller]
    ids[0].client.tell("cancel", ids[1])
    assert case.cancelled(ids[0], ids[1]) == "here"
    assert case.cancelled(ids[2], ids[3]) == "there"


@test(hosts=True)
def cancelled_by_the_sender_while_connecting(case):
    cancelled_while_connecting(case, "alice")


@test(hosts=True)
def cancelled_by_the_receiver_while_connecting(case):
    cancelled_while_connecting(case, "bob")


@test(hosts=True)
def the_sender_signs_off_while_connecting(case):
    case.own_server(proxy=False)
    alice, bob, _, _ = hosts(case, FIREWALL, FIREWALL)
    case.may_remain_unfinished(bob)
    since = bob.client.now()
    sent = alice.send(bob, case.file("file.bin", MIB))
    got = bob.client.incoming(since)
    bob.client.stage(got, "added")
    alice.client.tell("sign-off", alice.jid)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)


@test(hosts=True)
def the_plugin_is_unloaded_while_connecting(case):
    case.own_server(proxy=False)
    alice, bob, _, _ = hosts(case, FIREWALL, FIREWALL)
    case.may_remain_unfinished(bob)
    since = bob.client.now()
    sent = alice.send(bob, case.file("file.bin", MIB))
    got = bob.client.incoming(since)
    alice.client.wait("debug", where=lambda e: "the peer offers" in e["text"])
    alice.client.unload(case.lab.plugin)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)


@test()
def the_port_range_is_kept(case):
    alice, bob = case.pair()
    for account in (alice, bob):
        account.client.tell("pref", "/purple/network/ports_range_use", "bool", 1)
        account.client.tell("pref", "/purple/network/ports_range_start", "int", OPEN_PORTS[0])
        account.client.tell("pref", "/purple/network/ports_range_end", "int", OPEN_PORTS[1])
        account.client.state()
    case.deliver(alice, bob, case.file("file.bin", MIB))
    port = int(nominated(alice).partition(" port ")[2].partition(",")[0])
    assert OPEN_PORTS[0] <= port <= OPEN_PORTS[1], nominated(alice)


@test(quick=False, hosts=True)
def the_receiver_vanishes_from_the_network_in_mid_data(case):
    alice, bob, _, receiver = hosts(case)
    since = bob.client.now()
    sent = alice.send(bob, case.sparse(size=64 * GIB))
    got = bob.client.incoming(since)
    bob.client.moved(got, 16 * MIB)
    bob.client.kill()
    case.clients.remove(bob.client)
    receiver.stop()
    case.cancelled(alice, sent)
