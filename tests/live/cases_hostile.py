# SPDX-License-Identifier: GPL-2.0-or-later
"""A contact that means ill: hostile names, wrong sizes, malformed Jingle, strangers at the listener."""

import os
import socket

from case import test
from headless import Gone
from raw_files import (FILES, JINGLE, S5B, Sending, candidate, checksum, content, description, file_element, jingle,
                       offer, terminate, transport, transport_info)
from raw_peer import RawPeer, error_of

DATA = b"hello"


class Scene:
    """Bob has the plugin, Carol is scripted. Files that should arrive are added up in `expected`."""

    def __init__(self, case):
        self.case = case
        self.bob = case.online("bob")
        self.carol = RawPeer(case.server, "carol")
        self.carol.presence()
        self.bob.client.wait("buddy-online", who="carol@lab.test")
        self._sessions = 0
        self._source = os.path.join(case.folder, "data")
        with open(self._source, "wb") as f:
            f.write(DATA)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.carol.close()

    def sending(self, peer=None):
        self._sessions += 1
        return Sending(peer or self.carol, self.bob.jid, "session%d" % self._sessions)

    def still_works(self, name="good"):
        """A proper transfer still arrives."""
        since = self.bob.client.now()
        sending = self.sending()
        reason = sending.whole(name, DATA)
        sending.close()
        assert reason == "success", "the proper transfer ended with %s" % reason
        done = self.bob.client.wait("xfer", since, stage="file-recv-complete")
        self.case.ended(self.bob, done["id"])
        self.case.arrived(self.bob, self._source, os.path.basename(done["path"]))
        return os.path.basename(done["path"])

    def fails(self, since):
        """The transfer that came after `since` ends as cancelled."""
        self.case.cancelled(self.bob, self.bob.client.incoming(since))


HOSTILE_NAMES = ("../../outside", "/tmp/outside", "..", ".", "/", "a/b/c", "..\\..\\outside", "C:\\outside", ".hidden",
                 "CON", "aux.txt", "x" * 1000 + ".txt", "ü" * 400, "gpj.\u202eexe", "trailing ", " ", "a\tb\nc", "~root",
                 "-rf", "%2e%2e%2foutside", "file\u2028name", "<b>bold</b>&amp;")


@test()
def hostile_names(case):
    with Scene(case) as scene:
        for name in HOSTILE_NAMES:
            since = scene.bob.client.now()
            arrived = scene.still_works(name)
            proposed = scene.bob.client.wait("dialog", since, kind="save")["file"]
            assert proposed == arrived and len(os.fsencode(arrived)) <= 255, "%r was proposed as %r" % (name, proposed)
            assert not arrived.startswith("."), "%r came hidden, as %r" % (name, arrived)
            assert not set(arrived) & set("/\\\n\t\u202e\u2028"), "%r came as %r" % (name, arrived)


@test()
def an_offer_without_a_name(case):
    with Scene(case) as scene:
        sending = scene.sending()
        answer = sending.offer(file_element(None, 5))
        if error_of(answer) is None:
            sending.accepted()
            sending.request(terminate(sending.sid))
        scene.still_works()


@test()
def sizes_that_make_no_sense(case):
    with Scene(case) as scene:
        scene.bob.client.always("hold")
        for size in ("-1", "1e3", "0x10", "", "five", str(2 ** 64), str(2 ** 64 - 1), "9" * 400, " 5 5"):
            sending = scene.sending()
            answer = sending.offer(file_element("file.bin", size))
            if error_of(answer) is None:
                sending.request(terminate(sending.sid))
            else:
                assert error_of(answer)[0] == "bad-request", (size, error_of(answer))
        scene.bob.client.always("accept")
        scene.still_works()


@test()
def more_bytes_than_announced(case):
    with Scene(case) as scene:
        since = scene.bob.client.now()
        sending = scene.sending()
        sending.offer(file_element("file.bin", 5))
        candidates = sending.accepted()
        sending.request(checksum(sending.sid, DATA))
        sending.dial(candidates)
        sending.data(DATA * 100000)
        assert sending.ended() != "success"
        scene.fails(since)
        sending.close()
        scene.still_works()


