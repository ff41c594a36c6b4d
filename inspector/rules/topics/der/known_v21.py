"""Track the DER controls that a station has accepted, with their priority and time."""

from __future__ import annotations

from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import integer, member, seconds, string
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V21, Topic, result, track
from inspector.rules.topics.der.controls_v21 import SETTINGS
from inspector.rules.topics.example_frames import Payload, csms

FOREVER = float("inf")


def control(
    number: str = "c1", kind: str = "FixedVar", *, status: str = "Accepted", priority: int = 1, **more: object
) -> str:
    """Return a SetDERControl with a default control, and its answer; `superseded` are ids in the answer."""
    superseded, answer = more.pop("superseded", None), {"status": status}
    if superseded is not None:
        answer = {**answer, "supersededIds": superseded}  # type: ignore[dict-item]
    told = {"isDefault": more.pop("isDefault", True), "controlId": number, "controlType": kind}
    return csms("SetDERControl", {**told, **settings(kind, priority=priority, **more)}, answer)


def settings(kind: str = "FixedVar", **more: object) -> Payload:
    """Return the member of a control that its type requires."""
    given: Payload = {"setpoint": 10, "unit": "PctMaxVar"}
    if kind == "Gradients":
        given = {"gradient": 10, "softGradient": 5}
    elif kind not in SETTINGS:
        given = {"curveData": [{"x": 1, "y": 1}], "yUnit": "PctMaxW"}
    return {SETTINGS.get(kind, "curve"): {**given, **more}}


class DerControl(NamedTuple):
    """An accepted control; times are in seconds since 1970."""

    number: str
    default: bool
    kind: str
    priority: int
    begins: float
    ends: float
    set_at: float

    def active(self, now: float) -> bool:
        return self.begins <= now < self.ends


def read(payload: Payload, now: float) -> DerControl | None:
    """Return the control in a SetDERControl; None if a required member is missing."""
    number, kind = string(payload, "controlId"), string(payload, "controlType")
    told = member(payload, SETTINGS.get(kind or "", "curve"))
    priority = integer(told, "priority")
    if number is None or kind is None or priority is None:
        return None
    begins = seconds(string(told, "startTime"))
    lasts = told.get("duration")
    start = begins if begins is not None else now
    ends = start + lasts if isinstance(lasts, int | float) else FOREVER
    return DerControl(number, payload.get("isDefault") is True, kind, priority, start, ends, now)


class KnownControls(Topic):
    """The accepted controls of one station.

    Attributes:
        controls: the accepted controls by id, oldest first.
        cleared: the controls that were cleared and not set again, by id.
    """

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self.controls: Known[str, DerControl] = Known()
        self.cleared: Known[str, DerControl] = Known()

    def alike(self, one: DerControl) -> list[DerControl]:
        """Return the other controls of the same type that are also default controls, or also scheduled ones."""
        return [
            other
            for other in self.controls.values()
            if other.kind == one.kind and other.default is one.default and other.number != one.number
        ]

    def matching(self, payload: Payload) -> list[DerControl]:
        """Return the controls that match the criteria of a GetDERControl or ClearDERControl."""
        return [
            one
            for one in self.controls.values()
            if payload.get("controlId") in (None, one.number)
            and payload.get("controlType") in (None, one.kind)
            and payload.get("isDefault") in (None, one.default)
        ]

    @track(result("SetDERControl"))
    def accepted(self, frame: Frame) -> None:
        one = read(frame.request, frame.ts_ns / 1e9)
        if one is not None and frame.payload.get("status") == "Accepted":
            self.controls.note(one.number, one)
            self.cleared.pop(one.number, None)

    @track(result("ClearDERControl"))
    def removed(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            for one in self.matching(frame.request):
                del self.controls[one.number]
                self.cleared.note(one.number, one)

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self.controls.clear()  # controls may have been set or cleared before the capture
            self.cleared.clear()
