"""Judge whether a station refuses charging profiles that it does not support, according to its variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import Payload, csms, script
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_COMPONENT = "SmartChargingCtrlr"
_CHARGING_ONLY = frozenset({"PriorityCharging", "ChargingStationMaxProfile"})
"""Purposes of profiles in which only the mode of operation ChargingOnly is allowed."""


def told(variable: str, value: str | None, instance: str | None = None, component: str = _COMPONENT) -> str:
    """Return a GetVariables for one variable, and the answer with its value; None answers that it is unknown."""
    named: Payload = {"component": {"name": component}, "variable": {"name": variable}}
    if instance is not None:
        named["variable"]["instance"] = instance
    status = {"attributeStatus": "UnknownVariable"} if value is None else {"attributeStatus": "Accepted"}
    told = {**named, **status, **({"attributeValue": value} if value is not None else {})}
    return csms("GetVariables", {"getVariableData": [named]}, {"getVariableResult": [told]})


def _with(**period: Any) -> Payload:
    return profile(schedule={"chargingSchedulePeriod": [{"startPeriod": 0, **period}]})


def _periods(one: Payload) -> Iterator[Payload]:
    for schedule in elements(one, "chargingSchedule"):
        yield from elements(schedule, "chargingSchedulePeriod")


class SupportedProfiles(Topic):
    """The rules about features that the station has reported."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._phaseless: Known[int, str] = Known()  # by EVSE: the phases that its car has not reported
        self._missing: Known[str, None] = Known()  # variables that the station has reported as unknown
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "profile.not-supported",
        result("SetChargingProfile"),
        title="A charging profile is answered although the station has no smart charging",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.29",
        remedy="Answer with the CALLERROR NotSupported or NotImplemented where the station has no smart charging.",
        bad=script(told("Available", "false"), sent(profile())),
        good=script(told("Available", "true"), sent(profile())),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_supported(self, frame: Frame) -> Faults:
        for name in ("Available", "Enabled"):
            if (self._configuration.variable(_COMPONENT, name) or "").lower() == "false":
                text = f"{_COMPONENT}.{name} is false, but SetChargingProfile is answered with a CALLRESULT"
                return Fault(f"{text}; expected the CALLERROR NotSupported", "/2", key=name)
        return None

    @rule(
        "profile.unsupported-feature",
        result("SetChargingProfile"),
        title="A charging profile is accepted with something that the station does not support",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.115, K01.FR.120, K01.FR.121, K01.FR.123, K01.FR.124, K01.FR.125, K01.FR.126",
        remedy="Answer Rejected to a purpose, kind or member that the station's variables do not list as supported.",
        bad=script(told("SupportsFeature", "false", "DynamicProfiles"), sent(profile(kind="Dynamic"))),
        good=script(told("SupportsFeature", "true", "DynamicProfiles"), sent(profile(kind="Dynamic"))),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def unsupported_feature(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted":
            return None
        one = member(frame.request, "chargingProfile")
        for what, variable in self._used(one):
            if self._lacks(variable):
                return Fault(f"{what} is accepted, but {_COMPONENT} does not support it", "/2/status", key=variable)
        purpose = string(one, "chargingProfilePurpose")
        if purpose in ("PriorityCharging", "LocalGeneration"):
            listed = self._configuration.variable(_COMPONENT, "SupportedAdditionalPurposes")
            if purpose not in (listed or "") and (listed is not None or self._unknown("SupportedAdditionalPurposes")):
                return Fault(f"the purpose {purpose} is accepted, but not supported", "/2/status", key=purpose)
        evse = integer(frame.request, "evseId")
        modes = self._configuration.variable("V2XChargingCtrlr", "SupportedOperationModes", evse)
        for period in _periods(one) if modes is not None else ():
            mode = string(period, "operationMode")
            if mode not in (None, "ChargingOnly") and mode not in (modes or ""):
                return Fault(f"the operationMode {mode} is accepted, but not supported", "/2/status", key=mode or "")
        return None

    def _used(self, one: Payload) -> Iterator[tuple[str, str]]:
        """Yield each optional feature that a profile uses, as (text for a sentence, name of the feature)."""
        if one.get("chargingProfileKind") == "Dynamic":
            yield "a Dynamic profile", "DynamicProfiles"
        for schedule in elements(one, "chargingSchedule"):
            if schedule.get("useLocalTime") is True:
                yield "useLocalTime", "UseLocalTime"
            if integer(schedule, "randomizedDelay"):
                yield "randomizedDelay", "RandomizedDelay"
            if "limitAtSoC" in schedule:
                yield "limitAtSoC", "LimitAtSoC"
        for period in _periods(one):
            if period.get("evseSleep") is True and period.get("operationMode") != "Idle":
                yield "evseSleep", "EvseSleep"

    def _lacks(self, feature: str) -> bool:
        found = self._configuration.variable(_COMPONENT, "SupportsFeature", instance=feature)
        if found is None:
            found = self._configuration.variable(_COMPONENT, f"Supports{feature}")
        if found is not None:
            return found.lower() == "false"
        return self._unknown(f"SupportsFeature/{feature}") or self._unknown(f"Supports{feature}")

    def _unknown(self, name: str) -> bool:
        return name.lower() in self._missing

    @track(result("GetVariables"), versions=V21)
    def variables(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "getVariableResult"):
            if entry.get("attributeStatus") == "UnknownVariable":
                component, variable = member(entry, "component"), member(entry, "variable")
                name, instance = string(variable, "name"), string(variable, "instance")
                if name is not None and component.get("name") == _COMPONENT:
                    self._missing.note(f"{name}/{instance}".lower() if instance else name.lower(), None)

    @rule(
        "profile.external-id",
        call("SetChargingProfile", "ReportChargingProfiles"),
        result("SetChargingProfile"),
        title="The id of a charging profile is in the wrong range for who has made it",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.80, K01.FR.81, K01.FR.82",
        remedy="CSMS: use ids above MaxExternalConstraintsId. Charging station: reject lower ones with the reasonCode "
        "InvalidProfileId, and use them for ChargingStationExternalConstraints.",
        bad=script(told("MaxExternalConstraintsId", "10"), sent(profile(number=10), status="Rejected")),
        good=script(told("MaxExternalConstraintsId", "10"), sent(profile(number=11))),
        versions=V21,
    )
    def external_id(self, frame: Frame) -> Faults:
        highest = self._configuration.variable_number(_COMPONENT, "MaxExternalConstraintsId")
        if highest is None:
            return None
        if frame.action == "ReportChargingProfiles":
            for index, one in enumerate(elements(frame.payload, "chargingProfile")):
                number = integer(one, "id")
                external = one.get("chargingProfilePurpose") == "ChargingStationExternalConstraints"
                if external and number is not None and number > highest:
                    text = f"a ChargingStationExternalConstraints profile has the id {number}; {highest} is the highest"
                    return Fault(text, f"/3/chargingProfile/{index}/id", key="report")
            return None
        answer = frame.call is not None
        number = integer(member(frame.request if answer else frame.payload, "chargingProfile"), "id")
        if number is None or number > highest:
            return None
        if not answer:
            return Fault(f"the id is {number}; MaxExternalConstraintsId is {highest}", "/3/chargingProfile/id")
        reason = string(member(frame.payload, "statusInfo"), "reasonCode")
        if frame.payload.get("status") == "Rejected" and (reason or "").lower() != "invalidprofileid":
            text = f"profile {number} is rejected, but the reasonCode is {reason[:20] if reason else 'missing'}; "
            return Fault(f"{text}expected InvalidProfileId", "/2/statusInfo", key="reason")
        if frame.payload.get("status") != "Accepted":
            return None
        return Fault(f"profile {number} is accepted; MaxExternalConstraintsId is {highest}", "/2/status")

    @rule(
        "profile.randomized-delay",
        result("SetChargingProfile"),
        title="A randomized delay is accepted for a purpose that allows none",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.95",
        remedy="Answer Rejected to randomizedDelay in any profile but a TxProfile or TxDefaultProfile.",
        bad=script(sent(profile("ChargingStationMaxProfile", schedule={"randomizedDelay": 60}), 0)),
        good=script(sent(profile("TxDefaultProfile", schedule={"randomizedDelay": 60}))),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def randomized_delay(self, frame: Frame) -> Faults:
        one = member(frame.request, "chargingProfile")
        purpose = string(one, "chargingProfilePurpose")
        if frame.payload.get("status") != "Accepted" or purpose in (None, "TxProfile", "TxDefaultProfile"):
            return None
        if not any(integer(schedule, "randomizedDelay") for schedule in elements(one, "chargingSchedule")):
            return None
        return Fault(f"a {purpose} with randomizedDelay is accepted", "/2/status", key=purpose or "")

    @rule(
        "profile.charging-purpose",
        call("SetChargingProfile"),
        result("SetChargingProfile"),
        title="A profile for charging alone has a duration or another mode of operation",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.70, K01.FR.71, K01.FR.73, K01.FR.111, K01.FR.113, K01.FR.114",
        remedy="Give PriorityCharging no duration. Let it, ChargingStationMaxProfile and LocalGeneration only charge. "
        "The charging station answers Rejected to others.",
        bad=script(sent(profile("PriorityCharging", schedule={"duration": 3600}), 0, "Rejected")),
        good=script(sent(profile("PriorityCharging", period={"operationMode": "ChargingOnly"}), 0)),
        versions=V21,
    )
    def charging_purpose(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        one = member(frame.request if answer else frame.payload, "chargingProfile")
        purpose = string(one, "chargingProfilePurpose") or ""
        if (answer and frame.payload.get("status") != "Accepted") or purpose not in (
            *_CHARGING_ONLY,
            "LocalGeneration",
        ):
            return None
        at = "/2/status" if answer else "/3/chargingProfile/chargingSchedule"
        accepted = ", and it is accepted" if answer else ""
        if purpose == "PriorityCharging" and any("duration" in each for each in elements(one, "chargingSchedule")):
            return Fault(f"a PriorityCharging profile with a duration{accepted}", at, key="duration")
        allowed = (None, "ChargingOnly") if purpose in _CHARGING_ONLY else (None, "ChargingOnly", "ExternalLimits")
        for period in _periods(one):
            if (mode := string(period, "operationMode")) not in allowed:
                return Fault(f"a {purpose} profile with operationMode {mode}{accepted}", at, key=purpose)
        return None

    @rule(
        "profile.phase-limits",
        call("SetChargingProfile"),
        result("SetChargingProfile"),
        title="Limits of single phases are given where they have no meaning",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.142, K01.FR.143, K01.FR.144, K01.FR.145, K01.FR.146",
        remedy="Give limit_L2 and limit_L3 only in a TxProfile, together with limit, and only where the car has "
        "reported maxChargePower_L2 and _L3. The charging station answers Rejected to others.",
        bad=script(sent(_with(limit=16, limit_L2=8), status="Rejected")),
        good=script(sent(_with(limit=16))),
        versions=V21,
    )
    def phase_limits(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        payload = frame.request if answer else frame.payload
        one, evse = member(payload, "chargingProfile"), integer(payload, "evseId")
        if answer and frame.payload.get("status") != "Accepted":
            return None
        for period in _periods(one):
            given = [name for name in ("limit_L2", "limit_L3") if name in period]
            if not given:
                continue
            if one.get("chargingProfilePurpose") not in (None, "TxProfile"):
                why = "outside of a TxProfile"
            elif "limit" not in period:
                why = "without limit"
            elif missing := [name for name in given if name[-3:] in self._phaseless.get(evse or 0, "")]:
                given, why = missing, "though the car has not reported this phase"
            else:
                continue
            accepted = ", and it is accepted" if answer else ""
            at = "/2/status" if answer else "/3/chargingProfile/chargingSchedule"
            return Fault(f"{given[0]} is given {why}{accepted}", at, key=why)
        return None

    @track(call("NotifyEVChargingNeeds"), versions=V21)
    def needs(self, frame: Frame) -> None:
        evse, car = (
            integer(frame.payload, "evseId"),
            member(member(frame.payload, "chargingNeeds"), "v2xChargingParameters"),
        )
        if evse is not None and car:
            lacking = " ".join(phase for phase in ("_L2", "_L3") if f"maxChargePower{phase}" not in car)
            self._phaseless.note(evse, lacking)
