"""The pytest plugin: recorded sessions as tests, and fixtures for your own tests.

`pytest --ocpp-recordings recordings/ --ocpp-csms ws://localhost:9000` plays every recorded session against a
CSMS. The fixtures `ocpp_proxy`, `ocpp_replay` and `ocpp_cassette` are described where they are defined.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inspector.child_lifetime import end_with_parent
from inspector.escaping import part_of_id, visible, visible_lines

if TYPE_CHECKING:
    from inspector.replay.outcome import Outcome
    from inspector.replay.script import Script

START_TIMEOUT_S, LOOK_EVERY_S = 60.0, 0.5
"""How long a proxy may take to start, and how often a cassette that waits for a charge point checks for its end."""
PROXY = (sys.executable, "-m", "inspector", "proxy")
RECORD_MODES = ("none", "once", "all")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    group = parser.getgroup("ocpp", "OCPP recordings as tests (ChargeSentinel)")
    group.addoption("--ocpp-recordings", metavar="DIR", help="Play the recordings (*.jsonl) below this folder.")
    group.addoption("--ocpp-csms", metavar="URL", help="The CSMS to play them against, as charge points.")
    group.addoption("--ocpp-operator", metavar="URL", help="Operator API of `chargesentinel csms`, for its CALLs.")
    group.addoption("--ocpp-timeout", type=seconds, default=10.0, metavar="S", help="Seconds to wait for each frame.")
    group.addoption("--ocpp-match", choices=["strict", "semantic", "shape"], default="semantic", help="What counts.")
    group.addoption("--ocpp-policy", metavar="FILE", help="What may differ (TOML).")
    group.addoption("--ocpp-record", choices=RECORD_MODES, default="once", help="Record mode of ocpp_cassette.")


def seconds(text: str) -> float:
    """Read a time in seconds. Raises ValueError unless it is finite and positive."""
    if not 0 < (read := float(text)) < math.inf:
        raise ValueError(text)
    return read


def pytest_configure(config: pytest.Config) -> None:
    """Add the folder of recordings to the paths that pytest collects."""
    folder = config.getoption("--ocpp-recordings")
    if folder is None:
        return
    if not Path(folder).is_dir():
        raise pytest.UsageError(f"--ocpp-recordings {folder}: no such folder")
    if not any(Path(folder).rglob("*.jsonl")):
        raise pytest.UsageError(f"--ocpp-recordings {folder}: no recording (*.jsonl) in it")
    if config.getoption("--ocpp-csms") is None:
        raise pytest.UsageError("--ocpp-recordings needs --ocpp-csms URL, the CSMS to play against")
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        # If the user names a recording or one of its tests, collect only that.
        if not any(_is_below(Path(one.split("::")[0]).absolute(), Path(folder)) for one in config.args):
            config.args.append(str(folder))
    else:
        config.args[:] = [str(folder)]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect *.jsonl below the folder of recordings as files of tests."""
    folder = parent.config.getoption("--ocpp-recordings")
    if folder is None or file_path.suffix != ".jsonl" or not _is_below(file_path, Path(folder)):
        return None
    collected: pytest.Collector = RecordingFile.from_parent(parent, path=file_path)
    return collected


def _is_below(path: Path, folder: Path) -> bool:
    """Return whether a file is in a folder, with or without following links."""
    return path.is_relative_to(folder.absolute()) or path.resolve().is_relative_to(folder.resolve())


class RecordingFile(pytest.File):
    """A file of recorded sessions."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield one test for each charge point in the file."""
        from inspector.errors import UserMistake
        from inspector.replay.script import read

        try:
            scripts = read(str(self.path))
        except UserMistake as mistake:
            raise self.CollectError(visible(str(mistake))) from mistake
        # The sessions of one charge point depend on each other, so make one test of them.
        by_name: dict[str, list[Script]] = {}
        for script in scripts:
            by_name.setdefault(script.charge_point_id or "session", []).append(script)
        for name, own in by_name.items():
            yield Recorded.from_parent(self, name=f"{part_of_id(name)} as charge point", scripts=own)


