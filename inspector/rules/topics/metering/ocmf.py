"""Read signed meter values in the Open Charge Metering Format (OCMF), and verify their signatures.

The text is OCMF|{payload}|{signature}. It may come as it is, in Base64 or in hexadecimal. In OCPP 1.6 it may also
come in the JSON of a SignedMeterValueType, because 1.6 has no member for that type.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

LONGEST = 100_000
"""Longer texts are not read."""
LONGEST_KEY = 4000
MOST_READINGS = 50
_FACTORS = {"Wh": Decimal(1), "kWh": Decimal(1000), "MWh": Decimal(1_000_000)}
_EXPORT = re.compile(r"(?<![0-9])0?2\.0?8\.|(?:C[0-9])\.0?8\.")
"""OBIS codes of registers of exported energy."""
_PAGE = re.compile(r"([TF])(\d{1,18})")
_HEXADECIMAL = b"OCMF".hex()
_HASHES = ("SHA512", "SHA384", "SHA256")


@dataclass(frozen=True, slots=True)
class Energy:
    """A signed reading of imported energy, in Wh; `digit` is what its last digit is worth."""

    wh: Decimal
    digit: Decimal


@dataclass(frozen=True, slots=True)
class SignedValue:
    """One signed meter value.

    Attributes:
        text: the whole text.
        payload: the part that is signed.
        meter: the serial numbers of the gateway and the meter.
        page: the kind (T for transactions, F for others) and the number of its page; None if it has none.
        time: the time of its last reading, as written; "" if it has none.
        energies: its readings of imported energy.
        algorithm, signature: as in the signature's part.
    """

    text: str
    payload: str
    meter: str
    page: tuple[str, int] | None
    time: str
    energies: tuple[Energy, ...]
    algorithm: str
    signature: bytes


def found_in(value: Any) -> tuple[str | None, str | None]:
    """Return the OCMF text and the public key in the value of a sample or a SignedMeterValueType; None: not there."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("{"):
            value = _object(text)
        else:
            return _plain(text), None
    if not isinstance(value, dict) or not isinstance(value.get("signedMeterData"), str):
        return None, None
    key = value.get("publicKey")
    return _plain(value["signedMeterData"]), key if isinstance(key, str) and key else None


def _plain(text: str) -> str | None:
    text = text.strip()
    if len(text) > LONGEST:
        return None
    if not text.startswith("OCMF|"):
        try:
            hexadecimal = text[:8].lower() == _HEXADECIMAL
            text = (bytes.fromhex(text) if hexadecimal else base64.b64decode(text, validate=True)).decode()
        except (ValueError, binascii.Error):
            return None
    return text if text.startswith("OCMF|") else None


def parsed(text: str) -> SignedValue | None:
    """Return the parts of an OCMF text; None if it is not complete."""
    payload, _, rest = text.removeprefix("OCMF|").rpartition("|")
    facts, signature = _object(payload), _object(rest)
    if facts is None or signature is None or not isinstance(signature.get("SD"), str):
        return None
    try:
        encoded = signature["SD"]
        raw = base64.b64decode(encoded) if signature.get("SE") == "base64" else bytes.fromhex(encoded)
    except (ValueError, binascii.Error):
        raw = b""
    page = _PAGE.fullmatch(str(facts.get("PG", "")))
    readings = facts.get("RD")
    readings = [one for one in readings if isinstance(one, dict)] if isinstance(readings, list) else []
    return SignedValue(
        text,
        payload,
        " ".join(str(facts.get(name, ""))[:100] for name in ("GS", "MS")).strip(),
        (page[1], int(page[2])) if page else None,
        next((str(one["TM"])[:23] for one in reversed(readings) if "TM" in one), ""),
        tuple(_energies(readings[:MOST_READINGS])),
        str(signature.get("SA", "ECDSA-secp256r1-SHA256"))[:100],
        raw,
    )


def _energies(readings: list[dict[str, Any]]) -> list[Energy]:
    found, unit, code = [], "", ""
    for one in readings:
        unit, code = str(one.get("RU", unit)), str(one.get("RI", code))  # a missing field repeats the last one
        value = decimal(one.get("RV"))
        if value is not None and unit in _FACTORS and not _EXPORT.search(code):
            found.append(Energy(value * _FACTORS[unit], digit_of(value) * _FACTORS[unit]))
    return found


def decimal(value: Any) -> Decimal | None:
    """Return a number, or the number in a text; None if it is neither, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value)[:40])
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None


def digit_of(number: Decimal) -> Decimal:
    """Return what the last digit of a number is worth; 1 for whole numbers."""
    exponent = number.as_tuple().exponent
    return Decimal(1).scaleb(min(0, exponent)) if isinstance(exponent, int) else Decimal(1)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation):
        return None
    return value if isinstance(value, dict) else None


def is_genuine(one: SignedValue, key: str) -> bool | None:
    """Return whether the signature belongs to the payload and the public key; None if that cannot be checked."""
    return _verified(one.payload, one.signature, one.algorithm, key)


@lru_cache(256)  # a value is often sent twice, as in StopTransaction
def _verified(payload: str, signature: bytes, algorithm: str, key: str) -> bool | None:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    public = _public_key(key)
    name = next((one for one in _HASHES if one in algorithm.upper().replace("-", "")), None)
    if public is None or name is None:
        return None
    try:
        public.verify(signature, payload.encode(), ec.ECDSA(getattr(hashes, name)()))
    except InvalidSignature:
        return False
    except (UnsupportedAlgorithm, ValueError):
        return None
    return True


def is_key(text: str) -> bool:
    """Return whether a text is a public key with which signatures can be verified."""
    return _public_key(text) is not None


@lru_cache(1024)
def _public_key(text: str) -> Any:
    """Return the elliptic-curve key in a text: PEM, or DER or a point in hexadecimal or Base64; None if it has none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

    try:
        if len(text) > LONGEST_KEY:
            return None
        if "-----BEGIN" in text:
            key: Any = load_pem_public_key(text.encode())
        else:
            raw = key_bytes(text)
            if raw is None:
                return None
            curves: dict[int, ec.EllipticCurve] = {65: ec.SECP256R1(), 97: ec.SECP384R1(), 133: ec.SECP521R1()}
            curve = curves.get(len(raw)) if raw[:1] == b"\4" else None
            point = ec.EllipticCurvePublicKey.from_encoded_point
            key = load_der_public_key(raw) if curve is None else point(curve, raw)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePublicKey) else None


def key_bytes(text: str) -> bytes | None:
    """Return the bytes of a key in hexadecimal or Base64.

    It may have `oca:base16:asn1:` before it, and the whole may be in Base64 again.
    """
    for _ in range(2):
        text = text.strip()
        *_, text = text.split(":") if text.startswith("oca:") else (text,)
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
        try:
            raw = base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            return None
        if not raw.startswith(b"oca:"):
            return raw
        text = raw.decode("ascii", "replace")
    return None
