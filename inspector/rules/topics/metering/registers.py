"""Read the meter values of all versions, and find registers that fall.

Each sample is read only here. This topic calls `sampled_values`, which judges single samples, and `energy`, which
compares energy with power.

A series has the readings of one register: one transaction (or none), connector or EVSE, measurand, phase and location.
A lower value with an earlier timestamp is not a fall, because stations may deliver queued values late. A series without
a transaction starts again with each boot and each transaction of its connector. At most TRANSACTIONS_LIMIT transactions
with SERIES_LIMIT series each are remembered.
"""

from __future__ import annotations

import math
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import earlier, elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import ALL, V2X, V16, Faults, Topic, aside, call, result, rule, track
from inspector.rules.state.transactions_v16 import NO_ID, Transactions16
from inspector.rules.topics.metering.bounds_v16 import MeterBounds16
from inspector.rules.topics.metering.energy import EnergyAndPower, Reading, step
from inspector.rules.topics.metering.sampled_values import DECIMAL, UNITS_2X, SampledValues

TRANSACTIONS_LIMIT = 200
SERIES_LIMIT = 200
_DEFAULT = "Energy.Active.Import.Register"
_POWER = "Power.Active.Import"

_PHASES = frozenset({"L1", "L2", "L3", "L1-N", "L2-N", "L3-N"})
_OUTLET = (None, "Outlet")

type _Key = tuple[str, str | None, str | None, str]
"""The properties that distinguish the registers of a transaction: measurand, phase, location and base unit."""

_START = """> [2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-01-01T12:00:00Z"}]
< [3,"s",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]
"""


def _meter(at: str, value: int, message_id: str = "m") -> str:
    return (
        f'> [2,"{message_id}","MeterValues",{{"connectorId":1,"transactionId":7,"meterValue":[{{"timestamp":'
        f'"2026-01-01T12:{at}Z","sampledValue":[{{"value":"{value}"}}]}}]}}]\n< [3,"{message_id}",{{}}]\n'
    )


def _meter_2x(at: str, value: int, message_id: str) -> str:
    return (
        f'> [2,"{message_id}","MeterValues",{{"evseId":1,"meterValue":[{{"timestamp":"2026-01-01T12:{at}Z",'
        f'"sampledValue":[{{"value":{value}}}]}}]}}]\n< [3,"{message_id}",{{}}]\n'
    )


_FALLING_2X = _meter_2x("00:01", 500, "m") + _meter_2x("00:02", 300, "m2")
_RISING_2X = _meter_2x("00:01", 300, "m") + _meter_2x("00:02", 500, "m2")


