"""Recorded sessions as tests: each charge point of a recording is played against the CSMS under test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inspector.escaping import part_of_id, visible, visible_lines

if TYPE_CHECKING:
    from inspector.replay.outcome import Outcome
    from inspector.replay.script import Script


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
