"""Installs the npm packages that tests use: charge points, CSMSs and validators by others.

They are installed once, into tests/peers/node_modules (git-ignored), at the versions of tests/peers/package.json.
`python -m tests.npm_peers` installs them ahead of the tests.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parent / "peers"


class NoPeers(Exception):
    """The packages are missing and cannot be installed; the text says why."""


def install() -> Path:
    """Install what package.json names unless it is installed; return the folder to run `node` in.

    Several processes may call it at once: the first one installs, the others wait for it.

    Raises:
        NoPeers: without node or npm, or when npm fails.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        raise NoPeers("node and npm are not installed")
    wanted = (HOME / "package.json").read_text()
    modules = HOME / "node_modules"
    modules.mkdir(exist_ok=True)
    stamp = modules / ".installed"
    with (modules / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return HOME
        argv = ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(argv, cwd=HOME, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            why = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
            raise NoPeers(f"npm install failed: {(why or done.stderr.splitlines() or ['no reason given'])[0]}")
        stamp.write_text(wanted)
    return HOME


if __name__ == "__main__":
    try:
        print(f"The npm peers are in {install() / 'node_modules'}")
    except NoPeers as reason:
        sys.exit(f"The npm peers could not be installed: {reason}")
