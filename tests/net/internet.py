# SPDX-License-Identifier: GPL-2.0-or-later
"""A small internet of network namespaces.

    machine a -- router of home a --- 25 ms --- core --- 25 ms --- router of home b -- machine b
                                                 |
                                               server

The core is the namespace of the runner itself. Its addresses look public, since that is what they are in here; nothing
can leave. All of it goes with the processes that live in it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "live"))

import network  # noqa: E402
from network import run, write  # noqa: E402

CORE4, CORE6 = "20.0.0.1", "2001:db8::1"
SERVER4, SERVER6 = "20.0.0.2", "2001:db8::2"
NOBODY4 = "20.0.9.9"  # an address where packets vanish
PRIVATE4 = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
DELAY_MS = 25  # from a home to the core, each way
NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

# What connects from outside comes in only where a port was mapped, everything else is dropped without an answer. Ports
# are kept as they are, and only who was sent to can answer: a port-restricted NAT.
ROUTER_RULES = """
table inet home {
    chain miniupnpd { }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
    chain forward {
        type filter hook forward priority filter; policy accept;
        ct state established,related accept
        jump miniupnpd
        iifname "wan" drop
    }
    chain input {
        type filter hook input priority filter; policy accept;
        ct state established,related accept
        iifname "wan" drop
    }
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        jump prerouting_miniupnpd
    }
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        jump postrouting_miniupnpd
        %s
    }
}
"""
MASQUERADE = 'oifname "wan" meta nfproto ipv4 masquerade'

# The data of a file that goes directly from home to home, not the handshake before it, breaks the connection.
CUT_RULES = """
table inet cut {
    chain forward {
        type filter hook forward priority filter; policy accept;
        iifname "line-*" oifname "line-*" meta l4proto tcp meta length > 600 reject with tcp reset
    }
}
"""

MAPPER = """
ext_ifname=wan
listening_ip=lan
upnp_table_name=home
upnp_nat_table_name=home
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
ipv6_disable=yes
secure_mode=yes
system_uptime=yes
enable_upnp={upnp}
enable_natpmp={natpmp}
uuid=5e2a7d8c-93a4-4c0e-9a1b-0c6f4bd71f{number:02x}
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""
MAPPER_IS_READY = r"listening (on|for) .*port \d+"


FORWARD = (("ipv4/ip_forward", 1), ("ipv6/conf/all/forwarding", 1))
NO_IPV6 = (("ipv6/conf/all/disable_ipv6", 1), ("ipv6/conf/default/disable_ipv6", 1))
NO_WAITING = (("ipv6/conf/all/accept_dad", 0), ("ipv6/conf/default/accept_dad", 0))  # an address is there at once


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


class Space:
    """A network namespace. Without a name: the runner's own."""

    def __init__(self, name=None):
        self.name = name
        self.path = "/run/netns/" + name if name else "/proc/self/ns/net"
        self.prefix = ["nsenter", "--net=" + self.path] if name else []
        if name:
            run("ip", "netns", "add", name)
        self.set(*NO_WAITING)
        self.ip("link set lo up")

    def ip(self, *lines):
        """Commands of ip."""
        run("ip", *(["-n", self.name] if self.name else []), "-batch", "-", text="\n".join(lines) + "\n")

    def rules(self, text):
        run(*self.prefix, "nft", "-f", "-", text=text)

    def set(self, *settings):
        """sysctls: (path below /proc/sys/net, value)."""
        run(*self.prefix, "sh", "-c", "".join("echo %s > /proc/sys/net/%s;" % (value, path)
                                              for path, value in settings))

    def remove(self):
        subprocess.run(["ip", "netns", "delete", self.name], stderr=subprocess.DEVNULL, check=False)


