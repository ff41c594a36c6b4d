"""Firmware that a local controller publishes: its statuses, their order, and the end of the publication."""

from __future__ import annotations

import re

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import cp, csms, script

_STATUS = "PublishFirmwareStatusNotification"
_DOWNLOADS = frozenset({"DownloadScheduled", "Downloading", "DownloadPaused", "DownloadFailed", "Downloaded"})
_NEXT: dict[str | None, frozenset[str]] = {
    None: _DOWNLOADS | {"ChecksumVerified", "InvalidChecksum", "PublishFailed"},
    "DownloadScheduled": _DOWNLOADS - {"Downloaded"},
    "Downloading": _DOWNLOADS,
    "DownloadPaused": _DOWNLOADS,
    "DownloadFailed": _DOWNLOADS - {"Downloaded"},
    "Downloaded": frozenset({"ChecksumVerified", "InvalidChecksum"}),
    "ChecksumVerified": frozenset({"Published", "PublishFailed"}),
    "InvalidChecksum": _DOWNLOADS - {"Downloaded"},
    "PublishFailed": _DOWNLOADS | {"Published"},
    "Published": _DOWNLOADS | {"PublishFailed"},
}
"""Which status may follow which; None is the request. What has failed may be tried again."""
_GOES_ON = frozenset({"Downloaded", "ChecksumVerified"})
_RUNNING = frozenset({"DownloadScheduled", "DownloadPaused", "Downloading", "Downloaded", "ChecksumVerified"})
_SOON_S = 600.0
"""No check of a checksum and no publication takes longer."""
_MD5 = re.compile(r"[0-9A-Fa-f]{32}")
_SUM = "0123456789abcdef" * 2
_ASKED = csms("PublishFirmware", {"location": "ftp://f.example/f", "checksum": _SUM, "requestId": 7})
_TRIGGER = csms("TriggerMessage", {"requestedMessage": _STATUS})


def _status(status: str, **more: object) -> str:
    told = {"location": ["http://l.example/f"]} if status == "Published" else {}
    return cp(_STATUS, {"status": status, "requestId": 7, **told, **more})


def _unpublished(status: str) -> str:
    return csms("UnpublishFirmware", {"checksum": _SUM}, {"status": status})


_PUBLISHED = (_ASKED, _status("Downloading"), _status("Downloaded"), _status("ChecksumVerified"), _status("Published"))


