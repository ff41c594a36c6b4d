"""Build headless charge points, run scenarios with them, and summarize the outcome. The command line calls this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from simulator.live_steps import LiveSteps
from simulator.scenario import BadScenario, Scenario, load, shipped
from simulator.station import Station
from simulator.v2x.charge_point import charge_point_201
from simulator.v2x.v21 import charge_point_21
from simulator.v16.charge_point import charge_point_16
from simulator.wire.connection import Identity, Unreachable
from simulator.wire.link import CallFailed

VERSIONS: dict[str, Callable[[Identity, Callable[[str], None]], Station]] = {
    "1.6": charge_point_16,
    "2.0.1": charge_point_201,
    "2.1": charge_point_21,
}

__all__ = [
    "VERSIONS",
    "BadScenario",
    "Identity",
    "LiveSteps",
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
    """The outcome of a charge point's run; `str()` returns a summary of one line."""

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
    """Return the URL if a charge point can connect to it.

    Raises:
        ValueError: the URL is wrong; the message has the reason, but not the URL, which may contain a password.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises ValueError when the port is invalid
        (parts.hostname or "").encode("idna")
    except UnicodeError:
        raise ValueError("invalid host name; write ws://HOST:PORT[/PATH]") from None
    except ValueError as error:
        # The error quotes the text in the place of the port, which may be part of a mistyped password.
        why = "expected host and port" if "@" in url else error
        raise ValueError(f"{why}; write ws://HOST:PORT[/PATH]") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError("expected a WebSocket address: ws://HOST:PORT[/PATH] or wss://…")
    if parts.query or parts.fragment:
        raise ValueError(
            "the address cannot have a query or a fragment, because the charge point's id is appended to the path"
        )
    return url


def make(
    version: str,
    identity: Identity,
    log: Callable[[str], None] = lambda line: None,
    scenario: Scenario | LiveSteps | None = None,
) -> Station:
    """Build a charge point of a version, with the connectors that a scenario needs; it is powered off."""
    if scenario is not None:
        identity = replace(identity, **scenario.charge_point)
    return VERSIONS[version](identity, log)


async def play(
    station: Station,
    scenario: Scenario | LiveSteps,
    values: dict[str, Any] | None = None,
    operator: str | None = None,
    after: Callable[[], Any] | None = None,
) -> Outcome:
    """Run a scenario from power on to power off.

    Args:
        station: the charge point.
        scenario: the steps.
        values: values for the scenario's `$names`; they replace the scenario's own values.
        operator: the address of the reference CSMS's operator API.
        after: a coroutine function that runs before power off.

    Raises:
        Unreachable: the charge point cannot connect to the CSMS.
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
    """Return the summary of a charge point's run so far."""
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