class Machine:
    """A client's computer in a home, the `number`th there. Stands where the live tests have a network.Host."""

    def __init__(self, home, name, number, dead=()):
        families = home.families
        self.space = Space(name)
        self.prefix = self.space.prefix
        self.server = SERVER4 if "4" in families else SERVER6
        self.address4 = home.prefix4 + str(number + 1) if "4" in families else None
        self.address6 = "%s%d" % (home.prefix6, number + 1) if "6" in families else None
        if not self.address6:
            self.space.set(*NO_IPV6)
        home.router.ip("link add port%d type veth peer name eth0 netns %s" % (number, name),
                       "link set port%d master lan up" % number)
        lines = ["link set eth0 up"]
        if self.address4:
            lines += ["address add %s/24 dev eth0" % self.address4, "route add default via %s1" % home.prefix4]
        if self.address6:
            lines += ["address add %s/64 dev eth0 nodad" % self.address6,
                      "route add default via %s1" % home.prefix6]
        for count, address in enumerate(dead):
            lines += ["link add dead%d type veth peer name end%d" % (count, count),
                      "address add %s/24 dev dead%d" % (address, count),
                      "link set dead%d up" % count, "link set end%d up" % count]
        self.addresses = [address for address in (self.address4, self.address6) if address]
        self.all_addresses = self.addresses + list(dead)
        self.space.ip(*lines)

    def configure(self, client):
        """Nothing: a client is used as it comes."""


