# SPDX-License-Identifier: GPL-2.0-or-later
"""Files to and from contacts who know stream initiation only: libpurple as it is, without the plugin."""

import os

from case import JINGLE_FILES, KIB, MIB, test
from cases_endings import in_mid_data, offered, still_works
from cases_routes import nominated
from network import REFUSING
from prosody import PROXY
from raw_peer import IBB, RawPeer

SI = "stream initiation"
SI_NAMESPACE = "http://jabber.org/protocol/si"
SI_FILES = "http://jabber.org/protocol/si/profile/file-transfer"
S5B = "http://jabber.org/protocol/bytestreams"
DISCO = "http://jabber.org/protocol/disco#info"


def by_libpurple(account):
    """Lines that libpurple's own stream initiation writes."""
    with open(account.client.log, encoding="utf-8", errors="replace") as f:
        return [line for line in f if "jabber_si_xfer" in line or "jabber: IBB" in line]


def carried(account):
    """Asserts that the plugin carried a transfer by stream initiation, and libpurple's own code none."""
    assert any(SI in line for line in account.client.story()), "the plugin tells of no such transfer"
    assert not by_libpurple(account), by_libpurple(account)


def clear_away(receiver):
    """libpurple leaves what it got of a file that did not arrive completely."""
    if not receiver.client.story():
        os.unlink(os.path.join(receiver.client.downloads, "huge"))


def mixed(case):
    """Alice, who has the plugin, and Bob, who has not."""
    alice = case.online("alice")
    bob = case.online("bob", plugin=False)
    case.acquaint(alice, bob)
    return alice, bob


def there(alice, bob):
    return alice, bob


def back(alice, bob):
    return bob, alice


def both_directions(mark, *arguments):
    """Makes two tests of a function: `sender` has the plugin, or `receiver` has it."""
    def make(function):
        for direction, way in (("to a contact", there), ("from a contact", back)):
            def body(case, way=way):
                function(case, way, *arguments)
            body.__name__ = "%s %s" % (function.__name__, direction)
            body.__module__ = function.__module__
            mark(body)
        return function
    return make


def check_size(case, way, size):
    alice, bob = mixed(case)
    case.deliver(*way(alice, bob), case.file("file.bin", size))
    carried(alice)
    assert "direct" in nominated(alice), nominated(alice)


def of_nothing(case, sender, receiver):
    """Sends 0 bytes, which libpurple takes for a file of unknown size, and never for complete. Returns both ids."""
    since = receiver.client.now()
    sent = sender.send(receiver, case.file("file.bin", 0))
    return sent, receiver.client.incoming(since)


@test()
def nothing_to_a_contact(case):
    alice, bob = mixed(case)
    sent, got = of_nothing(case, alice, bob)
    case.completed(alice, sent)
    case.cancelled(bob, got)
    case.arrived(bob, case.file("file.bin", 0))
    carried(alice)


@test()
def nothing_from_a_contact(case):
    alice, bob = mixed(case)
    sent, got = of_nothing(case, bob, alice)
    case.completed(alice, got)
    case.arrived(alice, case.file("file.bin", 0))
    bob.client.tell("cancel", sent)
    case.cancelled(bob, sent)
    carried(alice)


@both_directions(test())
def a_byte(case, way):
    check_size(case, way, 1)


@both_directions(test())
def a_MiB(case, way):
    check_size(case, way, MIB + 1)


@both_directions(test())
def some_200_MiB(case, way):
    check_size(case, way, 200 * MIB)


@both_directions(test())
def many_one_after_the_other(case, way):
    alice, bob = mixed(case)
    for number in range(5):
        case.deliver(*way(alice, bob), case.file("file %d" % number, 100 * KIB + number))
    carried(alice)