class Registers(Topic):
    """The rule about registers that fall."""

    scope = "station"

    def setup(self) -> None:
        self._series: dict[Any, dict[_Key, Reading]] = {}
        self._values = self.station.topic(SampledValues)
        self._energy = self.station.topic(EnergyAndPower)
        self._bounds = self.station.topic(MeterBounds16)
        self._highest = self._bounds.highest

    @rule(
        "meter.register-falls",
        call("MeterValues", "StopTransaction", "TransactionEvent"),
        title="A register that only counts up has gone down",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §7.31; OCPP 2.x J02.FR.16, J02.FR.22",
        remedy="Report registers as the meter shows them; within a transaction they never fall.",
        bad={
            "1.6": _START + _meter("00:01", 500) + _meter("00:02", 300, "m2"),
            "2.0.1": _FALLING_2X,
            "2.1": _FALLING_2X,
        },
        good={
            "1.6": _START + _meter("00:01", 300) + _meter("00:02", 500, "m2"),
            "2.0.1": _RISING_2X,
            "2.1": _RISING_2X,
        },
        versions=ALL,
        side=Side.CHARGE_POINT,
    )
    def register_falls(self, frame: Frame) -> Faults:
        payload = frame.payload
        where: int | None
        transaction: int | str | None
        name = "meterValue"
        faults: list[Fault] = []
        old = False  # whether it is 1.6, from the message itself, which is faster than asking the session
        if frame.action == "TransactionEvent":
            if name not in payload:
                return None
            transaction = string(member(payload, "transactionInfo"), "transactionId")
            where = None  # not part of the key here: later events of a transaction may leave the EVSE out
        elif frame.action == "StopTransaction":
            name, old = "transactionData", True
            transaction, where = integer(payload, "transactionId"), None
            stop, taken = integer(payload, "meterStop"), string(payload, "timestamp")
            if stop is not None and transaction not in (None, NO_ID) and taken is not None:
                stopped: Reading = (float(stop), stop, taken, 1.0)
                for fault in self._energy.read(frame, transaction, stopped, None) or ():
                    faults.append(fault._replace(pointer="/3/meterStop"))
                below = aside(self._bounds.outside, transaction, stopped, True)
                if below is not None:
                    faults.append(below._replace(pointer="/3/meterStop"))
            if name not in payload:
                return faults
        else:
            old = "evseId" not in payload
            transaction, where = payload.get("transactionId"), payload.get("connectorId")
            if type(transaction) is not int:
                transaction, where = None, payload.get("evseId", where)
            if type(where) is not int:
                where = None
        if transaction == NO_ID:
            transaction = None
        scope = (where,) if transaction is None else transaction
        series = self._series.get(scope)
        if series is None:
            series = self._series[scope] = {}
            if len(self._series) > TRANSACTIONS_LIMIT:
                del self._series[next(iter(self._series))]
        repeats = name == "transactionData" or payload.get("eventType") == "Ended"
        for i, element in enumerate(elements(payload, name)):
            taken = string(element, "timestamp")
            energy: Reading | None = None
            energy_at = 0
            power: float | None = None
            phases = 0.0
            for j, sample in enumerate(elements(element, "sampledValue")):
                get = sample.get
                raw: Any = get("value")
                measurand = get("measurand", _DEFAULT)
                kind = type(raw)
                if kind is str:
                    plain = raw.isascii() and (raw.isdigit() or raw.replace(".", "", 1).isdigit())
                    if not plain and not DECIMAL.fullmatch(raw):
                        odd = aside(self._values.not_a_number, raw, measurand) if old else None
                        if odd is not None and get("format") != "SignedData":
                            faults.append(odd._replace(pointer=f"/3/{name}/{i}/sampledValue/{j}/value"))
                        continue
                elif kind is not int and kind is not float:
                    continue
                measure = None if old else get("unitOfMeasure")
                if type(measure) is dict:
                    unit = measure.get("unit", "Wh")
                    if type(unit) is str and unit not in UNITS_2X and (odd := aside(self._values.unit, unit)):
                        faults.append(odd._replace(pointer=f"/3/{name}/{i}/sampledValue/{j}/unitOfMeasure/unit"))
                    known = _KNOWN_UNITS.get(unit) if type(unit) is str and "multiplier" not in measure else None
                    base = known or _base_of(measure)
                else:
                    unit = get("unit", "Wh")
                    base = (_KNOWN_UNITS.get(unit) or _base(unit, 0)) if type(unit) is str else _WH
                if measurand is not _DEFAULT and measurand != _DEFAULT:
                    if measurand == _POWER:
                        phase = get("phase")
                        value = float(raw) * base[1]
                        if phase is None:
                            power = value
                        elif type(phase) is str and phase in _PHASES:
                            phases += value
                        continue
                    if type(measurand) is not str or not measurand.endswith(".Register"):
                        continue
                if taken is None and name == "transactionData":
                    continue  # transactionData repeats earlier values, and without a time their order is not known
                if get("format") == "SignedData":
                    continue
                phase, location = get("phase"), get("location")
                if phase is not None and type(phase) is not str:
                    phase = None
                if location is not None and type(location) is not str:
                    location = None
                value = float(raw) * base[1]
                reading: Reading = (value, raw, taken, base[1])
                key = (measurand, phase, location, base[0])
                last = series.get(key)
                if last is not None and value >= last[0]:
                    series[key] = reading
                elif last is None:
                    if len(series) < SERIES_LIMIT and math.isfinite(value):
                        series[key] = reading
                elif fall := self._fall(series, key, last, reading, repeats or get("context") == "Transaction.Begin"):
                    of = f"transaction {transaction}" if transaction is not None else "no transaction"
                    faults.append(
                        fall._replace(
                            message=f"{fall.message} ({of})",
                            pointer=f"/3/{name}/{i}/sampledValue/{j}/value",
                            key=f"{transaction} {where} {fall.key}",
                        )
                    )
                if phase is None and measurand == _DEFAULT and location in _OUTLET:
                    energy, energy_at = reading, j
            if energy is not None and old and type(transaction) is int:
                highest = self._highest.get(transaction)
                if highest is not None and energy[0] >= highest:
                    self._highest[transaction] = energy[0]
                elif (below := aside(self._bounds.outside, transaction, energy, False)) is not None:
                    faults.append(below._replace(pointer=f"/3/{name}/{i}/sampledValue/{energy_at}/value"))
            if energy is not None and taken is not None and not repeats:
                power = phases if power is None and phases else power
                for fault in self._energy.read(frame, scope, energy, power) or ():
                    faults.append(fault._replace(pointer=f"/3/{name}/{i}/sampledValue/{energy_at}/value"))
        return faults

    def _fall(
        self, series: dict[_Key, Reading], key: _Key, last: Reading, reading: Reading, repeated: bool
    ) -> Fault | None:
        """Return a fault if a lower reading is a fall, otherwise None; keep the reading unless it is older.

        `repeated` is whether the reading may have been reported before; then one with the same time is not a fall.
        """
        value, _, taken, _ = reading
        if not math.isfinite(value) or earlier(taken, last[2]):
            return None  # it is an older reading that was delivered late
        same = taken is not None and taken == last[2]
        if same and (repeated or taken is last[2]):
            return None  # if it is the same object, both readings are in one element, which gives them no order
        series[key] = reading
        if value >= last[0] - _rounding(reading, last):
            return None
        measurand, phase, location, unit = key
        what = f"{measurand} {phase}" if phase else measurand
        text = f"{what} falls from {_told(last, unit)} to {_told(reading, unit)}"
        if same:
            return Fault(f"{text}, both of {taken}", key=f"{what} {location}", severity=Severity.WARNING)
        return Fault(text, key=f"{what} {location}")

    @track(call("BootNotification"), versions=ALL)
    def booted(self, frame: Frame) -> None:
        for scope in [scope for scope in self._series if type(scope) is tuple]:
            del self._series[scope]
            self._energy.forget(scope)

    @track(call("StartTransaction"), versions=V16)
    def started(self, frame: Frame) -> None:
        scope = (integer(frame.payload, "connectorId"),)
        self._series.pop(scope, None)
        self._energy.forget(scope)

    @track(result("StartTransaction"), versions=V16)
    def named(self, frame: Frame) -> None:
        # The CSMS may use an id again after years; earlier readings with this id are from another transaction.
        starting = self.station.topic(Transactions16).answering
        if starting is None:
            return
        begun = starting.transaction
        if begun.transaction_id is not None:
            self._highest.pop(begun.transaction_id, None)
        if starting.holder is not None:
            self._series.pop(begun.transaction_id, None)
        if begun.meter_start is not None and begun.metered_ns is None:
            self._energy.began(begun.transaction_id, begun.timestamp, begun.meter_start, frame)

    @track(call("TransactionEvent"), versions=V2X, plain=False)
    def begun(self, frame: Frame) -> None:
        if frame.payload.get("eventType") == "Started":
            scope = (integer(member(frame.payload, "evse"), "id"),)
            self._series.pop(scope, None)
            self._energy.forget(scope)


