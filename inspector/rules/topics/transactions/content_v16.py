"""Judge the content of a 1.6 transaction's messages: meter, time, reason, reservation, retries."""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.durations import duration
from inspector.rules.fields import earlier, elements, integer, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V16, Faults, Topic, call, refusal, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v16 import Transaction16, Transactions16

CLOCK_STEP_S = 3.0
"""Timestamps may go back by so many seconds, because each heartbeat sets the clock."""
EARLY_S = 1.0
"""A repetition may come so many seconds earlier than configured."""
FAILED_LIMIT = 200

_START = """> [2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":5,"timestamp":"2026-01-01T12:00:01Z"}]
< [3,"s",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]
"""
_STOP = (
    '> [2,"e","StopTransaction",{"transactionId":7,"meterStop":90,"timestamp":"2026-01-01T12:00:50Z"}]\n< [3,"e",{}]\n'
)
_REMOTE_STOP = '< [2,"r","RemoteStopTransaction",{"transactionId":7}]\n> [3,"r",{"status":"Accepted"}]\n'
_RESERVE = """< [2,"r","ReserveNow",{"connectorId":1,"idTag":"T","reservationId":3,"expiryDate":"2026-01-01T13:00:00Z"}]
> [3,"r",{"status":"Accepted"}]
"""
_RETRY = """< [2,"c","ChangeConfiguration",{"key":"TransactionMessageRetryInterval","value":"60"}]
> [3,"c",{"status":"Accepted"}]
> [2,"e","StopTransaction",{"transactionId":7,"meterStop":90,"timestamp":"2026-01-01T12:00:50Z"}]
< [4,"e","InternalError","",{}]
"""
_TRANSACTION_MESSAGES = ("StartTransaction", "StopTransaction", "MeterValues")


class _Failed(NamedTuple):
    """A message that was refused or not answered: how often it was sent, and when it was last sent (monotonic)."""

    times: int
    sent_ns: int