@test()
def two_at_once_in_both_directions(case):
    alice, bob = mixed(case)
    ways = [(alice, bob, "to bob %d" % i) for i in range(2)] + [(bob, alice, "to alice %d" % i) for i in range(2)]
    sources = [case.file(name, 30 * MIB + number) for number, (_, _, name) in enumerate(ways)]
    for (sender, receiver, _), source in zip(ways, sources):
        sender.client.tell("send", sender.jid, receiver.jid, source)
    for (sender, receiver, name), source in zip(ways, sources):
        receiver.client.wait("xfer", stage="file-recv-complete", name=name)
        sender.client.wait("xfer", stage="file-send-complete", name=name)
        receiver.client.wait("xfer", stage="destroyed", direction="receive", name=name)
        sender.client.wait("xfer", stage="destroyed", direction="send", name=name)
        case.arrived(receiver, source)
    carried(alice)


@test()
def to_a_bare_JID(case):
    alice, bob = mixed(case)
    since = alice.client.now()
    case.deliver(alice, bob, case.file("file.bin", MIB), who=bob.bare)
    carried(alice)
    assert len([e for e in alice.client.all("line", since) if "Offering to send" in e["text"]]) == 1


@both_directions(test())
def a_UI_that_moves_the_bytes_itself(case, way):
    alice = case.online("alice", own_io=True)
    bob = case.online("bob", plugin=False)
    case.acquaint(alice, bob)
    case.deliver(*way(alice, bob), case.file("file.bin", 9 * MIB + 5))
    carried(alice)


# Which way

# Firewalls that answer: libpurple gives 5 s to addresses that do not, which is played in the small internet.
REFUSAL = {"firewall": REFUSING}


def apart(case, alice_at=None, bob_at=None):
    one, other = case.host(1, **(alice_at or {})), case.host(2, **(bob_at or {}))
    alice = case.online("alice", host=one)
    bob = case.online("bob", host=other, plugin=False)
    case.acquaint(alice, bob)
    return alice, bob


@both_directions(test(hosts=True))
def a_host_each(case, way):
    alice, bob = apart(case)
    case.deliver(*way(alice, bob), case.file("file.bin", 20 * MIB))
    carried(alice)
    assert "direct" in nominated(alice), nominated(alice)


@both_directions(test(hosts=True))
def over_the_proxy(case, way):
    """Its requester is the one who offers it, and only what the other can reach."""
    alice, bob = apart(case, REFUSAL, REFUSAL)
    alice.client.wait("debug", where=lambda e: "proxy %s works" % PROXY in e["text"])
    deliver = case.deliver if way is there else case.deliver_over_hasty_proxy
    deliver(*way(alice, bob), case.file("file.bin", 5 * MIB))
    carried(alice)
    assert "proxy" in nominated(alice), nominated(alice)


@both_directions(test(hosts=True))
def through_the_server(case, way):
    case.own_server(proxy=False)
    alice, bob = apart(case, REFUSAL, REFUSAL)
    case.deliver(*way(alice, bob), case.file("file.bin", 300 * KIB))
    carried(alice)
    assert "in-band" in nominated(alice), nominated(alice)


# How it ends


@both_directions(test())
def declined(case, way):
    alice, bob = mixed(case)
    sender, receiver = way(alice, bob)
    sent, got, dialog = offered(case, sender, receiver)
    receiver.client.tell("answer", dialog["id"], "decline")
    assert case.cancelled(sender, sent) == "there"
    case.ended(receiver, got)
    still_works(case, sender, receiver)
    carried(alice)


@test()
def cancelled_at_the_offer(case):
    """There is no word for it: a contact without the plugin hears of it when it accepts, and nothing comes."""
    alice, bob = mixed(case)
    sent, got, dialog = offered(case, alice, bob)
    alice.client.tell("cancel", sent)
    assert case.cancelled(alice, sent) == "here"
    bob.client.tell("answer", dialog["id"], "decline")
    case.ended(bob, got)
    carried(alice)


@test(quick=False, long=True)
def cancelled_before_we_accept(case):
    """There is no word for it: we accept, and nothing comes."""
    alice, bob = mixed(case)
    sent, got, dialog = offered(case, bob, alice)
    bob.client.tell("cancel", sent)
    case.cancelled(bob, sent)
    alice.client.always("accept")
    since = alice.client.now()
    alice.client.tell("answer", dialog["id"], "accept")
    case.cancelled(alice, got)
    errors = alice.client.all("notify", since, kind="error")
    assert len(errors) == 1 and "may have withdrawn it" in errors[0]["secondary"], errors
    carried(alice)


