# SPDX-License-Identifier: GPL-2.0-or-later
"""Files to and from contacts of other networks, behind a gateway that speaks stream initiation. Some gateways give their
contacts a resource, others none."""

import base64
import socket

from case import test
from cases_si import DISCO, IBB, S5B, SI, SI_FILES
from prosody import GATEWAY
from raw_files import connect, dst_addr, read_exactly
from raw_peer import RawComponent

SI_NAMESPACE = "http://jabber.org/protocol/si"
FORM = ("<feature xmlns='http://jabber.org/protocol/feature-neg'><x xmlns='jabber:x:data' type='%s'>"
        "<field var='stream-method'%s>%s</field></x></feature>")
SIZE = 50001
BLOCK = 4096


class Gateway:
    """A contact behind one, and Alice, who sees it online. It knows one stream method."""

    def __init__(self, case, resource, method):
        self.case = case
        self.method = method
        case.own_server(gateway="icq")
        self.peer = RawComponent(case.server, "icq" + resource)
        case.at_end(self.peer.close)
        self.alice = case.online("alice")
        self.peer.send("<presence%s to='%s'/>" % (self.peer.sender, self.alice.jid))
        self.alice.client.wait("buddy-online", who="icq@" + GATEWAY)
        self.alice.client.tell("talk", self.alice.jid, "icq@" + GATEWAY)

    def asked(self, name, namespace):
        return self.peer.asked(lambda payload: payload.tag == "{%s}%s" % (namespace, name))

    def request(self, payload):
        answer = self.peer.request(payload, self.alice.jid)
        assert answer.get("type") == "result", "refused: %s" % payload
        return answer

    # Alice's file

    def accept(self):
        """Takes her offer; returns the stream's name."""
        iq = self.asked("query", DISCO)
        self.peer.answer(iq, "<query xmlns='%s'><identity category='gateway' type='icq'/>%s</query>" % (
            DISCO, "".join("<feature var='%s'/>" % feature for feature in (DISCO, SI_NAMESPACE, SI_FILES, self.method))))
        iq = self.asked("si", SI_NAMESPACE)
        assert iq[0].find("{%s}file" % SI_FILES).get("size") == str(SIZE)
        self.peer.answer(iq, "<si xmlns='%s'>%s</si>" % (
            SI_NAMESPACE, FORM % ("submit", "", "<value>%s</value>" % self.method)))
        return iq[0].get("id")

    def take(self, sid):
        return self._take_directly(sid) if self.method == S5B else self._take_in_band()

    def _take_directly(self, sid):
        iq = self.asked("query", S5B)
        host = iq[0].find("{%s}streamhost" % S5B)
        connection = connect(host.get("host"), host.get("port"), dst_addr(sid, self.alice.jid, self.peer.jid))
        self.peer.answer(iq, "<query xmlns='%s' sid='%s'><streamhost-used jid='%s'/></query>" % (S5B, sid, host.get("jid")))
        data = read_exactly(connection, SIZE)
        connection.close()
        return data

    def _take_in_band(self):
        self.peer.ask(lambda payload: payload.tag == "{%s}open" % IBB)
        data = b""
        while True:
            element = self.peer.ask(lambda payload: payload.tag in ("{%s}data" % IBB, "{%s}close" % IBB))[0]
            if element.tag.endswith("close"):
                return data
            data += base64.b64decode(element.text)

    # The gateway's

    def offer(self, sid):
        self.request("<si xmlns='%s' id='%s' profile='%s'><file xmlns='%s' name='file.bin' size='%d'/>%s</si>" % (
            SI_NAMESPACE, sid, SI_FILES, SI_FILES, SIZE,
            FORM % ("form", " type='list-single'", "<option><value>%s</value></option>" % self.method)))

    def give(self, sid, data):
        if self.method == S5B:
            self._give_directly(sid, data)
        else:
            self._give_in_band(sid, data)

    def _give_directly(self, sid, data):
        with socket.create_server((self.case.server.address, 0)) as listener:
            iq_id = self.peer.new_id()
            self.peer.send("<iq type='set' id='%s'%s to='%s'><query xmlns='%s' sid='%s'><streamhost jid='%s' host='%s' "
                           "port='%d'/></query></iq>" % (iq_id, self.peer.sender, self.alice.jid, S5B, sid, self.peer.jid,
                                                         *listener.getsockname()))
            connection = listener.accept()[0]
        greet(connection, dst_addr(sid, self.peer.jid, self.alice.jid))
        self.peer.answered(iq_id)
        connection.sendall(data)
        connection.close()

    def _give_in_band(self, sid, data):
        self.request("<open xmlns='%s' sid='%s' block-size='%d'/>" % (IBB, sid, BLOCK))
        for number, begin in enumerate(range(0, len(data), BLOCK)):
            self.request("<data xmlns='%s' sid='%s' seq='%d'>%s</data>" % (
                IBB, sid, number, base64.b64encode(data[begin:begin + BLOCK]).decode()))
        self.request("<close xmlns='%s' sid='%s'/>" % (IBB, sid))


def greet(connection, destination):
    """Lets Alice in, as a streamhost does."""
    assert read_exactly(connection, 3) == b"\x05\x01\x00"
    connection.sendall(b"\x05\x00")
    request = b"\x05\x01\x00\x03\x28" + destination.encode() + b"\x00\x00"
    assert read_exactly(connection, len(request)) == request
    connection.sendall(b"\x05\x00" + request[2:])


def contents(path):
    with open(path, "rb") as f:
        return f.read()


def to_a_contact(case, resource, method, who):
    gateway = Gateway(case, resource, method)
    path = case.file("file.bin", SIZE)
    sent = gateway.alice.send(who or gateway.peer.jid, path)
    assert gateway.take(gateway.accept()) == contents(path)
    case.completed(gateway.alice, sent)
    assert any(SI in line for line in gateway.alice.client.story())


def from_a_contact(case, resource, method):
    gateway = Gateway(case, resource, method)
    path = case.file("file.bin", SIZE)
    since = gateway.alice.client.now()
    gateway.offer("from-elsewhere")
    gateway.give("from-elsewhere", contents(path))
    got = gateway.alice.client.incoming(since)
    case.completed(gateway.alice, got)
    case.arrived(gateway.alice, path)


@test()
def to_a_contact_without_a_resource(case):
    to_a_contact(case, "", S5B, None)


@test()
def to_a_contact_with_a_resource_in_band(case):
    to_a_contact(case, "/registered", IBB, "icq@" + GATEWAY)


@test()
def from_a_contact_without_a_resource_in_band(case):
    from_a_contact(case, "", IBB)


@test()
def from_a_contact_with_a_resource(case):
    from_a_contact(case, "/registered", S5B)
