# SPDX-License-Identifier: GPL-2.0-or-later
"""The table: who sits where, what the server's proxy does, and the route that a file must take."""

from dataclasses import dataclass

from internet import CORE4, DELAY_MS, NOBODY4, SERVER4
from case import MIB  # found by way of internet
from prosody import Proxy

NOBODY = ("/plugins/core/bytestreams/tell_addresses", "string", "nobody")


@dataclass(frozen=True)
class Home:
    families: str = "4"  # "4", "6" or both
    nat: bool = False  # the machines have private IPv4 addresses
    firewall: bool = False  # lets nothing in that was not asked for, and says nothing
    mapping: str = ""  # the router maps ports: "upnp" or "nat-pmp"
    network: int = 0  # 192.168.N.0; otherwise each home has its own
    dead: tuple = ()  # further addresses of each machine, which nobody else can reach
    delay: int = DELAY_MS  # milliseconds to the core, each way


DIRECTIONS = ("a to b", "b to a")
# Where b is, if not in a home of its own.
SAME_HOME = "a's home"
SAME_MACHINE = "a's machine"


@dataclass(frozen=True)
class Scene:
    """`route`: "direct", "assisted", "proxy" or "in-band"; " to a" after it: on a's port."""

    name: str
    route: str
    a: Home = Home()
    b: object = Home()
    proxy: object = False  # as Prosody takes it: True for one that works
    silent_proxy: bool = False  # somebody takes the connections to the proxy and says nothing
    a_elsewhere: bool = False  # a's account is on a server without a proxy
    swallow: bool = False  # packets to private addresses vanish on the way; otherwise they are answered
    cut: bool = False  # connections between homes break with the first data
    limits: str = ""  # how much a client may send to the server, as Prosody takes it: "10kb/s"
    size: int = MIB  # of the file; in-band it is a smaller one
    a_pref: tuple = ()  # a preference of a's plugin
    stock: str = ""  # who has libpurple alone, without the plugin: "a" or "b"
    back: str = ""  # the route of a file from b to a, if it is another one
    like: str = ""  # the first byte is not later than in this scene ...
    within: float = 0.5  # ... by more than so many seconds

    def route_of(self, direction):
        return self.back if self.back and direction == DIRECTIONS[1] else self.route


# What a machine with a virtual machine, a container and a VPN has.
DEAD = ("192.168.122.1", "172.17.0.1", "10.8.0.5")
# A pause that nobody notices who has just waited for a dialog.
PAUSE = 2.0
NAT = Home(nat=True)

