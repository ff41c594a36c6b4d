"""The certificates and the private key of a charge point, as real X.509.

The charge point accepts a certificate as its own only if it contains its public key.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator.link import Payload

HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
MOST = 20
"""The value of CertificateStoreMaxLength: installed certificates."""


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

    def take_own(self, chain: str) -> bool:
        """Accept a certificate chain as the charge point's own; returns False if it is not for its key."""
        try:
            leaf = x509.load_pem_x509_certificates(chain.encode())[0]
        except (ValueError, IndexError):
            return False
        if _public(leaf) != self.key.public_key().public_bytes(*SPKI):
            return False
        self.own = leaf
        return True

    def install(self, use: str, pem: str) -> str:
        """Install a root certificate; returns the status for the answer: Accepted, Rejected or Failed."""
        try:
            certificate = x509.load_pem_x509_certificate(pem.encode())
        except ValueError:
            return "Rejected"
        if len(self.installed) >= MOST:
            return "Failed"
        if (use, certificate) not in self.installed:
            self.installed.append((use, certificate))
        return "Accepted"

    def listed(self, uses: list[str] | None) -> list[tuple[str, Payload]]:
        """Return (use, CertificateHashData) of the installed certificates of some uses; None means all."""
        return [(use, hash_data(found, "SHA256")) for use, found in self.installed if uses is None or use in uses]

    def delete(self, wanted: Payload) -> str:
        """Delete the certificate with some hash data; returns the status for the answer: Accepted or NotFound."""
        for entry in self.installed:
            if hash_data(entry[1], wanted["hashAlgorithm"]) == _lower(wanted):
                self.installed.remove(entry)
                return "Accepted"
        return "NotFound"

    def sign(self, data: bytes) -> bytes:
        """Return the signature of some data, by ECDSA on secp256r1 with SHA-256, as DER."""
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


def hash_data(certificate: x509.Certificate, algorithm: str) -> Payload:
    """Return CertificateHashData, which identifies a certificate as OCSP does (RFC 6960, 4.1.1).

    Only a self-signed certificate contains the key of its issuer. For others the authority key identifier replaces it.
    """
    digest = HASHES[algorithm]
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": _digest(certificate.issuer.public_bytes(), digest),
        "issuerKeyHash": _digest(_issuer_key(certificate), digest),
        "serialNumber": f"{certificate.serial_number:x}",
    }


def _issuer_key(certificate: x509.Certificate) -> bytes:
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        try:
            extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        except x509.ExtensionNotFound:
            return b""
        return extension.value.key_identifier or b""
    # RFC 6960 hashes the content of the BIT STRING, without tag and length.
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)


def _digest(data: bytes, algorithm: hashes.HashAlgorithm) -> str:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize().hex()
