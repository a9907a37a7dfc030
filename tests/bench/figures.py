# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures: what is compared with libpurple's own file transfer, in which scenes, and the goals."""

from dataclasses import dataclass, replace
from typing import Callable

from measure import MB
from scenes import DEAD, NAT, Home, Scene

SECONDS, SPEED, MILLISECONDS = "seconds", "speed", "milliseconds"
DEBIAN = "10kb/s"  # what Debian's configuration of Prosody lets a client send


@dataclass(frozen=True)
class BenchScene(Scene):
    closed: tuple = ()  # addresses that somebody answers at, with all ports closed


@dataclass(frozen=True)
class Result:
    """One line. `ratio`: how many times better it is with the plugin; None where a ratio would say nothing."""

    plugin: float
    stock: float
    unit: str
    ratio: float = None
    goal: str = ""
    met: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    measure: Callable  # of a Bench: a Result


@dataclass(frozen=True)
class Figure:
    title: str
    text: str
    rows: tuple


def scene(route, a, b, name="", **options):
    """In all of them the file goes from a to b."""
    return BenchScene(name or "bench", route, a, b, **options)


# 1. The first byte

GOAL_FIRST = "not later than libpurple"
NOISE = 0.1  # seconds


def same_way(where):
    """The scene with the plugin nowhere: no measurement is made twice for who would have had it."""
    return replace(where, stock="", route="")


def mixed_first_byte(name, where, dead=False, size=MB):
    """With the plugin at one end only, a file from a to b. `dead`: with addresses that libpurple alone waits for."""
    def measure(bench):
        plugin, stock = bench.first_byte(where, True, size), bench.first_byte(same_way(where), False, size)
        met = plugin < stock - NOISE if dead else plugin <= stock + NOISE
        return Result(plugin, stock, SECONDS, stock / plugin, "sooner than libpurple" if dead else GOAL_FIRST, met)
    return Row(name, measure)


def mixed_second(name, where):
    """The same for a second file, when the plugin knows where the contact is."""
    def measure(bench):
        plugin, stock = bench.first_byte_of_second(where, True), bench.first_byte_of_second(same_way(where), False)
        return Result(plugin, stock, SECONDS, stock / plugin, "sooner than libpurple", plugin < stock - NOISE)
    return Row(name, measure)


def mixed(route, a, b, stock, **options):
    return scene(route, a, b, stock=stock, **options)


def first_byte(name, where):
    def measure(bench):
        plugin, stock = bench.first_byte(where, True), bench.first_byte(where, False)
        return Result(plugin, stock, SECONDS, stock / plugin, GOAL_FIRST, plugin <= stock + NOISE)
    return Row(name, measure)


def whole_file(name, where, size):
    def measure(bench):
        plugin, stock = bench.whole_file(where, True, size), bench.whole_file(where, False, size)
        return Result(plugin, stock, SECONDS, stock / plugin, "sooner than libpurple", plugin < stock)
    return Row(name, measure)


PUBLIC = Home()
PUBLIC_DEAD, NAT_DEAD = replace(PUBLIC, dead=DEAD), replace(NAT, dead=DEAD)
BOTH_PUBLIC = scene("direct", PUBLIC, PUBLIC, proxy=True)
SENDER_NAT = scene("direct to b", NAT, PUBLIC, swallow=True)

