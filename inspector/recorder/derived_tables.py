"""Derive charge points, transactions and meter samples from frames.

The rows can be derived again from the frames at any time. A payload that OCPP does not allow gives no row; rules report
it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol

from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.messages import Call, CallResult
from inspector.protocol.vocabulary import OcppVersion

OPEN_TRANSACTIONS_LIMIT = 10_000
"""The row ids of so many transactions are kept in memory; those of older ones are looked up in the file."""

_KILO = {"kWh": "Wh", "kW": "W", "kvarh": "varh", "kvar": "var", "kVA": "VA", "kVAh": "VAh"}
_DEFAULT: dict[str | None, None] = {"Outlet": None, "Sample.Periodic": None}
"""OCPP's default location and context. They are stored as NULL, whether a sample states them or not."""
_ENERGY = "Energy.Active.Import.Register"
_LABELS = frozenset({"measurand", "phase", "location", "context"})
_UNLABELLED = (_ENERGY, None, None, None)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_DERIVABLE = (AttributeError, KeyError, TypeError, ValueError, OverflowError)
_INT64 = 2**63
_TIME_LENGTH = 40

type _Derivers = dict[str, Callable[[int, str, Frame], None]]
"""For each action, the function that adds its rows. Arguments: session id, charge point id, frame."""


class DerivedRows(Protocol):
    """What DerivedTables needs of a writer; PendingRows explains the methods."""

    def here(self, frame_id: int | None) -> int | None: ...
    def next_id(self, table: str) -> int: ...
    def charge_point(self, charge_point_id: str) -> dict[str, Any] | None: ...
    def transaction(self, charge_point_id: str, transaction_id: str) -> int | None: ...
    def insert(self, table: str, values: dict[str, Any], *, replace: bool = False) -> None: ...
    def update(self, table: str, row_id: int, values: dict[str, Any]) -> None: ...
    def meter_sample(self, row: tuple[Any, ...]) -> None: ...