class Recorded(pytest.Item):
    """The recorded sessions of one charge point, played as that charge point."""

    def __init__(self, *, scripts: list[Script], **more: Any) -> None:
        super().__init__(**more)
        self.scripts = scripts

    def runtest(self) -> None:
        """Play the sessions; fail with the differences."""
        option = self.config.getoption
        choices: dict[str, Any] = {
            "timeout_s": option("--ocpp-timeout"),
            "policy": _policy(option("--ocpp-policy"), option("--ocpp-match")),
        }
        if option("--ocpp-operator"):
            from inspector.replay.operator_api import Operator

            choices["prompt"] = Operator(option("--ocpp-operator"))
        for outcome in play_as_charge_point(self.scripts, option("--ocpp-csms"), **choices):
            if not outcome.equal:
                raise Differs(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the excerpt that `replay` prints, or one line if the sessions could not be played."""
        from inspector.errors import ChargeSentinelError

        if isinstance(excinfo.value, Differs | ChargeSentinelError):
            return visible_lines(str(excinfo.value))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.name


class Differs(AssertionError):
    """The peer did not behave as recorded; `outcome` has the details."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome)

    def __str__(self) -> str:
        from inspector.replay.redact_outcome import hidden
        from inspector.replay.text_report import excerpt

        return excerpt(hidden(self.outcome))


def play_as_charge_point(scripts: list[Script], url: str, **choices: Any) -> list[Outcome]:
    """Play scripts one after the other against a CSMS. A new event loop runs them, so that any test can call this."""
    from inspector.replay.runs import Choices, go_on_as_charge_point

    chosen = Choices(**choices)

    async def play() -> list[Outcome]:
        outcomes: list[Outcome] = []
        for script in scripts:
            await go_on_as_charge_point(script, url, chosen, outcomes)
        return outcomes

    return _in_thread(lambda: asyncio.run(play()))


def _in_thread[T](work: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _policy(path: str | None, mode: str) -> Any:
    from inspector.replay.policy import Policy, read_policy

    return read_policy(Path(path), mode) if path else Policy(mode)


class RecordingProxy:
    """A recording proxy in front of a CSMS under test.

    Attributes:
        url: the address for charge points.
        db: the recording.
    """

    def __init__(self, csms: str, db: Path) -> None:
        self.db = db
        self._process = subprocess.Popen(
            [*PROXY, "--upstream", csms, "--listen", "127.0.0.1:0", "--db", str(db)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            preexec_fn=end_with_parent(),  # noqa: PLW1509 - it takes no lock
        )
        assert self._process.stdout is not None
        timer = threading.Timer(START_TIMEOUT_S, self._process.kill)
        timer.start()
        for line in self._process.stdout:
            if found := re.search(r"listening on (ws://\S+)", line):
                self.url = found[1]
                break
        timer.cancel()
        if not hasattr(self, "url"):
            _, said = self._process.communicate()
            raise RuntimeError(f"the proxy did not start: {said.strip()}")

    def stop(self) -> None:
        """End the proxy; afterwards all frames are in `db`."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()

    def findings(self, at_least: str = "info") -> list[dict[str, Any]]:
        """Return the stored findings as rows of the table `findings`; call `stop` first to get all of them."""
        from inspector.rules.finding import Severity
        from inspector.store.files.connection import open_recording

        with contextlib.closing(open_recording(self.db)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute("SELECT * FROM findings ORDER BY id")]
        return [row for row in rows if Severity(row["severity"]).rank >= Severity(at_least).rank]


@pytest.fixture
def ocpp_proxy(tmp_path: Path) -> Iterator[Callable[[str], RecordingProxy]]:
    """Put a recording proxy in front of a CSMS: `proxy = ocpp_proxy("ws://localhost:9000")`."""
    started: list[RecordingProxy] = []

    def start(csms: str) -> RecordingProxy:
        started.append(RecordingProxy(csms, tmp_path / f"proxy-{len(started) + 1}.db"))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


@pytest.fixture
def ocpp_replay() -> Callable[..., Outcome]:
    """Play a recording against a CSMS: `outcome = ocpp_replay("charging.jsonl", to="ws://localhost:9000")`.

    Further arguments are those of `inspector.replay.runs.Choices`; `session` chooses one of several, from 1.
    Assert on `outcome.equal`, `outcome.sentences()` or `outcome.regressions`.
    """
    from inspector.replay.script import choose, read

    def play(recording: str | Path, *, to: str, session: int = 1, **choices: Any) -> Outcome:
        return play_as_charge_point(choose(read(str(recording)), session), to, **choices)[0]

    return play


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


@pytest.fixture
def ocpp_cassette(request: pytest.FixtureRequest) -> Callable[..., Cassette]:
    """Record once, then replay: `with ocpp_cassette("boot.jsonl", csms="ws://…") as cassette: run(cassette.url)`.

    The path is relative to the test's folder. With `--ocpp-record once` (the default) the real CSMS is recorded if the
    file does not exist; else its recording is played, and the charge point is compared with it. `none` never records,
    `all` always does. Further arguments are those of `inspector.replay.runs.Choices`.
    """
    mode = request.config.getoption("--ocpp-record")

    def make(path: str | Path, csms: str | None = None, **choices: Any) -> Cassette:
        return Cassette(request.path.parent / path, csms, mode, choices)

    return make
