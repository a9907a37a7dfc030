# SPDX-License-Identifier: GPL-2.0-or-later
"""Contacts whose clients take files in a way of their own: Carol is scripted, and Alice sends to her."""

import base64

from case import KIB, test
from raw_files import JINGLE, content, jingle, terminate, transport_info
from raw_peer import RawPeer

OLD_FILES = "urn:xmpp:jingle:apps:file-transfer:4"
NEW_FILES = "urn:xmpp:jingle:apps:file-transfer:5"
S5B = "urn:xmpp:jingle:transports:s5b:1"
IN_BAND = "urn:xmpp:jingle:transports:ibb:1"
IBB = "http://jabber.org/protocol/ibb"
VERSION = "jabber:iq:version"
INFO = "http://jabber.org/protocol/disco#info"


def is_jingle(action):
    return lambda payload: payload.tag == "{%s}jingle" % JINGLE and payload.get("action") == action


class Receiver:
    """What Carol's client says of itself, and what it is offered."""

    def __init__(self, case, files):
        self.case = case
        self.files = files
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
        features = "".join("<feature var='%s'/>" % feature for feature in (JINGLE, self.files, S5B, IN_BAND))
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

    def take_in_band(self, sid):
        """The bytes of the stream."""
        self.carol.ask(lambda payload: payload.tag == "{%s}open" % IBB and payload.get("sid") == sid)
        data = b""
        while True:
            iq = self.carol.ask(lambda payload: payload.tag in ("{%s}data" % IBB, "{%s}close" % IBB))
            if iq[0].tag.endswith("}close"):
                return data
            data += base64.b64decode(iq[0].text)


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
        again = receiver.offer()
        transport = again.find(".//{%s}transport" % IN_BAND)
        assert transport is not None, "offered in another way"
        receiver.accept(again, "<transport xmlns='%s' sid='%s' block-size='4096'/>" % (IN_BAND, transport.get("sid")))
        data = receiver.take_in_band(transport.get("sid"))
        with open(source, "rb") as f:
            assert data == f.read()
        receiver.carol.request(terminate(again.get("sid"), "success"), receiver.alice.jid)
        case.completed(receiver.alice, sent)
        case.ended(receiver.alice, sent)
