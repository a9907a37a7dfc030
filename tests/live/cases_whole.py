# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole files or none: what they are compared with, disks that are full or cannot be written, files that change."""

import os
import time
from xml.sax.saxutils import quoteattr

import network
from case import KIB, MIB, Skipped, test
from cases_endings import offered, still_works
from cases_hostile import DATA, Scene
from cases_si import JINGLE, SI_FILES, Carol, both_directions, carried, mixed
from headless import PATIENCE
from raw_files import FEATURES, HASHES, checksum, file_element
from raw_peer import RawPeer

HASH = "urn:xmpp:hash-function-text-names:"


def small_disk(case, account, size, *options):
    """The account's downloads go to a disk of that size, of its own."""
    folder = account.client.downloads
    try:
        network.run("mount", "-t", "tmpfs", "-o", ",".join(("size=%d" % size, *options)), "tmpfs", folder)
    except OSError as error:
        raise Skipped("no disk of its own can be had: %s" % error) from None
    case.at_end(lambda: network.run("umount", "--lazy", folder))
    return folder


def told(account, words, since=0):
    """The user was told in one sentence with these words, and of no other failure."""
    error = account.client.wait("notify", since, kind="error")["secondary"]
    assert words in error, "%r was told, not %r" % (error, words)
    assert len(account.client.all("notify", since, kind="error")) == 1, account.client.all("notify", since)


# What files are compared with


@test()
def two_with_the_plugin_take_the_strongest_hash(case):
    alice, bob = case.pair()
    case.deliver(alice, bob, case.file("file.bin", MIB))
    assert any("hash verified: blake2b-512" in line for line in bob.client.story()), bob.client.story()


@test()
def all_hashes_are_announced(case):
    bob = case.online("bob")
    carol = RawPeer(case.server, "carol")
    case.at_end(carol.close)
    announced = {f[len(HASH):] for f in carol.features_of(bob.jid) if f.startswith(HASH)}
    assert announced == {"sha-1", "sha-256", "sha-512", "sha3-256", "sha3-512", "id-blake2b256", "id-blake2b512"}


def promised_to(case, *hashes):
    """The hashes that are promised to a contact who announces these."""
    carol = Carol(case, tuple(f for f in FEATURES if not f.startswith(HASH)) + tuple(HASH + name for name in hashes))
    sent = carol.is_sent_a_file()
    carol.tell_features()
    offer = carol.asked("jingle", JINGLE)
    carol.answer(offer, "")
    promised = [e.get("algo") for e in offer.iter("{%s}hash-used" % HASHES)]
    carol.alice.client.tell("cancel", sent)
    case.ended(carol.alice, sent)
    return promised


@test()
def a_contact_is_promised_the_strongest_hash_that_it_knows(case):
    assert promised_to(case, "md5", "sha-1", "sha-256", "sha3-256") == ["sha3-256"]


@test()
def a_contact_that_names_no_hash_is_promised_the_usual_one(case):
    assert promised_to(case) == ["sha-256"]


def line_of(case, name, hash_used, last_word):
    """What Bob reads of a file that is promised `hash_used`, and whose end is what `last_word` says."""
    with Scene(case) as scene:
        since = scene.bob.client.now()
        scene.bob.client.tell("talk", scene.bob.jid, "carol@lab.test")
        sending = scene.sending()
        sending.offer(file_element(name, len(DATA), hash_used))
        sending.dial(sending.accepted())
        sending.data(DATA)
        if last_word is not None:
            sending.request(last_word(sending.sid))
        sending.ended()
        sending.close()
        case.ended(scene.bob, scene.bob.client.incoming(since))
        lines = [e["text"] for e in scene.bob.client.all("line", since) if "“%s”" % name in e["text"]]
        assert len(lines) == 1, lines
        if os.path.exists(os.path.join(scene.bob.client.downloads, name)):
            case.arrived(scene.bob, os.path.join(case.folder, "data"), name)
            return lines[0], True
        return lines[0], False


USED = "<hash-used xmlns='%s' algo='sha-256'/>" % HASHES


@test()
def the_end_is_shown_as_verified(case):
    line, there_is_one = line_of(case, "good.bin", USED, lambda sid: checksum(sid, DATA))
    assert "complete and unchanged" in line and there_is_one, line


@test()
def the_end_is_shown_as_unverified(case):
    line, there_is_one = line_of(case, "some.bin", "", None)
    assert "nothing to check it against" in line and there_is_one, line


@test()
def the_end_is_shown_as_damaged(case):
    line, there_is_one = line_of(case, "bad.bin", USED, lambda sid: checksum(sid, DATA, wrong=True))
    assert "was damaged" in line and not there_is_one, line


# Disks


