"""Contract certificates of vehicles (ISO 15118): issue, revoke and check them, and answer OCSP requests about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from csms import timestamps
from csms.certificates import revocation
from csms.certificates.revocation import NoStatus, issued
from csms.errors import CsmsMistake
from csms.schemas import Payload
from csms.store import Row, Store

VALID_DAYS = 365
ROOT_DAYS = 3650
EXPIRED, REVOKED, BROKEN = "CertificateExpired", "CertificateRevoked", "CertChainError"
"""The values of certificateStatus for a certificate that is not valid (C07.FR.15 to C07.FR.17)."""

type Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Contracts:
    """The CA for contract certificates, its OCSP responder, and the check of other contract certificates.

    Args:
        path: a PEM file with the trusted CA certificates, and if they should issue contracts, the key of the first one.
            None makes a new CA, which lasts until the process ends.
        store: keeps which contracts were issued and revoked.

    Raises:
        CsmsMistake: the file contains no CA certificate.
    """

    def __init__(self, path: Path | None, store: Store) -> None:
        self._store = store
        self._key: Key | None
        self.ocsp_url: str | None = None
        """The address of the own OCSP responder, for new certificates; None if no page is served."""
        if path is None:
            self._key = ec.generate_private_key(ec.SECP256R1())
            self.trusted = [_root(self._key)]
            return
        try:
            content = path.read_bytes()
            self.trusted = x509.load_pem_x509_certificates(content)
        except (OSError, ValueError) as error:
            raise CsmsMistake(f"{path}: expected CA certificates in PEM ({error})") from None
        self._key = _key_in(content)
        own = self._key.public_key() if self._key else None
        if own is not None and self.trusted[0].public_key() != own:
            raise CsmsMistake(f"{path}: the key does not belong to the first certificate")

    @property
    def root(self) -> x509.Certificate:
        return self.trusted[0]

    # --- issue and revoke ----------------------------------------------------------------------------------------

    def issue(self, emaid: str, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, days: float = VALID_DAYS) -> str:
        """Issue a contract certificate for a public key, and return its chain in PEM.

        Raises:
            ValueError: the file of the CA contains no key, or the eMAID cannot be a common name.
        """
        if self._key is None:
            raise ValueError("the file of --contract-ca contains no key, so no contract can be issued")
        now = datetime.now(UTC)
        start = min(now, now + timedelta(days=days)) - timedelta(minutes=5)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, emaid)]))
            .issuer_name(self.root.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if self.ocsp_url is not None:
            place = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(self.ocsp_url)
            )
            builder = builder.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        expires = timestamps.stamp(certificate.not_valid_after_utc)
        self._store.contract(f"{certificate.serial_number:x}", emaid, expires)
        return "".join(_pem(each) for each in (certificate, self.root))

    def install(self, request: str) -> str:
        """Issue the contract certificate that a vehicle asks for, with a certificate request in PEM; return the chain.

        Raises:
            ValueError: the text is not a valid request, or no contract can be issued.
        """
        try:
            csr = x509.load_pem_x509_csr(request.encode())
            key, name = csr.public_key(), csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except (ValueError, TypeError):
            raise ValueError("exiRequest is not a certificate request in PEM, in base64") from None
        if not csr.is_signature_valid or not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) or not name:
            raise ValueError("the certificate request is not signed, or has no common name")
        return self.issue(str(name[0].value), key)

    # --- check ---------------------------------------------------------------------------------------------------

    async def fault(self, chain: str | None, entries: list[Payload]) -> str | None:
        """Return the certificateStatus of a contract certificate that is not valid; None if it is valid.

        Args:
            chain: the certificate and its sub-CAs in PEM, the certificate first.
            entries: the hash data of these certificates, each with the URL of its OCSP responder.
        """
        found = []
        if chain is not None:
            found.append(await self._chain_fault(chain))
        for entry in entries:
            found.append(await self._entry_fault(entry, entry.get("responderURL"), []))
        return next((fault for fault in (BROKEN, EXPIRED, REVOKED) if fault in found), None)

    async def _chain_fault(self, pem: str) -> str | None:
        try:
            chain = x509.load_pem_x509_certificates(pem.encode())
        except ValueError:
            return BROKEN
        if any(not issued(issuer, certificate) for certificate, issuer in pairwise(chain)):
            return BROKEN
        root = next((each for each in self.trusted if each == chain[-1] or issued(each, chain[-1])), None)
        if root is None or not all(map(_is_authority, chain[1:])):
            return BROKEN
        now = datetime.now(UTC)
        if any(each.not_valid_before_utc > now for each in chain):
            return BROKEN
        if any(each.not_valid_after_utc < now for each in [*chain, root]):
            return EXPIRED
        for certificate, issuer in pairwise([*chain, root]):
            url = _responder(certificate)
            own = issuer == self.root and self._key is not None
            if certificate in self.trusted or not (own or url):
                continue
            if (fault := await self._entry_fault(revocation.hash_data(certificate, issuer), url, chain)) is not None:
                return fault
        return None

    async def _entry_fault(self, asked: Payload, url: str | None, chain: list[x509.Certificate]) -> str | None:
        if self._key is not None and revocation.is_issuer(self.root, asked):
            return self._own_fault(self._store.contract_of(_serial(asked)))
        issuers = [each for each in [*self.trusted, *chain] if revocation.is_issuer(each, asked)]
        if not url or not issuers:
            return BROKEN
        try:
            answer = revocation.read(await revocation.ask(asked, url))
        except NoStatus:
            return BROKEN
        if not revocation.is_signed_by(answer, issuers):
            return BROKEN
        return {"Good": None, "Revoked": REVOKED}.get(revocation.status_of(answer), BROKEN)

    @staticmethod
    def _own_fault(contract: Row | None) -> str | None:
        if contract is None:
            return BROKEN
        expires = timestamps.parse(contract["expires"])
        if expires is not None and expires < datetime.now(UTC):
            return EXPIRED
        return REVOKED if contract["revoked"] else None

    # --- the OCSP responder --------------------------------------------------------------------------------------

    def respond(self, der: bytes) -> bytes:
        """Answer an OCSP request in DER about an issued contract certificate."""
        try:
            request = ocsp.load_der_ocsp_request(der)
            kind = request.hash_algorithm
        except ValueError:
            return _unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        names = revocation.digest(self.root.subject.public_bytes(), kind)
        keys = revocation.key_hash(self.root.public_key(), kind)
        if self._key is None or (request.issuer_name_hash, request.issuer_key_hash) != (names, keys):
            return _unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        found = self._store.contract_of(f"{request.serial_number:x}")
        revoked = timestamps.parse(found["revoked"]) if found else None
        status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
        if found is None:
            status = ocsp.OCSPCertStatus.UNKNOWN
        now = datetime.now(UTC)
        response = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                names,
                keys,
                request.serial_number,
                kind,
                status,
                now,
                now + timedelta(days=1),
                revoked,
                x509.ReasonFlags.unspecified if revoked else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.root)
            .sign(self._key, hashes.SHA256())
        )
        return response.public_bytes(serialization.Encoding.DER)


def _unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(serialization.Encoding.DER)


def _serial(asked: Payload) -> str:
    return str(asked["serialNumber"]).lower().lstrip("0")


def _responder(certificate: x509.Certificate) -> str | None:
    """Return the address of the OCSP responder that a certificate names."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    places = [each.access_location for each in access if each.access_method == AuthorityInformationAccessOID.OCSP]
    return next((str(place.value) for place in places if isinstance(place, x509.UniformResourceIdentifier)), None)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return issued(certificate, certificate)


def _key_in(content: bytes) -> Key | None:
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) else None


def _root(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Reference CSMS contract CA")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=ROOT_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
