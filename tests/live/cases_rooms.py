# SPDX-License-Identifier: GPL-2.0-or-later
"""Files for the occupants of a chat room, who know each other by the room's JIDs."""

from case import KIB, MIB, test
from cases_routes import nominated
from cases_si import REFUSAL, SI, by_libpurple
from prosody import ROOMS


def in_a_room(case, alice, bob):
    """Both enter; returns what Alice and Bob are called there."""
    alice.client.always("hold")
    alice.client.tell("join", alice.jid, "lounge", ROOMS, "Al")
    dialog = alice.client.wait("dialog", title="Create New Room")
    alice.client.tell("answer", dialog["id"], "accept", "1")
    alice.client.wait("occupant", nick="Al")
    alice.client.always("accept")
    bob.client.tell("join", bob.jid, "lounge", ROOMS, "Bobby")
    for account in (alice, bob):
        for nick in ("Al", "Bobby"):
            account.client.wait("occupant", room="lounge@" + ROOMS, nick=nick)
    return ["lounge@%s/%s" % (ROOMS, nick) for nick in ("Al", "Bobby")]


def occupants(case, **options):
    """Alice and Bob in one room."""
    alice = case.online("alice")
    bob = case.online("bob", **options)
    return (alice, bob, *in_a_room(case, alice, bob))


@test()
def to_an_occupant_by_Jingle(case):
    alice, bob, al, bobby = occupants(case)
    case.deliver(alice, bob, case.file("there.bin", 3 * MIB), who=bobby)
    case.deliver(bob, alice, case.file("back.bin", MIB), who=al)
    for account, whom in ((alice, bobby), (bob, al)):
        assert "direct" in nominated(account), nominated(account)
        assert not any(SI in line for line in account.client.story()), "stream initiation was used"
        assert any(whom in line for line in account.client.story()), "it went to another JID"


@test()
def to_an_occupant_without_the_plugin(case):
    alice, bob, al, bobby = occupants(case, plugin=False)
    case.deliver(alice, bob, case.file("there.bin", 300 * KIB), who=bobby)
    assert not by_libpurple(alice)


@test()
def from_an_occupant_without_the_plugin(case):
    alice, bob, al, bobby = occupants(case, plugin=False)
    case.deliver(bob, alice, case.file("back.bin", 100 * KIB), who=al)
    assert not by_libpurple(alice)


def through_the_server(case, **options):
    """Files to an occupant and back, neither of whom reaches the other."""
    case.own_server(proxy=False)
    one, other = case.host(1, **REFUSAL), case.host(2, **REFUSAL)
    alice, bob = case.online("alice", host=one), case.online("bob", host=other, **options)
    al, bobby = in_a_room(case, alice, bob)
    case.deliver(alice, bob, case.file("there.bin", 100 * KIB), who=bobby)
    case.deliver(bob, alice, case.file("back.bin", 100 * KIB), who=al)
    assert "in-band" in nominated(alice), nominated(alice)
    return alice


@test(hosts=True)
def occupants_through_the_server_by_Jingle(case):
    alice = through_the_server(case)
    assert not any(SI in line for line in alice.client.story()), "stream initiation was used"


@test(hosts=True)
def occupants_through_the_server_without_the_plugin(case):
    alice = through_the_server(case, plugin=False)
    assert any(SI in line for line in alice.client.story()) and not by_libpurple(alice)


@test()
def the_menu_offers_to_send_to_an_occupant(case):
    alice, _, _, bobby = occupants(case)
    alice.client.tell("can-send", alice.jid, bobby)
    assert alice.client.wait("can-send")["yes"]


def in_mid_data(case):
    alice, bob, _, bobby = occupants(case)
    since = bob.client.now()
    sent = alice.send(bobby, case.sparse())
    got = bob.client.incoming(since)
    bob.client.moved(got, 16 * MIB)
    return alice, sent, bob, got


@test()
def cancelled_by_an_occupant_in_mid_data(case):
    alice, sent, bob, got = in_mid_data(case)
    bob.client.tell("cancel", got)
    assert case.cancelled(bob, got) == "here"
    assert case.cancelled(alice, sent) == "there"


@test()
def an_occupant_signs_off_in_mid_data(case):
    alice, sent, bob, got = in_mid_data(case)
    case.may_remain_unfinished(bob)
    bob.client.tell("sign-off", bob.jid)
    case.cancelled(bob, got)
    case.cancelled(alice, sent)
