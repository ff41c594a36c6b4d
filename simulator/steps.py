"""The steps of scenarios: coroutines, by the names in TOML files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from simulator.answer_faults import ANSWER_FAULTS, Options, Order
from simulator.charging.connector import ALL
from simulator.maintenance import FIRMWARE_FAULTS
from simulator.misbehaviour import MISBEHAVIOURS
from simulator.operator_api import NotOperated, operate
from simulator.settings import Settings
from simulator.station import Station

CHOICES: dict[tuple[str, str], Iterable[str]] = {
    ("misbehave", "how"): sorted({*MISBEHAVIOURS, *ANSWER_FAULTS}),
    ("setting", "key"): sorted(Settings().by_key),
    ("expect", "status"): sorted(ALL),
    ("firmware-fault", "status"): FIRMWARE_FAULTS,
}
"""(step, argument) -> the allowed texts; all other arguments may have any text."""

STEPS: dict[str, Callable[..., Awaitable[None]]] = {}


class StepFailed(Exception):
    """A step had another outcome than the scenario expects; `str()` returns the message."""


@dataclass(slots=True)
class Run:
    """The state of a run, for the steps.

    Attributes:
        station: the charge point.
        operator: the http:// address of the reference CSMS's operator API; None if a person makes the CSMS send CALLs.
        served: how many CALLs of the CSMS were answered when the last waiting step ended.
    """

    station: Station
    operator: str | None = None
    served: int = 0


def step[F: Callable[..., Awaitable[None]]](function: F) -> F:
    """Add a coroutine function `(run, **arguments)` to the steps, under its name with hyphens."""
    STEPS[function.__name__.strip("_").replace("_", "-")] = function
    return function


@step
async def power_on(run: Run, reason: str = "PowerUp") -> None:
    """Connect, boot and report every connector."""
    await run.station.power_on(reason)


@step
async def plug_in(run: Run, connector: int = 1, soc: float | None = None) -> None:
    """Plug in a vehicle; `soc` is its state of charge in %."""
    vehicle = run.station.vehicle()
    if soc is not None:
        vehicle.charge_wh = vehicle.capacity_wh * soc / 100
    await run.station.plug_in(connector, vehicle)


@step
async def unplug(run: Run, connector: int = 1) -> None:
    """Unplug the vehicle."""
    await run.station.unplug(connector)


@step
async def present(
    run: Run, token: str, connector: int = 1, kind: str = "ISO14443", expect: str | None = "Accepted"
) -> None:
    """Present a token to the reader: it starts a transaction, or stops the one that it started."""
    status = await run.station.present(connector, token, kind)
    if expect is not None and status != expect:
        raise StepFailed(f"token {token}: expected {expect}, got {status}")


@step
async def wait(run: Run, seconds: float = 0, minutes: float = 0) -> None:
    """Wait for some simulated time."""
    await run.station.clock.sleep(seconds + minutes * 60)


@step
async def pause(run: Run, seconds: float) -> None:
    """Wait for some real time."""
    await asyncio.sleep(seconds)


@step
async def heartbeat(run: Run) -> None:
    """Send a heartbeat."""
    await run.station.heartbeat()


@step
async def offline(run: Run, abruptly: bool = False) -> None:
    """Lose the network, with a close frame or abruptly without one."""
    await run.station.go_offline(abruptly)


@step
async def online(run: Run) -> None:
    """Reconnect and deliver all queued messages."""
    await asyncio.wait_for(run.station.come_back(), run.station.identity.timeout * 2)


@step
async def fault(run: Run, connector: int = 1, error_code: str = "GroundFailure") -> None:
    """Break a connector, with a ChargePointErrorCode of 1.6."""
    await run.station.fault(connector, error_code)


@step
async def clear_fault(run: Run, connector: int = 1) -> None:
    """Repair a connector."""
    await run.station.clear_fault(connector)


@step
async def sample(run: Run, connector: int = 1, context: str = "Sample.Clock") -> None:
    """Read the meter now and send the reading."""
    await run.station.sample(run.station.connectors[connector], context)


@step
async def security_event(run: Run, type: str, info: str | None = None) -> None:
    """Send a security event."""
    await run.station.call(*run.station.dialect.security_event(type, info))


@step
async def call(run: Run, action: str, payload: dict[str, Any], expect: dict[str, Any] | None = None) -> None:
    """Send any CALL; `expect` holds members that its answer must have."""
    answer = await run.station.call(action, payload)
    run.station.log(f"{action} answered")
    for name, value in (expect or {}).items():
        if answer.get(name) != value:
            raise StepFailed(f"the answer to {action}: expected {name} = {value!r}, got {answer.get(name)!r}")


@step
async def setting(run: Run, key: str, value: str) -> None:
    """Change a setting at the charge point itself, by its 1.6 key."""
    row = run.station.settings.by_key[key]
    if not row.takes(value):
        raise StepFailed(f"{key}: invalid value {value!r}")
    row.value = value


@step
async def firmware_fault(run: Run, status: str) -> None:
    """Let the next firmware update fail with a status."""
    run.station.firmware_fault = status


@step
async def csms_sends(
    run: Run, action: str, payload: dict[str, Any] | None = None, expect: str | None = "Accepted", within: float = 60
) -> None:
    """Let the CSMS send a CALL: ask its operator API if there is an address, else wait until a person sends it.

    `expect` is the status that the charge point must answer, `within` the real seconds to wait.
    """
    station = run.station
    before = run.served
    if run.operator is not None:
        try:
            answer = await asyncio.to_thread(operate, run.operator, station.identity.id, action, payload or {})
        except NotOperated as refusal:
            raise StepFailed(str(refusal)) from None
        status = (answer.get("payload") or {}).get("status")
        if expect is not None and status is not None and status != expect:
            raise StepFailed(f"the answer to {action}: expected {expect}, got {status}")
    else:
        station.log(f"waiting for the CSMS to send {action} {json.dumps(payload or {})}")
    try:
        await asyncio.wait_for(station.answering.until_served(action, before), within)
    except TimeoutError:
        raise StepFailed(f"the CSMS did not send {action} within {within:g} s") from None
    run.served = len(station.answering.served)


@step
async def expect(
    run: Run,
    connector: int = 1,
    status: str | None = None,
    charging: bool | None = None,
    power_above: float | None = None,
    power_below: float | None = None,
    queued: int | None = None,
    reconnects: int | None = None,
    within: float = 600,
) -> None:
    """Wait until all given conditions are true, at most `within` simulated seconds; power is in watts."""
    station = run.station
    outlet = station.connectors[connector]

    def missing() -> str | None:
        if status is not None and outlet.status != status:
            return f"connector {connector}: expected {status}, got {outlet.status}"
        if charging is not None and (outlet.transaction is not None) != charging:
            return f"{'no' if charging else 'a'} transaction runs on connector {connector}"
        if power_above is not None and not outlet.meter.power_w > power_above:
            return f"power is {outlet.meter.power_w:.0f} W, not above {power_above:g}"
        if power_below is not None and not outlet.meter.power_w < power_below:
            return f"power is {outlet.meter.power_w:.0f} W, not below {power_below:g}"
        if queued is not None and len(station.outbox) != queued:
            return f"expected {queued} queued messages, got {len(station.outbox)}"
        if reconnects is not None and station.reconnects != reconnects:
            return f"expected {reconnects} reconnections, got {station.reconnects}"
        return None

    deadline = station.clock.simulated() + within
    while (problem := missing()) is not None:
        if station.clock.simulated() > deadline:
            raise StepFailed(problem)
        await asyncio.sleep(0.02)


@step
async def misbehave(
    run: Run,
    how: str,
    connector: int = 1,
    action: str | None = None,
    seconds: float | None = None,
    code: str | None = None,
    close_code: int | None = None,
    field: str | None = None,
    value: object = None,
) -> None:
    """Violate the specification once; the names are in `simulator.misbehaviour` and `simulator.answer_faults`.

    The arguments after `connector` are for faulty answers; see `Options`.
    """
    station = run.station
    given = {
        "action": action, "seconds": seconds, "code": code, "close_code": close_code, "field": field, "value": value
    }  # fmt: skip
    station.log(f"misbehaves: {how}")
    if how not in ANSWER_FAULTS:
        await MISBEHAVIOURS[how](station, station.connectors[connector])
    elif station.link is None:
        raise StepFailed("the charge point is not connected; add the step power-on before this one")
    else:
        options = {name: wanted for name, wanted in given.items() if wanted is not None}
        station.link.spoil = Order(how, Options(**options))  # type: ignore[arg-type]


@step
async def power_off(run: Run) -> None:
    """Deliver all queued messages and close the connection."""
    await run.station.all_delivered()
    await run.station.power_off()