def refused_at_once(case, sender, receiver, path, sender_reads, receiver_reads):
    sent = sender.send(receiver, path)
    got = receiver.client.incoming()
    case.cancelled(sender, sent)
    case.ended(receiver, got)
    told(sender, sender_reads)
    told(receiver, receiver_reads)
    assert not receiver.client.all("xfer", id=got, stage="file-recv-start"), "bytes have moved"


@test()
def a_disk_that_is_too_small_is_noticed_before_anything_is_accepted(case):
    alice, bob = case.pair()
    small_disk(case, bob, MIB)
    refused_at_once(case, alice, bob, case.file("file.bin", 2 * MIB), "Bob has not enough room for it",
                    "not enough room for it (No space left on device)")
    holds_only(bob.client.downloads, [])
    still_works(case, alice, bob)


@test()
def a_folder_that_cannot_be_written_to_is_not_taken(case):
    """libpurple itself asks for another one."""
    alice, bob = case.pair()
    folder = small_disk(case, bob, MIB)
    path = case.file("file.bin", KIB)
    network.run("mount", "-o", "remount,ro", folder)
    sent, got, dialog = offered(case, alice, bob, path)
    bob.client.tell("answer", dialog["id"], "accept")
    save = bob.client.wait("dialog", kind="save")
    since = bob.client.now()
    bob.client.tell("answer", save["id"], "accept")
    again = bob.client.wait("dialog", since, kind="save")
    network.run("mount", "-o", "remount,rw", folder)
    bob.client.tell("answer", again["id"], "accept")
    case.completed(alice, sent)
    case.ended(bob, got)
    case.arrived(bob, path)


@test()
def a_file_on_a_disk_that_cannot_be_written_to_is_not_replaced(case):
    alice, bob = case.pair()
    folder = small_disk(case, bob, MIB)
    old = os.path.join(folder, "file.bin")
    with open(old, "wb") as f:
        f.write(b"old")
    network.run("mount", "-o", "remount,ro", folder)
    refused_at_once(case, alice, bob, case.file("file.bin", KIB), "gave up receiving",
                    "cannot be saved there (Read-only file system)")
    network.run("mount", "-o", "remount,rw", folder)
    with open(old, "rb") as f:
        assert f.read() == b"old" and os.listdir(folder) == ["file.bin"]
    os.unlink(old)


def wait_for_bytes(folder, count):
    deadline = time.monotonic() + PATIENCE
    while sum(entry.stat().st_size for entry in os.scandir(folder)) < count:
        assert time.monotonic() < deadline, "they have not come"
        time.sleep(0.01)


def holds_only(folder, names):
    """What is not wanted any more is thrown away by a worker, which may take its time."""
    deadline = time.monotonic() + PATIENCE
    while sorted(os.listdir(folder)) != sorted(names):
        assert time.monotonic() < deadline, os.listdir(folder)
        time.sleep(0.01)


def broken_in_the_middle(case, break_it, reason, words, left=()):
    """The first half of a file arrives, then `break_it` does something to the disk, then the rest is sent. `reason`: all
    of it; `left`: what the test itself leaves there."""
    half = os.urandom(MIB)
    with Scene(case) as scene:
        folder = small_disk(case, scene.bob, 4 * MIB)
        sending = scene.sending()
        sending.offer(file_element("file.bin", 2 * MIB))
        sending.dial(sending.accepted())
        got = scene.bob.client.incoming()
        sending.data(half)
        wait_for_bytes(folder, MIB)
        break_it(folder)
        try:
            sending.data(half)
        except OSError:
            pass  # refused already
        sending.request(checksum(sending.sid, half + half))
        ended = sending.peer.jingle("session-terminate", sending.sid)
        assert [e.tag.rpartition("}")[2] for e in ended[0]] == reason, list(ended[0])
        sending.close()
        case.cancelled(scene.bob, got)
        told(scene.bob, words)
        holds_only(folder, left)
        for name in left:
            os.unlink(os.path.join(folder, name))


def fill(folder):
    with open(os.path.join(folder, "filler"), "wb", buffering=0) as f:
        try:
            while f.write(bytes(64 * KIB)):
                pass
        except OSError:
            pass


@test()
def a_disk_that_becomes_full_in_the_middle(case):
    broken_in_the_middle(case, fill, ["media-error", "file-too-large"], "not enough room for it (No space", ["filler"])


def empty(folder):
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


@test()
def an_unfinished_file_that_vanishes(case):
    broken_in_the_middle(case, empty, ["failed-application"], "could not be saved (No such file")


@test()
def a_folder_that_comes_to_stand_where_the_file_was_to_be(case):
    with Scene(case) as scene:
        sending = scene.sending()
        sending.offer(file_element("file.bin", len(DATA)))
        sending.dial(sending.accepted())
        os.mkdir(os.path.join(scene.bob.client.downloads, "file.bin"))
        sending.data(DATA)
        sending.request(checksum(sending.sid, DATA))
        assert sending.ended() == "success"
        sending.close()
        case.ended(scene.bob, scene.bob.client.incoming())
        os.rmdir(os.path.join(scene.bob.client.downloads, "file.bin"))
        case.arrived(scene.bob, os.path.join(case.folder, "data"), "file (1).bin")


