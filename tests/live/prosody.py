# SPDX-License-Identifier: GPL-2.0-or-later
"""A throw-away Prosody with proxy65, from Debian's package, in a folder and on ports of its own."""

import os
import shutil
import socket
import subprocess
import time

DOMAIN = "lab.test"
PROXY = "proxy." + DOMAIN
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
proxy65_interfaces = {{ {interfaces} }}
proxy65_ports = {{ {proxy_port} }}
modules_enabled = {{ "roster", "saslauth", "disco", "smacks", "groups", "ping" }}
modules_disabled = {{ "s2s", "s2s_auth_certs", "tls", "http" }}
VirtualHost "{domain}"
"""

PROXY_CONFIG = """
Component "{proxy}" "proxy65"
    proxy65_address = "{address}"
    proxy65_acl = {{ "{domain}" }}
"""


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
    """`users` (names before the @) all see each other in their contact lists."""

    def __init__(self, folder, users, address="127.0.0.1", everywhere=False, proxy=True):
        self.folder = folder
        self.address = address
        self.port, self.proxy_port = free_ports(2)
        self.process = None
        os.makedirs(folder)
        self._write_users(users)
        config = CONFIG + (PROXY_CONFIG if proxy else "")
        with open(os.path.join(folder, "prosody.cfg.lua"), "w", encoding="utf-8") as f:
            f.write(config.format(folder=folder, port=self.port, proxy_port=self.proxy_port, domain=DOMAIN,
                                  proxy=PROXY, address=address,
                                  interfaces='"*", "::"' if everywhere else '"%s"' % address))
        self.start()

    def _write_users(self, users):
        accounts = os.path.join(self.folder, "data", DOMAIN.replace(".", "%2e"), "accounts")
        os.makedirs(accounts)
        for user in users:
            with open(os.path.join(accounts, user + ".dat"), "w", encoding="utf-8") as f:
                f.write('return { ["password"] = "%s"; };\n' % PASSWORD)
        with open(os.path.join(self.folder, "groups.txt"), "w", encoding="utf-8") as f:
            f.write("[Lab]\n" + "".join("%s@%s=%s\n" % (user, DOMAIN, user.capitalize()) for user in users))

    def start(self):
        """Returns when it takes connections."""
        with open(os.path.join(self.folder, "output"), "ab") as output:
            self.process = subprocess.Popen(
                [program(), "-F", "--config", os.path.join(self.folder, "prosody.cfg.lua")],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection((self.address, self.port), 5).close()
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