class PublishedFirmware(Topic):
    """Rules about PublishFirmware and UnpublishFirmware."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._checksums: Known[int, str] = Known()  # of the accepted requests, by requestId
        self._published: Known[str, None] = Known()
        self._removed: Known[str, None] = Known()
        self._failed: Known[str, str] = Known()  # the failure with which each publication has ended
        self._progress: Known[int, tuple[str | None, tuple[int, int]]] = Known()  # status and life, by requestId
        self._last: str | None = None
        self._triggered = False
        self._evidence = self.station.topic(Observation)

    def _life(self) -> tuple[int, int]:
        return self._evidence.boots, self._evidence.connections

    no_status = Promise(
        "firmware.publish-silent",
        "PublishFirmware",
        promised=lambda topic, frame: (
            integer(frame.request, "requestId") if frame.payload.get("status") == "Accepted" else None
        ),
        kept_by=call(_STATUS),
        keeps=lambda topic, frame: integer(frame.payload, "requestId"),
        at_close=AtClose.LATE,
        text="PublishFirmware {key} was accepted, but no status of it came within {wait}",
        title="An accepted PublishFirmware reports no status",
        severity=Severity.WARNING,
        spec="OCPP 2.x L03.FR.01",
        remedy="Send PublishFirmwareStatusNotification whenever the publication enters a new status.",
        bad=script(_ASKED, "+ 5m"),
        good=script(_ASKED, _status("Downloading"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    @rule(
        "firmware.checksum",
        call("PublishFirmware", "UnpublishFirmware"),
        title="The checksum of published firmware is no MD5 checksum",
        severity=Severity.WARNING,
        spec="OCPP 2.x L03.FR.02",
        remedy="Send the MD5 checksum of the whole file: 32 hexadecimal digits.",
        bad=script(csms("UnpublishFirmware", {"checksum": "ab12"}, {"status": "NoFirmware"})),
        good=script(csms("UnpublishFirmware", {"checksum": _SUM}, {"status": "NoFirmware"})),
        versions=V2X,
        side=Side.CSMS,
    )
    def checksum(self, frame: Frame) -> Faults:
        told = string(frame.payload, "checksum")
        if told is None or _MD5.fullmatch(told):
            return None
        return Fault(f"checksum is {told[:40]!r}; an MD5 checksum has 32 hexadecimal digits", "/3/checksum")

    @rule(
        "firmware.publish-order",
        call(_STATUS),
        title="A status of published firmware that cannot follow the one before",
        severity=Severity.WARNING,
        spec="OCPP 2.x L03.FR.01, L03.FR.06 to L03.FR.09",
        remedy="Report every status in order: the download, the check of the checksum, the publication.",
        bad=script(_ASKED, _status("Downloading"), _status("Downloaded"), _status("Published")),
        good=script(*_PUBLISHED),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._progress,
    )
    def order(self, frame: Frame) -> Faults:
        number, status = integer(frame.payload, "requestId"), string(frame.payload, "status")
        if number is None or status not in _NEXT or number not in self._progress:
            return None
        (before, life), now = self._progress[number], self._life()
        self._progress.note(number, (status, now))
        if life != now or before == status or status in _NEXT[before]:
            return None
        key = f"{number} {before} {status}"
        return Fault(f"{status} follows {before or 'the request'} directly", "/3/status", key=key)

    @rule(
        "firmware.publish-triggered",
        call(_STATUS),
        title="A triggered status of published firmware is not the last one, or not Idle after the publication",
        severity=Severity.WARNING,
        spec="OCPP 2.x L03.FR.10, L03.FR.11",
        remedy="Answer the trigger with Idle once the firmware is published, otherwise with the last status.",
        bad=script(*_PUBLISHED, _TRIGGER, _status("Published")),
        good=script(*_PUBLISHED, _TRIGGER, cp(_STATUS, {"status": "Idle"})),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def triggered_status(self, frame: Frame) -> Faults:
        status, last, asked = string(frame.payload, "status"), self._last, self._triggered
        self._triggered = False
        if status is not None and status != "Idle":
            self._last = status
        if not asked or last is None:
            return None
        if last == status == "Published":
            return Fault("the firmware is published; expected Idle", "/3/status", key="published")
        if status == "Idle" and last != "Published":
            return Fault(f"the status is Idle; the last one was {last[:20]}", "/3/status", key="running")
        return None

    unfinished = Promise(
        "firmware.publish-unfinished",
        _STATUS,
        promised=lambda topic, frame: (
            integer(frame.request, "requestId") if string(frame.request, "status") in _GOES_ON else None
        ),
        kept_by=(*call(_STATUS), *result("PublishFirmware")),
        keeps=lambda topic, frame: topic.settled(frame),
        early=False,
        seconds=lambda topic: max(_SOON_S, topic.settings.effect_timeout_s),
        text="no further status came for the publication of request {key} within {wait}",
        title="The publication of firmware never reports its end",
        severity=Severity.WARNING,
        spec="OCPP 2.x L03.FR.01, L03.FR.07, L03.FR.08, L03.FR.09",
        remedy="Send ChecksumVerified or InvalidChecksum after the download, then Published or PublishFailed.",
        bad=script(*_PUBLISHED[:-1], "+ 15m"),
        good=script(*_PUBLISHED, "+ 15m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    def settled(self, frame: Frame) -> int | list[int] | None:
        """Return the requests that need not report more after this frame; a new one may replace all before it."""
        if frame.call is None:
            return integer(frame.payload, "requestId")
        return list(self._progress) if frame.payload.get("status") == "Accepted" else None

    @track(result("TriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        wanted = frame.request.get("requestedMessage") == _STATUS
        self._triggered = wanted and frame.payload.get("status") == "Accepted"

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if self._last != "Published":
            self._last = None

    @rule(
        "firmware.unpublish",
        result("UnpublishFirmware"),
        title="The answer to UnpublishFirmware contradicts which firmware is published",
        severity=Severity.WARNING,
        spec="OCPP 2.x L04.FR.01, L04.FR.02, L04.FR.03, L04.FR.04",
        remedy="Answer Unpublished for firmware that is published, NoFirmware where none is, and DownloadOngoing, "
        "which keeps it published, while a charging station downloads it.",
        bad=script(*_PUBLISHED, _unpublished("NoFirmware")),
        good=script(*_PUBLISHED, _unpublished("Unpublished")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unpublish(self, frame: Frame) -> Faults:
        checksum, status = (string(frame.request, "checksum") or "").lower(), string(frame.payload, "status")
        known, removed = checksum in self._published, checksum in self._removed
        failed = self._failed.get(checksum)
        if status == "Unpublished":
            self._published.pop(checksum, None)
            self._removed.note(checksum, None)
            if removed:
                return Fault("Unpublished, but this firmware was unpublished before", "/2/status", key="again")
            running = [
                told
                for number, (told, life) in self._progress.items()
                if self._checksums.get(number) == checksum and life == self._life() and told in _RUNNING
            ]
            if running and not known:
                return Fault(f"Unpublished, but its publication is at {running[0]}", "/2/status", key="running")
            if failed is not None and not known:
                return Fault(f"Unpublished, but its publication ended with {failed}", "/2/status", key="failed")
        elif status == "NoFirmware":
            self._published.pop(checksum, None)
            if known:
                return Fault("NoFirmware, but this firmware is published", "/2/status", key="published")
        return None

    @track(result("PublishFirmware"))
    def accepted(self, frame: Frame) -> None:
        number, checksum = integer(frame.request, "requestId"), string(frame.request, "checksum")
        if number is None or checksum is None or frame.payload.get("status") != "Accepted":
            return
        self._checksums.note(number, checksum.lower())
        self._removed.pop(checksum.lower(), None)
        self._progress.note(number, (None, self._life()))
        self.station.refresh_listeners()

    @track(call(_STATUS), dormant=lambda topic: not topic._checksums)
    def published(self, frame: Frame) -> None:
        number = integer(frame.payload, "requestId")
        checksum = self._checksums.get(number) if number is not None else None
        status = string(frame.payload, "status")
        if checksum is None or status is None:
            return
        self._failed.pop(checksum, None)
        if status == "Published":
            self._published.note(checksum, None)
        elif status in ("PublishFailed", "InvalidChecksum", "DownloadFailed"):
            self._failed.note(checksum, status)
