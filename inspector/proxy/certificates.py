"""Issue certificates for a test bench, with a certificate authority that is not meant for production."""

from __future__ import annotations

import datetime
import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from inspector.errors import UnusableFile, UserMistake

_CLOCK_SKEW = datetime.timedelta(days=1)
"""How long before now certificates become valid: the clock of a charger without a battery starts in the past."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key, and the files they are in."""

    cert: Path
    key: Path
    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey


class Authority:
    """A CA in the files `ca.pem` and `ca.key` of a directory, made on first use and reused afterwards."""

    def __init__(self, directory: Path, days: int = 825) -> None:
        """Open or make the CA. Raises UnusableFile if the directory or its files cannot be used."""
        self.directory, self.days = directory, days
        cert, key = directory / "ca.pem", directory / "ca.key"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if cert.exists() and key.exists():
                certificate = x509.load_pem_x509_certificate(cert.read_bytes())
                private_key = serialization.load_pem_private_key(key.read_bytes(), None)
                if not isinstance(private_key, ec.EllipticCurvePrivateKey):
                    raise ValueError("its key is not an elliptic-curve key")
                self.ca = Issued(cert, key, certificate, private_key)
                return
        except (OSError, ValueError, TypeError) as error:
            raise UnusableFile(directory, f"cannot be used for certificates ({error})") from None
        private_key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ChargeSentinel test bench CA")])
        builder = self._builder(name, name, private_key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        builder = builder.add_extension(_usage(sign_certificates=True), critical=True)
        self.ca = self._write("ca", builder.sign(private_key, hashes.SHA256()), private_key)

    def server(self, hosts: list[str], stem: str = "server") -> Issued:
        """Issue a server certificate for host names and addresses."""
        names: list[x509.GeneralName] = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                try:
                    names.append(x509.DNSName(host))
                except ValueError as error:
                    raise UserMistake(f"--host {host}: not a valid host name ({error})") from None
        return self._issue(stem, hosts[0], x509.SubjectAlternativeName(names), ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, charge_point_id: str, *, days: int | None = None) -> Issued:
        """Issue a client certificate whose common name is the charge point's id (security profile 3)."""
        if charge_point_id in ("ca", "server") or not re.fullmatch(r"[\w+@][\w .:+@-]{0,63}", charge_point_id):
            raise UserMistake(f"--charge-point {charge_point_id!r}: cannot be used as a file name")
        return self._issue(charge_point_id, charge_point_id, None, ExtendedKeyUsageOID.CLIENT_AUTH, days)

    def _issue(
        self,
        stem: str,
        common_name: str,
        names: x509.SubjectAlternativeName | None,
        purpose: x509.ObjectIdentifier,
        days: int | None = None,
    ) -> Issued:
        private_key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
        builder = self._builder(subject, self.ca.certificate.subject, private_key, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.ca.private_key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        return self._write(stem, builder.sign(self.ca.private_key, hashes.SHA256()), private_key)

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int | None = None
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        until = now + datetime.timedelta(days=self.days if days is None else days)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, until) - _CLOCK_SKEW)
            .not_valid_after(until)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )

    def _write(self, stem: str, certificate: x509.Certificate, private_key: ec.EllipticCurvePrivateKey) -> Issued:
        cert, key = self.directory / f"{stem}.pem", self.directory / f"{stem}.key"
        pem = private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            key.touch(mode=0o600)
            key.write_bytes(pem)
            cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        except OSError as error:
            raise UnusableFile(self.directory, f"cannot be written ({error.strerror})") from None
        return Issued(cert, key, certificate, private_key)


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
