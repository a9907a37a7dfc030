# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of all sizes and names, one at a time and many at once."""

import os

from case import JINGLE_FILES, KIB, MIB, test


def by_the_plugin(*accounts):
    """Asserts that the plugin carried a transfer, not libpurple's own code."""
    for account in accounts:
        story = account.client.story()
        assert any("nominated" in line for line in story), "the plugin tells of no connection: %r" % story


def check_size(case, size):
    alice, bob = case.pair()
    case.deliver(alice, bob, case.file("file.bin", size))
    by_the_plugin(alice, bob)


@test()
def a_file_of_0_bytes(case):
    alice, bob = case.pair()
    case.deliver(alice, bob, case.file("file.bin", 0))


@test()
def a_file_of_1_byte(case):
    check_size(case, 1)


@test()
def a_file_of_1_MiB(case):
    check_size(case, MIB)


@test()
def a_file_of_200_MiB(case):
    check_size(case, 200 * MIB)


@test()
def the_other_way_round(case):
    alice, bob = case.pair()
    case.deliver(bob, alice, case.file("file.bin", 3 * MIB + 1))
    by_the_plugin(alice, bob)


@test()
def one_after_the_other_between_the_same_two(case):
    alice, bob = case.pair()
    for number in range(10):
        case.deliver(*((alice, bob) if number % 2 else (bob, alice)), case.file("file %d" % number, 100 * KIB + number))


@test()
def to_a_bare_JID(case):
    alice, bob = case.pair()
    case.deliver(alice, bob, case.file("file.bin", MIB), who=bob.bare)
    by_the_plugin(alice, bob)


@test()
def a_contact_with_two_resources_is_asked_about(case):
    alice = case.online("alice")
    home = case.online("bob", client=case.client("home"), resource="home")
    away = case.online("bob", client=case.client("away"), resource="away")
    for bob in (home, away):
        alice.client.knows(alice.jid, bob.jid, JINGLE_FILES)
    alice.client.always("hold")
    alice.client.tell("send", alice.jid, home.bare, case.file("file.bin", KIB))
    dialog = alice.client.wait("dialog")
    assert "home" in dialog["options"] and "away" in dialog["options"], dialog
    options = dialog["options"].split("\n")
    choice = next(i for i, option in enumerate(options) if "away" in option)
    alice.client.tell("answer", dialog["id"], "accept", choice)
    got = away.client.incoming()
    away.client.stage(got, "file-recv-complete")
    case.ended(away, got)
    case.arrived(away, os.path.join(case.folder, "files", "file.bin"))
    assert not home.client.all("xfer"), "the other resource was asked too"
    alice.client.wait("xfer", stage="destroyed")


NAMES = ("with spaces  in it.txt", "ünïcödé – 日本語 🙂.txt", "it's \"quoted\" & <marked>.txt", "100%s %n %d.txt",
         "no extension", "back\\slash.txt", "semi;colon|pipe$(x)`y`.txt", "e\u0301 combining.txt", "x" * 190 + ".txt")


@test()
def names_with_anything_in_them(case):
    alice, bob = case.pair()
    for name in NAMES:
        source = case.file(name, 2 * KIB)
        since = bob.client.now()
        sent = alice.send(bob, source)
        got = bob.client.incoming(since)
        bob.client.stage(got, "file-recv-complete")
        alice.client.stage(sent, "file-send-complete")
        case.ended(bob, got)
        case.ended(alice, sent)
        arrived = os.path.basename(bob.client.wait("xfer", since, stage="file-recv-complete")["path"])
        case.arrived(bob, source, arrived)
        if "\\" not in name:
            assert arrived == name, "%r came as %r" % (name, arrived)


@test()
def names_that_no_stanza_can_hold(case):
    alice, bob = case.pair()
    for name in ("control \x01\x1f.txt", "line\nbreak\t.txt", "not UTF-8 \udcff\udcfe.txt", "not a character \uffff.txt"):
        source = case.file(name, KIB)
        since = bob.client.now()
        sent = alice.send(bob, source)
        got = bob.client.incoming(since)
        done = bob.client.stage(got, "file-recv-complete")
        alice.client.stage(sent, "file-send-complete")
        case.ended(bob, got)
        case.ended(alice, sent)
        case.arrived(bob, source, os.path.basename(done["path"]))
    assert not alice.client.all("offline"), "the server threw the sender out"


@test()
def a_folder_cannot_be_sent(case):
    alice, bob = case.pair()
    os.makedirs(os.path.join(case.folder, "folder"))
    alice.client.tell("send", alice.jid, bob.jid, os.path.join(case.folder, "folder"))
    alice.client.wait("notify", kind="error")
    assert not bob.client.all("xfer")


@test()
def a_missing_file_cannot_be_sent(case):
    alice, bob = case.pair()
    alice.client.tell("send", alice.jid, bob.jid, os.path.join(case.folder, "missing"))
    alice.client.wait("notify", kind="error")
    assert not bob.client.all("xfer")


@test()
def two_accounts_in_one_client(case):
    alice = case.online("alice")
    bob = case.online("bob", client=alice.client)
    case.acquaint(alice, bob)
    for sender, receiver, name in ((alice, bob, "there"), (bob, alice, "back")):
        source = case.file(name, 5 * MIB)
        since = alice.client.now()
        sent = sender.send(receiver, source)
        got = alice.client.incoming(since)
        alice.client.stage(got, "file-recv-complete")
        alice.client.stage(sent, "file-send-complete")
        case.ended(sender, sent)
        case.ended(receiver, got)
        case.arrived(receiver, source)


@test()
def ten_at_once_in_both_directions(case):
    alice, bob = case.pair()
    ways = [(alice, bob, "to bob %d" % i) for i in range(10)] + [(bob, alice, "to alice %d" % i) for i in range(10)]
    sources = [case.file(name, 7 * MIB + number) for number, (_, _, name) in enumerate(ways)]
    for (sender, receiver, _), source in zip(ways, sources):
        sender.client.tell("send", sender.jid, receiver.jid, source)
    for (sender, receiver, name), source in zip(ways, sources):
        receiver.client.wait("xfer", stage="file-recv-complete", name=name)
        sender.client.wait("xfer", stage="file-send-complete", name=name)
        receiver.client.wait("xfer", stage="destroyed", direction="receive", name=name)
        sender.client.wait("xfer", stage="destroyed", direction="send", name=name)
        case.arrived(receiver, source)
    by_the_plugin(alice, bob)


@test()
def accepted_late_while_another_one_runs(case):
    alice, bob = case.pair()
    bob.client.always("hold")
    first = alice.send(bob, case.file("first", MIB))
    ask = bob.client.wait("dialog", kind="action")
    bob.client.always("accept")
    case.deliver(alice, bob, case.file("second", MIB))
    bob.client.tell("answer", ask["id"], "accept")
    bob.client.wait("xfer", stage="file-recv-complete", name="first")
    case.ended(alice, first)
    bob.client.wait("xfer", stage="destroyed", name="first")
    case.arrived(bob, os.path.join(case.folder, "files", "first"))


@test()
def a_name_that_is_taken_is_overwritten_when_the_user_says_so(case):
    alice, bob = case.pair()
    with open(os.path.join(bob.client.downloads, "file.bin"), "w", encoding="ascii") as f:
        f.write("an older file\n" * 1000)
    case.deliver(alice, bob, case.file("file.bin", KIB))
