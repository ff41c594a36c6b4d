"""Judge how a 2.1 station refuses charging profiles that come too often, and when the CSMS tries again."""

from __future__ import annotations

import re

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.topics.example_frames import csms, script, variable_2x
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_WAIT = re.compile(r"\s*(\d{1,9})\s+seconds before retry\s*", re.IGNORECASE)
_DC = re.compile(r"c(CCS\d|G105|ChaoJi|LECCS|MCS|GBT-DC|NACS-CCS\d|Tesla)", re.IGNORECASE)
"""Matches the types of connectors with which a car charges with direct current."""
_TYPE = variable_2x("Connector", "ConnectorType", "cCCS2").replace(
    '"name":"Connector"', '"name":"Connector","evse":{"id":1,"connectorId":1}'
)
_ONE_PHASE = profile(period={"numberPhases": 1})


def _limited(info: str | None) -> str:
    reason = {"reasonCode": "RateLimitExceeded", **({"additionalInfo": info} if info is not None else {})}
    asked = {"evseId": 1, "chargingProfile": profile()}
    return csms("SetChargingProfile", asked, {"status": "Rejected", "statusInfo": reason})


class ProfileRetries21(Topic):
    """The rules about RateLimitExceeded, and about phases of an EVSE with direct current."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._waits: Known[str, tuple[int, int]] = Known()  # by purpose: from when it is accepted, and the wait in s
        self._model = self.station.topic(DeviceModel)

    @rule(
        "profile.retry-time",
        result("SetChargingProfile"),
        title="A station that gets profiles too often does not say when it will accept one",
        severity=Severity.INFO,
        spec="OCPP 2.1 K01.FR.57",
        remedy="Write the time into additionalInfo, such as: 30 seconds before retry.",
        bad=script(_limited(None)),
        good=script(_limited("30 seconds before retry")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def retry_time(self, frame: Frame) -> Faults:
        info = member(frame.payload, "statusInfo")
        if frame.payload.get("status") != "Rejected" or _reason(info) != "ratelimitexceeded":
            return None
        if _WAIT.fullmatch(string(info, "additionalInfo") or ""):
            return None
        return Fault("RateLimitExceeded without the seconds before retry in additionalInfo", "/2/statusInfo")

    @rule(
        "profile.retry-early",
        call("SetChargingProfile"),
        title="The CSMS sends a charging profile again sooner than the station will accept it",
        severity=Severity.INFO,
        spec="OCPP 2.1 K01.FR.59",
        remedy="Wait at least as many seconds as additionalInfo says.",
        bad=script(_limited("30 seconds before retry"), "+ 10s", sent(profile())),
        good=script(_limited("30 seconds before retry"), "+ 40s", sent(profile())),
        versions=V21,
        side=Side.CSMS,
        dormant=lambda topic: not topic._waits,
    )
    def retry_early(self, frame: Frame) -> Faults:
        purpose = string(member(frame.payload, "chargingProfile"), "chargingProfilePurpose") or ""
        until_ns, wait = self._waits.get(purpose, (0, 0))
        if frame.mono_ns >= until_ns:
            return None
        left = (until_ns - frame.mono_ns) / 1e9
        return Fault(f"a {purpose[:40]} is sent {left:.0f} s before the {wait} s have passed", "/3", key=purpose[:40])

    @rule(
        "profile.phase-for-dc",
        result("SetChargingProfile"),
        title="A profile with phases is accepted for an EVSE with direct current",
        severity=Severity.INFO,
        spec="OCPP 2.1 K01.FR.44",
        remedy="Answer Rejected with the reasonCode NoPhaseForDC unless DCInputPhaseControl is true.",
        bad=script(_TYPE, sent(_ONE_PHASE)),
        good=script(_TYPE, sent(_ONE_PHASE, status="Rejected")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def phase_for_dc(self, frame: Frame) -> Faults:
        evse, one = integer(frame.request, "evseId"), member(frame.request, "chargingProfile")
        if frame.payload.get("status") != "Accepted" or not evse:
            return None
        periods = [p for each in elements(one, "chargingSchedule") for p in elements(each, "chargingSchedulePeriod")]
        named = next((name for p in periods for name in ("numberPhases", "phaseToUse") if name in p), None)
        if named is None:
            return None
        types, phases = set(), set()
        for name, known in self._model.variables.items():
            if name.evse == evse and known.value is not None:
                variable = name.variable.lower()
                if variable == "connectortype":
                    types.add(bool(_DC.match(known.value)))
                elif variable == "supplyphases" and name.component in ("evse", "connector"):
                    types.add(known.value.strip() == "0")
                elif variable == "dcinputphasecontrol":
                    phases.add(known.value.lower())
        if types != {True} or "true" in phases:
            return None
        return Fault(f"{named} is accepted for EVSE {evse}, which has direct current", "/2/status", key=str(evse))

    @track(result("SetChargingProfile"))
    def refused(self, frame: Frame) -> None:
        info = member(frame.payload, "statusInfo")
        purpose = string(member(frame.request, "chargingProfile"), "chargingProfilePurpose") or ""
        if self._waits.pop(purpose, None) is not None:
            self.station.refresh_listeners()
        told = _WAIT.fullmatch(string(info, "additionalInfo") or "")
        if told is not None and _reason(info) == "ratelimitexceeded":
            wait = int(told.group(1))
            self._waits.note(purpose, (frame.mono_ns + wait * 10**9, wait))
            self.station.refresh_listeners()


def _reason(info: dict[str, object]) -> str:
    return (string(info, "reasonCode") or "").lower()
