"""A certificate authority for a test bench: it signs the certificate requests of charge points."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID

from csms.errors import CsmsMistake

VALIDITY = timedelta(days=365)


class Authority:
    """The CA that signs certificate requests.

    Args:
        path: a PEM file with the CA's certificate and its unencrypted key.

    Raises:
        CsmsMistake: the file does not contain a certificate and its key.
    """

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
            self._certificate = x509.load_pem_x509_certificate(content)
            key = serialization.load_pem_private_key(content, password=None)
        except (OSError, ValueError, TypeError) as error:
            raise CsmsMistake(f"{path}: expected the certificate and the key of a CA, in PEM ({error})") from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise CsmsMistake(f"{path}: the CA's key must be an RSA or EC key")
        self._key = key

    def sign(self, csr: str, names: set[str]) -> str:
        """Sign a request, and return the certificate chain in PEM, the charge point's certificate first.

        Args:
            csr: the request in PEM, as the charge point sent it.
            names: the allowed common names: the charge point's identity and its serial number (A02.FR.06).

        Raises:
            ValueError: the text is not a request, its signature is wrong, or it has another common name.
        """
        try:
            request = x509.load_pem_x509_csr(csr.encode())
            valid = request.is_signature_valid
            key = request.public_key()
            found = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except (ValueError, InvalidSignature) as error:
            raise ValueError(f"not a certificate signing request: {error}") from None
        if not valid:
            raise ValueError("the request's signature is wrong")
        if not isinstance(
            key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
        ):
            raise ValueError("the request's key must be RSA, EC, Ed25519 or Ed448")
        if not found or str(found[0].value) not in names:
            raise ValueError("the request's common name is neither the charge point's identity nor its serial number")
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + VALIDITY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        both = (certificate, self._certificate)
        return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in both)
