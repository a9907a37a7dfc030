# SPDX-License-Identifier: GPL-2.0-or-later
"""File transfer as a scripted contact speaks it, rightly or wrongly: Jingle (XEP-0166, 0234, 0260) in strings."""

import base64
import hashlib
import socket
from xml.sax.saxutils import escape, quoteattr

JINGLE = "urn:xmpp:jingle:1"
FILES = "urn:xmpp:jingle:apps:file-transfer:5"
S5B = "urn:xmpp:jingle:transports:s5b:1"
HASHES = "urn:xmpp:hashes:2"
CANDIDATE = "{%s}candidate" % S5B
FEATURES = (JINGLE, FILES, S5B, HASHES, "urn:xmpp:hash-function-text-names:sha-256")


def file_element(name="file.bin", size=5, extra="<hash-used xmlns='%s' algo='sha-256'/>" % HASHES):
    parts = ""
    if name is not None:
        parts += "<name>%s</name>" % escape(name)
    if size is not None:
        parts += "<size>%s</size>" % size
    return "<file>%s%s</file>" % (parts, extra)


def description(file=None):
    return "<description xmlns='%s'>%s</description>" % (FILES, file_element() if file is None else file)


def transport(sid, children=""):
    return "<transport xmlns='%s' sid=%s>%s</transport>" % (S5B, quoteattr(sid), children)


def candidate(number, host, port, priority=8257536, kind="direct", jid="carol@lab.test/raw"):
    return "<candidate cid='c%d' host=%s port='%s' priority='%s' type='%s' jid=%s/>" % (
        number, quoteattr(host), port, priority, kind, quoteattr(jid))


def content(children, name="file", creator="initiator", senders="initiator"):
    attributes = "".join(" %s=%s" % (key, quoteattr(value)) for key, value in
                         (("creator", creator), ("name", name), ("senders", senders)) if value is not None)
    return "<content%s>%s</content>" % (attributes, children)


def jingle(action, sid, children="", extra=""):
    attributes = "".join(" %s=%s" % (key, quoteattr(value)) for key, value in
                         (("action", action), ("sid", sid)) if value is not None)
    return "<jingle xmlns='%s'%s %s>%s</jingle>" % (JINGLE, attributes, extra, children)


def offer(sid, file=None, candidates="", stream=None):
    """A session-initiate."""
    return jingle("session-initiate", sid, content(description(file) + transport(stream or "s5b" + sid, candidates)))


def transport_info(sid, payload, stream=None):
    return jingle("transport-info", sid, content(transport(stream or "s5b" + sid, payload), senders=None))


def terminate(sid, reason="cancel"):
    return jingle("session-terminate", sid, "<reason><%s/></reason>" % reason)


def checksum(sid, data, wrong=False):
    digest = hashlib.sha256(data + (b"?" if wrong else b"")).digest()
    return jingle("session-info", sid, "<checksum xmlns='%s' creator='initiator' name='file'><file><hash xmlns='%s' "
                  "algo='sha-256'>%s</hash></file></checksum>" % (FILES, HASHES, base64.b64encode(digest).decode()))


def dst_addr(stream, one, other):
    return hashlib.sha1((stream + one + other).encode()).hexdigest()


def connect(host, port, destination):
    """Dials a SOCKS5 listener and asks for `destination`; returns the socket, at the first byte of the file."""
    connection = socket.create_connection((host, int(port)), 30)
    connection.sendall(b"\x05\x01\x00")
    assert read_exactly(connection, 2) == b"\x05\x00"
    connection.sendall(b"\x05\x01\x00\x03" + bytes([len(destination)]) + destination.encode() + b"\x00\x00")
    head = read_exactly(connection, 4)
    assert head[:2] == b"\x05\x00", "refused: %r" % head
    length = read_exactly(connection, 1)[0] if head[3] == 3 else {1: 4, 4: 16}[head[3]]
    read_exactly(connection, length + 2)
    return connection


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        assert more, "the listener closed the connection after %r" % data
        data += more
    return data


# With no candidate at all the peer would wait for some to follow.
USELESS = candidate(1, "127.0.0.1", 1)


class Sending:
    """Carol sends a file to an account; each step can be left out or done wrongly."""

    def __init__(self, peer, to, sid):
        self.peer = peer
        self.to = to
        self.sid = sid
        self.connection = None

    def request(self, payload):
        return self.peer.request(payload, self.to)

    def offer(self, file, candidates=USELESS):
        return self.request(offer(self.sid, file, candidates))

    def accepted(self):
        """Waits for the session-accept; returns the candidates in it."""
        return list(self.peer.jingle("session-accept", self.sid).iter(CANDIDATE))

    def dial(self, candidates):
        """Connects to the best of them and says so."""
        best = max(candidates, key=lambda c: int(c.get("priority")))
        self.connection = connect(best.get("host"), best.get("port"),
                                  dst_addr("s5b" + self.sid, self.peer.jid, self.to))
        return self.request(transport_info(self.sid, "<candidate-used cid=%s/>" % quoteattr(best.get("cid"))))

    def data(self, data):
        self.connection.sendall(data)

    def close(self):
        if self.connection is not None:
            self.connection.close()

    def whole(self, name, data):
        """Everything as it should be; returns the reason with which the receiver ended the session."""
        self.offer(file_element(name, len(data)))
        self.dial(self.accepted())
        self.data(data)
        self.request(checksum(self.sid, data))
        return self.ended()

    def ended(self):
        """The reason in the session-terminate that comes."""
        ended = self.peer.jingle("session-terminate", self.sid)
        reason = ended.find("{%s}reason" % JINGLE)
        return reason[0].tag.partition("}")[2] if reason is not None and len(reason) else None
