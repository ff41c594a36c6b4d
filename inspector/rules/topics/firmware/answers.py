"""Judge answers about firmware updates and log uploads, and the statuses and security events that must follow them."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import AtClose
from inspector.rules.fields import integer, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Promise, found, needs
from inspector.rules.rule import ALL, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import NOW, cp, csms, script

_STATUSES = ("FirmwareStatusNotification", "SignedFirmwareStatusNotification")
_UPDATES = ("UpdateFirmware", "SignedUpdateFirmware")
_GET_LOG = {"logType": "SecurityLog", "requestId": 7, "log": {"remoteLocation": "ftp://f.example/l"}}
_FIRMWARE = {"location": "ftp://f.example/f", "retrieveDateTime": NOW}
_UPDATE = csms("UpdateFirmware", {"requestId": 7, "firmware": _FIRMWARE})
_SIGNED = {"requestId": 7, "firmware": {**_FIRMWARE, "signature": "x", "signingCertificate": "y"}}
_OWN = ("Installed", "FirmwareUpdated"), ("InvalidSignature", "InvalidFirmwareSignature")
EVENTS = {**dict(_OWN), "InvalidCertificate": "InvalidFirmwareSigningCertificate"}
"""For each status that also needs a security event, the type of the event."""


_LOG = {"status": "Accepted", "filename": "log.txt"}
_IDLE = {"status": "Idle"}
_TRIGGER = csms("TriggerMessage", {"requestedMessage": "LogStatusNotification"})


def _log(status: str) -> str:
    return cp("LogStatusNotification", {"status": status, "requestId": 7})


_UPLOAD = (csms("GetLog", _GET_LOG, _LOG), _log("Uploading"), _log("Uploaded"))


def _status(status: str, action: str = "FirmwareStatusNotification") -> str:
    return cp(action, {"status": status, "requestId": 7})


def _signed(status: str) -> str:
    return _status(status, "SignedFirmwareStatusNotification")


_FIRMWARE_TRIGGER = csms("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
_FIRMWARE_TRIGGER_16 = csms("ExtendedTriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
_RUNNING = frozenset({"Downloading", "DownloadScheduled", "DownloadPaused", "Installing", "InstallScheduled"})


def _event(kind: str) -> str:
    return cp("SecurityEventNotification", {"type": kind, "timestamp": NOW})


def _owed(topic: FirmwareAnswers, frame: Frame) -> str | None:
    """Return the type of the security event that must follow this answer; None if none must."""
    kind = EVENTS.get(str(frame.payload.get("status") if frame.action in _UPDATES else frame.request.get("status")))
    old = topic.session.version is OcppVersion.V16
    if kind is None or (old and (kind == "FirmwareUpdated" or not (frame.action or "").startswith("Signed"))):
        return None
    if frame.call is not None and frame.call.frame_id == topic.repeated:
        return None
    sent_ns = topic.events_ns.get(kind)
    recent = sent_ns is not None and frame.mono_ns - sent_ns < topic.settings.effect_timeout_s * 1e9
    return None if recent else kind


class FirmwareAnswers(Topic):
    """The rules about answers and security events.

    Attributes:
        events_ns: for each type of security event, the monotonic time when it was last sent.
        repeated: the frame of the latest status that only repeats the status before.
    """

    scope = "station"

    def setup(self) -> None:
        self.events_ns: dict[str, int] = {}
        self._uploading: bool | None = None  # None until a log upload is requested or reported
        self._idle_expected = False
        self._last_status: str | None = None  # the last status of a firmware update since the last restart
        self._status_asked = False
        self.repeated: int | None = None
        self._told: tuple[int, str] | None = None  # requestId and status that were sent last

    @rule(
        "log.filename-missing",
        result("GetLog"),
        title="GetLog is accepted without a file name",
        severity=Severity.WARNING,
        spec="N01.FR.01 (1.6 security whitepaper, 2.x part 2)",
        remedy="Give filename with the status Accepted.",
        bad=script(csms("GetLog", _GET_LOG)),
        good=script(csms("GetLog", _GET_LOG, _LOG)),
        side=Side.CHARGE_POINT,
    )
    def filename_missing(self, frame: Frame) -> Faults:
        return needs("filename", status="Accepted")(self, frame)

    @rule(
        "firmware.location-missing",
        call("PublishFirmwareStatusNotification"),
        title="Firmware is published without its addresses",
        severity=Severity.WARNING,
        spec="OCPP 2.x L03.FR.04",
        remedy="List the address for each supported protocol in location with the status Published.",
        bad=script(_status("Published", "PublishFirmwareStatusNotification")),
        good=script(_status("Downloaded", "PublishFirmwareStatusNotification")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def location_missing(self, frame: Frame) -> Faults:
        return needs("location", status="Published")(self, frame)

    no_status = Promise(
        "firmware.no-status",
        *_UPDATES,
        promised=lambda topic, frame: (
            "update" if str(frame.payload.get("status", "Accepted")).startswith("Accepted") else None
        ),
        kept_by=call(*_STATUSES),
        keeps=lambda topic, frame: "update",
        excused=lambda topic, frame: topic.later(frame),
        at_close=AtClose.LATE,
        text="the firmware update was accepted, but no status of it came within {wait}",
        title="An accepted firmware update reports no status",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.5; L01.FR.01 (1.6 security whitepaper, 2.x part 2)",
        remedy="Send a firmware status whenever the update enters a new state, beginning with the download.",
        bad={
            "1.6": script(csms("UpdateFirmware", {"location": "ftp://f.example/f", "retrieveDate": NOW}, {}), "+ 5m"),
            "2x": script(_UPDATE, "+ 5m"),
        },
        good={
            "1.6": script(
                csms("UpdateFirmware", {"location": "ftp://f.example/f", "retrieveDate": NOW}, {}),
                cp("FirmwareStatusNotification", {"status": "Downloading"}),
                "+ 5m",
            ),
            "2x": script(_UPDATE, _status("Downloading"), "+ 5m"),
        },
        versions=ALL,
        side=Side.CHARGE_POINT,
    )

    def later(self, answer: Frame) -> bool:
        """Return whether the download is to begin after this answer; True also if the times of frames are not known."""
        when = found(answer.request, "retrieveDate") or found(answer.request, "firmware/retrieveDateTime")
        begins = seconds(when if type(when) is str else None)
        return not self.station.topic(Observation).timed or (begins is not None and begins > answer.ts_ns / 1e9)

    no_security_event = Promise(
        "firmware.no-security-event",
        *_STATUSES,
        *_UPDATES,
        promised=_owed,
        kept_by=call("SecurityEventNotification"),
        keeps=lambda topic, frame: string(frame.payload, "type"),
        at_close=AtClose.LATE,
        text="no security event {key} came within {wait}",
        title="A firmware update that needs a security event has none",
        severity=Severity.WARNING,
        spec="L01.FR.02, L01.FR.03 (1.6 security whitepaper, 2.x part 2); 2.x L01.FR.31, A04.FR.01",
        remedy="Send SecurityEventNotification: FirmwareUpdated once installed, InvalidFirmwareSignature and "
        "InvalidFirmwareSigningCertificate where a check fails.",
        bad={
            "1.6": script(csms("SignedUpdateFirmware", _SIGNED, {"status": "InvalidCertificate"}), "+ 5m"),
            "2x": script(_status("Installed"), "+ 5m"),
        },
        good={
            "1.6": script(
                csms("SignedUpdateFirmware", _SIGNED, {"status": "InvalidCertificate"}),
                _event("InvalidFirmwareSigningCertificate"),
                "+ 5m",
            ),
            "2x": script(_status("Installed"), _event("FirmwareUpdated"), "+ 5m"),
        },
        versions=ALL,
        side=Side.CHARGE_POINT,
    )

    @rule(
        "log.not-idle",
        call("LogStatusNotification"),
        title="A triggered log status is not Idle although no log is being uploaded",
        severity=Severity.WARNING,
        spec="OCPP 2.x F06.FR.15",
        remedy="Answer the trigger with the status Idle while no log is being uploaded.",
        bad=script(*_UPLOAD, _TRIGGER, _log("Uploaded")),
        good=script(*_UPLOAD, _TRIGGER, cp("LogStatusNotification", _IDLE)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def log_not_idle(self, frame: Frame) -> Faults:
        asked, self._idle_expected = self._idle_expected, False
        status = string(frame.payload, "status")
        self._uploading = status == "Uploading" or (self._uploading and status == "Idle")
        if not asked or status in (None, "Idle", "Uploading"):
            return None
        return Fault(f"the status is {status[:30] if status else ''}, but no log is being uploaded", "/3/status")

    @rule(
        "firmware.triggered-status",
        call(*_STATUSES),
        title="A triggered firmware status is not the last one, or not Idle after the installation",
        severity=Severity.WARNING,
        spec="L01.FR.25, L01.FR.26, L02.FR.16, L02.FR.17, F06.FR.16 (1.6 whitepaper L01.FR.28, L01.FR.29)",
        remedy="Answer the trigger with Idle once the firmware is installed, otherwise with the last status.",
        bad={
            "1.6": script(_signed("Installed"), _FIRMWARE_TRIGGER_16, _signed("Installed")),
            "2x": script(_status("Downloading"), _FIRMWARE_TRIGGER, cp(_STATUSES[0], {"status": "Idle"})),
        },
        good={
            "1.6": script(_signed("Installed"), _FIRMWARE_TRIGGER_16, cp(_STATUSES[1], {"status": "Idle"})),
            "2x": script(_status("Downloading"), _FIRMWARE_TRIGGER, _status("Downloading")),
        },
        side=Side.CHARGE_POINT,
    )
    def triggered_status(self, frame: Frame) -> Faults:
        status, last, asked = string(frame.payload, "status"), self._last_status, self._status_asked
        self._status_asked = False
        if status != "Idle":
            self._last_status = status
        if not asked:
            return None
        if status == "Installed" and (last == "Installed" or self.session.version is not OcppVersion.V16):
            return Fault("the firmware is installed; expected Idle", "/3/status", key="installed")
        if last is None:
            return None
        plain = self.session.version is OcppVersion.V16 and frame.action == _STATUSES[0]
        if status == "Idle" and last != "Installed" and (last in _RUNNING or not plain):
            return Fault(f"the status is Idle; the last one was {last[:30]}", "/3/status", key="running")
        return None

    @track(call(*_STATUSES))
    def told(self, frame: Frame) -> None:
        number, status = integer(frame.payload, "requestId"), string(frame.payload, "status")
        if status is None or status == "Idle":
            return
        if number is not None and self._told == (number, status):
            self.repeated = frame.frame_id
        self._told = (number, status) if number is not None else None

    @track(result(*_UPDATES))
    def asked_again(self, frame: Frame) -> None:
        self._told = None

    @track(result("TriggerMessage", "ExtendedTriggerMessage"))
    def status_triggered(self, frame: Frame) -> None:
        wanted = frame.request.get("requestedMessage") == "FirmwareStatusNotification"
        self._status_asked = wanted and frame.payload.get("status") == "Accepted"

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if self._last_status != "Installed":
            self._last_status = None  # the update may have ended with the restart
        self._uploading = False  # an upload ends with a restart

    @track(result("GetLog"))
    def log_promised(self, frame: Frame) -> None:
        if str(frame.payload.get("status")).startswith("Accepted"):
            self._uploading, self._idle_expected = True, False

    @track(result("TriggerMessage"), versions=V2X)
    def triggered(self, frame: Frame) -> None:
        if (
            frame.request.get("requestedMessage") == "LogStatusNotification"
            and frame.payload.get("status") == "Accepted"
        ):
            self._idle_expected = self._uploading is False

    @track(call("SecurityEventNotification"))
    def event_sent(self, frame: Frame) -> None:
        kind = string(frame.payload, "type")
        if kind in EVENTS.values():
            self.events_ns[kind or ""] = frame.mono_ns
