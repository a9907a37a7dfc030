# SPDX-License-Identifier: GPL-2.0-or-later
"""Contacts whose clients take and send files in a way of their own: Carol is scripted."""

import base64
import hashlib

from case import KIB, test
from prosody import PROXY
from raw_files import (HASHES, JINGLE, Sending, candidate, connect, content, dst_addr, file_element, jingle, terminate,
                       transport_info)
from raw_peer import IBB, RawPeer

OLD_FILES = "urn:xmpp:jingle:apps:file-transfer:4"
NEW_FILES = "urn:xmpp:jingle:apps:file-transfer:5"
S5B = "urn:xmpp:jingle:transports:s5b:1"
IN_BAND = "urn:xmpp:jingle:transports:ibb:1"
VERSION = "jabber:iq:version"
INFO = "http://jabber.org/protocol/disco#info"


def is_jingle(action):
    return lambda payload: payload.tag == "{%s}jingle" % JINGLE and payload.get("action") == action


class Receiver:
    """What Carol's client says of itself, and what it is offered."""

    def __init__(self, case, files, transports=(S5B, IN_BAND)):
        self.case = case
        self.files = files
        self.transports = transports
        self.alice = case.online("alice")
        self.carol = RawPeer(case.server, "carol")
        self.carol.presence()
        self.alice.client.wait("buddy-online", who="carol@lab.test")
        self.known = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.carol.close()

    def offered(self, source):
        """Alice sends the file: the id of that, and the offer's <jingle/>."""
        sent = self.alice.send("carol@lab.test", source)
        query = self.carol.asked(lambda payload: payload.tag == "{%s}query" % INFO)
        features = "".join("<feature var='%s'/>" % feature for feature in (JINGLE, self.files, *self.transports))
        self.carol.send("<iq type='result' id='%s' to='%s'><query xmlns='%s'>%s</query></iq>" % (
            query.get("id"), query.get("from"), INFO, features))
        return sent, self.offer()

    def offer(self):
        return self.carol.ask(is_jingle("session-initiate"))[0]

    def accept(self, offer, transport):
        name = offer[0].get("name")
        described = "<description xmlns='%s'><file/></description>" % self.files
        answer = self.carol.request(jingle("session-accept", offer.get("sid"),
                                           content(described + transport, name)), self.alice.jid)
        assert answer.get("type") == "result"


@test()
def a_contact_with_an_older_version(case):
    with Receiver(case, OLD_FILES) as receiver:
        sent, offer = receiver.offered(case.file("file.bin", KIB))
        file = offer.find(".//{%s}file" % OLD_FILES)
        assert file is not None, "offered in another version"
        promised = {h.get("algo") for h in file.findall("{urn:xmpp:hashes:1}hash")}
        assert "sha-1" in promised, promised
        receiver.carol.request(terminate(offer.get("sid"), "decline"), receiver.alice.jid)
        case.cancelled(receiver.alice, sent)


def silent_contact(case, receiver, name, version):
    """Carol's client has acknowledged an offer, and does nothing more: what Alice is told."""
    receiver.alice.client.tell("hurry", 100)
    since = receiver.alice.client.now()
    sent, offer = receiver.offered(case.file("file.bin", KIB))
    query = receiver.carol.asked(lambda payload: payload.tag == "{%s}query" % VERSION)
    receiver.carol.send("<iq type='result' id='%s' to='%s'><query xmlns='%s'><name>%s</name><version>%s</version></query>"
                        "</iq>" % (query.get("id"), query.get("from"), VERSION, name, version))
    told = receiver.alice.client.wait("debug", since, where=lambda e: "has not answered the offer" in e["text"])["text"]
    assert "file.bin" in told, told
    # It stays open, and may yet be answered.
    receiver.carol.request(terminate(offer.get("sid"), "decline"), receiver.alice.jid)
    case.cancelled(receiver.alice, sent)
    return told


@test()
def a_contact_whose_client_shows_no_offers(case):
    with Receiver(case, NEW_FILES) as receiver:
        assert "(Gajim 1.7.3)" in silent_contact(case, receiver, "Gajim", "1.7.3")
        notes = receiver.alice.client.all("notify")
        assert any("Gajim 1.7.3" in note["primary"] for note in notes), notes


