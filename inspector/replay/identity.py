"""Report the station and firmware of this run if they differ from the recording."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.large_values import shorten_text
from inspector.protocol.messages import Call
from inspector.replay.outcome import Row
from inspector.rules.fields import member, string

_PARTS = {
    "vendor": ("chargePointVendor", "vendorName"),
    "model": ("chargePointModel", "model"),
    "serial number": ("chargePointSerialNumber", "serialNumber"),
    "charge box": ("chargeBoxSerialNumber",),
    "firmware": ("firmwareVersion",),
}
"""The members that identify a station in a BootNotification of OCPP 1.6 and 2.x."""


def other_identity(row: Row) -> str | None:
    """Return, in words, the differences between the stations of two BootNotifications; None if there are none."""
    if row.recorded is None or row.live is None or not isinstance(row.live.message, Call):
        return None
    if row.recorded.action != "BootNotification" or row.live.action != "BootNotification":
        return None
    was, now = _identity(row.recorded), _identity(row.live)
    other = [part for part in _PARTS if was.get(part) != now.get(part)]
    return ", ".join(f"{part} {_shown(now, part)} (recorded: {_shown(was, part)})" for part in other) or None


def _identity(boot: Frame) -> dict[str, str]:
    payload: dict[str, Any] = {**boot.payload, **member(boot.payload, "chargingStation")}
    found = {
        part: next(filter(None, (string(payload, name) for name in names)), None) for part, names in _PARTS.items()
    }
    return {part: value for part, value in found.items() if value is not None}


def _shown(identity: dict[str, str], part: str) -> str:
    return shorten_text(identity[part], 60) if part in identity else "none"
