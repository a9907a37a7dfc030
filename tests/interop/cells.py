# SPDX-License-Identifier: GPL-2.0-or-later
"""One file, to or from another client, over a route that is the only one there is."""

import filecmp
import os
import time

import network
from case import MIB
from clients import AGAIN, FROM, IN_BAND, IT_DIALS, ITS_PROXY, OUR_PROXY, SEVERAL, TO, WE_DIAL, Place
from prosody import DOMAIN, PROXY

PATIENCE = 75
ELSEWHERE = "two.test"  # a domain without a proxy
EXPECTED = {WE_DIAL: ("direct", "dialled by us"), IT_DIALS: ("direct", "dialled by the peer"), ITS_PROXY: ("proxy",),
            OUR_PROXY: ("proxy",), IN_BAND: ("in-band",)}
FILES = ("one.bin", "two.bin", "three.bin")
DECLINED = "two.bin"


class Failed(Exception):
    """The file did not arrive, or over another route."""


def firewalls(route):
    """Before us, before it: whoever is dialled must be reachable."""
    return route not in (IT_DIALS, SEVERAL), route not in (WE_DIAL, SEVERAL)


def make_ends(case, client, route, faults):
    """We, online, and the other client."""
    our_domain = ELSEWHERE if route == ITS_PROXY else DOMAIN
    its_domain = ELSEWHERE if route == OUR_PROXY else DOMAIN
    case.own_server(users=["alice@" + our_domain, "bob@" + its_domain], proxy=route in (ITS_PROXY, OUR_PROXY), tls=True)
    ours, its = firewalls(route)
    here = case.host(1, families="4", firewall=network.REFUSING if ours else None)
    there = case.host(2, families="4", firewall=network.REFUSING if its else None)
    us = case.online("alice@" + our_domain, host=here)
    it = client.start(case, Place(there, case.server, its_domain, us.bare), PROXY if route == ITS_PROXY else "", faults)
    us.client.wait("buddy-online", account=us.jid)
    if route == OUR_PROXY:
        us.client.wait("debug", where=lambda e: "proxy %s works" % PROXY in e["text"])
    return us, it


def check_arrived(path, source):
    """Gajim tells of the end before all is written."""
    deadline = time.monotonic() + 10
    while not (os.path.exists(path) and filecmp.cmp(path, source, shallow=False)):
        if time.monotonic() > deadline:
            raise Failed("the file is not identical")
        time.sleep(0.05)


def has_ended(event):
    return event["stage"] in ("cancelled-here", "cancelled-there", "file-recv-complete", "file-send-complete")


def wait_for_our_end(us, since):
    xfer = us.client.wait("xfer", since, stage="new")["id"]
    event = us.client.wait("xfer", since, patience=PATIENCE, where=has_ended, id=xfer)
    if not event["stage"].endswith("complete"):
        raise Failed("our transfer ended with " + event["stage"])


def send(client, us, it, direction, source):
    """Returns None, or why it failed."""
    since = us.client.now()
    it.over = lambda: any(map(has_ended, us.client.all("xfer", since)))
    if direction == TO:
        us.client.tell("send", us.jid, it.jid, source)
    else:
        client.send(it, us.jid, source)
    return client.ended(it)


def move(case, client, us, it, direction, again):
    source = case.file("file.bin", 300 * 1024 if direction == FROM else MIB)
    since = us.client.now()
    why = send(client, us, it, direction, source)
    if why is not None and again:
        since = us.client.now()
        why = send(client, us, it, direction, source)
    if why is not None:
        raise Failed(why)
    wait_for_our_end(us, since)
    check_arrived(os.path.join(it.downloads if direction == TO else us.client.downloads, "file.bin"), source)


def answer(us, name, since):
    """To the question about a file that has been offered."""
    question = us.client.wait("dialog", since, kind="action", where=lambda it: " %s " % name in it["primary"])
    us.client.tell("answer", question["id"], "decline" if name == DECLINED else "accept")
    if name != DECLINED:
        where = us.client.wait("dialog", since, kind="save", file=name)
        us.client.tell("answer", where["id"], "accept")


def move_several(case, client, us, it):
    """All have been offered before the first is answered; one is declined, and the others arrive."""
    sources = {name: case.file(name, 300 * 1024) for name in FILES}
    us.client.always("hold")
    since = us.client.now()
    for source in sources.values():
        client.send(it, us.jid, source)
    got = {name: us.client.wait("xfer", since, PATIENCE, stage="file-recv-request", name=name)["id"] for name in FILES}
    for name in FILES:
        answer(us, name, since)
    for name, xfer in got.items():
        if name == DECLINED:
            case.cancelled(us, xfer)
        else:
            us.client.stage(xfer, "file-recv-complete", since, PATIENCE)
            check_arrived(os.path.join(us.client.downloads, name), sources[name])
    if os.path.exists(os.path.join(us.client.downloads, DECLINED)):
        raise Failed("what was declined has arrived")


def check_route(us, route):
    line = [text for text in us.client.story() if "nominated" in text][-1]
    if not all(part in line for part in EXPECTED[route]):
        raise Failed("it went another way: " + line)


def play(case, client, direction, route, faults):
    """Returns None, or why it failed. `faults`: which of the client's are mended."""
    try:
        us, it = make_ends(case, client, route, faults)
        if route == SEVERAL:
            move_several(case, client, us, it)
        else:
            move(case, client, us, it, direction, AGAIN in faults)
            check_route(us, route)
    except Exception as error:  # of a client that ended, that a wait gave up ...
        return str(error) or type(error).__name__
    return None
