# SPDX-License-Identifier: GPL-2.0-or-later
"""A contact that says whatever a test wants it to say: XMPP over a plain socket, stanza by stanza."""

import base64
import hashlib
import queue
import socket
import threading
import time
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import quoteattr

from headless import PATIENCE, Gone
from prosody import DOMAIN, GATEWAY, PASSWORD

CLIENT = "{jabber:client}"
IBB = "http://jabber.org/protocol/ibb"
STANZA_ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


class RawPeer:
    stanza = CLIENT  # the namespace of what comes
    sender = ""  # what each stanza says of where it is from

    def __init__(self, server, user, resource="raw", host=None):
        self.jid = "%s@%s/%s" % (user, DOMAIN, resource)
        self._connect(host or server.address, server.port)
        self._log_in(user, resource)

    def _connect(self, address, port):
        self._socket = socket.create_connection((address, port), 30)
        self._socket.settimeout(None)
        self._stanzas = queue.Queue()
        self._kept = []
        self._id = 0
        self._parser = None
        self._open_stream()
        threading.Thread(target=self._read, daemon=True).start()

    def _open_stream(self):
        self._parser = ElementTree.XMLPullParser(("start", "end"))
        self._depth = 0
        self._root = None
        self.send(self._header())

    @staticmethod
    def _header():
        return ("<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' "
                "xmlns:stream='http://etherx.jabber.org/streams'>" % DOMAIN)

    def _read(self):
        try:
            while True:
                data = self._socket.recv(65536)
                if not data:
                    break
                self._parser.feed(data)
                self._collect()
        except (OSError, ElementTree.ParseError):
            pass
        self._stanzas.put(None)

    def _collect(self):
        for event, element in self._parser.read_events():
            self._depth += 1 if event == "start" else -1
            if event == "start" and self._depth == 1:
                self._root = element
            elif event == "end" and self._depth == 1:
                self._root.remove(element)
                if element.tag.endswith("}success"):
                    self._open_stream()
                    self._stanzas.put(element)
                    return
                self._stanzas.put(element)

    def _log_in(self, user, resource):
        plain = base64.b64encode(("\0%s\0%s" % (user, PASSWORD)).encode()).decode()
        self._next(lambda e: e.tag.endswith("features"))
        self.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>" % plain)
        self._next(lambda e: e.tag.endswith("}success"))
        self._next(lambda e: e.tag.endswith("features"))
        self.request("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind>" % resource, None)
        self.request("<query xmlns='jabber:iq:roster'/>", None, kind="get")

    def send(self, text):
        self._socket.sendall(text.encode())

    def _next(self, wanted, patience=None):
        """The next stanza that `wanted` wants; others are kept for later."""
        for stanza in self._kept:
            if wanted(stanza):
                self._kept.remove(stanza)
                return stanza
        deadline = time.monotonic() + (patience or PATIENCE)
        while True:
            try:
                stanza = self._stanzas.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise Gone("the stanza that was waited for did not come") from None
            if stanza is None:
                self._stanzas.put(None)
                raise Gone("the server closed the connection")
            if wanted(stanza):
                return stanza
            self._kept.append(stanza)

    def presence(self, children=""):
        self.send("<presence>%s</presence>" % children)

    def new_id(self):
        self._id += 1
        return "raw%d" % self._id

    def request(self, payload, to, kind="set", patience=None):
        """Sends an IQ and returns its answer."""
        iq_id = self.new_id()
        self.send("<iq type='%s' id='%s'%s%s>%s</iq>" % (kind, iq_id, self.sender, " to=" + quoteattr(to) if to else "",
                                                         payload))
        return self.answered(iq_id, patience)

    def answered(self, iq_id, patience=None):
        """The answer to that request, result or error."""
        return self._next(lambda e: e.tag == self.stanza + "iq" and e.get("id") == iq_id
                          and e.get("type") in ("result", "error"), patience)

    def asked(self, wanted, patience=None):
        """The next IQ of type set or get whose payload `wanted` wants; it is for the caller to answer. What others ask the
        gateway itself is not meant."""
        return self._next(lambda e: e.tag == self.stanza + "iq" and e.get("type") in ("set", "get") and len(e)
                          and e.get("to") == self.jid and wanted(e[0]), patience)

    def ask(self, wanted, patience=None):
        """The same, answered with an empty result."""
        iq = self.asked(wanted, patience)
        self.answer(iq)
        return iq

    def take_in_band(self, sid):
        """The bytes of an in-band stream, which is accepted."""
        self.ask(lambda payload: payload.tag == "{%s}open" % IBB and payload.get("sid") == sid)
        data = b""
        while True:
            iq = self.ask(lambda payload: payload.tag in ("{%s}data" % IBB, "{%s}close" % IBB))
            if iq[0].tag.endswith("}close"):
                return data
            data += base64.b64decode(iq[0].text)

    def answer(self, iq, payload="", kind="result"):
        self.send("<iq type='%s' id=%s%s to=%s>%s</iq>" % (kind, quoteattr(iq.get("id")), self.sender,
                                                           quoteattr(iq.get("from")), payload))

    def jingle(self, action, sid, patience=None):
        """The next Jingle request of that action in that session, acknowledged: its <jingle/>."""
        return self.ask(lambda p: p.tag == "{urn:xmpp:jingle:1}jingle" and p.get("action") == action
                        and p.get("sid") == sid, patience)[0]

    def presence_of(self, full_jid, kind=None, where=None):
        """The next presence from there."""
        return self._next(lambda e: e.tag == self.stanza + "presence" and e.get("from") == full_jid
                          and e.get("type") == kind and (where is None or where(e)))

    def features_of(self, full_jid):
        """What its client says it can do."""
        answer = self.request("<query xmlns='http://jabber.org/protocol/disco#info'/>", full_jid, kind="get")
        return {f.get("var") for f in answer.iter("{http://jabber.org/protocol/disco#info}feature")}

    def nothing_waiting(self, wanted):
        """TRUE if nothing of that kind has come, after a round trip to the server."""
        self.request("<ping xmlns='urn:xmpp:ping'/>", DOMAIN, kind="get")
        return not any(wanted(e) for e in self._kept)

    def close(self):
        try:
            self.send("</stream:stream>")
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()


class RawComponent(RawPeer):
    """A contact behind a gateway (XEP-0114) of the server's; `name` with a resource or without."""

    stanza = "{jabber:component:accept}"

    def __init__(self, server, name):
        user, slash, resource = name.partition("/")
        self.jid = "%s@%s%s%s" % (user, GATEWAY, slash, resource)
        self.sender = " from=" + quoteattr(self.jid)
        self._opened = threading.Event()
        self._connect(server.address, server.component_port)
        self._opened.wait(PATIENCE)
        self.send("<handshake>%s</handshake>" % hashlib.sha1((self._root.get("id") + PASSWORD).encode()).hexdigest())
        self._next(lambda e: e.tag.endswith("}handshake"))

    @staticmethod
    def _header():
        return ("<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:component:accept' "
                "xmlns:stream='http://etherx.jabber.org/streams'>" % GATEWAY)

    def _collect(self):
        super()._collect()
        if self._root is not None:
            self._opened.set()


def error_of(answer):
    """(condition, Jingle condition or None) of an error, None for a result."""
    error = answer.find(CLIENT + "error")
    if error is None:
        return None
    condition = special = None
    for child in error:
        if child.tag.startswith(STANZA_ERRORS) and not child.tag.endswith("}text"):
            condition = child.tag.partition("}")[2]
        elif child.tag.startswith("{urn:xmpp:jingle:errors:1}"):
            special = child.tag.partition("}")[2]
    return condition, special
