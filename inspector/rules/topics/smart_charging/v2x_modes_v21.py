"""Modes of operation of an OCPP 2.1 station: which it supports and reports, and what it must refuse (block Q)."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, NOW, Payload, cp, csms, script, started, transaction_event
from inspector.rules.topics.provisioning.reports_v2x import Reports2x
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

V2X = "V2XChargingCtrlr"
LEAST = frozenset({"ChargingOnly", "CentralSetpoint", "CentralFrequency"})
"""The modes that every such station supports."""
WANTED = {V2X: ("SupportedOperationModes", "SupportedEnergyTransferModes")}
CAR = ("Available", "VehicleId", "VehicleCertificate", "ProtocolAgreed", "ProtocolSupportedByEV")
EXTERNAL = frozenset({"ExternalLimits", "ExternalSetpoint", "ChargingOnly"})
KINDS = {"Started": "TxStartedMeasurands", "Updated": "TxUpdatedMeasurands", "Ended": "TxEndedMeasurands"}
_DEFAULT = "Energy.Active.Import.Register"


def _at(variable: str, component: str = V2X, instance: str | None = None) -> Payload:
    named = {"name": variable, **({"instance": instance} if instance else {})}
    return {"component": {"name": component}, "variable": named}


def _got(value: str | None, at: Payload) -> str:
    told = {"attributeStatus": "Accepted", "attributeValue": value} if value else {"attributeStatus": "UnknownVariable"}
    return csms("GetVariables", {"getVariableData": [at]}, {"getVariableResult": [{**told, **at}]})


def _mode(mode: str, status: str = "Accepted", **more: Any) -> str:
    period = {"operationMode": mode, "limit": None, **more}
    one = profile("TxProfile", transactionId="t1", period=period)
    periods = one["chargingSchedule"][0]["chargingSchedulePeriod"]
    one["chargingSchedule"][0]["chargingSchedulePeriod"] = [
        {k: v for k, v in p.items() if v is not None} for p in periods
    ]
    one["chargingSchedule"][0]["chargingRateUnit"] = "W"
    return sent(one, status=status)


def _signal(status: str) -> str:
    return csms("AFRRSignal", {"timestamp": NOW, "signal": 3}, {"status": status})


def _limit() -> str:
    return cp("NotifyChargingLimit", {"evseId": 1, "chargingLimit": {"chargingLimitSource": "EMS"}})


def _external(mode: str) -> str:
    one = profile("ChargingStationExternalConstraints", period={"operationMode": mode})
    told = {"requestId": 3, "chargingLimitSource": "EMS", "evseId": 0, "tbc": False, "chargingProfile": [one]}
    return csms("GetChargingProfiles", {"requestId": 3, "chargingProfile": {"chargingLimitSource": ["EMS"]}}) + cp(
        "ReportChargingProfiles", told
    ).replace('"#"', '"r"')


_MODES = _at("SupportedOperationModes")
_DISALLOWED = _at("ExternalConstraintsProfileDisallowed", "SmartChargingCtrlr")
_MEASURANDS = _at("TxUpdatedMeasurands", instance="CentralSetpoint")
_SAMPLE = [{"timestamp": NOW, "sampledValue": [{"value": 1.0, "measurand": "Power.Active.Export"}]}]


class Modes21(Topic):
    """Rules about modes of operation."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._modes: Known[str, str] = Known()  # by transaction: the only mode of its profile
        self._curves = False  # whether a profile with a curve for aFRR signals was accepted since the boot
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)
        self._profiles = self.station.topic(ChargingProfiles)
        self._transactions = self.station.topic(Transactions2x)

    def _two_way(self) -> bool:
        """Whether the station has told that it can discharge cars."""
        return (self._configuration.anywhere(V2X, "Enabled") or "").lower() == "true"

    @rule(
        "v2x.not-reported",
        result("GetVariables"),
        call("NotifyReport"),
        title="A station that can discharge cars does not report what it supports",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q01.FR.30, Q01.FR.32, Q01.FR.36",
        remedy="Report SupportedOperationModes and SupportedEnergyTransferModes of V2XChargingCtrlr, and ConnectedEV.",
        bad=script(_got("true", _at("Enabled")), _got(None, _MODES)),
        good=script(_got("true", _at("Enabled")), _got("ChargingOnly,CentralSetpoint,CentralFrequency", _MODES)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_reported(self, frame: Frame) -> Faults:
        if frame.action == "NotifyReport":
            return self._not_in_report(frame)
        for index, entry in enumerate(elements(frame.payload, "getVariableResult")):
            status = string(entry, "attributeStatus")
            if status not in ("UnknownVariable", "UnknownComponent"):
                continue
            component, name = string(member(entry, "component"), "name"), string(member(entry, "variable"), "name")
            if name in WANTED.get(component or "", ()) and status == "UnknownVariable":
                return Fault(f"{component}.{name} is unknown", f"/2/getVariableResult/{index}", key=name or "")
            if component == "ConnectedEV" and name in CAR and self._two_way():
                return Fault(f"{component}.{name} is unknown", f"/2/getVariableResult/{index}", key=name or "")
        return None

    def _not_in_report(self, frame: Frame) -> Faults:
        report = self.station.topic(Reports2x).reports.get(("NotifyReport", integer(frame.payload, "requestId") or 0))
        if frame.payload.get("tbc") is True or report is None or not self._two_way():
            return None
        if report.asked.payload.get("reportBase") != "FullInventory" or self._evidence.seen_since is None:
            return None
        missing = [name for name in WANTED[V2X] if self._configuration.anywhere(V2X, name) is None]
        if missing:
            return Fault(f"the full inventory has no {V2X}.{missing[0]}", "/3", key=missing[0])
        if all(name[0] != "connectedev" for name in self._configuration.settings_2x):
            # A hint: the station may have the component only while a car is connected.
            text = "the full inventory has no component ConnectedEV"
            return Fault(text, "/3", severity=Severity.INFO, key="ConnectedEV")
        return None

    @rule(
        "v2x.too-few-modes",
        result("GetVariables"),
        call("NotifyReport"),
        title="A station that can discharge cars lacks a mode of operation that each such station supports",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q01.FR.31",
        remedy="Support ChargingOnly, CentralSetpoint and CentralFrequency, and list them.",
        bad=script(_got("ChargingOnly,CentralSetpoint", _MODES)),
        good=script(_got("ChargingOnly,CentralSetpoint,CentralFrequency", _MODES)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def too_few_modes(self, frame: Frame) -> Faults:
        name = "getVariableResult" if frame.call is not None else "reportData"
        for entry in elements(frame.payload, name):
            if string(member(entry, "variable"), "name") != "SupportedOperationModes":
                continue
            listed = self._listed()
            missing = sorted(LEAST - listed) if listed else []
            if missing:
                return Fault(f"SupportedOperationModes has no {' and no '.join(missing)}", f"/{3 - (name[0] == 'g')}")
        return None

    def _listed(self) -> set[str]:
        told = self._configuration.anywhere(V2X, "SupportedOperationModes") or ""
        return {one.strip() for one in told.split(",")[:50] if one.strip()}

    @rule(
        "v2x.load-balancing",
        result("SetChargingProfile"),
        title="Local load balancing is accepted although the station does not support it or lacks its thresholds",
        severity=Severity.ERROR,
        spec="OCPP 2.1 Q09.FR.01, Q09.FR.02",
        remedy="Answer Rejected (UnsupportedParam, or MissingDevModelInfo where the thresholds are not set).",
        bad=script(_got("ChargingOnly,CentralSetpoint,CentralFrequency", _MODES), _mode("LocalLoadBalancing")),
        good=script(
            _got("ChargingOnly,CentralSetpoint,CentralFrequency", _MODES), _mode("LocalLoadBalancing", "Rejected")
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def load_balancing(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted" or "LocalLoadBalancing" not in _modes_of(frame.request):
            return None
        listed = self._listed()
        if listed and "LocalLoadBalancing" not in listed:
            return Fault("Accepted, but SupportedOperationModes has no LocalLoadBalancing", "/2/status")
        upper, lower = self._threshold("UpperThreshold"), self._threshold("LowerThreshold")
        if upper is not None and lower is not None and upper <= lower:
            return Fault(f"Accepted, but UpperThreshold {upper} is not above LowerThreshold {lower}", "/2/status")
        for name in ("UpperThreshold", "LowerThreshold", "UpperOffset", "LowerOffset"):
            if self._configuration.anywhere(V2X, "LocalLoadBalancing", name) == "":
                return Fault(f"Accepted, but LocalLoadBalancing has no {name}", "/2/status")
        return None

    def _threshold(self, name: str) -> float | None:
        try:
            return float((self._configuration.anywhere(V2X, "LocalLoadBalancing", name) or "")[:30])
        except ValueError:
            return None

    @rule(
        "v2x.signal",
        result("AFRRSignal"),
        title="An aFRR signal is accepted although no charging profile uses it",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q08.FR.11",
        remedy="Answer Rejected (NoSignalWattCurve) while no period with LocalFrequency and v2xSignalWattCurve is "
        "active.",
        bad=script(BOOT_2X, _signal("Accepted")),
        good=script(BOOT_2X, _signal("Rejected")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def signal(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted" or self._curves:
            return None
        if self._evidence.seen_since is None and not self._profiles.accepted:
            return None
        return Fault("Accepted, but no accepted profile has a v2xSignalWattCurve", "/2/status")

    @rule(
        "v2x.external-refused",
        call("NotifyChargingLimit", "ReportChargingProfiles"),
        title="A limit of an external system is used although such limits are not allowed",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q06.FR.08, K11.FR.07",
        remedy="Refuse limits and setpoints of external systems while ExternalConstraintsProfileDisallowed is true.",
        bad=script(_got("true", _DISALLOWED), _limit()),
        good=script(_got("false", _DISALLOWED), _limit()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def external_refused(self, frame: Frame) -> Faults:
        told = self._configuration.variable("SmartChargingCtrlr", "ExternalConstraintsProfileDisallowed")
        if (told or "").lower() != "true":
            return None
        if frame.action == "ReportChargingProfiles" and not any(
            one.get("chargingProfilePurpose") == "ChargingStationExternalConstraints"
            for one in elements(frame.payload, "chargingProfile")
        ):
            return None
        return Fault("a limit of an external system, but ExternalConstraintsProfileDisallowed is true", "/3")

    @rule(
        "v2x.external-mode",
        call("ReportChargingProfiles"),
        title="A profile of an external system has another mode, kind or number of periods than such profiles have",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q06.FR.01, Q06.FR.02, Q06.FR.03, Q06.FR.04, K01.FR.112, K29.FR.04",
        remedy="Use ExternalLimits or ExternalSetpoint, and the kind Absolute, or Dynamic with one period.",
        bad=script(_external("CentralSetpoint")),
        good=script(_external("ExternalLimits")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def external_mode(self, frame: Frame) -> Faults:
        for index, one in enumerate(elements(frame.payload, "chargingProfile")):
            if one.get("chargingProfilePurpose") != "ChargingStationExternalConstraints":
                continue
            at, modes = f"/3/chargingProfile/{index}", _modes_of({"chargingProfile": one})
            if wrong := sorted(mode for mode in modes if mode not in EXTERNAL):
                return Fault(f"a profile of an external system with the operationMode {wrong[0]}", at)
            if one.get("chargingProfileKind") == "Dynamic":
                schedules = elements(one, "chargingSchedule")
                count = sum(len(elements(schedule, "chargingSchedulePeriod")) for schedule in schedules)
                if count > 1:
                    return Fault(f"a Dynamic profile of an external system with {count} periods", at, key="periods")
                if "ChargingOnly" in modes:
                    text = "a Dynamic profile of an external system with the operationMode ChargingOnly"
                    return Fault(text, at, key="dynamic", severity=Severity.INFO)  # only Q06 forbids it
            if modes & {"ExternalLimits", "ExternalSetpoint"} and one.get("chargingProfileKind") == "Recurring":
                return Fault("a profile of an external system of kind Recurring", at, key="kind")
        return None

    @rule(
        "v2x.measurands",
        call("TransactionEvent"),
        title="An event lacks the measurands that are set for its mode of operation",
        severity=Severity.WARNING,
        spec="OCPP 2.1 Q01.FR.33, Q01.FR.34, Q01.FR.35",
        remedy="Send the measurands of V2XChargingCtrlr for the current mode beside those of SampledDataCtrlr.",
        bad=script(
            _got("Power.Active.Export", _MEASURANDS),
            started(),
            _mode("CentralSetpoint", setpoint=-2000),
            transaction_event("Updated", "MeterValuePeriodic", 1),
        ),
        good=script(
            _got("Power.Active.Export", _MEASURANDS),
            started(),
            _mode("CentralSetpoint", setpoint=-2000),
            transaction_event("Updated", "MeterValuePeriodic", 1, meterValue=_SAMPLE),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._modes,
    )
    def measurands(self, frame: Frame) -> Faults:
        event = self._transactions.event
        mode = self._modes.get(event.transaction.transaction_id) if event is not None else None
        if event is None or mode is None or event.repeated or event.offline:
            return None
        mode = string(event.info, "operationMode") or mode
        variable = KINDS.get(event.kind or "")
        if variable is None or (event.kind == "Updated" and event.trigger != "MeterValuePeriodic"):
            return None
        listed = self._configuration.anywhere(V2X, variable, mode) or ""
        wanted = {name.strip() for name in listed.split(",")[:100] if name.strip()}
        samples = (s for value in elements(frame.payload, "meterValue") for s in elements(value, "sampledValue"))
        missing = sorted(wanted - {string(sample, "measurand") or _DEFAULT for sample in samples}) if wanted else []
        if not missing or (event.kind == "Updated" and len(missing) < len(wanted)):
            return None  # periodic values may be split over several messages
        text = f"{event.kind} without {', '.join(missing)[:200]}, which {variable} lists for {mode}"
        return Fault(text, "/3", key=event.kind or "")

    @track(result("SetChargingProfile"))
    def profile_set(self, frame: Frame) -> None:
        one = member(frame.request, "chargingProfile")
        if frame.payload.get("status") != "Accepted":
            return
        for schedule in elements(one, "chargingSchedule"):
            for period in elements(schedule, "chargingSchedulePeriod"):
                self._curves = self._curves or "v2xSignalWattCurve" in period
        name, modes = string(one, "transactionId"), _modes_of(frame.request)
        if name is not None and one.get("chargingProfilePurpose") == "TxProfile":
            self._modes.pop(name, None)
            if len(modes) == 1:
                self._modes.note(name, next(iter(modes)))
            self.station.refresh_listeners()


def _modes_of(payload: dict[str, Any]) -> set[str]:
    """The modes of the periods of a profile; those that are left out are ChargingOnly."""
    return {
        string(period, "operationMode") or "ChargingOnly"
        for schedule in elements(member(payload, "chargingProfile"), "chargingSchedule")
        for period in elements(schedule, "chargingSchedulePeriod")
    }
