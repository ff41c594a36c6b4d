"""Run steps as they come, one JSON object a line, and answer each line: for programs that play the person."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

from simulator.scenario import BadScenario, parse
from simulator.station import Station

LONGEST_LINE = 1 << 20


class LiveSteps:
    """The scenario `-`: power on, then the steps on standard input, until it ends.

    Each step is a line such as {"do": "plug-in", "connector": 1}. It is answered by {"done": true}, or by
    {"done": false, "why": "…"}; a step that fails does not end the run.
    """

    name = "-"
    charge_point: ClassVar[dict[str, Any]] = {}

    def __init__(self, answer: Callable[[str], None]) -> None:
        self._answer = answer

    async def run(self, station: Station, values: dict[str, Any] | None = None, operator: str | None = None) -> None:
        """Connect and boot, then run each step; see `scenario.Scenario.run`."""
        await station.power_on("PowerUp")
        async for line in _lines():
            if not line.strip():
                continue
            why = await self._step(line, station, values, operator)
            self._answer(json.dumps({"done": True} if why is None else {"done": False, "why": why}))

    async def _step(
        self, line: str, station: Station, values: dict[str, Any] | None, operator: str | None
    ) -> str | None:
        """Run one step; return why it failed, or None."""
        try:
            step = json.loads(line)
            if not isinstance(step, dict):
                return "expected a JSON object"
            scenario = parse(self.name, {"step": [step]})
        except (ValueError, RecursionError) as error:
            return f"not JSON: {error}"
        except BadScenario as error:
            return error.why
        failed = len(station.failures)
        await scenario.run(station, values, operator)
        why = "; ".join(station.failures[failed:])
        del station.failures[failed:]
        return why or None


async def _lines() -> AsyncIterator[str]:
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            continue  # longer than the limit; the reader has dropped it
        if not line:
            return
        yield line.decode("utf-8", "replace")
