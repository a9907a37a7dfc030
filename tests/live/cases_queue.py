# SPDX-License-Identifier: GPL-2.0-or-later
"""More files than may run at once, and no faster than the user allows."""

import os

from case import KIB, MIB, test
from cases_endings import SOME, still_works

PREFERENCES = "/plugins/core/bytestreams/"
TOLD = "waits its turn"
ENDS = ("file-send-cancel", "file-recv-cancel")


def limit(account, **preferences):
    for name, value in preferences.items():
        account.client.tell("pref", PREFERENCES + name, "int", value)


def offer(sender, receiver, sources):
    """Offers files; returns their ids, in their order."""
    return [sender.send(receiver, source) for source in sources]


def batch(case, name, count, size=300 * KIB):
    return [case.file("%s %d" % (name, number), size + number) for number in range(count)]


def most_at_once(account, direction, since=0):
    """How many transfers of a direction moved bytes at the same time."""
    running, most = set(), 0
    for event in account.client.all("xfer", since, direction=direction):
        if event["stage"] in ("file-send-start", "file-recv-start"):
            running.add(event["id"])
        elif event["stage"] in ENDS or event["stage"] == "progress" and event["sent"] == event["size"]:
            running.discard(event["id"])
        most = max(most, len(running))
    return most


def told(account):
    return [event["text"] for event in account.client.all("line") if TOLD in event["text"]]


def all_arrive(case, sender, receiver, sources):
    for source in sources:
        name = os.path.basename(source)
        receiver.client.wait("xfer", stage="file-recv-complete", name=name)
        sender.client.wait("xfer", stage="file-send-complete", name=name)
        receiver.client.wait("xfer", stage="destroyed", direction="receive", name=name)
        sender.client.wait("xfer", stage="destroyed", direction="send", name=name)
        case.arrived(receiver, source)


@test()
def twelve_files_two_at_a_time(case):
    alice, bob = case.pair()
    limit(alice, transfers_at_once=2, speed_limit=1)
    sources = batch(case, "file", 12)
    offer(alice, bob, sources)
    limit(alice, speed_limit=0)
    all_arrive(case, alice, bob, sources)
    assert most_at_once(alice, "send") <= 2, "too many ran at once"
    offered = [e["name"] for e in bob.client.all("xfer", stage="file-recv-request")]
    assert offered == [os.path.basename(source) for source in sources], "they were offered out of order: %r" % offered
    assert any("number 3 in the queue" in line for line in alice.client.story()), "nothing is told of the queue"
    assert len(told(alice)) == 1 and not told(bob), "told %r" % told(alice)


@test()
def twelve_files_each_way_two_at_a_time(case):
    alice, bob = case.pair()
    limit(alice, transfers_at_once=2)
    limit(bob, transfers_at_once=2)
    there, back = batch(case, "there", 12), batch(case, "back", 12)
    for one, other in zip(there, back):
        alice.client.tell("send", alice.jid, bob.jid, one)
        bob.client.tell("send", bob.jid, alice.jid, other)
    all_arrive(case, alice, bob, there)
    all_arrive(case, bob, alice, back)


def the_only_place_is_taken(case, sender, receiver):
    """A transfer that does not end by itself."""
    limit(sender, transfers_at_once=1)
    sent = sender.send(receiver, case.sparse())
    got = receiver.client.incoming()
    receiver.client.moved(got, SOME)
    return sent, got


@test()
def cancelled_while_it_waits_to_be_sent(case):
    alice, bob = case.pair()
    sent, got = the_only_place_is_taken(case, alice, bob)
    since = bob.client.now()
    sources = batch(case, "file", 3)
    waiting = offer(alice, bob, sources)
    alice.client.wait("debug", where=lambda e: "number 3 in the queue" in e["text"])
    alice.client.tell("cancel", waiting[1])
    assert case.cancelled(alice, waiting[1]) == "here"
    assert not bob.client.all("xfer", since, stage="new"), "a file was offered out of turn"
    alice.client.tell("cancel", sent)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    all_arrive(case, alice, bob, [sources[0], sources[2]])


