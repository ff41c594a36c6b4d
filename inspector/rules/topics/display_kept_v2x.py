"""Which display messages a station keeps, and whether its reports of them agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import Payload, cp, csms, script, started, transaction_event

_REPORTS_LIMIT = 20
_FRONT = "AlwaysFront"
SOON_S = 5.0
"""A message may still be there so long after the end of its transaction."""
_ENDED = transaction_event("Ended", "StopAuthorized", 1, {"stoppedReason": "Local"})
_EMPTY = csms("GetDisplayMessages", {"requestId": 7})


def message(**more: Any) -> Payload:
    """Return a display message."""
    return {"id": 1, "priority": "NormalCycle", "message": {"format": "UTF8", "content": "Hello"}, **more}


def shown(status: str = "Accepted", **more: Any) -> str:
    """SetDisplayMessage of one message, and its answer."""
    return csms("SetDisplayMessage", {"message": message(**more)}, {"status": status})


def _get(status: str = "Accepted", **criteria: Any) -> str:
    return csms("GetDisplayMessages", {"requestId": 7, **criteria}, {"status": status})


def _clear(status: str = "Accepted") -> str:
    return csms("ClearDisplayMessage", {"id": 1}, {"status": status})


def _listed(*messages: Payload) -> str:
    return cp("NotifyDisplayMessages", {"requestId": 7, **({"messageInfo": list(messages)} if messages else {})})


@dataclass(slots=True, eq=False)
class _Report:
    """A report on its way: its request, and the messages that have come."""

    asked: Frame
    wanted: dict[int, Payload]
    gone: dict[int, str]  # messages that must not come, and why
    told: dict[int, Payload] = field(default_factory=dict)


class KeptMessages(Topic):
    """Rules about GetDisplayMessages.

    Attributes:
        kept: the messages that were accepted and not cleared since, by id.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.kept: Known[int, Payload] = Known()
        self._gone: Known[int, str] = Known()  # messages that were cleared or replaced
        self._reports: Known[int, _Report] = Known()
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    def lasting(self, frame: Frame, margin_s: float = 600) -> dict[int, Payload]:
        """Return the messages that must still be there at this frame: no end is near, and their transaction goes on."""
        return {number: one for number, one in self.kept.items() if not self._ends(one, frame, margin_s)}

    def _ends(self, one: Payload, frame: Frame, margin_s: float) -> bool:
        if "endDateTime" in one:
            end = seconds(string(one, "endDateTime"))
            if end is None or not self._evidence.timed or end < frame.ts_ns / 1e9 + margin_s:
                return True
        if "transactionId" not in one:
            return False
        known = self._transactions.by_id.get(string(one, "transactionId") or "")
        return known is None or not known.open

    @rule(
        "display.report-status",
        result("GetDisplayMessages"),
        title="GetDisplayMessages finds no message although the station has accepted one",
        severity=Severity.WARNING,
        spec="OCPP 2.x O03.FR.01, O04.FR.01",
        remedy="Answer Accepted where a message matches the request, and report it.",
        bad=script(shown(), _get("Unknown")),
        good=script(shown(), _get("Unknown", id=[2])),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic.kept,
    )
    def report_status(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Unknown":
            return None
        for number, one in self.lasting(frame).items():
            if _matches(frame.request, number, one, sure=True):
                return Fault(f"Unknown, but message {number} was accepted", "/2/status", key=str(number))
        return None

    @track(result("GetDisplayMessages"))
    def promised(self, frame: Frame) -> None:
        number = integer(frame.request, "requestId")
        if number is None or frame.call is None or frame.payload.get("status") != "Accepted":
            return
        lasting = self.lasting(frame)
        wanted = {own: one for own, one in lasting.items() if _matches(frame.request, own, one, sure=True)}
        self._reports.note(number, _Report(frame.call, wanted, dict(self._gone)))
        self.station.refresh_listeners()
        if len(self._reports) > _REPORTS_LIMIT:
            del self._reports[next(iter(self._reports))]

    def _report(self, frame: Frame) -> _Report | None:
        number = integer(frame.payload, "requestId")
        return self._reports.get(number) if number is not None else None

    def _parts(self, frame: Frame) -> Iterator[tuple[int, int, Payload]]:
        for index, one in enumerate(elements(frame.payload, "messageInfo")):
            number = integer(one, "id")
            if number is not None:
                yield index, number, one

    @rule(
        "display.not-asked",
        call("NotifyDisplayMessages"),
        title="A display message is reported that was not requested",
        severity=Severity.WARNING,
        spec="OCPP 2.x O04.FR.03",
        remedy="Report only messages with the requested ids, priority and state.",
        bad=script(_get(id=[2]), _listed(message())),
        good=script(_get(id=[1]), _listed(message())),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._reports,
    )
    def not_asked(self, frame: Frame) -> Faults:
        report = self._report(frame)
        for index, number, one in self._parts(frame) if report is not None else ():
            if report is not None and not _matches(report.asked.payload, number, one, sure=False):
                return Fault(f"message {number} was not requested", f"/3/messageInfo/{index}", key=str(number))
        return None

    @rule(
        "display.outlived",
        call("NotifyDisplayMessages"),
        title="A display message is still there after its end",
        severity=Severity.WARNING,
        spec="OCPP 2.x O01.FR.07, O01.FR.16, O02.FR.02, O02.FR.07, O02.FR.18",
        remedy="Remove a message at its endDateTime and at the end of its transaction; a new AlwaysFront message "
        "replaces the one before.",
        bad=script(_get(), _listed(message(endDateTime="2026-01-01T11:00:00Z"))),
        good=script(_get(), _listed(message(endDateTime="2026-01-01T13:00:00Z"))),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._reports,
    )
    def outlived(self, frame: Frame) -> Faults:
        report = self._report(frame)
        if report is None:
            return None
        for index, number, one in self._parts(frame):
            at, end = f"/3/messageInfo/{index}", seconds(string(one, "endDateTime"))
            if end is not None and self._evidence.timed and end + self._slack() < frame.ts_ns / 1e9:
                return Fault(f"message {number} ended at {one['endDateTime'][:30]}", at, key=str(number))
            known = self._transactions.by_id.get(string(one, "transactionId") or "")
            if known is not None and known.ended_ns is not None and known.ended_ns < report.asked.mono_ns:
                return Fault(f"message {number} is for {known}, which has ended", at, key=str(number))
            front = [
                other
                for other, its in report.told.items()
                if other != number and one.get("priority") == its.get("priority") == _FRONT
                if its.get("display") == one.get("display")
            ]
            if front:
                return Fault(f"message {number} and message {front[0]} are both {_FRONT}", at, key=str(number))
            report.told[number] = one
        return None

    @rule(
        "display.still-there",
        call("NotifyDisplayMessages"),
        title="The station reports a display message that was cleared or replaced, or that has expired",
        severity=Severity.WARNING,
        spec="OCPP 2.x O01.FR.07, O01.FR.16, O02.FR.02, O02.FR.07, O02.FR.18, O03.FR.06, O04.FR.02, O04.FR.07, "
        "O05.FR.01",
        remedy="Remove a message when it is cleared, when a new AlwaysFront message replaces it, and when it expires.",
        bad=script(shown(), csms("ClearDisplayMessage", {"id": 1}), _get(), _listed(message())),
        good=script(shown(), csms("ClearDisplayMessage", {"id": 1}), shown(), _get(), _listed(message())),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._reports,
    )
    def still_there(self, frame: Frame) -> Faults:
        report = self._report(frame)
        for index, number, one in self._parts(frame) if report is not None else ():
            if report is None or "endDateTime" in one or "transactionId" in one:
                continue  # the rule display.outlived judges it
            why = report.gone.get(number)
            known = self.kept.get(number)
            if why is None and known is not None:
                why = self._over(known, report.asked)
            if why is not None:
                return Fault(f"message {number} {why}", f"/3/messageInfo/{index}", key=str(number))
        return None

    def _slack(self) -> float:
        """Return how many seconds after its end a message may still be there, because clocks differ."""
        return min(self.settings.clock_skew_s, self._evidence.skew_s + 10)

    @rule(
        "display.clear-ended",
        result("ClearDisplayMessage"),
        title="A display message is cleared that was gone with its transaction or at its end",
        severity=Severity.WARNING,
        spec="OCPP 2.x O01.FR.07, O02.FR.02, O02.FR.07, O05.FR.02",
        remedy="Remove a message at its endDateTime and at the end of its transaction, and answer Unknown then.",
        bad=script(started(), shown(transactionId="t1"), _ENDED, "+ 1m", _clear()),
        good=script(started(), shown(transactionId="t1"), _ENDED, "+ 1m", _clear("Unknown")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic.kept,
    )
    def clear_ended(self, frame: Frame) -> Faults:
        number = integer(frame.request, "id")
        one = self.kept.get(number) if number is not None else None
        if one is None or frame.call is None or frame.payload.get("status") != "Accepted":
            return None
        why = self._over(one, frame.call, SOON_S)
        return Fault(f"message {number} {why}; expected Unknown", "/2/status", key=str(number)) if why else None

    def _over(self, one: Payload, asked: Frame, margin_s: float = 0.0) -> str | None:
        """Return why an accepted message must be gone when a report of it is requested; None if it need not be."""
        end = seconds(string(one, "endDateTime"))
        if end is not None and self._evidence.timed and end + self._slack() < asked.ts_ns / 1e9:
            return f"ended at {one['endDateTime'][:30]}"
        known = self._transactions.by_id.get(string(one, "transactionId") or "")
        if known is not None and known.ended_ns is not None and known.ended_ns + margin_s * 1e9 < asked.mono_ns:
            return f"is for {known}, which has ended"
        return None

    @rule(
        "display.report-differs",
        call("NotifyDisplayMessages"),
        title="A display message is reported with another text or priority than was accepted last",
        severity=Severity.WARNING,
        spec="OCPP 2.x O06.FR.01",
        remedy="Replace a message by the new one with its id, with all of its parameters.",
        bad=script(shown(), shown(priority="InFront"), _get(), _listed(message())),
        good=script(shown(), shown(priority="InFront"), _get(), _listed(message(priority="InFront"))),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._reports,
    )
    def differs(self, frame: Frame) -> Faults:
        report = self._report(frame)
        for index, number, one in self._parts(frame) if report is not None else ():
            known = self.kept.get(number)
            if known is None or report is None or number not in report.wanted:
                continue
            changed = [name for name in ("priority", "state", "transactionId") if known.get(name) != one.get(name)]
            if _text(known) != _text(one):
                changed.append("message")
            if changed:
                text = f"{changed[0]} of message {number} is not what was accepted"
                return Fault(text, f"/3/messageInfo/{index}", key=str(number))
        return None

    @rule(
        "display.report-missing",
        call("NotifyDisplayMessages"),
        title="A report of display messages lacks messages",
        severity=Severity.WARNING,
        spec="OCPP 2.x O03.FR.02, O03.FR.06, O04.FR.02, O04.FR.03, O04.FR.07, O01.FR.10, O02.FR.10",
        remedy="Report every message that matches the request, also after a restart; answer Unknown where none does.",
        bad=script(shown(), shown(id=2), _get(), _listed(message())),
        good=script(shown(), shown(id=2), _get(), _listed(message(), message(id=2))),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._reports,
    )
    def missing(self, frame: Frame) -> Faults:
        report, number = self._report(frame), integer(frame.payload, "requestId")
        if report is None or number is None:
            return None
        report.told.update({own: one for _, own, one in self._parts(frame)})
        if frame.payload.get("tbc") is True:
            return None
        del self._reports[number]
        for own, one in report.wanted.items():
            if own not in report.told and self.kept.get(own) is one:
                return Fault(f"message {own} was accepted, but is missing", "/3", key=str(own))
        if not report.told and not elements(frame.payload, "messageInfo"):
            return Fault("Accepted, but there is no message; expected the status Unknown", "/3", key="none")
        return None

    @rule(
        "display.replace-refused",
        result("SetDisplayMessage"),
        title="A display message that has to replace an accepted one is rejected",
        severity=Severity.WARNING,
        spec="OCPP 2.x O06.FR.01, O01.FR.16, O02.FR.18",
        remedy="Replace the message with this id, or the AlwaysFront message before it, and answer Accepted.",
        bad=script(shown(), shown("Rejected")),
        good=script(shown(), shown("Rejected", id=2)),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic.kept,
    )
    def refused(self, frame: Frame) -> Faults:
        info = member(frame.request, "message")
        number = integer(info, "id")
        if frame.payload.get("status") != "Rejected":
            return None
        lasting = self.lasting(frame)
        if number not in lasting:
            if info.get("priority") != _FRONT or "transactionId" in info:
                return None
            fronts = [own for own, one in lasting.items() if one.get("priority") == _FRONT]
            if not fronts or lasting[fronts[0]].get("display") != info.get("display"):
                return None
            text = f"Rejected, but it has to replace message {fronts[0]}, which is {_FRONT} too"
            return Fault(text, "/2/status", key=str(number))
        return Fault(f"Rejected, but message {number} is there to be replaced", "/2/status", key=str(number))

    @track(result("SetDisplayMessage"))
    def accepted(self, frame: Frame) -> None:
        info = member(frame.request, "message")
        number = integer(info, "id")
        if number is None or frame.payload.get("status") != "Accepted":
            return
        if info.get("priority") == _FRONT:
            for own in [own for own, one in self.kept.items() if one.get("priority") == _FRONT]:
                if own != number and self.kept[own].get("display") == info.get("display"):
                    self._gone.note(own, f"was replaced by message {number}")
                del self.kept[own]
        self._gone.pop(number, None)
        self.kept.note(number, info)
        self.station.refresh_listeners()

    @track(result("ClearDisplayMessage"))
    def cleared(self, frame: Frame) -> None:
        number = integer(frame.request, "id")
        if number is not None and frame.payload.get("status") in ("Accepted", "Unknown"):
            self.kept.pop(number, None)
            self._gone.note(number, "was cleared")

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self.kept.clear()  # messages may have been cleared unseen
            self._gone.clear()

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self.kept.clear()
        self._gone.clear()
        self._reports.clear()


def _text(one: Payload) -> tuple[str | None, str | None]:
    text = member(one, "message")
    return string(text, "content"), string(text, "format")


def _matches(asked: Payload, number: int, one: Payload, *, sure: bool) -> bool:
    """Return whether GetDisplayMessages asks for a message; one without a state matches unless `sure`."""
    ids, priority, state = asked.get("id"), asked.get("priority"), asked.get("state")
    if type(ids) is list and ids and number not in ids:
        return False
    if priority is not None and one.get("priority") != priority:
        return False
    return state is None or one.get("state") == state or (not sure and "state" not in one)
