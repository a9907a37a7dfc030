# SPDX-License-Identifier: GPL-2.0-or-later
"""The other clients: what is known of each, and how a file is sent to it and comes from it."""

import os

import cpp
import dino
import gajim
import libraries
import ports
import psi
from prosody import PASSWORD

TO, FROM = "to it", "from it"
WE_DIAL, IT_DIALS, ITS_PROXY, OUR_PROXY, IN_BAND = ROUTES = (
    "direct, we dial", "direct, it dials", "its proxy", "our proxy", "in-band")
SEVERAL = "several at once"  # files from it, over whatever route
AGAIN = "again"  # what is between the fault and the file is only that it must be sent twice

PATIENCE = 75  # Gajim takes half a minute to give an address up, and may have two
PATIENCE_AFTER_EXCEPTION = 25  # it may go on in spite of it

# What cannot be, with a client that speaks nothing else.
ONLY_STREAM_INITIATION = {
    (TO, WE_DIAL): "it speaks stream initiation only, where only the receiver dials",
    (TO, ITS_PROXY): "it speaks stream initiation only, where only the sender offers proxies",
    (FROM, IT_DIALS): "it speaks stream initiation only, where only the receiver dials",
    (FROM, OUR_PROXY): "it speaks stream initiation only, where only the sender offers proxies",
}

GIVES_UP = ("gives up when no connection comes about, as it has agreed on SOCKS5 before; our user is told to ask for the "
            "file once more, and accepts it in-band then")


class Place:
    """Where a client is, by what address it reaches the server, the domain of its account, and its contact."""

    def __init__(self, host, server, domain, contact):
        self.host = host
        self.address = host.server
        self.port = server.port
        self.domain = domain
        self.contact = contact


class DrivenClient:
    """What is the same for all that are driven.Driven."""

    never = {}

    @staticmethod
    def send(client, to, path):
        client.send(to, path)

    @staticmethod
    def ended(client):
        """Why it failed; None if it is complete."""
        event = client.wait("completed", "failed", "exception", patience=PATIENCE)
        if event is not None and event["event"] == "exception":
            event = client.wait("completed", "failed", patience=PATIENCE_AFTER_EXCEPTION)
        if event is None:
            return "nothing happened"
        return None if event["event"] == "completed" else event["why"]


class OfferedAgain(DrivenClient):
    """A client that may be offered once more what it could not fetch."""

    @staticmethod
    def ended(client):
        why = DrivenClient.ended(client)
        return why if why is None or client.wait("completed", patience=5) is None else None


class GajimClient(DrivenClient):
    name = "Gajim"
    # What was found to be in the way, as sets to be tried one after the other.
    faults = {
        (TO, IN_BAND): (["offers", "in-band"],),
        (FROM, WE_DIAL): (["nominated"],),
        (FROM, IN_BAND): (["fallback"], ["fallback", "stream-id"]),
    }
    default_faults = {TO: (["offers"],), FROM: ()}
    explanations = {
        "offers": "acknowledges every offer that it gets and then fails, with an exception: its user sees nothing, and ours is "
                  "told after a while that nothing has happened",
        "nominated": "closes the connection that we dialled when just that one is nominated; so our own addresses come "
                     "first, and it dials us wherever it can",
        "fallback": "does not begin in-band when its own proposal of that was accepted; our user is told that no "
                    "connection came about",
        "stream-id": "proposes an in-band stream with the id \"None\"",
        "in-band": "fails on an in-band stream that the other side opens, with an exception; our user is told that the "
                   "transfer failed",
    }
    impossible = {}

    @staticmethod
    def version():
        return gajim.version()

    @staticmethod
    def start(case, place, proxy, faults):
        folder = os.path.join(case.folder, "gajim")
        os.makedirs(folder)
        port = 41005 if place.host.firewall else 28011
        client = gajim.Gajim(folder, "bob@%s/gajim" % place.domain, PASSWORD, place, [place.host.address4], port, proxy,
                             mend=faults, prefix=place.host.prefix)
        case.at_end(client.stop)
        if client.wait("online") is None:
            raise OSError("Gajim did not come online")
        return client


