"""Battery swap stations of OCPP 2.1: who may swap, the slots, and the transactions that charge the batteries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import Payload, cp, csms, script, status_2x, transaction_event

TOKEN: Payload = {"idToken": "T", "type": "ISO14443"}
_NOBODY: Payload = {"idToken": "", "type": "NoAuthorization"}
_CONTROLLER = "BatterySwapCtrlr"
_POINT = "EVConnected"


def swapped(kind: str = "BatteryIn", evse: int = 1) -> str:
    """Return a BatterySwap of one battery, and its answer."""
    battery = {"evseId": evse, "serialNumber": "B1", "soC": 20, "soH": 95}
    return cp("BatterySwap", {"eventType": kind, "requestId": 7, "idToken": TOKEN, "batteryData": [battery]})


def charged(info: Payload | None = None, trigger: str = "CablePluggedIn", token: Payload | None = None) -> str:
    """Return the Started of the transaction that charges the battery in slot 1."""
    state = {"chargingState": "Charging", **(info or {})}
    return transaction_event(
        "Started", trigger, 0, state, evse={"id": 1, "connectorId": 1}, idToken=token or _NOBODY, answer=_TOLD
    )


_TOLD: Payload = {"idTokenInfo": {"status": "Accepted"}}


def _refused(status: str = "Blocked") -> str:
    return cp("Authorize", {"idToken": TOKEN}, {"idTokenInfo": {"status": status}})


def set_variable(component: str, **values: str) -> str:
    """SetVariables of some variables of a component, all accepted."""
    places = [{"component": {"name": component}, "variable": {"name": name}} for name in values]
    asked = [{**place, "attributeValue": value} for place, value in zip(places, values.values(), strict=True)]
    told = [{**place, "attributeStatus": "Accepted"} for place in places]
    return csms("SetVariables", {"setVariableData": asked}, {"setVariableResult": told})


def _timeout(seconds: int) -> str:
    place = {"component": {"name": _CONTROLLER}, "variable": {"name": "Timeout", "instance": "In"}}
    asked, told = {**place, "attributeValue": str(seconds)}, {**place, "attributeStatus": "Accepted"}
    return csms("SetVariables", {"setVariableData": [asked]}, {"setVariableResult": [told]})


LATE_S = 30.0
"""A battery may come in so long after the timeout, because the driver was at work."""
RECENT_S = 600.0
"""A token that was authorized so recently is the one that a swap is for."""


class BatterySlots21(Topic):
    """Rules about slots.

    Attributes:
        inside: when (monotonic) a battery was put into each slot that has one.
    """

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self.inside: Known[int, int] = Known()
        self._latest: Known[int, Frame] = Known()  # the latest swap of each slot
        self._refused: Known[str, str] = Known()  # status of tokens that were refused last, in lower case
        self._allowed_ns: Known[str, int] = Known()  # when (monotonic) tokens were accepted last, in lower case
        self._evses = self.station.topic(Evses2x)
        self._transactions = self.station.topic(Transactions2x)
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    @rule(
        "battery.not-authorized",
        call("RequestBatterySwap", "BatterySwap"),
        title="A battery swap for a token that was refused",
        severity=Severity.ERROR,
        spec="OCPP 2.1 S02.FR.03, S03.FR.01",
        remedy="Swap batteries only for a token whose authorization is accepted.",
        bad=script(_refused(), csms("RequestBatterySwap", {"requestId": 7, "idToken": TOKEN}, {"status": "Rejected"})),
        good=script(_refused("Accepted"), csms("RequestBatterySwap", {"requestId": 7, "idToken": TOKEN})),
        versions=V21,
    )
    def not_authorized(self, frame: Frame) -> Faults:
        token = string(member(frame.payload, "idToken"), "idToken")
        if token is None or frame.payload.get("eventType") not in (None, "BatteryIn"):
            return None
        status = self._refused.get(token.lower())
        if status is not None:
            return Fault(f"the token was answered with {status[:30]}", "/3/idToken")
        if frame.action != "BatterySwap" or token.lower() in self._allowed_ns or self._evidence.seen_since is None:
            return None
        recent = [name for name, at in self._allowed_ns.items() if frame.mono_ns - at < RECENT_S * 1e9]
        text = "no answer has authorized the token since the boot"
        if recent:
            return Fault(f"{text}; another one was authorized", "/3/idToken", key="other")
        return Fault(text, "/3/idToken", key="unknown", severity=Severity.INFO)  # the station may know it itself

    @track(result("Authorize"))
    def authorized(self, frame: Frame) -> None:
        token = string(member(frame.request, "idToken"), "idToken")
        status = string(member(frame.payload, "idTokenInfo"), "status")
        if token is None or status is None:
            return
        self._refused.pop(token.lower(), None)
        if status != "Accepted":
            self._refused.note(token.lower(), status)
        else:
            self._allowed_ns.note(token.lower(), frame.mono_ns)

    @rule(
        "battery.too-late",
        call("BatterySwap"),
        title="A battery is put in after the timeout of the swap",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S01.FR.02, S02.FR.05",
        remedy="End the authorization when no battery comes in within Timeout[In] of BatterySwapCtrlr.",
        bad=script(_timeout(60), _refused("Accepted"), "+ 10m", swapped()),
        good=script(_timeout(60), _refused("Accepted"), swapped()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def too_late(self, frame: Frame) -> Faults:
        token = string(member(frame.payload, "idToken"), "idToken")
        if token is None or frame.payload.get("eventType") != "BatteryIn":
            return None
        since_ns = self._allowed_ns.get(token.lower())
        most = self._configuration.variable(_CONTROLLER, "Timeout", None, "In")
        if since_ns is None or most is None or not most.isdecimal() or len(most) > 9:
            return None
        late = (frame.mono_ns - since_ns) / 1e9 - int(most)
        if late <= LATE_S:
            return None
        return Fault(f"the battery comes in {duration(late)} after Timeout[In], which is {most} s", "/3")

    @track(result("RequestBatterySwap"))
    def requested(self, frame: Frame) -> None:
        token = string(member(frame.request, "idToken"), "idToken")
        if token is not None and frame.payload.get("status") == "Accepted":
            self._allowed_ns.note(token.lower(), frame.mono_ns)

    @rule(
        "battery.slot-number",
        call("BatterySwap"),
        title="A battery swap names a slot that cannot exist",
        severity=Severity.ERROR,
        spec="OCPP 2.1 S03.FR.01, S03.FR.03",
        remedy="Set evseId to the number of the slot; the first one is 1.",
        bad=script(swapped(evse=0)),
        good=script(swapped()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def slot_number(self, frame: Frame) -> Faults:
        for index, battery in enumerate(elements(frame.payload, "batteryData")):
            evse = integer(battery, "evseId")
            if evse is not None and evse < 1:
                return Fault(f"evseId is {evse}; the lowest number is 1", f"/3/batteryData/{index}/evseId")
        return None

    @rule(
        "battery.tx-points",
        call("BatterySwap"),
        title="A battery swap station starts or stops transactions at another point than EVConnected",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S04.FR.08, S04.FR.09",
        remedy="Set TxStartPoint and TxStopPoint to EVConnected on a battery swap station.",
        bad=script(set_variable("TxCtrlr", TxStartPoint="PowerPathClosed"), swapped()),
        good=script(set_variable("TxCtrlr", TxStartPoint=_POINT, TxStopPoint=_POINT), swapped()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def tx_points(self, frame: Frame) -> Faults:
        for name in ("TxStartPoint", "TxStopPoint"):
            value = self._configuration.variable("TxCtrlr", name)
            if value is not None and value.strip() != _POINT:
                return Fault(f"{name} is {value[:60]}; expected {_POINT}", key=name)
        return None

    @rule(
        "battery.soc-limits",
        result("SetVariables", "GetVariables"),
        call("NotifyReport"),
        title="Batteries are charged to less than a swap requires",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S04.FR.10",
        remedy="Keep MaxSoc of BatterySwapCtrlr at or above its TargetSoc.",
        bad=script(set_variable(_CONTROLLER, TargetSoc="80", MaxSoc="70")),
        good=script(set_variable(_CONTROLLER, TargetSoc="80", MaxSoc="80")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def soc_limits(self, frame: Frame) -> Faults:
        least = self._configuration.variable_number(_CONTROLLER, "TargetSoc")
        most = self.max_soc() if least is not None else None
        if least is None or most is None or most >= least:
            return None
        return Fault(f"MaxSoc is {most}; TargetSoc is {least}", key=f"{most} {least}")

    def max_soc(self) -> int | None:
        """Return the state of charge that batteries are charged to, None where it is not known."""
        return self._configuration.variable_number(_CONTROLLER, "MaxSoc")

    @rule(
        "battery.slot-status",
        DEADLINE,
        title="A slot is not reported as occupied or available after a battery swap",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S03.FR.02, S03.FR.04",
        remedy="Send NotifyEvent with AvailabilityState Occupied after BatteryIn, Available after BatteryOut.",
        bad=script(swapped(), charged(), "+ 5m"),
        good=script(swapped(), charged(), status_2x("Occupied"), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def slot_status(self, moment: Moment, evse: int, frame: Frame) -> Faults:
        if self._latest.get(evse) is not frame or self.session not in self.station.sessions:
            return None
        wrong = "Available" if frame.payload.get("eventType") == "BatteryIn" else "Occupied"
        statuses = self._evses.status_of_evse(evse)
        if statuses - {wrong}:
            return None
        expected, wait = "Occupied" if wrong == "Available" else "Available", duration(self.settings.effect_timeout_s)
        text = f"slot {evse} has not been reported as {expected} within {wait}"
        return Fault(text, frame=frame, key=f"{evse} {expected}")

    @rule(
        "battery.not-charged",
        DEADLINE,
        title="No transaction starts for a battery that was put into a slot",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S04.FR.01, S04.FR.02, S04.FR.03",
        remedy="Send TransactionEvent Started for each battery that is put into a slot.",
        bad=script(swapped(), status_2x("Occupied"), "+ 5m"),
        good=script(swapped(), charged(), status_2x("Occupied"), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_charged(self, moment: Moment, evse: int, frame: Frame) -> Faults:
        if self._latest.get(evse) is not frame or self.session not in self.station.sessions:
            return None
        for one in self._transactions.by_id.values():
            if one.evse == evse and (one.open or (one.ended_ns or 0) > frame.mono_ns):
                return None
        wait = duration(self.settings.effect_timeout_s)
        return Fault(f"no transaction on slot {evse} has started within {wait}", frame=frame, key=str(evse))

    @rule(
        "battery.not-ended",
        DEADLINE,
        title="The transaction of a battery goes on although it was taken out",
        severity=Severity.ERROR,
        spec="OCPP 2.1 S04.FR.07",
        remedy="Send TransactionEvent Ended for a battery that is taken out of its slot.",
        bad=script(charged(), swapped(), status_2x("Occupied"), swapped("BatteryOut"), status_2x("Available"), "+ 5m"),
        good=script(
            charged(),
            swapped(),
            status_2x("Occupied"),
            transaction_event(
                "Ended", "EVCommunicationLost", 1, {"chargingState": "Idle", "stoppedReason": "EVDisconnected"}
            ),
            swapped("BatteryOut"),
            status_2x("Available"),
            "+ 5m",
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_ended(self, moment: Moment, evse: int, frame: Frame) -> Faults:
        if self._latest.get(evse) is not frame or self.session not in self.station.sessions:
            return None
        left = self._transactions.open_on(evse)
        if not left:
            return None
        wait = duration(self.settings.effect_timeout_s)
        text = f"{left[0]} has not ended within {wait} after BatteryOut"
        return Fault(text, frame=frame, key=left[0].transaction_id[:36])

    def _wait(self, frame: Frame, check: Callable[..., Any], *given: Any) -> None:
        self.station.deadline(frame, self.settings.effect_timeout_s, check, *given, at_close=AtClose.LATE)

    @track(call("BatterySwap"))
    def happened(self, frame: Frame) -> None:
        kind = frame.payload.get("eventType")
        if kind not in ("BatteryIn", "BatteryOut"):
            return
        self.station.refresh_listeners()
        for battery in elements(frame.payload, "batteryData")[:20]:
            evse = integer(battery, "evseId")
            if evse is None:
                continue
            self._latest.note(evse, frame)
            self._wait(frame, self.slot_status, evse, frame)
            if kind == "BatteryIn":
                self.inside.note(evse, frame.mono_ns)
                self._wait(frame, self.not_charged, evse, frame)
            else:
                self.inside.pop(evse, None)
                self._wait(frame, self.not_ended, evse, frame)

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._latest.clear()
