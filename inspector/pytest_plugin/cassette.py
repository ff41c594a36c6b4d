"""A CSMS for a charge point under test: the real one behind a recording proxy, or a replay of its recording."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inspector.pytest_plugin.proxy import START_TIMEOUT_S, RecordingProxy
from inspector.pytest_plugin.recordings import Differs

if TYPE_CHECKING:
    from inspector.replay.outcome import Outcome
    from inspector.replay.script import Script

LOOK_EVERY_S = 0.5
"""How often a cassette that waits for a charge point checks for its end."""


class Cassette:
    """A CSMS for a charge point under test: the real CSMS behind a recording proxy, or a replay of its recording.

    Leaving the block raises `Differs` if the charge point did not behave as recorded.

    Attributes:
        url: the address for the charge point.
        recording: whether the real CSMS is used and recorded.
        outcomes: the results of the sessions played so far, in the order of the recording.
        outcome: after the block, the result of the last session; None when it was recorded.
    """

    def __init__(self, path: Path, csms: str | None, mode: str, choices: dict[str, Any]) -> None:
        self.path = path
        self.outcome: Outcome | None = None
        self.outcomes: list[Outcome] = []
        self.recording = mode == "all" or (mode == "once" and not path.exists())
        self._csms, self._choices = csms, choices

    def __enter__(self) -> Cassette:
        if self.recording:
            if self._csms is None:
                raise pytest.UsageError(f"{self.path} is to be recorded, but no csms= was given")
            self._proxy = RecordingProxy(self._csms, self.path.with_suffix(".recording.db"))
            self.url = self._proxy.url
            return self
        if not self.path.exists():
            raise pytest.UsageError(f"{self.path} does not exist, and record mode `none` records nothing")
        from inspector.replay.script import read

        self._scripts = read(str(self.path))
        ready = threading.Event()
        self._is_over = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait(START_TIMEOUT_S)
        if self._failure is not None:
            raise self._failure
        return self

    def _serve(self, ready: threading.Event) -> None:
        from inspector.replay.connect import lobby
        from inspector.replay.outcome import Outcome
        from inspector.replay.runs import Choices, as_csms

        async def next_played(script: Script, waiting: Any, choices: Choices) -> Outcome:
            while True:
                was_over = self._is_over.is_set()
                try:
                    return await as_csms(script, waiting, choices, LOOK_EVERY_S)
                except TimeoutError:
                    if was_over:
                        said = ("no charge point connected for this session", waiting.refusals())
                        return Outcome(script, "csms", failure="; ".join(filter(None, said)))

        async def serve() -> None:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            assert task is not None
            self._stop = partial(loop.call_soon_threadsafe, task.cancel)

            def listening(url: str) -> None:
                self.url = url
                ready.set()

            version = self._scripts[0].version
            assert version is not None
            choices = Choices(**self._choices)
            async with lobby("127.0.0.1", 0, version, None, listening) as waiting:
                for script in self._scripts:
                    self.outcome = await next_played(script, waiting, choices)
                    self.outcomes.append(self.outcome)
                    if not self.outcome.equal:
                        return

        try:
            asyncio.run(serve())
        except BaseException as error:
            self._failure = error
            ready.set()

    def __exit__(self, *raised: object) -> None:
        if self.recording:
            self._proxy.stop()
            _export(self._proxy.db, self.path)
            return
        self._is_over.set()
        if raised[0] is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # it has just ended
                self._stop()
        self._thread.join()
        if raised[0] is not None:
            return
        if self._failure is not None:
            raise self._failure
        if self.outcome is not None and not self.outcome.equal:
            raise Differs(self.outcome)


def _export(db: Path, path: Path) -> None:
    from inspector.formats import exports
    from inspector.store.files.connection import open_recording

    with contextlib.closing(open_recording(db)) as connection:
        path.write_bytes(b"".join(exports.lines(connection, exports.session_ids(connection), "trace")))
    for file in path.parent.glob(f"{db.name}*"):
        file.unlink()
