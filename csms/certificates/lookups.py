"""Find out facts about certificates from other machines, before a CALL is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from csms import timestamps
from csms.certificates import revocation
from csms.certificates.contracts import Contracts
from csms.certificates.revocation import NoStatus
from csms.schemas import Payload

WEEK_S = 7 * 86_400
"""A charging station keeps a status for at most a week (M07.FR.09)."""


async def contract(contracts: Contracts, request: Payload) -> str | None:
    """Return the certificateStatus of a contract certificate in Authorize that is not valid; None if it is valid."""
    return await contracts.fault(request.get("certificate"), request.get("iso15118CertificateHashData", []))


async def ocsp_response(contracts: Contracts, request: Payload) -> str | None:
    """Return the OCSP response that GetCertificateStatus asks for, DER in base64; None if there is none (M06)."""
    asked = request["ocspRequestData"]
    try:
        return revocation.in_base64(await revocation.ask(asked, asked["responderURL"]))
    except NoStatus:
        return None


async def chain_status(contracts: Contracts, request: Payload) -> list[Payload]:
    """Return the status of each certificate in GetCertificateChainStatus (M07.FR.01 to M07.FR.08)."""
    return [await _status(asked) for asked in request["certificateStatusRequests"]]


async def _status(asked: Payload) -> Payload:
    now = datetime.now(UTC)
    status, due = "Failed", None
    for url in asked["urls"]:
        try:
            if asked["source"] == "CRL":
                revoked, due = await revocation.is_on_list(asked["certificateHashData"], url)
                status = "Revoked" if revoked else "Good"
            else:
                answer = revocation.read(await revocation.ask(asked["certificateHashData"], url))
                status, due = revocation.status_of(answer), answer.next_update_utc
        except NoStatus:
            continue
        break
    seconds = WEEK_S if due is None else min(WEEK_S, max(0.0, (due - now).total_seconds()))
    if status == "Failed":
        seconds = 86_400
    moment = datetime.fromtimestamp(now.timestamp() + seconds, UTC)
    return {
        "certificate_hash_data": asked["certificateHashData"],
        "source": asked["source"],
        "status": status,
        "next_update": timestamps.stamp(moment),
    }


ACTIONS = frozenset({"Authorize", "GetCertificateStatus", "GetCertificateChainStatus"})
"""The actions whose answer may need a look-up."""


def wanted(action: str, payload: Payload) -> Callable[[Contracts, Payload], Awaitable[Any]] | None:
    """Return the look-up that the answer to a CALL needs; None if it needs none."""
    match action:
        case "Authorize" if "certificate" in payload or "iso15118CertificateHashData" in payload:
            return contract
        case "GetCertificateStatus":
            return ocsp_response
        case "GetCertificateChainStatus":
            return chain_status
    return None
