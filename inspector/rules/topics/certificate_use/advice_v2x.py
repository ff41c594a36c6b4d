"""What the specification recommends about certificates and the requests for them."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import name_of
from inspector.rules.topics.certificate_requests import leaf, signed_2x
from inspector.rules.topics.example_frames import cp, script, variable_2x

_FITTING = (
    "MIIBKDCB0KADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAkNBMB4XDTI1MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowHDEM"
    "MAoGA1UEAwwDU04xMQwwCgYDVQQKDANDUE8wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARnFOqD8vioxSUJj7rXOrE8lXuEVIzIvIP0"
    "oficMPw6/NO4l2IShlXpBEKyd93s1U8WdnjuO7vspUgEUfUXV4ESoxIwEDAOBgNVHQ8BAf8EBAMCB4AwCgYIKoZIzj0EAwIDRwAwRAIg"
    "I0E3ZulZnCfiYfoQEfu7fEhrc/Ejx5C2yRRimjH1KroCIB/L0YVOColwU4/7W845c2ZpLLtj23Li+NDunl61aNK9"
)
_OLD_SIGNATURE = (
    "MIIB6jCB06ADAgECAgEBMA0GCSqGSIb3DQEBCwUAMA0xCzAJBgNVBAMMAkNBMB4XDTI1MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFow"
    "HDEMMAoGA1UEAwwDU04xMQwwCgYDVQQKDANDUE8wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT+Ko5t8Rg3DMsjqqHZeEPa2QtXzSmf"
    "RsyCWJrZz/4kUxS6yoDVcC7gvC6r0zdk1gynHrrCbDgA8/vjJ/XAAQACoxIwEDAOBgNVHQ8BAf8EBAMCB4AwDQYJKoZIhvcNAQELBQAD"
    "ggEBAKAkAijB2e4UJE+O6+M7LPNnLfgrO0LPzgpZS0Mi5orn65g0/3la62QfQibYkCQjAJ7on/0R1ssnV5rxYqOzbGk9J125yoHd25hR"
    "ehLmQRxm3Q7IcwsnScQis6XxBIai7kj95Og5J2lVzwf0WBwpY+ZDt90UsuGz+hMR505NjlwULSpxgHPYh4aajbf4S1HJROp19yWsC/ym"
    "fbdGpf4GVtSXIYSdNdbXGpl8RyxUlwiRE9E9TvHj/w8eH2np3wZTWi51qDruvWllUMtO97Hwmvp/rBFXt/vmrqFgKCqMHz9DiWRFvZAR"
    "FIM7lzpO2qkAbB/a+7NdGBrfwRP7t73MRWs="
)
_EXTENDED = (
    "MIIBPjCB5aADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAkNBMB4XDTI1MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFowHDEM"
    "MAoGA1UEAwwDU04xMQwwCgYDVQQKDANDUE8wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATnsKqPDnf9B9GJCZWTzhw/0glPyvGkDQsc"
    "XvigQ03MZaHnjusSfiPlYtph6Dh3O2ZIbUGBGNyAionl2NxKY8HBoycwJTAOBgNVHQ8BAf8EBAMCB4AwEwYDVR0lBAwwCgYIKwYBBQUH"
    "AwIwCgYIKoZIzj0EAwIDSAAwRQIhAIj0hllr/n3UBXNvnIMjQewuDHW6fH4tOpMPpBZp2mHUAiADTK0tZ5AWa7UFoLtH+wAP8tM8JYNo"
    "R/bgiuSdJwmnyQ=="
)
_HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "1"}
_V2G = frozenset({"V2GCertificate", "V2G20Certificate"})
_PNC = ("ISO15118Ctrlr", "PnCEnabled")
_NAMES = frozenset({"pncenabled", "iso15118pncenabled"})


def _sign(status: str = "Accepted", **more: Any) -> str:
    return cp("SignCertificate", {"csr": "x", **more}, {"status": status})


class CertificateAdvice(Topic):
    """The rules about recommendations; most of them read the certificate that the CSMS sends."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._refused: Known[str, None] = Known()  # types of V2G certificates whose latest request was rejected

    @rule(
        "certificate.signature-advice",
        call("CertificateSigned"),
        title="A certificate is not signed with a recommended algorithm",
        severity=Severity.INFO,
        spec="OCPP 2.x A00.FR.505, A00.FR.506",
        remedy="Sign certificates with RSA-PSS or ECDSA, and with SHA256.",
        bad=script(signed_2x(_OLD_SIGNATURE, "Rejected")),
        good=script(signed_2x(_FITTING, "Rejected")),
        versions=V2X,
        side=Side.CSMS,
    )
    def signature(self, frame: Frame) -> Faults:
        certificate = leaf(string(frame.payload, "certificateChain") or "")
        if certificate is None:
            return None
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.x509.oid import SignatureAlgorithmOID

        try:
            kind = str(getattr(certificate.signature_algorithm_oid, "_name", ""))
            hashed = certificate.signature_hash_algorithm
        except (ValueError, UnsupportedAlgorithm):
            return None
        safe = certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS or kind.startswith("ecdsa")
        if not safe and hashed is not None:
            return Fault(f"the signature is {kind[:40]}; RSA-PSS or ECDSA is recommended", "/3/certificateChain")
        if hashed is not None and hashed.name not in ("sha256", "sha1", "md5"):
            text = f"the signature uses {hashed.name.upper()}; SHA256 is recommended"
            return Fault(text, "/3/certificateChain", key=hashed.name)
        return None

    @rule(
        "certificate.key-usage",
        call("CertificateSigned"),
        title="A certificate has no Key Usage, or has Extended Key Usage, which cars may not know",
        severity=Severity.INFO,
        spec="OCPP 2.x A00.FR.512, A00.FR.514",
        remedy="Issue certificates with the extension Key Usage and without Extended Key Usage.",
        bad=script(signed_2x(_EXTENDED)),
        good=script(signed_2x(_FITTING)),
        versions=V2X,
        side=Side.CSMS,
    )
    def key_usage(self, frame: Frame) -> Faults:
        certificate = leaf(string(frame.payload, "certificateChain") or "")
        if certificate is None:
            return None
        from cryptography.x509.oid import ExtensionOID

        try:
            present = {one.oid for one in certificate.extensions}
        except Exception:  # an extension that cannot be read
            return None
        if ExtensionOID.EXTENDED_KEY_USAGE in present:
            return Fault("the certificate has the extension Extended Key Usage", "/3/certificateChain", key="extended")
        if present and ExtensionOID.KEY_USAGE not in present:
            return Fault("the certificate has extensions, but no Key Usage", "/3/certificateChain")
        if not present:
            return Fault("the certificate has no extension Key Usage", "/3/certificateChain", key="none")
        return None

    @rule(
        "certificate.no-request-id",
        call("SignCertificate"),
        title="A certificate is requested without a requestId",
        severity=Severity.INFO,
        spec="OCPP 2.1 A02.FR.24, A03.FR.20",
        remedy="Send a requestId, so that the signed certificate can be matched with its request.",
        bad=script(_sign()),
        good=script(_sign(requestId=1)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def no_request_id(self, frame: Frame) -> Faults:
        return None if "requestId" in frame.payload else Fault("requestId is missing", "/3")

    @rule(
        "certificate.no-root-hash",
        call("SignCertificate"),
        title="A V2G certificate is requested without naming the authority that should sign it",
        severity=Severity.INFO,
        spec="OCPP 2.1 A02.FR.27, A03.FR.23",
        remedy="Send hashRootCertificate with requests for V2G certificates.",
        bad=script(_sign(requestId=1, certificateType="V2GCertificate")),
        good=script(_sign(requestId=1, certificateType="V2GCertificate", hashRootCertificate=_HASH)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def no_root_hash(self, frame: Frame) -> Faults:
        kind = string(frame.payload, "certificateType")
        if kind not in _V2G or "hashRootCertificate" in frame.payload:
            return None
        return Fault(f"certificateType is {kind}, but hashRootCertificate is missing", "/3")

    @rule(
        "certificate.plug-and-charge-on",
        result("GetVariables"),
        call("NotifyReport"),
        title="Plug & Charge stays on after the CSMS refused the station a V2G certificate",
        severity=Severity.INFO,
        spec="OCPP 2.x A02.FR.21",
        remedy="Turn PnCEnabled off until the next restart once the request for a V2G certificate is rejected.",
        bad=script(_sign("Rejected", certificateType="V2GCertificate"), variable_2x(*_PNC, "true")),
        good=script(_sign("Rejected", certificateType="V2GCertificate"), variable_2x(*_PNC, "false")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._refused,
    )
    def plug_and_charge(self, frame: Frame) -> Faults:
        if not self._refused:
            return None
        read = frame.action == "GetVariables"
        for entry in elements(frame.payload, "getVariableResult" if read else "reportData"):
            name = name_of(entry)
            if name is None or name.component != "iso15118ctrlr" or name.variable not in _NAMES:
                continue
            told = [entry] if read else elements(entry, "variableAttribute")
            if any((string(one, "attributeValue" if read else "value") or "").lower() == "true" for one in told):
                kind = next(iter(self._refused))
                text = f"PnCEnabled is true, but the request for a {kind[:20]} was rejected"
                return Fault(text, "/2" if read else "/3", key=str(name))
        return None

    @track(result("SignCertificate"))
    def asked(self, frame: Frame) -> None:
        kind = string(frame.request, "certificateType") or ""
        before = bool(self._refused)
        self._refused.pop(kind, None)
        if kind in _V2G and frame.payload.get("status") == "Rejected":
            self._refused.note(kind, None)
        if before != bool(self._refused):
            self.station.refresh_listeners()

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._refused.clear()
