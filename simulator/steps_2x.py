"""The steps of scenarios that only charging stations of 2.x have: vehicles with ISO 15118, and battery swaps."""

from __future__ import annotations

from simulator.steps import Run, StepFailed, step
from simulator.v2x.battery_swap import BatterySwaps
from simulator.v2x.iso15118 import Failed, SmartVehicles


def _part[Part](run: Run, kind: type[Part], versions: str) -> Part:
    found = run.station.part(kind)
    if found is None:
        raise StepFailed(f"OCPP {run.station.version} does not have this; limit the step with ocpp = {versions}")
    return found


def _vehicles(run: Run) -> SmartVehicles:
    return _part(run, SmartVehicles, '["2.0.1", "2.1"]')


def _expected(what: str, wanted: str | None, got: str | None) -> None:
    if wanted is not None and wanted != got:
        raise StepFailed(f"{what}: expected {wanted}, got {got}")


@step
async def install_contract(run: Run, emaid: str, action: str = "Install") -> None:
    """Let the vehicle get its contract certificate from the CSMS; `action` is Install or Update."""
    try:
        await _vehicles(run).install(emaid, action)
    except Failed as failure:
        raise StepFailed(str(failure)) from None


@step
async def plug_and_charge(
    run: Run,
    emaid: str,
    connector: int = 1,
    expect: str | None = "Accepted",
    certificate: str | None = None,
) -> None:
    """Authorize by the vehicle's contract certificate, and start; `certificate` is the certificateStatus to expect."""
    status, found = await _vehicles(run).plug_and_charge(connector, emaid)
    _expected(f"contract {emaid}", expect, status)
    _expected(f"certificate of {emaid}", certificate, found)


@step
async def charging_needs(
    run: Run,
    connector: int = 1,
    minutes: float = 60,
    energy: int = 10_000,
    modern: bool = False,
    expect: str | None = "Accepted",
) -> None:
    """Send the vehicle's charging needs, and wait for the profile if they are accepted; `energy` is in Wh."""
    try:
        status = await _vehicles(run).needs(connector, minutes, energy, modern)
    except Failed as failure:
        raise StepFailed(str(failure)) from None
    _expected("charging needs", expect, status)


@step
async def charging_schedule(run: Run, connector: int = 1, factor: float = 1.0, expect: str | None = "Accepted") -> None:
    """Send the schedule that the vehicle chose: that of its profile, times `factor`."""
    try:
        status = await _vehicles(run).schedule(connector, factor)
    except Failed as failure:
        raise StepFailed(str(failure)) from None
    _expected("charging schedule", expect, status)


@step
async def swap_battery(run: Run, token: str, kind: str = "ISO14443", expect: str | None = "Accepted") -> None:
    """Present a token for a battery swap; a slot opens if it is accepted."""
    swaps = _part(run, BatterySwaps, '["2.1"]')
    status = await run.station.authorization.authorize(token, kind)
    _expected(f"token {token}", expect, status)
    if status == "Accepted" and (reason := swaps.begin({"idToken": token, "type": kind})) is not None:
        raise StepFailed(f"no battery swap: {reason}")


@step
async def insert_battery(run: Run, serial: str, soc: float = 10) -> None:
    """Put a battery into the open slot."""
    try:
        await _part(run, BatterySwaps, '["2.1"]').insert(serial, soc)
    except ValueError as error:
        raise StepFailed(str(error)) from None


@step
async def take_battery(run: Run) -> None:
    """Take out the offered battery."""
    try:
        await _part(run, BatterySwaps, '["2.1"]').take()
    except ValueError as error:
        raise StepFailed(str(error)) from None