@test(long=True)
def fewer_bytes_than_announced(case):
    with Scene(case) as scene:
        since = scene.bob.client.now()
        sending = scene.sending()
        sending.offer(file_element("file.bin", 10))
        sending.dial(sending.accepted())
        sending.data(DATA)
        sending.close()
        assert sending.ended() != "success"
        scene.fails(since)
        scene.still_works()


@test()
def a_wrong_hash(case):
    with Scene(case) as scene:
        since = scene.bob.client.now()
        sending = scene.sending()
        sending.offer(file_element("file.bin", 5))
        sending.dial(sending.accepted())
        sending.data(DATA)
        sending.request(checksum(sending.sid, DATA, wrong=True))
        reason = sending.ended()
        assert reason == "media-error", reason
        scene.fails(since)
        sending.close()
        scene.still_works()


def malformed_offers():
    """(what is wrong, payload)"""
    good = content(description() + transport("stream"))
    return (
        ("no sid", jingle("session-initiate", None, good)),
        ("an empty sid", jingle("session-initiate", "", good)),
        ("a sid of 5000 characters", jingle("session-initiate", "s" * 5000, good)),
        ("no action", jingle(None, "m1", good)),
        ("an unknown action", jingle("session-explode", "m2", good)),
        ("no content name", jingle("session-initiate", "m3", content(description() + transport("s"), name=None))),
        ("no creator", jingle("session-initiate", "m4", content(description() + transport("s"), creator=None))),
        ("a wrong creator", jingle("session-initiate", "m5", content(description() + transport("s"), creator="me"))),
        ("wrong senders", jingle("session-initiate", "m6", content(description() + transport("s"), senders="me"))),
        ("no transport", jingle("session-initiate", "m7", content(description()))),
        ("no file", jingle("session-initiate", "m8", content(description("") + transport("s")))),
        ("no stream id", jingle("session-initiate", "m9", content(description() + "<transport xmlns='%s'/>" % S5B))),
        ("two files", jingle("session-initiate", "m10", content(description(file_element() * 2) + transport("s")))),
        ("two descriptions", jingle("session-initiate", "m11", content(description() * 2 + transport("s")))),
        ("two contents", jingle("session-initiate", "m12", good + good.replace("'file'", "'other'"))),
        ("an unknown transport", jingle("session-initiate", "m13", content(
            description() + "<transport xmlns='urn:xmpp:jingle:transports:pigeon:1' sid='s'/>"))),
        ("UDP", jingle("session-initiate", "m14", content(
            description() + "<transport xmlns='%s' sid='s' mode='udp'/>" % S5B))),
        ("a request instead of an offer", jingle("session-initiate", "m15", content(
            description() + transport("s"), senders="responder"))),
        ("a bad hash", jingle("session-initiate", "m16", content(description(file_element(
            extra="<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>!!!</hash>")) + transport("s")))),
        ("a hash without algorithm", jingle("session-initiate", "m17", content(description(file_element(
            extra="<hash xmlns='urn:xmpp:hashes:2'>AAAA</hash>")) + transport("s")))),
        ("a bad range", jingle("session-initiate", "m18", content(description(file_element(
            extra="<range offset='-3' length='x'/>")) + transport("s")))),
        ("a bad date", jingle("session-initiate", "m19", content(description(file_element(
            extra="<date>yesterday</date>")) + transport("s")))),
        ("candidates without anything", jingle("session-initiate", "m20", content(
            description() + transport("s", "<candidate/><candidate cid=''/>")))),
        ("candidates with nonsense", jingle("session-initiate", "m21", content(description() + transport(
            "s", candidate(1, "0.0.0.0", 0) + candidate(2, "not a host!", "99999", "-5") + candidate(3, "", "x", "y"))))),
        ("two candidates of one name", jingle("session-initiate", "m22", content(description() + transport(
            "s", candidate(1, "192.0.2.1", 1) * 2)))),
        ("deep nesting", jingle("session-initiate", "m23", content(
            description("<file>" + "<a>" * 200 + "</a>" * 200 + "</file>") + transport("s")))),
    )


@test()
def malformed_offers_are_answered(case):
    with Scene(case) as scene:
        scene.bob.client.always("decline")
        for what, payload in malformed_offers():
            answer = scene.carol.request(payload, scene.bob.jid)
            error = error_of(answer)
            if what in ("no sid", "no content name", "no file", "no stream id"):
                assert error is not None and error[0] == "bad-request", "%s was answered with %r" % (what, error)
            if what in ("no action", "an unknown action"):
                assert error is not None, "%s was taken" % what
        scene.bob.client.always("accept")
        scene.still_works()


