"""When the CSMS may send which CALL: the book's order of things; sends nothing."""

from __future__ import annotations

from csms import actions, schemas
from csms.schemas import Payload, Version

STARTS_AND_STOPS = frozenset(
    {"RemoteStartTransaction", "RemoteStopTransaction", "RequestStartTransaction", "RequestStopTransaction"}
)
TRIGGERS = frozenset({"TriggerMessage", "ExtendedTriggerMessage"})


def objection(version: Version, boot_status: str | None, action: str, payload: Payload) -> str | None:
    """Say why a CALL should not be sent; None when nothing speaks against it.

    Args:
        version: of the charge point.
        boot_status: the answer to its last boot; None when it has never booted here.
        action: any text; an action that a CSMS does not send is objected to.
        payload: judged against the action's schema.
    """
    if action not in actions.from_csms(version):
        return f"OCPP {version} has no action {action!r} that a CSMS sends"
    if (fault := schemas.fault(version, action, "request", payload)) is not None:
        return f"{action}, {fault}"
    if boot_status == "Rejected":
        return "the charge point's boot was rejected: nothing is sent until it boots again (1.6 4.2, 2.x B03)"
    if boot_status == "Pending" and action in STARTS_AND_STOPS:
        return "no transaction is started or stopped while the boot is Pending (1.6 4.2, 2.x B02.FR.05)"
    if boot_status is None and action not in TRIGGERS:
        return "the charge point has not booted yet; only a trigger is of use"
    if boot_status == "Accepted" and action in TRIGGERS and payload.get("requestedMessage") == "BootNotification":
        return "a boot is not triggered once one was accepted (1.6 errata 3.40, 2.x F06.FR.17)"
    return None
