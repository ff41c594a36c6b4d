"""Check the identity of charge points: passwords, TLS and client certificates."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csms.errors import CsmsMistake

# One check takes about 40 ms and 16 MiB, so a correct password is checked only once per process (`PasswordCheck`).
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1


@dataclass(frozen=True, slots=True)
class Security:
    """A security profile (2.0.1 A00, 1.6 whitepaper 2).

    Profile 0 is no security, 1 HTTP Basic, 2 TLS with HTTP Basic, 3 TLS with certificates of both sides.
    """

    profile: int = 0
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None

    @property
    def wants_password(self) -> bool:
        return self.profile in (1, 2)

    def context(self) -> ssl.SSLContext | None:
        """Return the TLS context; None for profiles without TLS.

        Raises:
            CsmsMistake: an option that the profile needs is missing, or a file cannot be used.
        """
        if self.profile < 2:
            return None
        if self.certificate is None or (self.profile == 3 and self.client_ca is None):
            needed = "--tls-cert" if self.certificate is None else "--client-ca"
            raise CsmsMistake(f"security profile {self.profile} needs {needed}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # A00.FR.314, A00.FR.416: TLS 1.2 or newer.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise CsmsMistake(f"{self.certificate}: cannot be used as the CSMS's certificate ({error})") from None
        if self.profile == 3:
            try:
                context.load_verify_locations(self.client_ca)
            except (OSError, ssl.SSLError) as error:
                raise CsmsMistake(f"{self.client_ca}: cannot be used as --client-ca ({error})") from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def hash_password(password: bytes) -> str:
    """Return the salted hash of a password, for the store."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def _scrypt(password: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P)


def credentials(authorization: str) -> tuple[str, bytes] | None:
    """Return user name and password from a Basic Authorization header; None if it is malformed."""
    scheme, _, blob = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(blob.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except (binascii.Error, UnicodeDecodeError):
        return None


class PasswordCheck:
    """Check passwords against their hashes in a thread, and remember the correct ones.

    A correct password is remembered as a keyed digest until the process ends. So each of thousands of charge points
    that reconnect at once costs one scrypt, no matter how often it reconnects.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: set[bytes] = set()

    async def right(self, password: bytes, stored: str | None) -> bool:
        """Return whether a password fits a stored hash.

        Without a hash it takes the same time, so that the time does not reveal which identities exist.
        """
        salt, expected = (bytes.fromhex(part) for part in (stored or f"scrypt${'00' * 16}$").split("$")[1:])
        digest = hmac.digest(self._key, salt + expected + password, "sha256")
        if digest in self._right:
            return True
        found = await asyncio.to_thread(_scrypt, password, salt)
        if stored is None or not hmac.compare_digest(found, expected):
            return False
        self._right.add(digest)
        return True


def common_name(certificate: dict[str, Any] | None) -> str | None:
    """Return the common name in a certificate that `ssl` has parsed; None without one."""
    for part in (certificate or {}).get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return None
