"""Signed meter values: knows how a reading becomes a text that can be checked; the key is the certificate store's.

The text has the shape of the Open Charge Metering Format: OCMF|{payload}|{signature}, ECDSA over the payload as it is.
"""

from __future__ import annotations

import json

from simulator.certificates import CertificateStore
from simulator.meter import Reading

SIGNING_METHOD = "ECDSA-secp256r1-SHA256"


def signed_data(store: CertificateStore, serial: str, reading: Reading, stamp: str) -> str:
    """Return a signed reading of the energy register."""
    payload = json.dumps(
        {"FV": "1.0", "GI": "ChargeSentinel", "GS": serial, "RD": [{"TM": stamp, "RV": reading.energy_wh, "RU": "Wh"}]},
        separators=(",", ":"),
    )
    signature = json.dumps({"SA": SIGNING_METHOD, "SD": store.sign(payload.encode()).hex()}, separators=(",", ":"))
    return f"OCMF|{payload}|{signature}"