def accepted_and_waiting(case, sender, receiver):
    """A file that is accepted where another one has the only place. Returns all ids."""
    limit(receiver, transfers_at_once=1)
    first = sender.send(receiver, case.sparse())
    first_got = receiver.client.incoming()
    receiver.client.moved(first_got, SOME)
    since = receiver.client.now()
    second = sender.send(receiver, case.file("second", MIB))
    second_got = receiver.client.incoming(since)
    receiver.client.wait("debug", since, where=lambda e: "number 1 in the queue" in e["text"])
    receiver.client.wait("line", since, where=lambda e: TOLD in e["text"])
    return first, first_got, second, second_got


@test()
def accepted_while_another_one_has_the_only_place(case):
    alice, bob = case.pair()
    first, first_got, second, second_got = accepted_and_waiting(case, alice, bob)
    assert not bob.client.all("xfer", id=second_got, stage="file-recv-start")
    bob.client.tell("cancel", first_got)
    case.cancelled(bob, first_got)
    case.cancelled(alice, first)
    case.completed(bob, second_got)
    case.completed(alice, second)
    case.arrived(bob, os.path.join(case.folder, "files", "second"))


@test()
def accepted_files_that_wait_can_be_cancelled_from_both_sides(case):
    alice, bob = case.pair()
    first, first_got, second, second_got = accepted_and_waiting(case, alice, bob)
    bob.client.tell("cancel", second_got)
    assert case.cancelled(bob, second_got) == "here"
    assert case.cancelled(alice, second) == "there"
    since = bob.client.now()
    third = alice.send(bob, case.file("third", MIB))
    third_got = bob.client.incoming(since)
    bob.client.wait("debug", since, where=lambda e: "number 1 in the queue" in e["text"])
    alice.client.tell("cancel", third)
    assert case.cancelled(alice, third) == "here"
    assert case.cancelled(bob, third_got) == "there"
    alice.client.tell("cancel", first)
    case.cancelled(alice, first)
    case.cancelled(bob, first_got)
    still_works(case, alice, bob)


@test()
def an_offer_without_an_answer_does_not_hold_up_others(case):
    alice, bob = case.pair()
    carol = case.online("carol")
    case.acquaint(alice, carol)
    limit(alice, transfers_at_once=1)
    bob.client.always("hold")
    first, second = offer(alice, bob, batch(case, "for bob", 2))
    bob.client.wait("dialog", kind="action")
    case.deliver(alice, carol, case.file("for carol", MIB))
    for xfer in (second, first):
        alice.client.tell("cancel", xfer)
        case.cancelled(alice, xfer)
    assert not bob.client.all("xfer", stage="new", name="for bob 1"), "more was offered than may be"


@test()
def a_higher_limit_lets_what_waits_begin(case):
    alice, bob = case.pair()
    sent, got = the_only_place_is_taken(case, alice, bob)
    sources = batch(case, "file", 3)
    offer(alice, bob, sources)
    limit(alice, transfers_at_once=2)
    all_arrive(case, alice, bob, sources)
    alice.client.tell("cancel", sent)
    case.cancelled(bob, got)


def told_of_ends(account):
    """What is told of transfers that are interrupted, and what of those that failed."""
    return ([event["text"] for event in account.client.all("line") if "goes on by itself" in event["text"]],
            [event["secondary"] for event in account.client.all("notify", kind="error")])


def cut_off_while_waiting(case, cut):
    """cut(alice) ends all; she hears of the one that was under way, and not of each that waited."""
    alice, bob = case.pair()
    case.may_remain_unfinished(bob)
    sent, got = the_only_place_is_taken(case, alice, bob)
    waiting = offer(alice, bob, batch(case, "file", 5))
    alice.client.wait("debug", where=lambda e: "number 5 in the queue" in e["text"])
    since = bob.client.now()
    cut(alice)
    for xfer in [sent] + waiting:
        case.cancelled(alice, xfer)
    case.cancelled(bob, got)
    interrupted, failed = told_of_ends(alice)
    assert len(interrupted) == 1 and not failed, (interrupted, failed)
    return alice, bob, since


