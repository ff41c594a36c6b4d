"""Judge periodic event streams of OCPP 2.1: how they are opened and closed for their monitors, and what they send."""

from __future__ import annotations

from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import elements, integer, member
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import IDS_LIMIT, Known, Promise, found
from inspector.rules.rule import V21, Faults, Listen, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import ACCEPTED, NOW, Payload, cp, csms, script
from inspector.rules.topics.monitoring.monitors import monitored

_SENT = Listen("send", "NotifyPeriodicEventStream")
_PARAMS: Payload = {"interval": 600, "values": 2}
_ASKED = monitored("Periodic", periodicEventStream=_PARAMS)
_CLEARED = csms("ClearVariableMonitoring", {"id": [1]}, {"clearMonitoringResult": [{"status": "Accepted", "id": 1}]})
_CLOSED = cp("ClosePeriodicEventStream", {"id": 7})


def _opened(status: str = "Accepted", **params: int) -> str:
    data = {"id": 7, "variableMonitoringId": 1, "params": {**_PARAMS, **params}}
    return cp("OpenPeriodicEventStream", {"constantStreamData": data}, {"status": status})


def _streamed(count: int = 1, begins: float = 0.0) -> str:
    values = ",".join(f'{{"t":{begins + n},"v":"1"}}' for n in range(count))
    body = f'"id":7,"pending":0,"basetime":"{NOW}","data":[{values}]'
    return f'> [6,"#","NotifyPeriodicEventStream",{{{body}}}]\n'


def _promised(topic: Streams21, frame: Frame) -> str | None:
    """Return the ids of the monitors for which a stream must be opened after this answer; None if there are none."""
    wanted = {number for number in topic.wanted(frame) if number not in topic.opened_early}
    name = ", ".join(map(str, sorted(wanted)))
    if wanted:
        topic.unopened.note(name, wanted)
    return name or None


class Stream(NamedTuple):
    """A stream that the station has opened."""

    monitor: int | None
    accepted: bool
    values: int | None  # how many values one message may have


