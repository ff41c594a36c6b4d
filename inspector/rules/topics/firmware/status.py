"""Judge whether the statuses of firmware updates and log uploads come in order and name their request.

The table of statuses is from the 1.6 security whitepaper and 2.x FirmwareStatusEnumType, use cases L01 and L02. It
includes the statuses of 1.6 without the whitepaper.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import joined

REQUESTS_LIMIT = 100

_FAILED = frozenset({"InstallationFailed", "InstallVerificationFailed"})
_INSTALLING = _FAILED | {"InstallScheduled", "Installing", "InstallRebooting", "Installed"}
NEXT_STATUS: dict[str | None, frozenset[str]] = {
    None: frozenset({"DownloadScheduled", "Downloading", "DownloadPaused", "DownloadFailed", "Downloaded"}) | _FAILED,
    "DownloadScheduled": frozenset({"Downloading", "DownloadPaused", "DownloadFailed"}),
    "Downloading": frozenset({"DownloadScheduled", "DownloadPaused", "DownloadFailed", "Downloaded"}),
    "DownloadPaused": frozenset({"DownloadScheduled", "Downloading", "DownloadFailed", "Downloaded"}),
    "DownloadFailed": frozenset({"DownloadScheduled", "Downloading", "DownloadPaused"}),
    "Downloaded": _INSTALLING | {"SignatureVerified", "InvalidSignature"},
    "SignatureVerified": _INSTALLING,
    "InvalidSignature": frozenset({"DownloadScheduled", "Downloading", "InstallationFailed"}),
    "InstallScheduled": _INSTALLING,
    "Installing": _INSTALLING,
    "InstallRebooting": _INSTALLING,
    "InstallationFailed": _INSTALLING | {"DownloadScheduled", "Downloading"},
    "InstallVerificationFailed": _INSTALLING | {"DownloadScheduled", "Downloading"},
    "Installed": frozenset({"InstallRebooting", "InstallVerificationFailed"}),
}
"""For each status of an update, the statuses that may follow it; None stands for the request.

