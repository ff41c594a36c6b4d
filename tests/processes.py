"""Runs ChargeSentinel's commands as real processes for tests, and ends only the processes it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.forked import ForkedCommand


class Program:
    """A running command whose output is read while it runs.

    A command of ours is forked from a process that has imported it; with `argv` or `env` it is a program of its own.

    >>> with Program("csms", "--listen", "127.0.0.1:0") as csms:
    ...     url = csms.wait_for(r"csms at (ws://\\S+)")[1]
    """

    def __init__(
        self,
        *args: object,
        argv: Iterable[object] | None = None,
        env: dict[str, str] | None = None,
        cwd: object = None,
    ) -> None:
        self.argv = [str(a) for a in (argv or [sys.executable, "-m", "inspector", *args])]
        self.out: list[str] = []
        self.err: list[str] = []
        self._changed = threading.Condition()
        folder = str(cwd or Path.cwd())
        self.process: ForkedCommand | subprocess.Popen[str]
        if argv is None and env is None:
            self.process = ForkedCommand([str(a) for a in args], folder, {**os.environ, "PYTHONUNBUFFERED": "1"})
        else:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                cwd=folder,
            )
        assert self.process.stdout and self.process.stderr
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        for line in stream:
            with self._changed:
                lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, pattern: str, timeout: float = 60.0) -> re.Match[str]:
        """Return the first match of `pattern` in a line of stdout or stderr; fail after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for line in [*self.out, *self.err]:
                    if found := re.search(pattern, line):
                        return found
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not any(r.is_alive() for r in self._readers)):
                    raise AssertionError(f"{pattern!r} did not appear.\n{self.report()}")
                self._changed.wait(min(left, 0.2))

    def finish(self, timeout: float = 60.0) -> int:
        """Wait until the command ends by itself; return its exit code."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s.\n{self.report()}") from None
        for reader in self._readers:
            reader.join(5)
        return code

    def stop(self, how: signal.Signals = signal.SIGINT, timeout: float = 30.0) -> int:
        """Send a signal and wait until the command ends; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.finish(timeout)

    def report(self) -> str:
        out, err = "\n".join(self.out[-40:]), "\n".join(self.err[-40:])
        return f"$ {' '.join(self.argv)}  -> {self.process.poll()}\n--- stdout\n{out}\n--- stderr\n{err}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        for reader in self._readers:
            reader.join(5)
