"""Verify signed meter values (OCMF): their signatures, their pagination, and the values beside them.

A value is only verified if its public key is known: from the file of keys, from the message itself, or from an earlier
message about the same connector or EVSE. Most frames have no signed value, and one search in their bytes shows that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.fields import elements, integer, member
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, Faults, Topic, aside, call, rule
from inspector.rules.topics.example_frames import cp, script
from inspector.rules.topics.metering import ocmf
from inspector.rules.topics.metering.ocmf import SignedValue
from inspector.rules.topics.metering.signed_examples import (
    BEGIN,
    END,
    END_ON_THE_FIRST_PAGE,
    FORGED,
    sampled_2x,
    sampled_16,
)

MOST_OF_A_FRAME = 20
"""So many signed values of a frame are verified; each takes some tenths of a millisecond."""
_ENERGY = "Energy.Active.Import.Register"
_UNITS = {"Wh": 1, "kWh": 1000}


def _begin(version: str) -> str:
    sampled = sampled_16("1000", BEGIN, "Transaction.Begin") if version == "1.6" else None
    return cp("MeterValues", sampled or sampled_2x(1000, BEGIN, "Transaction.Begin"))


def _end(version: str, text: str, watt_hours: int = 1500) -> str:
    sampled = sampled_16(str(watt_hours), text, "Transaction.End") if version == "1.6" else None
    return cp("MeterValues", sampled or sampled_2x(watt_hours, text, "Transaction.End"))


def _both(text: str, watt_hours: int = 1500) -> dict[str, str]:
    return {version: script(_begin(version), _end(version, text, watt_hours)) for version in ("1.6", "2x")}


class _Found(NamedTuple):
    """A signed value in a frame; `beside` is the plain value in Wh beside it, and what its last digit is worth."""

    signed: SignedValue
    key: str | None
    pointer: str
    beside: tuple[Decimal, Decimal] | None


class Signatures(Topic):
    """The rules about signed meter values."""

    scope = "station"

    def setup(self) -> None:
        self._keys: Known[int | None, str] = Known()
        self._pages: Known[tuple[str, str], SignedValue] = Known()

    @rule(
        "meter.signature",
        call("MeterValues", "StopTransaction", "TransactionEvent"),
        title="The signature of a signed meter value is wrong",
        severity=Severity.ERROR,
        side=Side.CHARGE_POINT,
        spec="OCMF 1.0 §3; OCPP 1.6 §7.43; OCPP 2.x J02.FR.21",
        remedy="Send the text of the meter unchanged, byte for byte, and the public key of the meter that signed it.",
        bad=_both(FORGED, 1510),
        good=_both(END),
    )
    def signature(self, frame: Frame) -> Faults:
        raw = frame.raw
        if b"igned" not in raw or frame.redacted or frame.cut:  # signedMeterValue, or SignedData of 1.6
            return None
        faults: list[Fault] = []
        for one in self._signed(frame):
            for fault in (
                self._forged(one),
                aside(self.pagination, one),
                aside(self.value, one),
            ):
                if fault is not None:
                    faults.append(fault)
        return faults

    def _forged(self, one: _Found) -> Fault | None:
        if one.key is None or ocmf.is_genuine(one.signed, one.key) is not False:
            return None
        meter = f" of meter {one.signed.meter[:60]}" if one.signed.meter else ""
        return Fault(f"the signed value{meter} does not match its signature and public key", one.pointer)

    @rule(
        "meter.pagination",
        ASIDE,
        title="The pagination of signed meter values does not count up by 1",
        severity=Severity.ERROR,
        side=Side.CHARGE_POINT,
        spec="OCMF 1.0 §4.2",
        remedy="Let the meter count each signed value: the number after T or F rises by 1 and never comes twice.",
        bad=_both(END_ON_THE_FIRST_PAGE),
        good=_both(END),
    )
    def pagination(self, one: _Found) -> Fault | None:
        page = one.signed.page
        if page is None:
            return None
        kind, number = page
        before = self._pages.get((one.signed.meter, kind))
        if before is None or before.page is None:
            self._pages.note((one.signed.meter, kind), one.signed)
            return None
        if one.signed.text == before.text:
            return None
        later, earlier = one.signed.time > before.time, one.signed.time < before.time
        if number > before.page[1]:
            self._pages.note((one.signed.meter, kind), one.signed)
        # Queued values may come late: their pages and their times are both lower.
        if number == before.page[1]:
            said = f"page {kind}{number} comes twice with different content"
        elif number < before.page[1] and later:
            said = f"page {kind}{number} follows {kind}{before.page[1]}, but its reading is later"
        elif number > before.page[1] and earlier:
            said = f"page {kind}{number} follows {kind}{before.page[1]}, but its reading is earlier"
        elif number > before.page[1] + 1:
            # Another meter with the same counter may have them, or a value that the station did not send.
            said = f"page {kind}{number} follows {kind}{before.page[1]}; the pages between are missing"
            return Fault(said, one.pointer, severity=Severity.INFO)
        else:
            return None
        return Fault(said, one.pointer)

    @rule(
        "meter.signed-value",
        ASIDE,
        title="A meter value differs from the signed one beside it",
        severity=Severity.ERROR,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §7.43; OCPP 2.x J02.FR.21",
        remedy="Take the value and its signed form from the same reading of the meter.",
        bad=_both(END, 1510),
        good=_both(END),
    )
    def value(self, one: _Found) -> Fault | None:
        if one.beside is None or not one.signed.energies:
            return None
        value, digit = one.beside
        if any(abs(value - signed.wh) < max(digit, signed.digit) for signed in one.signed.energies):
            return None
        nearest = min(one.signed.energies, key=lambda signed: abs(value - signed.wh))
        return Fault(f"the value is {_short(value)} Wh, the signed one {_short(nearest.wh)} Wh", one.pointer)

    def _signed(self, frame: Frame) -> Iterator[_Found]:
        payload = frame.payload
        place = integer(payload, "connectorId")
        if place is None:
            place = integer(payload, "evseId")
        if place is None:
            place = integer(member(payload, "evse"), "id")
        old = self.session.version is OcppVersion.V16
        name = "transactionData" if frame.action == "StopTransaction" else "meterValue"
        count = 0
        for at, meter_value in enumerate(elements(payload, name)):
            samples = elements(meter_value, "sampledValue")
            for number, sample in enumerate(samples):
                text, key = ocmf.found_in(_signed_form(sample, old))
                signed = ocmf.parsed(text) if text is not None else None
                if signed is None:
                    continue
                count += 1
                if count > MOST_OF_A_FRAME:
                    return
                pointer = f"/3/{name}/{at}/sampledValue/{number}"
                beside = _beside_16(frame, sample, samples) if old else _energy_2x(sample)
                yield _Found(signed, self._key(place, key), pointer, beside)

    def _key(self, place: int | None, sent: str | None) -> str | None:
        if sent is not None:
            self._keys.note(place, sent)
        keys, name = self.settings.meter_keys, self.station.charge_point_id
        if keys:
            for one in (f"{name}/{place}", name, "*"):
                if one in keys:
                    return keys[one]
        return self._keys.get(place)


def _signed_form(sample: dict[str, Any], old: bool) -> Any:
    if not old:
        return sample.get("signedMeterValue")
    return sample.get("value") if sample.get("format") == "SignedData" else None


def _is_energy(sample: dict[str, Any]) -> bool:
    outlet = sample.get("location", "Outlet") == "Outlet"
    return outlet and sample.get("measurand", _ENERGY) == _ENERGY and "phase" not in sample


def _factor(measure: dict[str, Any]) -> int | None:
    """Return how many Wh the unit of a value has; None if it is none of energy."""
    unit = measure.get("unit", "Wh")
    return _UNITS.get(unit) if type(unit) is str else None


def _energy_2x(sample: dict[str, Any]) -> tuple[Decimal, Decimal] | None:
    measure = member(sample, "unitOfMeasure")
    multiplier = measure.get("multiplier", 0)
    factor = _factor(measure)
    value = ocmf.decimal(sample.get("value"))
    if value is None or factor is None or not _is_energy(sample):
        return None
    if type(multiplier) is not int or abs(multiplier) > 12:
        return None
    scale = Decimal(factor).scaleb(multiplier)
    return value * scale, ocmf.digit_of(value) * scale


def _beside_16(frame: Frame, signed: dict[str, Any], samples: list[dict[str, Any]]) -> tuple[Decimal, Decimal] | None:
    """Return the value in Wh to which a signed value of 1.6 belongs: in the same MeterValue, or else meterStop."""
    if not _is_energy(signed):
        return None
    context = signed.get("context", "Sample.Periodic")
    for sample in samples:
        if sample.get("format", "Raw") == "Raw" and sample.get("context", "Sample.Periodic") == context:
            value, factor = ocmf.decimal(sample.get("value")), _factor(sample)
            if value is not None and factor is not None and _is_energy(sample):
                return value * factor, ocmf.digit_of(value) * factor
    if frame.action == "StopTransaction" and context == "Transaction.End":
        value = ocmf.decimal(frame.payload.get("meterStop"))
        if value is not None:
            return value, Decimal(1)
    return None


def _short(value: Decimal) -> str:
    return json.dumps(float(value)).removesuffix(".0")
