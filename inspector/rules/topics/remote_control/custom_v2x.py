"""Whether a 2.x station refuses custom triggers that it does not list, and what log status it sends."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import cp, csms, script

_TRIGGERS = {"component": {"name": "CustomizationCtrlr"}, "variable": {"name": "CustomTriggers"}}
_LISTED = csms(
    "GetVariables",
    {"getVariableData": [_TRIGGERS]},
    {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "Mine,Yours", **_TRIGGERS}]},
)
_GET_LOG = csms(
    "GetLog",
    {"requestId": 3, "logType": "SecurityLog", "log": {"remoteLocation": "ftp://example.com/"}},
    {"status": "Accepted", "filename": "a"},
)
_TRIGGER = csms("TriggerMessage", {"requestedMessage": "LogStatusNotification"})


def _custom(name: str, status: str) -> str:
    return csms("TriggerMessage", {"requestedMessage": "CustomTrigger", "customTrigger": name}, {"status": status})


def _log(status: str) -> str:
    return cp("LogStatusNotification", {"status": status, **({} if status == "Idle" else {"requestId": 3})})


class Custom2x(Topic):
    """Rules about answers to triggers."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._uploading = False
        self._asked = False  # whether the next log status was triggered during an upload
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "trigger.custom",
        result("TriggerMessage"),
        title="A custom trigger that the station does not list is not answered NotImplemented",
        severity=Severity.WARNING,
        spec="OCPP 2.1 F06.FR.18, F06.FR.19",
        remedy="Answer NotImplemented to a customTrigger that CustomTriggers does not list, and no other.",
        bad=script(_LISTED, _custom("Other", "Accepted")),
        good=script(_LISTED, _custom("Other", "NotImplemented")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def custom(self, frame: Frame) -> Faults:
        name, status = string(frame.request, "customTrigger"), string(frame.payload, "status")
        listed = self._configuration.variable("CustomizationCtrlr", "CustomTriggers")
        if frame.request.get("requestedMessage") != "CustomTrigger" or not listed or name is None or status is None:
            return None
        known = {one.strip() for one in listed.split(",")}
        if (name in known) is (status != "NotImplemented"):
            return None
        return Fault(f"{status} for the custom trigger {name[:50]!r}; the station lists {listed[:100]}", "/2/status")

    @rule(
        "log.not-uploading",
        call("LogStatusNotification"),
        title="A triggered log status is Idle although a log is being uploaded",
        severity=Severity.WARNING,
        spec="OCPP 2.x F06.FR.14",
        remedy="Answer the trigger with the status Uploading while a log is being uploaded.",
        bad=script(_GET_LOG, _log("Uploading"), _TRIGGER, _log("Idle")),
        good=script(_GET_LOG, _log("Uploading"), _TRIGGER, _log("Uploading")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def log_not_uploading(self, frame: Frame) -> Faults:
        status, asked = string(frame.payload, "status"), self._asked
        self._asked = False
        self._uploading = status == "Uploading" or (self._uploading and status == "Idle")
        if not asked or status != "Idle":
            return None
        return Fault("the status is Idle, but the last one was Uploading", "/3/status")

    @track(result("TriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        if frame.request.get("requestedMessage") == "LogStatusNotification":
            self._asked = self._uploading and frame.payload.get("status") == "Accepted"

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._uploading = self._asked = False
