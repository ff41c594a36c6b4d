"""The revocation status of certificates: in which form it is answered, and how often it is asked for."""

from __future__ import annotations

import base64
import binascii

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Promise
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script

_WEEK_S = 7 * 86400.0
_HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "1"}
_SEQUENCE, _ENUMERATED, _LONG = 0x30, 0x0A, 0x80
REFUSED = "MAMKAQY="
"""The shortest OCSP response there is: its responseStatus is unauthorized."""
_V2G = ("V2GCertificate", "V2G20Certificate")


def _status(answer: str | None = REFUSED, status: str = "Accepted") -> str:
    told = {"status": status, **({"ocspResult": answer} if answer is not None else {})}
    return cp("GetCertificateStatus", {"ocspRequestData": {**_HASH, "responderURL": "http://ocsp.example"}}, told)


def _signed(kind: str = "V2GCertificate") -> str:
    return csms("CertificateSigned", {"certificateChain": "-----BEGIN CERTIFICATE-----", "certificateType": kind})


def _chain(status: str, source: str = "CRL") -> str:
    asked = [{"certificateHashData": _HASH, "source": "CRL", "urls": ["http://crl.example"]}]
    told = [{"certificateHashData": _HASH, "source": source, "status": status, "nextUpdate": NOW}]
    return cp("GetCertificateChainStatus", {"certificateStatusRequests": asked}, {"certificateStatus": told})


def _serial(payload: Payload) -> str | None:
    serial = string(member(payload, "ocspRequestData"), "serialNumber")
    return serial.lower() if serial is not None else None


def is_ocsp_response(text: str) -> bool:
    """Return whether a text is base64 of a whole DER sequence that begins with a responseStatus."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(data) < 5 or data[0] != _SEQUENCE:
        return False
    size, start = data[1], 2
    if size & _LONG:
        start += size & ~_LONG
        size = int.from_bytes(data[2:start])
    return 0 < size == len(data) - start and data[start] == _ENUMERATED


class CertificateStatus(Topic):
    """Rules about GetCertificateStatus."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.replaced = False  # whether a certificate has been signed or deleted since the latest status

    @rule(
        "certificate.ocsp-form",
        result("GetCertificateStatus"),
        title="The status of a certificate is not a DER-encoded OCSP response",
        severity=Severity.ERROR,
        spec="OCPP 2.x M06.FR.08, M06.FR.09",
        remedy="Give the OCSPResponse of RFC 6960 in ocspResult, DER-encoded and then in base64.",
        bad=script(_status("Good")),
        good=script(_status()),
        versions=V2X,
        side=Side.CSMS,
    )
    def form(self, frame: Frame) -> Faults:
        told = string(frame.payload, "ocspResult")
        if not told or is_ocsp_response(told):
            return None
        return Fault("ocspResult is not base64 of a DER-encoded OCSPResponse", "/2/ocspResult")

    @rule(
        "certificate.ocsp-failed",
        result("GetCertificateStatus"),
        title="The status of a certificate is called failed, but it is given",
        severity=Severity.WARNING,
        spec="OCPP 2.x M06.FR.02, M06.FR.04",
        remedy="Answer Accepted with the OCSP response, or Failed without it.",
        bad=script(_status(status="Failed")),
        good=script(_status(None, "Failed")),
        versions=V2X,
        side=Side.CSMS,
    )
    def failed(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Failed" or not frame.payload.get("ocspResult"):
            return None
        return Fault("the status is Failed, but ocspResult is given", "/2/status")

    @rule(
        "certificate.crl-status",
        result("GetCertificateChainStatus"),
        title="A status comes from another source than was requested, or is none that a CRL can give",
        severity=Severity.WARNING,
        spec="OCPP 2.1 M07.FR.05 to M07.FR.07",
        remedy="Answer each certificate from the requested source; by CRL it is Good, Revoked or Failed.",
        bad=script(_chain("Unknown")),
        good=script(_chain("Revoked")),
        versions=V21,
        side=Side.CSMS,
    )
    def crl_status(self, frame: Frame) -> Faults:
        sources: dict[str, set[str | None]] = {}
        for entry in elements(frame.request, "certificateStatusRequests"):
            serial = str(member(entry, "certificateHashData").get("serialNumber"))
            sources.setdefault(serial, set()).add(string(entry, "source"))
        for index, entry in enumerate(elements(frame.payload, "certificateStatus")):
            serial, source = str(member(entry, "certificateHashData").get("serialNumber")), string(entry, "source")
            at = f"/2/certificateStatus/{index}"
            if source not in sources.get(serial, {source}):
                return Fault(f"the source is {source}, which was not requested", f"{at}/source", key=serial[:40])
            if source == "CRL" and entry.get("status") == "Unknown":
                return Fault("the status is Unknown; a CRL says Good or Revoked", f"{at}/status", key=serial[:40])
        return None

    not_asked = Promise(
        "certificate.ocsp-not-asked",
        "CertificateSigned",
        promised=lambda topic, frame: (
            "status"
            if frame.payload.get("status") == "Accepted" and frame.request.get("certificateType") in _V2G
            else None
        ),
        kept_by=call("GetCertificateStatus", "GetCertificateChainStatus"),
        keeps=lambda topic, frame: "status",
        at_close=AtClose.LATE,
        text="a V2G certificate was accepted, but no request for its OCSP status came within {wait}",
        title="The OCSP status of a new V2G certificate is not requested",
        severity=Severity.WARNING,
        spec="OCPP 2.x M06.FR.06, M06.FR.07",
        remedy="Send GetCertificateStatus for the new certificate and its intermediate certificates.",
        bad=script(_signed(), "+ 5m"),
        good=script(_signed(), _status(), "+ 5m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    stale = Promise(
        "certificate.ocsp-stale",
        "GetCertificateStatus",
        promised=lambda topic, frame: _serial(frame.request) if frame.payload.get("status") == "Accepted" else None,
        kept_by=call("GetCertificateStatus"),
        keeps=lambda topic, frame: _serial(frame.payload),
        early=False,
        seconds=lambda topic: _WEEK_S + topic.settings.effect_timeout_s,
        excused=lambda topic, frame: topic.replaced,
        text="the OCSP status of certificate {key} has not been requested again within a week",
        title="The OCSP status of a certificate is older than a week",
        severity=Severity.WARNING,
        spec="OCPP 2.x M06.FR.10",
        remedy="Request the OCSP status of each V2G certificate again at least once a week.",
        bad=script(_status(), "+ 170h"),
        good=script(_status(), "+ 160h", _status(), "+ 30h"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )

    @track(result("CertificateSigned", "DeleteCertificate", "GetCertificateStatus"))
    def changed(self, frame: Frame) -> None:
        self.replaced = frame.action != "GetCertificateStatus"
