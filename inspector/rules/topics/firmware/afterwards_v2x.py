"""What shows after a firmware update was accepted: a bad signing certificate, or no begin of the installation."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment
from inspector.rules.durations import duration
from inspector.rules.fields import integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import NOW, cp, csms, script
from inspector.rules.topics.firmware.schedule_v2x import FirmwareSchedule

_SOON_S = 600
_EVENT = "InvalidFirmwareSigningCertificate"
_PARTS = {"signature": "x", "signingCertificate": "y"}


def _update(status: str = "Accepted", **more: Any) -> str:
    firmware = {"location": "ftp://f.example/f", "retrieveDateTime": NOW, **more}
    return csms("UpdateFirmware", {"requestId": 7, "firmware": firmware}, {"status": status})


def _status(status: str) -> str:
    return cp("FirmwareStatusNotification", {"status": status, "requestId": 7})


_SECURITY = cp("SecurityEventNotification", {"type": _EVENT, "timestamp": NOW})
_READY = (_update(), _status("Downloading"), _status("Downloaded"))


class FirmwareAfterwards(Topic):
    """Rules about accepted updates."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._accepted: Frame | None = None  # the answer to the latest signed update, if that was accepted
        self._ready: dict[int, Frame] = {}  # the status after which each update can be installed
        self._schedule = self.station.topic(FirmwareSchedule)
        self._evidence = self.station.topic(Observation)

    @rule(
        "firmware.certificate-after-all",
        call("SecurityEventNotification"),
        title="A firmware update was not answered with InvalidCertificate although its signing certificate is invalid",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.21, L01.FR.22",
        remedy="Check the signing certificate before you answer, and answer InvalidCertificate if it is invalid.",
        bad=script(_update(**_PARTS), _SECURITY),
        good=script(_update("InvalidCertificate", **_PARTS), _SECURITY),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def certificate(self, frame: Frame) -> Faults:
        accepted = self._accepted
        if accepted is None or frame.payload.get("type") != _EVENT:
            return None
        happened = seconds(string(frame.payload, "timestamp"))
        if happened is not None and self._evidence.timed and happened + 1 < accepted.ts_ns / 1e9:
            return None  # it is about an earlier update
        self._accepted = None
        number = integer(accepted.request, "requestId")
        text = f"{_EVENT}, but update {number} was answered with {accepted.payload.get('status')}"
        return Fault(text, "/3/type", key=str(number))

    @track(result("UpdateFirmware"))
    def answered(self, frame: Frame) -> None:
        signed = "signingCertificate" in member(frame.request, "firmware")
        status = str(frame.payload.get("status"))
        if signed or status == "InvalidCertificate":
            self._accepted = frame if status.startswith("Accepted") or status == "Rejected" else None
        if status.startswith("Accepted"):
            self._ready.clear()

    @rule(
        "firmware.installed-late",
        DEADLINE,
        title="Firmware is downloaded and may be installed, but the installation does not begin",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.05, L02.FR.02",
        remedy="Begin the installation as soon as nothing prevents it: without installDateTime, or when that has come.",
        bad=script(*_READY, "+ 15m"),
        good=script(*_READY, _status("Installing"), "+ 15m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def late(self, moment: Moment, number: int, frame: Frame) -> Faults:
        if self._ready.get(number) is not frame or (self._busy() and self.session in self.station.sessions):
            return None  # an end of a transaction sets the next deadline
        del self._ready[number]
        if self.session not in self.station.sessions:
            return None
        text = f"update {number} is at {frame.payload.get('status')}, and no car is charging"
        return Fault(f"{text}, but it is not installed within {duration(_SOON_S)}", "/3/status", frame=frame)

    def _busy(self) -> bool:
        """Whether a car may prevent the installation."""
        free = {"Available", "Unavailable"}
        places = self.station.topic(Evses2x).connectors
        known = self.station.topic(Transactions2x)
        return bool(known.open_transactions() or known.unseen) or not free.issuperset(places.values())

    @track(call("FirmwareStatusNotification"))
    def reported(self, frame: Frame) -> None:
        number, status = integer(frame.payload, "requestId"), string(frame.payload, "status")
        update = self._schedule.updates.get(number) if number is not None else None
        if number is None or update is None or not self._evidence.timed:
            return
        signed = "signature" in member(update.asked.payload, "firmware")
        if status == "InstallScheduled" and number in self._ready and not self._busy():
            return  # nothing is there to wait for
        self._ready.pop(number, None)
        if status in ("SignatureVerified" if signed else "Downloaded", "InstallScheduled"):
            begins = self._schedule.planned(update.asked.payload, "installDateTime")
            waits = max((begins or 0) - frame.ts_ns / 1e9, 0)
            self._ready[number] = frame
            self.station.deadline(frame, waits + _SOON_S, self.late, number, frame)
        self.station.refresh_listeners()

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._ready, plain=False)
    def ended(self, frame: Frame) -> None:
        if frame.payload.get("eventType") != "Ended":
            return
        for number, ready in self._ready.items():
            update = self._schedule.updates.get(number)
            begins = self._schedule.planned(update.asked.payload, "installDateTime") if update is not None else None
            waits = max((begins or 0) - frame.ts_ns / 1e9, 0)
            self.station.deadline(frame, waits + _SOON_S, self.late, number, ready)