SCENES = (
    Scene("both public", "direct", proxy=True),
    Scene("a behind NAT", "direct to b", NAT, proxy=True),
    Scene("a behind a firewall", "direct to b", Home(firewall=True), proxy=True, like="both public"),
    Scene("both behind NAT, UPnP on one router", "assisted to a", Home(nat=True, mapping="upnp"), NAT),
    Scene("both behind NAT, NAT-PMP on one router", "assisted to a", Home(nat=True, mapping="nat-pmp"), NAT),
    Scene("both behind NAT, proxy of the server", "proxy", NAT, NAT, proxy=True),
    Scene("both behind NAT, only b's server has a proxy", "proxy", NAT, NAT, proxy=True, a_elsewhere=True),
    Scene("both behind NAT, no proxy", "in-band", NAT, NAT),
    Scene("both behind NAT, the same private address", "in-band", Home(nat=True, network=178),
          Home(nat=True, network=178), like="both behind NAT, no proxy"),
    Scene("proxy at a closed port", "in-band", NAT, NAT, proxy=Proxy(SERVER4),
          like="both behind NAT, no proxy", within=PAUSE),
    Scene("proxy where packets vanish", "in-band", NAT, NAT, proxy=Proxy(NOBODY4),
          like="both behind NAT, no proxy", within=PAUSE),
    Scene("proxy that accepts and stays silent", "in-band", NAT, NAT, proxy=Proxy(CORE4), silent_proxy=True,
          like="both behind NAT, no proxy", within=PAUSE),
    Scene("proxy that does not tell its address", "in-band", NAT, NAT, proxy=Proxy(unhelpful=("get", "is silent")),
          like="both behind NAT, no proxy", within=PAUSE),
    Scene("proxy that refuses activation", "in-band", NAT, NAT, proxy=Proxy(unhelpful=("set", "refuses")),
          like="both behind NAT, no proxy", within=PAUSE),
    Scene("proxy that does not answer activation", "in-band", NAT, NAT, proxy=Proxy(unhelpful=("set", "is silent"))),
    Scene("both public, private addresses swallowed", "direct", Home(dead=DEAD), Home(dead=DEAD), proxy=True,
          swallow=True, like="both public"),
    Scene("a behind NAT, private addresses swallowed", "direct to b", Home(nat=True, dead=DEAD), Home(dead=DEAD),
          proxy=True, swallow=True, like="a behind NAT"),
    Scene("both behind NAT, proxy, private addresses swallowed", "proxy", NAT, NAT, proxy=True, swallow=True,
          like="both behind NAT, proxy of the server"),
    Scene("both behind NAT, no proxy, private addresses swallowed", "in-band", NAT, NAT, swallow=True,
          like="both behind NAT, no proxy"),
    Scene("IPv6 only", "direct", Home("6"), Home("6")),
    Scene("a has IPv4, b has both", "direct", Home("4"), Home("46")),
    Scene("a has IPv6, b has both", "direct", Home("6"), Home("46")),
    Scene("addresses to nobody, proxy", "proxy", proxy=True, a_pref=NOBODY),
    Scene("addresses to nobody, no proxy", "in-band", a_pref=NOBODY),
    Scene("same machine", "direct", NAT, SAME_MACHINE, proxy=True),
    Scene("same home behind NAT", "direct", NAT, SAME_HOME, proxy=True),
    Scene("the connection dies between nomination and data", "in-band", cut=True),
    # With libpurple alone at one end only the sender's addresses, ports and proxies are dialled.
    Scene("b without the plugin, a behind NAT, proxy", "proxy", NAT, proxy=True, stock="b", back="direct to b"),
    Scene("a without the plugin behind NAT, proxy", "proxy", NAT, proxy=True, stock="a", back="direct to b"),
    Scene("b without the plugin, a behind NAT, UPnP", "assisted to a", Home(nat=True, mapping="upnp"), stock="b",
          back="direct to b"),
    Scene("b without the plugin, a behind NAT, no proxy, swallowed", "in-band", NAT, swallow=True, stock="b",
          back="direct to b"),
    Scene("a without the plugin behind NAT, no proxy, swallowed", "in-band", NAT, swallow=True, stock="a",
          back="direct to b"),
    Scene("b without the plugin, both behind NAT, proxy, swallowed", "proxy", NAT, NAT, proxy=True, swallow=True,
          stock="b"),
    Scene("b without the plugin, both public, private addresses swallowed", "direct", Home(dead=DEAD), Home(dead=DEAD),
          proxy=True, swallow=True, stock="b"),
    # Which of the contacts are in the same home, the plugin cannot know: a small file goes over the proxy before a
    # private address that may be dead.
    Scene("b without the plugin, same home, large file", "direct", NAT, SAME_HOME, proxy=True, size=5 * MIB, stock="b"),
    Scene("b without the plugin, same home, small file", "proxy", NAT, SAME_HOME, proxy=True, stock="b", back="direct"),
    Scene("b without the plugin, a behind NAT, proxy, large file, swallowed", "proxy", NAT, proxy=True, swallow=True,
          size=5 * MIB, stock="b", back="direct to b"),
)
BY_NAME = {scene.name: scene for scene in SCENES}
REFERENCE = "both public"
