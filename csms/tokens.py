"""Decide which id tokens may charge, in the same way for all OCPP versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from csms import timestamps
from csms.store import Store


@dataclass(frozen=True, slots=True)
class Verdict:
    """The CSMS's answer about a token. `status` is Accepted, Blocked, Expired, Invalid or ConcurrentTx."""

    status: str
    expires: str | None = None
    parent: str | None = None


def judge(store: Store, id_token: str, unknown: str, charge_point_id: str, starting: bool = False) -> Verdict:
    """Return the status of a token.

    Args:
        store: the store with tokens and open transactions.
        id_token: the token as the charge point sent it; case does not matter.
        unknown: the status of a token that the store does not know.
        charge_point_id: the charge point that asks.
        starting: whether a transaction is about to start: only then the status may be ConcurrentTx (1.6, 7.2).
    """
    known = store.token(id_token)
    if known is None:
        return Verdict(unknown)
    expiry = timestamps.parse(known["expires"])
    status = known["status"]
    if status == "Accepted" and expiry is not None and expiry <= datetime.now(UTC):
        status = "Expired"
    if status == "Accepted" and starting and not known["concurrent"] and store.open_with_token(id_token):
        status = "ConcurrentTx"
    return Verdict(status, known["expires"], known["parent"])
