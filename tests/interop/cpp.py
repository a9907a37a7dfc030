# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs in C++ that need what not everybody who builds the plugin has: they are built when they are run."""

import os
import shlex
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def version(package):
    """That of an installed library, by its name in pkg-config; or None."""
    if not shutil.which("pkg-config"):
        return None
    result = subprocess.run(["pkg-config", "--modversion", package], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else None


def build(folder, name, packages, *options):
    """The path of what NAME.cpp becomes; it is built once in each folder."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], stdout=subprocess.PIPE, text=True,
                               check=True).stdout
        subprocess.run(["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fPIC", *options, "-o", path,
                        os.path.join(HERE, name + ".cpp"), *shlex.split(flags)], check=True)
    return path
