"""Run other commands of ChargeSentinel as child processes, and end all of them."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from inspector.child_lifetime import end_with_parent, environment_without_settings
from inspector.errors import UserMistake

PATIENCE_S = 5.0
"""How many seconds a part may take to end before it is killed; every command should end within 3 s."""

Listener = Callable[[str, str], None]
"""Called with the name of a part and each line that it writes."""


class PartFailed(UserMistake):
    """A part did not start, or ended by itself; the message has its name and its last line."""

    def __init__(self, name: str, what: str, last_words: str) -> None:
        self.name, self.what, self.last_words = name, what, last_words
        super().__init__(name, what, last_words)

    def __str__(self) -> str:
        return f"{self.name} {self.what}: {self.last_words or 'it printed nothing'}"


class Part:
    """One command in a child process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, listener: Listener) -> None:
        self.name = name
        self.process = process
        self._listener = listener
        self._lines: deque[str] = deque(maxlen=100)
        self._errors: deque[str] = deque(maxlen=20)
        self._changed = asyncio.Condition()
        assert process.stdout and process.stderr
        self._readers = asyncio.gather(
            self._read(process.stdout, self._lines.append), self._read(process.stderr, self._errors.append)
        )

    async def _read(self, stream: asyncio.StreamReader, keep: Callable[[str], None]) -> None:
        async for raw in stream:
            line = raw.decode(errors="replace").rstrip()
            keep(line)
            if line:
                self._listener(self.name, line)
            async with self._changed:
                self._changed.notify_all()

    async def ready(self, pattern: str, timeout: float = 30.0) -> str:
        """Wait for a line of stdout that matches `pattern`, and return its first group.

        Raises:
            PartFailed: the part ended first, or printed no such line within `timeout` seconds.
        """

        said = asyncio.create_task(self._first(pattern))
        gone = asyncio.create_task(self.ended())
        try:
            await asyncio.wait({said, gone}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if said.done():
                return said.result()
            what = "did not start" if gone.done() else f"was not ready within {timeout:.0f} s"
            raise PartFailed(self.name, what, self.last_words)
        finally:
            said.cancel()
            gone.cancel()

    async def _first(self, pattern: str) -> str:
        async with self._changed:
            while True:
                for line in self._lines:
                    if match := re.search(pattern, line):
                        return match[1]
                await self._changed.wait()

    @property
    def last_words(self) -> str:
        """The last line on stderr, or else on stdout, without the name of the program in front."""
        lines = [line for line in self._errors if line] or [line for line in self._lines if line]
        return lines[-1].removeprefix("chargesentinel: ").removeprefix("Error: ") if lines else ""

    async def ended(self) -> int:
        """Wait until the process ends by itself; return its exit code (negative: the signal that ended it)."""
        code = await self.process.wait()
        # A grandchild may keep the pipes open: do not wait for their end.
        await asyncio.wait({self._readers}, timeout=1)
        return code

    async def end(self) -> None:
        """Ask the process to end; kill it if it does not end in time."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(self.process.wait()), PATIENCE_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        self._readers.cancel()


class Parts:
    """Parts that run together. They start in order and end in reverse order, also after an error."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._running: list[Part] = []

    async def start(self, name: str, *arguments: object, listener: Listener | None = None) -> Part:
        """Run `chargesentinel ARGUMENTS` as a child process; messages call it `name`."""
        process = await asyncio.create_subprocess_exec(
            # -P keeps Python from importing, for example, a click.py in the user's folder.
            *(sys.executable, "-P", "-m", "inspector", *map(str, arguments)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment_without_settings(),
            # The parts must end in order, but Ctrl-C in a terminal would reach all processes of one group.
            start_new_session=True,
            preexec_fn=end_with_parent(),
        )
        part = Part(name, process, listener or self._listener)
        self._running.append(part)
        return part

    async def first_to_end(self) -> PartFailed:
        """Wait until a part ends by itself, and return the error to raise."""
        waiting = {asyncio.create_task(part.ended()): part for part in self._running if part.process.returncode is None}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        part = waiting[done.pop()]
        return PartFailed(part.name, f"ended with exit code {part.process.returncode}", part.last_words)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        ending = asyncio.ensure_future(self._end_all())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    async def _end_all(self) -> None:
        while self._running:
            await self._running.pop().end()
