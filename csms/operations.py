"""What an operator does with a charge point in everyday words, as the CALL each version has for it; sends nothing."""

from __future__ import annotations

import secrets
from typing import Any

from csms.schemas import Payload, Version

# The everyday operations and what each takes; what is marked with ? may be left out.
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
    "reset": "Reset the charge point, gently or hard",
    "unlock": "Unlock a connector",
    "trigger": "Have the charge point send a message",
}
KINDS = {"integer": int, "string": str, "boolean": bool}
LONGEST_NUMBER = 18
LARGEST_REMOTE_START_ID = 2**31 - 1


def call_for(version: Version, operation: str, arguments: dict[str, Any]) -> tuple[str, Payload]:
    """Translate an operation into an action and its payload.

    Raises:
        ValueError: there is no such operation, or an argument is missing or of the wrong type.
    """
    _check(operation, arguments)
    evse_id: int | None = arguments.get("evse_id")
    match operation, version:
        case "start", "1.6":
            return "RemoteStartTransaction", {"connectorId": evse_id, "idTag": arguments["id_token"]}
        case "start", _:
            # F01.FR.25: the id by which the transaction will name this request.
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
    if evse_id is not None:
        trigger |= {"connectorId": evse_id} if version == "1.6" else {"evse": {"id": evse_id}}
    return "TriggerMessage", trigger


def schema(operation: str) -> dict[str, Any]:
    """Describe an operation's arguments as a JSON schema."""
    wanted = OPERATIONS[operation]
    return {
        "type": "object",
        "required": [name for name in wanted if not name.endswith("?")],
        "properties": {name.rstrip("?"): {"type": kind} for name, kind in wanted.items()},
        "additionalProperties": False,
    }


def _check(operation: str, arguments: dict[str, Any]) -> None:
    if operation not in OPERATIONS:
        raise ValueError(f"{operation!r} is none of {', '.join(OPERATIONS)}")
    wanted = OPERATIONS[operation]
    if strange := set(arguments) - {name.rstrip("?") for name in wanted}:
        raise ValueError(f"{operation} takes no {min(strange)}")
    for name, kind in wanted.items():
        value = arguments.get(name.rstrip("?"))
        if value is None and name.endswith("?"):
            continue
        if type(value) is not KINDS[kind]:
            raise ValueError(f"{operation} needs {name.rstrip('?')}, of type {kind}")
