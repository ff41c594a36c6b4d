"""The operations for forms and editors: the actions of a version, their schemas, and the faults of a payload."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from inspector.protocol import schemas
from inspector.protocol.schemas import Kind
from inspector.protocol.vocabulary import ACTIONS, ACTIONS_FROM, SEND_ACTIONS, Direction, OcppVersion
from inspector.proxy.control.openapi import Operation
from inspector.proxy.control.requests import json_of, one_of, text_in, unknown

MOST_FAULTS = 20
LARGEST_CHECKED = 128 * 1024
"""Bytes of a request to check a payload, which takes time in which no frame is relayed."""
_VERSIONS = {version.value: version for version in OcppVersion}
_KINDS: dict[str, Kind] = {"request": "request", "response": "response"}
_CHECK = {
    "type": "object",
    "required": ["version", "action", "kind", "payload"],
    "properties": {
        "version": {"enum": list(_VERSIONS)},
        "action": {"type": "string"},
        "kind": {"enum": list(_KINDS)},
        "payload": {},
    },
}


class SchemaApi:
    """Operations that need no session."""

    def __init__(self) -> None:
        one = "/api/actions/{version}"
        self.operations = [
            Operation("GET", one, "List the actions of a version by who may send them", self.actions),
            Operation("GET", one + "/{action}/{kind}", "Show the schema of a request or response", self.schema),
            Operation("POST", "/api/check", "Check a payload against its schema", self.check, _CHECK),
        ]

    async def actions(self, request: Request) -> Any:
        senders = ACTIONS_FROM[_version(request)]
        sides = {"charge_point": Direction.FROM_CHARGE_POINT, "csms": Direction.FROM_CSMS}
        return {side: sorted(senders[direction] - SEND_ACTIONS) for side, direction in sides.items()}

    async def schema(self, request: Request) -> Any:
        version, action = _version(request), request.path_params["action"]
        if action not in ACTIONS[version]:
            raise unknown(f"action of OCPP {version.value}", action, sorted(ACTIONS[version]))
        if request.path_params["kind"] not in _KINDS:
            raise unknown("kind of payload", request.path_params["kind"], _KINDS)
        found = schemas.schema(version, action, _KINDS[request.path_params["kind"]])
        if found is None:
            raise HTTPException(404, f"{action} has no answer")
        return found

    async def check(self, request: Request) -> Any:
        content = await json_of(request, "version", "action", "kind", "payload", largest=LARGEST_CHECKED)
        version, kind = one_of(content, "version", _VERSIONS), one_of(content, "kind", _KINDS)
        action = text_in(content, "action")
        faults = []
        for fault in schemas.faults(version, action, kind, content.get("payload")):
            faults.append({"pointer": fault.pointer, "text": fault.text})
            if len(faults) == MOST_FAULTS:
                break
        return {"known": action in ACTIONS[version], "faults": faults}


def _version(request: Request) -> OcppVersion:
    given = request.path_params["version"]
    if given not in _VERSIONS:
        raise unknown("version", given, _VERSIONS)
    return _VERSIONS[given]
