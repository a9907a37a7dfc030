# SPDX-License-Identifier: GPL-2.0-or-later
"""Psi as a Python object: a process on a display of its own, with a profile of its own, whose dialogs are driven by a
library that is preloaded (psi_driver.cpp)."""

import os
import subprocess
from xml.sax.saxutils import escape

import cpp
import driven

OPTIONS_NS = "http://psi-im.org/options"


def version():
    """The installed Psi's, or None."""
    result = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "psi"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, check=False)
    return result.stdout.partition("+")[0] if result.returncode == 0 else None


def build_driver(folder):
    """The library's path."""
    return cpp.build(folder, "psi_driver", ["Qt5Widgets"], "-shared")


def tree(values):
    """Nested dictionaries as Psi writes its options."""
    text = ""
    for name, value in values.items():
        if isinstance(value, dict):
            text += "<%s>%s</%s>" % (name, tree(value), name)
        else:
            kind = {bool: "bool", int: "int", str: "QString"}[type(value)]
            shown = str(value).lower() if kind == "bool" else escape(str(value))
            text += '<%s type="%s">%s</%s>' % (name, kind, shown, name)
    return text


def hidden(password, jid):
    """A password as Psi writes it."""
    return "".join("%04x" % (ord(char) ^ ord(jid[n % len(jid)])) for n, char in enumerate(password))


class Psi(driven.DrivenWindows):
    """`jid` has a resource. `port`: where it listens; `proxy`: the JID of a proxy that it offers."""

    def __init__(self, folder, driver, jid, password, server, port, proxy="", prefix=()):
        super().__init__(folder, jid)
        environment = self._display.environment()
        environment["PSIDATADIR"] = os.path.join(environment["XDG_CONFIG_HOME"], "psi")
        self._write_profile(os.path.join(environment["PSIDATADIR"], "profiles", "default"), password, server, port,
                            proxy)
        self._start([*prefix, "env", "LD_PRELOAD=" + driver, "psi", "--profile=default"], environment,
                    "BS_PSI_CONTROL")

    def _write_profile(self, folder, password, server, port, proxy):
        bare, _, resource = self.jid.partition("/")
        account = {"enabled": True, "auto": True, "name": "it", "jid": bare, "password": hidden(password, bare),
                   "use-host": True, "host": server.address, "port": server.port, "ssl": "no", "security-level": 0,
                   "allow-plain": "always", "automatic-resource": False, "resource": resource, "priority": 5,
                   "reconn": False, "log": False, "bytestreams-proxy": proxy}
        # Who is not in the list is not online.
        options = {"options": {
            "auto-update": {"check-on-startup": False},
            "p2p": {"bytestreams": {"listen-port": port}},
            "vcard": {"query-own-vcard-on-login": False},
            "ui": {"contactlist": {"show": {"offline-contacts": False}}, "tip": {"show": False}, "systemtray": {"enable": False}, "file-transfer": {"auto-popup": True},
                   "last-used-save-path": self.downloads,
                   "notifications": {"sounds": {"enable": False}, "passive-popups": {"enabled": False}}}}}
        os.makedirs(folder)
        for name, values in (("accounts", {"accounts": {"a0": account}}), ("options", options)):
            with open(os.path.join(folder, name + ".xml"), "w", encoding="utf-8") as f:
                f.write('<%s version="1.5" xmlns="%s">%s</%s>\n' % (name, OPTIONS_NS, tree(values), name))
