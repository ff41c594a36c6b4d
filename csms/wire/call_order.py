"""Decide whether the CSMS may send a CALL now, by the specification."""

from __future__ import annotations

from csms import actions, call_rules, schemas
from csms.schemas import Payload, Version

STARTS_AND_STOPS = frozenset(
    {"RemoteStartTransaction", "RemoteStopTransaction", "RequestStartTransaction", "RequestStopTransaction"}
)
TRIGGERS = frozenset({"TriggerMessage", "ExtendedTriggerMessage"})


def objection(
    version: Version,
    boot_status: str | None,
    action: str,
    payload: Payload,
    facts: call_rules.Facts | None = None,
) -> str | None:
    """Return why a CALL should not be sent; None if it may be sent.

    Args:
        version: the charge point's version.
        boot_status: the answer to its last boot; None if it has never booted at this CSMS.
        action: any text; a CSMS should only send actions that the specification allows it.
        payload: the payload, which is checked against the action's schema and the rules of `call_rules`.
        facts: facts about the charge point and its tokens that the rules need; None if nothing is known.
    """
    if action not in actions.from_csms(version):
        return f"in OCPP {version} a CSMS sends no action {action!r}"
    if (fault := schemas.fault(version, action, "request", payload)) is not None:
        return f"{action}: {fault}"
    if boot_status == "Rejected":
        return "the boot was rejected, so nothing may be sent before the charge point boots again (1.6 4.2, 2.x B03)"
    if boot_status == "Pending" and action in STARTS_AND_STOPS:
        return "a CSMS may not start or stop a transaction while the boot is Pending (1.6 4.2, 2.x B02.FR.05)"
    if boot_status is None and action not in TRIGGERS:
        return "the charge point has not booted yet; only TriggerMessage can be sent"
    if boot_status == "Accepted" and action in TRIGGERS and payload.get("requestedMessage") == "BootNotification":
        return "the boot was accepted already, so it may not be triggered again (1.6 errata 3.40, 2.x F06.FR.17)"
    return call_rules.objection(version, action, payload, facts or call_rules.Facts(lambda token: "Accepted"))