FIRST_BYTE = Figure(
    "First byte after acceptance",
    "25 ms from each client to the server. Where nothing else is said, packets to addresses that lead nowhere are\n"
    "answered (\"unreachable\"); where they are swallowed, whoever dials them hears nothing. libpurple does not look for\n"
    "routers that map ports here, which would cost its first file another 2 s; the plugin does.",
    (first_byte("both public", BOTH_PUBLIC),
     first_byte("sender behind NAT, proxy", scene("direct to b", NAT, PUBLIC, proxy=True)),
     first_byte("sender behind NAT, no proxy", scene("direct to b", NAT, PUBLIC)),
     first_byte("receiver behind NAT, proxy", scene("direct to a", PUBLIC, NAT, proxy=True)),
     first_byte("receiver behind NAT, no proxy", scene("direct to a", PUBLIC, NAT)),
     first_byte("both behind NAT, proxy", scene("proxy", NAT, NAT, proxy=True)),
     first_byte("both behind NAT, no proxy", scene("in-band", NAT, NAT)),
     first_byte("both public, dead addresses swallowed", scene("direct", PUBLIC_DEAD, PUBLIC_DEAD, proxy=True,
                                                               swallow=True)),
     first_byte("sender behind NAT, proxy, swallowed", scene("direct to b", NAT, PUBLIC, proxy=True, swallow=True)),
     first_byte("sender behind NAT, no proxy, swallowed", SENDER_NAT),
     first_byte("receiver behind NAT, dead addresses swallowed", scene("direct to a", PUBLIC_DEAD, NAT_DEAD, proxy=True,
                                                                       swallow=True)),
     first_byte("both behind NAT, proxy, swallowed", scene("proxy", NAT, NAT, proxy=True, swallow=True)),
     first_byte("both behind NAT, no proxy, swallowed", scene("in-band", NAT, NAT, swallow=True))))

ONE_DEAD_PROXY = mixed("proxy", NAT, PUBLIC, "b", proxy=True, swallow=True)
ONE_DEAD_IN_BAND = mixed("in-band", NAT, PUBLIC, "b", swallow=True)

MIXED = Figure(
    "First byte with the plugin at one end only",
    "By stream initiation, in which only the sender's addresses are dialled. 25 ms from each client to the server. The\n"
    "column \"plugin\": between it and libpurple alone; \"libpurple\": between two of these.",
    (mixed_first_byte("plugin behind NAT sends, proxy", mixed("proxy", NAT, PUBLIC, "b", proxy=True)),
     mixed_first_byte("libpurple behind NAT sends, proxy", mixed("proxy", NAT, PUBLIC, "a", proxy=True)),
     mixed_first_byte("plugin sends to libpurple behind NAT", mixed("direct to a", PUBLIC, NAT, "b", proxy=True)),
     mixed_first_byte("libpurple sends to plugin behind NAT", mixed("direct to a", PUBLIC, NAT, "a", proxy=True)),
     mixed_first_byte("plugin behind NAT sends, proxy, swallowed",
                      mixed("proxy", NAT_DEAD, PUBLIC, "b", proxy=True, swallow=True), dead=True),
     mixed_first_byte("libpurple behind NAT sends, proxy, swallowed",
                      mixed("proxy", NAT_DEAD, PUBLIC, "a", proxy=True, swallow=True), dead=True),
     mixed_first_byte("plugin behind NAT sends, in-band, swallowed",
                      mixed("in-band", NAT_DEAD, PUBLIC, "b", swallow=True), dead=True),
     mixed_first_byte("libpurple behind NAT sends, in-band, swallowed",
                      mixed("in-band", NAT_DEAD, PUBLIC, "a", swallow=True), dead=True),
     mixed_first_byte("plugin behind NAT sends, proxy, one dead", ONE_DEAD_PROXY, dead=True),
     mixed_first_byte("... a large file", ONE_DEAD_PROXY, size=10 * MB),
     mixed_second("... the second file", ONE_DEAD_PROXY),
     mixed_first_byte("plugin behind NAT sends, in-band, one dead", ONE_DEAD_IN_BAND),
     mixed_second("... the second file", ONE_DEAD_IN_BAND),
     mixed_first_byte("libpurple behind NAT sends, proxy, one dead",
                      mixed("proxy", NAT, PUBLIC, "a", proxy=True, swallow=True), dead=True),
     mixed_first_byte("libpurple behind NAT sends, in-band, one dead",
                      mixed("in-band", NAT, PUBLIC, "a", swallow=True), dead=True),
     mixed_first_byte("plugin sends, both public, swallowed",
                      mixed("direct to a", PUBLIC_DEAD, PUBLIC_DEAD, "b", proxy=True, swallow=True)),
     mixed_first_byte("libpurple sends, both public, swallowed",
                      mixed("direct to a", PUBLIC_DEAD, PUBLIC_DEAD, "a", proxy=True, swallow=True))))