@both_directions(test(quick=False, long=True))
def cancelled_by_the_receiver_when_accepted(case, way):
    """A contact without the plugin does not say so, and is waited for."""
    alice, bob = mixed(case)
    sender, receiver = way(alice, bob)
    sent, got, dialog = offered(case, sender, receiver, case.sparse())
    receiver.client.always("accept")
    receiver.client.tell("answer", dialog["id"], "accept")
    receiver.client.stage(got, "added")
    receiver.client.tell("cancel", got)
    case.cancelled(receiver, got)
    if sender is alice:
        case.cancelled(sender, sent)
    else:
        sender.client.tell("cancel", sent)
        case.cancelled(sender, sent)
    still_works(case, sender, receiver)
    carried(alice)


@both_directions(test())
def cancelled_by_the_sender_in_mid_data(case, way):
    alice, bob = mixed(case)
    sender, receiver = way(alice, bob)
    sent, got = in_mid_data(case, sender, receiver)
    sender.client.tell("cancel", sent)
    assert case.cancelled(sender, sent) == "here"
    case.cancelled(receiver, got)
    clear_away(receiver)
    still_works(case, sender, receiver)
    carried(alice)


@both_directions(test())
def cancelled_by_the_receiver_in_mid_data(case, way):
    alice, bob = mixed(case)
    sender, receiver = way(alice, bob)
    sent, got = in_mid_data(case, sender, receiver)
    receiver.client.tell("cancel", got)
    assert case.cancelled(receiver, got) == "here"
    case.cancelled(sender, sent)
    clear_away(receiver)
    still_works(case, sender, receiver)
    carried(alice)


def in_mid_band(case, way):
    """A transfer in-band of which a part is through. Returns Alice, and (account, id) of its sender and receiver."""
    case.own_server(proxy=False)
    alice, bob = apart(case, REFUSAL, REFUSAL)
    sender, receiver = way(alice, bob)
    since = receiver.client.now()
    sent = sender.send(receiver, case.sparse())
    got = receiver.client.incoming(since)
    receiver.client.moved(got, 100 * KIB)
    return alice, (sender, sent), (receiver, got)


@both_directions(test(hosts=True))
def cancelled_by_the_sender_in_band(case, way):
    alice, sending, receiving = in_mid_band(case, way)
    sending[0].client.tell("cancel", sending[1])
    assert case.cancelled(*sending) == "here"
    case.cancelled(*receiving)
    clear_away(receiving[0])
    carried(alice)


@both_directions(test(hosts=True))
def cancelled_by_the_receiver_in_band(case, way):
    alice, sending, receiving = in_mid_band(case, way)
    receiving[0].client.tell("cancel", receiving[1])
    assert case.cancelled(*receiving) == "here"
    case.cancelled(*sending)
    clear_away(receiving[0])
    carried(alice)


@test()
def the_contact_goes_offline_in_mid_data(case):
    alice, bob = mixed(case)
    sent, got = in_mid_data(case, alice, bob)
    bob.client.kill()
    case.clients.remove(bob.client)
    case.cancelled(alice, sent)
    carried(alice)


# Who gets which


@test()
def who_knows_Jingle_gets_Jingle(case):
    alice, bob = case.pair()
    case.deliver(alice, bob, case.file("file.bin", MIB))
    for account in (alice, bob):
        assert not any(SI in line for line in account.client.story()), account.client.story()
        assert not by_libpurple(account), by_libpurple(account)


@test()
def who_learns_Jingle_gets_it_from_then_on(case):
    alice, bob = mixed(case)
    case.deliver(alice, bob, case.file("first", MIB))
    carried(alice)
    bob.client.load(case.lab.plugin)
    alice.client.knows(alice.jid, bob.jid, JINGLE_FILES)
    since = alice.client.now()
    case.deliver(alice, bob, case.file("second", MIB))
    assert not any(SI in e["text"] for e in alice.client.all("debug", since))
    bob.client.unload(case.lab.plugin)
    # Jingle that its own code does not understand, libpurple remembers until it complains in the end.
    alice.client.knows(alice.jid, bob.jid, JINGLE_FILES, yes=False)
    since = alice.client.now()
    case.deliver(alice, bob, case.file("third", MIB))
    assert any(SI in e["text"] for e in alice.client.all("debug", since))


