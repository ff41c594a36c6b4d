"""When the steps of a firmware update may happen, that its signature is checked, and what must follow a restart."""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise, found
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import BOOT_2X, NOW, cp, csms, script, status_2x

_BOOT = BOOT_2X.partition("\n")[2]
_LATER = "2026-01-01T14:00:00Z"
_INSTALLS = frozenset({"InstallScheduled", "Installing", "InstallRebooting", "Installed"})
_CHECKED = frozenset({"SignatureVerified", "InvalidSignature"})
_BUSY = frozenset(
    {"DownloadScheduled", "Downloading", "DownloadPaused", "Downloaded", "InstallScheduled", "Installing"}
)
_SIGNED: dict[str, Any] = {"signature": "x", "signingCertificate": "y"}


def _update(status: str = "Accepted", request: int = 7, **more: Any) -> str:
    firmware = {"location": "ftp://f.example/f", "retrieveDateTime": NOW, **more}
    return csms("UpdateFirmware", {"requestId": request, "firmware": firmware}, {"status": status})


def _status(status: str) -> str:
    return cp("FirmwareStatusNotification", {"status": status, "requestId": 7})


_UPDATED = cp("SecurityEventNotification", {"type": "FirmwareUpdated", "timestamp": NOW})


_AGAIN = (BOOT_2X, status_2x("Available"))
_SOON = "2026-01-01T12:01:00Z"
_PLANNED = {
    "Downloading": ("retrieveDateTime", "DownloadScheduled"),
    "Installing": ("installDateTime", "InstallScheduled"),
}
SOON_S = 20.0
"""A step that is planned for so soon need not be scheduled."""


class Update(NamedTuple):
    """An accepted update; `life` counts boots and connections until then."""

    asked: Frame
    life: tuple[int, int]


def _scheduled(topic: FirmwareSchedule, frame: Frame) -> str | None:
    """Return the status that must follow this answer because a step is to happen later, None for none."""
    evidence = topic.station.topic(Observation)
    number = integer(frame.request, "requestId")
    if not evidence.timed:
        return None
    soon = frame.ts_ns / 1e9 + topic.settings.effect_timeout_s + topic.settings.clock_skew_s
    if frame.action == "UpdateFirmware":
        begins = topic.planned(frame.request, "retrieveDateTime")
        accepted = str(frame.payload.get("status")).startswith("Accepted")
        return f"DownloadScheduled of update {number}" if accepted and begins is not None and begins > soon else None
    update = topic.updates.get(number) if number is not None else None
    if update is None:
        return None
    signed = found(update.asked.payload, "firmware/signature") is not None
    if frame.request.get("status") != ("SignatureVerified" if signed else "Downloaded"):
        return None
    begins = topic.planned(update.asked.payload, "installDateTime")
    return f"InstallScheduled of update {number}" if begins is not None and begins > soon else None


def _told(topic: FirmwareSchedule, frame: Frame) -> Any:
    """Return the schedules that this status settles."""
    number, status = integer(frame.payload, "requestId"), string(frame.payload, "status")
    told = [f"DownloadScheduled of update {number}"]
    if status in _INSTALLS or status in ("InstallationFailed", "DownloadFailed"):
        told.append(f"InstallScheduled of update {number}")
    return told


