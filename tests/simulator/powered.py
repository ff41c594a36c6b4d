"""Shared by the tests of a powered charge point: a token, the answer to a boot, the start of a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from simulator.station import Station
from tests.simulator.listening import ListeningCsms

type PowerOn = Callable[..., Awaitable[Station]]
"""Makes a charge point of a version and switches it on unless `on` is false; see the fixture `power_on`."""

TOKEN = "CAFE0001"
ACCEPTED = {"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 300}


def events(csms: ListeningCsms) -> list[dict[str, Any]]:
    return csms.calls("TransactionEvent")


async def charge(station: Station) -> None:
    await station.plug_in(1)
    assert await station.present(1, TOKEN) == "Accepted"
    assert station.connectors[1].transaction is not None
