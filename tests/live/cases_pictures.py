# SPDX-License-Identifier: GPL-2.0-or-later
"""Thumbnails: what a UI makes of a picture, and what the other one shows before its user accepts."""

import base64
import hashlib
import os
import struct

from case import JINGLE_FILES, KIB, test
from cases_endings import still_works
from cases_transfers import by_the_plugin
from raw_files import USELESS, Sending, file_element, terminate
from raw_peer import RawPeer, error_of

BOB = "urn:xmpp:bob"
THUMBS = "urn:xmpp:thumbs:1"
THUMBNAIL_BYTES = 5000  # as the test client makes them


def png(width, height, size):
    """As much of a PNG as is looked at before it is decoded."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return (head + hashlib.sha1(head).digest() * (size // 20))[:size]


def picture(case, name, width=128, height=96, size=40 * KIB):
    """A file, and the checksum of the thumbnail that will be made of it."""
    path = os.path.join(case.folder, name)
    data = png(width, height, size)
    with open(path, "wb") as f:
        f.write(data)
    return path, hashlib.sha1(data[:THUMBNAIL_BYTES]).hexdigest()


def acquainted(case, **options):
    """Alice and Bob, whose clients know what the other one can do."""
    alice, bob = case.pair(**options)
    for one, other in ((alice, bob), (bob, alice)):
        one.client.knows(one.jid, other.jid, BOB)
        one.client.knows(one.jid, other.jid, JINGLE_FILES)
    return alice, bob


def shown(account):
    return account.client.all("icon")


@test()
def a_picture_is_shown_before_it_is_accepted(case):
    alice, bob = acquainted(case)
    for sender, receiver, name in ((alice, bob, "there.png"), (bob, alice, "back.png")):
        path, thumbnail = picture(case, name)
        receiver.client.always("hold")
        since = receiver.client.now()
        sent = sender.send(receiver, path)
        icon = receiver.client.wait("icon", since)
        assert icon["sha1"] == thumbnail, icon
        ask = receiver.client.wait("dialog", since, kind="action")
        got = receiver.client.incoming(since)
        receiver.client.always("accept")
        receiver.client.tell("answer", ask["id"], "accept")
        case.completed(receiver, got)
        case.completed(sender, sent)
        case.ended(sender, sent)
        case.ended(receiver, got)
        case.arrived(receiver, path)
    by_the_plugin(alice, bob)


@test()
def only_pictures_of_some_size_have_thumbnails(case):
    alice, bob = acquainted(case)
    case.deliver(alice, bob, case.file("noise.png", 40 * KIB))
    case.deliver(alice, bob, picture(case, "huge.png", 4000, 3000)[0])
    assert not alice.client.all("thumbnail"), "the UI has been asked for one"
    # What the UI makes of this one has more pixels than anybody takes.
    case.deliver(alice, bob, picture(case, "large.png", 1024, 768)[0])
    assert len(alice.client.all("thumbnail")) == 1
    assert not shown(bob), shown(bob)


@test()
def a_UI_that_makes_no_thumbnails(case):
    alice, bob = acquainted(case)
    alice.client.tell("thumbnails", "no")
    case.deliver(alice, bob, picture(case, "picture.png")[0])
    by_the_plugin(alice, bob)
    assert not shown(bob), shown(bob)
    case.deliver(bob, alice, picture(case, "other.png")[0])
    assert not [line for line in bob.client.all("debug") if "fetches the thumbnail" in line["text"]]


@test()
def a_UI_that_reads_the_picture_itself(case):
    alice, bob = acquainted(case, own_io=True)
    case.deliver(alice, bob, picture(case, "picture.png")[0])
    assert not alice.client.all("thumbnail") and not shown(bob)


@test()
def pictures_without_the_plugin_at_one_end(case):
    alice = case.online("alice")
    bob = case.online("bob", plugin=False)
    case.acquaint(alice, bob)
    case.deliver(alice, bob, picture(case, "there.png")[0])
    case.deliver(bob, alice, picture(case, "back.png")[0])
    for account in (alice, bob):
        assert not account.client.all("thumbnail") and not shown(account)


class Gallery:
    """Bob has the plugin; Carol is scripted, and offers pictures."""

    def __init__(self, case):
        self.case = case
        self.bob = case.online("bob")
        self.carol = RawPeer(case.server, "carol")
        self.carol.presence()
        self.bob.client.wait("buddy-online", who="carol@lab.test")
        self.picture = png(64, 64, 2000)
        self.cid = "sha1+%s@bob.xmpp.org" % hashlib.sha1(self.picture).hexdigest()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.carol.close()

    def offer(self, sid):
        """Returns the IQ in which Bob's client asks for the thumbnail, and the offer."""
        sending = Sending(self.carol, self.bob.jid, sid)
        extra = "<thumbnail xmlns='%s' uri='cid:%s' media-type='image/png' width='64' height='64'/>" % (THUMBS, self.cid)
        assert sending.offer(file_element(sid + ".png", 5, extra), USELESS).get("type") == "result"
        request = self.carol.asked(lambda payload: payload.tag == "{%s}data" % BOB)
        assert request[0].get("cid") == self.cid
        return request, sending

    def answer(self, request, data):
        self.carol.send("<iq type='result' id='%s' to='%s'><data xmlns='%s' cid='%s' type='image/png'>%s</data></iq>" % (
            request.get("id"), request.get("from"), BOB, self.cid, base64.b64encode(data).decode()))

    def nothing_was_shown(self, since):
        """Bob has heard of nothing, and nothing is left of it."""
        for event in ("dialog", "notify", "xfer"):
            assert not self.bob.client.all(event, since), self.bob.client.all(event, since)
        assert self.bob.client.state()["xfers"] == 0