class FirmwareSchedule(Topic):
    """Rules about the course of an update.

    Attributes:
        updates: the accepted ones, by requestId.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.updates: Known[int, Update] = Known()
        self._checked: Known[int, None] = Known()  # updates whose signature was reported as checked
        self._announced: Known[int, set[str]] = Known()  # the statuses of each update in this life
        self._latest: tuple[int | None, str, tuple[int, int]] | None = None  # requestId, status and life
        self._ready: Known[int, Frame] = Known()  # by update: the latest status after which it can be installed
        self._version: str | None = None  # the firmware of the latest accepted boot
        self.restarting: int | None = None  # the requestId of an update that has announced a restart
        self._evidence = self.station.topic(Observation)

    def planned(self, request: dict[str, object], name: str) -> float | None:
        """Return when a step of an update is to happen, in seconds since 1970."""
        return seconds(string(member(request, "firmware"), name))

    def _life(self) -> tuple[int, int]:
        return self._evidence.boots, self._evidence.connections

    @rule(
        "firmware.signature-parts",
        call("UpdateFirmware"),
        title="A firmware update has a signature or a signing certificate, but not both",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.09, L01.FR.11",
        remedy="Send both signature and signingCertificate with a secure firmware update.",
        bad=script(_update("Rejected", signature="x")),
        good=script(_update("Accepted", **_SIGNED), _status("Downloading")),
        versions=V2X,
        side=Side.CSMS,
    )
    def signature_parts(self, frame: Frame) -> Faults:
        firmware = member(frame.payload, "firmware")
        missing = [name for name in _SIGNED if name not in firmware]
        if len(missing) != 1:
            return None
        return Fault(f"the firmware is signed, but {missing[0]} is missing", "/3/firmware", key=missing[0])

    @rule(
        "firmware.not-verified",
        call("FirmwareStatusNotification"),
        title="Signed firmware is installed, but no status says that its signature was checked",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.04, L01.FR.12",
        remedy="Check the signature after the download, and report SignatureVerified or InvalidSignature.",
        bad=script(_update(**_SIGNED), _status("Downloading"), _status("Downloaded"), _status("Installing")),
        good=script(
            _update(**_SIGNED),
            _status("Downloading"),
            _status("Downloaded"),
            _status("SignatureVerified"),
            _status("Installing"),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic.updates,
    )
    def not_verified(self, frame: Frame) -> Faults:
        number, status = integer(frame.payload, "requestId"), string(frame.payload, "status")
        update = self.updates.get(number) if number is not None else None
        if number is None or update is None or update.life != self._life():
            return None
        if status in _CHECKED:
            self._checked.note(number, None)
        if status not in _INSTALLS or number in self._checked:
            return None
        if found(update.asked.payload, "firmware/signature") is None:
            return None
        return Fault(
            f"the status is {status}, but the signature was not reported as checked", "/3/status", key=str(number)
        )

    @rule(
        "firmware.too-early",
        call("FirmwareStatusNotification"),
        title="A firmware update is downloaded or installed before the requested time",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.13, L01.FR.16, L02.FR.07, L02.FR.10",
        remedy="Wait for retrieveDateTime with the download and for installDateTime with the installation.",
        bad=script(
            _update(installDateTime=_LATER), _status("Downloading"), _status("Downloaded"), _status("Installing")
        ),
        good=script(
            _update(installDateTime=_LATER), _status("Downloading"), _status("Downloaded"), _status("InstallScheduled")
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic.updates,
    )
    def too_early(self, frame: Frame) -> Faults:
        number, status = integer(frame.payload, "requestId"), string(frame.payload, "status")
        update = self.updates.get(number) if number is not None else None
        if update is None or not self._evidence.timed:
            return None
        name = "retrieveDateTime" if status in ("Downloading", "Downloaded") else "installDateTime"
        planned = self.planned(update.asked.payload, name)
        if status not in ("Downloading", "Downloaded", "Installing", "Installed") or planned is None:
            return None
        if frame.ts_ns / 1e9 + self.settings.clock_skew_s >= planned:
            return None
        told = string(member(update.asked.payload, "firmware"), name) or ""
        return Fault(f"the status is {status}; {name} is {told[:30]}", "/3/status", key=f"{number} {name}")

    @rule(
        "firmware.begun-unscheduled",
        call("FirmwareStatusNotification"),
        title="A download or an installation that was planned for later begins without having been scheduled",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.13, L01.FR.16, L02.FR.07, L02.FR.10",
        remedy="Send DownloadScheduled, or InstallScheduled, as soon as the step has to wait for its time.",
        bad=script(*_AGAIN, _update(retrieveDateTime=_SOON), "+ 1m", _status("Downloading")),
        good=script(
            *_AGAIN,
            _update(retrieveDateTime=_SOON),
            _status("DownloadScheduled"),
            "+ 1m",
            _status("Downloading"),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic.updates,
    )
    def begun_unscheduled(self, frame: Frame) -> Faults:
        number, status = integer(frame.payload, "requestId"), string(frame.payload, "status") or ""
        update = self.updates.get(number) if number is not None else None
        if number is None or update is None or update.life != self._life() or not self._evidence.timed:
            return None
        before = self._announced.get(number, set())
        self._announced.note(number, {*before, status})
        name, wanted = _PLANNED.get(status, ("", ""))
        planned = self.planned(update.asked.payload, name) if name else None
        since = update.asked if status == "Downloading" else self._ready.get(number)
        if planned is None or since is None or wanted in before or status in before:
            return None
        if planned - since.ts_ns / 1e9 < SOON_S + self._evidence.skew_s:
            return None  # it may have begun at once
        return Fault(
            f"the status is {status}, but {wanted} was not reported before", "/3/status", key=f"{number} {status}"
        )

    not_scheduled = Promise(
        "firmware.not-scheduled",
        "UpdateFirmware",
        "FirmwareStatusNotification",
        promised=_scheduled,
        kept_by=call("FirmwareStatusNotification"),
        keeps=_told,
        at_close=AtClose.LATE,
        text="no status {key} came within {wait}",
        title="A firmware update that is to happen later is not reported as scheduled",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.13, L01.FR.16, L02.FR.07, L02.FR.10",
        remedy="Send DownloadScheduled where retrieveDateTime is in the future, InstallScheduled where "
        "installDateTime is.",
        bad=script(_update(retrieveDateTime=_LATER), "+ 5m"),
        good=script(_update(retrieveDateTime=_LATER), _status("DownloadScheduled"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    after_restart = Promise(
        "firmware.after-restart",
        "BootNotification",
        promised=lambda topic, frame: topic.restarted(frame),
        kept_by=call("FirmwareStatusNotification"),
        keeps=lambda topic, frame: (
            integer(frame.payload, "requestId") if frame.payload.get("status") != "InstallRebooting" else None
        ),
        early=False,
        text="update {key} has restarted the station, but no status of it came within {wait} after the restart",
        title="A firmware update reports no status after its restart",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.15, L01.FR.28, L01.FR.32, L02.FR.09, L02.FR.20, L02.FR.21",
        remedy="Send Installed from the new firmware after the restart, or the status of the installation.",
        bad=script(_status("InstallRebooting"), _BOOT, status_2x("Available"), "+ 5m"),
        good=script(_status("InstallRebooting"), _BOOT, status_2x("Available"), _status("InstallationFailed"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    def restarted(self, answer: Frame) -> int | None:
        """Return the requestId of the update that this accepted boot belongs to; None for any other boot."""
        if answer.payload.get("status") != "Accepted":
            return None
        before, self._version = self._version, string(member(answer.request, "chargingStation"), "firmwareVersion")
        new = None not in (before, self._version) and before != self._version
        own = new or answer.request.get("reason") == "FirmwareUpdate"
        if self.restarting is None and own and self._latest is not None:
            return self._latest[0] if self._latest[1] == "Installing" else None
        return self.restarting

    @rule(
        "firmware.not-canceled",
        result("UpdateFirmware"),
        title="A firmware update that comes during another one does not cancel it",
        severity=Severity.INFO,
        spec="OCPP 2.x L01.FR.24, L02.FR.15",
        remedy="Cancel the running update and answer AcceptedCanceled.",
        bad=script(_update(), _status("Downloading"), _update(request=8)),
        good=script(_update(), _status("Downloading"), _update("AcceptedCanceled", request=8)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_canceled(self, frame: Frame) -> Faults:
        number, answer = integer(frame.request, "requestId"), frame.payload.get("status")
        if answer not in ("Accepted", "Rejected") or self._latest is None or self._latest[0] == number:
            return None
        before, status, life = self._latest
        if status not in _BUSY or life[0] != self._evidence.boots:
            return None
        return Fault(f"update {before} is at {status}; expected AcceptedCanceled", "/2/status")

    @track(result("UpdateFirmware"))
    def answered(self, frame: Frame) -> None:
        number = integer(frame.request, "requestId")
        if number is None or frame.call is None or not str(frame.payload.get("status")).startswith("Accepted"):
            return
        for known in (self._checked, self._announced, self._ready):
            known.pop(number, None)
        self.restarting = None
        self.updates.note(number, Update(frame.call, self._life()))
        self.station.refresh_listeners()

    def activated(self, answer: Frame) -> int | None:
        """Return the requestId of the update that this security event is about and that is not Installed yet."""
        if answer.request.get("type") != "FirmwareUpdated" or self._latest is None or self._latest[1] == "Installed":
            return None
        return self._latest[0] if self._latest[2] == self._life() else None

    installed_unreported = Promise(
        "firmware.installed-unreported",
        "SecurityEventNotification",
        promised=lambda topic, frame: topic.activated(frame),
        kept_by=call("FirmwareStatusNotification"),
        keeps=lambda topic, frame: (
            integer(frame.payload, "requestId") if frame.payload.get("status") == "Installed" else None
        ),
        at_close=AtClose.LATE,
        text="FirmwareUpdated was reported, but update {key} did not report Installed within {wait}",
        title="A security event says that firmware was updated, but its status never becomes Installed",
        severity=Severity.WARNING,
        spec="OCPP 2.x L01.FR.28, L02.FR.20",
        remedy="Send FirmwareStatusNotification with Installed when the new firmware is installed.",
        bad=script(_status("Installing"), _UPDATED, "+ 5m"),
        good=script(_status("Installing"), _UPDATED, _status("Installed"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    @track(call("FirmwareStatusNotification"))
    def reported(self, frame: Frame) -> None:
        number, status = integer(frame.payload, "requestId"), string(frame.payload, "status")
        if status is None or status == "Idle":
            return
        if number is not None and status in ("Downloaded", "SignatureVerified"):
            self._ready.note(number, frame)
        self._latest = (number, status, self._life())
        self.restarting = number if status == "InstallRebooting" else None