class DerivedTables:
    """Fills the derived tables of one recording, frame by frame."""

    def __init__(self, writer: DerivedRows) -> None:
        self._writer = writer
        self._transactions: dict[tuple[str, str], int] = {}
        self._strange: set[tuple[str, str]] = set()
        self._charge_points: dict[str, dict[str, Any]] = {}
        self._calls_16: _Derivers = {
            "BootNotification": self._boot_16,
            "StopTransaction": self._stopped_16,
            "MeterValues": self._meter_16,
        }
        self._answers_16: _Derivers = {"StartTransaction": self._started_16}
        self._calls_2x: _Derivers = {
            "BootNotification": self._boot_2x,
            "MeterValues": self._meter_2x,
            "TransactionEvent": self._transaction_event,
        }

    def forget_transactions_below(self, below: int) -> None:
        """Forget the transactions with a row id below `below`, because their rows are in earlier files."""
        self._transactions = {key: row_id for key, row_id in self._transactions.items() if row_id >= below}
        self._strange.clear()

    def forget_transactions(self, row_ids: set[int]) -> None:
        """Forget transactions whose rows could not be stored, so that their next frame begins a new row."""
        if row_ids:
            self._transactions = {key: row_id for key, row_id in self._transactions.items() if row_id not in row_ids}

    def note_charge_point(self, charge_point_id: str | None, ts_ns: int) -> None:
        """Add a charge point's row, or update the time at which it was last seen."""
        if charge_point_id:
            self._charge_point(charge_point_id, ts_ns, {})

    def derive(self, session_id: int, charge_point_id: str, version: OcppVersion | None, frame: Frame) -> None:
        """Add the derived rows of one frame to the writer."""
        kind, old = type(frame.message), version is OcppVersion.V16
        if version is None or frame.action is None:
            return
        if kind is Call:
            add_rows = (self._calls_16 if old else self._calls_2x).get(frame.action)
        elif old and kind is CallResult and frame.answer_status is AnswerStatus.PAIRED:
            add_rows = self._answers_16.get(frame.action)
        else:
            return
        if add_rows is None:
            return
        try:
            add_rows(session_id, charge_point_id, frame)
        except _NOT_DERIVABLE:
            return

    def _charge_point(self, charge_point_id: str, ts_ns: int, facts: dict[str, Any]) -> None:
        known = self._charge_points.get(charge_point_id) or self._writer.charge_point(charge_point_id) or {}
        row = {"charge_point_id": charge_point_id, "first_seen_ns": ts_ns} | known | facts | {"last_seen_ns": ts_ns}
        self._charge_points[charge_point_id] = row
        if len(self._charge_points) > OPEN_TRANSACTIONS_LIMIT:
            del self._charge_points[next(iter(self._charge_points))]
        self._writer.insert("charge_points", row, replace=True)

    def _boot_16(self, session_id: int, charge_point_id: str, frame: Frame) -> None:
        boot = frame.payload
        facts = {
            "vendor": _text(boot.get("chargePointVendor")),
            "model": _text(boot.get("chargePointModel")),
            "firmware": _text(boot.get("firmwareVersion")),
            "serial": _text(boot.get("chargePointSerialNumber") or boot.get("chargeBoxSerialNumber")),
        }
        self._charge_point(charge_point_id, frame.ts_ns, facts)

    def _boot_2x(self, session_id: int, charge_point_id: str, frame: Frame) -> None:
        station = frame.payload["chargingStation"]
        facts = {
            "vendor": _text(station.get("vendorName")),
            "model": _text(station.get("model")),
            "firmware": _text(station.get("firmwareVersion")),
            "serial": _text(station.get("serialNumber")),
        }
        self._charge_point(charge_point_id, frame.ts_ns, facts)

    def _started_16(self, session_id: int, charge_point_id: str, frame: Frame) -> None:
        start = frame.request
        assert frame.call is not None
        values = {
            "connector_id": _int(start.get("connectorId")),
            "id_token": _text(start.get("idTag")),
            "started_ns": _time(start.get("timestamp")) or frame.call.ts_ns,
            "meter_start_wh": _number(start.get("meterStart")),
            "start_frame_id": self._writer.here(frame.call.frame_id),
        }
        self._new_transaction(session_id, charge_point_id, _identifier(frame.payload["transactionId"]), values)

    def _stopped_16(self, session_id: int, charge_point_id: str, frame: Frame) -> None:
        stop = frame.payload
        identifier = _identifier(stop["transactionId"])
        row_id = self._transaction(charge_point_id, identifier)
        values = {
            "stopped_ns": _time(stop.get("timestamp")) or frame.ts_ns,
            "meter_stop_wh": _number(stop.get("meterStop")),
            "stop_reason": _text(stop.get("reason")) or "Local",
            "stop_frame_id": frame.frame_id,
        }
        if row_id is None:
            row_id = self._new_transaction(session_id, charge_point_id, identifier, values)
        else:
            self._writer.update("transactions", row_id, values)
        self._samples_16(session_id, row_id, frame, stop.get("transactionData") or [])

    def _meter_16(self, session_id: int, charge_point_id: str, frame: Frame) -> None:
        identifier = frame.payload.get("transactionId")
        row_id = None if identifier is None else self._transaction(charge_point_id, _identifier(identifier))
        self._samples_16(session_id, row_id, frame, frame.payload["meterValue"])

    def _meter_2x(self, session_id: int, charge_point_id: str, frame: Frame) -> None:
        self._samples_2x(session_id, None, frame, frame.payload["meterValue"])

    def _transaction_event(self, session_id: int, charge_point_id: str, frame: Frame) -> None:
        event = frame.payload
        info = event["transactionInfo"]
        identifier = _identifier(info["transactionId"])
        row_id = self._transaction(charge_point_id, identifier)
        at = _time(event.get("timestamp")) or frame.ts_ns
        values: dict[str, Any] = {}
        evse = event.get("evse")
        if evse:
            values["evse_id"] = _int(evse.get("id"))
            if "connectorId" in evse:
                values["connector_id"] = _int(evse["connectorId"])
        if event.get("idToken"):
            token = event["idToken"]
            # A PIN is a secret; redaction hides it in the frame, too.
            values["id_token"] = "****" if token.get("type") == "KeyCode" else _text(token.get("idToken"))
        register = _register(event.get("meterValue") or [])
        if event["eventType"] == "Started":
            values |= {"started_ns": at, "start_frame_id": frame.frame_id, "meter_start_wh": register}
        elif event["eventType"] == "Ended":
            values |= {
                "stopped_ns": at,
                "stop_frame_id": frame.frame_id,
                "meter_stop_wh": register,
                "stop_reason": _text(info.get("stoppedReason")) or "Local",
            }
        if row_id is None:
            row_id = self._new_transaction(session_id, charge_point_id, identifier, values)
        elif values:
            self._writer.update("transactions", row_id, values)
        self._samples_2x(session_id, row_id, frame, event.get("meterValue") or [])

    def _new_transaction(self, session_id: int, charge_point_id: str, identifier: str, values: dict[str, Any]) -> int:
        row_id = self._writer.next_id("transactions")
        row = {"id": row_id, "session_id": session_id, "charge_point_id": charge_point_id}
        self._writer.insert("transactions", row | {"transaction_id": identifier} | values)
        self._remember(charge_point_id, identifier, row_id)
        return row_id

    def _transaction(self, charge_point_id: str, identifier: str) -> int | None:
        key = (charge_point_id, identifier)
        row_id = self._transactions.get(key)
        if row_id is None and key not in self._strange:
            row_id = self._writer.transaction(charge_point_id, identifier)
            if row_id is not None:
                self._remember(charge_point_id, identifier, row_id)
            elif len(self._strange) < OPEN_TRANSACTIONS_LIMIT:
                self._strange.add(key)  # the file does not have it: do not look it up for each meter value
        return row_id

    def _remember(self, charge_point_id: str, identifier: str, row_id: int) -> None:
        # The writer cannot look up rows before their commit, so the limit must exceed the transactions of one commit.
        self._strange.discard((charge_point_id, identifier))
        self._transactions[(charge_point_id, identifier)] = row_id
        if len(self._transactions) > OPEN_TRANSACTIONS_LIMIT:
            del self._transactions[next(iter(self._transactions))]

    def _samples_16(self, session_id: int, row_id: int | None, frame: Frame, meter_values: list[Any]) -> None:
        add, frame_id = self._writer.meter_sample, frame.frame_id
        for meter_value in meter_values:
            at = _time(meter_value.get("timestamp")) or frame.ts_ns
            for sample in meter_value["sampledValue"]:
                value, unit = _normal(sample.get("value"), sample.get("unit"), 0)
                add((row_id, session_id, frame_id, at, *_labels(sample), value, unit))

    def _samples_2x(self, session_id: int, row_id: int | None, frame: Frame, meter_values: list[Any]) -> None:
        add, frame_id = self._writer.meter_sample, frame.frame_id
        for meter_value in meter_values:
            at = _time(meter_value.get("timestamp")) or frame.ts_ns
            for sample in meter_value["sampledValue"]:
                measure = sample.get("unitOfMeasure") or {}
                value, unit = _normal(sample.get("value"), measure.get("unit"), measure.get("multiplier") or 0)
                add((row_id, session_id, frame_id, at, *_labels(sample), value, unit))


