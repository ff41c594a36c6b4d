"""Judge whether 1.6 charge points send meter values as often as they are configured to."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.rules.context import Moment
from inspector.rules.durations import duration
from inspector.rules.fields import seconds
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V16, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v16 import Transaction16, Transactions16

LONG_WITHOUT_VALUES_S = 900.0
"""A transaction longer than this usually has a meter value, because usual intervals are at most 15 minutes."""

_START = """> [2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-01-01T12:00:00Z"}]
< [3,"s",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]
"""
_STOP = (
    '> [2,"e","StopTransaction",{"transactionId":7,"meterStop":9,"timestamp":"2026-01-01T12:20:00Z"}]\n< [3,"e",{}]\n'
)
_INTERVAL = """< [2,"c","ChangeConfiguration",{"key":"MeterValueSampleInterval","value":"60"}]
> [3,"c",{"status":"Accepted"}]
"""


def _meter(at: str, value: int) -> str:
    return (
        f'> [2,"m","MeterValues",{{"connectorId":1,"transactionId":7,"meterValue":[{{"timestamp":'
        f'"2026-01-01T12:{at}Z","sampledValue":[{{"value":"{value}"}}]}}]}}]\n< [3,"m",{{}}]\n'
    )


class Samples16(Topic):
    """The rules about missing meter values."""

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self._known = self.station.topic(Transactions16)
        self._configuration = self.station.topic(ConfigurationState)
        self._watched: set[int] = set()

    @rule(
        "meter.sample-gap",
        DEADLINE,
        title="No meter values were sent for more than twice the configured interval",
        severity=Severity.WARNING,
        spec="OCPP 1.6 errata 3.15",
        remedy="Send MeterValues of a transaction every MeterValueSampleInterval seconds.",
        bad=_INTERVAL + _START + "+ 5m",
        good=_INTERVAL + _START + "+ 100s\n" + _meter("01:40", 5) + "+ 100s",
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def sample_gap(self, moment: Moment, transaction: Transaction16) -> Faults:
        interval = self._interval()
        number = transaction.transaction_id
        if not transaction.open or not interval or number is None or not self.station.sessions:
            self._watched.discard(number or 0)
            return None
        # While offline, a charge point queues its meter values, so count the time only from when it was connected.
        online = self.station.sessions[0].opened_at.mono_ns
        last = max(transaction.metered_ns or transaction.started_ns, online)
        due = last + 2 * interval * 10**9
        blocked = any(
            one.protocol.correlation.open_calls(Direction.FROM_CHARGE_POINT) for one in self.station.sessions
        )  # a charge point sends meter values only after its earlier CALL is answered
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
        remedy="Set MeterValueSampleInterval if you need values during transactions.",
        bad=_START + "+ 20m\n" + _STOP,
        good=_START + "+ 10m\n" + _meter("10:00", 5) + "+ 10m\n" + _STOP,
        versions=V16,
        side=Side.CHARGE_POINT,
        heuristic=True,
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
        """Return MeterValueSampleInterval in seconds; 0 if nothing is sampled, None if it is not known."""
        if not self._configuration.settings_1x:
            return None  # the most frequent case; this runs for each meter value
        if self._configuration.value("MeterValuesSampledData") == "":
            return 0
        interval = self._configuration.number("MeterValueSampleInterval")
        return max(interval, 0) if interval is not None else None
