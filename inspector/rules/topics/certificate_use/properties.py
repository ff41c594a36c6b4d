"""Whether the certificates in messages have the properties that the security specification demands."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.fields import string
from inspector.rules.finding import Fault, Severity
from inspector.rules.rule import Faults, Topic, call, rule
from inspector.rules.topics.certificate_requests import VALID, leaf, signed_2x
from inspector.rules.topics.example_frames import script

MEMBERS = {"CertificateSigned": "certificateChain", "InstallCertificate": "certificate", "SignCertificate": "csr"}
"""The member of each message that holds a certificate, or the request for one."""
LEAST_BITS = {"RSA": 2048, "DSA": 2048, "elliptic curve": 224}
WEAK_HASHES = frozenset({"md5", "sha1"})
_WEAK = (
    "MIIBXTCCAQOgAwIBAgIBATAKBggqhkjOPQQDAjANMQswCQYDVQQDDAJDQTAeFw0yNTAxMDEwMDAwMDBaFw0zNjAxMDEwMDAwMDBa"
    "MBwxDDAKBgNVBAMMA1NOMTEMMAoGA1UECgwDQ1BPMIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCvhJ5ZuTg+k874IaX+LDzG"
    "5brOEICvoktHrfz8W36WJ0jxlNbowvPSn1ZmvC44sK4a1pziUK88bPU/Ph/dsPFGZFx6S4OsumLURnI+UDsh6YF+UZkQHFfAUMdG"
    "LZ+yXmwnSfusSbwYG4twu7GdB4FX7x5VmW5qmTTJCS5SIwnlowIDAQABMAoGCCqGSM49BAMCA0gAMEUCIQC5x1ps4mU00FmYfJiK"
    "PDr2vHvhRyBYe77jK64+p05aeAIgZo4/YUefZYDUDUWKVtoT6A26HmH1GL2f5syYjIA07gQ="
)
_NAMELESS = (
    "MIIBBzCBrqADAgECAgEBMAoGCCqGSM49BAMCMA0xCzAJBgNVBAMMAkNBMB4XDTI1MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFow"
    "DjEMMAoGA1UEAwwDU04xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9HViBlXEGN+BU4WillnX173M3RWt0JqYTcAOC9gZNpXX"
    "gnj5iPVY71vhekXntsxaIA+D3MaqL7q/WqiLzSf5zTAKBggqhkjOPQQDAgNIADBFAiA8Q86pX6KltbvlA/o0RaMUHgYl9JVTZW7M"
    "TLARS9G+mwIhAJ1J9hgfm8fX9gZkqiYJI6T6pEtN6kLdXzzZZuRHdPhl"
)


def read(frame: Frame) -> Any:
    """Return the certificate or request in a frame; None if there is none or it cannot be read."""
    from cryptography import x509

    text = string(frame.payload, MEMBERS[frame.action or ""]) or ""
    if frame.action != "SignCertificate":
        return leaf(text)
    try:
        return x509.load_pem_x509_csr(text.encode())
    except ValueError:
        return None


def _key(holder: Any) -> tuple[str, int] | None:
    """Return the kind and the length of a public key; None if it is of another kind."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    try:
        key = holder.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    for kind, name in (
        (rsa.RSAPublicKey, "RSA"),
        (dsa.DSAPublicKey, "DSA"),
        (ec.EllipticCurvePublicKey, "elliptic curve"),
    ):
        if isinstance(key, kind):
            return name, key.key_size
    return None


def _hash_of(holder: Any) -> str:
    """Return the name of the hash in a signature; "" if it is not known."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return str(holder.signature_hash_algorithm.name)
    except (AttributeError, UnsupportedAlgorithm):
        return ""


class CertificateProperties(Topic):
    """Rules about keys and subjects of certificates."""

    @rule(
        "certificate.weak-key",
        call(*MEMBERS),
        title="A certificate has a key that is too short or a signature that is not safe",
        severity=Severity.ERROR,
        spec="A00.FR.501, A00.FR.502, A00.FR.503 (1.6 security whitepaper, 2.x part 2); 2.x A00.FR.504",
        remedy="Use RSA or DSA keys of at least 2048 bits, or elliptic curves of at least 224 bits; sign with "
        "SHA256 or better.",
        bad=script(signed_2x(_WEAK, "Rejected")).partition("\n")[0],
        good=script(signed_2x(VALID)),
    )
    def weak_key(self, frame: Frame) -> Faults:
        holder = read(frame)
        known = _key(holder) if holder is not None else None
        hashed = _hash_of(holder)
        if hashed in WEAK_HASHES and self.session.version is not OcppVersion.V16:
            return Fault(f"it is signed with {hashed.upper()}", f"/3/{MEMBERS[frame.action or '']}", key=hashed)
        if known is None or known[1] >= LEAST_BITS[known[0]]:
            return None
        text = f"the {known[0]} key has {known[1]} bits; at least {LEAST_BITS[known[0]]} are required"
        return Fault(text, f"/3/{MEMBERS[frame.action or '']}")

    @rule(
        "certificate.subject",
        call("CertificateSigned", "SignCertificate"),
        title="The certificate of a charge point does not name its owner or the charge point",
        severity=Severity.WARNING,
        spec="A00.FR.509, A00.FR.511 (1.6 security whitepaper, 2.x part 2)",
        remedy="Give the organization of the owner in O, and the serial number of the charge point in CN.",
        bad=script(signed_2x(_NAMELESS)),
        good=script(signed_2x(VALID)),
    )
    def subject(self, frame: Frame) -> Faults:
        from cryptography.x509.oid import NameOID

        holder = read(frame)
        if holder is None or (string(frame.payload, "certificateType") or "").startswith("V2G"):
            return None
        at = f"/3/{MEMBERS[frame.action or '']}"
        for name, oid in (("O", NameOID.ORGANIZATION_NAME), ("CN", NameOID.COMMON_NAME)):
            try:
                given = holder.subject.get_attributes_for_oid(oid)
            except ValueError:
                return None
            if not given:
                return Fault(f"the subject has no {name}", at, key=name)
        return None
