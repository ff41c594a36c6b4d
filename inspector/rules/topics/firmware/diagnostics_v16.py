"""Whether a 1.6 charge point reports the upload of its diagnostics."""

from __future__ import annotations

from inspector.rules.finding import Severity, Side
from inspector.rules.kit import Promise
from inspector.rules.rule import V16, Topic, call
from inspector.rules.topics.example_frames import cp, csms, script

_ASKED = csms("GetDiagnostics", {"location": "ftp://files.example/"}, {"fileName": "diagnostics.zip"})


class Diagnostics16(Topic):
    """The rule about GetDiagnostics."""

    scope = "station"
    versions = V16

    no_status = Promise(
        "diagnostics.no-status",
        "GetDiagnostics",
        promised=lambda topic, frame: "status" if frame.payload.get("fileName") else None,
        kept_by=call("DiagnosticsStatusNotification"),
        keeps=lambda topic, frame: "status",
        text="a diagnostics file was promised, but no DiagnosticsStatusNotification came within {wait}",
        title="The upload of diagnostics reports no status",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.4 and §5.9",
        remedy="Send DiagnosticsStatusNotification while you upload the file, and when the upload is over.",
        bad=script(_ASKED, "+ 5m"),
        good=script(_ASKED, cp("DiagnosticsStatusNotification", {"status": "Uploading"}), "+ 5m"),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
