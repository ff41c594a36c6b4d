"""Signed meter values for the examples of rules: readings at 1.000 and 1.500 kWh, signed with a key made for this."""

from __future__ import annotations

import base64
import json
from typing import Any

KEY = (
    "3059301306072a8648ce3d020106082a8648ce3d030107034200048166182ab4ee262f1b8fdd057278762feaeb"
    "5166874eb46ca08d430030529654682600566fe22783e2ac5809001d22c867f0c6bfbb7b9f484a72cd34a9497f"
    "7a"
)
"""The public key, as hexadecimal digits of its DER form."""
_BEGIN = (
    "304502210080eb8a929cba8f5b05ec17bda1a15248a8de722dd1c2bed62abbf92392e67e5602207d0249e8d44c"
    "013295fbcea514d1511ec32ee226e44034271166ddebcce2a889"
)
_END = (
    "30450221008b507a81db9ab7b7c8a9241814a59ba1b972311f67d309ac44fe957a206ea91402203e5bb29327bf"
    "a8f09c7ebc82402a7c19c1b0fb8af88c201ef4aa146c6f298943"
)
_END_AS_FIRST_PAGE = (
    "304402201624b7736253c6ef250d17fe4bea403307f9d83701371d113f90ad103d8c874c0220194ab56404243e"
    "aa1c79dc2762a0662551ff5004284212c24da95cd93d58ffa7"
)


def _ocmf(page: int, kind: str, minute: int, reading: str, signature: str) -> str:
    payload = (
        f'{{"FV":"1.0","GI":"Example","GS":"1","PG":"T{page}","MS":"1","RD":['
        f'{{"TM":"2026-01-01T12:0{minute}:00,000+0000 S","TX":"{kind}",'
        f'"RV":{reading},"RI":"1-b:1.8.0","RU":"kWh","ST":"G"}}]}}'
    )
    return f'OCMF|{payload}|{{"SD":"{signature}"}}'


BEGIN = _ocmf(7, "B", 0, "1.000", _BEGIN)
END = _ocmf(8, "E", 5, "1.500", _END)
END_ON_THE_FIRST_PAGE = _ocmf(7, "E", 5, "1.500", _END_AS_FIRST_PAGE)
FORGED = END.replace('"RV":1.500', '"RV":1.510')
"""END with another reading, so that its signature is wrong."""


def signed(text: str) -> dict[str, Any]:
    """Return a SignedMeterValueType with its public key."""
    return {
        "signedMeterData": base64.b64encode(text.encode()).decode(),
        "signingMethod": "ECDSA-secp256r1-SHA256",
        "encodingMethod": "OCMF",
        "publicKey": f"oca:base16:asn1:{KEY}",
    }


def _time(context: str) -> str:
    return f"2026-01-01T12:0{0 if context == 'Transaction.Begin' else 5}:00Z"


def sampled_16(watt_hours: str, text: str, context: str) -> dict[str, Any]:
    """Return MeterValues of 1.6 with a value and its signed form."""
    plain = {"value": watt_hours, "context": context}
    own = {"value": json.dumps(signed(text), separators=(",", ":")), "format": "SignedData", "context": context}
    value = {"timestamp": _time(context), "sampledValue": [plain, own]}
    return {"connectorId": 1, "meterValue": [value]}


def sampled_2x(watt_hours: float, text: str, context: str) -> dict[str, Any]:
    """Return MeterValues of 2.x with a signed value."""
    value = {"value": watt_hours, "context": context, "signedMeterValue": signed(text)}
    return {"evseId": 1, "meterValue": [{"timestamp": _time(context), "sampledValue": [value]}]}
