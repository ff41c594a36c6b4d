"""Judge how often a charge point sends BootNotification while it may choose the interval itself."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.durations import duration
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import NOW, Payload, cp, script

SHORTEST_S = 5.0
"""A boot that is repeated in fewer seconds is too soon."""
REPEATED = 2
"""After so many boots in a row that came too soon, there is a finding."""
_BOOTS: dict[str, Payload] = {
    "1.6": {"chargePointVendor": "V", "chargePointModel": "M"},
    "2x": {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}},
}


def _boots(version: str, wait: str) -> str:
    told = {"status": "Rejected", "currentTime": NOW, "interval": 0}
    boot = cp("BootNotification", _BOOTS[version], told)
    return script(boot, wait, boot, wait, boot)


class BootPace(Topic):
    """The rule about boots without an interval."""

    scope = "station"

    def setup(self) -> None:
        self._answered_ns: int | None = None  # monotonic time of the last answer, if it has interval 0 and no Accepted
        self._soon = 0

    @rule(
        "boot.flood",
        call("BootNotification"),
        title="A charge point that may choose its interval floods the CSMS with boots",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.2; OCPP 2.x B02.FR.07, B03.FR.05",
        remedy="Where the interval is 0 and the status is not Accepted, wait for some time before the next boot.",
        bad={version: _boots(version, "+ 1s") for version in _BOOTS},
        good={version: _boots(version, "+ 1m") for version in _BOOTS},
        side=Side.CHARGE_POINT,
    )
    def flood(self, frame: Frame) -> Faults:
        answered, self._answered_ns = self._answered_ns, None
        if answered is None:
            self._soon = 0
            return None
        waited = (frame.mono_ns - answered) / 1e9
        self._soon = self._soon + 1 if waited < SHORTEST_S else 0
        if self._soon < REPEATED:
            return None
        text = f"{self._soon} boots in a row were repeated at once, this one {duration(waited)} after the answer"
        return Fault(text)

    @track(result("BootNotification"))
    def answered(self, frame: Frame) -> None:
        own = frame.payload.get("interval") == 0 and frame.payload.get("status") in ("Pending", "Rejected")
        self._answered_ns = frame.mono_ns if own else None
