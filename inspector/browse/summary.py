"""Summarise a frame in one line, for the ladder and for lists.

No frame of a peer raises an error: an unexpected payload is shown as its plain values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from inspector.browse import formatting

LENGTH = 160
"""The most characters of a summary."""

type Payload = dict[str, Any]


def summarise(raw: str | bytes | None, msg_type: int | None, action: str | None) -> str:
    """Return the summary of a frame, in at most LENGTH characters; `raw` is None for a frame that is too large."""
    if raw is None:
        return "a large frame"
    if isinstance(raw, bytes):
        return f"binary: {raw[:24].hex(' ')}" + (" …" if len(raw) > 24 else "")
    try:
        message = json.loads(raw)
        text = _summary(message, msg_type, action)
    except (ValueError, OverflowError, RecursionError, LookupError, TypeError, AttributeError):
        text = " ".join(raw[: 2 * LENGTH].split()) or "empty"
    return text if len(text) <= LENGTH else f"{text[: LENGTH - 1]}…"


def _summary(message: Any, msg_type: int | None, action: str | None) -> str:
    if msg_type in (4, 5):
        code, description = message[2], message[3]
        return f"{code}: {description}" if description else str(code)
    payload = message[2] if msg_type == 3 else message[3]
    say = (_ANSWERS if msg_type == 3 else _CALLS).get(action or "")
    if say is not None:
        try:
            return say(payload) or _plain(payload)
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError):
            return _plain(payload)
    return _plain(payload)


def _plain(payload: Any) -> str:
    """Return the scalars of a payload, outermost first: `connectorId 1 · status Available`."""
    return " · ".join(f"{name} {value}" for name, value in _scalars(payload, 3))


def _scalars(value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        return
    nested = []
    for name, inner in value.items():
        if isinstance(inner, dict):
            nested.append(inner)
        elif isinstance(inner, list):
            if inner and isinstance(inner[0], dict):
                nested.append(inner[0])
            else:
                yield name, ", ".join(_word(item) for item in inner[:4])
        else:
            yield name, _word(inner)
    if depth:
        for inner in nested:
            yield from _scalars(inner, depth - 1)


def _word(value: Any) -> str:
    """Return a value in JSON, but a string without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _joined(*parts: Any) -> str:
    return " · ".join(str(part) for part in parts if part not in (None, ""))


def _place(payload: Payload) -> str:
    evse = payload.get("evse") or {}
    number = payload.get("evseId", evse.get("id"))
    connector = payload.get("connectorId", evse.get("connectorId"))
    return _joined(
        f"EVSE {number}" if number is not None else None,
        f"connector {connector}" if connector is not None else None,
    )


def _boot(payload: Payload) -> str:
    station = payload.get("chargingStation") or payload
    return _joined(
        station.get("vendorName", station.get("chargePointVendor")),
        station.get("model", station.get("chargePointModel")),
        station.get("firmwareVersion"),
        payload.get("reason"),
    )


def _status(payload: Payload) -> str:
    error = payload.get("errorCode")
    return _joined(
        _place(payload),
        payload.get("connectorStatus", payload.get("status")),
        error if error != "NoError" else None,
        payload.get("info"),
    )


def _token(value: Any) -> str | None:
    return value.get("idToken") if isinstance(value, dict) else value


def _authorize(payload: Payload) -> str:
    return _joined(_token(payload.get("idToken", payload.get("idTag"))))


def _id_info(payload: Payload) -> str:
    info = payload.get("idTokenInfo") or payload.get("idTagInfo") or {}
    transaction = payload.get("transactionId")
    return _joined(f"transaction {transaction}" if transaction is not None else None, info.get("status"))


def _start(payload: Payload) -> str:
    return _joined(_place(payload), payload.get("idTag"), formatting.energy(float(payload["meterStart"])))


def _stop(payload: Payload) -> str:
    return _joined(
        f"transaction {payload.get('transactionId')}",
        formatting.energy(float(payload["meterStop"])),
        payload.get("reason"),
    )


def _measured(meter_values: list[Payload]) -> str:
    """Return the most important readings: power, energy, current, state of charge."""
    found: dict[str, str] = {}
    for meter_value in meter_values[-1:]:
        for sample in meter_value["sampledValue"]:
            measurand = sample.get("measurand", "Energy.Active.Import.Register")
            unit = sample.get("unit") or (sample.get("unitOfMeasure") or {}).get("unit")
            unit = unit or ("Wh" if measurand.startswith("Energy") else "")
            name = _READINGS.get(measurand)
            if name is not None and name not in found:
                value = float(sample["value"])
                found[name] = _reading(value, str(unit))
    order = {name: place for place, name in enumerate(_READINGS.values())}
    readings = [found[name] if name != "SoC" else f"SoC {found[name]}" for name in sorted(found, key=order.__getitem__)]
    return _joined(*readings)


def _reading(value: float, unit: str) -> str:
    if unit in ("Wh", "kWh"):
        return formatting.energy(value * (1000 if unit == "kWh" else 1))
    if unit in ("W", "kW"):
        return formatting.power(value * (1000 if unit == "kW" else 1))
    return f"{value:g} {_UNITS.get(unit, unit)}".strip()


_READINGS = {
    "Power.Active.Import": "power",
    "Energy.Active.Import.Register": "energy",
    "Current.Import": "current",
    "Voltage": "voltage",
    "SoC": "SoC",
}
_UNITS = {"Percent": "%"}


def _meter_values(payload: Payload) -> str:
    return _joined(_place(payload), _measured(payload["meterValue"]))


def _transaction_event(payload: Payload) -> str:
    info = payload["transactionInfo"]
    return _joined(
        f"{payload['eventType']} #{payload['seqNo']}",
        payload.get("triggerReason"),
        info.get("chargingState"),
        info.get("stoppedReason"),
        _measured(payload.get("meterValue") or []),
    )


def _profile(payload: Payload) -> str:
    profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
    schedules = profile["chargingSchedule"]
    schedule = schedules[0] if isinstance(schedules, list) else schedules
    unit = schedule["chargingRateUnit"]
    limits = [f"{period['limit']:g}" for period in schedule["chargingSchedulePeriod"][:4]]
    return _joined(_place(payload), profile.get("chargingProfilePurpose"), f"{' → '.join(limits)} {unit}")


def _data(payload: Payload) -> str:
    data = payload.get("data")
    return _joined(payload.get("vendorId"), payload.get("messageId"), None if data is None else _word(data))


_CALLS: dict[str, Callable[[Payload], str]] = {
    "BootNotification": _boot,
    "StatusNotification": _status,
    "Authorize": _authorize,
    "StartTransaction": _start,
    "StopTransaction": _stop,
    "MeterValues": _meter_values,
    "TransactionEvent": _transaction_event,
    "SetChargingProfile": _profile,
    "DataTransfer": _data,
}
_ANSWERS: dict[str, Callable[[Payload], str]] = {
    "Authorize": _id_info,
    "StartTransaction": _id_info,
    "StopTransaction": _id_info,
    "TransactionEvent": _id_info,
}
