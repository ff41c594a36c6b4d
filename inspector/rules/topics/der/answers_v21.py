"""Judge how a 2.1 station answers when DER controls are set, requested and cleared."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import OPENED, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.topics.der.controls_v21 import SETTINGS
from inspector.rules.topics.der.known_v21 import KnownControls, control, read
from inspector.rules.topics.example_frames import NOW, Payload, csms, script

_ONLY_DEFAULT = frozenset({"EnterService", "Gradients"})
_MEMBERS = (*SETTINGS.values(), "curve")


def supports(*kinds: str, component: str = "DCDERCtrlr") -> str:
    """Return a GetVariables for ModesSupported of EVSE 1, and its answer."""
    named = {"component": {"name": component, "evse": {"id": 1}}, "variable": {"name": "ModesSupported"}}
    told = {**named, "attributeStatus": "Accepted", "attributeValue": ",".join(kinds)}
    return csms("GetVariables", {"getVariableData": [named]}, {"getVariableResult": [told]})


def cleared(status: str = "Accepted", default: bool = True, **criteria: object) -> str:
    """Return a ClearDERControl and its answer."""
    return csms("ClearDERControl", {"isDefault": default, **criteria}, {"status": status})


def _impossible(payload: Payload) -> str | None:
    """Return why no station may accept this control; None if a station may."""
    kind = string(payload, "controlType")
    name = SETTINGS.get(kind or "", "curve")
    settings = payload.get(name)
    given = settings if type(settings) is dict else {}
    if payload.get("isDefault") is True and (timed := [each for each in ("startTime", "duration") if each in given]):
        return f"a default control with {timed[0]}"
    if payload.get("isDefault") is False and kind in _ONLY_DEFAULT:
        return f"a scheduled control of type {kind}"
    return None


class DerAnswers21(Topic):
    """The rules about the answers to SetDERControl, GetDERControl and ClearDERControl."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._known = self.station.topic(KnownControls)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)
        self._emptied: set[object] = set()  # the values of isDefault of which the station has no control left

    @rule(
        "der.impossible",
        call("SetDERControl"),
        result("SetDERControl"),
        title="A DER control with impossible settings is sent or accepted",
        severity=Severity.ERROR,
        spec="OCPP 2.1 R04.FR.12, R04.FR.13, R04.FR.14, R04.FR.15, R04.FR.17",
        remedy="Send default controls without startTime and duration, and EnterService and Gradients as defaults only. "
        "The charging station answers Rejected to others, and to settings that do not fit controlType.",
        bad=script(control(startTime=NOW, duration=60, status="Rejected")),
        good=script(control(isDefault=False, startTime=NOW, duration=60)),
        versions=V21,
    )
    def impossible(self, frame: Frame) -> Faults:
        if frame.call is None:
            why = _impossible(frame.payload)
            return Fault(why, "/3", key=why[:12]) if why else None
        if frame.payload.get("status") != "Accepted":
            return None
        why, kind = _impossible(frame.request), string(frame.request, "controlType")
        given = [name for name in _MEMBERS if name in frame.request]
        if why is None and kind is not None and given != [SETTINGS.get(kind, "curve")]:
            why = f"a control of type {kind[:30]} with {' and '.join(given) or 'no settings'}"
        return Fault(f"{why} is accepted", "/2/status", key=why[:12]) if why else None

    @rule(
        "der.unsupported",
        result("SetDERControl", "GetDERControl", "ClearDERControl"),
        title="A DER control that the station does not support is accepted, or one that it supports is refused",
        severity=Severity.WARNING,
        spec="OCPP 2.1 R04.FR.01, R04.FR.02, R04.FR.03, R04.FR.04, R04.FR.05, R04.FR.06, R04.FR.07, R04.FR.08, "
        "R04.FR.36, R04.FR.43",
        remedy="Answer NotSupported to types that DCDERCtrlr.ModesSupported does not list. Accept valid controls of "
        "all others.",
        bad=script(supports("VoltVar"), control()),
        good=script(supports("FixedVar"), control()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def unsupported(self, frame: Frame) -> Faults:
        kind, status = string(frame.request, "controlType"), string(frame.payload, "status")
        listed = self._listed() if kind is not None else None
        if kind is None or listed is None:
            return None
        if kind not in listed and status == "Accepted":
            return Fault(
                f"{kind[:30]} is not in ModesSupported, but the status is Accepted", "/2/status", key=kind[:30]
            )
        if kind not in listed and status not in (None, "NotSupported") and _impossible(frame.request) is None:
            text = f"{kind[:30]} is not in ModesSupported, but the status is {str(status)[:20]}; expected NotSupported"
            return Fault(text, "/2/status", key=f"{kind[:30]} status")
        if kind not in listed or status in (None, "Accepted"):
            return None
        if frame.action != "SetDERControl":
            refused = status == "NotSupported"
        else:
            given = [name for name in _MEMBERS if name in frame.request]
            fits = given == [SETTINGS.get(kind, "curve")] and read(frame.request, 0.0) is not None
            refused = fits and _impossible(frame.request) is None
        return Fault(f"{kind[:30]} is in ModesSupported, but the status is {status}", "/2/status") if refused else None

    def _listed(self) -> set[str] | None:
        """Return the control types that the station's inverters support.

        Return None if they are not known, or if the inverters of cars may support others.
        """
        found: set[str] = set()
        seen = False
        for (component, variable, _, _), setting in self._configuration.settings_2x.items():
            if component == "acderctrlr":
                return None
            if component == "dcderctrlr" and variable == "modessupported" and setting.value is not None:
                seen = True
                found.update(each.strip() for each in setting.value.split(","))
        return found if seen else None

    @rule(
        "der.superseded",
        result("SetDERControl"),
        title="The answer to a DER control does not name the control that is superseded",
        severity=Severity.WARNING,
        spec="OCPP 2.1 R04.FR.03, R04.FR.06, R04.FR.08",
        remedy="Give supersededIds: the existing control where the new one has the lower priority value, the new one "
        "where an active control has.",
        bad=script(control("c1", priority=5), control("c2", priority=1)),
        good=script(control("c1", priority=5), control("c2", priority=1, superseded=["c1"])),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def superseded(self, frame: Frame) -> Faults:
        now, skew = frame.ts_ns / 1e9, min(self.settings.clock_skew_s, self._evidence.skew_s + 1)
        one = read(frame.request, now)
        if one is None or frame.payload.get("status") != "Accepted":
            return None
        told = frame.payload.get("supersededIds")
        named = told if type(told) is list else []
        others = self._known.alike(one)
        if len(others) != 1:
            return None  # if there are several, only the station knows which of them is still active
        other, wanted = others[0], ""
        if other.priority > one.priority and (one.default or other.begins > now + skew):
            wanted = other.number
        elif (
            not one.default and other.priority < one.priority and other.active(now - skew) and other.active(now + skew)
        ):
            wanted = one.number
        if not wanted or wanted in named:
            return None
        values = (
            f"the priority of {one.number[:36]!r} is {one.priority}, that of {other.number[:36]!r} {other.priority}"
        )
        return Fault(f"{values}, but supersededIds does not name {wanted[:36]!r}", "/2", key=wanted[:36])

    @rule(
        "der.clear-answer",
        result("ClearDERControl"),
        title="The answer to ClearDERControl contradicts the controls that are set",
        severity=Severity.ERROR,
        spec="OCPP 2.1 R04.FR.41, R04.FR.42, R04.FR.44, R04.FR.45, R04.FR.46",
        remedy="Answer Accepted where a control matches isDefault and the type or id, otherwise NotFound.",
        bad=script(control(), cleared("NotFound", controlId="c1")),
        good=script(control(), cleared("Accepted", controlId="c1")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def clear_answer(self, frame: Frame) -> Faults:
        status, number = frame.payload.get("status"), string(frame.request, "controlId")
        now = frame.ts_ns / 1e9 + self.settings.clock_skew_s
        matching = [one for one in self._known.matching(frame.request) if one.ends > now]
        if status == "NotFound" and matching:
            text = f"NotFound, though control {matching[0].number[:36]!r} matches and was accepted"
            return Fault(text, "/2/status", key="NotFound")
        if status != "Accepted" or self._known.matching(frame.request):
            return None
        if frame.request.get("isDefault") in self._emptied and number not in self._known.cleared:
            return Fault("Accepted, though all such controls were cleared before", "/2/status", key="emptied")
        if number is None:
            return None
        known = self._known.controls.get(number)
        if known is not None and known.default is not frame.request.get("isDefault"):
            kind = "default" if known.default else "scheduled"
            return Fault(f"Accepted, though control {number[:36]!r} is a {kind} one", "/2/status", key="isDefault")
        if number in self._known.cleared:
            return Fault(f"Accepted, though control {number[:36]!r} was cleared before", "/2/status", key="cleared")
        return None

    @track(result("SetDERControl", "ClearDERControl"))
    def changed(self, frame: Frame) -> None:
        default = frame.request.get("isDefault")
        if frame.action == "SetDERControl":
            self._emptied.discard(default)
        elif "controlId" not in frame.request and "controlType" not in frame.request:
            self._emptied.add(default)

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._emptied.clear()