class TransactionContent16(Topic):
    """The rules about the content of StartTransaction and StopTransaction."""

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self._known = self.station.topic(Transactions16)
        self._configuration = self.station.topic(ConfigurationState)
        self._failed: dict[tuple[Any, ...], _Failed] = {}

    @rule(
        "transaction.meter-stop",
        call("StopTransaction"),
        title="A transaction ends with a lower meter than it began with",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §6.45 and §6.49",
        remedy="Take meterStart and meterStop in Wh from the same register, one that only counts up.",
        bad=_START + _STOP.replace(":90", ":1"),
        good=_START + _STOP,
        versions=V16,
        side=Side.CHARGE_POINT,
        heuristic=True,
    )
    def meter_stop(self, frame: Frame) -> Faults:
        stopping = self._known.stopping
        if stopping is None or stopping.transaction is None:
            return None
        begun, ended = stopping.transaction.meter_start, stopping.stop.meter_stop
        if begun is None or ended is None or ended >= begun:
            return None
        number = stopping.transaction_id
        text = f"transaction {number} ends at {ended} Wh, below the {begun} Wh it began with"
        return Fault(text, "/3/meterStop", key=str(number))

    @rule(
        "transaction.time",
        call("MeterValues", "StopTransaction"),
        title="The timestamps of a transaction go back in time",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §3.7",
        remedy="Set the clock, and send the messages of a transaction in the order of the events.",
        bad=_START + _STOP.replace(":50Z", ":00Z").replace("12:00", "11:00"),
        good=_START + _STOP,
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def time(self, frame: Frame) -> Faults:
        if frame.action == "MeterValues":
            transaction = self._known.metered
            if transaction is None:
                return None
            values = elements(frame.payload, "meterValue")
            if not values:
                return None
            first, last = string(values[0], "timestamp"), string(values[-1], "timestamp")
            return _in_order(transaction, first, last, "/3/meterValue/0/timestamp")
        stopping = self._known.stopping
        if stopping is None or stopping.transaction is None or stopping.earlier is not None:
            return None
        return _in_order(stopping.transaction, stopping.stop.timestamp, stopping.stop.timestamp, "/3/timestamp")

    @rule(
        "transaction.reason",
        call("StopTransaction"),
        title="A transaction that was stopped from outside ends without a reason, or as if at the charge point",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §6.49 and §7.36",
        remedy='Set reason to Remote, HardReset, SoftReset or UnlockCommand; without it the reason is "Local".',
        bad=_START + _REMOTE_STOP + _STOP,
        good=_START + _REMOTE_STOP + _STOP.replace('"transactionId"', '"reason":"Remote","transactionId"'),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def reason(self, frame: Frame) -> Faults:
        stopping = self._known.stopping
        if stopping is None or stopping.transaction is None or stopping.earlier is not None:
            return None
        local = stopping.stop.reason == "Local" and "idTag" not in frame.payload
        if stopping.stop.reason and not local:
            return None
        known, transaction = self._known, stopping.transaction
        since = frame.mono_ns - int(self.settings.reboot_after_reset_s * 1e9)
        began = transaction.started_ns
        if known.remote_stops.get(stopping.transaction_id or 0, -1) > began:
            cause, fitting = "the CSMS stopped it remotely", "Remote"
        elif not local and known.reset_ns is not None and known.reset_ns > max(began, since):
            cause, fitting = "the CSMS reset the charge point", "HardReset or SoftReset"
        elif known.unlocked.get(transaction.connector or 0, -1) > max(began, since):
            cause, fitting = "the CSMS unlocked the connector", "UnlockCommand"
        else:
            return None
        how = "with the reason Local" if local else "without a reason"
        text = f"transaction {stopping.transaction_id} ends {how}, although {cause}; expected {fitting}"
        return Fault(text, "/3", key=str(stopping.transaction_id))

    @rule(
        "transaction.reservation",
        call("StartTransaction"),
        title="A transaction that uses a reservation starts without its id",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §4.8",
        remedy="Set reservationId in the StartTransaction that uses the reservation.",
        bad=_RESERVE + _START,
        good=_RESERVE + _START.replace('"idTag"', '"reservationId":3,"idTag"'),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def reservation(self, frame: Frame) -> Faults:
        starting = self._known.starting
        if starting is None or starting.reservation is None or "reservationId" in frame.payload:
            return None
        one = starting.reservation
        place = f"connector {one.connector}" if one.connector else "any connector"
        text = (
            f"a start for {one.id_tag!r} has no reservationId, although reservation {one.reservation_id} of {place} "
            f"is for it"
        )
        return Fault(text, "/3", key=str(one.reservation_id))

    @rule(
        "transaction.retry",
        call(*_TRANSACTION_MESSAGES),
        title="A transaction-related message is repeated sooner than configured",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §3.7.1",
        remedy="Before each repetition, wait TransactionMessageRetryInterval seconds multiplied by the number of "
        "transmissions so far.",
        bad=_START + _RETRY + "+ 20s\n" + _STOP,
        good=_START + _RETRY + "+ 60s\n" + _STOP,
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def retry(self, frame: Frame) -> Faults:
        if not self._failed and frame.action == "MeterValues":
            return None  # repeated MeterValues without an answer are reported as two open CALLs
        waiting = self.session.protocol.correlation.open_calls(Direction.FROM_CHARGE_POINT)
        if not self._failed and len(waiting) < 2:
            return None
        interval = self._configuration.number("TransactionMessageRetryInterval")
        if not interval or interval < 0:
            return None
        key = _identity(frame)
        failed = self._failed.get(key)
        for other in waiting.values():
            if other is not frame and other.action == frame.action and _identity(other) == key:
                failed = _Failed(failed.times if failed else 1, other.mono_ns)
        if failed is None:
            return None
        waited, due = (frame.mono_ns - failed.sent_ns) / 1e9, interval * failed.times
        if waited >= due - EARLY_S:
            return None
        after = duration(waited)
        text = f"{frame.action} is repeated after {after}; the delay must be {due} s (transmission {failed.times + 1})"
        return Fault(text, key=str(frame.action))

    @track(refusal(*_TRANSACTION_MESSAGES), versions=V16)
    def failed(self, frame: Frame) -> None:
        if frame.call is None:
            return
        key = _identity(frame.call)
        before = self._failed.pop(key, None)
        self._failed[key] = _Failed(before.times + 1 if before else 1, frame.call.mono_ns)
        if len(self._failed) > FAILED_LIMIT:
            del self._failed[next(iter(self._failed))]


def _in_order(transaction: Transaction16, first: str | None, last: str | None, pointer: str) -> Faults:
    before = transaction.latest
    if last is not None:
        transaction.latest = last
    if not earlier(first, before):
        return None
    fall = (seconds(before) or 0) - (seconds(first) or 0)
    if fall <= CLOCK_STEP_S:
        return None
    text = f"{transaction}: {first} comes after {before}"
    return Fault(text, pointer, key=str(transaction.transaction_id))


def _identity(call: Frame) -> tuple[Any, ...]:
    """Return the values that a message and its repetitions have in common."""
    payload = call.payload
    values = elements(payload, "meterValue")
    sampled = (string(values[0], "timestamp"), string(values[-1], "timestamp")) if values else ()
    numbers = integer(payload, "transactionId"), integer(payload, "connectorId"), integer(payload, "meterStart")
    return call.action, *numbers, string(payload, "timestamp"), string(payload, "idTag"), *sampled