class Streams21(Topic):
    """The rules about periodic event streams."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self.unopened: Known[str, set[int]] = Known()
        self.opened_early: set[int] = set()
        self._streams: Known[int, Stream] = Known()
        self._wanted: Known[int, Payload] = Known()  # the requested parameters of a stream, by the id of its monitor

    def opened_now(self, frame: Frame) -> list[str]:
        """Note that a stream is opened; return the keys of the answers all of whose streams are open."""
        number = integer(member(frame.payload, "constantStreamData"), "variableMonitoringId")
        for left in self.unopened.values():
            left.discard(number or 0)
        done = [name for name, left in self.unopened.items() if not left]
        for name in done:
            del self.unopened[name]
        return done

    def wanted(self, frame: Frame) -> dict[int, Payload]:
        """Return the parameters of the streams that must be opened after an answer to SetVariableMonitoring.

        They are by monitor id.
        """
        streams = {}
        asked = elements(frame.request, "setMonitoringData")
        for index, entry in enumerate(elements(frame.payload, "setMonitoringResult")):
            number = integer(entry, "id")
            params = member(asked[index], "periodicEventStream") if index < len(asked) else {}
            if number is not None and entry.get("status") == "Accepted" and params:
                streams[number] = params
        return streams

    @track(call("SetVariableMonitoring"))
    def monitors_asked(self, frame: Frame) -> None:
        self.opened_early.clear()

    @track(call("OpenPeriodicEventStream"))
    def opened_before_answer(self, frame: Frame) -> None:
        number = integer(member(frame.payload, "constantStreamData"), "variableMonitoringId")
        if number is not None and len(self.opened_early) < IDS_LIMIT:
            self.opened_early.add(number)

    not_opened = Promise(
        "stream.not-opened",
        "SetVariableMonitoring",
        promised=_promised,
        kept_by=call("OpenPeriodicEventStream"),
        keeps=lambda topic, frame: topic.opened_now(frame),
        early=False,
        at_close=AtClose.LATE,
        text="OpenPeriodicEventStream did not come for each of the monitors {key} within {wait}",
        title="No event stream is opened for an accepted monitor that needs one",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N11.FR.01, N11.FR.02",
        remedy="Send OpenPeriodicEventStream with the id of the monitor after accepting it.",
        bad=script(_ASKED, "+ 5m"),
        good=script(_ASKED, _opened(), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    @rule(
        "stream.params",
        call("OpenPeriodicEventStream"),
        title="An event stream is opened with other parameters than were requested",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N11.FR.02",
        remedy="Repeat interval and values of the monitor's periodicEventStream in params.",
        bad=script(_ASKED, _opened(values=9)),
        good=script(_ASKED, _opened()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def params(self, frame: Frame) -> Faults:
        data = member(frame.payload, "constantStreamData")
        wanted = self._wanted.get(integer(data, "variableMonitoringId") or -1)
        for name in ("interval", "values") if wanted else ():
            asked, told = (wanted or {}).get(name), found(data, f"params/{name}")
            if asked != told:
                text = f"{name} is {told}; {asked} was requested for this monitor"
                return Fault(text, f"/3/constantStreamData/params/{name}", key=name)
        return None

    @rule(
        "stream.refused",
        _SENT,
        title="Values are sent over an event stream that the CSMS has refused",
        severity=Severity.ERROR,
        spec="OCPP 2.1 N11.FR.07",
        remedy="Send NotifyEvent for this monitor once OpenPeriodicEventStream is answered with Rejected.",
        bad=script(_opened("Rejected"), _streamed()),
        good=script(_opened(), _streamed()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def refused(self, frame: Frame) -> Faults:
        stream = self._stream(frame)
        if stream is None or stream.accepted:
            return None
        return Fault(
            f"a value for stream {frame.payload['id']}, which the CSMS has refused",
            "/3/id",
            key=str(frame.payload["id"]),
        )

    def _stream(self, frame: Frame) -> Stream | None:
        number = integer(frame.payload, "id")
        return self._streams.get(number) if number is not None else None

    @rule(
        "stream.too-many-values",
        _SENT,
        title="An event stream sends more values at a time than was agreed",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N15.FR.07",
        remedy="Send at most params.values values in one NotifyPeriodicEventStream.",
        bad=script(_opened(), _streamed(3)),
        good=script(_opened(), _streamed(2)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def too_many_values(self, frame: Frame) -> Faults:
        stream, count = self._stream(frame), len(elements(frame.payload, "data"))
        if stream is None or not stream.values or count <= stream.values:
            return None
        return Fault(f"{count} values at a time; params.values is {stream.values}", "/3/data")

    @rule(
        "stream.base-time",
        _SENT,
        title="The base time of an event stream is not the time of its first value",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N15.FR.09",
        remedy="Set basetime to the time of the first value; its t is 0 then.",
        bad=script(_opened(), _streamed(begins=5.0)),
        good=script(_opened(), _streamed()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def base_time(self, frame: Frame) -> Faults:
        first = next(iter(elements(frame.payload, "data")), {}).get("t")
        if not isinstance(first, int | float) or first == 0:
            return None
        return Fault(f"the first value has t {first}; expected 0", "/3/data/0/t")

    not_closed = Promise(
        "stream.not-closed",
        "ClearVariableMonitoring",
        "SetVariableMonitoring",
        promised=lambda topic, frame: topic.orphaned(frame),
        kept_by=call("ClosePeriodicEventStream"),
        keeps=lambda topic, frame: integer(frame.payload, "id"),
        at_close=AtClose.LATE,
        text="the monitor of event stream {key} is gone, but no ClosePeriodicEventStream came within {wait}",
        title="An event stream stays open although its monitor was cleared or replaced",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N13.FR.01, N13.FR.05, N13.FR.06",
        remedy="Send ClosePeriodicEventStream when the monitor of a stream is cleared, or set again without a stream.",
        bad=script(_opened(), _CLEARED, "+ 5m"),
        good=script(_opened(), _CLEARED, _CLOSED, "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    def orphaned(self, frame: Frame) -> int | None:
        """Return the id of an open stream whose monitor this answer has cleared or replaced; None if there is none."""
        name = "clearMonitoringResult" if frame.action == "ClearVariableMonitoring" else "setMonitoringResult"
        results = [entry for entry in elements(frame.payload, name) if entry.get("status") == "Accepted"]
        cleared = {integer(entry, "id") for entry in results}
        if frame.action == "SetVariableMonitoring":
            asked = elements(frame.request, "setMonitoringData")
            cleared &= {integer(entry, "id") for entry in asked if "periodicEventStream" not in entry} - {None}
        return next((n for n, one in self._streams.items() if one.accepted and one.monitor in cleared), None)

    @track(result("SetVariableMonitoring"))
    def promised(self, frame: Frame) -> None:
        for number, params in self.wanted(frame).items():
            self._wanted.note(number, params)

    @track(result("OpenPeriodicEventStream"))
    def answered(self, frame: Frame) -> None:
        data = member(frame.request, "constantStreamData")
        number, values = integer(data, "id"), integer(member(data, "params"), "values")
        if number is not None:
            accepted = frame.payload.get("status") == ACCEPTED["status"]
            self._streams.note(number, Stream(integer(data, "variableMonitoringId"), accepted, values))

    @track(result("AdjustPeriodicEventStream"))
    def adjusted(self, frame: Frame) -> None:
        number = integer(frame.request, "id")
        stream = self._streams.get(number if number is not None else -1)
        if number is not None and stream is not None and frame.payload.get("status") == "Accepted":
            values = integer(member(frame.request, "params"), "values")
            self._streams.note(number, stream._replace(values=values))

    @track(call("ClosePeriodicEventStream"))
    def closed(self, frame: Frame) -> None:
        number = integer(frame.payload, "id")
        if number is not None:
            self._streams.pop(number, None)
