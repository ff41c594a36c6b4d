"""Translate the operator's everyday operations, such as start and unlock, into the CALL of each version."""

from __future__ import annotations

import secrets
from typing import Any

from csms.schemas import Payload, Version

# Operation -> its arguments and their types; types with ? belong to optional arguments.
OPERATIONS: dict[str, dict[str, str]] = {
    "start": {"evse_id": "integer", "id_token": "string"},
    "stop": {"transaction_id": "string"},
    "reset": {"hard?": "boolean"},
    "unlock": {"evse_id": "integer", "connector_id?": "integer"},
    "trigger": {"message": "string", "evse_id?": "integer"},
}
SUMMARIES = {
    "start": "Start a transaction remotely",
    "stop": "Stop a transaction remotely",
    "reset": "Reset the charge point, softly or hard",
    "unlock": "Unlock a connector",
    "trigger": "Ask the charge point to send a message",
}
KINDS = {"integer": int, "string": str, "boolean": bool}
LONGEST_NUMBER = 18
LARGEST_REMOTE_START_ID = 2**31 - 1


def call_for(version: Version, operation: str, arguments: dict[str, Any]) -> tuple[str, Payload]:
    """Translate an operation into an action and its payload.

    Raises:
        ValueError: the operation is unknown, or an argument is missing or of the wrong type.
    """
    _check(operation, arguments)
    evse_id: int | None = arguments.get("evse_id")
    match operation, version:
        case "start", "1.6":
            return "RemoteStartTransaction", {"connectorId": evse_id, "idTag": arguments["id_token"]}
        case "start", _:
            # F01.FR.25: the transaction will refer to this request by its id.
            remote_start_id = secrets.randbelow(LARGEST_REMOTE_START_ID) + 1
            token = {"idToken": arguments["id_token"], "type": "Central"}
            payload = {"idToken": token, "remoteStartId": remote_start_id, "evseId": evse_id}
            return "RequestStartTransaction", payload
        case "stop", "1.6":
            number = arguments["transaction_id"]
            if not number.isdecimal() or len(number) > LONGEST_NUMBER:
                raise ValueError(f"a transaction id of OCPP 1.6 is a whole number of at most {LONGEST_NUMBER} digits")
            return "RemoteStopTransaction", {"transactionId": int(number)}
        case "stop", _:
            return "RequestStopTransaction", {"transactionId": arguments["transaction_id"]}
        case "reset", "1.6":
            return "Reset", {"type": "Hard" if arguments.get("hard") else "Soft"}
        case "reset", _:
            return "Reset", {"type": "Immediate" if arguments.get("hard") else "OnIdle"}
        case "unlock", "1.6":
            return "UnlockConnector", {"connectorId": evse_id}
        case "unlock", _:
            return "UnlockConnector", {"evseId": evse_id, "connectorId": arguments.get("connector_id", 1)}
    trigger: Payload = {"requestedMessage": arguments["message"]}
    if version != "1.6" and arguments["message"] == "StatusNotification":
        # 2.x F06.FR.12: a StatusNotification concerns a connector. Without an EVSE, take the first connector.
        trigger["evse"] = {"id": evse_id or 1, "connectorId": 1}
    elif evse_id is not None:
        trigger |= {"connectorId": evse_id} if version == "1.6" else {"evse": {"id": evse_id}}
    return "TriggerMessage", trigger


def schema(operation: str) -> dict[str, Any]:
    """Return the JSON schema of an operation's arguments."""
    wanted = OPERATIONS[operation]
    return {
        "type": "object",
        "required": [name for name in wanted if not name.endswith("?")],
        "properties": {name.rstrip("?"): {"type": kind} for name, kind in wanted.items()}
        | {"checked": {"type": "boolean", "default": True}},
        "additionalProperties": False,
    }


def _check(operation: str, arguments: dict[str, Any]) -> None:
    if operation not in OPERATIONS:
        raise ValueError(f"unknown operation {operation!r}; the operations are {', '.join(OPERATIONS)}")
    wanted = OPERATIONS[operation]
    if strange := set(arguments) - {name.rstrip("?") for name in wanted}:
        raise ValueError(f"{operation}: unknown argument {min(strange)!r}")
    for name, kind in wanted.items():
        value = arguments.get(name.rstrip("?"))
        if value is None and name.endswith("?"):
            continue
        if type(value) is not KINDS[kind]:
            raise ValueError(f"{operation}: the argument {name.rstrip('?')} must be of type {kind}")
