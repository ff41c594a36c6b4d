"""Judge battery swaps of OCPP 2.1: the request, the inserted and the returned batteries must have one requestId."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import cp, csms, script

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_REQUESTED = csms("RequestBatterySwap", {"requestId": 7, "idToken": _TOKEN})


def _swap(kind: str, request: int = 7) -> str:
    battery = {"evseId": 1, "serialNumber": "B1", "soC": 20, "soH": 95}
    return cp("BatterySwap", {"eventType": kind, "requestId": request, "idToken": _TOKEN, "batteryData": [battery]})


class BatterySwaps21(Topic):
    """The rules about BatterySwap."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._requested: Known[str, int] = Known()  # requestId of an accepted request, by token in lower case
        self._inserted: Known[int, str | None] = Known()  # token of the batteries that were inserted, by requestId
        self._evidence = self.station.topic(Observation)

    @rule(
        "battery.request-id",
        call("BatterySwap"),
        title="A battery swap does not have the requestId of its request",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S02.FR.02",
        remedy="Repeat the requestId of RequestBatterySwap in the BatterySwap that follows from it.",
        bad=script(_REQUESTED, _swap("BatteryIn", 8)),
        good=script(_REQUESTED, _swap("BatteryIn", 7)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def request_id(self, frame: Frame) -> Faults:
        token, number = _token(frame), integer(frame.payload, "requestId")
        if frame.payload.get("eventType") != "BatteryIn" or token is None or number is None:
            return None
        wanted = self._requested.pop(token, None)
        self._inserted.note(number, token)
        if wanted is None or wanted == number:
            return None
        return Fault(f"requestId is {number}; the swap was requested with {wanted}", "/3/requestId", key=str(wanted))

    @rule(
        "battery.out-id",
        call("BatterySwap"),
        title="BatteryOut does not match any BatteryIn",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S03.FR.03, S03.FR.06",
        remedy="Repeat the requestId and the idToken of BatteryIn in BatteryOut and BatteryOutTimeout.",
        bad=script(_swap("BatteryIn"), _swap("BatteryOut", 8)),
        good=script(_swap("BatteryIn"), _swap("BatteryOut")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def out_id(self, frame: Frame) -> Faults:
        kind, number, token = string(frame.payload, "eventType"), integer(frame.payload, "requestId"), _token(frame)
        if kind not in ("BatteryOut", "BatteryOutTimeout") or number is None:
            return None
        if number in self._inserted:
            if token is None or self._inserted[number] in (None, token):
                return None
            return Fault(f"{kind} for another token than BatteryIn had", "/3/idToken", key="token")
        waiting = next((one for one, its in self._inserted.items() if its == token), None)
        if waiting is None and self._evidence.seen_since is None:
            return None  # it may have been inserted before the capture
        other = f"; BatteryIn had {waiting}" if waiting is not None else ""
        return Fault(f"{kind} with requestId {number}, which no BatteryIn had{other}", "/3/requestId", key=str(number))

    @track(result("RequestBatterySwap"))
    def answered(self, frame: Frame) -> None:
        number = integer(frame.request, "requestId")
        token = string(member(frame.request, "idToken"), "idToken")
        if number is not None and token is not None and frame.payload.get("status") == "Accepted":
            self._requested.note(token.lower(), number)


def _token(frame: Frame) -> str | None:
    token = string(member(frame.payload, "idToken"), "idToken")
    return token.lower() if token is not None else None