@test()
def stanzas_for_unknown_sessions(case):
    with Scene(case) as scene:
        for action, children in (("session-accept", content(description() + transport("s"))),
                                 ("session-terminate", "<reason><cancel/></reason>"),
                                 ("session-info", ""),
                                 ("session-info", "<received xmlns='%s' creator='initiator' name='file'/>" % FILES),
                                 ("transport-info", content(transport("s", "<candidate-error/>"))),
                                 ("transport-replace", content(transport("s"))),
                                 ("transport-accept", content(transport("s"))),
                                 ("transport-reject", content(transport("s"))),
                                 ("content-add", content(description() + transport("s")))):
            try:
                answer = scene.carol.request(jingle(action, "nobody's", children), scene.bob.jid, patience=20)
            except Gone:
                raise AssertionError("%s of an unknown session is not answered" % action) from None
            assert error_of(answer) == ("item-not-found", "unknown-session"), (action, error_of(answer))
        scene.still_works()


@test()
def a_stranger_cannot_touch_a_session(case):
    with Scene(case) as scene:
        dave = RawPeer(case.server, "dave")
        since = scene.bob.client.now()
        sending = scene.sending()
        sending.offer(file_element("file.bin", 5))
        candidates = sending.accepted()
        for payload in (terminate(sending.sid), jingle("session-info", sending.sid), transport_info(
                sending.sid, "<candidate-error/>"), checksum(sending.sid, DATA, wrong=True)):
            answer = dave.request(payload, scene.bob.jid)
            assert error_of(answer) == ("item-not-found", "unknown-session"), error_of(answer)
        sending.dial(candidates)
        sending.data(DATA)
        sending.request(checksum(sending.sid, DATA))
        assert sending.ended() == "success"
        sending.close()
        dave.close()
        done = scene.bob.client.wait("xfer", since, stage="file-recv-complete")
        case.ended(scene.bob, done["id"])
        case.arrived(scene.bob, os.path.join(case.folder, "data"), "file.bin")


@test()
def the_rules_of_a_running_session(case):
    with Scene(case) as scene:
        since = scene.bob.client.now()
        scene.bob.client.always("hold")
        sending = scene.sending()
        assert error_of(sending.offer(file_element("file.bin", 5))) is None
        sid = sending.sid
        assert error_of(sending.request(jingle("session-info", sid))) is None, "a ping"
        error = error_of(sending.request(jingle("session-info", sid, "<active xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>")))
        assert error == ("feature-not-implemented", "unsupported-info"), error
        error = error_of(sending.request(jingle("session-explode", sid)))
        assert error and error[0] == "bad-request", error
        error = error_of(sending.request(jingle("session-accept", sid, content(description() + transport("s5b" + sid)))))
        assert error and error[0] == "unexpected-request", error
        error = error_of(sending.request(offer(sid)))
        assert error is not None, "the same session twice"
        for payload in ("<candidate-used cid='nobody'/>", "<candidate-used/>", "<activated cid='nobody'/>"):
            sending.request(transport_info(sid, payload))
        error = error_of(sending.request(transport_info(sid, "<candidate-error/>", stream="another")))
        assert error is not None, "another stream's transport-info was taken"
        sending.request(terminate(sid))
        scene.fails(since)
        scene.bob.client.always("accept")
        scene.still_works()


@test(quick=False, long=True)
def an_unused_candidate_is_said_to_be_used(case):
    with Scene(case) as scene:
        since = scene.bob.client.now()
        sending = scene.sending()
        sending.offer(file_element("file.bin", 5))
        candidates = sending.accepted()
        sending.request(transport_info(sending.sid, "<candidate-used cid='%s'/>" % candidates[0].get("cid")))
        assert sending.ended() != "success"
        scene.fails(since)
        scene.still_works()


@test()
def a_flood_of_candidates(case):
    with Scene(case) as scene:
        sending = scene.sending()
        many = "".join(candidate(n, "127.0.0.1", 1 + n, 8257536 - n) for n in range(500))
        assert sending.offer(file_element("file.bin", 5), many) is not None
        sending.dial(sending.accepted())
        sending.data(DATA)
        sending.request(checksum(sending.sid, DATA))
        assert sending.ended() == "success"
        sending.close()
        case.ended(scene.bob, scene.bob.client.incoming())
        case.arrived(scene.bob, os.path.join(case.folder, "data"), "file.bin")