@both_directions(test())
def a_small_disk_and_stream_initiation(case, way):
    """libpurple itself does not look whether there is room, but the plugin does."""
    alice, bob = mixed(case)
    sender, receiver = way(alice, bob)
    small_disk(case, receiver, MIB)
    sent = sender.send(receiver, case.file("file.bin", 2 * MIB))
    got = receiver.client.incoming()
    case.cancelled(sender, sent)
    case.cancelled(receiver, got)
    if receiver is alice:
        told(alice, "not enough room for it")
    else:
        told(alice, "not sent completely")
        os.unlink(os.path.join(receiver.client.downloads, "file.bin"))
    carried(alice)


# Files that change


def shorten(path):
    os.truncate(path, KIB)


def lengthen(path):
    with open(path, "ab") as f:
        f.write(b"more")


def rewrite(path):
    with open(path, "r+b") as f:
        f.write(b"news")


def changed(case, change):
    alice, bob = case.pair()
    path = case.file("file.bin", 3 * MIB)
    sent, got, dialog = offered(case, alice, bob, path)
    change(path)
    bob.client.always("accept")
    bob.client.tell("answer", dialog["id"], "accept")
    case.cancelled(alice, sent)
    case.cancelled(bob, got)
    told(alice, "was changed while it was being sent")
    told(bob, "gave up sending")
    still_works(case, alice, bob)


@test()
def a_file_that_is_shorter_than_offered(case):
    changed(case, shorten)


@test()
def a_file_that_is_longer_than_offered(case):
    changed(case, lengthen)


@test()
def a_file_that_is_written_to_after_it_was_offered(case):
    changed(case, rewrite)


@both_directions(test())
def a_changed_file_and_stream_initiation(case, way):
    """Who has no other word than the connection's end is not given the last bytes."""
    alice, bob = mixed(case)
    sender, receiver = way(alice, bob)
    path = case.file("file.bin", 3 * MIB)
    sent, got, dialog = offered(case, sender, receiver, path)
    shorten(path)
    receiver.client.always("accept")
    receiver.client.tell("answer", dialog["id"], "accept")
    case.cancelled(receiver, got)
    case.cancelled(sender, sent)
    told(alice, "was changed" if sender is alice else "broke")
    if receiver is bob:
        os.unlink(os.path.join(receiver.client.downloads, "file.bin"))
    carried(alice)


# What arrives


@test()
def a_program_does_not_arrive_as_one(case):
    alice, bob = case.pair()
    path = case.file("program", KIB)
    os.chmod(path, 0o755)
    case.deliver(alice, bob, path)
    mode = os.stat(os.path.join(bob.client.downloads, "program")).st_mode
    assert not mode & 0o111, oct(mode)


MISLEADING = (("in\u200bvo\u00adice\u2060.pdf", "invoice.pdf"), ("\u3164\u2800page.html", "page.html"),
              ("photo\u202egnp.exe", "photognp.exe"), ("a\ufeffb\ufe0f.txt", "ab.txt"))


@test()
def what_nobody_sees_is_in_no_name(case):
    with Scene(case) as scene:
        for name, clean in MISLEADING:
            since = scene.bob.client.now()
            assert scene.still_works(name) == clean
            shown = [str(e) for kind in ("dialog", "line") for e in scene.bob.client.all(kind, since)]
            assert any(clean in text for text in shown), shown
            lines = [e["text"] for e in scene.bob.client.all("debug", since)]
            hidden = set(name) - set(clean)
            assert not any(hidden & set(text) for text in shown + lines), (name, shown, lines)
            assert any("<U+%04X>" % ord(min(hidden)) in line for line in lines), lines


STREAM_OFFER = ("<si xmlns='http://jabber.org/protocol/si' id='s%d' profile='%s'><file xmlns='%s' name=%s size='5'/>"
                "<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='form'>"
                "<field var='stream-method' type='list-single'><option><value>http://jabber.org/protocol/bytestreams"
                "</value></option></field></x></feature></si>")


@test()
def names_that_come_by_stream_initiation_are_cleaned_as_well(case):
    with Scene(case) as scene:
        scene.bob.client.always("decline")
        for number, (name, clean) in enumerate(MISLEADING + (("../../outside", "_.._outside"), (".profile", "profile"))):
            since = scene.bob.client.now()
            scene.carol.request(STREAM_OFFER % (number, SI_FILES, SI_FILES, quoteattr(name)), scene.bob.jid)
            got = scene.bob.client.wait("xfer", since, stage="file-recv-request")
            assert got["name"] == clean, "%r was shown as %r" % (name, got["name"])
            case.ended(scene.bob, got["id"])
