"""The headless charge point's front door: takes an address and a wish, runs it, and tells how it went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from simulator.connection import Identity, Unreachable
from simulator.link import CallFailed
from simulator.scenario import BadScenario, Scenario, load, shipped
from simulator.station import Station
from simulator.v2x.charge_point import ChargePoint201
from simulator.v2x.v21 import ChargePoint21
from simulator.v16.charge_point import ChargePoint16

VERSIONS: dict[str, Callable[[Identity, Callable[[str], None]], Station]] = {
    "1.6": ChargePoint16,
    "2.0.1": ChargePoint201,
    "2.1": ChargePoint21,
}

__all__ = [
    "VERSIONS",
    "BadScenario",
    "Identity",
    "Outcome",
    "Scenario",
    "Unreachable",
    "checked_url",
    "load",
    "make",
    "outcome",
    "play",
    "shipped",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a charge point's run went; `str()` is the one-line summary."""

    charge_point_id: str
    version: str
    sent: int
    answered: int
    served: int
    energy_wh: int
    failures: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        text = (
            f"{self.charge_point_id} (OCPP {self.version}): {self.sent} calls sent, {self.answered} answered, "
            f"{self.served} served, {self.energy_wh / 1000:.3f} kWh"
        )
        return text if self.good else f"{text}; FAILED: {'; '.join(self.failures)}"


def checked_url(url: str) -> str:
    """Return the URL when a charge point can connect to it.

    Raises:
        ValueError: why not, for the user; the URL, which may hold a password, is not in it.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises ValueError when it is no port
        (parts.hostname or "").encode("idna")
    except UnicodeError:
        raise ValueError("no name of a host; write ws://HOST:PORT[/PATH]") from None
    except ValueError as error:
        # Its text quotes what stands where a port belongs: of a mistyped password, a part.
        why = "not a host and a port" if "@" in url else error
        raise ValueError(f"{why}; write ws://HOST:PORT[/PATH]") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError("not a WebSocket address; write ws://HOST:PORT[/PATH] or wss://…")
    if parts.query or parts.fragment:
        raise ValueError("the charge point's id goes after the path, so no query and no fragment")
    return url


def make(
    version: str,
    identity: Identity,
    say: Callable[[str], None] = lambda line: None,
    scenario: Scenario | None = None,
) -> Station:
    """Build a charge point of a version, as a scenario needs it; it does nothing until powered on."""
    if scenario is not None:
        identity = replace(identity, **scenario.charge_point)
    return VERSIONS[version](identity, say)


async def play(
    station: Station,
    scenario: Scenario,
    values: dict[str, Any] | None = None,
    operator: str | None = None,
    after: Callable[[], Any] | None = None,
) -> Outcome:
    """Run a scenario from power on to power off.

    Args:
        values: in place of the scenario's own, for its `$names`.
        operator: address of the reference CSMS's operator API.
        after: a coroutine function to wait for before the power goes off.

    Raises:
        Unreachable: the CSMS cannot be connected to.
    """
    try:
        await scenario.run(station, values, operator)
        if not station.failures:
            await station.all_delivered()
        if after is not None and not station.failures:
            await after()
    except CallFailed as failure:
        station.failed(failure)
    finally:
        await station.power_off()
    return outcome(station)


def outcome(station: Station) -> Outcome:
    """Sum up what a charge point did."""
    traffic = station.traffic
    return Outcome(
        station.identity.id,
        station.version,
        traffic.sent,
        traffic.answered,
        traffic.served,
        station.energy_wh,
        tuple(station.failures),
    )
