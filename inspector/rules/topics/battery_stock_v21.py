"""Whether a battery swap begins while the station has no batteries."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V21, Faults, Topic, call, result, rule
from inspector.rules.state.observation import Observation
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.battery_slots_v21 import TOKEN
from inspector.rules.topics.example_frames import BOOT_2X, csms, script, status_2x


def _requested(status: str) -> str:
    return csms("RequestBatterySwap", {"requestId": 7, "idToken": TOKEN}, {"status": status})


class BatteryStock21(Topic):
    """The rule about empty swap stations."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._evses = self.station.topic(Evses2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "battery.none-left",
        result("RequestBatterySwap"),
        call("BatterySwap"),
        title="A battery swap begins although every slot is empty",
        severity=Severity.WARNING,
        spec="OCPP 2.1 S02.FR.04, S03.FR.05",
        remedy="Answer Rejected with the reasonCode NoBatteryAvailable, and begin no swap, without a battery to give.",
        bad=script(BOOT_2X, status_2x("Available"), _requested("Accepted")),
        good=script(BOOT_2X, status_2x("Occupied"), _requested("Accepted")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def none_left(self, frame: Frame) -> Faults:
        asked = frame.action == "RequestBatterySwap"
        if (frame.payload.get("status") != "Accepted") if asked else (frame.payload.get("eventType") != "BatteryIn"):
            return None
        slots = self._evses.connectors.values()
        if not slots or set(slots) != {"Available"} or self._evidence.seen_since is None:
            return None
        text = f"each of the {len(slots)} slots is Available, so no battery is there"
        # A battery that is put in may be all that a driver wants.
        return Fault(text, "/2/status" if asked else "/3", severity=None if asked else Severity.INFO)
