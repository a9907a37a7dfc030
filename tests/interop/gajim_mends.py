# SPDX-License-Identifier: GPL-2.0-or-later
"""Bugs of Gajim 1.7.3, each mended by itself inside a running one, to see what else works."""

from gajim.common import jingle_ft, jingle_transport, socks5
from gajim.common.file_props import FilesProp
from nbxmpp.modules import ibb
from nbxmpp.namespaces import Namespace
from nbxmpp.util import generate_id

Transfer = jingle_ft.JingleFileTransfer


def offers():
    """Every offer that comes in ends in a TypeError: its content is made without the properties that it needs."""
    init = Transfer.__init__
    make = FilesProp.getNewFileProp

    def with_properties(self, session, file_props=None, transport=None, senders=None):
        if file_props is None:
            file_props = FilesProp.getNewFileProp(session.connection.name, session.sid)
        init(self, session, file_props, transport, senders)

    Transfer.__init__ = with_properties
    FilesProp.getNewFileProp = classmethod(lambda cls, account, sid: cls.getFileProp(account, sid) or make(account, sid))


def nominated():
    """A sender closes the connection that the receiver dialled when just that is the one nominated."""
    socks5.SocksQueue.remove_other_servers = lambda self, host: None


def fallback():
    """A sender does not begin in-band when its proposal of that was accepted."""
    accepted = Transfer._JingleFileTransfer__on_transport_accept

    def and_begin(self, stanza, content, error, action):
        accepted(self, stanza, content, error, action)
        transport = content.getTag("transport")
        if self.weinitiate and transport is not None and transport.getNamespace() == Namespace.JINGLE_IBB:
            self._JingleFileTransfer__state_changed(jingle_ft.State.TRANSFERRING)

    Transfer._JingleFileTransfer__on_transport_accept = and_begin


def stream_id():
    """Its proposal of an in-band stream has the id "None"."""
    init = jingle_transport.JingleTransportIBB.__init__

    def with_id(self, *arguments, **named):
        init(self, *arguments, **named)
        self.sid = self.sid or generate_id()

    jingle_transport.JingleTransportIBB.__init__ = with_id


def in_band():
    """An in-band stream that is opened or closed by the peer ends in a TypeError, without an answer."""
    ibb.IBBData.__new__.__defaults__ = (None,) * len(ibb.IBBData._fields)


MENDS = {"offers": offers, "nominated": nominated, "fallback": fallback, "stream-id": stream_id, "in-band": in_band}


def mend(name):
    MENDS[name]()
