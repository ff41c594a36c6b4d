"""The operator's API for contract certificates, and the OCSP responder, which everybody may ask."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from csms import timestamps
from csms.certificates import revocation
from csms.certificates.contracts import VALID_DAYS
from csms.context import Context

OCSP = "/ocsp"
LONGEST_REQUEST = 65_536
LONGEST_EMAID = 64
CONTRACT = {
    "type": "object",
    "required": ["emaid"],
    "properties": {
        "emaid": {"type": "string", "examples": ["DE8AACA2B3C4D5"]},
        "valid_days": {
            "type": "number",
            "default": VALID_DAYS,
            "description": "a negative number makes an expired certificate",
        },
    },
}


def listed(context: Context) -> Any:
    """List the issued contract certificates."""
    return context.store.rows("SELECT * FROM contracts ORDER BY rowid")


def issue(context: Context, content: dict[str, Any]) -> Any:
    """Issue a contract certificate with a new key.

    Raises:
        ValueError: a member is wrong, or no contract can be issued.
    """
    if strange := set(content) - {"emaid", "valid_days"}:
        raise ValueError(f"unknown key {min(strange)!r}; the keys are emaid and valid_days")
    emaid, days = content.get("emaid"), content.get("valid_days", VALID_DAYS)
    if not isinstance(emaid, str) or not emaid.isprintable() or not 1 <= len(emaid) <= LONGEST_EMAID:
        raise ValueError(f"emaid must be a text of 1 to {LONGEST_EMAID} printable characters")
    if isinstance(days, bool) or not isinstance(days, int | float) or not -3650 <= days <= 3650:
        raise ValueError("valid_days must be a number from -3650 to 3650")
    contracts = context.contracts
    key = ec.generate_private_key(ec.SECP256R1())
    chain = contracts.issue(emaid, key.public_key(), days)
    certificate = x509.load_pem_x509_certificates(chain.encode())[0]
    entry = revocation.hash_data(certificate, contracts.root)
    if contracts.ocsp_url is not None:
        entry["responderURL"] = contracts.ocsp_url
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return {
        "emaid": emaid,
        "expires": timestamps.stamp(certificate.not_valid_after_utc),
        "certificate": chain,
        "key": key.private_bytes(encoding, form, serialization.NoEncryption()).decode(),
        "iso15118CertificateHashData": [entry],
    }


def routes(context: Context) -> list[Route]:
    """Return the routes of the OCSP responder: POST, and GET with the request in base64 (RFC 6960, A.1)."""

    async def post(request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_REQUEST:
                return Response(status_code=413)
        return _answer(body)

    async def get(request: Request) -> Response:
        try:
            return _answer(base64.b64decode(request.path_params["request"], validate=True))
        except binascii.Error:
            return Response("not base64\n", 400)

    def _answer(body: bytes) -> Response:
        return Response(context.contracts.respond(body), media_type="application/ocsp-response")

    return [Route(OCSP, post, methods=["POST"]), Route(f"{OCSP}/{{request:path}}", get)]


def is_public(path: str) -> bool:
    """Return whether everybody may send requests to a path, without the operator's token."""
    return path == OCSP or path.startswith(f"{OCSP}/")