@test()
def a_contact_that_does_not_answer_an_offer(case):
    with Receiver(case, NEW_FILES) as receiver:
        receiver.alice.client.tell("talk", receiver.alice.jid, "carol@lab.test")
        silent_contact(case, receiver, "Psi", "1.5")
        assert not receiver.alice.client.all("notify", kind="info")
        assert [e for e in receiver.alice.client.all("line") if "has not answered the offer" in e["text"]]


def arrives_in_band(case, receiver, sent, offer, source):
    """What Carol is offered is offered so, and she takes it."""
    transport = offer.find(".//{%s}transport" % IN_BAND)
    assert transport is not None, "offered in another way"
    receiver.accept(offer, "<transport xmlns='%s' sid='%s' block-size='4096'/>" % (IN_BAND, transport.get("sid")))
    data = receiver.carol.take_in_band(transport.get("sid"))
    with open(source, "rb") as f:
        assert data == f.read()
    receiver.carol.request(terminate(offer.get("sid"), "success"), receiver.alice.jid)
    case.completed(receiver.alice, sent)
    case.ended(receiver.alice, sent)


@test()
def a_contact_that_has_accepted_another_file(case):
    """It is asked about files, and thinks about this one: nobody needs to be told."""
    alice, bob = case.pair()
    case.deliver(alice, bob, case.file("another.bin", KIB))
    bob.client.always("hold")
    alice.client.tell("hurry", 100)
    since = bob.client.now()
    sent = alice.send(bob, case.file("file.bin", KIB))
    dialog = bob.client.wait("dialog", since, kind="action")
    alice.client.wait("debug", where=lambda e: "has not answered an offer for a minute" in e["text"])
    bob.client.tell("answer", dialog["id"], "decline")
    case.cancelled(alice, sent)
    assert not [e for e in alice.client.all("line") if "has not answered" in e["text"]]


@test()
def a_contact_that_leaves_the_session_when_nothing_connects(case):
    """As Psi does, which takes a new session that is in-band at once."""
    source = case.file("file.bin", 9 * KIB)
    with Receiver(case, NEW_FILES) as receiver:
        sent, offer = receiver.offered(source)
        sid = offer.get("sid")
        stream = offer.find(".//{%s}transport" % S5B).get("sid")
        receiver.accept(offer, "<transport xmlns='%s' sid='%s'/>" % (S5B, stream))
        receiver.carol.request(transport_info(sid, "<candidate-error/>", stream).replace(
            "name=\"file\"", "name='%s'" % offer[0].get("name")), receiver.alice.jid)
        receiver.carol.request(terminate(sid, "failed-transport"), receiver.alice.jid)
        arrives_in_band(case, receiver, sent, receiver.offer(), source)


@test()
def a_contact_that_knows_no_socks5_bytestreams(case):
    source = case.file("file.bin", 9 * KIB)
    with Receiver(case, NEW_FILES, (IN_BAND,)) as receiver:
        sent, offer = receiver.offered(source)
        arrives_in_band(case, receiver, sent, offer, source)