class Carol:
    """A contact that says what a test wants, and what it says that it can do."""

    def __init__(self, case, features, **options):
        self.case = case
        self.features = features
        self.peer = RawPeer(case.server, "carol")
        case.at_end(self.peer.close)
        self.peer.presence()
        self.alice = case.online("alice", **options)
        self.alice.client.wait("buddy-online", who="carol@lab.test")
        self.alice.client.tell("talk", self.alice.jid, "carol@lab.test")

    def asked(self, name, namespace):
        """The next request with that payload, whatever else is asked meanwhile; not answered yet."""
        return self.peer._next(lambda e: e.tag.endswith("}iq") and e.get("type") in ("set", "get") and len(e)
                               and e[0].tag == "{%s}%s" % (namespace, name))

    def tell_features(self):
        iq = self.asked("query", DISCO)
        self.answer(iq, "<query xmlns='%s'>%s</query>" % (
            DISCO, "".join("<feature var='%s'/>" % feature for feature in (DISCO,) + self.features)))

    def answer(self, iq, payload, kind="result"):
        self.peer.send("<iq type='%s' id='%s' to='%s'>%s</iq>" % (kind, iq.get("id"), iq.get("from"), payload))

    def refuse(self, iq, condition, kind="cancel"):
        self.answer(iq, "<error type='%s'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>" % (
            kind, condition), "error")

    def accept(self, offer, method):
        self.answer(offer, "<si xmlns='%s'><feature xmlns='http://jabber.org/protocol/feature-neg'>"
                    "<x xmlns='jabber:x:data' type='submit'><field var='stream-method'><value>%s</value></field></x>"
                    "</feature></si>" % (SI_NAMESPACE, method))

    def is_sent_a_file(self):
        return self.alice.send(self.peer.jid, self.case.file("file.bin", KIB))


JINGLE = "urn:xmpp:jingle:1"
BOTH = (JINGLE, JINGLE_FILES, "urn:xmpp:jingle:transports:s5b:1", SI_FILES, S5B, IBB)


def jingle_is_refused(case, refuse, **options):
    carol = Carol(case, BOTH, **options)
    since = carol.alice.client.now()
    sent = carol.is_sent_a_file()
    carol.tell_features()
    refuse(carol, carol.asked("jingle", JINGLE))
    carol.tell_features()
    offer = carol.asked("si", SI_NAMESPACE)
    assert offer[0].find("{%s}file" % SI_FILES).get("name") == "file.bin"
    assert options or offer[0].find("{%s}file" % SI_FILES).get("hash"), "no hash"
    carol.refuse(offer, "forbidden")
    assert case.cancelled(carol.alice, sent) == "there"
    assert len([e for e in carol.alice.client.all("line", since) if "Offering to send" in e["text"]]) == 1
    assert not any("cannot" in (e["secondary"] or "") for e in carol.alice.client.all("notify", since))
    carried(carol.alice)


@test()
def Jingle_that_is_answered_with_an_error_becomes_stream_initiation(case):
    jingle_is_refused(case, lambda carol, iq: carol.refuse(iq, "service-unavailable"))


@test()
def Jingle_that_is_answered_with_an_error_becomes_stream_initiation_where_the_UI_reads(case):
    jingle_is_refused(case, lambda carol, iq: carol.refuse(iq, "internal-server-error", "wait"), own_io=True)


@test()
def Jingle_that_is_unsupported_becomes_stream_initiation(case):
    def refuse(carol, iq):
        carol.answer(iq, "")
        carol.peer.send("<iq type='set' id='t1' to='%s'><jingle xmlns='%s' action='session-terminate' sid='%s'><reason>"
                        "<unsupported-applications/></reason></jingle></iq>" % (iq.get("from"), JINGLE,
                                                                                iq[0].get("sid")))
    jingle_is_refused(case, refuse)


