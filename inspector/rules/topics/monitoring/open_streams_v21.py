"""Which periodic event streams of OCPP 2.1 are open: no value comes without one, and none stays silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, member
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, OPENED, V21, Faults, Listen, Topic, call, event, refusal, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script

_SENT = Listen("send", "NotifyPeriodicEventStream")
_PARAMS: Payload = {"interval": 60, "values": 2}
_CLOSED = cp("ClosePeriodicEventStream", {"id": 7})
_LONGEST_S = 7 * 86400


def _opened(number: int = 7, **params: int) -> str:
    data = {"id": number, "variableMonitoringId": 1, "params": params or _PARAMS}
    return cp("OpenPeriodicEventStream", {"constantStreamData": data}, {"status": "Accepted"})


def _sent(count: int = 1, pending: int = 0, number: int = 7) -> str:
    values = ",".join(f'{{"t":{n},"v":"1"}}' for n in range(count))
    body = f'"id":{number},"pending":{pending},"basetime":"{NOW}","data":[{values}]'
    return f'> [6,"#","NotifyPeriodicEventStream",{{{body}}}]\n'


def _listed(*numbers: int) -> str:
    data = [{"id": number, "variableMonitoringId": 1, "params": _PARAMS} for number in numbers]
    return csms("GetPeriodicEventStream", {}, {"constantStreamData": data} if data else {})


@dataclass(slots=True, eq=False)
class Stream:
    """An open stream."""

    interval: int
    values: int
    latest: Frame  # the answer that opened it, or its latest message
    pending: int = 0


class OpenStreams21(Topic):
    """Rules about open streams."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._open: Known[int, Stream | None] = Known()  # None before the answer, and where the CSMS refused it
        self._closed: Known[int, None] = Known()
        self._evidence = self.station.topic(Observation)

    @rule(
        "stream.not-open",
        _SENT,
        title="Values are sent over an event stream that is not open",
        severity=Severity.ERROR,
        spec="OCPP 2.1 N11.FR.03, N13.FR.04",
        remedy="Send OpenPeriodicEventStream before the first value, and NotifyEvent after ClosePeriodicEventStream.",
        bad=script(_opened(), _CLOSED, _sent()),
        good=script(_opened(), _sent(), _CLOSED),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_open(self, frame: Frame) -> Faults:
        number = integer(frame.payload, "id")
        if number is None or number in self._open:
            return None
        if number in self._closed:
            return Fault(f"a value for stream {number}, which has been closed", "/3/id", key=str(number))
        if self._evidence.seen_since is None:
            return None
        return Fault(f"a value for stream {number}, which has not been opened", "/3/id", key=str(number))

    @rule(
        "stream.held-back",
        _SENT,
        title="An event stream holds values back although it may send them",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N15.FR.04, N15.FR.08",
        remedy="Send params.values values as soon as there are so many; count only the rest as pending.",
        bad=script(_opened(), _sent(1, pending=4)),
        good=script(_opened(), _sent(2, pending=4)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._open,
    )
    def held_back(self, frame: Frame) -> Faults:
        number, pending = integer(frame.payload, "id"), integer(frame.payload, "pending")
        stream = self._open.get(number) if number is not None else None
        if stream is None or pending is None:
            return None
        stream.pending, stream.latest = pending, frame
        count = len(elements(frame.payload, "data"))
        if not stream.values or count >= stream.values or count + pending < stream.values:
            return None
        return Fault(
            f"{count} of {stream.values} values are sent, but pending is {pending}", "/3/pending", key=str(number)
        )

    @rule(
        "stream.pending-at-close",
        call("ClosePeriodicEventStream"),
        title="An event stream is closed before all of its values were sent",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N13.FR.03",
        remedy="Send all values that are waiting before ClosePeriodicEventStream.",
        bad=script(_opened(), _sent(2, pending=1), _CLOSED),
        good=script(_opened(), _sent(2, pending=1), _sent(1), _CLOSED),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def pending_at_close(self, frame: Frame) -> Faults:
        number = integer(frame.payload, "id")
        stream = self._open.get(number) if number is not None else None
        if stream is None or not stream.pending:
            return None
        return Fault(f"stream {number} is closed; its last message had pending {stream.pending}", "/3/id")

    @rule(
        "stream.no-rate",
        call("SetVariableMonitoring", "AdjustPeriodicEventStream"),
        title="An event stream is requested with neither interval nor values",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N11.FR.09, N14.FR.01",
        remedy="Give interval, values or both.",
        bad=script(csms("AdjustPeriodicEventStream", {"id": 7, "params": {}})),
        good=script(csms("AdjustPeriodicEventStream", {"id": 7, "params": {"interval": 5}})),
        versions=V21,
        side=Side.CSMS,
    )
    def no_rate(self, frame: Frame) -> Faults:
        if frame.action == "AdjustPeriodicEventStream":
            if "params" in frame.payload and not _PARAMS.keys() & member(frame.payload, "params").keys():
                return Fault("params has neither interval nor values", "/3/params")
            rates = member(frame.payload, "params")
            if rates and not any(rates.get(name) for name in _PARAMS):
                return Fault("params has neither an interval nor values above 0", "/3/params", key="zero")
            number = integer(frame.payload, "id")
            if self._open and number not in self._open:
                return Fault(f"stream {number} is not open", "/3/id", key="unknown")
            return None
        for index, entry in enumerate(elements(frame.payload, "setMonitoringData")):
            rates = member(entry, "periodicEventStream")
            if "periodicEventStream" in entry and not _PARAMS.keys() & rates.keys():
                at = f"/3/setMonitoringData/{index}/periodicEventStream"
                return Fault("periodicEventStream has neither interval nor values", at)
        return None

    @rule(
        "stream.list",
        result("GetPeriodicEventStream"),
        title="The list of open event streams contradicts which were opened and closed",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N12.FR.01",
        remedy="List every stream that is open, and no other.",
        bad=script(_opened(), _listed()),
        good=script(_opened(), _listed(7)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def listed(self, frame: Frame) -> Faults:
        if not self._evidence.has_sent_all(self.session):
            return None
        told = {integer(entry, "id") for entry in elements(frame.payload, "constantStreamData")} - {None}
        for number, stream in self._open.items():
            if stream is not None and number not in told:
                return Fault(f"stream {number} is open, but not listed", "/2/constantStreamData", key=str(number))
        for number in self._closed:
            if number in told:
                return Fault(f"stream {number} is listed, but closed", "/2/constantStreamData", key=str(number))
        return None

    @rule(
        "stream.silent",
        DEADLINE,
        title="An open event stream sends nothing",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N15.FR.06, N14.FR.03",
        remedy="Send NotifyPeriodicEventStream each time params.interval has passed.",
        bad=script(_opened(), "+ 5m"),
        good=script(_opened(), "+ 1m", _sent(), "+ 1m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def silent(self, moment: Moment, number: int, stream: Stream, latest: Frame) -> Faults:
        if self._open.get(number) is not stream or self.session not in self.station.sessions:
            return None
        if stream.latest is not latest:
            self._wait(number, stream)
            return None
        wait = stream.interval + self.settings.effect_timeout_s
        text = f"nothing has come over stream {number} within {duration(wait)}; its interval is {stream.interval} s"
        return Fault(text, frame=latest, key=str(number))

    def _wait(self, number: int, stream: Stream) -> None:
        if 0 < stream.interval <= _LONGEST_S:
            wait = stream.interval + self.settings.effect_timeout_s
            self.station.deadline(stream.latest, wait, self.silent, number, stream, stream.latest)

    @track(call("OpenPeriodicEventStream"))
    def asked(self, frame: Frame) -> None:
        number = integer(member(frame.payload, "constantStreamData"), "id")
        if number is not None:
            self._closed.pop(number, None)
            self._open.note(number, None)
            self.station.refresh_listeners()

    @track(refusal("OpenPeriodicEventStream"))
    def failed(self, frame: Frame) -> None:
        number = integer(member(frame.request, "constantStreamData"), "id")
        if number is not None:
            self._open.pop(number, None)

    @track(result("OpenPeriodicEventStream", "AdjustPeriodicEventStream"))
    def answered(self, frame: Frame) -> None:
        opened = frame.action == "OpenPeriodicEventStream"
        data = member(frame.request, "constantStreamData") if opened else frame.request
        number, params = integer(data, "id"), member(data, "params")
        if number is None or frame.payload.get("status") != "Accepted" or number not in self._open:
            return
        before = self._open[number]
        stream = Stream(integer(params, "interval") or 0, integer(params, "values") or 0, frame)
        if before is not None and not opened:
            stream.pending = before.pending
            if "interval" not in params:
                stream.interval = before.interval
            if "values" not in params:
                stream.values = before.values
        self._open.note(number, stream)
        self._wait(number, stream)

    @track(call("ClosePeriodicEventStream"))
    def closed(self, frame: Frame) -> None:
        number = integer(frame.payload, "id")
        if number is not None:
            self._open.pop(number, None)
            self._closed.note(number, None)

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        for number in self._open:
            self._open[number] = None  # it may have ended with the restart, or not
        self._closed.clear()

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._closed.clear()  # they may have been opened again

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._open.clear()
        self._closed.clear()
