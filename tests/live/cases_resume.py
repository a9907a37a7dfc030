# SPDX-License-Identifier: GPL-2.0-or-later
"""Transfers that are interrupted and go on by themselves."""

import base64
import hashlib
import os
import random
import re
import time

from case import MIB, test
from raw_files import FEATURES, FILES, HASHES, JINGLE, USELESS, Sending, file_element, terminate
from raw_peer import RawPeer

SIZE = 200 * MIB
ASKED = re.compile(r"we ask .* for the file from byte (\d+) on")


def begun(case, sender, receiver, name="file.bin", size=SIZE, at=SIZE // 8):
    """A transfer of which a part is through. Returns the file and both ids."""
    case.may_remain_unfinished(receiver)
    source = case.file(name, size)
    since = receiver.client.now()
    sent = sender.send(receiver, source)
    got = receiver.client.incoming(since)
    receiver.client.moved(got, at)
    return source, sent, got


def goes_on(case, sender, receiver, source, since=(0, 0)):
    """The transfer appears again at both ends, without a question, and ends well. Returns the byte that it began with."""
    sent = sender.client.wait("xfer", since[0], stage="new", direction="send")["id"]
    got = receiver.client.wait("xfer", since[1], stage="new", direction="receive")["id"]
    case.completed(receiver, got)
    case.completed(sender, sent)
    case.ended(receiver, got)
    case.ended(sender, sent)
    case.arrived(receiver, source)
    assert not receiver.client.all("dialog", since[1]), "the user was asked"
    asked = [int(ASKED.search(line["text"]).group(1)) for line in receiver.client.all("debug", since[1])
             if ASKED.search(line["text"])]
    assert asked, "nothing was asked for"
    assert all(at <= os.path.getsize(source) for at in asked)
    return asked[-1]


def places(*accounts):
    return [account.client.now() for account in accounts]


def cut(case, cutter, sender, receiver):
    """The connection breaks while both are online: the same transfer goes on, at once, without anybody noticing."""
    source, sent, got = begun(case, sender, receiver)
    since = places(sender, receiver)
    cutter.client.tell("cut", case.server.port)
    case.completed(receiver, got)
    case.completed(sender, sent)
    case.ended(receiver, got)
    case.ended(sender, sent)
    case.arrived(receiver, source)
    asked = [int(ASKED.search(line["text"]).group(1)) for line in receiver.client.all("debug", since[1])
             if ASKED.search(line["text"])]
    assert asked and asked[0] >= SIZE // 8, asked
    for account, place in zip((sender, receiver), since):
        assert not account.client.all("xfer", place, stage="new")
        assert not account.client.all("notify", place)


@test()
def the_sender_s_connection_breaks(case):
    alice, bob = case.pair()
    cut(case, alice, alice, bob)


@test()
def the_receiver_s_connection_breaks(case):
    alice, bob = case.pair()
    cut(case, bob, alice, bob)


def told_that_it_goes_on(account):
    """libpurple would add that the transfer is cancelled."""
    lines = [event["text"] for event in account.client.all("line", kind="system")]
    assert [line for line in lines if "goes on by itself" in line], lines
    assert not [line for line in lines if "cancelled" in line], lines


@test()
def the_sender_signs_off_and_on(case):
    alice, bob = case.pair()
    source, sent, got = begun(case, alice, bob)
    alice.client.tell("sign-off", alice.jid)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    since = places(alice, bob)
    alice.client.tell("sign-on", alice.jid)
    assert goes_on(case, alice, bob, source, since) >= SIZE // 8


@test()
def the_receiver_signs_off_and_on(case):
    alice, bob = case.pair()
    source, sent, got = begun(case, alice, bob)
    bob.client.tell("sign-off", bob.jid)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    told_that_it_goes_on(alice)
    told_that_it_goes_on(bob)
    since = places(alice, bob)
    bob.client.tell("sign-on", bob.jid)
    assert goes_on(case, alice, bob, source, since) >= SIZE // 8


@test()
def the_receiver_crashes_and_is_started_again(case):
    alice, bob = case.pair()
    source, sent, _ = begun(case, alice, bob)
    bob.client.kill()
    case.cancelled(alice, sent)
    since = alice.client.now()
    bob = case.again(bob)
    assert goes_on(case, alice, bob, source, (since, 0)) > 0


@test()
def the_sender_crashes_and_is_started_again(case):
    alice, bob = case.pair()
    source, _, got = begun(case, alice, bob)
    alice.client.kill()
    case.cancelled(bob, got)
    since = bob.client.now()
    alice = case.again(alice)
    assert goes_on(case, alice, bob, source, (0, since)) >= SIZE // 8


@test()
def the_server_is_started_again(case):
    server = case.own_server()
    alice, bob = case.pair()
    source, sent, got = begun(case, alice, bob)
    server.kill()
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    server.start()
    since = places(alice, bob)
    for account in (alice, bob):
        account.client.tell("sign-on", account.jid)
    assert goes_on(case, alice, bob, source, since) >= SIZE // 8


@test()
def the_plugin_is_switched_off_and_on(case):
    alice, bob = case.pair()
    source, sent, got = begun(case, alice, bob)
    bob.client.unload(case.lab.plugin)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    since = places(alice, bob)
    bob.client.load(case.lab.plugin)
    assert goes_on(case, alice, bob, source, since) >= SIZE // 8


@test()
def a_part_that_was_damaged_meanwhile_is_not_used(case):
    alice, bob = case.pair()
    source, sent, _ = begun(case, alice, bob, at=SIZE // 2)
    bob.client.kill()
    case.cancelled(alice, sent)
    part, = os.listdir(bob.client.downloads)
    with open(os.path.join(bob.client.downloads, part), "r+b") as f:
        f.seek(SIZE // 4)
        f.write(b"damage")
    since = alice.client.now()
    bob = case.again(bob)
    asked = goes_on(case, alice, bob, source, (since, 0))
    assert 0 < asked <= SIZE // 4, asked


@test()
def a_folder_that_was_away_meanwhile(case):
    """As on a stick: nothing is forgotten."""
    alice, bob = case.pair()
    source, sent, got = begun(case, alice, bob)
    alice.client.tell("sign-off", alice.jid)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    os.rename(bob.client.downloads, bob.client.downloads + ".away")
    since = places(alice, bob)
    alice.client.tell("sign-on", alice.jid)
    bob.client.wait("debug", since[1], where=lambda e: "cannot go on" in e["text"])
    alice.client.tell("sign-off", alice.jid)
    os.rename(bob.client.downloads + ".away", bob.client.downloads)
    since = places(alice, bob)
    alice.client.tell("sign-on", alice.jid)
    assert goes_on(case, alice, bob, source, since) >= SIZE // 8


@test()
def a_file_that_changed_meanwhile_is_not_sent(case):
    alice, bob = case.pair()
    source, sent, got = begun(case, alice, bob)
    alice.client.tell("sign-off", alice.jid)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    os.utime(source, (1, 1))
    since = places(alice, bob)
    alice.client.tell("sign-on", alice.jid)
    bob.client.wait("debug", since[1], where=lambda e: "the peer does not send the rest" in e["text"])
    assert not bob.client.all("xfer", since[1])
    assert not alice.client.all("xfer", since[0])


@test()
def the_same_file_offered_again_goes_on(case):
    alice, bob = case.pair()
    source, sent, got = begun(case, alice, bob)
    bob.client.tell("sign-off", bob.jid)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    # Alice has forgotten it: only her user can go on with it.
    alice.client.quit()
    memory = os.path.join(alice.client.folder, "purple", "bytestreams", "transfers.ini")
    os.unlink(memory)
    alice = case.again(alice)
    bob.client.tell("sign-on", bob.jid)
    case.acquaint(alice, bob)
    since = bob.client.now()
    case.deliver(alice, bob, source)
    assert any(re.search(r"accepted here from byte [1-9]", line["text"]) for line in bob.client.all("debug", since))


SI = "http://jabber.org/protocol/si"
IBB = "http://jabber.org/protocol/ibb"
DISCO = "http://jabber.org/protocol/disco#info"
SI_OFFER = ("<si xmlns='{si}' id='si1' profile='{si}/profile/file-transfer'>"
            "<file xmlns='{si}/profile/file-transfer' name='file.bin' size='{size}' hash='{md5}' date='{date}'><range/></file>"
            "<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='form'>"
            "<field var='stream-method' type='list-single'><option><value>{ibb}</value></option></field></x></feature></si>")


def send_in_band(peer, to, data):
    """A stream of stream initiation, in-band, block by block."""
    peer.request("<open xmlns='%s' sid='si1' block-size='4096'/>" % IBB, to)
    for number, start in enumerate(range(0, len(data), 4096)):
        block = base64.b64encode(data[start:start + 4096]).decode()
        answer = peer.request("<data xmlns='%s' sid='si1' seq='%d'>%s</data>" % (IBB, number, block), to)
        assert answer.get("type") == "result"
    peer.request("<close xmlns='%s' sid='si1'/>" % IBB, to)


PART = 200000
DATE = "2020-01-01T00:00:00Z"


def carol_at(case, resource="raw"):
    carol = RawPeer(case.server, "carol", resource)
    case.at_end(carol.close)
    carol.presence()
    return carol


def a_part_comes(case, carol, bob, data, reason, candidates=USELESS):
    """Carol's program offers a file, sends a part of it, and ends the session."""
    case.may_remain_unfinished(bob)
    sending = Sending(carol, bob.jid, "first")
    extra = "<date>%s</date><range/><hash-used xmlns='%s' algo='sha-256'/>" % (DATE, HASHES)
    sending.offer(file_element("file.bin", len(data), extra), candidates)
    sending.dial(sending.accepted())
    sending.data(data[:PART])
    got = bob.client.incoming()
    part, = os.listdir(bob.client.downloads)
    while os.path.getsize(os.path.join(bob.client.downloads, part)) < PART:
        time.sleep(0.01)
    sending.request(terminate("first", reason))
    case.cancelled(bob, got)


def asked_for_the_rest(carol, bob):
    """Bob asks her program, which does not know of the file."""
    query = carol.asked(lambda payload: payload.tag == "{%s}query" % DISCO)
    features = "".join("<feature var='%s'/>" % feature for feature in FEATURES)
    carol.answer(query, "<query xmlns='%s'>%s</query>" % (DISCO, features))
    asked = carol.ask(lambda payload: payload.tag == "{%s}jingle" % JINGLE and payload.get("action") == "session-initiate")[0]
    assert asked[0].get("senders") == "responder"
    assert asked.find(".//{%s}range" % FILES).get("offset") == str(PART)
    carol.request(terminate(asked.get("sid"), "failed-application"), bob.jid)


@test()
def what_ended_while_both_are_online_goes_on(case):
    bob = case.online("bob")
    carol = carol_at(case)
    a_part_comes(case, carol, bob, bytes(range(256)) * 1200, "connectivity-error")
    asked_for_the_rest(carol, bob)


@test()
def each_device_of_the_sender_is_asked(case):
    bob = case.online("bob")
    desk = carol_at(case, "desk")
    a_part_comes(case, desk, bob, bytes(range(256)) * 1200, "gone")
    desk.close()
    asked_for_the_rest(carol_at(case, "phone"), bob)
    asked_for_the_rest(carol_at(case, "desk-again"), bob)


@test()
def psi_is_asked_for_nothing(case):
    """What it does not give is not promised to the user either."""
    bob = case.online("bob")
    carol = carol_at(case)
    a_part_comes(case, carol, bob, bytes(range(256)) * 1200, "connectivity-error",
                 "<candidate cid='c1' host='127.0.0.1' port='1' priority='8257536'/>")
    told = bob.client.wait("notify")["secondary"]
    assert "broke" in told and "Ask Carol to send it again." in told, told
    bob.client.tell("menu", "Unfinished Files…")
    dialog = bob.client.wait("dialog", kind="fields")
    assert re.fullmatch("“file.bin” from [^ ]+: 195.3.KiB of 300.0.KiB; goes on only if it is sent once more\n",
                        dialog["options"]), dialog["options"]
    assert not any("takes files" in line["text"] or ASKED.search(line["text"]) for line in bob.client.all("debug"))


@test()
def a_part_is_asked_for_by_stream_initiation(case):
    """XEP-0096, 3: what was begun by Jingle, too."""
    data = bytes(range(256)) * 1200
    bob = case.online("bob")
    carol = carol_at(case)
    a_part_comes(case, carol, bob, data, "gone")
    since = bob.client.now()
    result = carol.request(SI_OFFER.format(si=SI, ibb=IBB, size=len(data), date=DATE,
                                           md5=hashlib.md5(data).hexdigest()), bob.jid)
    wanted = result.find(".//{%s/profile/file-transfer}range" % SI)
    assert wanted is not None and wanted.get("offset") == str(PART), wanted
    send_in_band(carol, bob.jid, data[PART:])
    again = bob.client.incoming(since)
    case.completed(bob, again)
    with open(os.path.join(bob.client.downloads, "file.bin"), "rb") as f:
        assert f.read() == data
    source = case.file("file.bin", 0)
    with open(source, "wb") as f:
        f.write(data)
    case.arrived(bob, source)


def remembered(account):
    with open(os.path.join(account.client.folder, "purple", "bytestreams", "transfers.ini"), encoding="ascii") as f:
        return f.read()


@test()
def a_cancelled_transfer_does_not_go_on(case):
    alice, bob = case.pair()
    _, sent, got = begun(case, alice, bob)
    bob.client.tell("cancel", got)
    case.cancelled(bob, got)
    case.cancelled(alice, sent)
    deadline = time.monotonic() + 30
    while os.listdir(bob.client.downloads) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not os.listdir(bob.client.downloads), "what was cancelled was kept"
    while any("path" in remembered(account) for account in (alice, bob)):
        assert time.monotonic() < deadline, "what was cancelled is remembered"
        time.sleep(0.02)


@test()
def the_user_discards_what_is_unfinished(case):
    alice, bob = case.pair()
    _, sent, got = begun(case, alice, bob)
    alice.client.tell("sign-off", alice.jid)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    bob.client.tell("menu", "Unfinished Files…")
    dialog = bob.client.wait("dialog", kind="fields")
    assert re.fullmatch("“file.bin” from Alice: [0-9.]+.MiB of 200.0.MiB\n", dialog["options"]), dialog["options"]
    deadline = time.monotonic() + 30
    while os.listdir(bob.client.downloads) or "path" in remembered(bob):
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.02)
    since = bob.client.now()
    bob.client.tell("menu", "Unfinished Files…")
    assert "No transfer" in bob.client.wait("notify", since)["primary"]


@test()
def the_sender_takes_back_what_is_unfinished(case):
    alice, bob = case.pair()
    _, sent, got = begun(case, alice, bob)
    bob.client.tell("sign-off", bob.jid)
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    alice.client.tell("menu", "Unfinished Files…")
    dialog = alice.client.wait("dialog", kind="fields")
    assert re.fullmatch("“file.bin” to Bob: 200.0.MiB\n", dialog["options"]), dialog["options"]
    deadline = time.monotonic() + 30
    while "path" in remembered(alice):
        assert time.monotonic() < deadline, "it is still remembered"
        time.sleep(0.02)
    since = alice.client.now()
    alice.client.tell("menu", "Unfinished Files…")
    assert "No transfer" in alice.client.wait("notify", since)["primary"]
    since = places(alice, bob)
    bob.client.tell("sign-on", bob.jid)
    bob.client.wait("debug", since[1], where=lambda e: "the peer does not send the rest" in e["text"])
    assert not alice.client.all("xfer", since[0], stage="new")
    bob.client.tell("menu", "Unfinished Files…")
    dialog = bob.client.wait("dialog", kind="fields")
    assert re.fullmatch("“file.bin” from Alice: .* of 200.0.MiB; Alice does not have it any more, or has changed it\n",
                        dialog["options"]), dialog["options"]


def killed_at_random(case, receiver_dies):
    """Some transfer, one of the clients killed at any moment of it, often the first, and started again."""
    alice, bob = case.pair()
    source = case.file("file.bin", SIZE)
    case.may_remain_unfinished(bob)
    since = bob.client.now()
    alice.send(bob, source)
    got = bob.client.incoming(since)
    bob.client.stage(got, "file-recv-start")
    time.sleep(random.random() * random.choice((0.005, 0.25)))
    (bob if receiver_dies else alice).client.kill()
    since = places(alice, bob)
    if receiver_dies:
        bob = case.again(bob)
        since[1] = 0
    else:
        alice = case.again(alice)
        since[0] = 0
    arrived(case, bob, source)
    received = sum(int(match.group(1)) for line in bob.client.all("debug")
                   for match in [re.search(r"receiving ended after (\d+) bytes|(?<=\] )(\d+) bytes received", line["text"])]
                   if match and match.group(1))
    assert received <= SIZE, "more than twice the bytes were received"
    return alice, bob


def arrived(case, bob, source):
    """Waits until the file stands under its name, which it only does whole."""
    path = os.path.join(bob.client.downloads, os.path.basename(source))
    deadline = time.monotonic() + 300
    while not os.path.exists(path):
        assert time.monotonic() < deadline, "the file has not arrived"
        time.sleep(0.02)
    case.arrived(bob, source)


@test()
def the_receiver_is_killed_at_random(case):
    killed_at_random(case, True)


@test()
def the_sender_is_killed_at_random(case):
    killed_at_random(case, False)
