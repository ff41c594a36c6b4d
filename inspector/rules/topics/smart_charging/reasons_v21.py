"""Judge whether a 2.1 station gives the reason that the specification demands where it rejects a charging profile."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V21, Faults, Topic, result, rule
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import Payload, csms, script
from inspector.rules.topics.smart_charging.sent_v2x import profile

_LIMITS = tuple(
    f"{name}{phase}"
    for name in ("limit", "dischargeLimit", "setpoint", "setpointReactive")
    for phase in ("", "_L2", "_L3")
)
_PHASES = ("limit_L2", "limit_L3")
_MODES = {
    "PriorityCharging": ("ChargingOnly",),
    "ChargingStationMaxProfile": ("ChargingOnly",),
    "LocalGeneration": ("ChargingOnly", "ExternalLimits"),
}
"""The modes of operation that each purpose allows; other purposes allow any."""


def _rejected(reason: str) -> str:
    one = profile(period={"operationMode": "Idle", "limit": 0})
    answer = {"status": "Rejected", "statusInfo": {"reasonCode": reason}}
    return csms("SetChargingProfile", {"evseId": 1, "chargingProfile": one}, answer)


class RejectionReasons21(Topic):
    """The rule about the reasonCode of rejected charging profiles."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "profile.reason-code",
        result("SetChargingProfile"),
        title="A charging profile is rejected without the reason that the specification demands",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K01.FR.114, K01.FR.144, K01.FR.146, Q08.FR.03, Q08.FR.04, Q09.FR.01, Q10.FR.02",
        remedy="Give statusInfo with the reasonCode NoFreqWattCurve, InvalidSchedule, InvalidOperationMode, "
        "PhaseConflict or UnsupportedParam, whichever fits.",
        bad=script(_rejected("Other")),
        good=script(_rejected("InvalidSchedule")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def reason_code(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Rejected":
            return None
        reason = string(member(frame.payload, "statusInfo"), "reasonCode")
        fitting = dict.fromkeys(self._fitting(member(frame.request, "chargingProfile")))
        if not fitting or (reason or "").lower() in {one.lower() for one in fitting}:
            return None
        if reason in ("DuplicateProfile", "InvalidProfile", "InvalidProfileId", "TxNotFound", "UnknownEVSE"):
            return None  # there is another fault, too
        said = f"is {reason[:20]}" if reason else "is missing"
        return Fault(f"the reasonCode {said}; expected {next(iter(fitting))}", "/2/statusInfo", key=next(iter(fitting)))

    def _fitting(self, one: Payload) -> Iterator[str]:
        """Yield the reasons for which a station must reject this profile."""
        purpose = string(one, "chargingProfilePurpose") or ""
        listed = (self._configuration.anywhere("V2XChargingCtrlr", "SupportedOperationModes") or "").split(",")
        modes = {each.strip() for each in listed} - {""}
        for schedule in elements(one, "chargingSchedule"):
            for period in elements(schedule, "chargingSchedulePeriod"):
                mode = string(period, "operationMode") or "ChargingOnly"
                given = any(name in period for name in _LIMITS)
                if mode == "LocalFrequency":
                    if "v2xBaseline" not in period or len(elements(period, "v2xFreqWattCurve")) < 2:
                        yield "NoFreqWattCurve"
                    if given:
                        yield "InvalidSchedule"
                elif mode == "Idle" and given:
                    yield "InvalidSchedule"
                elif mode == "LocalLoadBalancing" and modes and mode not in modes:
                    yield "UnsupportedParam"
                if mode not in _MODES.get(purpose, (mode,)):
                    yield "InvalidOperationMode"
                if any(name in period for name in _PHASES) and (purpose != "TxProfile" or "limit" not in period):
                    yield "PhaseConflict"
