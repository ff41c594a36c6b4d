"""Whether 1.6 meter values are those that the configuration asks for."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V16, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script

DEFAULT = "Energy.Active.Import.Register"
_STOP: Payload = {"transactionId": 7, "meterStop": 9, "timestamp": NOW}
_DATA = [{"timestamp": NOW, "sampledValue": [{"value": "9"}]}]


def _setting(key: str, value: str) -> str:
    return csms("ChangeConfiguration", {"key": key, "value": value}).replace('"#"', f'"{key}"')


_NONE = _setting("StopTxnSampledData", "") + _setting("StopTxnAlignedData", "")
_TWO = _setting("MeterValuesSampledData", f"{DEFAULT},Voltage")
_TRIGGER = csms("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})


def _triggered(*measurands: str) -> str:
    values = [{"value": "9", "measurand": one, "context": "Trigger"} for one in measurands]
    return cp("MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": NOW, "sampledValue": values}]})


class ConfiguredValues16(Topic):
    """Rules about the measurands in the configuration."""

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self._configuration = self.station.topic(ConfigurationState)
        self._triggered = False

    @rule(
        "meter.stop-data",
        call("StopTransaction"),
        title="StopTransaction has meter values although the configuration wants none",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §3.16.5",
        remedy="Leave out transactionData where StopTxnSampledData and StopTxnAlignedData are empty.",
        bad=script(_NONE, cp("StopTransaction", {**_STOP, "transactionData": _DATA})),
        good=script(_NONE, cp("StopTransaction", _STOP)),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def stop_data(self, frame: Frame) -> Faults:
        if not frame.payload.get("transactionData"):
            return None
        known = self._configuration
        if known.value("StopTxnSampledData") != "" or known.value("StopTxnAlignedData") != "":
            return None
        return Fault("transactionData is given, but StopTxnSampledData and StopTxnAlignedData are empty", "/3")

    @rule(
        "trigger.measurands",
        call("MeterValues"),
        title="Triggered meter values lack a measurand of the configuration",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.17",
        remedy="Send the latest value of every measurand in MeterValuesSampledData when MeterValues are triggered.",
        bad=script(_TWO, _TRIGGER, _triggered(DEFAULT)),
        good=script(_TWO, _TRIGGER, _triggered(DEFAULT, "Voltage")),
        versions=V16,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._triggered,
    )
    def measurands(self, frame: Frame) -> Faults:
        values = [one for entry in elements(frame.payload, "meterValue") for one in elements(entry, "sampledValue")]
        if not any(one.get("context") == "Trigger" for one in values):
            return None
        self._triggered = False
        self.station.refresh_listeners()
        told = {string(one, "measurand") or DEFAULT for one in values}
        wanted = (self._configuration.value("MeterValuesSampledData") or "").split(",")
        left = [name.strip() for name in wanted if name.strip() and name.strip() not in told]
        # An entry may name a phase too, as in Voltage.L1.
        left = [name for name in left if name.rpartition(".")[0] not in told]
        if not left:
            return None
        return Fault(f"{left[0][:50]} is missing, which MeterValuesSampledData has", "/3/meterValue", key=left[0][:50])

    @track(result("TriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        if frame.request.get("requestedMessage") == "MeterValues" and frame.payload.get("status") == "Accepted":
            self._triggered = True
            self.station.refresh_listeners()
