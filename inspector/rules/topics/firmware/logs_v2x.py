"""Log uploads: where they go, that they report their statuses, and that a canceled one says so."""

from __future__ import annotations

from urllib.parse import urlsplit

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import cp, csms, script

UPLOAD_S = 3600.0
"""No upload of a log takes longer, with all of its attempts."""


def _get(status: str = "Accepted", request: int = 7, url: str = "https://l.example/logs/") -> str:
    asked = {"logType": "SecurityLog", "requestId": request, "log": {"remoteLocation": url}}
    return csms("GetLog", asked, {"status": status, "filename": "log.txt"})


def _status(status: str, request: int = 7) -> str:
    return cp("LogStatusNotification", {"status": status, "requestId": request})


class LogUploads(Topic):
    """Rules about log uploads."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._begun: Known[int, tuple[int, int] | None] = Known()  # life at the answer, None once a status has come
        self._uploading: tuple[int | None, tuple[int, int]] | None = None
        self._evidence = self.station.topic(Observation)

    def _life(self) -> tuple[int, int]:
        return self._evidence.boots, self._evidence.connections

    @rule(
        "log.location",
        call("GetLog"),
        title="The address for a log has a fragment, or a query that ends with a slash",
        severity=Severity.WARNING,
        spec="OCPP 2.1 N01.FR.27, N01.FR.28",
        remedy="Leave the fragment out of remoteLocation, and do not end its query with a slash.",
        bad=script(_get("Rejected", url="https://l.example/logs?to=a/")),
        good=script(_get("Rejected", url="https://l.example/logs/?to=a")),
        versions=V21,
        side=Side.CSMS,
    )
    def location(self, frame: Frame) -> Faults:
        text = string(member(frame.payload, "log"), "remoteLocation") or ""
        if not text.lower().startswith("http"):
            return None
        try:
            url = urlsplit(text)
        except ValueError:
            return None
        if url.fragment or text.endswith("#"):
            return Fault("remoteLocation has a fragment", "/3/log/remoteLocation", key="fragment")
        if url.query.endswith("/"):
            return Fault("the query in remoteLocation ends with a slash", "/3/log/remoteLocation", key="query")
        return None

    no_status = Promise(
        "log.no-status",
        "GetLog",
        promised=lambda topic, frame: (
            integer(frame.request, "requestId") if str(frame.payload.get("status")).startswith("Accepted") else None
        ),
        kept_by=(*call("LogStatusNotification"), *result("GetLog")),
        keeps=lambda topic, frame: topic.settled(frame),
        at_close=AtClose.LATE,
        text="GetLog {key} was accepted, but no status of its upload came within {wait}",
        title="An accepted log upload reports no status",
        severity=Severity.WARNING,
        spec="OCPP 2.x N01.FR.08",
        remedy="Send LogStatusNotification with Uploading when the upload begins, and with its outcome.",
        bad=script(_get(), "+ 5m"),
        good=script(_get(), _status("Uploading"), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    def settled(self, frame: Frame) -> int | list[int] | None:
        """Return the uploads that this frame says something of; a new GetLog may cancel all before it."""
        if frame.call is None:
            return integer(frame.payload, "requestId")
        own = integer(frame.request, "requestId")
        canceled = frame.payload.get("status") == "AcceptedCanceled"
        return [number for number in self._begun if number != own] if canceled else None

    @rule(
        "log.order",
        call("LogStatusNotification"),
        title="A log is called uploaded, but its upload was never reported as begun",
        severity=Severity.WARNING,
        spec="OCPP 2.x N01.FR.08",
        remedy="Send LogStatusNotification with Uploading when the upload begins.",
        bad=script(_get(), _status("Uploaded")),
        good=script(_get(), _status("Uploading"), _status("Uploaded")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._begun,
    )
    def order(self, frame: Frame) -> Faults:
        number, status = integer(frame.payload, "requestId"), string(frame.payload, "status")
        life = self._begun.get(number) if number is not None else None
        if number is None or life is None or status == "Idle":
            return None
        self._begun.note(number, None)
        if status != "Uploaded" or life != self._life():
            return None
        return Fault(f"log {number} is uploaded; no status Uploading came before", "/3/status", key=str(number))

    unfinished = Promise(
        "log.unfinished",
        "LogStatusNotification",
        promised=lambda topic, frame: (
            integer(frame.request, "requestId") if frame.request.get("status") == "Uploading" else None
        ),
        kept_by=(*call("LogStatusNotification"), *result("GetLog")),
        keeps=lambda topic, frame: topic.settled(frame),
        early=False,
        seconds=lambda topic: max(UPLOAD_S, topic.settings.effect_timeout_s),
        text="the upload of log {key} has begun, but its outcome was not reported within {wait}",
        title="The outcome of a log upload is not reported",
        severity=Severity.WARNING,
        spec="OCPP 2.x N01.FR.09, N01.FR.10",
        remedy="Send LogStatusNotification with Uploaded, or with the failure once all attempts have failed.",
        bad=script(_get(), _status("Uploading"), "+ 2h"),
        good=script(_get(), _status("Uploading"), _status("UploadFailure"), "+ 2h"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    canceled = Promise(
        "log.cancel-unreported",
        "GetLog",
        promised=lambda topic, frame: "AcceptedCanceled" if frame.payload.get("status") == "AcceptedCanceled" else None,
        kept_by=call("LogStatusNotification"),
        keeps=lambda topic, frame: string(frame.payload, "status"),
        at_close=AtClose.LATE,
        text="the answer is AcceptedCanceled, but no LogStatusNotification with this status came within {wait}",
        title="A canceled log upload is not reported as canceled",
        severity=Severity.WARNING,
        spec="OCPP 2.x N01.FR.20",
        remedy="Send LogStatusNotification with AcceptedCanceled for the upload that a new GetLog has canceled.",
        bad=script(
            _get(),
            _status("Uploading"),
            _get("AcceptedCanceled", 8),
            _status("Uploading", 8),
            _status("Uploaded", 8),
            "+ 5m",
        ),
        good=script(
            _get(),
            _status("Uploading"),
            _get("AcceptedCanceled", 8),
            _status("AcceptedCanceled"),
            _status("Uploading", 8),
            _status("Uploaded", 8),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    @rule(
        "log.not-canceled",
        result("GetLog"),
        title="A log is requested during the upload of another one, but the answer does not cancel that one",
        severity=Severity.INFO,
        spec="OCPP 2.x N01.FR.12",
        remedy="Cancel the running upload and answer AcceptedCanceled.",
        bad=script(_get(), _status("Uploading"), _get(request=8), _status("Uploading", 8)),
        good=script(_get(), _status("Uploading"), _status("Uploaded"), _get(request=8), _status("Uploading", 8)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_canceled(self, frame: Frame) -> Faults:
        number = integer(frame.request, "requestId")
        status = frame.payload.get("status")
        if status not in ("Accepted", "Rejected") or self._uploading is None:
            return None
        before, life = self._uploading
        if before == number or life[0] != self._evidence.boots:
            return None
        return Fault(f"{status}, but log {before} is being uploaded; expected AcceptedCanceled", "/2/status")

    @track(result("GetLog"))
    def accepted(self, frame: Frame) -> None:
        number = integer(frame.request, "requestId")
        if number is not None and str(frame.payload.get("status")).startswith("Accepted"):
            self._begun.note(number, self._life())
            self._uploading = (number, self._life())  # it may be assembled first
            self.station.refresh_listeners()

    @track(call("LogStatusNotification"))
    def reported(self, frame: Frame) -> None:
        running = frame.payload.get("status") == "Uploading"
        self._uploading = (integer(frame.payload, "requestId"), self._life()) if running else None