After a failure the station may try again (L01.FR.30).
"""

_NOTIFICATIONS = (
    "FirmwareStatusNotification",
    "SignedFirmwareStatusNotification",
    "DiagnosticsStatusNotification",
    "LogStatusNotification",
)
_UPDATES = ("UpdateFirmware", "SignedUpdateFirmware")

_UPDATE = {
    "1.6": '< [2,"u","UpdateFirmware",{"location":"ftp://f.example/f","retrieveDate":"2026-01-01T12:00:00Z"}]\n'
    '> [3,"u",{}]\n',
    "2x": '< [2,"u","UpdateFirmware",{"requestId":7,"firmware":{"location":"ftp://f.example/f",'
    '"retrieveDateTime":"2026-01-01T12:00:00Z"}}]\n> [3,"u",{"status":"Accepted"}]\n',
}


def _status(status: str, message_id: str = "f", request: str = ',"requestId":7') -> dict[str, str]:
    def text(more: str) -> str:
        said = f'> [2,"{message_id}","FirmwareStatusNotification",{{"status":"{status}"{more}}}]\n'
        return f'{said}< [3,"{message_id}",{{}}]\n'

    return {"1.6": text(""), "2x": text(request)}


_SIGNED = '> [2,"f","SignedFirmwareStatusNotification",{"status":"Downloading"%s}]\n< [3,"f",{}]'
_TRIGGER = (
    '< [2,"t","TriggerMessage",{"requestedMessage":"FirmwareStatusNotification"}]\n> [3,"t",{"status":"Accepted"}]\n'
)


class Progress(NamedTuple):
    """The last status of an update, None after its request; `life` is how many boots and connections there were."""

    status: str | None
    life: tuple[int, int]


class Firmware(Topic):
    """The rules about the statuses of firmware updates and log uploads.

    Attributes:
        progress: by requestId (None for 1.6 without the whitepaper, which has no ids), oldest first.
    """

    scope = "station"

    def setup(self) -> None:
        self.progress: dict[int | None, Progress] = {}
        self._triggered_ns: dict[str, int] = {}  # monotonic time of the last trigger, by requestedMessage
        self._watched_ns: int | None = None  # monotonic time after which messages cannot be due to a missed trigger
        self._requests: dict[str, dict[int, None]] = {"Firmware": {}, "Log": {}}  # requestIds, oldest first
        self._refused: dict[str, Known[int, str]] = {"Firmware": Known(), "Log": Known()}  # the answers, by requestId
        self._evidence = self.station.topic(Observation)

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._unsure(moment)
        elif self._watched_ns is None:
            self._watched_ns = moment.mono_ns

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._unsure(moment)
        self.progress.clear()

    def _unsure(self, moment: Moment) -> None:
        # For some time, a message may come because of a trigger that was not seen.
        self._watched_ns = moment.mono_ns + int(self.settings.effect_timeout_s * 1e9)

    @track(call("TriggerMessage", "ExtendedTriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        wanted = string(frame.payload, "requestedMessage")
        if wanted in _NOTIFICATIONS:
            self._triggered_ns[wanted] = frame.mono_ns

    @rule(
        "firmware.idle",
        call(*_NOTIFICATIONS),
        title="The status Idle is sent without a trigger",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §4.4 and §4.5; 2.x FirmwareStatusEnumType and UploadLogStatusEnumType",
        remedy="Send Idle only when TriggerMessage requests the status while no update or upload is running.",
        bad=joined("open\n", _status("Idle", request="")),
        good=joined("open\n", _TRIGGER, _status("Idle", request="")),
        side=Side.CHARGE_POINT,
    )
    def idle(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Idle":
            return None
        if self._watched_ns is None or frame.mono_ns < self._watched_ns:
            return None
        action = frame.action or ""
        asked_ns = self._triggered_ns.get(action.removeprefix("Signed"))
        if asked_ns is not None and frame.mono_ns - asked_ns <= self.settings.effect_timeout_s * 1e9:
            return None
        return Fault("the status is Idle, but no trigger has requested it", "/3/status")

    @rule(
        "firmware.request-id",
        call("FirmwareStatusNotification", "SignedFirmwareStatusNotification", "LogStatusNotification"),
        title="A status does not name the request that it is about",
        severity=Severity.ERROR,
        spec="L01.FR.10, L01.FR.20, L02.FR.06, L02.FR.14 (1.6 whitepaper L01.FR.21), N01.FR.07, N01.FR.13 "
        "(1.6 whitepaper N01.FR.12), F06.FR.15; 2.x L01.FR.22, N01.FR.05",
        remedy="Repeat the requestId of the request in each status; only Idle may have none.",
        bad={"1.6": _SIGNED % "", "2x": _status("Downloading", request="")["2x"]},
        good={"1.6": _SIGNED % ',"requestId":7', "2x": _status("Downloading")["2x"]},
        side=Side.CHARGE_POINT,
    )
    def request_id(self, frame: Frame) -> Faults:
        status, request = string(frame.payload, "status"), frame.payload.get("requestId")
        if status is None or (status == "Idle" and request is None):
            return None
        if frame.action == "FirmwareStatusNotification" and self.session.version is OcppVersion.V16:
            return None  # 1.6 without the security whitepaper has no requestId
        if request is None:
            return Fault(f"the status {status[:30]} has no requestId", "/3")
        known = self._requests["Log" if frame.action == "LogStatusNotification" else "Firmware"]
        if type(request) is not int or request in known or self._evidence.seen_since is None:
            return None
        refused = self._refused["Log" if frame.action == "LogStatusNotification" else "Firmware"].get(request)
        if refused is not None and status != "Idle":
            text = f"the status is {status[:30]}, but request {request} was answered with {refused[:30]}"
            return Fault(text, "/3/requestId", key=str(request))
        if not known and status != "Idle":
            return None  # the update may have been requested before the boot
        return Fault(f"requestId {request} does not belong to any request", "/3/requestId", key=str(request))

    @rule(
        "firmware.order",
        call("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
        title="A firmware status that cannot follow the one before",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.5, whitepaper L01.FR.01; 2.x L01.FR.01, L02.FR.01",
        remedy="Report every status of an update in order, as soon as it is entered.",
        bad=joined(_UPDATE, _status("Downloading"), _status("Installed", "g")),
        good=joined(_UPDATE, _status("Downloading"), _status("Downloaded", "g"), _status("Installed", "h")),
        side=Side.CHARGE_POINT,
    )
    def order(self, frame: Frame) -> Faults:
        status, request = string(frame.payload, "status"), integer(frame.payload, "requestId")
        if status is None or status not in NEXT_STATUS:
            return None  # it is Idle or not a valid status
        before, life = self.progress.get(request), self._life()
        self._note(request, status)
        if before is None or before.life != life or before.status == status or status in NEXT_STATUS[before.status]:
            return None
        if request is None and before.status == "Installed":
            return None  # it may be another update that was not requested over OCPP
        text = f"{status} follows {before.status or 'the request'}"
        return Fault(f"{text} directly", "/3/status", key=f"{request} {before.status} {status}")

    @track(result(*_UPDATES))
    def update_answered(self, frame: Frame) -> None:
        if str(frame.payload.get("status", "Accepted")).startswith("Accepted"):
            request = integer(frame.request, "requestId")
            self._note(request, None)
            self._remember("Firmware", request)

    @track(result("GetLog"))
    def log_answered(self, frame: Frame) -> None:
        if str(frame.payload.get("status")).startswith("Accepted"):
            self._remember("Log", integer(frame.request, "requestId"))

    @track(result(*_UPDATES, "GetLog"))
    def refused(self, frame: Frame) -> None:
        number, status = integer(frame.request, "requestId"), string(frame.payload, "status")
        known = self._refused["Log" if frame.action == "GetLog" else "Firmware"]
        if number is None or status is None:
            return
        if status.startswith("Accepted"):
            known.pop(number, None)
        elif number not in self._requests["Log" if frame.action == "GetLog" else "Firmware"]:
            known.note(number, status)

    def _life(self) -> tuple[int, int]:
        return self._evidence.boots, self._evidence.connections

    def _note(self, request: int | None, status: str | None) -> None:
        self.progress.pop(request, None)
        self.progress[request] = Progress(status, self._life())
        if len(self.progress) > REQUESTS_LIMIT:
            del self.progress[next(iter(self.progress))]

    def _remember(self, kind: str, request: int | None) -> None:
        known = self._requests[kind]
        if request is not None:
            known[request] = None
            if len(known) > REQUESTS_LIMIT:
                del known[next(iter(known))]
