# SPDX-License-Identifier: GPL-2.0-or-later
"""A network, and mounts, of its own for the tests: namespaces, so that nothing of this machine is touched or seen.

The runner itself moves into a namespace that is a router without a way out. Hosts behind it have an IPv4 and an IPv6
address each; a firewall before a host lets no connection in to its port range, and drops what it refuses silently."""

import os
import subprocess
import sys

INSIDE = "BS_LIVE_NETWORK"
ROUTER = "10.77.0.1"
OPEN_PORTS = (41000, 41010)  # the port range of a client behind a firewall
SILENT, REFUSING = "blackhole", "unreachable"  # what a firewall does with connections to these


def run(*command, text=""):
    """Runs a command, which reads `text`."""
    result = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False)
    if result.returncode != 0:
        raise OSError("%s: %s" % (" ".join(command), result.stdout.strip()))


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def set_up_router():
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "router0", "type", "veth", "peer", "name", "router1")
    for name in ("router0", "router1"):
        run("ip", "link", "set", name, "up")
    run("ip", "address", "add", ROUTER + "/24", "dev", "router0")
    run("ip", "address", "add", "fd77::1/64", "dev", "router0", "nodad")
    write("/proc/sys/net/ipv4/ip_forward", "1")
    write("/proc/sys/net/ipv6/conf/all/forwarding", "1")


def own_namespaces(probe, also=()):
    """The start of a command that runs in a network of its own (and `also` further namespaces: unshare's options), and
    None; or, if that cannot be had, which the script `probe` finds out: None, and the reason."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--net", *also]
    try:
        probed = subprocess.run(command + [sys.executable, probe], env=inner_environment(), text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except OSError as error:
        return None, str(error)
    if probed.returncode != 0:
        return None, (probed.stdout.strip().splitlines() or ["no network namespaces"])[-1]
    return command, None


def inner_environment():
    return {**os.environ, INSIDE: "1"}


def enter(script, arguments):
    """Starts the script anew inside a network of its own. Returns only if that cannot be had: with the reason."""
    if inside():
        return None
    command, reason = own_namespaces(os.path.abspath(__file__), ["--mount"])
    if command:
        sys.stdout.flush()
        os.execvpe(command[0], command + [sys.executable, script] + arguments, inner_environment())
    return reason


def inside():
    return INSIDE in os.environ


class Host:
    """A machine behind the router. `number` is from 1 to 250; `families` holds "4", "6" or both. `firewall`: SILENT or
    REFUSING."""

    def __init__(self, number, families="46", firewall=None):
        self.server4 = "10.77.%d.1" % number
        self.server6 = "fd77:%d::1" % number
        self.server = self.server4 if "4" in families else self.server6
        self.address4 = "10.77.%d.2" % number
        self.address6 = "fd77:%d::2" % number
        self.firewall = firewall
        self._link = "host%d" % number
        self._rules = []
        self._holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self._holder.stdout.readline()
        self.prefix = ["nsenter", "--net=/proc/%d/ns/net" % self._holder.pid]
        try:
            self._connect(families)
            if firewall:
                self._close()
        except OSError:
            self.stop()
            raise

    def _connect(self, families):
        run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        run("ip", "link", "set", self._link, "up")
        self._inside("ip", "link", "set", "lo", "up")
        if "6" not in families:
            self._inside("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        self._inside("ip", "link", "set", "eth0", "up")
        if "4" in families:
            run("ip", "address", "add", self.server4 + "/24", "dev", self._link)
            self._inside("ip", "address", "add", self.address4 + "/24", "dev", "eth0")
            self._inside("ip", "route", "add", "default", "via", self.server4)
        if "6" in families:
            run("ip", "address", "add", self.server6 + "/64", "dev", self._link, "nodad")
            self._inside("ip", "address", "add", self.address6 + "/64", "dev", "eth0", "nodad")
            self._inside("ip", "-6", "route", "add", "default", "via", self.server6)

    def _close(self):
        ports = "%d-%d" % OPEN_PORTS
        for family, address in (("-4", self.address4), ("-6", self.address6)):
            rule = [family, "rule", "%s", "to", address, "ipproto", "tcp", "dport", ports, self.firewall]
            run("ip", *[part if part != "%s" else "add" for part in rule])
            self._rules.append([part if part != "%s" else "delete" for part in rule])

    def _inside(self, *command):
        run(*self.prefix, *command)

    def configure(self, client):
        """A firewall lets nothing in to a port range, so the client has to use it."""
        if self.firewall:
            client.tell("pref", "/purple/network/ports_range_use", "bool", 1)
            client.tell("pref", "/purple/network/ports_range_start", "int", OPEN_PORTS[0])
            client.tell("pref", "/purple/network/ports_range_end", "int", OPEN_PORTS[1])

    def stop(self):
        for rule in self._rules:
            subprocess.run(["ip"] + rule, check=False)
        self._rules = []
        subprocess.run(["ip", "link", "delete", self._link], stderr=subprocess.DEVNULL, check=False)
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()


if __name__ == "__main__":
    set_up_router()
    Host(1, firewall=SILENT).stop()
