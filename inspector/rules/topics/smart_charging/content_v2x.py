"""Judge more of the content of charging profiles and schedules: transactions, setpoints, profiles of remote starts."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import NOW, Payload, csms, script
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_TOKEN = {"idToken": "T", "type": "Central"}


def _composite(**period: object) -> str:
    schedule = {"evseId": 1, "duration": 60, "scheduleStart": NOW, "chargingRateUnit": "W"}
    told = {**schedule, "chargingSchedulePeriod": [{"startPeriod": 0, **period}]}
    return csms("GetCompositeSchedule", {"evseId": 1, "duration": 60}, {"status": "Accepted", "schedule": told})


def _start(one: Payload, status: str) -> str:
    asked = {"remoteStartId": 1, "idToken": _TOKEN, "evseId": 1, "chargingProfile": one}
    return csms("RequestStartTransaction", asked, {"status": status})


class ProfileContent2x(Topic):
    """The rules about the content of profiles and schedules."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._smart = False  # whether the station has accepted a charging profile
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "profile.transaction-purpose",
        call("SetChargingProfile"),
        title="A charging profile for one transaction has the purpose of a default profile",
        severity=Severity.WARNING,
        spec="OCPP 2.x K02.FR.03; OCPP 2.x part 2, ChargingProfileType",
        remedy="Set chargingProfilePurpose to TxProfile, or leave transactionId out.",
        bad=script(sent(profile(transactionId="t1"))),
        good=script(sent(profile())),
        versions=V2X,
        side=Side.CSMS,
    )
    def transaction_purpose(self, frame: Frame) -> Faults:
        one = member(frame.payload, "chargingProfile")
        purpose = string(one, "chargingProfilePurpose")
        if "transactionId" not in one or purpose in (None, "TxProfile"):
            return None
        return Fault(f"a {purpose} with transactionId", "/3/chargingProfile/transactionId", key=purpose or "")

    @rule(
        "profile.start-accepted",
        result("RequestStartTransaction"),
        title="A remote start is accepted with a charging profile that is invalid",
        severity=Severity.WARNING,
        spec="OCPP 2.x K05.FR.05, F01.FR.26, F02.FR.27",
        remedy="Answer Rejected (InvalidProfile or InvalidSchedule) to a remote start whose profile is not a valid "
        "TxProfile.",
        bad=script(sent(profile()), _start(profile(), "Accepted")),
        good=script(sent(profile()), _start(profile("TxProfile", "Relative"), "Accepted")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def start_accepted(self, frame: Frame) -> Faults:
        one = member(frame.request, "chargingProfile")
        enabled = (self._configuration.variable("SmartChargingCtrlr", "Enabled") or "").lower()
        if frame.payload.get("status") != "Accepted" or not one or enabled == "false":
            return None
        if not self._smart and enabled != "true":
            return None  # a station without smart charging ignores the profile
        purpose = string(one, "chargingProfilePurpose")
        if purpose not in (None, "TxProfile"):
            return Fault(f"Accepted with a {purpose}; only a TxProfile is valid", "/2/status", key="purpose")
        for schedule in elements(one, "chargingSchedule"):
            periods = elements(schedule, "chargingSchedulePeriod")
            if periods and integer(periods[0], "startPeriod"):
                return Fault("Accepted with a schedule that does not begin at 0", "/2/status", key="start")
        return None

    @track(result("SetChargingProfile"))
    def profile_set(self, frame: Frame) -> None:
        self._smart = self._smart or frame.payload.get("status") == "Accepted"

    @rule(
        "profile.composite-setpoint",
        result("GetCompositeSchedule"),
        title="A setpoint of a composite schedule exceeds its limit",
        severity=Severity.ERROR,
        spec="OCPP 2.1 K08.FR.08",
        remedy="Cap a positive setpoint to limit, and a negative one to dischargeLimit.",
        bad=script(_composite(setpoint=9000, limit=7000)),
        good=script(_composite(setpoint=7000, limit=7000, dischargeLimit=-3000)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def composite_setpoint(self, frame: Frame) -> Faults:
        for index, period in enumerate(elements(member(frame.payload, "schedule"), "chargingSchedulePeriod")):
            for phase in ("", "_L2", "_L3"):
                wanted = period.get(f"setpoint{phase}")
                if not isinstance(wanted, int | float):
                    continue
                name = f"{'limit' if wanted > 0 else 'dischargeLimit'}{phase}"
                bound = period.get(name)
                if isinstance(bound, int | float) and abs(wanted) > abs(bound) + 0.05:
                    text = f"setpoint{phase} is {wanted}, but {name} is {bound}"
                    return Fault(text, f"/2/schedule/chargingSchedulePeriod/{index}/setpoint{phase}", key=name)
        return None
