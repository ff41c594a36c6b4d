"""Judge how a charge point requests certificates, and whether it accepts a certificate that it must not accept."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import Moment
from inspector.rules.durations import duration
from inspector.rules.fields import string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import Payload, cp, csms, script, variable_2x

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

WAIT = ("SecurityCtrlr", "CertSigningWaitMinimum")
TIMES = ("SecurityCtrlr", "CertSigningRepeatTimes")
SIZE = ("SecurityCtrlr", "MaxCertificateChainSize")
TYPES = {
    "SignChargingStationCertificate": "ChargingStationCertificate",
    "SignV2GCertificate": "V2GCertificate",
    "SignV2G20Certificate": "V2G20Certificate",
}
"""For each trigger, the type of the certificate that it requests."""
TOLERANCE = 0.9
"""A repeated request is too early only if it comes before this share of the required wait is over."""
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_OVER = (
    "MIIBFjCBvKADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAkNBMB4XDTI0MDEwMTAwMDAwMFoXDTI1MDEwMTAwMDAwMFow"
    "HDEMMAoGA1UEAwwDU04xMQwwCgYDVQQKDANDUE8wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT0dWIGVcQY34FThaKWWdfXvczd"
    "Fa3QmphNwA4L2Bk2ldeCePmI9VjvW+F6Ree2zFogD4Pcxqovur9aqIvNJ/nNMAoGCCqGSM49BAMCA0kAMEYCIQCE+olM7+6Mat+6"
    "mi0tTy+bi6A3Rlu+b1C6Qm+hYbgtxAIhANlnemcmC6DgJLJJtrPgYWjdXbAUyTLOcvem5dzF6lyM"
)
VALID = (
    "MIIBFTCBvKADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAkNBMB4XDTI1MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFow"
    "HDEMMAoGA1UEAwwDU04xMQwwCgYDVQQKDANDUE8wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT0dWIGVcQY34FThaKWWdfXvczd"
    "Fa3QmphNwA4L2Bk2ldeCePmI9VjvW+F6Ree2zFogD4Pcxqovur9aqIvNJ/nNMAoGCCqGSM49BAMCA0gAMEUCIQCc9J+0YZrlIkFr"
    "KP0VlkMwEofjhXvQozlV4dUuImc1vAIgCERpDBjsCKSNBkB4odJnQs2Bmb/jPo9YfbqvULMCfvk="
)
_ONCE = variable_2x(*WAIT, "60") + variable_2x(*TIMES, "0").replace('"#"', '"times"')


def pem(body: str) -> str:
    """Return the base64 of a certificate in PEM."""
    return f"{_BEGIN}\n{body}\n{_END}\n"


def signed_2x(body: str, status: str = "Accepted") -> str:
    """Return a CertificateSigned and its answer, for `script`."""
    return csms("CertificateSigned", {"certificateChain": pem(body)}, {"status": status})


def _request(kind: str | None = None) -> str:
    asked: Payload = {"csr": "x", **({"certificateType": kind} if kind else {})}
    return cp("SignCertificate", asked, {"status": "Accepted"})


def _trigger(wanted: str) -> str:
    return csms("TriggerMessage", {"requestedMessage": wanted})


def leaf(chain: str) -> Certificate | None:
    """Return the first certificate of a PEM chain; None if it cannot be read."""
    from cryptography import x509

    body = chain.partition(_BEGIN)[2].partition(_END)[0]
    try:
        return x509.load_der_x509_certificate(base64.b64decode(body)) if body.strip() else None
    except (ValueError, binascii.Error):
        return None


class CertificateRequests(Topic):
    """The rules about SignCertificate and CertificateSigned."""

    scope = "station"

    def setup(self) -> None:
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)
        self._wanted: str | None = None  # the certificate type of the last accepted trigger
        self._separate = False  # whether the station has requested a certificate that is only for ISO 15118
        self._waiting: Known[str, tuple[Frame, int]] = Known()  # by type: the latest request, and how often it was sent

    @rule(
        "certificate.validity",
        result("CertificateSigned"),
        title="A certificate that has expired or is not valid yet is accepted",
        severity=Severity.ERROR,
        spec="A02.FR.06, A03.FR.06 (1.6 security whitepaper, 2.x part 2)",
        remedy="Check the dates of a signed certificate, and answer Rejected where it has expired or is not valid yet.",
        bad=script(signed_2x(_OVER)),
        good=script(signed_2x(VALID)),
        side=Side.CHARGE_POINT,
    )
    def validity(self, frame: Frame) -> Faults:
        chain = string(frame.request, "certificateChain")
        if frame.payload.get("status") != "Accepted" or chain is None or not self._evidence.timed:
            return None
        certificate = leaf(chain)
        if certificate is None:
            return None
        now, skew = frame.ts_ns / 1e9, self.settings.clock_skew_s
        if certificate.not_valid_after_utc.timestamp() < now - skew:
            return Fault(f"the certificate has expired on {certificate.not_valid_after_utc:%Y-%m-%d}", "/2/status")
        newer = self.session.version is not OcppVersion.V16
        if newer and certificate.not_valid_before_utc.timestamp() > now + skew:
            text = f"the certificate is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
            return Fault(text, "/2/status", key="early")
        return None

    @rule(
        "certificate.chain-too-long",
        result("CertificateSigned"),
        title="A certificate chain that is too long for the station is accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.0.1 A02.FR.16, A03.FR.16",
        remedy="Answer Rejected to a chain that is longer than MaxCertificateChainSize.",
        bad=script(variable_2x(*SIZE, "100"), signed_2x(VALID)),
        good=script(variable_2x(*SIZE, "100"), signed_2x(VALID, "Rejected")),
        versions={OcppVersion.V201},
        side=Side.CHARGE_POINT,
    )
    def chain_too_long(self, frame: Frame) -> Faults:
        most, chain = self._configuration.variable_number(*SIZE), string(frame.request, "certificateChain")
        if frame.payload.get("status") != "Accepted" or not most or chain is None or len(chain) <= most:
            return None
        return Fault(f"a chain of {len(chain)} characters is accepted; MaxCertificateChainSize is {most}", "/2/status")

    @rule(
        "certificate.type",
        call("SignCertificate"),
        title="A certificate request has another type than the trigger",
        severity=Severity.WARNING,
        spec="OCPP 2.x A02.FR.13, A03.FR.13; OCPP 2.1 A02.FR.22, A02.FR.23",
        remedy="Set certificateType to the type that the trigger names. A station with certificates of its own for "
        "ISO 15118 gives it in each request.",
        bad=script(_trigger("SignV2GCertificate"), _request("ChargingStationCertificate")),
        good=script(_trigger("SignV2GCertificate"), _request("V2GCertificate")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def kind(self, frame: Frame) -> Faults:
        wanted, self._wanted = self._wanted, None
        kind = string(frame.payload, "certificateType")
        separate = self._separate
        self._separate = separate or (kind is not None and kind.startswith("V2G"))
        if wanted is not None and kind != wanted and (kind is not None or wanted.startswith("V2G")):
            told = f"certificateType is {kind[:30]}" if kind else "certificateType is missing"
            return Fault(f"{told}; the trigger is for {wanted}", "/3/certificateType" if kind else "/3", key=wanted)
        if kind is None and separate:
            text = "certificateType is missing, though the station has requested a V2G certificate of its own"
            return Fault(text, "/3", key="separate")
        return None

    @track(result("TriggerMessage"), versions=V2X)
    def triggered(self, frame: Frame) -> None:
        wanted = string(frame.request, "requestedMessage")
        if wanted is None or not wanted.startswith("Sign"):
            return
        self._waiting.clear()  # the next request is a new one
        if frame.payload.get("status") == "Accepted":
            self._wanted = TYPES.get(wanted)

    @rule(
        "certificate.repeated",
        call("SignCertificate"),
        title="A certificate is requested again too soon or too often",
        severity=Severity.WARNING,
        spec="OCPP 2.x A02.FR.18, A02.FR.19, A03.FR.18, A03.FR.19",
        remedy="Wait CertSigningWaitMinimum before the second request, then twice as long each time, and stop after "
        "CertSigningRepeatTimes.",
        bad=script(_ONCE, _request(), "+ 10s", _request()),
        good=script(_ONCE, _request(), "+ 60s", _request()),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def repeated(self, frame: Frame) -> Faults:
        kind = string(frame.payload, "certificateType") or ""
        before = self._waiting.get(kind)
        wait = self._configuration.variable_number(*WAIT)
        if before is None or not wait:
            return None
        latest, sent = before
        times = self._configuration.variable_number(*TIMES)
        if times is not None and sent > times + 1:
            return Fault(f"the request is repeated {sent} times; CertSigningRepeatTimes is {times}", key="often")
        due = wait * 2 ** min(sent - 1, 30)
        passed = (frame.mono_ns - latest.mono_ns) / 1e9
        if passed < due * TOLERANCE:
            return Fault(f"the request is repeated after {duration(passed)}; expected {duration(due)}")
        return None

    @rule(
        "certificate.not-repeated",
        DEADLINE,
        title="A certificate is not requested again although the signed one did not come",
        severity=Severity.WARNING,
        spec="OCPP 2.x A02.FR.17, A03.FR.17",
        remedy="Send SignCertificate again once CertSigningWaitMinimum is over without CertificateSigned.",
        bad=script(_ONCE, _request(), "+ 10m"),
        good=script(_ONCE, _request(), "+ 60s", _request(), "+ 10m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_repeated(self, moment: Moment, kind: str, asked: Frame, wait: float) -> Faults:
        latest = self._waiting.get(kind)
        if latest is None or latest[0] is not asked or self.session not in self.station.sessions:
            return None
        text = (
            f"the request was accepted, but neither CertificateSigned nor another request came within {duration(wait)}"
        )
        return Fault(text, frame=asked)

    @track(result("SignCertificate"), versions=V2X)
    def accepted(self, frame: Frame) -> None:
        kind, asked = string(frame.request, "certificateType") or "", frame.call
        if frame.payload.get("status") != "Accepted" or asked is None:
            self._waiting.pop(kind, None)
            return
        sent = self._waiting[kind][1] + 1 if kind in self._waiting else 1
        self._waiting.note(kind, (asked, sent))
        wait, times = (self._configuration.variable_number(*name) for name in (WAIT, TIMES))
        if wait and (sent == 1 or (times is not None and sent <= times)):
            due = wait * 2 ** min(sent - 1, 30) + self.settings.effect_timeout_s
            self.station.deadline(frame, due, self.not_repeated, kind, asked, due)

    @track(call("CertificateSigned"), versions=V2X)
    def signed(self, frame: Frame) -> None:
        self._waiting.clear()
