# SPDX-License-Identifier: GPL-2.0-or-later
"""What a desktop program needs that nobody looks at: a virtual display and a D-Bus of its own, in a folder of its own."""

import os
import select
import signal
import subprocess
import time

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""


def start(command, **options):
    """In a session of its own, so that it can be ended with all its children."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)


def stop(process, patience=3):
    """Ends a process that start() made."""
    if process is None:
        return
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


class Display:
    """Nothing on its bus can be started by name, so nothing is left behind."""

    def __init__(self, folder):
        self._folder = folder
        self._bus = None
        self._server = None
        try:
            self.name = ":" + self._start_server()
            self.bus = self._start_bus()
        except OSError:
            self.stop()
            raise

    def _start_server(self):
        mine, its = os.pipe()
        self._server = start(["Xvfb", "-displayfd", str(its), "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"],
                             pass_fds=[its], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(its)
        name = b""
        try:
            # The newline is written apart: who closed the pipe before it would end the server.
            while not name.endswith(b"\n"):
                some = os.read(mine, 32) if select.select([mine], [], [], 20)[0] else b""
                if not some:
                    raise OSError("Xvfb did not start")
                name += some
        finally:
            os.close(mine)
        return name.decode().strip()

    def _start_bus(self):
        socket = os.path.join(self._folder, "bus")
        config = os.path.join(self._folder, "bus.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write(BUS_CONFIG % socket)
        self._bus = start(["dbus-daemon", "--config-file=" + config, "--nofork", "--nopidfile"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(400):
            if os.path.exists(socket):
                return "unix:path=" + socket
            time.sleep(0.05)
        raise OSError("no D-Bus came about")

    def environment(self):
        """For a program that shall see nothing of this machine but the display, the bus, and its folder."""
        profile = os.path.join(self._folder, "profile")
        os.makedirs(profile, 0o700, exist_ok=True)
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                "HOME": self._folder, "DISPLAY": self.name, "DBUS_SESSION_BUS_ADDRESS": self.bus,
                "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent", "XDG_RUNTIME_DIR": self._folder,
                "XDG_CONFIG_HOME": profile, "XDG_DATA_HOME": profile, "XDG_CACHE_HOME": profile,
                "GSETTINGS_BACKEND": "memory", "GIO_USE_VFS": "local", "GIO_USE_VOLUME_MONITOR": "unix",
                "GIO_USE_PROXY_RESOLVER": "dummy", "NO_AT_BRIDGE": "1", "GTK_A11Y": "none", "GDK_BACKEND": "x11",
                "LIBGL_ALWAYS_SOFTWARE": "1", "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1"}

    def stop(self):
        stop(self._bus)
        stop(self._server)
