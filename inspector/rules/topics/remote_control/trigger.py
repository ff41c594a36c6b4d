"""Judge whether a triggered message comes, and whether it comes after the answer to the trigger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import since
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, Faults, Topic, call, refusal, result, rule, track
from inspector.rules.state.transactions_v2x import Transactions2x

TRIGGERS_LIMIT = 100

TRIGGERED: dict[str, tuple[str, ...]] = {
    "BootNotification": ("BootNotification",),
    "DiagnosticsStatusNotification": ("DiagnosticsStatusNotification",),
    "FirmwareStatusNotification": ("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
    "Heartbeat": ("Heartbeat",),
    "LogStatusNotification": ("LogStatusNotification",),
    "MeterValues": ("MeterValues",),
    "PublishFirmwareStatusNotification": ("PublishFirmwareStatusNotification",),
    "SignChargePointCertificate": ("SignCertificate",),
    "SignChargingStationCertificate": ("SignCertificate",),
    "SignCombinedCertificate": ("SignCertificate",),
    "SignV2GCertificate": ("SignCertificate",),
    "SignV2G20Certificate": ("SignCertificate",),
    "StatusNotification": ("StatusNotification", "NotifyEvent"),
    "TransactionEvent": ("TransactionEvent",),
}
"""For each requestedMessage, the actions that satisfy it. A CustomTrigger may request any message, so it is ignored."""
_ACTIONS = tuple(sorted({action for actions in TRIGGERED.values() for action in actions}))

_CALL = '< [2,"t","TriggerMessage",{"requestedMessage":"Heartbeat"}]\n'
_YES = '> [3,"t",{"status":"Accepted"}]\n'
_HEARTBEAT = '> [2,"h","Heartbeat",{}]\n< [3,"h",{"currentTime":"2026-01-01T12:00:00Z"}]\n'


@dataclass(slots=True, eq=False)
class Trigger:
    """A TriggerMessage whose message has not come yet."""

    session: SessionContext
    wanted: str
    asked: Frame
    accepted: Frame | None = None
    early: Frame | None = None  # the last requested message that came before the answer
    marked: bool = False  # whether this message says that it was triggered


def _fits(one: Trigger, frame: Frame) -> bool:
    """Return whether a StatusNotification or MeterValues may be about the connector (1.6) or EVSE (2.x) asked for."""
    if one.wanted not in ("StatusNotification", "MeterValues"):
        return True
    asked, told = one.asked.payload, frame.payload
    place = integer(member(asked, "evse"), "id") if "evse" in asked else integer(asked, "connectorId")
    name = "evseId" if "evse" in asked else "connectorId"
    return not place or name not in told or told[name] == place


class Triggers(Topic):
    """The rules about TriggerMessage and ExtendedTriggerMessage."""

    scope = "station"

    def setup(self) -> None:
        self._open: list[Trigger] = []

    @track(call("TriggerMessage", "ExtendedTriggerMessage"))
    def asked(self, frame: Frame) -> None:
        wanted = string(frame.payload, "requestedMessage")
        if wanted in TRIGGERED:
            self._open.append(Trigger(self.session, wanted, frame))
            del self._open[:-TRIGGERS_LIMIT]
            self.station.refresh_listeners()

    @track(result("TriggerMessage", "ExtendedTriggerMessage"))
    def answered(self, frame: Frame) -> None:
        one = next((one for one in self._open if one.asked is frame.call), None)
        if one is None:
            return
        if frame.payload.get("status") != "Accepted":
            self._open.remove(one)
            return
        one.accepted = frame
        self.station.deadline(frame, self.settings.effect_timeout_s, self.early, one, at_close=AtClose.JUDGED)
        self.station.deadline(frame, self.settings.effect_timeout_s, self.not_sent, one, at_close=AtClose.LATE)

    @track(refusal("TriggerMessage", "ExtendedTriggerMessage"))
    def refused(self, frame: Frame) -> None:
        self._open = [one for one in self._open if one.asked is not frame.call]

    @track(call(*_ACTIONS), dormant=lambda topic: not topic._open)
    def sent(self, frame: Frame) -> None:
        if not self._open:
            return
        meant = [one for one in self._open if frame.action in TRIGGERED[one.wanted] and _fits(one, frame)]
        promised = [one for one in meant if one.accepted is not None and not one.marked]
        if promised:
            self._open = [one for one in self._open if one not in promised]
            return
        for one in meant:
            if one.accepted is None and not one.marked:
                one.early, one.marked = frame, _marked(frame.payload)

    @rule(
        "trigger.early",
        DEADLINE,
        title="A triggered message comes before the answer to the trigger",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §5.17; 2.x F06.FR.04",
        remedy="Answer TriggerMessage first, then send the message.",
        bad=_CALL + _HEARTBEAT + _YES + "+ 5m",
        good=_CALL + _YES + _HEARTBEAT + "+ 5m",
        side=Side.CHARGE_POINT,
    )
    def early(self, moment: Moment, one: Trigger) -> Faults:
        # A message that does not say that it was triggered may have come by chance. If another one has followed the
        # answer, the trigger is no longer open here.
        if one not in self._open or one.early is None or one.session not in self.station.sessions:
            return None
        text = f"{one.early.action} came before the answer to its trigger"
        return Fault(text, frame=one.early)

    @rule(
        "trigger.not-sent",
        DEADLINE,
        title="A triggered message was accepted but is not sent",
        severity={
            OcppVersion.V16: Severity.WARNING,
            OcppVersion.V201: Severity.ERROR,
            OcppVersion.V21: Severity.ERROR,
        },
        spec="OCPP 1.6 §5.17; 2.x F06.FR.03, F06.FR.10",
        remedy="Send the message after accepting, or answer Rejected or NotImplemented.",
        bad=_CALL + _YES + "+ 5m",
        good=_CALL + _YES + _HEARTBEAT + "+ 5m",
        side=Side.CHARGE_POINT,
    )
    def not_sent(self, moment: Moment, one: Trigger) -> Faults:
        if one not in self._open:
            return None
        self._open.remove(one)
        if one.early is not None or one.session not in self.station.sessions:
            return None
        if one.wanted == "TransactionEvent" and not self.station.topic(Transactions2x).open_transactions():
            return None  # there is no transaction to report about
        assert one.accepted is not None
        text = f"{one.wanted} was triggered and accepted, but did not come within {since(one.accepted, moment)}"
        return Fault(text, "/2/status", frame=one.accepted, key=one.wanted)


def _marked(payload: dict[str, Any]) -> bool:
    """Return whether a message says that it was triggered. The status Idle is sent only after a trigger."""
    if payload.get("triggerReason") == "Trigger" or payload.get("status") == "Idle":
        return True
    return any(
        sample.get("context") == "Trigger"
        for value in elements(payload, "meterValue")
        for sample in elements(value, "sampledValue")
    )
