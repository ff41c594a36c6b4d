"""Ask OCSP responders and download CRLs, to find out whether a certificate is revoked."""

from __future__ import annotations

import asyncio
import base64
import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from csms.schemas import Payload

PATIENCE_S = 5.0
LARGEST_DOWNLOAD = 2**20
CLOCKS_S = 300.0
"""How far the clock of a responder may differ."""

HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


class NoStatus(Exception):
    """The status of a certificate cannot be found out; `str()` returns the reason."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


_OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def key_hash(key: Any, algorithm: hashes.HashAlgorithm) -> bytes:
    """Return the hash of a public key as in OCSP: of the BIT STRING without tag and length (RFC 6960, 4.1.1)."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        data = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    elif isinstance(key, rsa.RSAPublicKey):
        data = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    else:
        data = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return digest(data, algorithm)


def digest(data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    made = hashes.Hash(algorithm)
    made.update(data)
    return made.finalize()


def hash_data(certificate: x509.Certificate, issuer: x509.Certificate, algorithm: str = "SHA256") -> Payload:
    """Return the CertificateHashData of a certificate."""
    kind = HASHES[algorithm]
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": digest(issuer.subject.public_bytes(), kind).hex(),
        "issuerKeyHash": key_hash(issuer.public_key(), kind).hex(),
        "serialNumber": f"{certificate.serial_number:x}",
    }


def is_issuer(issuer: x509.Certificate, asked: Payload) -> bool:
    """Return whether CertificateHashData names this certificate as the issuer."""
    kind = HASHES[asked["hashAlgorithm"]]
    made = digest(issuer.subject.public_bytes(), kind).hex(), key_hash(issuer.public_key(), kind).hex()
    return made == (asked["issuerNameHash"].lower(), asked["issuerKeyHash"].lower())


async def ask(asked: Payload, url: str) -> bytes:
    """Ask an OCSP responder about CertificateHashData, and return its answer in DER.

    Raises:
        NoStatus: the responder cannot be reached, or does not answer about this certificate.
    """
    kind = HASHES[asked["hashAlgorithm"]]
    try:
        name, key = bytes.fromhex(asked["issuerNameHash"]), bytes.fromhex(asked["issuerKeyHash"])
        serial = int(asked["serialNumber"], 16)
        request = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name, key, serial, kind).build()
    except ValueError as error:
        raise NoStatus(f"the hash data of the certificate is not valid: {error}") from None
    der = await _fetch(url, request.public_bytes(serialization.Encoding.DER))
    answer = read(der)
    if (answer.serial_number, answer.issuer_name_hash, answer.issuer_key_hash) != (serial, name, key):
        raise NoStatus(f"{url[:100]}: the OCSP response is about another certificate")
    return der


def read(der: bytes) -> ocsp.OCSPResponse:
    """Parse a current OCSP response about one certificate.

    Raises:
        NoStatus: it is not a response, not successful, or too old.
    """
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise NoStatus(f"the OCSP responder answers {answer.response_status.name}")
        first, last = answer.this_update_utc, answer.next_update_utc
    except ValueError as error:
        raise NoStatus(f"not an OCSP response: {error}") from None
    now, slack = datetime.now(UTC), timedelta(seconds=CLOCKS_S)
    if first > now + slack or (last is not None and last < now - slack):
        raise NoStatus("the OCSP response is not valid at this time")
    return answer


def status_of(answer: ocsp.OCSPResponse) -> str:
    """Return the status in an OCSP response: Good, Revoked or Unknown."""
    return answer.certificate_status.name.capitalize()


def is_signed_by(answer: ocsp.OCSPResponse, issuers: Iterable[x509.Certificate]) -> bool:
    """Return whether an issuer, or a responder with its certificate from an issuer, signed an OCSP response."""
    trusted = list(issuers)
    for issuer in trusted:
        if _signed(answer, issuer):
            return True
        for responder in answer.certificates:
            if _is_responder(responder) and issued(issuer, responder) and _signed(answer, responder):
                return True
    return False


def _is_responder(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage


def issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Return whether a certificate has the issuer's name and signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _signed(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key = signer.public_key()
    try:
        algorithm = answer.signature_hash_algorithm
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


async def is_on_list(asked: Payload, url: str) -> tuple[bool, datetime | None]:
    """Download a CRL; return whether a serial number is on it, and when the next CRL is due.

    Raises:
        NoStatus: the CRL cannot be downloaded or read.
    """
    content = await _fetch(url, None)
    try:
        load = x509.load_pem_x509_crl if content.startswith(b"-----") else x509.load_der_x509_crl
        crl = load(content)
        serial = int(asked["serialNumber"], 16)
    except ValueError as error:
        raise NoStatus(f"{url[:100]}: not a CRL: {error}") from None
    return crl.get_revoked_certificate_by_serial_number(serial) is not None, crl.next_update_utc


async def _fetch(url: str, body: bytes | None) -> bytes:
    try:
        if urlsplit(url).scheme not in ("http", "https"):
            raise NoStatus(f"{url[:100]!a} is not an http address")
        return await asyncio.to_thread(_open, url, body)
    except (OSError, HTTPException, ValueError, urllib.error.URLError) as error:
        raise NoStatus(f"{url[:100]}: {getattr(error, 'reason', None) or error}") from None


def _open(url: str, body: bytes | None) -> bytes:
    headers = {} if body is None else {"Content-Type": "application/ocsp-request"}
    with _OPEN.open(urllib.request.Request(url, body, headers), timeout=PATIENCE_S) as answer:
        found: bytes = answer.read(LARGEST_DOWNLOAD + 1)
    if len(found) > LARGEST_DOWNLOAD:
        raise ValueError(f"more than {LARGEST_DOWNLOAD} bytes")
    return found


def in_base64(der: bytes) -> str:
    return base64.b64encode(der).decode()
