# SPDX-License-Identifier: GPL-2.0-or-later
"""A throw-away Prosody with proxy65, from Debian's package, in a folder and on ports of its own."""

import os
import shutil
import socket
import subprocess
import time

DOMAIN = "lab.test"
PROXY = "proxy." + DOMAIN
ROOMS = "rooms." + DOMAIN
GATEWAY = "gateway." + DOMAIN
PASSWORD = "secret"

CONFIG = """
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
log = {{ debug = "{folder}/prosody.log" }}
certificates = "{folder}"
groups_file = "{folder}/groups.txt"
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
c2s_interfaces = {{ {interfaces} }}
c2s_ports = {{ {port} }}
component_interfaces = {{ {interfaces} }}
component_ports = {{ {component_port} }}
proxy65_interfaces = {{ {proxy_interfaces} }}
proxy65_ports = {{ {proxy_port} }}
modules_enabled = {{ "roster", "saslauth", "disco", "smacks", "groups", "ping"{more_modules} }}
modules_disabled = {{ "s2s", "s2s_auth_certs", "tls", "http" }}
plugin_paths = {{ "{folder}" }}
"""

TLS_CONFIG = """
c2s_direct_tls_interfaces = {{ {interfaces} }}
c2s_direct_tls_ports = {{ {port} }}
"""

LIMITS_CONFIG = """
limits = { c2s = { rate = "%s" } }
"""

HOST_CONFIG = """
VirtualHost "{domain}"
"""

PROXY_CONFIG = """
Component "{proxy}" "proxy65"
    proxy65_address = "{address}"
    proxy65_acl = {{ "{domain}" }}
"""

ROOMS_CONFIG = """
Component "%s" "muc"
    muc_room_locking = false
""" % ROOMS

GATEWAY_CONFIG = """
Component "%s"
    component_secret = "%s"
""" % (GATEWAY, PASSWORD)

UNHELPFUL_PROXY = """    modules_enabled = { "unhelpful" }
"""

UNHELPFUL_MODULE = """
local st = require "util.stanza";
module:hook("iq-{request}/host/http://jabber.org/protocol/bytestreams:query", function(event)
    if "{how}" == "refuses" then
        event.origin.send(st.error_reply(event.stanza, "cancel", "not-allowed"));
    end
    return true;
end, 10);
"""


class Proxy:
    """The server's proxy65. With an `address` it says that it is there, which is not true. `unhelpful`: what it does with
    a request: ("get", its address is asked for, or "set", to activate a stream) and "refuses" or "is silent"."""

    def __init__(self, address=None, unhelpful=None):
        self.address = address
        self.unhelpful = unhelpful


def free_ports(count):
    """Ports that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def program():
    """Prosody's path, or None."""
    return shutil.which("prosody", path=os.environ.get("PATH", "") + ":/usr/bin:/usr/sbin")


class Prosody:
    """`users` all see each other in their contact lists; one without a domain has an account at `DOMAIN`. `proxy`: a
    Proxy of `DOMAIN`, True for one that works, False for none. `limits`: how much a client may send, as mod_limits
    takes it. `gateway`: a contact of everybody's behind a component that may connect. `tls`: it also takes connections
    with TLS, at `tls_port`, with a `certificate` of its own (a file). `prefix` is put before the command."""

    def __init__(self, folder, users, address="127.0.0.1", everywhere=False, proxy=True, limits="", gateway=None,
                 tls=False, prefix=()):
        self.folder = folder
        self.address = address
        self.port, self.proxy_port, self.component_port, self.tls_port = free_ports(4)
        self.process = None
        self.certificate = None
        self._ports = [self.port] + ([self.component_port] if gateway else [])
        self._prefix = list(prefix)
        os.makedirs(folder)
        users = [user if "@" in user else "%s@%s" % (user, DOMAIN) for user in users]
        self._write_users(users)
        self._write_contacts(users + (["%s@%s" % (gateway, GATEWAY)] if gateway else []))
        domains = {DOMAIN} | {user.partition("@")[2] for user in users}
        self._write_config(domains, everywhere, Proxy() if proxy is True else proxy, limits, gateway)
        if tls:
            self._add_tls(domains, '"*"' if everywhere else '"%s"' % address)
        self.start()

    def _write_config(self, domains, everywhere, proxy, limits, gateway):
        interfaces = '"*", "::"' if everywhere else '"%s"' % self.address
        proxy_interfaces = '"127.0.0.1"' if proxy and proxy.address else interfaces
        config = CONFIG.format(folder=self.folder, port=self.port, proxy_port=self.proxy_port,
                               component_port=self.component_port, interfaces=interfaces,
                               proxy_interfaces=proxy_interfaces, more_modules=', "limits"' if limits else "")
        config += LIMITS_CONFIG % limits if limits else ""
        config += "".join(HOST_CONFIG.format(domain=domain) for domain in sorted(domains))
        config += ROOMS_CONFIG
        if gateway:
            config += GATEWAY_CONFIG
        if proxy:
            config += PROXY_CONFIG.format(proxy=PROXY, domain=DOMAIN, address=proxy.address or self.address)
        if proxy and proxy.unhelpful:
            config += UNHELPFUL_PROXY
            with open(os.path.join(self.folder, "mod_unhelpful.lua"), "w", encoding="utf-8") as f:
                f.write(UNHELPFUL_MODULE.format(request=proxy.unhelpful[0], how=proxy.unhelpful[1]))
        with open(os.path.join(self.folder, "prosody.cfg.lua"), "w", encoding="utf-8") as f:
            f.write(config)

    def _add_tls(self, domains, interfaces):
        """Prosody finds the certificate in its folder."""
        self.certificate = os.path.join(self.folder, "server.crt")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=" + DOMAIN,
                        "-addext", "subjectAltName=" + ",".join("DNS:" + domain for domain in sorted(domains)),
                        "-keyout", os.path.join(self.folder, "server.key"), "-out", self.certificate],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        with open(os.path.join(self.folder, "prosody.cfg.lua"), "r+", encoding="utf-8") as f:
            rest = f.read()
            f.seek(0)
            f.write(TLS_CONFIG.format(interfaces=interfaces, port=self.tls_port) + rest)

    def _write_users(self, users):
        for user in users:
            name, _, domain = user.partition("@")
            accounts = os.path.join(self.folder, "data", domain.replace(".", "%2e"), "accounts")
            os.makedirs(accounts, exist_ok=True)
            with open(os.path.join(accounts, name + ".dat"), "w", encoding="utf-8") as f:
                f.write('return { ["password"] = "%s"; };\n' % PASSWORD)

    def _write_contacts(self, users):
        with open(os.path.join(self.folder, "groups.txt"), "w", encoding="utf-8") as f:
            f.write("[Lab]\n" + "".join("%s=%s\n" % (user, user.partition("@")[0].capitalize()) for user in users))

    def start(self):
        """Returns when it takes connections."""
        with open(os.path.join(self.folder, "output"), "ab") as output:
            self.process = subprocess.Popen(
                self._prefix + [program(), "-F", "--config", os.path.join(self.folder, "prosody.cfg.lua")],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                for port in self._ports:
                    socket.create_connection((self.address, port), 5).close()
                return
            except OSError:
                time.sleep(0.05)
        said = self.said()
        self.kill()
        raise RuntimeError("Prosody does not start:\n" + said)

    def said(self):
        """The end of its log."""
        text = ""
        for name in ("output", "prosody.log"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    text += "".join(f.readlines()[-20:])
        return text

    def kill(self):
        """Ends it as a crash or power cut does; start() brings it back with the same users and ports."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        """Ends it and removes its folder."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
