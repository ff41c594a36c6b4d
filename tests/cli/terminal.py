"""Runs a command in a real terminal (a pty) of a given size and returns its output."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass

from rich.cells import cell_len

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Shown:
    """The output of a command, with its colours, and the exit code."""

    text: str
    code: int

    @property
    def plain(self) -> str:
        """Return the output without colours."""
        return _SEQUENCE.sub("", self.text)

    @property
    def widest(self) -> int:
        """Return the width of the widest line in columns."""
        return max(cell_len(line) for line in self.plain.splitlines())


def on_a_terminal(
    *arguments: object, columns: int = 80, rows: int = 50, env: dict[str, str] | None = None, seconds: float = 30.0
) -> Shown:
    """Run `chargesentinel` with these arguments until it ends."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "LESS")}
    with subprocess.Popen(
        [sys.executable, "-m", "inspector", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm-256color", **(env or {})},
    ) as process:
        os.close(theirs)
        written = b""
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                if not select.select([ours], [], [], 0.5)[0]:
                    continue
                try:
                    part = os.read(ours, 65536)
                except OSError:  # the command has closed the terminal
                    break
                if not part:
                    break
                written += part
            else:
                process.kill()
        finally:
            os.close(ours)
        code = process.wait(10)
    return Shown(written.decode("utf-8", "replace").replace("\r\n", "\n"), code)
