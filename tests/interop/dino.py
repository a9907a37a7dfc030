# SPDX-License-Identifier: GPL-2.0-or-later
"""Dino as a Python object: a process on a display of its own, with a profile of its own, that is driven by a plugin
inside it (dino_driver.c)."""

import functools
import os
import shutil
import subprocess

import driven


def version():
    """The installed Dino's, or None."""
    result = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "dino-im"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True, check=False)
    return result.stdout.partition("-")[0] if result.returncode == 0 else None


@functools.lru_cache
def build_driver(build):
    """The plugin's path, in the folder where everything else was built."""
    subprocess.run(["make", "--quiet", "-C", build, "tests/interop/dino_driver.la"], stdout=subprocess.DEVNULL,
                   check=True)
    return os.path.join(build, "tests", "interop", ".libs", "dino_driver.so")


class Dino(driven.DrivenWindows):
    """`server`: its address, and a port of it for TLS. `driver`: the plugin, as it was built. `trusted`: a file with the
    certificate that the server must have."""

    def __init__(self, folder, jid, password, server, driver, trusted, mend=(), prefix=()):
        super().__init__(folder, jid)
        self.sending = False
        environment = self._display.environment()
        plugins = os.path.join(environment["XDG_DATA_HOME"], "plugins")
        os.makedirs(plugins)
        shutil.copy(driver, plugins)
        environment.update({"DINO_PLUGIN_DIR": plugins, "GSK_RENDERER": "cairo", "ADW_DISABLE_PORTAL": "1",
                            "BS_DINO_SERVER": server[0], "BS_DINO_PORT": str(server[1]), "BS_DINO_JID": jid,
                            "BS_DINO_PASSWORD": password, "BS_DINO_TRUSTED": trusted, "BS_DINO_MEND": ",".join(mend)})
        self._start([*prefix, "dino-im"], environment, "BS_DINO_CONTROL")

    def _tell(self, command):
        """Its driver reads words, not JSON."""
        self._control.sendall("\t".join(command.values()).encode() + b"\n")

    def come_online(self, contact, proxy):
        """Returns when it is, has a conversation with the contact, and, if there is one, has found its proxy."""
        event = self.wait("online")
        if event is None:
            raise OSError("Dino did not come online")
        self.jid = event["jid"]
        self._tell({"do": "talk", "to": contact})
        if proxy and self.wait("proxy") is None:
            raise OSError("Dino did not find its proxy")

    def send(self, to, path):
        self.sending = True
        super().send(to, path)

    def ended(self, patience):
        """Why a file has not arrived or not been sent; None if it has, and then what arrived is in `downloads`. Dino shows
        what it sends as complete from the beginning."""
        event = self.wait("completed", "failed", patience=patience)
        if event is None and self.sending:
            return None
        if event is None:
            return "nothing happened" if self._process.poll() is None else "it ended with %d" % self._process.returncode
        if event["event"] == "failed":
            return event["why"]
        if "path" in event:
            os.link(event["path"], os.path.join(self.downloads, event["name"]))
        return None
