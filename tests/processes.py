"""Runs ChargeSentinel's commands as real processes for tests, and ends only those it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import IO, Self


class Program:
    """A running command whose output is read as it comes.

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
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            cwd=None if cwd is None else str(cwd),
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
        """Return the first match of `pattern` in a line of stdout or stderr; fail loudly when none comes."""
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
        """Wait until the command ends by itself; returns its exit code."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s.\n{self.report()}") from None
        for reader in self._readers:
            reader.join(5)
        return code

    def stop(self, how: signal.Signals = signal.SIGINT, timeout: float = 30.0) -> int:
        """Send a signal and wait for the end; returns the exit code."""
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