def _base_of(measure: dict[str, Any]) -> tuple[str, float]:
    """Return the base unit in lower case, and how many base units the unit of a sample has (1000.0 for kWh)."""
    return _base(string(measure, "unit") or "Wh", integer(measure, "multiplier") or 0)


def _base(unit: str, multiplier: int) -> tuple[str, float]:
    scale = 10.0**multiplier if -12 <= multiplier <= 12 else 1.0
    return (unit[1:].lower(), scale * 1000) if unit[:1] == "k" else (unit.lower(), scale)


_KNOWN_UNITS = {unit: _base(unit, 0) for unit in ("Wh", "kWh", "varh", "kvarh", "W", "kW")}
_WH = _KNOWN_UNITS["Wh"]


def _rounding(one: Reading, other: Reading) -> float:
    """Return by how much two readings of the same value may differ because they have different units."""
    return 0.0 if one[3] == other[3] else max(step(one), step(other))


def _told(reading: Reading, unit: str) -> str:
    prefix = {1.0: "", 1000.0: "k"}.get(reading[3], f"×{reading[3]:g} ")
    return f"{str(reading[1])[:40]} {prefix}{_SPELLED.get(unit, unit[:20])}"


_SPELLED = {"wh": "Wh", "varh": "varh", "vah": "VAh"}
