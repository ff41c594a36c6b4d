"""The certificates and the private key of a charge point, as real X.509.

The charge point accepts a certificate as its own only if the certificate contains the charge point's public key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator.wire.link import Payload

HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
CSMS_ROOTS = ("CSMSRootCertificate", "CentralSystemRootCertificate")
MANUFACTURER_ROOTS = ("ManufacturerRootCertificate",)
MOST = 20
"""The most installed certificates, and the value of CertificateStoreMaxLength."""


@dataclass(slots=True)
class CertificateStore:
    """The installed certificates with their uses, the private key, and the charge point's own certificate."""

    charge_point_id: str
    installed: list[tuple[str, x509.Certificate]] = field(default_factory=list)
    own: x509.Certificate | None = None
    _key: ec.EllipticCurvePrivateKey | None = None

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        if self._key is None:
            self._key = ec.generate_private_key(ec.SECP256R1())
        return self._key

    def signing_request(self, organization: str) -> str:
        """Return a certificate signing request in PEM, for SignCertificate."""
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, self.charge_point_id[:64]),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            ]
        )
        request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(self.key, hashes.SHA256())
        return request.public_bytes(serialization.Encoding.PEM).decode()

    def take_own(self, chain: str) -> str | None:
        """Accept a certificate chain as the charge point's own, or return why it is refused.

        A02.FR.06, A02.FR.07: the first certificate must be for this key and this charge point, and valid now. The
        issuer of each certificate must be the next one, and that of the last an installed root of the CSMS, if any.
        """
        try:
            certificates = x509.load_pem_x509_certificates(chain.encode())
        except ValueError:
            return "the chain is not PEM"
        leaf = certificates[0]
        if _public(leaf) != self.key.public_key().public_bytes(*SPKI):
            return "the certificate is for another key"
        names = [str(name.value) for name in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if names != [self.charge_point_id[:64]]:
            return "the common name is not the charge point's id"
        if not all(_is_valid(certificate) for certificate in certificates):
            return "a certificate of the chain is expired or not yet valid"
        if any(not _issued(issuer, certificate) for certificate, issuer in pairwise(certificates)):
            return "a certificate of the chain is not issued by the next one"
        roots = [found for use, found in self.installed if use in CSMS_ROOTS]
        last = certificates[-1]
        if roots and not any(last == root or _issued(root, last) for root in roots):
            return "no installed root certificate issued the chain"
        self.own = leaf
        return None

    def signing_objection(self, pem: str) -> str | None:
        """Return why a certificate may not sign firmware: an installed manufacturer root must be its issuer."""
        try:
            certificate = x509.load_pem_x509_certificate(pem.encode())
        except ValueError:
            return "the certificate is not PEM"
        if not _is_valid(certificate):
            return "the certificate is expired or not yet valid"
        roots = [found for use, found in self.installed if use in MANUFACTURER_ROOTS]
        if roots and not any(_issued(root, certificate) for root in roots):
            return "no installed manufacturer root issued the certificate"
        return None

    def install(self, use: str, pem: str) -> str:
        """Install a root certificate, and return the status for the answer: Accepted, Rejected or Failed."""
        try:
            certificate = x509.load_pem_x509_certificate(pem.encode())
        except ValueError:
            return "Rejected"
        # M05.FR.07: a root must be the certificate of an authority, and must not be expired.
        if not _is_authority(certificate) or not _is_valid(certificate):
            return "Rejected"
        if len(self.installed) >= MOST:
            return "Failed"
        if (use, certificate) not in self.installed:
            self.installed.append((use, certificate))
        return "Accepted"

    def listed(self, uses: list[str] | None) -> list[tuple[str, Payload]]:
        """Return (use, CertificateHashData) of the installed certificates of some uses; None means all."""
        return [
            (use, hash_data(found, "SHA256", self._issuers()))
            for use, found in self.installed
            if uses is None or use in uses
        ]

    def _issuers(self) -> list[x509.Certificate]:
        return [found for _, found in self.installed]

    def delete(self, wanted: Payload) -> str:
        """Delete the certificate with this hash data, and return the status for the answer: Accepted or NotFound."""
        for entry in self.installed:
            if hash_data(entry[1], wanted["hashAlgorithm"], self._issuers()) == _lower(wanted):
                self.installed.remove(entry)
                return "Accepted"
        return "NotFound"

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`: ECDSA on secp256r1 with SHA-256, as DER."""
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def public_key(self) -> bytes:
        """Return the public key as DER."""
        return self.key.public_key().public_bytes(*SPKI)


SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(*SPKI)


def _lower(hash_data: Payload) -> Payload:
    return {
        key: str(hash_data[key]) if key == "hashAlgorithm" else str(hash_data[key]).lower()
        for key in ("hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber")
    }


def hash_data(certificate: x509.Certificate, algorithm: str, issuers: Iterable[x509.Certificate]) -> Payload:
    """Return CertificateHashData, which identifies a certificate as OCSP does (RFC 6960, 4.1.1).

    The issuer is the certificate itself if it is self-signed, or one of `issuers`. If the issuer is not among them, the
    authority key identifier of the certificate replaces the issuer's key.
    """
    digest = HASHES[algorithm]
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": _digest(certificate.issuer.public_bytes(), digest),
        "issuerKeyHash": _digest(_issuer_key(certificate, issuers), digest),
        "serialNumber": f"{certificate.serial_number:x}",
    }


def _issuer_key(certificate: x509.Certificate, issuers: Iterable[x509.Certificate]) -> bytes:
    issuer = next((found for found in (certificate, *issuers) if _issued(found, certificate)), None)
    if issuer is None:
        try:
            extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        except x509.ExtensionNotFound:
            return b""
        return extension.value.key_identifier or b""
    # RFC 6960 hashes the content of the BIT STRING, without tag and length.
    key = issuer.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Return whether a certificate has the issuer's name and signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_valid(certificate: x509.Certificate) -> bool:
    """Return whether a certificate is valid at the current time."""
    return certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc


def _is_authority(certificate: x509.Certificate) -> bool:
    """Return whether a certificate belongs to a CA: by its extensions, or without extensions if it is self-signed."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return _issued(certificate, certificate)


def _digest(data: bytes, algorithm: hashes.HashAlgorithm) -> str:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize().hex()
