"""Sign meter values in the Open Charge Metering Format, with the charge point's key.

The text is OCMF|{payload}|{signature}, with an ECDSA signature of the payload.
"""

from __future__ import annotations

import json

from simulator.certificates import CertificateStore
from simulator.charging.meter import Reading

SIGNING_METHOD = "ECDSA-secp256r1-SHA256"


def signed_data(store: CertificateStore, serial: str, reading: Reading, stamp: str) -> str:
    """Return the signed reading of the energy register."""
    payload = json.dumps(
        {"FV": "1.0", "GI": "ChargeSentinel", "GS": serial, "RD": [{"TM": stamp, "RV": reading.energy_wh, "RU": "Wh"}]},
        separators=(",", ":"),
    )
    signature = json.dumps({"SA": SIGNING_METHOD, "SD": store.sign(payload.encode()).hex()}, separators=(",", ":"))
    return f"OCMF|{payload}|{signature}"
