"""What meter values say over time, in all versions: registers that fall, samples that stay out; knows no tariff.

A series is what one register counts: one transaction (or none), connector or EVSE, measurand, phase and location.
A lower value that was taken before a higher one is no fall, so that queues may be replayed; a series without
a transaction begins anew with each boot and each transaction of its connector. Bounded: TRANSACTIONS_LIMIT
transactions of SERIES_LIMIT series each.
"""

from __future__ import annotations

import math
from typing import Any

from inspector.protocol.session import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import Moment
from inspector.rules.durations import duration
from inspector.rules.fields import earlier, elements, integer, member, seconds, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import ALL, DEADLINE, V2X, V16, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v16 import NO_ID, Transaction16, Transactions16

TRANSACTIONS_LIMIT = 200
SERIES_LIMIT = 200
LONG_WITHOUT_VALUES_S = 900.0
"""A transaction longer than this usually has a meter value: the intervals in use are seconds to 15 minutes."""

_DEFAULT = "Energy.Active.Import.Register"


_NUMBERS = frozenset({str, int, float})

type _Reading = tuple[float, Any, str | None, float]
"""The latest value of a series in the base unit, as it was written, when it was taken, and how many of the base unit
make one of the unit it was written in."""

_START = """> [2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-01-01T12:00:00Z"}]
< [3,"s",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]
"""
_STOP = (
    '> [2,"e","StopTransaction",{"transactionId":7,"meterStop":9,"timestamp":"2026-01-01T12:20:00Z"}]\n< [3,"e",{}]\n'
)
_INTERVAL = """< [2,"c","ChangeConfiguration",{"key":"MeterValueSampleInterval","value":"60"}]
> [3,"c",{"status":"Accepted"}]
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
    """The rule about registers."""

    scope = "station"

    def setup(self) -> None:
        self._series: dict[Any, dict[tuple[Any, ...], _Reading]] = {}

    @rule(
        "meter.register-falls",
        call("MeterValues", "StopTransaction", "TransactionEvent"),
        title="A register that only counts up has gone down",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §7.31; OCPP 2.x J02.FR.16",
        remedy="Report registers as the meter has them; within a transaction they never fall.",
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
        catalogue="REG-MONO",
    )
    def register_falls(self, frame: Frame) -> Faults:
        payload = frame.payload
        where: int | None
        transaction: int | str | None
        name = "meterValue"
        if frame.action == "TransactionEvent":
            if name not in payload:
                return None
            transaction = string(member(payload, "transactionInfo"), "transactionId")
            where = None  # the transaction tells the EVSE, which need not be repeated
        elif frame.action == "StopTransaction":
            name = "transactionData"
            if name not in payload:
                return None
            transaction, where = integer(payload, "transactionId"), None
        else:
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
        faults: list[Fault] | None = None
        for i, element in enumerate(elements(payload, name)):
            taken = string(element, "timestamp")
            if taken is None and name == "transactionData":
                continue  # it repeats earlier values; without a time there is no order
            for j, sample in enumerate(elements(element, "sampledValue")):
                measurand = sample.get("measurand", _DEFAULT)
                if measurand is not _DEFAULT and (type(measurand) is not str or not measurand.endswith(".Register")):
                    continue
                fall = self._take_in(series, measurand, sample, taken)
                if fall is not None:
                    of = f"transaction {transaction}" if transaction is not None else "no transaction"
                    text, key = fall
                    place = f"/3/{name}/{i}/sampledValue/{j}/value"
                    faults = [*(faults or ()), Fault(f"{text} ({of})", place, key=f"{transaction} {where} {key}")]
        return faults

    def _take_in(
        self, series: dict[tuple[Any, ...], _Reading], measurand: str, sample: dict[str, Any], taken: str | None
    ) -> tuple[str, str] | None:
        get = sample.get
        raw, phase, location = get("value"), get("phase"), get("location")
        try:
            value = float(raw) if type(raw) in _NUMBERS else math.nan  # type: ignore[arg-type]
        except ValueError:
            return None
        if not math.isfinite(value) or get("format") == "SignedData":
            return None
        unit, scale = _unit(sample)
        value *= scale
        if phase is not None and type(phase) is not str:
            phase = None
        if location is not None and type(location) is not str:
            location = None
        key = (measurand, phase, location, unit)
        last = series.get(key)
        if last is None:
            if len(series) < SERIES_LIMIT:
                series[key] = (value, raw, taken, scale)
            return None
        if value >= last[0]:
            series[key] = (value, raw, taken, scale)
            return None
        if earlier(taken, last[2]) or (taken is not None and taken == last[2]):
            return None  # taken before, delivered after; two readings of one second have no order
        reading = series[key] = (value, raw, taken, scale)
        if value >= last[0] - _rounding(reading, last):
            return None
        what = f"{measurand} {phase}" if phase else measurand
        return f"{what} falls from {_told(last, unit)} to {_told(reading, unit)}", f"{what} {location}"

    @track(call("BootNotification"), versions=ALL)
    def booted(self, frame: Frame) -> None:
        for scope in [scope for scope in self._series if type(scope) is tuple]:
            del self._series[scope]

    @track(call("StartTransaction"), versions=V16)
    def started(self, frame: Frame) -> None:
        self._series.pop((integer(frame.payload, "connectorId"),), None)

    @track(result("StartTransaction"), versions=V16)
    def named(self, frame: Frame) -> None:
        # The CSMS may use an id again after years; what was counted under it before is another transaction's.
        starting = self.station.topic(Transactions16).answering
        if starting is not None and starting.holder is not None:
            self._series.pop(starting.transaction.transaction_id, None)

    @track(call("TransactionEvent"), versions=V2X)
    def begun(self, frame: Frame) -> None:
        if frame.payload.get("eventType") == "Started":
            self._series.pop((integer(member(frame.payload, "evse"), "id"),), None)


class Samples16(Topic):
    """Rules about meter values that do not come."""

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self._known = self.station.topic(Transactions16)
        self._configuration = self.station.topic(ConfigurationState)
        self._watched: set[int] = set()

    @rule(
        "meter.sample-gap",
        DEADLINE,
        title="Meter values stay out for more than twice the configured interval",
        severity=Severity.WARNING,
        spec="OCPP 1.6 errata 3.15",
        remedy="Send MeterValues of a transaction every MeterValueSampleInterval seconds.",
        bad=_INTERVAL + _START + "+ 5m",
        good=_INTERVAL + _START + "+ 100s\n" + _meter("01:40", 5) + "+ 100s",
        versions=V16,
        side=Side.CHARGE_POINT,
        catalogue="TX-SAMPLE",
    )
    def sample_gap(self, moment: Moment, transaction: Transaction16) -> Faults:
        interval = self._interval()
        number = transaction.transaction_id
        if not transaction.open or not interval or number is None or not self.station.sessions:
            self._watched.discard(number or 0)
            return None
        # While offline meter values are queued; the time counts from the connection at the earliest.
        online = self.station.sessions[0].opened_at.mono_ns
        last = max(transaction.metered_ns or transaction.started_ns, online)
        due = last + 2 * interval * 10**9
        blocked = any(
            one.protocol.correlation.open_calls(Direction.FROM_CHARGE_POINT) for one in self.station.sessions
        )  # meter values have to wait for the answer to what was sent before them
        if moment.mono_ns < due:
            self._wait(moment, max((due - moment.mono_ns) / 1e9, float(interval)), transaction)
            return None
        if blocked:
            self._wait(self.station.last_passed(moment, interval), interval, transaction)
            return None
        self._watched.discard(number)
        gap = (moment.mono_ns - last) / 1e9
        text = f"{transaction} had no meter values for {duration(gap)}; the interval is {interval} s"
        return Fault(text, frame=ABSENT, key=str(number))

    @rule(
        "meter.no-values",
        call("StopTransaction"),
        title="A long transaction has no meter value between its start and its stop",
        severity=Severity.INFO,
        spec="OCPP 1.6 §4.7",
        remedy="Set MeterValueSampleInterval where the course of a transaction matters.",
        bad=_START + "+ 20m\n" + _STOP,
        good=_START + "+ 10m\n" + _meter("10:00", 5) + "+ 10m\n" + _STOP,
        versions=V16,
        side=Side.CHARGE_POINT,
        heuristic=True,
        catalogue="TX-SAMPLE",
    )
    def no_values(self, frame: Frame) -> Faults:
        stopping = self._known.stopping
        if stopping is None or stopping.transaction is None or stopping.earlier is not None:
            return None
        transaction = stopping.transaction
        if transaction.metered_ns is not None or frame.payload.get("transactionData") or self._interval() == 0:
            return None
        begun, ended = seconds(transaction.timestamp), seconds(stopping.stop.timestamp)
        if begun is None or ended is None or ended - begun < LONG_WITHOUT_VALUES_S:
            return None
        minutes = (ended - begun) / 60
        text = f"{transaction} lasted {minutes:.0f} minutes and had no meter value between start and stop"
        return Fault(text, key=str(transaction.transaction_id))

    @track(result("StartTransaction"))
    def started(self, frame: Frame) -> None:
        answering = self._known.answering
        if answering is not None:
            self._watch(frame, answering.transaction)

    @track(call("MeterValues"))
    def metered(self, frame: Frame) -> None:
        transaction = self._known.metered
        if transaction is not None and transaction.open and transaction.transaction_id not in self._watched:
            self._watch(frame, transaction)

    def _watch(self, frame: Frame, transaction: Transaction16) -> None:
        interval = self._interval()
        if interval and transaction.transaction_id is not None:
            self._wait(frame, 2 * interval, transaction)

    def _wait(self, after: Frame | Moment, seconds_more: float, transaction: Transaction16) -> None:
        self._watched.add(transaction.transaction_id or 0)
        self.station.deadline(after, seconds_more, self.sample_gap, transaction)

    def _interval(self) -> int | None:
        """MeterValueSampleInterval in seconds; 0 where nothing is sampled, None where it is not known."""
        if not self._configuration.settings_1x:
            return None  # asked with every meter value, and mostly nothing is known
        if self._configuration.value("MeterValuesSampledData") == "":
            return 0
        interval = self._configuration.number("MeterValueSampleInterval")
        return max(interval, 0) if interval is not None else None


def _unit(sample: dict[str, Any]) -> tuple[str, float]:
    """The base unit, in lower case, and how many of it make one of the sample's unit."""
    unit_2x = sample.get("unitOfMeasure")
    if type(unit_2x) is not dict:
        unit = sample.get("unit", "Wh")
        return _KNOWN_UNITS.get(unit) or _base(unit, 0) if type(unit) is str else ("wh", 1.0)
    return _base(string(unit_2x, "unit") or "Wh", integer(unit_2x, "multiplier") or 0)


def _base(unit: str, multiplier: int) -> tuple[str, float]:
    scale = 10.0**multiplier if -12 <= multiplier <= 12 else 1.0
    return (unit[1:].lower(), scale * 1000) if unit[:1] == "k" else (unit.lower(), scale)


_KNOWN_UNITS = {unit: _base(unit, 0) for unit in ("Wh", "kWh", "varh", "kvarh")}


def _rounding(one: _Reading, other: _Reading) -> float:
    """What may be lost between two ways of writing the same register."""
    return 0.0 if one[3] == other[3] else max(_step(one), _step(other))


def _step(reading: _Reading) -> float:
    return reading[3] * 10.0 ** -len(str(reading[1]).partition(".")[2])


def _told(reading: _Reading, unit: str) -> str:
    prefix = {1.0: "", 1000.0: "k"}.get(reading[3], f"×{reading[3]:g} ")
    return f"{str(reading[1])[:40]} {prefix}{_SPELLED.get(unit, unit[:20])}"


_SPELLED = {"wh": "Wh", "varh": "varh", "vah": "VAh"}