def _labels(sample: dict[str, Any]) -> tuple[str, str | None, str | None, str | None]:
    if _LABELS.isdisjoint(sample):
        return _UNLABELLED
    measurand = _text(sample.get("measurand")) or _ENERGY
    location, context = _text(sample.get("location")), _text(sample.get("context"))
    return measurand, _text(sample.get("phase")), _DEFAULT.get(location, location), _DEFAULT.get(context, context)


def _normal(value: Any, unit: Any, multiplier: Any) -> tuple[float | None, str | None]:
    """Return a sampled value and its unit, converted to a unit without kilo (Wh, W, …) and without a multiplier."""
    number = _number(value)
    name = _text(unit)
    if number is None:
        return None, name  # signed meter data, for example
    if multiplier:
        number *= 10.0 ** max(-12, min(12, int(multiplier)))
    if name in _KILO:
        number, name = number * 1000, _KILO[name]
    return number if math.isfinite(number) else None, name


def _register(meter_values: list[Any]) -> float | None:
    """Return the last value of Energy.Active.Import.Register without a phase, in Wh; None if there is none."""
    return next(reversed(list(_registers(meter_values))), None)


def _registers(meter_values: list[Any]) -> Iterator[float]:
    for meter_value in meter_values:
        for sample in meter_value["sampledValue"]:
            if _labels(sample)[:2] == (_ENERGY, None):
                measure = sample.get("unitOfMeasure") or {}
                value, _ = _normal(sample.get("value"), measure.get("unit"), measure.get("multiplier") or 0)
                if value is not None:
                    yield value


def _time(value: Any) -> int | None:
    """Return an RFC 3339 time in nanoseconds since 1970, as UTC if it has no offset; None if it is not a time.

    Years before 1677 and after 2262 are not a time either: charge points without a clock send year 1 or 9999.
    """
    return _read_time(value) if type(value) is str and len(value) <= _TIME_LENGTH else None


@lru_cache(1024)  # many charge points send the same second
def _read_time(value: str) -> int | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH
    ns = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
    return ns if -_INT64 <= ns < _INT64 else None  # 64 bits hold the years 1677 to 2262


def _identifier(value: Any) -> str:
    if type(value) not in (str, int):
        raise ValueError(value)
    return str(value)[:255]


def _text(value: Any) -> str | None:
    return value[:1000] if type(value) is str else None


def _int(value: Any) -> int | None:
    return value if type(value) is int and -_INT64 <= value < _INT64 else None


def _number(value: Any) -> float | None:
    if type(value) is str and ("_" in value or not value.isascii()):
        return None  # float() would accept 1_000 and the digits of any script
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