@test()
def a_contact_that_cannot_change_over_is_offered_the_file_once_more(case):
    """As Psi, which has agreed on SOCKS5 before it fails, but takes an offer of nothing but in-band."""
    carol = Carol(case, (SI_FILES, S5B, IBB))
    sent = carol.is_sent_a_file()
    carol.tell_features()
    carol.accept(carol.asked("si", SI_NAMESPACE), S5B)
    carol.refuse(carol.asked("query", S5B), "item-not-found")
    carol.refuse(carol.asked("open", IBB), "forbidden", "auth")
    again = carol.asked("si", SI_NAMESPACE)
    assert [value.text for value in again.iter("{jabber:x:data}value")] == [IBB], "offered in another way"
    assert again[0].find("{%s}file" % SI_FILES).get("hash"), "no hash"
    carol.accept(again, IBB)
    data = carol.peer.take_in_band(again[0].get("id"))
    case.completed(carol.alice, sent)
    with open(os.path.join(case.folder, "files", "file.bin"), "rb") as f:
        assert data == f.read()
    carried(carol.alice)


@test()
def who_takes_no_files_is_not_offered_one(case):
    carol = Carol(case, ())
    since = carol.alice.client.now()
    sent = carol.is_sent_a_file()
    carol.tell_features()
    case.cancelled(carol.alice, sent)
    errors = carol.alice.client.all("notify", since, kind="error")
    assert len(errors) == 1 and "cannot receive files" in errors[0]["secondary"], errors
    assert carol.peer.nothing_waiting(lambda e: e.get("type") == "set")


@test()
def who_is_not_online_is_not_offered_one(case):
    alice = case.online("alice")
    since = alice.client.now()
    sent = alice.send("nobody@lab.test", case.file("file.bin", KIB))
    case.cancelled(alice, sent)
    errors = alice.client.all("notify", since, kind="error")
    assert len(errors) == 1 and "not online" in errors[0]["secondary"], errors
    assert not by_libpurple(alice), by_libpurple(alice)


@test()
def streamhosts_that_come_too_late_are_answered(case):
    """... by the plugin: libpurple would say nothing."""
    carol = Carol(case, (SI_FILES, S5B))
    sent = carol.is_sent_a_file()
    carol.tell_features()
    offer = carol.asked("si", SI_NAMESPACE)
    sid = offer[0].get("id")
    carol.refuse(offer, "forbidden")
    case.cancelled(carol.alice, sent)
    answer = carol.peer.request("<query xmlns='%s' sid='%s'><streamhost jid='%s' host='127.0.0.1' port='9'/></query>" % (
        S5B, sid, carol.peer.jid), carol.alice.jid)
    assert answer.get("type") == "error"


# Before and after


@test(hosts=True)
def what_libpurple_has_begun_goes_on_with_libpurple(case):
    """The plugin is loaded at both ends while a file goes in-band, and another one is offered."""
    case.own_server(proxy=False)
    one, other = case.host(1, **REFUSAL), case.host(2, **REFUSAL)
    alice = case.online("alice", host=one, plugin=False)
    bob = case.online("bob", host=other, plugin=False)
    case.acquaint(alice, bob)
    running = case.file("running", 2 * MIB)
    since = bob.client.now()
    sent = alice.send(bob, running)
    got = bob.client.incoming(since)
    bob.client.moved(got, 64 * KIB)
    waiting_sent, waiting_got, dialog = offered(case, alice, bob, case.file("waiting", 20 * KIB))
    for account in (alice, bob):
        account.client.load(case.lab.plugin)
    bob.client.always("accept")
    bob.client.tell("answer", dialog["id"], "accept")
    for account, ids in ((alice, (sent, waiting_sent)), (bob, (got, waiting_got))):
        for xfer in ids:
            case.completed(account, xfer)
            case.ended(account, xfer)
    case.arrived(bob, running)
    case.arrived(bob, running.replace("running", "waiting"))
    for account in (alice, bob):
        assert by_libpurple(account), "this test sees nothing of libpurple's own"