class DinoClient(DrivenClient):
    name = "Dino"
    faults = {(FROM, IN_BAND): (["fallback"],)}
    default_faults = {TO: (), FROM: ()}
    explanations = {
        "fallback": "gives up when no connection comes about, as its way from there to in-band leads nowhere, which our user "
                    "is told; it goes where it begins in-band",
    }
    # In-band streams refuse to be closed in the way in which a receiver closes its own side of them at once. If they
    # did not, what has been acknowledged and not been read yet would be lost when the sender closes its side.
    never = {
        (TO, IN_BAND): "it takes nothing in-band; where no connection came about it goes on waiting, and our user is told "
                       "that none did; where in-band is offered at once it accepts and then fails, and our user is told to "
                       "ask whether the file arrived",
    }
    impossible = {}

    @staticmethod
    def version():
        return dino.version()

    @staticmethod
    def start(case, place, proxy, faults):
        folder = os.path.join(case.folder, "dino")
        os.makedirs(folder)
        if place.host.firewall:
            ports.close_all(place.host)
        client = dino.Dino(folder, "bob@" + place.domain, PASSWORD, (place.address, case.server.tls_port),
                           dino.build_driver(case.lab.build), case.server.certificate, faults, place.host.prefix)
        case.at_end(client.stop)
        client.come_online(place.contact, proxy)
        return client

    @staticmethod
    def send(client, to, path):
        client.send(to.partition("/")[0], path)

    @staticmethod
    def ended(client):
        return client.ended(PATIENCE)


class PsiClient(OfferedAgain):
    """The one that Debian has speaks stream initiation only, in its fast mode, where both dial and both offer proxies."""

    name = "Psi"
    faults = {
        (FROM, IN_BAND): ([AGAIN],),
    }
    default_faults = {TO: (), FROM: ()}
    explanations = {AGAIN: GIVES_UP}
    impossible = {}

    @staticmethod
    def version():
        return psi.version()

    @staticmethod
    def start(case, place, proxy, faults):
        folder = os.path.join(case.folder, "psi")
        os.makedirs(folder)
        port = 41005 if place.host.firewall else 8010
        client = psi.Psi(folder, psi.build_driver(case.lab.folder), "bob@%s/psi" % place.domain, PASSWORD, place, port, proxy,
                         prefix=place.host.prefix)
        case.at_end(client.stop)
        if client.wait("ready") is None:
            raise OSError("Psi did not start")
        return client


class LibraryClient(OfferedAgain):
    """A program of the project's own that is made with a library, which speaks stream initiation only. `further`: what it
    has to be told beyond what all are."""

    faults = {
        (FROM, IN_BAND): ([AGAIN],),
    }
    default_faults = {TO: (), FROM: ()}
    explanations = {AGAIN: GIVES_UP}
    impossible = ONLY_STREAM_INITIATION

    @classmethod
    def version(cls):
        return cpp.version(cls.packages[0])

    @classmethod
    def start(cls, case, place, proxy, faults):
        folder = os.path.join(case.folder, cls.program)
        os.makedirs(folder)
        if place.host.firewall:
            ports.close_all(place.host)
        client = libraries.LibraryClient(folder, cpp.build(case.lab.folder, cls.program, cls.packages),
                                         "bob@%s/home" % place.domain, PASSWORD, place, cls.further(case, place, proxy),
                                         place.host.prefix)
        case.at_end(client.stop)
        if client.wait("online") is None:
            raise OSError("%s did not come online" % cls.name)
        return client


class QXmppClient(LibraryClient):
    name = "QXmpp"
    program = "qxmpp_client"
    packages = ("qxmpp", "Qt5Core", "Qt5Network", "Qt5Xml")

    @staticmethod
    def further(case, place, proxy):
        return [proxy]


class GlooxClient(LibraryClient):
    name = "gloox"
    program = "gloox_client"
    packages = ("gloox", "Qt5Core")

    @staticmethod
    def further(case, place, proxy):
        own = [place.host.address4, "28011"]
        return own + ([proxy, case.server.address, str(case.server.proxy_port)] if proxy else [])


class StockClient:
    """libpurple without the plugin: stream initiation, in which only the receiver dials, and only the sender offers."""

    name = "libpurple without the plugin"
    faults = {}
    default_faults = {TO: (), FROM: ()}
    explanations = {}
    never = {}
    impossible = ONLY_STREAM_INITIATION

    @staticmethod
    def version():
        return cpp.version("purple")

    @staticmethod
    def start(case, place, proxy, faults):
        client = case.client("bob", plugin=False, host=place.host)
        server = type("Server", (), {"address": place.address, "port": place.port})
        client.jid = client.account("bob@" + place.domain, server, "home", proxies=proxy or None)
        return client

    @staticmethod
    def send(client, to, path):
        client.knows(client.jid, to, "http://jabber.org/protocol/si/profile/file-transfer")
        client.xfer = client.send(client.jid, to, path)

    @staticmethod
    def ended(client):
        event = client.wait("xfer", patience=PATIENCE, where=lambda it: it["stage"] in (
            "cancelled-here", "cancelled-there", "file-recv-complete", "file-send-complete"))
        return None if event["stage"].endswith("complete") else event["stage"]


CLIENTS = (GajimClient, DinoClient, PsiClient, QXmppClient, GlooxClient, StockClient)
