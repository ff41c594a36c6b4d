"""Judge whether updates go as answered: each reports its end, canceled ones stop, and restarts wait."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, NOW, cp, csms, script, started, transaction_event
from inspector.rules.topics.firmware.schedule_v2x import FirmwareSchedule

_LONG_S = 2 * 3600.0
"""No step of a download or of an installation takes longer."""
_STEPS = frozenset({"Downloading", "Installing"})
_BUSY = _STEPS | {"DownloadScheduled", "DownloadPaused", "Downloaded", "SignatureVerified", "InstallScheduled"}
_FAILURES = frozenset({"DownloadFailed", "InstallationFailed", "InstallVerificationFailed"})
_RESTARTS = frozenset({"Reboot", "ImmediateReset", "PowerLoss"})
_AGAIN = f"close\n{BOOT_2X}".replace("PowerUp", "FirmwareUpdate").replace('"b"', '"again"')


def _update(status: str = "Accepted", request: int = 7) -> str:
    firmware = {"location": "ftp://f.example/f", "retrieveDateTime": NOW}
    return csms("UpdateFirmware", {"requestId": request, "firmware": firmware}, {"status": status})


def _status(status: str, request: int = 7) -> str:
    return cp("FirmwareStatusNotification", {"status": status, "requestId": request})


class FirmwareCourse(Topic):
    """Rules about the course of updates."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._latest: tuple[int, str] | None = None  # requestId and status of the latest update
        self._begun: Known[int, None] = Known()  # updates that were downloading or installing
        self._canceled: Known[int, int] = Known()  # by requestId: the update that has canceled it
        self._interrupted: Known[str, None] = Known()  # transactions that went on when the station restarted
        self._schedule = self.station.topic(FirmwareSchedule)
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @rule(
        "firmware.canceled-runs",
        call("FirmwareStatusNotification"),
        title="A canceled firmware update continues",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.10, L01.FR.24, L02.FR.06, L02.FR.15",
        remedy="After AcceptedCanceled report only the new update; the canceled one may end with a failure.",
        bad=script(_update(), _status("Downloading"), _update("AcceptedCanceled", 8), _status("Downloaded")),
        good=script(_update(), _status("Downloading"), _update("AcceptedCanceled", 8), _status("DownloadFailed")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._canceled,
    )
    def canceled_runs(self, frame: Frame) -> Faults:
        number, status = integer(frame.payload, "requestId"), string(frame.payload, "status")
        by = self._canceled.get(number) if number is not None else None
        if by is None or status is None or status == "Idle" or status in _FAILURES:
            return None
        return Fault(f"{status[:30]} of update {number}, which update {by} has canceled", "/3/status", key=str(number))

    @track(result("UpdateFirmware"))
    def answered(self, frame: Frame) -> None:
        number, status = integer(frame.request, "requestId"), str(frame.payload.get("status"))
        if number is None or not status.startswith("Accepted"):
            return
        self._canceled.pop(number, None)
        before, at = self._latest or (number, "")
        if status == "AcceptedCanceled" and before != number and at in _BUSY:
            self._canceled.note(before, number)
        self._latest = None
        self.station.refresh_listeners()

    def begun(self, answer: Frame) -> int | None:
        """Return the requestId of the update that must report more after this answer; None for none."""
        if answer.action == "FirmwareStatusNotification":
            number = integer(answer.request, "requestId")
            if number not in self._schedule.updates or number is None or number in self._canceled:
                return None
            if string(answer.request, "status") not in _STEPS:
                return None
            self._begun.note(number, None)
            return number
        if answer.payload.get("status") != "Accepted" or self._latest is None:
            return None
        return self._latest[0] if self._latest[1] in _STEPS else None

    def settled(self, frame: Frame) -> Any:
        """Return the updates that need not report more after this frame."""
        if frame.call is None:
            return integer(frame.payload, "requestId")
        return list(self._begun) if str(frame.payload.get("status")).startswith("Accepted") else None

    unfinished = Promise(
        "firmware.unfinished",
        "FirmwareStatusNotification",
        "BootNotification",
        promised=lambda topic, frame: topic.begun(frame),
        kept_by=(*call("FirmwareStatusNotification"), *result("UpdateFirmware")),
        keeps=lambda topic, frame: topic.settled(frame),
        early=False,
        seconds=lambda topic: max(_LONG_S, topic.settings.effect_timeout_s),
        text="update {key} was downloading or installing, but no further status came within {wait}",
        title="A firmware update never reports its end",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.01, L01.FR.28, L01.FR.29, L01.FR.30, L02.FR.01, L02.FR.19, L02.FR.20",
        remedy="Send the next status: Downloaded or DownloadFailed after a download, Installed, InstallationFailed or "
        "InstallVerificationFailed after an installation.",
        bad=script(_update(), _status("Downloading"), "+ 3h"),
        good=script(_update(), _status("Downloading"), "+ 30m", _status("DownloadFailed"), "+ 3h"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    @rule(
        "firmware.restarted-in-transaction",
        call("TransactionEvent"),
        title="The station restarted for a firmware update during a transaction",
        severity=Severity.ERROR,
        spec="OCPP 2.x L01.FR.06, L01.FR.33, L02.FR.03, L02.FR.22",
        remedy="Wait until all transactions have ended before the restart.",
        bad=script(
            BOOT_2X,
            started(),
            _status("Installing"),
            _AGAIN,
            transaction_event("Ended", "AbnormalCondition", 1, {"stoppedReason": "Reboot"}),
        ),
        good=script(
            BOOT_2X,
            started(),
            _status("Installing"),
            _AGAIN,
            transaction_event("Ended", "EVDeparted", 1, {"stoppedReason": "EVDisconnected"}, offline=True),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._interrupted,
    )
    def restarted(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None or event.transaction.transaction_id not in self._interrupted:
            return None
        reason = string(event.info, "stoppedReason")
        if frame.payload.get("offline") is True and reason not in _RESTARTS:
            return None  # it may be from before the restart
        del self._interrupted[event.transaction.transaction_id]
        self.station.refresh_listeners()
        if event.kind == "Ended" and reason not in _RESTARTS:
            return None
        how = f"has ended with {reason}" if event.kind == "Ended" else "continues"
        return Fault(f"{event.transaction} {how} after the restart", "/3", key=event.transaction.transaction_id[:36])

    @track(call("FirmwareStatusNotification"))
    def reported(self, frame: Frame) -> None:
        number, status = integer(frame.payload, "requestId"), string(frame.payload, "status")
        if number is not None and status is not None and status != "Idle" and number not in self._canceled:
            self._latest = (number, status)

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._interrupted.clear()
        if frame.payload.get("reason") == "FirmwareUpdate" and self._latest is not None:
            for one in self._transactions.open_transactions():
                if one.connection >= self._evidence.connections - 1:
                    self._interrupted.note(one.transaction_id, None)
        self.station.refresh_listeners()
