"""What becomes of the transactions of an OCPP 2.1 station that was interrupted."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import duration, since
from inspector.rules.fields import member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise, ongoing
from inspector.rules.rule import CLOSED, DEADLINE, V21, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transaction2x, Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, csms, script, started, status_2x, transaction_event
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent
from inspector.rules.topics.transactions.deauthorization_v2x import Deauthorization2x

INTERRUPTIONS = frozenset({"PowerUp", "Watchdog"})
"""The reasons of a boot after which transactions are resumed or ended."""
MARGIN_S = 30.0
"""A station may boot, and its connection may be lost, this long after it was interrupted."""


def _set(name: str, value: str, component: str = "TxCtrlr", instance: str | None = None) -> str:
    at = {"component": {"name": component}, "variable": {"name": name, **({"instance": instance} if instance else {})}}
    told = {"attributeStatus": "Accepted", "attributeValue": value, **at}
    return csms("GetVariables", {"getVariableData": [at]}, {"getVariableResult": [told]})


_CHARGING = {"chargingState": "Charging"}
_AGAIN = BOOT_2X.replace('"b"', '"b2"') + status_2x("Occupied").replace('"#"', '"s2"')
_BEFORE = (BOOT_2X, status_2x("Occupied"), started(_CHARGING))


def _resumed(state: str | None = "Charging", kind: str = "Updated") -> str:
    return transaction_event(kind, "TxResumed", 1, {"chargingState": state} if state else {})


_ENDED = transaction_event("Ended", "AbnormalCondition", 1, {"stoppedReason": "PowerLoss"})
_PROFILE = sent(profile("TxProfile", transactionId="t1"))


class Resumed21(Topic):
    """Rules about interrupted transactions."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._limited: Known[str, None] = Known()  # transactions with an accepted TxProfile
        self._heard_s: float | None = None  # when the last connection was heard of last, in seconds since 1970
        self._away: tuple[float, float] | None = None  # the shortest and the longest that the interruption lasted
        self._booted_s: float | None = None  # when the station booted last, in seconds since 1970
        self._why: str | None = None  # the reason of the last boot
        self._sent_ns: int | None = None  # when the station sent its latest message, on the monotonic clock
        self._interrupted: Known[str, None] = Known()  # ids of transactions open at a boot without a new connection
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)
        self._states = self.station.topic(Deauthorization2x)
        self.station.topic(ChargingProfiles)

    @rule(
        "transaction-event.resumed",
        call("TransactionEvent"),
        title="A transaction is resumed, or ended, otherwise than the configuration wants after an interruption",
        severity=Severity.WARNING,
        spec="OCPP 2.1 E17.FR.02, E17.FR.10, E17.FR.12, E17.FR.14, E17.FR.20, E17.FR.21, E17.FR.22",
        remedy="Send Updated with TxResumed and chargingState where the interruption was not longer than "
        "TxResumptionTimeout, otherwise Ended. Resume without charging where TxAllowEnergyTransferResumption is false.",
        bad=script(*_BEFORE, "close", "+ 10s", _AGAIN, _resumed(None)),
        good=script(*_BEFORE, "close", "+ 10s", _AGAIN, _resumed()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def resumed(self, frame: Frame) -> Faults:
        told = self._transactions.event
        if told is None:
            return None
        again = told.trigger == "TxResumed"
        limit_s = self._configuration.variable_number("TxCtrlr", "TxResumptionTimeout") if self._away else None
        if again:
            if told.kind != "Updated" or "chargingState" not in told.info:
                lacks = "chargingState is missing" if told.kind == "Updated" else f"the event is {told.kind}"
                return Fault(f"triggerReason is TxResumed, but {lacks}", "/3")
            allowed = self._configuration.variable("TxCtrlr", "TxAllowEnergyTransferResumption") or ""
            charges = told.info["chargingState"] == "Charging"
            if self._away is not None and charges and allowed.lower() == "false":
                text = "TxResumed with the state Charging, but TxAllowEnergyTransferResumption is false"
                return Fault(text, "/3/transactionInfo/chargingState")
        name = told.transaction.transaction_id
        if limit_s is None or self._away is None:
            return None
        if name not in self._interrupted and told.connection_before == self._evidence.connections:
            return None
        happened, longest = seconds(told.timestamp), self._away[1]
        since = self._booted_s if self.session.dated else None
        later = happened is not None and since is not None and happened > since - 1 and not told.offline
        if later and told.kind == "Updated" and not again and longest < limit_s and told.transaction.started:
            self._interrupted.pop(name, None)
            text = f"the first event after the interruption has the trigger {told.trigger}; expected TxResumed"
            return Fault(text, "/3/triggerReason", key=name)
        if again or told.kind == "Ended":
            self._interrupted.pop(name, None)
        shortest, longest = self._away
        if again and shortest > limit_s + MARGIN_S:
            text = f"resumed after {duration(shortest)}; TxResumptionTimeout is {duration(limit_s)}: expected Ended"
            return Fault(text, "/3/triggerReason", key=name)
        reason = string(told.info, "stoppedReason")
        if told.kind == "Ended" and told.trigger == "AbnormalCondition" and shortest > limit_s + MARGIN_S:
            expected = "Reboot" if self._why == "Watchdog" else "PowerLoss"
            if reason != expected:
                text = f"Ended with stoppedReason {reason or 'missing'} after a boot with {self._why}"
                return Fault(f"{text}; expected {expected}", "/3/transactionInfo/stoppedReason", key=name)
        if told.kind == "Ended" and reason in ("PowerLoss", "Reboot") and longest < limit_s:
            text = f"Ended after an interruption of {duration(longest)} at most; TxResumptionTimeout is "
            return Fault(text + duration(limit_s), "/3/eventType", key=name)
        return None

    @rule(
        "transaction-event.interrupted",
        DEADLINE,
        title="A transaction is neither resumed nor ended after an interruption",
        severity=Severity.WARNING,
        spec="OCPP 2.1 E17.FR.01, E17.FR.10, E17.FR.14, E17.FR.20, E17.FR.21, E17.FR.22",
        remedy="After a restart send TxResumed or Ended for each transaction that was open before.",
        bad=script(*_BEFORE, "close", "+ 10s", _AGAIN, "+ 5m"),
        good=script(*_BEFORE, "close", "+ 10s", _AGAIN, _ENDED, "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def interrupted(self, moment: Moment, one: Transaction2x, connection: int, frame: Frame) -> Faults:
        if not one.open or one.connection >= connection or self.session not in self.station.sessions:
            return None
        wait = since(frame, moment)
        text = f"{one} was open before the restart, but has no event within {wait} of it"
        return Fault(text, "/3/reason", frame=frame.call, key=one.transaction_id)

    profile_again = Promise(
        "profile.not-sent-again",
        "TransactionEvent",
        promised=lambda topic, frame: topic.wants_profile(frame),
        kept_by=call("SetChargingProfile"),
        keeps=lambda topic, frame: string(member(frame.payload, "chargingProfile"), "transactionId"),
        excused=lambda topic, frame: (
            ongoing(topic, string(member(frame.request, "transactionInfo"), "transactionId")) is False
        ),
        at_close=AtClose.LATE,
        text="{key} was resumed, but its TxProfile did not come again within {wait}",
        title="The CSMS does not send the profile of a resumed transaction again",
        severity=Severity.WARNING,
        spec="OCPP 2.1 E17.FR.15",
        remedy="Send the TxProfile again after TxResumed where the station does not keep it.",
        bad=script(
            *_BEFORE,
            _set("ChargingProfilePersistence", "false", "SmartChargingCtrlr", "TxProfile"),
            _PROFILE,
            "close",
            _AGAIN,
            _resumed(),
            "+ 5m",
        ),
        good=script(
            *_BEFORE,
            _set("ChargingProfilePersistence", "false", "SmartChargingCtrlr", "TxProfile"),
            _PROFILE,
            "close",
            _AGAIN,
            _resumed(),
            _PROFILE,
            "+ 5m",
        ),
        versions=V21,
        side=Side.CSMS,
    )

    def wants_profile(self, frame: Frame) -> str | None:
        """The transaction whose profile the CSMS has to send again after this answer."""
        if frame.request.get("triggerReason") != "TxResumed" or self._away is None:
            return None
        name = string(member(frame.request, "transactionInfo"), "transactionId")
        kept = self._configuration.variable("SmartChargingCtrlr", "ChargingProfilePersistence", None, "TxProfile")
        return name if name in self._limited and (kept or "").lower() == "false" else None

    @track(result("SetChargingProfile"))
    def profile_set(self, frame: Frame) -> None:
        name = string(member(frame.request, "chargingProfile"), "transactionId")
        if name is not None and frame.payload.get("status") == "Accepted":
            self._limited.note(name, None)

    @track(CLOSED)
    def closed(self, session: SessionContext, moment: Moment) -> None:
        silent_ns = moment.mono_ns - session.heard_ns if session.heard_ns is not None else 0
        self._heard_s = (moment.ts_ns - max(silent_ns, 0)) / 1e9

    @track(call("Heartbeat", "MeterValues", "NotifyEvent", "StatusNotification", "TransactionEvent"))
    def heard(self, frame: Frame) -> None:
        self._sent_ns = frame.mono_ns

    @track(result("BootNotification"))
    def booted(self, frame: Frame) -> None:
        interrupted = string(frame.request, "reason") in INTERRUPTIONS and frame.payload.get("status") == "Accepted"
        before = self._away[1] if self._away is not None and self._interrupted else 0.0
        self._away, self._why = None, string(frame.request, "reason")
        self._interrupted.clear()
        self._booted_s = (frame.call or frame).ts_ns / 1e9
        if not interrupted:
            return
        here = self._evidence.connections
        again = [one.transaction_id for one in self._transactions.open_transactions() if one.connection == here]
        if again and self._sent_ns is not None:  # traces and logs often have no end of the connection
            self._away = 0.0, max(((frame.call or frame).mono_ns - self._sent_ns) / 1e9, before)
            for name in again:
                self._interrupted.note(name, None)
            return
        if self._evidence.connections < 2:
            return
        offline_ns, heard_s = self._evidence.offline_from_ns, self._heard_s
        if offline_ns is not None and heard_s is not None:
            now_s = (frame.call or frame).ts_ns / 1e9
            self._away = max(now_s - offline_ns / 1e9, 0.0), now_s - heard_s
        for one in self._transactions.open_transactions():
            if one.connection == self._evidence.connections - 1 and one.started is not None:
                wait = self.settings.effect_timeout_s
                self.station.deadline(
                    frame, wait, self.interrupted, one, self._evidence.connections, frame, at_close=AtClose.LATE
                )

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._heard_s = self._away = None
