"""Judge whether a charge point always says of the same messages that it has not implemented them."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.messages import CallError
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.fields import string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import Faults, Topic, call, refusal, result, rule, track
from inspector.rules.topics.example_frames import csms, script

_ACTIONS = ("TriggerMessage", "ExtendedTriggerMessage")
_NO = csms("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, {"status": "NotImplemented"})


class TriggerAnswers(Topic):
    """The rule about the answer NotImplemented."""

    scope = "station"

    def setup(self) -> None:
        self._lacking: Known[tuple[str, str], None] = Known()  # messages that were answered with NotImplemented
        self._answered = False  # whether a TriggerMessage was answered with a CALLRESULT

    @rule(
        "trigger.not-implemented",
        result(*_ACTIONS),
        refusal(*_ACTIONS),
        title="A message that the charge point has not implemented is not answered with NotImplemented",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.17; 2.x F06.FR.08",
        remedy="Answer a TriggerMessage for a message that is not implemented with the status NotImplemented.",
        bad=script(_NO, _NO.replace("NotImplemented", "Rejected")),
        good=script(_NO, _NO),
        side=Side.CHARGE_POINT,
    )
    def not_implemented(self, frame: Frame) -> Faults:
        wanted = _wanted(frame)
        if isinstance(frame.message, CallError):
            code = frame.message.error_code
            if code not in ("NotImplemented", "NotSupported"):
                return None
            if not self._answered and self.session.version is OcppVersion.V16:
                return None  # it may not have the action at all
            return Fault(f"CALLERROR {code}; expected a CALLRESULT with the status NotImplemented", "/2", key=wanted[0])
        status = string(frame.payload, "status")
        if status in ("Accepted", "Rejected") and wanted in self._lacking:
            name = wanted[1] or wanted[0]
            return Fault(f"{status} for {name[:50]}, which was NotImplemented before", "/2/status", key=name[:50])
        return None

    @track(result(*_ACTIONS))
    def answered(self, frame: Frame) -> None:
        self._answered = True
        if frame.payload.get("status") == "NotImplemented":
            self._lacking.note(_wanted(frame), None)

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._lacking.clear()  # it may have new firmware


def _wanted(frame: Frame) -> tuple[str, str]:
    asked = frame.request
    return string(asked, "requestedMessage") or "", string(asked, "customTrigger") or ""