@test()
def the_sender_signs_off_while_files_wait(case):
    alice, bob, _ = cut_off_while_waiting(case, lambda alice: alice.client.tell("sign-off", alice.jid))
    # The long one goes on then.
    limit(alice, transfers_at_once=2)
    since = alice.client.now()
    alice.client.tell("sign-on", alice.jid)
    alice.client.wait("buddy-online", since)
    source = case.file("afterwards", 300 * KIB)
    alice.send(bob, source)
    all_arrive(case, alice, bob, [source])


@test()
def the_plugin_is_unloaded_while_files_wait(case):
    _, bob, since = cut_off_while_waiting(case, lambda alice: alice.client.unload(case.lab.plugin))
    assert not bob.client.all("xfer", since, stage="new"), "a file was offered at the end"


@test()
def the_receiver_signs_off_while_files_wait(case):
    """At both ends: what Bob has accepted, and what Alice has not offered yet."""
    alice, bob = case.pair()
    case.may_remain_unfinished(bob)
    limit(alice, transfers_at_once=2)
    first, first_got, second, second_got = accepted_and_waiting(case, alice, bob)
    waiting = offer(alice, bob, batch(case, "file", 3))
    alice.client.wait("debug", where=lambda e: "number 3 in the queue" in e["text"])
    bob.client.tell("sign-off", bob.jid)
    for xfer in (first_got, second_got):
        case.cancelled(bob, xfer)
    interrupted, failed = told_of_ends(bob)
    assert len(interrupted) == 1 and not failed, (interrupted, failed)
    assert sum("it can go on later" in line for line in bob.client.story()) == 1, "what had not begun was kept"
    for xfer in [first, second] + waiting:
        case.cancelled(alice, xfer)
    # The one that he had not accepted in her eyes, and one for all that waited.
    interrupted, failed = told_of_ends(alice)
    assert len(interrupted) == 1 and len(failed) == 2, (interrupted, failed)


@test()
def what_goes_on_by_itself_waits_for_its_place(case):
    alice, bob = case.pair()
    case.may_remain_unfinished(bob)
    limit(alice, speed_limit=4 * KIB)
    sources = batch(case, "file", 2, 8 * MIB)
    offer(alice, bob, sources)
    for source in sources:
        bob.client.wait("xfer", stage="progress", name=os.path.basename(source), where=lambda e: e["sent"] > 0)
    alice.client.tell("sign-off", alice.jid)
    for source in sources:
        path = os.path.join(bob.client.downloads, os.path.basename(source))
        bob.client.wait("xfer", stage="file-recv-cancel", path=path)
    limit(bob, transfers_at_once=1)
    since, place = alice.client.now(), bob.client.now()
    alice.client.tell("sign-on", alice.jid)
    alice.client.wait("buddy-online", since)
    bob.client.wait("debug", place, where=lambda e: "number 1 in the queue" in e["text"])
    bob.client.always("decline")
    bob.client.tell("menu", "Unfinished Files…")
    assert bob.client.wait("dialog", place, kind="fields")["options"].count("waits until other files are done") == 1
    limit(alice, speed_limit=0)
    all_arrive(case, alice, bob, sources)
    assert most_at_once(bob, "receive", place) == 1, "they went on at the same time"


@test()
def slowly_until_the_limit_of_speed_is_lifted(case):
    alice, bob = case.pair()
    limited = (alice, bob)
    for account in limited:
        limit(account, speed_limit=64)
    sources = batch(case, "file", 4, 8 * MIB)
    offer(alice, bob, sources)
    for source in sources:
        bob.client.wait("xfer", stage="progress", name=os.path.basename(source), where=lambda e: e["sent"] > 0)
    sent = max(e["sent"] for e in alice.client.all("xfer", stage="progress"))
    assert sent < 4 * MIB, "it was not kept from sending %d bytes" % sent
    for account in limited:
        limit(account, speed_limit=0)
    all_arrive(case, alice, bob, sources)


@test()
def cancelled_while_the_limit_of_speed_holds_it_up(case):
    alice, bob = case.pair()
    limit(alice, speed_limit=1)
    sent = alice.send(bob, case.file("file.bin", MIB))
    got = bob.client.incoming()
    bob.client.moved(got, 1)
    alice.client.tell("cancel", sent)
    assert case.cancelled(alice, sent) == "here"
    assert case.cancelled(bob, got) == "there"
    limit(alice, speed_limit=0)
    still_works(case, alice, bob)