class Several:
    """Carol offers Bob several files in one session, each in-band; the content's name is the file's."""

    SID = "several"

    def __init__(self, case, names):
        self.case = case
        self.bob = case.online("bob")
        self.carol = RawPeer(case.server, "carol")
        self.carol.presence()
        self.bob.client.wait("buddy-online", who="carol@lab.test")
        self.bob.client.always("hold")
        self.since = self.bob.client.now()
        self.sources = {name: case.file(name, 3 * KIB) for name in names}
        self.got = {}
        offered = self.request(jingle("session-initiate", self.SID, "".join(map(self._content, names))))
        assert offered.get("type") == "result"
        self.dialogs = {name: self.bob.client.wait("dialog", self.since, kind="action",
                                                   where=lambda e, name=name: " %s " % name in e["primary"])
                        for name in names}
        for name, dialog in self.dialogs.items():
            self.got[name] = self.bob.client.wait("xfer", self.since, stage="file-recv-request", name=name)["id"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.carol.close()

    @staticmethod
    def _content(name):
        return content("<description xmlns='%s'>%s</description><transport xmlns='%s' sid='%s' block-size='4096'/>" % (
            NEW_FILES, file_element(name, 3 * KIB, ""), IN_BAND, name), name)

    def request(self, payload):
        return self.carol.request(payload, self.bob.jid)

    def accept(self, name):
        since = self.bob.client.now()
        self.bob.client.tell("answer", self.dialogs[name]["id"], "accept")
        save = self.bob.client.wait("dialog", since, kind="save", file=name)
        self.bob.client.tell("answer", save["id"], "accept")

    def decline(self, name):
        self.bob.client.tell("answer", self.dialogs[name]["id"], "decline")

    def send(self, name):
        with open(self.sources[name], "rb") as f:
            data = base64.b64encode(f.read()).decode()
        for payload in ("<open xmlns='%s' sid='%s' block-size='4096'/>" % (IBB, name),
                        "<data xmlns='%s' sid='%s' seq='0'>%s</data>" % (IBB, name, data),
                        "<close xmlns='%s' sid='%s'/>" % (IBB, name)):
            self.request(payload)
        self.case.completed(self.bob, self.got[name])
        self.case.arrived(self.bob, self.sources[name])

    def names_in(self, action):
        return {element.get("name") for element in self.carol.jingle(action, self.SID)
                if element.tag == "{%s}content" % JINGLE}


@test()
def several_files_in_one_session(case):
    """As Psi offers them. One is declined, two are accepted, and one of these is withdrawn."""
    with Several(case, ("one", "two", "three")) as several:
        several.accept("one")
        told = several.bob.client.wait("debug", several.since, where=lambda e: "told the user" in e["text"])["text"]
        assert "the other files that" in told, told
        several.decline("two")
        assert several.names_in("content-remove") == {"two"}
        several.accept("three")
        assert several.names_in("session-accept") == {"one", "three"}
        several.request(jingle("content-remove", several.SID, content("", "one", senders=None) +
                               "<reason><cancel/></reason>"))
        case.cancelled(several.bob, several.got["one"])
        several.send("three")
        several.carol.jingle("session-terminate", several.SID)
        for got in several.got.values():
            case.ended(several.bob, got)


# An address of its own without a JID, as Psi tells it, where nobody listens.
PSIS_OWN = "<candidate cid='own' host='127.0.0.1' port='9' priority='8257536'/>"


def send_over_own_proxy(case, carol, sending, data):
    """Carol's client offers a file and sends it over its server's proxy; returns the connection."""
    value = base64.b64encode(hashlib.sha256(data).digest()).decode()
    proxy = candidate(1, case.server.address, case.server.proxy_port, 655360, "proxy", PROXY)
    sending.offer(file_element("file.bin", len(data), "<hash xmlns='%s' algo='sha-256'>%s</hash>" % (HASHES, value)),
                  PSIS_OWN + proxy)
    sending.accepted()
    sending.request(transport_info(sending.sid, "<candidate-error/>"))
    carol.jingle("transport-info", sending.sid)
    stream = "s5b" + sending.sid
    connection = connect(case.server.address, case.server.proxy_port, dst_addr(stream, carol.jid, sending.to))
    activated = carol.request("<query xmlns='http://jabber.org/protocol/bytestreams' sid='%s'><activate>%s</activate>"
                              "</query>" % (stream, sending.to), PROXY)
    assert activated.get("type") == "result"
    sending.request(transport_info(sending.sid, "<activated cid='c1'/>"))
    connection.sendall(data)
    return connection


@test()
def a_contact_that_waits_while_the_proxy_holds_the_last_bytes(case):
    """Prosody's proxy keeps half of the last 8 KiB until the sender closes; and Psi closes when it is told that they are
    here."""
    source = case.file("file.bin", 24 * KIB)
    bob = case.online("bob")
    carol = RawPeer(case.server, "carol")
    case.at_end(carol.close)
    carol.presence()
    bob.client.wait("buddy-online", who="carol@lab.test")
    with open(source, "rb") as f:
        data = f.read()
    sending = Sending(carol, bob.jid, "waits")
    with send_over_own_proxy(case, carol, sending, data):
        got = bob.client.incoming()
        assert carol.jingle("session-info", sending.sid)[0].tag.endswith("}received")
    assert sending.ended() == "success"
    case.completed(bob, got)
    case.ended(bob, got)
    case.arrived(bob, source)
