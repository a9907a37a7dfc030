# SPDX-License-Identifier: GPL-2.0-or-later
"""Living with others: contacts without the plugin, other plugins, UIs that move the bytes themselves, load and unload."""

import os
import time

from case import JINGLE_FILES, KIB, MIB, Skipped, test
from cases_si import by_libpurple
from cases_transfers import by_the_plugin
from raw_peer import RawPeer

ROUNDS = 50


def without_the_plugin(account, since=0):
    lines = [e["text"] for e in account.client.all("debug", since)]
    assert not any("nominated" in line for line in lines), "the plugin carried it"


@test()
def both_without_the_plugin(case):
    alice, bob = case.pair(plugin=False)
    case.deliver(alice, bob, case.file("file.bin", MIB))


@test()
def after_unloading_it_goes_on_without_the_plugin(case):
    alice, bob = case.pair()
    case.deliver(alice, bob, case.file("first", MIB))
    by_the_plugin(alice, bob)
    assert not by_libpurple(alice) and not by_libpurple(bob), "libpurple carried it"
    since = alice.client.now()
    alice.client.unload(case.lab.plugin)
    bob.client.knows(bob.jid, alice.jid, JINGLE_FILES, yes=False)
    case.deliver(alice, bob, case.file("second", MIB))
    case.deliver(bob, alice, case.file("third", MIB))
    assert by_libpurple(alice) and not by_libpurple(bob), "libpurple carried what the plugin should have"
    bob.client.unload(case.lab.plugin)
    case.deliver(alice, bob, case.file("fourth", MIB))
    assert by_libpurple(bob), "the plugin carried it"
    without_the_plugin(alice, since=since)
    alice.client.load(case.lab.plugin)
    bob.client.load(case.lab.plugin)
    place = alice.client.now()
    case.deliver(alice, bob, case.file("fifth", MIB))
    assert any("nominated" in e["text"] for e in alice.client.all("debug", place)), "the plugin did not carry it"


@test()
def loaded_while_online(case):
    alice, bob = case.pair(plugin=False)
    alice.client.load(case.lab.plugin)
    bob.client.load(case.lab.plugin)
    case.deliver(alice, bob, case.file("file.bin", MIB))
    case.deliver(bob, alice, case.file("back", MIB))
    by_the_plugin(alice, bob)


def load_and_unload(case, client):
    """Descriptors after a number of rounds, measured when everything has been loaded once."""
    client.unload(case.lab.plugin)
    before = client.state()
    for _ in range(ROUNDS):
        client.load(case.lab.plugin)
        client.unload(case.lab.plugin)
    after = client.state()
    for what in ("descriptors", "xfers", "dialogs"):
        assert before[what] == after[what], "%s: %d before, %d after" % (what, before[what], after[what])


@test()
def loaded_and_unloaded_fifty_times_offline(case):
    load_and_unload(case, case.client("alice"))


@test()
def loaded_and_unloaded_fifty_times_online(case):
    alice, bob = case.pair()
    load_and_unload(case, alice.client)
    alice.client.load(case.lab.plugin)
    case.deliver(alice, bob, case.file("file.bin", MIB))
    case.deliver(bob, alice, case.file("back", MIB))


def at_most(client, descriptors):
    """The client's state when it has no more descriptors than that: a worker may just be writing what is remembered."""
    deadline = time.monotonic() + 10
    while (state := client.state())["descriptors"] > descriptors:
        assert time.monotonic() < deadline, state
        time.sleep(0.02)
    return state


@test(quick=False)
def loaded_and_unloaded_fifty_times_with_a_transfer_each(case):
    alice, bob = case.pair()
    case.deliver(alice, bob, case.file("first", KIB))
    before = alice.client.state()
    for number in range(ROUNDS):
        alice.client.unload(case.lab.plugin)
        alice.client.load(case.lab.plugin)
        case.deliver(alice, bob, case.file("file %d" % number, KIB))
    after = at_most(alice.client, before["descriptors"] + 1)
    assert after["xfers"] == 0, after


@test()
def a_contact_sees_the_features_come_and_go(case):
    carol = RawPeer(case.server, "carol")
    try:
        carol.presence()
        alice = case.online("alice", plugin=False)
        hashes = [caps_hash(carol.presence_of(alice.jid))]
        assert JINGLE_FILES not in carol.features_of(alice.jid)
        for loaded in (True, False, True):
            (alice.client.load if loaded else alice.client.unload)(case.lab.plugin)
            previous = hashes[-1]
            hashes.append(caps_hash(carol.presence_of(alice.jid, where=lambda p: caps_hash(p) != previous)))
            features = carol.features_of(alice.jid)
            assert (JINGLE_FILES in features) == loaded, features
            assert ("urn:xmpp:jingle:transports:s5b:1" in features) == loaded, features
            assert "http://jabber.org/protocol/bytestreams" in features, features
        assert hashes[0] == hashes[2] and hashes[1] == hashes[3], hashes
    finally:
        carol.close()


