"""Judge controls of distributed energy resources (DER) in OCPP 2.1: their settings, and whether stations keep them."""

from __future__ import annotations

from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.fields import member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import csms, script

SETTINGS = {
    "EnterService": "enterService",
    "FixedPFAbsorb": "fixedPFAbsorb",
    "FixedPFInject": "fixedPFInject",
    "FixedVar": "fixedVar",
    "FreqDroop": "freqDroop",
    "Gradients": "gradient",
    "LimitMaxDischarge": "limitMaxDischarge",
}
"""For each type of control, the member with its settings; for all other types it is `curve`."""
_MEMBERS = (*SETTINGS.values(), "curve")
_GRADIENT = {"gradient": {"priority": 1, "gradient": 10, "softGradient": 5}}
_GET = {"requestId": 1, "controlId": "c1"}


def _set(kind: str = "Gradients") -> str:
    return csms("SetDERControl", {"isDefault": True, "controlId": "c1", "controlType": kind, **_GRADIENT})


class Control(NamedTuple):
    """A control that the station has accepted."""

    default: bool
    kind: str | None
    lasts: bool  # whether it stays until it is cleared


class DerControls21(Topic):
    """The rules about DER controls."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._controls: Known[str, Control] = Known()
        self._cleared: Known[str, None] = Known()

    @rule(
        "der.settings",
        call("SetDERControl"),
        title="The settings of a DER control do not fit its type",
        severity=Severity.ERROR,
        spec="OCPP 2.1 R04.FR.16; OCPP 2.1 part 2, SetDERControlRequest and DERControlEnumType",
        remedy="Give exactly the member that belongs to controlType: curve, gradient, freqDroop and so on.",
        bad=script(_set("FreqDroop")),
        good=script(_set()),
        versions=V21,
        side=Side.CSMS,
    )
    def settings_given(self, frame: Frame) -> Faults:
        kind = string(frame.payload, "controlType")
        given = [name for name in _MEMBERS if name in frame.payload]
        fitting = SETTINGS.get(kind or "", "curve")
        if kind is None or given == [fitting]:
            return None
        said = " and ".join(given) or "no settings"
        return Fault(f"a control of type {kind[:30]} with {said}; expected {fitting}", "/3", key=kind[:30])

    @rule(
        "der.not-found",
        result("GetDERControl"),
        title="A station does not find an accepted DER control, or finds a cleared one",
        severity=Severity.ERROR,
        spec="OCPP 2.1 R01.FR.03, R04.FR.30, R04.FR.35, R04.FR.37, R02.FR.02, R03.FR.02",
        remedy="Keep accepted controls over restarts until they are cleared, and answer NotFound only without a match.",
        bad=script(_set(), csms("GetDERControl", _GET, {"status": "NotFound"})),
        good=script(_set(), csms("GetDERControl", _GET)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_found(self, frame: Frame) -> Faults:
        status, name, request = frame.payload.get("status"), string(frame.request, "controlId"), frame.request
        matching = [
            number
            for number, one in self._controls.items()
            if one.lasts
            and name in (None, number)
            and request.get("controlType") in (None, one.kind)
            and request.get("isDefault") in (None, one.default)
        ]
        if status == "NotFound" and matching:
            return Fault(f"NotFound, though control {matching[0][:36]!r} was accepted", "/2/status", key=matching[0])
        if status == "Accepted" and name is not None and name in self._cleared:
            return Fault(f"Accepted, though control {name[:36]!r} was cleared", "/2/status", key=name)
        return None

    @track(result("SetDERControl"))
    def accepted(self, frame: Frame) -> None:
        name, kind = string(frame.request, "controlId"), string(frame.request, "controlType")
        if name is None or frame.payload.get("status") != "Accepted":
            return
        settings = member(frame.request, SETTINGS.get(kind or "", "curve"))
        ends = "duration" in settings or seconds(string(settings, "startTime")) is not None
        for other in [number for number, one in self._controls.items() if one.kind == kind]:
            self._controls[other] = self._controls[other]._replace(lasts=False)  # the new one may replace it
        self._controls.note(name, Control(frame.request.get("isDefault") is True, kind, not ends))
        self._cleared.pop(name, None)

    @track(result("ClearDERControl"))
    def cleared(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        name, kind = string(frame.request, "controlId"), string(frame.request, "controlType")
        default = frame.request.get("isDefault") is True
        for number, one in list(self._controls.items()):
            if name == number or (name is None and kind in (None, one.kind) and one.default is default):
                del self._controls[number]
                self._cleared.note(number, None)