class Home:
    """A router and the machines behind it. `plan` is a row of the table's (scenes.Home)."""

    def __init__(self, internet, name, number, plan):
        self.name = name
        self.families = plan.families
        self.router = Space("home-" + name)
        self.wan4 = "20.0.%d.1" % number
        self.prefix4 = "192.168.%d." % (plan.network or number) if plan.nat else "20.1.%d." % number
        self.prefix6 = "2001:db8:%d::" % number
        self.machines = []
        self._dead = plan.dead
        self._mapper = None
        self.router.set(*FORWARD)
        self.line = "line-" + name
        self._cable = subprocess.Popen(
            [internet.delay_program, str(plan.delay), internet.core.path, self.line, self.router.path, "wan"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        try:
            if self._cable.stdout.readline() != b"ready\n":
                raise OSError("no cable to home " + name)
            self._connect(internet.core, plan)
            if plan.nat or plan.firewall:
                self.router.rules(ROUTER_RULES % (MASQUERADE if plan.nat else ""))
            if plan.mapping:
                self._map_ports(internet.folder, number, plan.mapping)
        except BaseException:
            self.remove()
            raise

    def _connect(self, core, plan):
        inside = ["link add lan type bridge", "link set lan up", "link set wan up",
                  "address add %s/32 dev wan" % self.wan4, "route add default dev wan",
                  "route add ::/0 dev wan"]
        outside = ["link set %s up" % self.line, "route add %s/32 dev %s" % (self.wan4, self.line)]
        if "4" in self.families:
            inside.append("address add %s1/24 dev lan" % self.prefix4)
            if not plan.nat:
                outside.append("route add %s0/24 dev %s" % (self.prefix4, self.line))
        if "6" in self.families:
            inside.append("address add %s1/64 dev lan nodad" % self.prefix6)
            outside.append("route add %s/64 dev %s" % (self.prefix6, self.line))
        self.router.ip(*inside)
        core.ip(*outside)

    def _map_ports(self, folder, number, protocol):
        """miniupnpd, which answers by UPnP or by NAT-PMP."""
        path = os.path.join(folder, "miniupnpd%d" % number)
        write(path + ".conf", MAPPER.format(number=number, upnp="yes" if protocol == "upnp" else "no",
                                            natpmp="yes" if protocol == "nat-pmp" else "no"))
        with open(path + ".log", "wb") as log:
            self._mapper = subprocess.Popen(self.router.prefix + ["miniupnpd", "-d", "-f", path + ".conf",
                                                                  "-P", path + ".pid"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        while not re.search(MAPPER_IS_READY, read(path + ".log"), re.IGNORECASE):
            if self._mapper.poll() is not None or time.monotonic() > deadline:
                raise OSError("miniupnpd does not start:\n" + read(path + ".log"))
            time.sleep(0.02)

    def mapped(self):
        """The ports that are mapped: the rules that do it."""
        if self._mapper is None:
            return ""
        rules = subprocess.run(self.router.prefix + ["nft", "list", "chain", "inet", "home", "prerouting_miniupnpd"],
                               stdout=subprocess.PIPE, text=True, check=True).stdout
        return "; ".join(line.strip() for line in rules.splitlines() if "dnat" in line)

    def machine(self, name):
        """One more machine."""
        machine = Machine(self, name, len(self.machines) + 1, self._dead)
        self.machines.append(machine)
        return machine

    def remove(self):
        for process in (self._mapper, self._cable):
            if process is not None:
                process.kill()
                process.wait()
        self._cable.stdin.close()
        self._cable.stdout.close()
        for space in [machine.space for machine in self.machines] + [self.router]:
            space.remove()


class Internet:
    """The core and the server; homes are added to it. `folder` is for what its programs write."""

    def __init__(self, delay_program, folder):
        self.delay_program = delay_program
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.homes = []
        self.core = Space()
        self.core.set(*FORWARD, ("ipv4/icmp_ratelimit", 0), ("ipv6/icmp/ratelimit", 0))
        self.server = Space("server")
        try:
            self.core.ip("link add server type veth peer name eth0 netns server", "link set server up",
                         "address add %s/24 dev server" % CORE4, "address add %s/64 dev server nodad" % CORE6,
                         "route add blackhole %s/32" % NOBODY4)
            self.server.ip("link set eth0 up",
                           "address add %s/24 dev eth0" % SERVER4, "address add %s/64 dev eth0 nodad" % SERVER6,
                           "route add default via " + CORE4, "route add default via " + CORE6)
        except OSError:
            self.remove()
            raise

    def swallow_private_addresses(self):
        """Packets to private addresses vanish; otherwise the core says that it knows no way there."""
        self.core.ip(*["route add blackhole " + net for net in PRIVATE4], "route add blackhole fc00::/7")

    def cut_direct_connections(self):
        """Connections between homes come about, and break with the first data."""
        self.core.rules(CUT_RULES)

    def home(self, name, plan):
        home = Home(self, name, len(self.homes) + 1, plan)
        self.homes.append(home)
        return home

    def remove(self):
        for home in self.homes:
            home.remove()
        self.homes = []
        self.server.remove()
        subprocess.run(["ip", "link", "delete", "server"], stderr=subprocess.DEVNULL, check=False)
        for net in PRIVATE4 + (NOBODY4 + "/32",):
            subprocess.run(["ip", "route", "delete", "blackhole", net], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["ip", "-6", "route", "delete", "blackhole", "fc00::/7"], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["nft", "delete", "table", "inet", "cut"], stderr=subprocess.DEVNULL, check=False)


def refusal():
    """The reason why namespaces are not to be had; None if they are."""
    return network.own_namespaces(os.path.abspath(__file__), NAMESPACES)[1]


def start(script, arguments, **options):
    """Runs a script in namespaces of its own, where it calls arrive(); the options are Popen's. The end of its standard
    input, which comes when this process ends, in whatever way, ends it, and with it, the first of its namespace, the
    kernel ends all the others."""
    command, reason = network.own_namespaces(os.path.abspath(__file__), NAMESPACES)
    if reason:
        raise OSError(reason)
    sys.stdout.flush()
    return subprocess.Popen(command + [sys.executable, "-u", script] + arguments, stdin=subprocess.PIPE,
                            env=network.inner_environment(), **options)


def arrive(take_line=lambda line: None):
    """Makes the namespaces ready. Lines of standard input are given to take_line(), in another thread."""
    def watch():
        for line in sys.stdin:
            take_line(line.rstrip("\n"))
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
    _prepare()


def enter(script, arguments):
    """Runs the script anew in namespaces of its own, and ends with its status. Returns only within them, or where they
    are not to be had: with the reason."""
    if network.inside():
        arrive()
        return None
    try:
        inner = start(script, arguments)
    except OSError as error:
        return str(error)
    try:
        status = inner.wait()
    except KeyboardInterrupt:
        inner.stdin.close()
        inner.wait()
        status = 130
    sys.exit(status)


def _prepare():
    """Names of namespaces are files: they get a folder that nobody else sees."""
    run("mount", "-t", "tmpfs", "none", "/run")


def _probe():
    """Whether all that is needed is to be had."""
    _prepare()
    run("nft", "list", "ruleset")
    probe = Space("probe")
    probe.ip("tuntap add mode tun name wan")
    probe.remove()


if __name__ == "__main__":
    try:
        _probe()
    except OSError as error:
        sys.exit(" ".join(str(error).split()))
