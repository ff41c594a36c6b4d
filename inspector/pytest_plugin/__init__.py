"""The pytest plugin: recorded sessions as tests, and fixtures for your own tests.

`pytest --ocpp-recordings recordings/ --ocpp-csms ws://localhost:9000` plays every recorded session against a
CSMS. The fixtures `ocpp_proxy`, `ocpp_replay` and `ocpp_cassette` are described where they are defined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inspector.pytest_plugin.cassette import Cassette
from inspector.pytest_plugin.proxy import HeldFrame, RecordingProxy
from inspector.pytest_plugin.recordings import Differs, RecordingFile, play_as_charge_point

if TYPE_CHECKING:
    from inspector.replay.outcome import Outcome

__all__ = ["Cassette", "Differs", "HeldFrame", "RecordingProxy", "play_as_charge_point"]
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


@pytest.fixture
def ocpp_proxy(tmp_path: Path) -> Iterator[Callable[..., RecordingProxy]]:
    """Put a recording proxy in front of a CSMS: `proxy = ocpp_proxy("ws://localhost:9000")`.

    `interventions=["slow-boot", {"match": …, "do": …}]` are rules as in docs/interventions.md: the names or paths of
    rules files, and rules as dicts. `proxy.hold`, `proxy.send` and `proxy.wait_for` work while the proxy runs.
    """
    started: list[RecordingProxy] = []

    def start(csms: str, interventions: Sequence[str | Path | dict[str, Any]] = ()) -> RecordingProxy:
        proxy = RecordingProxy(csms, tmp_path / f"proxy-{len(started) + 1}.db", interventions)
        started.append(proxy)
        return proxy

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