WHOLE_FILE = Figure(
    "1 MB, from acceptance to the last byte",
    "The scene for which this plugin was begun: the sender is behind NAT, there is no proxy, and packets to the sender's\n"
    "private address are swallowed. 25 ms from each client to the server.",
    (whole_file("sender behind NAT, no proxy, swallowed", SENDER_NAT, MB),))


# 2. In-band

FAR = replace(NAT, delay=50)
IN_BAND = scene("in-band", FAR, FAR)
IN_BAND_LIMITED = replace(IN_BAND, limits=DEBIAN)
CHAT_GOAL = 0.3
SPEED_GOAL = 15


def speed(name, where, size, times, **options):
    """The goal is to be so many times as fast; 1: as fast, but for a tenth, which is chance."""
    def measure(bench):
        plugin, stock = bench.speed(where, True, size, **options), bench.speed(where, False, size, **options)
        goal = "at least %d times" % times if times > 1 else "not slower than libpurple"
        return Result(plugin, stock, SPEED, plugin / stock, goal, plugin >= times * stock * (0.9 if times == 1 else 1))
    return Row(name, measure)


def chat(name, where, size, **options):
    def measure(bench):
        plugin, stock = bench.chat(where, True, size, **options), bench.chat(where, False, size, **options)
        return Result(plugin.late, stock.late, MILLISECONDS, None, "at most %d ms" % (CHAT_GOAL * 1000),
                      plugin.late <= CHAT_GOAL)
    return Row(name, measure)


IN_BAND_FIGURE = Figure(
    "In-band",
    "Both are behind NAT and there is no proxy: the file goes through the server. 50 ms from each client to the server,\n"
    "each way: 100 ms from client to client, 200 ms until a block is acknowledged. Chat messages go the file's way; told is\n"
    "how much longer the slowest took than messages do without a file. With Debian's limit a client may send 10 kB/s\n"
    "(mod_limits, in Debian's own configuration of Prosody), whichever client: there, nobody can be much faster.",
    (speed("speed, 10 MB", IN_BAND, 10 * MB, SPEED_GOAL, seconds=40),
     speed("speed, 1 MB", IN_BAND, MB, SPEED_GOAL, seconds=30),
     chat("chat message later by", IN_BAND, 40 * MB),
     speed("speed, with Debian's limit", IN_BAND_LIMITED, MB, 1, seconds=30, skip=5),
     chat("chat message later by, with Debian's limit", IN_BAND_LIMITED, MB, pause=2)))


# 3. A working direct path among others

LATE_GOAL = 0.5
CLOSED = ("10.8.0.5", "172.17.0.1")


def later(name, where):
    def measure(bench):
        plugin, stock = (bench.first_byte(where, with_plugin) - bench.first_byte(BOTH_PUBLIC, with_plugin)
                         for with_plugin in (True, False))
        return Result(plugin, stock, MILLISECONDS, None, "at most %d ms" % (LATE_GOAL * 1000), plugin <= LATE_GOAL)
    return Row(name, measure)


WALLED = replace(PUBLIC, firewall=True)
LATER = Figure(
    "How much later the first byte comes over a working direct path",
    "Compared with both public and nothing else in the way; 25 ms from each client to the server.",
    (later("dead addresses, swallowed", scene("direct", PUBLIC_DEAD, PUBLIC_DEAD, proxy=True, swallow=True)),
     later("closed ports", scene("direct", replace(PUBLIC, dead=CLOSED), replace(PUBLIC, dead=CLOSED), proxy=True,
                                 closed=CLOSED)),
     later("silent firewall before the sender", scene("direct to b", WALLED, PUBLIC, proxy=True)),
     later("silent firewall before the receiver", scene("direct to a", PUBLIC, WALLED, proxy=True)),
     later("all of these", scene("direct to b", replace(WALLED, dead=DEAD + CLOSED[:1]),
                                 replace(PUBLIC, dead=DEAD + CLOSED[:1]), proxy=True, swallow=True,
                                 closed=CLOSED[:1]))))

FIGURES = (FIRST_BYTE, MIXED, WHOLE_FILE, IN_BAND_FIGURE, LATER)
