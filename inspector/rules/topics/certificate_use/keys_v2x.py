"""Judge whether private keys stay in the station, whether certificates are in PEM, and whether new ones are used."""

from __future__ import annotations

import re

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.certificate_requests import VALID, signed_2x
from inspector.rules.topics.certificate_use.properties import MEMBERS
from inspector.rules.topics.example_frames import cp, script, variable_2x

SHORT = 64
"""A shorter text that is not in PEM is probably a stand-in of a test; it is not judged unless it looks like DER."""
_DER = "MI"
"""How a certificate or a request begins in base64 without the lines that make it PEM."""
_CARRY = ("SignCertificate", "NotifyReport", "NotifyEvent", "SecurityEventNotification", "DataTransfer")
_MARKER = b"PRIVATE KEY-----"
_HIDDEN_KEY = re.compile(rb"\*{64}")
"""A private key in a recording. Everything else that a recording hides is shorter."""
_KEY = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n"
_ASKED = "-----BEGIN CERTIFICATE REQUEST-----\nMIHY\n-----END CERTIFICATE REQUEST-----\n"

_THREE = variable_2x("SecurityCtrlr", "SecurityProfile", "3")


def _sign(csr: str, status: str = "Accepted") -> str:
    return cp("SignCertificate", {"csr": csr}, {"status": status})


class CertificateKeys(Topic):
    """The rules about keys, PEM and the use of a new certificate."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._configuration = self.station.topic(ConfigurationState)
        self._transactions = self.station.topic(Transactions2x)
        self._refused = False  # whether the CSMS has rejected the latest certificate request

    @rule(
        "certificate.private-key",
        call(*_CARRY),
        result("GetVariables", "DataTransfer"),
        title="A station sends a private key",
        severity=Severity.ERROR,
        spec="OCPP 2.x A02.FR.05, A03.FR.05",
        remedy="Keep private keys in the station. Send only the certificate request, and let no variable show a key.",
        bad=script(_sign(_KEY)),
        good=script(_sign(_ASKED)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def private_key(self, frame: Frame) -> Faults:
        if _MARKER in frame.raw or (frame.redacted and _HIDDEN_KEY.search(frame.raw)):
            return Fault("the message has a private key", "/3" if frame.call is None else "/2", key="pem")
        for index, entry in enumerate(elements(frame.payload, "getVariableResult")):
            name = (string(member(entry, "variable"), "name") or "").lower()
            if "privatekey" in name and entry.get("attributeStatus") == "Accepted" and entry.get("attributeValue"):
                return Fault(f"the variable {name[:40]} can be read", f"/2/getVariableResult/{index}", key=name[:40])
        return None

    @rule(
        "certificate.not-pem",
        call(*MEMBERS),
        title="A certificate or a certificate request is not in PEM",
        severity=Severity.WARNING,
        spec="OCPP 2.x A00.FR.507, A02.FR.03, A03.FR.03",
        remedy="Send certificates and certificate requests in PEM, with the lines that say BEGIN and END.",
        bad=script(_sign("MIHYMIGAAgEAMB4xDDAKBgNVBAMMA1NOMQ==")),
        good=script(_sign(_ASKED)),
        versions=V2X,
    )
    def not_pem(self, frame: Frame) -> Faults:
        name = MEMBERS[frame.action or ""]
        text = (string(frame.payload, name) or "").strip()
        kind = "CERTIFICATE REQUEST" if name == "csr" else "CERTIFICATE"
        if "-----BEGIN " not in text:
            if frame.redacted and not text.strip("*"):
                return None  # a private key, which the recording hides
            if len(text) < SHORT and not (text.startswith(_DER) and len(text) >= SHORT // 4):
                return None
            return Fault(f"{name} is not in PEM", f"/3/{name}")
        label = text.partition("-----BEGIN ")[2].partition("-----")[0].removeprefix("NEW ")
        if label == kind or "PRIVATE" in label or not label.strip():
            return None  # the rule certificate.private-key reports keys
        if name != "csr" and label in ("TRUSTED CERTIFICATE", "X509 CERTIFICATE"):
            return None
        return Fault(f"{name} has a {label[:30]}; expected a {kind}", f"/3/{name}", key=label[:30])

    @rule(
        "certificate.signed-after-refusal",
        call("CertificateSigned"),
        title="The CSMS sends a signed certificate although it has rejected the request for it",
        severity=Severity.WARNING,
        spec="OCPP 2.x A02.FR.11, A02.FR.12, A03.FR.11, A03.FR.12",
        remedy="Answer SignCertificate with Accepted where you have it signed, with Rejected only where you do not.",
        bad=script(_sign(_ASKED, "Rejected"), signed_2x(VALID)),
        good=script(_sign(_ASKED), signed_2x(VALID)),
        versions=V2X,
        side=Side.CSMS,
        dormant=lambda topic: not topic._refused,
    )
    def signed_after_refusal(self, frame: Frame) -> Faults:
        return (
            Fault("SignCertificate was answered with Rejected, and no other request has come")
            if self._refused
            else None
        )

    @track(result("SignCertificate"))
    def asked(self, frame: Frame) -> None:
        self._refused = frame.payload.get("status") == "Rejected"
        self.station.refresh_listeners()

    @rule(
        "certificate.not-used",
        DEADLINE,
        title="A station does not reconnect with the new certificate that it has accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.x A02.FR.08, A03.FR.08",
        remedy="Close the connection after you have accepted a valid certificate, and connect again with the new one.",
        bad=script(_THREE, signed_2x(VALID), "+ 11m"),
        good=script(_THREE, signed_2x(VALID), "+ 10s", "close", "open", "+ 11m"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_used(self, moment: Moment, answer: Frame, session: SessionContext, wait: float) -> Faults:
        if session not in self.station.sessions or self._transactions.open_transactions():
            return None
        profile = self._configuration.variable("SecurityCtrlr", "SecurityProfile")
        if profile in ("1", "2"):
            return None  # the connection does not use this certificate
        sure = profile == "3" or session.facts.get("client_cert_subject")
        text = f"the certificate was accepted, but the station has not connected again within {duration(wait)}"
        return Fault(text, "/2/status", frame=answer, severity=None if sure else Severity.INFO)

    @track(result("CertificateSigned"))
    def signed(self, frame: Frame) -> None:
        kind = string(frame.request, "certificateType") or "ChargingStationCertificate"
        basic = str(self.session.facts.get("auth_scheme")).lower() == "basic"
        if frame.payload.get("status") != "Accepted" or kind != "ChargingStationCertificate" or basic:
            return
        wait = 2 * self.settings.reboot_after_reset_s
        self.station.deadline(frame, wait, self.not_used, frame, self.session, wait)
