# SPDX-License-Identifier: GPL-2.0-or-later
"""Gajim as a Python object: a process on a display of its own, with a profile of its own, that is driven by a plugin
inside it (gajim_driver.py)."""

import json
import os
import shutil
import sqlite3
import subprocess

import driven

HERE = os.path.dirname(os.path.abspath(__file__))
MANIFEST = {"name": "driver", "short_name": "driver", "version": "1.0.0", "description": "drives file transfers",
            "authors": [], "homepage": "about:blank", "config_dialog": False, "platforms": ["linux", "others"],
            "requirements": ["gajim>=1.7,<1.8"]}
# It does not want to be started by root; tests are.
LAUNCH = ("import os, sys; os.geteuid = lambda: 1000; sys.argv[0] = 'gajim'; "
          "from gajim.gajim import main; sys.exit(main())")
TABLES = """
CREATE TABLE settings (name TEXT UNIQUE, settings TEXT);
CREATE TABLE account_settings (account TEXT UNIQUE, settings TEXT);
PRAGMA user_version = 5;
"""


def version():
    """The installed Gajim's, or None."""
    result = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "gajim"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, check=False)
    return result.stdout.partition("-")[0] if result.returncode == 0 else None


class Gajim(driven.DrivenWindows):
    """`jid` has a resource. `hosts`: addresses of its own that it offers; `proxy`: the JID of a proxy that it offers."""

    def __init__(self, folder, jid, password, server, hosts, port, proxy="", mend=(), prefix=()):
        super().__init__(folder, jid)
        environment = self._display.environment()
        self._write_profile(environment["XDG_CONFIG_HOME"], password, server, hosts, port, proxy)
        environment["BS_GAJIM_CONFIG"] = json.dumps({"mend": list(mend), "proxy": proxy, "folder": self.downloads})
        self._start([*prefix, "/usr/bin/python3", "-c", LAUNCH, "-s", "-c", environment["XDG_CONFIG_HOME"]],
                    environment, "BS_GAJIM_CONTROL")

    def _write_profile(self, profile, password, server, hosts, port, proxy):
        user, _, rest = self.jid.partition("@")
        domain, _, resource = rest.partition("/")
        account = {"name": user, "hostname": domain, "account_label": user, "resource": resource, "password": password,
                   "savepass": True, "active": True, "autoconnect": True, "use_custom_host": True,
                   "custom_host": server.address, "custom_port": server.port, "custom_type": "PLAIN",
                   "confirm_unencrypted_connection": False, "ft_send_local_ips": bool(hosts),
                   "use_ft_proxies": bool(proxy), "file_transfer_proxies": proxy}
        program = {"use_keyring": False, "file_transfers_port": port, "ft_add_hosts_to_send": ", ".join(hosts),
                   "show_notifications": False, "sounds_on": False, "show_trayicon": False, "autoaway": False,
                   "autoxa": False, "check_for_update": False, "remote_control": False, "enable_file_preview": False,
                   "notify_on_file_complete": False}
        database = sqlite3.connect(os.path.join(profile, "settings.sqlite"))
        database.executescript(TABLES)
        for name, value in (("app", program), ("soundevents", {}), ("status_presets", {}), ("proxies", {}),
                            ("plugins", {"driver": {"active": True}}), ("workspaces", {"peer": {}})):
            database.execute("INSERT INTO settings VALUES (?, ?)", (name, json.dumps(value)))
        database.execute("INSERT INTO account_settings VALUES (?, ?)",
                         (user, json.dumps({"account": account, "contact": {}, "group_chat": {}})))
        database.commit()
        database.close()
        self._write_plugin(os.path.join(profile, "plugins", "driver"))

    @staticmethod
    def _write_plugin(folder):
        os.makedirs(folder)
        shutil.copy(os.path.join(HERE, "gajim_driver.py"), os.path.join(folder, "driver.py"))
        shutil.copy(os.path.join(HERE, "gajim_mends.py"), os.path.join(folder, "mends.py"))
        with open(os.path.join(folder, "__init__.py"), "w", encoding="ascii") as f:
            f.write("from .driver import Driver\n")
        with open(os.path.join(folder, "plugin-manifest.json"), "w", encoding="ascii") as f:
            json.dump(MANIFEST, f)
