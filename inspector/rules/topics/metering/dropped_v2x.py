"""Judge which samples a 2.x station leaves out at the end of a transaction, for example when it is low on memory."""

from __future__ import annotations

from itertools import pairwise

from inspector.protocol.frame import Frame
from inspector.rules.durations import duration
from inspector.rules.fields import elements, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, script, started, transaction_event, variable_2x

LEAST = 3
"""A list needs so many periodic samples before this rule judges it."""


def _ended(*minutes: int) -> str:
    values: list[Payload] = [
        {"timestamp": f"2026-01-01T12:{minute:02}:00Z", "sampledValue": [{"value": 1000.0 + minute}]}
        for minute in minutes
    ]
    one = transaction_event("Ended", "StopAuthorized", 2, {"chargingState": "EVConnected"}, meterValue=values)
    return one.replace(NOW, "2026-01-01T12:12:00Z", 1)


_BEFORE = (
    variable_2x("SampledDataCtrlr", "TxEndedInterval", "60"),
    started({"chargingState": "Charging"}),
)


class DroppedSamples2x(Topic):
    """The rule about samples that are left out."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._begun: Known[str, tuple[float, int]] = Known()  # by transaction: when it charges, and TxEndedInterval
        self._ceased: Known[str, float] = Known()  # by transaction: when it stopped to charge
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "meter.dropped",
        call("TransactionEvent"),
        title="Samples are left out at the start or the end of a transaction, but not between",
        severity=Severity.WARNING,
        spec="OCPP 2.x E06.FR.13, E07.FR.10, E08.FR.11, E09.FR.07, E10.FR.06, E12.FR.09, E15.FR.03, F03.FR.06, "
        "F04.FR.06",
        remedy="Low on memory, leave out every second sample of the whole transaction, not the first or the last ones.",
        bad=script(*_BEFORE, "+ 12m", _ended(8, 9, 10, 11, 12)),
        good=script(*_BEFORE, "+ 12m", _ended(2, 4, 6, 8, 10, 12)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def dropped(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None:
            return None
        name, at = event.transaction.transaction_id, seconds(event.timestamp)
        self._charges(name, event.info.get("chargingState"), at)
        begun, interval = self._begun.get(name, (None, 0))
        if event.kind != "Ended" or event.repeated or at is None or begun is None:
            return None
        if interval != self._configuration.variable_number("SampledDataCtrlr", "TxEndedInterval"):
            return None
        times = sorted(
            taken
            for value in elements(frame.payload, "meterValue")
            if (taken := seconds(string(value, "timestamp"))) is not None
            and any(sample.get("context", "Sample.Periodic") == "Sample.Periodic" for sample in _samples(value))
        )
        spaces = [other - one for one, other in pairwise(times) if other > one]
        if len(times) < LEAST or not spaces or min(spaces) > 1.5 * interval:
            return None  # samples are left out evenly
        most, over = 3.5 * interval + 2, min(self._ceased.get(name, at), at)
        for lacks, where in ((times[0] - begun, "first"), (over - times[-1], "last")):
            if lacks > most:
                text = f"no samples of the {where} {duration(lacks)}; others are {duration(min(spaces))} apart"
                return Fault(text, "/3/meterValue", key=where)
        return None

    def _charges(self, name: str, state: object, at: float | None) -> None:
        if state == "Charging" and at is not None:
            self._ceased.pop(name, None)
            interval = self._configuration.variable_number("SampledDataCtrlr", "TxEndedInterval")
            if name not in self._begun and interval and interval > 0:
                self._begun.note(name, (at, interval))
        elif state is not None and at is not None and name not in self._ceased:
            self._ceased.note(name, at)

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._begun.clear()  # a restart may have interrupted the sampling


def _samples(value: Payload) -> list[Payload]:
    return elements(value, "sampledValue")