@test()
def a_thumbnail_of_another_client(case):
    with Gallery(case) as gallery:
        gallery.bob.client.always("decline")
        request, _ = gallery.offer("good")
        gallery.answer(request, gallery.picture)
        icon = gallery.bob.client.wait("icon")
        assert icon["sha1"] == hashlib.sha1(gallery.picture).hexdigest()
        case.cancelled(gallery.bob, gallery.bob.client.incoming())


@test()
def wrong_thumbnails_and_none(case):
    with Gallery(case) as gallery:
        gallery.bob.client.always("decline")
        for sid, data in (("wrong", gallery.picture + b"x"), ("silent", None)):
            since = gallery.bob.client.now()
            request, _ = gallery.offer(sid)
            if data is not None:
                gallery.answer(request, data)
            gallery.bob.client.wait("dialog", since)
            case.cancelled(gallery.bob, gallery.bob.client.incoming(since))
        assert not shown(gallery.bob), shown(gallery.bob)


@test()
def the_offer_is_taken_back_while_its_thumbnail_is_fetched(case):
    with Gallery(case) as gallery:
        since = gallery.bob.client.now()
        request, sending = gallery.offer("cancelled")
        assert error_of(sending.request(terminate("cancelled"))) is None
        gallery.answer(request, gallery.picture)
        gallery.carol.request("<ping xmlns='urn:xmpp:ping'/>", gallery.bob.jid, kind="get")
        gallery.nothing_was_shown(since)


@test()
def unloaded_while_a_thumbnail_is_fetched(case):
    with Gallery(case) as gallery:
        since = gallery.bob.client.now()
        gallery.offer("unloaded")
        gallery.bob.client.unload(case.lab.plugin)
        gallery.carol.jingle("session-terminate", "unloaded")
        gallery.nothing_was_shown(since)
        gallery.bob.client.load(case.lab.plugin)


@test()
def signed_off_while_a_thumbnail_is_fetched(case):
    with Gallery(case) as gallery:
        since = gallery.bob.client.now()
        gallery.offer("offline")
        gallery.bob.client.tell("sign-off", "bob@lab.test/home")
        # His last words may be lost with the connection, where bytes for him were still on their way.
        gallery.carol.presence_of("bob@lab.test/home", "unavailable")
        gallery.bob.client.wait("offline", since)
        gallery.nothing_was_shown(since)


@test()
def a_thumbnail_is_given_to_its_peer_only(case):
    """Carol asks for a picture that Alice offers to Bob."""
    alice, bob = acquainted(case)
    path, _ = picture(case, "picture.png")
    with open(path, "rb") as f:
        cid = "sha1+%s@bob.xmpp.org" % hashlib.sha1(f.read(THUMBNAIL_BYTES)).hexdigest()
    carol = RawPeer(case.server, "carol")
    try:
        bob.client.always("hold")
        sent = alice.send(bob, path)
        ask = bob.client.wait("dialog", kind="action")
        answer = carol.request("<data xmlns='%s' cid='%s'/>" % (BOB, cid), alice.jid, kind="get")
        assert error_of(answer) == ("item-not-found", None), error_of(answer)
        bob.client.tell("answer", ask["id"], "decline")
        case.cancelled(alice, sent)
        case.cancelled(bob, bob.client.incoming())
    finally:
        carol.close()
    still_works(case, alice, bob)