@test()
def a_flood_of_offers(case):
    with Scene(case) as scene:
        scene.bob.client.always("hold")
        offers = []
        for _ in range(200):
            sending = scene.sending()
            if error_of(sending.offer(file_element("file.bin", 5))) is None:
                offers.append(sending)
        for sending in offers:
            sending.request(terminate(sending.sid))
        state = scene.bob.client.state()
        assert state["xfers"] == 0 and state["dialogs"] == 0, state
        scene.bob.client.always("accept")
        scene.still_works()


STRANGE_BYTES = (b"", b"\x05", b"\x05\xff" + b"\x00" * 255, b"\x05\x00", b"\x04\x01\x00\x50\x00\x00\x00\x01\x00",
                 b"\x05\x01\x02", b"\x05\x01\x00" + b"\x05\x01\x00\x03\xff" + b"a" * 255 + b"\x00\x00",
                 b"\x05\x01\x00" + b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50",
                 b"\x05\x01\x00" + b"\x05\x01\x00\x03\x28" + b"0" * 40 + b"\x00\x00",
                 b"\x05\x01\x00" + b"\x05\x01\x00\x09", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(4096))


@test()
def strangers_at_the_listener(case):
    with Scene(case) as scene:
        sending = scene.sending()
        sending.offer(file_element("file.bin", 5))
        candidates = sending.accepted()
        strangers = []
        for data in STRANGE_BYTES:
            for _ in range(3):
                stranger = socket.create_connection((candidates[0].get("host"), int(candidates[0].get("port"))), 30)
                strangers.append(stranger)
                try:
                    stranger.sendall(data)
                except OSError:
                    pass  # turned away already
        sending.dial(candidates)
        sending.data(DATA)
        sending.request(checksum(sending.sid, DATA))
        assert sending.ended() == "success"
        sending.close()
        for stranger in strangers:
            stranger.close()
        case.ended(scene.bob, scene.bob.client.incoming())
        case.arrived(scene.bob, os.path.join(case.folder, "data"), "file.bin")


@test()
def what_libpurples_own_Jingle_cannot_survive(case):
    rtp = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'><payload-type id='0' name='PCMU'/></description>"
    ice = "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/>"
    case.may_complain = True  # libpurple complains of what it survives
    with Scene(case) as scene:
        bob = scene.bob.jid
        scene.bob.client.always("hold")
        scene.carol.request(jingle("session-initiate", "call", content(rtp + ice, name="audio", senders="both")), bob)
        for action in ("transport-accept", "transport-reject", "content-accept", "content-reject", "transport-info",
                       "transport-replace", "description-info", "session-accept", "content-modify"):
            scene.carol.request(jingle(action, "call", content(rtp + ice, name="nobody's")), bob)
            scene.carol.request(jingle(action, "call", content("", name=None)), bob)
            scene.carol.request(jingle(action, "call"), bob)
        for payload in ("<jingle xmlns='%s'/>" % JINGLE, jingle("session-initiate", "call2"),
                        jingle("session-initiate", "call3", content(rtp)),
                        jingle("session-initiate", "call4", content(ice)),
                        jingle("session-initiate", "call5", content(
                            rtp.replace(" id='0'", "") + ice, name="audio", senders="both"))):
            scene.carol.request(payload, bob)
        scene.carol.request(terminate("call"), bob)
        scene.bob.client.always("accept")
        scene.still_works()


@test()
def answers_that_nobody_asked_for(case):
    with Scene(case) as scene:
        for number in range(20):
            scene.carol.send("<iq type='result' id='purple%x' to='%s'/>" % (number, scene.bob.jid))
            scene.carol.send("<iq type='error' id='x%d' to='%s'><error type='cancel'/></iq>" % (number, scene.bob.jid))
        scene.still_works()


@test()
def the_contact_vanishes_at_the_offer(case):
    with Scene(case) as scene:
        since = scene.bob.client.now()
        scene.bob.client.always("hold")
        scene.sending().offer(file_element("file.bin", 5))
        scene.bob.client.incoming(since)
        scene.carol.close()
        scene.fails(since)