def caps_hash(presence):
    caps = presence.find("{http://jabber.org/protocol/caps}c")
    return caps.get("ver") if caps is not None else None


def overridden(case):
    if not os.path.exists(case.lab.overrider):
        raise Skipped("overrider.so was not built")
    return case.lab.overrider


def told_by_the_overrider(account, since=0):
    return account.client.all("notify", since, title="overrider")


@test()
def another_plugin_over_ours(case):
    other = overridden(case)
    alice, bob = case.pair()
    alice.client.load(other)
    case.deliver(alice, bob, case.file("file.bin", MIB))
    by_the_plugin(alice, bob)
    assert told_by_the_overrider(alice), "the other plugin was left out"
    alice.client.unload(other)
    since = alice.client.now()
    case.deliver(alice, bob, case.file("again", MIB))
    assert not told_by_the_overrider(alice, since)
    assert any("nominated" in e["text"] for e in alice.client.all("debug", since))


@test()
def ours_is_unloaded_below_another_plugin(case):
    other = overridden(case)
    alice, bob = case.pair()
    alice.client.load(other)
    alice.client.unload(case.lab.plugin)
    since = alice.client.now()
    case.deliver(alice, bob, case.file("file.bin", MIB))
    assert told_by_the_overrider(alice, since), "the other plugin was thrown out"
    without_the_plugin(alice)
    alice.client.load(case.lab.plugin)
    since = alice.client.now()
    case.deliver(alice, bob, case.file("again", MIB))
    assert any("nominated" in e["text"] for e in alice.client.all("debug", since)), "ours does not work again"
    alice.client.unload(other)
    case.deliver(alice, bob, case.file("and again", MIB))
    alice.client.unload(case.lab.plugin)
    case.deliver(alice, bob, case.file("and once more", MIB))


@test()
def ours_over_another_plugin(case):
    other = overridden(case)
    alice = case.online("alice", plugin=False)
    bob = case.online("bob", plugin=False)
    case.acquaint(alice, bob)
    alice.client.load(other)
    alice.client.load(case.lab.plugin)
    case.deliver(alice, bob, case.file("file.bin", MIB))
    assert not told_by_the_overrider(alice), "ours carries all"
    by_the_plugin(alice)
    alice.client.unload(case.lab.plugin)
    since = alice.client.now()
    case.deliver(alice, bob, case.file("again", MIB))
    assert told_by_the_overrider(alice, since)


@test()
def a_UI_that_reads_the_file_itself(case):
    alice = case.online("alice", own_io=True)
    bob = case.online("bob")
    case.acquaint(alice, bob)
    case.deliver(alice, bob, case.file("file.bin", 9 * MIB + 5))
    by_the_plugin(alice, bob)


@test()
def a_UI_that_writes_the_file_itself(case):
    alice = case.online("alice")
    bob = case.online("bob", own_io=True)
    case.acquaint(alice, bob)
    case.deliver(alice, bob, case.file("file.bin", 9 * MIB + 5))
    by_the_plugin(alice, bob)


@test()
def two_UIs_that_move_the_bytes_themselves(case):
    alice, bob = case.pair(own_io=True)
    case.deliver(alice, bob, case.file("file.bin", 3 * MIB + 5))
    case.deliver(bob, alice, case.file("back", 1))
    by_the_plugin(alice, bob)


@test()
def a_stranger_can_be_offered_a_file(case):
    """By its full JID, without a conversation."""
    alice = case.online("alice")
    bob = case.online("bob")
    alice.client.wait("buddy-online")
    case.deliver(alice, bob, case.file("file.bin", MIB))


@test()
def the_menu_offers_to_send_a_file(case):
    alice, bob = case.pair()
    for who in (bob.jid, bob.bare):
        since = alice.client.now()
        alice.client.tell("can-send", alice.jid, who)
        assert alice.client.wait("can-send", since)["yes"], who


@test()
def the_conversation_tells_of_a_transfer(case):
    alice, bob = case.pair()
    case.deliver(alice, bob, case.file("file.bin", MIB))
    for account in (alice, bob):
        assert [e for e in account.client.all("line") if "file.bin" in e["text"]], "nothing was told"
        assert not account.client.all("notify", kind="error")
