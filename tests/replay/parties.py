"""The peers of the shipped recordings: our CSMS and our charge point, configured as they were when recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from csms import configuration
from csms.central_system import CentralSystem
from csms.configuration import PageAddress
from csms.operator_api.web import serving
from inspector.replay.connect import lobby
from inspector.replay.operator_api import Operator
from inspector.replay.outcome import Outcome
from inspector.replay.runs import Choices, as_charge_point, as_csms
from inspector.replay.script import Script, read
from recordings.regenerate import CSMS_CONFIG, SCENARIOS
from simulator import charge_point as simulated

FOLDER = Path(__file__).parents[2] / "recordings"
NAMES = sorted(SCENARIOS)


def sessions(name: str) -> list[Script]:
    """Return the sessions of one of our recordings."""
    return read(str(FOLDER / f"{name}.jsonl"))


@asynccontextmanager
async def csms_of(name: str) -> AsyncIterator[tuple[str, str]]:
    """Start the CSMS of a recording on free ports; yield its address and that of its operator API."""
    settings = configuration.load(CSMS_CONFIG[name]) if name in CSMS_CONFIG else None
    system = CentralSystem(configuration=settings)
    async with (
        system.listening("127.0.0.1", 0) as url,
        serving(system.context, system.connections, PageAddress(port=0)) as operator,
    ):
        yield url, operator
    system.close()


async def charge_point_of(name: str, url: str, charge_point_id: str) -> None:
    """Run the charge point of a recording against a CSMS, through its whole scenario."""
    scenario, version = SCENARIOS[name]
    plan = simulated.load(scenario)
    identity = simulated.Identity(url=url, id=charge_point_id, seed=7, timeout=3)
    await simulated.play(simulated.make(version, identity, scenario=plan), plan)


async def played_as_charge_point(name: str, choices: Choices | None = None) -> list[Outcome]:
    """Replay all sessions of a recording against its CSMS."""
    async with csms_of(name) as (url, operator):
        choices = choices or Choices()
        choices.prompt = Operator(operator)
        return [await as_charge_point(script, url, choices) for script in sessions(name)]


async def played_as_csms(name: str, choices: Choices | None = None) -> list[Outcome]:
    """Replay all sessions of a recording against its charge point."""
    scripts = sessions(name)
    choices = choices or Choices()
    address: list[str] = []
    assert scripts[0].version is not None
    async with lobby("127.0.0.1", 0, scripts[0].version, None, address.append) as waiting:
        playing = asyncio.ensure_future(charge_point_of(name, address[0], scripts[0].charge_point_id))
        try:
            return [await as_csms(script, waiting, choices, 20) for script in scripts]
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
