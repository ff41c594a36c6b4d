"""The steps a scenario is made of: each a small coroutine, by the name that TOML files use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from simulator.answer_faults import SPOILERS, Order, Wish
from simulator.connector import ALL
from simulator.misbehaviour import MISBEHAVIOURS
from simulator.operator_api import NotOperated, operate
from simulator.settings import Settings
from simulator.station import Station

CHOICES: dict[tuple[str, str], Iterable[str]] = {
    ("misbehave", "how"): sorted({*MISBEHAVIOURS, *SPOILERS}),
    ("setting", "key"): sorted(Settings().by_key),
    ("expect", "status"): sorted(ALL),
}
"""What an argument of a step may be, where only some texts make sense."""

STEPS: dict[str, Callable[..., Awaitable[None]]] = {}


class StepFailed(Exception):
    """A step did not go as the scenario expects; `str()` says what came instead."""


@dataclass(slots=True)
class Run:
    """What a step may use.

    Attributes:
        operator: http:// address of the reference CSMS's operator API, or None where a person sends the CALLs.
        heard: how many CALLs of the CSMS were already waited for.
    """

    station: Station
    operator: str | None = None
    heard: int = 0


def step[F: Callable[..., Awaitable[None]]](function: F) -> F:
    """Enter a coroutine `(run, **arguments)` under its name, with hyphens."""
    STEPS[function.__name__.strip("_").replace("_", "-")] = function
    return function


@step
async def power_on(run: Run, reason: str = "PowerUp") -> None:
    """Connect, boot and report every connector."""
    await run.station.power_on(reason)


@step
async def plug_in(run: Run, connector: int = 1, soc: float | None = None) -> None:
    """Put the cable in; `soc` is the vehicle's state of charge in %."""
    vehicle = run.station.vehicle()
    if soc is not None:
        vehicle.charge_wh = vehicle.capacity_wh * soc / 100
    await run.station.plug_in(connector, vehicle)


@step
async def unplug(run: Run, connector: int = 1) -> None:
    """Pull the cable."""
    await run.station.unplug(connector)


@step
async def present(
    run: Run, token: str, connector: int = 1, kind: str = "ISO14443", expect: str | None = "Accepted"
) -> None:
    """Hold a token to the reader: it starts charging or stops what it started."""
    status = await run.station.present(connector, token, kind)
    if expect is not None and status != expect:
        raise StepFailed(f"token {token}: {status} instead of {expect}")


@step
async def wait(run: Run, seconds: float = 0, minutes: float = 0) -> None:
    """Let simulated time pass."""
    await run.station.clock.sleep(seconds + minutes * 60)


@step
async def pause(run: Run, seconds: float) -> None:
    """Let real time pass."""
    await asyncio.sleep(seconds)


@step
async def heartbeat(run: Run) -> None:
    """Send a heartbeat."""
    await run.station.heartbeat()


@step
async def offline(run: Run, abruptly: bool = False) -> None:
    """Lose the network; abruptly means without a close frame."""
    await run.station.go_offline(abruptly)


@step
async def online(run: Run) -> None:
    """Have the network again and deliver what waited."""
    await asyncio.wait_for(run.station.come_back(), run.station.identity.timeout * 2)


@step
async def fault(run: Run, connector: int = 1, error_code: str = "GroundFailure") -> None:
    """Break a connector; the code is ChargePointErrorCode of 1.6."""
    await run.station.fault(connector, error_code)


@step
async def clear_fault(run: Run, connector: int = 1) -> None:
    """Repair a connector."""
    await run.station.clear_fault(connector)


@step
async def sample(run: Run, connector: int = 1, context: str = "Sample.Clock") -> None:
    """Read the meter now and send what it shows."""
    await run.station.sample(run.station.connectors[connector], context)


@step
async def security_event(run: Run, type: str, info: str | None = None) -> None:
    """Send a security event."""
    await run.station.say_security_event(type, info)


@step
async def call(run: Run, action: str, payload: dict[str, Any], expect: dict[str, Any] | None = None) -> None:
    """Send any CALL; `expect` holds members its answer must have."""
    answer = await run.station.call(action, payload)
    run.station.say(f"{action} answered")
    for name, value in (expect or {}).items():
        if answer.get(name) != value:
            raise StepFailed(f"{action} was answered with {name} = {answer.get(name)!r} instead of {value!r}")


@step
async def setting(run: Run, key: str, value: str) -> None:
    """Turn a knob of the charge point itself, by its 1.6 key."""
    row = run.station.settings.by_key[key]
    if not row.takes(value):
        raise StepFailed(f"{key} does not take {value!r}")
    row.value = value


@step
async def csms_sends(
    run: Run, action: str, payload: dict[str, Any] | None = None, expect: str | None = "Accepted", within: float = 60
) -> None:
    """Have the CSMS send a CALL: through its operator API where that is known, else wait for a person to do it.

    `expect` is the status of our answer, `within` the real seconds to wait.
    """
    station = run.station
    before = run.heard
    if run.operator is not None:
        try:
            answer = await asyncio.to_thread(operate, run.operator, station.identity.id, action, payload or {})
        except NotOperated as refusal:
            raise StepFailed(str(refusal)) from None
        status = (answer.get("payload") or {}).get("status")
        if expect is not None and status is not None and status != expect:
            raise StepFailed(f"{action} was answered with {status} instead of {expect}")
    else:
        station.say(f"waiting for the CSMS to send {action} {json.dumps(payload or {})}")
    async with station.heard:
        arrived = station.heard.wait_for(lambda: action in station.served[before:])
        try:
            await asyncio.wait_for(arrived, within)
        except TimeoutError:
            raise StepFailed(f"the CSMS did not send {action} within {within:g} s") from None
    run.heard = len(station.served)


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
    """Wait until all that is named is true, at most `within` simulated seconds; power is in watts."""
    station = run.station
    outlet = station.connectors[connector]

    def missing() -> str | None:
        if status is not None and outlet.status != status:
            return f"connector {connector} is {outlet.status} instead of {status}"
        if charging is not None and (outlet.transaction is not None) != charging:
            return f"{'no' if charging else 'a'} transaction runs on connector {connector}"
        if power_above is not None and not outlet.meter.power_w > power_above:
            return f"power is {outlet.meter.power_w:.0f} W, not above {power_above:g}"
        if power_below is not None and not outlet.meter.power_w < power_below:
            return f"power is {outlet.meter.power_w:.0f} W, not below {power_below:g}"
        if queued is not None and len(station.outbox) != queued:
            return f"{len(station.outbox)} messages wait instead of {queued}"
        if reconnects is not None and station.reconnects != reconnects:
            return f"{station.reconnects} reconnections instead of {reconnects}"
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
    """Do one thing against the book; see `simulator.misbehaviour` and `simulator.answer_faults` for the names.

    What follows `connector` is for spoilt answers; see `Wish`.
    """
    station = run.station
    given = {
        "action": action, "seconds": seconds, "code": code, "close_code": close_code, "field": field, "value": value
    }  # fmt: skip
    station.say(f"misbehaves: {how}")
    if how not in SPOILERS:
        await MISBEHAVIOURS[how](station, station.connectors[connector])
    elif station.link is None:
        raise StepFailed("there is no connection to misbehave on; put power-on before")
    else:
        wish = {name: wanted for name, wanted in given.items() if wanted is not None}
        station.link.spoil = Order(how, Wish(**wish))  # type: ignore[arg-type]


@step
async def power_off(run: Run) -> None:
    """Deliver what waits and close the connection."""
    await run.station.all_delivered()
    await run.station.power_off()
